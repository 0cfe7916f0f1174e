"""Peers' equations, each against a case worked out by hand from its specification."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from dialer.snapshot import (
    CallAbandoned,
    CallServed,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    Observation,
    TalkEnded,
    WrapUpEnded,
)
from simulator.experiments.plain import PlainRunner, known_pacers, make_driver
from simulator.floor import FloorDay
from simulator.peers import PEERS
from simulator.peers.common import PeerPacer
from simulator.peers.impact import Impact
from simulator.peers.issabel import Issabel
from simulator.peers.omnidialer import OmniDialer
from simulator.peers.plain import FixedRatio, WombatDialer
from simulator.peers.unicom import Unicom
from simulator.peers.vicidial import Method, Vicidial, hhmm
from simulator.peers.webitel import Webitel
from simulator.results import DayResult, PacerSpec
from simulator.scenario import base_world
from simulator.scenario_file import load_scenario

NINE = 9 * 3_600.0


def floor(
    now: float = NINE,
    idle: int = 0,
    talking: int | tuple[float, ...] = 0,
    wrapping: int | tuple[float, ...] = 0,
    ringing: int = 0,
    waiting: int = 0,
) -> FloorSnapshot:
    def ages(what: int | tuple[float, ...]) -> tuple[float, ...]:
        return what if isinstance(what, tuple) else (10.0,) * what

    return FloorSnapshot(
        now=now,
        campaign="c",
        idle=idle,
        talking=ages(talking),
        wrapping=ages(wrapping),
        ringing=ages(ringing),
        waiting=(0.5,) * waiting,
        lines_free=10_000,
        leads_ready=10_000,
    )


def tell(pacer: PeerPacer, *facts: Observation, times: int = 1) -> None:
    for _ in range(times):
        for fact in facts:
            pacer.observe(fact)


def line(end: LineEnd, setup_s: float = 1.0, ring_s: float = 9.0) -> LineEnded:
    return LineEnded(end, setup_s, ring_s, 2.0 if end is LineEnd.LIVE else None)


# --- VICIdial


def test_ratio_counts_talking_calls_in_goal_and_in_have() -> None:
    pacer = Vicidial(Method.RATIO, level=2.0)
    # goal = 2 x (3 ready + 5 talking) = 16; have = 4 ringing + 1 waiting + 5 talking = 10
    assert pacer.decide(floor(idle=3, talking=5, wrapping=4, ringing=4, waiting=1)).lines == 6


def test_available_only_counts_the_ready_and_adds_the_connected() -> None:
    pacer = Vicidial(Method.RATIO, level=2.5, available_only=True)
    # goal = 2.5 x 3 + 5 = 12.5 -> 12 (half to even); have = 4 + 5 = 9
    assert pacer.decide(floor(idle=3, talking=5, ringing=4)).lines == 3


def test_a_pass_comes_every_two_and_a_half_seconds() -> None:
    pacer = Vicidial(Method.RATIO, level=2.0)
    lines = [pacer.decide(floor(NINE + 0.5 * i, idle=1)).lines for i in range(11)]
    assert [i for i, n in enumerate(lines) if n] == [0, 5, 10]


def test_the_level_integrates_ready_less_waiting() -> None:
    pacer = Vicidial(Method.TAPERED, level=1.5)
    for second in range(15):  # 6 ready, 1 waiting, 6 + 14 agents
        pacer.decide(floor(NINE + 0.5 + second, idle=6, talking=14, waiting=1))
    first = 1.5 * (1 + 5 / 20)  # set at the very first pass, from one sample
    assert pacer.level == pytest.approx(first)
    assert pacer.next_level() == pytest.approx(first * (1 + 5 / 20))
    intense = Vicidial(Method.TAPERED, level=1.5, intensity=40, difference_target=-2)
    for second in range(15):
        intense.decide(floor(NINE + 0.5 + second, idle=6, talking=14, waiting=1))
    assert intense.next_level() == pytest.approx(intense.level * (1 + 1.4 * 3 / 20))


def test_the_level_stays_between_one_and_the_maximum() -> None:
    pacer = Vicidial(Method.AVERAGE, level=2.9)
    pacer.decide(floor(idle=20))
    assert pacer.level == 3.0
    pacer.level = 1.1
    pacer._samples.clear()
    pacer._samples.append((0, 9, 20))
    assert pacer.next_level() == 1.0


@pytest.mark.parametrize(
    ("method", "now", "level"),
    [
        (Method.HARD_LIMIT, NINE, 1.0),
        (Method.AVERAGE, NINE, 1.25),
        (Method.TAPERED, NINE, 2.5),  # 2100 - 900 = 1200 > 1000: not tapered at all
        (Method.TAPERED, 15.5 * 3600, 2.5 * 0.570),  # 2100 - 1530 = 570
        (Method.TAPERED, 21.5 * 3600, 1.0),  # past the latest time
    ],
)
def test_what_each_method_does_over_the_limit(method: Method, now: float, level: float) -> None:
    pacer = Vicidial(method, level=2.5)
    pacer.decide(floor(now))
    pacer._samples.clear()
    pacer._samples.append((5, 5, 20))  # balanced: the level would stay
    tell(pacer, line(LineEnd.LIVE), CallServed(0.1), times=57)
    tell(pacer, line(LineEnd.LIVE), CallAbandoned(), times=3)  # 3 of 60: 5 %
    pacer.count()
    pacer.level = 2.5
    assert pacer.today_drop_percent == pytest.approx(5.0)
    assert pacer.next_level() == pytest.approx(level)


def test_the_limit_looks_only_after_fifty_calls_and_forgets_at_midnight() -> None:
    pacer = Vicidial(Method.HARD_LIMIT, level=2.0)
    pacer.decide(floor())
    pacer._samples.clear()
    pacer._samples.append((5, 5, 20))
    tell(pacer, line(LineEnd.LIVE), CallAbandoned(), times=10)
    tell(pacer, line(LineEnd.LIVE), CallServed(0.1), times=40)
    pacer.count()
    pacer.level = 2.0
    assert pacer.next_level() == 2.0  # 50 calls: not yet
    tell(pacer, line(LineEnd.NO_ANSWER))
    pacer.count()
    assert pacer.next_level() == 1.0
    pacer.decide(floor(NINE + 86_400.0))
    assert pacer.today_calls == 0


def test_a_burst_halves_the_level() -> None:
    pacer = Vicidial(Method.AVERAGE, level=2.0)
    pacer.decide(floor())
    pacer._samples.clear()
    pacer._samples.append((5, 5, 20))
    tell(pacer, line(LineEnd.LIVE), CallAbandoned(), times=21)
    pacer.count()
    pacer.level = 2.0
    assert pacer.minute_drop_percent == 100.0
    assert pacer.next_level() == 1.0


def test_hhmm_is_not_minutes() -> None:
    assert [hhmm(t) for t in (0.0, NINE, 15.5 * 3600, 86_400.0 + 3_540)] == [0, 900, 1530, 59]


# --- Issabel


def test_issabel_counts_soon_free_by_the_age_of_the_whole_call() -> None:
    pacer = Issabel()
    tell(pacer, TalkEnded(100.0), times=10)
    delay = 8.0  # padded
    sure = -100.0 * math.log(0.03) - delay  # 342.7 s
    assert pacer.soon_free((sure - 1, sure + 1, 400.0)) == 2
    assert pacer.decide(floor(idle=1, talking=(400.0, 10.0), waiting=1)).lines == 1


def test_issabel_without_ten_calls_is_progressive_and_overcommit_divides() -> None:
    pacer = Issabel(overcommit=True)
    tell(pacer, TalkEnded(1.0), times=9)
    assert pacer.decide(floor(idle=2, talking=(900.0,), ringing=1)).lines == 1
    tell(pacer, line(LineEnd.LIVE), times=4)
    tell(pacer, line(LineEnd.NO_ANSWER), times=6)
    assert pacer.decide(floor(NINE + 3, idle=4)).lines == 10  # 4 / 0.4
    tell(pacer, line(LineEnd.FAILED), times=90)
    assert pacer.decide(floor(NINE + 6, idle=4)).lines == 20  # 4 / max(0.2, 0.04)


# --- OMniDialer


def test_omnidialer_warms_up_progressively() -> None:
    assert OmniDialer(boost=1.5).decide(floor(idle=3, ringing=2, waiting=1)).lines == 2


def test_omnidialer_divides_the_gap_by_the_hit_rate() -> None:
    pacer = OmniDialer()
    pacer.handled, pacer.hit, pacer.ring_s, pacer.detect_s = 50, 0.25, 12.0, 3.0
    pacer.handling_s = 100.0
    freed = 1 - math.exp(-15 / 40)  # age 60: 40 s thought left
    snapshot = floor(idle=2, talking=(60.0,), ringing=4)
    assert pacer.freed(snapshot) == pytest.approx(freed)
    assert pacer.decide(snapshot).lines == math.floor((2 + freed - 1.0) / 0.25)


def test_omnidialer_thinks_an_agent_past_the_mean_is_as_good_as_free() -> None:
    pacer = OmniDialer()
    assert pacer.freed(floor(talking=(1_000.0,))) == pytest.approx(1.0, abs=1e-6)


def test_omnidialer_damps_latches_and_lets_go() -> None:
    pacer = OmniDialer(boost=1.0)
    assert pacer.damping() == 1.0
    pacer.drop = 0.0225
    assert pacer.damping() == pytest.approx(0.6)  # half way from 1 to 0.2
    tell(pacer, CallAbandoned())
    assert pacer.drop == pytest.approx(0.0225 * 0.9 + 0.1)
    assert pacer.damping() == 0.2
    pacer.handled = 50
    for second in range(5):
        pacer.decide(floor(NINE + second, idle=1))
    assert pacer.latched
    pacer.drop = 0.023
    pacer.decide(floor(NINE + 6, idle=1))
    assert not pacer.latched


def test_omnidialer_averages_hits_over_about_ten_lines() -> None:
    pacer = OmniDialer()
    pacer.hit = 0.5
    tell(pacer, line(LineEnd.MACHINE), line(LineEnd.FAILED))
    assert pacer.hit == pytest.approx((0.5 * 0.9 + 0.1) * 0.9)


# --- Webitel


def test_webitels_factor() -> None:
    pacer = Webitel()
    assert pacer.factor(400, 100.0, 0, 10) == pytest.approx(4 + 4 * 3 * 0.1)
    assert pacer.factor(400, 100.0, 1, 10) == pytest.approx(4 + 4 * 2 * 0.1)
    assert pacer.factor(400, 100.0, 3, 10) == 1.0
    assert pacer.factor(30, 0.0, 0, 10) == pytest.approx(2.6)  # 2 = attempts / agents - 1
    low = Webitel(target_percent=1.0)
    assert low.factor(400, 100.0, 2, 10) == pytest.approx(4 * (1 * 110 / 3) / 100)


def test_webitel_is_progressive_first_and_refreshes_each_half_minute() -> None:
    pacer = Webitel(bridges_before=10)
    pacer.decide(floor())
    tell(pacer, line(LineEnd.LIVE), times=10)
    tell(pacer, line(LineEnd.NO_ANSWER), times=30)
    assert pacer.decide(floor(NINE + 30, idle=5, ringing=2)).lines == 3
    tell(pacer, CallServed(0.1), times=10)
    assert pacer.decide(floor(NINE + 31, idle=5, ringing=2)).lines == 24  # int(5 x 5.2) - 2
    tell(pacer, CallAbandoned(), times=5)
    assert pacer.decide(floor(NINE + 59, idle=5)).lines == 26  # not yet refreshed
    assert pacer.decide(floor(NINE + 60, idle=5)).lines == 5


# --- the others


def test_wombats_own_example_and_its_stop() -> None:
    assert WombatDialer(boost=1.3).decide(floor(idle=7)).lines == 9
    assert WombatDialer(boost=1.3).decide(floor(idle=7, ringing=5)).lines == 4
    assert WombatDialer(boost=1.3).decide(floor(idle=7, waiting=1)).lines == 0


def test_a_fixed_ratio_keeps_its_lines_on_their_way() -> None:
    assert FixedRatio(ratio=2.5).decide(floor(idle=3, ringing=4)).lines == 3
    with pytest.raises(ValueError, match="ratio"):
        FixedRatio(ratio=-1)


def test_unicom_starts_one_to_one_and_then_adds_failures_per_answer() -> None:
    pacer = Unicom()
    assert pacer.decide(floor(idle=4, ringing=1)).lines == 3
    tell(pacer, line(LineEnd.LIVE), times=20)
    tell(pacer, line(LineEnd.NO_ANSWER), times=60)
    assert pacer.decide(floor(NINE + 299, idle=4)).lines == 4
    # 4 + 4 x 150 % x 60 / 20 = 22
    assert pacer.decide(floor(NINE + 301, idle=4)).lines == 22


def test_unicoms_controller_moves_per_answer_and_stays_in_range() -> None:
    pacer = Unicom(target_percent=2.5)
    pacer.decide(floor())
    tell(pacer, line(LineEnd.LIVE), times=100)
    tell(pacer, CallServed(0.1))
    assert pacer.adjust == pytest.approx(150 + 0.05 * 2.5 + 2 * 2.5)
    tell(pacer, CallAbandoned(), times=60)
    assert 0.0 <= pacer.adjust < 150
    tell(pacer, line(LineEnd.LIVE), times=100_000)
    tell(pacer, CallServed(0.1), times=20_000)
    assert pacer.adjust == 1_000.0


def test_unicom_falls_back_over_the_days_maximum() -> None:
    pacer = Unicom()
    pacer.decide(floor())
    tell(pacer, line(LineEnd.LIVE), CallServed(0.1), times=50)
    tell(pacer, line(LineEnd.LIVE), CallAbandoned(), times=3)
    assert pacer.decide(floor(NINE + 400, idle=4)).lines == 4


def test_impact_needs_callers_and_attempts_before_it_leaves_one_to_one() -> None:
    pacer = Impact()
    pacer.decide(floor())
    tell(pacer, line(LineEnd.LIVE), *[line(LineEnd.NO_ANSWER)] * 7, times=6)
    tell(pacer, TalkEnded(60.0), times=10)
    pacer.decide(floor(NINE + 60, idle=5, talking=40))
    assert pacer.best == 1.0  # 48 attempts
    tell(pacer, line(LineEnd.LIVE), *[line(LineEnd.NO_ANSWER)] * 7, times=6)
    pacer.decide(floor(NINE + 120, idle=5, talking=40))
    assert 1.0 < pacer.best <= 8.0 + 1e-9
    pacer.decide(floor(NINE + 180, idle=5, talking=4))
    assert pacer.best == 1.0


def test_impacts_simulation_dials_more_where_fewer_answer() -> None:
    best = {}
    for misses in (1, 9):
        pacer = Impact()
        pacer.decide(floor())
        tell(pacer, line(LineEnd.LIVE), *[line(LineEnd.NO_ANSWER)] * misses, times=30)
        tell(pacer, TalkEnded(60.0), times=10)
        pacer.decide(floor(NINE + 60, idle=10, talking=40))
        best[misses] = pacer.best
    assert best[9] > best[1]


def test_impact_holds_back_over_the_acceptable_rate() -> None:
    pacer = Impact()
    pacer.best, pacer._dialed_at = 3.0, NINE - 1
    pacer._simulating.due(NINE)
    assert pacer.decide(floor(NINE + 1, idle=4)).lines == 12
    tell(pacer, CallServed(0.1), times=90)
    tell(pacer, CallAbandoned(), times=10)
    assert pacer.decide(floor(NINE + 2, idle=4)).lines == 9  # 0.75 x 3 x 4


# --- all of them


@pytest.mark.parametrize("name", sorted(PEERS))
def test_every_peer_lives_through_a_morning_and_never_asks_for_less_than_nothing(name: str) -> None:
    world = base_world(6, day_s=3_600.0)
    first, second = (PlainRunner().run_days(world, PacerSpec(name), [3]) for _ in range(2))
    assert first[0].served > 20
    assert [d.lines for d in first] == [d.lines for d in second]  # nothing random but the seed
    assert first[0].pacer == name
    driver = make_driver(PacerSpec(name), world)
    assert driver.decide(floor(idle=0, talking=3, ringing=50, waiting=5)).lines == 0


@pytest.mark.parametrize("name", sorted({*known_pacers()} - {"forward"}))
def test_who_says_that_it_only_counts_does_the_same_when_it_sees_ages(name: str) -> None:
    world = load_scenario("rough-day")

    def played(ages: bool, seed: int) -> DayResult:
        driver = make_driver(PacerSpec(name), replace(world, day_s=1_800.0))
        driver.counts_only = driver.counts_only and not ages
        day = FloorDay(replace(world, day_s=1_800.0), seed, driver, start_s=NINE).run()
        return replace(day, wall_s=0.0)

    for seed in (1, 2, 3):
        assert played(True, seed) == played(False, seed)


def test_the_wrap_up_is_noticed_where_it_matters() -> None:
    pacer = OmniDialer()
    tell(pacer, WrapUpEnded(30.0), TalkEnded(100.0))
    assert pacer.wrap_s == 30.0
    assert pacer.handling_s == 130.0


def test_peers_and_own_pacers_have_names_of_their_own() -> None:
    assert len(known_pacers()) == len(set(known_pacers()))
