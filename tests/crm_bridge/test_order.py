"""Any interleaving of appends, routings, claims, answers, crashes and time keeps the two promises:
every event is delivered at least once (or is a dead letter), and none is overtaken within its key.

The router, the hand and the queue are the real ones, two processes of them on one database in
memory. What they do to the database is cut at the edges of each transaction: there anything else
may come in between, and there they may die. The model only knows what was appended.
"""

from __future__ import annotations

import types
from collections import defaultdict
from collections.abc import Collection, Coroutine, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from crm_bridge import fresh, outbox, tables
from crm_bridge.config import Endpoint
from crm_bridge.database import T, Work
from crm_bridge.events import Event, event_id
from crm_bridge.inhand import Chain, InHand, Results
from crm_bridge.outbox import Due, Failed
from crm_bridge.routing import TURN_S, Router

T0 = datetime(2026, 3, 2, tzinfo=UTC)
ENDPOINTS = ("crm", "bi")
LEASE_S, HOLD_S = 60.0, 1.0


@types.coroutine
def _edge() -> Any:
    """Here others may come in between."""
    yield


class Synchronous:
    """A `Database` in memory. Others may come in between before and after each transaction."""

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
        self.connection = self.engine.connect()
        tables.metadata.create_all(self.connection)

    async def write(self, work: Work[T], *, forgivable: bool = False) -> T:
        await _edge()
        result = work(self.connection)
        await _edge()
        return result

    read = write


def at_once(work: Coroutine[Any, Any, Any]) -> Any:
    """Run to the end with nothing in between."""
    while True:
        try:
            work.send(None)
        except StopIteration as done:
            return done.value


class Clock:
    def __init__(self) -> None:
        self.time = T0

    def now(self) -> float:
        return self.time.timestamp()

    def utc(self) -> datetime:
        return self.time


class Lane:
    """One endpoint's lane of one process: real hand, real ledger, and answers from the test."""

    def __init__(self, process: Process, name: str) -> None:
        self.process = process
        self.endpoint = Endpoint(name, "https://crm.example", (b"k" * 32,))
        self.hand = InHand()
        self.closed = False  # the circuit is not: everything has to stand in the queue
        self.max = 3

    def room(self) -> int | None:
        return None if self.closed else max(0, self.max - len(self.hand.held))

    def take(self, messages: Iterable[Due], queued: Collection[int]) -> None:
        self.hand.take_fresh(messages, queued)

    def wake(self) -> None:
        """It will be asked by the test."""

    def heads(self) -> list[Chain]:
        found = [chain for chain in self.hand._chains.values() if chain.rows]
        return sorted(found, key=lambda chain: chain.key)

    async def cycle(self, now: float, limit: int) -> None:
        """As `crm_bridge.delivery.Lane` does it."""
        results = self.hand.take_results()
        written = results.seqs()
        ledger = self.process.ledger
        struck = ledger.ending(seq for seq in written if seq in self.hand.unwritten)
        tails = self.hand.tails(written)

        def transaction(connection: sa.Connection) -> outbox.Claim:
            outbox.settle(
                connection,
                self.endpoint.name,
                now,
                delivered=results.delivered.values(),
                failed=results.failed.values(),
                given_back=results.given_back.values(),
                kept=self.hand.held.keys() - self.hand.unwritten - written,
                kept_until=now + LEASE_S,
            )
            fresh.strike_off(connection, struck)
            if not limit:
                return outbox.Claim()
            return outbox.claim(
                connection,
                self.endpoint.name,
                owner=self.process.name,
                tails=tails,
                now=now,
                lease_s=LEASE_S,
                hold_s=HOLD_S,
                limit=limit,
            )

        claim = await self.process.db.write(transaction)
        ledger.written(self.hand.queued(written), struck)
        self.hand.forget(written)
        self.hand.take_claimed(claim.due, now, HOLD_S)


class Process:
    def __init__(self, name: str, db: Synchronous, clock: Clock) -> None:
        self.name, self.db, self.clock = name, db, clock
        self.ledger = fresh.Ledger()
        self.lanes = {name: Lane(self, name) for name in ENDPOINTS}
        self.router = Router(
            list(self.lanes.values()),  # type: ignore[arg-type]
            self.ledger,
            db,  # type: ignore[arg-type]
            clock,
            owner=name,
            poll_s=60.0,
            warn=lambda text, fields: None,
        )
        self.doing: dict[str, Coroutine[Any, Any, Any]] = {}

    def begin(self, what: str, work: Coroutine[Any, Any, Any]) -> None:
        """One of each at a time, as in the real one; what is begun already is not begun again."""
        if what in self.doing:
            work.close()
            return
        self.doing[what] = work
        self.step(what)

    def finish(self, what: str) -> None:
        while what in self.doing:
            self.step(what)

    def step(self, what: str) -> None:
        try:
            self.doing[what].send(None)
        except StopIteration:
            del self.doing[what]

    async def route(self) -> None:
        if await self.router._take_turn():
            await self.router._route(4)


class World:
    """Processes "a" and "b", each with the same two endpoints. What happens is a word and a number,
    which says to whom: a number means something at any time, so that most of a history does."""

    def __init__(self, room: int) -> None:
        self.db = Synchronous()
        self.clock = Clock()
        self.room = room
        self.appended: list[str] = []  # the key of each seq, from 1
        self.live = {name: self.born(name) for name in "ab"}
        self.arrived: dict[tuple[str, str], list[int]] = defaultdict(list)
        self.dead: set[tuple[str, int]] = set()

    def born(self, name: str) -> Process:
        process = Process(name, self.db, self.clock)
        for lane in process.lanes.values():
            lane.max = self.room
        return process

    def happen(self, word: str, number: int) -> None:
        who = "ab"[number % 2]
        process, where = self.live[who], ENDPOINTS[number // 2 % 2]
        lane = process.lanes[where]
        match word:
            case "append":
                self.append("xxxy"[number % 4] for _ in range(1 + number // 4 % 3))
            case "route":
                process.begin("route", process.route())
                process.finish("route")
            case "begin to route":
                process.begin("route", process.route())
            case "cycle":
                process.begin(where, lane.cycle(self.clock.now(), (0, 1, 4)[number // 4 % 3]))
                process.finish(where)
            case "begin a cycle":
                process.begin(where, lane.cycle(self.clock.now(), (0, 1, 4)[number // 4 % 3]))
            case "go on":
                begun = [(one, what) for one in self.live.values() for what in one.doing]
                if begun:
                    one, what = begun[number % len(begun)]
                    one.step(what)
            case "circuit":
                lane.closed = not lane.closed
            case "crash":
                self.crash(who)
            case "time":
                self.pass_time((0.5, 2, TURN_S + 1)[number % 3])
            case how:
                self.answer(number, how)

    def append(self, keys: Iterable[str]) -> None:
        happened = []
        for key in keys:
            self.appended.append(key)
            n = len(self.appended)
            happened.append(
                Event(event_id(n), "dnc.added", T0 + timedelta(seconds=n), key, {"n": n})
            )
        outbox.append_sync(self.db.connection, happened)

    def answer(self, number: int, how: str) -> None:
        """The receiver answers the head of some chain, or the circuit opens before it is sent."""
        heads = [
            (lane, chain)
            for process in self.live.values()
            for lane in process.lanes.values()
            for chain in lane.heads()
        ]
        if heads:
            lane, chain = heads[number % len(heads)]
            self.answered(lane, chain, how)

    def answered(self, lane: Lane, chain: Chain, how: str) -> None:
        hand, where = lane.hand, lane.endpoint.name
        if how == "closed":
            hand.break_off(chain, self.clock.now())
            return
        due = chain.rows.popleft()
        if how == "well":
            self.arrive(where, due)
            hand.results.delivered[due.seq] = (due, 200)
            return
        retry_at = None if how == "dead" else self.clock.now() + 30
        if retry_at is None:
            self.dead.add((where, due.seq))
        hand.results.failed[due.seq] = Failed(due, "HTTP 500", 500, retry_at)
        hand.break_off(chain, self.clock.now() if retry_at is None else retry_at)

    def crash(self, who: str) -> None:
        """It dies with all it holds; its next life takes the leases and the turn back."""
        for work in self.live[who].doing.values():
            work.close()
        self.live[who] = self.born(who)
        outbox.release(self.db.connection, who, self.clock.now())
        fresh.end_turn(self.db.connection, who)

    def pass_time(self, seconds: float) -> None:
        """Leases are drawn out in time; a turn may well run out under somebody who goes on."""
        for process in self.live.values():
            for what in list(process.doing):
                process.finish(what)  # a transaction does not last
            for lane in process.lanes.values():
                at_once(lane.cycle(self.clock.now(), 0))
        self.clock.time += timedelta(seconds=seconds)

    def arrive(self, where: str, due: Due) -> None:
        key = self.appended[due.seq - 1]
        assert key == due.key
        before = self.arrived[where, key]
        if due.seq in before:
            return  # again: the receiver knows the id
        earlier = [n for n, one in enumerate(self.appended, 1) if one == key and n < due.seq]
        missing = [n for n in earlier if n not in before and (where, n) not in self.dead]
        assert not missing, f"{due.seq} overtook {missing} at {where}"
        before.append(due.seq)

    def what_is_in_hand_is_accounted_for(self) -> None:
        for process in self.live.values():
            for lane in process.lanes.values():
                assert lane.hand.unwritten <= lane.hand.held.keys()
                assert lane.hand.unwritten <= process.ledger.hands.keys()

    def heal(self, *, crash: bool) -> None:
        """Time passes: everything arrives, and nothing stays fresh; by those who live, or by their
        next lives."""
        for who in "ab" if crash else "":
            self.crash(who)
        for _ in range(len(self.appended) + 4):
            self.pass_time(LEASE_S + 1)
            for process in self.live.values():
                at_once(process.route())
                for lane in process.lanes.values():
                    lane.closed, lane.max = False, 1000
                    at_once(lane.cycle(self.clock.now(), 1000))
                    while heads := lane.heads():
                        self.answered(lane, heads[0], "well")
                    at_once(lane.cycle(self.clock.now(), 0))
        for where in ENDPOINTS:
            got = {seq for (at, _), seqs in self.arrived.items() if at == where for seq in seqs}
            lost = {seq for at, seq in self.dead if at == where}
            missing = set(range(1, len(self.appended) + 1)) - got - lost
            assert not missing, f"never arrived at {where}: {missing}"
        for process in self.live.values():
            fresh.strike_off(self.db.connection, process.ledger.over)
        left = self.db.connection.scalar(sa.select(sa.func.count()).select_from(tables.fresh))
        assert left == 0
        assert not any(process.ledger.hands for process in self.live.values())

    def close(self) -> None:
        for process in self.live.values():
            for work in process.doing.values():
                work.close()
        self.db.connection.close()
        self.db.engine.dispose()


WORDS = (
    *("append",) * 3, *("route",) * 4, "begin to route", *("cycle",) * 4, "begin a cycle",
    *("go on",) * 3, *("well",) * 4, "badly", "dead", "closed", "circuit", "crash", "time",
)  # fmt: skip


@settings(max_examples=80)
@given(
    st.integers(1, 3),
    st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, 11)), min_size=25, max_size=60),
    st.booleans(),
)
def test_nothing_is_lost_and_nothing_is_overtaken(
    room: int, history: list[tuple[str, int]], crash: bool
) -> None:
    world = World(room)
    try:
        for word, number in history:
            world.happen(word, number)
            world.what_is_in_hand_is_accounted_for()
        world.heal(crash=crash)
    finally:
        world.close()


def test_what_could_not_be_written_down_is_kept() -> None:
    hand = InHand()
    due = Due(1, "k", 0, "msg_1", "dnc.added", 0.0, "{}", None)
    hand.results.delivered[1] = (due, 200)
    taken = hand.take_results()
    hand.results.given_back[2] = (due, 5.0)
    hand.put_results_back(taken)
    assert hand.results.seqs() == {1, 2}
    assert isinstance(hand.results, Results)
