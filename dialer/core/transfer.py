"""A customer is handed on: to another agent by one Bridge, or to a number outside by the dialplan.

To an agent he is moved from the one bridge into the other in one action: he is with the first
until he is with the second, and stays there when it fails. The second agent is reserved before it
is sent, as for any customer. A number outside is rung by the PBX; where nobody answers, he waits
again, with music.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from dialer.core import agentflow, callflow, monitor
from dialer.core import events as ev
from dialer.core.agent import CALL_OVER_CHECK_S, Agent
from dialer.core.call import Call
from dialer.core.commands import Bridge, CheckLeg, Observe, SendOut, ShowTransfer
from dialer.core.states import AgentState, CallSignal, CallState
from dialer.snapshot import TalkEnded

if TYPE_CHECKING:
    from dialer.core.floor import Floor


def ask(floor: Floor, event: ev.TransferAsked, now: float) -> None:
    """The agent's wish; what cannot be is told in the agent's notice, and nothing is changed."""
    agent = floor.agents.get(event.agent)
    call = talk_of(floor, agent)
    if agent is None:
        return
    if call is None:
        tell(floor, agent, "There is no call to hand on.")
    elif event.number:
        _send_out(floor, call, agent, event, now)
    elif (other := chosen(floor, call, agent, event)) is not None:
        _pass(floor, call, agent, other, now)
    else:
        tell(floor, agent, "Nobody there is free: the call was not handed on.")


def talk_of(floor: Floor, agent: Agent | None) -> Call | None:
    """The call in which this agent talks to the customer just now, and nobody else is asked."""
    call = None if agent is None else floor.calls.get(agent.attempt)
    if (
        agent is None
        or call is None
        or agent.state is not AgentState.TALK
        or call.state is not CallState.TALKING
        or call.agent != agent.name
        or call.consult is not None
        or not floor.connected(call.pbx)
    ):
        return None
    return call


def tell(floor: Floor, agent: Agent, words: str) -> None:
    agent.notice = words
    agentflow.show(floor, agent)


def chosen(floor: Floor, call: Call, agent: Agent, event: ev.TransferAsked) -> Agent | None:
    """The agent meant, if free: the one named, or the longest idle of the queue."""
    for name in floor.campaigns[call.campaign].idle:
        other = floor.agents[name]
        fits = name == event.to_agent or (
            event.queue and (not other.queues or event.queue in other.queues)
        )
        if fits and name != agent.name and other.pbx == call.pbx:
            return other
    return None


def _pass(floor: Floor, call: Call, agent: Agent, other: Agent, now: float) -> None:
    agentflow.take(floor, other, call, now)  # raises unless READY: nobody gets a second caller
    callflow.signal(floor, call, CallSignal.PASSED, now)
    call.passed_by, call.agent = agent.name, other.name
    floor.emit(Bridge(call.pbx, other.leg, other.channel, call.attempt, call.channel))


def _send_out(floor: Floor, call: Call, agent: Agent, event: ev.TransferAsked, now: float) -> None:
    trunk = floor.trunk(call.pbx, call.trunk)
    if trunk.free < 1:
        tell(floor, agent, "All lines are in use: the call was not handed on.")
        return
    trunk.in_use += 1
    call.lines += 1
    call.handed_to = event.name or event.number
    call.outside_answered = False
    callflow.signal(floor, call, CallSignal.SENT_OUT, now)
    floor.emit(SendOut(call.pbx, call.attempt, call.channel, event.number))


def left(floor: Floor, call: Call, at: float) -> None:
    """The first agent's conversation is over: the phone must be parked again at once."""
    if call.parted is None and call.talk_began is not None:
        call.parted = max(at, call.talk_began)
        floor.emit(Observe(call.campaign, TalkEnded(call.parted - call.talk_began)))
    agent = floor.agents.get(call.passed_by)
    if agent is not None and agent.attempt == call.attempt and agent.state is AgentState.TALK:
        floor.set_deadline(agent, at + CALL_OVER_CHECK_S)
    monitor.conversation_over(floor, call.attempt, at)


def arrived(floor: Floor, call: Call, at: float) -> bool:
    """Whether a conversation began that is not the call's first: the next agent's, or that of
    somebody who came back from outside. The screen is popped for it."""
    if call.connected is None or not (call.passed_by or call.parted is not None):
        return False
    by, call.passed_by = call.passed_by, ""
    call.talk_began, call.parted = max(at, call.connected), None
    if by and by != call.agent:
        floor.emit(ShowTransfer(by, call.attempt, call.campaign, call.lead, to_agent=call.agent))
    return True


def back(floor: Floor, call: Call) -> None:
    """Nobody answered outside: the second line is free again, and an agent is wanted."""
    call.handed_to = ""
    floor.trunk(call.pbx, call.trunk).in_use -= call.lines - 1
    call.lines = 1


def outside_answered(floor: Floor, call: Call) -> None:
    floor.emit(
        ShowTransfer(call.agent, call.attempt, call.campaign, call.lead, to_outside=call.handed_to)
    )


def failed(floor: Floor, call: Call, now: float) -> None:
    """Nothing was moved: he talks on with whom he talked, which is asked after."""
    other, agent = floor.agents.get(call.agent), floor.agents.get(call.passed_by)
    if other is not None and other.attempt == call.attempt:
        other.attempt = ""  # no conversation, no wrap-up
    call.agent, call.passed_by, call.parted = call.passed_by, "", None
    callflow.signal(floor, call, CallSignal.BRIDGE_FAILED, now)
    floor.emit(CheckLeg(call.pbx, call.attempt))
    if agent is not None and agent.attempt == call.attempt:
        tell(floor, agent, "The call was not handed on: it could not be connected.")


def found_elsewhere(floor: Floor, call: Call, agent: Agent) -> None:
    """He is found with `agent`, and we thought otherwise: who only waited for him waits no more."""
    thought = floor.agents.get(call.agent)
    if call.passed_by == agent.name and thought is not None and thought.attempt == call.attempt:
        thought.attempt = ""
        call.passed_by = ""


def not_yet(floor: Floor, call: Call, where: ev.ChannelFound) -> bool:
    """A look from before the Bridge, it may be: only the next agent's leg is news."""
    if where.place is ev.ChannelPlace.HARBOUR:
        return False
    if call.third is not None and where.peer == call.third.leg:
        return False
    partner = floor.agent_of_leg.get(where.peer)
    return partner is None or partner.name != call.agent


def outside(floor: Floor, call: Call, where: ev.ChannelFound) -> bool:
    """Whether who was sent out is still there: with somebody who is none of ours, or being put
    through."""
    if not call.handed_to:
        return False
    with_ours = where.peer in floor.agent_of_leg
    talking = where.place is ev.ChannelPlace.TALKING and not with_ours
    return talking or where.place is ev.ChannelPlace.DIALPLAN


def first(names: Iterable[str], favourite: str) -> list[str]:
    """In their order, but the one who knows the customer before all."""
    return sorted(names, key=lambda name: name != favourite)
