"""How often: 7-in-7 with the day of the conversation as the first, and its kin."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from dialer.campaigns.compliance import PastCall
from tests.compliance.people import (
    BERLINER,
    LONDONER,
    NEW_YORKER,
    at,
    calls,
    campaign,
    denied,
    lead,
)

NOON = at("2026-11-23 17:00")  # Monday, noon in New York
NY_MIDNIGHT = timedelta(hours=5)


def test_the_eighth_call_in_seven_days_is_denied_until_the_first_has_aged() -> None:
    six = calls(6, NOON - timedelta(hours=1))
    assert denied(lead(*_l(six)), NEW_YORKER, campaign(), NOON) is None
    seven = calls(7, NOON - timedelta(hours=1))
    deny = denied(lead(*_l(seven)), NEW_YORKER, campaign(), NOON)
    assert deny is not None
    assert deny.rule == "us-reg-f/7-in-7"
    # The first was on Tuesday the 17th: it counts up to Monday the 23rd. Hours open at 8.
    assert deny.retry_at == at("2026-11-24 13:00")


def _l(history: tuple[PastCall, ...]) -> tuple[str, *tuple[PastCall, ...]]:
    return ("America/New_York", *history)


@pytest.mark.parametrize("outcome", ["busy", "invalid", "unreachable", "cancelled", "congestion"])
def test_calls_that_did_not_connect_to_the_number_do_not_count(outcome: str) -> None:
    seven = calls(7, NOON - timedelta(hours=1), outcome=outcome)
    assert denied(lead(*_l(seven)), NEW_YORKER, campaign(), NOON) is None


@pytest.mark.parametrize("outcome", ["no answer", "machine", "lost", "rejected", "abandoned"])
def test_whatever_rang_or_may_have_counts(outcome: str) -> None:
    seven = calls(7, NOON - timedelta(hours=1), outcome=outcome)
    assert denied(lead(*_l(seven)), NEW_YORKER, campaign(), NOON) is not None


def test_calls_to_other_numbers_of_the_debt_count_and_other_debts_do_not() -> None:
    others = calls(7, NOON - timedelta(hours=1), number="+17185550100")
    assert denied(lead(*_l(others)), NEW_YORKER, campaign(), NOON) is not None
    apart = tuple(replace(call, about_debt=False) for call in others)
    assert denied(lead(*_l(apart)), NEW_YORKER, campaign(), NOON) is None


def test_an_open_attempt_holds_its_place_and_is_looked_at_again_soon() -> None:
    six = calls(6, NOON - timedelta(hours=2))
    now_open = PastCall(NOON - timedelta(seconds=20), "+17185550100")
    deny = denied(lead(*_l((*six, now_open))), NEW_YORKER, campaign(), NOON)
    assert deny is not None
    assert deny.retry_at == NOON + timedelta(minutes=5)


def test_the_day_of_the_conversation_is_the_first_of_seven() -> None:
    talk = PastCall(at("2026-11-23 14:00"), NEW_YORKER, outcome="connected", conversation=True)
    deny = denied(lead(*_l((talk,))), NEW_YORKER, campaign(), NOON)
    assert deny is not None
    assert deny.rule == "us-reg-f/after-conversation"
    assert deny.retry_at == at("2026-11-30 13:00")  # Monday to Sunday are seven
    assert denied(lead(*_l((talk,))), NEW_YORKER, campaign(), at("2026-11-29 17:00")) is not None
    assert denied(lead(*_l((talk,))), NEW_YORKER, campaign(), at("2026-11-30 13:00")) is None


def test_late_in_the_evening_the_day_is_the_persons_own() -> None:
    # 20:30 on Monday in New York is Tuesday in UTC.
    talk = PastCall(at("2026-11-24 01:30"), NEW_YORKER, outcome="connected", conversation=True)
    assert denied(lead(*_l((talk,))), NEW_YORKER, campaign(), at("2026-11-30 13:00")) is None


@pytest.mark.parametrize(
    ("talked", "free"),
    [("2026-03-05 17:00", "2026-03-12 04:00"), ("2026-10-28 16:00", "2026-11-04 05:00")],
)
def test_seven_days_end_at_midnight_also_when_the_clock_was_changed(talked: str, free: str) -> None:
    no_hours = tuple(p.model_copy(update={"windows": ()}) for p in campaign().packs)
    facts = campaign(packs=no_hours)
    talk = PastCall(at(talked), NEW_YORKER, outcome="connected", conversation=True)
    deny = denied(lead(*_l((talk,))), NEW_YORKER, facts, at(talked) + timedelta(days=1))
    assert deny is not None
    assert deny.retry_at == at(free)
    assert denied(lead(*_l((talk,))), NEW_YORKER, facts, at(free)) is None
    assert denied(lead(*_l((talk,))), NEW_YORKER, facts, at(free) - timedelta(minutes=1))


def test_a_callback_the_person_asked_for_is_made() -> None:
    asked = at("2026-11-25 17:00")
    talk = PastCall(NOON, NEW_YORKER, outcome="connected", conversation=True, callback_at=asked)
    assert denied(lead(*_l((talk,))), NEW_YORKER, campaign(), asked) is None
    early = denied(lead(*_l((talk,))), NEW_YORKER, campaign(), asked - timedelta(hours=1))
    assert early is not None
    again = PastCall(asked, NEW_YORKER, outcome="connected", conversation=True)
    later = asked + timedelta(hours=1)
    assert denied(lead(*_l((talk, again))), NEW_YORKER, campaign(), later) is not None


def test_a_talk_with_somebody_else_is_no_conversation() -> None:
    talk = PastCall(NOON - timedelta(hours=2), NEW_YORKER, outcome="connected")
    assert denied(lead(*_l((talk,))), NEW_YORKER, campaign(), NOON) is None


def test_massachusetts_and_its_two_calls() -> None:
    two = calls(2, NOON - timedelta(hours=1))
    boston = "+16175550100"
    deny = denied(lead(*_l(two)), boston, campaign(), NOON)
    assert deny is not None
    assert deny.rule == "us-states/ma-2-in-7"


def test_florida_counts_24_hours_to_the_second() -> None:
    facts = campaign("sales", lists_fetched={"us-national": NOON})
    three = calls(3, NOON - timedelta(hours=1), timedelta(hours=1))
    deny = denied(lead(*_l(three)), "+13055550100", facts, NOON)
    assert deny is not None
    assert deny.rule == "us-states/3-in-24h"
    assert deny.retry_at == NOON - timedelta(hours=3) + timedelta(hours=24)


def test_germany_counts_three_a_day_on_the_number() -> None:
    now = at("2026-11-23 17:00")
    three = calls(3, now - timedelta(hours=1), timedelta(hours=1), number=BERLINER)
    deny = denied(lead("Europe/Berlin", *three), BERLINER, campaign(), now)
    assert deny is not None
    assert deny.rule == "de-bnetza/3-a-day"
    assert deny.retry_at == at("2026-11-24 07:00")
    assert denied(lead("Europe/Berlin", *three), "+493087654321", campaign(), now) is None


def test_an_abandoned_call_locks_the_number_for_72_hours_unless_an_agent_is_kept_free() -> None:
    now = at("2026-11-23 12:00")
    lost = PastCall(now - timedelta(hours=71), LONDONER, outcome="abandoned")
    who = lead("Europe/London", lost)
    deny = denied(who, LONDONER, campaign("sales", lists_fetched={"uk-tps": now}), now)
    assert deny is not None
    assert deny.rule == "uk-ofcom/abandoned-72h"
    assert deny.retry_at == lost.at + timedelta(hours=72)
    assert denied(who, LONDONER, campaign(guaranteed_agent=True), now) is None
    assert denied(who, LONDONER, campaign(), now + timedelta(hours=2)) is None


def test_a_month_of_the_calendar_ends_with_it() -> None:
    sydney = "+61255501234"
    now = at("2026-11-27 23:30")  # Saturday 10:30 in Sydney
    ten = calls(
        10, now - timedelta(days=8), timedelta(days=1, hours=2), number=sydney, outcome="abandoned"
    )
    deny = denied(lead("Australia/Sydney", *ten), sydney, campaign(), now)
    assert deny is not None
    assert deny.rule == "au/10-a-month"
    assert deny.retry_at == at("2026-11-30 20:30")  # Tuesday the 1st, 7:30
