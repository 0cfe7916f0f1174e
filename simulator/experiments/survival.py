"""Times that were cut off, reckoned honestly: Kaplan-Meier and Aalen-Johansen.

A call still talking when the extract was taken, a line given up while it rang, a caller served
before he lost patience: each says only "longer than so much". Leaving them out, or taking what was
seen for the whole, makes times too short.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from simulator.distributions import Array, Empirical

QUANTILES = 201
_TAIL_SHARE = 0.1  # of the largest observed times: their hazard carries on beyond the last one


def kaplan_meier(times: ArrayLike, ended: ArrayLike) -> tuple[Array, Array]:
    """(instants, share surviving after each) for times of which some did not end."""
    instants, share = cumulative_incidence(times, np.where(np.asarray(ended, dtype=bool), 1, 0))
    return instants, 1.0 - share.get(1, np.zeros(len(instants)))


def cumulative_incidence(times: ArrayLike, causes: ArrayLike) -> tuple[Array, Mapping[int, Array]]:
    """(instants, {cause: share ended by it until each instant}) under competing causes.

    `causes` are whole numbers; 0 means cut off at that time. Aalen and Johansen 1978.
    """
    t = np.asarray(times, dtype=np.float64)
    c = np.asarray(causes, dtype=np.int64)
    if t.size == 0:
        return np.zeros(0), {}
    order = np.lexsort((c == 0, t))  # at equal times ends come before cuts
    t, c = t[order], c[order]
    instants, first = np.unique(t, return_index=True)
    at_risk = (t.size - first).astype(np.float64)
    groups = np.searchsorted(instants, t)
    out: dict[int, Array] = {}
    ends = {int(k): _count(groups[c == k], instants.size) for k in np.unique(c) if k != 0}
    all_ends = sum(ends.values(), np.zeros(instants.size))
    survival = np.cumprod(1.0 - all_ends / at_risk)
    before = np.concatenate(([1.0], survival[:-1]))
    for cause, count in ends.items():
        out[cause] = np.cumsum(before * count / at_risk)
    return instants, out


def _count(groups: NDArray[np.int64], size: int) -> Array:
    return np.bincount(groups, minlength=size).astype(np.float64)


def quantiles(instants: Array, share: Array, count: int = QUANTILES) -> Empirical:
    """The distribution whose share ended until each instant is `share` (scaled to end at 1).

    Straight lines between the quantiles; each quantile lies in the middle of its step.
    """
    total = share[-1]
    levels = (np.arange(count) + 0.5) / count * total
    values = instants[np.minimum(np.searchsorted(share, levels), len(instants) - 1)]
    return Empirical(tuple(float(v) for v in values))


def whole_times(times: ArrayLike, ended: ArrayLike) -> Empirical | None:
    """The distribution of times some of which were cut off; None where none ended.

    Beyond the last end the hazard of the largest tenth goes on (an exponential tail), because
    what was cut off there must end some time.
    """
    t, e = np.asarray(times, dtype=np.float64), np.asarray(ended, dtype=bool)
    if not e.any():
        return None
    instants, survival = kaplan_meier(t, e)
    share = 1.0 - survival
    rest = float(survival[-1])
    if rest > 1e-9:
        late = float(np.quantile(t, 1 - _TAIL_SHARE))
        exposure = float(np.maximum(t - late, 0.0).sum())
        ends = max(1.0, float((e & (t > late)).sum()))
        mean = max(exposure / ends, 1e-6)
        beyond = (np.arange(50) + 0.5) / 50
        instants = np.concatenate((instants, instants[-1] - mean * np.log1p(-beyond)))
        share = np.concatenate((share, 1.0 - rest * (1.0 - beyond - 0.01)))
        share[-1] = 1.0
    return quantiles(instants, share)


def exponential_mean(times: ArrayLike, ended: ArrayLike) -> float:
    """Mean of an exponential time some of whose instances were cut off: exposure over ends.

    With no end seen, half an end is assumed, so that the mean is long but finite.
    """
    t, e = np.asarray(times, dtype=np.float64), np.asarray(ended, dtype=bool)
    return float(max(t.sum(), 1.0) / max(0.5, float(e.sum())))
