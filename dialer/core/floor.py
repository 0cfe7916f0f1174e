"""The floor: every campaign, agent and call of this node, and the one way in.

`handle(event, now)` and `tick(now)` return the commands that follow, in order. Nothing here
awaits, reads a clock, draws a number or writes a log; the same floor runs in production, on a
simulated PBX and in virtual time. What calls do is in `callflow`, what agents do in `agentflow`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from dialer.core import agentflow, callflow, consult, giveup, monitor, outside, preview, transfer
from dialer.core import events as ev
from dialer.core.agent import Agent
from dialer.core.call import Call
from dialer.core.campaign import (
    HOPPER_FILL,
    HOPPER_LOW,
    REFETCH_MAX_S,
    REFETCH_MIN_S,
    Campaign,
    Fetching,
)
from dialer.core.commands import (
    Command,
    FetchLeads,
    HangUp,
    RecordAttempt,
    ReturnLeads,
    ShowCampaign,
    Warn,
)
from dialer.core.modes import Booking
from dialer.core.monitor import Monitor
from dialer.core.states import (
    CallSignal,
    CallState,
    CampaignSignal,
    CampaignState,
    next_campaign_state,
)
from dialer.core.trunk import Trunk
from dialer.snapshot import Bound

NOT_CONNECTED = "not connected yet"
_NONE: frozenset[str] = frozenset()
_PEOPLE_OF_OURS = ("a", "s", "t")  # kinds of legs: agents, supervisors, whom they asked outside


class Floor:
    """All that happens on one node.

    `boot` is unique to this life of the process: ids of attempts begin with `od-<boot>-c`.
    `denied(attempt, lead, now, booking)` is the compliance gate, asked in the step in
    which an Originate would leave; it answers from memory.
    """

    def __init__(
        self,
        boot: str,
        denied: Callable[[str, ev.Lead, float, Booking | None], bool] = lambda *_: False,
    ) -> None:
        self.boot = boot
        self.denied = denied
        self.campaigns: dict[str, Campaign] = {}
        self.agents: dict[str, Agent] = {}
        self.agent_of_leg: dict[str, Agent] = {}
        self.calls: dict[str, Call] = {}
        self.third_of_leg: dict[str, Call] = {}  # the leg of somebody outside -> the call he is for
        # Somebody outside with a customer, from a former life of ours -> the PBX
        self.left_over: dict[str, str] = {}
        self.monitors: dict[str, Monitor] = {}  # by supervisor
        self.monitor_of_leg: dict[str, Monitor] = {}
        self.trunks: dict[tuple[str, str], Trunk] = {}
        self.link_down: dict[str, str] = {}  # PBX -> why; a PBX not in here is connected
        self._count = 0
        self._deadlines: list[tuple[float, int, Call | Agent | Monitor | Campaign]] = []
        self._deadline_count = 0
        self._out: list[Command] = []
        self._handlers: dict[type, Callable[[Any, float], None]] = {
            ev.LinkLost: self._link_lost,
            ev.LinkResynced: self._link_resynced,
            ev.LegChecked: self._leg_checked,
            ev.LegRinging: self._leg_ringing,
            ev.LegAnswered: self._leg_answered,
            ev.LegParked: self._leg_parked,
            ev.LegBridged: self._leg_bridged,
            ev.LegUnbridged: self._leg_unbridged,
            ev.LegHungUp: self._leg_hung_up,
            ev.PersonDetected: self._person_detected,
            ev.MachineDetected: self._machine_detected,
            ev.HarbourStarted: self._harbour_started,
            ev.OriginateFailed: self._originate_failed,
            ev.BridgeFailed: self._bridge_failed,
            ev.MonitorBegan: self._monitor_began,
            ev.MonitorAsked: lambda e, now: monitor.ask(self, e, now),
            ev.MonitorLeft: lambda e, now: monitor.leave(self, e, now),
            ev.AgentLoggedIn: lambda e, now: agentflow.log_in(self, e, now),
            ev.AgentRecovered: lambda e, now: agentflow.recover(self, e, now),
            ev.StatusChosen: lambda e, now: agentflow.choose(self, e, now),
            ev.HangUpPressed: lambda e, now: agentflow.hang_up(self, e, now),
            ev.MoreTimeAsked: lambda e, now: agentflow.more_time(self, e, now),
            ev.TransferAsked: lambda e, now: transfer.ask(self, e, now),
            ev.ConsultAsked: lambda e, now: consult.ask(self, e, now),
            ev.ConsultEnded: lambda e, now: consult.end(self, e, now),
            ev.SwapAsked: lambda e, now: outside.swap(self, e, now),
            ev.JoinAsked: lambda e, now: outside.join(self, e, now),
            ev.HoldAsked: lambda e, now: consult.hold(self, e, now),
            ev.RecordingAsked: lambda e, now: consult.record(self, e, now),
            ev.DispositionChosen: lambda e, now: agentflow.dispose(self, e, now),
            ev.PreviewAccepted: lambda e, now: preview.accept(self, e, now),
            ev.PreviewSkipped: lambda e, now: preview.skip(self, e, now),
            ev.ManualCallAsked: lambda e, now: preview.call_by_hand(self, e, now),
            ev.LeadForAgent: lambda e, now: preview.found(self, e, now),
            ev.ScreenLost: lambda e, now: agentflow.screen(self, e.agent, False, now),
            ev.ScreenBack: lambda e, now: agentflow.screen(self, e.agent, True, now),
            ev.TrunkConfigured: self._trunk_configured,
            ev.CampaignStarted: self._campaign_started,
            ev.CampaignPaused: self._campaign_paused,
            ev.CampaignResumed: self._campaign_resumed,
            ev.CampaignStopped: self._campaign_stopped,
            ev.LeadsOffered: self._leads_offered,
            ev.LeadSuppressed: self._lead_suppressed,
            ev.AttemptRecorded: self._attempt_recorded,
            ev.AttemptRefused: self._attempt_refused,
            ev.AttemptRecovered: lambda e, now: callflow.recover(self, e, now),
            ev.LinesDecided: self._lines_decided,
        }

    # --- the one door -------------------------------------------------------------------------

    def handle(self, event: ev.Event, now: float) -> list[Command]:
        """Take one fact; the commands that follow, to be carried out in this order."""
        mark = len(self._out)
        try:
            self._handlers[type(event)](event, now)
        except Exception:
            del self._out[mark:]  # half a step must not be carried out with the next one
            raise
        return self._drain()

    def tick(self, now: float) -> list[Command]:
        """Apply every deadline due by `now`, in order of time.

        One that raises takes no other with it: the rest are applied, the first error is raised,
        and what they commanded comes with the next step.
        """
        failed: Exception | None = None
        while self._deadlines and self._deadlines[0][0] <= now:
            due, _, whose = heapq.heappop(self._deadlines)
            mark = len(self._out)
            try:
                self._due(whose, due, now)
            except Exception as error:
                del self._out[mark:]
                failed = failed or error
        if failed is not None:
            raise failed
        return self._drain()

    def _due(self, whose: Call | Agent | Monitor | Campaign, due: float, now: float) -> None:
        if isinstance(whose, Campaign):
            self._refill(whose, now)
        elif whose.deadline == due:
            whose.deadline = None
            if isinstance(whose, Call):
                callflow.deadline(self, whose, now)
            elif isinstance(whose, Monitor):
                monitor.deadline(self, whose, now)
            else:
                agentflow.deadline(self, whose, now)

    def next_deadline(self) -> float | None:
        """When `tick` has something to do; never later than needed, sometimes earlier."""
        return self._deadlines[0][0] if self._deadlines else None

    def _drain(self) -> list[Command]:
        out, self._out = self._out, []
        return out

    # --- for callflow and agentflow -----------------------------------------------------------

    def emit(self, command: Command) -> None:
        self._out.append(command)

    def warn(self, text: str, leg: str = "") -> None:
        self._out.append(Warn(text, leg))

    def new_leg(self, kind: str) -> str:
        """An id for a leg of our own. Fixed width: Asterisk takes an id that begins another living
        one for a duplicate."""
        self._count += 1
        return f"od-{self.boot}-{kind}{self._count:07d}"

    def set_deadline(self, whose: Call | Agent | Monitor, at: float | None) -> None:
        whose.deadline = at
        if at is not None:
            self._deadline_count += 1
            heapq.heappush(self._deadlines, (at, self._deadline_count, whose))

    def connected(self, pbx: str) -> bool:
        return self.link_down.get(pbx, NOT_CONNECTED) == ""

    def show_campaign(self, campaign: Campaign) -> None:
        """Tell the screens, when it changed, what the campaign does and why it does not dial."""
        why = self.not_dialling(campaign)
        shown = f"{campaign.state}|{why}"
        if shown != campaign.shown:
            campaign.shown = shown
            self.emit(ShowCampaign(campaign.rules.name, campaign.state.value, why))

    def not_dialling(self, campaign: Campaign) -> str:
        """Why this campaign launches no lines just now, in words; empty when it may."""
        if campaign.state is CampaignState.PAUSED:
            return campaign.why_paused
        if campaign.state is not CampaignState.RUNNING:
            return "stopped"
        down = self.link_down.get(campaign.rules.pbx, NOT_CONNECTED)
        if down:
            return f"PBX {campaign.rules.pbx}: {down}"
        if not campaign.members:
            return "no agent is logged in"
        if not campaign.rules.mode.automatic:
            return ""
        if not campaign.hopper and campaign.fetching is Fetching.EXHAUSTED:
            return "no lead is due"
        if campaign.last_bound is Bound.TRUNK:
            return f"trunk {campaign.rules.trunk} is at its limit"
        return ""

    # --- links --------------------------------------------------------------------------------

    def _link_lost(self, event: ev.LinkLost, now: float) -> None:
        self.link_down[event.pbx] = event.why or "connection lost"
        for call in [c for c in self.calls.values() if c.pbx == event.pbx]:
            callflow.link_lost(self, call, now)
        for agent in [a for a in self.agents.values() if a.pbx == event.pbx]:
            agentflow.link_lost(self, agent, now)
        for one in [m for m in self.monitors.values() if m.pbx == event.pbx]:
            monitor.link_lost(self, one, now)
        self._show_campaigns_of(event.pbx)

    def _link_resynced(self, event: ev.LinkResynced, now: float) -> None:
        self.link_down[event.pbx] = ""
        dialled = [one for one in self.third_of_leg.items() if outside.is_dialled(one[1])]
        found = {channel.leg: channel for channel in event.channels}
        for one in [m for m in self.monitors.values() if m.pbx == event.pbx]:
            monitor.found(self, one, found.get(one.leg), now)  # before what it hangs on
        for call in [c for c in self.calls.values() if c.pbx == event.pbx]:
            callflow.found(self, call, found.get(call.attempt), event.restarted, now)
        for agent in [a for a in self.agents.values() if a.pbx == event.pbx]:
            agentflow.found(self, agent, found.get(agent.leg), now)
            if agent.leg in self.agent_of_leg:
                agentflow.ring_again(self, agent, now)
        for leg, call in dialled:
            if call.pbx == event.pbx and leg in self.third_of_leg:
                outside.found(self, call, found.get(leg), now)
        ours = (self.calls, self.agent_of_leg, self.monitor_of_leg, self.third_of_leg)
        for leg, where in found.items():
            if leg.rpartition("-")[2][:1] == "t" and where.peer in self.calls:
                if leg not in self.third_of_leg:
                    self.left_over[leg] = event.pbx  # they go on until one of them has enough
                continue
            if not any(leg in known for known in ours):
                # A customer we do not know is served by the dialplan's own timer and message.
                if leg.rpartition("-")[2][:1] in _PEOPLE_OF_OURS:
                    self.emit(HangUp(event.pbx, leg))
                else:
                    self.warn("a customer's channel nobody here dialled was left to its timer", leg)
        self._show_campaigns_of(event.pbx)

    def _leg_checked(self, event: ev.LegChecked, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.found(self, call, event.found, False, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agentflow.found(self, agent, event.found, now)
        elif (one := self.monitor_of_leg.get(event.leg)) is not None:
            monitor.found(self, one, event.found, now)
        elif (call := self.third_of_leg.get(event.leg)) is not None:
            outside.found(self, call, event.found, now)

    def _show_campaigns_of(self, pbx: str) -> None:
        for campaign in self.campaigns.values():
            if campaign.rules.pbx == pbx:
                self.show_campaign(campaign)

    # --- legs ---------------------------------------------------------------------------------

    def _leg_ringing(self, event: ev.LegRinging, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.rang(self, call, now)

    def _leg_answered(self, event: ev.LegAnswered, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.answered(self, call, event, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agent.channel = event.channel or agent.channel

    def _leg_parked(self, event: ev.LegParked, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.parked(self, call, event, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agentflow.parked(self, agent, event.channel, now)
        elif (call := self.third_of_leg.get(event.leg)) is not None:
            outside.parked(self, call, event.channel, now)
        elif (pbx := self.left_over.pop(event.leg, None)) is not None:
            self.emit(HangUp(pbx, event.leg))

    def _leg_bridged(self, event: ev.LegBridged, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.bridged(self, call, event, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agentflow.bridged(self, agent, now)
        elif (call := self.third_of_leg.get(event.leg)) is not None:
            outside.bridged(self, call, now)

    def _leg_unbridged(self, event: ev.LegUnbridged, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.unbridged(self, call, event, now)

    def _leg_hung_up(self, event: ev.LegHungUp, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.hung_up(self, call, event, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agentflow.leg_gone(self, agent, now)
        elif (one := self.monitor_of_leg.get(event.leg)) is not None:
            monitor.gone(self, one, now)
        elif (call := self.third_of_leg.get(event.leg)) is not None:
            outside.gone(self, call, now)
        else:
            self.left_over.pop(event.leg, None)

    def _person_detected(self, event: ev.PersonDetected, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.live(self, call, event.amd, now)

    def _machine_detected(self, event: ev.MachineDetected, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.machine(self, call, event.cause, now)

    def _harbour_started(self, event: ev.HarbourStarted, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.harbour(self, call, now)

    def _originate_failed(self, event: ev.OriginateFailed, now: float) -> None:
        if (call := self.calls.get(event.leg)) is not None:
            callflow.originate_failed(self, call, event, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            agentflow.originate_failed(self, agent, now)
        elif (one := self.monitor_of_leg.get(event.leg)) is not None:
            monitor.gone(self, one, now)
        elif (call := self.third_of_leg.get(event.leg)) is not None:
            outside.gone(self, call, now)

    def _monitor_began(self, event: ev.MonitorBegan, now: float) -> None:
        if (one := self.monitor_of_leg.get(event.leg)) is not None:
            monitor.began(self, one, event.mode, now)
        elif (agent := self.agent_of_leg.get(event.leg)) is not None:
            outside.began(self, agent, now)

    def _bridge_failed(self, event: ev.BridgeFailed, now: float) -> None:
        if (call := self.calls.get(event.customer_leg)) is not None:
            callflow.bridge_failed(self, call, now)
        if (agent := self.agent_of_leg.get(event.agent_leg)) is not None:
            consult.agents_not_bridged(self, agent, now)
            agentflow.bridge_failed(self, agent)

    # --- campaigns ----------------------------------------------------------------------------

    def _trunk_configured(self, event: ev.TrunkConfigured, now: float) -> None:
        trunk = self.trunk(event.pbx, event.trunk)
        trunk.channels_max = event.channels_max
        trunk.originates_per_s = event.originates_per_s

    def trunk(self, pbx: str, name: str) -> Trunk:
        trunk = self.trunks.get((pbx, name))
        if trunk is None:
            trunk = self.trunks[(pbx, name)] = Trunk(pbx, name)
        return trunk

    def _campaign_started(self, event: ev.CampaignStarted, now: float) -> None:
        if event.rules.ring_limit_s < ev.RING_MIN_S:
            self.warn(f"campaign refused: a ring limit under {ev.RING_MIN_S:.0f} s is unlawful")
            return
        if not event.rules.ring_least_s >= ev.RING_MIN_S:
            self.warn(
                "campaign refused: giving up lines that have rung for less than "
                f"{ev.RING_MIN_S:.0f} s is unlawful"
            )
            return
        campaign = self.campaigns.get(event.rules.name)
        if campaign is None:
            campaign = self.campaigns[event.rules.name] = Campaign(event.rules)
            for agent in self.agents.values():
                agentflow.join(self, agent, campaign)
        campaign.rules = event.rules
        self._move(campaign, CampaignSignal.START, now)

    def _campaign_paused(self, event: ev.CampaignPaused, now: float) -> None:
        if (campaign := self.campaigns.get(event.campaign)) is not None:
            campaign.why_paused = event.why
            self._move(campaign, CampaignSignal.PAUSE, now)

    def _campaign_resumed(self, event: ev.CampaignResumed, now: float) -> None:
        if (campaign := self.campaigns.get(event.campaign)) is not None:
            self._move(campaign, CampaignSignal.RESUME, now)

    def _campaign_stopped(self, event: ev.CampaignStopped, now: float) -> None:
        if (campaign := self.campaigns.get(event.campaign)) is not None:
            self._move(campaign, CampaignSignal.STOP, now)
            self.drained(campaign)

    def _move(self, campaign: Campaign, signal: CampaignSignal, now: float) -> None:
        campaign.state = next_campaign_state(campaign.state, signal)
        if campaign.state is CampaignState.RUNNING:
            self._refill(campaign, now)
            for name in campaign.idle:
                preview.begin_to_seek(self, self.agents[name], now)
        else:
            self._take_back(campaign, now)
        self.show_campaign(campaign)

    def _take_back(self, campaign: Campaign, now: float) -> None:
        """Dial nothing more: unused leads go back, written attempts not yet dialled are undone."""
        if campaign.hopper:
            self.emit(
                ReturnLeads(campaign.rules.name, tuple(lead.lead_id for lead in campaign.hopper))
            )
            campaign.hopper.clear()
        if campaign.fetching is Fetching.EXHAUSTED:
            campaign.fetching = Fetching.IDLE  # what was given back is there to be fetched
        for call in [c for c in campaign.calls.values() if c.state is CallState.CLEARED]:
            callflow.withdraw(self, call, now)
        preview.withdraw(self, lambda lead: lead.campaign == campaign.rules.name, now)

    def drained(self, campaign: Campaign) -> None:
        """After a call ended: a stopping campaign without calls has stopped."""
        if campaign.state is CampaignState.STOPPING and not campaign.calls:
            campaign.state = next_campaign_state(campaign.state, CampaignSignal.DRAINED)
            self.show_campaign(campaign)

    def _refill(self, campaign: Campaign, now: float) -> None:
        if (
            campaign.state is CampaignState.RUNNING
            and campaign.rules.mode.automatic
            and campaign.fetching is not Fetching.ASKED
            and len(campaign.hopper) < HOPPER_LOW
            and (campaign.fetching is Fetching.IDLE or now >= campaign.refetch_at)
        ):
            campaign.fetching = Fetching.ASKED
            queues, skills = self.shared(campaign)
            wanted = HOPPER_FILL - len(campaign.hopper)
            self.emit(FetchLeads(campaign.rules.name, wanted, queues, skills))

    def shared(self, campaign: Campaign) -> tuple[frozenset[str] | None, frozenset[str]]:
        """The queues (None: all) and skills that everybody here has: whoever answers a line of the
        pacer's may get any of these agents."""
        members = [self.agents[name] for name in campaign.members]
        chosen = [frozenset(agent.queues) for agent in members if agent.queues]
        queues = frozenset.intersection(*chosen) if chosen else None
        return queues, frozenset.intersection(*(a.skills for a in members)) if members else _NONE

    def _leads_offered(self, event: ev.LeadsOffered, now: float) -> None:
        campaign = self.campaigns.get(event.campaign)
        if campaign is None or campaign.state is not CampaignState.RUNNING:
            if event.leads:
                self.emit(ReturnLeads(event.campaign, tuple(lead.lead_id for lead in event.leads)))
            if campaign is not None:
                campaign.fetching = Fetching.IDLE
            return
        campaign.hopper.extend(event.leads)
        if event.exhausted:
            campaign.fetching = Fetching.EXHAUSTED
            wait = REFETCH_MAX_S if event.next_ready_s is None else event.next_ready_s
            campaign.refetch_at = now + min(max(wait, REFETCH_MIN_S), REFETCH_MAX_S)
            self._deadline_count += 1
            heapq.heappush(self._deadlines, (campaign.refetch_at, self._deadline_count, campaign))
        else:
            campaign.fetching = Fetching.IDLE
        self.show_campaign(campaign)

    def _lead_suppressed(self, event: ev.LeadSuppressed, now: float) -> None:
        def meant(lead: ev.Lead) -> bool:
            return lead.lead_id in event.lead_ids or lead.phone in event.phones

        for campaign in self.campaigns.values():
            if gone := [lead for lead in campaign.hopper if meant(lead)]:
                self.emit(ReturnLeads(campaign.rules.name, tuple(lead.lead_id for lead in gone)))
                kept = [lead for lead in campaign.hopper if not meant(lead)]
                campaign.hopper.clear()
                campaign.hopper.extend(kept)
            for call in [c for c in campaign.calls.values() if meant(c.lead)]:
                callflow.revoke(self, call, now)
            self._refill(campaign, now)
        preview.withdraw(self, meant, now)

    # --- dialling -----------------------------------------------------------------------------

    def _lines_decided(self, event: ev.LinesDecided, now: float) -> None:
        campaign = self.campaigns.get(event.campaign)
        if campaign is None:
            return
        campaign.last_bound = event.decision.bound
        if campaign.state is CampaignState.RUNNING and self.connected(campaign.rules.pbx):
            giveup.give_up(self, campaign, event.decision.give_up, now)
            trunk = self.trunk(campaign.rules.pbx, campaign.rules.trunk)
            for _ in range(min(event.decision.lines, trunk.free)):
                lead = self._next_lead(campaign)
                if lead is None:
                    break
                self.plan(campaign, lead, None, now)
            self._refill(campaign, now)
        self.show_campaign(campaign)

    def _next_lead(self, campaign: Campaign) -> ev.Lead | None:
        """The hopper's next that everybody may take. Agents came since it was filled, who may not
        take some: those go back to the store, to be called for an agent who may."""
        few: list[int] = []
        found = None
        while campaign.hopper and found is None:
            lead = campaign.hopper.popleft()
            # Who is logged in decides on a lead that wants something; most want nothing.
            plain = not (lead.queue or lead.skills or lead.agent)
            if plain or all(self.agents[name].takes(lead) for name in campaign.members):
                found = lead
            else:
                few.append(lead.lead_id)
        if few:
            self.emit(ReturnLeads(campaign.rules.name, tuple(few)))
        return found

    def plan(self, campaign: Campaign, lead: ev.Lead, booking: Booking | None, now: float) -> Call:
        """Have an attempt written ahead; a line of the trunk is taken from now on."""
        trunk = self.trunk(campaign.rules.pbx, campaign.rules.trunk)
        call = Call(
            attempt=self.new_leg("c"),
            campaign=campaign.rules.name,
            pbx=trunk.pbx,
            trunk=trunk.name,
            lead=lead,
            planned=now,
            since=now,
            booking=booking,
            line_over=booking is not None,  # not the pacer's line: it teaches him nothing
        )
        trunk.in_use += 1
        self.calls[call.attempt] = campaign.calls[call.attempt] = call
        self.emit(RecordAttempt(call.attempt, call.pbx, lead, booking))
        return call

    def _attempt_recorded(self, event: ev.AttemptRecorded, now: float) -> None:
        call = self.calls.get(event.attempt)
        if call is None:
            self.warn("the store recorded an attempt nobody planned", event.attempt)
            return
        if call.state is CallState.REVOKED:
            callflow.withdraw(self, call, now)
            return
        callflow.signal(self, call, CallSignal.RECORDED, now)
        callflow.clear(self, call, now)

    def _attempt_refused(self, event: ev.AttemptRefused, now: float) -> None:
        if (call := self.calls.get(event.attempt)) is not None:
            agentflow.notify(self, call, f"The call was not made: {event.why}.")
            callflow.refuse(self, call, now)
