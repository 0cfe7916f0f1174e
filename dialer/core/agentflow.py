"""What happens to an agent, fact by fact. Functions of the floor; the table decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.core import callflow, consult, preview
from dialer.core import events as ev
from dialer.core.agent import (
    AGENT_RING_LIMIT_S,
    CALL_OVER_CHECK_S,
    CHECK_AGENT_AFTER_S,
    WRAP_UP_MAX_S,
    WRAP_UP_MORE_S,
    Agent,
)
from dialer.core.call import OLD_ANSWER_S, Call
from dialer.core.campaign import Campaign
from dialer.core.commands import (
    CheckLeg,
    HangUp,
    Observe,
    ParkAgent,
    RecordDisposition,
    RecordSession,
    RingAgent,
    ShowAgent,
)
from dialer.core.events import Status
from dialer.core.modes import PreviewEnd
from dialer.core.states import AT_WORK, AgentSignal, AgentState, CallState, next_agent_state
from dialer.snapshot import MachineServed, WrapUpEnded

if TYPE_CHECKING:
    from dialer.core.floor import Floor

_NO_LEG = (AgentState.PHONE_LOST, AgentState.LOGGED_OUT)


def signal(floor: Floor, agent: Agent, what: AgentSignal, now: float) -> bool:
    """Move the agent along the table, keep the idle queues right, tell the screens."""
    target = next_agent_state(agent.state, what)
    if target is agent.state:
        return False
    turned = (agent.state in AT_WORK) is not (target in AT_WORK)
    agent.state = target
    agent.since = now
    if turned:  # calls are on record by themselves; staffed time is known from these
        _record(floor, agent)
    after = CHECK_AGENT_AFTER_S.get(target)
    if target is AgentState.UNKNOWN and not floor.connected(agent.pbx):
        after = None
    floor.set_deadline(agent, None if after is None else now + after)
    for name in agent.campaigns:
        campaign = floor.campaigns.get(name)
        if campaign is not None and agent.name in campaign.members:
            campaign.idle.pop(agent.name, None)
            if target is AgentState.READY:
                campaign.idle[agent.name] = None
    show(floor, agent)
    return True


def show(floor: Floor, agent: Agent) -> None:
    floor.emit(
        ShowAgent(
            agent.name, agent.state.value, agent.since, agent.status, agent.reason, agent.attempt
        )
    )


def _record(floor: Floor, agent: Agent) -> None:
    floor.emit(
        RecordSession(
            agent.name,
            agent.leg,
            agent.pbx,
            agent.phone,
            agent.campaigns,
            agent.status,
            agent.reason,
            agent.state.value,
        )
    )


# --- coming and going ---------------------------------------------------------------------------


def log_in(floor: Floor, event: ev.AgentLoggedIn, now: float) -> None:
    """Open a session and ring the agent's phone. A second log-in is the same session."""
    if (known := floor.agents.get(event.agent)) is not None:
        known.screen = True
        show(floor, known)
        return
    agent = _agent_of(event, now)
    _admit(floor, agent)
    _record(floor, agent)
    if floor.connected(agent.pbx):
        _ring(floor, agent, now)
    else:
        agent.state = AgentState.PHONE_LOST
    show(floor, agent)


def recover(floor: Floor, event: ev.AgentRecovered, now: float) -> None:
    """Take over a session of a former life; a resync tells where its leg is."""
    agent = _agent_of(event, now)
    agent.state = AgentState.UNKNOWN
    agent.status = event.status
    agent.reason = event.reason
    agent.screen = False
    _admit(floor, agent)
    _record(floor, agent)
    if floor.connected(agent.pbx):
        floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.UNKNOWN])
    show(floor, agent)


def _agent_of(event: ev.AgentLoggedIn | ev.AgentRecovered, now: float) -> Agent:
    return Agent(
        event.agent,
        event.leg,
        event.pbx,
        event.phone,
        event.campaigns,
        frozenset(event.skills),
        event.queues,
        since=now,
    )


def _admit(floor: Floor, agent: Agent) -> None:
    floor.agents[agent.name] = agent
    floor.agent_of_leg[agent.leg] = agent
    for campaign in floor.campaigns.values():
        join(floor, agent, campaign)


def join(floor: Floor, agent: Agent, campaign: Campaign) -> None:
    """Count the agent in, when the agent works for this campaign."""
    if campaign.rules.name in agent.campaigns and campaign.rules.pbx == agent.pbx:
        campaign.members.add(agent.name)
        if agent.state is AgentState.READY:
            campaign.idle[agent.name] = None
        floor.show_campaign(campaign)


def _ring(floor: Floor, agent: Agent, now: float) -> None:
    floor.emit(RingAgent(agent.pbx, agent.leg, agent.phone, AGENT_RING_LIMIT_S))
    floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.SIGNING_ON])


def choose(floor: Floor, event: ev.StatusChosen, now: float) -> None:
    """The agent chose a status: taken at once when free, after the call otherwise."""
    agent = floor.agents.get(event.agent)
    if agent is None:
        return
    agent.status, agent.reason = event.status, event.reason
    _record(floor, agent)
    if agent.state in (AgentState.READY, AgentState.BREAK):
        settle(floor, agent, now)
    elif agent.state is AgentState.PREVIEW and event.status is not Status.READY:
        preview.end(floor, agent, PreviewEnd.WITHDRAWN, now)
    elif agent.state is AgentState.PHONE_LOST:
        if event.status is Status.LOGGED_OUT:
            signal(floor, agent, AgentSignal.GO_OUT, now)
            _leave(floor, agent)
        elif event.status is Status.READY and floor.connected(agent.pbx):
            signal(floor, agent, AgentSignal.CALL_AGAIN, now)
            _ring(floor, agent, now)
    elif agent.state is AgentState.SIGNING_ON and event.status is Status.LOGGED_OUT:
        _log_out(floor, agent, now)
    show(floor, agent)


def settle(floor: Floor, agent: Agent, now: float) -> None:
    """A free agent with the leg parked goes where the chosen status says."""
    if agent.status is Status.LOGGED_OUT:
        _log_out(floor, agent, now)
    elif agent.status is Status.READY and agent.screen:
        agent.attempt = agent.campaign = ""
        agent.lead = None
        if signal(floor, agent, AgentSignal.GO_READY, now):
            _serve(floor, agent, now)
    else:
        agent.attempt = agent.campaign = ""
        agent.lead = None
        signal(floor, agent, AgentSignal.GO_BREAK, now)


def _serve(floor: Floor, agent: Agent, now: float) -> None:
    for name in agent.campaigns:
        campaign = floor.campaigns.get(name)
        if campaign is not None and callflow.serve_waiting(floor, campaign, agent.name, now):
            return
    preview.begin_to_seek(floor, agent, now)


def _log_out(floor: Floor, agent: Agent, now: float) -> None:
    signal(floor, agent, AgentSignal.GO_OUT, now)
    floor.emit(HangUp(agent.pbx, agent.leg))


def _leave(floor: Floor, agent: Agent) -> None:
    """The session is over and the leg is gone."""
    agent.status = Status.LOGGED_OUT
    _record(floor, agent)
    floor.set_deadline(agent, None)
    del floor.agents[agent.name]
    del floor.agent_of_leg[agent.leg]
    for campaign in floor.campaigns.values():
        campaign.members.discard(agent.name)
        campaign.idle.pop(agent.name, None)
        floor.show_campaign(campaign)


def screen(floor: Floor, name: str, connected: bool, now: float) -> None:
    """The screen went or came back: without it no new call is offered, a live one is kept."""
    agent = floor.agents.get(name)
    if agent is None or agent.screen is connected:
        return
    agent.screen = connected
    if agent.state in (AgentState.READY, AgentState.BREAK):
        settle(floor, agent, now)
    elif agent.state is AgentState.PREVIEW and not connected:
        preview.end(floor, agent, PreviewEnd.WITHDRAWN, now)


# --- a call -------------------------------------------------------------------------------------


def take(floor: Floor, agent: Agent, call: Call, now: float) -> None:
    """Reserve this agent for this call. Raises IllegalTransition unless the agent is READY, or
    is kept free for this very call."""
    what = AgentSignal.OWN_ANSWER if is_kept_for(agent, call) else AgentSignal.TAKEN
    next_agent_state(agent.state, what)  # before anything of the agent is changed
    give(agent, call)
    signal(floor, agent, what, now)


def is_kept_for(agent: Agent, call: Call) -> bool:
    return (
        agent.state is AgentState.DIALLING
        and call.booking is not None
        and call.booking.agent == agent.name
        and agent.attempt == call.attempt
    )


def is_kept(floor: Floor, call: Call) -> bool:
    """Whether the agent a call is made for is kept free for it; true of a call for anybody."""
    if call.booking is None:
        return True
    agent = floor.agents.get(call.booking.agent)
    return agent is not None and is_kept_for(agent, call)


def notify(floor: Floor, call: Call, text: str) -> None:
    """Tell the agent a call was for why it was not made."""
    agent = floor.agents.get(call.booking.agent) if call.booking is not None else None
    if agent is not None:
        agent.notice = text


def give(agent: Agent, call: Call) -> None:
    """Note whose call the agent has."""
    if agent.attempt == call.attempt:
        return
    agent.attempt, agent.campaign, agent.lead = call.attempt, call.campaign, call.lead
    agent.disposed = False
    agent.machine = None
    agent.notice = ""


def bridged(floor: Floor, agent: Agent, now: float) -> None:
    signal(floor, agent, AgentSignal.BRIDGED, now)
    consult.bridged(floor, agent, now)


def bridge_failed(floor: Floor, agent: Agent) -> None:
    """Nothing was bridged, as far as the PBX says. Look before the agent gets another call."""
    if agent.state is AgentState.RESERVED:
        floor.emit(CheckLeg(agent.pbx, agent.leg))


def call_over(floor: Floor, call: Call, now: float) -> None:
    """The customer is gone: the agent's leg must be parked again at once, else we look."""
    name = call.agent or (call.booking.agent if call.booking is not None else "")
    agent = floor.agents.get(name)
    if agent is None or agent.attempt != call.attempt:
        return
    words = floor.campaigns[call.campaign].rules.machine_words
    told = call.word is not None and call.word.code in words
    agent.machine = None if told else call.as_machine
    if call.connected is None:
        agent.attempt = ""  # it never came to a conversation: nothing to wrap up
        if agent.state is AgentState.DIALLING:
            settle(floor, agent, now)
    elif agent.state is AgentState.TALK:
        floor.set_deadline(agent, now + CALL_OVER_CHECK_S)


def parked(floor: Floor, agent: Agent, channel: str, now: float) -> None:
    """The leg stands alone in its own holding bridge."""
    agent.channel = channel or agent.channel
    asked = consult.of(floor, agent)
    if asked is not None and consult.parked(floor, asked, agent, now):
        return
    if agent.state in (AgentState.RESERVED, AgentState.PHONE_LOST):
        # Bounced by a Bridge that failed half-way, a phone given up too early, or an old fact told
        # again: look, then decide.
        floor.emit(CheckLeg(agent.pbx, agent.leg))
    elif agent.state in (AgentState.SIGNING_ON, AgentState.TALK, AgentState.UNKNOWN):
        _free(floor, agent, now)


def _free(floor: Floor, agent: Agent, now: float) -> None:
    """The leg is parked: to wrap-up after a conversation not yet disposed, else settle."""
    mine = floor.calls.get(agent.attempt)
    if mine is not None and mine.state is CallState.WAITING and mine.connected is not None:
        settle(floor, agent, now)  # the customer waits with music: who is ready gets him
    elif agent.attempt and not agent.disposed and _talked(floor, agent):
        agent.wrap_began = now
        if signal(floor, agent, AgentSignal.TO_WRAP_UP, now):
            rules = floor.campaigns[agent.campaign].rules
            floor.set_deadline(agent, now + rules.wrap_up_limit_s)
    elif (call := floor.calls.get(agent.attempt)) is not None and _keeps(agent, call):
        signal(floor, agent, AgentSignal.KEPT, now)
        if call.state is CallState.WAITING:
            callflow.connect(floor, call, agent.name, now)
    else:
        settle(floor, agent, now)


def _keeps(agent: Agent, call: Call) -> bool:
    """Whether a call made for this agent is still on its way to him."""
    mine = call.booking is not None and call.booking.agent == agent.name
    return mine and call.connected is None and call.harbour is None


def ring_again(floor: Floor, agent: Agent, now: float) -> None:
    """The PBX is back: ring the phone of an agent who sits at a connected screen without it."""
    if agent.state is AgentState.PHONE_LOST and agent.screen:
        signal(floor, agent, AgentSignal.CALL_AGAIN, now)
        _ring(floor, agent, now)


def _talked(floor: Floor, agent: Agent) -> bool:
    """Whether the agent's call came to a conversation; a call that is gone is judged by TALK."""
    call = floor.calls.get(agent.attempt)
    if call is not None:
        return call.connected is not None
    return agent.state in (AgentState.TALK, AgentState.UNKNOWN)


def hang_up(floor: Floor, event: ev.HangUpPressed, now: float) -> None:
    """The agent ends the conversation; the PBX's word is awaited for everything else."""
    agent = floor.agents.get(event.agent)
    if agent is None:
        return
    call = floor.calls.get(agent.attempt)
    up = (CallState.TALKING, CallState.HELD)
    if call is not None and call.agent == agent.name and call.state in up:
        call.hung_up_by = "agent"
        floor.emit(HangUp(call.pbx, call.attempt))


def dispose(floor: Floor, event: ev.DispositionChosen, now: float) -> None:
    """The agent's word on the call: until the call has ended the last one holds, and it is written
    after the outcome, so that it decides what becomes of the lead. In wrap-up it ends that."""
    agent = floor.agents.get(event.agent)
    call = floor.calls.get(event.attempt)
    if call is not None and call.connected is None:
        call = None  # no conversation, no word on it
    known = agent is not None and agent.lead is not None and agent.attempt == event.attempt
    if agent is None or not known or (agent.disposed and call is None):
        floor.warn("a disposition for no call of this agent was ignored", event.attempt)
        return
    agent.disposed = True
    if call is not None:
        # Who has handed the customer on does not overrule who has him now.
        if call.word is None or call.word.agent == agent.name or call.agent == agent.name:
            call.word = event
    else:
        write_word(floor, event, agent.campaign, agent.lead, agent.machine)
    if agent.state is AgentState.WRAP_UP:
        _wrapped_up(floor, agent, now)


def more_time(floor: Floor, event: ev.MoreTimeAsked, now: float) -> None:
    """A minute more for the wrap-up, up to half an hour in all."""
    agent = floor.agents.get(event.agent)
    if agent is None or agent.state is not AgentState.WRAP_UP or agent.deadline is None:
        return
    most = max(agent.deadline, agent.wrap_began + WRAP_UP_MAX_S)
    floor.set_deadline(agent, min(agent.deadline + WRAP_UP_MORE_S, most))
    show(floor, agent)


def write_word(
    floor: Floor,
    word: ev.DispositionChosen,
    campaign: str,
    lead: ev.Lead | None,
    machine: MachineServed | None,
) -> None:
    if machine is not None and word.code in floor.campaigns[campaign].rules.machine_words:
        floor.emit(Observe(campaign, machine))
    if lead is not None:
        floor.emit(
            RecordDisposition(
                word.attempt,
                campaign,
                lead,
                word.agent,
                word.code,
                word.callback_at,
                word.note,
                word.amount,
                word.due_on,
                word.reason,
                word.mine,
            )
        )


def _wrapped_up(floor: Floor, agent: Agent, now: float) -> None:
    to_break = agent.status is not Status.READY
    fact = WrapUpEnded(max(0.0, now - agent.wrap_began), to_break)
    floor.emit(Observe(agent.campaign, fact))
    settle(floor, agent, now)


# --- doubt --------------------------------------------------------------------------------------


def leg_gone(floor: Floor, agent: Agent, now: float) -> None:
    """The agent's channel is gone: no call can be given until the phone is rung again."""
    if agent.state is AgentState.WRAP_UP:
        floor.emit(Observe(agent.campaign, WrapUpEnded(max(0.0, now - agent.wrap_began), True)))
    preview.give_back(floor, agent)
    asked = consult.of(floor, agent)
    if not signal(floor, agent, AgentSignal.LEG_GONE, now):
        return
    agent.channel = ""
    if asked is not None:
        consult.leg_gone(floor, asked, agent.name, now)
    if agent.state is AgentState.LOGGED_OUT or agent.status is Status.LOGGED_OUT:
        _leave(floor, agent)


def originate_failed(floor: Floor, agent: Agent, now: float) -> None:
    """The phone was not reached; of a leg that was seen up that says nothing, so look."""
    if agent.channel:
        floor.emit(CheckLeg(agent.pbx, agent.leg))
    else:
        leg_gone(floor, agent, now)


def link_lost(floor: Floor, agent: Agent, now: float) -> None:
    if agent.state not in _NO_LEG:
        preview.give_back(floor, agent)
        signal(floor, agent, AgentSignal.LINK_LOST, now)
        agent.deadline = None


def found(floor: Floor, agent: Agent, where: ev.ChannelFound | None, now: float) -> None:
    """A listing or a check shows where the agent's leg stands, or that it is gone."""
    if where is None:
        leg_gone(floor, agent, now)
        return
    lost = agent.state is AgentState.UNKNOWN
    if agent.state is AgentState.PHONE_LOST or where.place is ev.ChannelPlace.RINGING:
        signal(floor, agent, AgentSignal.FOUND_RINGING, now)
    if _may_be_old(floor, agent, where, now):
        floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.RESERVED])
    elif where.place is ev.ChannelPlace.PARKED:
        agent.channel = where.channel
        asked = consult.of(floor, agent)
        if asked is not None and consult.parked(floor, asked, agent, now):
            floor.set_deadline(agent, now + CALL_OVER_CHECK_S)
        elif agent.state in (
            AgentState.SIGNING_ON,
            AgentState.RESERVED,
            AgentState.TALK,
            AgentState.UNKNOWN,
        ):
            _free(floor, agent, now)
        elif agent.state is AgentState.LEAVING:
            floor.emit(HangUp(agent.pbx, agent.leg))
            floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.LEAVING])
    elif where.place is ev.ChannelPlace.DIALPLAN and lost:
        if consult.joined(floor, agent):
            signal(floor, agent, AgentSignal.FOUND_TALKING, now)
        else:  # a former life's conversation of three: the other two go on
            floor.emit(ParkAgent(agent.pbx, agent.leg))
    elif where.place is ev.ChannelPlace.TALKING:
        agent.channel = where.channel
        signal(floor, agent, AgentSignal.FOUND_TALKING, now)
        call = floor.calls.get(where.peer)
        if call is not None and agent.state is AgentState.TALK:
            callflow.found_with(floor, call, agent, now)
        elif call is None and lost:
            consult.strangers(floor, agent, where)
    if agent.deadline is None and agent.state in CHECK_AGENT_AFTER_S:
        floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.UNKNOWN])


def _may_be_old(floor: Floor, agent: Agent, where: ev.ChannelFound, now: float) -> bool:
    """Whether the leg may have been parked when the PBX was asked, and be in a bridge by now."""
    if where.place is not ev.ChannelPlace.PARKED:
        return False
    if agent.state is AgentState.RESERVED:
        call = floor.calls.get(agent.attempt)
        on_the_way = (CallState.CONNECTING, CallState.MOVING)
        return call is not None and call.agent == agent.name and call.state in on_the_way
    return agent.state is AgentState.TALK and now - agent.since < OLD_ANSWER_S


def deadline(floor: Floor, agent: Agent, now: float) -> None:
    """The agent's time in this state is over: end the wrap-up, or ask the PBX."""
    if agent.state is AgentState.WRAP_UP:
        agent.disposed = True
        _wrapped_up(floor, agent, now)
    elif agent.state is AgentState.READY:
        preview.seek(floor, agent, now)
    elif agent.state is AgentState.PREVIEW:
        preview.timed_out(floor, agent, now)
    elif agent.state not in _NO_LEG and floor.connected(agent.pbx):
        floor.emit(CheckLeg(agent.pbx, agent.leg))
        floor.set_deadline(agent, now + CHECK_AGENT_AFTER_S[AgentState.LEAVING])
