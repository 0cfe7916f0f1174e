"""Receivers and callers that mean harm: bounded time, bounded memory, a clear word, nothing sent
where it must not go."""

from __future__ import annotations

import asyncio
import gzip
import json
import time
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_network
from random import Random

import aiohttp
import pytest

from crm_bridge.config import Endpoint
from crm_bridge.mapping.load import parse_connector
from crm_bridge.mapping.model import Bound
from crm_bridge.mapping.runner import open_sender
from crm_bridge.net import ForbiddenAddress, check_address
from crm_bridge.ports import LoopClock
from crm_bridge.receiver import Receiver
from crm_bridge.schedule import Answer, Verdict, judge
from crm_bridge.sender import Sender
from crm_bridge.signing import Signer

KEY = b"k" * 32
LOOPBACK = (ip_network("127.0.0.0/8"),)
LIMIT_S = 0.3
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiver(talk: Talk) -> AsyncIterator[str]:
    """A server that reads one request's head and does what `talk` does."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            await talk(reader, writer)
            await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass  # the other side has had enough
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    finally:
        server.close()


async def send(url: str) -> Answer:
    sender = Sender(
        Endpoint("crm", url, (KEY,), allow_networks=LOOPBACK),
        LoopClock(),
        "/test",
        connections_max=1,
        timeout=aiohttp.ClientTimeout(total=LIMIT_S),
    )
    try:
        return await sender.send(id_="m", type_="a.b", at=0.0, key="k", seq=1, data="{}")
    finally:
        await sender.close()


def says(text: bytes) -> Talk:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(text)

    return talk


async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A byte every hundredth of a second, for ever: each of them in time, all of them too slow."""
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    for _ in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def head_drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(10_000):
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("talk", [drip, head_drip])
async def test_a_receiver_that_drips_costs_no_more_than_the_timeout(talk: Talk) -> None:
    async with receiver(talk) as url:
        began = time.perf_counter()
        answer = await send(url)
        assert time.perf_counter() - began < 10 * LIMIT_S
    assert (answer.ok, answer.why) == (False, "timeout")


BOMB = gzip.compress(b"0" * 50_000_000)


async def test_a_compressed_answer_is_not_unpacked() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(BOMB)
    async with receiver(says(head + BOMB)) as url:
        tracemalloc.start()
        answer = await send(url)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert answer.ok
    assert peak < 5_000_000


@pytest.mark.parametrize(
    "text",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"HTTP/1.1 2 0 OK\r\n\r\n",
        b"HTTP/1.1 99999 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 400 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzzz\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 2_000_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000 + b"\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"",
    ],
)
async def test_an_answer_that_is_none_is_a_failure_in_our_own_words(text: bytes) -> None:
    async with receiver(says(text)) as url:
        answer = await send(url)
    assert not answer.ok
    assert 0 < len(answer.why) < 90
    assert "yyy" not in answer.why


@pytest.mark.parametrize(
    "asked", ["9" * 5000, "-5", "1e999", "nan", "Fri, 31 Dec 99999 23:59:59 GMT", "\x00", "soon"]
)
async def test_no_receiver_puts_us_off_for_ever(asked: str) -> None:
    head = f"HTTP/1.1 429 Slow\r\nRetry-After: {asked}\r\nContent-Length: 0\r\n\r\n"
    async with receiver(says(head.encode())) as url:
        answer = await send(url)
    judged = judge(answer, 1, (5.0,), 0.5)
    assert judged.verdict is Verdict.RETRY
    assert 5.0 <= judged.wait_s <= 86_400.0
    assert judged.pause_s <= 86_400.0


@pytest.mark.parametrize(
    "address",
    [
        "::7f00:1",  # IPv4-compatible
        "::ffff:0:127.0.0.1",  # IPv4-translated
        "64:ff9b::a00:1",  # NAT64, 10.0.0.1
        "64:ff9b:1::7f00:1",  # NAT64 of a site
        "2001:0:7f00:1::",  # Teredo
        "2002:a9fe:a9fe::1",  # 6to4, the clouds' metadata
        "fec0::1",  # site-local of old
        "::ffff:169.254.169.254",
        "100::1",
        "192.88.99.1",
        "0.1.2.3",
    ],
)
def test_no_address_inside_another_goes_round_the_check(address: str) -> None:
    with pytest.raises(ForbiddenAddress):
        check_address(address, ())


async def test_a_caller_with_a_bomb_or_ten_megabytes_is_refused_and_the_rest_goes_on() -> None:
    clock = LoopClock()
    listener = Receiver([KEY], clock, rng=Random(1))
    url = await listener.start()
    body = b'{"type":"bridge.test","timestamp":"2026-03-02T09:00:00.000Z","data":{}}'
    stamp = int(clock.utc().timestamp())
    good = Signer([KEY]).headers("m1", stamp, body)
    try:
        async with aiohttp.ClientSession() as http:
            for sent, more in ((BOMB, {"Content-Encoding": "gzip"}), (b"x" * 10_000_000, {})):
                headers = {**Signer([KEY]).headers("m0", stamp, sent), **more}
                try:
                    async with http.post(url, data=sent, headers=headers) as answer:
                        assert answer.status in (400, 401, 413)
                except aiohttp.ClientError:
                    pass  # it hung up while we were sending
            async with http.post(url, data=body, headers=good) as answer:
                assert answer.status < 300
            async with http.post(url, data=body + b" ", headers=good) as answer:
                assert answer.status == 401
            late = Signer([KEY]).headers("m2", stamp - 3600, body)
            async with http.post(url, data=body, headers=late) as answer:
                assert answer.status == 401
            async with http.post(url, data=body, headers=good) as answer:
                assert answer.status < 300  # told again: taken once
    finally:
        await listener.close()
    assert (listener.tally.distinct, listener.tally.repeated) == (1, 1)


MINE = """\
name: mine
title: Mine
settings:
  base_url: {kind: url, help: where}
events:
  dnc.added:
    - step: put
      method: PUT
      url: "{{ settings.base_url }}/numbers/{{ data.phone }}"
      headers: {X-Source: "{{ data.source }}"}
      body: {seconds: {pick: data.campaign, as: number}, source: {pick: data.source}}
      capture: {number: body.id}
"""


async def through_connector(url: str, data: dict[str, object]) -> Answer:
    connector = parse_connector(MINE, "mine.yaml")
    endpoint = Endpoint(
        "w", "", (), connector=Bound(connector, {"base_url": url}), allow_networks=LOOPBACK
    )
    sender = open_sender(
        endpoint, LoopClock(), "", connections_max=1, timeout=aiohttp.ClientTimeout(total=LIMIT_S)
    )
    try:
        return await sender.send(
            id_="m", type_="dnc.added", at=0.0, key="k", seq=1, data=json.dumps(data)
        )
    finally:
        await sender.close()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"phone": "+1", "source": "a\r\nAuthorization: evil"}, "header X-Source"),
        ({"phone": "+1", "source": "a\nb"}, "header X-Source"),
        ({"phone": "..", "source": "a"}, "url leads elsewhere"),
        ({"phone": "+1", "source": "a", "campaign": "1e999"}, "seconds"),
        ({"phone": "+1", "source": "a", "campaign": "9" * 5000}, "seconds"),
        ({"phone": "+1", "source": "a" * 40_000}, "32000 characters"),
    ],
)
async def test_nothing_that_a_lead_is_called_changes_the_request(
    data: dict[str, object], said: str
) -> None:
    asked = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(1)

    async with receiver(talk) as url:
        answer = await through_connector(url.rstrip("/"), data)
    assert not answer.ok
    assert said in answer.why
    assert "evil" not in answer.why
    assert not asked


@pytest.mark.parametrize(
    "body",
    [
        b'{"id": 1e999}',
        b'{"id": ' + b"9" * 5000 + b"}",
        b'{"id": NaN}',
        b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"id": "' + b"x" * 300_000 + b'"}',
        b"\xff\xfe\x00",
    ],
)
async def test_an_answer_made_to_break_us_is_a_failed_step(body: bytes) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with receiver(says(head + body)) as url:
        answer = await through_connector(url.rstrip("/"), {"phone": "+1", "source": "crm"})
    assert not answer.ok
    assert answer.why == "step put: the answer has not what capture: looks for"
