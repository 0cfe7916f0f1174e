"""The PBX of a simulated day: carries out the core's commands and tells it what the world does.

It speaks in facts, in the order in which the translation of a real Asterisk's events gives them
(docs/pbx-contract.md), and keeps the contract's own promises: a customer who waits is sent to the
message by the dialplan's timer when nobody else does it, also while the link is down. What happens
while the link is down is not told; a listing at its return is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.events import ChannelFound, ChannelPlace
from simulator.full.agenda import Agenda
from simulator.pbx.causes import cause_of_sip
from simulator.world import Amd, CallPlan, Kind

PBX = "main"
MESSAGE_S = 6.0  # of the safe-harbour message, then the line is hung up
DEAD_MAN_S = 2.05  # the dialplan's own timer; a moment after the core's
_CLEARING, _RANG_OUT = 16, 19  # Q.850

PbxCommand = (
    cmd.Originate | cmd.RingAgent | cmd.Bridge | cmd.PlayHarbour | cmd.HangUp | cmd.CheckLeg
)


@dataclass(slots=True, eq=False)
class Line:
    """A customer's channel. `agent` is the leg it is bridged with; `live_at` when it went live."""

    leg: str
    campaign: str
    plan: CallPlan
    place: ChannelPlace | None = ChannelPlace.RINGING
    agent: str = ""
    live_at: float = 0.0

    @property
    def person(self) -> bool:
        return self.plan.kind is Kind.PERSON


@dataclass(slots=True)
class Truth:
    """What happened to a campaign's people, as the world knows it and no dialer can."""

    lines: int = 0
    people: int = 0
    live: int = 0
    served: int = 0
    abandoned: int = 0
    left: int = 0
    rejected: int = 0
    machines_served: int = 0
    machines_abandoned: int = 0
    given_up: int = 0
    waits: list[float] = field(default_factory=list)


class Exchange:
    """`plan(attempt)` is whom a line meets; `speed(agent leg)` multiplies talk times."""

    def __init__(
        self,
        agenda: Agenda,
        tell: Callable[[ev.Event], None],
        plan: Callable[[str], tuple[str, CallPlan]],
        speed: Callable[[str], float],
        wait_limit_s: float,
    ) -> None:
        self.truth: dict[str, Truth] = {}
        self._agenda = agenda
        self._tell_core = tell
        self._plan = plan
        self._speed = speed
        self._wait_limit_s = wait_limit_s
        self._lines: dict[str, Line] = {}
        self._agents: dict[str, str] = {}  # leg -> the customer's leg, "" when parked
        self._up = True

    @property
    def lines_up(self) -> int:
        return len(self._lines)

    def plan_of(self, attempt: str) -> CallPlan | None:
        line = self._lines.get(attempt)
        return None if line is None else line.plan

    # --- commands -----------------------------------------------------------------------------

    def send(self, command: PbxCommand) -> None:
        if not self._up:
            return  # nobody hears it; the core reconciles when the link is back
        match command:
            case cmd.Originate():
                self._originate(command)
            case cmd.Bridge():
                self._bridge(command)
            case cmd.RingAgent():
                self._agents[command.leg] = ""
                self._tell(ev.LegAnswered(command.leg, _channel(command.leg)))
                self._tell(ev.LegParked(command.leg, _channel(command.leg)))
            case cmd.PlayHarbour():
                if (line := self._lines.get(command.attempt)) is not None:
                    self._message(line)
            case cmd.HangUp():
                self._hang_up(command.leg)
            case cmd.CheckLeg():
                self._tell(ev.LegChecked(PBX, command.leg, self._found(command.leg)))

    def _originate(self, command: cmd.Originate) -> None:
        campaign, plan = self._plan(command.attempt)
        line = self._lines[command.attempt] = Line(command.attempt, campaign, plan)
        self.truth[campaign].lines += 1
        if plan.ring_s is None:
            self._agenda.after(plan.setup_s + plan.fail_s, self._refuse, line)
        else:
            self._agenda.after(plan.setup_s, self._ring, line)

    def _bridge(self, command: cmd.Bridge) -> None:
        line = self._lines.get(command.customer_leg)
        free = self._agents.get(command.agent_leg) == ""
        if line is None or line.place is not ChannelPlace.PARKED or not free:
            self._tell(
                ev.BridgeFailed(command.agent_leg, command.customer_leg, "Channel not found")
            )
            return
        now = self._agenda.clock.time
        line.place, line.agent = ChannelPlace.TALKING, command.agent_leg
        self._agents[command.agent_leg] = line.leg
        truth = self.truth[line.campaign]
        if line.person:
            truth.served += 1
            truth.waits.append(now - line.live_at)
        else:
            truth.machines_served += 1
        bridge = f"b-{line.leg}"
        self._tell(ev.LegBridged(command.agent_leg, bridge, now))
        self._tell(ev.LegBridged(line.leg, bridge, now))
        self._agenda.after(line.plan.talk_s * self._speed(command.agent_leg), self._talked, line)

    def _hang_up(self, leg: str) -> None:
        if (line := self._lines.get(leg)) is not None:
            self.truth[line.campaign].given_up += line.place is ChannelPlace.RINGING
            self._gone(line, _CLEARING)
        elif leg in self._agents:
            talking = self._agents.pop(leg)
            if talking and (line := self._lines.get(talking)) is not None:
                line.agent = ""
                self._gone(line, _CLEARING)
            self._tell(ev.LegHungUp(leg, _CLEARING))

    # --- the world ----------------------------------------------------------------------------

    def _refuse(self, line: Line) -> None:
        status = line.plan.sip_status
        self._gone(line, cause_of_sip(status), status)

    def _ring(self, line: Line) -> None:
        self._tell(ev.LegRinging(line.leg))
        self._agenda.after(line.plan.ring_s or 0.0, self._ring_over, line)

    def _ring_over(self, line: Line) -> None:
        if line.place is None:
            return  # given up before that
        plan = line.plan
        if not plan.answered:
            if plan.kind is Kind.NO_ANSWER:
                self._gone(line, _RANG_OUT, 480)
            else:
                self._refuse(line)
            return
        if line.person:
            self.truth[line.campaign].people += 1
        line.place = ChannelPlace.DIALPLAN
        self._tell(ev.LegAnswered(line.leg, _channel(line.leg)))
        if plan.amd is None:
            self._live(line, "")
        elif plan.amd is Amd.MACHINE:
            self._agenda.after(plan.detect_s, self._rejected, line)
        else:
            self._agenda.after(plan.detect_s, self._live, line, "HUMAN")

    def _rejected(self, line: Line) -> None:
        self.truth[line.campaign].rejected += line.person
        self._tell(ev.MachineDetected(line.leg, "MACHINE"))
        self._gone(line, _CLEARING)

    def _live(self, line: Line, amd: str) -> None:
        line.place, line.live_at = ChannelPlace.PARKED, self._agenda.clock.time
        self.truth[line.campaign].live += line.person
        self._tell(ev.PersonDetected(line.leg, amd))
        self._tell(ev.LegParked(line.leg, _channel(line.leg)))
        self._agenda.after(DEAD_MAN_S, self._message, line)
        if line.plan.patience_s < self._wait_limit_s:
            self._agenda.after(line.plan.patience_s, self._leaves, line)

    def _leaves(self, line: Line) -> None:
        if line.place is ChannelPlace.PARKED:
            self.truth[line.campaign].left += line.person
            self._waited(line)
            self._gone(line, _CLEARING)

    def _message(self, line: Line) -> None:
        """Nobody came: the safe-harbour message, by the core's word or the dialplan's timer."""
        if line.place is not ChannelPlace.PARKED:
            return
        line.place = ChannelPlace.HARBOUR
        if line.person:
            self.truth[line.campaign].abandoned += 1
        else:
            self.truth[line.campaign].machines_abandoned += 1
        self._waited(line)
        self._tell(ev.HarbourStarted(line.leg))
        self._agenda.after(MESSAGE_S, self._gone, line, _CLEARING)

    def _waited(self, line: Line) -> None:
        if line.person:
            waited = self._agenda.clock.time - line.live_at
            self.truth[line.campaign].waits.append(min(waited, self._wait_limit_s))

    def _talked(self, line: Line) -> None:
        if line.place is ChannelPlace.TALKING:
            self._gone(line, _CLEARING)

    def _gone(self, line: Line, cause: int, tech_cause: int | None = None) -> None:
        if self._lines.pop(line.leg, None) is None:
            return  # hung up already
        line.place = None
        if line.agent:
            self._tell(ev.LegUnbridged(line.leg, f"b-{line.leg}", self._agenda.clock.time))
            self._agents[line.agent] = ""
        self._tell(ev.LegHungUp(line.leg, cause, tech_cause))
        if line.agent:
            self._tell(ev.LegParked(line.agent, _channel(line.agent)))

    # --- the link -----------------------------------------------------------------------------

    def lose_link(self) -> None:
        self._tell(ev.LinkLost(PBX, "the link was lost"))
        self._up = False

    def link_back(self) -> None:
        self._up = True
        legs = [*self._lines, *self._agents]
        found = tuple(one for leg in legs if (one := self._found(leg)) is not None)
        self._tell(ev.LinkResynced(PBX, found))

    def _found(self, leg: str) -> ChannelFound | None:
        if (line := self._lines.get(leg)) is not None and line.place is not None:
            return ChannelFound(leg, _channel(leg), line.place, line.agent)
        if (peer := self._agents.get(leg)) is not None:
            place = ChannelPlace.TALKING if peer else ChannelPlace.PARKED
            return ChannelFound(leg, _channel(leg), place, peer)
        return None

    def _tell(self, event: ev.Event) -> None:
        if self._up:
            self._tell_core(event)


def _channel(leg: str) -> str:
    return f"PJSIP/{leg}"
