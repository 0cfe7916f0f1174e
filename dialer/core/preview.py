"""Leads that are an agent's and not the pacer's: looked for, shown, and called with the agent kept
free for the answer. Functions of the floor; the table decides.

A free agent is given such a lead when nothing else comes: at once where the campaign is one of
previews or the lead is meant for the agent by name, otherwise after `offer_after_s`. A lead that
wants a person's decision is shown first; one that is only wanted by few is dialled at once, one
line for the agent it will go to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from dialer.core import agentflow
from dialer.core import events as ev
from dialer.core.agent import SEEK_MAX_S, SEEK_MIN_S, Agent, Seeking
from dialer.core.commands import FetchLeadFor, RecordPreview, ReturnLeads
from dialer.core.events import Lead, Status
from dialer.core.modes import Booking, Mode, PreviewEnd
from dialer.core.states import AgentSignal, AgentState, CampaignState

if TYPE_CHECKING:
    from dialer.core.campaign import Campaign
    from dialer.core.floor import Floor

NO_LINE = "The call was not made: every line of the trunk is in use."
NOT_FREE = "The call was not made: you were not free any more."
NOT_RUNNING = "The call was not made: the campaign does not dial just now."
TOO_LONG = "too long"  # the break of an agent who did not look at the lead shown


# --- looking for one ----------------------------------------------------------------------------


def begin_to_seek(floor: Floor, agent: Agent, now: float) -> None:
    """The agent has just become free: look for his own callbacks now, for others a little later."""
    waits = [
        campaign.rules.offer_after_s
        for campaign in _running(floor, agent)
        if campaign.rules.offer_after_s is not None
    ]
    if not waits or agent.state is not AgentState.READY:
        return
    wait_s = min(waits)
    seek(floor, agent, now, own=wait_s > 0)
    floor.set_deadline(agent, now + (wait_s if wait_s > 0 else SEEK_MAX_S))


def seek(floor: Floor, agent: Agent, now: float, own: bool = False) -> None:
    """Ask the store for a lead for this agent."""
    if agent.state is not AgentState.READY or agent.seeking is Seeking.ASKED:
        return
    where = [c for c in _running(floor, agent) if c.rules.offer_after_s is not None]
    if not where:
        return
    agent.seeking = Seeking.ASKED
    floor.emit(
        FetchLeadFor(
            agent.name,
            tuple(campaign.rules.name for campaign in where),
            agent.queues,
            agent.skills,
            tuple(floor.shared(campaign) for campaign in where),
            own,
        )
    )


def _running(floor: Floor, agent: Agent) -> list[Campaign]:
    found = (floor.campaigns.get(name) for name in agent.campaigns)
    return [c for c in found if c is not None and _dials(floor, c) and c.rules.pbx == agent.pbx]


def _dials(floor: Floor, campaign: Campaign) -> bool:
    return campaign.state is CampaignState.RUNNING and floor.connected(campaign.rules.pbx)


def found(floor: Floor, event: ev.LeadForAgent, now: float) -> None:
    """The store's answer. An agent who is not free for it any more leaves the lead on the list."""
    agent = floor.agents.get(event.agent)
    if agent is not None:
        agent.seeking = Seeking.IDLE
    lead = event.lead
    if lead is None:
        if agent is not None and agent.state is AgentState.READY:
            _seek_later(floor, agent, event.next_ready_s, now)
        return
    campaign = floor.campaigns.get(lead.campaign)
    if (
        agent is None
        or agent.state is not AgentState.READY
        or campaign is None
        or not _dials(floor, campaign)
        or not agent.takes(lead)
    ):
        floor.emit(ReturnLeads(lead.campaign, (lead.lead_id,)))
        return
    mode = lead.mode or campaign.rules.mode
    if mode.automatic and not _book(floor, agent, lead, Booking(agent.name, mode), now):
        floor.emit(ReturnLeads(lead.campaign, (lead.lead_id,)))
        _seek_later(floor, agent, SEEK_MIN_S, now)
    elif not mode.automatic:
        _offer(floor, agent, lead, campaign, now)


def _seek_later(floor: Floor, agent: Agent, next_ready_s: float | None, now: float) -> None:
    wait_s = SEEK_MAX_S if next_ready_s is None else next_ready_s
    again = now + min(max(wait_s, SEEK_MIN_S), SEEK_MAX_S)
    # What is set already is sooner only while his own callbacks were asked for alone.
    if agent.deadline is None or agent.deadline > again or agent.deadline <= now:
        floor.set_deadline(agent, again)


# --- showing it ---------------------------------------------------------------------------------


def _offer(floor: Floor, agent: Agent, lead: Lead, campaign: Campaign, now: float) -> None:
    agent.lead, agent.campaign, agent.attempt, agent.notice = lead, lead.campaign, "", ""
    agentflow.signal(floor, agent, AgentSignal.OFFERED, now)
    floor.set_deadline(agent, now + campaign.rules.preview_limit_s)


def accept(floor: Floor, event: ev.PreviewAccepted, now: float) -> None:
    """The agent wants it called."""
    agent = _looking(floor, event.agent, event.lead_id)
    if agent is not None:
        _take_it(floor, agent, PreviewEnd.ACCEPTED, now)


def skip(floor: Floor, event: ev.PreviewSkipped, now: float) -> None:
    """The agent does not: the lead goes back, or to a supervisor."""
    agent = _looking(floor, event.agent, event.lead_id)
    if agent is not None:
        end(floor, agent, PreviewEnd.SKIPPED, now, event.reason, event.escalate)


def timed_out(floor: Floor, agent: Agent, now: float) -> None:
    """Nobody said anything: by the campaign's rule it is dialled, or goes back and the agent, who
    may not be there, goes on a break."""
    campaign = floor.campaigns[agent.campaign]
    if campaign.rules.preview_dials:
        _take_it(floor, agent, PreviewEnd.TIMED_OUT, now)
        return
    agent.status, agent.reason = Status.BREAK, TOO_LONG
    end(floor, agent, PreviewEnd.TIMED_OUT, now)


def end(
    floor: Floor,
    agent: Agent,
    how: PreviewEnd,
    now: float,
    reason: str = "",
    escalate: bool = False,
) -> None:
    """Take the lead off the agent's screen; the agent goes where the chosen status says."""
    give_back(floor, agent, how, reason, escalate)
    agentflow.settle(floor, agent, now)


def give_back(
    floor: Floor,
    agent: Agent,
    how: PreviewEnd = PreviewEnd.WITHDRAWN,
    reason: str = "",
    escalate: bool = False,
) -> None:
    """Give the lead in preview, if there is one, back to the list."""
    if agent.state is AgentState.PREVIEW and agent.lead is not None:
        lead, agent.lead = agent.lead, None
        floor.emit(RecordPreview(lead.campaign, lead, agent.name, how, reason, escalate))


def withdraw(floor: Floor, meant: Callable[[Lead], bool], now: float) -> None:
    """Some leads may not be called just now: nobody looks at one of them any longer."""
    for agent in [a for a in floor.agents.values() if a.state is AgentState.PREVIEW]:
        if agent.lead is not None and meant(agent.lead):
            end(floor, agent, PreviewEnd.WITHDRAWN, now)


def _looking(floor: Floor, name: str, lead_id: int) -> Agent | None:
    agent = floor.agents.get(name)
    looking = agent is not None and agent.state is AgentState.PREVIEW
    if agent is not None and looking and agent.lead is not None and agent.lead.lead_id == lead_id:
        return agent
    floor.warn("a word on a lead that is not on this agent's screen was ignored")
    return None


# --- calling it ---------------------------------------------------------------------------------


def _take_it(floor: Floor, agent: Agent, how: PreviewEnd, now: float) -> None:
    lead = agent.lead
    if lead is None:
        return
    if not _book(floor, agent, lead, Booking(agent.name, Mode.PREVIEW), now, how):
        end(floor, agent, PreviewEnd.WITHDRAWN, now)


def call_by_hand(floor: Floor, event: ev.ManualCallAsked, now: float) -> None:
    """An agent asked for this very call."""
    agent = floor.agents.get(event.agent)
    if agent is None:
        floor.warn("a call was asked for by an agent who is not logged in")
        return
    if agent.state not in (AgentState.READY, AgentState.BREAK):
        agent.notice = NOT_FREE
    else:
        booking = Booking(agent.name, Mode.MANUAL, event.override_by, event.override_because)
        if _book(floor, agent, event.lead, booking, now):
            return
    agentflow.show(floor, agent)


def _book(
    floor: Floor,
    agent: Agent,
    lead: Lead,
    booking: Booking,
    now: float,
    how: PreviewEnd | None = None,
) -> bool:
    """Keep the agent free and have the attempt written. False, with a notice: it cannot be."""
    campaign = floor.campaigns.get(lead.campaign)
    if campaign is None or not _dials(floor, campaign):
        agent.notice = NOT_RUNNING
        return False
    if campaign.rules.pbx != agent.pbx or floor.trunk(agent.pbx, campaign.rules.trunk).free < 1:
        agent.notice = NO_LINE
        return False
    if how is not None:
        reason = "" if how is PreviewEnd.ACCEPTED else how.value
        floor.emit(RecordPreview(lead.campaign, lead, agent.name, PreviewEnd.ACCEPTED, reason))
    call = floor.plan(campaign, lead, booking, now)
    agentflow.give(agent, call)
    agentflow.signal(floor, agent, AgentSignal.BOOKED, now)
    return True
