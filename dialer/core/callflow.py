"""What happens to a customer's call, fact by fact. Functions of the floor; the table decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dialer.core import agentflow, consult, monitor, outside, transfer
from dialer.core import events as ev
from dialer.core.call import (
    CHECK_AFTER_S,
    HELD_MAX_S,
    LINGER_S,
    OLD_ANSWER_S,
    ORIGINATE_GRACE_S,
    RETURNED_WAIT_S,
    UNSEEN_GRACE_S,
    Call,
    Counted,
    closing,
    line_end_of,
    outcome_of,
)
from dialer.core.campaign import Campaign
from dialer.core.commands import (
    Bridge,
    CheckLeg,
    HangUp,
    Observe,
    Originate,
    PlayHarbour,
    PopScreen,
    Progress,
    RecordProgress,
)
from dialer.core.modes import Booking, Mode
from dialer.core.outcomes import Outcome
from dialer.core.states import CallSignal, CallState, CampaignState, next_call_state
from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    LineEnd,
    LineEnded,
    LineRang,
    TalkEnded,
)

if TYPE_CHECKING:
    from dialer.core.agent import Agent
    from dialer.core.floor import Floor

_FOUND = {
    ev.ChannelPlace.RINGING: CallSignal.FOUND_RINGING,
    ev.ChannelPlace.DIALPLAN: CallSignal.FOUND_DIALPLAN,
    ev.ChannelPlace.PARKED: CallSignal.FOUND_PARKED,
    ev.ChannelPlace.TALKING: CallSignal.FOUND_TALKING,
    ev.ChannelPlace.HARBOUR: CallSignal.FOUND_HARBOUR,
}


_NO_TALK = (ev.ChannelPlace.DIALPLAN, ev.ChannelPlace.PARKED)


def signal(floor: Floor, call: Call, what: CallSignal, now: float) -> bool:
    """Move the call along its table. True when that changed its state."""
    target = next_call_state(call.state, what)
    if target is call.state:
        return False
    if call.state is CallState.WAITING:
        floor.campaigns[call.campaign].waiting.pop(call.attempt, None)
    call.state = target
    call.since = now
    after = CHECK_AFTER_S.get(target)
    if after is not None and not (target is CallState.UNKNOWN and not floor.connected(call.pbx)):
        floor.set_deadline(call, now + after)
    elif target not in (CallState.RINGING, CallState.PLACING):
        floor.set_deadline(call, None)  # PLACING's own deadline covers the ringing too
    return True


def _progress(floor: Floor, call: Call, progress: Progress, agent: str = "") -> None:
    floor.emit(RecordProgress(call.attempt, call.campaign, call.lead, progress, agent))


# --- until the phone rings ----------------------------------------------------------------------


def clear(floor: Floor, call: Call, now: float) -> None:
    """The attempt is on record: give it a slot on the trunk, unless there is reason not to."""
    campaign = floor.campaigns[call.campaign]
    if (
        campaign.state is not CampaignState.RUNNING
        or not floor.connected(call.pbx)
        or not agentflow.is_kept(floor, call)
    ):
        withdraw(floor, call, now)
        return
    slot = floor.trunk(call.pbx, call.trunk).launch_slot(now)
    if slot <= now:
        _launch(floor, call, now)
    else:
        floor.set_deadline(call, slot)


def _launch(floor: Floor, call: Call, now: float) -> None:
    # It was recorded some time ago: the law may say no by now, the agent it is for may be gone.
    if floor.denied(call.attempt, call.lead, now, call.booking):
        agentflow.notify(floor, call, "The call was not made: it may not be called any more.")
        withdraw(floor, call, now)
        return
    if not agentflow.is_kept(floor, call):
        withdraw(floor, call, now)
        return
    signal(floor, call, CallSignal.LAUNCHED, now)
    rules = floor.campaigns[call.campaign].rules
    call.originated = now
    ring_limit_s = call.lead.ring_limit_s or rules.ring_limit_s
    floor.set_deadline(call, now + ring_limit_s + ORIGINATE_GRACE_S)
    floor.emit(
        Originate(
            call.pbx,
            call.attempt,
            call.trunk,
            call.lead.phone,
            rules.caller_id,
            ring_limit_s,
            _listens(floor, call),
            rules.record,
        )
    )
    _progress(floor, call, Progress.ORIGINATED)


def _listens(floor: Floor, call: Call) -> bool:
    """Whether the PBX listens for a machine; an agent who waits for the answer hears it himself."""
    return floor.campaigns[call.campaign].rules.amd and call.booking is None


def withdraw(floor: Floor, call: Call, now: float) -> None:
    """Take an attempt back that was written and not dialled."""
    call.taken_back = True
    signal(floor, call, CallSignal.WITHDRAWN, now)
    _end(floor, call, now, None, None, seen=True)


def revoke(floor: Floor, call: Call, now: float) -> None:
    """The lead or the number may not be called any more. What is dialled already goes on: ringing
    is not cut short, and a conversation is not cut at all."""
    if call.state in (CallState.PLANNED, CallState.REVOKED):
        signal(floor, call, CallSignal.REVOKED, now)
    elif call.state is CallState.CLEARED:
        withdraw(floor, call, now)


def refuse(floor: Floor, call: Call, now: float) -> None:
    """The store would not have the attempt: it never was."""
    signal(floor, call, CallSignal.WITHDRAWN, now)
    _forget(floor, call)
    agentflow.call_over(floor, call, now)


def originate_failed(floor: Floor, call: Call, event: ev.OriginateFailed, now: float) -> None:
    if call.answered is not None:
        # A second Originate's failure carries the id of the leg that lives.
        floor.emit(CheckLeg(call.pbx, call.attempt))
        return
    if event.refused:
        call.refused = True
        signal(floor, call, CallSignal.ORIGINATE_FAILED, now)
        signal(floor, call, CallSignal.LINGER_OVER, now)
        _end(floor, call, now, None, None, seen=True)
        floor.warn(f"the PBX refused an Originate: {event.refused}", call.attempt)
    elif signal(floor, call, CallSignal.ORIGINATE_FAILED, now):
        floor.set_deadline(call, now + LINGER_S)


def rang(floor: Floor, call: Call, now: float) -> None:
    if call.ring_told is None and call.answered is None:
        call.ring_told = now
    if call.rang is None and call.answered is None:
        call.rang = now
        if call.originated is not None:
            floor.emit(Observe(call.campaign, LineRang(now - call.originated)))
        _progress(floor, call, Progress.RINGING)
    signal(floor, call, CallSignal.RANG, now)


def answered(floor: Floor, call: Call, event: ev.LegAnswered, now: float) -> None:
    call.channel = event.channel or call.channel
    at = now if event.at is None else min(event.at, now)
    if call.answered is None:
        call.answer_told = at
    _note_answer(floor, call, at)
    if call.state is CallState.GIVING_UP and not _listens(floor, call):
        _note_live(floor, call, now)  # the dialplan will hardly come to announce him
    signal(floor, call, CallSignal.ANSWERED, now)


def _note_answer(floor: Floor, call: Call, at: float) -> None:
    if call.answered is None:
        call.answered = at
        _progress(floor, call, Progress.ANSWERED)


# --- answered -----------------------------------------------------------------------------------


def live(floor: Floor, call: Call, amd: str, now: float) -> None:
    """A person: the clock of the law starts here."""
    call.amd = amd or call.amd
    _note_answer(floor, call, now)
    _note_live(floor, call, now)
    signal(floor, call, CallSignal.LIVE, now)


def _note_live(floor: Floor, call: Call, now: float) -> None:
    if call.live is None:
        # Without AMD the person waits since the answer, not since the dialplan spoke.
        listened = _listens(floor, call)
        call.live = now if listened or call.answered is None else call.answered
        _line_over(floor, call, LineEnd.LIVE, call.live)
        _progress(floor, call, Progress.LIVE)


def machine(floor: Floor, call: Call, cause: str, now: float) -> None:
    call.amd = cause or call.amd
    call.machine = True
    _note_answer(floor, call, now)
    _line_over(floor, call, LineEnd.MACHINE, now)
    signal(floor, call, CallSignal.MACHINE, now)


def parked(floor: Floor, call: Call, event: ev.LegParked, now: float) -> None:
    """The customer waits in the holding bridge: now, and not before, an agent can be bridged."""
    call.channel = event.channel or call.channel
    _note_answer(floor, call, now)
    _note_live(floor, call, now)
    what = CallSignal.FOUND_HELD if call.consult is not None else CallSignal.PARKED
    if signal(floor, call, what, now):
        if call.state is CallState.HELD:
            consult.held(floor, call, now)
        else:
            wait(floor, call, now)


def wait(floor: Floor, call: Call, now: float) -> None:
    """Serve a waiting customer at once, or set the clock of his patience."""
    campaign = floor.campaigns[call.campaign]
    campaign.waiting[call.attempt] = None
    if call.connected is not None:  # back from outside: music, and no law's two seconds
        transfer.back(floor, call)
        floor.set_deadline(call, now + RETURNED_WAIT_S)
    elif call.live is not None:
        floor.set_deadline(call, call.live + campaign.rules.patience_s)
    if call.booking is not None and call.connected is None:
        if agentflow.is_kept(floor, call):
            connect(floor, call, call.booking.agent, now)
        return
    for name in transfer.first(campaign.idle, call.agent):
        if floor.agents[name].takes(call.lead):
            connect(floor, call, name, now)
            return


def connect(floor: Floor, call: Call, agent_name: str, now: float) -> None:
    """Reserve the agent and send the Bridge. The only place that does."""
    agent = floor.agents[agent_name]
    agentflow.take(floor, agent, call, now)
    signal(floor, call, CallSignal.TAKEN, now)
    call.agent = agent_name
    floor.emit(Bridge(call.pbx, agent.leg, agent.channel, call.attempt, call.channel))


def bridged(floor: Floor, call: Call, event: ev.LegBridged, now: float) -> None:
    at = now if event.at is None else min(event.at, now)
    if signal(floor, call, CallSignal.BRIDGED, now) and call.state is CallState.TALKING:
        _connected(floor, call, at)
        if not outside.customer_bridged(floor, call, now):
            consult.settled(floor, call)
    elif call.state is CallState.HANDED_ON and not call.outside_answered:
        call.outside_answered = True
        transfer.outside_answered(floor, call)


def _connected(floor: Floor, call: Call, at: float) -> None:
    if transfer.arrived(floor, call, at):
        _talks_with(floor, call)
    elif call.connected is None:
        # The PBX's clock is mapped to ours with an error: a stage never begins before the last.
        call.connected = at if call.live is None else max(at, call.live)
        call.talk_began = call.connected
        _served(floor, call)
        _talks_with(floor, call)


def _talks_with(floor: Floor, call: Call) -> None:
    _progress(floor, call, Progress.CONNECTED, call.agent)
    if call.agent:
        floor.emit(PopScreen(call.agent, call.attempt, call.campaign, call.lead))


def found_with(floor: Floor, call: Call, agent: Agent, now: float) -> None:
    """The PBX shows this customer with this agent, whoever we believed him with."""
    agentflow.give(agent, call)
    if call.agent != agent.name:
        transfer.found_elsewhere(floor, call, agent)
        call.agent = agent.name
        monitor.conversation_over(floor, call.attempt, now)
        if call.connected is not None:
            _talks_with(floor, call)


def _served(floor: Floor, call: Call) -> None:
    """Tell the account that somebody took the call, unless it counts as abandoned already."""
    if call.counted is Counted.NOT_YET and call.connected is not None:
        live = call.live if call.live is not None else call.connected
        waited_s = call.connected - live
        late = waited_s > floor.campaigns[call.campaign].rules.patience_s
        call.counted = Counted.SERVED_LATE if late else Counted.SERVED
        floor.emit(Observe(call.campaign, CallServed(waited_s, call.told_rang_s)))


def _abandoned(floor: Floor, call: Call) -> None:
    if call.counted is Counted.NOT_YET:
        call.counted = Counted.ABANDONED
        floor.emit(Observe(call.campaign, CallAbandoned(call.told_rang_s)))


def bridge_failed(floor: Floor, call: Call, now: float) -> None:
    """Nothing was bridged: the customer waits on, and the agent is asked after first."""
    if call.state is CallState.MOVING and call.consult is not None:
        outside.not_moved(floor, call, now)
    elif call.state is CallState.MOVING:
        transfer.failed(floor, call, now)
    elif call.state is CallState.RESUMING:
        consult.not_resumed(floor, call, now)
    elif signal(floor, call, CallSignal.BRIDGE_FAILED, now):
        call.agent = ""
        wait(floor, call, now)


def unbridged(floor: Floor, call: Call, event: ev.LegUnbridged, now: float) -> None:
    at = now if event.at is None else min(event.at, now)
    if outside.customer_unbridged(floor, call, now):
        return
    if signal(floor, call, CallSignal.UNBRIDGED, now) or (
        call.state is CallState.HANDED_ON and not call.outside_answered
    ):
        _parted(floor, call, at)
    elif call.state is CallState.MOVING and call.consult is None:
        transfer.left(floor, call, at)


def _parted(floor: Floor, call: Call, at: float) -> None:
    if call.connected is not None and call.parted is None:
        began = call.connected if call.talk_began is None else call.talk_began
        call.parted = max(at, began)
        floor.emit(Observe(call.campaign, TalkEnded(call.parted - began)))
        agentflow.call_over(floor, call, at)
        monitor.conversation_over(floor, call.attempt, at)


def harbour(floor: Floor, call: Call, now: float) -> None:
    _note_answer(floor, call, now)
    _note_live(floor, call, now)
    if signal(floor, call, CallSignal.HARBOUR, now) and call.harbour is None:
        call.harbour = now
        _progress(floor, call, Progress.HARBOUR)
        _abandoned(floor, call)


# --- the end ------------------------------------------------------------------------------------


def hung_up(floor: Floor, call: Call, event: ev.LegHungUp, now: float) -> None:
    if signal(floor, call, CallSignal.HUNG_UP, now):
        ended = now if event.at is None else min(event.at, now)
        _end(floor, call, ended, event.cause, event.tech_cause, seen=True)


def _end(
    floor: Floor, call: Call, ended: float, cause: int | None, tech: int | None, seen: bool
) -> None:
    stages = (call.originated, call.rang, call.answered, call.live, call.connected, call.harbour)
    ended = max([ended, *(at for at in stages if at is not None)])
    _parted(floor, call, ended)
    if not call.hung_up_by and call.connected is not None and seen:
        call.hung_up_by = "customer"
    patience_s = floor.campaigns[call.campaign].rules.patience_s
    outcome = outcome_of(call, ended, patience_s, cause, tech, seen)
    if outcome is Outcome.ABANDONED:
        _note_live(floor, call, ended)  # it is noted, unless our own hangup met his answer
    line_end = line_end_of(call, outcome)
    if line_end is not None:
        _line_over(floor, call, line_end, ended)
    if outcome is Outcome.ABANDONED:
        _abandoned(floor, call)
    elif outcome is Outcome.CALLER_LEFT:
        call.counted = Counted.LEFT
        waited_s = 0.0 if call.live is None else ended - call.live
        floor.emit(Observe(call.campaign, CallerLeft(waited_s)))
    floor.emit(closing(call, ended, outcome, cause, tech))
    if call.word is not None:
        agentflow.write_word(floor, call.word, call.campaign, call.lead, call.as_machine)
    _forget(floor, call)
    agentflow.call_over(floor, call, ended)
    consult.customer_gone(floor, call, ended)


def _line_over(floor: Floor, call: Call, end: LineEnd, at: float) -> None:
    """Tell the pacer, once, how the line ended its way to an agent."""
    if call.line_over or call.originated is None:
        return
    call.line_over = True
    rung = call.rang if call.rang is not None else call.answered
    setup_s = max(0.0, (rung if rung is not None else at) - call.originated)
    ring_s = detect_s = None
    if call.rang is not None:
        ring_s = max(0.0, (call.answered if call.answered is not None else at) - call.rang)
    if call.answered is not None and _listens(floor, call):
        detect_s = max(0.0, at - call.answered)
    floor.emit(Observe(call.campaign, LineEnded(end, setup_s, ring_s, detect_s)))


def _forget(floor: Floor, call: Call) -> None:
    campaign = floor.campaigns[call.campaign]
    floor.set_deadline(call, None)
    campaign.waiting.pop(call.attempt, None)
    del floor.calls[call.attempt]
    del campaign.calls[call.attempt]
    floor.trunk(call.pbx, call.trunk).in_use -= call.lines
    floor.drained(campaign)


# --- doubt --------------------------------------------------------------------------------------


def link_lost(floor: Floor, call: Call, now: float) -> None:
    """Nothing is known of this call until a resync; what was not dialled is not dialled now."""
    if call.state is CallState.CLEARED:
        withdraw(floor, call, now)
    elif call.in_flight:
        if signal(floor, call, CallSignal.LINK_LOST, now) and call.state is CallState.ENDED:
            _end(floor, call, now, None, None, seen=True)
        call.deadline = None


def found(
    floor: Floor, call: Call, where: ev.ChannelFound | None, restarted: bool, now: float
) -> None:
    """A listing or a check shows where the leg stands, or that it is gone."""
    if not call.in_flight:
        return
    if where is None:
        unseen = call.originated is not None and call.rang is None and call.answered is None
        if unseen and not restarted and now - (call.originated or 0.0) < UNSEEN_GRACE_S:
            floor.set_deadline(call, now + UNSEEN_GRACE_S)  # may still be on its way in
            return
        if signal(floor, call, CallSignal.MISSING, now):
            _end(floor, call, now, None, None, seen=False)
        return
    call.channel = where.channel or call.channel
    before = call.state
    if before is CallState.MOVING and transfer.not_yet(floor, call, where):
        floor.set_deadline(call, now + CHECK_AFTER_S[CallState.MOVING])
        return
    doubted = before is CallState.TALKING and where.place in _NO_TALK
    if (doubted or before is CallState.GIVING_UP) and now - call.since < OLD_ANSWER_S:
        # from before the Bridge or the HangUp, it may be: look again
        floor.set_deadline(call, now + OLD_ANSWER_S)
        return
    _believe(floor, call, where, now)
    if call.attempt not in floor.calls:
        return
    if call.state is before and call.state in CHECK_AFTER_S:  # as we thought: no need to hurry
        floor.set_deadline(call, now + max(CHECK_AFTER_S[call.state], ORIGINATE_GRACE_S))
    elif call.deadline is None:
        after = CHECK_AFTER_S.get(call.state, ORIGINATE_GRACE_S)
        if call.state is CallState.RINGING:
            rules = floor.campaigns[call.campaign].rules
            after = (call.lead.ring_limit_s or rules.ring_limit_s) + ORIGINATE_GRACE_S
        floor.set_deadline(call, now + after)


def _believe(floor: Floor, call: Call, where: ev.ChannelFound, now: float) -> None:
    what = _FOUND[where.place]
    if transfer.outside(floor, call, where):
        what = CallSignal.FOUND_OUTSIDE
    elif call.consult is not None and what is CallSignal.FOUND_PARKED:
        what = CallSignal.FOUND_HELD
    if what is CallSignal.FOUND_RINGING:
        call.rang = now if call.rang is None else call.rang
        call.given_up = None
    else:
        _note_answer(floor, call, now)
    if where.place in (ev.ChannelPlace.PARKED, ev.ChannelPlace.HARBOUR):
        _note_live(floor, call, now)
    if where.place is ev.ChannelPlace.HARBOUR:
        harbour(floor, call, now)
        return
    if call.state is CallState.RELEASED:
        floor.emit(HangUp(call.pbx, call.attempt))
    if not signal(floor, call, what, now):
        return
    if call.state is CallState.WAITING:
        wait(floor, call, now)
    elif call.state is CallState.HELD:
        consult.held(floor, call, now)
    elif call.state is CallState.TALKING:
        partner = floor.agent_of_leg.get(where.peer)
        if partner is not None:
            found_with(floor, call, partner, now)
        call.parted = None
        _connected(floor, call, now)
        if call.third is not None and where.peer == call.third.leg:
            outside.found_together(floor, call, now)
        else:
            consult.settled(floor, call)
    elif call.state is CallState.PARTING:
        _parted(floor, call, now)


def deadline(floor: Floor, call: Call, now: float) -> None:
    """The call's time in its state is over: act, or ask the PBX."""
    if call.state is CallState.CLEARED:
        if floor.connected(call.pbx):
            _launch(floor, call, now)
        else:
            withdraw(floor, call, now)
    elif call.state is CallState.CLOSING:
        signal(floor, call, CallSignal.LINGER_OVER, now)
        _end(floor, call, now, None, None, seen=True)
    elif call.state is CallState.WAITING and _out_of_patience(floor, call, now):
        signal(floor, call, CallSignal.PATIENCE_OVER, now)
        floor.emit(PlayHarbour(call.pbx, call.attempt, call.channel))
    elif call.state is CallState.HELD and outside.due(floor, call, now):
        return
    elif call.state is CallState.HELD and now >= call.since + HELD_MAX_S:
        consult.held_too_long(floor, call, now)
    elif call.in_flight and floor.connected(call.pbx):
        floor.emit(CheckLeg(call.pbx, call.attempt))
        if call.third is not None and outside.is_dialled(call):
            floor.emit(CheckLeg(call.pbx, call.third.leg))
        floor.set_deadline(call, now + ORIGINATE_GRACE_S)


def _out_of_patience(floor: Floor, call: Call, now: float) -> bool:
    if call.connected is not None:
        return now >= call.since + RETURNED_WAIT_S
    patience_s = floor.campaigns[call.campaign].rules.patience_s
    return call.live is None or now >= call.live + patience_s


def recover(floor: Floor, event: ev.AttemptRecovered, now: float) -> None:
    """Take over an attempt of a former life, as unknown as it is."""
    campaign = floor.campaigns.get(event.lead.campaign)
    if campaign is None:
        floor.warn("an open attempt of an unknown campaign was found", event.attempt)
        return
    began = now - event.age_s
    call = Call(
        attempt=event.attempt,
        campaign=event.lead.campaign,
        pbx=event.pbx,
        trunk=campaign.rules.trunk,
        lead=event.lead,
        planned=began,
        state=CallState.UNKNOWN,
        since=now,
        agent=event.agent,
        booking=Booking(event.booked_for, event.lead.mode or Mode.MANUAL)
        if event.booked_for
        else None,
        originated=began,
        line_over=True,  # another life's line: its timing teaches nothing
    )
    if event.answered or event.live or event.connected:
        call.answered = began
    if event.live or event.connected:
        call.live = began
    if event.connected:
        call.connected = began
        _served(floor, call)  # his wait is not known any more; this life has not counted him yet
    agent = floor.agents.get(event.agent)
    if agent is not None and event.connected:
        agentflow.give(agent, call)
    elif event.booked_for in floor.agents:
        agentflow.give(floor.agents[event.booked_for], call)  # kept again when the phone is found
    floor.trunk(call.pbx, call.trunk).in_use += 1
    floor.calls[call.attempt] = campaign.calls[call.attempt] = call
    if floor.connected(call.pbx):
        floor.set_deadline(call, now + CHECK_AFTER_S[CallState.UNKNOWN])


def serve_waiting(floor: Floor, campaign: Campaign, agent_name: str, now: float) -> bool:
    """Give the campaign's longest-waiting customer to this idle agent, if there is one. Who has two
    seconds goes before who has music."""
    agent = floor.agents[agent_name]
    waiting = [floor.calls[attempt] for attempt in campaign.waiting]
    for call in sorted(waiting, key=lambda one: one.connected is not None):
        if call.booking is None or call.connected is not None:
            theirs = agent.takes(call.lead)
        else:
            theirs = call.booking.agent == agent_name
        if theirs:
            connect(floor, call, agent_name, now)
            return True
    return False
