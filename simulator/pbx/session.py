"""One AMI connection of the simulated PBX: framing, login, what it may see, and its way out.

As in Asterisk a session does one action after another, sends no event in the middle of an
action's answer, and is dropped when its client does not read for `WRITE_TIMEOUT_S`.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING, cast

from dialer.ami.codec import BANNER, Decoder, Message
from simulator.pbx.faults import Point
from simulator.pbx.users import User

if TYPE_CHECKING:
    from simulator.pbx.server import AmiServer

LINE_MAX = 1024  # bytes of one header line
HEADERS_MAX = 128
WRITE_TIMEOUT_S = 10.0  # manager.conf's writetimeout
AUTH_TIMEOUT_S = 10.0
_UNREADABLE = Message()  # stands for what the decoder had to leave out
_BUFFER_MAX = 1 << 20  # bytes that may wait for a client that does not read


class Stage(Enum):
    NEW = "not logged in"
    OPEN = "logged in"
    CLOSED = "closed"


class Session(asyncio.Protocol):
    """Speaks with one client; the server does what it asks."""

    def __init__(self, server: AmiServer) -> None:
        self._server = server
        self.user: User | None = None
        self.stage = Stage.NEW
        self.events_on = True
        self.mask: frozenset[str] | None = None  # categories the client wants; None: all
        self.include: list[re.Pattern[str]] = []
        self.exclude: list[re.Pattern[str]] = []
        self._transport: asyncio.Transport | None = None
        self._decoder = Decoder(line_max=LINE_MAX, headers_max=HEADERS_MAX)
        self._waiting: deque[Message] = deque()
        self._busy = False
        self._working = False  # `_work` is on the stack
        self._held: list[bytes] = []
        self._out: list[bytes] = []
        self._flushing: asyncio.Handle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._auth_timer: asyncio.TimerHandle | None = None
        self._frozen = False

    @property
    def name(self) -> str:
        return self.user.name if self.user else ""

    # --- asyncio's side -----------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_BUFFER_MAX)
        self._auth_timer = self._server.loop.call_later(AUTH_TIMEOUT_S, self._auth_over)
        self._server.joined(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended()

    def pause_writing(self) -> None:
        self._stall = self._server.loop.call_later(WRITE_TIMEOUT_S, self.cut)

    def resume_writing(self) -> None:
        if self._stall:
            self._stall.cancel()
            self._stall = None

    def data_received(self, data: bytes) -> None:
        if self._frozen:
            return
        malformed = self._decoder.malformed
        self._waiting.extend(self._decoder.feed(data))
        if self._decoder.malformed > malformed:
            self._waiting.append(_UNREADABLE)
        self._work()

    # --- actions, one after another -------------------------------------------------------------

    def _work(self) -> None:
        if self._working:  # a loop, not a recursion: a client may send thousands at once
            return
        self._working = True
        try:
            self._take_actions()
        finally:
            self._working = False

    def _take_actions(self) -> None:
        while self._waiting and not self._busy and self.stage is not Stage.CLOSED:
            message = self._waiting.popleft()
            if message is _UNREADABLE:
                self.respond(message, "Error", "Failed to parse message: line too long")
                continue
            self._busy = True
            if self._server.faults.delay_s > 0:
                self._server.loop.call_later(self._server.faults.delay_s, self._run, message)
            else:
                self._run(message)

    def _run(self, message: Message) -> None:
        action = message.header("Action").lower()
        faults = self._server.faults
        if faults.pending and faults.due(Point.BEFORE_ACTION, self.name, action=action):
            self.cut()
            return
        if self._server.perform(self, message):  # answered; else it calls `finish` later
            self.finish()

    def finish(self) -> None:
        """The action under way is answered: deliver the events of meanwhile, take the next."""
        self._busy = False
        if self._held:
            self._out.extend(self._held)
            self._held.clear()
            self._flush_soon()
        self._work()

    def finish_later(self) -> None:
        """As `finish`, for an answer that was not given within `perform`."""
        if self.stage is not Stage.CLOSED:
            self.finish()

    # --- writing --------------------------------------------------------------------------------

    def send(self, data: bytes) -> None:
        """Send now, with whatever else is sent in this turn of the loop."""
        self._out.append(data)
        self._flush_soon()

    def send_event(self, data: bytes) -> None:
        if self._busy:
            self._held.append(data)
        else:
            self._out.append(data)
            self._flush_soon()

    def _flush_soon(self) -> None:
        if self._flushing is None:
            self._flushing = self._server.loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = None
        if self._out and self._transport is not None and not self._frozen:
            if len(self._out) == 1:
                self._transport.write(self._out[0])
            else:
                self._transport.write(b"".join(self._out))
        self._out.clear()

    def respond(self, message: Message, response: str, text: str, body: str = "") -> None:
        """A Response; `body` are further header lines, each with its CRLF."""
        action_id = message.header("ActionID")
        head = f"Response: {response}\r\n"
        if action_id:
            head += f"ActionID: {action_id}\r\n"
        said = f"Message: {text}\r\n" if text else ""
        self._answer(message, f"{head}{body}{said}\r\n".encode())

    def listing(self, message: Message, text: str, items: list[str], done: str, end: str) -> None:
        """A list: Response, one event an item, the completing event `done` (`end`: its extras)."""
        action_id = message.header("ActionID")
        mark = f"ActionID: {action_id}\r\n" if action_id else ""
        parts = [
            f"Response: Success\r\n{mark}EventList: start\r\nMessage: {text}\r\n\r\n",
            *items,
            f"Event: {done}\r\n{mark}EventList: Complete\r\nListItems: {len(items)}\r\n{end}\r\n",
        ]
        faults = self._server.faults
        if faults.pending:
            action = message.header("Action").lower()
            cut = faults.due(Point.IN_LIST, self.name, action=action)
            if cut is not None:
                self.send("".join(parts[: 1 + cut.after_items]).encode())
                self.close()
                return
        self._answer(message, "".join(parts).encode())

    def _answer(self, message: Message, data: bytes) -> None:
        faults = self._server.faults
        if faults.pending:
            action = message.header("Action").lower()
            if faults.due(Point.BEFORE_RESPONSE, self.name, action=action):
                self.cut()
                return
            if faults.due(Point.AFTER_RESPONSE, self.name, action=action):
                self.send(data)
                self.close()
                return
        self.send(data)

    # --- ends -----------------------------------------------------------------------------------

    def logged_in(self, user: User) -> None:
        self.user = user
        self.stage = Stage.OPEN
        if self._auth_timer:
            self._auth_timer.cancel()

    def _auth_over(self) -> None:
        if self.stage is Stage.NEW:
            self.close()

    def greet(self, version: str) -> None:
        self.send(f"{BANNER}{version}\r\n".encode())

    def close(self) -> None:
        """Send what waits, then end."""
        self._flush()
        if self._transport is not None:
            self._transport.close()
        self._ended()

    def cut(self) -> None:
        """End at once; what was not sent yet is lost."""
        self._out.clear()
        if self._transport is not None:
            self._transport.abort()
        self._ended()

    def freeze(self) -> None:
        """Half-open: the connection stands, and nothing is read or sent any more."""
        self._frozen = True
        if self._transport is not None:
            self._transport.pause_reading()

    def _ended(self) -> None:
        if self.stage is Stage.CLOSED:
            return
        self.stage = Stage.CLOSED
        for timer in (self._stall, self._auth_timer):
            if timer:
                timer.cancel()
        self._server.left(self)
