"""A scenario and a seed make a world: the very people, machines, carriers and agents one meets.

Everything here is a plain function of (scenario, seed, call index), whoever asks and in whatever
order, so different pacers meet the same people (common random numbers). What depends on *when* a
line is launched (rates by hour, drift, faults) comes from `DayTables`, one row per `ROW_S`.

Three ways in:
* `plan_calls(scenario, seed, n)` gives arrays for a compiled engine, `DayTables` the rows for it,
  and `kind_of` the one rule that joins them (plain arithmetic; `numba.njit(kind_of)` works).
* `World(scenario, seed).plan_call(index, t_s)` gives one resolved call.
* `plan_agents(scenario, seed)` gives speeds and the times each agent is logged in.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from enum import IntEnum, StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from simulator.distributions import Array, Exponential, Lognormal
from simulator.scenario import (
    BadScenario,
    Drifting,
    FaultKind,
    Scenario,
    Shape,
    base_world,
    exponential_floor,
)
from simulator.uniforms import uniforms

__all__ = [
    "Amd",
    "BadScenario",
    "CallPlan",
    "CallPlans",
    "DayTables",
    "Kind",
    "Scenario",
    "World",
    "base_world",
    "day_tables",
    "exponential_floor",
    "kind_of",
    "plan_agents",
    "plan_call",
    "plan_calls",
]

ROW_S = 10.0  # one row of the day tables; finer changes than this have no meaning for a list
_BLOCK = 2_048  # calls drawn at once for `World.plan_call`


class Kind(IntEnum):
    """How a line ends. 0..5 are the columns of `DayTables.rates`."""

    PERSON = 0
    MACHINE = 1
    BUSY = 2
    INVALID = 3
    DECLINED = 4
    UNAVAILABLE = 5
    NO_ANSWER = 6
    CONGESTION = 7


SIP_STATUS = {
    Kind.PERSON: 200,
    Kind.MACHINE: 200,
    Kind.BUSY: 486,
    Kind.INVALID: 404,
    Kind.DECLINED: 603,
    Kind.UNAVAILABLE: 480,
    Kind.NO_ANSWER: 487,  # rings on until the dialer cancels
    Kind.CONGESTION: 503,
}


_KINDS = tuple(Kind)  # by number


class Amd(StrEnum):
    """What answering-machine detection says."""

    PERSON = "person"
    MACHINE = "machine"


class _Slot(IntEnum):
    """Which uniform number of a call is for what. Append only: the order is the seed's meaning."""

    KIND = 0
    CONGESTION = 1
    SETUP = 2
    RING_PERSON = 3
    RING_MACHINE = 4
    RING_OUT = 5
    FAIL = 6
    AMD_PERSON = 7
    AMD_PERSON_WRONG = 8
    AMD_MACHINE = 9
    AMD_MACHINE_WRONG = 10
    PATIENCE = 11
    TALK = 12
    WRAP_UP = 13
    MACHINE_TALK = 14
    MACHINE_WRAP_UP = 15
    BREAK = 16
    BREAK_LENGTH = 17
    AGENT_SPEED = 18
    AGENT_LOGIN = 19
    AGENT_BREAK = 20
    AGENT_LOST = 21
    REGIME_LENGTH = 22
    REGIME_VALUE = 23


@dataclass(frozen=True)
class CallPlans:
    """`n` calls as arrays, before the time of launch is known (times unscaled by drift).

    `u_kind`, `u_congestion` and `answer_factor` go into `kind_of` with the row of the launch.
    `ring_machine_s` etc. are what happens *if* the call is of that kind.
    """

    u_kind: Array
    u_congestion: Array
    answer_factor: Array  # by attempt: multiplies the person rate
    attempt: NDArray[np.int64]
    setup_s: Array
    ring_person_s: Array  # also for declined and unavailable
    ring_machine_s: Array
    ring_out_s: Array  # rings this long when nobody answers
    fail_s: Array  # busy, invalid: after set-up
    detect_person_s: Array  # 0 with AMD off
    detect_machine_s: Array
    person_rejected: NDArray[np.bool_]  # AMD takes the person for a machine
    machine_passed: NDArray[np.bool_]  # the machine reaches an agent (always with AMD off)
    patience_s: Array  # hangs up by himself after waiting so long
    talk_person_s: Array
    wrap_person_s: Array
    talk_machine_s: Array
    wrap_machine_s: Array
    break_s: Array  # the agent's break after this call, 0: none

    def __len__(self) -> int:
        return len(self.u_kind)


@dataclass(frozen=True)
class DayTables:
    """What depends on the time of day: row `min(int(t / ROW_S), len - 1)`."""

    rates: Array  # (rows, 6) shares of lines, columns as `Kind`
    congestion: Array  # (rows,) share of lines ended by 503 before anything else
    talk_factor: Array  # by the instant the talk begins
    wrap_factor: Array  # by the instant the talk begins
    setup_factor: Array  # by the instant of launch
    ring_factor: Array  # by the instant of launch; on people's and machines' ring times
    blind: NDArray[np.bool_]  # the dialer may launch nothing (link lost)


@dataclass(frozen=True)
class AgentPlans:
    """Per agent his speed factor (multiplies talk and wrap-up), and when who is logged in.

    `stints` has the columns (agent, from_s, until_s), sorted by from_s; at `until_s` the agent
    leaves, finishing first what he is doing.
    """

    speed: Array
    stints: Array


class CallPlan(NamedTuple):
    """One call, resolved for its time of launch. Times follow one another: set-up, ring, detect.

    `ring_s` is None when it fails without ringing (then `fail_s` after set-up). NO_ANSWER rings
    for `ring_s`, the dialer's limit included. `talk_s` and `wrap_s` are before the agent's speed.
    """

    kind: Kind
    sip_status: int
    setup_s: float
    ring_s: float | None
    fail_s: float
    amd: Amd | None  # None: AMD off or not answered
    detect_s: float
    patience_s: float
    talk_s: float
    wrap_s: float
    break_s: float
    attempt: int = 1

    @property
    def answered(self) -> bool:
        return self.kind <= Kind.MACHINE

    @property
    def live(self) -> bool:
        """Whether the call asks for an agent (a person or an undetected machine)."""
        return self.answered and self.amd is not Amd.MACHINE


def kind_of(
    u_kind: float,
    u_congestion: float,
    answer_factor: float,
    rates: Array | Sequence[float],
    congestion: float,
) -> int:
    """The kind of a call launched in a row with `rates` (6 shares) and `congestion`."""
    if u_congestion < congestion:
        return 7
    left = u_kind - min(1.0, rates[0] * answer_factor)
    if left < 0.0:
        return 0
    for kind in range(1, 6):
        left -= rates[kind]
        if left < 0.0:
            return kind
    return 6


def plan_calls(scenario: Scenario, seed: int, n: int, first: int = 0) -> CallPlans:
    """Calls `first` to `first + n - 1` of the world (scenario, seed)."""
    index = np.arange(first, first + n, dtype=np.uint64)

    def u(slot: _Slot) -> Array:
        return uniforms(seed, int(slot), index)

    attempt = 1 + np.arange(first, first + n, dtype=np.int64) // scenario.list.leads
    by_attempt = np.asarray(scenario.list.by_attempt, dtype=np.float64)
    amd, line, handling = scenario.amd, scenario.line, scenario.handling
    nothing = np.zeros(n)
    agents = scenario.agents
    return CallPlans(
        u_kind=u(_Slot.KIND),
        u_congestion=u(_Slot.CONGESTION),
        answer_factor=by_attempt[np.minimum(attempt, len(by_attempt)) - 1],
        attempt=attempt,
        setup_s=line.setup.sample(u(_Slot.SETUP)),
        ring_person_s=line.ring_person.sample(u(_Slot.RING_PERSON)),
        ring_machine_s=line.ring_machine.sample(u(_Slot.RING_MACHINE)),
        ring_out_s=line.ring_out.sample(u(_Slot.RING_OUT)),
        fail_s=line.fail.sample(u(_Slot.FAIL)),
        detect_person_s=amd.delay_person.sample(u(_Slot.AMD_PERSON)) if amd.on else nothing,
        detect_machine_s=amd.delay_machine.sample(u(_Slot.AMD_MACHINE)) if amd.on else nothing,
        person_rejected=(u(_Slot.AMD_PERSON_WRONG) < amd.person_as_machine) & amd.on,
        machine_passed=(u(_Slot.AMD_MACHINE_WRONG) < amd.machine_as_person) | (not amd.on),
        patience_s=scenario.patience.sample(u(_Slot.PATIENCE)),
        talk_person_s=handling.talk.sample(u(_Slot.TALK)),
        wrap_person_s=handling.wrap_up.sample(u(_Slot.WRAP_UP)),
        talk_machine_s=handling.machine_talk.sample(u(_Slot.MACHINE_TALK)),
        wrap_machine_s=handling.machine_wrap_up.sample(u(_Slot.MACHINE_WRAP_UP)),
        break_s=np.where(
            u(_Slot.BREAK) < agents.break_share,
            agents.break_length.sample(u(_Slot.BREAK_LENGTH)),
            0.0,
        ),
    )


@lru_cache(maxsize=64)
def day_tables(scenario: Scenario, seed: int) -> DayTables:
    """The rows of the day; `seed` matters only where the scenario has random regimes."""
    rows = max(1, int(np.ceil(scenario.day_s / ROW_S)))
    at = np.asarray((np.arange(rows) + 0.5) * ROW_S, dtype=np.float64)
    factors = {what: np.ones(rows) for what in Drifting}
    factors[Drifting.CONGESTION] = np.full(rows, scenario.carrier.congestion)
    for place, drift in enumerate(scenario.drift):
        if drift.regimes:
            values = _regimes(drift.regimes, drift.regime_mean_s, seed, place, at)
        else:
            before = 0.0 if drift.what is Drifting.CONGESTION else 1.0
            values = _profile(drift.points, drift.shape, at, before)
        if drift.what is Drifting.CONGESTION:
            factors[drift.what] = factors[drift.what] + values
        else:
            factors[drift.what] = factors[drift.what] * values
    blind = np.zeros(rows, dtype=bool)
    for fault in scenario.faults:
        during = (at >= fault.start_s) & (at < fault.start_s + fault.length_s)
        if fault.kind is FaultKind.CARRIER_OUTAGE:
            factors[Drifting.CONGESTION][during] = 1.0
        elif fault.kind is FaultKind.SLOW_SETUP:
            factors[Drifting.SETUP][during] *= fault.size
        elif fault.kind is FaultKind.LINK_LOST:
            blind |= during
    return DayTables(
        rates=_rates(scenario, at, factors[Drifting.ANSWER], factors[Drifting.MACHINE]),
        congestion=np.clip(factors[Drifting.CONGESTION], 0.0, 1.0),
        talk_factor=factors[Drifting.TALK],
        wrap_factor=factors[Drifting.WRAP_UP],
        setup_factor=factors[Drifting.SETUP],
        ring_factor=factors[Drifting.RING],
        blind=blind,
    )


def _rates(scenario: Scenario, at: Array, answer: Array, machine: Array) -> Array:
    rates = np.tile(np.asarray(scenario.list.rates.as_tuple()), (len(at), 1))
    for start_s, changed in scenario.list.by_hour:
        rates[at >= start_s] = changed.as_tuple()
    rates[:, Kind.PERSON] *= answer
    rates[:, Kind.MACHINE] *= machine
    # A drift that passes 1 in total takes everything: shares are scaled back to fit.
    return np.asarray(rates / np.maximum(1.0, rates.sum(axis=1, keepdims=True)))


def _profile(
    points: tuple[tuple[float, float], ...], shape: Shape, at: Array, before: float
) -> Array:
    times = np.asarray([t for t, _ in points])
    values = np.asarray([v for _, v in points])
    if shape is Shape.LINEAR:
        return np.asarray(np.interp(at, times, values))
    place = np.searchsorted(times, at, side="right") - 1
    return np.asarray(np.where(place >= 0, values[np.maximum(place, 0)], before))


def _regimes(values: tuple[float, ...], mean_s: float, seed: int, place: int, at: Array) -> Array:
    """A value at a time, each for an exponential time; a change always goes to another value."""
    many = int(20 + 4 * at[-1] / mean_s)
    index = np.arange(many, dtype=np.uint64) + np.uint64(place * 1_000_003)
    ends = np.cumsum(Exponential(mean_s).sample(uniforms(seed, _Slot.REGIME_LENGTH, index)))
    draw = uniforms(seed, _Slot.REGIME_VALUE, index)
    chosen = np.empty(many, dtype=np.int64)
    chosen[0] = int(draw[0] * len(values))
    for i in range(1, many):
        step = 1 + int(draw[i] * (len(values) - 1)) if len(values) > 1 else 0
        chosen[i] = (chosen[i - 1] + step) % len(values)
    at_which = np.minimum(np.searchsorted(ends, at, side="right"), many - 1)
    return np.asarray(values, dtype=np.float64)[chosen[at_which]]


def plan_agents(scenario: Scenario, seed: int) -> AgentPlans:
    """Who works when, and how fast: shifts less planned breaks less faults."""
    n = scenario.agents.count
    index = np.arange(n, dtype=np.uint64)
    spread = uniforms(seed, _Slot.AGENT_LOGIN, index)
    takes_break = uniforms(seed, _Slot.AGENT_BREAK, index)
    lost = uniforms(seed, _Slot.AGENT_LOST, index)
    speed = np.ones(n)
    if scenario.agents.speed_cv > 0:
        speed = Lognormal(1.0, scenario.agents.speed_cv).sample(
            uniforms(seed, _Slot.AGENT_SPEED, index)
        )
    stints: list[tuple[float, float, float]] = []
    agent = 0
    for shift in scenario.agents.shifts:
        for _ in range(shift.count):
            start = shift.start_s + spread[agent] * shift.login_spread_s
            pieces = [(float(start), min(shift.end_s, scenario.day_s))]
            for pause in scenario.agents.breaks:
                if takes_break[agent] < pause.share:
                    wave = agent % pause.waves
                    begin = pause.start_s + wave * pause.length_s
                    pieces = _without(pieces, begin, begin + pause.length_s)
            for fault in scenario.faults:
                if fault.kind is FaultKind.AGENTS_LOST and lost[agent] < fault.size:
                    pieces = _without(pieces, fault.start_s, fault.start_s + fault.length_s)
            stints += [(float(agent), a, b) for a, b in pieces if b > a]
            agent += 1
    stints.sort(key=lambda stint: (stint[1], stint[0]))
    return AgentPlans(speed=speed, stints=np.asarray(stints, dtype=np.float64).reshape(-1, 3))


def _without(
    pieces: list[tuple[float, float]], begin: float, end: float
) -> list[tuple[float, float]]:
    cut = [part for a, b in pieces for part in ((a, min(b, begin)), (max(a, end), b))]
    return [(a, b) for a, b in cut if b > a]


class World:
    """Calls of (scenario, seed) one at a time, drawn in blocks so that one call is cheap.

    Blocks and tables are kept as plain floats: to take a number out of an array costs as much as
    ten steps of reckoning with it.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self.scenario = scenario
        self.seed = seed
        self.tables = day_tables(scenario, seed)
        self._blocks: dict[int, list[tuple[Any, ...]]] = {}
        self._rates: list[list[float]] = self.tables.rates.tolist()
        self._rest: list[tuple[float, float, float, float, float]] = list(
            zip(
                self.tables.congestion.tolist(),
                self.tables.setup_factor.tolist(),
                self.tables.ring_factor.tolist(),
                self.tables.talk_factor.tolist(),
                self.tables.wrap_factor.tolist(),
                strict=True,
            )
        )
        self._amd = scenario.amd.on
        self._ring_limit_s = scenario.line.ring_limit_s

    def _draw(self, block: int) -> list[tuple[Any, ...]]:
        """The calls of a block, each with its numbers in the order of `CallPlans`."""
        if len(self._blocks) >= 16:  # the oldest block is all but surely done with
            self._blocks.pop(next(iter(self._blocks)))
        plans = plan_calls(self.scenario, self.seed, _BLOCK, block * _BLOCK)
        arrays = (getattr(plans, field.name).tolist() for field in fields(plans))
        calls = self._blocks[block] = list(zip(*arrays, strict=True))
        return calls

    def plan_call(self, index: int, t_s: float, attempt: int | None = None) -> CallPlan:
        """Call `index` if launched at `t_s`; `attempt` (1, 2, ...) overrides the list's own."""
        block, place = divmod(index, _BLOCK)
        (
            u_kind,
            u_congestion,
            answer_factor,
            own_attempt,
            setup_s,
            ring_person_s,
            ring_machine_s,
            ring_out_s,
            fail_s,
            detect_person_s,
            detect_machine_s,
            person_rejected,
            machine_passed,
            patience_s,
            talk_person_s,
            wrap_person_s,
            talk_machine_s,
            wrap_machine_s,
            break_s,
        ) = (self._blocks.get(block) or self._draw(block))[place]
        if attempt is not None:
            by_attempt = self.scenario.list.by_attempt
            answer_factor = by_attempt[min(attempt, len(by_attempt)) - 1]
        row = min(max(0, int(t_s / ROW_S)), len(self._rates) - 1)
        congestion, setup_factor, ring_factor, talk_factor, wrap_factor = self._rest[row]
        kind = _KINDS[kind_of(u_kind, u_congestion, answer_factor, self._rates[row], congestion)]
        ring: float | None = None
        if kind is Kind.NO_ANSWER:
            ring = ring_out_s
        elif kind is Kind.MACHINE:
            ring = ring_machine_s * ring_factor
        elif kind is Kind.PERSON or kind is Kind.DECLINED or kind is Kind.UNAVAILABLE:
            ring = ring_person_s * ring_factor
        if ring is not None and ring >= self._ring_limit_s:
            kind, ring = Kind.NO_ANSWER, self._ring_limit_s
        verdict: Amd | None = None
        detect = 0.0
        if self._amd and kind is Kind.PERSON:
            detect = detect_person_s
            verdict = Amd.MACHINE if person_rejected else Amd.PERSON
        elif self._amd and kind is Kind.MACHINE:
            detect = detect_machine_s
            verdict = Amd.PERSON if machine_passed else Amd.MACHINE
        machine = kind is Kind.MACHINE
        return CallPlan(
            kind,
            SIP_STATUS[kind],
            setup_s * setup_factor,
            ring,
            fail_s,
            verdict,
            detect,
            patience_s,
            (talk_machine_s if machine else talk_person_s) * talk_factor,
            (wrap_machine_s if machine else wrap_person_s) * wrap_factor,
            break_s,
            own_attempt if attempt is None else attempt,
        )


@lru_cache(maxsize=8)
def _world(scenario: Scenario, seed: int) -> World:
    return World(scenario, seed)


def plan_call(
    scenario: Scenario, seed: int, call_index: int, t_s: float, attempt: int | None = None
) -> CallPlan:
    """One call of the world (scenario, seed), launched at `t_s` seconds into the day."""
    return _world(scenario, seed).plan_call(call_index, t_s, attempt)
