"""What must never happen, tried over random histories against a twin of Asterisk.

The twin is as treacherous as the real one: it steals a talking agent when asked to, bridges a
customer who still rings, tells of things late, loses what was under way when the link breaks or it
is restarted. Every promise is checked against the twin's truth, not against the core's belief.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field, replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.modes import Mode, MonitorMode
from dialer.core.outcomes import Outcome
from dialer.core.states import AT_WORK, AgentState, CallState
from dialer.snapshot import CallAbandoned, CallerLeft, CallServed, Decision
from tests.core.playbook import RULES, lead

Place = ev.ChannelPlace
AGENTS = ("anna", "ben", "carla")
AUTUMN = ev.CampaignRules("autumn", "main", "trunk", "+493012345", amd=True)
SPRING = replace(RULES, offer_after_s=0.5, preview_limit_s=20.0)
CAMPAIGNS = (RULES.name, AUTUMN.name)
# Facts that may be told twice, or long after; each was true when it was first told.
MAY_REPEAT = (ev.LegRinging, ev.LegAnswered, ev.PersonDetected, ev.OriginateFailed, ev.LegHungUp)


@dataclass
class Channel:
    leg: str
    name: str
    agent: bool
    place: Place
    answered_at: float | None = None
    parked_at: float | None = None
    peer: str = ""
    out: bool = False  # a customer sent on to a number outside
    hold_s: float = 2.0  # the dead-man timer of where he waits
    spies: str = ""  # the customer whose conversation a supervisor's channel hangs on
    joins: str = ""  # ... and an agent's, who is the third in it
    kept: bool = False  # was on hold: back at the music when the other end is lost
    rang_at: float | None = None
    given_up: bool = False  # a Hangup is under way to it


@dataclass
class Twin:
    """Asterisk's truth. `told` are events on the wire that the dialer has not read yet."""

    told: list[ev.Event] = field(default_factory=list)
    channels: dict[str, Channel] = field(default_factory=dict)
    up: bool = True
    originated: Counter[str] = field(default_factory=Counter)
    stolen: int = 0
    handed_on: set[str] = field(default_factory=set)  # customers an agent wants to hand on
    bridged_unanswered: int = 0
    crossed: set[str] = field(default_factory=set)  # answered, and cut off by our Hangup
    number: int = 0

    def tell(self, event: ev.Event) -> None:
        if self.up:
            self.told.append(event)

    def originate(self, command: cmd.Originate | cmd.RingAgent) -> None:
        agent = isinstance(command, cmd.RingAgent)
        leg = command.leg if agent else command.attempt
        if not self.up:
            return
        if leg in self.channels:
            self.tell(ev.OriginateFailed(leg, refused="unique id in use"))
            return
        self.originated[leg] += not agent
        self.number += 1
        self.channels[leg] = Channel(leg, f"PJSIP/x-{self.number}", agent, Place.RINGING)

    def leave(self, customer: Channel, now: float) -> None:
        """A leg is taken out of its conversation; an agent's at the other end parks by itself."""
        self.handed_on.discard(customer.leg)
        if customer.place is not Place.TALKING:
            return
        self.tell(ev.LegUnbridged(customer.leg, "b"))
        former = self.channels.get(customer.peer)
        customer.peer = ""
        if former is not None:
            self.tell(ev.LegUnbridged(former.leg, "b"))
            former.peer = ""
            if former.agent or former.kept:
                self.park(former, now)
            else:
                self.gone(former.leg, 16, now)

    def hold(self, command: cmd.HoldCustomer, now: float) -> None:
        customer = self.channels.get(command.attempt)
        if self.up and customer is not None:
            asked = customer.leg in self.handed_on or customer.kept
            assert asked, "put on hold, and nobody asked for it"
            self.leave(customer, now)
            customer.hold_s, customer.kept = 300.0, True
            self.park(customer, now)

    def ring_outside(self, command: cmd.RingOutside) -> None:
        """As an agent's leg, his parks whenever it is left."""
        if self.up:
            self.number += 1
            name = f"PJSIP/o-{self.number}"
            self.channels[command.leg] = Channel(command.leg, name, True, Place.RINGING)

    def join(self, command: cmd.JoinTalk, now: float) -> None:
        agent = self.channels.get(command.leg)
        if not self.up or agent is None:
            return
        assert agent.place is Place.PARKED, "an agent left somebody for a conversation of three"
        self.tell(ev.MonitorBegan(agent.leg, MonitorMode.BARGE))
        agent.place, agent.joins = Place.DIALPLAN, command.customer_leg
        if command.customer_leg not in self.channels:
            agent.joins = ""
            self.park(agent, now)

    def park_agent(self, leg: str, now: float) -> None:
        agent = self.channels.get(leg)
        if self.up and agent is not None and agent.joins:
            agent.joins = ""
            self.park(agent, now)
        elif self.up and agent is not None and agent.place is Place.TALKING:
            peer = self.channels.get(agent.peer)
            assert peer is None or peer.agent, "a customer lost his agent"
            self.leave(agent, now)
            self.park(agent, now)

    def send_out(self, command: cmd.SendOut, now: float) -> None:
        customer = self.channels.get(command.attempt)
        if not self.up or customer is None:
            return
        assert customer.leg in self.handed_on, "sent out, and nobody asked for it"
        self.leave(customer, now)
        customer.place, customer.out = Place.DIALPLAN, True

    def outside(self, customer: Channel, answered: bool, now: float) -> None:
        if answered:
            customer.place = Place.TALKING
            self.tell(ev.LegBridged(customer.leg, "out"))
        else:
            customer.out, customer.hold_s = False, 60.0
            self.park(customer, now)

    def ring_supervisor(self, command: cmd.RingSupervisor) -> None:
        if self.up:
            self.number += 1
            name, whom = f"PJSIP/s-{self.number}", command.customer_leg
            self.channels[command.leg] = Channel(command.leg, name, True, Place.RINGING, spies=whom)

    def listen(self, channel: Channel, now: float) -> None:
        """ChanSpy: over at once when there is nobody (any more)."""
        channel.place = Place.DIALPLAN
        if channel.spies in self.channels:
            self.tell(ev.MonitorBegan(channel.leg, MonitorMode.LISTEN))
        else:
            self.gone(channel.leg, 16, now)

    def park(self, channel: Channel, now: float) -> None:
        channel.place, channel.peer, channel.parked_at = Place.PARKED, "", now
        self.tell(ev.LegParked(channel.leg, channel.name))

    def bridge(self, command: cmd.Bridge, now: float) -> None:
        if not self.up:
            return
        agent = self.channels.get(command.agent_leg)
        customer = self.channels.get(command.customer_leg)
        if agent is None or customer is None:
            text = "no such channel"
            self.tell(ev.BridgeFailed(command.agent_leg, command.customer_leg, text))
            return
        handed_on = customer.leg in self.handed_on
        taken_from = customer.place is Place.TALKING and not customer.agent and not handed_on
        peer = self.channels.get(agent.peer)
        with_a_customer = agent.place is Place.TALKING and peer is not None and not peer.agent
        with_a_customer = with_a_customer and agent.peer not in self.handed_on
        self.stolen += with_a_customer or taken_from
        self.leave(agent, now)
        if customer.place is Place.TALKING:
            self.leave(customer, now)
        self.bridged_unanswered += customer.answered_at is None
        for one, other in ((agent, customer), (customer, agent)):
            one.place, one.peer = Place.TALKING, other.leg
            self.tell(ev.LegBridged(one.leg, "b"))

    def gone(self, leg: str, cause: int, now: float) -> None:
        channel = self.channels.pop(leg, None)
        if channel is None:
            return
        peer = self.channels.get(channel.peer)
        if channel.place is Place.TALKING and peer is not None:
            self.tell(ev.LegUnbridged(leg, "b"))
            self.tell(ev.LegUnbridged(peer.leg, "b"))
            if peer.agent or peer.kept:
                self.park(peer, now)
            else:  # the dialplan goes on behind BridgeWait: a conversation took place, hang up
                peer.place, peer.peer = Place.DIALPLAN, ""
                self.gone(peer.leg, 16, now)
        if not channel.agent and channel.answered_at is None:
            self.tell(ev.OriginateFailed(leg))
        self.tell(ev.LegHungUp(leg, cause))
        for one in [one for one in self.channels.values() if one.joins == leg]:
            one.joins = ""
            self.park(one, now)
        for ear in [one.leg for one in self.channels.values() if one.spies == leg]:
            if self.channels[ear].place is Place.DIALPLAN:
                self.gone(ear, 16, now)

    def act_on_hangups(self, now: float) -> None:
        """Those given up while they rang; who has answered meanwhile is cut off all the same."""
        for channel in [one for one in self.channels.values() if one.given_up]:
            if channel.answered_at is not None:
                self.crossed.add(channel.leg)
            self.gone(channel.leg, 16, now)

    def found(self) -> tuple[ev.ChannelFound, ...]:
        return tuple(self.where(leg) for leg in self.channels)  # type: ignore[misc]

    def where(self, leg: str) -> ev.ChannelFound | None:
        channel = self.channels.get(leg)
        if channel is None:
            return None
        return ev.ChannelFound(leg, channel.name, channel.place, channel.peer)


class Promises(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.floor = Floor("t")
        self.twin = Twin()
        self.now = 1000.0
        self.linked = True
        self.outcomes: Counter[str] = Counter()
        self.recorded: list[str] = []
        self.planned: Counter[str] = Counter()
        self.lead_of: dict[str, ev.Lead] = {}
        self.silenced: set[int] = set()  # leads that were suppressed, by themselves or by number
        self.count = 0
        self.lives = 1
        self.asking: list[str] = []  # agents for whom a lead is looked for
        self.booked: dict[str, str] = {}  # attempt -> the agent it was made for
        self.shown: dict[int, str] = {}  # lead in preview -> agent
        self.heard: list[ev.Event] = []  # what may be told again
        # What the database holds besides: how far attempts came, with whom, and the sessions.
        self.stages: dict[str, set[cmd.Progress]] = {}
        self.talkers: dict[str, str] = {}
        self.sessions: dict[str, cmd.RecordSession] = {}
        self.closed = [0, 0]  # live, abandoned: by the outcomes on record
        self.told = [0, 0]  # ... and by what the pacer's account was told

    @initialize()
    def begin(self) -> None:
        self.say(ev.TrunkConfigured("main", "trunk", 50, 1000.0))
        self.say(ev.CampaignStarted(SPRING))
        self.say(ev.CampaignStarted(AUTUMN))
        self.say(ev.LinkResynced("main", ()))

    # --- the shell ---

    def say(self, event: ev.Event) -> None:
        self.do(self.floor.handle(event, self.now))

    def do(self, commands: list[cmd.Command]) -> None:
        for command in commands:
            match command:
                case cmd.Originate() | cmd.RingAgent():
                    if isinstance(command, cmd.Originate):
                        assert command.attempt in self.planned, "dialled before it was on record"
                        lead_id = self.lead_of[command.attempt].lead_id
                        assert lead_id not in self.silenced, "dialled after it was suppressed"
                    self.twin.originate(command)
                case cmd.HoldCustomer():
                    self.twin.hold(command, self.now)
                case cmd.ParkAgent(leg=leg):
                    self.twin.park_agent(leg, self.now)
                case cmd.SendOut():
                    self.twin.send_out(command, self.now)
                case cmd.RingOutside():
                    self.twin.ring_outside(command)
                case cmd.JoinTalk():
                    self.twin.join(command, self.now)
                case cmd.RingSupervisor():
                    self.twin.ring_supervisor(command)
                case cmd.Bridge():
                    whose = self.booked.get(command.customer_leg)
                    customer = self.twin.channels.get(command.customer_leg)
                    again = customer is not None and (
                        customer.place is Place.TALKING or customer.hold_s > 2.0
                    )
                    if whose is not None and not again:
                        agent = self.floor.agent_of_leg[command.agent_leg]
                        assert agent.name == whose, "somebody else got the call"
                    self.twin.bridge(command, self.now)
                case cmd.HangUp(leg=leg):
                    channel = self.twin.channels.get(leg)
                    if channel is not None and self.twin.up:
                        if channel.agent or self.seen_answered(leg):
                            self.twin.gone(leg, 16, self.now)
                        else:
                            self.given_up(channel)
                case cmd.PlayHarbour(attempt=leg):
                    self.to_harbour(leg, only_parked=False)
                case cmd.CheckLeg(leg=leg) if self.twin.up:
                    self.twin.tell(ev.LegChecked("main", leg, self.twin.where(leg)))
                case cmd.FetchLeadFor(agent=who):
                    self.asking.append(who)
                case cmd.RecordPreview(lead=whom):
                    assert self.shown.pop(whom.lead_id), "a preview ended twice"
                case cmd.RecordAttempt(attempt=attempt, lead=whom, booking=booking):
                    if booking is not None:
                        self.booked[attempt] = booking.agent
                    self.recorded.append(attempt)
                    self.lead_of[attempt] = whom
                case cmd.RecordProgress(attempt=attempt, progress=progress, agent=agent):
                    self.stages.setdefault(attempt, set()).add(progress)
                    self.talkers[attempt] = agent or self.talkers.get(attempt, "")
                case cmd.RecordSession(agent=who, status=status):
                    self.sessions[who] = command
                    if status is ev.Status.LOGGED_OUT and who not in self.floor.agents:
                        del self.sessions[who]
                case cmd.Observe(fact=fact):
                    self.account(fact)
                case cmd.RecordOutcome(attempt=attempt):
                    self.outcomes[attempt] += 1
                    if attempt in self.twin.crossed:
                        assert command.unserved, "who answered as he was given up is not counted"
                        assert command.outcome is Outcome.ABANDONED
                    self.closed[0] += command.outcome.live
                    self.closed[1] += command.unserved
                case cmd.FetchLeads(count=count):
                    name = command.campaign
                    leads = tuple(lead(self.count + n, name) for n in range(min(count, 20)))
                    self.count += 20
                    self.say(ev.LeadsOffered(name, leads, exhausted=True, next_ready_s=5))
                case _:
                    pass

    def seen_answered(self, leg: str) -> bool:
        call = self.floor.calls.get(leg)
        return call is not None and call.answered is not None

    def given_up(self, channel: Channel) -> None:
        rung_s = self.now - (self.now if channel.rang_at is None else channel.rang_at)
        assert rung_s >= ev.RING_MIN_S, "hung up sooner than the law allows"
        assert channel.leg not in self.booked, "an agent waits for him"
        assert not channel.given_up, "given up twice"
        channel.given_up = True

    def account(self, fact: object) -> None:
        """Count as the governor does."""
        match fact:
            case CallServed(waited_s=waited_s):
                assert waited_s >= 0
                self.told[0] += 1
                self.told[1] += waited_s > RULES.patience_s
            case CallAbandoned():
                self.told[0] += 1
                self.told[1] += 1
            case CallerLeft():
                self.told[0] += 1

    def to_harbour(self, leg: str, only_parked: bool) -> None:
        channel = self.twin.channels.get(leg)
        if channel is None or (not self.twin.up and not only_parked):
            return
        if channel.place is Place.PARKED or (not only_parked and channel.answered_at is not None):
            if channel.place is Place.TALKING:
                return
            channel.place = Place.HARBOUR
            self.twin.tell(ev.HarbourStarted(leg))

    # --- what happens ---

    @rule(n=st.integers(1, 6), name=st.sampled_from(CAMPAIGNS))
    def pacer_wants(self, n: int, name: str) -> None:
        self.say(ev.LinesDecided(name, Decision(n)))

    @rule(n=st.integers(1, 6), name=st.sampled_from(CAMPAIGNS))
    def pacer_gives_up(self, n: int, name: str) -> None:
        self.say(ev.LinesDecided(name, Decision(0, give_up=n)))

    @precondition(lambda self: self.linked)
    @rule(name=st.sampled_from(CAMPAIGNS), rings_s=st.sampled_from([14.0, 16.0]))
    def lines_that_ring_for_long(self, name: str, rings_s: float) -> None:
        """Straight to where they may be given up, and not quite."""
        self.pacer_wants(2, name)
        while self.recorded:
            self.store_commits()
        self.time_passes(0.05)
        for channel in self.twin.channels.values():
            if channel.place is Place.RINGING:
                self.rings(channel)
        while self.twin.told:
            self.hear(self.twin.told.pop(0))
        self.time_passes(rings_s)

    @rule()
    def pbx_acts_on_hangups(self) -> None:
        self.twin.act_on_hangups(self.now)

    @precondition(lambda self: self.recorded)
    @rule()
    def store_commits(self) -> None:
        attempt = self.recorded.pop(0)
        self.planned[attempt] += 1
        self.say(ev.AttemptRecorded(attempt))

    @rule(back=st.integers(0, 60), by_number=st.booleans(), many=st.integers(1, 5))
    def crm_suppresses(self, back: int, by_number: bool, many: int) -> None:
        """Leads anywhere on their way: in the hopper, being written, dialled, long ended."""
        some = [lead(n) for n in range(max(0, self.count - back - many), self.count - back)]
        before = len(self.twin.channels)
        self.silenced.update(one.lead_id for one in some)
        if by_number:
            self.say(ev.LeadSuppressed(phones=frozenset(one.phone for one in some)))
        else:
            self.say(ev.LeadSuppressed(frozenset(one.lead_id for one in some)))
        assert len(self.twin.channels) == before, "a call under way was cut"
        kept = [one for name in CAMPAIGNS for one in self.floor.campaigns[name].hopper]
        assert self.silenced.isdisjoint(one.lead_id for one in kept)

    @precondition(lambda self: self.asking)
    @rule(found=st.booleans(), mode=st.sampled_from([Mode.PREVIEW, Mode.PROGRESSIVE]))
    def store_finds_a_lead(self, found: bool, mode: Mode) -> None:
        who = self.asking.pop(0)
        if not found:
            self.say(ev.LeadForAgent(who, None, 3.0))
            return
        self.count += 1
        one = replace(lead(self.count), mode=mode)
        agent = self.floor.agents.get(who)
        if agent is not None and agent.state is AgentState.READY and mode is Mode.PREVIEW:
            self.shown[one.lead_id] = who
        self.say(ev.LeadForAgent(who, one))
        if self.on_screen(who) != one.lead_id:
            self.shown.pop(one.lead_id, None)  # given back: it was never shown

    def on_screen(self, who: str) -> int | None:
        agent = self.floor.agents.get(who)
        looking = agent is not None and agent.state is AgentState.PREVIEW
        return agent.lead.lead_id if agent is not None and looking and agent.lead else None

    @rule(who=st.sampled_from(AGENTS), accept=st.booleans())
    def agent_decides(self, who: str, accept: bool) -> None:
        number = self.on_screen(who)
        if number is not None:
            word = ev.PreviewAccepted(who, number) if accept else None
            self.say(word or ev.PreviewSkipped(who, number, "no"))

    @rule(who=st.sampled_from(AGENTS))
    def agent_calls_by_hand(self, who: str) -> None:
        self.count += 1
        self.say(ev.ManualCallAsked(who, replace(lead(self.count), mode=Mode.MANUAL)))

    @rule(who=st.sampled_from(AGENTS))
    def agent_logs_in(self, who: str) -> None:
        self.count += 1
        leg = f"od-t-a{self.count}"
        order = CAMPAIGNS if self.count % 2 else CAMPAIGNS[::-1]
        self.say(ev.AgentLoggedIn(who, leg, "main", who, order))

    @rule(who=st.sampled_from(AGENTS), status=st.sampled_from(list(ev.Status)))
    def agent_chooses(self, who: str, status: ev.Status) -> None:
        self.say(ev.StatusChosen(who, status))

    @rule(who=st.sampled_from(AGENTS), lost=st.booleans())
    def screen(self, who: str, lost: bool) -> None:
        self.say(ev.ScreenLost(who) if lost else ev.ScreenBack(who))

    @rule(who=st.sampled_from(AGENTS))
    def agent_hangs_up(self, who: str) -> None:
        self.say(ev.HangUpPressed(who))

    @rule(
        who=st.sampled_from(AGENTS),
        to=st.sampled_from([*AGENTS, "outside", "outside"]),
        asks=st.booleans(),
    )
    def agent_hands_on(self, who: str, to: str, asks: bool) -> None:
        agent = self.floor.agents.get(who)
        if agent is None:
            return
        before = self.floor.calls.get(agent.attempt)
        if before is not None and before.agent == who:
            self.twin.handed_on.add(agent.attempt)
        if to == "outside" and asks:
            self.say(ev.ConsultAsked(who, number="+493012345678", name="office"))
        elif to == "outside":
            self.say(ev.TransferAsked(who, number="+493012345678", name="office"))
        elif asks:
            self.say(ev.ConsultAsked(who, to))
        else:
            self.say(ev.TransferAsked(who, to_agent=to))
        if before is not None and before.state is CallState.TALKING:
            self.twin.handed_on.discard(before.attempt)  # nothing was sent

    @rule(who=st.sampled_from(AGENTS), complete=st.booleans())
    def agent_ends_asking(self, who: str, complete: bool) -> None:
        agent = self.floor.agents.get(who)
        call = None if agent is None else self.floor.calls.get(agent.attempt)
        if call is not None and call.third is not None and call.agent == who:
            self.twin.handed_on.add(call.attempt)
        self.say(ev.ConsultEnded(who, complete))

    @rule(who=st.sampled_from(AGENTS), what=st.sampled_from(["hold", "back", "record"]))
    def agent_holds(self, who: str, what: str) -> None:
        agent = self.floor.agents.get(who)
        if agent is not None and agent.attempt:
            self.twin.handed_on.add(agent.attempt)
        wish = ev.RecordingAsked(who) if what == "record" else ev.HoldAsked(who, what == "hold")
        self.say(wish)

    @rule(who=st.sampled_from(AGENTS), what=st.sampled_from([ev.SwapAsked, ev.JoinAsked]))
    def agent_turns(self, who: str, what: type[ev.SwapAsked | ev.JoinAsked]) -> None:
        """To the other one of customer and third, or to both."""
        agent = self.floor.agents.get(who)
        call = None if agent is None else self.floor.calls.get(agent.attempt)
        if call is not None and call.third is not None and call.agent == who:
            self.twin.handed_on.add(call.attempt)
        self.say(what(who))

    @precondition(lambda self: self.linked)
    @rule(
        name=st.sampled_from(CAMPAIGNS),
        steps=st.lists(st.sampled_from(["swap", "join", "complete", "back"]), max_size=4),
        hears=st.booleans(),
    )
    def three_of_them(self, name: str, steps: list[str], hears: bool) -> None:
        """Straight to somebody outside: what goes wrong with him is not left to rare luck."""
        self.agent_logs_in("anna")
        self.everybody_answers()
        self.an_ordinary_call("anna", name)
        self.agent_hands_on("anna", "outside", asks=True)
        for step in steps:
            if hears:
                self.time_passes(0.05)
                self.everybody_answers()
            match step:
                case "swap":
                    self.agent_turns("anna", ev.SwapAsked)
                case "join":
                    self.agent_turns("anna", ev.JoinAsked)
                case _:
                    self.agent_ends_asking("anna", step == "complete")

    @precondition(lambda self: self.linked)
    @rule(name=st.sampled_from(CAMPAIGNS), complete=st.booleans(), settles=st.booleans())
    def a_warm_hand_over(self, name: str, complete: bool, settles: bool) -> None:
        """Straight to one: what goes wrong in it is not left to rare luck."""
        for who in AGENTS[:2]:
            self.agent_logs_in(who)
        self.everybody_answers()
        self.an_ordinary_call("anna", name)
        self.say(ev.StatusChosen("ben", ev.Status.READY))
        self.agent_hands_on("anna", "ben", asks=True)
        if settles:
            self.everybody_answers()
            self.agent_ends_asking("anna", complete)

    @rule(who=st.sampled_from(AGENTS), mode=st.sampled_from(MonitorMode))
    def a_supervisor_listens_in(self, who: str, mode: MonitorMode) -> None:
        before = {name: agent.state for name, agent in self.floor.agents.items()}
        self.say(ev.MonitorAsked("sue", who, "main", "sue", mode))
        assert before == {name: agent.state for name, agent in self.floor.agents.items()}

    @rule()
    def the_supervisor_leaves(self) -> None:
        standing = {leg for leg, one in self.twin.channels.items() if not one.spies}
        self.say(ev.MonitorLeft("sue"))
        assert standing <= set(self.twin.channels), "somebody else was hung up"

    @rule(who=st.sampled_from(AGENTS))
    def agent_disposes(self, who: str) -> None:
        agent = self.floor.agents.get(who)
        if agent is not None and agent.attempt:
            self.say(ev.DispositionChosen(who, agent.attempt, "x"))

    @precondition(lambda self: self.twin.channels)
    @rule(data=st.data())
    def channel_moves(self, data: st.DataObject) -> None:
        leg = data.draw(st.sampled_from(sorted(self.twin.channels)))
        channel = self.twin.channels[leg]
        if channel.place is Place.RINGING:
            what = data.draw(st.sampled_from(["ring", "answer", "answer", "refuse", "machine"]))
            if what == "ring":
                self.rings(channel)
            elif what == "machine" and not channel.agent:
                channel.answered_at = self.now
                self.twin.tell(ev.LegAnswered(leg, channel.name))
                self.twin.tell(ev.MachineDetected(leg, "MAXWORDS"))
                self.twin.gone(leg, 16, self.now)
            elif what == "refuse":
                self.twin.gone(leg, 17, self.now)
            else:
                channel.answered_at = self.now
                self.twin.tell(ev.LegAnswered(leg, channel.name))
                if channel.spies:
                    self.twin.listen(channel, self.now)
                    return
                if not channel.agent:
                    self.twin.tell(ev.PersonDetected(leg))
                self.twin.park(channel, self.now)
        elif channel.out and channel.place is Place.DIALPLAN and data.draw(st.booleans()):
            self.twin.outside(channel, data.draw(st.booleans()), self.now)
        elif data.draw(st.booleans()) or not channel.agent:
            self.twin.gone(leg, 16, self.now)

    def rings(self, channel: Channel) -> None:
        channel.rang_at = self.now if channel.rang_at is None else channel.rang_at
        self.twin.tell(ev.LegRinging(channel.leg))

    @precondition(lambda self: self.twin.told)
    @rule(n=st.integers(1, 12))
    def wire_delivers(self, n: int) -> None:
        for _ in range(min(n, len(self.twin.told))):
            if self.linked and self.twin.told:
                self.hear(self.twin.told.pop(0))

    def hear(self, event: ev.Event) -> None:
        self.say(event)
        if isinstance(event, MAY_REPEAT) and event.leg.rpartition("-")[2].startswith("c"):
            self.heard = [*self.heard[-20:], event]

    @precondition(lambda self: self.linked)
    @rule(who=st.sampled_from(AGENTS), name=st.sampled_from(CAMPAIGNS))
    def an_ordinary_call(self, who: str, name: str) -> None:
        """Straight to a conversation: what goes wrong in one is not left to rare luck."""
        self.agent_logs_in(who)
        self.everybody_answers()
        self.say(ev.StatusChosen(who, ev.Status.READY))
        self.pacer_wants(1, name)
        while self.recorded:
            self.store_commits()
        self.time_passes(0.05)
        self.everybody_answers()

    def everybody_answers(self) -> None:
        for channel in [c for c in self.twin.channels.values() if c.place is Place.RINGING]:
            channel.answered_at = self.now
            self.twin.tell(ev.LegAnswered(channel.leg, channel.name))
            if channel.spies:
                self.twin.listen(channel, self.now)
            else:
                self.twin.park(channel, self.now)
        while self.twin.told:
            self.hear(self.twin.told.pop(0))

    @precondition(lambda self: self.linked and self.heard)
    @rule(data=st.data())
    def wire_repeats(self, data: st.DataObject) -> None:
        self.say(data.draw(st.sampled_from(self.heard)))

    @precondition(lambda self: self.linked and self.seen_up())
    @rule(data=st.data(), refused=st.sampled_from(["", "unique id in use"]))
    def a_failure_names_a_living_leg(self, data: st.DataObject, refused: str) -> None:
        """As that of a second Originate does."""
        leg = data.draw(st.sampled_from(self.seen_up()))
        self.say(ev.OriginateFailed(leg, refused=refused))
        assert leg in self.floor.calls, "a living leg was closed"

    def seen_up(self) -> list[str]:
        calls = self.floor.calls.values()
        return [c.attempt for c in calls if c.answered and c.attempt in self.twin.channels]

    @precondition(lambda self: self.planned)
    @rule(restarted=st.booleans())
    def the_dialer_is_killed(self, restarted: bool) -> None:
        """A new life of the core, with what the database holds and the PBX shows."""
        self.lives += 1
        self.the_link_is_gone()
        crossed = self.twin.crossed  # answered, but not told to be a person: nobody knows
        crossed &= {leg for leg, come in self.stages.items() if cmd.Progress.LIVE in come}
        self.recorded.clear()  # not committed: it never was
        self.asking.clear()
        self.shown.clear()
        self.floor = Floor(f"t{self.lives}")
        self.told = list(self.closed)  # the account is restored from the outcomes on record
        self.say(ev.TrunkConfigured("main", "trunk", 50, 1000.0))
        for rules in (SPRING, AUTUMN):
            self.say(ev.CampaignStarted(rules))
        for who, one in list(self.sessions.items()):
            self.say(
                ev.AgentRecovered(who, one.leg, "main", who, one.campaigns, one.status, one.reason)
            )
        for attempt in [one for one in self.planned if one not in self.outcomes]:
            self.say(self.recovered(attempt))
        self.link_returns(restarted)

    def recovered(self, attempt: str) -> ev.AttemptRecovered:
        come = self.stages.get(attempt, set())
        connected = cmd.Progress.CONNECTED in come
        live = connected or bool(come & {cmd.Progress.LIVE, cmd.Progress.HARBOUR})
        answered = live or cmd.Progress.ANSWERED in come
        who = self.talkers.get(attempt, "")
        whom = self.lead_of[attempt]
        return ev.AttemptRecovered(
            attempt,
            "main",
            whom,
            who,
            answered,
            live,
            connected,
            9.0,
            self.booked.get(attempt, ""),
        )

    @rule(seconds=st.sampled_from([0.05, 0.5, 1.0, 3.0, 30.0]))
    def time_passes(self, seconds: float) -> None:
        end = self.now + seconds
        self.twin.act_on_hangups(self.now)
        while self.now < end:
            due = self.floor.next_deadline()
            self.now = min(end, max(self.now, due if due is not None else end) + 1e-6)
            for channel in list(self.twin.channels.values()):  # Asterisk's dead-man timer
                since = channel.parked_at
                if not channel.agent and since is not None and self.now - since >= channel.hold_s:
                    self.to_harbour(channel.leg, only_parked=True)
            self.do(self.floor.tick(self.now))

    @precondition(lambda self: self.linked)
    @rule(heard=st.booleans())
    def link_breaks(self, heard: bool) -> None:
        """`heard`: what was sent to the PBX came there before."""
        if heard:
            self.twin.act_on_hangups(self.now)
        self.the_link_is_gone()
        self.say(ev.LinkLost("main", "reset"))

    def the_link_is_gone(self) -> None:
        self.linked = self.twin.up = False
        for channel in self.twin.channels.values():
            channel.given_up = False
        for leg in [e.leg for e in self.twin.told if isinstance(e, ev.LegAnswered)]:
            self.twin.crossed.discard(leg)  # nobody will hear that he answered
        self.twin.told.clear()

    @precondition(lambda self: not self.linked)
    @rule(restarted=st.booleans())
    def link_returns(self, restarted: bool) -> None:
        if restarted:
            self.twin.channels.clear()
        self.linked = self.twin.up = True
        self.say(ev.LinkResynced("main", self.twin.found(), restarted))

    # --- what must never be ---

    @invariant()
    def nobody_is_dialled_twice(self) -> None:
        assert not [leg for leg, n in self.twin.originated.items() if n > 1]

    @invariant()
    def no_agent_gets_a_second_caller(self) -> None:
        assert self.twin.stolen == 0
        takers = Counter(c.agent for c in self.floor.calls.values() if c.state == "connecting")
        assert all(n == 1 for n in takers.values())

    @invariant()
    def whoever_is_kept_free_is_kept_for_a_call(self) -> None:
        for agent in self.floor.agents.values():
            if agent.state is AgentState.DIALLING:
                assert self.floor.calls[agent.attempt].booking is not None
                assert agent.name not in self.floor.campaigns[RULES.name].idle
        assert all(self.on_screen(who) == number for number, who in self.shown.items())

    @invariant()
    def staffed_time_is_on_record(self) -> None:
        for agent in self.floor.agents.values():
            kept = self.sessions[agent.name].state in {one.value for one in AT_WORK}
            assert kept == (agent.state in AT_WORK), agent

    @invariant()
    def nobody_is_bridged_before_the_answer(self) -> None:
        assert self.twin.bridged_unanswered == 0

    @invariant()
    def every_attempt_has_one_outcome_at_most(self) -> None:
        assert all(n == 1 for n in self.outcomes.values())

    @invariant()
    def the_trunk_is_counted_right(self) -> None:
        lines = sum(call.lines for call in self.floor.calls.values())
        assert self.floor.trunk("main", "trunk").in_use == lines

    def teardown(self) -> None:
        """Everybody hangs up, the link is whole: nothing may be left behind."""
        if not self.linked:
            self.link_returns(restarted=False)
        for name in CAMPAIGNS:
            self.say(ev.CampaignStopped(name))
        while self.recorded:
            self.store_commits()
        for _ in range(40):
            for leg in list(self.twin.channels):
                channel = self.twin.channels.get(leg)
                if channel is not None and not channel.agent:
                    self.twin.gone(leg, 16, self.now)
            while self.twin.told:
                self.say(self.twin.told.pop(0))
            self.time_passes(30.0)
        assert not self.floor.calls
        assert not self.floor.monitors, "a supervisor hears on after the call"
        assert not self.floor.third_of_leg
        left = [leg for leg in self.twin.channels if leg.rpartition("-")[2].startswith("t")]
        assert not left, "somebody outside hears music for ever"
        assert set(self.outcomes) == set(self.planned)
        assert self.told == self.closed, "the account and the outcomes disagree"
        lingering = (
            AgentState.RESERVED,
            AgentState.TALK,
            AgentState.UNKNOWN,
            AgentState.DIALLING,
            AgentState.PREVIEW,
        )
        assert not [a for a in self.floor.agents.values() if a.state in lingering]


Promises.TestCase.settings = settings(
    max_examples=int(os.environ.get("OVERDIAL_EXAMPLES", "100")),
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
TestPromises = Promises.TestCase
