"""Virtual time: what is due when, and the clock that the dialer's own parts read."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from dialer.clock import Clock

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DayClock(Clock):
    """`now` is set by whoever plays the day: seconds since 1970 in a world whose zone is UTC."""

    def __init__(self, now: float) -> None:
        self.time = now
        self._moment = (now, _EPOCH + timedelta(seconds=now))  # asked for many times at one time

    def now(self) -> float:
        return self.time

    def utc(self) -> datetime:
        return self.utc_at(self.time)

    def utc_at(self, now: float) -> datetime:
        if self._moment[0] != now:
            self._moment = (now, _EPOCH + timedelta(seconds=now))
        return self._moment[1]

    def at_utc(self, moment: datetime) -> float:
        return (moment - _EPOCH).total_seconds()


class Agenda:
    """Things to do, in order of time and, at one time, in the order they were put down."""

    def __init__(self, clock: DayClock) -> None:
        self.clock = clock
        self._heap: list[tuple[float, int, Callable[..., None], tuple[object, ...]]] = []
        self._count = 0

    def at(self, when: float, work: Callable[..., None], *subject: object) -> None:
        """`work(*subject)` at `when`, or at once when that is past."""
        self._count += 1
        heapq.heappush(self._heap, (max(when, self.clock.time), self._count, work, subject))

    def after(self, seconds: float, work: Callable[..., None], *subject: object) -> None:
        self.at(self.clock.time + seconds, work, *subject)

    @property
    def next_at(self) -> float:
        """When the next thing is due; infinite when there is none."""
        return self._heap[0][0] if self._heap else float("inf")

    def do_next(self) -> None:
        """Move the clock to the next thing and do it."""
        self.clock.time, _, work, subject = heapq.heappop(self._heap)
        work(*subject)
