"""The shell's clock, and the event loop whose time can be scaled or made virtual.

Production runs on the ordinary loop. The demo and the tests run the very same program on a
`ScaledLoop`: every `sleep`, deadline and timestamp then follows simulated seconds, while sockets
stay real. Use it by `asyncio.Runner(loop_factory=...)`; there is no event-loop policy.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

_EXTERNAL_WAIT_S = 0.05  # real seconds between looks while work outside the loop is under way
_BEHIND_MAX_S = 2.0  # real seconds of delay that are made up for; more (a suspended host) is not


class Clock:
    """Now, as the running loop has it: seconds for the core, UTC for people and laws."""

    def __init__(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        self._loop = loop or asyncio.get_running_loop()
        self._t0 = self._loop.time()
        self._utc0 = datetime.now(UTC)  # noqa: TID251 - the one place that asks

    def now(self) -> float:
        """Monotonic seconds."""
        return self._loop.time()

    def utc(self) -> datetime:
        return self.utc_at(self._loop.time())

    def utc_at(self, now: float) -> datetime:
        """The UTC time of a moment of `now()`."""
        return self._utc0 + timedelta(seconds=now - self._t0)

    def at_utc(self, moment: datetime) -> float:
        """The moment of `now()` at which it is `moment` (aware)."""
        return self._t0 + (moment - self._utc0).total_seconds()


class ScaledLoop(asyncio.SelectorEventLoop):
    """An event loop whose seconds pass `speed` times as fast as real ones.

    Time passes only while the loop has nothing to do, so a slow step never eats up a simulated
    deadline: the clock falls behind its pace and makes up for it by waiting less afterwards.
    `speed=None` is virtual time: when nothing is ready the clock jumps to the next timer, so an
    hour costs only its work. Sockets between parties in this very process are served in order,
    because loopback delivers at once; work in threads or other processes must be announced with
    `outside()`, and the clock stands still until it is done.
    """

    def __init__(self, speed: float | None = None) -> None:
        self._speed = speed
        self._real0 = time.monotonic()
        self._virtual = 0.0
        self._outside = 0
        super().__init__(_TimedSelector(self))

    @property
    def speed(self) -> float:
        """Simulated seconds in a real one; infinite in virtual time."""
        return float("inf") if self._speed is None else self._speed

    def time(self) -> float:
        return self._virtual

    @contextmanager
    def outside(self) -> Iterator[None]:
        """While inside, time stands still: something not on this loop is at work."""
        self._outside += 1
        try:
            yield
        finally:
            self._outside -= 1

    def pass_time(self, selector: selectors.BaseSelector, timeout: float | None) -> list[Any]:
        """Wait for sockets until `timeout` simulated seconds have passed (None: for ever)."""
        if timeout is not None and timeout <= 0:
            return selector.select(0)
        ready = selector.select(0)
        if ready:
            return ready
        if self._outside:
            return selector.select(_EXTERNAL_WAIT_S)
        if self._speed is not None:
            return self._keep_pace(selector, timeout, self._speed)
        if timeout is None:
            return selector.select(_EXTERNAL_WAIT_S)
        self._virtual += timeout
        return []

    def _keep_pace(
        self, selector: selectors.BaseSelector, timeout: float | None, speed: float
    ) -> list[Any]:
        """Let time pass until `timeout` or until a socket is ready, no faster than the pace."""
        behind = self._pace(speed) - self._virtual
        if behind > _BEHIND_MAX_S * speed:
            self._real0 += behind / speed - _BEHIND_MAX_S
            behind = _BEHIND_MAX_S * speed
        if timeout is not None and behind >= timeout:
            self._virtual += timeout
            return []
        began = self._virtual
        ready = selector.select(None if timeout is None else (timeout - behind) / speed)
        now = max(began, self._pace(speed))
        self._virtual = now if timeout is None else min(now, began + timeout)
        return ready

    def _pace(self, speed: float) -> float:
        """Where the clock should be by now."""
        return (time.monotonic() - self._real0) * speed


class _TimedSelector(selectors.DefaultSelector):
    def __init__(self, loop: ScaledLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[Any]:
        return self._loop.pass_time(super(), timeout)  # type: ignore[arg-type]


def wall_s() -> float:
    """Real Unix seconds, whatever the loop does: people's sessions live in real time."""
    return time.time()  # noqa: TID251 - the one other place that asks


@contextmanager
def outside_work() -> Iterator[None]:
    """Announce work outside the running loop (a thread, a database); free on an ordinary loop."""
    loop = asyncio.get_running_loop()
    if isinstance(loop, ScaledLoop):
        with loop.outside():
            yield
    else:
        yield
