"""Durable delivery: from the outbox to the endpoints, at least once and in order within a key.

Each endpoint has a `Lane`. The router hands it fresh events, and its cycle is one transaction: it
writes down what came of the requests since the last one, and claims what is due in the queue. What
it has in hand stands in chains, one for each partition key; workers (as many as the endpoint's
concurrency) take a chain each and send its messages one after the other. When one fails, the rest
of its chain goes back to wait behind it, and other chains go on. A message whose answer was lost
is sent again with the same id: receivers tell duplicates by it.
"""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial

import aiohttp
from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from crm_bridge import fresh, outbox, upkeep
from crm_bridge.breaker import Breaker, Circuit
from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.inhand import Chain, InHand, Results
from crm_bridge.journal import Attempt, Journal
from crm_bridge.mapping.runner import open_sender
from crm_bridge.outbox import Due, Failed
from crm_bridge.ports import Clock, Outside, Tasks, Warn
from crm_bridge.schedule import Answer, Verdict, judge

LEASE_S = 60.0  # longer than any timeout; drawn out at half time while in hand
HOLD_S = 1.0  # how long a message stands back behind somebody else's lease
CLAIM_MAX = 500  # messages claimed in one transaction
HELD_MAX = 4 * CLAIM_MAX  # messages in hand, in memory, per lane
# To gather what was delivered: nobody waits for its being written down, and a crash has no more
# than so much sent a second time. A batch that is full waits no longer than one look.
SETTLE_LOOKS, SETTLE_S = 3, 0.05
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
class _Found:
    """What a cycle's transaction brought. None: not asked for."""

    claim: outbox.Claim = field(default_factory=outbox.Claim)
    off: str | None = None  # why the endpoint is disabled
    due_at: float | None = None  # of the earliest that waits


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
        source: str,
        ledger: fresh.Ledger,
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
        self._ledger = ledger
        self._warn = warn
        self._poll_s = poll_s
        self._sender = open_sender(
            endpoint,
            clock,
            source,
            connections_max=endpoint.concurrency,
            timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
            outside=outside,
            database=database,
        )
        self._news = asyncio.Event()
        self._fetch = True  # there may be something due that is not in hand
        self.hand = InHand()
        self._at_work = 0
        self._workers: set[asyncio.Task[None]] = set()
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

    def room(self) -> int | None:
        """For how many fresh messages; None when the endpoint takes nothing now and they have to
        stand in the queue. No room: older ones are to be claimed first."""
        if self.breaker.state is not Circuit.CLOSED or self._allowed() == 0:
            return None
        if self._fetch or self._behind:
            return 0
        return max(0, HELD_MAX - len(self.hand.held))

    def take(self, messages: Iterable[Due], queued: Collection[int]) -> None:
        """Fresh messages that fit; `queued` are those that stand in the queue too, leased to us."""
        if not self.hand.take_fresh(messages, queued):
            self.wake()
        self._start_workers()

    @property
    def in_hand(self) -> int:
        """Messages taken and not yet written down."""
        return len(self.hand.held)

    @property
    def unwritten(self) -> int:
        """Of these, those that are counted among the fresh ones still."""
        return len(self.hand.unwritten)

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
        """After `stop` and the end of `run`: give back what is in hand: it is due at once. What
        is fresh and was not tried stays fresh."""
        now = self._utc()
        results = self.hand.take_results()
        done = results.seqs()
        for seq, due in self.hand.held.items():
            if seq not in done and seq not in self.hand.unwritten:
                results.given_back[seq] = (due, now)
        try:
            if len(results):
                await self._settle(results, now)
        finally:
            await self._sender.close()

    async def _settle(self, results: Results, now: float) -> None:
        struck = self._ending(results.seqs())
        await self._database.write(
            lambda connection: self._write(connection, results, struck, now), forgivable=True
        )
        self._written(results.seqs(), struck)

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
        results = self.hand.take_results()
        gone, self._gone = self._gone, ""
        fetch, self._fetch = self._fetch or self._due_at <= now, False
        written = results.seqs()
        struck = self._ending(written)
        limit = 0 if gone else self._room(len(written))
        if limit <= 0:
            self._due_at = math.inf  # what is due is not for us now
        try:
            found = await self._database.write(
                partial(
                    self._transaction,
                    results=results,
                    struck=struck,
                    gone=gone,
                    off=bool(self.disabled_why),
                    kept=self._to_be_kept(written, now),
                    tails=self.hand.tails() if fetch and limit > 0 else None,
                    limit=limit,
                    now=now,
                ),
                forgivable=True,
            )
        except BaseException:
            self.hand.put_results_back(results)  # nothing was written: keep it all
            self._gone = self._gone or gone
            self._fetch = True
            raise
        claim = found.claim
        if gone:
            self.disabled_why = gone
        elif found.off is not None:
            self.disabled_why = found.off
        if found.due_at is not None:
            self._due_at = found.due_at
        self._written(written, struck)
        if not self.hand.take_claimed(claim.due):
            self.wake()
        if fetch:
            self._behind = claim.more or limit <= 0
        if claim.more or limit <= 0:
            self._fetch = True
        if written or fetch:
            self._on_room()
        return min(self._due_at, now + self._poll_s)

    def _transaction(
        self,
        connection: Connection,
        *,
        results: Results,
        struck: Collection[int],
        gone: str,
        off: bool,
        kept: Collection[int],
        tails: Mapping[str, int] | None,
        limit: int,
        now: float,
    ) -> _Found:
        """What a cycle does in the database; it may run in a thread and so changes nothing here.

        `gone` says why the endpoint is to be disabled; `off` that it is, and somebody may have
        enabled it; `tails` None that nothing is to be claimed.
        """
        name, found = self.endpoint.name, _Found()
        self._write(connection, results, struck, now)
        if gone:
            upkeep.disable(connection, name, now, gone)
        elif off:
            found.off = upkeep.disabled(connection).get(name, "")
        if kept:
            outbox.settle(connection, name, now, kept=kept, kept_until=now + LEASE_S)
        if tails is None:
            return found
        found.claim = outbox.claim(
            connection,
            name,
            owner=self._owner,
            tails=tails,
            now=now,
            lease_s=LEASE_S,
            hold_s=HOLD_S,
            limit=limit,
        )
        next_due = outbox.next_due(connection, name)
        found.due_at = math.inf if next_due is None else next_due
        return found

    def _ending(self, written: Iterable[int]) -> list[int]:
        """The fresh events that are over once `written` is."""
        return self._ledger.ending(seq for seq in written if seq in self.hand.unwritten)

    def _written(self, written: Iterable[int], struck: Collection[int]) -> None:
        """The transaction that wrote it was committed."""
        self._ledger.written(self.hand.queued(written), struck)
        self.hand.forget(written)

    def _room(self, leaving: int) -> int:
        """How many messages to claim: what memory has room for, or one to try a bad endpoint."""
        allowed = self._allowed()
        if allowed and self.breaker.state is Circuit.HALF_OPEN:
            return allowed - self._at_work
        return min(CLAIM_MAX, HELD_MAX + leaving - len(self.hand.held)) if allowed else 0

    def _write(
        self, connection: Connection, results: Results, struck: Collection[int], now: float
    ) -> None:
        if len(results):
            outbox.settle(
                connection,
                self.endpoint.name,
                now,
                delivered=results.delivered.values(),
                failed=results.failed.values(),
                given_back=results.given_back.values(),
            )
        fresh.strike_off(connection, struck)

    def _to_be_kept(self, written: set[int], now: float) -> Collection[int]:
        """Whose leases are to be drawn out: what is still in hand, before the first could run
        out."""
        if now - self._leased_at <= LEASE_S / 2:
            return ()
        self._leased_at = now
        return self.hand.held.keys() - self.hand.unwritten - written

    def _allowed(self) -> int:
        """Requests that may be under way now."""
        if self.disabled_why or self._gone or self._stopping:
            return 0
        return self.breaker.allowed(self._clock.now(), self.endpoint.concurrency)

    async def _rest(self, due_at: float) -> None:
        """Until there is news, or something comes due, or a pause ends."""
        if self._fetch and self._room(0) > 0 and len(self.hand.held) < HELD_MAX // 2:
            await asyncio.sleep(0)  # let the workers begin
            return
        wait = max(0.0, due_at - self._utc())
        if self.hand.held:
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
        for _ in range(SETTLE_LOOKS):
            results = self.hand.results
            if self._fetch or not len(results) == len(results.delivered) < CLAIM_MAX // 2:
                return
            await asyncio.sleep(SETTLE_S)

    # --- workers --------------------------------------------------------------------------------

    def _start_workers(self) -> None:
        while self.hand.ready and self._at_work < self._allowed():
            chain = self.hand.ready.popleft()
            self._at_work += 1
            worker = self._tasks.start(f"crm worker {self.endpoint.name}", self._work(chain))
            self._workers.add(worker)
            worker.add_done_callback(self._workers.discard)
        if self.hand.ready and self._at_work == 0:
            self._give_back_ready()

    def _give_back_ready(self) -> None:
        """The endpoint takes nothing for now: do not sit on other people's messages."""
        now = self._utc()
        while self.hand.ready:
            chain = self.hand.ready.popleft()
            self._break_off(chain, now)

    def _break_off(self, chain: Chain, retry_at: float) -> None:
        self.hand.break_off(chain, retry_at)
        self.wake()

    async def _work(self, chain: Chain | None) -> None:
        """Send chain after chain until there is none, or the breaker wants less."""
        try:
            while chain is not None:
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
                chain = None
                if self.hand.ready and self._at_work <= self._allowed():
                    chain = self.hand.ready.popleft()
                self._tell()
        finally:
            self._at_work -= 1
            self._news.set()

    def _tell(self) -> None:
        """Wake the cycle when there is enough to write down, or nothing left to do meanwhile."""
        if len(self.hand.results) >= CLAIM_MAX // 2 or not self.hand.ready:
            self._news.set()

    def _record(self, chain: Chain, due: Due, answer: Answer, took_s: float) -> bool:
        """Note what came of an attempt; whether the chain may go on."""
        now = self._utc()
        error = "" if answer.ok else answer.why
        self.journal.note(Attempt(due.seq, now, took_s, answer.status, error, answer.excerpt))
        if answer.ok:
            self.breaker.succeeded()
            self.counts.delivered += 1
            self.counts.latency_s = max(0.0, now - due.at)
            self.counts.latency_sum_s += self.counts.latency_s
            self.hand.results.delivered[due.seq] = (due, answer.status or 0)
            return True
        judgement = judge(
            answer,
            due.attempts + 1,
            self.endpoint.retry_s,
            random.random(),  # jitter, not a secret
        )
        self.counts.failed += 1
        if not answer.about_it:
            self.breaker.failed(self._clock.now())
        elif not answer.unmade:
            self.breaker.succeeded()
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
        self.hand.results.failed[due.seq] = Failed(due, answer.why, answer.status, retry_at)
        self._break_off(chain, now if retry_at is None else retry_at)
        return False

    def _utc(self) -> float:
        return self._clock.utc().timestamp()
