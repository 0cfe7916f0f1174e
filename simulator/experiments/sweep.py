"""Sweeps (every combination of some values) and tuning (the best lawful one)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from simulator.experiments.jobs import BLOCK_DAYS, Job, plan_jobs, summarise
from simulator.experiments.stats import Summary, share_upper
from simulator.experiments.vary import BadChange, changed, option_value
from simulator.results import DayResult, PacerSpec
from simulator.scenario import Scenario

Run = Callable[[Sequence[Job]], list[list[DayResult]]]  # carries out jobs, in order
COMBINATIONS_MAX = 5_000


@dataclass(frozen=True)
class Axis:
    """One thing that varies: a field of the world, or (`of_pacer`) an option of the pacer."""

    path: str
    values: tuple[str, ...]
    of_pacer: bool = False


def combinations(
    scenario: Scenario, pacer: PacerSpec, axes: Sequence[Axis]
) -> list[tuple[tuple[str, ...], Scenario, PacerSpec]]:
    """Each combination's values, world (named after what was changed) and pacer."""
    count = math.prod(len(axis.values) for axis in axes)
    if count > COMBINATIONS_MAX:
        raise BadChange(f"{count} combinations; at most {COMBINATIONS_MAX}, give fewer values")
    out = []
    for values in itertools.product(*(axis.values for axis in axes)):
        world, options, changes = scenario, dict(pacer.options), []
        for axis, value in zip(axes, values, strict=True):
            if axis.of_pacer:
                options[axis.path] = option_value(value)
            else:
                world = changed(world, axis.path, value)
                changes.append(f"{axis.path}={value}")
        if changes:
            world = replace(world, name=f"{scenario.name} {' '.join(changes)}")
        out.append((values, world, PacerSpec.of(pacer.name, options)))
    return out


@dataclass(frozen=True)
class Row:
    values: tuple[str, ...]
    summary: Summary


def sweep(
    scenario: Scenario,
    pacer: PacerSpec,
    axes: Sequence[Axis],
    seeds: Sequence[int],
    run: Run,
    engine: str = "auto",
) -> list[Row]:
    """One row for each combination, in order."""
    found = combinations(scenario, pacer, axes)
    jobs = [job for _, world, spec in found for job in plan_jobs([world], [spec], seeds, engine)]
    by_key = {(s.scenario, s.pacer): s for s in summarise(jobs, run(jobs))}
    return [Row(values, by_key[world.name, spec.label]) for values, world, spec in found]


@dataclass(frozen=True)
class Tuned:
    """`best` is None where nothing tried is safe enough. `rows` are all that was tried, each with
    the days it was run for; `proof` is the best one's on days by which nothing was chosen."""

    best: Row | None
    rows: tuple[Row, ...]
    rounds: int
    proof: Summary | None = None


def chance_of_breaking(summary: Summary, window: str, confidence: float) -> float:
    """The upper confidence limit of the chance that a day (or a block) ends over the limit."""
    if window == "block":
        return share_upper(summary.blocks_over, len(summary.blocks), confidence)
    return share_upper(summary.days_over, len(summary.days), confidence)


def tune(
    scenario: Scenario,
    pacer: PacerSpec,
    axes: Sequence[Axis],
    seeds: Sequence[int],
    run: Run,
    engine: str = "auto",
    *,
    chance: float,
    window: str = "day",
    confidence: float = 0.8,
) -> Tuned:
    """The settings with the highest utilisation whose chance of breaking the law is small enough.

    Successive halving (Jamieson and Talwalkar 2016): all combinations run a few days, the better
    half twice as many, until the last few have run all. A combination whose *lower* limit of the
    chance is already too high leaves at once. Who is the best of many was also the luckiest: he
    must be safe enough on as many fresh days too, else the next best is asked.
    """
    each = BLOCK_DAYS if window == "block" else 1
    count = math.ceil(len(seeds) / each)
    least = 1 - (1 - confidence) ** (1 / max(1, count))
    if least > chance:
        needed = each * math.ceil(math.log(1 - confidence) / math.log(1 - chance))
        raise BadChange(
            f"{count} {window}{'' if count == 1 else 's'} cannot show a chance of at most"
            f" {chance:g} at {confidence:.0%} confidence even if none breaks the law; give"
            f" --days {needed} or more"
        )
    left = combinations(scenario, pacer, axes)
    tried: dict[tuple[str, ...], Row] = {}

    def played(
        some: Sequence[tuple[tuple[str, ...], Scenario, PacerSpec]], days: Sequence[int]
    ) -> list[Row]:
        jobs = [job for _, w, spec in some for job in plan_jobs([w], [spec], days, engine)]
        by_key = {(s.scenario, s.pacer): s for s in summarise(jobs, run(jobs))}
        return [Row(values, by_key[w.name, spec.label]) for values, w, spec in some]

    days = max(2, min(len(seeds), len(seeds) // 2 ** max(0, math.ceil(math.log2(len(left)) - 1))))
    rounds = 0
    while True:
        rounds += 1
        rows = played(left, seeds[:days])
        tried.update((row.values, row) for row in rows)
        if days >= len(seeds):
            break
        keep = _better_half(rows, chance, window)
        left = [one for one, row in zip(left, rows, strict=True) if row in keep]
        days = min(len(seeds), 2 * days)
    safe = [r for r in rows if chance_of_breaking(r.summary, window, confidence) <= chance]
    fresh = range(max(seeds) + 1, max(seeds) + 1 + len(seeds))
    for row in sorted(safe, key=lambda r: -r.summary.utilisation.value):
        (again,) = played([one for one in left if one[0] == row.values], fresh)
        if chance_of_breaking(again.summary, window, confidence) <= chance:
            return Tuned(row, tuple(tried.values()), rounds, again.summary)
    return Tuned(None, tuple(tried.values()), rounds)


def _better_half(rows: Sequence[Row], chance: float, window: str) -> list[Row]:
    def plausible(row: Row) -> bool:
        n, over = len(row.summary.days), row.summary.days_over
        if window == "block":
            n, over = len(row.summary.blocks), row.summary.blocks_over
        # the chance that this many days or more break the law were `chance` true
        tail = sum(
            math.comb(n, k) * chance**k * (1 - chance) ** (n - k) for k in range(over, n + 1)
        )
        return tail > 0.02

    able = [row for row in rows if plausible(row)]
    if not able:  # none is: keep those that break it least, the answer will be "none"
        able = sorted(rows, key=lambda r: r.summary.abandon_rate.value)[:2]
    able.sort(key=lambda r: -r.summary.utilisation.value)
    return able[: max(2, math.ceil(len(able) / 2))]
