"""Screen pops from the running dialer while half of the CRM's endpoints hang.

    python -m bench.pops [--seconds 20] [--rounds 2] [--connects 50] [--agents 500] [--first]

`dialer serve` works on the simulated PBX and connects so many customers a second, with an agent's
screen and every event of theirs told to each endpoint: to two that take them, to the two and two
that hang, and to four that take them. One run each, the cases in turn and then in turn backwards
(A B C C B A), so that a machine that becomes slower is nobody's advantage; 15 s of every run, until
calls end as fast as they begin, are not counted.

A pop's delay is from the moment the server sends the Bridge (the event's own time) to its arrival
at the CRM, which is another process; answer-to-bridge is the server's histogram. How far two runs'
answer-to-bridge are apart is the largest difference of their cumulative shares; to be compared with
the same between two runs of one case, which is what chance and the machine do.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import secrets
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import yaml

from bench import floor
from bench.bridge import Sink
from bench.dialer import GATHER_LIMIT_S, Bench, MeasuredDialer, Spread, _free_port
from bench.proc import cost_of, go_first
from bench.table import quantile, show
from simulator.agents import Account
from tests.e2e.dialer import PASSWORD, SUPERVISOR, Site

WARM_UP_S = 15.0
OFFERED_SHARE = 0.98  # of the connects asked for; less was not the load that was to be measured
SPARE = 1.04  # more lines than answers need: this list's first thousands answer less often
CASES = (
    ("two good endpoints", 2, 0),
    ("two good, two hang", 2, 2),
    ("four good endpoints", 4, 0),
)
A2B = "overdial_answer_to_bridge_seconds"


def crm(pipe: Connection) -> None:
    """A CRM in a process of its own, that takes everything at once."""
    delays: list[float] = []

    class Taking(Sink):
        def take(self, body: bytes) -> None:
            now = time.time()  # noqa: TID251 - compared with the other process's UTC
            if body.startswith(b'{"type":"agent.screen_pop"'):
                at = datetime.fromisoformat(json.loads(body)["timestamp"])
                delays.append(now - at.timestamp())

    gc.disable()  # its pauses would be counted as ours
    asyncio.run(_serve(pipe, Taking, {"clear": delays.clear, "delays": lambda: delays}))


def hung(pipe: Connection) -> None:
    """A CRM that takes connections and never says a word."""
    asyncio.run(_serve(pipe, asyncio.Protocol, {}))


async def _serve(
    pipe: Connection, taking: type[asyncio.Protocol], words: dict[str, Callable[[], Any]]
) -> None:
    server = await asyncio.get_running_loop().create_server(taking, "127.0.0.1", 0)
    pipe.send(server.sockets[0].getsockname()[1])
    await floor._obey(pipe, words)


@dataclass(frozen=True, slots=True)
class Run:
    """What one run showed; seconds."""

    seconds: float
    delays: tuple[float, ...]  # of each pop at each good endpoint
    good: int
    originates: float
    pops_dropped: float
    answer_to_bridge: Spread
    lag: Spread
    cpu: float  # share of the dialer's core, and of the others'
    waited: float
    others: float

    @property
    def connects_per_s(self) -> float:
        return len(self.delays) / self.good / self.seconds


class PopBench(Bench):
    """One run with endpoints that take everything, and some that hang."""

    def __init__(self, chosen: argparse.Namespace, folder: Path, good: int, hanging: int) -> None:
        super().__init__(chosen, folder)
        self.good, self.hanging = good, hanging
        self.rate = SPARE * chosen.connects / self.traffic.live

    async def run(self) -> Run:
        words = (secrets.token_hex(8), secrets.token_hex(8))
        self.pbx = self.part(floor.pbx, words, self.traffic, self.record)
        phones = [f"a{n:04d}" for n in range(self.chosen.agents)]
        port = self.pbx.wait()
        self.crm = self.part(crm)
        ports = [self.crm.wait()] * self.good + [self.part(hung).wait()] * self.hanging
        site = Site(
            self.folder, port, *words, phones, originates_per_s=self.rate,
            channels_max=10_000, lines_per_agent=100.0, crm_url="http://127.0.0.1:1/",
        )  # fmt: skip
        dialer = self.dialer = MeasuredDialer(site, _free_port())
        dialer.core = self.core
        self._endpoints(site, ports)
        needed = self.rate * (WARM_UP_S + self.chosen.seconds + 15.0)
        await dialer.load([f"+4930{n:07d}" for n in range(int(needed))])
        try:
            await dialer.start()
            return await self._measure(phones)
        finally:
            if dialer.process is not None:
                await dialer.end()
            for part in self.parts:
                part.end()

    def _endpoints(self, site: Site, ports: list[int]) -> None:
        endpoints = [
            {
                "name": f"crm{n}",
                "url": f"http://127.0.0.1:{port}/{n}",
                "secrets": [site.crm_secret],
                "allow_networks": ["127.0.0.0/8"],
            }
            for n, port in enumerate(ports)
        ]
        (self.folder / "crm.yaml").write_text(yaml.safe_dump({"endpoints": endpoints}))

    async def _measure(self, phones: list[str]) -> Run:
        dialer = self.dialer
        await dialer.act("pause")
        accounts = [Account(phone, PASSWORD) for phone in phones]
        people = self.part(floor.agents, dialer.url, accounts, self.traffic, SUPERVISOR, 0)
        people.wait()
        await dialer.until("all agents ready", self._all_ready, GATHER_LIMIT_S)
        await dialer.act("resume")
        await asyncio.sleep(WARM_UP_S)
        before = await self.look()
        others = [cost_of(one.pid) for one in self.parts]
        self.crm.ask("clear")
        began = time.monotonic()
        await asyncio.sleep(self.chosen.seconds)
        delays = sorted(self.crm.ask("delays"))
        seconds = time.monotonic() - began
        after = await self.look()
        cost = after.cost.since(before.cost)
        their_cpu_s = sum(
            cost_of(one.pid).since(cost).cpu_s for one, cost in zip(self.parts, others, strict=True)
        )
        await dialer.act("pause")
        whole_s = after.at - before.at
        dropped = "overdial_endpoint_pops_dropped_total"
        return Run(
            seconds,
            tuple(delays),
            self.good,
            sum(before.at <= at < after.at for at in after.pbx.starts) / whole_s,
            sum(
                after.total(dropped, endpoint=f"crm{n}") - before.total(dropped, endpoint=f"crm{n}")
                for n in range(self.good)
            ),
            Spread(before, after, A2B),
            Spread(before, after, "overdial_event_loop_lag_seconds"),
            cost.cpu_s / whole_s,
            cost.waited_s / whole_s,
            their_cpu_s / whole_s,
        )


def rows(name: str, runs: list[Run]) -> list[tuple[str, str, str]]:
    delays = sorted(one for run in runs for one in run.delays)
    p50, p99 = quantile(delays, 0.5), quantile(delays, 0.99)
    a2b = Spread.together([run.answer_to_bridge for run in runs])
    each = ", ".join(
        f"{run.connects_per_s:.1f} connects/s with {100 * run.cpu:.0f} % of the core"
        for run in runs
    )
    dropped = sum(run.pops_dropped for run in runs)
    return [
        (name, f"{p50 * 1000:.1f} / {p99 * 1000:.1f} / {delays[-1] * 1000:.1f} ms",
         f"{len(delays)} pops, {dropped:.0f} dropped; {each}"),
        ("  answer to bridge", f"<= {a2b.words()}",
         f"{100 * a2b.share_to(0.05):.1f} % within 50 ms of {a2b.number:.0f};"
         f" loop lag <= {Spread.together([run.lag for run in runs]).words()}"),
        ("  not ours", f"{100 * max(run.waited for run in runs):.0f} %",
         "of the time the loop could run and its core had other work, its own threads' included;"
         f" the others' core {100 * max(run.others for run in runs):.0f} %"),
    ]  # fmt: skip


def apart(runs: dict[str, list[Run]]) -> tuple[str, str, str]:
    """How much hanging endpoints change of answer-to-bridge, and how much chance does."""
    whole = {
        name: Spread.together([run.answer_to_bridge for run in ones]) for name, ones in runs.items()
    }
    alone, hanging, four = whole.values()
    chance = [
        first.answer_to_bridge.apart(second.answer_to_bridge)
        for ones in runs.values()
        for first, second in pairwise(ones)
    ]
    return (
        "answer to bridge apart",
        f"{alone.apart(hanging):.3f}, {four.apart(hanging):.3f}",
        "hanging two against none, and against two that take"
        + (f"; two runs of one case {max(chance):.3f}" if chance else ""),
    )


async def main(chosen: argparse.Namespace) -> int:
    runs: dict[str, list[Run]] = {name: [] for name, _, _ in CASES}
    for n in range(chosen.rounds):
        for name, good, hanging in CASES if n % 2 == 0 else CASES[::-1]:
            with tempfile.TemporaryDirectory() as folder:
                runs[name].append(await PopBench(chosen, Path(folder), good, hanging).run())
    show(
        f"Screen pops at {chosen.connects:g} connects/s (p50 / p99 / max)",
        [row for name, ones in runs.items() for row in rows(name, ones)] + [apart(runs)],
    )
    least = min(run.connects_per_s for ones in runs.values() for run in ones)
    if least < OFFERED_SHARE * chosen.connects:
        print(f"  MISSED: {least:.1f} connects/s in one run: the load was not what is measured")
        return 1
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="counted, of each run")
    parser.add_argument("--rounds", type=int, default=2, help="runs of each case")
    parser.add_argument("--connects", type=float, default=50.0, help="customers connected a second")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument(
        "--first", action="store_true", help="way before all others; root, on a machine in use"
    )
    chosen = parser.parse_args()
    if chosen.first:
        go_first()
    sys.exit(asyncio.run(main(chosen)))
