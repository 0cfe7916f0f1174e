"""The fast path: screen pops and agent states, worth nothing when late.

`offer` is synchronous, never blocks and never fails: it puts the event into one bounded queue an
endpoint and returns. Each endpoint has its own queue, its own few workers and its own connection
pool, so that one that hangs costs the others nothing. A full queue drops its oldest entry (the
newest wins); an event older than its limit is dropped; every drop is counted with its cause.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import nullcontext
from dataclasses import dataclass, field

import aiohttp

from crm_bridge.config import Endpoint
from crm_bridge.events import Event
from crm_bridge.mapping.runner import Sending, open_sender
from crm_bridge.outbox import encode
from crm_bridge.ports import Clock, Outside, Tasks

LIFE_S = 5.0  # after the answer; an agent has read the screen or asked by then
CONNECT_S = 1.0
TOTAL_S = 2.0
TRIES_MAX = 2
QUEUE_MAX = 64  # at 50 pops/s more than a second's worth; beyond it everything would be late
WORKERS_MAX = 16


@dataclass(slots=True)
class PopCounts:
    """Since the start of this process."""

    sent: int = 0
    late: int = 0  # expired before it could be sent
    crowded_out: int = 0  # the queue was full
    failed: int = 0  # no try succeeded
    delay_s: float = 0.0  # of the last one sent: from `offer` to the request's start

    @property
    def dropped(self) -> int:
        return self.late + self.crowded_out + self.failed


@dataclass(frozen=True, slots=True)
class _Pop:
    event: Event
    data: str
    offered_at: float
    expires_at: float


@dataclass(slots=True)
class FastLane:
    """Real-time delivery to one endpoint."""

    endpoint: Endpoint
    clock: Clock
    tasks: Tasks
    source: str = "/overdial"
    outside: Outside = nullcontext
    counts: PopCounts = field(default_factory=PopCounts)
    _queue: deque[_Pop] = field(default_factory=deque)
    _workers: int = 0
    _handles: set[asyncio.Task[None]] = field(default_factory=set)
    _sender: Sending | None = None

    def offer(self, event: Event) -> None:
        """Take an event to be sent at once. It expires `LIFE_S` after `event.time`."""
        now = self.clock.now()
        age_s = (self.clock.utc() - event.time).total_seconds()
        if len(self._queue) >= QUEUE_MAX:
            self._queue.popleft()
            self.counts.crowded_out += 1
        data = encode(event.data)
        self._queue.append(_Pop(event, data, now, now + LIFE_S - age_s))
        if self._workers < WORKERS_MAX:
            self._workers += 1
            task = self.tasks.start(f"crm pop {self.endpoint.name}", self._work())
            self._handles.add(task)
            task.add_done_callback(self._handles.discard)

    async def close(self) -> None:
        """Drop what waits and end what is under way."""
        self.counts.late += len(self._queue)
        self._queue.clear()
        for task in list(self._handles):
            task.cancel()
        await asyncio.gather(*list(self._handles), return_exceptions=True)
        if self._sender is not None:
            await self._sender.close()

    async def _work(self) -> None:
        """Send until the queue is empty."""
        try:
            while self._queue:
                await self._send(self._queue.popleft())
        finally:
            self._workers -= 1

    async def _send(self, pop: _Pop) -> None:
        if self._sender is None:
            self._sender = open_sender(
                self.endpoint,
                self.clock,
                self.source,
                connections_max=WORKERS_MAX,
                timeout=aiohttp.ClientTimeout(
                    total=min(TOTAL_S, self.endpoint.timeout_s), connect=CONNECT_S
                ),
                outside=self.outside,
            )
        for number in range(TRIES_MAX):
            if self.clock.now() >= pop.expires_at:
                self.counts.late += 1
                return
            if number == 0:
                self.counts.delay_s = self.clock.now() - pop.offered_at
            answer = await self._sender.send(
                id_=pop.event.id,
                type_=pop.event.type,
                at=pop.event.time.timestamp(),
                key=pop.event.key,
                seq=None,
                data=pop.data,
            )
            if answer.ok:
                self.counts.sent += 1
                return
            if answer.status is not None and answer.status < 500:
                break  # it was understood and refused; asking again changes nothing
        self.counts.failed += 1
