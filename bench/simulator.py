"""Simulated calls a second: this simulator's engines beside SimPy running the same plain model.

    python -m bench.simulator [--agents 20] [--hours 8] [--ratio 2.0]

The model is the base world with two lines for each free agent, looked at every half second: the
same people from the same seed in each engine, so that utilisation and abandons must come out the
same up to the order of things at one instant. SimPy's side is written as its manual would: one
process for each call, one for the dialer. The best of three runs counts; one core.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import simpy

from bench.table import show
from simulator.experiments.plain import Peer
from simulator.fast import run_day
from simulator.floor import FloorDay
from simulator.peers.plain import FixedRatio
from simulator.scenario import Scenario, base_world
from simulator.world import Kind, World, plan_agents

TICK_S = 0.5
RUNS = 3
AGREE = 0.01  # utilisation of two engines may differ by so much


@dataclass
class Outcome:
    lines: int = 0
    live: int = 0
    abandoned: int = 0
    busy_s: float = 0.0
    staffed_s: float = 0.0

    @property
    def utilisation(self) -> float:
        return self.busy_s / self.staffed_s


class SimpyFloor:
    """The floor as SimPy processes. Agents are a queue of who is idle; callers an event each."""

    def __init__(self, scenario: Scenario, seed: int, ratio: float) -> None:
        self.env = simpy.Environment()
        self.scenario, self.ratio = scenario, ratio
        self.world = World(scenario, seed)
        self.idle: deque[int] = deque()
        self.waiting: deque[simpy.Event] = deque()
        self.coming = 0
        self.out = Outcome()
        for number, start, until in plan_agents(scenario, seed).stints.tolist():
            self.env.process(self.agent(int(number), start, min(until, scenario.day_s)))
        self.env.process(self.dialer())

    def run(self) -> Outcome:
        self.env.run(until=self.scenario.day_s)
        return self.out

    def dialer(self) -> Generator[simpy.Event, Any, None]:
        while True:
            wanted = math.floor(self.ratio * len(self.idle)) - self.coming - len(self.waiting)
            for _ in range(wanted):
                self.env.process(self.call(self.out.lines))
                self.out.lines += 1
            yield self.env.timeout(TICK_S)

    def agent(self, number: int, start: float, until: float) -> Generator[simpy.Event, Any, None]:
        yield self.env.timeout(start)
        self.out.staffed_s += until - start
        self.free(number)

    def free(self, number: int) -> None:
        if self.waiting:
            self.waiting.popleft().succeed(number)
        else:
            self.idle.append(number)

    def call(self, index: int) -> Generator[simpy.Event, Any, None]:
        plan = self.world.plan_call(index, self.env.now)
        self.coming += 1
        yield self.env.timeout(plan.setup_s)
        yield self.env.timeout(plan.fail_s if plan.ring_s is None else plan.ring_s)
        if plan.answered:
            yield self.env.timeout(plan.detect_s)
        self.coming -= 1
        if not plan.live:
            return
        person = plan.kind is Kind.PERSON
        self.out.live += person
        if self.idle:
            number = self.idle.popleft()
        else:
            turn = self.env.event()
            self.waiting.append(turn)
            limit = min(plan.patience_s, self.scenario.law.wait_limit_s)
            yield turn | self.env.timeout(limit)
            if not turn.triggered:
                self.waiting.remove(turn)
                self.out.abandoned += person and plan.patience_s >= limit
                return
            number = turn.value
        began, day_s = self.env.now, self.scenario.day_s
        self.out.busy_s += min(plan.talk_s + plan.wrap_s, day_s - began)
        yield self.env.timeout(plan.talk_s + plan.wrap_s)
        if plan.break_s > 0:
            self.out.staffed_s -= min(plan.break_s, day_s - self.env.now)
            yield self.env.timeout(plan.break_s)
        self.free(number)


class Ticking(FixedRatio):
    """Looks at ticks only, as the SimPy model does."""

    every_s = TICK_S


def in_simpy(scenario: Scenario, ratio: float) -> Outcome:
    return SimpyFloor(scenario, 1, ratio).run()


def in_plain(scenario: Scenario, ratio: float) -> Outcome:
    day = FloorDay(scenario, 1, Peer(Ticking(ratio=ratio))).run()
    busy_s = day.talk_s + day.wrap_s
    return Outcome(day.lines, day.live, day.abandoned, busy_s, day.staffed_s)


def in_fast(scenario: Scenario, ratio: float) -> Outcome:
    day = run_day(
        scenario, 1, "ratio", ratio=ratio, gated=False, tick_s=TICK_S, react_gap_s=math.inf
    )
    staffed_s = day.agent_hours * 3_600.0
    busy_s = day.utilisation * staffed_s
    return Outcome(day.launched, day.live_people, day.abandoned_people, busy_s, staffed_s)


def best_of(work: Callable[[Scenario, float], Outcome], *args: Any) -> tuple[float, Outcome]:
    work(*args)  # compiled code and drawn people are warm afterwards
    best, outcome = math.inf, Outcome()
    for _ in range(RUNS):
        began = perf_counter()
        outcome = work(*args)
        best = min(best, perf_counter() - began)
    return best, outcome


def main() -> int:
    parser = argparse.ArgumentParser(description="simulated calls a second, beside SimPy")
    parser.add_argument("--agents", type=int, default=20)
    parser.add_argument("--hours", type=float, default=8.0)
    parser.add_argument("--ratio", type=float, default=2.0)
    given = parser.parse_args()
    scenario = base_world(given.agents, day_s=given.hours * 3_600.0)
    engines = {"SimPy": in_simpy, "plain engine": in_plain, "fast engine": in_fast}
    rows, outcomes = [], []
    for name, work in engines.items():
        wall_s, outcome = best_of(work, scenario, given.ratio)
        outcomes.append(outcome)
        rows.append(
            (
                name,
                f"{outcome.lines / wall_s:,.0f} calls/s",
                f"{wall_s:.3f} s; utilisation {100 * outcome.utilisation:.2f} %,"
                f" {outcome.abandoned} of {outcome.live} abandoned",
            )
        )
    show(f"{given.agents} agents, {given.hours:g} h, {given.ratio:g} lines per free agent", rows)
    uses = [o.utilisation for o in outcomes]
    if max(uses) - min(uses) > AGREE:
        print(f"the engines disagree by {max(uses) - min(uses):.3f}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
