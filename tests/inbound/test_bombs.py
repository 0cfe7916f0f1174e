"""A body that unpacks to more than anybody may send is refused like one that long."""

from __future__ import annotations

import gzip
import tracemalloc

import aiohttp
import pytest

from tests.inbound.conftest import Crm, row

BOMB = gzip.compress(b" " * 100_000_000)
PEAK_MAX = 20_000_000  # bytes; the server's own work beside it included


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
@pytest.mark.parametrize("body", [b"no gzip at all", BOMB[:-9] + b"x" * 9])
async def test_what_does_not_unpack_is_a_bad_request(crm: Crm, kind: str, body: bytes) -> None:
    try:
        status, _ = await crm.post("/v1/leads", body, Content_Type=kind, Content_Encoding="gzip")
    except aiohttp.ClientError:
        return  # it hung up while we were sending
    assert status in (400, 413, 415)


async def test_ten_megabytes_without_an_end_of_line(crm: Crm) -> None:
    body = b'{"name": "' + b"x" * 10_000_000
    for kind in ("application/json", "application/x-ndjson"):
        try:
            status, _ = await crm.post("/v1/leads", body, Content_Type=kind)
        except aiohttp.ClientError:
            continue
        assert status == 413


@pytest.mark.parametrize("kind", ["application/json", "application/x-ndjson"])
async def test_a_bomb_is_refused_without_being_unpacked(crm: Crm, kind: str) -> None:
    tracemalloc.start()
    status, _ = await crm.post("/v1/leads", BOMB, Content_Type=kind, Content_Encoding="gzip")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert status in (400, 413, 415)
    assert peak < PEAK_MAX
    assert (await crm.post("/v1/leads", row("B1")))[0] == 200
