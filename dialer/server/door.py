"""The one door to the core: a bounded queue with one consumer.

Whoever learns a fact posts it; the consumer takes facts in order and, without awaiting anything
in between, has each one's commands carried out. Long queues are worked off in slices, so that
sockets and timers get their turn.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable

from dialer.clock import Clock
from dialer.core.commands import Command
from dialer.core.events import Event
from dialer.core.floor import Floor

DOOR_DEPTH_MAX = 20_000  # facts; more means that we fall behind for good
# Above this many waiting facts no new lines are decided: what is under way comes first.
DOOR_BUSY = 1_000
SLICE_S = 0.004  # real work at a stretch; far under the 20 ms the loop may lag


class DoorOverrun(Exception):
    """More facts wait than can ever be worked off in time."""


class Door:
    """Feeds the floor. `execute` carries out one command; `after` runs once per slice.

    `failed(error)` is told of an exception in the core or in the carrying out of a command, and
    must not raise itself; the fact or command that caused it is dropped and the next one is taken,
    so that live calls go on being served.
    """

    def __init__(
        self,
        floor: Floor,
        clock: Clock,
        execute: Callable[[Command], None],
        after: Callable[[], None],
        failed: Callable[[Exception], None],
        work_clock: Callable[[], float],
    ) -> None:
        self._floor = floor
        self._clock = clock
        self._execute = execute
        self._after = after
        self._failed = failed
        self._work_clock = work_clock  # real seconds, to measure a slice
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Event] = deque()
        self._scheduled: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._posted = 0  # facts ever posted, and ever taken
        self._taken = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._closed = False

    @property
    def depth(self) -> int:
        return len(self._queue)

    @property
    def depth_max(self) -> int:
        return DOOR_DEPTH_MAX

    @property
    def busy(self) -> bool:
        return len(self._queue) > DOOR_BUSY

    def post(self, event: Event) -> None:
        """Hand in a fact. Never waits. Raises `DoorOverrun` past `DOOR_DEPTH_MAX`."""
        if len(self._queue) >= DOOR_DEPTH_MAX:
            raise DoorOverrun(f"more than {DOOR_DEPTH_MAX} facts wait for the core")
        self._queue.append(event)
        self._posted += 1
        if self._scheduled is None and not self._closed:
            self._scheduled = self._loop.call_soon(self._work)

    async def settled(self) -> None:
        """Wait until every fact posted so far was taken and its commands carried out."""
        if self._taken < self._posted and not self._closed:
            done = self._loop.create_future()
            self._waiting.append((self._posted, done))
            await done

    def close(self) -> None:
        """Take no more facts; those who wait for theirs wait no longer."""
        self._closed = True
        for handle in (self._scheduled, self._timer):
            if handle is not None:
                handle.cancel()
        self._release(self._posted)

    def _release(self, taken: int) -> None:
        while self._waiting and self._waiting[0][0] <= taken:
            _, done = self._waiting.popleft()
            if not done.done():
                done.set_result(None)

    def _work(self) -> None:
        self._scheduled = None
        began = self._work_clock()
        queue = self._queue
        self._carry_out(self._floor.tick, self._clock.now())
        while queue:
            self._carry_out(self._floor.handle, queue.popleft(), self._clock.now())
            self._taken += 1
            if self._work_clock() - began > SLICE_S:
                break
        self._release(self._taken)
        try:
            self._after()
        except Exception as error:
            self._failed(error)
        if queue and self._scheduled is None:
            self._scheduled = self._loop.call_soon(self._work)
        self._set_timer()

    def _carry_out(self, step: Callable[..., Iterable[Command]], *args: object) -> None:
        """One step and its commands. One that fails keeps none of the others from being done."""
        try:
            commands = step(*args)
        except Exception as error:
            self._failed(error)
            return
        for command in commands:
            try:
                self._execute(command)
            except Exception as error:
                self._failed(error)

    def _set_timer(self) -> None:
        due = self._floor.next_deadline()
        if self._timer is not None:
            if due is not None and self._timer.when() == due:
                return
            self._timer.cancel()
            self._timer = None
        if due is not None and not self._closed:
            self._timer = self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        self._timer = None
        if self._scheduled is None and not self._closed:
            self._work()
