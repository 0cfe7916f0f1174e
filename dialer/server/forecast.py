"""The band of a forecast's days, and the live day in the same figures, by quarters of an hour.

Quarters are counted from the first that has calls. Abandoned calls are a share of those answered
so far, as the law reckons; one quarter alone has too few of them to say anything.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LOW, HIGH = 0.1, 0.9  # eight days of ten are in the band
FIGURES = ("answers", "abandon_rate", "utilisation")


@dataclass(frozen=True, slots=True)
class Curve:
    """One day. `answers` by people in each quarter; `abandon_rate` so far. None: not known."""

    start_s: list[float]
    answers: list[float | None]
    abandon_rate: list[float | None]
    utilisation: list[float | None]


@dataclass(frozen=True, slots=True)
class Band:
    """Of a number of days: the middle, and the bounds of eight in ten."""

    days: int
    low: Curve
    middle: Curve
    high: Curve


def curve_of(
    quarters: Iterable[tuple[float, float, float, float | None]],
) -> Curve:
    """From (start, answered by people, abandoned, utilisation) of each quarter."""
    made = Curve([], [], [], [])
    live = lost = 0.0
    for start, answered, abandoned, utilisation in quarters:
        live, lost = live + answered, lost + abandoned
        if not live and not made.start_s:
            continue  # the day has not begun
        made.start_s.append(start)
        made.answers.append(answered)
        made.abandon_rate.append(round(lost / live, 6) if live else None)
        made.utilisation.append(utilisation)
    first = made.start_s[0] if made.start_s else 0.0
    return Curve(
        [start - first for start in made.start_s],
        made.answers,
        made.abandon_rate,
        made.utilisation,
    )


def band_of(lines: Iterable[str]) -> Band:
    """From the simulator's kept days. Raises KeyError, TypeError or ValueError for anything else,
    ValueError also for no day at all."""
    days = [day for line in lines for day in json.loads(line)["days"]]
    curves = [
        curve_of(
            (
                float(row["start_s"]),
                float(row["live"]),
                float(row["abandoned"]),
                row["busy_s"] / row["staffed_s"] if row["staffed_s"] else None,
            )
            for row in day["curve"]
        )
        for day in days
    ]
    if not curves:
        raise ValueError("no day was played")
    return Band(len(curves), *(_at(curves, share) for share in (LOW, 0.5, HIGH)))


def _at(curves: Sequence[Curve], share: float) -> Curve:
    longest = max(curves, key=lambda one: len(one.start_s)).start_s
    values = {
        name: [
            _quantile([getattr(c, name)[n] for c in curves if n < len(c.start_s)], share)
            for n in range(len(longest))
        ]
        for name in FIGURES
    }
    return Curve(list(longest), **values)


def _quantile(values: Iterable[float | None], share: float) -> float | None:
    known = sorted(value for value in values if value is not None)
    if not known:
        return None
    place = share * (len(known) - 1)
    below = int(place)
    above = min(below + 1, len(known) - 1)
    return round(known[below] + (place - below) * (known[above] - known[below]), 6)
