"""The last attempts of an endpoint, kept in memory for those who look after it."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

KEPT = 200  # attempts of an endpoint; the failed ones carry a part of the answer


@dataclass(slots=True)
class Attempt:
    """`answer` is what a failed one was told, as it came: mask it before anybody sees it."""

    seq: int
    at: float  # UTC seconds
    took_s: float
    status: int | None
    error: str
    answer: bytes


class Journal:
    """The newest `KEPT` attempts."""

    def __init__(self) -> None:
        self._kept: deque[Attempt] = deque(maxlen=KEPT)

    def note(self, attempt: Attempt) -> None:
        self._kept.append(attempt)

    def of(self, seq: int) -> list[Attempt]:
        """The attempts at one event, the oldest first."""
        return [one for one in self._kept if one.seq == seq]
