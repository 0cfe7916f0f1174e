"""The frozen picture of the floor that a pacer sees."""

from __future__ import annotations

from dialer.core.floor import Floor
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.snapshot import FloorSnapshot

# Looked up once: a member of an enum costs as much as the rest of a line's turn below, and this is
# done some twenty times a second over every line and agent of a floor. So is the order of the
# questions that of how many there are of each.
_RUNNING = CampaignState.RUNNING
_READY, _WRAP_UP = AgentState.READY, AgentState.WRAP_UP
_TALK, _RESERVED = AgentState.TALK, AgentState.RESERVED
_RINGING, _PLACING, _ANSWERED = CallState.RINGING, CallState.PLACING, CallState.ANSWERED
_PLANNED, _CLEARED, _TALKING = CallState.PLANNED, CallState.CLEARED, CallState.TALKING


def snapshot(floor: Floor, name: str, now: float) -> FloorSnapshot:
    """The campaign's floor at `now` (seconds on the core's clock)."""
    campaign = floor.campaigns[name]
    setting_up: list[float] = []
    ringing: list[float] = []
    detecting: list[float] = []
    waiting: list[float] = []
    rang: list[float] = []
    for call in campaign.calls.values():
        state = call.state
        if state is _TALKING or call.booking is not None:
            continue  # the agent kept for a booked call is none of the pacer's, nor is its line
        if state is _RINGING:
            ringing.append(now - call.since)
        elif state is _PLACING:
            setting_up.append(now - call.since)
        elif state is _ANSWERED:
            if call.live is not None:
                waiting.append(now - call.live)  # a person, on his way into the queue
            else:
                detecting.append(now - call.since)
                rang_s = call.rang_s
                rang.append(-1.0 if rang_s is None else rang_s)
        elif state is _PLANNED or state is _CLEARED:
            setting_up.append(0.0)  # being written, or waiting for its slot on the trunk
    waiting += [
        now - (call.live if call.live is not None else call.since)
        for call in (floor.calls[attempt] for attempt in campaign.waiting)
        if call.booking is None and call.connected is None
    ]
    talking: list[float] = []
    wrapping: list[float] = []
    dialling = {one for one, its in floor.campaigns.items() if its.state is _RUNNING}
    alone = dialling == {name}
    ready = 0
    sharing = 0.0
    agents = floor.agents
    for member in campaign.members:
        agent = agents[member]
        state_of = agent.state
        if state_of is _TALK or state_of is _RESERVED:
            talking.append(now - agent.since)
        elif state_of is _WRAP_UP:
            wrapping.append(now - agent.since)
        elif state_of is _READY:
            ready += 1
        else:
            continue
        if not alone:
            sharing += 1.0 / max(1, len(dialling.intersection(agent.campaigns)))
    if alone:
        sharing = float(ready + len(talking) + len(wrapping))
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
        detecting_rang=tuple(rang),
        waiting=tuple(waiting),
        lines_free=floor.trunk(campaign.rules.pbx, campaign.rules.trunk).room(now),
        leads_ready=len(campaign.hopper),
        share=sharing / working if working else 1.0,
        ring_least_s=campaign.ring_least_s,
    )
