"""The circuit breaker of one endpoint: after many failures in a row it is asked only seldom.

    CLOSED --limit failures in a row--> OPEN --cooldown over--> HALF_OPEN --success--> CLOSED
                                          ^----------failure (cooldown doubles)----'

Pure: time is an argument, in seconds of any one clock.
"""

from __future__ import annotations

from enum import StrEnum


class Circuit(StrEnum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half open"


class Breaker:
    def __init__(
        self, *, failures_max: int = 10, cooldown_s: float = 5.0, cooldown_max_s: float = 300.0
    ) -> None:
        self._failures_max = failures_max
        self._cooldown_s = cooldown_s
        self._cooldown_max_s = cooldown_max_s
        self._state = Circuit.CLOSED
        self._failures = 0
        self._wait_s = cooldown_s
        self.until = float("-inf")  # end of the present pause or cooldown

    @property
    def state(self) -> Circuit:
        return self._state

    def allowed(self, now: float, cap: int) -> int:
        """How many requests may be under way now: `cap`, one to try with, or none."""
        if now < self.until:
            return 0
        if self._state is Circuit.OPEN:
            self._state = Circuit.HALF_OPEN
        return 1 if self._state is Circuit.HALF_OPEN else cap

    def succeeded(self) -> None:
        self._state = Circuit.CLOSED
        self._failures = 0
        self._wait_s = self._cooldown_s

    def failed(self, now: float) -> None:
        """A request failed. One sent before the circuit opened changes nothing any more."""
        if self._state is Circuit.OPEN:
            return
        self._failures += 1
        if self._state is Circuit.HALF_OPEN:
            self._wait_s = min(self._wait_s * 2, self._cooldown_max_s)
        elif self._failures < self._failures_max:
            return
        self._state = Circuit.OPEN
        self.until = max(self.until, now + self._wait_s)

    def pause(self, until: float) -> None:
        """The receiver asked to be left alone (Retry-After)."""
        self.until = max(self.until, until)
