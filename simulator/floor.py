"""The plain engine: one floor in virtual time, any pacer, nothing else.

An event queue over the world's calls and agents. It knows no store, no PBX and no campaign; it is
the engine for every pacer written in Python and the judge of the compiled one. The pacer is asked
at ticks and, unless it keeps its own clock (`every_s`), when an agent frees or a line ends, though
not more often than every `REACT_GAP_S`: as the running dialer asks it.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

from dialer.snapshot import (
    Bound,
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    MachineServed,
    Observation,
    TalkEnded,
    WrapUpEnded,
)
from simulator.history import CallRecord, Fate
from simulator.results import CURVE_STEP_S, CurveRow, DayResult
from simulator.scenario import Scenario
from simulator.world import ROW_S, CallPlan, Kind, World, plan_agents

TICK_S = 1.0
REACT_GAP_S = 0.1
_UNSEEN = (math.nan,)  # an age for who does not look at ages: reckoned with, it shows
KEPT_MAX = 5_000  # waits and gaps kept for the distributions of a report


class Driver(Protocol):
    """What the floor asks for lines: a pacer with or without account and gate around it."""

    every_s: float | None  # its own clock; None: each tick and each change
    counts_only: bool  # it asks how many there are of each, never how old they are

    def decide(self, snapshot: FloorSnapshot) -> Decision: ...

    def observe(self, fact: Observation, now: float) -> None: ...


@dataclass(slots=True, eq=False)
class _Call:
    plan: CallPlan
    since: float  # began its present stage
    setup_s: float = 0.0
    waiting: bool = False
    record: CallRecord | None = None  # only when the day is written down


@dataclass(slots=True, eq=False)
class _Agent:
    number: int
    speed: float
    until: float = 0.0  # end of the present stint
    present: bool = False  # logged in and not on break
    since: float = 0.0  # began to be present, or to be idle (see `idle_since`)
    idle_since: float = 0.0
    back_at: float = -1.0  # end of a short break


@dataclass(slots=True)
class _Curve:
    lines: int = 0
    live: int = 0
    abandoned: int = 0
    busy_s: float = 0.0
    staffed_s: float = 0.0


@dataclass(slots=True)
class _Tally:
    lines: int = 0
    given_up: int = 0
    people: int = 0
    live: int = 0
    served: int = 0
    abandoned: int = 0
    left: int = 0
    rejected: int = 0
    machines_served: int = 0
    machines_abandoned: int = 0
    talk_s: float = 0.0
    wrap_s: float = 0.0
    staffed_s: float = 0.0
    break_s: float = 0.0
    waits: list[float] = field(default_factory=list)
    gaps: list[float] = field(default_factory=list)
    decisions: int = 0
    bounds: Counter[Bound] = field(default_factory=Counter)


class FloorDay:
    """One day of (scenario, seed) under `driver`; `start_s` is the day's start on its clock."""

    def __init__(
        self,
        scenario: Scenario,
        seed: int,
        driver: Driver,
        *,
        start_s: float = 0.0,
        tick_s: float = TICK_S,
        react_gap_s: float = REACT_GAP_S,
        label: str = "",
        world: World | None = None,
        journal: list[CallRecord] | None = None,
    ) -> None:
        """`world` stands in for that of (scenario, seed); every call is noted in `journal`."""
        self.scenario, self.seed, self.driver = scenario, seed, driver
        self.start_s = start_s
        self.label = label
        self.world = world or World(scenario, seed)
        self._journal = journal
        self.now = 0.0
        self._tick_s = driver.every_s or tick_s
        self._on_change = driver.every_s is None
        self._picture = self.counted if driver.counts_only else self.snapshot
        self._gap_s = react_gap_s
        self._changed = False
        self._decided_at = -1e9
        self._react_at = -1.0  # when an answer to a change is due; before now: none is
        self._heap: list[tuple[float, int, Callable[..., None], object]] = []
        self._seq = 0
        self._index = 0
        self._idle: deque[_Agent] = deque()
        self._talking: dict[_Agent, float] = {}
        self._wrapping: dict[_Agent, float] = {}
        self._setting_up: dict[_Call, float] = {}
        self._ringing: dict[_Call, float] = {}
        self._detecting: dict[_Call, float] = {}
        self._waiting: deque[_Call] = deque()
        self._carrier_free_at = 0.0
        self._blind = self.world.tables.blind.tolist()
        self._lines_max = scenario.lines_max
        self._ring_least_s = scenario.line.ring_least_s
        self._leads = scenario.list.leads
        self._launch_gap_s = 1.0 / scenario.carrier.launches_per_s_max
        self._tally = _Tally()
        rows = int(-(-scenario.day_s // CURVE_STEP_S))
        self._curve = [_Curve() for _ in range(rows)]

    def run(self) -> DayResult:
        began = perf_counter()
        agents = plan_agents(self.scenario, self.seed)
        floor = [_Agent(i, float(speed)) for i, speed in enumerate(agents.speed)]
        for number, start, until in agents.stints.tolist():
            self._at(start, self._log_in, (floor[int(number)], until))
        self._at(0.0, self._tick, None)
        end = self.scenario.day_s
        while self._heap and self._heap[0][0] < end:
            self.now, _, handle, subject = heapq.heappop(self._heap)
            handle(subject)
            if self._changed and self._on_change:
                self._react()
        self.now = end
        for agent in floor:
            if agent.present:
                self._count_stay(agent)
        self._count_unfinished(end)
        return self._result(perf_counter() - began)

    # --- clock

    def _at(self, when: float, handle: Callable[..., None], subject: object) -> None:
        self._seq += 1
        heapq.heappush(self._heap, (when, self._seq, handle, subject))

    def _tick(self, _: None) -> None:
        self._decide()
        self._at(self.now + self._tick_s, self._tick, None)

    def _react(self) -> None:
        """Something changed: decide now, or as soon as the gap since the last decision is over."""
        due = self._decided_at + self._gap_s
        if self.now >= due:
            self._decide()
        elif self._react_at < due:
            self._react_at = due
            self._at(due, self._react_due, None)

    def _react_due(self, _: None) -> None:
        if self._changed:
            self._decide()

    # --- dialling

    def snapshot(self) -> FloorSnapshot:
        now = self.now
        talking, wrapping, waiting = self._talking, self._wrapping, self._waiting
        setting_up, ringing, detecting = self._setting_up, self._ringing, self._detecting
        used = len(talking) + len(setting_up) + len(ringing) + len(detecting) + len(waiting)
        return FloorSnapshot(
            self.start_s + now,
            self.scenario.name,
            len(self._idle),
            tuple([now - t for t in talking.values()]) if talking else (),
            tuple([now - t for t in wrapping.values()]) if wrapping else (),
            tuple([now - t for t in setting_up.values()]) if setting_up else (),
            tuple([now - t for t in ringing.values()]) if ringing else (),
            tuple([now - t for t in detecting.values()]) if detecting else (),
            tuple([c.plan.ring_s or 0.0 for c in detecting]) if detecting else (),
            tuple([now - c.since for c in waiting]) if waiting else (),
            max(0, self._lines_max - used),
            self._leads,
            ring_least_s=self._ring_least_s,
        )

    def counted(self) -> FloorSnapshot:
        """As `snapshot`, at a third of its cost, for who asks only how many: no age is a number."""
        talking, wrapping, waiting = len(self._talking), len(self._wrapping), len(self._waiting)
        setting_up, ringing = len(self._setting_up), len(self._ringing)
        detecting = len(self._detecting)
        used = talking + setting_up + ringing + detecting + waiting
        return FloorSnapshot(
            self.start_s + self.now,
            self.scenario.name,
            len(self._idle),
            _UNSEEN * talking,
            _UNSEEN * wrapping,
            _UNSEEN * setting_up,
            _UNSEEN * ringing,
            _UNSEEN * detecting,
            _UNSEEN * detecting,
            _UNSEEN * waiting,
            max(0, self._lines_max - used),
            self._leads,
        )

    def _decide(self) -> None:
        self._changed = False
        if self._blind[min(int(self.now / ROW_S), len(self._blind) - 1)]:
            return
        snapshot = self._picture()
        self._decided_at = self.now
        decision = self.driver.decide(snapshot)
        self._tally.decisions += 1
        self._tally.bounds[decision.bound] += 1
        if decision.lines > 0:
            for _ in range(min(decision.lines, snapshot.lines_free)):
                self._launch()
        for _ in range(decision.give_up):
            self._give_up()

    def _launch(self) -> None:
        plan = self.world.plan_call(self._index, self.now)
        self._index += 1
        self._tally.lines += 1
        self._row().lines += 1
        held = max(0.0, self._carrier_free_at - self.now)
        self._carrier_free_at = self.now + held + self._launch_gap_s
        call = _Call(plan, self.now, held + plan.setup_s)
        if self._journal is not None:
            call.record = CallRecord(self.now, plan.kind, attempt=plan.attempt, open="setup")
            self._journal.append(call.record)
        self._setting_up[call] = self.now
        if plan.ring_s is None:
            self._at(self.now + call.setup_s + plan.fail_s, self._fail, call)
        else:
            self._at(self.now + call.setup_s, self._ring, call)

    def _fail(self, call: _Call) -> None:
        del self._setting_up[call]
        self._line_ended(LineEnd.FAILED, call)

    def _ring(self, call: _Call) -> None:
        del self._setting_up[call]
        self._ringing[call] = self.now
        if call.record is not None:
            self._note(call, setup_s=call.setup_s, open="ring")
        self._tell(LineRang(call.setup_s))
        self._at(self.now + (call.plan.ring_s or 0.0), self._ring_over, call)

    def _give_up(self) -> None:
        """Hang up the line that has rung longest, before anybody answers."""
        call, since = next(iter(self._ringing.items()))
        del self._ringing[call]
        rang_s = self.now - since
        self._tally.given_up += 1
        self._note(call, outcome=Kind.NO_ANSWER, ring_s=rang_s, open="")
        self._tell(LineEnded(LineEnd.GIVEN_UP, call.setup_s, rang_s))
        self._changed = True

    def _ring_over(self, call: _Call) -> None:
        if self._ringing.pop(call, None) is None:
            return  # given up before that
        if not call.plan.answered:
            rang_out = call.plan.kind is Kind.NO_ANSWER
            self._line_ended(LineEnd.NO_ANSWER if rang_out else LineEnd.FAILED, call)
            return
        if call.plan.kind is Kind.PERSON:
            self._tally.people += 1
        if call.plan.amd is None:
            self._live(call)
        else:
            self._detecting[call] = self.now
            if call.record is not None:
                self._note(call, ring_s=call.plan.ring_s, open="detect")
            self._at(self.now + call.plan.detect_s, self._detected, call)

    def _detected(self, call: _Call) -> None:
        del self._detecting[call]
        if call.plan.live:
            self._live(call)
            return
        if call.plan.kind is Kind.PERSON:
            self._tally.rejected += 1
        self._note(call, fate=Fate.REJECTED)
        self._line_ended(LineEnd.MACHINE, call)

    def _line_ended(self, end: LineEnd, call: _Call) -> None:
        plan = call.plan
        detect = plan.detect_s if plan.amd is not None else None
        if call.record is not None:
            self._note(
                call,
                setup_s=call.setup_s,
                ring_s=plan.ring_s,
                detect_s=detect,
                amd=plan.amd,
                open="wait" if end is LineEnd.LIVE else "",
            )
        self._tell(LineEnded(end, call.setup_s, plan.ring_s, detect))
        self._changed = True

    # --- live callers

    def _live(self, call: _Call) -> None:
        self._line_ended(LineEnd.LIVE, call)
        call.since = self.now
        if call.plan.kind is Kind.PERSON:
            self._tally.live += 1
            self._row().live += 1
        if self._idle:
            self._serve(self._idle.popleft(), call)
            return
        call.waiting = True
        self._waiting.append(call)
        limit = self.scenario.law.wait_limit_s
        self._at(self.now + min(call.plan.patience_s, limit), self._wait_over, call)

    def _wait_over(self, call: _Call) -> None:
        if not call.waiting:
            return
        call.waiting = False
        self._waiting.remove(call)
        self._changed = True
        person = call.plan.kind is Kind.PERSON
        waited = self.now - call.since
        if person:
            self._keep(self._tally.waits, waited)
        if call.plan.patience_s < self.scenario.law.wait_limit_s:
            self._tally.left += person
            self._note(call, fate=Fate.LEFT, waited_s=waited, open="")
            self._tell(CallerLeft(waited))
            return
        if person:
            self._tally.abandoned += 1
            self._row().abandoned += 1
        else:
            self._tally.machines_abandoned += 1
        self._note(call, fate=Fate.ABANDONED, waited_s=waited, open="")
        self._tell(CallAbandoned(call.plan.ring_s))

    def _serve(self, agent: _Agent, call: _Call) -> None:
        call.waiting = False
        waited = self.now - call.since
        if call.plan.kind is Kind.PERSON:
            self._tally.served += 1
            self._keep(self._tally.waits, waited)
        else:
            self._tally.machines_served += 1
        self._keep(self._tally.gaps, self.now - agent.idle_since)
        self._talking[agent] = self.now
        who = f"agent-{agent.number + 1}"
        self._note(call, fate=Fate.SERVED, waited_s=waited, agent=who, open="talk")
        self._changed = True
        self._tell(CallServed(waited, call.plan.ring_s))
        self._at(self.now + call.plan.talk_s * agent.speed, self._talk_over, (agent, call))

    # --- agents

    def _talk_over(self, subject: tuple[_Agent, _Call]) -> None:
        agent, call = subject
        began = self._talking.pop(agent)
        self._tally.talk_s += self.now - began
        self._spread("busy_s", began, self.now)
        self._note(call, talk_s=self.now - began, open="wrap")
        self._tell(TalkEnded(self.now - began))
        self._wrapping[agent] = self.now
        self._at(self.now + call.plan.wrap_s * agent.speed, self._wrap_over, subject)
        self._changed = True

    def _wrap_over(self, subject: tuple[_Agent, _Call]) -> None:
        agent, call = subject
        began = self._wrapping.pop(agent)
        self._tally.wrap_s += self.now - began
        self._spread("busy_s", began, self.now)
        self._note(call, wrap_s=self.now - began, open="")
        pause = call.plan.break_s
        leaves = self.now >= agent.until
        self._tell(WrapUpEnded(self.now - began, to_break=pause > 0 or leaves))
        if call.plan.kind is Kind.MACHINE:
            self._tell(MachineServed(call.plan.ring_s))
        if leaves:
            self._leave(agent)
        elif pause > 0:
            self._count_stay(agent)
            agent.present, agent.back_at = False, self.now + pause
            self._tally.break_s += pause
            self._at(self.now + pause, self._back, agent)
        else:
            self._free(agent)

    def _log_in(self, subject: tuple[_Agent, float]) -> None:
        agent, until = subject
        if agent.back_at > self.now:  # on a short break: comes after it
            self._at(agent.back_at, self._log_in, subject)
            return
        agent.until = until
        self._at(until, self._stint_over, agent)
        if not agent.present:  # else he still finishes a call of the stint before, and stays
            agent.present, agent.since = True, self.now
            self._free(agent)

    def _back(self, agent: _Agent) -> None:
        if self.now < agent.until:
            agent.present, agent.since = True, self.now
            self._free(agent)

    def _stint_over(self, agent: _Agent) -> None:
        if self.now >= agent.until and agent in self._idle:
            self._idle.remove(agent)
            self._leave(agent)

    def _leave(self, agent: _Agent) -> None:
        self._count_stay(agent)
        agent.present = False
        self._changed = True

    def _free(self, agent: _Agent) -> None:
        agent.idle_since = self.now
        self._changed = True
        if self._waiting:
            self._serve(agent, self._waiting.popleft())
        else:
            self._idle.append(agent)

    # --- counting

    def _tell(self, fact: Observation) -> None:
        self.driver.observe(fact, self.start_s + self.now)

    @staticmethod
    def _keep(kept: list[float], value: float) -> None:
        if len(kept) < KEPT_MAX:
            kept.append(value)

    @staticmethod
    def _note(call: _Call, **what: object) -> None:
        if call.record is not None:
            for name, value in what.items():
                setattr(call.record, name, value)

    def _row(self) -> _Curve:
        return self._curve[min(int(self.now / CURVE_STEP_S), len(self._curve) - 1)]

    def _spread(self, what: str, start: float, end: float) -> None:
        """Add the time from start to end to the rows of the curve it lies in."""
        row = int(start / CURVE_STEP_S)
        while start < end and row < len(self._curve):
            stop = min(end, (row + 1) * CURVE_STEP_S)
            into = self._curve[row]
            setattr(into, what, getattr(into, what) + stop - start)
            start, row = stop, row + 1

    def _count_stay(self, agent: _Agent) -> None:
        self._tally.staffed_s += self.now - agent.since
        self._spread("staffed_s", agent.since, self.now)

    def _count_unfinished(self, end: float) -> None:
        for call, began in self._ringing.items():
            self._note(call, ring_s=end - began)
        for began in self._talking.values():
            self._tally.talk_s += end - began
            self._spread("busy_s", began, end)
        for began in self._wrapping.values():
            self._tally.wrap_s += end - began
            self._spread("busy_s", began, end)

    def _result(self, wall_s: float) -> DayResult:
        t = self._tally
        curve = tuple(
            CurveRow(i * CURVE_STEP_S, c.lines, c.live, c.abandoned, c.busy_s, c.staffed_s)
            for i, c in enumerate(self._curve)
        )
        return DayResult(
            scenario=self.scenario.name,
            pacer=self.label,
            agents=self.scenario.agents.count,
            seed=self.seed,
            lines=t.lines,
            given_up=t.given_up,
            people=t.people,
            live=t.live,
            served=t.served,
            abandoned=t.abandoned,
            left=t.left,
            rejected=t.rejected,
            machines_served=t.machines_served,
            machines_abandoned=t.machines_abandoned,
            talk_s=t.talk_s,
            wrap_s=t.wrap_s,
            staffed_s=t.staffed_s,
            break_s=t.break_s,
            waits_s=tuple(t.waits),
            gaps_s=tuple(t.gaps),
            curve=curve,
            decisions=t.decisions,
            wall_s=wall_s,
            bounds={bound.value: count for bound, count in t.bounds.items()},
        )
