"""Screens that do not read, and very many that do."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import time
from dataclasses import replace

import aiohttp

from dialer.server.people import Kind
from tests.web.conftest import Desk
from tests.web.fake_face import ADA
from tests.web.fake_people import agents_of


async def _deaf_socket(desk: Desk, hello: dict[str, object]) -> asyncio.StreamWriter:
    """A WebSocket client that says hello and never reads; its receive buffer is tiny."""
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    port = int(desk.url.rpartition(":")[2])
    await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", port))
    reader, writer = await asyncio.open_connection(sock=raw, limit=1024)
    key = base64.b64encode(os.urandom(16)).decode()
    writer.write(
        "GET /v1/agent/ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\n"
        "Sec-WebSocket-Version: 13\r\n\r\n".encode()
    )
    assert b"101" in await reader.readline()
    body = json.dumps(hello).encode()
    mask = b"\x00\x00\x00\x00"
    writer.write(bytes([0x81, 0x80 | 126]) + len(body).to_bytes(2, "big") + mask + body)
    await writer.drain()
    return writer


async def _turn(times: int = 5) -> None:
    for _ in range(times):
        await asyncio.sleep(0)


async def _agents_are(desk: Desk, wanted: int) -> None:
    async with asyncio.timeout(5):
        while desk.hub.count()["agent"] != wanted:  # noqa: ASYNC110 - no event of ours tells
            await asyncio.sleep(0.01)


async def test_a_deaf_screen_costs_no_memory_and_is_cut(desk: Desk) -> None:
    """Hundreds of large pictures for a screen that reads nothing: only the socket's buffers fill,
    and after the limit it is cut off. Who says hello anew is shown the newest picture."""
    token = await desk.log_in()
    deaf = await _deaf_socket(desk, {"type": "hello", "token": token})
    await _agents_are(desk, 1)
    big = replace(ADA, fields={f"field {n}": "x" * 1000 for n in range(50)})
    desk.face.call_arrives("ada", big)
    for number in range(300):
        desk.face.seat("ada", notice=str(number))
        await _turn()
    (stuck,) = (s for s in desk.hub._open if s.owed_since is not None)
    assert stuck._transport is not None
    buffered = stuck._transport.get_write_buffer_size()  # type: ignore[attr-defined]
    assert buffered < 400_000, "a few pictures at most wait in the transport"
    for _ in range(5):
        desk.passes(4.9)
    await _agents_are(desk, 0)
    assert ("screen lost", "ada") in desk.face.heard
    deaf.close()
    again = await desk.open()
    await again.says(type="hello", token=token)
    await again.hears("welcome")
    newest = await again.hears("agent")
    assert newest["agent"]["notice"] == "299"
    assert newest["agent"]["call"]["lead"]["fields"]["field 7"] == "x" * 1000


async def test_who_sends_and_never_reads_is_not_served_without_end(desk: Desk) -> None:
    token = await desk.log_in()
    deaf = await _deaf_socket(desk, {"type": "hello", "token": token})
    command = json.dumps({"type": "hangup", "id": "x" * 40}).encode()
    frame = bytes([0x81, 0x80 | len(command)]) + b"\x00\x00\x00\x00" + command
    sent = 0
    while sent < 400_000:
        deaf.write(frame)
        sent += 1
        try:
            await asyncio.wait_for(deaf.drain(), 0.5)
        except TimeoutError:
            break
    assert sent < 400_000, "the server must stop reading from who does not read"
    (screen,) = desk.hub._open
    assert len(screen._answers) <= 33
    deaf.transport.abort()


async def test_five_hundred_agents_and_twenty_walls(desk: Desk) -> None:
    """Every screen gets its own news; each message is encoded once; nothing runs per screen."""
    agents = [f"a{n}" for n in range(500)]
    await desk.people.take_agents(agents_of(dict.fromkeys(agents, "pw")))
    tokens = []
    for agent in agents:
        tokens.append(await desk.people.sign_in(agent, "pw", "", "", Kind.SHIFT))
        await desk.face.sit_down(agent)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(desk.url, connector=connector) as http:
        original, desk.http = desk.http, http
        screens = [await desk.agent_screen(token) for token in tokens]
        walls = [await desk.wallboard() for _ in range(20)]
        for wall in walls:
            assert len((await wall.hears("wallboard"))["agents"]) == 500
        tasks = len(asyncio.all_tasks())
        started = time.process_time()
        for agent in agents:
            desk.face.call_arrives(agent)
        for screen in screens:
            assert (await screen.hears("agent"))["agent"]["state"] == "talk"
        desk.passes(1.0)
        steps = [await wall.ws.receive(timeout=5) for wall in walls]
        spent = time.process_time() - started
        assert len({step.data for step in steps}) == 1
        assert len(json.loads(steps[0].data)["agents"]) == 500
        assert desk.hub.count() == {"agent": 500, "wallboard": 20, "stranger": 0}
        assert len(asyncio.all_tasks()) <= tasks
        assert spent < 5.0, f"{spent:.2f} s of CPU for 520 messages, both sides"
        desk.http = original
