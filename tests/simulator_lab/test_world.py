"""The world: same people for everybody, rates and times as the scenario says, at any hour."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace

import numba
import numpy as np
import pytest

from simulator.scenario import (
    Agents,
    BadScenario,
    CallingList,
    Carrier,
    Drift,
    Drifting,
    Fault,
    FaultKind,
    PlannedBreak,
    Rates,
    Scenario,
    Shape,
    Shift,
)
from simulator.world import (
    SIP_STATUS,
    Amd,
    Kind,
    World,
    base_world,
    day_tables,
    exponential_floor,
    kind_of,
    plan_agents,
    plan_call,
    plan_calls,
)

MANY = 60_000


def test_a_call_is_the_same_whoever_asks_and_in_whatever_order() -> None:
    scenario = base_world(10)
    forward = [World(scenario, 5).plan_call(i, 100.0) for i in range(50)]
    one = World(scenario, 5)
    backward = [one.plan_call(i, 100.0) for i in reversed(range(50))][::-1]
    assert forward == backward
    assert forward[33] == plan_call(scenario, 5, 33, 100.0)
    assert forward != [World(scenario, 6).plan_call(i, 100.0) for i in range(50)]


def test_arrays_and_single_calls_agree() -> None:
    scenario = replace(
        base_world(10),
        list=CallingList(rates=Rates(0.2, 0.25, 0.06, 0.04, 0.03, 0.02)),
        carrier=Carrier(congestion=0.05),
        drift=(Drift(Drifting.TALK, points=((0.0, 0.5), (28_800.0, 2.0))),),
    )
    plans, tables, world = (
        plan_calls(scenario, 3, 4_000),
        day_tables(scenario, 3),
        World(scenario, 3),
    )
    compiled = numba.njit(kind_of)
    seen = Counter()
    for i in range(4_000):
        t_s = i * 7.0
        row = min(int(t_s / 10.0), len(tables.congestion) - 1)
        kind = Kind(
            compiled(
                plans.u_kind[i],
                plans.u_congestion[i],
                plans.answer_factor[i],
                tables.rates[row],
                tables.congestion[row],
            )
        )
        call = world.plan_call(i, t_s)
        rang_too_long = kind <= Kind.MACHINE and call.kind is Kind.NO_ANSWER
        assert call.kind is kind or rang_too_long
        assert call.setup_s == plans.setup_s[i]
        assert call.sip_status == SIP_STATUS[call.kind]
        if call.kind is Kind.PERSON:
            assert call.talk_s == pytest.approx(plans.talk_person_s[i] * tables.talk_factor[row])
        seen[call.kind] += 1
    assert set(seen) == set(Kind)


def test_the_base_world_is_the_one_described() -> None:
    world = World(base_world(20), 1)
    calls = [world.plan_call(i, 3_600.0) for i in range(MANY)]
    kinds = Counter(c.kind for c in calls)

    def near(count: int, share: float, of: int) -> bool:
        return abs(count / of - share) < 4.5 * math.sqrt(share * (1 - share) / of)

    # 1.1 % of the people and 3 % of machines would answer after the dialer gives up at 25 s
    late_person = float(
        np.mean(world.scenario.line.ring_person.sample(np.linspace(0, 1, MANY)) >= 25)
    )
    assert near(kinds[Kind.PERSON], 0.20 * (1 - late_person), MANY)
    assert near(kinds[Kind.BUSY] + kinds[Kind.INVALID], 0.10, MANY)
    people = [c for c in calls if c.kind is Kind.PERSON]
    machines = [c for c in calls if c.kind is Kind.MACHINE]
    assert near(sum(c.amd is Amd.MACHINE for c in people), 0.03, len(people))
    assert near(sum(c.amd is Amd.PERSON for c in machines), 0.08, len(machines))
    assert all(1.0 <= c.detect_s <= 2.4 for c in people)
    assert all(1.8 <= c.detect_s <= 3.8 for c in machines)
    assert all(c.ring_s == 25.0 for c in calls if c.kind is Kind.NO_ANSWER)
    assert all(c.ring_s is None for c in calls if c.kind in (Kind.BUSY, Kind.INVALID))
    assert np.mean([c.talk_s for c in people]) == pytest.approx(118.0, rel=0.05)
    assert np.mean([c.talk_s for c in machines]) == pytest.approx(8.0, rel=0.05)
    assert near(sum(c.break_s > 0 for c in calls), 0.01, MANY)


def test_amd_off_puts_every_answer_through_at_once() -> None:
    scenario = base_world(5)
    world = World(replace(scenario, amd=replace(scenario.amd, on=False)), 2)
    answered = [c for c in (world.plan_call(i, 0.0) for i in range(2_000)) if c.answered]
    assert {c.kind for c in answered} == {Kind.PERSON, Kind.MACHINE}
    assert all(c.live and c.amd is None and c.detect_s == 0 for c in answered)


def test_the_exponential_floor_knows_only_answers_and_silence() -> None:
    world = World(exponential_floor(5), 1)
    calls = [world.plan_call(i, 0.0) for i in range(20_000)]
    assert {c.kind for c in calls} == {Kind.PERSON, Kind.NO_ANSWER}
    assert np.mean([c.kind is Kind.PERSON for c in calls]) == pytest.approx(0.25, abs=0.015)
    assert np.mean([c.ring_s for c in calls]) == pytest.approx(12.0, rel=0.04)
    assert np.mean([c.talk_s for c in calls]) == pytest.approx(150.0, rel=0.04)
    assert {c.wrap_s for c in calls} == {0.0}


def test_later_attempts_answer_less() -> None:
    scenario = replace(base_world(5), list=CallingList(leads=1_000, by_attempt=(1.0, 0.5)))
    plans = plan_calls(scenario, 1, 3_000)
    assert plans.attempt.tolist() == [1] * 1_000 + [2] * 1_000 + [3] * 1_000
    assert set(plans.answer_factor[1_000:]) == {0.5}
    world = World(scenario, 1)
    first = sum(world.plan_call(i, 0.0, attempt=1).kind is Kind.PERSON for i in range(5_000))
    second = sum(world.plan_call(i, 0.0, attempt=2).kind is Kind.PERSON for i in range(5_000))
    assert 0.4 < second / first < 0.6


def test_rates_by_hour_and_drift_hold_from_their_instants() -> None:
    scenario = replace(
        base_world(5),
        list=CallingList(by_hour=((3_600.0, Rates(person=0.5, machine=0.1)),)),
        drift=(
            Drift(Drifting.ANSWER, points=((7_200.0, 0.5),), shape=Shape.STEP),
            Drift(Drifting.CONGESTION, points=((0.0, 0.0), (28_800.0, 0.4))),
        ),
    )
    tables = day_tables(scenario, 1)
    assert tables.rates[359, 0] == pytest.approx(0.2)
    assert tables.rates[360, 0] == pytest.approx(0.5)
    assert tables.rates[719, 0] == pytest.approx(0.5)
    assert tables.rates[720, 0] == pytest.approx(0.25)
    assert tables.congestion[1_440] == pytest.approx(0.2, abs=0.001)


def test_shares_never_pass_one_under_drift() -> None:
    scenario = replace(
        base_world(5), drift=(Drift(Drifting.ANSWER, points=((0.0, 10.0),), shape=Shape.STEP),)
    )
    rates = day_tables(scenario, 1).rates
    assert rates.sum(axis=1).max() <= 1.0 + 1e-12
    assert rates[0, 0] > 0.8


def test_regimes_change_by_seed_and_last_as_long_as_said() -> None:
    scenario = replace(
        base_world(5, day_s=172_800.0),
        drift=(Drift(Drifting.TALK, regimes=(0.5, 1.0, 2.0), regime_mean_s=600.0),),
    )
    factor = day_tables(scenario, 1).talk_factor
    assert set(factor) == {0.5, 1.0, 2.0}
    assert not np.array_equal(factor, day_tables(scenario, 2).talk_factor)
    changes = int(np.count_nonzero(np.diff(factor)))
    assert changes == pytest.approx(172_800 / 600, rel=0.25)


def test_faults_show_in_the_tables_and_the_floor() -> None:
    scenario = replace(
        base_world(20),
        faults=(
            Fault(FaultKind.CARRIER_OUTAGE, 600.0, 60.0),
            Fault(FaultKind.SLOW_SETUP, 1_200.0, 60.0, size=3.0),
            Fault(FaultKind.LINK_LOST, 1_800.0, 60.0),
            Fault(FaultKind.AGENTS_LOST, 3_600.0, 600.0, size=0.5),
        ),
    )
    tables = day_tables(scenario, 1)
    assert tables.congestion[60:66].tolist() == [1.0] * 6
    assert tables.congestion[66] == 0.0
    assert tables.setup_factor[120] == 3.0
    assert tables.blind.sum() == 6
    stints = plan_agents(scenario, 1).stints
    during = [(a, b) for _, a, b in stints if a <= 3_900 < b]
    assert 4 <= 20 - len(during) <= 16  # half of twenty, by chance
    assert World(scenario, 1).plan_call(0, 630.0).kind is Kind.CONGESTION


def test_shifts_and_planned_breaks_make_the_stints() -> None:
    agents = Agents(
        shifts=(Shift(2, 0.0, 1_000.0, 0.0), Shift(1, 500.0, 2_000.0, 0.0)),
        breaks=(PlannedBreak(600.0, 100.0, waves=2),),
    )
    plan = plan_agents(Scenario("x", agents, day_s=1_800.0), 1)
    assert plan.stints.tolist() == [
        [0.0, 0.0, 600.0],
        [1.0, 0.0, 700.0],
        [2.0, 500.0, 600.0],
        [0.0, 700.0, 1_000.0],
        [2.0, 700.0, 1_800.0],
        [1.0, 800.0, 1_000.0],
    ]


def test_speeds_spread_around_one() -> None:
    agents = Agents(shifts=(Shift(20_000),), speed_cv=0.3)
    speed = plan_agents(Scenario("x", agents), 1).speed
    assert speed.mean() == pytest.approx(1.0, abs=0.01)
    assert speed.std() == pytest.approx(0.3, abs=0.01)


@pytest.mark.parametrize("count", [1, 7, 48, 500])
def test_with_agents_keeps_the_total(count: int) -> None:
    shifts = (Shift(18, 0.0, 100.0), Shift(22, 50.0, 200.0), Shift(8, 100.0, 200.0))
    scenario = Scenario("x", Agents(shifts=shifts), day_s=200.0)
    assert scenario.with_agents(count).agents.count == count


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Agents(shifts=()), "agents.count"),
        (lambda: Agents(shifts=(Shift(0),)), "agents.count"),
        (lambda: Rates(person=-0.1), "list.rates.person"),
        (lambda: Rates(person=0.9, machine=0.2), "list.rates"),
        (lambda: CallingList(leads=0), "list.leads"),
        (lambda: CallingList(by_attempt=(6.0,)), "list.by_attempt"),
        (lambda: Drift(Drifting.TALK), "drift"),
        (lambda: Drift(Drifting.TALK, points=((0.0, -1.0),)), "drift (talk)"),
        (lambda: Fault(FaultKind.LINK_LOST, -1.0, 5.0), "faults.start_s"),
        (lambda: Scenario("x", Agents(shifts=(Shift(1),)), day_s=0.0), "day_s"),
        (lambda: base_world(0), "agents.count"),
    ],
)
def test_worlds_that_cannot_be_name_the_field(make: object, field: str) -> None:
    with pytest.raises(BadScenario) as caught:
        make()  # type: ignore[operator]
    assert caught.value.path == field
