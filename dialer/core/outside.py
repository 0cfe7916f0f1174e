"""Somebody outside is asked: an agent speaks to him while the customer hears music, to one or the
other in turn, or all three together; then the two are left to each other, or he is let go.

Every step is one Bridge of two legs, and whoever is left by it hears music by the dialplan's own
doing: so the customer is with somebody, or at the music, at any moment and whatever fails. In a
conversation of three the agent joins customer and third as a supervisor who barges in does, and so
either can leave it without the other two being parted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.core import agentflow, callflow, consult, transfer
from dialer.core import events as ev
from dialer.core.agent import CALL_OVER_CHECK_S, Agent
from dialer.core.call import Call, Consult, Purpose, Third
from dialer.core.commands import Bridge, CheckLeg, HangUp, JoinTalk, ParkAgent, RingOutside
from dialer.core.states import AgentState, CallSignal, CallState, ConsultSignal, ConsultState

if TYPE_CHECKING:
    from dialer.core.floor import Floor

RING_LIMIT_S = 30.0


def ask(floor: Floor, call: Call, agent: Agent, event: ev.ConsultAsked, now: float) -> None:
    trunk = floor.trunk(call.pbx, call.trunk)
    if trunk.free < 1:
        transfer.tell(floor, agent, "All lines are in use: the customer is still with you.")
        return
    if call.third is not None:
        transfer.tell(floor, agent, "The line outside is just ending: try again in a moment.")
        return
    trunk.in_use += 1
    call.lines += 1
    call.third = Third(floor.new_leg("t"), event.number, event.name)
    floor.third_of_leg[call.third.leg] = call
    consult.put_on_hold(floor, call, Consult(agent.name, purpose=Purpose.OUTSIDE), now)


def ring(floor: Floor, call: Call, now: float) -> None:
    """The customer hears music: the number is dialled, when the trunk has a slot."""
    third = call.third
    if third is None:
        consult.give_up(floor, call, now)
        return
    slot = floor.trunk(call.pbx, call.trunk).launch_slot(now)
    if slot > now:
        floor.set_deadline(call, slot)
        call.ring_at = slot
    else:
        _dial(floor, call, third)


def due(floor: Floor, call: Call, now: float) -> bool:
    """Whether the deadline was that of a slot, which is used now."""
    if call.ring_at is None or call.third is None or now < call.ring_at:
        return False
    _dial(floor, call, call.third)
    floor.set_deadline(call, now + RING_LIMIT_S)
    return True


def _dial(floor: Floor, call: Call, third: Third) -> None:
    call.ring_at = None
    if consult.move(floor, call, ConsultSignal.DIALLED):
        rules = floor.campaigns[call.campaign].rules
        floor.emit(
            RingOutside(
                call.pbx, third.leg, call.trunk, third.number, rules.caller_id, RING_LIMIT_S
            )
        )


def is_dialled(call: Call) -> bool:
    """Whether his leg may be on the PBX."""
    return call.consult is None or call.consult.state is not ConsultState.HOLDING


# --- what his leg does --------------------------------------------------------------------------


def parked(floor: Floor, call: Call, channel: str, now: float) -> None:
    """He has answered, or was left by whom he talked to; he hears music."""
    third, one = call.third, call.consult
    if third is None:
        return
    third.channel = channel or third.channel
    if one is not None and one.state is ConsultState.DIALLING and call.state is CallState.HELD:
        agent = floor.agents.get(one.by)
        if agent is not None and agent.state is AgentState.TALK:
            consult.move(floor, call, ConsultSignal.CALLED)
            floor.emit(Bridge(call.pbx, agent.leg, agent.channel, third.leg, third.channel))
        else:
            consult.give_up(floor, call, now)
    elif one is None and call.state is not CallState.HANDED_ON:
        hang_up(floor, call)


def bridged(floor: Floor, call: Call, now: float) -> None:
    if call.consult is not None and call.consult.state is ConsultState.CALLING:
        consult.move(floor, call, ConsultSignal.BRIDGED)


def gone(floor: Floor, call: Call, now: float) -> None:
    """His leg is no more, or never came to be."""
    third, one = call.third, call.consult
    if third is None:
        return
    _forget(floor, call)
    if one is None:
        return  # the customer's own leg tells
    agent = floor.agents.get(one.by)
    if agent is None:
        return
    match one.state:
        case ConsultState.DIALLING:
            agent.notice = f"{third.name} cannot be reached: the customer is back with you."
            consult.give_up(floor, call, now)
        case ConsultState.CALLING | ConsultState.TALKING:
            floor.set_deadline(
                agent, now + CALL_OVER_CHECK_S
            )  # parked at once, and then he is back
        case ConsultState.WITH_CUSTOMER:
            consult.settled(floor, call)
        case ConsultState.JOINING | ConsultState.JOINED:
            if call.state is CallState.TALKING:
                _unjoin(floor, call, agent, now)
        case _:
            pass


def found(floor: Floor, call: Call, where: ev.ChannelFound | None, now: float) -> None:
    """A listing or a check shows where his leg stands."""
    if where is None:
        gone(floor, call, now)
    elif where.place is ev.ChannelPlace.PARKED:
        parked(floor, call, where.channel, now)
    elif where.place is ev.ChannelPlace.TALKING and where.peer in floor.agent_of_leg:
        if call.third is not None:
            call.third.channel = where.channel or call.third.channel
        bridged(floor, call, now)


def hang_up(floor: Floor, call: Call, *, forget: bool = False) -> None:
    """He is not needed any more, if he is there."""
    if call.third is not None and floor.connected(call.pbx):
        floor.emit(HangUp(call.pbx, call.third.leg))
    if forget and call.third is not None:
        floor.third_of_leg.pop(call.third.leg, None)
        call.third = None


def _forget(floor: Floor, call: Call) -> None:
    if call.third is not None:
        floor.third_of_leg.pop(call.third.leg, None)
        call.third = None
        if call.lines > 1:
            floor.trunk(call.pbx, call.trunk).in_use -= 1
            call.lines -= 1


# --- what the agent wants -----------------------------------------------------------------------


def _asked(floor: Floor, name: str) -> tuple[Agent, Call, Consult, Third] | None:
    agent = floor.agents.get(name)
    call = None if agent is None else consult.of(floor, agent)
    if agent is None or call is None or call.consult is None or call.third is None:
        return None
    if call.consult.by != name or not call.third.channel or not floor.connected(call.pbx):
        return None
    return agent, call, call.consult, call.third


def swap(floor: Floor, event: ev.SwapAsked, now: float) -> None:
    if (found := _asked(floor, event.agent)) is None:
        return
    agent, call, one, third = found
    if one.state is ConsultState.TALKING and call.state is CallState.HELD:
        consult.move(floor, call, ConsultSignal.SWAPPED)
        callflow.signal(floor, call, CallSignal.TAKEN_BACK, now)
        floor.emit(Bridge(call.pbx, agent.leg, agent.channel, call.attempt, call.channel))
    elif one.state is ConsultState.WITH_CUSTOMER and call.state is CallState.TALKING:
        consult.move(floor, call, ConsultSignal.SWAPPED)
        callflow.signal(floor, call, CallSignal.PUT_ON_HOLD, now)
        floor.emit(Bridge(call.pbx, agent.leg, agent.channel, third.leg, third.channel))


def join(floor: Floor, event: ev.JoinAsked, now: float) -> None:
    if (found := _asked(floor, event.agent)) is not None:
        _, call, one, third = found
        one.parked = one.parked and not _is_two(one)
        _together(floor, call, one, third, ConsultSignal.JOINED, now)


def complete(floor: Floor, call: Call, now: float) -> None:
    """The customer and he are left to each other."""
    one, third = call.consult, call.third
    if one is None or third is None or not third.channel:
        return
    if one.state is ConsultState.JOINED:
        if (agent := floor.agents.get(one.by)) is not None:
            floor.emit(ParkAgent(agent.pbx, agent.leg))
        handed_over(floor, call, now)
    else:
        _together(floor, call, one, third, ConsultSignal.COMPLETED, now)


def _is_two(one: Consult) -> bool:
    return one.state in (ConsultState.TALKING, ConsultState.WITH_CUSTOMER)


def _together(
    floor: Floor, call: Call, one: Consult, third: Third, what: ConsultSignal, now: float
) -> None:
    """Customer and third are bridged; whom the agent talked to is taken from him, and he parks."""
    if call.state is CallState.HELD and one.state is ConsultState.TALKING:
        callflow.signal(floor, call, CallSignal.TAKEN_BACK, now)
    elif call.state is CallState.TALKING and one.state is ConsultState.WITH_CUSTOMER:
        callflow.signal(floor, call, CallSignal.PASSED, now)
    else:
        return
    consult.move(floor, call, what)
    floor.emit(Bridge(call.pbx, third.leg, third.channel, call.attempt, call.channel))


def join_if_ready(floor: Floor, call: Call) -> None:
    one = call.consult
    agent = None if one is None else floor.agents.get(one.by)
    if one is None or agent is None or call.state is not CallState.TALKING or not one.parked:
        return
    floor.emit(JoinTalk(call.pbx, agent.leg, call.attempt))


def began(floor: Floor, agent: Agent, now: float) -> None:
    """The agent's leg has joined the conversation."""
    call = consult.of(floor, agent)
    if call is not None and call.consult is not None and call.consult.by == agent.name:
        consult.move(floor, call, ConsultSignal.BEGAN)


def customer_bridged(floor: Floor, call: Call, now: float) -> bool:
    """The customer was bridged, in a step of ours that does not end the consultation."""
    one = call.consult
    if one is None or one.purpose is not Purpose.OUTSIDE:
        return False
    agent = floor.agents.get(one.by)
    lost = agent is None or agent.state is not AgentState.TALK
    match one.state:
        case ConsultState.SWAPPING if call.third is not None:
            consult.move(floor, call, ConsultSignal.BRIDGED)
        case ConsultState.JOINING if call.third is not None and not lost:
            join_if_ready(floor, call)
        case ConsultState.COMPLETING | ConsultState.JOINING if call.third is not None:
            handed_over(floor, call, now)
            return True
        case _:
            return False
    consult.tell_hold(floor, call, on=False)
    return True


def handed_over(floor: Floor, call: Call, now: float) -> None:
    """The two are left to each other: the agent's part is over."""
    one, third = call.consult, call.third
    if one is None or third is None or call.state is not CallState.TALKING:
        return
    call.consult = None
    consult.tell_hold(floor, call, on=False)
    call.handed_to, call.outside_answered = third.name, True
    callflow.signal(floor, call, CallSignal.SENT_OUT, now)
    transfer.left(floor, call, now)
    transfer.outside_answered(floor, call)
    agent = floor.agents.get(one.by)
    if agent is not None:
        if agent.attempt == call.attempt and agent.state is AgentState.TALK:
            floor.set_deadline(agent, now + CALL_OVER_CHECK_S)
        agentflow.show(floor, agent)


def give_up(floor: Floor, call: Call, now: float) -> None:
    """The customer is in a conversation: he stays with the agent, or the three are parted first."""
    one = call.consult
    agent = None if one is None else floor.agents.get(one.by)
    if one is None or agent is None:
        return
    if one.state is ConsultState.WITH_CUSTOMER:
        consult.settled(floor, call)
    elif one.state in (ConsultState.JOINED, ConsultState.JOINING):
        _unjoin(floor, call, agent, now)


def _unjoin(floor: Floor, call: Call, agent: Agent, now: float) -> None:
    """He goes to the music, as the third leaves him, and the agent's leg parks: then he is back."""
    one = call.consult
    if one is None or not consult.move(floor, call, ConsultSignal.UNJOINED):
        return
    one.parked = False
    callflow.signal(floor, call, CallSignal.PUT_ON_HOLD, now)
    floor.emit(ParkAgent(agent.pbx, agent.leg))
    floor.set_deadline(agent, now + CALL_OVER_CHECK_S)
    hang_up(floor, call)


def customer_unbridged(floor: Floor, call: Call, now: float) -> bool:
    """The third has left the customer, or he him; his next event tells which."""
    one = call.consult
    if call.state is CallState.TALKING and one is not None:
        agent = floor.agents.get(one.by)
        if agent is not None and one.state in (ConsultState.JOINED, ConsultState.JOINING):
            _unjoin(floor, call, agent, now)
            return True
    elif call.state is CallState.HANDED_ON and call.third is not None and call.outside_answered:
        callflow.signal(floor, call, CallSignal.RELEASED, now)
        floor.emit(HangUp(call.pbx, call.attempt))
        return True
    return False


def not_moved(floor: Floor, call: Call, now: float) -> None:
    """Customer and third could not be bridged while he talked to the agent: there he is still."""
    one = call.consult
    callflow.signal(floor, call, CallSignal.BRIDGE_FAILED, now)
    agent = None if one is None else floor.agents.get(one.by)
    consult.settled(floor, call)
    floor.emit(CheckLeg(call.pbx, call.attempt))
    if agent is not None:
        transfer.tell(floor, agent, "The two could not be connected: the customer is with you.")


def found_together(floor: Floor, call: Call, now: float) -> None:
    """A listing shows the customer with the third."""
    one = call.consult
    if one is None or one.state is ConsultState.JOINED:
        return
    if (agent := floor.agents.get(one.by)) is not None:
        floor.emit(ParkAgent(agent.pbx, agent.leg))
    handed_over(floor, call, now)
