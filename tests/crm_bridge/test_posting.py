"""What goes over the wire, and what is made of what comes back, on connections used again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network

import aiohttp
import pytest

from crm_bridge.config import Endpoint
from crm_bridge.ports import LoopClock
from crm_bridge.schedule import Answer
from crm_bridge.sender import Sender
from crm_bridge.signing import verify

KEY = b"k" * 32
LOOPBACK = (ip_network("127.0.0.0/8"),)
LIMIT_S = 0.3
DONE = b"HTTP/1.1 204 No Content\r\n\r\n"
FAILED = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"


@dataclass
class Receiver:
    """Says the next of `answers` for every request, on whichever connection it comes."""

    answers: list[bytes]
    heads: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                size = int(head.lower().partition("content-length: ")[2].split("\r\n")[0])
                self.heads.append(head)
                self.bodies.append(await reader.readexactly(size))
                writer.write(self.answers.pop(0))
        except (OSError, asyncio.IncompleteReadError):
            writer.close()


@asynccontextmanager
async def receiver(*answers: bytes) -> AsyncIterator[Receiver]:
    one = Receiver(list(answers))
    server = await asyncio.start_server(one.serve, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
    finally:
        server.close()


@asynccontextmanager
async def sender(url: str, **more: object) -> AsyncIterator[Sender]:
    endpoint = Endpoint("crm", url, (KEY,), allow_networks=LOOPBACK, **more)  # type: ignore[arg-type]
    timeout = aiohttp.ClientTimeout(total=LIMIT_S)
    one = Sender(endpoint, LoopClock(), "/test", connections_max=1, timeout=timeout)
    try:
        yield one
    finally:
        await one.close()


async def send(one: Sender, id_: str = "m", data: str = "{}") -> Answer:
    return await one.send(id_=id_, type_="a.b", at=0.0, key="k", seq=1, data=data)


async def test_requests_follow_each_other_on_one_connection() -> None:
    async with (
        receiver(DONE, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", DONE) as crm,
        sender(f"{crm.url}/hook?x=1#here", headers={"X-Tenant": "blue"}) as one,
    ):
        answers = [(await send(one, f"m{n}")).status for n in range(3)]
    assert answers == [204, 200, 204]
    assert crm.connections == 1
    first, *_ = crm.heads
    assert first.startswith("POST /hook?x=1 HTTP/1.1\r\n")
    fields = dict(line.split(": ", 1) for line in first.split("\r\n")[1:-2])
    stamp = int(fields["webhook-timestamp"])
    assert verify([KEY], fields, crm.bodies[0], stamp) == "m0"
    assert fields == {
        "Host": crm.url.removeprefix("http://"),
        "Accept": "*/*",
        "User-Agent": "overdial",
        "Content-Type": "application/json",
        "X-Tenant": "blue",
        "Content-Length": str(len(crm.bodies[0])),
        **{name: value for name, value in fields.items() if name.startswith("webhook-")},
    }


async def test_what_is_said_before_the_answer_is_not_the_answer() -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    async with receiver(early + early + DONE) as crm, sender(crm.url) as one:
        assert (await send(one)).status == 204


@pytest.mark.parametrize(
    "last",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        DONE + DONE,  # one more than was asked for: it must not become the answer to the next
    ],
)
async def test_a_connection_that_has_ended_or_is_ahead_of_us_is_left(last: bytes) -> None:
    async with receiver(last, FAILED) as crm, sender(crm.url) as one:
        assert (await send(one)).ok
        assert (await send(one)).status == 500
    assert crm.connections == 2


async def test_an_answer_nobody_asked_for_is_not_taken_for_the_next() -> None:
    async with receiver(DONE, FAILED) as crm:
        writers: list[asyncio.StreamWriter] = []
        plain = crm.serve

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writers.append(writer)
            await plain(reader, writer)

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        async with server, sender(url) as one:
            assert (await send(one)).ok
            writers[0].write(DONE)
            await writers[0].drain()
            await asyncio.sleep(0.01)
            assert (await send(one)).status == 500


async def test_an_id_that_would_break_the_request_in_two_is_not_sent() -> None:
    async with receiver(DONE) as crm, sender(crm.url) as one:
        answer = await send(one, "m\r\nX-Admin: yes")
        assert not answer.ok
        assert not crm.heads
        assert (await send(one)).ok


async def test_the_rest_of_a_request_that_failed_is_not_sent() -> None:
    got: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    given_up = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await given_up.wait()
        size = 0
        try:
            while part := await reader.read(1 << 20):
                size += len(part)
        except OSError:
            pass
        got.set_result(size)
        writer.close()

    data = f'"{"x" * 15_000_000}"'
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, sender(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}") as one:
        assert (await send(one, data=data)).why == "timeout"
        given_up.set()
        assert await got < len(data)
