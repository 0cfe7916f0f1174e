"""The world and both engines against queueing theory, and against each other.

A driver that keeps M lines up, each answered after an exponential time and replaced at once, makes
Poisson arrivals at rate M / mean: superposed renewals of exponential times. With exponential
handling the floor is then M/M/c (patient callers), M/M/c/c (callers lost at once) or M/M/c+M.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from dialer.pacing.erlang import erlang_a, erlang_b, erlang_c, mean_wait
from dialer.snapshot import Decision, FloorSnapshot, Observation
from simulator.distributions import Constant, Exponential
from simulator.experiments.fast import FastRunner
from simulator.experiments.plain import PlainRunner
from simulator.fast import run_day
from simulator.floor import FloorDay
from simulator.results import PacerSpec
from simulator.scenario import Law, Scenario, base_world, exponential_floor

AGENTS, HANDLING_S, LINE_S = 8, 20.0, 10.0
DAYS = 6
T_999 = 6.869  # Student's, 5 degrees of freedom, 99.9 % two-sided


class Arrivals:
    """Keeps `lines` lines up."""

    name = "arrivals"
    every_s = None
    counts_only = False

    def __init__(self, lines: int) -> None:
        self._lines = lines

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        return Decision(self._lines - len(snapshot.setting_up) - len(snapshot.ringing))

    def observe(self, fact: Observation, now: float = 0.0) -> None:
        """Arrivals do not care."""

    def state(self) -> dict[str, Any]:
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Nothing to restore."""


def world(patience_s: float, limit_s: float) -> Scenario:
    scenario = exponential_floor(AGENTS, HANDLING_S, LINE_S, answer_rate=1.0, day_s=7_200.0)
    patience = Constant(1e9) if math.isinf(patience_s) else Exponential(patience_s)
    return replace(scenario, patience=patience, law=Law(wait_limit_s=limit_s))


def plain(scenario: Scenario, lines: int) -> list[tuple[float, float, float]]:
    """(share delayed, share lost, utilisation) of each day on the plain engine."""
    out = []
    for seed in range(DAYS):
        day = FloorDay(scenario, seed, Arrivals(lines), react_gap_s=0.0, tick_s=30.0).run()
        waits = np.array(day.waits_s)
        lost = (day.abandoned + day.left) / day.live
        out.append((float((waits > 0).mean()), lost, day.utilisation))
    return out


def fast(scenario: Scenario, lines: int) -> list[tuple[float, float, float]]:
    out = []
    for seed in range(DAYS):
        day = run_day(scenario, seed, Arrivals(lines), gated=False, react_gap_s=0.0, tick_s=30.0)
        lost = (day.abandoned + day.callers_left) / day.live
        out.append((math.nan, lost, day.utilisation))
    return out


def agrees(values: list[float], theory: float, bias: float = 0.002) -> bool:
    """Within the 99.9 % interval over days, the empty start being worth at most `bias`."""
    half = T_999 * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return abs(float(np.mean(values)) - theory) <= half + bias


ENGINES = pytest.mark.parametrize("engine", [plain, fast])
LOADS = pytest.mark.parametrize("lines", [2, 4])  # offered 4 and 8 erlang on 8 agents


@ENGINES
@LOADS
def test_callers_lost_at_once_follow_erlang_b(
    engine: Callable[..., list[tuple[float, float, float]]], lines: int
) -> None:
    load = lines / LINE_S * HANDLING_S
    days = engine(world(math.inf, 0.0), lines)
    lost = erlang_b(AGENTS, load)
    assert agrees([d[1] for d in days], lost)
    assert agrees([d[2] for d in days], load * (1 - lost) / AGENTS)


@ENGINES
@LOADS
def test_impatient_callers_follow_erlang_a(
    engine: Callable[..., list[tuple[float, float, float]]], lines: int
) -> None:
    load, patience_s = lines / LINE_S * HANDLING_S, 30.0
    days = engine(world(patience_s, 1e9), lines)
    lost = erlang_a(AGENTS, load, patience_s / HANDLING_S)[1]
    assert agrees([d[1] for d in days], lost)
    assert agrees([d[2] for d in days], load * (1 - lost) / AGENTS)


@pytest.mark.parametrize("lines", [2, 3])  # 4 would never settle
def test_patient_callers_follow_erlang_c(lines: int) -> None:
    load = lines / LINE_S * HANDLING_S
    scenario = world(math.inf, 1e9)
    delayed, means = [], []
    for seed in range(DAYS):
        day = FloorDay(scenario, seed, Arrivals(lines), react_gap_s=0.0, tick_s=30.0).run()
        waits = np.array(day.waits_s)
        delayed.append(float((waits > 0).mean()))
        means.append(float(waits.mean()))
    assert agrees(delayed, erlang_c(AGENTS, load))
    assert agrees(means, mean_wait(AGENTS, load, HANDLING_S), bias=0.02)


@pytest.mark.parametrize("pacer", ["progressive", "fixed_ratio", "forward"])
def test_the_compiled_engine_agrees_with_the_plain_one(pacer: str) -> None:
    """The same people, the same pacer, two engines that share no code but the world."""
    scenario = base_world(12, day_s=7_200.0)
    seeds = range(6)
    spec = PacerSpec.of(pacer, {"ratio": 2.5} if pacer == "fixed_ratio" else None)
    one = PlainRunner().run_days(scenario, spec, seeds)
    two = FastRunner().run_days(scenario, spec, seeds)
    differences = [a.utilisation - b.utilisation for a, b in zip(one, two, strict=True)]
    half = 6.9 * float(np.std(differences, ddof=1)) / math.sqrt(len(differences))  # 99.9 %
    assert abs(float(np.mean(differences))) <= half + 0.004
    lost = [sum(d.abandoned for d in days) / sum(d.live for d in days) for days in (one, two)]
    live = sum(d.live for d in one)
    spread = math.sqrt(2 * max(lost[0], 0.002) / live)
    assert abs(lost[0] - lost[1]) <= 4 * spread + 0.002
    assert sum(d.staffed_s for d in one) == pytest.approx(sum(d.staffed_s for d in two), rel=0.02)
