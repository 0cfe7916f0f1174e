"""The frozen picture of the floor that a pacer sees."""

from __future__ import annotations

from dialer.core.floor import Floor
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.snapshot import FloorSnapshot

_ENGAGED = (AgentState.TALK, AgentState.RESERVED)


def snapshot(floor: Floor, name: str, now: float) -> FloorSnapshot:
    """The campaign's floor at `now` (seconds on the core's clock)."""
    campaign = floor.campaigns[name]
    ages: dict[CallState, list[float]] = {state: [] for state in CallState}
    for call in campaign.calls.values():
        if call.booking is not None:
            continue  # its agent is kept for it, and is none of the pacer's
        ages[call.state].append(now - call.since)
    waiting = [
        now - (call.live if call.live is not None else call.since)
        for call in (floor.calls[attempt] for attempt in campaign.waiting)
        if call.booking is None
    ]
    talking: list[float] = []
    wrapping: list[float] = []
    sharing = 0.0
    for member in campaign.members:
        agent = floor.agents[member]
        if agent.state in _ENGAGED:
            talking.append(now - agent.since)
        elif agent.state is AgentState.WRAP_UP:
            wrapping.append(now - agent.since)
        elif agent.state is not AgentState.READY:
            continue
        sharing += 1.0 / max(1, sum(1 for other in agent.campaigns if _dials(floor, other)))
    working = len(campaign.idle) + len(talking) + len(wrapping)
    written = [0.0] * (len(ages[CallState.PLANNED]) + len(ages[CallState.CLEARED]))
    return FloorSnapshot(
        now=now,
        campaign=name,
        idle=len(campaign.idle),
        talking=tuple(talking),
        wrapping=tuple(wrapping),
        setting_up=tuple(written + ages[CallState.PLACING]),
        ringing=tuple(ages[CallState.RINGING]),
        detecting=tuple(ages[CallState.ANSWERED]),
        waiting=tuple(waiting),
        lines_free=floor.trunk(campaign.rules.pbx, campaign.rules.trunk).room(now),
        leads_ready=len(campaign.hopper),
        share=sharing / working if working else 1.0,
    )


def _dials(floor: Floor, name: str) -> bool:
    campaign = floor.campaigns.get(name)
    return campaign is not None and campaign.state is CampaignState.RUNNING
