"""Learning a world back from its own history, cut-off times and all, and replaying it."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from simulator.distributions import Exponential, Lognormal
from simulator.experiments.fast import FastRunner
from simulator.experiments.fit import CannotFit, fit
from simulator.experiments.plain import PlainRunner, make_driver, write_day
from simulator.experiments.replay import HistoryWorld, day_of, replay
from simulator.experiments.survival import (
    cumulative_incidence,
    exponential_mean,
    kaplan_meier,
    whole_times,
)
from simulator.floor import FloorDay
from simulator.history import CallRecord, Fate, read_calls, write_calls
from simulator.results import PacerSpec
from simulator.scenario import Drift, Drifting, Shape, base_world
from simulator.scenario_dump import scenario_text
from simulator.scenario_file import load_scenario, scenario_from_text, shipped_names
from simulator.world import Amd, Kind
from yamlmarks import FileError

PACER = PacerSpec.of("fixed_ratio", {"ratio": 3.0})


def history(agents: int = 20, seed: int = 1, **changes: object) -> list[CallRecord]:
    world = replace(base_world(agents), **changes)  # type: ignore[arg-type]
    journal: list[CallRecord] = []
    FloorDay(world, seed, make_driver(PACER, world), start_s=32_400.0, journal=journal).run()
    return journal


# --- survival


def test_kaplan_meier_by_hand() -> None:
    """Ends at 1, 3, 3, 5; cut at 2 and 4: 5/6, then 2 of 4, then 1 of 1."""
    times, ended = [1, 2, 3, 3, 4, 5], [1, 0, 1, 1, 0, 1]
    instants, share = kaplan_meier(times, ended)
    assert instants.tolist() == [1, 2, 3, 4, 5]
    assert share.tolist() == pytest.approx([5 / 6, 5 / 6, 5 / 12, 5 / 12, 0])


def test_competing_causes_by_hand() -> None:
    """Person at 1, machine at 2, cut at 2, person at 3 of four lines."""
    instants, share = cumulative_incidence([1, 2, 2, 3], [1, 2, 0, 1])
    assert instants.tolist() == [1, 2, 3]
    assert share[1].tolist() == pytest.approx([0.25, 0.25, 0.75])
    assert share[2].tolist() == pytest.approx([0.0, 0.25, 0.25])


def test_cut_off_times_do_not_shorten_what_is_learned() -> None:
    chance = np.random.default_rng(1)
    true = Lognormal(120.0, 0.8).sample(chance.random(20_000))
    cut = Exponential(150.0).sample(chance.random(20_000))
    seen, ended = np.minimum(true, cut), true <= cut
    learned = whole_times(seen, ended)
    assert learned is not None
    naive = float(seen[ended].mean())
    assert naive < 0.75 * 120
    assert learned.mean_s == pytest.approx(120.0, rel=0.06)
    assert whole_times([1.0, 2.0], [False, False]) is None


def test_patience_is_exposure_over_ends() -> None:
    chance = np.random.default_rng(2)
    true = Exponential(30.0).sample(chance.random(50_000))
    assert exponential_mean(np.minimum(true, 2.0), true <= 2.0) == pytest.approx(30.0, rel=0.06)
    assert exponential_mean([2.0] * 10, [False] * 10) == pytest.approx(40.0)


# --- history files


def test_history_survives_the_file(tmp_path: Path) -> None:
    records = history(5)
    path = tmp_path / "calls.csv"
    assert write_calls(path, records) == len(records)
    back = read_calls(path)
    assert len(back) == len(records)
    for a, b in zip(records, back, strict=True):
        assert (a.outcome, a.fate, a.amd, a.agent, a.open) == (
            b.outcome,
            b.fate,
            b.amd,
            b.agent,
            b.open,
        )
        assert (
            b.talk_s is None if a.talk_s is None else b.talk_s == pytest.approx(a.talk_s, abs=1e-3)
        )


def test_a_day_written_by_the_command_is_the_day_simulated(tmp_path: Path) -> None:
    path = tmp_path / "day.csv"
    count = write_day(base_world(5), PACER, 7, path)
    result = PlainRunner().run_days(base_world(5), PACER, [7])[0]
    records = read_calls(path)
    assert count == result.lines == len(records)
    assert sum(r.fate is Fate.ABANDONED and r.outcome is Kind.PERSON for r in records) == (
        result.abandoned
    )
    assert sum(r.fate is Fate.SERVED and r.outcome is Kind.PERSON for r in records) == result.served


def test_iso_times_and_excel_files_are_read(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_text(
        "\ufefflaunched_at,outcome\n2026-03-03T09:00:10,busy\n2026-03-02T23:59:00+01:00,invalid\n",
        encoding="utf-8",
    )
    assert [r.launched_s for r in read_calls(path)] == [-60.0, 32_410.0]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["line 1", "launched_at is missing"]),
        ("launched_at,outcome\n", ["history is empty"]),
        ("launched_at\n1\n", ["outcome is missing"]),
        ("launched_at,outcome\nsoon,busy\n", ["line 2", "launched_at is 'soon'"]),
        ("launched_at,outcome\n-5,busy\n", ["line 2", "0 or more"]),
        ("launched_at,outcome\n1,busy\n2,bussy\n", ["line 3", "outcome is 'bussy'", "person"]),
        ("launched_at,outcome,talk_s\n1,person,-3\n", ["line 2", "talk_s", "0 or more"]),
        ("launched_at,outcome,talk_s\n1,person,nan\n", ["line 2", "talk_s"]),
        ("launched_at,outcome,talk_s\n1,person,long\n", ["line 2", "talk_s is 'long'"]),
        ("launched_at,outcome,fate\n1,person,gone\n", ["line 2", "fate is 'gone'", "served"]),
        ("launched_at,outcome,attempt\n1,busy,0\n", ["line 2", "attempt"]),
        ("launched_at,outcome\n1,busy,7\n", ["line 2", "more values than columns"]),
    ],
)
def test_bad_history_names_line_and_column(tmp_path: Path, text: str, words: list[str]) -> None:
    path = tmp_path / "calls.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        read_calls(path)
    for word in words:
        assert word in str(caught.value)


# --- fitting


def test_the_world_is_learned_back_from_its_own_day() -> None:
    records = history(30)
    found = fit(records, "back")
    world, true = found.scenario, base_world(30)
    n = len(records)

    def near(got: float, want: float) -> bool:
        return abs(got - want) < 4 * math.sqrt(want * (1 - want) / n)

    assert near(world.list.rates.person, true.list.rates.person)
    assert near(world.list.rates.machine, true.list.rates.machine)
    assert near(world.list.rates.busy, true.list.rates.busy)
    assert world.line.setup.mean_s == pytest.approx(1.5, rel=0.02)
    assert world.line.ring_person.mean_s == pytest.approx(9.0, rel=0.04)
    assert world.line.ring_limit_s == pytest.approx(25.0, abs=0.01)
    assert world.handling.talk.mean_s == pytest.approx(118.0, rel=0.06)
    assert world.handling.wrap_up.mean_s == pytest.approx(20.0, rel=0.05)
    assert world.amd.on
    assert world.amd.machine_as_person == pytest.approx(0.08, abs=0.02)
    assert world.agents.count == 30
    assert world.day_s == pytest.approx(28_800.0, rel=0.01)


def test_a_fitted_world_paces_like_the_true_one() -> None:
    true, found = base_world(15), fit(history(15), "back").scenario
    for spec in (PACER, PacerSpec("progressive")):
        days = [FastRunner().run_days(world, spec, range(4)) for world in (true, found)]
        use = [sum(d.utilisation for d in some) / 4 for some in days]
        assert use[0] == pytest.approx(use[1], abs=0.025)
        lost = [sum(d.abandoned for d in some) / sum(d.live for d in some) for some in days]
        assert lost[0] == pytest.approx(lost[1], abs=0.006)


def test_hours_that_answer_differently_are_found_and_others_not() -> None:
    steps = Drift(Drifting.ANSWER, points=((0.0, 1.0), (10_800.0, 2.0)), shape=Shape.STEP)
    found = fit(history(20, drift=(steps,)), "steps").scenario
    answer = next(d for d in found.drift if d.what is Drifting.ANSWER)
    early = [v for t, v in answer.points if t < 9_000]
    late = [v for t, v in answer.points if 14_000 < t < 25_000]
    assert max(early) < min(late)
    steady = fit(history(20), "steady").scenario
    assert steady.drift == ()


def test_a_floor_that_calls_over_midnight_has_one_day() -> None:
    """As a database in UTC has the afternoon of the American west."""
    records = history(12)
    shifted = [replace(r, launched_s=r.launched_s + 20 * 3_600.0) for r in records]
    there, here = fit(shifted, "w"), fit(records, "w")
    assert (there.days, there.scenario.agents.count) == (1, 12)
    assert there.scenario.day_s == pytest.approx(here.scenario.day_s)
    assert len(day_of(shifted)) == len(records)


def test_a_day_is_over_when_dialling_is_and_not_when_the_last_talk_is() -> None:
    records = history(12, day_s=3_600.0)
    last = next(r for r in reversed(records) if r.talk_s is not None)
    last.talk_s, last.open = 4_000.0, ""
    world = fit(records, "w").scenario
    assert world.day_s == pytest.approx(3_600.0, abs=30.0)
    assert max(shift.end_s for shift in world.agents.shifts) <= world.day_s


def test_an_extract_taken_in_mid_day_is_no_shorter_than_it_was() -> None:
    """Every call still talking at noon is cut there; the talk mean must not suffer."""
    records = history(40)
    noon = 3_600.0 * 1.5
    cut: list[CallRecord] = []
    for r in records:
        if r.launched_s >= noon:
            continue
        answered = (r.setup_s or 0) + (r.ring_s or 0) + (r.detect_s or 0) + (r.waited_s or 0)
        begin = r.launched_s + answered
        if r.talk_s is not None and begin + r.talk_s > noon > begin:
            cut.append(replace(r, talk_s=noon - begin, wrap_s=None, open="talk"))
        elif r.talk_s is not None and begin > noon:
            continue
        else:
            cut.append(r)
    found = fit(cut, "noon", agents=40)
    assert any("cut off" in note for note in found.notes)
    seen = np.mean(
        [r.talk_s for r in cut if r.talk_s and r.open == "" and r.outcome is Kind.PERSON]
    )
    whole = np.mean([r.talk_s for r in records if r.talk_s and r.outcome is Kind.PERSON])
    assert seen < found.scenario.handling.talk.mean_s
    assert found.scenario.handling.talk.mean_s == pytest.approx(float(whole), rel=0.12)


@pytest.mark.parametrize(
    ("records", "words"),
    [
        ([CallRecord(0.0, Kind.BUSY)] * 10, "too few"),
        ([CallRecord(float(i), Kind.CONGESTION) for i in range(60)], "congestion"),
        (
            [CallRecord(float(i), Kind.NO_ANSWER, 1.0, 25.0) for i in range(60)],
            "no call was answer",
        ),
        (
            [CallRecord(float(i), Kind.PERSON, 1.0, 9.0, agent="a") for i in range(60)],
            "no call of a person has a talk_s",
        ),
        (
            [CallRecord(float(i), Kind.PERSON, 1.0, 9.0, talk_s=60.0) for i in range(60)],
            "names no agents",
        ),
    ],
)
def test_history_that_teaches_nothing_is_refused(records: list[CallRecord], words: str) -> None:
    with pytest.raises(CannotFit, match=words):
        fit(records, "x")


# --- replay


def test_a_replay_under_the_same_pacer_is_the_same_day() -> None:
    scenario = base_world(10)
    journal: list[CallRecord] = []
    true = FloorDay(scenario, 3, make_driver(PACER, scenario), journal=journal).run()
    world = HistoryWorld(scenario, 3, journal)
    again = FloorDay(scenario, 3, make_driver(PACER, scenario), world=world).run()
    assert again.lines == true.lines
    assert again.served == true.served
    assert again.abandoned == true.abandoned
    assert again.utilisation == pytest.approx(true.utilisation, abs=1e-9)


def test_a_replay_under_a_gentler_pacer_meets_the_same_people() -> None:
    records = history(10)
    world = fit(records, "yesterday").scenario
    progressive = replay(world, records, PacerSpec("progressive"), [1])[0]
    ratio = replay(world, records, PACER, [1])[0]
    assert progressive.abandoned == 0
    assert progressive.utilisation < ratio.utilisation
    share = progressive.people / progressive.lines
    assert share == pytest.approx(
        sum(r.outcome is Kind.PERSON for r in records) / len(records), abs=0.02
    )


def test_what_history_did_not_see_is_drawn() -> None:
    scenario = base_world(3)
    records = [
        CallRecord(0.0, Kind.PERSON, 1.0, 5.0, 1.5, Amd.PERSON, Fate.ABANDONED, 2.0),
        CallRecord(1.0, Kind.PERSON, 1.0, 5.0, 1.5, Amd.PERSON, Fate.LEFT, 0.7),
        CallRecord(2.0, Kind.NO_ANSWER, 1.0, 7.0, open="ring"),
        CallRecord(3.0, Kind.BUSY, 1.2),
    ]
    world = HistoryWorld(scenario, 1, records)
    abandoned, left, ringing, busy = (world.plan_call(i, 0.0) for i in range(4))
    assert abandoned.talk_s > 0
    assert abandoned.patience_s > 2.0
    assert left.patience_s == 0.7
    assert ringing == super(HistoryWorld, world).plan_call(2, 0.0)
    assert (busy.ring_s, busy.setup_s, busy.sip_status) == (None, 1.2, 486)


def test_a_line_that_was_given_up_would_have_rung_on() -> None:
    world = base_world(10)
    cut = [CallRecord(float(i), Kind.NO_ANSWER, setup_s=1.5, ring_s=16.0) for i in range(400)]
    full = [CallRecord(float(i), Kind.NO_ANSWER, setup_s=1.5, ring_s=25.0) for i in range(400)]
    plans = [HistoryWorld(world, 1, cut).plan_call(i, 100.0) for i in range(400)]
    assert all(plan.ring_s is not None and plan.ring_s > 16.0 for plan in plans)
    late = sum(plan.kind is Kind.PERSON for plan in plans)
    assert 3 < late < 40  # 7 % of the people ring so long: 1.4 of 100 lines, of 69 that do
    assert sum(plan.kind is Kind.MACHINE for plan in plans) > 60
    rung_out = [HistoryWorld(world, 1, full).plan_call(i, 100.0) for i in range(400)]
    assert all(plan.kind is Kind.NO_ANSWER for plan in rung_out)


def test_the_world_is_learned_back_from_a_day_with_lines_given_up() -> None:
    world, journal = base_world(20), list[CallRecord]()
    driver = make_driver(PacerSpec.of("forward"), world)
    day = FloorDay(world, 1, driver, start_s=32_400.0, journal=journal).run()
    assert day.given_up > 0.1 * day.lines
    found = fit(journal, "given-up").scenario
    assert found.list.rates.person == pytest.approx(0.20, abs=0.012)
    assert found.list.rates.machine == pytest.approx(0.25, abs=0.02)
    assert found.line.ring_limit_s == pytest.approx(25.0, abs=0.01)


def test_a_replay_takes_the_busiest_day() -> None:
    records = [CallRecord(10.0, Kind.BUSY)] + [
        CallRecord(90_000.0 + i, Kind.BUSY) for i in range(3)
    ]
    assert len(day_of(records)) == 3


# --- scenarios as text


@pytest.mark.parametrize("name", shipped_names())
def test_a_scenario_written_out_reads_back_equal(name: str) -> None:
    scenario = load_scenario(name)
    again = scenario_from_text(scenario_text(scenario))
    assert again == scenario


def test_a_fitted_world_can_be_written_and_read() -> None:
    found = fit(history(5), "five").scenario
    assert scenario_from_text(scenario_text(found)) == found
