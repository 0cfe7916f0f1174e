"""What a floor of screens costs: CPU of the server, and the way of a change to another process.

    python -m bench.web [--agents 500] [--walls 20] [--changes 500] [--seconds 15] [--clicks 200]
    python -m bench.web --hour        # memory over an hour of simulated time, 500 and 20 screens

The screens are real WebSockets of a second process on loopback; the floor behind the server is the
scripted one of the tests, so that what is measured is the web side alone. `idle` is heartbeats and
the wallboard's look once a second; then agents take and leave calls, so many changes a second. At
last `--clicks` agents choose a status once a second each, while those changes go on: from the click
until its acknowledgement. With `--hour` all is on one loop in virtual time.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import multiprocessing
import random
import resource
import time
from collections import deque
from collections.abc import Callable
from multiprocessing.queues import Queue
from pathlib import Path
from typing import TypeAlias

import aiohttp

from bench.table import quantile, show
from dialer.clock import ScaledLoop
from dialer.server.accounts import Accounts
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.web.fake_face import FakeFace
from tests.web.fake_people import agents_of, people

VIEWER = "viewers-token-of-the-bench"
PASSWORD = "pw"  # noqa: S105 - of made-up agents
IDLE_S = 5.0
GATHER_LIMIT_S = 120.0
BATCH_S = 0.01
HOUR_S = 3600.0
LOOKS = 6  # at the memory, over the hour
SETTLE_S = 600.0  # of the hour, before the first look
KEPT = 1000  # figures of the hour: more would be the growth that is looked for

Results: TypeAlias = "Queue[tuple[list[float], list[float], list[float]]]"


class Screens:
    """The second process: what it saw and when."""

    def __init__(self, clicking: int, kept: int | None) -> None:
        self.seen = deque[float](maxlen=kept)  # s from a change until an agent's screen has it
        self.walls = deque[float](maxlen=kept)  # and until a wallboard has it
        self.acked = deque[float](maxlen=kept)  # s from a click until its acknowledgement
        self._clicking = clicking
        self._number = 0

    async def agent(self, http: aiohttp.ClientSession, name: str, clicks: bool) -> None:
        body = {"agent": name, "password": PASSWORD}
        async with http.post("/v1/agents/login", json=body) as answer:
            token = (await answer.json())["token"]
        ws = await http.ws_connect("/v1/agent/ws")
        await ws.send_json({"type": "hello", "token": token})
        sent: dict[str, float] = {}
        last = ""
        async for frame in ws:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                return
            message = json.loads(frame.data)
            match message["type"]:
                case "ping":
                    await ws.send_str('{"type":"pong"}')
                case "ack":
                    self.acked.append(time.monotonic() - sent.pop(message["id"]))
                case "agent" if message["agent"]["notice"] == "timed":
                    self.seen.append(time.monotonic() - message["agent"]["since"])
                case "agent":
                    notice = message["agent"]["notice"]
                    if clicks and notice.startswith("click") and notice != last:
                        last = notice
                        self._number += 1
                        sent[str(self._number)] = time.monotonic()
                        await ws.send_json(
                            {"type": "status", "id": str(self._number), "status": "ready"}
                        )

    async def wall(self, http: aiohttp.ClientSession, reads: bool) -> None:
        """Only one of them reads what it is shown: a browser each would have a core to itself."""
        began: dict[str, float] = {}
        ws = await http.ws_connect("/v1/wallboard/ws", max_msg_size=0)
        await ws.send_json({"type": "hello", "token": VIEWER})
        async for frame in ws:
            if frame.type is not aiohttp.WSMsgType.TEXT:
                return
            if frame.data.startswith('{"type":"ping"'):
                await ws.send_str('{"type":"pong"}')
            elif reads and frame.data.startswith('{"type":"wallboard"'):
                now = time.monotonic()
                message = json.loads(frame.data)
                if not message["snapshot"]:
                    for row in message["agents"]:  # those whose state began anew
                        age = now - row["since"]
                        if began.get(row["agent"]) != row["since"] and age < GATHER_LIMIT_S:
                            self.walls.append(age)
                            began[row["agent"]] = row["since"]
                else:
                    began = {row["agent"]: row["since"] for row in message["agents"]}


async def _screens(
    url: str, agents: int, walls: int, clicking: int, kept: int | None = None
) -> tuple[list[float], list[float], list[float]]:
    screens = Screens(clicking, kept)
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, connector=connector, timeout=timeout) as http:
        all_of = [screens.agent(http, f"a{n}", n < clicking) for n in range(agents)]
        await asyncio.gather(*all_of, *(screens.wall(http, n == 0) for n in range(walls)))
    return list(screens.seen), list(screens.walls), list(screens.acked)


def _in_process(url: str, agents: int, walls: int, clicking: int, results: Results) -> None:
    results.put(asyncio.run(_screens(url, agents, walls, clicking)))


def _words(seconds: list[float], aim: str = "") -> tuple[str, str]:
    found = sorted(seconds) or [0.0]
    p50, p95, p99, most = (1000 * quantile(found, q) for q in (0.5, 0.95, 0.99, 1.0))
    of = f"of {len(seconds)}{f'; aim: {aim}' if aim else ''}"
    return f"{p50:.1f} / {p95:.1f} / {p99:.1f} / {most:.1f} ms", of


async def _floor(agents: int) -> tuple[FakeFace, Accounts, list[str]]:
    names = [f"a{number}" for number in range(agents)]
    face = FakeFace(passwords={})
    accounts, _ = await people({})
    await accounts.take_agents(agents_of(dict.fromkeys(names, PASSWORD)))
    return face, accounts, names


def _take_or_leave(face: FakeFace, name: str, at: float) -> None:
    if face.views[name].call is None:
        face.call_arrives(name)
        face.seat(name, notice="timed")
    else:
        face.seat(name, call=None, state="ready", since=at, notice="timed")


async def _changing(
    face: FakeFace, names: list[str], changes: int, seconds: float, also: Callable[[float], None]
) -> tuple[int, list[float]]:
    """So many changes a second; how many were made, and how late the loop was."""
    rng, lags, made = random.Random(1), list[float](), 0
    began = time.monotonic()
    while (at := time.monotonic()) < began + seconds:
        face.now = at
        for _ in range(max(1, round(changes * BATCH_S))):
            _take_or_leave(face, rng.choice(names), at)
            made += 1
        also(at)
        await asyncio.sleep(max(0.0, at + BATCH_S - time.monotonic()))
        lags.append(time.monotonic() - at - BATCH_S)
    return made, lags


async def measure(agents: int, walls: int, changes: int, seconds: float, clicks: int) -> None:
    face, accounts, names = await _floor(agents)
    server = WebServer(face, WebSettings(port=0, viewers={"bench": VIEWER}), print, people=accounts)
    url = await server.start()
    results: Results = multiprocessing.Queue()
    client = multiprocessing.Process(target=_in_process, args=(url, agents, walls, clicks, results))
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

        cpu, began = time.process_time(), time.monotonic()
        made, lags = await _changing(face, names, changes, seconds, lambda at: None)
        passed, cpu = time.monotonic() - began, time.process_time() - cpu
        rows += [
            (
                f"{made / passed:.0f} changes/s",
                f"{100 * cpu / passed:.1f} %",
                f"of a core: {1e6 * cpu / made:.0f} us a change, wallboards included",
            ),
            ("loop lag p50/p95/p99/max", *_words(lags)),
        ]

        def click(at: float) -> None:
            nonlocal clicked
            due = int((at - began) * clicks)
            for number in range(clicked, due):
                face.seat(names[number % clicks], notice=f"click {number}")
            clicked = max(clicked, due)

        clicked, began = 0, time.monotonic()
        await _changing(face, names[clicks:] or names, changes, seconds, click)
    finally:
        await server.close()
    seen, walled, acked = await asyncio.to_thread(results.get, True, 60)
    client.join(10)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    rows += [
        ("change until an agent sees it p50/p95/p99/max", *_words(seen, "p99 1 s")),
        ("change until a wall shows it p50/p95/p99/max", *_words(walled, "p99 1 s")),
        (
            f"status click until its ack, {clicks} clicking p50/p95/p99/max",
            *_words(acked, "p95 150 ms"),
        ),
        ("memory", f"{memory:.0f} MB", "at most"),
    ]
    show(f"Screens: {agents} agents, {walls} wallboards", rows)


# --- memory over an hour ----------------------------------------------------------------------


def _resident_mb() -> float:
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


async def hour(agents: int, walls: int) -> None:
    """Every agent takes or leaves a call once a minute; both ends of every socket are in here."""
    face, accounts, names = await _floor(agents)
    face.speed = 1000.0
    server = WebServer(face, WebSettings(port=0, viewers={"bench": VIEWER}), print, people=accounts)
    url = await server.start()
    screens = asyncio.create_task(  # noqa: TID251 - the bench's own, ended below
        _screens(url, agents, walls, 0, KEPT)
    )
    while len(face.screens) < agents:  # noqa: ASYNC110 - they connect by sockets
        await asyncio.sleep(0.1)
    began, loop, looks = time.monotonic(), asyncio.get_running_loop(), list[tuple[float, float]]()
    start, made = loop.time(), 0
    while (passed := loop.time() - start) < HOUR_S:
        if passed >= SETTLE_S + len(looks) * (HOUR_S - SETTLE_S) / LOOKS:
            looks.append((passed, _resident_mb()))
        face.now = loop.time()
        for name in names[made % 60 :: 60]:
            _take_or_leave(face, name, face.now)
        made += 1
        face.heard.clear()
        await asyncio.sleep(1.0)
    looks.append((HOUR_S, _resident_mb()))
    await server.close()
    await screens
    first, last = looks[0][1], looks[-1][1]
    rows = [(f"after {at / 60:.0f} min", f"{mb:.1f} MB", "") for at, mb in looks]
    rows += [
        ("growth", f"{last - first:+.1f} MB", f"in {(HOUR_S - SETTLE_S) / 60:.0f} simulated min"),
        ("played in", f"{time.monotonic() - began:.0f} s", f"{made * agents // 60} changes"),
    ]
    show(f"An hour of {agents} agents' screens and {walls} wallboards, both ends", rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--walls", type=int, default=20)
    parser.add_argument("--changes", type=int, default=500)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clicks", type=int, default=200)
    parser.add_argument("--hour", action="store_true")
    given = parser.parse_args()
    if given.hour:
        with asyncio.Runner(loop_factory=lambda: ScaledLoop(None)) as runner:
            runner.run(hour(given.agents, given.walls))
        return
    asyncio.run(measure(given.agents, given.walls, given.changes, given.seconds, given.clicks))


if __name__ == "__main__":
    main()
