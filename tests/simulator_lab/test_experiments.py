"""Intervals, jobs, sweeps, tuning: the figures, and that more settings never mean less care."""

from __future__ import annotations

import math
import multiprocessing
import random
import time
from collections.abc import Sequence
from functools import partial

import pytest

from dialer.pacing.pacer import PacerError
from simulator.experiments.jobs import (
    BEST_RATIO,
    Job,
    check,
    engine_for,
    plan_jobs,
    run_job,
    run_jobs,
    summarise,
)
from simulator.experiments.stats import (
    Summary,
    curve_of,
    mean_of,
    paired,
    ratio_of,
    share_interval,
    share_upper,
)
from simulator.experiments.sweep import Axis, sweep, tune
from simulator.experiments.vary import BadChange, changed, option_value, pacer_of, split, values_of
from simulator.results import DayResult, PacerSpec
from simulator.scenario import Drifting, Scenario, base_world

SHORT = base_world(6, day_s=3_600.0)
here = partial(run_jobs, workers=1)
RATIO = PacerSpec.of("fixed_ratio", {"ratio": 2.0})


def day(seed: int, live: int, abandoned: int, busy: float = 0.8) -> DayResult:
    return DayResult(
        scenario="w",
        pacer="p",
        agents=1,
        seed=seed,
        lines=10 * live,
        people=live,
        live=live,
        served=live - abandoned,
        abandoned=abandoned,
        left=0,
        rejected=0,
        machines_served=0,
        machines_abandoned=0,
        talk_s=busy * 1_000.0,
        wrap_s=0.0,
        staffed_s=1_000.0,
    )


# --- intervals


def test_student_and_the_ratio_estimator_by_hand() -> None:
    found = mean_of([1.0, 2.0, 3.0])
    assert found.value == 2.0
    assert found.half == pytest.approx(4.302653 * 1.0 / math.sqrt(3), rel=1e-5)
    assert math.isnan(mean_of([1.0]).half)
    rate = ratio_of([1, 3], [100, 100])
    assert rate.value == 0.02
    assert rate.half == pytest.approx(12.7062 * math.sqrt(2 / 1 * 2.0) / 200, rel=1e-4)
    assert ratio_of([0, 0], [0, 0]).value == 0.0


def test_intervals_cover_what_they_claim() -> None:
    chance = random.Random(1)
    covered = 0
    for _ in range(2_000):
        days = [chance.gauss(0.7, 0.05) for _ in range(6)]
        found = mean_of(days)
        covered += abs(found.value - 0.7) <= found.half
    assert 0.93 < covered / 2_000 < 0.97


def test_exact_shares() -> None:
    assert share_interval(0, 10)[1] == pytest.approx(1 - 0.025 ** (1 / 10))
    assert share_interval(10, 10)[0] == pytest.approx(0.025 ** (1 / 10))
    low, high = share_interval(3, 30)
    assert low == pytest.approx(0.0211, abs=2e-4)
    assert high == pytest.approx(0.2653, abs=2e-4)
    assert share_upper(0, 20, 0.8) == pytest.approx(1 - 0.2 ** (1 / 20))
    assert share_upper(5, 5, 0.8) == 1.0
    assert share_interval(0, 0) == (0.0, 1.0)


def test_a_summary_counts_days_and_blocks_over_the_limit() -> None:
    days = tuple(day(i, 100, a) for i, a in enumerate([0, 4, 0, 0, 9, 4]))
    summary = Summary("w", "p", 1, 0.03, days, block_days=3)
    assert summary.days_over == 3
    assert summary.blocks == pytest.approx([4 / 300, 13 / 300])
    assert summary.blocks_over == 1
    assert summary.abandon_rate.value == pytest.approx(17 / 600)
    assert summary.as_dict()["share_of_days_over"]["high"] < 0.9


def test_differences_are_over_the_days_both_met() -> None:
    one = Summary("w", "a", 1, 0.03, tuple(day(i, 100, 0, 0.8 + i / 100) for i in range(4)), 30)
    other = Summary(
        "w", "b", 1, 0.03, tuple(day(i, 100, 0, 0.7 + i / 100) for i in range(2, 6)), 30
    )
    found = paired(one, other)
    assert found.value == pytest.approx(0.1)
    assert found.half == pytest.approx(0.0, abs=1e-9)
    lonely = Summary("w", "c", 1, 0.03, (day(99, 1, 0),), 30)
    with pytest.raises(ValueError, match="no day in common"):
        paired(one, lonely)


# --- jobs


def test_jobs_come_in_blocks_and_are_put_together_again() -> None:
    jobs = plan_jobs([SHORT], [RATIO], range(5, 10), "plain", block_days=2)
    assert [job.seeds for job in jobs] == [(5, 6), (7, 8), (9,)]
    summary = summarise(jobs, run_jobs(jobs, workers=1))[0]
    assert [d.seed for d in summary.days] == [5, 6, 7, 8, 9]


def test_processes_give_what_one_process_gives() -> None:
    jobs = plan_jobs([SHORT], [PacerSpec("progressive"), PacerSpec("impact")], range(2), "plain")
    told: list[Job] = []
    alone = run_jobs(jobs, workers=1)
    together = run_jobs(jobs, workers=2, on_done=told.append)
    assert [[d.lines for d in days] for days in alone] == [
        [d.lines for d in days] for days in together
    ]
    assert sorted(j.pacer.name for j in told) == ["impact", "progressive"]


def test_who_stops_a_long_run_waits_for_nothing() -> None:
    """Ctrl-C after the first short job: the one under way, of many minutes, is not waited for."""
    short, long = base_world(2, day_s=600.0), base_world(400, day_s=172_800.0)
    jobs = plan_jobs([long, short], [PacerSpec("wombat")], range(2), "plain", block_days=2)

    def stop(job: Job) -> None:
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(jobs, workers=2, on_done=stop)
    ended = time.monotonic()
    assert ended - began < 45.0
    while multiprocessing.active_children() and time.monotonic() - ended < 10.0:
        time.sleep(0.05)  # killed, and not yet waited for: the pool's own thread asks as well
    assert multiprocessing.active_children() == []


def test_the_same_people_meet_every_pacer() -> None:
    lines = {}
    for name in ("progressive", "wombat"):
        spec = PacerSpec(name)
        lines[name] = run_job(Job(SHORT, spec, (1,), "plain"))[0]
    assert lines["progressive"].staffed_s == pytest.approx(lines["wombat"].staffed_s, rel=0.02)


def test_the_best_ratio_is_the_largest_lawful_one() -> None:
    job = Job(SHORT, PacerSpec(BEST_RATIO), (1, 2, 3), "plain")
    days = run_job(job)
    assert sum(d.abandoned for d in days) <= 0.03 * sum(d.live for d in days)
    assert days[0].pacer.startswith("fixed_ratio(ratio=")
    ratio = float(days[0].pacer.partition("=")[2].rstrip(")"))
    more = PacerSpec.of("fixed_ratio", {"ratio": ratio + 0.5})
    beyond = run_job(Job(SHORT, more, (1, 2, 3), "plain"))
    assert sum(d.abandoned for d in beyond) > 0.03 * sum(d.live for d in beyond)


def test_the_engine_is_the_fastest_that_has_the_pacer() -> None:
    assert engine_for(PacerSpec("forward"), "auto").name == "fast"
    assert engine_for(PacerSpec("webitel"), "auto").name == "plain"
    with pytest.raises(PacerError, match="does not have"):
        engine_for(PacerSpec("webitel"), "fast")
    with pytest.raises(PacerError, match="no engine 'quick'"):
        engine_for(PacerSpec("forward"), "quick")
    with pytest.raises(PacerError, match="no pacer 'nobody'"):
        check(PacerSpec("nobody"), SHORT, "auto")
    with pytest.raises(PacerError, match="method"):
        check(PacerSpec.of("vicidial_tapered", {"method": "X"}), SHORT, "plain")


def test_the_mean_day_adds_up() -> None:
    days = run_job(Job(SHORT, RATIO, (1, 2), "plain"))
    curve = curve_of(days)
    assert len(curve) == 4
    assert sum(row["live_per_day"] for row in curve) == pytest.approx(sum(d.live for d in days) / 2)
    for day_ in days:
        assert sum(r.busy_s for r in day_.curve) == pytest.approx(day_.talk_s + day_.wrap_s)
        assert sum(r.staffed_s for r in day_.curve) == pytest.approx(day_.staffed_s)


# --- changing worlds


@pytest.mark.parametrize(
    ("path", "text", "get"),
    [
        ("agents", "9", lambda s: s.agents.count == 9),
        ("list.rates.person", "0.1", lambda s: s.list.rates.person == 0.1),
        ("amd.on", "false", lambda s: s.amd.on is False),
        ("patience", "{exponential: {mean_s: 5}}", lambda s: s.patience.mean_s == 5),
        ("handling.wrap_up", "12", lambda s: s.handling.wrap_up.mean_s == 12),
        ("list.by_attempt", "1/0.5", lambda s: s.list.by_attempt == (1.0, 0.5)),
        ("carrier.trunks_extra", "3", lambda s: s.carrier.trunks_extra == 3),
        ("talk_factor", "1.5", lambda s: s.drift[-1].what is Drifting.TALK),
    ],
)
def test_one_thing_changes(path: str, text: str, get: object) -> None:
    assert get(changed(SHORT, path, text))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("path", "text", "words"),
    [
        ("agents", "0", "from 1 to 100000"),
        ("agents", "many", "whole number"),
        ("list.rates.person", "2", "share from 0 to 1"),
        ("list.rates.persons", "0.2", "no field 'persons'"),
        ("list.rates", "0.2", "cannot be set"),
        ("handling.talk.mean_s", "3", "set it as a whole"),
        ("amd.on", "maybe", "true or false"),
        ("patience", "{gamma: 1}", "no distribution"),
        ("talk_factor", "-1", "negative"),
    ],
)
def test_a_change_that_cannot_be_is_refused(path: str, text: str, words: str) -> None:
    with pytest.raises(BadChange, match=words):
        changed(SHORT, path, text)


def test_values_and_pacers_from_the_command_line() -> None:
    assert values_of("1,2, 5") == ["1", "2", "5"]
    assert values_of("1:2:0.25") == ["1", "1.25", "1.5", "1.75", "2"]
    assert values_of("{a: 1, b: 2}") == ["{a: 1, b: 2}"]
    assert split("a=b=c") == ("a", "b=c")
    assert [option_value(t) for t in ("3", "3.5", "true", "x")] == [3, 3.5, True, "x"]
    assert pacer_of("ratio:ratio=2.5").label == "ratio(ratio=2.5)"
    for bad in ("2:1", "1:2:0", "1:2:3:4", "a:b"):
        with pytest.raises(BadChange):
            values_of(bad)
    with pytest.raises(BadChange):
        split("agents")


# --- sweeps and tuning


def test_a_sweep_runs_every_combination_and_more_lines_mean_more_of_both() -> None:
    axes = [Axis("agents", ("4", "8")), Axis("ratio", ("1", "2", "4"), of_pacer=True)]
    rows = sweep(SHORT, PacerSpec("fixed_ratio"), axes, range(3), here, "plain")
    assert [row.values for row in rows] == [(a, r) for a in ("4", "8") for r in ("1", "2", "4")]
    for three in (rows[:3], rows[3:]):
        use = [row.summary.utilisation.value for row in three]
        lost = [row.summary.abandon_rate.value for row in three]
        assert use == sorted(use)
        assert lost == sorted(lost)
    assert rows[0].summary.agents == 4


def test_a_sweep_too_wide_is_refused() -> None:
    axes = [Axis("ratio", tuple(map(str, range(1, 99))), True), Axis("agents", tuple("1" * 99))]
    with pytest.raises(BadChange, match="combinations"):
        sweep(SHORT, PacerSpec("fixed_ratio"), axes, range(1), here, "plain")


def test_tuning_finds_the_most_talk_that_is_safe_enough() -> None:
    axes = [Axis("ratio", ("1", "1.5", "2", "3", "5"), of_pacer=True)]
    found = tune(
        SHORT, PacerSpec("fixed_ratio"), axes, range(12), here, "plain", chance=0.2, confidence=0.8
    )
    assert found.best is not None
    assert found.rounds > 1
    assert len(found.rows) == 5
    assert sum(len(row.summary.days) == 12 for row in found.rows) < 5  # the hopeless left early
    assert found.proof is not None
    assert [d.seed for d in found.proof.days] == list(range(12, 24))
    assert found.best.summary.days_over <= 1
    assert found.best.values[0] in ("1", "1.5")  # 2 breaks it on half of the days


def test_tuning_says_so_when_nothing_is_safe_or_days_are_too_few() -> None:
    axes = [Axis("ratio", ("6", "8"), of_pacer=True)]
    found = tune(SHORT, PacerSpec("fixed_ratio"), axes, range(10), here, "plain", chance=0.2)
    assert found.best is None
    with pytest.raises(BadChange, match=r"--days 16 or more"):
        tune(SHORT, PacerSpec("fixed_ratio"), axes, range(5), here, "plain", chance=0.1)


def test_tuning_for_blocks_drops_nothing_for_its_single_days() -> None:
    """Every other day over and no block is what to find; the bolder one is over in every block."""
    lost = {1: (0, 0), 2: (0, 5), 3: (4, 4)}  # of a hundred, by ratio: on even days and on odd ones

    def played(jobs: Sequence[Job]) -> list[list[DayResult]]:
        ratios = [int(dict(job.pacer.options)["ratio"]) for job in jobs]
        return [
            [day(seed, 100, lost[ratio][seed % 2], 0.2 * ratio) for seed in job.seeds]
            for job, ratio in zip(jobs, ratios, strict=True)
        ]

    axes = [Axis("ratio", ("1", "2", "3"), of_pacer=True)]
    spec = PacerSpec("fixed_ratio")
    asked = {"chance": 0.2, "confidence": 0.5}
    found = tune(SHORT, spec, axes, range(120), played, window="block", **asked)
    assert found.best is not None
    assert found.best.values == ("2",)
    of_days = tune(SHORT, spec, axes, range(120), played, window="day", **asked)
    assert of_days.best is not None
    assert of_days.best.values == ("1",)


def test_who_was_only_lucky_is_not_chosen() -> None:
    """The bolder setting breaks nothing in the days it is chosen by, and half of the days after."""

    def played(jobs: Sequence[Job]) -> list[list[DayResult]]:
        bold = [dict(job.pacer.options)["ratio"] == 2 for job in jobs]
        return [
            [day(n, 100, 5 if it and n >= 40 and n % 2 else 0, 0.9 if it else 0.5) for n in j.seeds]
            for j, it in zip(jobs, bold, strict=True)
        ]

    axes = [Axis("ratio", ("1", "2"), of_pacer=True)]
    spec = PacerSpec("fixed_ratio")
    found = tune(SHORT, spec, axes, range(40), played, chance=0.1)
    assert found.best is not None
    assert found.best.values == ("1",)


def test_scenarios_can_be_told_apart_in_a_sweep() -> None:
    world: Scenario = changed(SHORT, "agents", "3")
    assert world != SHORT
    assert hash(world) != hash(SHORT)
