"""The frozen picture of the floor that a pacer sees."""

from __future__ import annotations

from dialer.core.floor import Floor
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.snapshot import FloorSnapshot

_ENGAGED = (AgentState.TALK, AgentState.RESERVED)


def snapshot(floor: Floor, name: str, now: float) -> FloorSnapshot:
    """The campaign's floor at `now` (seconds on the core's clock)."""
    campaign = floor.campaigns[name]
    setting_up: list[float] = []
    ringing: list[float] = []
    detecting: list[float] = []
    for call in campaign.calls.values():
        if call.booking is not None:
            continue  # its agent is kept for it, and is none of the pacer's
        state = call.state
        if state is CallState.RINGING:
            ringing.append(now - call.since)
        elif state is CallState.PLACING:
            setting_up.append(now - call.since)
        elif state is CallState.ANSWERED:
            detecting.append(now - call.since)
        elif state is CallState.PLANNED or state is CallState.CLEARED:
            setting_up.append(0.0)  # being written, or waiting for its slot on the trunk
    waiting = [
        now - (call.live if call.live is not None else call.since)
        for call in (floor.calls[attempt] for attempt in campaign.waiting)
        if call.booking is None and call.connected is None
    ]
    talking: list[float] = []
    wrapping: list[float] = []
    dialling = {one for one, its in floor.campaigns.items() if its.state is CampaignState.RUNNING}
    sharing = 0.0
    for member in campaign.members:
        agent = floor.agents[member]
        if agent.state in _ENGAGED:
            talking.append(now - agent.since)
        elif agent.state is AgentState.WRAP_UP:
            wrapping.append(now - agent.since)
        elif agent.state is not AgentState.READY:
            continue
        sharing += 1.0 / max(1, len(dialling.intersection(agent.campaigns)))
    working = len(campaign.idle) + len(talking) + len(wrapping)
    return FloorSnapshot(
        now=now,
        campaign=name,
        idle=len(campaign.idle),
        talking=tuple(talking),
        wrapping=tuple(wrapping),
        setting_up=tuple(setting_up),
        ringing=tuple(ringing),
        detecting=tuple(detecting),
        waiting=tuple(waiting),
        lines_free=floor.trunk(campaign.rules.pbx, campaign.rules.trunk).room(now),
        leads_ready=len(campaign.hopper),
        share=sharing / working if working else 1.0,
    )
