"""The agents of a simulated day: when they are there, and what they press.

They see what an agent's screen shows (`ShowAgent`) and answer as screens do, with facts. What a
call costs an agent is in the call's plan; how fast an agent is, in the world's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import AgentState
from simulator.full.agenda import Agenda
from simulator.full.exchange import PBX
from simulator.world import AgentPlans, CallPlan, Kind

# Where an agent stands when logged in and not on a break.
_THERE = frozenset({AgentState.READY, AgentState.RESERVED, AgentState.TALK, AgentState.WRAP_UP})
SERVED_CODE, MACHINE_CODE = "done", "machine"


@dataclass(slots=True)
class Spent:
    """Agent-seconds, as the dialer's own states have them; by campaign where there is a call."""

    staffed_s: float = 0.0
    break_s: float = 0.0
    talk_s: dict[str, float] = field(default_factory=dict)
    wrap_s: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class _Agent:
    name: str
    speed: float
    campaigns: tuple[str, ...]
    until: float = 0.0  # end of the stint
    leg: str = ""
    state: str = AgentState.LOGGED_OUT.value
    since: float = 0.0
    campaign: str = ""
    disposing: str = ""  # the attempt whose wrap-up is being written
    on_break: bool = False  # a short one, begun by himself


class Crew:
    """`plan_of(attempt)` is remembered at the start of the talk: the line is gone at its end."""

    def __init__(
        self,
        agenda: Agenda,
        tell: Callable[[ev.Event], None],
        plans: AgentPlans,
        campaigns: Sequence[str],
        day_starts: float,
    ) -> None:
        self.spent = Spent()
        self._agenda = agenda
        self._tell = tell
        names = tuple(campaigns)
        self._agents = {}
        self._by_number = []
        self._by_leg: dict[str, _Agent] = {}
        self._plans: dict[str, CallPlan] = {}  # by agent: of the call he has
        self._stints = 0
        for number, speed in enumerate(plans.speed.tolist()):
            turn = number % len(names)  # each campaign comes first with its share of the agents
            agent = _Agent(f"agent{number + 1}", speed, names[turn:] + names[:turn])
            self._agents[agent.name] = agent
            self._by_number.append(agent)
        for who, start, until in plans.stints.tolist():
            agent = self._by_number[int(who)]
            agenda.at(day_starts + start, self._log_in, agent, day_starts + until)

    def speed(self, leg: str) -> float:
        return self._by_leg[leg].speed

    def talks(self, agent: str, plan: CallPlan) -> None:
        """The agent is connected with somebody who behaves as `plan` says."""
        self._plans[agent] = plan

    # --- coming and going ---------------------------------------------------------------------

    def _log_in(self, agent: _Agent, until: float) -> None:
        agent.until = until
        self._agenda.at(until, self._stint_over, agent)
        if agent.state == AgentState.LOGGED_OUT.value:
            self._stints += 1
            agent.leg = f"od-day-a{self._stints:06d}"
            self._by_leg[agent.leg] = agent
            self._tell(ev.AgentLoggedIn(agent.name, agent.leg, PBX, agent.name, agent.campaigns))
        if not agent.on_break:
            self._tell(ev.StatusChosen(agent.name, ev.Status.READY))

    def _stint_over(self, agent: _Agent) -> None:
        if self._agenda.clock.time >= agent.until and not agent.on_break:
            self._tell(ev.StatusChosen(agent.name, ev.Status.LOGGED_OUT))

    def _back(self, agent: _Agent) -> None:
        agent.on_break = False
        over = self._agenda.clock.time >= agent.until
        self._tell(ev.StatusChosen(agent.name, ev.Status.LOGGED_OUT if over else ev.Status.READY))

    # --- a call -------------------------------------------------------------------------------

    def show(self, shown: cmd.ShowAgent, campaign: str) -> None:
        """What the agent's screen says; `campaign` is that of the call he has."""
        agent = self._agents[shown.agent]
        if shown.state == agent.state:
            return
        self._count(agent)
        agent.state, agent.since, agent.campaign = shown.state, self._agenda.clock.time, campaign
        if shown.state == AgentState.WRAP_UP.value and agent.disposing != shown.attempt:
            agent.disposing = shown.attempt
            plan = self._plans.get(agent.name)
            if plan is not None:
                self._agenda.after(plan.wrap_s * agent.speed, self._dispose, agent, plan)

    def _dispose(self, agent: _Agent, plan: CallPlan) -> None:
        now = self._agenda.clock.time
        if plan.break_s > 0 and now < agent.until:
            agent.on_break = True
            self._tell(ev.StatusChosen(agent.name, ev.Status.BREAK))
            self._agenda.after(plan.break_s, self._back, agent)
        code = SERVED_CODE if plan.kind is Kind.PERSON else MACHINE_CODE
        self._tell(ev.DispositionChosen(agent.name, agent.disposing, code))

    # --- counting -----------------------------------------------------------------------------

    def _count(self, agent: _Agent) -> None:
        passed = self._agenda.clock.time - agent.since
        spent, state = self.spent, agent.state
        if state in _THERE:
            spent.staffed_s += passed
        if state == AgentState.TALK.value:
            spent.talk_s[agent.campaign] = spent.talk_s.get(agent.campaign, 0.0) + passed
        elif state == AgentState.WRAP_UP.value:
            spent.wrap_s[agent.campaign] = spent.wrap_s.get(agent.campaign, 0.0) + passed
        elif state == AgentState.BREAK.value:
            spent.break_s += passed

    def settle(self) -> None:
        """Count what everybody is doing up to now."""
        for agent in self._by_number:
            self._count(agent)
            agent.since = self._agenda.clock.time
