"""Figures over days, with intervals: what a table or a plot says about a pacer in a world.

Intervals are 95 % and two-sided, days being the independent pieces. A mean over days has Student's
interval; a pooled rate (all abandons / all live calls) that of the ratio estimator over days; a
share of days the exact one of Clopper and Pearson.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from scipy.special import betaincinv, stdtrit

from simulator.results import DayResult

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Estimate:
    """A value and half the width of its interval (nan for a single day)."""

    value: float
    half: float = math.nan

    def as_dict(self) -> dict[str, float | None]:
        return {"value": self.value, "half": None if math.isnan(self.half) else self.half}


def _t(n: int) -> float:
    return float(stdtrit(n - 1, 0.5 + CONFIDENCE / 2))


def mean_of(values: Sequence[float]) -> Estimate:
    """Mean with Student's interval."""
    n = len(values)
    mean = math.fsum(values) / n
    if n < 2:
        return Estimate(mean)
    variance = math.fsum((v - mean) ** 2 for v in values) / (n - 1)
    return Estimate(mean, _t(n) * math.sqrt(variance / n))


def ratio_of(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Sum of parts over sum of wholes; 0 where there is no whole."""
    n, whole = len(parts), math.fsum(wholes)
    if whole <= 0:
        return Estimate(0.0)
    rate = math.fsum(parts) / whole
    if n < 2:
        return Estimate(rate)
    rest = math.fsum((a - rate * b) ** 2 for a, b in zip(parts, wholes, strict=True))
    return Estimate(rate, _t(n) * math.sqrt(n / (n - 1) * rest) / whole)


def share_interval(hits: int, n: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Clopper and Pearson's interval for a probability after `hits` in `n` trials."""
    if n <= 0:
        return 0.0, 1.0
    tail = (1 - confidence) / 2
    low = 0.0 if hits == 0 else float(betaincinv(hits, n - hits + 1, tail))
    high = 1.0 if hits == n else float(betaincinv(hits + 1, n - hits, 1 - tail))
    return low, high


def share_upper(hits: int, n: int, confidence: float) -> float:
    """The one-sided upper limit of a probability after `hits` in `n` trials."""
    if n <= 0 or hits >= n:
        return 1.0
    return float(betaincinv(hits + 1, n - hits, confidence))


@dataclass(frozen=True)
class Summary:
    """One pacer in one world over some days."""

    scenario: str
    pacer: str
    agents: int
    limit: float
    days: tuple[DayResult, ...]
    block_days: int

    @property
    def made(self) -> str:
        """What the pacer came out as: `best_ratio` says here which ratio was best."""
        return self.days[0].pacer

    @property
    def utilisation(self) -> Estimate:
        return mean_of([d.utilisation for d in self.days])

    @property
    def abandon_rate(self) -> Estimate:
        return ratio_of([d.abandoned for d in self.days], [d.live for d in self.days])

    @property
    def uk_rate(self) -> Estimate:
        return ratio_of(
            [d.abandoned + d.rejected for d in self.days], [d.people for d in self.days]
        )

    @property
    def connects_per_hour(self) -> Estimate:
        return mean_of([d.connects_per_hour for d in self.days])

    @property
    def lines_per_connect(self) -> Estimate:
        return ratio_of([d.lines for d in self.days], [d.served for d in self.days])

    @property
    def given_up(self) -> Estimate:
        """Of the lines launched, those hung up as they rang."""
        return ratio_of([d.given_up for d in self.days], [d.lines for d in self.days])

    @property
    def days_over(self) -> int:
        return sum(d.abandon_rate > self.limit for d in self.days)

    @property
    def blocks(self) -> list[float]:
        """The pooled abandon rate of each successive block of `block_days`."""
        rates = []
        for first in range(0, len(self.days), self.block_days):
            days = self.days[first : first + self.block_days]
            live = sum(d.live for d in days)
            rates.append(sum(d.abandoned for d in days) / live if live else 0.0)
        return rates

    @property
    def blocks_over(self) -> int:
        return sum(rate > self.limit for rate in self.blocks)

    @property
    def wall_s_per_day(self) -> float:
        return math.fsum(d.wall_s for d in self.days) / len(self.days)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for JSON, the figures of each day included."""
        low, high = share_interval(self.days_over, len(self.days))
        return {
            "scenario": self.scenario,
            "pacer": self.pacer,
            "made": self.made,
            "agents": self.agents,
            "days": len(self.days),
            "limit": self.limit,
            "utilisation": self.utilisation.as_dict(),
            "abandon_rate": self.abandon_rate.as_dict(),
            "uk_rate": self.uk_rate.as_dict(),
            "connects_per_agent_hour": self.connects_per_hour.as_dict(),
            "lines_per_connect": self.lines_per_connect.as_dict(),
            "given_up": self.given_up.as_dict(),
            "days_over_limit": self.days_over,
            "share_of_days_over": {"low": low, "high": high},
            "block_days": self.block_days,
            "blocks": len(self.blocks),
            "blocks_over_limit": self.blocks_over,
            "wall_s_per_day": self.wall_s_per_day,
            "by_day": [day_dict(d) for d in self.days],
            "curve": curve_of(self.days),
        }


def day_dict(day: DayResult) -> dict[str, Any]:
    return {
        "seed": day.seed,
        "utilisation": day.utilisation,
        "abandon_rate": day.abandon_rate,
        "live": day.live,
        "abandoned": day.abandoned,
        "left": day.left,
        "served": day.served,
        "lines": day.lines,
        "rejected": day.rejected,
    }


def curve_of(days: Sequence[DayResult]) -> list[dict[str, float]]:
    """The mean day: each quarter of an hour's utilisation and pooled abandon rate."""
    rows = min((len(d.curve) for d in days), default=0)
    out = []
    for i in range(rows):
        at = [d.curve[i] for d in days]
        staffed, live = math.fsum(r.staffed_s for r in at), sum(r.live for r in at)
        out.append(
            {
                "start_s": at[0].start_s,
                "utilisation": math.fsum(r.busy_s for r in at) / staffed if staffed else 0.0,
                "abandon_rate": sum(r.abandoned for r in at) / live if live else 0.0,
                "live_per_day": live / len(at),
                "staffed": staffed / len(at) / 900.0,
            }
        )
    return out


def paired(one: Summary, other: Summary) -> Estimate:
    """Mean difference in utilisation, `one` less `other`, over the days (seeds) both met."""
    of_other = {d.seed: d.utilisation for d in other.days}
    both = [d.utilisation - of_other[d.seed] for d in one.days if d.seed in of_other]
    if not both:
        raise ValueError("the two have no day in common")
    return mean_of(both)
