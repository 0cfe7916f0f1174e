"""What a simulated world is made of: frozen records, units in the names, checked at construction.

A `Scenario` says how people, machines, carriers and agents behave; it says nothing about pacing.
`simulator.world` turns it and a seed into the very people a pacer meets.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import StrEnum

from simulator.distributions import (
    Constant,
    Distribution,
    Exponential,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
)


class BadScenario(ValueError):
    """A world that cannot be; `path` names the field (`agents.count`), the text the mend."""

    def __init__(self, path: str, text: str) -> None:
        super().__init__(f"{path}: {text}")
        self.path = path
        self.text = text


def _check(ok: bool, path: str, text: str) -> None:
    if not ok:
        raise BadScenario(path, text)


def _share(path: str, value: float) -> None:
    _check(0.0 <= value <= 1.0, path, f"is {value:g}; it must be a share from 0 to 1")


@dataclass(frozen=True)
class Shift:
    """Some agents' working time, seconds from the start of the day.

    Each agent logs in at `start_s` plus a uniform part of `login_spread_s` and leaves at `end_s`
    (a call under way is finished first). `count` of them.
    """

    count: int
    start_s: float = 0.0
    end_s: float = 28_800.0
    login_spread_s: float = 120.0

    def __post_init__(self) -> None:
        _check(self.count >= 0, "agents.shifts.count", "must be 0 or more")
        _check(
            0 <= self.start_s < self.end_s,
            "agents.shifts",
            f"start_s {self.start_s:g} must be before end_s {self.end_s:g} and not negative",
        )
        _check(self.login_spread_s >= 0, "agents.shifts.login_spread_s", "must be 0 or more")


@dataclass(frozen=True)
class PlannedBreak:
    """A break everybody takes (lunch), in `waves` equal groups one after the other."""

    start_s: float
    length_s: float
    waves: int = 1
    share: float = 1.0  # part of the agents who take it

    def __post_init__(self) -> None:
        _check(self.start_s >= 0, "agents.breaks.start_s", "must be 0 or more")
        _check(self.length_s > 0, "agents.breaks.length_s", "must be above 0")
        _check(self.waves >= 1, "agents.breaks.waves", "must be 1 or more")
        _share("agents.breaks.share", self.share)


@dataclass(frozen=True)
class Agents:
    """The floor. `speed_cv` spreads agents' handling times: each agent's talk and wrap-up are
    multiplied by his own factor, lognormal with mean 1 and this cv (0: all alike)."""

    shifts: tuple[Shift, ...]
    breaks: tuple[PlannedBreak, ...] = ()
    speed_cv: float = 0.0
    break_share: float = 0.01  # of calls after which the agent takes a short break
    break_length: Distribution = field(default_factory=lambda: Exponential(300.0))

    def __post_init__(self) -> None:
        _check(
            self.count > 0, "agents.count", "the world has no agents; give at least one (count: 10)"
        )
        _check(0 <= self.speed_cv <= 2, "agents.speed_cv", "must be from 0 to 2")
        _share("agents.break_share", self.break_share)

    @property
    def count(self) -> int:
        return sum(shift.count for shift in self.shifts)


@dataclass(frozen=True)
class Rates:
    """How dialled lines end: shares of all lines; what is left rings out unanswered.

    person, machine: answered. busy (486), invalid (404): fail at once after set-up.
    declined (603), unavailable (480): fail after ringing as long as a person's answer takes.
    """

    person: float = 0.20
    machine: float = 0.25
    busy: float = 0.06
    invalid: float = 0.04
    declined: float = 0.0
    unavailable: float = 0.0

    def __post_init__(self) -> None:
        for name, value in zip(RATE_NAMES, self.as_tuple(), strict=True):
            _share(f"list.rates.{name}", value)
        total = sum(self.as_tuple())
        _check(
            total <= 1.0 + 1e-9,
            "list.rates",
            f"the shares add up to {total:g}; they must not pass 1 (the rest rings out)",
        )

    def as_tuple(self) -> tuple[float, ...]:
        return (
            self.person,
            self.machine,
            self.busy,
            self.invalid,
            self.declined,
            self.unavailable,
        )


RATE_NAMES = ("person", "machine", "busy", "invalid", "declined", "unavailable")


@dataclass(frozen=True)
class CallingList:
    """The list: `leads` numbers dialled in order and again from the top as further attempts.

    `by_hour` replaces `rates` from an instant on (seconds from the day's start); `by_attempt`
    multiplies the person rate of the 1st, 2nd, ... attempt (the last value holds for all later).
    """

    rates: Rates = field(default_factory=Rates)
    by_hour: tuple[tuple[float, Rates], ...] = ()
    by_attempt: tuple[float, ...] = (1.0,)
    leads: int = 1_000_000

    def __post_init__(self) -> None:
        _check(self.leads >= 1, "list.leads", "the list is empty; give at least 1")
        _check(bool(self.by_attempt), "list.by_attempt", "is empty; give at least [1.0]")
        highest = max(r.person for _, r in ((0.0, self.rates), *self.by_hour))
        for factor in self.by_attempt:
            _check(factor >= 0, "list.by_attempt", f"{factor:g} is negative; must be 0 or more")
            _check(
                factor * highest <= 1.0,
                "list.by_attempt",
                f"{factor:g} x the highest person rate {highest:g} passes 1",
            )
        times = [t for t, _ in self.by_hour]
        _check(
            times == sorted(set(times)) and all(t >= 0 for t in times),
            "list.by_hour",
            "the instants must rise and not be negative",
        )


@dataclass(frozen=True)
class Line:
    """A line's way: set-up, then ringing until somebody answers or the dialer gives up."""

    setup: Distribution = field(default_factory=lambda: Shifted(0.3, Lognormal(1.2, 0.4)))
    ring_person: Distribution = field(default_factory=lambda: Lognormal(9.0, 0.5))
    ring_machine: Distribution = field(
        default_factory=lambda: Mixture((0.25, 0.75), (Lognormal(2.5, 0.5), Lognormal(19.0, 0.15)))
    )
    ring_out: Distribution = field(default_factory=lambda: Constant(25.0))  # nobody answers
    ring_limit_s: float = 25.0  # the dialer gives up: also on people who would answer later
    ring_least_s: float = 15.0  # it may do so as soon as that, if the pacer asks for it
    fail: Distribution = field(default_factory=lambda: Constant(0.0))  # busy, invalid: after set-up

    def __post_init__(self) -> None:
        _check(self.ring_limit_s > 0, "line.ring_limit_s", "must be above 0 (.inf: never)")


@dataclass(frozen=True)
class Amd:
    """Answering-machine detection: when the verdict comes after the answer, how often it errs."""

    on: bool = True
    delay_person: Distribution = field(default_factory=lambda: Uniform(1.0, 2.4))
    delay_machine: Distribution = field(default_factory=lambda: Uniform(1.8, 3.8))
    person_as_machine: float = 0.03
    machine_as_person: float = 0.08

    def __post_init__(self) -> None:
        _share("amd.person_as_machine", self.person_as_machine)
        _share("amd.machine_as_person", self.machine_as_person)


@dataclass(frozen=True)
class Handling:
    """What a connected call costs an agent."""

    talk: Distribution = field(
        default_factory=lambda: Mixture((0.4, 0.6), (Lognormal(25.0, 0.6), Lognormal(180.0, 1.0)))
    )
    wrap_up: Distribution = field(default_factory=lambda: Lognormal(20.0, 0.6))
    machine_talk: Distribution = field(default_factory=lambda: Lognormal(8.0, 0.5))
    machine_wrap_up: Distribution = field(default_factory=lambda: Lognormal(5.0, 0.6))


@dataclass(frozen=True)
class Carrier:
    """Trunks and the network. Lines that may be up at once: per agent x agents + extra."""

    trunks_per_agent: float = 12.0
    trunks_extra: int = 20
    congestion: float = 0.0  # share of lines that end at once with 503
    launches_per_s_max: float = math.inf  # the carrier takes no more; the rest waits in set-up

    def __post_init__(self) -> None:
        _check(self.trunks_per_agent >= 0, "carrier.trunks_per_agent", "must be 0 or more")
        _check(self.trunks_extra >= 0, "carrier.trunks_extra", "must be 0 or more")
        _share("carrier.congestion", self.congestion)
        _check(self.launches_per_s_max > 0, "carrier.launches_per_s_max", "must be above 0")


class Drifting(StrEnum):
    """What may change over the day: a factor on it, save congestion, which is added to."""

    ANSWER = "answer"
    MACHINE = "machine"
    TALK = "talk"
    WRAP_UP = "wrap_up"
    SETUP = "setup"
    RING = "ring"
    CONGESTION = "congestion"


class Shape(StrEnum):
    STEP = "step"  # each value holds until the next instant
    LINEAR = "linear"  # straight lines between the instants


@dataclass(frozen=True)
class Drift:
    """A change over the day, either by a plan or at random.

    By a plan: `points` of (seconds, value). At random (`regimes`): one of the values at a time,
    each for an exponential time of mean `regime_mean_s`, drawn from the seed.
    """

    what: Drifting
    points: tuple[tuple[float, float], ...] = ()
    shape: Shape = Shape.LINEAR
    regimes: tuple[float, ...] = ()
    regime_mean_s: float = 1_200.0

    def __post_init__(self) -> None:
        _check(
            bool(self.points) != bool(self.regimes),
            "drift",
            "give either points or regimes, not both",
        )
        for value in (*(v for _, v in self.points), *self.regimes):
            _check(value >= 0, f"drift ({self.what})", f"{value:g} is negative; must be 0 or more")
        times = [t for t, _ in self.points]
        _check(
            times == sorted(times) and all(t >= 0 for t in times),
            f"drift ({self.what})",
            "the instants must rise and not be negative",
        )
        _check(self.regime_mean_s > 0, "drift.regime_mean_s", "must be above 0")


class FaultKind(StrEnum):
    CARRIER_OUTAGE = "carrier_outage"  # every launched line ends with 503
    SLOW_SETUP = "slow_setup"  # set-up takes `size` times as long
    AGENTS_LOST = "agents_lost"  # the share `size` of the agents is gone
    LINK_LOST = "link_lost"  # the dialer sees nothing and may launch nothing


@dataclass(frozen=True)
class Fault:
    """Something breaks from `start_s` for `length_s`; `size` where the kind has one."""

    kind: FaultKind
    start_s: float
    length_s: float
    size: float = 1.0

    def __post_init__(self) -> None:
        _check(self.start_s >= 0, "faults.start_s", "must be 0 or more")
        _check(self.length_s > 0, "faults.length_s", "must be above 0")
        _check(self.size >= 0, "faults.size", "must be 0 or more")
        if self.kind is FaultKind.AGENTS_LOST:
            _share("faults.size", self.size)


@dataclass(frozen=True)
class Law:
    """The limit the world is judged by: served later than `wait_limit_s` is abandoned."""

    wait_limit_s: float = 2.0
    abandon_rate_max: float = 0.03

    def __post_init__(self) -> None:
        _check(self.wait_limit_s >= 0, "law.wait_limit_s", "must be 0 or more")
        _share("law.abandon_rate_max", self.abandon_rate_max)


@dataclass(frozen=True)
class Scenario:
    """One world. `patience`: how long a live person waits before hanging up by himself."""

    name: str
    agents: Agents
    note: str = ""
    day_s: float = 28_800.0
    list: CallingList = field(default_factory=CallingList)
    line: Line = field(default_factory=Line)
    amd: Amd = field(default_factory=Amd)
    patience: Distribution = field(default_factory=lambda: Exponential(30.0))
    handling: Handling = field(default_factory=Handling)
    carrier: Carrier = field(default_factory=Carrier)
    drift: tuple[Drift, ...] = ()
    faults: tuple[Fault, ...] = ()
    law: Law = field(default_factory=Law)

    def __post_init__(self) -> None:
        _check(
            0 < self.day_s <= 172_800 and math.isfinite(self.day_s),
            "day_s",
            f"is {self.day_s:g}; must be above 0 and at most 172800 (two days)",
        )
        _check(
            self.lines_max >= 1,
            "carrier",
            "carries no line at all; give trunks_per_agent or trunks_extra",
        )

    @property
    def lines_max(self) -> int:
        """Lines that may be up at once (set-up to hang-up, talking ones included)."""
        return int(self.carrier.trunks_per_agent * self.agents.count + self.carrier.trunks_extra)

    def with_agents(self, count: int) -> Scenario:
        """The same world with `count` agents, shifts scaled in proportion (largest remainder)."""
        _check(1 <= count <= 100_000, "agents.count", f"is {count}; must be from 1 to 100000")
        old = self.agents
        exact = [shift.count * count / old.count for shift in old.shifts]
        counts = [int(x) for x in exact]
        by_rest = sorted(range(len(exact)), key=lambda i: (counts[i] - exact[i], i))
        for i in by_rest[: count - sum(counts)]:
            counts[i] += 1
        shifts = tuple(replace(s, count=c) for s, c in zip(old.shifts, counts, strict=True) if c)
        return replace(self, agents=replace(old, shifts=shifts))


def base_world(agents: int, day_s: float = 28_800.0) -> Scenario:
    """The realistic floor all figures are quoted on (docs/simulator.md, "the base world")."""
    return Scenario(
        name=f"base-{agents}",
        agents=Agents(shifts=(Shift(count=agents, end_s=day_s),)),
        note="20 % people, 25 % machines, AMD on, mixed talk times",
        day_s=day_s,
    )


def exponential_floor(
    agents: int,
    handling_s: float = 150.0,
    line_life_s: float = 12.0,
    answer_rate: float = 0.25,
    day_s: float = 28_800.0,
) -> Scenario:
    """The all-exponential floor whose optimum is known exactly (`simulator.bounds`).

    A line lives an exponential time whether somebody answers at its end or not; there is no
    set-up, machine, AMD, break or wrap-up, everybody is there from the first second, and a caller
    waits until the limit of 2 s.
    """
    return Scenario(
        name=f"exponential-{agents}",
        agents=Agents(
            shifts=(Shift(count=agents, end_s=day_s, login_spread_s=0.0),), break_share=0.0
        ),
        note="every time exponential: the floor of the exact optimum",
        day_s=day_s,
        list=CallingList(rates=Rates(person=answer_rate, machine=0.0, busy=0.0, invalid=0.0)),
        line=Line(
            setup=Constant(0.0),
            ring_person=Exponential(line_life_s),
            ring_machine=Exponential(line_life_s),
            ring_out=Exponential(line_life_s),
            ring_limit_s=math.inf,
            ring_least_s=math.inf,
        ),
        amd=Amd(on=False),
        patience=Constant(1e9),
        handling=Handling(talk=Exponential(handling_s), wrap_up=Constant(0.0)),
        carrier=Carrier(trunks_per_agent=50.0, trunks_extra=100),
    )
