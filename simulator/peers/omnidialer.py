"""OMniDialer, the engine of OMniLeads (peers.md 1.5): expected free agents at answer time less
expected answers on their way, over the hit rate, damped as a short average of abandons rises.

Simplified: agents serve one queue; the handling time is talk and wrap-up together; the cap on
originations per second is left away.
"""

from __future__ import annotations

import math

from dialer.snapshot import FloorSnapshot, LineEnded
from simulator.peers.common import PeerPacer, answered, coming

ALPHA = 0.1  # of every running average
HIT_FLOOR = 0.05
SOFT_HOLD = 0.2
LATCH_TICKS, RELEASE = 5, 0.8
WARM_UP_CALLS = 50
FIRST_RING_S, FIRST_HANDLING_S, FIRST_WRAP_S = 15.0, 120.0, 20.0


class OmniDialer(PeerPacer):
    name = "omnidialer"
    every_s = 1.0

    def __init__(self, *, boost: float = 1.0, drop_limit: float = 0.03) -> None:
        super().__init__()
        self.boost, self.drop_limit = boost, drop_limit
        self.hit = 0.5
        self.drop = 0.0
        self.ring_s, self.handling_s, self.wrap_s = FIRST_RING_S, FIRST_HANDLING_S, FIRST_WRAP_S
        self.detect_s = 0.0
        self.handled = 0
        self.over_ticks = 0
        self.latched = False
        self._talks = self._wraps = self._rings = 0

    def line_ended(self, line: LineEnded) -> None:
        self.hit += ALPHA * (float(answered(line)) - self.hit)
        if answered(line) and line.ring_s is not None:
            self._rings += 1
            self.ring_s += (line.setup_s + line.ring_s - self.ring_s) / self._rings
            if line.detect_s is not None:
                self.detect_s += (line.detect_s - self.detect_s) / self._rings

    def served(self) -> None:
        self.handled += 1
        self.drop -= ALPHA * self.drop

    def abandoned(self) -> None:
        self.drop += ALPHA * (1.0 - self.drop)

    def talk_ended(self, talk_s: float) -> None:
        self._talks += 1
        self.handling_s += (talk_s + self.wrap_s - self.handling_s) / self._talks

    def wrap_ended(self, wrap_s: float) -> None:
        self._wraps += 1
        self.wrap_s += (wrap_s - self.wrap_s) / self._wraps

    def freed(self, snapshot: FloorSnapshot) -> float:
        """Agents expected to be free by the time a line answers, as it reckons it."""
        delay = self.ring_s + self.detect_s
        talking = sum(
            1 - math.exp(-delay / max(1.0, self.handling_s - age)) for age in snapshot.talking
        )
        wrapping = sum(
            1 - math.exp(-delay / max(1.0, self.wrap_s - age)) for age in snapshot.wrapping
        )
        return talking + wrapping

    def damping(self) -> float:
        if self.drop <= self.drop_limit / 2:
            return self.boost
        if self.drop >= self.drop_limit:
            return SOFT_HOLD
        half = self.drop_limit / 2
        return self.boost + (self.drop - half) / half * (SOFT_HOLD - self.boost)

    def _latch(self) -> bool:
        self.over_ticks = self.over_ticks + 1 if self.drop >= self.drop_limit else 0
        if self.over_ticks >= LATCH_TICKS:
            self.latched = True
        if self.latched and self.drop < RELEASE * self.drop_limit:
            self.latched = False
        return self.latched

    def lines(self, snapshot: FloorSnapshot) -> int:
        on_way = coming(snapshot)
        if self._latch() or self.handled < WARM_UP_CALLS:
            return math.ceil(snapshot.idle * self.boost) - (on_way + len(snapshot.waiting))
        hit = max(HIT_FLOOR, self.hit)
        gap = snapshot.idle + self.freed(snapshot) - on_way * hit
        return math.floor(gap / hit * self.damping())
