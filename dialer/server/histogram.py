"""A histogram cheap enough for every call: counts per bucket, sum and number."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HistogramView:
    """`counts[i]` observations lie in (bounds[i-1], bounds[i]]; the last one lies above them all.
    Not cumulative; len(counts) == len(bounds) + 1."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float  # sum of all observations

    def quantile_bound(self, q: float) -> float:
        """The upper bound of the bucket that holds quantile `q`; inf when above all bounds,
        0.0 when nothing was observed."""
        number = sum(self.counts)
        if not number:
            return 0.0
        seen = 0
        for bound, count in zip(self.bounds, self.counts, strict=False):
            seen += count
            if seen >= q * number:
                return bound
        return float("inf")


# Seconds. Fine around the limits that matter: 20 ms of loop lag, 50 ms answer to bridge, 2 s.
LATENCY_BOUNDS_S = (
    0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05,
    0.075, 0.1, 0.15, 0.25, 0.5, 1.0, 2.0, 5.0,
)  # fmt: skip


class Histogram:
    def __init__(self, bounds: tuple[float, ...] = LATENCY_BOUNDS_S) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def view(self) -> HistogramView:
        return HistogramView(self._bounds, tuple(self._counts), self._total)
