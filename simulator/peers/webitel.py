"""Webitel's overdial factor (peers.md 1.8), refreshed each 30 s over the last hour.

Simplified: how the factor meets the agents lies outside the published code; idle agents times the
factor, less lines on their way, is assumed. A human is what AMD lets through.
"""

from __future__ import annotations

from dialer.snapshot import FloorSnapshot, LineEnd, LineEnded
from simulator.peers.common import Clock, PeerPacer, Recent, coming


class Webitel(PeerPacer):
    name = "webitel"
    every_s = 1.0
    counts_only = True

    def __init__(
        self,
        *,
        max_percent: float = 3.0,
        target_percent: float | None = None,
        load_factor: float = 10.0,
        bridges_before: int = 10,
        window_s: float = 3_600.0,
        abandon_adjustment: int = 0,
    ) -> None:
        super().__init__()
        self.max_percent = max_percent
        self.target_percent = max_percent if target_percent is None else target_percent
        self.load_factor, self.bridges_before = load_factor, bridges_before
        self.abandon_adjustment = abandon_adjustment
        self._lines, self._abandons = Recent(window_s), Recent(window_s)
        self._refreshing = Clock(30.0)
        self.bridges = 0
        self.over = 1.0

    def line_ended(self, line: LineEnded) -> None:
        self._lines.add(self.now, float(line.end is LineEnd.LIVE))

    def served(self) -> None:
        self.bridges += 1

    def abandoned(self) -> None:
        self._abandons.add(self.now)

    def factor(self, attempts: int, connected: float, abandoned: int, agents: int) -> float:
        """Lines for each idle agent, from the figures of the window."""
        base = attempts / connected if connected else max(1.0, attempts / max(1, agents) - 1)
        rate = 100.0 * max(0, abandoned - self.abandon_adjustment) / max(1.0, connected)
        if rate >= self.max_percent:
            return 1.0
        if rate < self.target_percent:
            return base + base * (self.target_percent - rate) * self.load_factor / 100
        left = (self.max_percent - rate) * (100 + self.load_factor) / self.max_percent
        return base * left / 100

    def lines(self, snapshot: FloorSnapshot) -> int:
        if self._refreshing.due(snapshot.now):
            self._lines.forget(snapshot.now)
            self._abandons.forget(snapshot.now)
            agents = snapshot.idle + len(snapshot.talking) + len(snapshot.wrapping)
            self.over = self.factor(
                len(self._lines), self._lines.total, len(self._abandons), agents
            )
        over = self.over if self.bridges >= self.bridges_before else 1.0
        return int(snapshot.idle * over) - coming(snapshot) - len(snapshot.waiting)
