"""Counts and times of the floor since this start, taken from the core's own commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from dialer.core.agent import Agent
from dialer.core.commands import RecordOutcome, ShowAgent
from dialer.core.outcomes import Outcome
from dialer.core.states import AgentState
from dialer.snapshot import LineEnd, LineEnded, Observation

_BUSY = (AgentState.TALK, AgentState.WRAP_UP)
_STAFFED = (*_BUSY, AgentState.READY, AgentState.RESERVED)


@dataclass(slots=True)
class _Mean:
    total: float = 0.0
    count: int = 0

    def add(self, value: float) -> None:
        self.total += value
        self.count += 1

    @property
    def value(self) -> float | None:
        return self.total / self.count if self.count else None


@dataclass(slots=True)
class CampaignStats:
    """Ended attempts of one campaign. A call we took back before dialling is none."""

    outcomes: Counter[Outcome] = field(default_factory=Counter)
    calls: int = 0
    live: int = 0
    connects: int = 0
    abandoned: int = 0  # as the law counts: not served within the limit
    given_up: int = 0  # hung up by us as they rang, unanswered
    caller_wait: _Mean = field(default_factory=_Mean)  # s, live until bridged
    agent_wait: _Mean = field(default_factory=_Mean)  # s, ready until the next call

    def add(self, record: RecordOutcome) -> None:
        self.outcomes[record.outcome] += 1
        if record.outcome is Outcome.CANCELLED:
            return
        self.calls += 1
        self.live += record.outcome.live
        self.connects += record.outcome is Outcome.CONNECTED
        self.abandoned += record.unserved
        times = record.timings
        if times.connected is not None and times.live is not None:
            self.caller_wait.add(times.connected - times.live)


@dataclass(slots=True)
class _AgentClock:
    state: str
    since: float
    seconds: dict[str, float] = field(default_factory=dict)  # spent in each state
    campaigns: tuple[str, ...] = ()


class Stats:
    """All counts of this start. Times are seconds on the core's clock."""

    def __init__(self) -> None:
        self.campaigns: dict[str, CampaignStats] = {}
        self._agents: dict[str, _AgentClock] = {}

    def campaign(self, name: str) -> CampaignStats:
        return self.campaigns.setdefault(name, CampaignStats())

    def observed(self, campaign: str, fact: Observation) -> None:
        if isinstance(fact, LineEnded) and fact.end is LineEnd.GIVEN_UP:
            self.campaign(campaign).given_up += 1

    def outcome(self, record: RecordOutcome) -> None:
        self.campaign(record.campaign).add(record)

    def agent_shown(self, shown: ShowAgent, agent: Agent | None, now: float) -> None:
        """An agent's state changed (or was shown again)."""
        clock = self._agents.get(shown.agent)
        if clock is None:
            clock = self._agents[shown.agent] = _AgentClock(shown.state, now)
        if agent is not None:
            clock.campaigns = agent.campaigns
        if clock.state == shown.state:
            return
        spent = now - clock.since
        clock.seconds[clock.state] = clock.seconds.get(clock.state, 0.0) + spent
        if clock.state == AgentState.READY and shown.state == AgentState.RESERVED and agent:
            self.campaign(agent.campaign).agent_wait.add(spent)
        clock.state, clock.since = shown.state, now

    def utilisation(self, campaign: str | None, now: float) -> float | None:
        """(talk + wrap-up) / (logged in and not on break), pooled over the campaign's agents
        (None: over all agents); None before anybody was staffed."""
        busy, staffed = 0.0, 0.0
        for clock in self._agents.values():
            if campaign is None or campaign in clock.campaigns:
                busy += self._spent(clock, _BUSY, now)
                staffed += self._spent(clock, _STAFFED, now)
        return busy / staffed if staffed else None

    @staticmethod
    def _spent(clock: _AgentClock, states: Iterable[str], now: float) -> float:
        spent: float = sum(clock.seconds.get(state, 0.0) for state in states)
        return spent + (now - clock.since if clock.state in states else 0.0)
