"""The batching writer: takes commands at once, commits them together every few milliseconds.

While one commit is under way the next batch gathers, so the busier the dialer, the larger the
batches and the less each row costs. Commands are committed in the order of `submit`.

When the database cannot be reached nothing is lost and nothing is skipped: the batch is tried
again, the queue fills, `submit` raises `StoreFull`, and dialling stops because no attempt is
confirmed any more.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import sqlalchemy as sa

from dialer.clock import Clock
from dialer.core.commands import RecordAttempt, RecordSession, ReturnLeads
from dialer.store.attempts import Refusals, Told
from dialer.store.batch import StoreCommand, TellCrm, apply_batch
from dialer.store.context import Context, to_ms
from dialer.store.database import Database

QUEUE_MAX = 20_000  # commands; some 15 s of work at 200 calls/s
BATCH_MAX = 1_000  # commands in one transaction, so that a backlog does not make giant ones
LINGER_S = 0.015  # what a waiting attempt may cost in exchange for company
LINGER_LAZY_S = 0.05  # what nobody waits for may wait longer; a crash loses no more than that
RETRY_FIRST_S = 0.05
RETRY_MAX_S = 5.0

# Somebody waits for this: the Originate.
_URGENT = (RecordAttempt,)


class StoreFull(Exception):
    """The queue of writes is full: the database is down or cannot keep up."""


class StoreClosed(Exception):
    """The store takes no more commands."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One committed batch, for the metrics. `seconds` are real ones."""

    commands: int
    refused: int
    seconds: float


class Writer:
    """Owner of the queue. `run` is its task; `on_committed(command, refused)` is called in order
    on the event loop, `refused` being empty or the reason for people.
    """

    def __init__(
        self,
        database: Database,
        context: Context,
        clock: Clock,
        *,
        on_committed: Callable[[StoreCommand, str], None],
        on_commit: Callable[[Commit], None],
        on_trouble: Callable[[str], None],
        queue_max: int = QUEUE_MAX,
    ) -> None:
        self._database = database
        self._context = context
        self._clock = clock
        self._on_committed = on_committed
        self._on_commit = on_commit
        self._on_trouble = on_trouble
        self._queue_max = queue_max
        self._queue: deque[Told] = deque()
        self._work = asyncio.Event()  # something is queued
        self._hurry = asyncio.Event()  # something urgent is queued, or we are closing
        self._idle = asyncio.Event()  # all that was submitted is committed and told
        self._idle.set()
        self._closing = False
        self._ended = False  # `run` is over: nothing more will be committed

    @property
    def depth(self) -> int:
        return len(self._queue)

    def submit(self, command: StoreCommand) -> None:
        """Queue a command; it is committed soon and in order."""
        if self._closing or self._ended:
            raise StoreClosed("the store takes no more")
        if len(self._queue) >= self._queue_max:
            raise StoreFull(
                f"{self._queue_max} writes wait for the database: it is down or too slow"
            )
        if not isinstance(command, RecordSession | ReturnLeads | TellCrm):
            campaign = command.lead.campaign
            if campaign not in self._context.campaigns:
                raise KeyError(f"campaign {campaign} was not added to the store")
        self._queue.append(Told(command, to_ms(self._clock.utc())))
        self._idle.clear()
        self._work.set()
        if isinstance(command, _URGENT) or len(self._queue) >= BATCH_MAX:
            self._hurry.set()

    async def flush(self) -> None:
        """Wait until all that was submitted is committed; `StoreClosed` if it never will be."""
        self._hurry.set()
        await self._idle.wait()
        if self._ended:
            raise StoreClosed("the store's writer ended before everything was committed")

    async def finish(self) -> None:
        """Take no more, commit what is queued."""
        self._closing = True
        await self.flush()

    async def run(self) -> None:
        """Commit for ever; cancelled by the owner."""
        try:
            await self._commit_for_ever()
        finally:
            self._ended = True
            self._idle.set()

    async def _commit_for_ever(self) -> None:
        while True:
            await self._work.wait()
            await self._linger()
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), BATCH_MAX))]
            if not self._queue:
                self._work.clear()
                self._hurry.clear()
            refused = await self._commit(batch)
            for i, one in enumerate(batch):
                self._on_committed(one.command, refused.get(i, ""))
            if not self._queue:
                self._idle.set()

    async def _linger(self) -> None:
        if len(self._queue) >= BATCH_MAX or self._closing:
            return
        if not self._hurry.is_set():
            try:
                async with asyncio.timeout(LINGER_LAZY_S):
                    await self._hurry.wait()
            except TimeoutError:
                return
        await asyncio.sleep(LINGER_S)

    async def _commit(self, batch: Sequence[Told]) -> Refusals:
        """Commit `batch` whole, however long the database takes to come back."""
        again = False
        pause = RETRY_FIRST_S
        while True:
            began = time.perf_counter()
            try:
                refused = await self._write(batch, again)
            except (sa.exc.IntegrityError, sa.exc.DataError):
                refused = await self._one_by_one(batch, again)
            except (sa.exc.OperationalError, sa.exc.InterfaceError, OSError) as error:
                self._on_trouble(_why(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, RETRY_MAX_S)
                again = True
                continue
            if again:
                self._on_trouble("")
            self._on_commit(Commit(len(batch), len(refused), time.perf_counter() - began))
            return refused

    async def _write(self, batch: Sequence[Told], again: bool) -> Refusals:
        work = partial(apply_batch, context=self._context, told=batch, again=again)
        return await self._database.write(work)

    async def _one_by_one(self, batch: Sequence[Told], again: bool) -> Refusals:
        """One row breaks a rule of the database and took the batch with it: find it alone."""
        refused: Refusals = {}
        for i, one in enumerate(batch):
            try:
                for why in (await self._write([one], again)).values():
                    refused[i] = why
            except (sa.exc.IntegrityError, sa.exc.DataError) as error:
                refused[i] = _why(error)
        return refused


def _why(error: BaseException) -> str:
    """The database's message without the row, which may hold personal data."""
    original = getattr(error, "orig", None)
    name = type(original or error).__name__
    if isinstance(error, sa.exc.IntegrityError | sa.exc.DataError):
        return f"the database refused it: {_constraint(original)} ({name})"
    return f"the database does not answer: {name}"


def _constraint(original: BaseException | None) -> str:
    """Which rule was broken, as far as the message names it without values."""
    cause = getattr(original, "__cause__", None)
    named = getattr(cause, "constraint_name", None)
    if named:
        return str(named)
    text = str(original)
    return text if text.startswith(("UNIQUE", "CHECK", "FOREIGN KEY", "NOT NULL")) else "a rule"
