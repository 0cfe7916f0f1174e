"""A bridge's router and lanes, the real ones, driven by hand: no loop, no sockets, no waiting.

What they do is cut where they wait: at both edges of each transaction, before and behind a pause,
and while a request is under way. There anything else may come in between, there a transaction may
fail, and there they may die.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

import sqlalchemy as sa

from crm_bridge import delivery, fresh, outbox, routing, tables, upkeep
from crm_bridge.breaker import Breaker
from crm_bridge.config import Endpoint
from crm_bridge.routing import Router
from crm_bridge.schedule import Answer
from sqlthread import T, Work

T0 = datetime(2026, 3, 2, tzinfo=UTC)
RETRY_S = 1.0
ENDPOINTS = {"crm": (RETRY_S,) * 100, "bi": ()}  # the second takes each failure for the last
Work_ = Coroutine[Any, Any, Any]


@types.coroutine
def _edge() -> Any:
    """Here others may come in between."""
    yield


async def _pause(_seconds: float) -> None:
    await _edge()


@types.coroutine
def _answered(request: Request) -> Any:
    answer = yield request
    return answer


@contextmanager
def small(room: int) -> Iterator[None]:
    """Room for so many messages in a lane, batches of a few, and commits in any order."""
    with ExitStack() as patches:
        for module, name, value in (
            (delivery, "HELD_MAX", room),
            (delivery, "CLAIM_MAX", 3),
            (routing, "ROOM_MIN", 1),
            (routing, "ROUTE_MAX", 4),
            (routing.asyncio, "sleep", _pause),
            (fresh, "IN_ORDER", ()),
        ):
            patches.enter_context(patch.object(module, name, value))
        yield


class InMemory:
    """A `Database`. `trouble` is how the next transaction fails: "before" it did anything, or
    "after", committed without anybody knowing it."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
        self.connection = self.engine.connect()
        tables.metadata.create_all(self.connection)
        self.trouble = ""

    async def write(self, work: Work[T], *, forgivable: bool = False) -> T:
        await _edge()
        trouble, self.trouble = self.trouble, ""
        if trouble == "before":
            raise OSError(trouble)
        result = work(self.connection)
        if trouble:
            raise OSError(trouble)
        await _edge()
        return result

    read = write

    def rows(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        return self.connection.connection.driver_connection.execute(query, values).fetchall()

    def close(self) -> None:
        self.connection.close()
        self.engine.dispose()


class Clock:
    def __init__(self) -> None:
        self.seconds = T0.timestamp()

    def now(self) -> float:
        return self.seconds

    def utc(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)


@dataclass(slots=True)
class Request:
    endpoint: str
    seq: int
    key: str


class Sender:
    """Asks the test what the receiver answers."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    async def send(self, *, key: str, seq: int, **_what: object) -> Answer:
        answer: Answer = await _answered(Request(self.endpoint, seq, key))
        return answer

    async def close(self) -> None: ...


class Worker:
    """A lane's task. `request` is what it waits for an answer to."""

    def __init__(self, process: Process, work: Work_) -> None:
        self.process = process
        self.work = work
        self.request: Request | None = None

    def add_done_callback(self, _callback: object) -> None: ...

    def go_on(self, answer: Answer | None = None) -> None:
        try:
            self.request = self.work.send(answer)
        except StopIteration:
            self.request = None


class Process:
    """One life of a process: two lanes and a router. `sent` hears of each request that begins."""

    def __init__(
        self, name: str, db: InMemory, clock: Clock, sent: Callable[[Process, Request], None]
    ) -> None:
        self.name, self.db, self.clock, self.sent = name, db, clock, sent
        self.ledger = fresh.Ledger()
        self.workers: list[Worker] = []
        self._new: list[Worker] = []
        self.doing: dict[str, Work_] = {}
        self.cycled_at = dict.fromkeys(ENDPOINTS, clock.now())
        self.lanes = {one: self._lane(one, retry_s) for one, retry_s in ENDPOINTS.items()}
        self.router = Router(
            list(self.lanes.values()),
            self.ledger,
            db,  # type: ignore[arg-type]
            clock,
            owner=name,
            poll_s=60.0,
            warn=lambda text, fields: None,
        )
        self._release()

    def _lane(self, name: str, retry_s: tuple[float, ...]) -> delivery.Lane:
        lane = delivery.Lane(
            Endpoint(name, "https://crm.example", (b"k" * 32,), concurrency=2, retry_s=retry_s),
            self.db,  # type: ignore[arg-type]
            self.clock,
            self,  # type: ignore[arg-type]
            owner=self.name,
            source="/overdial/one",
            ledger=self.ledger,
            warn=lambda text, fields: None,
        )
        lane._sender = Sender(name)  # type: ignore[assignment]
        lane.breaker = Breaker(failures_max=3, cooldown_s=2.0, cooldown_max_s=4.0)
        lane.disabled_why = upkeep.disabled(self.db.connection).get(name, "")
        return lane

    def start(self, _name: str, work: Work_) -> Worker:
        """As `Tasks`: it begins when whoever started it waits for something."""
        self._new.append(Worker(self, work))
        return self._new[-1]

    def _release(self) -> None:
        """As `Bridge` when it starts and when it ends."""
        outbox.release(self.db.connection, self.name, self.clock.now())
        fresh.end_turn(self.db.connection, self.name)

    # --- going on -------------------------------------------------------------------------------

    async def _cycle(self, where: str) -> None:
        """As `Lane.run`."""
        lane = self.lanes[where]
        self.cycled_at[where] = self.clock.now()
        try:
            await lane._cycle()
        except OSError:
            lane._fetch = True
            return
        lane._start_workers()

    async def _pass(self) -> None:
        """As `Router.run`."""
        try:
            await self.router._pass()
        except OSError:
            return

    def begin(self, what: str, steps: int | None = None) -> None:
        """A pass of the router or a lane's cycle, so far or to its end; one of each at a time."""
        if what not in self.doing:
            self.doing[what] = self._pass() if what == "route" else self._cycle(what)
        while what in self.doing and steps != 0:
            self.step(what)
            steps = None if steps is None else steps - 1

    def work(self) -> None:
        for what in (*ENDPOINTS, "route"):
            self.begin(what)

    def step(self, what: str) -> None:
        try:
            self.doing[what].send(None)
        except StopIteration:
            del self.doing[what]
        self._workers_go_on()

    def answer(self, worker: Worker, answer: Answer) -> None:
        worker.go_on(answer)
        self._told(worker)
        self._workers_go_on()

    def _workers_go_on(self) -> None:
        while self._new:
            worker = self._new.pop(0)
            self.workers.append(worker)
            worker.go_on()
            self._told(worker)

    def _told(self, worker: Worker) -> None:
        if worker.request is None:
            self.workers.remove(worker)
        else:
            self.sent(self, worker.request)

    def in_hand(self) -> set[tuple[str, int]]:
        """Not yet written down."""
        return {(one, seq) for one, lane in self.lanes.items() for seq in lane.hand.held}

    def to_be_sent(self) -> set[tuple[str, int]]:
        """Of these, those that still have to be answered."""
        return {
            (one, due.seq)
            for one, lane in self.lanes.items()
            for chain in lane.hand._chains.values()
            for due in chain.rows
        }

    # --- ending ---------------------------------------------------------------------------------

    def die(self) -> None:
        for work in [*self.doing.values(), *(one.work for one in self.workers)]:
            work.close()
        self.doing.clear()
        self.workers.clear()

    def end(self) -> None:
        """In good order, as `Bridge.close`: requests that are under way are given up."""
        for lane in self.lanes.values():
            lane._stopping = True
        self.die()
        try:
            for lane in self.lanes.values():
                at_once(lane.close())
            at_once(self.router.close())
        except OSError:
            return
        self._release()


def at_once(work: Work_) -> None:
    """Run to the end with nothing in between."""
    while True:
        try:
            work.send(None)
        except StopIteration:
            return
