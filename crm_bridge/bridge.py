"""The CRM bridge as a whole: what the dialer starts, wakes and asks.

    bridge = Bridge(engine, config, clock, tasks, outside=outside_work)
    await bridge.start()
    bridge.wake()            # after a commit that appended events to the outbox
    bridge.pop(event)        # a screen pop; never waits
    await bridge.close()

The tables are `crm_bridge.tables.metadata`; they must exist before `start`.
"""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_bridge import fresh, outbox, upkeep
from crm_bridge.config import Config
from crm_bridge.database import Database
from crm_bridge.delivery import Lane
from crm_bridge.events import Event, Kind
from crm_bridge.journal import Attempt
from crm_bridge.mapping import refs
from crm_bridge.ports import Clock, Outside, Tasks, Warn
from crm_bridge.realtime import FastLane
from crm_bridge.routing import Router

MEASURE_S = 5.0  # between counts of the backlog
MEASURE_QUIET_S = 300.0
KEEP_S = 30 * 86400.0  # how long events are kept for replay; they hold personal data
PRUNE_EVERY_S = 3600.0
PRUNE_MAX = 500  # events in one transaction, so that writers do not wait long
_LOOK_S = 0.02  # between looks of `drain` while something moves
GRACE_S = 3.0  # for requests under way when closing


@dataclass(frozen=True, slots=True)
class EndpointStats:
    """One endpoint. Counts are since the start; backlog as last measured."""

    name: str
    circuit: str  # closed, open or half open; "disabled" when it takes nothing more
    delivered: int
    failed_attempts: int
    dead: int  # dead letters in the database
    backlog: int
    oldest_age_s: float
    latency_s: float
    latency_sum_s: float  # of all `delivered`
    pops_sent: int
    pops_dropped: int
    pop_delay_s: float


@dataclass(frozen=True, slots=True)
class Stats:
    """The whole bridge; sums over the endpoints."""

    delivered: int = 0
    failed_attempts: int = 0
    dead: int = 0
    backlog: int = 0  # deliveries in the queue, and events that are fresh
    oldest_age_s: float = 0.0
    pops_sent: int = 0
    pops_dropped: int = 0
    endpoints: tuple[EndpointStats, ...] = field(default=())


def _quiet(text: str, fields: dict[str, object]) -> None:
    """Warnings go nowhere unless somebody asked for them."""


class Bridge:
    """Delivers what is in the outbox of `engine`'s database, and screen pops.

    `poll_s` is how often to look for events that another process wrote; one that is woken for
    every commit can look seldom. Two processes on one database need different owners of
    their leases, which is `config.instance` where `owner` is not given.
    A bridge without durable endpoints only forgets what is old.
    """

    def __init__(
        self,
        engine: AsyncEngine,
        config: Config,
        clock: Clock,
        tasks: Tasks,
        *,
        outside: Outside = nullcontext,
        warn: Warn = _quiet,
        poll_s: float = 60.0,
        keep_s: float = KEEP_S,
        owner: str = "",
    ) -> None:
        self._keep_s = keep_s
        self._clock = clock
        self._tasks = tasks
        self._warn = warn
        self._owner = owner or config.instance
        self._database = self.database = Database(engine, outside)
        ledger = fresh.Ledger()
        self._lanes = [
            Lane(
                endpoint,
                self._database,
                clock,
                tasks,
                owner=self._owner,
                source=f"/overdial/{config.instance}",
                ledger=ledger,
                warn=warn,
                outside=outside,
                poll_s=poll_s,
                on_room=self.wake,
            )
            for endpoint in config.endpoints
            if Kind.DURABLE in endpoint.kinds
        ]
        self._fast = [
            FastLane(endpoint, clock, tasks, f"/overdial/{config.instance}", outside)
            for endpoint in config.endpoints
            if Kind.REALTIME in endpoint.kinds
        ]
        self._router = Router(
            self._lanes,
            ledger,
            self._database,
            clock,
            owner=self._owner,
            poll_s=poll_s,
            warn=warn,
        )
        self._running: list[asyncio.Task[Any]] = []
        self._backlog: dict[str, upkeep.Backlog] = {}

    async def start(self) -> None:
        """Take back what a former life of this instance had in hand, and begin."""
        await self._database.write(self._release)
        off = await self._database.read(upkeep.disabled)
        for lane in self._lanes:
            lane.disabled_why = off.get(lane.endpoint.name, "")
        self._running = [self._tasks.start("crm prune", self._prune_often())]
        if not self._lanes:
            return  # events are left to a bridge that has endpoints for them
        self._running += [
            self._tasks.start("crm router", self._router.run()),
            self._tasks.start("crm measure", self._measure_often()),
            *(self._tasks.start(f"crm lane {one.endpoint.name}", one.run()) for one in self._lanes),
        ]

    async def close(self) -> None:
        """End: requests under way get `GRACE_S`; what is not delivered stays in the outbox."""
        await asyncio.gather(*(lane.stop(GRACE_S) for lane in self._lanes))
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running = []
        for fast in self._fast:
            await fast.close()
        for lane in self._lanes:
            await lane.close()
        if self._lanes:
            await self._router.close()
        await self._database.write(self._release)
        await self._database.close()

    def _release(self, connection: Connection) -> None:
        """What is leased to us, and the turn if it is ours, is anybody's."""
        outbox.release(connection, self._owner, self._utc())
        fresh.end_turn(connection, self._owner)

    def pop(self, event: Event) -> None:
        """Send a real-time event now, or drop and count it. Never waits, never raises."""
        for fast in self._fast:
            if fast.endpoint.wants(event.type, Kind.REALTIME):
                fast.offer(event)

    def wake(self) -> None:
        """Events were committed: begin to deliver them."""
        self._router.wake()

    def retry_now(self) -> None:
        """Look at once for what is due, as after a replay or after enabling an endpoint."""
        for lane in self._lanes:
            lane.wake()

    def attempts(self, endpoint: str, seq: int) -> list[Attempt]:
        """The attempts at one event that are still remembered, the oldest first."""
        return [
            one
            for lane in self._lanes
            if lane.endpoint.name == endpoint
            for one in lane.journal.of(seq)
        ]

    async def drain(self, limit_s: float) -> bool:
        """Wait until everything is delivered (or dead), at most `limit_s`; whether it is."""
        until, pause, before = self._clock.now() + limit_s, _LOOK_S, (0, 0)
        self.wake()
        while True:
            moved = self._moved()
            if any(one.in_hand for one in self._lanes) and moved != before:
                pause = _LOOK_S  # it goes on: no need to ask the database
            else:
                await self.measure()
                if not any(one.count for one in self._backlog.values()):
                    return True
            before = moved
            left = until - self._clock.now()
            if left <= 0:
                return False
            await asyncio.sleep(min(pause, left))
            pause = min(pause * 1.5, 10.0)

    def _moved(self) -> tuple[int, int]:
        """Changes whenever something is routed or an attempt ends."""
        counts = [one.counts for one in self._lanes]
        return self._router.routed, sum(one.delivered + one.failed for one in counts)

    async def measure(self) -> None:
        """Count the backlog now, for `stats`."""
        self._backlog = await self._database.read(upkeep.backlog)

    def stats(self) -> Stats:
        """Counts of this moment; the backlog as last measured, `MEASURE_S` ago or so."""
        lanes = {one.endpoint.name: one for one in self._lanes}
        fast = {one.endpoint.name: one for one in self._fast}
        each = tuple(self._one(name, lanes.get(name), fast.get(name)) for name in lanes | fast)
        unrouted = self._backlog.get("", upkeep.Backlog())
        queued = sum(self._backlog.get(name, upkeep.Backlog()).count for name in lanes)
        return Stats(
            delivered=sum(one.delivered for one in each),
            failed_attempts=sum(one.failed_attempts for one in each),
            dead=sum(one.dead for one in each),
            backlog=queued + unrouted.count,
            oldest_age_s=max([self._age(unrouted), *(one.oldest_age_s for one in each)]),
            pops_sent=sum(one.pops_sent for one in each),
            pops_dropped=sum(one.pops_dropped for one in each),
            endpoints=each,
        )

    def _one(self, name: str, lane: Lane | None, fast: FastLane | None) -> EndpointStats:
        waiting = self._backlog.get(name, upkeep.Backlog())
        circuit = "closed"
        if lane is not None:
            circuit = "disabled" if lane.disabled_why else str(lane.breaker.state)
        return EndpointStats(
            name=name,
            circuit=circuit,
            delivered=0 if lane is None else lane.counts.delivered,
            failed_attempts=0 if lane is None else lane.counts.failed,
            dead=waiting.dead,
            backlog=waiting.count + (0 if lane is None else lane.unwritten),
            oldest_age_s=self._age(waiting),
            latency_s=0.0 if lane is None else lane.counts.latency_s,
            latency_sum_s=0.0 if lane is None else lane.counts.latency_sum_s,
            pops_sent=0 if fast is None else fast.counts.sent,
            pops_dropped=0 if fast is None else fast.counts.dropped,
            pop_delay_s=0.0 if fast is None else fast.counts.delay_s,
        )

    def _age(self, waiting: upkeep.Backlog) -> float:
        return 0.0 if waiting.oldest_at is None else max(0.0, self._utc() - waiting.oldest_at)

    async def _measure_often(self) -> None:
        """Count every `MEASURE_S` while things move, and otherwise every `MEASURE_QUIET_S`."""
        before, measured_at = (-1, -1), self._clock.now()
        while True:
            moved = self._moved()
            quiet_s = self._clock.now() - measured_at
            if moved == before and quiet_s < MEASURE_QUIET_S:
                await asyncio.sleep(MEASURE_S)
                continue
            before, measured_at = moved, self._clock.now()
            try:
                await self.measure()
            except (SQLAlchemyError, OSError) as error:
                self._warn("the CRM backlog cannot be counted", {"error": type(error).__name__})
            await asyncio.sleep(MEASURE_S)

    async def _prune_often(self) -> None:
        while True:
            try:
                await self._prune()
            except (SQLAlchemyError, OSError) as error:
                self._warn("old CRM events cannot be removed", {"error": type(error).__name__})
            await asyncio.sleep(PRUNE_EVERY_S)

    async def _prune(self) -> None:
        before = self._utc() - self._keep_s

        def forget(connection: Connection) -> int:
            refs.prune(connection, before)
            return upkeep.prune(connection, before, limit=PRUNE_MAX, fresh_too=not self._lanes)

        while await self._database.write(forget) == PRUNE_MAX:
            pass

    def _utc(self) -> float:
        return self._clock.utc().timestamp()
