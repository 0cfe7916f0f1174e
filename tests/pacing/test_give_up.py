"""Lines that have rung for long are hung up when the floor has filled, and never before the law's
least."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.pacing import hazards, lookahead
from dialer.pacing.forward import Forward
from dialer.pacing.gate import gate
from dialer.snapshot import Decision, FloorSnapshot, LineEnd, LineEnded
from simulator.experiments.plain import FIRST_DAY_S, OPENING_S, make_driver
from simulator.fast import run_day
from simulator.floor import FloorDay
from simulator.history import CallRecord
from simulator.results import PacerSpec
from simulator.scenario import base_world
from simulator.world import Kind
from tests.pacing.test_forward import lines_of

HOUR = 3_600.0
FULL = FloorSnapshot(
    now=1_000.0,
    campaign="",
    idle=0,
    talking=(1.0, 2.0, 3.0),
    ringing=(3.0, 8.0, 8.5, 9.0, 15.0, 19.0, 24.0),
    lines_free=50,
    leads_ready=1_000,
    ring_least_s=15.0,
)
AGES = st.lists(st.floats(0, 40), max_size=12).map(tuple)


def taught() -> Forward:
    """Knows lines of which a fifth is answered, some of them late."""
    pacer, rng = Forward(), np.random.default_rng(7)
    for fact in lines_of(rng, 400):
        pacer.observe(fact)
    for _ in range(60):
        pacer.observe(LineEnded(LineEnd.LIVE, 1.0, float(rng.uniform(14, 24))))
    return pacer


def test_a_floor_that_has_filled_gives_up_the_old_lines_and_no_others() -> None:
    decision = taught().decide(FULL)
    assert decision.lines == 0
    assert decision.give_up == 3


def test_a_floor_with_room_keeps_them() -> None:
    roomy = replace(FULL, idle=9, talking=(), ringing=(15.0, 19.0, 24.0))
    assert taught().decide(roomy).give_up == 0


def test_nothing_is_given_up_where_nothing_may_be() -> None:
    assert taught().decide(replace(FULL, ring_least_s=math.inf)).give_up == 0


def test_on_a_large_floor_as_many_go_as_it_takes() -> None:
    talking = tuple(float(age) for age in range(100))
    ringing = tuple(i % 25 + 0.5 for i in range(125))
    gone = [
        taught().decide(replace(FULL, idle=idle, talking=talking, ringing=ringing)).give_up
        for idle in (0, 10, 100)
    ]
    assert gone[0] == 50
    assert gone == sorted(gone, reverse=True)
    assert gone[-1] == 0


def test_with_nobody_on_the_floor_all_go_that_may() -> None:
    decision = taught().decide(replace(FULL, talking=()))
    assert (decision.lines, decision.give_up) == (0, 3)


@given(AGES, AGES, st.integers(0, 6), st.integers(0, 3), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_it_never_launches_and_gives_up_at_once_and_leaves_each_free_agent_a_line(
    talking: tuple[float, ...], ringing: tuple[float, ...], idle: int, waiting: int, free: int
) -> None:
    floor = replace(
        FULL, idle=idle, talking=talking, ringing=ringing, waiting=(1.0,) * waiting, lines_free=free
    )
    decision = taught().decide(floor)
    old = sum(age >= 15.0 for age in ringing)
    assert 0 <= decision.give_up <= old
    assert decision.lines == 0 or decision.give_up == 0
    if idle:
        assert len(ringing) + waiting - decision.give_up >= min(idle, len(ringing) + waiting)


def test_the_gate_lets_it_pass() -> None:
    closed = replace(FULL, lines_free=0)
    assert gate(Decision(5, give_up=2), closed).give_up == 2


def test_a_line_given_up_tells_that_it_rang_and_not_what_it_would_have_come_to() -> None:
    state = hazards.new_state()
    hazards.learn_given_up(state, 17.25)
    assert state.line_exposure[hazards.RING].sum() == pytest.approx(17.25)
    assert state.line_exits.sum() == 0


def test_a_lines_own_weight_is_how_its_asking_rises() -> None:
    row = np.linspace(0.1, 0.32, hazards.INSTANTS)
    row[-1] = 0.2  # what was answered early is over again
    weight = np.ones(hazards.INSTANTS)
    lookahead.own_weight(row, weight)
    rises = np.maximum(0.0, np.diff(row, prepend=0.0))
    assert weight == pytest.approx(rises / rises.sum())
    before = weight.copy()
    lookahead.own_weight(np.zeros(hazards.INSTANTS), weight)
    assert weight == pytest.approx(before)


def test_a_day_gives_up_none_before_its_time_and_each_once() -> None:
    world, calls = base_world(6, HOUR), list[CallRecord]()
    driver = make_driver(PacerSpec.of("forward"), world)
    day = FloorDay(world, 3, driver, start_s=FIRST_DAY_S + OPENING_S, journal=calls).run()
    rang = [c.ring_s or 0.0 for c in calls if c.outcome is Kind.NO_ANSWER and not c.open]
    early = [s for s in rang if s < 25.0]
    assert len(early) == day.given_up > 20
    assert min(early) >= 15.0
    assert day.lines == len(calls)


def test_giving_up_brings_talk_at_no_more_abandons() -> None:
    world = base_world(20, 4 * HOUR)
    never = replace(world, line=replace(world.line, ring_least_s=math.inf))
    gain = []
    for seed in range(1, 5):
        with_it, without = run_day(world, seed), run_day(never, seed)
        assert without.given_up == 0 < with_it.given_up < 0.4 * with_it.launched
        assert with_it.abandon_rate <= 0.03
        gain.append(with_it.utilisation - without.utilisation)
    assert sum(gain) / len(gain) > 0.0
