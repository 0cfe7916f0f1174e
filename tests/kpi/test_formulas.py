"""The figures against their own words, and the interval against what it promises."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.kpi.counts import _worked_ms, cells
from dialer.kpi.formulas import FORMULAS, Counts, kpis, wilson
from dialer.store.context import to_ms
from tests.store.world import NOON

COUNTS = Counts(
    accounts=200,
    workable=150,
    finished=80,
    attempts=300,
    accounts_attempted=120,
    live=90,
    right_party=60,
    promises=15,
    promises_due=10,
    promises_kept=7,
    talk_s=7200.0,
    agent_s=8 * 3600.0,
)


def test_each_figure_is_its_numerator_over_its_denominator() -> None:
    values = {one.id: one.value for one in kpis(COUNTS)}
    assert values == {
        "penetration": 120 / 150,
        "intensity": 300 / 120,
        "contact_rate": 90 / 300,
        "right_party_rate": 60 / 300,
        "promise_rate": 15 / 60,
        "kept_rate": 7 / 10,
        "right_party_per_agent_hour": 60 / 8,
        "exhaustion": 80 / 200,
    }


def test_nothing_is_divided_by_nothing() -> None:
    for one in kpis(Counts()):
        assert one.value is None
        assert one.low is None
        assert one.formula


def test_every_formula_counts_what_there_is() -> None:
    for one in FORMULAS:
        assert hasattr(COUNTS, one.numerator)
        assert hasattr(COUNTS, one.denominator)
        assert " / " in one.formula


@given(st.integers(1, 10_000), st.data())
def test_an_interval_holds_its_share_and_shrinks_with_trials(
    trials: int, data: st.DataObject
) -> None:
    successes = data.draw(st.integers(0, trials))
    low, high = wilson(successes, trials)
    assert low is not None
    assert high is not None
    assert 0 <= low <= successes / trials + 1e-12
    assert successes / trials - 1e-12 <= high <= 1
    more_low, more_high = wilson(successes * 4, trials * 4)
    assert more_low is not None
    assert more_high is not None
    assert more_high - more_low < high - low


def test_wilson_against_a_published_example() -> None:
    # Newcombe 1998, Statistics in Medicine 17:857-872, table I: 81 of 263, method 3.
    low, high = wilson(81, 263)
    assert low == pytest.approx(0.2553, abs=5e-5)
    assert high == pytest.approx(0.3662, abs=5e-5)


def test_hours_at_work_leave_out_breaks_and_what_is_outside() -> None:
    steps = [
        ("a", 0, "signing on"),
        ("a", 1_000, "ready"),
        ("a", 3_000, "talk"),
        ("a", 5_000, "break"),
        ("a", 9_000, "ready"),
        ("b", 2_000, "ready"),
        ("b", 2_500, "logged out"),
    ]
    assert _worked_ms(steps, 0, 10_000) == 4_000 + 1_000 + 500
    assert _worked_ms(steps, 2_000, 4_000) == 2_000 + 500


def test_heat_is_by_the_called_partys_clock() -> None:
    noon = to_ms(NOON)  # a Monday, 12:00 UTC
    found = cells(
        [
            ("Europe/Berlin", noon, 4, 2, 1),
            ("America/New_York America/Chicago", noon, 2, 1, 0),
            ("Asia/Kolkata", noon, 1, 0, 0),
            ("", noon, 9, 9, 9),
        ]
    )
    assert [(one.weekday, one.hour, one.attempts) for one in found] == [
        (0, 7, 2),
        (0, 13, 4),
        (0, 17, 1),
    ]
    assert found[1].contact_rate == 0.5
    assert found[1].right_party_rate == 0.25
