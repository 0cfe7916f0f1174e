"""A tiny AMI client for the tests, so that they do not trust the client they are to judge.

Keeps every byte it received (`raw`), every action it sent but the Login (`sent`) and every message
it parsed (`messages`), in order. Not a client to build on: no reconnect, no encoder; a header's
value is sent as it is given.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from itertools import count

Message = dict[str, str]
LIMIT_S = 10.0  # no answer of a healthy Asterisk on loopback takes so long


class RawAmi:
    """One AMI session. `async with RawAmi(port, user, secret) as ami:` logs in and off."""

    def __init__(self, port: int, user: str, secret: str, *, events: str = "on") -> None:
        self.port, self.user, self.secret, self.events_mask = port, user, secret, events
        self.raw = bytearray()
        self.sent = bytearray()  # every action but the Login
        self.messages: list[Message] = []
        self.banner = ""
        self._ids = count(1)
        self._news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.closed = False

    async def __aenter__(self) -> RawAmi:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self.port)
        first = await asyncio.wait_for(reader.readline(), LIMIT_S)
        self.banner = first.decode().strip()
        self.raw += first
        self._reader = asyncio.create_task(self._read(reader), name=f"raw-ami-{self.user}")
        (answer,) = await self.action(
            "Login", Username=self.user, Secret=self.secret, Events=self.events_mask
        )
        if answer["Response"] != "Success":
            await self.close()
            raise PermissionError(answer.get("Message", ""))
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _read(self, reader: asyncio.StreamReader) -> None:
        pending = b""
        with contextlib.suppress(ConnectionResetError):
            while chunk := await reader.read(65536):
                self.raw += chunk
                *blocks, pending = (pending + chunk).split(b"\r\n\r\n")
                async with self._news:
                    self.messages += [_parsed(block) for block in blocks]
                    self._news.notify_all()
        async with self._news:
            self.closed = True
            self._news.notify_all()

    async def action(
        self, name: str, variables: Sequence[str] = (), limit_s: float = LIMIT_S, **headers: str
    ) -> list[Message]:
        """Send an action; its response and, for a list, the list's events to the last."""
        action_id = headers.setdefault("ActionID", f"raw-{next(self._ids)}")
        start = len(self.messages)
        lines = [f"Action: {name}", *(f"{key}: {value}" for key, value in headers.items())]
        lines += [f"Variable: {variable}" for variable in variables]
        assert self._writer is not None
        request = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if name != "Login":
            self.sent += request
        self._writer.write(request)
        response = await self.wait(
            lambda m: m.get("ActionID") == action_id and "Response" in m, limit_s, start=start
        )
        if response.get("EventList", "").lower() != "start":
            return [response]
        await self.wait(
            lambda m: m.get("ActionID") == action_id and m.get("EventList") == "Complete",
            limit_s,
            start=start,
        )
        return [m for m in self.messages[start:] if m.get("ActionID") == action_id]

    async def wait(
        self, test: Callable[[Message], bool], limit_s: float = LIMIT_S, *, start: int = 0
    ) -> Message:
        """The first message from index `start` on that passes `test`; TimeoutError when none."""
        at = start

        def found() -> Message | None:
            nonlocal at
            while at < len(self.messages):
                at += 1
                if test(self.messages[at - 1]):
                    return self.messages[at - 1]
            return None

        async with asyncio.timeout(limit_s), self._news:
            while (message := found()) is None:
                if self.closed:
                    raise ConnectionError("Asterisk closed the AMI session")
                await self._news.wait()
            return message

    async def wait_closed(self, limit_s: float = LIMIT_S) -> None:
        """Until Asterisk has closed the session."""
        async with asyncio.timeout(limit_s), self._news:
            await self._news.wait_for(lambda: self.closed)

    async def event(
        self, name: str, limit_s: float = LIMIT_S, *, start: int = 0, **headers: str
    ) -> Message:
        """The first event of this name whose headers are these."""
        return await self.wait(
            lambda m: (
                m.get("Event") == name
                and all(m.get(key) == value for key, value in headers.items())
            ),
            limit_s,
            start=start,
        )

    def events(self, name: str, **headers: str) -> list[Message]:
        return [
            m
            for m in self.messages
            if m.get("Event") == name and all(m.get(k) == v for k, v in headers.items())
        ]


def _parsed(block: bytes) -> Message:
    message: Message = {}
    for line in block.decode().split("\r\n"):
        key, _, value = line.partition(":")
        message[key.strip()] = value.strip()
    return message
