"""Every outcome has a rule, and no lead is called for ever."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.campaigns.retry import DEFAULTS, NEVER, RetryRule, next_step
from dialer.core.outcomes import Outcome

NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)


def test_every_outcome_has_a_default() -> None:
    assert set(DEFAULTS) == set(Outcome)


@pytest.mark.parametrize(
    "outcome", [Outcome.REDIRECTED, Outcome.BLOCKED_BY_USER, Outcome.CONNECTED]
)
def test_some_outcomes_end_a_lead_at_once(outcome: Outcome) -> None:
    step = next_step(DEFAULTS, 8, outcome, {outcome.value: 1}, NOW)
    assert step.at is None
    assert step.why
    assert step.exhausted is (outcome is not Outcome.CONNECTED)


def test_a_number_that_does_not_exist_is_not_called_again() -> None:
    step = next_step(DEFAULTS, 8, Outcome.INVALID, {"invalid": 1}, NOW)
    assert step.phone_bad
    assert step.next_phone


def test_a_busy_line_is_called_again_soon_and_not_for_ever() -> None:
    rules = {**DEFAULTS, Outcome.BUSY: RetryRule(900.0, 2)}
    assert next_step(rules, 8, Outcome.BUSY, {"busy": 1}, NOW).at == NOW + timedelta(minutes=15)
    last = next_step(rules, 8, Outcome.BUSY, {"busy": 2}, NOW)
    assert last.at is None
    assert last.exhausted


def test_faults_of_the_network_are_not_held_against_the_lead() -> None:
    ended = {"congestion": 9, "no answer": 1}
    assert next_step(DEFAULTS, 2, Outcome.CONGESTION, ended, NOW).at is not None
    ended = {"congestion": 9, "no answer": 2}
    assert next_step(DEFAULTS, 2, Outcome.CONGESTION, ended, NOW).at is None


def test_a_lost_call_rests_longer_than_a_conversation() -> None:
    step = next_step(DEFAULTS, 8, Outcome.LOST, {"lost": 1}, NOW)
    assert step.at is not None
    assert step.at - NOW >= timedelta(hours=1)


def test_an_abandoned_person_is_left_alone_for_three_days() -> None:
    step = next_step(DEFAULTS, 8, Outcome.ABANDONED, {"abandoned": 1}, NOW)
    assert step.at == NOW + timedelta(hours=72)


@given(st.lists(st.sampled_from(list(Outcome)), min_size=300, max_size=300))
def test_every_lead_comes_to_an_end(outcomes: list[Outcome]) -> None:
    ended: Counter[str] = Counter()
    for outcome in outcomes:
        ended[outcome.value] += 1
        step = next_step(DEFAULTS, 8, outcome, ended, NOW)
        if step.at is None or step.phone_bad:
            break
        assert step.at > NOW
    else:
        pytest.fail("called 300 times")
    assert sum(n for how, n in ended.items() if Outcome(how).counts_for_lead) <= 8


def test_never_means_never() -> None:
    assert (
        next_step({**DEFAULTS, Outcome.BUSY: NEVER}, 8, Outcome.BUSY, {"busy": 1}, NOW).at is None
    )
