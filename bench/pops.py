"""Screen pops from the running dialer while half of the CRM's endpoints hang.

    python -m bench.pops [--seconds 20] [--rate 170] [--agents 500] [--first]

`dialer serve` works on the simulated PBX, some 50 customers connected a second, twice: with four
good endpoints, and with two of them hanging. A pop's delay is from the moment the server sends the
Bridge (the event's own time) to its arrival at the CRM, which is another process; answer-to-bridge
is the server's histogram. The two runs are to be told apart by nothing but the hanging endpoints.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import secrets
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from bench import floor
from bench.dialer import GATHER_LIMIT_S, Bench, MeasuredDialer, Spread, _free_port
from bench.proc import go_first
from bench.table import show
from simulator.agents import Account
from tests.e2e.dialer import PASSWORD, SUPERVISOR, Site

GOOD, HANGING = 2, 2
HANG_S = 60.0
WARM_UP_S = 15.0


def crm(pipe: Connection) -> None:
    """A CRM in a process of its own: `/good/...` takes at once, `/hang/...` never answers."""
    delays: list[float] = []

    async def take(request: web.Request) -> web.Response:
        now = time.time()  # noqa: TID251 - compared with the other process's UTC
        event = json.loads(await request.read())
        if event["type"] == "agent.screen_pop":
            delays.append(now - datetime.fromisoformat(event["timestamp"]).timestamp())
        return web.Response(status=204)

    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(HANG_S)
        return web.Response(status=204)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/good/{n}", take)
        app.router.add_post("/hang/{n}", hang)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        pipe.send(runner.addresses[0][1])
        words: dict[str, Callable[[], Any]] = {"clear": delays.clear, "delays": lambda: delays}
        await floor._obey(pipe, words)

    asyncio.run(serve())


class PopBench(Bench):
    """One run; `hanging` of the four endpoints hang."""

    def __init__(self, chosen: argparse.Namespace, folder: Path, hanging: int) -> None:
        super().__init__(chosen, folder)
        self.hanging = hanging

    async def run(self) -> None:
        words = (secrets.token_hex(8), secrets.token_hex(8))
        self.pbx = self.part(floor.pbx, words, self.traffic, self.record)
        phones = [f"a{n:04d}" for n in range(self.chosen.agents)]
        port = self.pbx.wait()
        self.crm = self.part(crm)
        site = Site(
            self.folder, port, *words, phones, originates_per_s=self.chosen.rate,
            channels_max=10_000, lines_per_agent=100.0, crm_url="http://127.0.0.1:1/",
        )  # fmt: skip
        dialer = self.dialer = MeasuredDialer(site, _free_port())
        dialer.core = self.core
        self._endpoints(site, self.crm.wait())
        needed = self.chosen.rate * (WARM_UP_S + self.chosen.seconds + 15.0)
        await dialer.load([f"+4930{n:07d}" for n in range(int(needed))])
        try:
            await dialer.start()
            await self._measure(phones)
        finally:
            if dialer.process is not None:
                await dialer.end()
            for part in self.parts:
                part.end()

    def _endpoints(self, site: Site, port: int) -> None:
        total = GOOD + HANGING
        endpoints = [
            {
                "name": f"crm{n}",
                "url": f"http://127.0.0.1:{port}/{'hang' if n < self.hanging else 'good'}/{n}",
                "secrets": [site.crm_secret],
                "allow_networks": ["127.0.0.0/8"],
            }
            for n in range(total)
        ]
        (self.folder / "crm.yaml").write_text(yaml.safe_dump({"endpoints": endpoints}))

    async def _measure(self, phones: list[str]) -> None:
        dialer = self.dialer
        await dialer.act("pause")
        accounts = [Account(phone, PASSWORD) for phone in phones]
        people = self.part(floor.agents, dialer.url, accounts, self.traffic, SUPERVISOR, 0)
        people.wait()
        await dialer.until("all agents ready", self._all_ready, GATHER_LIMIT_S)
        await dialer.act("resume")
        await asyncio.sleep(WARM_UP_S)
        self.crm.ask("clear")
        self.before = await self.look()
        await asyncio.sleep(self.chosen.seconds)
        self.after = await self.look()
        self.delays = sorted(self.crm.ask("delays"))
        await dialer.act("pause")

    def row(self, name: str) -> tuple[str, str, str]:
        a, b = self.before, self.after
        spread = Spread(a, b, "overdial_answer_to_bridge_seconds")
        seconds = b.at - a.at
        delays = self.delays
        p50, p99 = delays[len(delays) // 2], delays[int(len(delays) * 0.99)]
        good = GOOD + HANGING - self.hanging
        return (
            name,
            f"pop {p50 * 1000:.1f} / {p99 * 1000:.1f} / {delays[-1] * 1000:.1f} ms",
            f"{len(delays) / seconds / good:.1f} connects/s;"
            f" answer to bridge <= {spread.words()} of {spread.number:.0f}",
        )


async def main(chosen: argparse.Namespace) -> list[tuple[str, str, str]]:
    rows = []
    for name, hanging in (("four good endpoints", 0), ("two of four hang", HANGING)):
        with tempfile.TemporaryDirectory() as folder:
            bench = PopBench(chosen, Path(folder), hanging)
            await bench.run()
            rows.append(bench.row(name))
    return rows


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rate", type=float, default=170.0, help="originates a second")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument(
        "--first", action="store_true", help="way before all others; root, on a machine in use"
    )
    chosen = parser.parse_args()
    if chosen.first:
        go_first()
    show("Screen pops (p50 / p99 / max)", asyncio.run(main(chosen)))
