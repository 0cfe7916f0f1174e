"""The frozen picture of the floor that a pacer sees."""

from __future__ import annotations

from dialer.core.floor import Floor
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.snapshot import FloorSnapshot

# Looked up once: a member of an enum costs as much as the rest of a line's turn below, and this is
# done some twenty times a second over every line and agent of a floor.
_RUNNING = CampaignState.RUNNING
_READY, _WRAP_UP = AgentState.READY, AgentState.WRAP_UP
_TALK, _RESERVED = AgentState.TALK, AgentState.RESERVED
_RINGING, _PLACING, _ANSWERED = CallState.RINGING, CallState.PLACING, CallState.ANSWERED
_PLANNED, _CLEARED = CallState.PLANNED, CallState.CLEARED


def snapshot(floor: Floor, name: str, now: float) -> FloorSnapshot:
    """The campaign's floor at `now` (seconds on the core's clock)."""
    campaign = floor.campaigns[name]
    setting_up: list[float] = []
    ringing: list[float] = []
    detecting: list[float] = []
    under_way = {_RINGING: ringing, _PLACING: setting_up, _ANSWERED: detecting}
    for call in campaign.calls.values():
        if call.booking is not None:
            continue  # its agent is kept for it, and is none of the pacer's
        state = call.state
        if (ages := under_way.get(state)) is not None:
            ages.append(now - call.since)
        elif state is _PLANNED or state is _CLEARED:
            setting_up.append(0.0)  # being written, or waiting for its slot on the trunk
    waiting = [
        now - (call.live if call.live is not None else call.since)
        for call in (floor.calls[attempt] for attempt in campaign.waiting)
        if call.booking is None and call.connected is None
    ]
    talking: list[float] = []
    wrapping: list[float] = []
    dialling = {one for one, its in floor.campaigns.items() if its.state is _RUNNING}
    alone = dialling == {name}
    sharing = 0.0
    agents = floor.agents
    for member in campaign.members:
        agent = agents[member]
        state_of = agent.state
        if state_of is _TALK or state_of is _RESERVED:
            talking.append(now - agent.since)
        elif state_of is _WRAP_UP:
            wrapping.append(now - agent.since)
        elif state_of is not _READY:
            continue
        sharing += 1.0 if alone else 1.0 / max(1, len(dialling.intersection(agent.campaigns)))
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
