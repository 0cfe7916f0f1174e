"""The store's face: what the server, the importer and the tests ask of the database."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.compliance.decide import decide, next_legal, not_dialling
from dialer.campaigns.compliance.facts import Deny, PhoneFacts
from dialer.clock import Clock
from dialer.core.commands import FetchLeadFor
from dialer.core.events import (
    AgentRecovered,
    AttemptRecovered,
    Lead,
    LeadForAgent,
    LeadsOffered,
)
from dialer.core.modes import Booking
from dialer.store import (
    callbacks,
    claims,
    decisions,
    kinship,
    promises,
    recovery,
    stepping,
    stops,
    strategies,
)
from dialer.store.batch import StoreCommand
from dialer.store.claims import ListCounts
from dialer.store.consents import end_consents
from dialer.store.context import CRM_TYPES, Context, KnownCampaign, from_ms, to_ms
from dialer.store.database import Database, connect
from dialer.store.hours import load_hours
from dialer.store.lanes import give_to_people, load_lanes
from dialer.store.learned import LearnedState, keep_learned, read_learned
from dialer.store.liststore import Incoming, ListStore
from dialer.store.migrate import upgrade_database
from dialer.store.ownership import Ownership, take_ownership
from dialer.store.policy import Policy
from dialer.store.schema import campaigns, outcome_counts
from dialer.store.staged import Duplicate, StagedLead
from dialer.store.users import UserBook
from dialer.store.writer import QUEUE_MAX, Commit, StoreClosed, Writer
from dialer.tasks import Tasks

_STEP_ROUNDS = 200  # transactions of one look; what is left comes with the next
_TURNS_MAX = 50  # between the law's hours and the campaign's, until both are open
_COUNT_REST = 20  # counting a list may take one part in so many of the time


def _nothing(*_: object) -> None:
    pass


class Store:
    """One open database. Made by `open`, ended by `close`.

    `boot` names this life of the process, as in its attempts' ids.
    """

    def __init__(self, database: Database, context: Context, clock: Clock) -> None:
        self.database = database
        self.context = context
        self.clock = clock
        self.lists = ListStore(database, context, clock)
        self.users = UserBook(database)
        self._incoming: dict[int, Incoming] = {}
        self._writer: Writer | None = None
        self._tasks: Tasks | None = None
        self._ownership: Ownership | None = None
        self._counts: dict[str, tuple[float, ListCounts]] = {}  # campaign -> (good until, counts)
        self._callbacks_told: datetime | None = None  # those due until then

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        boot: str = "",
        clock: Clock | None = None,
        durable: bool = True,
        crm_types: frozenset[str] = CRM_TYPES,
    ) -> Store:
        """Connect and bring the tables up to date. Raises `StoreError` with the mend.

        `durable=False` lets the last moments go with a power cut (not with a crash of the
        process), which a demo may do and a dialer may not.
        """
        clock = clock or Clock()
        database = await connect(url, durable=durable)
        context = Context(
            boot or secrets.token_hex(4), database.dialect, clock.utc_at, frozenset(crm_types)
        )
        try:
            await upgrade_database(database)
            await database.read(context.load_zones)
            await database.read(partial(load_lanes, context=context))
        except BaseException:
            await database.close()
            raise
        return cls(database, context, clock)

    @property
    def boot(self) -> str:
        return self.context.boot

    async def close(self) -> None:
        """Commit what is queued, then let go of the database."""
        try:
            if self._writer is not None and self._tasks is not None:
                with contextlib.suppress(StoreClosed):  # it died, and `on_failure` was told so
                    await self._writer.finish()
                await self._tasks.close()
        finally:
            self._writer = None
            if self._ownership is not None:
                await self._ownership.release()
            await self.database.close()

    # --- campaigns ----------------------------------------------------------------------------

    async def add_campaign(self, policy: Policy) -> None:
        """Make a campaign known, or its rules new. Before anything else that names it."""
        name, definition = policy.name, policy.definition()
        now_ms = to_ms(self.clock.utc())

        def work(connection: Connection) -> Any:
            if policy.gate is not None:
                decisions.keep_rules(connection, self.context, policy.gate, from_ms(now_ms))
                decisions.load_list_ages(connection, self.context)
            insert = self.context.insert(campaigns)
            row = connection.execute(
                insert.on_conflict_do_update(
                    index_elements=["name"], set_={"definition": insert.excluded.definition}
                ).returning(campaigns.c.id, campaigns.c.started_ms),
                {"name": name, "definition": definition, "created_ms": now_ms},
            ).one()
            kinship.keep_offer(
                connection,
                self.context,
                row.id,
                definition,
                started=row.started_ms is not None,
            )
            strategy_id = strategies.register(
                connection, self.context, row.id, policy.plan, from_ms(now_ms)
            )
            return row, strategy_id

        row, strategy_id = await self.database.write(work)
        known = KnownCampaign(row.id, policy, row.started_ms is not None, strategy_id)
        await self.database.read(partial(load_hours, known=known))
        self.context.campaigns[name] = known

    async def started_at(self, campaign: str) -> datetime | None:
        """When the first attempt of the campaign's offer was made: its first legal block begins
        there, whatever the campaign was called then."""
        return await self.database.read(partial(kinship.began, campaign=campaign))

    async def overview(self) -> list[tuple[str, tuple[int, ...]]]:
        """Every campaign with its leads: total, waiting, busy, held, done; and ended attempts."""
        return await self.database.read(claims.overview)

    # --- the compliance gate --------------------------------------------------------------------

    def denied_now(self, lead: Lead, now: datetime, booking: Booking | None = None) -> Deny | None:
        """Whether the gate denies to call this recorded lead in this moment; no I/O.

        Asked in the very step in which the Originate would leave: what the attempt's own
        transaction allowed may have left its hours since, or been suppressed.
        """
        facts = decisions.facts_of(self.context, lead.campaign)
        if facts is None:
            return None
        facts = decisions.booked(facts, booking)
        stopped = lead.phone in self.context.stopped
        phone = PhoneFacts(lead.phone, suppressed=stopped, automatic=lead.automatic)
        verdict = decide(decisions.lead_facts(lead), phone, facts, now)
        return verdict if isinstance(verdict, Deny) else None

    def not_dialling(self, campaign: str, now: datetime) -> str:
        """Why the campaign must not dial at all: a do-not-call list is missing or stale. Or ""."""
        facts = decisions.facts_of(self.context, campaign)
        return "" if facts is None else not_dialling(facts, now)

    async def refresh_lists(self) -> None:
        """Learn anew how old the do-not-call lists are."""
        await self.database.read(partial(decisions.load_list_ages, context=self.context))

    async def why_not(self, campaign: str, lead: str, now: datetime) -> decisions.WhyNot | None:
        """Everything that speaks against calling a lead; None: there is no such lead."""
        return await self.database.read(
            partial(decisions.why_not, context=self.context, campaign=campaign, lead=lead, now=now)
        )

    async def load_dnc(self, name: str, phones: Iterable[str], fetched: datetime, src: str) -> int:
        """Make these numbers (E.164) a regulator's do-not-call list, whole, or leave the old one;
        how many they are."""
        return await self.database.write(
            partial(decisions.load_dnc, name=name, numbers=phones, fetched=fetched, source=src)
        )

    # --- the batching writer ------------------------------------------------------------------

    def start_writer(
        self,
        on_committed: Callable[[StoreCommand, str], None],
        *,
        on_failure: Callable[[str, BaseException], None],
        on_commit: Callable[[Commit], None] = _nothing,
        on_trouble: Callable[[str], None] = _nothing,
        queue_max: int = QUEUE_MAX,
    ) -> None:
        """Start committing what `submit` takes.

        `on_committed(command, refused)` is called in the order of submission, after the commit;
        `refused` is empty, or says why this command (and no other) was not written.
        `on_trouble(why)` tells that the database does not answer, `on_trouble("")` that it does
        again. `on_failure(name, error)`: the writer itself has died, which is a defect; the
        server must stop dialling.
        """
        if self._writer is not None:
            raise AssertionError("one writer for each store")
        self._writer = Writer(
            self.database,
            self.context,
            self.clock,
            on_committed=on_committed,
            on_commit=on_commit,
            on_trouble=on_trouble,
            queue_max=queue_max,
        )
        self._tasks = Tasks(on_failure)
        self._tasks.start("store writer", self._writer.run())

    def submit(self, command: StoreCommand) -> None:
        """Queue a command for the next commit. Never waits.

        Raises `StoreFull` when too many wait already, `StoreClosed` after `close`, `KeyError` for
        a campaign that was not added.
        """
        if self._writer is None:
            raise StoreClosed("the store's writer is not running")
        self._writer.submit(command)

    @property
    def writer_depth(self) -> int:
        """Commands that wait for their commit."""
        return 0 if self._writer is None else self._writer.depth

    async def flush(self) -> None:
        """Wait until everything submitted so far is committed and told."""
        if self._writer is not None:
            await self._writer.flush()

    # --- leads --------------------------------------------------------------------------------

    async def claim_leads(
        self,
        campaign: str,
        count: int,
        now: datetime,
        queues: frozenset[str] | None = None,
        skills: frozenset[str] = frozenset(),
    ) -> LeadsOffered:
        """Claim up to `count` leads that are due, with an open window, and not suppressed; dialled
        automatically, of these queues (None: all), wanting no more than these skills."""
        return await self.database.write(
            partial(
                claims.claim,
                context=self.context,
                campaign=campaign,
                count=count,
                now=now,
                queues=queues,
                skills=skills,
            )
        )

    async def claim_leads_for(
        self, commands: Sequence[FetchLeadFor], now: datetime
    ) -> list[LeadForAgent]:
        """Claim for each of these agents the best lead that is not the pacer's, in one
        transaction."""

        def work(connection: Connection) -> list[LeadForAgent]:
            return [claims.claim_for(connection, self.context, one, now) for one in commands]

        return await self.database.write(work)

    async def claimed(self) -> set[int]:
        """The leads this boot has claimed and not recorded an attempt for."""
        return await self.database.read(partial(claims.claimed, boot=self.boot))

    async def late_callbacks(self, now: datetime) -> int:
        """The CRM hears of callbacks that came due; those whose agent did not come in time are
        anyone's now, and how many they are."""
        self._callbacks_told = await self.database.write(
            partial(callbacks.tell_due, context=self.context, since=self._callbacks_told, now=now)
        )
        return await self.database.write(
            partial(callbacks.open_to_anyone, context=self.context, now=now)
        )

    async def late_promises(self, now: datetime) -> int:
        """Promises that were not kept are broken now; how many there were."""
        return await self.database.write(
            partial(promises.break_promises, context=self.context, now=now)
        )

    async def end_consents(self) -> int:
        """Numbers whose consent is over are an agent's to decide on; how many there were."""
        return await self.database.write(partial(end_consents, now=self.clock.utc()))

    async def give_to_people(self) -> int:
        """Leads held for want of a time zone are an agent's to decide on; how many there were."""
        return await self.database.write(partial(give_to_people, context=self.context))

    def callable_at(self, campaign: str, lead: Lead, at: datetime) -> datetime | None:
        """The first moment from `at` on at which the law's hours and the campaign's let somebody
        call the lead; None when there is none soon. No I/O."""
        policy = self.context.campaigns[campaign].policy
        zones = lead.zones or policy.wide_zones
        facts = decisions.facts_of(self.context, campaign)
        moment: datetime | None = at
        for _ in range(_TURNS_MAX):
            moment = policy.next_open(zones, moment) if moment is not None else None
            if moment is None or facts is None:
                return moment
            legal = next_legal(decisions.lead_facts(lead), PhoneFacts(lead.phone), facts, moment)
            if legal is None or legal == moment:
                return legal
            moment = legal
        return None

    async def list_counts(self, campaign: str, now: datetime) -> ListCounts:
        """Leads by where they stand. Counted anew at most so often that counting a long list
        never takes more than a twentieth of the time."""
        good_until, counts = self._counts.get(campaign, (0.0, None))
        if counts is not None and time.perf_counter() < good_until:
            return counts
        began = time.perf_counter()
        counts = await self.database.read(
            partial(claims.count_list, context=self.context, campaign=campaign, now=now)
        )
        ended = time.perf_counter()
        self._counts[campaign] = (ended + _COUNT_REST * (ended - began), counts)
        return counts

    async def run_steps(self, now: datetime) -> int:
        """Move leads whose strategy's time has come, some in a transaction; how many were due."""
        total = 0
        for _ in range(_STEP_ROUNDS):
            work = partial(stepping.run_due, context=self.context, now=now)
            done = await self.database.write(work)
            total += done
            if done < stepping.STEPS_AT_ONCE:
                break
        return total

    # --- the start ----------------------------------------------------------------------------

    async def recover(
        self, node: str = "main"
    ) -> tuple[list[AttemptRecovered], list[AgentRecovered]]:
        """Become the dialer of `node`: what former boots of it left open is ours now.

        Raises `StoreError` when another process is that dialer this moment.
        """
        if self._ownership is None:
            self._ownership = await take_ownership(self.database, node)
        return await self.database.write(
            partial(recovery.take_over, context=self.context, node=node, now=self.clock.utc())
        )

    # --- what pacers learned --------------------------------------------------------------------

    async def keep_learned(self, states: Mapping[str, tuple[str, Mapping[str, Any]]]) -> None:
        """Keep (pacer's name, state) of these campaigns in place of what was kept before."""
        await self.database.write(
            partial(keep_learned, context=self.context, states=states, now=self.clock.utc())
        )

    async def learned(self, campaign: str) -> LearnedState | None:
        """What was kept; None when nothing was. ValueError when it cannot be read."""
        return await self.database.read(partial(read_learned, campaign=campaign))

    # --- the account of abandons ----------------------------------------------------------------

    async def abandon_history(
        self, campaign: str, since: datetime
    ) -> list[tuple[datetime, int, int]]:
        """Rows (minute, live answers, of them abandoned) of the campaign's offer since then, in
        order of time."""
        return await self.database.read(partial(kinship.account, campaign=campaign, since=since))

    async def offer_shares(self, campaign: str, since: datetime) -> tuple[int, list[kinship.Share]]:
        """The campaign's id, and what it and each of its kin add to that history."""
        return await self.database.read(partial(kinship.shares, campaign=campaign, since=since))

    async def outcomes(self, campaign: str) -> dict[str, int]:
        """Ended attempts by outcome, since ever."""
        rows = await self.database.read(
            lambda c: c.execute(
                sa.select(outcome_counts.c.outcome, outcome_counts.c["count"].label("count_"))
                .join(campaigns, campaigns.c.id == outcome_counts.c.campaign_id)
                .where(campaigns.c.name == campaign)
            ).all()
        )
        return {row.outcome: row.count_ for row in rows}

    # --- numbers nobody may call ----------------------------------------------------------------

    async def suppress(self, phones: Sequence[str], source: str, campaign: str = "") -> int:
        """Put numbers (E.164) on the do-not-call list; how many were not there yet.

        Committed when this returns: no attempt to them is recorded any more.
        """
        return await self.database.write(
            partial(
                stops.suppress,
                context=self.context,
                numbers=phones,
                source=source,
                campaign=campaign,
                now=self.clock.utc(),
            )
        )

    async def is_suppressed(self, phone: str) -> bool:
        """Whether nobody may call this number: it is on the do-not-call list, or was erased."""
        return await self.database.read(partial(stops.is_suppressed, phone=phone))

    # --- lists whose rows are at hand; for files there is `dialer.campaigns.lists` --------------

    async def begin_import(self, campaign: str, name: str, source: str) -> int:
        incoming = await self.lists.begin(campaign, name, source)
        assert incoming.list_id is not None
        self._incoming[incoming.list_id] = incoming
        return incoming.list_id

    async def stage(
        self, campaign: str, list_id: int, staged: Sequence[StagedLead]
    ) -> list[Duplicate]:
        return await self.lists.stage(self._incoming[list_id], staged)

    async def finish_import(self, campaign: str, list_id: int, rejected: int) -> int:
        done = await self.lists.finish(self._incoming.pop(list_id), rejected)
        return done.made

    async def drop_import(self, list_id: int) -> None:
        await self.lists.drop(self._incoming.pop(list_id))
