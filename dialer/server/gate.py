"""The compliance gate where calls leave: asked in the step of the Originate, from memory.

What the attempt's own transaction allowed a moment ago may have left its calling hours, or been
suppressed, while it waited for its slot on the trunk. Then the attempt is taken back as never
dialled, and the lead is put off until the rule lets it be called.
"""

from __future__ import annotations

from collections import deque

import sqlalchemy as sa
import structlog

from dialer.campaigns.compliance.facts import Deny
from dialer.clock import Clock
from dialer.core import commands as cmd
from dialer.core.events import CampaignPaused, CampaignResumed, Lead
from dialer.core.modes import Booking
from dialer.core.states import CampaignState
from dialer.server.engine import Engine
from dialer.store.decisions import RecordDecision
from dialer.store.store import Store
from dialer.store.writer import StoreFull

LISTS_EVERY_S = 30.0  # between looks at the ages of do-not-call lists
_OWED_MAX = 10_000  # decisions the store had no room for

log = structlog.get_logger()


class Gate:
    """Between the floor and the store of one server."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._denied: dict[str, tuple[Lead, Deny]] = {}  # attempts being taken back
        self._owed: deque[RecordDecision] = deque(maxlen=_OWED_MAX)
        self._paused: dict[str, str] = {}  # campaign -> why we paused it

    def denied(self, attempt: str, lead: Lead, now: float, booking: Booking | None = None) -> bool:
        """The floor's question before an Originate."""
        deny = self._store.denied_now(lead, self._clock.utc_at(now), booking)
        if deny is not None:
            self._denied[attempt] = (lead, deny)
        return deny is not None

    def submitted(self, command: object) -> None:
        """A command went to the store: the decision behind an attempt taken back goes after it."""
        if isinstance(command, cmd.RecordOutcome) and command.attempt in self._denied:
            lead, deny = self._denied.pop(command.attempt)
            self._owed.append(RecordDecision(command.attempt, lead, deny))
        while self._owed:
            try:
                self._store.submit(self._owed[0])
            except StoreFull:
                return  # with the next command
            self._owed.popleft()

    def hold(self, campaign: str, why: str) -> CampaignPaused:
        """The fact that pauses a campaign which must not dial."""
        self._paused[campaign] = why
        return CampaignPaused(campaign, why)

    def holds(self, campaign: str) -> str:
        """Why the law's lists keep this campaign from dialling; empty when they do not."""
        return self._paused.get(campaign, "")

    async def watch(self, engine: Engine) -> None:
        """Look at the lists' ages; pause what must not dial, resume what it paused."""
        try:
            await self._store.refresh_lists()
        except (sa.exc.DBAPIError, OSError) as error:  # what is known ages on
            log.warning("the do-not-call lists' ages are not known", error=type(error).__name__)
        self.apply(engine)

    def apply(self, engine: Engine) -> None:
        """Pause campaigns whose country wants a list that is missing or stale."""
        now = self._clock.utc()
        for name, campaign in engine.floor.campaigns.items():
            why = self._store.not_dialling(name, now)
            ours = self._paused.get(name, "")
            held = campaign.state is CampaignState.PAUSED and campaign.why_paused == ours
            if why and campaign.state is CampaignState.RUNNING:
                engine.post(self.hold(name, why))
            elif ours and not why:
                del self._paused[name]
                if held:
                    engine.post(CampaignResumed(name))
