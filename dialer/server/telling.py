"""What the floor tells the CRM past its records: screen pops, ringing and agents' states by the
bridge's fast path; campaigns' beginning and end, who listens in, holds and transfers, by the
outbox."""

from __future__ import annotations

import structlog

from crm_bridge import events as crm
from crm_bridge.bridge import Bridge
from dialer.clock import Clock
from dialer.core import commands as cmd
from dialer.core.states import CampaignState
from dialer.store.attempts import call_part
from dialer.store.batch import TellCrm
from dialer.store.store import Store
from dialer.store.writer import StoreClosed, StoreFull

log = structlog.get_logger()


class Telling:
    """Implements `dialer.server.engine.PopPort`. Without `bridge` only campaigns are told."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self.bridge: Bridge | None = None
        self._store = store
        self._clock = clock
        self._agents: dict[str, tuple[str, str, str]] = {}  # as told last
        self._dialling: dict[str, bool] = {}

    def pop(self, command: cmd.PopScreen) -> None:
        if self.bridge is not None:
            part = call_part(command.attempt, command.campaign, command.lead, command.agent)
            self.bridge.pop(crm.screen_pop(part, self._clock.utc()))

    def rang(self, command: cmd.RecordProgress, agent: str) -> None:
        if self.bridge is not None:
            part = call_part(command.attempt, command.campaign, command.lead, agent)
            self.bridge.pop(crm.call_ringing(part, self._clock.utc()))

    def agent_shown(self, command: cmd.ShowAgent) -> None:
        now = (command.state, command.status.value, command.reason)
        if self.bridge is None or self._agents.get(command.agent) == now:
            return
        self._agents[command.agent] = now
        self.bridge.pop(
            crm.agent_state_changed(
                command.agent,
                self._clock.utc(),
                state=command.state,
                status=command.status.value,
                reason=command.reason,
                call_id=command.attempt,
            )
        )

    def campaign_shown(self, command: cmd.ShowCampaign) -> None:
        """Told when a campaign is set running and when it is not any more; what keeps a running
        one from dialling for a while (a lost link, the law) is for health and metrics."""
        running = command.state == CampaignState.RUNNING.value
        if self._dialling.get(command.campaign, False) == running:
            return
        self._dialling[command.campaign] = running
        at = self._clock.utc()
        if running:
            event = crm.campaign_started(command.campaign, at)
        else:
            event = crm.campaign_stopped(command.campaign, at, why=command.why or command.state)
        self.tell(event)

    def monitor_shown(self, command: cmd.ShowMonitor) -> None:
        part = call_part(command.attempt, command.campaign, command.lead, command.agent)
        mode = "" if command.mode is None else command.mode.value
        at = self._clock.utc()
        self.tell(crm.call_monitored(part, at, supervisor=command.supervisor, mode=mode))

    def hold_shown(self, command: cmd.ShowHold) -> None:
        part = call_part(command.attempt, command.campaign, command.lead, command.agent)
        self.tell(crm.call_held(part, self._clock.utc(), on=command.on))

    def transfer_shown(self, command: cmd.ShowTransfer) -> None:
        part = call_part(command.attempt, command.campaign, command.lead, command.by)
        at = self._clock.utc()
        self.tell(
            crm.call_transferred(part, at, to_agent=command.to_agent, to_outside=command.to_outside)
        )

    def tell(self, event: crm.Event) -> None:
        try:
            self._store.submit(TellCrm(event))
        except (StoreFull, StoreClosed):
            log.warning("the CRM is not told", type=event.type)
