"""What a decision on lines costs in the running dialer, and how fast the full engine is.

    python -m bench.decisions [--agents 20,100,1000] [--minutes 60] [--pacer forward]

The dialer's own pacing asks the pacer as in production, on the base world by the full engine: the
picture of the floor, the account and the gate are in each decision's time (the histogram that
`/metrics` shows as `overdial_pacing_decision_seconds`). CPU seconds of one core; the promises are a
p99 of 1 ms at 100 agents and 5 ms at 1,000 agents.
"""

from __future__ import annotations

import argparse
import sys
from time import process_time

from bench.table import show
from dialer.pacing.forward import warm_up
from simulator.experiments.full import governor_for
from simulator.experiments.plain import FIRST_DAY_S
from simulator.full.day import Dialled, FullDay
from simulator.results import DayResult, PacerSpec
from simulator.scenario import base_world

PROMISED_S = {100: 0.001, 1_000: 0.005}  # p99 by number of agents


def _played(pacer: str, agents: int, minutes: float) -> tuple[FullDay, DayResult, float]:
    """A day of so many minutes, what it came to, and its CPU seconds."""
    world = base_world(agents, day_s=minutes * 60.0)
    governor = governor_for(PacerSpec.of(pacer), world)
    base = [Dialled("base", world, governor)]
    day = FullDay(base, 1, FIRST_DAY_S + 8 * 3_600.0, work_clock=process_time)
    began = process_time()
    (result,) = day.run()
    return day, result, process_time() - began


def main() -> int:
    parser = argparse.ArgumentParser(description="decision time and speed of the full engine")
    parser.add_argument("--agents", default="20,100,1000")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--pacer", default="forward")
    given = parser.parse_args()
    warm_up()
    _played(given.pacer, 20, 1.0)  # load what is loaded once: number plans, rule packs
    rows, broken = [], 0
    for agents in (int(n) for n in given.agents.split(",")):
        day, result, cpu_s = _played(given.pacer, agents, given.minutes)
        view = day.pacing.decide_s.view()
        p50, p99 = (1_000 * view.quantile_bound(q) for q in (0.5, 0.99))
        promised = PROMISED_S.get(agents)
        broken += promised is not None and p99 > 1_000 * promised
        rows.append(
            (
                f"{agents} agents",
                f"p50 {p50:g} ms, p99 {p99:g} ms",
                f"{sum(view.counts):,} decisions; {result.lines / cpu_s:,.0f} calls/s,"
                f" utilisation {100 * result.utilisation:.1f} %",
            )
        )
    show(f"Decisions of {given.pacer}, {given.minutes:g} min of the base world", rows)
    if broken:
        print("a decision takes longer than promised", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
