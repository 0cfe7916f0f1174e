"""The key figures of a campaign, each with the formula it was reckoned by. Pure.

A figure nobody can check is worth nothing: every one carries its numerator and denominator, and the
words that say what they count. Shares carry a 95 % interval (Wilson 1927), because a challenger's
few hundred calls differ from the champion's by chance alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

_Z95 = 1.959964  # 0.975 quantile of the normal distribution


class GroupBy(StrEnum):
    """What a campaign's figures are split by."""

    CAMPAIGN = "campaign"
    SEGMENT = "segment"
    ARM = "arm"
    LIST = "list"


@dataclass(frozen=True, slots=True)
class Counts:
    """What was counted of one group in a span of time.

    `accounts`, `workable` and `finished` are as the list stands now; the rest is of the span.
    """

    accounts: int = 0
    workable: int = 0
    finished: int = 0
    attempts: int = 0
    accounts_attempted: int = 0
    live: int = 0
    right_party: int = 0
    promises: int = 0
    promises_due: int = 0
    promises_kept: int = 0
    talk_s: float = 0.0
    agent_s: float = 0.0  # of the campaign's agents, shared out by talk time


@dataclass(frozen=True, slots=True)
class Kpi:
    """`value` is None where there is nothing to divide by. `low` and `high`: 95 % interval of a
    share of independent trials. `unit` is share, ratio, or per_hour."""

    id: str
    name: str
    formula: str
    unit: str
    numerator: float
    denominator: float
    value: float | None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class KpiGroup:
    """`key` names the segment, arm or list; empty where a lead has none."""

    key: str
    kpis: tuple[Kpi, ...]


@dataclass(frozen=True, slots=True)
class KpiReport:
    """`since` and `until` None: without that end."""

    campaign: str
    by: GroupBy
    since: datetime | None
    until: datetime | None
    groups: tuple[KpiGroup, ...]


@dataclass(frozen=True, slots=True)
class HeatCell:
    """Calls that began in one hour of one weekday (0 = Monday), by the called party's clock."""

    weekday: int
    hour: int
    attempts: int
    live: int
    right_party: int
    contact_rate: float
    right_party_rate: float


@dataclass(frozen=True, slots=True)
class BestTimes:
    """When people are reached: only hours with an attempt have a cell."""

    campaign: str
    formula: str
    cells: tuple[HeatCell, ...] = field(default=())


BEST_TIMES = (
    "right-party contacts / attempts, by weekday and hour of the first time zone the account may"
    " be in"
)

_TRIED = "attempts that tried to reach somebody (faults of the network or ours do not count)"


@dataclass(frozen=True, slots=True)
class _Formula:
    id: str
    name: str
    formula: str
    unit: str
    numerator: str
    denominator: str
    scale: float = 1.0  # of the denominator
    trials: bool = False  # a share of independent trials: it has an interval


FORMULAS: tuple[_Formula, ...] = (
    _Formula(
        "penetration",
        "Penetration",
        "accounts attempted / accounts that were attempted or may still be called",
        "share",
        "accounts_attempted",
        "workable",
    ),
    _Formula(
        "intensity",
        "Intensity",
        "attempts / accounts attempted",
        "ratio",
        "attempts",
        "accounts_attempted",
    ),
    _Formula(
        "contact_rate",
        "Contact rate",
        f"live answers / {_TRIED}",
        "share",
        "live",
        "attempts",
        trials=True,
    ),
    _Formula(
        "right_party_rate",
        "Right-party contact rate",
        f"calls whose last disposition is of the category right_party / {_TRIED}",
        "share",
        "right_party",
        "attempts",
        trials=True,
    ),
    _Formula(
        "promise_rate",
        "Promise-to-pay rate",
        "promises to pay (one that a later one replaced is not counted) / right-party contacts",
        "share",
        "promises",
        "right_party",
        trials=True,
    ),
    _Formula(
        "kept_rate",
        "Kept promises",
        "promises kept (paid by their day and grace) / promises kept, and those whose day and"
        " grace are over",
        "share",
        "promises_kept",
        "promises_due",
        trials=True,
    ),
    _Formula(
        "right_party_per_agent_hour",
        "Right-party contacts per agent-hour",
        "right-party contacts / hours in which agents of the campaign were signed on and on no"
        " break (an agent of several campaigns counts in each; parts of a campaign have the share"
        " of their talk time)",
        "per_hour",
        "right_party",
        "agent_s",
        scale=1 / 3600.0,
    ),
    _Formula(
        "exhaustion",
        "List exhaustion",
        "accounts that are not called any more, or not by themselves / accounts",
        "share",
        "finished",
        "accounts",
    ),
)


def kpis(counts: Counts) -> tuple[Kpi, ...]:
    """All figures of one group, in the order people ask for them."""
    return tuple(_reckon(one, counts) for one in FORMULAS)


def _reckon(formula: _Formula, counts: Counts) -> Kpi:
    above = float(getattr(counts, formula.numerator))
    below = float(getattr(counts, formula.denominator)) * formula.scale
    low, high = (None, None) if not formula.trials else wilson(above, below)
    return Kpi(
        formula.id,
        formula.name,
        formula.formula,
        formula.unit,
        round(above, 6),
        round(below, 6),
        above / below if below > 0 else None,
        low,
        high,
    )


def wilson(successes: float, trials: float) -> tuple[float | None, float | None]:
    """The 95 % interval of a share: Wilson's score interval, which holds for few trials, too."""
    if trials <= 0 or not 0 <= successes <= trials:
        return None, None
    share, z2 = successes / trials, _Z95 * _Z95
    centre = (share + z2 / (2 * trials)) / (1 + z2 / trials)
    reach = _Z95 * math.sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    reach /= 1 + z2 / trials
    return max(0.0, centre - reach), min(1.0, centre + reach)
