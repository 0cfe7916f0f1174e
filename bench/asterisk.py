"""Answer to bridge on a real Asterisk 22, by Asterisk's own timestamps.

    python -m bench.asterisk [--rate 20] [--agents 40]

The dialer dials some 960 leads over a SIPp carrier, 460 of which answer. Counted is every customer
for whom an agent had been free for half a second: from the channel's Newstate to Up until the
customer's BridgeEnter into the two-party bridge. Others waited for an agent, not for the dialer.
Asterisk, SIPp, the dialer and the agents share this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import socket
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from bench.proc import cost_of, go_first
from bench.table import quantile, show
from tests.asterisk.harness import AsteriskBench, free_port, missing
from tests.asterisk.rawami import RawAmi
from tests.asterisk.sipp import number_for
from tests.e2e.dialer import Dialer, Site
from tests.e2e.test_real_asterisk import answer_to_bridge_ms

ANSWERED = {"talk-1s": 100, "talk-3s": 100, "early-media": 100, "answer-at-once": 100}
ANSWERED["slow-answer"] = 60
UNANSWERED = dict.fromkeys(("busy", "invalid", "no-answer-480", "rejected", "unreachable-480"), 100)
CALLS_MIN = 300


async def measure(rate: float, agents: int, folder: Path) -> int:
    numbers = [
        number_for(behaviour, n)
        for behaviour, count in (ANSWERED | UNANSWERED).items()
        for n in range(count)
    ]
    random.Random(1).shuffle(numbers)
    async with AsteriskBench(phones_wanted=agents) as bench:
        site = Site(
            folder,
            bench.ami_port,
            bench.cmd_secret,
            bench.evt_secret,
            bench.phones,
            originates_per_s=rate,
            lines_per_agent=50.0,
        )
        dialer = Dialer(site, free_port(socket.SOCK_STREAM))
        await dialer.load(numbers)

        async def done() -> bool:
            closed = dialer.rows("SELECT count(*) FROM attempts WHERE outcome IS NOT NULL")
            return int(closed[0][0]) >= len(numbers)

        async with RawAmi(bench.ami_port, bench.evt_user, bench.evt_secret) as listener:
            people = dialer.agents(wrap_up_s=0.05)
            await dialer.start_with_all_agents(people)
            assert dialer.process is not None
            before, began = cost_of(dialer.process.pid), time.monotonic()
            try:
                await dialer.until("every lead done", done, len(numbers) / rate + 90.0)
                seconds = time.monotonic() - began
                cost = cost_of(dialer.process.pid).since(before)
                await people.log_out()
            finally:
                await people.close()
                await dialer.end()
            events = list(listener.messages)
    attempts = dialer.attempts()
    waits = answer_to_bridge_ms(events)
    starts = sorted(row["originated_ms"] for row in attempts)
    held = (len(starts) - 1) / (starts[-1] - starts[0]) * 1000
    outcomes = Counter(row["outcome"] for row in attempts)
    p50, p95, p99 = (quantile(waits, q) for q in (0.5, 0.95, 0.99))
    show(
        f"Real Asterisk 22: {len(attempts)} calls, {agents} agents",
        [
            ("originates/s", f"{held:.1f}", f"asked for {rate:g}"),
            (
                "answer to bridge p50/p95/p99",
                f"{p50:.1f} / {p95:.1f} / {p99:.1f} ms",
                f"of {len(waits)} calls, worst {waits[-1]:.1f} ms",
            ),
            (
                "dialer's CPU",
                f"{1000 * cost.cpu_s / len(attempts):.2f} ms",
                f"a call; it waited for a core {100 * cost.waited_s / seconds:.0f} % of the time",
            ),
        ],
    )
    print("  outcomes: " + ", ".join(f"{n} {k}" for k, n in sorted(outcomes.items())))
    if len(waits) < CALLS_MIN:
        print(f"  WRONG: fewer than {CALLS_MIN} calls count", file=sys.stderr)
        return 1
    return 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=20.0, help="originates a second")
    parser.add_argument("--agents", type=int, default=40)
    parser.add_argument(
        "--first", action="store_true", help="way before all others; root, on a machine in use"
    )
    chosen = parser.parse_args()
    if chosen.first:
        go_first()
    if why := missing():
        print(f"Real Asterisk: not measured, {why}")
        return 0
    with tempfile.TemporaryDirectory() as folder:
        return asyncio.run(measure(chosen.rate, chosen.agents, Path(folder)))


if __name__ == "__main__":
    sys.exit(main())
