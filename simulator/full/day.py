"""One day of one floor at full fidelity: one campaign, or several that share agents and trunk."""

from __future__ import annotations

import gc
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from time import perf_counter
from typing import Any
from zoneinfo import ZoneInfo

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.pacing.governor import Governor
from dialer.server.pacing import TICK_S, Pacing
from dialer.store.writer import LINGER_LAZY_S, LINGER_S
from simulator.full.agenda import Agenda, DayClock
from simulator.full.campaign import TRUNK, ZONE, campaign_of
from simulator.full.crew import Crew
from simulator.full.exchange import PBX, Exchange, PbxCommand, Truth
from simulator.full.lists import BOOT, SqlLists
from simulator.full.tables import Tables
from simulator.results import CURVE_STEP_S, CurveRow, DayResult
from simulator.scenario import FaultKind, Scenario
from simulator.world import CallPlan, World, plan_agents

WIND_UP_MAX_S = 4 * 3600.0  # after closing, for calls that are still up
LAUNCHES_PER_S_MAX = 1e6  # of a carrier without a pace of its own
_LAZY_S = 1.0  # what nobody waits for may wait so long: there is no crash to lose it in


@dataclass(frozen=True)
class Dialled:
    """A campaign of the day: its world's list and people, and who paces it."""

    name: str
    scenario: Scenario
    governor: Governor
    label: str = ""  # of the pacer, for the result


@dataclass(slots=True)
class Outcomes:
    """What became of a campaign's attempts, as the dialer recorded it."""

    recorded: Counter[str]
    unserved: int = 0
    refused: int = 0


@contextmanager
def _uncollected() -> Iterator[None]:
    """A day in dictionaries makes no cycles (a test): to look through all it keeps for some, again
    and again, took a sixteenth of its time with 1,000 agents."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


class FullDay:
    """The agents and the trunk are those of the first campaign's scenario; each campaign meets the
    people of its own. `start_s` is when the day begins on the core's clock."""

    def __init__(
        self,
        campaigns: Sequence[Dialled],
        seed: int,
        start_s: float,
        *,
        sql: bool = False,
        work_clock: Callable[[], float] = perf_counter,
    ) -> None:
        first = campaigns[0].scenario
        self.seed = seed
        self.start_s = start_s
        self.campaigns = tuple(campaigns)
        self.clock = DayClock(start_s)
        self.agenda = Agenda(self.clock)
        files = [campaign_of(one.scenario, one.name) for one in campaigns]
        keep = SqlLists if sql else Tables
        self.store = keep(self.clock, files, [one.scenario.list.leads for one in campaigns])
        self.floor = Floor(BOOT, self.store.denied)
        self.pacing = Pacing(self.floor, self.clock, self._post, work_clock)
        self.outcomes = {one.name: Outcomes(Counter()) for one in campaigns}
        self._worlds = {one.name: World(one.scenario, seed) for one in campaigns}
        self._dialled = dict.fromkeys(self._worlds, 0)
        self._curves: dict[str, list[CurveRow]] = {name: [] for name in self._worlds}
        self._curve_before = dict.fromkeys(self._worlds, (0, 0, 0, 0.0, 0.0))
        self._facts: deque[ev.Event] = deque()
        self._commit_at = float("inf")
        self.crew = Crew(
            self.agenda, self._post, plan_agents(first, seed), [*self._worlds], start_s
        )
        self.exchange = Exchange(
            self.agenda, self._post, self._meet, self.crew.speed, first.law.wait_limit_s
        )
        self.exchange.truth = {name: Truth() for name in self._worlds}
        ends = int((start_s % 86_400 + first.day_s) // 60)
        for one, file in zip(campaigns, files, strict=True):
            self.pacing.add(one.name, one.governor, ZoneInfo(ZONE), lambda weekday: ends)
            self._facts.append(ev.CampaignStarted(file.rules()))
        pace = min(first.carrier.launches_per_s_max, LAUNCHES_PER_S_MAX)
        self._facts.appendleft(ev.TrunkConfigured(PBX, TRUNK, first.lines_max, pace))
        self._facts.append(ev.LinkResynced(PBX, ()))
        for fault in first.faults:
            if fault.kind is FaultKind.LINK_LOST:
                self.agenda.at(start_s + fault.start_s, self.exchange.lose_link)
                self.agenda.at(start_s + fault.start_s + fault.length_s, self.exchange.link_back)
        self.agenda.at(start_s, self._tick)
        for row in range(int(first.day_s // CURVE_STEP_S)):
            self.agenda.at(start_s + (row + 1) * CURVE_STEP_S - 1e-6, self._note_curve)
        self._executors: Mapping[type, Callable[[Any], None]] = {
            **dict.fromkeys(PbxCommand.__args__, self.exchange.send),
            cmd.FetchLeads: self._fetch,
            cmd.FetchLeadFor: lambda c: None,  # no list here has a lead for an agent alone
            cmd.ReturnLeads: self._record,
            cmd.RecordAttempt: self._record,
            cmd.RecordProgress: self._record,
            cmd.RecordOutcome: self._outcome,
            cmd.RecordDisposition: self._record,
            cmd.RecordSession: self._record,
            cmd.PopScreen: self._pop,
            cmd.ShowAgent: self._show_agent,
            cmd.ShowCampaign: lambda c: self.pacing.touch((c.campaign,)),
            cmd.Observe: lambda c: self.pacing.observe(c.campaign, c.fact),
        }

    # --- time ---------------------------------------------------------------------------------

    def run(self) -> list[DayResult]:
        """Play the day; a result for each campaign. Calls up at its end are served to theirs, for
        the account and for every attempt's outcome, but are in no figure."""
        with nullcontext() if isinstance(self.store, SqlLists) else _uncollected():
            return self._run()

    def _run(self) -> list[DayResult]:
        began = perf_counter()
        ends = self.start_s + self.campaigns[0].scenario.day_s
        self._play(ends)
        self.clock.time = ends
        self.crew.settle()
        results = self._results(perf_counter() - began)
        for one in self.campaigns:
            self._facts.append(ev.CampaignPaused(one.name, "the day is over"))
        self._settle()
        self._play(ends + WIND_UP_MAX_S, winding_up=True)
        self._commit()
        return results

    def close(self) -> None:
        """Let go of the day's tables."""
        self.store.close()

    def _play(self, until: float, winding_up: bool = False) -> None:
        self._settle()
        while not (winding_up and not self.floor.calls and not self.store.depth):
            deadline = self.floor.next_deadline()
            due = self.agenda.next_at
            if deadline is not None and deadline <= due:
                if deadline >= until:
                    return
                self.clock.time = max(deadline, self.clock.time)
                self._execute(self.floor.tick(self.clock.time))
            else:
                if due >= until:
                    return
                self.agenda.do_next()
            self._settle()

    def _settle(self) -> None:
        """Take all facts, then ask the pacers, until nothing more follows: the door's slice."""
        while True:
            while self._facts:
                fact = self._facts.popleft()
                self._execute(self.floor.handle(fact, self.clock.time))
            self.pacing.after_step(busy=False)
            if not self._facts:
                return

    def _tick(self) -> None:
        self.pacing.tick(busy=False)
        self.agenda.after(TICK_S, self._tick)

    # --- commands -----------------------------------------------------------------------------

    def _post(self, event: ev.Event) -> None:
        self._facts.append(event)

    def _execute(self, commands: Sequence[cmd.Command]) -> None:
        for command in commands:
            run = self._executors.get(type(command))
            if run is not None:
                run(command)
            elif isinstance(command, cmd.Warn):
                raise AssertionError(f"the core warns: {command.text}")
            else:
                raise AssertionError(f"nobody carries out {type(command).__name__}")

    def _meet(self, attempt: str) -> tuple[str, CallPlan]:
        """Whom the line of this attempt meets: the n-th line the n-th call of its world."""
        call = self.floor.calls[attempt]
        name = call.campaign
        number = self._dialled[name]
        self._dialled[name] = number + 1
        at = self.clock.time - self.start_s
        return name, self._worlds[name].plan_call(number, at, call.lead.attempt_no)

    def _fetch(self, command: cmd.FetchLeads) -> None:
        self._commit()  # what was returned or ended just now is there to be claimed
        self._post(self.store.claim(command))

    def _record(self, command: Any) -> None:
        self.store.submit(command)
        wait_s = LINGER_S if isinstance(command, cmd.RecordAttempt) else max(LINGER_LAZY_S, _LAZY_S)
        due = self.clock.time + wait_s
        if due < self._commit_at:
            self._commit_at = due
            self.agenda.at(due, self._commit_due, due)

    def _commit_due(self, due: float) -> None:
        if due == self._commit_at:
            self._commit()

    def _commit(self) -> None:
        self._commit_at = float("inf")
        if not self.store.depth:
            return
        for command, refused in self.store.commit():
            if isinstance(command, cmd.RecordAttempt):
                if refused:
                    self.outcomes[command.lead.campaign].refused += 1
                    self._post(ev.AttemptRefused(command.attempt, refused))
                else:
                    self._post(ev.AttemptRecorded(command.attempt))
            elif refused:
                raise AssertionError(f"the store refused a {type(command).__name__}: {refused}")

    def _outcome(self, command: cmd.RecordOutcome) -> None:
        mine = self.outcomes[command.campaign]
        mine.recorded[command.outcome.value] += 1
        mine.unserved += command.unserved
        self.pacing.touch((command.campaign,))
        self._record(command)

    def _pop(self, command: cmd.PopScreen) -> None:
        plan = self.exchange.plan_of(command.attempt)
        if plan is not None:
            self.crew.talks(command.agent, plan)

    def _show_agent(self, command: cmd.ShowAgent) -> None:
        agent = self.floor.agents.get(command.agent)
        self.crew.show(command, "" if agent is None else agent.campaign)
        if agent is not None:
            self.pacing.touch(agent.campaigns)

    # --- figures ------------------------------------------------------------------------------

    def _note_curve(self) -> None:
        """A quarter of an hour is over."""
        self.crew.settle()
        spent = self.crew.spent
        for name, rows in self._curves.items():
            truth, before = self.exchange.truth[name], self._curve_before[name]
            busy = spent.talk_s.get(name, 0.0) + spent.wrap_s.get(name, 0.0)
            now = (truth.lines, truth.live, truth.abandoned, busy, spent.staffed_s)
            made = [value - old for value, old in zip(now, before, strict=True)]
            rows.append(
                CurveRow(
                    len(rows) * CURVE_STEP_S,
                    int(made[0]),
                    int(made[1]),
                    int(made[2]),
                    made[3],
                    made[4],
                )
            )
            self._curve_before[name] = now

    def _results(self, wall_s: float) -> list[DayResult]:
        spent = self.crew.spent
        results = []
        for one in self.campaigns:
            truth = self.exchange.truth[one.name]
            results.append(
                DayResult(
                    scenario=one.scenario.name,
                    pacer=one.label or one.governor.pacer.name,
                    agents=self.campaigns[0].scenario.agents.count,
                    seed=self.seed,
                    lines=truth.lines,
                    people=truth.people,
                    live=truth.live,
                    served=truth.served,
                    abandoned=truth.abandoned,
                    left=truth.left,
                    rejected=truth.rejected,
                    machines_served=truth.machines_served,
                    machines_abandoned=truth.machines_abandoned,
                    talk_s=spent.talk_s.get(one.name, 0.0),
                    wrap_s=spent.wrap_s.get(one.name, 0.0),
                    staffed_s=spent.staffed_s,
                    break_s=spent.break_s,
                    waits_s=tuple(truth.waits),
                    decisions=sum(self.pacing.decide_s.view().counts),
                    curve=tuple(self._curves[one.name]),
                    wall_s=wall_s,
                    given_up=truth.given_up,
                )
            )
        return results
