"""Impact Dialing (peers.md 1.7): a small simulation inside the control loop picks the level.

Each 60 s it replays the last (at most 100) attempts of 30 minutes on 240 s of a toy floor for six
levels and keeps the one that used its callers best at an acceptable abandon rate; each second it
dials level x available callers less what rings. Its "callers" are the agents.

Simplified: an attempt's conversation is drawn from the measured ones, since observations carry no
call identity; the known defect of a window that only grows is not repeated.
"""

from __future__ import annotations

from collections import deque

import numba
import numpy as np
from numpy.typing import NDArray

from dialer.snapshot import FloorSnapshot, LineEnd, LineEnded
from simulator.peers.common import Clock, PeerPacer, Recent, coming

LEVELS = 6
SIMULATED_S = 240
ON_CALL_LEAST, ATTEMPTS_LEAST, TRACE_MAX = 5, 50, 100
RING_ANSWERED_S, RING_OTHER_S, WRAP_S = 10, 15, 5
LEVEL_CAP = 4.0
QUIET_S = 600.0


@numba.njit(cache=True)
def _try_level(  # type: ignore[no-untyped-def]
    level: float, agents: int, answers: NDArray[np.bool_], talks: NDArray[np.float64], seed: int
):
    """(utilisation, abandons / answers) of `agents` over 240 one-second steps at `level`."""
    np.random.seed(seed)
    busy_until = np.zeros(agents)
    ring_until = np.zeros(4_000)
    ring_answers = np.zeros(4_000, dtype=np.bool_)
    ringing = 0
    answered = abandoned = busy_steps = 0
    for step in range(SIMULATED_S):
        kept = 0
        for i in range(ringing):
            if ring_until[i] > step:
                ring_until[kept], ring_answers[kept] = ring_until[i], ring_answers[i]
                kept += 1
            elif ring_answers[i]:
                answered += 1
                start = np.random.randint(agents)
                taken = False
                for j in range(agents):  # any caller on hold, at random
                    agent = (start + j) % agents
                    if busy_until[agent] <= step:
                        talk = talks[np.random.randint(len(talks))]
                        busy_until[agent] = step + talk + WRAP_S
                        taken = True
                        break
                if not taken:
                    abandoned += 1
        ringing = kept
        on_hold = 0
        for j in range(agents):
            if busy_until[j] <= step:
                on_hold += 1
            else:
                busy_steps += 1
        for _ in range(int(on_hold * level) - ringing):
            if ringing >= len(ring_until):
                break
            does = answers[np.random.randint(len(answers))]
            ring_answers[ringing] = does
            ring_until[ringing] = step + (RING_ANSWERED_S if does else RING_OTHER_S)
            ringing += 1
    return busy_steps / (SIMULATED_S * agents), abandoned / max(1, answered)


class Impact(PeerPacer):
    name = "impact"
    every_s = 1.0
    counts_only = True

    def __init__(self, *, acceptable: float = 0.03, seed: int = 1) -> None:
        super().__init__()
        self.acceptable = acceptable
        self.best = 1.0
        self._seed = seed
        self._attempts = Recent(1_800.0)
        self._talks: deque[float] = deque(maxlen=TRACE_MAX)
        self._simulating = Clock(60.0)
        self._dialed_at: float | None = None
        self.answers_ever = self.abandons_ever = 0

    def line_ended(self, line: LineEnded) -> None:
        self._attempts.add(self.now, float(line.end is LineEnd.LIVE))

    def served(self) -> None:
        self.answers_ever += 1

    def abandoned(self) -> None:
        self.abandons_ever += 1

    def talk_ended(self, talk_s: float) -> None:
        self._talks.append(talk_s)

    def _choose(self, snapshot: FloorSnapshot) -> float:
        self._attempts.forget(snapshot.now)
        enough = len(snapshot.talking) >= ON_CALL_LEAST and len(self._attempts) >= ATTEMPTS_LEAST
        if not enough or not self._talks or self._attempts.total == 0:
            return 1.0
        ratio = len(self._attempts) / self._attempts.total
        agents = snapshot.idle + len(snapshot.talking) + len(snapshot.wrapping)
        answers = np.asarray(self._attempts.values()[-TRACE_MAX:]) > 0
        talks = np.asarray(self._talks)
        best, best_use = 1.0, 0.0
        for k in range(1, LEVELS + 1):
            level = max(1.0, ratio * k / LEVELS)
            self._seed += 1
            use, abandons = _try_level(level, agents, answers, talks, self._seed)
            if abandons < self.acceptable and use > best_use:
                best, best_use = level, use
        return best

    def lines(self, snapshot: FloorSnapshot) -> int:
        if self._simulating.due(snapshot.now):
            self.best = self._choose(snapshot)
        quiet = self._dialed_at is None or snapshot.now - self._dialed_at > QUIET_S
        level = 1.0 if quiet else min(self.best, LEVEL_CAP)
        if self.abandons_ever > self.acceptable * (self.answers_ever + self.abandons_ever):
            level = max(1.0, 0.75 * level)
        lines = int(level * snapshot.idle - coming(snapshot) - len(snapshot.waiting))
        if lines > 0:
            self._dialed_at = snapshot.now
        return lines
