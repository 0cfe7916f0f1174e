"""panoramisk, hardened. The only module of the project that imports it.

It carries connection, login, the table of actions under way and the matching of answers. What it
does wrongly is replaced through its own doors: `protocol_factory`, `forgetable_actions`, and
subclasses of Manager, AMIProtocol and Action. The T-numbers name the defect that an override is
there for; `tests/ami/test_panoramisk_defects.py` has a test for each.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from dataclasses import dataclass

from panoramisk.actions import Action as BareAction
from panoramisk.ami_protocol import AMIProtocol
from panoramisk.manager import Manager

from dialer.ami.codec import Decoder, Message, NotAmi, encode_action
from dialer.ami.results import Done, Lost, Refused, Result

log = logging.getLogger(__name__)

LIST_ITEMS_MAX = 50_000  # channels on one PBX; a list beyond that is given up
WRITE_BYTES_MAX = 262_144  # unread by the PBX; beyond that no further action is taken


class _Every:
    """Every action is forgettable: nothing is ever kept to be sent again (T1, T8)."""

    def __contains__(self, action: object) -> bool:
        return True


class SentAction(BareAction):  # type: ignore[misc]  # panoramisk has no types
    """An action under way: its bytes, checked, and the future that always ends (T5)."""

    def __init__(self, name: str, action_id: str, wire: bytes, as_list: bool) -> None:
        super().__init__({"Action": name, "ActionID": action_id}, as_list=as_list)
        self.wire = wire
        self.limit: asyncio.TimerHandle | None = None
        self.on_end: Callable[[Result], None] | None = None  # at once, before the future's waiters
        self.gathered: list[Message] = []
        self.response: Message | None = None

    def end(self, result: Result) -> None:
        if self.limit is not None:
            self.limit.cancel()
        if not self.future.done():
            self.future.set_result(result)
            if self.on_end is not None:
                self.on_end(result)

    def add_message(self, message: Message) -> bool:
        """Take a message that bears our ActionID; True when it was the last one.

        Only what Asterisk marks as a list (`EventList`) is one: nothing is guessed from the words
        of a response, nor from headers of the action that may be absent (T7).
        """
        if "Event" not in message:
            if message.get("Response") not in ("Success", "Follows", "Goodbye"):
                self.end(Refused(message.get("Message", "")))
                return True
            if self.as_list and message.get("EventList", "").lower() == "start":
                self.response = message
                return False
            self.end(Done(message))
            return True
        if message.get("EventList", "").lower() in ("complete", "cancelled"):
            self.end(Done(self.response or Message(), tuple(self.gathered), message))
            return True
        if len(self.gathered) >= LIST_ITEMS_MAX:
            self.end(Lost(f"the list has more than {LIST_ITEMS_MAX} items"))
            return True
        self.gathered.append(message)
        return False


class SessionProtocol(AMIProtocol):  # type: ignore[misc]  # panoramisk has no types
    """Bytes by our decoder (T11), answers to their actions, everything else to the callback."""

    responses: dict[str, SentAction]

    def __init__(self, session: Session) -> None:
        self.session = session
        self.decoder = Decoder(banner=True)
        self.answers = 0
        self.orphans = 0  # of these, those to actions that had been given up
        self.clogged = False

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=WRITE_BYTES_MAX)

    def pause_writing(self) -> None:
        self.clogged = True

    def resume_writing(self) -> None:
        self.clogged = False

    def send(
        self, data: SentAction | dict[str, str], as_list: bool = False
    ) -> asyncio.Future[Result]:
        """Write the action. A dict is what panoramisk itself sends: its Login."""
        if isinstance(data, dict):
            headers = tuple((name, value) for name, value in data.items() if name != "Action")
            action_id = f"{data['Action'].lower()}-1"
            wire = encode_action(data["Action"], action_id, headers)
            data = SentAction(data["Action"], action_id, wire, as_list=False)
        self.responses[data.action_id] = data
        self.transport.write(data.wire)
        future: asyncio.Future[Result] = data.future
        return future

    def data_received(self, data: bytes) -> None:
        try:
            messages = self.decoder.feed(data)
        except NotAmi:
            self.session.fail("what answers there is not an Asterisk Manager Interface")
            return
        responses = self.responses
        dispatch = self.session.dispatch
        for message in messages:
            action = responses.get(message["ActionID"]) if "ActionID" in message else None
            if "Event" not in message:
                self.handle_message(message)
            elif action is not None and action.response is not None:
                if action.add_message(message):
                    del responses[message["ActionID"]]
            else:
                # An OriginateResponse bears the ActionID of its Originate and is still an event
                # for everybody (T2).
                dispatch(message)

    def handle_message(self, message: Message) -> None:
        """A response. Late ones, for actions given up meanwhile, are counted and dropped."""
        self.answers += 1
        action = self.responses.get(message.get("ActionID", ""))
        if action is None:
            self.orphans += 1
        elif action.add_message(message):
            self.responses.pop(action.action_id, None)

    def give_up(self, why: str) -> None:
        """End every action under way as lost (T5)."""
        pending = list(self.responses.values())
        self.responses.clear()
        for action in pending:
            action.end(Lost(why))

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.session.connection_lost(exc)


@dataclass(frozen=True, slots=True)
class Login:
    """Where and as whom. `events` is AMI's mask: "off", "on" or classes."""

    host: str
    port: int
    user: str
    secret: str
    events: str = "on"
    tls: ssl.SSLContext | None = None

    def __repr__(self) -> str:
        return f"Login({self.user} at {self.where})"

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"


class Session(Manager):  # type: ignore[misc]  # panoramisk has no types
    """One connection's life: opened once, lost or closed once, never reconnected by itself.

    `on_event(message)` is called in the order of the wire. An exception in it is counted in
    `faults` and logged; the events after it are still delivered (T3). `on_lost(why)` is called
    once, when the connection ends without `close`.
    """

    def __init__(
        self,
        login: Login,
        on_event: Callable[[Message], None],
        on_lost: Callable[[str], None],
    ) -> None:
        quiet = logging.getLogger(f"{__name__}.panoramisk")
        super().__init__(
            host=login.host,
            port=login.port,
            ssl=login.tls,
            username=login.user,
            secret=login.secret,
            events=login.events,
            protocol_factory=lambda: SessionProtocol(self),
            forgetable_actions=_Every(),
            loop=asyncio.get_running_loop(),
            log=quiet,
        )
        self._on_event = on_event
        self._on_lost = on_lost
        self._over = False
        self.why = ""  # it is over
        self.events = 0
        self.faults = 0

    def connect(self, *_: object, **__: object) -> None:
        """Called by panoramisk's timers only; there is no reconnecting here (T8, T9, T10)."""

    def ping(self) -> None:
        """The link has its own watchdog, which looks at the answers (T4)."""

    async def send_awaiting_actions(self, *_: object) -> None:
        """Nothing waits to be sent (T1, T8)."""

    async def open(self) -> asyncio.Future[Result]:
        """Connect and send Login; the future of its answer. `OSError` when nobody answers."""
        opened = self.loop.create_future()
        opened.set_result(
            await self.loop.create_connection(
                self.config["protocol_factory"],
                self.config["host"],
                self.config["port"],
                ssl=self.config["ssl"],
            )
        )
        if self._over:  # closed, or seen not to be AMI, before this task came to run
            opened.result()[0].abort()
            raise ConnectionAbortedError(self.why)
        self.connection_made(opened)
        self.pinger.cancel()
        answer: asyncio.Future[Result] = self.authenticated_future
        return answer

    def login(self, future: asyncio.Future[Result]) -> bool:
        self.authenticated = future.result().success
        return self.authenticated

    def dispatch(self, event: Message) -> None:
        if self._over:  # the handler of an event before it, in the same segment, ended the link
            return
        self.events += 1
        try:
            self._on_event(event)
        except Exception:
            self.faults += 1
            log.exception("the handler of an AMI event failed; the next event goes on")

    def fail(self, why: str) -> None:
        """End the connection now, without waiting for what is still unsent."""
        if not self._over:
            self._over = True
            self._end(why)
            self._on_lost(why)

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail("the PBX closed the connection" if exc is None else words(exc))

    def close(self) -> None:
        """Final: no callback comes after it, and nothing reconnects (T10)."""
        if not self._over:
            self._over = True
            self._end("the link was closed")

    def _end(self, why: str) -> None:
        self.why = why
        if self.protocol is not None:
            self.protocol.give_up(why)
            self.protocol.closed = True
            self.protocol.transport.abort()


def words(error: BaseException) -> str:
    """An error of the network, in words for people."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return str(error) or type(error).__name__
