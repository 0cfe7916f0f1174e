"""What a simulated day came to: plain counts, from which every rate is derived in one place.

Every engine (full, fast, plain) fills the same record, so tables and reports know only this.
Times are agent-seconds. "Person" is the world's truth, not what a dialer may know.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from simulator.scenario import Scenario

CURVE_STEP_S = 900.0  # one row of a day curve


@dataclass(frozen=True)
class CurveRow:
    """A quarter of an hour: what was launched and answered in it, agent-seconds spent in it."""

    start_s: float
    lines: int = 0
    live: int = 0  # people let through to the floor
    abandoned: int = 0
    busy_s: float = 0.0
    staffed_s: float = 0.0


@dataclass(frozen=True)
class DayResult:
    """One day of one pacer in one world.

    `people` = `live` + `rejected`; `live` = `served` + `abandoned` + `left` (+ those under way
    when the day ended, at most a handful). Served later than the limit counts as abandoned.
    """

    scenario: str
    pacer: str
    agents: int
    seed: int
    lines: int  # launched
    people: int  # lines a person answered
    live: int  # ... and AMD (if on) let through
    served: int  # ... bridged within the limit
    abandoned: int  # ... found nobody within the limit
    left: int  # ... hung up before the limit and before an agent was free
    rejected: int  # people whom AMD took for a machine
    machines_served: int  # machines an agent had to listen to
    machines_abandoned: int  # machines let through that found nobody: nobody was wronged
    talk_s: float
    wrap_s: float
    staffed_s: float  # logged in and not on break
    break_s: float = 0.0
    waits_s: tuple[float, ...] = ()  # every live person's wait, at most a few thousand kept
    gaps_s: tuple[float, ...] = ()  # agents' idle gaps between calls, at most a few thousand kept
    curve: tuple[CurveRow, ...] = ()
    decisions: int = 0
    wall_s: float = 0.0  # what it cost to compute
    bounds: Mapping[str, int] = field(default_factory=dict)  # decisions by binding constraint
    given_up: int = 0  # lines hung up as they rang, because the floor had filled

    @property
    def utilisation(self) -> float:
        """(talk + wrap-up) / (logged in and not on break)."""
        return (self.talk_s + self.wrap_s) / self.staffed_s if self.staffed_s > 0 else 0.0

    @property
    def abandon_rate(self) -> float:
        """Live people who found nobody within the limit, of all live people let through.

        AMD's own victims are apart (`uk_rate`): no pacer has a hand in them.
        """
        return self.abandoned / self.live if self.live else 0.0

    @property
    def uk_rate(self) -> float:
        """Abandoned and AMD-rejected people, of all people who answered (docs: UK arithmetic)."""
        return (self.abandoned + self.rejected) / self.people if self.people else 0.0

    @property
    def connects_per_hour(self) -> float:
        """People served per agent-hour."""
        return 3600.0 * self.served / self.staffed_s if self.staffed_s > 0 else 0.0

    @property
    def lines_per_connect(self) -> float:
        return self.lines / self.served if self.served else 0.0


@dataclass(frozen=True)
class PacerSpec:
    """Which pacer, with which options: enough to make it in another process."""

    name: str
    options: tuple[tuple[str, Any], ...] = ()

    @classmethod
    def of(cls, name: str, options: Mapping[str, Any] | None = None) -> PacerSpec:
        return cls(name, tuple(sorted((options or {}).items())))

    @property
    def label(self) -> str:
        if not self.options:
            return self.name
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.options)})"


class Runner(Protocol):
    """An engine: runs successive days of one campaign with one pacer.

    One pacer lives through all `seeds`, in order, with what it learned and its account of
    abandons (days of one 30-day block); day `i` is world (scenario, seeds[i]).
    """

    @property
    def name(self) -> str: ...

    def can_run(self, pacer: PacerSpec) -> bool:
        """Whether this engine has that pacer (a compiled engine may have only some)."""
        ...

    def run_days(
        self, scenario: Scenario, pacer: PacerSpec, seeds: Sequence[int]
    ) -> list[DayResult]:
        """One result for each seed. Raises PacerError for an unknown pacer or option."""
        ...
