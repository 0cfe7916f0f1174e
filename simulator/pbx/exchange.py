"""The switch itself: legs dialled out, bridges, hang-ups, and the events they give.

It behaves as Asterisk 22 does towards AMI, the treacherous parts included: a Bridge takes a
ringing customer or steals a talking one without a word, a second Redirect is dropped though it was
accepted, no DialEnd follows a dial that we gave up, and OriginateResponse, Newstate, DialEnd and
Hangup of one moment come in an order that differs from call to call (drawn from the seed).
"""

from __future__ import annotations

import asyncio
import random
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from simulator.pbx.causes import cause_of_sip, cause_text, dial_status, synthetic_sip
from simulator.pbx.channel import Bridge, Channel, ChannelState, DialStage, Fate
from simulator.pbx.dialplan import DIALLED_FOR, Dialplan
from simulator.pbx.party import Answer, CalledParty, Directory
from simulator.pbx.recordings import Recordings

NORMAL_CLEARING = 16
NO_ANSWER = 19
FORWARD_TO = "+496990009000"  # where a carrier that redirects points to: nobody's number
NOWHERE = "overdial-nowhere"  # what a leg shows before it is answered: a dead end

PARTIES_KEPT = 20_000  # called parties the log remembers: far more than are ever in progress

# What separates events of one moment in Asterisk: threads handing over to each other.
_HANDOVER_S = 0.001
_HANDOVER_MAX_S = 0.004
_DIAL_STATE_FIRST = 0.15  # share of calls whose DialState overtakes their Newstate


class Sink(Protocol):
    """Where events go. `wanted` spares the making of an event nobody listens to."""

    def wanted(self, name: str) -> bool: ...

    def publish(self, name: str, category: str, body: str) -> None: ...


class Refused(Exception):
    """The switch will not do it; the text is Asterisk's, for the Response's Message."""


@dataclass(frozen=True, slots=True)
class Dial:
    """An Originate as it was asked for."""

    channel: str
    context: str = ""
    exten: str = ""
    priority: str = "1"
    application: str = ""
    app_data: str = ""
    timeout_s: float = 30.0
    cid_num: str = ""
    cid_name: str = ""
    channel_id: str = ""
    action_id: str = ""
    early_media_answers: bool = False
    variables: dict[str, str] = field(default_factory=dict)


class CallLog:
    """What an observer outside the PBX knows, over all its lives: the tests' witness."""

    def __init__(self) -> None:
        self.times_dialled: dict[str, int] = {}  # by Uniqueid
        self.conversations: dict[str, list[str]] = {}  # Uniqueid -> whom it talked with
        self.harboured: set[str] = set()  # heard the safe-harbour message
        self.spied: dict[str, list[tuple[str, str]]] = {}  # Uniqueid -> whose ear, in which mode
        self._parties: dict[str, CalledParty] = {}

    def dialled(self, uniqueid: str) -> None:
        self.times_dialled[uniqueid] = self.times_dialled.get(uniqueid, 0) + 1

    def reached(self, uniqueid: str, party: CalledParty) -> None:
        self._parties[uniqueid] = party
        if len(self._parties) > PARTIES_KEPT:
            del self._parties[next(iter(self._parties))]

    def party_of(self, uniqueid: str) -> CalledParty | None:
        """Who was called; None when unknown or long ago."""
        return self._parties.get(uniqueid)

    def bridged(self, one: str, other: str) -> None:
        self.conversations.setdefault(one, []).append(other)
        self.conversations.setdefault(other, []).append(one)

    @property
    def dialled_twice(self) -> list[str]:
        return [uniqueid for uniqueid, times in self.times_dialled.items() if times > 1]


class Exchange:
    """All channels and bridges of one PBX. Times by `loop.time()`, chance by `rng` only."""

    def __init__(
        self,
        directory: Directory,
        sink: Sink,
        *,
        rng: random.Random,
        loop: asyncio.AbstractEventLoop,
        log: CallLog,
        harbour_s: float = 6.0,
        hold_s: float = 2.0,
        recordings: Recordings | None = None,
        epoch: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self.recordings = recordings or Recordings()
        self.epoch = epoch  # the time of day, as the dialplan's EPOCH
        self.directory = directory
        self.sink = sink
        self.rng = rng
        self.loop = loop
        self.log = log
        self.dialplan = Dialplan(self, harbour_s=harbour_s, hold_s=hold_s)
        self.channels: dict[str, Channel] = {}  # by Uniqueid
        self.keys: list[tuple[str, str]] = []  # pressed by PlayDTMF: Uniqueid and key
        self.bridges: dict[str, Bridge] = {}
        self.globals: dict[str, str] = {}
        self.processed = 0
        self._by_name: dict[str, Channel] = {}
        self._sequence = 0

    # --- finding ------------------------------------------------------------------------------

    def find(self, name: str) -> Channel | None:
        """By Uniqueid or by whole name, whatever the case, as most actions do."""
        channel = self.channels.get(name) or self._by_name.get(name.lower())
        if channel is None:
            wanted = name.lower()
            channel = next(
                (c for c in self.channels.values() if c.uniqueid.lower() == wanted), None
            )
        return channel

    def find_prefix(self, name: str) -> Channel | None:
        """As Bridge does: a Uniqueid, or any channel whose name begins so."""
        exact = self.find(name)
        if exact is not None:
            return exact
        wanted = name.lower()
        return next((c for n, c in self._by_name.items() if n.startswith(wanted)), None)

    def variable(self, channel: Channel | None, name: str) -> str:
        """A channel's variable, or a global one; empty when there is none."""
        if channel is not None:
            if name == "BRIDGEPEER":
                return channel.peer
            if name in channel.variables:
                return channel.variables[name]
        return self.globals.get(name, "")

    def vanish(self) -> None:
        """The process was killed: nobody is told anything."""
        for channel in self.channels.values():
            channel.cancel_timers()
            if channel.response_timer:
                channel.response_timer.cancel()
            channel.fate = Fate.GONE
        self.channels.clear()
        self.bridges.clear()
        self._by_name.clear()

    # --- events -------------------------------------------------------------------------------

    def event(self, channel: Channel, name: str, extra: str = "", category: str = "call") -> None:
        if self.sink.wanted(name):
            self.sink.publish(name, category, channel.headers() + extra)

    def dial_event(self, channel: Channel, name: str, extra: str) -> None:
        if self.sink.wanted(name):
            self.sink.publish(name, "call", channel.headers("Dest") + extra)

    def bridge_event(self, bridge: Bridge, name: str, channel: Channel | None = None) -> None:
        if self.sink.wanted(name):
            who = channel.headers() if channel else ""
            self.sink.publish(name, "call", bridge.headers() + who)

    def user_event(self, channel: Channel, name: str, body: str) -> None:
        self.event(channel, "UserEvent", f"UserEvent: {name}\r\n{body}", "user")

    # --- dialling out -------------------------------------------------------------------------

    def originate(self, dial: Dial, done: Callable[[bool], None] | None = None) -> None:
        """Start a dial. `done(success)` is called at its end, for an Originate that waits."""
        self.loop.call_soon(self._start, dial, done)

    def _start(self, dial: Dial, done: Callable[[bool], None] | None) -> None:
        tech, _, resource = dial.channel.partition("/")
        number, at, trunk = resource.partition("@")
        party: CalledParty | None = None
        uniqueid = dial.channel_id or f"{1_700_000_000 + self._sequence}.{self._sequence}"
        self.log.dialled(uniqueid)
        # In use, to Asterisk, is also an id that a living channel's Uniqueid begins with.
        taken = any(living.startswith(uniqueid) for living in self.channels)
        if tech.upper() == "PJSIP" and not taken:
            party = self.directory.customer(number, trunk) if at else self.directory.agent(resource)
        if party is None:
            self._originate_response(dial, None, 0)
            if done:
                done(False)
            return
        self._sequence += 1
        self.processed += 1
        self.log.reached(uniqueid, party)
        endpoint = trunk if at else resource
        name = f"PJSIP/{endpoint}-{self._sequence:08x}"
        channel = Channel(name, uniqueid, dial, party)
        channel.created = self.loop.time()
        channel.context = NOWHERE
        channel.dial_done = done
        self.channels[uniqueid] = channel
        self._by_name[name.lower()] = channel
        self.event(channel, "Newchannel")
        self.dial_event(channel, "DialBegin", f"DialString: {resource}\r\n")
        channel.timeout_timer = self.loop.call_later(dial.timeout_s, self._gave_up, channel)
        self._far(channel, party.setup_s, self._set_up)

    def _far(self, channel: Channel, delay: float, act: Callable[[Channel], None]) -> None:
        channel.far_timer = self.loop.call_later(delay, act, channel)

    def _set_up(self, channel: Channel) -> None:
        party = channel.party
        if party.ring_s is None:
            if party.answer is not Answer.NOTHING:
                self._final(channel)
            return
        if party.early_media:
            self.dial_event(channel, "DialState", "DialStatus: PROGRESS\r\n")
        else:
            ringing = "DialStatus: RINGING\r\n"
            early = self.rng.random() < _DIAL_STATE_FIRST
            if early:
                self.dial_event(channel, "DialState", ringing)
            channel.state = ChannelState.RINGING
            self.event(channel, "Newstate")
            if not early:
                self.dial_event(channel, "DialState", ringing)
        if party.early_media and channel.dial_request.early_media_answers:
            self._answered(channel)  # the dialer asked to be connected to the ringback
        elif party.answer is not Answer.NOTHING:
            self._far(channel, party.ring_s, self._final)

    def _final(self, channel: Channel) -> None:
        if channel.party.answer is Answer.PICKED_UP:
            self._answered(channel)
        else:
            status = channel.party.sip_status
            forward = ""
            if 300 <= status < 400:
                self._forwarded(FORWARD_TO)
                forward = FORWARD_TO
            cause = cause_of_sip(status)
            self.event(channel, "HangupRequest", f"Cause: {cause}\r\nTechCause: {status}\r\n")
            self._end(channel, cause, status, forward=forward)

    def _forwarded(self, number: str) -> None:
        """A 302 is followed by Asterisk through a Local channel, into the trunk's dead end."""
        self._sequence += 1
        stem, first = f"Local/{number}@{NOWHERE}-{self._sequence:08x}", f"{int(self.loop.time())}"
        party = CalledParty(tag="forward")
        for half, state in ((";2", ChannelState.RING), (";1", ChannelState.DOWN)):
            dial = Dial(f"{stem}{half}", exten=number)
            local = Channel(stem + half, f"{first}.{self._sequence}{half[1]}", dial, party)
            local.context, local.exten, local.state = NOWHERE, number, state
            local.linkedid = f"{first}.{self._sequence}1"
            self.event(local, "Hangup", f"Cause: 0\r\nCause-txt: {cause_text(0)}\r\n")

    def _gave_up(self, channel: Channel) -> None:
        """Our Timeout: no DialEnd, Reason 3, and a SIP status that nobody sent."""
        self._end(channel, NO_ANSWER, synthetic_sip(NO_ANSWER), gave_up=True)

    def _answered(self, channel: Channel) -> None:
        if channel.timeout_timer:
            channel.timeout_timer.cancel()
        channel.state = ChannelState.UP
        dialled = channel.dial is DialStage.DIALLING
        if not dialled:  # somebody bridged it while it rang: no dialplan waits for it
            self.event(channel, "Newstate")
            self._conversation(channel)
            return
        channel.dial = DialStage.ENDED
        when = self.rng.random()
        if when < 0.15:  # the originate thread is not bound to the order of channel events
            self._originate_response(channel.dial_request, channel, 4)
        self.event(channel, "Newstate")
        if 0.15 <= when < 0.3:
            self._originate_response(channel.dial_request, channel, 4)
        self.dial_event(channel, "DialEnd", "DialStatus: ANSWER\r\n")
        channel.context, channel.exten, _ = channel.target
        if when >= 0.3:
            late_s = self.rng.uniform(0.0, _HANDOVER_MAX_S)
            channel.response_timer = self.loop.call_later(late_s, self._late_response, channel)
        if channel.dial_done:
            channel.dial_done(True)
        channel.step_timer = self.loop.call_later(_HANDOVER_S, self.dialplan.start, channel)
        if channel.party.bye_after_s is not None:
            self._far(channel, channel.party.bye_after_s, self.far_hang_up)

    def _late_response(self, channel: Channel) -> None:
        channel.response_timer = None
        self._originate_response(channel.dial_request, channel, 4)

    def _originate_response(self, dial: Dial, channel: Channel | None, reason: int) -> None:
        if not self.sink.wanted("OriginateResponse"):
            return
        success = reason == 4
        shown = channel.name if channel and success else dial.channel
        where = (
            f"Application: {dial.application}\r\nData: {dial.app_data}\r\n"
            if dial.application
            else f"Context: {dial.context}\r\nExten: {dial.exten}\r\n"
        )
        uniqueid = channel.uniqueid if channel and success else dial.channel_id or "<unknown>"
        action = f"ActionID: {dial.action_id}\r\n" if dial.action_id else ""
        self.sink.publish(
            "OriginateResponse",
            "call",
            f"{action}"
            f"Response: {'Success' if success else 'Failure'}\r\n"
            f"Channel: {shown}\r\n"
            f"{where}"
            f"Reason: {reason}\r\n"
            f"Uniqueid: {uniqueid}\r\n"
            f"CallerIDNum: {dial.cid_num or '<unknown>'}\r\n"
            f"CallerIDName: {dial.cid_name or '<unknown>'}\r\n",
        )

    # --- hanging up ---------------------------------------------------------------------------

    def far_hang_up(self, channel: Channel) -> None:
        """The far end says BYE. In the dialplan's first steps and in AMD no cause is kept; else the
        channel's thread needs a moment, in which a Bridge may bring it back to life."""
        unheard = channel.state is ChannelState.UP and channel.app in ("AMD", "AppDial2")
        if unheard and channel.app == "AppDial2":
            channel.priority = 3
        asked = f"Cause: {NORMAL_CLEARING}\r\n" if channel.app == "Playback" else ""
        self.event(channel, "HangupRequest", asked)
        if unheard or channel.state is not ChannelState.UP:
            self.hang_up(channel, 0 if unheard else NORMAL_CLEARING)
            return
        channel.fate = Fate.LEFT
        self.loop.call_later(_HANDOVER_S, self._left, channel)

    def _left(self, channel: Channel) -> None:
        if channel.fate is Fate.LEFT:
            self.hang_up(channel, NORMAL_CLEARING)

    def hang_up(self, channel: Channel, cause: int, tech_cause: int = 0) -> None:
        self._end(channel, cause, tech_cause)

    def request_hang_up(self, channel: Channel, cause: int) -> None:
        """An AMI Hangup: asked for now, done when the channel's thread gets to it."""
        if channel.fate in (Fate.HANGING_UP, Fate.GONE):
            return
        channel.fate = Fate.HANGING_UP
        channel.cause = cause
        extra = f"Cause: {cause}\r\n" if cause else ""
        self.event(channel, "SoftHangupRequest", extra)
        self.loop.call_later(_HANDOVER_S, self.hang_up, channel, cause, synthetic_sip(cause))

    def _end(
        self,
        channel: Channel,
        cause: int,
        tech_cause: int,
        *,
        gave_up: bool = False,
        forward: str = "",
    ) -> None:
        if channel.fate is Fate.GONE:
            return
        channel.fate = Fate.GONE
        channel.cancel_timers()
        self.leave(channel)
        self._unpark(channel)
        self.end_recording(channel)
        del self.channels[channel.uniqueid]
        del self._by_name[channel.name.lower()]
        for ear in [c for c in self.channels.values() if c.spied == channel.uniqueid]:
            ear.step_timer = self.loop.call_later(_HANDOVER_S, self.dialplan.over, ear)
        tech = f"TechCause: {tech_cause}\r\n" if tech_cause else ""
        extra = f"Cause: {cause}\r\nCause-txt: {cause_text(cause)}\r\n{tech}"
        if channel.dial is DialStage.ENDED:
            news: list[Callable[[], None]] = [lambda: self.event(channel, "Hangup", extra)]
            if channel.response_timer:
                channel.response_timer.cancel()
                news.append(lambda: self._late_response(channel))
            self._tell(news)
            return
        channel.dial = DialStage.ENDED
        news = [
            lambda: self.event(channel, "Hangup", extra),
            lambda: self._originate_response(channel.dial_request, channel, 3 if gave_up else 0),
        ]
        if not gave_up:
            status = "CANCEL" if forward else dial_status(cause)
            extra_end = f"Forward: {forward}\r\n" if forward else ""
            extra_end += f"DialStatus: {status}\r\n"
            news.append(lambda: self.dial_event(channel, "DialEnd", extra_end))
        self._tell(news)
        if channel.dial_done:
            channel.dial_done(False)

    def _tell(self, news: list[Callable[[], None]]) -> None:
        """What different threads of Asterisk say of one moment, in any order."""
        if len(news) > 1:
            self.rng.shuffle(news)
        for tell in news:
            tell()

    # --- recordings ---------------------------------------------------------------------------

    def record(self, channel: Channel, name: str) -> None:
        channel.recording, channel.recording_since = f"{name}.wav", self.loop.time()
        self.recordings.begin(channel.recording)
        self.event(channel, "MixMonitorStart")

    def end_recording(self, channel: Channel) -> None:
        if channel.recording:
            seconds = self.loop.time() - channel.recording_since
            self.recordings.end(channel.recording, seconds, self.epoch())
            channel.recording = ""
            self.event(channel, "MixMonitorStop")

    # --- bridges ------------------------------------------------------------------------------

    def new_bridge(self, name: str = "") -> Bridge:
        bridge = Bridge(str(uuid.UUID(int=self.rng.getrandbits(128), version=4)), name=name)
        self.bridges[bridge.uniqueid] = bridge
        self.bridge_event(bridge, "BridgeCreate")
        return bridge

    def enter(self, channel: Channel, bridge: Bridge) -> None:
        bridge.members.append(channel)
        channel.bridge = bridge
        if bridge.holding:
            channel.parking = bridge
        elif len(bridge.members) == 2:
            eldest = min(bridge.members, key=lambda member: member.created)
            for member in bridge.members:
                member.linkedid = eldest.linkedid
        self.bridge_event(bridge, "BridgeEnter", channel)
        if len(bridge.members) == 2 and not any(c.recording for c in bridge.members):
            bridge.technology = "native_rtp"  # found out once both are in

    def unpark(self, channel: Channel) -> None:
        """The channel's BridgeWait returned: its holding bridge is gone."""
        if channel.bridge is not None and channel.bridge is channel.parking:
            self.leave(channel)
        self._unpark(channel)

    def _unpark(self, channel: Channel) -> None:
        if channel.parking is not None:
            self._destroy(channel.parking)
            channel.parking = None

    def leave(self, channel: Channel) -> None:
        """Take a channel out of its bridge; an empty bridge, or a conversation with one, ends."""
        bridge = channel.bridge
        if bridge is None:
            return
        channel.bridge = None
        bridge.members.remove(channel)
        channel.peer = ""
        self.bridge_event(bridge, "BridgeLeave", channel)
        if bridge.holding:
            return
        rest = list(bridge.members)
        for other in rest:
            other.bridge = None
            other.peer = ""
            bridge.members.remove(other)
            if other.far_timer:
                other.far_timer.cancel()
            self.bridge_event(bridge, "BridgeLeave", other)
        self._destroy(bridge)
        for other in rest:
            other.step_timer = self.loop.call_later(_HANDOVER_S, self.dialplan.resume, other)

    def _destroy(self, bridge: Bridge) -> None:
        if self.bridges.pop(bridge.uniqueid, None):
            self.bridge_event(bridge, "BridgeDestroy")

    def bridge(self, name1: str, name2: str) -> None:
        """AMI Bridge. It asks for nothing but two living channels. `Refused` with its Message."""
        if not name1 or not name2:
            raise Refused("Missing channel parameter in request")
        first = self.find_prefix(name1)
        if first is None:
            raise Refused(f"Channel1 does not exist: {name1}")
        second = self.find_prefix(name2)
        if second is None:
            raise Refused(f"Channel2 does not exist: {name2}")
        bridge = self.new_bridge()
        for position, channel in ((1, first), (2, second)):
            leaves = channel.fate in (Fate.LEFT, Fate.HANGING_UP) and not self._revived(channel)
            if leaves or channel in bridge.members:
                for stranded in list(bridge.members):
                    self.leave(stranded)
                    stranded.step_timer = self.loop.call_later(
                        _HANDOVER_S, self.dialplan.resume, stranded
                    )
                self._destroy(bridge)
                raise Refused(f"Unable to add Channel{position} to bridge: {channel.name}")
            if channel.bridge is None and channel.dial is DialStage.ENDED:
                channel.priority += 1  # taken out of an application, to go on after it
            self._pull(channel)
            self.enter(channel, bridge)
        first.peer, second.peer = second.name, first.name
        self.log.bridged(first.uniqueid, second.uniqueid)
        for channel in (first, second):
            self._conversation(channel)

    def _revived(self, channel: Channel) -> bool:
        """Whether a Bridge takes over a channel whose far end has just gone: nobody is there to end
        it then."""
        if channel.fate is not Fate.LEFT or self.rng.random() < 0.5:
            return False
        channel.party = replace(channel.party, talk_s=float("inf"), bye_after_s=None)
        return True

    def dial_for(
        self, channel: Channel, resource: str, ring_s: float, failed: Callable[[Channel], None]
    ) -> None:
        """The application Dial: ring somebody for this channel; `failed` when nobody answers."""

        def ended(answered: bool) -> None:
            if not answered and channel.fate is Fate.ALIVE:
                failed(channel)

        name = channel.uniqueid
        dial = Dial(resource, application=DIALLED_FOR, app_data=name, timeout_s=ring_s)
        self.originate(replace(dial, cid_num=channel.cid_num, cid_name=channel.cid_name), ended)

    def join(self, waiting: str, answered: Channel) -> None:
        """Who was rung answered: both into a bridge; nobody waits any more: hang up."""
        channel = self.channels.get(waiting)
        if channel is None or channel.fate is not Fate.ALIVE:
            self.hang_up(answered, NORMAL_CLEARING)
            return
        bridge = self.new_bridge()
        for one, other in ((channel, answered), (answered, channel)):
            self.enter(one, bridge)
            one.peer = other.name
        self.log.bridged(channel.uniqueid, answered.uniqueid)
        for one in (channel, answered):
            self._conversation(one)

    def _pull(self, channel: Channel) -> None:
        """Take a channel from wherever it is: holding bridge, conversation, dialplan, ringing."""
        if channel.step_timer:
            channel.step_timer.cancel()
        channel.fate = Fate.ALIVE
        self.leave(channel)
        if channel.dial is DialStage.DIALLING:  # its Originate has lost it, and says so
            channel.dial = DialStage.ENDED
            if channel.timeout_timer:
                channel.timeout_timer.cancel()
            self._originate_response(channel.dial_request, channel, 0)
            if channel.dial_done:
                channel.dial_done(False)

    def _conversation(self, channel: Channel) -> None:
        """An answered far end in a conversation talks for as long as it has a mind to."""
        if channel.state is not ChannelState.UP or channel.bridge is None:
            return
        talk_s, bye_s = channel.party.talk_s, channel.party.bye_after_s
        if talk_s == float("inf") or bye_s is not None:
            return
        if channel.far_timer:
            channel.far_timer.cancel()
        self._far(channel, talk_s, self.far_hang_up)

    # --- redirecting --------------------------------------------------------------------------

    def redirect(self, name: str, context: str, exten: str, priority: str) -> None:
        """AMI Redirect of one channel; success means no more than that it was asked for."""
        for value, what in ((name, "Channel"), (context, "Context"), (exten, "Exten")):
            if not value:
                raise Refused(f"{what} not specified")
        if not priority:
            raise Refused("Priority not specified")
        if not self.dialplan.exists(context, exten, priority):
            raise Refused("Priority is invalid")
        channel = self.find(name)
        if channel is None:
            raise Refused(f"Channel does not exist: {name}")
        if channel.fate in (Fate.LEFT, Fate.HANGING_UP):
            raise Refused("Redirect failed, channel not up.")
        if channel.fate is Fate.GOTO_PENDING:
            return  # dropped without a word
        channel.fate = Fate.GOTO_PENDING
        self.loop.call_later(_HANDOVER_S, self._redirected, channel, context, exten, priority)

    def _redirected(self, channel: Channel, context: str, exten: str, priority: str) -> None:
        if channel.fate is not Fate.GOTO_PENDING:
            return
        channel.priority = self.dialplan.priority_of(context, exten, priority)
        channel.spied = ""
        self._pull(channel)
        self._unpark(channel)
        self.dialplan.jump(channel, context, exten, priority)
