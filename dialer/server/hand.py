"""Calls an agent asks for: who is meant, and what an agent's screen shows of a lead in preview."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from dialer.core.agent import Agent
from dialer.core.call import Call, Purpose
from dialer.core.events import CampaignRules, Lead
from dialer.core.states import AgentState, CallState
from dialer.server.face import ConsultView, LeadCard, OfferView

STAGES: Mapping[CallState, str] = {
    CallState.PLANNED: "dialling",
    CallState.REVOKED: "dialling",
    CallState.CLEARED: "dialling",
    CallState.PLACING: "dialling",
    CallState.CLOSING: "dialling",
    CallState.RINGING: "ringing",
    CallState.ANSWERED: "answered",
    CallState.MACHINE: "answered",
    CallState.WAITING: "connecting",
    CallState.CONNECTING: "connecting",
    CallState.TALKING: "talking",
    CallState.MOVING: "talking",
    CallState.HOLDING: "on hold",
    CallState.HELD: "on hold",
    CallState.RESUMING: "on hold",
    CallState.UNKNOWN: "unknown",
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Whom to call: one of the three, or a lead with another of its numbers."""

    campaign: str
    phone: str = ""  # as typed
    lead_id: int = 0
    external_id: str = ""


class HandCalls(Protocol):
    """Finds the lead of a call somebody asked for."""

    async def lead_for(self, wanted: Wanted) -> Lead:
        """The lead, with the number to call. A number of nobody's becomes a lead of its own.
        Raises `Refused`: 404 nobody, 409 may not be called by hand either, 400 no number."""
        ...


def card(lead: Lead) -> LeadCard:
    return LeadCard(
        lead.lead_id, lead.phone, lead.attempt_no, lead.external_id, lead.name, lead.fields
    )


def has_part(call: Call | None, agent: Agent) -> bool:
    """Whether the call goes on and this agent has part in it: talks to the customer, or asks or is
    asked about him. Who handed him on writes up meanwhile."""
    if call is None or call.parted is not None:
        return False
    asked = call.consult is not None and agent.name == call.consult.other
    return asked or call.agent in ("", agent.name)


def is_on_hold(call: Call) -> bool:
    """By the agent's wish, with nobody asked meanwhile."""
    return call.consult is not None and call.consult.purpose is Purpose.HOLD


def consult_of(call: Call | None, agent: Agent) -> ConsultView | None:
    one = None if call is None else call.consult
    if call is not None and call.third is not None and one is not None and agent.name == one.by:
        return ConsultView(call.third.name, True, one.state.value, outside=True)
    if one is None or one.purpose is not Purpose.ASK or agent.name not in (one.by, one.other):
        return None
    mine = agent.name == one.by
    return ConsultView(one.other if mine else one.by, mine, one.state.value)


def stage_of(call: Call | None) -> str:
    """How far a call is, in the words of the API."""
    if call is None:
        return "ended"
    if call.consult is not None and call.consult.purpose is Purpose.RECORD:
        return "talking"  # he is back before anybody can notice
    return STAGES.get(call.state, "ended")


def mode_of(call: Call | None, rules: CampaignRules) -> str:
    if call is None:
        return ""
    return (call.booking.mode if call.booking is not None else rules.mode).value


def offer_view(
    agent: Agent, rules: CampaignRules, skip_reasons: tuple[str, ...], may_escalate: bool
) -> OfferView | None:
    """The lead in preview, if there is one."""
    lead = agent.lead
    if agent.state is not AgentState.PREVIEW or lead is None:
        return None
    until = agent.deadline if agent.deadline is not None else agent.since + rules.preview_limit_s
    return OfferView(
        agent.campaign,
        card(lead),
        until,
        "dial" if rules.preview_dials else "back",
        lead.queue,
        lead.callback,
        skip_reasons,
        may_escalate,
    )
