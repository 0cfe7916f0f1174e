"""Calling hours: by every clock the person may live by, on the days clocks are changed too."""

from __future__ import annotations

from datetime import timedelta
from zoneinfo import ZoneInfo

import phonenumbers
import pytest

from dialer.campaigns.compliance.places import toll_free, whereabouts
from dialer.campaigns.compliance.rules import WindowRule, easter
from dialer.campaigns.compliance.windows import next_open, open_at
from dialer.campaigns.numbers import dialable, normalise
from dialer.campaigns.zones import zones_of_number
from tests.compliance.people import (
    BERLINER,
    EASTERN,
    NEW_YORKER,
    PARISIAN,
    PENSACOLA,
    at,
    campaign,
    denied,
    lead,
)


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        (PENSACOLA, {"America/New_York", "America/Chicago"}),
        ("+19065550100", {"America/New_York", "America/Chicago"}),
        ("+18125550100", {"America/New_York", "America/Chicago"}),
        ("+19315550100", {"America/New_York", "America/Chicago"}),
        ("+15415550100", {"America/Los_Angeles", "America/Denver"}),
    ],
)
def test_an_area_code_in_two_zones_is_in_both(number: str, zones: set[str]) -> None:
    assert zones <= zones_of_number(normalise(number, "US"))


SPLIT = (
    "850 448 906 812 930 219 574 931 423 270 364 606 541 458 208 986 605 701 308 620 785 915 432"
    " 928 775 807 867 250 236 672 778 418 581 367"
)


def test_no_split_area_code_is_thought_to_have_one_clock() -> None:
    """In January and in July alike: Arizona's clock is Denver's for half of the year."""
    for code in SPLIT.split():
        zones = dialable(f"+1{code}2345678", "US").zones  # as a list's numbers are judged
        assert set(zones) == zones_of_number(phonenumbers.parse(f"+1{code}2345678"))
        clocks = {
            tuple(
                at(f"2026-{month}-15 12:00").astimezone(ZoneInfo(z)).hour for month in ("01", "07")
            )
            for z in zones
        }
        assert len(clocks) > 1, code


def test_eight_in_the_east_is_seven_in_pensacola() -> None:
    zones = " ".join(sorted(zones_of_number(normalise(PENSACOLA, "US"))))
    early, right = at("2026-11-23 13:30"), at("2026-11-23 14:00")
    assert denied(lead(EASTERN), NEW_YORKER, campaign(), early) is None
    deny = denied(lead(zones), PENSACOLA, campaign(), early)
    assert deny is not None
    assert (deny.rule, deny.retry_at) == ("us-reg-f/hours", right)
    assert denied(lead(zones), PENSACOLA, campaign(), right) is None


def test_the_hour_put_forward_opens_an_hour_sooner() -> None:
    # 8 March 2026, New York: 01:59 EST is followed by 03:00 EDT; 8:00 is then 12:00 UTC.
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-03-08 12:00")) is None
    deny = denied(lead(), NEW_YORKER, campaign(), at("2026-03-08 11:59"))
    assert deny is not None
    assert deny.retry_at == at("2026-03-08 12:00")
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-03-07 12:59")) is not None


def test_the_hour_put_back_closes_an_hour_later() -> None:
    # 1 November 2026, New York: 21:00 EST is 02:00 UTC; the evening before it was 01:00 UTC.
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-11-02 01:59")) is None
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-11-02 02:00")) is not None
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-11-01 00:59")) is None
    assert denied(lead(), NEW_YORKER, campaign(), at("2026-11-01 01:00")) is not None


@pytest.mark.parametrize(
    ("day", "ends"), [("2026-03-08", "2026-03-09 04:00"), ("2026-11-01", "2026-11-02 05:00")]
)
def test_a_holiday_lasts_as_long_as_its_day(day: str, ends: str) -> None:
    """23 hours when the clock is put forward, 25 when it is put back."""
    daily = [{"days": "mon-sun", "from": "00:00", "to": "24:00"}]
    rule = WindowRule.model_validate(
        {"id": "always", "source": "a test", "hours": daily, "holidays": [day]}
    )
    assert next_open([rule], EASTERN, at(f"{day} 12:00")) == at(ends)
    assert not open_at(rule, EASTERN, at(ends) - timedelta(minutes=1))
    assert open_at(rule, EASTERN, at(ends))


@pytest.mark.parametrize("number", ["+18005550100", "+18885550100", "+448001111111"])
def test_a_free_number_is_not_dialled_by_itself(number: str) -> None:
    assert toll_free(number)
    deny = denied(lead(), number, campaign("service"), at("2026-11-23 17:00"))
    assert deny is not None
    assert (deny.rule, deny.retry_at) == ("own/toll-free", None)


def test_an_unknown_zone_is_not_dialled_by_itself_even_by_override() -> None:
    from dialer.campaigns.compliance import Override

    facts = campaign(override=Override("sam", "a list we know to be local"))
    deny = denied(lead(""), NEW_YORKER, facts, at("2026-11-23 17:00"))
    assert deny is not None
    assert (deny.rule, deny.retry_at) == ("own/unknown-zone", None)


def test_the_strictest_of_number_address_and_country_wins() -> None:
    now = at("2026-11-24 01:30")  # 20:30 in New York
    who = campaign("charity")
    assert denied(lead(), NEW_YORKER, who, now) is None
    sales = campaign("sales", lists_fetched={"us-national": now})
    assert denied(lead(), NEW_YORKER, sales, now) is None
    florida = denied(lead(fields={"State": "fl"}), NEW_YORKER, sales, now)
    assert florida is not None
    assert florida.rule == "us-states/fl-hours"
    by_zip = denied(lead(fields={"zip code": "33101-1234"}), NEW_YORKER, sales, now)
    assert by_zip is not None
    assert by_zip.rule == "us-states/fl-hours"


def test_the_zones_of_an_address_are_added() -> None:
    now = at("2026-11-23 13:30")  # 8:30 in New York, 5:30 in California
    deny = denied(lead(fields={"state": "CA"}), NEW_YORKER, campaign(), now)
    assert deny is not None
    assert deny.retry_at == at("2026-11-23 16:00")


def test_places() -> None:
    assert whereabouts(NEW_YORKER, {}).places == {"US", "US-NY"}
    assert whereabouts("+18675550100", {}).places == {"CA", "CA-NT", "CA-NU", "CA-YT"}
    assert whereabouts(BERLINER, {}).places == {"DE"}
    assert whereabouts(NEW_YORKER, {"state": "Narnia", "zip": "0"}).places == {"US", "US-NY"}


def test_a_window_that_names_its_own_clock() -> None:
    # Mississippi, by Central time, whatever clock the person is thought to live by.
    facts = campaign("sales", lists_fetched={"us-national": at("2026-11-23 00:00")})
    who = lead("America/Los_Angeles", fields={"state": "MS"})
    deny = denied(who, "+12135550100", facts, at("2026-11-24 02:30"))  # 20:30 Central
    assert deny is not None
    assert deny.rule.startswith("us-states/")


def test_france_at_noon_on_a_holiday_and_on_sunday() -> None:
    facts = campaign("sales")
    paris = lead("Europe/Paris")
    assert denied(paris, PARISIAN, facts, at("2026-11-23 09:30")) is None
    lunch = denied(paris, PARISIAN, facts, at("2026-11-23 12:30"))
    assert lunch is not None
    assert lunch.retry_at == at("2026-11-23 13:00")
    # Friday 1 May 2026 is a holiday, the weekend follows.
    may = denied(paris, PARISIAN, facts, at("2026-05-01 09:00"))
    assert may is not None
    assert may.retry_at == at("2026-05-04 08:00")


def test_germany_lets_collections_call_on_sunday_and_advertising_not() -> None:
    sunday = at("2026-11-22 12:00")
    berlin = lead("Europe/Berlin")
    assert denied(berlin, BERLINER, campaign("collections"), sunday) is None
    deny = denied(berlin, BERLINER, campaign("sales"), sunday)
    assert deny is not None
    assert deny.retry_at == at("2026-11-23 07:00")


def test_easter() -> None:
    found = [easter(year).isoformat() for year in (1961, 2000, 2024, 2026, 2038)]
    assert found == ["1961-04-02", "2000-04-23", "2024-03-31", "2026-04-05", "2038-04-25"]
