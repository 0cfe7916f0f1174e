"""The account of abandons: what the law counts, and over which time.

A `Window` is one legal or self-imposed limit with its span; an `Account` counts live answers and
abandons in each of its windows and says which one binds. Civil time is an argument: seconds since
1970-01-01 00:00 of the *campaign's own wall clock* (the shell adds the zone's offset), because a
calendar day or month is a matter of that clock. Rates are shares of live answers, 0.03 for 3 %.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, NamedTuple

DAY_S = 86_400
LAST_S = 60.0  # s before the close that are not reckoned with: a loan needs time to be repaid
PACE_S = 300.0  # s over which the first answers of a day are spread to judge its pace
LENT_LEAST = 3.0  # abandons a window may owe against answers still expected today,
LENT_S = 600.0  # and the allowance of so many seconds
BUCKET_S = 60  # resolution at which a rolling window forgets


class Span(StrEnum):
    BLOCK = "block"  # successive blocks of `days` from `anchor`, the campaign's start
    MONTH = "calendar month"
    DAY = "calendar day"
    ROLLING = "rolling"  # the last `days` days, at every moment
    CAMPAIGN = "campaign"  # since ever


@dataclass(frozen=True, slots=True)
class Window:
    """A limit on abandoned / live answers over a span of time.

    `law` says whose limit it is, for reports: a window with `legal=False` is our own, kept so that
    no single day stands out, and is reported apart.
    """

    name: str
    limit: float
    span: Span
    days: int = 30
    anchor: float = 0.0  # civil seconds at which blocks begin
    legal: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.limit < 1:
            raise ValueError(
                f"window {self.name}: limit must be 0 or more and below 1 (3 % = 0.03)"
            )
        if self.days < 1:
            raise ValueError(f"window {self.name}: days must be 1 or more")

    def period(self, civil_s: float) -> int:
        """The number of the period that `civil_s` lies in; counts start anew when it changes."""
        day = int(civil_s // DAY_S)
        if self.span is Span.BLOCK:
            return int((civil_s - self.anchor) // (self.days * DAY_S))
        if self.span is Span.MONTH:
            year, month = month_of_day(day)
            return year * 12 + month - 1
        if self.span is Span.DAY:
            return day
        return 0


def month_of_day(day: int) -> tuple[int, int]:
    """(year, month) of a day counted from 1970-01-01 (Gregorian; Hinnant's civil_from_days)."""
    z = day + 719_468
    era = z // 146_097
    doe = z - era * 146_097
    yoe = (doe - doe // 1_460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    mp = (5 * doy + 2) // 153
    month = mp + 3 if mp < 10 else mp - 9
    return yoe + era * 400 + (1 if month <= 2 else 0), month


def us_windows(campaign_start: float, limit: float = 0.03) -> tuple[Window, ...]:
    """16 CFR 310.4(b)(4)(i): each successive block of 30 days; and no day of ours over it."""
    return (
        Window("30-day block", limit, Span.BLOCK, 30, campaign_start),
        Window("day", limit, Span.DAY, legal=False),
    )


def uk_windows(limit: float = 0.03) -> tuple[Window, ...]:
    """Ofcom's yardstick: any 24 hours, per campaign."""
    return (Window("any 24 hours", limit, Span.ROLLING, 1),)


def canada_windows(limit: float = 0.05) -> tuple[Window, ...]:
    """CRTC Unsolicited Telecommunications Rules, part III: calendar month."""
    return (
        Window("calendar month", limit, Span.MONTH),
        Window("day", limit, Span.DAY, legal=False),
    )


class Judged(NamedTuple):
    """What is known of machines among the calls of an account, as sums (see people.py)."""

    served: float = 0.0  # calls that an agent was given
    found: float = 0.0  # of these, those in which he found a machine
    abandoned: float = 0.0  # abandoned calls that were judged
    machines: float = 0.0  # of these, by their chances, machines
    doubt: float = 0.0  # the variance of that, where chance decides of each alone
    error: float = 0.0  # and the error where all are judged wrong alike

    def plus(self, more: Judged) -> Judged:
        return Judged(*(a + b for a, b in zip(self, more, strict=True)))

    def less(self, gone: Judged) -> Judged:
        return Judged(*(max(0.0, a - b) for a, b in zip(self, gone, strict=True)))


NOTHING_JUDGED = Judged()


@dataclass(slots=True)
class _Bucket:
    at: int  # in BUCKET_S
    live: int = 0
    abandoned: int = 0
    judged: Judged = NOTHING_JUDGED


@dataclass(slots=True)
class _Counts:
    window: Window
    period: int = 0
    live: int = 0
    abandoned: int = 0
    judged: Judged = NOTHING_JUDGED
    buckets: deque[_Bucket] = field(default_factory=deque)  # of a rolling window

    def advance(self, civil_s: float) -> None:
        if self.window.span is Span.ROLLING:
            oldest = int((civil_s - self.window.days * DAY_S) // BUCKET_S)
            while self.buckets and self.buckets[0].at <= oldest:
                gone = self.buckets.popleft()
                self.live -= gone.live
                self.abandoned -= gone.abandoned
                self.judged = self.judged.less(gone.judged)
            return
        period = self.window.period(civil_s)
        if period != self.period:
            self.period, self.live, self.abandoned = period, 0, 0
            self.judged = NOTHING_JUDGED

    def add(self, civil_s: float, live: int, abandoned: int) -> None:
        self.live += live
        self.abandoned += abandoned
        if self.window.span is Span.ROLLING:
            bucket = self._newest(civil_s)
            bucket.live += live
            bucket.abandoned += abandoned

    def judge(self, civil_s: float, more: Judged) -> None:
        self.judged = self.judged.plus(more)
        if self.window.span is Span.ROLLING:
            bucket = self._newest(civil_s)
            bucket.judged = bucket.judged.plus(more)

    def _newest(self, civil_s: float) -> _Bucket:
        at = int(civil_s // BUCKET_S)
        if not self.buckets or self.buckets[-1].at != at:
            self.buckets.append(_Bucket(at))
        return self.buckets[-1]

    def late(self, civil_s: float, live: int, abandoned: int) -> None:
        """As `add`, of a moment before the last one."""
        if self.window.span is not Span.ROLLING:
            if self.window.period(civil_s) == self.period:
                self.live += live
                self.abandoned += abandoned
            return
        bucket = int(civil_s // BUCKET_S)
        if self.buckets and bucket < self.buckets[0].at:
            bucket = self.buckets[0].at  # kept a little longer than it must be
        at = next(
            (n for n in range(len(self.buckets), 0, -1) if self.buckets[n - 1].at <= bucket), 0
        )
        self.buckets.insert(at, _Bucket(bucket, live, abandoned))
        self.live += live
        self.abandoned += abandoned


@dataclass(frozen=True, slots=True)
class Standing:
    """How one window stands. `rate` is 0 before the first live answer."""

    window: Window
    live: int
    abandoned: int
    ahead: float = 0.0  # answers expected before calling closes for the day; 0 when not known
    pace: float = 0.0  # live answers per second today
    judged: Judged = NOTHING_JUDGED

    @property
    def lent(self) -> float:
        """Abandons the window may owe against the answers ahead of it: few, and paid back by the
        close, so that the risk is spread evenly over a day instead of saved up for its end."""
        expected = self.window.limit * self.ahead
        root = math.sqrt(self.window.limit * self.live)
        return min(expected, LENT_LEAST + root + self.window.limit * self.pace * LENT_S)

    @property
    def rate(self) -> float:
        return self.abandoned / self.live if self.live else 0.0

    @property
    def left(self) -> float:
        """Abandons that may still happen before the rate reaches the limit; negative: over it."""
        return self.window.limit * self.live - self.abandoned

    @property
    def spent(self) -> bool:
        """Over the limit, the loan included. One more answer is taken to be coming."""
        return self.left + self.lent < -self.window.limit


class Account:
    """Live answers and abandons in every window that counts them.

    Restored after a restart by `add`ing the store's history in order (counts by minute suffice).
    """

    def __init__(self, windows: Sequence[Window], civil_s: float = 0.0) -> None:
        if not windows:
            raise ValueError("an account of abandons needs at least one window")
        self.windows = tuple(windows)
        self._most = tuple(w.limit for w in self.windows)
        self._counts = [_Counts(w, w.period(civil_s)) for w in self.windows]
        self._civil_s = civil_s
        self._closes = 0.0
        self._first_answer: float | None = None
        self._answers = 0  # since then
        self._standings: tuple[Standing, ...] | None = None  # until something is counted

    def close_at(self, civil_s: float) -> None:
        """Calling ends at this time today (the campaign's hours); in the past: not known."""
        self._closes = civil_s
        self._standings = None

    def pace(self) -> float:
        """Live answers per second since today's first one; its first minutes count as five."""
        if self._first_answer is None:
            return 0.0
        return self._answers / max(PACE_S, self._civil_s - self._first_answer)

    def answers_ahead(self) -> float:
        """Live answers expected before the close, at today's pace."""
        return self.pace() * max(0.0, self._closes - LAST_S - self._civil_s)

    def advance(self, civil_s: float) -> None:
        """Time passes: periods end, rolling windows forget. Never goes back."""
        if civil_s // DAY_S > self._civil_s // DAY_S:
            self._first_answer, self._answers = None, 0
        self._standings = None
        self._civil_s = max(self._civil_s, civil_s)
        for counts in self._counts:
            counts.advance(self._civil_s)

    def add(self, civil_s: float, live: int = 0, abandoned: int = 0) -> None:
        """Count `live` answered persons, `abandoned` of them left without an agent."""
        if live < 0 or abandoned < 0:
            raise ValueError("an account counts upwards only")
        self.advance(civil_s)
        if live and self._first_answer is None:
            self._first_answer = self._civil_s
        self._answers += live
        for counts in self._counts:
            counts.add(self._civil_s, live, abandoned)

    def late(self, civil_s: float, live: int = 0, abandoned: int = 0) -> None:
        """Count what happened a while ago and was not known: in every window whose present period
        it fell into. Nothing is taken for today's pace."""
        if live < 0 or abandoned < 0:
            raise ValueError("an account counts upwards only")
        self._standings = None
        for counts in self._counts:
            counts.late(min(civil_s, self._civil_s), live, abandoned)

    def judge(self, more: Judged) -> None:
        """Add what is known of machines in calls that were counted in the present periods."""
        self._standings = None
        for counts in self._counts:
            counts.judge(self._civil_s, more)

    def judgements(self) -> list[list[Any]]:
        """What is known of machines, by window and period, as plain JSON-able values: an account
        itself is restored from the history of calls, which does not tell. Nothing of windows that
        roll: when it was is not kept."""
        return [
            [c.window.name, c.period, *c.judged]
            for c in self._counts
            if c.window.span is not Span.ROLLING and any(c.judged)
        ]

    def rejudge(self, kept: Iterable[Sequence[Any]]) -> None:
        """Take back what `judgements` gave, for the windows whose period has not ended since.

        Raises ValueError or TypeError, and changes nothing, when it is something else.
        """
        known = {(name, period): Judged(*map(float, sums)) for name, period, *sums in kept}
        for one in known.values():
            if not all(math.isfinite(sum_) and sum_ >= 0.0 for sum_ in one):
                raise ValueError("sums of judgements are 0 or more")
        self._standings = None
        for counts in self._counts:
            before = known.get((counts.window.name, counts.period))
            if before is not None and not any(counts.judged):
                counts.judge(self._civil_s, before)

    def restore(self, history: Iterable[tuple[float, int, int]]) -> None:
        """Add rows (civil seconds, live, abandoned) in order of time."""
        for civil_s, live, abandoned in history:
            self.add(civil_s, live, abandoned)

    def relimit(self, limit: float) -> None:
        """From now on every window has this limit, or its own where that is lower; what was
        counted stays."""
        self._standings = None
        for counts, most in zip(self._counts, self._most, strict=True):
            counts.window = replace(counts.window, limit=min(limit, most))
        self.windows = tuple(counts.window for counts in self._counts)

    def standings(self) -> tuple[Standing, ...]:
        """How each window stands now; a decision asks several times."""
        if self._standings is None:
            ahead, pace = self.answers_ahead(), self.pace()
            self._standings = tuple(
                Standing(c.window, c.live, c.abandoned, ahead, pace, c.judged) for c in self._counts
            )
        return self._standings

    def binding(self) -> Standing:
        """The window nearest to its limit: that with the fewest abandons left."""
        return min(self.standings(), key=lambda s: s.left)

    @property
    def limit(self) -> float:
        return min(w.limit for w in self.windows)

    @property
    def spent(self) -> bool:
        return any(s.spent for s in self.standings())
