"""One open WebSocket: what is owed to it, and the one writer that pays.

What is owed is a state, not a queue: the newest picture, a ping, and the answers to commands.
Only the answers could pile up, and they cannot: the reader takes no further command while the
answer to the last is unsent beyond `_ANSWERS_MAX`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import WSCloseCode, WSMsgType, web

from dialer.web.auth import Caller
from dialer.web.channels import Channel

_ANSWERS_MAX = 32
GOING = int(WSCloseCode.GOING_AWAY)


@dataclass(frozen=True, slots=True)
class Close:
    code: int
    reason: str = ""


class Screen:
    """`opened_at`, `heard_at` and `owed_since` are real seconds."""

    def __init__(self, ws: web.WebSocketResponse, request: web.Request, now: float) -> None:
        self._ws = ws
        self._transport = request.transport
        self.caller: Caller | None = None  # known after hello
        self.agent = ""  # whose desk it shows; empty: a wallboard's
        self.channel: Channel | None = None
        self.sent = 0  # number of the newest picture this screen has
        self.opened_at = now
        self.heard_at = now
        self.owed_since: float | None = (
            None  # what is being sent has been owed since; None: nothing
        )
        self._answers: deque[bytes] = deque()
        self._ping = b""
        self._close: Close | None = None
        self._wake = asyncio.Event()
        self._paid = asyncio.Event()

    @property
    def closing(self) -> bool:
        return self._close is not None

    def show(self, now: float) -> None:
        """The channel has a newer picture."""
        self._owe(now)

    def show_again(self, now: float) -> None:
        """Owe the newest picture in whole, whatever was sent before."""
        self.sent = 0
        self._owe(now)

    def ping(self, message: bytes, now: float) -> None:
        self._ping = message
        self._owe(now)

    async def answer(self, message: bytes, now: float) -> None:
        """Waits while too many answers are unsent: who does not read is not read either."""
        while len(self._answers) >= _ANSWERS_MAX and not self.closing:
            self._paid.clear()
            await self._paid.wait()
        self._answers.append(message)
        self._owe(now)

    def end(self, code: int, reason: str = "", last_word: bytes = b"") -> None:
        """Close once what is owed is paid; the first reason given stands."""
        if self._close is None:
            if last_word:
                self._answers.append(last_word)
            self._close = Close(code, reason)
            self._paid.set()
            self._wake.set()

    def abort(self) -> None:
        """The peer does not even read: cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _owe(self, now: float) -> None:
        if self.owed_since is None:
            self.owed_since = now
        self._wake.set()

    async def pay(self, real_now: Callable[[], float]) -> None:
        """The writer: runs until the socket is closed, by either side."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                while message := self._next():
                    self.owed_since = real_now()
                    await self._ws.send_frame(message, WSMsgType.TEXT)
                self.owed_since = None
                if self._close is not None:
                    await self._ws.close(
                        code=self._close.code, message=self._close.reason.encode()[:120]
                    )
                    return
        except ConnectionError:
            return  # the reader sees the same and cleans up

    def _next(self) -> bytes:
        if self._answers:
            message = self._answers.popleft()
            self._paid.set()
            return message
        if (channel := self.channel) is not None and self.sent != channel.seq:
            message = channel.message(self.sent)
            self.sent = channel.seq
            return message
        message, self._ping = self._ping, b""
        return message
