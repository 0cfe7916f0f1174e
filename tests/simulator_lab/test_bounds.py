"""The exact optimum against the published table, against theory, and against the floor itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from dialer.pacing.erlang import erlang_b
from dialer.snapshot import Decision, FloorSnapshot, Observation
from simulator.bounds import ExponentialFloor, Optimum, clairvoyant, exact_optimum, zero_gap
from simulator.distributions import Exponential
from simulator.experiments.fast import FastRunner
from simulator.floor import FloorDay
from simulator.results import PacerSpec
from simulator.scenario import Fault, FaultKind, Law, base_world, exponential_floor


@pytest.mark.parametrize(
    ("agents", "utilisation", "price_s"),
    [
        (1, 0.770, 80),
        (3, 0.802, 127),
        (5, 0.823, 141),
        (10, 0.860, 181),
        (20, 0.901, None),
        (50, 0.945, None),
    ],
)
def test_the_table_of_the_exact_optimum(
    agents: int, utilisation: float, price_s: float | None
) -> None:
    best = exact_optimum(ExponentialFloor(agents))
    assert best.utilisation == pytest.approx(utilisation, abs=0.002)
    if price_s is not None:  # agent-seconds, read off a flat minimum
        assert best.price_s == pytest.approx(price_s, rel=0.08)


def test_a_looser_law_allows_more_and_a_larger_floor_is_easier() -> None:
    five = [exact_optimum(ExponentialFloor(5), limit).utilisation for limit in (0.01, 0.03, 0.1)]
    assert five == sorted(five)
    sizes = [exact_optimum(ExponentialFloor(n)).utilisation for n in (2, 8, 30)]
    assert sizes == sorted(sizes)
    assert all(u < 1 for u in five + sizes)


def test_sure_instant_answers_leave_nothing_to_predict() -> None:
    """With every line answered and lines of 0.1 s, 1:1 dialling is all but perfect."""
    best = exact_optimum(ExponentialFloor(4, line_life_s=0.1, answer_rate=1.0), 0.001)
    assert best.utilisation > 0.998


class _ByTable:
    """Holds the optimum's own number of lines, at every change."""

    every_s = None
    counts_only = False

    def __init__(self, optimum: Optimum) -> None:
        self._target = optimum.target
        self._agents = optimum.floor.agents

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        state = self._agents - snapshot.idle + len(snapshot.waiting)
        lines = len(snapshot.setting_up) + len(snapshot.ringing)
        rows, width = self._target.shape
        if lines >= width:
            return Decision(0)
        return Decision(int(self._target[min(state, rows - 1), lines]) - lines)

    def observe(self, fact: Observation, now: float) -> None:
        """The table knows all there is."""


@pytest.mark.parametrize("agents", [3, 10])
def test_the_floor_driven_by_the_optimal_table_reaches_the_optimum(agents: int) -> None:
    """The bound and the simulator agree on one number though they share no code."""
    best = exact_optimum(ExponentialFloor(agents))
    world = replace(exponential_floor(agents), patience=Exponential(2.0), law=Law(wait_limit_s=1e9))
    days = [FloorDay(world, seed, _ByTable(best)).run() for seed in range(6)]
    live = sum(d.live for d in days)
    lost = sum(d.left for d in days) / live
    use = np.array([d.utilisation for d in days])
    # Where the law falls between two tables the optimum mixes them; one alone may be on either
    # side, and what it is over or under is worth `price_s` per abandon.
    spent = (lost - best.limit) * live / 6 * best.price_s / (agents * world.day_s)
    half = 3.2 * use.std(ddof=1) / math.sqrt(len(use)) + 0.002
    assert abs(use.mean() - spent - best.utilisation) < half
    assert 0.01 < lost < 0.05


def test_no_lines_in_advance_is_worse_than_the_optimum_everywhere() -> None:
    """Erlang-B bounds what blind steady dialling can do; the optimum must beat it."""
    for agents in (3, 10):
        load = next(x for x in np.arange(0.05, agents, 0.01) if erlang_b(agents, x) > 0.03)
        blind = load * 0.97 / agents
        assert exact_optimum(ExponentialFloor(agents)).utilisation > blind


@pytest.mark.parametrize("agents", [5, 20])
def test_the_clairvoyant_lies_between_any_pacer_and_no_gap_at_all(agents: int) -> None:
    scenario = base_world(agents)
    seen, none = clairvoyant(scenario, 1), zero_gap(scenario)
    assert 0.97 < seen.utilisation <= none.utilisation == 1.0
    assert seen.connects_per_hour == pytest.approx(none.connects_per_hour, rel=0.1)


def test_the_clairvoyant_outlasts_a_time_without_a_line() -> None:
    """Ten minutes of the hour nothing gets through, or nothing may be launched: what rings by then
    is still answered, and after it all goes on."""
    for kind in (FaultKind.CARRIER_OUTAGE, FaultKind.LINK_LOST):
        scenario = replace(base_world(10, day_s=3_600.0), faults=(Fault(kind, 1_800.0, 600.0),))
        seen = clairvoyant(scenario, 1).utilisation
        # by exponential chance a tenth talks on; nobody begins to between 1,825 s and 2,400 s
        assert 0.84 < seen < 0.93
        paced = FastRunner().run_days(scenario, PacerSpec("progressive"), [1])[0]
        assert paced.utilisation < seen


@pytest.mark.parametrize("bad", [{"agents": 0}, {"agents": 500}, {"agents": 3, "answer_rate": 0}])
def test_impossible_floors_are_refused(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must be"):
        ExponentialFloor(**bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="limit"):
        exact_optimum(ExponentialFloor(2), 0.0)
