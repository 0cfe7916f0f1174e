"""A scripted AMI server: each connection follows a timeline, written as a coroutine.

    async def wrong_password(talk):
        talk.greet()
        talk.refuse(await talk.action("Login"), "Authentication failed")
        talk.close()

    async with ScriptedAmi(wrong_password) as ami:
        ...

The first connection follows the first script, and so on; the last script serves all that come
after. A script that raises (a conversation that went otherwise) fails the test at the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Self

from dialer.ami.codec import Decoder, Message, encode_message

Script = Callable[["Talk"], Coroutine[Any, Any, None]]


class Gone(Exception):
    """The client closed the connection."""


class Talk:
    """One connection, seen from the server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._decoder = Decoder(line_max=1024, headers_max=128)
        self._waiting: list[Message] = []
        self.received: list[Message] = []

    # --- hear ---------------------------------------------------------------------------------

    async def action(self, name: str = "", *, answer_pings: bool = True) -> Message:
        """The next action, which must have this name. Pings are answered on the way."""
        while True:
            while not self._waiting:
                data = await self._reader.read(65_536)
                if not data:
                    raise Gone
                messages = self._decoder.feed(data)
                self.received += messages
                self._waiting += messages
            message = self._waiting.pop(0)
            if message["Action"] == "Ping" and name != "Ping" and answer_pings:
                self.reply(message, Ping="Pong")
                continue
            assert not name or message["Action"] == name, f"{name} expected, not {message}"
            return message

    async def serve(self, *answers: Callable[[Message], None]) -> None:
        """Answer Pings, and each further action by the next of `answers`, until the client goes."""
        rest = list(answers)
        try:
            while True:
                message = await self.action(answer_pings=True)
                if rest:
                    rest.pop(0)(message)
        except Gone:
            pass

    # --- speak --------------------------------------------------------------------------------

    def raw(self, data: bytes | str) -> None:
        self._writer.write(data if isinstance(data, bytes) else data.encode())

    def greet(self, version: str = "11.0.0") -> None:
        self.raw(f"Asterisk Call Manager/{version}\r\n")

    def reply(self, action: Message, response: str = "Success", **headers: str) -> None:
        self.raw(
            encode_message(
                [("Response", response), ("ActionID", action["ActionID"]), *headers.items()]
            )
        )

    def refuse(self, action: Message, message: str) -> None:
        self.reply(action, "Error", Message=message)

    def event(self, name: str, **headers: str) -> None:
        self.raw(encode_message([("Event", name), *headers.items()]))

    def list(self, action: Message, end: str, items: list[tuple[str, dict[str, str]]]) -> None:
        """A list as Asterisk answers one: response, an event for each item, `end`."""
        self.reply(action, EventList="start", Message="List will follow")
        for name, headers in items:
            self.event(name, ActionID=action["ActionID"], **headers)
        self.event(
            end, ActionID=action["ActionID"], EventList="Complete", ListItems=str(len(items))
        )

    async def log_in(self) -> None:
        self.greet()
        self.reply(await self.action("Login"), Message="Authentication accepted")
        self.event("FullyBooted", Status="Fully Booted")

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


class ScriptedAmi:
    def __init__(self, *scripts: Script) -> None:
        self._scripts = scripts
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._wrong: list[BaseException] = []
        self.talks: list[Talk] = []
        self.port = 0

    @property
    def received(self) -> list[list[str]]:
        """Names of the actions of each connection, without the pings."""
        return [
            [message["Action"] for message in talk.received if message["Action"] != "Ping"]
            for talk in self.talks
        ]

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for talk in self.talks:
            talk.abort()
        for task in list(self._serving):
            task.cancel()
        await asyncio.gather(*list(self._serving), return_exceptions=True)
        await self._server.wait_closed()
        if self._wrong:
            raise self._wrong[0]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        talk = Talk(reader, writer)
        self.talks.append(talk)
        script = self._scripts[min(len(self.talks), len(self._scripts)) - 1]
        try:
            await script(talk)
            await talk.serve()
        except (Gone, ConnectionError, asyncio.CancelledError):
            pass
        except BaseException as error:
            self._wrong.append(error)
        finally:
            self._serving.discard(task)
            writer.close()
