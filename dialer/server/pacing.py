"""Asks each campaign's pacer, at every tick and whenever the floor changed, for lines."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from zoneinfo import ZoneInfo

from dialer.clock import Clock
from dialer.core.events import LinesDecided
from dialer.core.floor import Floor
from dialer.core.picture import snapshot
from dialer.core.states import CampaignState
from dialer.pacing.governor import Governor
from dialer.pacing.windows import DAY_S
from dialer.server.histogram import Histogram
from dialer.snapshot import Bound, Decision, Observation

_PATIENT_S = 2.0  # then people are told what they wait for
_THURSDAY = 3  # 1970-01-01, where Monday is 0
TICK_S = 1.0  # a decision at least so often
QUARTER_S = 900.0
QUIET_S = 0.1  # and no sooner than this after the last one, however much happens
# Seconds a decision takes: fine around the promises, 1 ms at 100 agents and 5 ms at 1,000.
DECIDE_BOUNDS_S = (
    0.00005, 0.0001, 0.0002, 0.0003, 0.0005, 0.00075, 0.001,
    0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.01, 0.02, 0.05, 0.1,
)  # fmt: skip


def make_ready() -> None:
    """Compile what decisions need, or load it; whoever waits for it is told. Blocks, for up to a
    minute on a new machine."""
    from dialer.pacing.forward import warm_up

    words = "compiling the arithmetic of pacing for this machine: up to a minute, only this once"
    notice = threading.Timer(_PATIENT_S, print, (words,), {"file": sys.stderr, "flush": True})
    notice.daemon = True
    notice.start()
    try:
        warm_up()
    finally:
        notice.cancel()


@dataclass(slots=True)
class _Desk:
    governor: Governor
    zone: ZoneInfo
    last: Decision | None = None
    last_at: float = float("-inf")
    touched: bool = True
    last_end: Callable[[int], int | None] = lambda weekday: None
    day: int = -1  # of the civil clock, for which the account knows the close
    quarter: float = -1.0  # of an hour, for which the zone's offset is known
    offset_s: float = 0.0

    def civil_s(self, moment: datetime) -> float:
        """As `civil_seconds`; zones change their offset at a quarter of an hour, never between."""
        at = moment.timestamp()
        if at // QUARTER_S != self.quarter:
            self.quarter = at // QUARTER_S
            self.offset_s = civil_seconds(moment, self.zone) - at
        return at + self.offset_s


def civil_seconds(moment: datetime, zone: ZoneInfo) -> float:
    """Seconds since 1970-01-01 00:00 on the wall clock of `zone` at an aware `moment`."""
    local = moment.astimezone(zone)
    offset = local.utcoffset()
    return moment.timestamp() + (offset.total_seconds() if offset is not None else 0.0)


class Pacing:
    """The governors of this node's campaigns, and when each is asked.

    `decide_s` has how long each decision took, the picture of the floor included, in seconds of
    `work_clock` (real ones).
    """

    def __init__(
        self,
        floor: Floor,
        clock: Clock,
        post: Callable[[LinesDecided], None],
        work_clock: Callable[[], float] = perf_counter,
    ) -> None:
        self.decide_s = Histogram(DECIDE_BOUNDS_S)
        self._floor = floor
        self._clock = clock
        self._post = post
        self._work_clock = work_clock
        self._desks: dict[str, _Desk] = {}

    def add(
        self,
        campaign: str,
        governor: Governor,
        zone: ZoneInfo,
        last_end: Callable[[int], int | None] = lambda weekday: None,
    ) -> None:
        """`last_end(weekday)` is the minute of the day at which calling ends, None when it does
        not begin: what the account may reckon with."""
        self._desks[campaign] = _Desk(governor, zone, last_end=last_end)

    def governor(self, campaign: str) -> Governor:
        return self._desks[campaign].governor

    def campaigns(self) -> tuple[str, ...]:
        return tuple(self._desks)

    def last(self, campaign: str) -> tuple[float, Decision] | None:
        """The last decision and when it was made, on the core's clock."""
        desk = self._desks.get(campaign)
        return None if desk is None or desk.last is None else (desk.last_at, desk.last)

    def observe(self, campaign: str, fact: Observation) -> None:
        desk = self._desks.get(campaign)
        if desk is not None:
            desk.governor.observe(fact, desk.civil_s(self._clock.utc()))
            desk.touched = True

    def touch(self, campaigns: Iterable[str]) -> None:
        """Something changed on these campaigns' floor: ask again soon."""
        for name in campaigns:
            if (desk := self._desks.get(name)) is not None:
                desk.touched = True

    def after_step(self, busy: bool) -> None:
        """Ask the pacers of campaigns that changed, unless asked just now or the door is full."""
        if busy:
            return
        now = self._clock.now()
        for name, desk in self._desks.items():
            if desk.touched and now - desk.last_at >= QUIET_S:
                self._ask(name, desk, now)

    def tick(self, busy: bool) -> None:
        """Ask every pacer that was not asked within the last tick."""
        if busy:
            return
        now = self._clock.now()
        for name, desk in self._desks.items():
            if now - desk.last_at >= TICK_S / 2:
                self._ask(name, desk, now)

    def _ask(self, name: str, desk: _Desk, now: float) -> None:
        campaign = self._floor.campaigns.get(name)
        if campaign is None or campaign.state is not CampaignState.RUNNING:
            return
        if not self._floor.connected(campaign.rules.pbx):
            return
        desk.touched = False
        desk.last_at = now
        civil_s = desk.civil_s(self._clock.utc())
        _tell_the_close(desk, civil_s)
        began = self._work_clock()
        desk.last = desk.governor.decide(snapshot(self._floor, name, now), civil_s)
        self.decide_s.observe(self._work_clock() - began)
        if desk.last.lines or desk.last.give_up or desk.last.bound is not Bound.POLICY:
            self._post(LinesDecided(name, desk.last))


def _tell_the_close(desk: _Desk, civil_s: float) -> None:
    """Once a day: until when answers may still come to make good for an abandon."""
    day = int(civil_s // DAY_S)
    if day == desk.day:
        return
    desk.day = day
    end = desk.last_end((day + _THURSDAY) % 7)
    if end is not None:
        desk.governor.account.close_at(day * DAY_S + end * 60.0)
