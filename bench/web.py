"""What a floor of screens costs: CPU of the server and the way of a change to another process.

    python -m bench.web [--agents 500] [--walls 20] [--changes 500] [--seconds 15]

The screens are real WebSockets of a second process on loopback; the floor behind the server is the
scripted one of the tests, so that what is measured is the web side alone. `idle` is heartbeats and
the wallboard's look once a second; then agents take and leave calls, so many changes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import resource
import time
from multiprocessing.queues import Queue

import aiohttp

from bench.table import quantile, show
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.web.fake_face import FakeFace

VIEWER = "viewers-token-of-the-bench"
IDLE_S = 5.0
GATHER_LIMIT_S = 60.0
BATCH_S = 0.01


async def _screens(url: str, agents: int, walls: int, results: Queue[list[float]]) -> None:
    took: list[float] = []

    async def agent(http: aiohttp.ClientSession, name: str) -> None:
        async with http.post("/v1/agents/login", json={"agent": name, "password": "pw"}) as answer:
            token = (await answer.json())["token"]
        ws = await http.ws_connect("/v1/agent/ws")
        await ws.send_json({"type": "hello", "token": token})
        async for frame in ws:
            message = json.loads(frame.data)
            if message["type"] == "ping":
                await ws.send_str('{"type":"pong"}')
            elif message["type"] == "agent" and message["agent"]["notice"] == "timed":
                took.append(time.monotonic() - message["agent"]["since"])

    async def wall(http: aiohttp.ClientSession) -> None:
        ws = await http.ws_connect("/v1/wallboard/ws", max_msg_size=0)
        await ws.send_json({"type": "hello", "token": VIEWER})
        async for frame in ws:
            if frame.data.startswith('{"type":"ping"'):
                await ws.send_str('{"type":"pong"}')

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(url, connector=connector) as http:
        names = [agent(http, f"a{number}") for number in range(agents)]
        await asyncio.gather(*names, *(wall(http) for _ in range(walls)))
    results.put(took)


def _in_process(url: str, agents: int, walls: int, results: Queue[list[float]]) -> None:
    asyncio.run(_screens(url, agents, walls, results))


def _words(seconds: list[float]) -> tuple[str, str]:
    p50, p99, most = (1000 * quantile(sorted(seconds), q) for q in (0.5, 0.99, 1.0))
    return f"{p50:.1f} / {p99:.1f} / {most:.1f} ms", f"of {len(seconds)}"


async def measure(agents: int, walls: int, changes: int, seconds: float) -> None:
    names = [f"a{number}" for number in range(agents)]
    face = FakeFace(passwords=dict.fromkeys(names, "pw"))
    server = WebServer(face, WebSettings(port=0, viewers={"bench": VIEWER}), print)
    url = await server.start()
    results: Queue[list[float]] = multiprocessing.Queue()
    client = multiprocessing.Process(target=_in_process, args=(url, agents, walls, results))
    client.start()
    try:
        async with asyncio.timeout(GATHER_LIMIT_S):
            while len(face.screens) < agents:  # noqa: ASYNC110 - they connect from elsewhere
                await asyncio.sleep(0.1)
        await asyncio.sleep(2.0)
        cpu, at = time.process_time(), time.monotonic()
        await asyncio.sleep(IDLE_S)
        share = (time.process_time() - cpu) / (time.monotonic() - at)
        rows = [("idle", f"{100 * share:.1f} %", "of a core: heartbeats and the wallboard's look")]

        rng, lags, made = random.Random(1), [], 0
        cpu, began = time.process_time(), time.monotonic()
        while (at := time.monotonic()) < began + seconds:
            face.now = at
            for _ in range(max(1, round(changes * BATCH_S))):
                name = rng.choice(names)
                if face.views[name].call is None:
                    face.call_arrives(name)
                    face.seat(name, notice="timed")
                else:
                    face.seat(name, call=None, state="ready", since=at, notice="timed")
                made += 1
            await asyncio.sleep(max(0.0, at + BATCH_S - time.monotonic()))
            lags.append(time.monotonic() - at - BATCH_S)
        passed, cpu = time.monotonic() - began, time.process_time() - cpu
        rows += [
            (
                f"{made / passed:.0f} changes/s",
                f"{100 * cpu / passed:.1f} %",
                f"of a core: {1e6 * cpu / made:.0f} us a change, wallboards included",
            ),
            ("loop lag p50/p99/max", *_words(lags)),
        ]
    finally:
        await server.close()
    took = await asyncio.to_thread(results.get, True, 30)
    client.join(10)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows += [
        ("change until seen p50/p99/max", *_words(took)),
        ("memory", f"{memory:.0f} MB", "at most"),
    ]
    show(f"Screens: {agents} agents, {walls} wallboards", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--walls", type=int, default=20)
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15.0)
    given = parser.parse_args()
    asyncio.run(measure(given.agents, given.walls, given.changes, given.seconds))


if __name__ == "__main__":
    main()
