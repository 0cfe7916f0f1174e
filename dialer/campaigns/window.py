"""When somebody may be called: windows of local wall time, in every zone the lead may be in.

Wall time is what the law and the person's clock say. Where a zone's clock is put forward, the wall
times in the gap never come and a window that begins in it opens with the first that does; where it
is put back, an hour of wall time comes twice and is judged by the clock both times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_AHEAD_DAYS = 15  # no weekly window is further away than eight days, in however many zones
_MINUTE = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Hours:
    """On `days` (0 = Monday) from `start` until before `end`, minutes of the day, 0 to 1440."""

    days: frozenset[int]
    start: int
    end: int

    def __post_init__(self) -> None:
        if not 0 <= self.start < self.end <= 1440:
            raise ValueError("a window begins before it ends, within one day (00:00 to 24:00)")


@lru_cache(maxsize=1024)
def zones_of(names: str) -> tuple[ZoneInfo, ...]:
    """The zones of a text of names joined by spaces. ZoneInfoNotFoundError for an unknown one."""
    return tuple(ZoneInfo(name) for name in names.split())


@dataclass(frozen=True, slots=True)
class CallingWindow:
    hours: tuple[Hours, ...]

    def open_at(self, zones: str, moment: datetime) -> bool:
        """Whether `moment` (aware) is inside in all of `zones`; never when there are none."""
        known = zones_of(zones)
        return bool(known) and all(self._open_in(zone, moment) for zone in known)

    def last_end(self, weekday: int) -> int | None:
        """The minute of the day (0 = Monday) at which the last window of that day ends."""
        return max((h.end for h in self.hours if weekday in h.days), default=None)

    def next_open(self, zones: str, moment: datetime) -> datetime | None:
        """The first whole minute from `moment` on that is inside, UTC; `moment` itself if it is.

        None when there is none within two weeks (zones too far apart for the hours).
        """
        known = zones_of(zones)
        if not known:
            return None
        at = moment.astimezone(UTC)
        limit = at + timedelta(days=_AHEAD_DAYS)
        while at < limit:
            latest = at
            for zone in known:
                opens = self._next_in(zone, at)
                if opens is None:
                    return None
                latest = max(latest, opens)
            if latest == at:
                return at
            at = latest
        return None

    def _open_in(self, zone: ZoneInfo, moment: datetime) -> bool:
        local = moment.astimezone(zone)
        minute = local.hour * 60 + local.minute
        return any(
            local.weekday() in hours.days and hours.start <= minute < hours.end
            for hours in self.hours
        )

    def _next_in(self, zone: ZoneInfo, at: datetime) -> datetime | None:
        if self._open_in(zone, at):
            return at
        today = at.astimezone(zone).date()
        for ahead in range(9):
            day = today + timedelta(days=ahead)
            starts = (h.start for h in self.hours if day.weekday() in h.days)
            opens = [
                moment
                for start in starts
                for moment in self._moments(zone, day, start)
                if moment > at
            ]
            if opens:
                return min(opens)
        return None

    def _moments(self, zone: ZoneInfo, day: date, start: int) -> Iterable[datetime]:
        """The instants at which wall time `start` of `day` begins: one, or two in a fold."""
        wall = datetime.combine(day, time(start // 60, start % 60), tzinfo=zone)
        first = wall.astimezone(UTC)
        second = wall.replace(fold=1).astimezone(UTC)
        if first <= second:
            yield first
            if second > first:
                yield second
            return
        # In a gap (`second` lies before it, `first` behind): the first minute that exists.
        at = second
        while at < first and not self._open_in(zone, at):
            at += _MINUTE
        yield at
