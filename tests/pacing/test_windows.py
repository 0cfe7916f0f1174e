"""The account of abandons: windows that begin anew, roll, and bind."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.pacing.gate import gate, progressive_lines
from dialer.pacing.windows import (
    DAY_S,
    Account,
    Judged,
    Span,
    Window,
    month_of_day,
    uk_windows,
    us_windows,
)
from dialer.snapshot import Bound, Decision, FloorSnapshot


@given(st.integers(0, 200_000))
def test_month_of_day_is_the_calendar(day: int) -> None:
    then = date(1970, 1, 1) + timedelta(days=day)
    assert month_of_day(day) == (then.year, then.month)


def test_a_block_begins_anew_every_thirty_days_from_the_campaigns_start() -> None:
    start = 100.5 * DAY_S
    account = Account((Window("block", 0.03, Span.BLOCK, 30, start),), start)
    account.add(start, 100, 2)
    account.add(start + 29.9 * DAY_S, 100, 1)
    assert (account.standings()[0].live, account.standings()[0].abandoned) == (200, 3)
    account.advance(start + 30 * DAY_S)
    assert account.standings()[0].live == 0


def test_a_rolling_day_forgets_exactly_what_is_older() -> None:
    account = Account(uk_windows(), 0.0)
    account.add(1_000.0, 10, 1)
    account.add(50_000.0, 10, 1)
    account.advance(1_000.0 + DAY_S - 60)
    assert account.standings()[0].abandoned == 2
    account.advance(1_000.0 + DAY_S + 60)
    assert (account.standings()[0].live, account.standings()[0].abandoned) == (10, 1)


@given(st.lists(st.tuples(st.floats(0, 5 * DAY_S), st.integers(0, 3)), max_size=60))
def test_rolling_counts_never_differ_from_a_recount(calls: list[tuple[float, int]]) -> None:
    account = Account((Window("24 h", 0.03, Span.ROLLING, 1),))
    calls.sort()
    for at, abandoned in calls:
        account.add(at, 3, abandoned)
    if not calls:
        return
    oldest = int((calls[-1][0] - DAY_S) // 60)
    kept = [a for at, a in calls if int(at // 60) > oldest]
    assert account.standings()[0].live == 3 * len(kept)
    assert account.standings()[0].abandoned == sum(kept)


def test_what_is_known_of_machines_ends_with_the_calls_that_it_is_known_of() -> None:
    account = Account((*uk_windows(), Window("block", 0.03, Span.BLOCK, 30)))
    for at in (1_000.0, 50_000.0):
        account.add(at, 10, 1)
        account.judge(Judged(served=9.0, found=2.0, abandoned=1.0, machines=0.5))
    assert [s.judged.found for s in account.standings()] == [4.0, 4.0]
    account.advance(1_000.0 + DAY_S + 60)
    assert [s.judged.found for s in account.standings()] == [2.0, 4.0]
    account.advance(30 * DAY_S)
    assert [s.judged for s in account.standings()] == [Judged(), Judged()]


def test_restoring_the_history_gives_the_same_account() -> None:
    history = [(i * 3_600.0, 20, i % 2) for i in range(40)]
    account = Account(us_windows(0.0))
    for row in history:
        account.add(*row)
    again = Account(us_windows(0.0))
    again.restore(history)
    assert again.standings() == account.standings()


def test_the_tightest_window_binds_and_a_spent_one_holds_the_gate() -> None:
    account = Account(us_windows(0.0))
    account.add(10.0, 1_000, 0)
    account.add(DAY_S + 10.0, 10, 3)
    assert account.binding().window.name == "day"
    assert account.spent  # 3 of 10 today, and nothing is known of answers to come
    snapshot = FloorSnapshot(
        now=0.0, campaign="c", idle=4, ringing=(3.0,), lines_free=50, leads_ready=50
    )
    lowered = gate(Decision(9), snapshot, account)
    assert (lowered.lines, lowered.bound) == (3, Bound.PROGRESSIVE)
    assert lowered.lines == progressive_lines(snapshot)
    assert lowered.inputs["wished"] == 9


def test_a_loan_against_todays_answers_is_paid_back_by_the_close() -> None:
    account = Account((Window("day", 0.03, Span.DAY),))
    account.close_at(8 * 3_600.0)
    account.add(0.0, 1, 0)
    account.add(600.0, 99, 5)
    assert account.standings()[0].left < 0
    assert not account.spent
    account.advance(8 * 3_600.0)
    assert account.spent


@given(
    st.integers(0, 400),
    st.integers(0, 20),
    st.integers(0, 20),
    st.integers(0, 30),
    st.integers(0, 30),
    st.booleans(),
)
def test_the_gate_only_ever_lowers(
    wished: int, idle: int, busy: int, free: int, leads: int, over: bool
) -> None:
    account = Account((Window("all", 0.03, Span.CAMPAIGN),))
    account.add(0.0, 100, 10 if over else 0)
    snapshot = FloorSnapshot(
        now=0.0,
        campaign="c",
        idle=idle,
        talking=(1.0,) * busy,
        lines_free=free,
        leads_ready=leads,
    )
    decision = gate(Decision(wished, give_up=busy), snapshot, account)
    assert decision.give_up == busy
    assert 0 <= decision.lines <= min(wished, free, leads)
    if over or idle + busy == 0:
        assert decision.lines <= idle
    if decision.lines < wished:
        assert decision.bound is not Bound.POLICY


@pytest.mark.parametrize("limit", [-0.1, 1.0, 3.0])
def test_a_limit_in_per_cent_is_refused(limit: float) -> None:
    with pytest.raises(ValueError, match=r"0\.03"):
        Window("w", limit, Span.DAY)
