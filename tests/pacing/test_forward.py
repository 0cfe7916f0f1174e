"""The compiled look-ahead against plain twins, and what the forward pacer must always keep."""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.pacing import hazards, lookahead
from dialer.pacing.forward import Forward
from dialer.pacing.governor import Governor
from dialer.pacing.pacer import PACERS, PacerError, make_pacer
from dialer.pacing.trace import TraceRecord, why_abandoned, why_lines
from dialer.pacing.windows import Account, Span, Window
from dialer.snapshot import (
    Bound,
    CallAbandoned,
    CallServed,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    Observation,
    TalkEnded,
    WrapUpEnded,
)

CHANCES = st.lists(st.floats(0, 1), min_size=0, max_size=8)


def twin_pmf(chances: list[float]) -> list[float]:
    """Distribution of a sum of yes-or-no events by going through every outcome."""
    pmf = [0.0] * (len(chances) + 1)
    for outcome in itertools.product((0, 1), repeat=len(chances)):
        weight = 1.0
        for yes, p in zip(outcome, chances, strict=True):
            weight *= p if yes else 1 - p
        pmf[sum(outcome)] += weight
    return pmf


def sums(chances: list[float]) -> tuple[np.ndarray, int]:
    pmf = np.zeros((lookahead.EXACT_MAX + 1, hazards.INSTANTS))
    pmf[0] = 1.0
    top = 0
    for p in chances:
        top = lookahead.convolve(pmf, top, np.full(hazards.INSTANTS, p), 1.0)
    return pmf, top


@given(CHANCES)
@settings(max_examples=40, deadline=None)
def test_sums_of_chances_are_exact(chances: list[float]) -> None:
    pmf, top = sums(chances)
    assert top == len(chances)
    assert pmf[: top + 1, 0] == pytest.approx(twin_pmf(chances), abs=1e-12)


def test_sums_beyond_the_table_gather_in_its_last_row() -> None:
    pmf, top = sums([0.9] * 70)
    assert top == lookahead.EXACT_MAX
    assert pmf[:, 3].sum() == pytest.approx(1.0)


@given(CHANCES, CHANCES, st.integers(0, 3))
@settings(max_examples=40, deadline=None)
def test_risk_is_the_chance_that_callers_take_all_agents(
    callers: list[float], agents: list[float], ahead: int
) -> None:
    a, a_top = sums(callers)
    f, f_top = sums(agents)
    weight = np.full(hazards.INSTANTS, 1 / hazards.INSTANTS)
    expected = sum(
        pa * pf
        for (na, pa), (nf, pf) in itertools.product(
            enumerate(twin_pmf(callers)), enumerate(twin_pmf(agents))
        )
        if na + ahead >= nf
    )
    assert lookahead.exact_risk(a, a_top, f, f_top, ahead, weight) == pytest.approx(
        expected, abs=1e-9
    )


def test_normal_risk_is_near_the_exact_one_on_a_middling_floor() -> None:
    callers, agents = [0.2] * 40, [0.3] * 40
    a, a_top = sums(callers)
    f, f_top = sums(agents)
    ones = np.ones(hazards.INSTANTS)
    weight = ones / hazards.INSTANTS
    exact = lookahead.exact_risk(a, a_top, f, f_top, 0, weight)
    near = lookahead.normal_risk(
        8.0 * ones, 6.4 * ones, 12.0 * ones, 8.4 * ones, 0.2 * ones, 0.0, weight, 0.0
    )
    assert near == pytest.approx(exact, rel=0.05)


@given(st.lists(st.floats(0, 70), min_size=1, max_size=30))
@settings(max_examples=30, deadline=None)
def test_exposure_and_exits_are_what_was_lived(lengths: list[float]) -> None:
    state = hazards.new_state()
    for length in lengths:
        hazards.learn_stage(state, hazards.RING, length, hazards.ENDED)
    assert state.line_exposure[hazards.RING].sum() == pytest.approx(sum(lengths))
    assert state.line_exits[hazards.RING].sum() == len(lengths)


@given(st.floats(0, 20_000))
@settings(max_examples=60, deadline=None)
def test_talk_bins_hold_their_ages(age: float) -> None:
    index = hazards.talk_bin(age)
    assert hazards.talk_edge(index) <= age + 1e-9
    if index < hazards.TALK_BINS - 1:
        assert age <= hazards.talk_edge(index + 1) + 1e-6


def lines_of(rng: np.random.Generator, count: int) -> Iterator[Observation]:
    """Lines that ring after 1 s; a fifth is answered after 8 to 10 s, the rest ring out at 25 s."""
    for _ in range(count):
        yield LineRang(1.0)
        if rng.random() < 0.2:
            yield LineEnded(LineEnd.LIVE, 1.0, float(rng.uniform(8, 10)))
            yield CallServed(0.0)
            yield TalkEnded(float(rng.exponential(100)))
            yield WrapUpEnded(float(rng.uniform(5, 15)))
        else:
            yield LineEnded(LineEnd.NO_ANSWER, 1.0, 25.0)


def taught(count: int = 2_000) -> Forward:
    pacer = Forward()
    for fact in lines_of(np.random.default_rng(5), count):
        pacer.observe(fact)
    return pacer


@functools.cache
def known() -> dict[str, Any]:
    return taught().state()


def knowing() -> Forward:
    """A fresh pacer that knows what `taught` learned."""
    pacer = Forward()
    pacer.restore(known())
    pacer.learned.account[0, :2] = (2_000, 20)
    return pacer


def floor_at(now: float, idle: int, **more: object) -> FloorSnapshot:
    return FloorSnapshot(
        now=now,
        campaign="c",
        idle=idle,
        lines_free=1_000,
        leads_ready=1_000,
        **more,  # type: ignore[arg-type]
    )


def test_it_learns_how_many_lines_bring_a_person() -> None:
    pacer = taught()
    pacer.decide(floor_at(1.0, 3))
    inputs = pacer.decide(floor_at(1.5, 3)).inputs
    assert inputs["answer_rate"] == pytest.approx(0.2, abs=0.03)
    assert 8.5 <= pacer.learned.instant[hazards.INSTANTS // 2] <= 11.5


def test_it_dials_more_for_free_agents_and_less_for_lines_on_their_way() -> None:
    few = taught().decide(floor_at(1.0, 1)).lines
    many = taught().decide(floor_at(1.0, 6)).lines
    crowded = taught().decide(floor_at(1.0, 6, ringing=(4.0,) * 12)).lines
    assert 1 <= few < many
    assert crowded < many


def test_an_agent_about_to_be_free_is_worth_a_line() -> None:
    fresh = taught().decide(floor_at(1.0, 0, talking=(0.0,) * 4)).lines
    ending = taught().decide(floor_at(1.0, 0, wrapping=(12.0,) * 4)).lines
    assert ending > fresh


def plain_sum(chances: list[float]) -> list[float]:
    """Distribution of a sum of yes-or-no events, one after the other."""
    pmf = [1.0]
    for p in chances:
        pmf = [
            (pmf[k] * (1 - p) if k < len(pmf) else 0.0) + (pmf[k - 1] * p if k else 0.0)
            for k in range(len(pmf) + 1)
        ]
    return pmf


def twin_lines(learned: hazards.State, floor: FloorSnapshot) -> int:
    """The rule in plain Python, from the tables and the theta of a decision just made."""
    theta, new = learned.scalar[hazards.S_ALLOWED], learned.setup_asks[0]
    agents = [learned.talk_frees[hazards.talk_bin(a)] for a in floor.talking]
    agents += [learned.wrap_frees[hazards.wrap_bin(a)] for a in floor.wrapping]
    callers = [learned.ring_asks[hazards.line_bin(a)] for a in floor.ringing]
    callers += [learned.setup_asks[hazards.line_bin(a)] for a in floor.setting_up]
    for age, rang in zip(floor.detecting, floor.detecting_rang, strict=True):
        b, machines = hazards.line_bin(age), learned.ring_machines[hazards.line_bin(rang)]
        callers.append(learned.detect_asks[b] / (1 + machines * learned.detect_machines[b]))
    coming = len(callers)
    for lines in range(floor.lines_free):
        risk = []
        for j in range(hazards.INSTANTS):
            free = [0.0] * floor.idle + plain_sum([row[j] for row in agents])
            ask = plain_sum([row[j] for row in callers] + [new[j]] * lines)
            risk.append(sum(p * sum(ask[k:]) for k, p in enumerate(free)))
        harm = [0.5 * (risk[j] + max(risk[j:])) for j in range(hazards.INSTANTS)]
        if lines >= floor.idle - coming and sum(harm) / hazards.INSTANTS > theta:
            return lines
    return floor.lines_free


@given(
    st.integers(0, 3),
    st.lists(st.floats(0, 400), max_size=6),
    st.lists(st.floats(0, 30), max_size=3),
    st.lists(st.floats(0, 26), max_size=9),
    st.lists(st.floats(0, 3), max_size=3),
    st.lists(st.tuples(st.floats(0, 4), st.floats(0, 26)), max_size=3),
)
@settings(max_examples=15, deadline=None)
def test_a_decision_is_the_rule_worked_out_plainly(
    idle: int,
    talking: list[float],
    wrapping: list[float],
    ringing: list[float],
    setting_up: list[float],
    detecting: list[tuple[float, float]],
) -> None:
    floor = floor_at(
        2.0,
        idle + 1,
        talking=tuple(talking),
        wrapping=tuple(wrapping),
        ringing=tuple(ringing),
        setting_up=tuple(setting_up),
        detecting=tuple(age for age, _ in detecting),
        detecting_rang=tuple(rang for _, rang in detecting),
    )
    pacer = knowing()
    lines = pacer.decide(floor).lines
    assert lines == twin_lines(pacer.learned, floor)


@given(
    st.integers(0, 30),
    st.lists(st.floats(0, 4_000), max_size=60),
    st.lists(st.floats(0, 400), max_size=20),
    st.lists(st.floats(0, 90), max_size=60),
    st.lists(st.floats(0, 9), max_size=9),
    st.integers(0, 40),
    st.floats(0.05, 1.0),
)
@settings(max_examples=60, deadline=None)
def test_any_floor_gets_a_number_within_its_lines(
    idle: int,
    talking: list[float],
    wrapping: list[float],
    ringing: list[float],
    detecting: list[float],
    free: int,
    share: float,
) -> None:
    snapshot = FloorSnapshot(
        now=5.0,
        campaign="c",
        idle=idle,
        talking=tuple(talking),
        wrapping=tuple(wrapping),
        ringing=tuple(ringing),
        detecting=tuple(detecting),
        lines_free=free,
        leads_ready=25,
        share=share,
    )
    decision = Forward().decide(snapshot)
    assert 0 <= decision.lines <= min(free, 25)
    assert all(np.isfinite(v) for v in decision.inputs.values())


def test_with_the_account_spent_it_falls_to_one_line_per_agent_and_goes_on_learning() -> None:
    account = Account((Window("all", 0.03, Span.CAMPAIGN),))
    governor = Governor("forward", account)
    for second, fact in enumerate(lines_of(np.random.default_rng(1), 1_000)):
        governor.observe(fact, 3.0 * second)
    free = governor.decide(floor_at(1.0, 5), 9_000.0)
    for _ in range(40):
        governor.observe(CallAbandoned(), 9_001.0)
    spent = governor.decide(floor_at(2.0, 5), 2.0)
    assert free.lines > 5
    assert (spent.lines, spent.bound) == (5, Bound.PROGRESSIVE)
    for fact in lines_of(np.random.default_rng(2), 40_000):
        governor.observe(fact, 3.0)
    assert governor.decide(floor_at(30.0, 5), 30.0).lines > 5


def test_an_outage_is_felt_for_with_one_line_per_agent_and_teaches_nothing() -> None:
    pacer = knowing()
    usual = pacer.decide(floor_at(1.0, 6))
    for _ in range(3_000):
        pacer.observe(LineEnded(LineEnd.FAILED, 1.0))
    cut = pacer.decide(floor_at(31.0, 6))
    assert (cut.lines, cut.bound) == (6, Bound.OUTAGE)
    assert pacer.decide(floor_at(31.5, 6, setting_up=(0.5,) * 4)).lines == 2
    assert pacer.decide(floor_at(32.0, 0, wrapping=(12.0,) * 6)).lines == 0
    for _ in range(5):
        pacer.observe(LineRang(1.0))
    back = pacer.decide(floor_at(62.0, 6))
    assert back.bound is Bound.POLICY
    assert back.lines == pytest.approx(usual.lines, rel=0.25)
    again = Forward()
    again.restore(json.loads(json.dumps(pacer.state())))
    assert again.learned.scalar[hazards.S_DEAD] == 0.0


def test_a_list_of_many_bad_numbers_is_no_outage() -> None:
    pacer = knowing()
    rng = np.random.default_rng(3)
    for second in range(400):
        dead = rng.random() < 0.6
        pacer.observe(LineEnded(LineEnd.FAILED, 1.0) if dead else LineRang(1.0))
        assert pacer.decide(floor_at(1.0 + second, 6)).bound is not Bound.OUTAGE


def test_learning_survives_a_restart() -> None:
    pacer = taught()
    kept = json.loads(json.dumps(pacer.state()))
    again = Forward()
    again.restore(kept)
    before = pacer.decide(floor_at(1.0, 4)).inputs["answer_rate"]
    assert again.decide(floor_at(7.0, 4)).inputs["answer_rate"] == pytest.approx(before)
    broken = Forward()
    broken.restore({**kept, "talk_exits": [1.0]})
    assert broken.learned.line_exits.sum() == 0


@pytest.mark.parametrize("name", list(PACERS))
def test_every_pacer_answers_and_keeps_its_state_as_json(name: str) -> None:
    pacer = make_pacer(name)
    assert pacer.name == name
    for fact in lines_of(np.random.default_rng(3), 300):
        pacer.observe(fact)
    decision = pacer.decide(floor_at(1.0, 4, talking=(5.0, 50.0)))
    assert 0 < decision.lines < 60
    json.dumps(pacer.state())
    pacer.restore(json.loads(json.dumps(pacer.state())))


def test_unknown_pacers_and_options_are_named() -> None:
    with pytest.raises(PacerError, match="progressive"):
        make_pacer("magic")
    with pytest.raises(PacerError, match="speed"):
        make_pacer("forward", {"speed": 9})
    with pytest.raises(PacerError, match="ratio"):
        make_pacer("ratio", {"ratio": 0.5})


def test_decisions_are_explained() -> None:
    account = Account((Window("all", 0.03, Span.CAMPAIGN),))
    governor = Governor("forward", account)
    for fact in lines_of(np.random.default_rng(1), 500):
        governor.observe(fact, 90.0)
    lines = governor.decide(floor_at(1.0, 3, talking=(30.0,)), 100.0).lines
    (record,) = governor.trace.near(100.0)
    assert TraceRecord.from_json(json.loads(json.dumps(record.as_json()))).lines == lines
    assert why_lines(record).startswith(f"{lines} lines: 3 agents free, 1 talking")
    assert f"{lines} lines were launched" in why_abandoned(governor.trace, 110.0, 2.0)
    with pytest.raises(ValueError, match="record"):
        TraceRecord.from_json({"at": 1})
