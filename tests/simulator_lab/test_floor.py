"""The plain engine's own rules: who is counted, who waits, who leaves, what a pacer is told."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    Observation,
    TalkEnded,
)
from simulator.distributions import Constant, Exponential
from simulator.floor import FloorDay
from simulator.results import DayResult
from simulator.scenario import (
    Agents,
    CallingList,
    Carrier,
    Fault,
    FaultKind,
    Handling,
    Law,
    Line,
    PlannedBreak,
    Rates,
    Scenario,
    Shift,
    base_world,
)
from simulator.world import Kind


class Steady:
    """Keeps `lines` on their way and writes down what it sees and hears."""

    every_s = None
    counts_only = False

    def __init__(self, lines: int) -> None:
        self.lines = lines
        self.heard: Counter[type] = Counter()
        self.facts: list[Observation] = []
        self.seen: list[FloorSnapshot] = []

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        self.seen.append(snapshot)
        coming = len(snapshot.setting_up) + len(snapshot.ringing) + len(snapshot.detecting)
        return Decision(self.lines - coming)

    def observe(self, fact: Observation, now: float) -> None:
        self.heard[type(fact)] += 1
        self.facts.append(fact)


def ran(scenario: Scenario, lines: int = 6, seed: int = 1) -> tuple[DayResult, Steady]:
    driver = Steady(lines)
    return FloorDay(scenario, seed, driver).run(), driver


def clockwork(count: int = 1, **changes: object) -> Scenario:
    """Every line is answered after 10 s; 60 s of talk, 5 s of wrap-up; nothing at random."""
    return replace(
        Scenario(
            name="clockwork",
            agents=Agents(shifts=(Shift(count, 0.0, 3_600.0, 0.0),), break_share=0.0),
            day_s=3_600.0,
            list=CallingList(rates=Rates(1.0, 0.0, 0.0, 0.0)),
            line=Line(setup=Constant(1.0), ring_person=Constant(7.0), ring_machine=Constant(7.0)),
            handling=Handling(talk=Constant(60.0), wrap_up=Constant(5.0)),
            patience=Constant(1e6),
        ),
        **changes,  # type: ignore[arg-type]
    )


def test_clockwork_by_hand() -> None:
    """AMD takes 1.0 to 2.4 s: lines last 9 to 10.4 s, then 65 s of work; one line at a time."""
    result, driver = ran(clockwork(amd=replace(base_world(1).amd, on=False)), lines=1)
    # one line always on its way: an answer each 8 s and a bit, only one in nine is served
    assert result.people == result.live
    assert result.served == 3_600 // 65 or result.served == 3_600 // 65 - 1
    assert result.utilisation > 0.96
    assert result.served + result.abandoned == pytest.approx(result.live, abs=1)
    assert all(w <= 2.0 for w in result.waits_s)
    assert driver.heard[CallAbandoned] == result.abandoned
    assert driver.heard[TalkEnded] in (result.served, result.served - 1)


def test_every_caller_is_counted_once_and_told_once() -> None:
    world = replace(base_world(8, day_s=7_200.0), patience=Exponential(3.0))
    result, driver = ran(world, lines=40)
    assert result.live == pytest.approx(result.served + result.abandoned + result.left, abs=2)
    assert result.people == pytest.approx(result.live + result.rejected, abs=6)  # under detection
    assert min(result.abandoned, result.left, result.rejected, result.machines_served) > 20
    assert driver.heard[CallServed] == result.served + result.machines_served
    assert driver.heard[CallAbandoned] == result.abandoned + result.machines_abandoned
    ends = Counter(f.end for f in driver.facts if isinstance(f, LineEnded))
    under_way = result.lines - sum(ends.values())
    assert 0 <= under_way <= 40
    assert ends[LineEnd.LIVE] == sum(
        driver.heard[k] for k in (CallServed, CallAbandoned, CallerLeft)
    )
    assert driver.heard[LineRang] >= ends[LineEnd.LIVE] + ends[LineEnd.MACHINE]


def test_the_snapshot_shows_the_floor_and_never_more_agents_than_there_are() -> None:
    _, driver = ran(base_world(8, day_s=3_600.0), lines=20)
    for seen in driver.seen:
        agents = seen.idle + len(seen.talking) + len(seen.wrapping)
        assert agents <= 8
        assert not (seen.idle and seen.waiting)  # nobody waits while somebody is free
        for ages in (seen.talking, seen.wrapping, seen.setting_up, seen.ringing, seen.detecting):
            assert all(age >= 0 for age in ages)
        assert all(age <= 25.0 + 1e-6 for age in seen.ringing)
        assert all(age <= 2.0 + 1e-6 for age in seen.waiting)


def test_agents_go_and_come_with_shifts_and_breaks() -> None:
    agents = Agents(
        shifts=(Shift(4, 0.0, 1_800.0, 0.0), Shift(2, 1_200.0, 3_600.0, 0.0)),
        breaks=(PlannedBreak(600.0, 300.0),),
        break_share=0.0,
    )
    scenario = clockwork(1, agents=agents)
    result, driver = ran(scenario, lines=12)

    def on_floor(at: float) -> int:
        seen = next(s for s in driver.seen if s.now >= at)
        return seen.idle + len(seen.talking) + len(seen.wrapping)

    assert [on_floor(t) for t in (10, 690, 1_000, 1_300, 1_900)] == [4, 0, 4, 6, 2]
    # 4 x (600 + 900) + 2 x 2400, and whoever is busy at a stint's end stays to finish
    assert 10_800 <= result.staffed_s <= 10_800 + 10 * 70


def test_somebody_still_busy_when_his_next_stint_begins_just_stays() -> None:
    agents = Agents(
        shifts=(Shift(3, 0.0, 3_600.0, 0.0),),
        breaks=(PlannedBreak(600.0, 20.0),),
        break_share=0.5,
        break_length=Constant(100.0),
    )
    result, driver = ran(clockwork(1, agents=agents), lines=9)
    most = max(s.idle + len(s.talking) + len(s.wrapping) for s in driver.seen)
    assert most == 3
    assert result.staffed_s + result.break_s == pytest.approx(3 * 3_600, abs=3 * 120)


def test_trunks_and_the_carriers_pace_hold() -> None:
    scenario = clockwork(4, carrier=Carrier(trunks_per_agent=0.0, trunks_extra=5))
    _, driver = ran(scenario, lines=50)
    up = max(
        len(s.setting_up) + len(s.ringing) + len(s.detecting) + len(s.waiting) + len(s.talking)
        for s in driver.seen
    )
    assert up <= 5
    slow = clockwork(4, carrier=Carrier(launches_per_s_max=0.5))
    _, driver = ran(slow, lines=20)
    setups = [f.setup_s for f in driver.facts if isinstance(f, LineRang)]
    assert len(setups) <= 1_801
    assert max(setups) > 15  # twenty lines in a queue of one each two seconds


def test_a_lost_link_and_an_outage_are_felt() -> None:
    scenario = clockwork(
        2,
        faults=(
            Fault(FaultKind.LINK_LOST, 600.0, 300.0),
            Fault(FaultKind.CARRIER_OUTAGE, 1_800.0, 300.0),
        ),
    )
    _, driver = ran(scenario, lines=4)
    assert not [s for s in driver.seen if 600 <= s.now < 900]
    failed = [f for f in driver.facts if isinstance(f, LineEnded) and f.end is LineEnd.FAILED]
    assert len(failed) > 300  # each fails after a second, four at a time


def test_the_law_decides_how_long_a_caller_is_kept() -> None:
    busy = clockwork(1, law=Law(wait_limit_s=5.0))
    result, _ = ran(busy, lines=8)
    assert max(result.waits_s) == pytest.approx(5.0)
    none = clockwork(1, law=Law(wait_limit_s=0.0))
    result, _ = ran(none, lines=8)
    assert max(result.waits_s) == 0.0


def test_faster_agents_handle_more() -> None:
    slow = clockwork(6)
    mixed = clockwork(6, agents=replace(slow.agents, speed_cv=0.5))
    assert ran(slow, 30)[0].served != ran(mixed, 30)[0].served


def test_kinds_without_an_answer_end_as_they_should() -> None:
    rates = Rates(0.0, 0.0, 0.2, 0.2, 0.2, 0.2)
    result, driver = ran(clockwork(2, list=CallingList(rates=rates)), lines=10)
    ends = Counter(f.end for f in driver.facts if isinstance(f, LineEnded))
    assert set(ends) == {LineEnd.FAILED, LineEnd.NO_ANSWER}
    rang = [f for f in driver.facts if isinstance(f, LineEnded) and f.ring_s is not None]
    assert {f.end for f in rang} == {LineEnd.FAILED, LineEnd.NO_ANSWER}
    assert result.people == result.served == 0
    assert result.utilisation == 0.0
    assert Kind.NO_ANSWER not in (Kind.BUSY, Kind.INVALID)
