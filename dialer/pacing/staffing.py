"""Staffing what-ifs: how many agents, how many lines, what abandon rate.

Steady-state answers from Erlang's formulas, with live answers taken for a Poisson stream at which
every caller gives up after the law's patience (M/M/n+D). A pacer that looks ahead does better than
a blind stream, so the utilisation here is a floor and the abandon rate a ceiling for one dial rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from dialer.pacing.erlang import (
    agents_for_loss,
    lines_for_blocking,
    load_for_loss,
    loss_at_patience,
)


class StaffingError(ValueError):
    """A number that cannot be; the text names it and says what would do."""


@dataclass(frozen=True, slots=True)
class Floor:
    """What is known of a campaign. Seconds; shares of dialled lines and of live answers."""

    handle_s: float  # talk and wrap-up per live answer
    answer_rate: float  # live answers per line dialled
    line_life_s: float  # mean seconds a line is up before an agent or its end
    talk_s: float | None = None  # the part of handle_s that holds a line; all of it by default
    patience_s: float = 2.0
    limit: float = 0.03
    blocking: float = 0.01  # lines are dimensioned so that so few launches find no line

    def __post_init__(self) -> None:
        for name, value in (("handle_s", self.handle_s), ("line_life_s", self.line_life_s)):
            if not (math.isfinite(value) and value > 0):
                raise StaffingError(f"{name} is {value:g}; it must be above 0 seconds")
        if not 0 < self.answer_rate <= 1:
            raise StaffingError(
                f"answer_rate is {self.answer_rate:g}; it must be a share above 0 and at most 1"
            )
        if self.talk_s is not None and not 0 < self.talk_s <= self.handle_s:
            raise StaffingError(
                f"talk_s is {self.talk_s:g}; it must be above 0 and at most handle_s"
            )
        if not 0 <= self.patience_s <= 600:
            raise StaffingError(f"patience_s is {self.patience_s:g}; it must be from 0 to 600")
        for name, value in (("limit", self.limit), ("blocking", self.blocking)):
            if not 0 < value < 1:
                raise StaffingError(f"{name} is {value:g}; it must be a share between 0 and 1")


@dataclass(frozen=True, slots=True)
class Staffing:
    """The answer: a floor in its steady state."""

    agents: int
    load: float  # erlangs offered by live answers
    utilisation: float
    abandon_rate: float
    waits: float  # share of callers who wait at all
    live_per_hour: float
    connects_per_hour: float
    dials_per_hour: float
    lines: int  # to be rented: ringing and talking


def at_load(floor: Floor, agents: int, load: float) -> Staffing:
    """The steady state of `agents` who are offered `load` erlangs."""
    if agents < 1:
        raise StaffingError(f"agents is {agents}; it must be 1 or more")
    waits, lost = loss_at_patience(agents, load, floor.patience_s / floor.handle_s)
    live_per_s = load / floor.handle_s
    dials_per_s = live_per_s / floor.answer_rate
    talk_s = floor.talk_s if floor.talk_s is not None else floor.handle_s
    lines_load = dials_per_s * floor.line_life_s + live_per_s * (1 - lost) * talk_s
    return Staffing(
        agents=agents,
        load=load,
        utilisation=load * (1 - lost) / agents,
        abandon_rate=lost,
        waits=waits,
        live_per_hour=live_per_s * 3600,
        connects_per_hour=live_per_s * (1 - lost) * 3600,
        dials_per_hour=dials_per_s * 3600,
        lines=lines_for_blocking(lines_load, floor.blocking),
    )


def for_agents(floor: Floor, agents: int) -> Staffing:
    """The busiest steady state of so many agents within the limit."""
    if agents < 1:
        raise StaffingError(f"agents is {agents}; it must be 1 or more")
    load = load_for_loss(agents, floor.patience_s / floor.handle_s, floor.limit)
    return at_load(floor, agents, load)


def for_connects(floor: Floor, connects_per_hour: float) -> Staffing:
    """The fewest agents who take so many calls an hour within the limit."""
    if not (math.isfinite(connects_per_hour) and connects_per_hour > 0):
        raise StaffingError(f"connects_per_hour is {connects_per_hour:g}; it must be above 0")
    live_per_s = connects_per_hour / 3600 / (1 - floor.limit)
    load = live_per_s * floor.handle_s
    agents = agents_for_loss(load, floor.patience_s / floor.handle_s, floor.limit)
    return at_load(floor, agents, load)
