"""A customer on hold: his agent asks another and then hands him over or takes him back, or only
wants him to wait, or begins a recording, which he passes on his way to the music and back.

The other agent is reserved as for a customer. Whatever fails, the customer goes back to the agent
who asked; if that one is lost, to the other, or to whoever is free.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.core import agentflow, callflow, outside, transfer
from dialer.core import events as ev
from dialer.core.agent import Agent
from dialer.core.call import CHECK_AFTER_S, Call, Consult, Purpose
from dialer.core.commands import (
    Bridge,
    CheckLeg,
    HoldCustomer,
    ParkAgent,
    PopScreen,
    ShowHold,
    ShowRecording,
)
from dialer.core.states import (
    AgentSignal,
    AgentState,
    CallSignal,
    CallState,
    ConsultSignal,
    ConsultState,
    next_consult_state,
)

if TYPE_CHECKING:
    from dialer.core.floor import Floor

_TOGETHER = (ConsultState.CALLING, ConsultState.TALKING, ConsultState.COMPLETING)


def ask(floor: Floor, event: ev.ConsultAsked, now: float) -> None:
    agent = floor.agents.get(event.agent)
    call = transfer.talk_of(floor, agent)
    if agent is None:
        return
    if call is None:
        transfer.tell(floor, agent, "There is no call to ask about.")
        return
    if event.number:
        outside.ask(floor, call, agent, event, now)
        return
    other = transfer.chosen(floor, call, agent, ev.TransferAsked(agent.name, to_agent=event.other))
    if other is None:
        transfer.tell(floor, agent, "Nobody there is free: the customer is still with you.")
        return
    agentflow.take(floor, other, call, now)  # raises unless READY
    put_on_hold(floor, call, Consult(agent.name, other.name), now)


def hold(floor: Floor, event: ev.HoldAsked, now: float) -> None:
    agent = floor.agents.get(event.agent)
    if agent is None:
        return
    if event.on:
        if (call := transfer.talk_of(floor, agent)) is not None:
            put_on_hold(floor, call, Consult(agent.name, purpose=Purpose.HOLD), now)
    elif (call := of(floor, agent)) is not None and _purpose(call) is Purpose.HOLD:
        give_up(floor, call, now)


def _purpose(call: Call) -> Purpose | None:
    return None if call.consult is None else call.consult.purpose


def record(floor: Floor, event: ev.RecordingAsked, now: float) -> None:
    """The dialplan alone may begin a recording: he goes there and is back in an instant."""
    agent = floor.agents.get(event.agent)
    if (call := transfer.talk_of(floor, agent)) is not None and agent is not None:
        put_on_hold(floor, call, Consult(agent.name, purpose=Purpose.RECORD), now)


def put_on_hold(floor: Floor, call: Call, one: Consult, now: float) -> None:
    call.consult = one
    callflow.signal(floor, call, CallSignal.PUT_ON_HOLD, now)
    record = one.purpose is Purpose.RECORD
    floor.emit(HoldCustomer(call.pbx, call.attempt, call.channel, record))
    _show(floor, one)


def of(floor: Floor, agent: Agent) -> Call | None:
    """The call this agent asks another about, or is asked about."""
    call = floor.calls.get(agent.attempt)
    mine = call is not None and call.consult is not None
    if mine and call is not None and call.consult is not None:
        return call if agent.name in (call.consult.by, call.consult.other) else None
    return None


def joined(floor: Floor, agent: Agent) -> bool:
    """Whether this agent is the third in the customer's conversation."""
    call = of(floor, agent)
    return (
        call is not None and call.consult is not None and call.consult.state is ConsultState.JOINED
    )


def move(floor: Floor, call: Call, what: ConsultSignal) -> bool:
    one = call.consult
    if one is None:
        return False
    target = next_consult_state(one.state, what)
    if target is one.state:
        return False
    one.state = target
    _show(floor, one)
    return True


def _show(floor: Floor, one: Consult) -> None:
    for name in (one.by, one.other):
        if (agent := floor.agents.get(name)) is not None:
            agentflow.show(floor, agent)


# --- on the way -------------------------------------------------------------------------------


def held(floor: Floor, call: Call, now: float) -> None:
    """The customer hears the music."""
    if call.consult is None or call.consult.by not in floor.agents:
        left_alone(floor, call, now)
        return
    if call.consult.state is not ConsultState.CALLING and move(floor, call, ConsultSignal.LOST):
        call.agent, call.passed_by, call.parted = call.consult.by, "", None
    if _purpose(call) is not Purpose.RECORD:
        tell_hold(floor, call, on=True)
    elif call.consult.state is ConsultState.HOLDING:
        floor.emit(ShowRecording(call.attempt))
    _go_on(floor, call, now)


def tell_hold(floor: Floor, call: Call, *, on: bool) -> None:
    if call.on_hold is not on:
        call.on_hold = on
        floor.emit(ShowHold(call.agent, call.attempt, call.campaign, call.lead, on))


def _go_on(floor: Floor, call: Call, now: float) -> None:
    """The customer hears the music and his agent's leg is parked: now for what he is there for."""
    one = call.consult
    if one is None or call.state is not CallState.HELD or not one.parked:
        return
    if one.state is ConsultState.UNJOINING:
        give_up(floor, call, now)
    if one.state is not ConsultState.HOLDING:
        return
    match one.purpose:
        case Purpose.OUTSIDE:
            outside.ring(floor, call, now)
        case Purpose.ASK:
            _call_other(floor, call, one, now)
        case Purpose.HOLD:
            move(floor, call, ConsultSignal.WAITS)
        case Purpose.RECORD:
            give_up(floor, call, now)


def _call_other(floor: Floor, call: Call, one: Consult, now: float) -> None:
    agent, other = floor.agents[one.by], floor.agents.get(one.other)
    if other is None or other.state is not AgentState.RESERVED:
        give_up(floor, call, now)
    elif move(floor, call, ConsultSignal.CALLED):
        floor.emit(Bridge(call.pbx, agent.leg, agent.channel, other.leg, other.channel))


def parked(floor: Floor, call: Call, agent: Agent, now: float) -> bool:
    """One of the two stands alone again. False when that is no business of the consultation."""
    one = call.consult
    if one is None:
        return False
    if agent.name == one.other:
        if one.state is ConsultState.HOLDING:
            return agent.state is AgentState.RESERVED
        if one.state is ConsultState.CALLING and agent.state is AgentState.RESERVED:
            return True  # bounced; the agent who asked is told
        agent.attempt = ""  # asked, and not given the customer: nothing to write up
        return False
    if one.state in (ConsultState.COMPLETING, ConsultState.WITH_CUSTOMER):
        return False  # done with him, or he with us
    if one.state is ConsultState.JOINED:
        floor.emit(ParkAgent(agent.pbx, agent.leg))  # an old answer, it may be
        outside.handed_over(floor, call, now)  # not the third in it any more: the two go on
        return False
    if agent.state is AgentState.UNKNOWN:
        agentflow.signal(floor, agent, AgentSignal.FOUND_TALKING, now)
    one.parked = True
    if one.state in (ConsultState.HOLDING, ConsultState.UNJOINING):
        _go_on(floor, call, now)
    elif one.state is ConsultState.JOINING:
        outside.join_if_ready(floor, call)
    elif one.state in (ConsultState.CALLING, ConsultState.TALKING):
        give_up(floor, call, now)  # the other is gone
    return True


def bridged(floor: Floor, agent: Agent, now: float) -> None:
    """The two hear each other: the account comes onto the other's screen as well."""
    call = of(floor, agent)
    if call is None or call.consult is None or agent.name != call.consult.other:
        return
    if move(floor, call, ConsultSignal.BRIDGED):
        floor.emit(PopScreen(agent.name, call.attempt, call.campaign, call.lead))


def agents_not_bridged(floor: Floor, agent: Agent, now: float) -> None:
    """The PBX would not bridge the two."""
    call = of(floor, agent)
    if call is not None and call.consult is not None and call.consult.by == agent.name:
        give_up(floor, call, now)


# --- the end ----------------------------------------------------------------------------------


def end(floor: Floor, event: ev.ConsultEnded, now: float) -> None:
    agent = floor.agents.get(event.agent)
    call = None if agent is None else of(floor, agent)
    if agent is None or call is None or call.consult is None or call.consult.by != agent.name:
        return
    if event.complete and call.consult.purpose is Purpose.OUTSIDE:
        outside.complete(floor, call, now)
    elif event.complete:
        complete(floor, call, now)
    else:
        give_up(floor, call, now)


def complete(floor: Floor, call: Call, now: float) -> None:
    """The customer goes to the agent who was asked."""
    one = call.consult
    if one is None or call.state is not CallState.HELD:
        return
    other = floor.agents.get(one.other)
    if other is None or other.state is not AgentState.TALK:
        return
    if move(floor, call, ConsultSignal.COMPLETED):
        call.passed_by, call.agent = one.by, other.name
        transfer.left(floor, call, now)
        callflow.signal(floor, call, CallSignal.TAKEN_BACK, now)
        floor.emit(Bridge(call.pbx, other.leg, other.channel, call.attempt, call.channel))


def give_up(floor: Floor, call: Call, now: float) -> None:
    """The customer comes back to the agent who asked."""
    one = call.consult
    if one is None:
        return
    if call.state is CallState.TALKING and one.purpose is Purpose.OUTSIDE:
        outside.give_up(floor, call, now)
        return
    if call.state is not CallState.HELD:
        return  # on his way to the music: there, it is seen what becomes of him
    if call.third is None:
        _release(floor, call)
    agent = floor.agents.get(one.by)
    if agent is None or agent.state is not AgentState.TALK:
        left_alone(floor, call, now)
    elif move(floor, call, ConsultSignal.GIVEN_UP):
        callflow.signal(floor, call, CallSignal.TAKEN_BACK, now)
        floor.emit(Bridge(call.pbx, agent.leg, agent.channel, call.attempt, call.channel))
        outside.hang_up(floor, call)  # after the agent was taken from him, never before


def _release(floor: Floor, call: Call) -> None:
    """The other agent is free again as soon as the leg is seen parked."""
    other = floor.agents.get(call.consult.other) if call.consult is not None else None
    if other is not None and other.attempt == call.attempt and call.agent != other.name:
        other.attempt = ""
        floor.emit(CheckLeg(other.pbx, other.leg))
    outside.hang_up(floor, call)


def settled(floor: Floor, call: Call) -> None:
    """The consultation is over, the customer with an agent again, whoever it is, or left alone."""
    if call.state is CallState.TALKING:
        tell_hold(floor, call, on=False)
    if (one := call.consult) is not None:
        _release(floor, call)
        call.consult = None
        _show(floor, one)


def not_resumed(floor: Floor, call: Call, now: float) -> None:
    """The Bridge that was to take him from the music was refused; he hears it on."""
    if not callflow.signal(floor, call, CallSignal.BRIDGE_FAILED, now):
        return
    one = call.consult
    if one is not None and move(floor, call, ConsultSignal.FAILED):
        call.agent, call.passed_by, call.parted = one.by, "", None
        give_up(floor, call, now)
    else:
        left_alone(floor, call, now)


def left_alone(floor: Floor, call: Call, now: float) -> None:
    """Nobody is there for him: with music, for whoever is free first."""
    settled(floor, call)
    callflow.signal(floor, call, CallSignal.LEFT_ALONE, now)
    callflow.wait(floor, call, now)


def held_too_long(floor: Floor, call: Call, now: float) -> None:
    """Before the dialplan's own limit takes him for forgotten, he is with his agent again."""
    one = call.consult
    if one is not None and one.purpose in (Purpose.ASK, Purpose.OUTSIDE):
        call.since = now  # somebody speaks about him: music from the beginning
        floor.emit(HoldCustomer(call.pbx, call.attempt, call.channel))
        floor.set_deadline(call, now + CHECK_AFTER_S[CallState.HELD])
        return
    agent = None if one is None else floor.agents.get(one.by)
    give_up(floor, call, now)
    if agent is not None and call.state is CallState.RESUMING:
        transfer.tell(floor, agent, "The customer has heard music for long: he is back with you.")


def customer_gone(floor: Floor, call: Call, now: float) -> None:
    """He hung up on the music: the two part, and the one who asked writes up."""
    one = call.consult
    if one is None:
        outside.hang_up(floor, call, forget=True)
        return
    _release(floor, call)
    outside.hang_up(floor, call, forget=True)
    call.consult = None
    _show(floor, one)
    agent = floor.agents.get(one.by)
    if agent is None or agent.attempt != call.attempt or agent.state is not AgentState.TALK:
        return
    if one.state in _TOGETHER and one.other:
        floor.emit(ParkAgent(agent.pbx, agent.leg))
    elif one.parked or one.state is ConsultState.RETURNING:
        floor.emit(CheckLeg(agent.pbx, agent.leg))


def leg_gone(floor: Floor, call: Call, name: str, now: float) -> None:
    """The phone of one of the two hung up. Of the other's the one who asked hears by parking."""
    one = call.consult
    if one is None or name != one.by or call.agent != name:
        return
    if one.state is ConsultState.TALKING and one.purpose is Purpose.ASK:
        complete(floor, call, now)
    elif one.state is ConsultState.JOINED:
        outside.handed_over(floor, call, now)
        return
    if call.state is CallState.HELD:
        left_alone(floor, call, now)
    elif call.state not in (CallState.RESUMING, CallState.MOVING):
        settled(floor, call)


def strangers(floor: Floor, agent: Agent, where: ev.ChannelFound) -> None:
    """Two agents talk to each other and nobody knows of it: a former life's consultation."""
    peer = floor.agent_of_leg.get(where.peer)
    if peer is not None and of(floor, agent) is None and agent.leg < peer.leg:
        floor.emit(ParkAgent(agent.pbx, agent.leg))
