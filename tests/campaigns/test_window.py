"""Calling windows against the clock of the called party, on the two odd nights of the year too."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.campaigns.window import CallingWindow, Hours

ALL = frozenset(range(7))
DAYTIME = CallingWindow((Hours(frozenset(range(6)), 8 * 60, 20 * 60),))
ZONES = ("America/New_York", "America/Chicago", "Europe/Berlin", "Asia/Kolkata", "Pacific/Apia")


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("zones", "moment", "is_open"),
    [
        ("Europe/Berlin", "2026-11-16T07:00", True),  # Monday 08:00
        ("Europe/Berlin", "2026-11-16T06:59", False),
        ("Europe/Berlin", "2026-11-16T18:59", True),
        ("Europe/Berlin", "2026-11-16T19:00", False),
        ("Europe/Berlin", "2026-11-15T11:00", False),  # Sunday
        ("America/New_York", "2026-11-16T13:00", True),
        ("America/Chicago America/New_York", "2026-11-16T13:00", False),  # 07:00 in Chicago
        ("America/Chicago America/New_York", "2026-11-16T14:00", True),
        ("America/Chicago America/New_York", "2026-11-17T01:00", False),  # 20:00 in New York
        ("", "2026-11-16T12:00", False),  # not known: never
    ],
)
def test_the_clock_of_every_zone_decides(zones: str, moment: str, is_open: bool) -> None:
    assert DAYTIME.open_at(zones, utc(moment)) is is_open


def test_the_next_opening_waits_for_the_last_zone() -> None:
    both = "America/Chicago America/New_York"
    assert DAYTIME.next_open(both, utc("2026-11-16T13:00")) == utc("2026-11-16T14:00")
    saturday_evening = utc("2026-11-22T01:30")  # 20:30 in New York
    assert DAYTIME.next_open(both, saturday_evening) == utc("2026-11-23T14:00")


def test_zones_too_far_apart_never_open_together() -> None:
    mornings = CallingWindow((Hours(ALL, 9 * 60, 12 * 60),))
    assert mornings.next_open("America/New_York Asia/Tokyo", utc("2026-11-16T12:00")) is None
    assert DAYTIME.next_open("", utc("2026-11-16T12:00")) is None


def test_a_window_that_begins_in_the_gap_opens_with_the_first_minute_there_is() -> None:
    night = CallingWindow((Hours(ALL, 2 * 60 + 30, 5 * 60),))
    # New York, 8 March 2026: 02:00 becomes 03:00 at 07:00 UTC.
    assert night.next_open("America/New_York", utc("2026-03-08T06:00")) == utc("2026-03-08T07:00")
    assert not night.open_at("America/New_York", utc("2026-03-08T06:59"))
    assert night.open_at("America/New_York", utc("2026-03-08T07:00"))


def test_an_hour_that_comes_twice_is_judged_by_the_clock_both_times() -> None:
    night = CallingWindow((Hours(ALL, 1 * 60 + 30, 1 * 60 + 45),))
    # New York, 1 November 2026: 01:00 to 02:00 comes twice, from 05:00 and from 06:00 UTC.
    for begins in ("2026-11-01T05:30", "2026-11-01T06:30"):
        just_before = utc(begins) - timedelta(minutes=10)
        assert night.next_open("America/New_York", just_before) == utc(begins)
        assert not night.open_at("America/New_York", just_before)


@pytest.mark.parametrize(("start", "end"), [(600, 600), (700, 600), (-1, 5), (0, 1441)])
def test_hours_go_forward_within_a_day(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="begins before it ends"):
        Hours(ALL, start, end)


@given(
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=2, unique=True),
    days=st.frozensets(st.integers(0, 6), min_size=1),
    edges=st.lists(st.integers(0, 1440), min_size=2, max_size=2, unique=True),
    minutes=st.integers(0, 366 * 24 * 60),
)
def test_the_next_opening_is_the_first_open_minute(
    zones: list[str], days: frozenset[int], edges: list[int], minutes: int
) -> None:
    window = CallingWindow((Hours(days, min(edges), max(edges)),))
    names = " ".join(zones)
    moment = utc("2026-01-01T00:00") + timedelta(minutes=minutes)
    opens = window.next_open(names, moment)
    minute = timedelta(minutes=1)
    within = (moment + minute * n for n in range(8 * 24 * 60))
    by_looking = next((m for m in within if window.open_at(names, m)), None)
    if by_looking is not None:
        assert opens == by_looking
    elif opens is not None:
        assert window.open_at(names, opens)
        assert not window.open_at(names, opens - minute)
