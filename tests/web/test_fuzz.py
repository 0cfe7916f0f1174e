"""Whatever arrives, the answer is a problem or a refusal, and the server lives on."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from tests.web.conftest import VIEWER, Desk
from tests.web.fake_face import ADA

_FRAME = 12_000  # bytes; what is larger is closed with 1009, which has its own test
_WORDS = ["type", "id", "status", "ready", "hangup", "dispose", "attempt", "pong", "hello", "seq"]


def _value(rng: random.Random, depth: int = 0) -> Any:
    kind = rng.randrange(9 if depth < 4 else 6)
    if kind == 0:
        return rng.choice([None, True, False])
    if kind == 1:
        return rng.choice([0, -1, 2**53, 2**64, 10**400, 1e308, -0.0, 1e-320])
    if kind in (2, 3):
        return rng.choice(_WORDS)
    if kind in (4, 5):
        size = rng.choice([0, 1, 5, 41, 300, 3000])
        return "".join(chr(rng.choice([0, 7, 65, 127, 255, 0x202E, 0x1F600])) for _ in range(size))
    if kind == 6:
        return [_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {str(rng.choice([*_WORDS, ""])): _value(rng, depth + 1) for _ in range(rng.randrange(6))}


def _frame(rng: random.Random) -> str:
    good = [
        {"type": "status", "id": "1", "status": "ready"},
        {"type": "hangup", "id": "2"},
        {"type": "dispose", "id": "3", "attempt": "a", "code": "promise", "note": "x"},
        {"type": "resync", "id": "4"},
        {"type": "pong"},
    ]
    message: Any = _value(rng)
    if rng.random() < 0.7:
        message = dict(rng.choice(good))
        for _ in range(rng.randrange(3)):
            message[rng.choice(_WORDS)] = _value(rng)
    text = json.dumps(message, ensure_ascii=False)
    if rng.random() < 0.3:
        cut = rng.randrange(len(text) + 1)
        text = text[:cut] + rng.choice(["", "}", "\x00", "[" * 3000, '"'])
    return text.encode()[:_FRAME].decode(errors="ignore")


def _small(rng: random.Random, **fields: Any) -> str:
    """JSON of these fields with one more at random, within a frame."""
    while True:
        text = json.dumps({rng.choice(_WORDS): _value(rng), **fields}, ensure_ascii=False)
        if len(text.encode()) < _FRAME:
            return text


@pytest.mark.parametrize("seed", range(12))
async def test_frames(desk: Desk, seed: int) -> None:
    """At most the socket itself is closed, with a code of the protocol; others notice nothing."""
    rng = random.Random(seed)
    witness = await desk.agent_screen(await desk.log_in("bob"))
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    for _ in range(60):
        if screen.ws.closed:
            token = await desk.log_in()
            screen = await desk.agent_screen(token)
        try:
            await screen.ws.send_str(_frame(rng))
        except (ConnectionError, aiohttp.ClientError):
            continue
    await witness.says(type="status", id="still here", status="ready")
    assert (await witness.hears("ack"))["id"] == "still here"
    statuses = {told[2] for told in desk.face.heard if told[0] == "status"}
    assert statuses <= {"ready", "break", "logged out"}
    for told in desk.face.heard:
        assert all(isinstance(part, str) and len(part) <= 2000 for part in told)


async def test_every_command_has_exactly_one_answer(desk: Desk) -> None:
    rng = random.Random(5)
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    for number in range(19):
        await screen.ws.send_str(_small(rng, type="dispose", id=str(number), x=1))
        refused = await screen.hears("refused")
        assert refused["id"] == str(number)
        assert refused["status"] == 400
    await screen.says(type="nonsense", id="19")
    assert await screen.hears_close() == 4400


async def test_frames_that_are_no_text(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    await screen.ws.send_bytes(b"\x00\x01")
    assert await screen.hears_close() == 1003
    screen = await desk.agent_screen(token)
    await screen.ws.send_str("x" * 17_000)
    assert await screen.hears_close() == 1009
    screen = await desk.agent_screen(token)
    await screen.ws.send_frame(b'{"type": "\xff\xfe"}', aiohttp.WSMsgType.TEXT)
    assert await screen.hears_close() == 1007


@pytest.mark.parametrize("seed", range(6))
async def test_hellos(desk: Desk, seed: int) -> None:
    rng = random.Random(seed)
    token = await desk.log_in()
    for _ in range(10):
        screen = await desk.open(rng.choice(["/v1/agent/ws", "/v1/wallboard/ws"]))
        wrong = rng.choice([token + "x", "", VIEWER[1:], 7, None])
        await screen.ws.send_str(_small(rng, type="hello", token=wrong))
        assert await screen.hears_close() in (4400, 4401)
    assert desk.hub.count()["agent"] == 0


@pytest.mark.parametrize("seed", range(6))
async def test_bodies(desk: Desk, seed: int) -> None:
    rng = random.Random(seed)
    token = await desk.log_in()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    for _ in range(40):
        path = rng.choice(["/v1/agent/status", "/v1/agent/disposition", "/v1/agents/login"])
        async with desk.http.post(path, data=_frame(rng).encode(), headers=headers) as answer:
            assert answer.status in (200, 204, 400, 401, 409), await answer.text()
            if answer.status >= 400:
                assert answer.content_type == "application/problem+json"
        if desk.face.agent_view("ada") is None:  # the fuzz logged out
            token = await desk.log_in()
            headers["Authorization"] = f"Bearer {token}"


async def test_a_markup_in_a_lead_stays_text_all_the_way(desk: Desk) -> None:
    evil = "</script><img src=x onerror=alert(1)>\u2028\x00"
    screen = await desk.agent_screen(await desk.log_in())
    desk.face.call_arrives("ada", replace(ADA, name=evil, fields={evil: evil}))
    lead = (await screen.hears("agent"))["agent"]["call"]["lead"]
    assert (lead["name"], lead["fields"]) == (evil, {evil: evil})
