"""One POST after the other to one URL, at a third of what `ClientSession.post` costs.

aiohttp's connector (the pool, TLS, and the guarded resolver inside it) and its parser of answers
do what they do for a session. What is left out is what a session does anew for every request and
what never changes for an endpoint: its URL, its headers, the cookies it has not. The head is put
together once, and a request leaves in one write.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import aiohttp
from aiohttp.connector import Connection
from aiohttp.streams import StreamReader
from yarl import URL

ANSWER_BYTES_MAX = 65536  # of an answer's body; a connection is not worth more
_SWITCHING = 101  # final, for those who asked for nothing of the kind


@dataclass(slots=True)
class Got:
    """`said` is the beginning of the body."""

    status: int
    headers: Mapping[str, str]
    said: bytes


class Posting:
    """Owns `connector`. `headers` go with every request; those that change are given to `post`."""

    def __init__(
        self,
        url: URL,
        headers: Mapping[str, str],
        connector: aiohttp.BaseConnector,
        timeout: aiohttp.ClientTimeout,
    ) -> None:
        self._connector = connector
        self._timeout = timeout
        # Shown to the connector for every connection, and never sent itself.
        self._to = aiohttp.ClientRequest(
            "POST",
            url,
            headers=headers,
            skip_auto_headers=("Accept-Encoding",),
            loop=asyncio.get_running_loop(),
        )
        always = [(k, v) for k, v in self._to.headers.items() if k != "Content-Length"]
        self._head = f"POST {url.raw_path_qs} HTTP/1.1\r\n{_lines(always)}"

    async def close(self) -> None:
        await self._connector.close()

    async def post(self, headers: Mapping[str, str], body: bytes) -> Got:
        """Raises `aiohttp.ClientError`, `aiohttp.http.HttpProcessingError`, OSError (TimeoutError
        is one) or ValueError. What failed is not sent again, and its connection is cut off."""
        head = f"{self._head}{_lines(headers.items())}Content-Length: {len(body)}\r\n\r\n"
        async with asyncio.timeout(self._timeout.total):
            connection = await self._connected()
            try:
                got = await _exchange(connection, head.encode() + body)
            except BaseException:
                _cut_off(connection)
                raise
        connection.release()  # closes it when the answer goes on, or says that it was the last
        return got

    async def _connected(self) -> Connection:
        """One on which nobody has said anything out of turn: it would be taken for our answer."""
        while True:
            connection = await self._connector.connect(self._to, [], self._timeout)
            if connection.protocol is None or not connection.protocol.should_close:
                return connection
            connection.close()


async def _exchange(connection: Connection, request: bytes) -> Got:
    protocol, transport = connection.protocol, connection.transport
    if protocol is None or transport is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(read_until_eof=True, auto_decompress=False)
    transport.write(request)
    while True:
        message, content = await protocol.read()
        if message.code >= 200 or message.code == _SWITCHING:
            return Got(message.code, message.headers, await _beginning(content))


async def _beginning(content: StreamReader) -> bytes:
    """Read what little answer there is, so that the connection can be used again."""
    said, left = b"", ANSWER_BYTES_MAX
    while left > 0 and not content.at_eof():
        part = await content.read(left)
        left -= len(part)
        said += part
    return said


def _cut_off(connection: Connection) -> None:
    """At once, without sending the rest of a request that failed."""
    if connection.transport is not None:
        connection.transport.abort()
    connection.close()


def _lines(headers: Iterable[tuple[str, str]]) -> str:
    lines = ""
    for name, value in headers:
        if not value.isprintable():
            raise ValueError(f"the header {name} would break the request in two")
        lines += f"{name}: {value}\r\n"
    return lines
