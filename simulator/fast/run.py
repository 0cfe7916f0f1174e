"""Days of a scenario on the compiled floor: build, run, count."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dialer.pacing.gate import gate
from dialer.pacing.hazards import A_ABANDONED, A_LIMIT, A_LIVE, A_SERVED, COLUMNS, State, new_state
from dialer.pacing.pacer import Pacer
from dialer.pacing.price import P_RING_LEAST, prepare
from dialer.pacing.windows import Account, Span, Window
from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    MachineServed,
    Observation,
    TalkEnded,
    WrapUpEnded,
)
from simulator.fast import floor as fl
from simulator.scenario import Scenario
from simulator.world import ROW_S, day_tables, plan_agents, plan_calls

BLOCK = 65_536  # calls drawn at once
TICK_S = 1.0
REACT_GAP_S = 0.1  # a change on the floor is answered at once, but not more often than this


@dataclass(frozen=True, slots=True)
class DayResult:
    """One day. Rates are shares; `live` counts calls let through to agents (what a dialer knows),
    `live_people` those of them that were people."""

    seed: int
    utilisation: float  # (talk + wrap-up) / (logged in and not on a break)
    abandon_rate: float
    abandon_rate_people: float
    live: int
    abandoned: int
    callers_left: int
    live_people: int
    abandoned_people: int
    connects: int
    launched: int
    lines_per_connect: float
    connects_per_agent_hour: float
    agent_hours: float
    mean_wait_s: float  # of those served, those who did not wait included
    rejected_people: int  # whom AMD hung up on
    decisions: int
    lines_max: int
    given_up: int  # lines hung up as they rang

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


def _people(scenario: Scenario, seed: int, first: int, count: int) -> fl.People:
    plans = plan_calls(scenario, seed, count, first)
    arrays = {f.name: getattr(plans, f.name) for f in fields(plans) if f.name in fl.People._fields}
    plain: dict[str, Any] = {
        name: np.ascontiguousarray(array, dtype=np.bool_ if array.dtype == bool else np.float64)
        for name, array in arrays.items()
    }
    return fl.People(first=np.array([first], dtype=np.int64), **plain)


def _tables(scenario: Scenario, seed: int) -> fl.Tables:
    day, agents = day_tables(scenario, seed), plan_agents(scenario, seed)

    def flat(array: NDArray[Any]) -> NDArray[np.float64]:
        return np.ascontiguousarray(array, dtype=np.float64)

    return fl.Tables(
        rates=flat(day.rates),
        congestion=flat(day.congestion),
        talk_factor=flat(day.talk_factor),
        wrap_factor=flat(day.wrap_factor),
        setup_factor=flat(day.setup_factor),
        ring_factor=flat(day.ring_factor),
        blind=np.ascontiguousarray(day.blind, dtype=np.bool_),
        speed=flat(agents.speed),
        stints=flat(agents.stints),
        row_s=np.array([ROW_S]),
    )


def _floor(scenario: Scenario, tables: fl.Tables, sample_s: float) -> fl.Floor:
    agents, slots = scenario.agents.count, scenario.lines_max + 8
    heap = 3 * slots + 4 * agents + 2 * len(tables.stints) + 64
    rows = int(scenario.day_s / sample_s) + 2 if sample_s > 0 else 1

    def numbers(size: int) -> NDArray[np.float64]:
        return np.zeros(size)

    def ints(size: int) -> NDArray[np.int64]:
        return np.zeros(size, dtype=np.int64)

    made: dict[str, Any] = {}
    for name, kind in fl.Floor.__annotations__.items():
        made[name] = ints(slots) if "Ints" in str(kind) else numbers(slots)
    for name in ("doing", "line_of", "machine_of", "leaves", "stamp"):
        made[name] = ints(agents)
    for name in ("doing_since", "rang_of", "wrap_next", "break_next"):
        made[name] = numbers(agents)
    made.update(
        number=numbers(fl.NUMBERS),
        setting=numbers(16),
        heap_at=numbers(heap),
        heap_what=ints(heap),
        heap_who=ints(heap),
        idle_ring=ints(4 * agents + 16),
        idle_stamp=ints(4 * agents + 16),
        wait_ring=ints(4 * slots),
        wait_serial=ints(4 * slots),
        facts=np.zeros((4 * slots + 4 * agents + 64, 5)),
        samples=np.zeros((rows, 8)),
    )
    floor = fl.Floor(**made)
    floor.free_slots[:] = np.arange(slots)[::-1]
    floor.number[fl.N_FREE_SLOTS] = slots
    floor.number[fl.N_LAST_DECISION] = -1e9
    return floor


_INSIDE = {
    "forward": fl.BY_FORWARD,
    "progressive": fl.BY_PROGRESSIVE,
    "ratio": fl.BY_RATIO,
}


def forward_state(scenario: Scenario, long_limit: float | None = None) -> State:
    """A fresh compiled forward pacer. The account: the day, and all days run with this state."""
    state = new_state()
    prepare(state, scenario.law.wait_limit_s)
    limit = scenario.law.abandon_rate_max
    state.account[0, A_LIMIT] = limit
    state.account[1, A_LIMIT] = limit if long_limit is None else long_limit
    return state


def run_day(
    scenario: Scenario,
    seed: int,
    pacer: str | Pacer = "forward",
    *,
    ratio: float = 2.0,
    state: State | None = None,
    gated: bool = True,
    tick_s: float = TICK_S,
    react_gap_s: float = REACT_GAP_S,
    sample_s: float = 0.0,
    closing_known: bool = True,
    on_samples: Callable[[NDArray[np.float64]], None] | None = None,
) -> DayResult:
    """One day of the world (scenario, seed) under a pacer.

    `pacer` is "forward", "progressive" or "ratio" (compiled), or any object with the `Pacer`
    protocol. `gated`: the account's gate (1:1 when a window is spent) holds. Pass the same `state`
    for successive days to let `forward` keep what it learned. A pacer in Python decides at ticks
    of its own `tick_s`, if it has one, and then does not react between them.
    """
    tables = _tables(scenario, seed)
    floor = _floor(scenario, tables, sample_s)
    inside = pacer if isinstance(pacer, str) else ""
    if isinstance(pacer, str) and pacer not in _INSIDE:
        raise ValueError(f"no compiled pacer {pacer!r}; there are {', '.join(_INSIDE)}")
    if not inside and hasattr(pacer, "tick_s"):
        tick_s, react_gap_s = float(pacer.tick_s), math.inf
    pace = scenario.carrier.launches_per_s_max
    settings = {
        fl.G_DAY_S: scenario.day_s,
        fl.G_TICK_S: tick_s,
        fl.G_GAP_S: react_gap_s,
        fl.G_WAIT_LIMIT_S: scenario.law.wait_limit_s,
        fl.G_RING_LIMIT_S: scenario.line.ring_limit_s,
        fl.G_LINES_MAX: scenario.lines_max,
        fl.G_LAUNCH_GAP_S: 0.0 if math.isinf(pace) else 1.0 / pace,
        fl.G_AMD: float(scenario.amd.on),
        fl.G_DECIDER: _INSIDE.get(inside, fl.BY_PYTHON),
        fl.G_RATIO: ratio,
        fl.G_GATE: float(gated),
        fl.G_SAMPLE_S: sample_s,
        fl.G_CLOSES_S: scenario.day_s if closing_known else 0.0,
    }
    for place, value in settings.items():
        floor.setting[place] = value
    learned = forward_state(scenario) if state is None else state
    learned.account[0, [A_LIVE, A_ABANDONED, *range(A_SERVED, COLUMNS)]] = 0.0
    learned.setting[P_RING_LEAST] = scenario.line.ring_least_s
    if state is not None:
        learned.scalar[:2] = -1e18  # a new day's clock: nothing was decided or built yet
    fl.open_day(floor, tables)
    block = max(BLOCK, 4 * scenario.lines_max)
    people = _people(scenario, seed, 0, block)
    account = Account((Window("day", scenario.law.abandon_rate_max, Span.CAMPAIGN),))
    account.close_at(scenario.day_s if closing_known else 0.0)
    while True:
        stopped = fl.advance(floor, people, tables, learned)
        if stopped == fl.NEED_PEOPLE:
            people = _people(scenario, seed, int(floor.number[fl.N_NEXT_CALL]), block)
        elif stopped == fl.DECIDE and not isinstance(pacer, str):
            _decide_in_python(floor, people, tables, learned, pacer, account if gated else None)
        else:
            break
    if on_samples is not None:
        on_samples(floor.samples[: int(floor.number[fl.N_SAMPLES])].copy())
    return _result(floor, seed)


def _facts(floor: fl.Floor) -> Iterator[Observation]:
    ends = tuple(LineEnd)
    for kind, a, b, c, d in floor.facts[: int(floor.number[fl.N_FACTS])].tolist():
        match int(kind):
            case fl.F_RANG:
                yield LineRang(a)
            case fl.F_ENDED:
                yield LineEnded(ends[int(a)], b, c if c >= 0 else None, d if d >= 0 else None)
            case fl.F_SERVED:
                yield CallServed(a, b)
            case fl.F_ABANDONED:
                yield CallAbandoned(a)
            case fl.F_LEFT:
                yield CallerLeft(a)
            case fl.F_TALK:
                yield TalkEnded(a)
            case _:
                yield WrapUpEnded(a, b > 0)
                if c > 0:
                    yield MachineServed(d)
    floor.number[fl.N_FACTS] = 0


def _decide_in_python(
    floor: fl.Floor,
    people: fl.People,
    tables: fl.Tables,
    learned: State,
    pacer: Pacer,
    account: Account | None,
) -> None:
    now = float(floor.number[fl.N_TIME])
    for fact in _facts(floor):
        if account is not None:
            late = isinstance(fact, CallAbandoned)
            if late or isinstance(fact, CallServed | CallerLeft):
                account.add(now, 1, int(late))
        pacer.observe(fact)
    if floor.number[fl.N_LOGGED] <= 0:
        return
    talking, wrapping, setup, ring, detect, wait, rang = fl.ages(floor)
    snapshot = FloorSnapshot(
        now=now,
        campaign="",
        idle=int(floor.number[fl.N_IDLE]),
        talking=tuple(talking.tolist()),
        wrapping=tuple(wrapping.tolist()),
        setting_up=tuple(setup.tolist()),
        ringing=tuple(ring.tolist()),
        detecting=tuple(detect.tolist()),
        detecting_rang=tuple(rang.tolist()),
        waiting=tuple(wait.tolist()),
        lines_free=fl.lines_free(floor),
        leads_ready=10**9,
        ring_least_s=float(learned.setting[P_RING_LEAST]),
    )
    decision = gate(pacer.decide(snapshot), snapshot, account)
    fl.launch(floor, people, tables, decision.lines)
    fl.give_up(floor, learned, decision.give_up)


def _result(floor: fl.Floor, seed: int) -> DayResult:
    n = floor.number
    hours = float(n[fl.N_LOGGED_S]) / 3600
    live, abandoned = int(n[fl.N_LIVE]), int(n[fl.N_ABANDONED])
    people, people_left = int(n[fl.N_LIVE_PERSON]), int(n[fl.N_ABANDONED_PERSON])
    served, launched = int(n[fl.N_SERVED]), int(n[fl.N_LAUNCHED])
    busy = float(n[fl.N_TALK_S] + n[fl.N_WRAP_S])
    return DayResult(
        seed=seed,
        utilisation=busy / (hours * 3600) if hours > 0 else 0.0,
        abandon_rate=abandoned / live if live else 0.0,
        abandon_rate_people=people_left / people if people else 0.0,
        live=live,
        abandoned=abandoned,
        callers_left=int(n[fl.N_LEFT]),
        live_people=people,
        abandoned_people=people_left,
        connects=served,
        launched=launched,
        lines_per_connect=launched / served if served else 0.0,
        connects_per_agent_hour=served / hours if hours > 0 else 0.0,
        agent_hours=hours,
        mean_wait_s=float(n[fl.N_WAIT_S]) / served if served else 0.0,
        rejected_people=int(n[fl.N_REJECTED]),
        decisions=int(n[fl.N_DECISIONS]),
        lines_max=int(n[fl.N_UP_MAX]),
        given_up=int(n[fl.N_GIVEN_UP]),
    )


def run_days(
    scenario: Scenario,
    days: int,
    seed: int = 1,
    make: Callable[[], str | Pacer] | str = "forward",
    *,
    keep_learning: bool = False,
    **options: Any,
) -> list[DayResult]:
    """Days with seeds seed, seed+1, ...; each begins anew unless `keep_learning` (forward only)."""
    state = forward_state(scenario) if keep_learning else None
    results = []
    for day in range(days):
        pacer = make if isinstance(make, str) else make()
        results.append(run_day(scenario, seed + day, pacer, state=state, **options))
    return results
