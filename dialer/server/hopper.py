"""Brings leads from the store to the core, and sees to it that none is left behind on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import sqlalchemy as sa
import structlog

from dialer.clock import Clock
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import AgentState
from dialer.server.engine import Engine
from dialer.store.store import Store
from dialer.store.writer import StoreFull
from dialer.tasks import Tasks

FETCH_AGAIN_S = 5.0  # after the database did not answer
ASKED_MAX = 50  # agents served in one transaction
SWEEP_EVERY_S = 30.0
NO_DATABASE = (sa.exc.OperationalError, sa.exc.InterfaceError, OSError)  # it may come back

log = structlog.get_logger()


class Hopper:
    """Claims for the core. `order` is held from a claim's commit until its leads are posted."""

    def __init__(
        self, store: Store, engine: Engine, clock: Clock, tasks: Tasks, order: asyncio.Lock
    ) -> None:
        self._store = store
        self._engine = engine
        self._clock = clock
        self._tasks = tasks
        self._order = order
        self._asked: list[cmd.FetchLeadFor] = []
        self._serving = False
        self._astray: frozenset[int] = frozenset()  # claimed, and nobody's, at the last look

    def fetch(self, command: cmd.FetchLeads) -> None:
        self._tasks.start("fetch leads", self._fetch(command))

    def fetch_for(self, command: cmd.FetchLeadFor) -> None:
        """Agents who ask while others' leads are looked for are served together, next."""
        self._asked.append(command)
        if not self._serving:
            self._serving = True
            self._tasks.start("fetch leads for agents", self._serve_agents())

    async def _fetch(self, command: cmd.FetchLeads) -> None:
        try:
            async with self._order:
                self._engine.post(
                    await self._store.claim_leads(
                        command.campaign,
                        command.count,
                        self._clock.utc(),
                        command.queues,
                        command.skills,
                    )
                )
        except NO_DATABASE as error:
            log.warning("leads cannot be fetched just now", error=type(error).__name__)
            self._engine.post(
                ev.LeadsOffered(command.campaign, (), exhausted=True, next_ready_s=FETCH_AGAIN_S)
            )

    async def _serve_agents(self) -> None:
        try:
            while self._asked:
                async with self._order:
                    asked, self._asked = self._asked[:ASKED_MAX], self._asked[ASKED_MAX:]
                    await self._fetch_for(asked)
        finally:
            self._serving = False

    async def _fetch_for(self, asked: Sequence[cmd.FetchLeadFor]) -> None:
        try:
            for found in await self._store.claim_leads_for(asked, self._clock.utc()):
                self._engine.post(found)
        except NO_DATABASE as error:
            log.warning("a lead cannot be fetched just now", error=type(error).__name__)
            for one in asked:
                self._engine.post(ev.LeadForAgent(one.agent, None, FETCH_AGAIN_S))

    # --- what was left behind -------------------------------------------------------------------

    async def sweep(self) -> None:
        """Give back claims the core knows nothing of (a claim's answer was lost, an attempt was
        refused half-way), hand late callbacks to anyone, tell of broken promises, end
        consents whose day is over, and have agents decide on leads whose zone nobody knows."""
        try:
            await self._store.late_callbacks(self._clock.utc())
            await self._store.late_promises(self._clock.utc())
            await self._store.end_consents()
            await self._store.give_to_people()
            async with self._order:
                await self._engine.door.settled()
                claimed = await self._store.claimed()
                astray = frozenset(claimed - self._held())
        except NO_DATABASE as error:
            log.warning("nothing could be swept", error=type(error).__name__)
            return
        # Twice in a row: what is on its way through the writer has arrived by then.
        lost, self._astray = astray & self._astray, astray
        if lost:
            log.warning("claims nobody holds are given back", leads=len(lost))
            with suppress(StoreFull):  # then at the next look
                self._store.submit(cmd.ReturnLeads("", tuple(sorted(lost))))

    def _held(self) -> set[int]:
        """Leads the core has: in a hopper, in a call, on an agent's screen."""
        floor = self._engine.floor
        held = {lead.lead_id for one in floor.campaigns.values() for lead in one.hopper}
        held.update(call.lead.lead_id for call in floor.calls.values())
        held.update(
            agent.lead.lead_id
            for agent in floor.agents.values()
            if agent.lead is not None and agent.state is AgentState.PREVIEW
        )
        return held
