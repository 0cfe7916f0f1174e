"""VICIdial 2.14: RATIO, ADAPT_HARD_LIMIT, ADAPT_AVERAGE, ADAPT_TAPERED (peers.md 1.1).

Two loops: the level controller (a sample each second, the level each 15 s, drop figures each
minute) and the dialling pass (each 2.5 s). Defaults as in its schema: limit 3 %, maximum level
3.0, intensity 0, target difference 0, latest time 21:00.

Simplified: one server, so no balancing between servers; no cap on calls per second (its default
of 5 would only slow it); the floor's limit of waiting stands in for its drop timer, which is 5 s
by default, so its drops here are those the law counts; the start level is 1.
"""

from __future__ import annotations

from collections import deque
from enum import StrEnum

from dialer.snapshot import FloorSnapshot, LineEnded
from simulator.peers.common import Clock, PeerPacer, Recent, coming

SAMPLES = 15  # states of the floor averaged by the controller
DROPS_BEFORE_LIMIT = 50  # calls today before the limit is looked at
BURST_CALLS, BURST_DROP_PERCENT = 20, 50.0  # last minute: emergency halving


class Method(StrEnum):
    RATIO = "RATIO"
    HARD_LIMIT = "HARD_LIMIT"
    AVERAGE = "AVERAGE"
    TAPERED = "TAPERED"


def hhmm(now: float) -> int:
    """Time of day as the integer 1530 for 15:30, the way the tapering reckons."""
    minutes = int(now % 86_400.0) // 60
    return minutes // 60 * 100 + minutes % 60


class Vicidial(PeerPacer):
    """`level` is the fixed level of RATIO and the first one of the others."""

    name = "vicidial"
    every_s = 0.5  # both loops' passes fall on multiples of it
    counts_only = True

    def __init__(
        self,
        method: str = Method.TAPERED,
        *,
        level: float = 1.0,
        maximum: float = 3.0,
        limit_percent: float = 3.0,
        intensity: float = 0.0,
        difference_target: float = 0.0,
        latest: int = 2100,
        available_only: bool = False,
    ) -> None:
        super().__init__()
        self.method = Method(method)
        self.level = float(level)
        self.maximum, self.limit_percent = maximum, limit_percent
        self.intensity, self.difference_target = intensity, difference_target
        self.latest, self.available_only = latest, available_only
        self._samples: deque[tuple[int, int, int]] = deque(maxlen=SAMPLES)
        self._sampling, self._levelling = Clock(1.0), Clock(15.0)
        self._counting, self._dialling = Clock(60.0), Clock(2.5)
        self._calls_minute, self._drops_minute = Recent(60.0), Recent(60.0)
        self.calls_today = self.human_today = self.drops_today = 0
        self.minute_calls = 0
        self.minute_drop_percent = self.today_drop_percent = 0.0
        self.today_calls = 0

    def new_day(self) -> None:
        self.calls_today = self.human_today = self.drops_today = self.today_calls = 0
        self.today_drop_percent = 0.0

    def line_ended(self, line: LineEnded) -> None:
        self.calls_today += 1
        self._calls_minute.add(self.now)

    def served(self) -> None:
        self.human_today += 1

    def abandoned(self) -> None:
        self.human_today += 1
        self.drops_today += 1
        self._drops_minute.add(self.now)

    def lines(self, snapshot: FloorSnapshot) -> int:
        if self._sampling.due(snapshot.now):
            agents = snapshot.idle + len(snapshot.talking) + len(snapshot.wrapping)
            self._samples.append((snapshot.idle, len(snapshot.waiting), agents))
        if self._counting.due(snapshot.now):
            self.count()
        if self.method is not Method.RATIO and self._levelling.due(snapshot.now):
            self.level = self.next_level()
        return self.wanted(snapshot) if self._dialling.due(snapshot.now) else 0

    def count(self) -> None:
        """The figures the limits look at, once a minute."""
        for recent in (self._calls_minute, self._drops_minute):
            recent.forget(self.now)
        self.minute_calls = len(self._calls_minute)
        self.minute_drop_percent = 100.0 * len(self._drops_minute) / max(1, self.minute_calls)
        self.today_calls = self.calls_today
        self.today_drop_percent = 100.0 * self.drops_today / max(1, self.human_today)

    def next_level(self) -> float:
        n = max(1, len(self._samples))
        ready, waiting, agents = (sum(column) / n for column in zip(*self._samples, strict=True))
        gain = (ready - waiting + self.difference_target) / agents if agents else 0.0
        gain *= 1 + self.intensity / 100 if gain >= 0 else 1 - self.intensity / 100
        level = max(1.0, min(self.level * (1 + gain), self.maximum))
        if self.minute_calls > BURST_CALLS and self.minute_drop_percent > BURST_DROP_PERCENT:
            level /= 2
        over = self.today_drop_percent > self.limit_percent
        if self.today_calls > DROPS_BEFORE_LIMIT and over:
            level = self._limited(level)
        return max(1.0, level)

    def _limited(self, level: float) -> float:
        if self.method is Method.HARD_LIMIT:
            return 1.0
        if self.method is Method.AVERAGE:
            return level / 2
        left = self.latest - hhmm(self.now)
        return 1.0 if left < 0 else level * min(1.0, left / 1000)

    def wanted(self, snapshot: FloorSnapshot) -> int:
        """One dialling pass: lines missing to the goal; talking calls are in goal and in have."""
        talking = len(snapshot.talking)
        agents = snapshot.idle if self.available_only else snapshot.idle + talking
        bonus = talking if self.available_only else 0
        goal = round(self.level * agents + bonus)  # Python rounds half to even, as it does
        return goal - (coming(snapshot) + len(snapshot.waiting) + talking)
