"""One link to a PBX: connect, log in, act with deadlines, watch that the other side lives.

Built on the hardened panoramisk session. A link lives once: it is opened, it is lost or closed,
and a new one takes its place. It holds no task, only timers, and all of them end with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from dialer.ami.actions import PING, Action
from dialer.ami.codec import Message, NotEncodable, encode_action
from dialer.ami.results import Lost, NotSent, Refused, Result
from dialer.ami.session import Login, SentAction, Session, words


class Unreachable(Exception):
    """No link for now. The text is for people."""


class LoginRefused(Unreachable):
    """The PBX does not want us. Trying again at once would not help. The text is for people."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Seconds, except where the name says otherwise."""

    connect_s: float = 5.0
    login_s: float = 5.0  # Asterisk itself sleeps 1 s over a wrong password
    action_s: float = 4.0
    list_s: float = 10.0  # CoreShowChannels of some thousand channels
    ping_every_s: float = 1.0
    ping_s: float = 2.5  # a live PBX answers in milliseconds
    in_flight_max: int = 1_000  # actions without an answer yet


@dataclass(slots=True)
class Counters:
    """Since the link was opened."""

    sent: int = 0
    refused: int = 0
    lost: int = 0
    not_sent: int = 0
    ping_s: float = 0.0  # round trip of the last Ping


class Link:
    """One AMI session. `on_event` and `on_lost(why)` as in `Session`; callbacks are synchronous."""

    def __init__(
        self,
        login: Login,
        on_event: Callable[[Message], None],
        on_lost: Callable[[str], None],
        limits: Limits | None = None,
    ) -> None:
        self.login = login
        self.counters = Counters()
        self.refusing = ""  # why the PBX does nothing at all for now, in its own words
        self._limits = limits or Limits()
        self._on_lost = on_lost
        self._loop = asyncio.get_running_loop()
        self._session = Session(login, on_event, self._session_lost)
        self._up = False
        self._why_down = "not connected yet"
        self._ping_timer: asyncio.TimerHandle | None = None
        self._last_id = 0
        self._reading = True

    @property
    def up(self) -> bool:
        return self._up

    @property
    def version(self) -> str:
        """AMI's version from the greeting, like 11.0.0."""
        protocol = self._session.protocol
        return protocol.decoder.version if protocol is not None else ""

    @property
    def events(self) -> int:
        return int(self._session.events)

    @property
    def faults(self) -> int:
        """Events whose handler raised."""
        return int(self._session.faults)

    @property
    def malformed(self) -> int:
        protocol = self._session.protocol
        return protocol.decoder.malformed if protocol is not None else 0

    @property
    def orphans(self) -> int:
        """Answers that came after their action had been given up."""
        protocol = self._session.protocol
        return protocol.orphans if protocol is not None else 0

    async def open(self) -> None:
        """Connect and log in, within limits. `Unreachable` or `LoginRefused` with clear words."""
        where = self.login.where
        try:
            # Not wait_for: before Python 3.12 it loses a cancel that comes with the connection.
            async with asyncio.timeout(self._limits.connect_s):
                answer = await self._session.open()
        except TimeoutError:
            self.close()
            raise Unreachable(
                f"cannot reach the PBX at {where}: no answer in {self._limits.connect_s:g} s"
            ) from None
        except NotEncodable as error:
            self.close()
            raise LoginRefused(f"user name or password for {where}: {error}") from None
        except OSError as error:
            self.close()
            raise Unreachable(f"cannot reach the PBX at {where}: {words(error)}") from None
        except BaseException:
            self.close()
            raise
        try:
            done, _ = await asyncio.wait((answer,), timeout=self._limits.login_s)
        except asyncio.CancelledError:
            self.close()
            raise
        result: Result = answer.result() if done else Lost("no answer to the login")
        if not result.success:
            self.close()
        if isinstance(result, Refused):
            raise LoginRefused(
                f"AMI password refused for user {self.login.user} at {where}"
                f" ({result.message or 'no reason given'}; the PBX says the same of an unknown"
                " user and of an address that is not permitted)"
            )
        if isinstance(result, Lost | NotSent):
            raise Unreachable(f"cannot log in as {self.login.user} at {where}: {result.why}")
        self._up = True
        self._ping_timer = self._loop.call_later(self._limits.ping_every_s, self._ping)

    def send(self, action: Action) -> asyncio.Future[Result]:
        """Send it now, or not at all. The future always ends, and never with an exception."""
        if not self._up:
            return self._not_sent(self._why_down)
        protocol = self._session.protocol
        if protocol.clogged:
            return self._not_sent("the PBX does not read what it is sent")
        if len(protocol.responses) >= self._limits.in_flight_max:
            return self._not_sent(
                f"{self._limits.in_flight_max} actions are without an answer already"
            )
        action_id = action.action_id or self._next_id()
        if action_id in protocol.responses:
            return self._not_sent("an action with this id is under way")
        try:
            wire = encode_action(action.name, action_id, action.headers, action.variables)
        except NotEncodable as error:
            return self._not_sent(str(error))
        sent = SentAction(action.name, action_id, wire, action.as_list)
        limit_s = self._limits.list_s if action.as_list else self._limits.action_s
        if action is PING:
            limit_s = self._limits.ping_s
        sent.limit = self._loop.call_later(limit_s, self._give_up, sent, limit_s)
        sent.on_end = self._count
        self.counters.sent += 1
        future: asyncio.Future[Result] = self._session.send_action(sent, as_list=action.as_list)
        return future

    def pause_reading(self) -> None:
        """Back-pressure: leave what comes next in the socket.

        Answers wait there too, so the watchdog does not judge while reading is paused. Asterisk
        drops a session that takes nothing for `writetimeout` (10 s as we configure it).
        """
        if self._up and self._reading:
            self._reading = False
            self._session.protocol.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._up and not self._reading:
            self._reading = True
            self._session.protocol.transport.resume_reading()

    def close(self) -> None:
        """Final and at once: what is under way ends as `Lost`, and no callback follows."""
        self._stop("the link was closed")
        self._session.close()

    def _session_lost(self, why: str) -> None:
        was_up = self._up
        self._stop(why)
        if was_up:
            self._on_lost(why)

    def _stop(self, why: str) -> None:
        self._up = False
        self._why_down = why
        if self._ping_timer is not None:
            self._ping_timer.cancel()
            self._ping_timer = None

    def _next_id(self) -> str:
        self._last_id += 1
        return f"q-{self._last_id}"

    def _not_sent(self, why: str) -> asyncio.Future[Result]:
        self.counters.not_sent += 1
        future: asyncio.Future[Result] = self._loop.create_future()
        future.set_result(NotSent(why))
        return future

    def _give_up(self, sent: SentAction, limit_s: float) -> None:
        self._session.protocol.responses.pop(sent.action_id, None)
        sent.end(Lost(f"no answer to {sent['Action']} in {limit_s:g} s"))

    def _count(self, result: Result) -> None:
        match result:
            case Refused():
                self.counters.refused += 1
            case Lost():
                self.counters.lost += 1

    def _ping(self) -> None:
        """Ask, and judge when the answer is due. Asterisk answers in turn, so that a long queue
        of actions delays Pong: any answer since shows that the other side lives."""
        protocol = self._session.protocol
        if protocol.clogged:
            self._session.fail("the PBX does not read what it is sent")
            return
        asked, answers = self._loop.time(), protocol.answers

        def judge(future: asyncio.Future[Result]) -> None:
            if not self._up:
                return
            result = future.result()
            self.refusing = result.message if isinstance(result, Refused) else ""
            if not isinstance(result, Lost):
                self.counters.ping_s = self._loop.time() - asked
            elif self._reading and protocol.answers == answers:
                self._session.fail(f"no answer to Ping in {self._limits.ping_s:g} s")
                return
            self._ping_timer = self._loop.call_later(self._limits.ping_every_s, self._ping)

        self.send(PING).add_done_callback(judge)
