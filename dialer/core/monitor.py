"""A supervisor who listens in, whispers or barges: a leg of the supervisor's own beside a call.

It never touches the call: nothing here changes the state of an agent or of a customer. It is for
one conversation and over with it; a new life of the process hangs up what it finds of an old one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from dialer.core import events as ev
from dialer.core.commands import ChangeMonitor, CheckLeg, HangUp, RingSupervisor, ShowMonitor
from dialer.core.modes import MonitorMode
from dialer.core.states import (
    AgentState,
    CallState,
    MonitorSignal,
    MonitorState,
    next_monitor_state,
)

if TYPE_CHECKING:
    from dialer.core.floor import Floor

SUPERVISOR_RING_LIMIT_S = 20.0  # a conversation is over soon: who does not pick up is too late
# Longest stay before the PBX is asked where the leg is; each covers an event that was lost.
CHECK_AFTER_S = {
    MonitorState.RINGING: SUPERVISOR_RING_LIMIT_S + 5.0,
    MonitorState.LEAVING: 5.0,
    MonitorState.UNKNOWN: 1.0,
}


@dataclass(slots=True)
class Monitor:
    """`mode` is the one asked for last; `heard` the one the PBX told of, None until it did."""

    supervisor: str
    leg: str
    pbx: str
    agent: str
    attempt: str
    campaign: str
    lead: ev.Lead
    mode: MonitorMode
    heard: MonitorMode | None = None
    state: MonitorState = MonitorState.RINGING
    since: float = 0.0
    deadline: float | None = None


def ask(floor: Floor, event: ev.MonitorAsked, now: float) -> None:
    """Ring the supervisor, or change the mode of what there is. A conversation that is not there
    (any more), and a second one at a time, are refused without a trace."""
    agent = floor.agents.get(event.agent)
    call = None if agent is None else floor.calls.get(agent.attempt)
    if (
        agent is None
        or call is None
        or agent.state is not AgentState.TALK
        or call.state is not CallState.TALKING
        or call.agent != agent.name
        or not floor.connected(call.pbx)
        or event.pbx != call.pbx
    ):
        floor.warn("a supervisor asked for a conversation that is not there")
        return
    known = floor.monitors.get(event.supervisor)
    if known is not None:
        if known.attempt == call.attempt and known.state is MonitorState.ON:
            if known.mode is not event.mode:
                known.mode = event.mode
                floor.emit(ChangeMonitor(known.pbx, known.leg, event.mode))
        else:
            floor.warn("a supervisor asked for a second conversation", known.leg)
        return
    one = Monitor(
        event.supervisor,
        floor.new_leg("s"),
        call.pbx,
        agent.name,
        call.attempt,
        call.campaign,
        call.lead,
        event.mode,
        since=now,
    )
    floor.monitors[one.supervisor] = floor.monitor_of_leg[one.leg] = one
    floor.set_deadline(one, now + CHECK_AFTER_S[MonitorState.RINGING])
    floor.emit(
        RingSupervisor(
            one.pbx,
            one.leg,
            event.phone,
            agent.leg,
            call.attempt,
            one.mode,
            SUPERVISOR_RING_LIMIT_S,
        )
    )


def _signal(floor: Floor, one: Monitor, what: MonitorSignal, now: float) -> bool:
    target = next_monitor_state(one.state, what)
    if target is one.state:
        return False
    one.state, one.since = target, now
    after = CHECK_AFTER_S.get(target) if floor.connected(one.pbx) else None
    floor.set_deadline(one, None if after is None else now + after)
    return True


def _show(floor: Floor, one: Monitor, mode: MonitorMode | None) -> None:
    floor.emit(ShowMonitor(one.supervisor, one.agent, one.attempt, one.campaign, one.lead, mode))


def began(floor: Floor, one: Monitor, mode: MonitorMode, now: float) -> None:
    _signal(floor, one, MonitorSignal.BEGAN, now)
    if one.state is MonitorState.ON and one.heard is not mode:
        one.heard = mode
        _show(floor, one, mode)


def dismiss(floor: Floor, one: Monitor, now: float) -> None:
    """The supervisor leaves, or there is nothing to hear any more."""
    if _signal(floor, one, MonitorSignal.DISMISSED, now) and floor.connected(one.pbx):
        floor.emit(HangUp(one.pbx, one.leg))


def leave(floor: Floor, event: ev.MonitorLeft, now: float) -> None:
    if (one := floor.monitors.get(event.supervisor)) is not None:
        dismiss(floor, one, now)


def conversation_over(floor: Floor, attempt: str, now: float) -> None:
    """The customer, or this agent, is not part of it any more: neither is who listened in."""
    for one in [one for one in floor.monitors.values() if one.attempt == attempt]:
        dismiss(floor, one, now)


def gone(floor: Floor, one: Monitor, now: float) -> None:
    if _signal(floor, one, MonitorSignal.GONE, now):
        floor.set_deadline(one, None)
        del floor.monitors[one.supervisor], floor.monitor_of_leg[one.leg]
        _show(floor, one, None)


def link_lost(floor: Floor, one: Monitor, now: float) -> None:
    _signal(floor, one, MonitorSignal.LINK_LOST, now)
    one.deadline = None


def found(floor: Floor, one: Monitor, where: ev.ChannelFound | None, now: float) -> None:
    """A listing or a check shows whether the leg lives."""
    if where is None:
        gone(floor, one, now)
        return
    rings = where.place is ev.ChannelPlace.RINGING
    _signal(floor, one, MonitorSignal.FOUND_RINGING if rings else MonitorSignal.FOUND, now)
    call = floor.calls.get(one.attempt)
    if one.state is MonitorState.LEAVING:
        floor.emit(HangUp(one.pbx, one.leg))
        floor.set_deadline(one, now + CHECK_AFTER_S[MonitorState.LEAVING])
    elif call is None or call.parted is not None or call.agent != one.agent:
        dismiss(floor, one, now)


def deadline(floor: Floor, one: Monitor, now: float) -> None:
    if floor.connected(one.pbx):
        floor.emit(CheckLeg(one.pbx, one.leg))
        floor.set_deadline(one, now + CHECK_AFTER_S[MonitorState.LEAVING])
