"""The whole dialer under load: 500 agents, 200 originates a second, one core of its own.

    python -m bench.dialer [--seconds 60] [--quick] [--crm inside|outside|none] [--first]

`dialer serve` runs on one core, on a site made for the purpose (SQLite as it ships, one campaign,
webhooks); the simulated PBX, the agents' screens and the CRM share another. After a warm-up the
numbers of so many seconds are taken from /metrics and from the kernel. Then the campaign is paused,
and when the last call is over everything is compared: lines the PBX was asked for against attempts
in the database, outcomes against attempts, events sent by the PBX against events handled.

The bare loop reads the very bytes that the PBX sent meanwhile and cuts them into events, on the
same core: all at once, and at the pace they came.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import secrets
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

from bench import floor
from bench.proc import Cost, cores, cost_of, go_first, on_core
from bench.table import show
from simulator.agents import Account
from tests.e2e.dialer import PASSWORD, SUPERVISOR, Dialer, Site

WARM_UP_S = 25.0  # a ring limit of 15 s and a conversation
SCRAPE_EVERY_S = 10.0  # as a Prometheus might
DRAIN_LIMIT_S = 60.0
GATHER_LIMIT_S = 120.0
LAG_LIMIT_S = 0.020
BARE_RUNS = 3
PACED_EVENTS = 20_000

Metrics = Mapping[str, Mapping[tuple[tuple[str, str], ...], float]]


@dataclass(frozen=True, slots=True)
class Look:
    """Everything that is read at one moment."""

    at: float
    metrics: Metrics
    cost: Cost
    pbx: floor.Witnessed

    def total(self, name: str, **labels: str) -> float:
        wanted = set(labels.items())
        return sum(v for key, v in self.metrics.get(name, {}).items() if wanted <= set(key))


def parsed(text: str) -> Metrics:
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            key = tuple(sorted(sample.labels.items()))
            found.setdefault(sample.name, {})[key] = sample.value
    return found


class Spread:
    """A histogram of /metrics between two looks."""

    def __init__(self, before: Look, after: Look, name: str) -> None:
        def buckets(look: Look) -> dict[float, float]:
            rows = look.metrics.get(f"{name}_bucket", {})
            return {float(dict(key)["le"]): value for key, value in rows.items()}

        first = buckets(before)
        self._rows = sorted((le, n - first.get(le, 0.0)) for le, n in buckets(after).items())
        self.number = self._rows[-1][1] if self._rows else 0.0

    @classmethod
    def together(cls, some: Sequence[Spread]) -> Spread:
        """One of several, over the same bounds."""
        whole = cls.__new__(cls)
        whole._rows = [
            (les[0][0], sum(n for _, n in les))
            for les in zip(*(one._rows for one in some), strict=True)
        ]
        whole.number = sum(one.number for one in some)
        return whole

    def apart(self, other: Spread) -> float:
        """The largest difference of the shares up to any bound."""
        return max(
            (abs(self.share_to(le) - other.share_to(le)) for le, _ in self._rows), default=0.0
        )

    def bound(self, q: float) -> float:
        """The bucket's upper bound that holds quantile `q`."""
        return next((le for le, n in self._rows if n and n >= q * self.number), float("nan"))

    def share_to(self, limit: float) -> float:
        n = max((n for le, n in self._rows if le <= limit), default=0.0)
        return n / self.number if self.number else float("nan")

    def words(self) -> str:
        p50, p99, most = (self.bound(q) * 1000 for q in (0.5, 0.99, 1.0))
        return f"{p50:g} / {p99:g} / {most:g} ms"


class MeasuredDialer(Dialer):
    """`dialer serve` on a core of its own."""

    core = 0

    async def start(self) -> None:
        with on_core(self.core):
            await super().start()

    @property
    def pid(self) -> int:
        assert self.process is not None
        return self.process.pid


class Bench:
    def __init__(self, chosen: argparse.Namespace, folder: Path) -> None:
        self.chosen = chosen
        self.folder = folder
        self.core, self.other = cores()
        self.traffic = floor.Traffic()
        self.record = folder / "events.ami"
        self.parts: list[floor.Part] = []
        self.backlog_max = self.depth_max = 0.0
        self.faults: list[str] = []

    def part(self, work: Any, *args: Any, core: int | None = None) -> floor.Part:
        one = floor.Part(self.other if core is None else core, work, *args)
        self.parts.append(one)
        return one

    async def run(self) -> None:
        words = (secrets.token_hex(8), secrets.token_hex(8))
        self.pbx = self.part(floor.pbx, words, self.traffic, self.record)
        phones = [f"a{n:04d}" for n in range(self.chosen.agents)]
        port = self.pbx.wait()
        crm = self.chosen.crm
        crm_url = "" if crm == "none" else f"http://127.0.0.1:{self.part(floor.crm).wait()}/"
        site = Site(
            self.folder,
            port,
            *words,
            phones,
            originates_per_s=self.chosen.rate,
            channels_max=10_000,
            lines_per_agent=100.0,
            crm_url=crm_url,
        )
        dialer = self.dialer = MeasuredDialer(site, _free_port())
        dialer.core = self.core
        needed = self.chosen.rate * (WARM_UP_S + self.chosen.seconds + 15.0)
        await dialer.load([f"+4930{n:07d}" for n in range(int(needed))])
        bridge = self._bridge_outside() if crm == "outside" else None
        try:
            await dialer.start()
            await self._play(phones)
        finally:
            for process in (bridge,):
                if process is not None:
                    process.terminate()
                    process.wait(20)
            if dialer.process is not None:
                await dialer.end()
        self._bare()

    def _bridge_outside(self) -> subprocess.Popen[bytes]:
        """The bridge as `crm-bridge serve`; the dialer then has no endpoints of its own."""
        settings = self.folder / "dialer.yaml"
        text = settings.read_text()
        settings.write_text(text.replace("crm: crm.yaml\n", ""))
        with on_core(self.other):
            return subprocess.Popen(  # noqa: S603 - our own command
                (
                    *(sys.executable, "-m", "crm_bridge.cli", "serve"),
                    *("--config", str(self.folder / "crm.yaml")),
                    *("--database", f"sqlite:///{self.folder / 'overdial.db'}"),
                ),
                stdout=subprocess.DEVNULL,
            )

    async def _play(self, phones: list[str]) -> None:
        dialer = self.dialer
        await dialer.act("pause")
        accounts = [Account(phone, PASSWORD) for phone in phones]
        people = self.people = self.part(
            floor.agents, dialer.url, accounts, self.traffic, SUPERVISOR, self.chosen.walls
        )
        people.wait()
        await dialer.until("all agents ready", self._all_ready, GATHER_LIMIT_S)
        await dialer.act("resume")
        await asyncio.sleep(WARM_UP_S)
        self.pbx.ask("record")
        self.others = [(p, cost_of(p.pid)) for p in (self.pbx, people)]
        self.before = before = await self.look()
        self.hook(before)
        while (left := before.at + self.chosen.seconds - time.monotonic()) > 0:
            await asyncio.sleep(min(left, SCRAPE_EVERY_S))
            self.after = await self.look()
            self.backlog_max = max(self.backlog_max, self.after.total("overdial_webhook_backlog"))
            self.depth_max = max(self.depth_max, self.after.total("overdial_door_depth"))
        self.other_costs = [cost_of(p.pid).since(c) for p, c in self.others]
        self.recorded = self.pbx.ask("keep")
        self.last_rows = self._rows()
        await dialer.act("pause")
        await dialer.until("no open attempt", self._quiet, DRAIN_LIMIT_S)
        self.backlog_end = (await self.look()).total("overdial_webhook_backlog")
        self.final = await self.look()
        self.people_failed = people.ask("failures")
        self.tally = people.ask("tally")
        people.ask("log out")
        self.code = await dialer.end()

    def hook(self, before: Look) -> None:
        """For a profiler: the window begins."""
        if self.chosen.profile:
            self._profiler = subprocess.Popen(  # noqa: S603 - the operator's choice
                [part.replace("PID", str(self.dialer.pid)) for part in self.chosen.profile.split()]
            )

    async def _all_ready(self) -> bool:
        return (await self.dialer.campaign())["agents"].get("ready", 0) == self.chosen.agents

    async def _quiet(self) -> bool:
        return self.dialer.open_attempts() == 0

    def _rows(self) -> int:
        return len(self.dialer.rows("SELECT id FROM attempts"))

    async def look(self) -> Look:
        address = f"{self.dialer.url}/metrics"
        async with aiohttp.ClientSession() as http, http.get(address) as answer:
            text = await answer.text()
        return Look(time.monotonic(), parsed(text), cost_of(self.dialer.pid), self.pbx.ask("count"))

    # --- the bare loop ------------------------------------------------------------------------

    def _bare(self) -> None:
        best = min(self._read(self.record, 0.0) for _ in range(BARE_RUNS))
        self.bare_us = best * 1e6
        events = self.record.read_bytes().split(b"\r\n\r\n")[:PACED_EVENTS]
        some = self.folder / "some.ami"
        some.write_bytes(b"\r\n\r\n".join(events) + b"\r\n\r\n")
        pace = self.recorded / (self.after.at - self.before.at)
        self.paced_us = self._read(some, pace) * 1e6

    def _read(self, record: Path, pace: float) -> float:
        """CPU seconds an event."""
        feeder = self.part(floor.feed, record, pace)
        reader = self.part(floor.bare, feeder.wait(), core=self.core)
        events, cpu_s = reader.wait()
        for one in (feeder, reader):
            one.process.join(10)
        return float(cpu_s / events)

    # --- what came out ------------------------------------------------------------------------

    def check(self) -> list[str]:
        """What was lost or done twice, in words; empty when everything adds up."""
        rows = self.dialer.rows(
            "SELECT count(*), count(outcome), count(DISTINCT id), sum(originated_ms IS NOT NULL),"
            " count(DISTINCT lead_id) FROM attempts"
        )[0]
        attempts, outcomes, ids, dialled, leads = (int(n) for n in rows)
        pbx, told = self.final.pbx, int(self.final.total("overdial_calls_total"))
        events = int(self.final.total("overdial_ami_events_total"))
        outcome = dict(self.dialer.rows("SELECT outcome, count(*) FROM attempts GROUP BY 1"))
        self.outcomes = outcome
        return [
            text
            for bad, text in (
                (outcomes != attempts, f"{attempts - outcomes} attempts without an outcome"),
                (ids != attempts or leads != attempts, "a lead was attempted twice"),
                (dialled != pbx.customers, f"{dialled} dialled, the PBX saw {pbx.customers}"),
                (pbx.twice > 0, f"{pbx.twice} attempts were dialled twice"),
                (told != attempts, f"{told} outcomes counted, {attempts} attempts on record"),
                (events != pbx.events, f"{pbx.events} events sent, {events} handled"),
                (outcome.get("lost", 0) > 0, f"{outcome.get('lost')} outcomes LOST"),
                (bool(self.people_failed), f"agents failed: {self.people_failed[:3]}"),
                (self.code != 0, f"the dialer ended with {self.code}"),
            )
            if bad
        ]

    def report(self) -> int:
        wrong = self.check()
        a, b = self.before, self.after
        seconds = b.at - a.at
        cost = b.cost.since(a.cost)
        calls = b.total("overdial_calls_total") - a.total("overdial_calls_total")
        live = b.total("overdial_calls_total", outcome="connected") - a.total(
            "overdial_calls_total", outcome="connected"
        )
        events = b.total("overdial_ami_events_total") - a.total("overdial_ami_events_total")
        starts = [at for at in b.pbx.starts if a.at <= at < b.at]
        by_second = [0] * int(seconds)
        for at in starts:
            if (n := int(at - a.at)) < len(by_second):
                by_second[n] += 1
        lag = Spread(a, b, "overdial_event_loop_lag_seconds")
        bridge = Spread(a, b, "overdial_answer_to_bridge_seconds")
        commit = Spread(a, b, "overdial_store_commit_seconds")
        per_event = cost.cpu_s / events * 1e6
        pbx_cost, people_cost = self.other_costs
        in_time = lag.share_to(LAG_LIMIT_S)
        delivered = b.total("overdial_webhooks_delivered_total") - a.total(
            "overdial_webhooks_delivered_total"
        )
        show(
            f"The dialer on one core: {self.chosen.agents} agents, {seconds:.0f} s, "
            f"webhooks {self.chosen.crm}",
            [
                ("originates/s", f"{len(starts) / seconds:.1f}",
                 f"asked for {self.chosen.rate:g}; slowest second {min(by_second)}"),
                ("calls ended/s", f"{calls / seconds:.1f}", f"{live / seconds:.1f} connected"),
                ("AMI events/s", f"{events / seconds:,.0f}", f"{events / calls:.1f} a call"),
                ("nothing lost", "no" if wrong else "yes",
                 f"{self.final.pbx.events:,} events sent and handled, "
                 f"{self.final.pbx.customers:,} lines, each one outcome"),
                ("loop lag p50/p99/max <=", lag.words(),
                 f"{100 * in_time:.2f} % of {lag.number:.0f} looks within 20 ms"),
                ("answer to bridge p50/p99/max <=", bridge.words(), f"of {bridge.number:.0f}"),
                ("store commit p50/p99/max <=", commit.words(),
                 f"{commit.number / seconds:.1f} commits/s"),
                ("CPU of the core", f"{100 * cost.cpu_s / seconds:.1f} %",
                 f"event loop {100 * cost.main_s / seconds:.1f} %"),
                ("core taken by others", f"{100 * cost.waited_s / seconds:.1f} %",
                 "the event loop could run and had to wait"),
                ("CPU per call", f"{1000 * cost.cpu_s / calls:.2f} ms", ""),
                ("CPU per AMI event", f"{per_event:.1f} us", "everything a call costs, per event"),
                ("bare loop, same events", f"{self.bare_us:.2f} us",
                 f"{1e6 / self.bare_us:,.0f} events per CPU second; the dialer is "
                 f"{per_event / self.bare_us:.0f} times that"),
                ("bare loop, same pace", f"{self.paced_us:.2f} us",
                 f"{1e6 / self.paced_us:,.0f} events per CPU second; the dialer is "
                 f"{per_event / self.paced_us:.0f} times that"),
                ("memory", f"{b.cost.rss_mb:.0f} MB", f"{a.cost.rss_mb:.0f} MB at the begin"),
                ("door depth, webhook backlog", f"{self.depth_max:.0f}, {self.backlog_max:.0f}",
                 f"most seen; {delivered / seconds:.0f} webhooks/s delivered by the dialer itself"),
                ("the others' core", f"{100 * pbx_cost.cpu_s / seconds:.0f} % + "
                 f"{100 * people_cost.cpu_s / seconds:.0f} %", "simulated PBX + agents' screens"),
            ],
        )  # fmt: skip
        print("  outcomes: " + ", ".join(f"{n} {k}" for k, n in sorted(self.outcomes.items())))
        if any(self.tally[1].values()):
            print(f"  agents were refused: {self.tally[1]}")
        for text in wrong:
            print(f"  WRONG: {text}")
        if in_time < 0.99:
            print("  MISSED: loop lag p99 <= 20 ms")
        held = len(starts) / seconds >= 0.98 * self.chosen.rate
        if not held:
            print("  MISSED: the rate was not held")
        return 1 if wrong else 0


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--quick", action="store_true", help="10 s")
    parser.add_argument("--agents", type=int, default=500)
    parser.add_argument("--walls", type=int, default=1, help="wallboards watched")
    parser.add_argument("--rate", type=float, default=200.0, help="originates a second")
    parser.add_argument("--crm", choices=("inside", "outside", "none"), default="inside")
    parser.add_argument(
        "--first", action="store_true", help="way before all others; root, on a machine in use"
    )
    parser.add_argument(
        "--profile", default="", help="command run when the window begins, PID in it replaced"
    )
    chosen = parser.parse_args()
    if chosen.quick:
        chosen.seconds = 10.0
    if chosen.first:
        go_first()
    if len(os.sched_getaffinity(0)) < 2:
        print("one core only: PBX and agents share it with the dialer", file=sys.stderr)
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(chosen, Path(folder))
        try:
            asyncio.run(bench.run())
        finally:
            for part in bench.parts:
                with contextlib.suppress(ValueError):
                    part.end()
        return bench.report()


if __name__ == "__main__":
    sys.exit(main())
