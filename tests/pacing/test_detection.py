"""Answers told apart: how long somebody rang, and how long detection takes, say who it is."""

from __future__ import annotations

import functools
import json
import math
from typing import Any

import numpy as np
import pytest

from dialer.pacing import hazards
from dialer.pacing.forward import Forward
from dialer.pacing.hazards import line_bin
from dialer.pacing.lines import rows_of_detection
from dialer.snapshot import (
    Bound,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    TalkEnded,
    WrapUpEnded,
)
from simulator.fast import run_days
from simulator.scenario import base_world

PEOPLE, MACHINES = 0.2, 0.25  # of the lines; the rest ring out


def teach(pacer: Forward, count: int) -> None:
    """People answer after 6 to 12 s and are let through within 1 to 3 s; machines answer after 6 to
    24 s and are told after 2 to 4 s: all uniform."""
    rng = np.random.default_rng(8)
    for _ in range(count):
        pacer.observe(LineRang(1.0))
        who = rng.random()
        if who < PEOPLE:
            rang, took = float(rng.uniform(6, 12)), float(rng.uniform(1, 3))
            pacer.observe(LineEnded(LineEnd.LIVE, 1.0, rang, took))
            pacer.observe(TalkEnded(float(rng.exponential(100))))
            pacer.observe(WrapUpEnded(10.0))
        elif who < PEOPLE + MACHINES:
            rang, took = float(rng.uniform(6, 24)), float(rng.uniform(2, 4))
            pacer.observe(LineEnded(LineEnd.MACHINE, 1.0, rang, took))
        else:
            pacer.observe(LineEnded(LineEnd.NO_ANSWER, 1.0, 25.0))


@functools.cache
def known() -> dict[str, Any]:
    pacer = Forward()
    teach(pacer, 6_000)
    return pacer.state()


def knowing() -> Forward:
    pacer = Forward()
    pacer.restore(known())
    pacer.learned.account[0, :2] = (2_000, 20)
    return pacer


def floor_at(now: float, idle: int, **more: Any) -> FloorSnapshot:
    return FloorSnapshot(
        now=now, campaign="c", idle=idle, lines_free=1_000, leads_ready=1_000, **more
    )


def chances(detecting: list[float], rang: list[float]) -> list[float]:
    """That each is let through, as a share of the row of somebody who surely is."""
    pacer = knowing()
    pacer.decide(floor_at(1.0, 1))
    rows = rows_of_detection(pacer.learned, np.array(detecting), np.array(rang))
    sure = [pacer.learned.detect_asks[line_bin(age)].max() for age in detecting]
    return [row.max() / whole for row, whole in zip(rows, sure, strict=True)]


def bayes(detecting: float, rang: float) -> float:
    """The same from the world itself: rates of answers, times those still under detection."""
    person = PEOPLE / 6 * (6 <= rang <= 12) * min(1.0, max(0.0, (3 - detecting) / 2))
    machine = MACHINES / 18 * (6 <= rang <= 24) * min(1.0, max(0.0, (4 - detecting) / 2))
    return person / (person + machine)


@pytest.mark.parametrize("rang", [8.0, 9.0, 10.0, 16.0, 20.0])
@pytest.mark.parametrize("detecting", [0.25, 1.25, 2.25, 2.75])
def test_the_chance_to_be_let_through_is_bayes_rule(detecting: float, rang: float) -> None:
    (chance,) = chances([detecting], [rang])
    assert chance == pytest.approx(bayes(detecting, rang), abs=0.09)


def test_a_line_that_has_rung_for_long_hardly_holds_an_agent() -> None:
    pacer = knowing()
    pacer.decide(floor_at(1.0, 1))
    asks = pacer.learned.ring_asks
    young, old = asks[line_bin(7.0)].max(), asks[line_bin(17.0)].max()
    assert young == pytest.approx(PEOPLE * 5 / 6, abs=0.06)
    assert old < 0.02, "machines answer now, and none of them is let through"


def test_who_answered_late_stands_in_no_other_lines_way() -> None:
    late = knowing().decide(floor_at(1.0, 1, detecting=(1.0,) * 3, detecting_rang=(20.0,) * 3))
    soon = knowing().decide(floor_at(1.0, 1, detecting=(1.0,) * 3, detecting_rang=(9.0,) * 3))
    none = knowing().decide(floor_at(1.0, 1))
    assert soon.lines == 0 < late.lines <= none.lines
    assert soon.inputs["callers_ahead"] > 5 * late.inputs["callers_ahead"]


def test_of_whom_it_is_not_known_how_long_he_rang_is_taken_for_a_person() -> None:
    assert chances([1.0, 3.5], [-1.0, -1.0]) == pytest.approx([1.0, 1.0])
    told = knowing().decide(floor_at(1.0, 2, detecting=(1.0, 1.0), detecting_rang=(9.0, -1.0)))
    untold = knowing().decide(floor_at(1.0, 2, detecting=(1.0, 1.0), detecting_rang=(9.0,)))
    assert untold == told


def test_fewer_answers_of_late_make_nobody_a_machine() -> None:
    pacer = knowing()
    pacer.decide(floor_at(1.0, 1))
    before = pacer.learned.ring_machines.copy()
    pacer.learned.scalar[hazards.S_ANSWER_DUE] = 200.0  # of which none was seen
    pacer.observe(LineEnded(LineEnd.NO_ANSWER, 1.0, 25.0))
    assert pacer.decide(floor_at(8.0, 1)).inputs["answer_rate"] < 0.15
    assert pacer.learned.ring_machines == pytest.approx(before, rel=0.02)


def test_detection_switched_on_later_is_learned_soon() -> None:
    """Hung up on within half a second or not at all: lines without detection must not say so."""
    pacer = Forward()
    for _ in range(4_000):
        pacer.observe(LineRang(1.0))
        pacer.observe(LineEnded(LineEnd.LIVE, 1.0, 9.0, None))
    teach(pacer, 1_500)
    pacer.decide(floor_at(1.0, 1))
    learned = pacer.learned
    row = rows_of_detection(learned, np.array([1.0]), np.array([9.0]))[0]
    assert row.max() / learned.detect_asks[line_bin(1.0)].max() > 0.6


def test_on_a_large_floor_too() -> None:
    talking = tuple(3.0 * n for n in range(90))
    busy = {"talking": talking, "detecting": (1.0,) * 30}
    late = knowing().decide(floor_at(1.0, 9, detecting_rang=(20.0,) * 30, **busy))
    soon = knowing().decide(floor_at(1.0, 9, detecting_rang=(9.0,) * 30, **busy))
    assert soon.lines < late.lines


def test_without_machines_an_answer_is_an_answer() -> None:
    pacer = Forward()
    for _ in range(200):
        pacer.observe(LineRang(1.0))
        pacer.observe(LineEnded(LineEnd.LIVE, 1.0, 9.0, 0.0))
    pacer.decide(floor_at(1.0, 1))
    learned = pacer.learned
    row = rows_of_detection(learned, np.array([0.0]), np.array([30.0]))[0]
    assert row == pytest.approx(learned.detect_asks[0], rel=1e-9)


def test_a_trunk_that_never_tells_of_ringing_is_no_outage() -> None:
    pacer = Forward()
    rng = np.random.default_rng(4)
    for second in range(400):
        answered = rng.random() < 0.3
        end = LineEnd.LIVE if answered else LineEnd.NO_ANSWER
        pacer.observe(LineEnded(end, 10.0 if answered else 25.0, None, 1.0 if answered else None))
        decision = pacer.decide(floor_at(1.0 + second, 3))
        assert decision.bound is not Bound.OUTAGE
    assert decision.inputs["answer_rate"] == pytest.approx(0.3, abs=0.08)


def test_a_machine_is_no_answer_that_was_waited_for() -> None:
    state = Forward().learned
    hazards.learn_line(state, 1.0, 19.0, 3.0, False, True)
    assert state.scalar[hazards.S_ANSWER_SEEN] == 0.0
    assert state.line_exits[hazards.RING, line_bin(19.0), hazards.MACHINE] == 1.0
    assert state.line_exposure[hazards.DETECT].sum() == 0.0
    hazards.learn_line(state, 1.0, 9.0, 2.0, True, False)
    assert state.scalar[hazards.S_ANSWER_SEEN] == 1.0
    assert state.line_exposure[hazards.DETECT].sum() == pytest.approx(2.0, rel=1e-3)


def test_what_an_older_version_kept_is_learned_anew() -> None:
    kept = json.loads(json.dumps(known()))
    older = Forward()
    older.restore({**kept, "version": 1})
    assert older.learned.line_exits.sum() == 0


def test_five_agents_talk_more_than_three_quarters_of_the_time_within_the_law() -> None:
    days = run_days(base_world(5), 12, 700)
    rate = sum(d.abandoned_people for d in days) / sum(d.live_people for d in days)
    talk = [d.utilisation for d in days]
    error = np.std(talk, ddof=1) / math.sqrt(len(talk))
    assert np.mean(talk) - 1.96 * error > 0.755, (
        "the goal of a policy that does not tell them apart"
    )
    assert rate <= 0.03
