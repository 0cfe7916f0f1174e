"""The simplest: WombatDialer's boost (peers.md 1.6) and a fixed number of lines per free agent."""

from __future__ import annotations

import math

from dialer.snapshot import FloorSnapshot
from simulator.peers.common import PeerPacer, coming


class WombatDialer(PeerPacer):
    """floor(boost x free agents) lines on their way; none while more callers wait than allowed.

    Simplified: looks each second; the free agents are the queue's. Its own example is 1.3.
    """

    name = "wombat"
    every_s = 1.0
    counts_only = True

    def __init__(self, *, boost: float = 1.3, waiting_max: int = 0) -> None:
        super().__init__()
        self.boost, self.waiting_max = boost, waiting_max

    def lines(self, snapshot: FloorSnapshot) -> int:
        if len(snapshot.waiting) > self.waiting_max:
            return 0
        return math.floor(self.boost * snapshot.idle) - coming(snapshot)


class FixedRatio(PeerPacer):
    """`ratio` lines for each free agent, no limit and no learning: the yardstick in hindsight."""

    name = "fixed_ratio"
    every_s = None
    counts_only = True

    def __init__(self, *, ratio: float = 2.0) -> None:
        super().__init__()
        try:
            self.ratio = float(ratio)
        except (TypeError, ValueError):
            self.ratio = math.nan
        if not 0 <= self.ratio <= 1_000:
            raise ValueError(f"ratio is {ratio}; must be a number from 0 to 1000")

    def lines(self, snapshot: FloorSnapshot) -> int:
        return math.floor(self.ratio * snapshot.idle) - coming(snapshot) - len(snapshot.waiting)
