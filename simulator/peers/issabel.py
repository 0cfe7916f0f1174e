"""Issabel / Elastix call center `dialerd` (peers.md 1.4): every 3 s, free agents and those soon
free by an exponential law of the *whole* call time, optionally divided by the answer rate.

Simplified: agents in wrap-up are paused in the queue and count for nothing; scheduled calls to a
particular agent do not occur.
"""

from __future__ import annotations

import math
from collections import deque

from dialer.snapshot import FloorSnapshot, LineEnded
from simulator.peers.common import PeerPacer, Recent, answered, coming

CALLS_BEFORE_PREDICTION = 10
ANSWER_DELAYS, FIRST_DELAY_S = 20, 8.0
LEAST_ANSWER_RATE = 0.20


class Issabel(PeerPacer):
    name = "issabel"
    every_s = 3.0

    def __init__(self, *, overcommit: bool = False, qos: float = 0.97) -> None:
        super().__init__()
        self.overcommit, self.qos = overcommit, qos
        self.completed = 0
        self.mean_s = 0.0
        self._delays = deque([FIRST_DELAY_S] * ANSWER_DELAYS, maxlen=ANSWER_DELAYS)
        self._answers = Recent(1_800.0)

    def talk_ended(self, talk_s: float) -> None:
        self.completed += 1
        self.mean_s += (talk_s - self.mean_s) / self.completed

    def line_ended(self, line: LineEnded) -> None:
        self._answers.add(self.now, float(answered(line)))
        if answered(line):
            self._delays.append(line.setup_s + (line.ring_s or 0.0))

    def soon_free(self, talking: tuple[float, ...]) -> int:
        """Busy agents whose call would, by the exponential law, be over when a line answers."""
        if self.completed < CALLS_BEFORE_PREDICTION or self.mean_s <= 0:
            return 0
        delay = sum(self._delays) / len(self._delays)
        return sum(1 - math.exp(-(age + delay) / self.mean_s) >= self.qos for age in talking)

    def lines(self, snapshot: FloorSnapshot) -> int:
        n = max(0, snapshot.idle + self.soon_free(snapshot.talking) - len(snapshot.waiting))
        n = max(0, n - coming(snapshot))
        self._answers.forget(snapshot.now)
        if self.overcommit and n > 0 and len(self._answers) >= CALLS_BEFORE_PREDICTION:
            rate = self._answers.total / len(self._answers)
            n = round(n / max(LEAST_ANSWER_RATE, rate))
        return n
