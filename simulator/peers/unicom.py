"""UNICOM Intelligence (CATI) Predict1PI (peers.md 1.9).

Lines on their way are kept at Waiting + Waiting x (adjust % x Failed / Answered), with both
counts over 900 s; a PI controller moves `adjust` towards a share of silent calls, inside its
documented range 0..1000, starting at its documented 150; the day's hard maximum falls back to
one line per free interviewer.

Simplified: gains 2.0 and 0.05 and the first 300 s or 10 answers at 1:1 are those of the open
re-implementation (D9). The controller moves once per answered call and its sum is held inside the
range of `adjust` (D9 does neither, and winds up; the product's own way is not published).
Congestion control is left away.
"""

from __future__ import annotations

from dialer.snapshot import FloorSnapshot, LineEnd, LineEnded
from simulator.peers.common import PeerPacer, Recent, coming

GAIN_P, GAIN_I = 2.0, 0.05
ADJUST_MAX, ADJUST_FIRST = 1_000.0, 150.0
WINDOW_S = 900.0
WARM_UP_S, WARM_UP_ANSWERS = 300.0, 10


class Unicom(PeerPacer):
    name = "unicom"
    every_s = None  # asked on every request, every failure and each half second
    counts_only = True

    def __init__(self, *, target_percent: float = 2.5, day_max_percent: float = 3.0) -> None:
        super().__init__()
        self.target_percent, self.day_max_percent = target_percent, day_max_percent
        self.adjust = ADJUST_FIRST
        self._integral = ADJUST_FIRST
        self._answers, self._drops = Recent(WINDOW_S), Recent(WINDOW_S)
        self._began: float | None = None
        self.answered_today = self.dropped_today = 0

    def new_day(self) -> None:
        self.answered_today = self.dropped_today = 0
        self._began = None

    def line_ended(self, line: LineEnded) -> None:
        self._answers.add(self.now, float(line.end is LineEnd.LIVE))

    def served(self) -> None:
        self.answered_today += 1
        self._move()

    def abandoned(self) -> None:
        self.answered_today += 1
        self.dropped_today += 1
        self._drops.add(self.now)
        self._move()

    def _move(self) -> None:
        self._answers.forget(self.now)
        self._drops.forget(self.now)
        silent = 100.0 * len(self._drops) / max(1.0, self._answers.total)
        off = self.target_percent - silent
        self._integral = min(ADJUST_MAX, max(0.0, self._integral + GAIN_I * off))
        self.adjust = min(ADJUST_MAX, max(0.0, self._integral + GAIN_P * off))

    def lines(self, snapshot: FloorSnapshot) -> int:
        if self._began is None:
            self._began = snapshot.now
        idle, on_way = snapshot.idle, coming(snapshot) + len(snapshot.waiting)
        day_percent = 100.0 * self.dropped_today / max(1, self.answered_today)
        cold = (
            snapshot.now - self._began < WARM_UP_S
            or self._answers.total < WARM_UP_ANSWERS
            or day_percent > self.day_max_percent
        )
        if cold:
            return idle - on_way
        failed = len(self._answers) - self._answers.total
        over = idle * self.adjust / 100.0 * failed / self._answers.total
        return int(idle + over) - on_way
