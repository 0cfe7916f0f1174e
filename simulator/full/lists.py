"""Lists, attempts and outcomes of a simulated day on the dialer's own tables, SQLite in memory.

The tables are made by the migrations, the rows are written by the functions that write them in
production, in the same transactions; only threads and disk are left out. A commit happens when
the writer would make it, in virtual time.
"""

from __future__ import annotations

from collections.abc import Coroutine, Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.pool import StaticPool

from dialer.campaigns.model import CampaignFile
from dialer.core import commands as cmd
from dialer.core.events import Lead, LeadsOffered
from dialer.core.modes import Booking
from dialer.store.attempts import Told
from dialer.store.batch import apply_batch
from dialer.store.context import Context, to_ms
from dialer.store.migrate import upgrade_connection
from dialer.store.staged import StagedLead, StagedPhone
from dialer.store.store import Store
from simulator.full.agenda import DayClock
from simulator.full.campaign import NUMBERS, ZONE
from sqlthread import T, Work

BOOT = "day"
PIECE = 4_000  # leads imported at a time, as the day needs them


class _Memory:
    """The store's database, whose work is done when the call returns."""

    dialect = "sqlite"

    def __init__(self) -> None:
        self.engine = sa.create_engine("sqlite://", poolclass=StaticPool)

        @sa.event.listens_for(self.engine, "connect")
        def _connected(connection: Any, _record: object) -> None:
            connection.isolation_level = None  # as in production: we begin transactions
            connection.execute("PRAGMA foreign_keys=ON")

        @sa.event.listens_for(self.engine, "begin")
        def _begun(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN")

        self._connection = self.engine.connect()

    def work(self, work: Work[T]) -> T:
        with self._connection.begin():
            return work(self._connection)

    async def write(self, work: Work[T]) -> T:
        return self.work(work)

    async def read(self, work: Work[T]) -> T:
        return self.work(work)

    async def close(self) -> None:
        self._connection.close()
        self.engine.dispose()


def _done(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    raise AssertionError("the store in memory waited for something")


class SqlLists:
    """Campaigns, their lists and their attempts. `leads` is how long each list is."""

    def __init__(
        self, clock: DayClock, campaigns: Sequence[CampaignFile], leads: Sequence[int]
    ) -> None:
        self.memory = _Memory()
        self.memory.work(upgrade_connection)
        self._context = Context(BOOT, "sqlite", clock.utc_at, frozenset())  # there is no CRM
        self.store = Store(self.memory, self._context, clock)
        self._clock = clock
        self._opened = clock.time
        self._left = {one.name: count for one, count in zip(campaigns, leads, strict=True)}
        self._fresh = dict.fromkeys(self._left, 0)
        self._lines = 0
        self._queue: list[Told] = []
        for campaign in campaigns:
            _done(self.store.add_campaign(campaign))

    def close(self) -> None:
        _done(self.memory.close())

    def claim(self, command: cmd.FetchLeads) -> LeadsOffered:
        """Claim leads; more of the list is imported first when too few are left untried."""
        name = command.campaign
        while self._fresh[name] < command.count and self._left[name] > 0:
            self._import(name)
        offered = _done(self.store.claim_leads(name, command.count, self._clock.utc()))
        self._fresh[name] -= sum(lead.attempt_no == 1 for lead in offered.leads)
        return offered

    def _import(self, name: str) -> None:
        count = min(PIECE, self._left[name])
        self._left[name] -= count
        self._fresh[name] += count
        rows = []
        for _ in range(count):
            self._lines += 1
            phone = StagedPhone(f"{NUMBERS}{self._lines:07d}", "phone")
            rows.append(StagedLead(line=self._lines, phones=(phone,), zones=ZONE))
        now = self._clock.time
        self._clock.time = self._opened  # all were there when the day began
        try:
            list_id = _done(self.store.begin_import(name, "list", "world"))
            _done(self.store.stage(name, list_id, rows))
            _done(self.store.finish_import(name, list_id, 0))
        finally:
            self._clock.time = now

    def denied(self, attempt: str, lead: Lead, now: float, booking: Booking | None) -> bool:
        """The gate's last word, in the step of the Originate."""
        return self.store.denied_now(lead, self._clock.utc_at(now)) is not None

    def submit(self, command: Any) -> None:
        self._queue.append(Told(command, to_ms(self._clock.utc())))

    @property
    def depth(self) -> int:
        return len(self._queue)

    def commit(self) -> list[tuple[Any, str]]:
        """One transaction with all that was submitted: each command, and why it was refused."""
        batch, self._queue = self._queue, []
        refused = self.memory.work(partial(apply_batch, context=self._context, told=batch))
        return [(one.command, refused.get(i, "")) for i, one in enumerate(batch)]

    def rows(self, statement: str) -> Sequence[Any]:
        """Rows of a query, for tests."""
        return self.memory.work(lambda c: c.execute(sa.text(statement)).all())
