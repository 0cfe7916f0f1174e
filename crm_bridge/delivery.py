"""Durable delivery: from the outbox to the endpoints, at least once and in order within a key.

Each endpoint has a `Lane`. A lane's cycle is one transaction: it writes down what came of the
requests since the last cycle, and claims what is due. What it claimed stands in chains, one for
each partition key; workers (as many as the endpoint's concurrency) take a chain each and send its
messages one after the other. When one fails, the rest of its chain goes back to wait behind it,
and other chains go on. A message whose answer was lost is sent again with the same id: receivers
tell duplicates by it.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field

import aiohttp
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from crm_bridge import outbox, upkeep
from crm_bridge.breaker import Breaker, Circuit
from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.journal import Attempt, Journal
from crm_bridge.mapping.runner import open_sender
from crm_bridge.outbox import Due, Failed, Hand
from crm_bridge.ports import Clock, Outside, Tasks, Warn
from crm_bridge.schedule import Answer, Verdict, judge

LEASE_S = 60.0  # longer than any timeout; drawn out at half time while in hand
HOLD_S = 1.0  # how long a message stands back behind somebody else's lease
CLAIM_MAX = 500  # messages claimed in one transaction
HELD_MAX = 4 * CLAIM_MAX  # messages in hand, in memory, per lane
SETTLE_S = 0.05  # to gather what was delivered: nobody waits for its being written down
TROUBLE_S = 1.0  # between attempts to reach a database that fails


@dataclass(slots=True)
class Counts:
    """Since the start of this process."""

    delivered: int = 0
    failed: int = 0  # attempts
    dead: int = 0
    latency_s: float = 0.0  # of the last delivery: from the happening to the answer
    latency_sum_s: float = 0.0  # of all of them


@dataclass(slots=True)
class _Chain:
    key: str
    tail: int  # last seq that was added
    rows: deque[Due] = field(default_factory=deque)
    at_work: bool = False
    retry_at: float | None = None  # set when its head failed: nothing may be added any more


@dataclass(slots=True)
class _Results:
    """What the next cycle writes down."""

    delivered: dict[int, int] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    given_back: dict[int, float] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.delivered) + len(self.failed) + len(self.given_back)


class Lane:
    """Durable delivery to one endpoint."""

    def __init__(
        self,
        endpoint: Endpoint,
        database: Database,
        clock: Clock,
        tasks: Tasks,
        *,
        owner: str,
        warn: Warn,
        outside: Outside = nullcontext,
        poll_s: float = LEASE_S / 4,
        on_room: Callable[[], None] = lambda: None,
    ) -> None:
        self.endpoint = endpoint
        self.counts = Counts()
        self.journal = Journal()
        self.breaker = Breaker()
        self.disabled_why = ""
        self._database = database
        self._clock = clock
        self._tasks = tasks
        self._owner = owner
        self._warn = warn
        self._poll_s = poll_s
        self._sender = open_sender(
            endpoint,
            clock,
            f"/overdial/{owner}",
            connections_max=endpoint.concurrency,
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            outside=outside,
            database=database,
        )
        self._news = asyncio.Event()
        self._fetch = True  # there may be something due that is not in hand
        self._chains: dict[str, _Chain] = {}
        self._ready: deque[_Chain] = deque()
        self._held: set[int] = set()
        self._at_work = 0
        self._workers: set[asyncio.Task[None]] = set()
        self._results = _Results()
        self._gone = ""
        self._stopping = False
        self._leased_at = 0.0
        self._due_at = math.inf  # of the earliest that waits, as last seen
        self._behind = False  # the last claim did not bring everything that is due
        self._on_room = on_room

    def wake(self) -> None:
        """There is something new to claim."""
        self._fetch = True
        self._news.set()

    def hand(self) -> Hand | None:
        """What the router may give us at once; None when the endpoint takes nothing now and its
        messages have to stand in the queue. No room: older ones are to be claimed first."""
        if self.breaker.state is not Circuit.CLOSED or self._allowed() == 0:
            return None
        if self._fetch or self._behind:
            return Hand(0)
        return Hand(max(0, HELD_MAX - len(self._held)), self._tail)

    def take(self, due: Iterable[Due]) -> None:
        """Messages that the router has leased to us."""
        self._take_up(due)
        self._start_workers()

    @property
    def in_hand(self) -> int:
        """Messages claimed and not yet written down."""
        return len(self._held)

    async def stop(self, grace_s: float) -> None:
        """Begin nothing more; what is under way may end within `grace_s`."""
        self._stopping = True
        workers = list(self._workers)
        if workers:
            await asyncio.wait(workers, timeout=grace_s)
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)

    async def close(self) -> None:
        """After `stop` and the end of `run`: give back what is in hand: it is due at once."""
        now = self._utc()
        results = self._results
        for seq in self._held - results.delivered.keys():
            if not any(failure.seq == seq for failure in results.failed):
                results.given_back.setdefault(seq, now)
        try:
            if len(results):
                async with self._database.transaction(forgivable=True) as connection:
                    await self._write(connection, results, now)
        finally:
            await self._sender.close()

    async def run(self) -> None:
        """The lane's life; ends by being cancelled."""
        while True:
            try:
                due_at = await self._cycle()
            except (SQLAlchemyError, OSError) as error:  # a refused connection comes as OSError
                self._warn(
                    "the CRM bridge cannot use its database", {"error": type(error).__name__}
                )
                self._fetch = True
                await asyncio.sleep(TROUBLE_S)
                continue
            self._start_workers()
            await self._rest(due_at)

    # --- the cycle ------------------------------------------------------------------------------

    async def _cycle(self) -> float:
        """Write down and claim; the UTC second at which there is something to do by itself."""
        self._news.clear()
        now = self._utc()
        results, self._results = self._results, _Results()
        gone, self._gone = self._gone, ""
        fetch, self._fetch = self._fetch or self._due_at <= now, False
        written = results.delivered.keys() | {one.seq for one in results.failed}
        written |= results.given_back.keys()
        limit = 0 if gone else self._room(len(written))
        claim = outbox.Claim()
        if limit <= 0:
            self._due_at = math.inf  # what is due is not for us now
        due_at = min(self._due_at, now + self._poll_s)
        try:
            async with self._database.transaction(forgivable=True) as connection:
                await self._write(connection, results, now)
                if gone:
                    await upkeep.disable(connection, self.endpoint.name, now, gone)
                elif self.disabled_why:  # somebody may have enabled it
                    off = await upkeep.disabled(connection)
                    self.disabled_why = off.get(self.endpoint.name, "")
                await self._keep_leases(connection, written, now)
                if fetch and limit > 0:
                    claim = await outbox.claim(
                        connection,
                        self.endpoint.name,
                        owner=self._owner,
                        tails=self._tails(written),
                        now=now,
                        lease_s=LEASE_S,
                        hold_s=HOLD_S,
                        limit=limit,
                    )
                if fetch and limit > 0 and not claim.due:
                    next_due = await outbox.next_due(connection, self.endpoint.name)
                    self._due_at = math.inf if next_due is None else next_due
                    due_at = min(self._due_at, now + self._poll_s)
        except BaseException:
            self._results = _merged(results, self._results)  # nothing was written: keep it all
            self._gone = self._gone or gone
            self._fetch = True
            raise
        if gone:
            self.disabled_why = gone
        self._forget(written)
        self._take_up(claim.due)
        if fetch:
            self._behind = claim.more or limit <= 0
        if claim.more or limit <= 0:
            self._fetch = True
        if written or fetch:
            self._on_room()
        return due_at

    def _tails(self, written: Collection[int]) -> dict[str, int]:
        """The last message of each chain that may grow."""
        return {
            key: chain.tail
            for key, chain in self._chains.items()
            if chain.retry_at is None and chain.tail not in written
        }

    def _tail(self, key: str) -> int | None:
        """The last message of a key's chain, if it may grow."""
        chain = self._chains.get(key)
        return None if chain is None or chain.retry_at is not None else chain.tail

    def _room(self, leaving: int) -> int:
        """How many messages to claim: what memory has room for, or one to try a bad endpoint."""
        allowed = self._allowed()
        if allowed and self.breaker.state is Circuit.HALF_OPEN:
            return allowed - self._at_work
        return min(CLAIM_MAX, HELD_MAX + leaving - len(self._held)) if allowed else 0

    async def _write(self, connection: AsyncConnection, results: _Results, now: float) -> None:
        await outbox.settle(
            connection,
            self.endpoint.name,
            now,
            delivered=results.delivered,
            failed=results.failed,
            given_back=results.given_back,
        )

    async def _keep_leases(
        self, connection: AsyncConnection, written: set[int], now: float
    ) -> None:
        """Draw out the leases of what is still in hand before the first could run out."""
        kept = self._held - written
        if kept and now - self._leased_at > LEASE_S / 2:
            self._leased_at = now
            await outbox.settle(
                connection, self.endpoint.name, now, kept=kept, kept_until=now + LEASE_S
            )

    def _forget(self, written: set[int]) -> None:
        """What is written down is out of our hands, and so are the chains that ended with it."""
        self._held -= written
        for key in [
            key
            for key, chain in self._chains.items()
            if not chain.rows and not chain.at_work and chain.tail in written
        ]:
            del self._chains[key]

    def _take_up(self, leased: Iterable[Due]) -> None:
        """Put what was leased to us into chains, unless its chain broke or ended meanwhile.

        What was in front of it may be gone from here because it was delivered, or because it
        failed and was written down so: only the database knows, so it stands in the queue again.
        """
        if not self._held:
            self._leased_at = self._utc()
        for due in leased:
            if due.seq in self._held:
                continue  # our own lease had run out; it is in hand and now leased anew
            chain = self._chains.get(due.key)
            if chain is None:
                fits = due.ahead is None
            else:
                fits = chain.retry_at is None and due.ahead == chain.tail
            if not fits:
                at = self._utc() + HOLD_S
                if chain is None:
                    at = self._utc()
                elif chain.retry_at is not None:
                    at = chain.retry_at
                self._results.given_back[due.seq] = at
                self._fetch = True
                self._news.set()
                continue
            if chain is None:
                chain = self._chains[due.key] = _Chain(due.key, due.seq)
            chain.rows.append(due)
            chain.tail = due.seq
            self._held.add(due.seq)
            if not chain.at_work and len(chain.rows) == 1:
                self._ready.append(chain)

    def _allowed(self) -> int:
        """Requests that may be under way now."""
        if self.disabled_why or self._gone or self._stopping:
            return 0
        return self.breaker.allowed(self._clock.now(), self.endpoint.concurrency)

    async def _rest(self, due_at: float) -> None:
        """Until there is news, or something comes due, or a pause ends."""
        if self._fetch and self._room(0) > 0 and len(self._held) < HELD_MAX // 2:
            await asyncio.sleep(0)  # let the workers begin
            return
        wait = max(0.0, due_at - self._utc())
        if self._held:
            wait = min(wait, LEASE_S / 4)  # leases are to be drawn out
        pause = self.breaker.until - self._clock.now()
        if self._fetch and pause > 0:
            wait = min(wait, pause)
        try:
            async with asyncio.timeout(wait):
                await self._news.wait()
        except TimeoutError:
            self._fetch = True
            return
        if not self._fetch and len(self._results) == len(self._results.delivered) < CLAIM_MAX // 2:
            await asyncio.sleep(SETTLE_S)

    # --- workers --------------------------------------------------------------------------------

    def _start_workers(self) -> None:
        while self._ready and self._at_work < self._allowed():
            chain = self._ready.popleft()
            chain.at_work = True
            self._at_work += 1
            worker = self._tasks.start(f"crm worker {self.endpoint.name}", self._work(chain))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if self._ready and self._at_work == 0:
            self._give_back_ready()

    def _give_back_ready(self) -> None:
        """The endpoint takes nothing for now: do not sit on other people's messages."""
        now = self._utc()
        while self._ready:
            chain = self._ready.popleft()
            self._break_off(chain, now)

    def _break_off(self, chain: _Chain, retry_at: float) -> None:
        chain.retry_at = retry_at
        for due in chain.rows:
            self._results.given_back[due.seq] = retry_at
        chain.rows.clear()
        self._fetch = True
        self._news.set()

    async def _work(self, chain: _Chain | None) -> None:
        """Send chain after chain until there is none, or the breaker wants less."""
        try:
            while chain is not None:
                chain.at_work = True
                while chain.rows:
                    due = chain.rows[0]
                    if self._allowed() == 0:
                        self._break_off(chain, self._utc())
                        break
                    began = self._clock.now()
                    answer = await self._sender.send(
                        id_=due.id,
                        type_=due.type,
                        at=due.at,
                        key=due.key,
                        seq=due.seq,
                        data=due.data,
                    )
                    chain.rows.popleft()
                    if not self._record(chain, due, answer, self._clock.now() - began):
                        break
                chain.at_work = False
                chain = None
                if self._ready and self._at_work <= self._allowed():
                    chain = self._ready.popleft()
                self._tell()
        finally:
            if chain is not None:
                chain.at_work = False
            self._at_work -= 1
            self._news.set()

    def _tell(self) -> None:
        """Wake the cycle when there is enough to write down, or nothing left to do meanwhile."""
        if len(self._results) >= CLAIM_MAX // 2 or not self._ready:
            self._news.set()

    def _record(self, chain: _Chain, due: Due, answer: Answer, took_s: float) -> bool:
        """Note what came of an attempt; whether the chain may go on."""
        now = self._utc()
        error = "" if answer.ok else answer.why
        self.journal.note(Attempt(due.seq, now, took_s, answer.status, error, answer.excerpt))
        if answer.ok:
            self.breaker.succeeded()
            self.counts.delivered += 1
            self.counts.latency_s = max(0.0, now - due.at)
            self.counts.latency_sum_s += self.counts.latency_s
            self._results.delivered[due.seq] = answer.status or 0
            return True
        judgement = judge(
            answer,
            due.attempts + 1,
            self.endpoint.retry_s,
            random.random(),  # jitter, not a secret
        )
        self.counts.failed += 1
        self.breaker.failed(self._clock.now())
        if judgement.pause_s:
            self.breaker.pause(self._clock.now() + judgement.pause_s)
        if judgement.verdict is Verdict.GONE:
            self._gone = "the endpoint answered 410 Gone"
            self._warn("a CRM endpoint is gone and was disabled", {"endpoint": self.endpoint.name})
        retry_at = None
        if judgement.verdict is Verdict.RETRY:
            retry_at = now + judgement.wait_s
        else:
            self.counts.dead += 1
            self._warn(
                "an event became a dead letter", {"endpoint": self.endpoint.name, "seq": due.seq}
            )
        self._results.failed.append(Failed(due.seq, answer.why, answer.status, retry_at))
        self._break_off(chain, now if retry_at is None else retry_at)
        return False

    def _utc(self) -> float:
        return self._clock.utc().timestamp()


def _merged(first: _Results, then: _Results) -> _Results:
    return _Results(
        {**first.delivered, **then.delivered},
        [*first.failed, *then.failed],
        {**first.given_back, **then.given_back},
    )
