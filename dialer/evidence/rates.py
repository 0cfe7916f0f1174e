"""Rates of abandoned calls in every window a law may ask for, from the account of abandons.

`abandoned / live`: of all calls answered by a person, those without an agent within the campaign's
patience (2 s at most). The clock is the site's zone.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dialer.pacing.windows import Span, Window

_DAY = timedelta(days=1)
_CALENDAR = ("month", "day")

DEFINITIONS = {
    "30-day block": "16 CFR 310.4(b)(4)(i), 47 CFR 64.1200(a)(7): each successive period of 30 "
    "days, or part of one, from the offer's first attempt, all campaigns of it counted; the "
    "whole campaign when it is shorter. rate = abandoned / live.",
    "calendar month": "CRTC Unsolicited Telecommunications Rules, part III: each month. "
    "rate = abandoned / live.",
    "calendar day": "Each day of the site's clock. rate = abandoned / live.",
    "worst 24 hours": "Ofcom, statement of 20 December 2016, Annex 3: any 24 hours; shown are "
    "those with the highest rate of all that begin with a live answer, and those with the most "
    "abandoned calls. rate = abandoned / (abandoned + passed to an agent), where every live call "
    "is one of the two; AMD's false positives, where AMD is used, are to be added from its audit.",
    "rate_with_amd_error": "f + (1 - f) * abandoned / live: f is the share of live calls that "
    "machine detection may hang up on, the upper end of Wilson's interval (one-sided 95 %) of the "
    "campaign's amd_audit. Ofcom's Annex 3 asks for it; by its letter so does the US rule.",
    "live": "Calls answered by a person, or by what nobody could tell from one: machine verdicts "
    "that were not audited count as live.",
    "abandoned": "Of these, calls with no agent bridged within the campaign's patience_s of the "
    "answer, whether or not a message was played.",
}


class Rate(NamedTuple):
    """A window with its counts. `end` is the first moment after it, on the site's clock."""

    window: str
    begin: datetime
    end: datetime
    live: int
    abandoned: int

    @property
    def rate(self) -> float:
        return self.abandoned / self.live if self.live else 0.0


Minute = tuple[datetime, int, int]


def rates(account: Sequence[Minute], started_at: datetime | None, zone: ZoneInfo) -> Iterator[Rate]:
    """Every window in which somebody was reached, kind by kind, in order of time."""
    civil = [(at.astimezone(zone), live, abandoned) for at, live, abandoned in account]
    if not civil:
        return
    began = (started_at or account[0][0]).astimezone(zone)
    origin = began.replace(tzinfo=None)
    block = Window("30-day block", 0.0, Span.BLOCK, 30)
    month, day = (Window(f"calendar {one}", 0.0, Span(f"calendar {one}")) for one in _CALENDAR)
    for window in (block, month, day):
        anchor = origin if window.span is Span.BLOCK else datetime(1970, 1, 1)
        sums: dict[int, tuple[int, int]] = {}
        for at, live, abandoned in civil:
            period = window.period((at.replace(tzinfo=None) - anchor).total_seconds())
            before = sums.get(period, (0, 0))
            sums[period] = (before[0] + live, before[1] + abandoned)
        for period, (live, abandoned) in sorted(sums.items()):
            begin, end = _bounds(window, period, anchor)
            yield Rate(
                window.name, begin.replace(tzinfo=zone), end.replace(tzinfo=zone), live, abandoned
            )
    yield from _worst_days(civil)


def _bounds(window: Window, period: int, anchor: datetime) -> tuple[datetime, datetime]:
    if window.span is Span.MONTH:
        begin = anchor.replace(year=period // 12, month=period % 12 + 1)
        return begin, anchor.replace(year=(period + 1) // 12, month=(period + 1) % 12 + 1)
    length = _DAY * (window.days if window.span is Span.BLOCK else 1)
    return anchor + period * length, anchor + (period + 1) * length


def _worst_days(civil: Sequence[Minute]) -> Iterator[Rate]:
    inside: deque[Minute] = deque()
    live = abandoned = 0
    highest: Rate | None = None
    most: Rate | None = None
    for minute in civil:
        inside.append(minute)
        live, abandoned = live + minute[1], abandoned + minute[2]
        while inside[0][0] <= minute[0] - _DAY:
            gone = inside.popleft()
            live, abandoned = live - gone[1], abandoned - gone[2]
        begin = inside[0][0]
        found = Rate("worst 24 hours", begin, begin + _DAY, live, abandoned)
        if highest is None or found.rate > highest.rate:
            highest = found
        if most is None or found.abandoned > most.abandoned:
            most = found
    yield from dict.fromkeys(one for one in (highest, most) if one is not None)
