"""What all peers share: counting with a clock that is told, never asked.

A peer learns the time from the snapshots; observations between two snapshots count at the earlier
one, at most one of its passes before they happened.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

from dialer.snapshot import (
    CallAbandoned,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    Observation,
    TalkEnded,
    WrapUpEnded,
)

DAY_S = 86_400.0
_NONE = Decision(0)


def coming(snapshot: FloorSnapshot) -> int:
    """Lines launched and not yet live."""
    return len(snapshot.setting_up) + len(snapshot.ringing) + len(snapshot.detecting)


class Recent:
    """Values of the last `span_s` seconds, their number and their sum."""

    def __init__(self, span_s: float) -> None:
        self.span_s = span_s
        self._kept: deque[tuple[float, float]] = deque()
        self.total = 0.0

    def add(self, now: float, value: float = 1.0) -> None:
        self._kept.append((now, value))
        self.total += value

    def forget(self, now: float) -> None:
        while self._kept and self._kept[0][0] <= now - self.span_s:
            self.total -= self._kept.popleft()[1]
        if not self._kept:
            self.total = 0.0  # no rounding left behind

    def __len__(self) -> int:
        return len(self._kept)

    def values(self) -> list[float]:
        return [value for _, value in self._kept]


class Clock:
    """Says yes once per `every_s`; the first time at once."""

    def __init__(self, every_s: float) -> None:
        self.every_s = every_s
        self._next: float | None = None

    def due(self, now: float) -> bool:
        if self._next is not None and now < self._next - 1e-9:
            return False
        self._next = now + self.every_s
        return True


class PeerPacer:
    """A peer: subclasses say `lines(snapshot)` and override what they want to hear.

    `every_s` is how often the product looks; None where it looks at every change. `counts_only`:
    it asks how many there are of each, never how old they are.
    """

    name = "peer"
    every_s: float | None = 1.0
    counts_only = False

    def __init__(self) -> None:
        self.now = 0.0
        self.day = -1

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        self.now = snapshot.now
        day = int(self.now // DAY_S)
        if day != self.day:
            self.day = day
            self.new_day()
        lines = self.lines(snapshot)
        return Decision(lines) if lines > 0 else _NONE

    def lines(self, snapshot: FloorSnapshot) -> int:
        raise NotImplementedError

    def new_day(self) -> None:
        """Midnight has passed (also called before the first decision)."""

    def observe(self, fact: Observation) -> None:
        match fact:
            case LineRang(setup_s=setup_s):
                self.rang(setup_s)
            case LineEnded():
                self.line_ended(fact)
            case CallServed():
                self.served()
            case CallAbandoned():
                self.abandoned()
            case TalkEnded(talk_s=talk_s):
                self.talk_ended(talk_s)
            case WrapUpEnded(wrap_s=wrap_s):
                self.wrap_ended(wrap_s)
            case _:
                pass

    def rang(self, setup_s: float) -> None: ...

    def line_ended(self, line: LineEnded) -> None: ...

    def served(self) -> None: ...

    def abandoned(self) -> None: ...

    def talk_ended(self, talk_s: float) -> None: ...

    def wrap_ended(self, wrap_s: float) -> None: ...

    def state(self) -> dict[str, Any]:
        """Peers are measured from a cold start."""
        return {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """See `state`."""


def answered(line: LineEnded) -> bool:
    """Whether the network answered: a person or a machine."""
    return line.end in (LineEnd.LIVE, LineEnd.MACHINE)
