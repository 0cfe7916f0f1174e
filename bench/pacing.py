"""Measure the pacing: time per decision, speed of the fast simulator, and the figures it reaches.

python -m bench.pacing decisions            p50/p99 per decision of `forward`, as shipped
python -m bench.pacing speed                CPU seconds per simulated 8-hour day
python -m bench.pacing optimum --days 6     against the exact optimum of exponential floors
python -m bench.pacing base --days 6        against the base world's table
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from dialer.pacing.forward import Forward
from dialer.snapshot import FloorSnapshot, LineEnd, LineEnded, LineRang, TalkEnded, WrapUpEnded
from simulator.fast import DayResult, run_day, run_days
from simulator.scenario import base_world, exponential_floor

# docs/pacing: optimal utilisation at 3 % (relative value iteration), and the base world's row
OPTIMUM = {1: 0.770, 3: 0.802, 5: 0.823, 10: 0.860, 20: 0.901, 50: 0.945}
BASE = {1: 0.634, 3: 0.709, 5: 0.755, 10: 0.816, 20: 0.873, 50: 0.929, 100: 0.956}


def _taught(rng: np.random.Generator) -> Forward:
    pacer = Forward()
    for _ in range(4_000):
        setup = float(rng.lognormal(0.3, 0.4))
        pacer.observe(LineRang(setup))
        if rng.random() < 0.2:
            ring, detect = float(rng.lognormal(2.1, 0.5)), float(rng.uniform(1.0, 2.4))
            pacer.observe(LineEnded(LineEnd.LIVE, setup, ring, detect))
            pacer.observe(TalkEnded(float(rng.lognormal(4.5, 1.0))))
            pacer.observe(WrapUpEnded(float(rng.lognormal(2.8, 0.6))))
        else:
            pacer.observe(LineEnded(LineEnd.NO_ANSWER, setup, 25.0))
    return pacer


def decisions(count: int) -> None:
    """Time of `Forward.decide` on random floors, snapshot conversion included."""
    print("agents  lines    p50 us    p99 us    max us")
    for agents, lines in ((5, 20), (20, 60), (100, 300), (1_000, 3_000)):
        rng = np.random.default_rng(agents)
        pacer = _taught(rng)
        took = []
        for i in range(count):
            idle = int(rng.binomial(agents, 0.05))
            talking = int((agents - idle) * 0.8)
            under_way = rng.uniform(0, 25, lines)
            snapshot = FloorSnapshot(
                now=0.5 * i,
                campaign="bench",
                idle=idle,
                talking=tuple(rng.exponential(120, talking)),
                wrapping=tuple(rng.uniform(0, 30, agents - idle - talking)),
                setting_up=tuple(under_way[: lines // 10] / 10),
                ringing=tuple(under_way[lines // 10 :]),
                lines_free=12 * agents,
                leads_ready=10_000,
            )
            start = time.perf_counter()
            pacer.decide(snapshot)
            took.append(1e6 * (time.perf_counter() - start))
        took = took[5:]
        p50, p99 = np.percentile(took, (50, 99))
        print(f"{agents:6d} {lines:6d} {p50:9.0f} {p99:9.0f} {max(took):9.0f}")


def speed() -> None:
    run_day(base_world(2), 1)  # compile, or load from the cache
    print("agents  CPU seconds per 8-hour day (forward)  decisions  lines")
    for agents in (20, 100, 1_000):
        start = time.process_time()
        day = run_day(base_world(agents), 1)
        took = time.process_time() - start
        print(f"{agents:6d}  {took:14.2f}  {day.decisions:20d}  {day.launched:9d}")


def _row(name: str, days: list[DayResult], goal: float) -> None:
    hours = np.array([d.agent_hours for d in days])
    each = np.array([d.utilisation for d in days])
    mean = float(np.average(each, weights=hours))
    half = 1.96 * float(each.std(ddof=1)) / math.sqrt(len(each)) if len(each) > 1 else math.nan
    live, abandoned = sum(d.live for d in days), sum(d.abandoned for d in days)
    over = sum(d.abandon_rate > 0.03 for d in days)
    people, left = sum(d.live_people for d in days), sum(d.abandoned_people for d in days)
    given_up, launched = sum(d.given_up for d in days), sum(d.launched for d in days)
    people_over = sum(d.abandon_rate_people > 0.03 for d in days)
    print(
        f"{name:16s} {mean:.4f} +-{half:.4f}   goal {goal:.3f}  {100 * mean / goal:6.2f} %"
        f"   abandon {100 * abandoned / max(1, live):.2f} %   days over {over}/{len(days)}"
        f"   of people {100 * left / max(1, people):.2f} %   {people_over}/{len(days)}"
        f"   given up {100 * given_up / max(1, launched):.0f} %",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("decisions", "speed", "optimum", "base"))
    parser.add_argument("--days", type=int, default=6, help="days per floor of 20 agents")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--agents", type=int, help="this floor alone")
    parser.add_argument("--count", type=int, default=2_000, help="decisions timed per floor")
    parser.add_argument("--keep-learning", action="store_true", help="days follow one another")
    asked = parser.parse_args()
    if asked.what == "decisions":
        decisions(asked.count)
        return
    if asked.what == "speed":
        speed()
        return
    goals = OPTIMUM if asked.what == "optimum" else BASE
    for agents, goal in goals.items():
        if asked.agents not in (None, agents):
            continue
        scenario = exponential_floor(agents) if asked.what == "optimum" else base_world(agents)
        days = max(2, min(20 * asked.days, math.ceil(asked.days * 20 / agents)))
        made = run_days(scenario, days, asked.seed, keep_learning=asked.keep_learning)
        _row(scenario.name, made, goal)


if __name__ == "__main__":
    main()
