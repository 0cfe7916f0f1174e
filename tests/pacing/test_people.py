"""People among the abandoned: what is reckoned of machines that nobody saw, and what that costs."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from dialer.pacing import hazards, people, price
from dialer.pacing.forward import Forward
from dialer.pacing.governor import Governor
from dialer.pacing.windows import DAY_S, Account, Judged, Span, Window
from dialer.snapshot import CallAbandoned, CallServed, MachineServed
from simulator.distributions import Distribution, Exponential, Lognormal, Shifted, Uniform
from simulator.fast.run import forward_state, run_day, run_days
from simulator.scenario import Scenario, base_world

LIMIT = 0.03
PERSON_S, MACHINE_S = 8.0, 20.0  # how long the telephones of these rang


def account(limit: float = LIMIT) -> Account:
    return Account((Window("day", limit, Span.DAY),))


def served(pacer: Forward, count: int, rang_s: float | None, machine: bool = False) -> None:
    assert pacer.account is not None
    governor = Governor(pacer, pacer.account)
    for _ in range(count):
        governor.observe(CallServed(0.0, rang_s), 1.0)
        if machine:
            governor.observe(MachineServed(rang_s), 1.0)


def abandoned(pacer: Forward, count: int, rang_s: float | None) -> None:
    assert pacer.account is not None
    governor = Governor(pacer, pacer.account)
    for _ in range(count):
        governor.observe(CallAbandoned(rang_s), 1.0)


def known(pacer: Forward) -> Judged:
    assert pacer.account is not None
    return pacer.account.standings()[0].judged


def room(pacer: Forward) -> tuple[float, float]:
    pacer._read_account()
    return people.room(pacer.learned.account[0], people.machines_given(pacer.learned), 0.0)


def half_machines(lost: int, rang_s: float | None) -> Forward:
    pacer = Forward(account())
    served(pacer, 500, PERSON_S)
    served(pacer, 500, MACHINE_S, machine=True)
    abandoned(pacer, lost, rang_s)
    return pacer


# --- one call -------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.none() | st.floats(0, 70), st.booleans()), max_size=150),
    st.none() | st.floats(0, 70),
)
@settings(max_examples=80, deadline=None)
def test_a_call_is_judged_by_the_served_that_rang_about_as_long(
    calls: list[tuple[float | None, bool]], rang_s: float | None
) -> None:
    pacer = Forward(account())
    for rang, machine in calls:
        served(pacer, 1, rang, machine)
    found = sum(machine for _, machine in calls)
    all_ = min(0.98, found / (len(calls) + 10))
    if rang_s is None:  # half as likely as all, give or take half of that
        expected = (all_ / 2, all_ / 4)
    else:
        at = min(127, int(rang_s * 2))
        near = [
            m for rang, m in calls if rang is not None and abs(min(127, int(rang * 2)) - at) < 5
        ]
        p = min(0.98, (sum(near) + 5 * all_) / (len(near) + 5))
        expected = (p, math.sqrt(p * (1 - p) / (len(near) + 5)) + 0.2 * p * (1 - p))
    asked = -1.0 if rang_s is None else rang_s
    assert people.judge(pacer.learned, asked) == pytest.approx(expected, abs=1e-12)
    abandoned(pacer, 2, rang_s)
    p, error = expected
    sums = (len(calls), found, 2, 2 * p, 2 * p * (1 - p), 2 * error)
    assert tuple(known(pacer)) == pytest.approx(sums, abs=1e-9)


def test_calls_of_long_ago_are_forgotten() -> None:
    pacer = Forward(account())
    served(pacer, 3_000, MACHINE_S, machine=True)
    served(pacer, 6_000, MACHINE_S)
    assert people.machines_given(pacer.learned) < 0.15
    assert known(pacer).found == 3_000  # the account forgets nothing that it counts


# --- a window -------------------------------------------------------------------------------------


def twin_room(row: list[float], share: float, pending: float) -> tuple[float, float]:
    """By the account's own words, and a root found by trying."""
    live, lost, limit, ahead, pace, was_served, found, judged, machines, doubt, error = row
    errors = min(2.0, max(0.8, 2.3 - 150 * pace) + 100 * pace**2)
    person = 1 - min(0.98, (found + 10 * share) / (was_served + 10))
    others = 2 + max(0.0, lost - judged)
    each = 1 - (machines + others * share / 2) / (judged + others)
    chance = (doubt + others * share * (1 - share)) / (judged + others)
    alike = (error + others * share / 4) / (judged + others)

    def gone(calls: float) -> float:
        return calls * each + errors * math.sqrt(calls * chance + (calls * alike) ** 2)

    by_calls = math.floor(limit * (live + ahead))
    most = math.floor(limit * (live * person + ahead * (1 - share)))
    top = 100.0 * most + 100.0
    borne = 0.0 if most == 0 else brentq(lambda calls: gone(calls) - most, 0.0, top)
    calls = lost + pending
    owed = min(limit * live - calls, (limit * live * person - gone(calls)) / person)
    return min(by_calls, borne) - calls, owed


@given(
    st.tuples(st.integers(0, 9_000), st.integers(0, 300), st.floats(0, 9_000), st.floats(0, 2)),
    st.floats(0, 0.95),
    st.floats(0, 1),
    st.floats(0, 1),
    st.floats(0, 5),
)
@settings(max_examples=200, deadline=None)
def test_a_window_bears_whole_people_with_some_errors_kept_in_hand(
    row: tuple[int, int, float, float], share: float, judged: float, chance: float, pending: float
) -> None:
    live, lost, ahead, pace = row
    known_lost = int(judged * lost)
    sums = [live * judged, live * judged * share, known_lost, known_lost * chance]
    sums += [known_lost * chance * (1 - chance), 0.1 * known_lost]
    window = [float(live), float(lost), LIMIT, ahead, pace, *map(float, sums)]
    found = people.room(np.array(window), share, pending)
    assert found == pytest.approx(twin_room(window, share, pending), abs=1e-6, rel=1e-6)


def test_who_rang_like_a_person_weighs_more_than_who_rang_like_a_machine() -> None:
    """Of a thousand calls half are people's: fifteen may be lost, or thirty machines and more."""
    as_people, as_machines = half_machines(14, PERSON_S), half_machines(14, MACHINE_S)
    assert known(as_people).machines < 0.5
    assert known(as_machines).machines > 13.0
    assert room(as_people)[1] < 2.0
    assert room(as_machines)[1] == pytest.approx(LIMIT * 1_014 - 14)


@pytest.mark.parametrize("known_too", [0, 10])
def test_of_whom_nobody_told_how_long_he_rang_caution_decides(known_too: int) -> None:
    pacer = half_machines(known_too, MACHINE_S)
    before = room(pacer)[1]
    abandoned(pacer, 20, None)
    assert before - room(pacer)[1] > 1.5 * 20  # each weighs more than a call, as most were people


def test_what_was_abandoned_before_anything_was_learned_is_not_taken_for_what_came_after() -> None:
    """After a restart without what was learned, or when others of the offer abandon."""
    pacer = half_machines(4, MACHINE_S)
    assert pacer.account is not None
    before = room(pacer)[1]
    pacer.account.add(1.0, 0, 20)
    assert before - room(pacer)[1] > 1.5 * 20


def test_without_machines_people_are_counted_as_calls() -> None:
    pacer = Forward(account())
    served(pacer, 1_000, PERSON_S)
    abandoned(pacer, 10, PERSON_S)
    assert room(pacer) == pytest.approx((20.0, LIMIT * 1_010 - 10))


def test_calls_made_by_hand_among_them_tell_of_how_many_are_people_and_not_of_ringing() -> None:
    pacer = Forward(account())
    served(pacer, 400, MACHINE_S)
    served(pacer, 400, None, machine=True)
    assert people.machines_given(pacer.learned) == pytest.approx(0.5, abs=0.01)
    assert people.judge(pacer.learned, MACHINE_S)[0] < 0.01


# --- a restart ------------------------------------------------------------------------------------


def after_restart(kept: object, civil_s: float) -> Forward:
    again = Account((Window("day", LIMIT, Span.DAY),), civil_s)
    again.add(civil_s, 1_014, 14)
    pacer = Forward(again)
    pacer.restore(json.loads(json.dumps(kept)))
    return pacer


def test_what_is_known_of_the_abandoned_survives_a_restart_and_ends_with_the_period() -> None:
    pacer = half_machines(14, MACHINE_S)
    assert room(after_restart(pacer.state(), 3_600.0))[1] == pytest.approx(room(pacer)[1])
    assert known(after_restart(pacer.state(), DAY_S + 1.0)) == Judged()


def test_what_is_kept_is_taken_back_once() -> None:
    pacer = half_machines(14, MACHINE_S)
    before = known(pacer)
    pacer.restore(pacer.state())
    assert known(pacer) == before


# --- floors ---------------------------------------------------------------------------------------


def without_detection(
    agents: int, person: float, machine: float, rings: Distribution, machine_rings: Distribution
) -> Scenario:
    world = base_world(agents, day_s=5 * 3_600.0)
    rates = replace(world.list.rates, person=person, machine=machine, busy=0.04, invalid=0.03)
    return replace(
        world,
        amd=replace(world.amd, on=False),
        list=replace(world.list, rates=rates),
        line=replace(world.line, ring_person=rings, ring_machine=machine_rings),
    )


# Machines answer late, when a line that rings so long is given up: who finds nobody is a person.
LATE = without_detection(20, 0.10, 0.40, Lognormal(8.0, 0.4), Shifted(20.0, Exponential(2.0)))
ALIKE = without_detection(20, 0.12, 0.35, Uniform(3.0, 17.0), Uniform(3.0, 17.0))


def test_a_floor_without_detection_keeps_the_law_and_spends_what_it_may() -> None:
    for world, least in ((LATE, 0.018), (ALIKE, 0.013)):
        days = run_days(world, 3, 4_000, keep_learning=True)
        assert all(day.abandon_rate_people <= 0.03 for day in days)
        assert all(day.abandon_rate <= 0.03 for day in days)
        assert days[-1].abandon_rate_people > least


@pytest.mark.parametrize(("before", "after"), [(ALIKE, LATE), (LATE, ALIKE)])
def test_another_list_is_judged_by_its_own_calls(before: Scenario, after: Scenario) -> None:
    """What was learned of the one is wrong of the other, and what the block counts stays right."""
    state = forward_state(before)
    for seed in (1, 2, 3):
        run_day(before, seed, state=state)
    days = [run_day(after, seed, state=state) for seed in (4, 5, 6)]
    assert all(day.abandon_rate_people <= 0.03 for day in days)
    assert all(day.utilisation > 0.7 for day in days)


def test_every_window_keeps_what_it_counts() -> None:
    state = hazards.new_state()
    price.prepare(state, 2.0)
    state.account[:2, hazards.A_LIMIT] = LIMIT
    people.count_served(state, MACHINE_S)
    people.count_machine(state, MACHINE_S)
    p, error = price.count_abandon(state, MACHINE_S)
    row = pytest.approx([1.0, 1.0, 1.0, p, p * (1 - p), error])
    assert [state.account[w, hazards.A_SERVED :].tolist() for w in (0, 1)] == [row, row]
    assert not state.account[2:].any()
