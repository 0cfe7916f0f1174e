"""Distributions of times, in seconds, sampled by inversion of one uniform number each.

Inversion makes a sample a plain function of its uniform number: the same person behaves the same
way under every pacer (common random numbers), one call or a million at once.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

Array = NDArray[np.float64]

_LARGEST_U = 1.0 - 2.0**-53  # keeps unbounded distributions finite


class BadDistribution(ValueError):
    """A distribution that cannot exist; the text says which number is wrong and what would do."""


def _positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise BadDistribution(f"{name} is {value:g}; it must be a number above 0")


def _not_negative(name: str, value: float) -> None:
    if not (math.isfinite(value) and value >= 0):
        raise BadDistribution(f"{name} is {value:g}; it must be 0 or more")


@dataclass(frozen=True)
class Constant:
    """Always `value_s`."""

    value_s: float

    def __post_init__(self) -> None:
        _not_negative("value_s", self.value_s)

    @property
    def mean_s(self) -> float:
        return self.value_s

    @property
    def second_moment(self) -> float:
        return self.value_s**2

    def sample(self, u: Array) -> Array:
        return np.full(np.shape(u), self.value_s, dtype=np.float64)


@dataclass(frozen=True)
class Exponential:
    """Memoryless with mean `mean_s`."""

    mean_s: float

    def __post_init__(self) -> None:
        _positive("mean_s", self.mean_s)

    @property
    def second_moment(self) -> float:
        return 2.0 * self.mean_s**2

    def sample(self, u: Array) -> Array:
        return np.asarray(-self.mean_s * np.log1p(-np.minimum(u, _LARGEST_U)))


@dataclass(frozen=True)
class Lognormal:
    """Lognormal by its mean and its coefficient of variation (standard deviation / mean)."""

    mean_s: float
    cv: float

    def __post_init__(self) -> None:
        _positive("mean_s", self.mean_s)
        _positive("cv", self.cv)

    @property
    def second_moment(self) -> float:
        return self.mean_s**2 * (1.0 + self.cv**2)

    @property
    def log_mean(self) -> float:
        """Mean of the logarithm."""
        return math.log(self.mean_s) - 0.5 * self.log_sd**2

    @property
    def log_sd(self) -> float:
        """Standard deviation of the logarithm."""
        return math.sqrt(math.log1p(self.cv**2))

    def sample(self, u: Array) -> Array:
        inside = np.clip(u, 1e-16, _LARGEST_U)
        return np.asarray(np.exp(self.log_mean + self.log_sd * ndtri(inside)))


@dataclass(frozen=True)
class Uniform:
    """Equally likely anywhere from `low_s` to `high_s`."""

    low_s: float
    high_s: float

    def __post_init__(self) -> None:
        _not_negative("low_s", self.low_s)
        if not (math.isfinite(self.high_s) and self.high_s > self.low_s):
            raise BadDistribution(
                f"high_s is {self.high_s:g}; it must be above low_s ({self.low_s:g})"
            )

    @property
    def mean_s(self) -> float:
        return 0.5 * (self.low_s + self.high_s)

    @property
    def second_moment(self) -> float:
        return (self.low_s**2 + self.low_s * self.high_s + self.high_s**2) / 3.0

    def sample(self, u: Array) -> Array:
        return np.asarray(self.low_s + (self.high_s - self.low_s) * u)


@dataclass(frozen=True)
class Shifted:
    """`by_s` plus a sample of `of`: a least time nobody can beat."""

    by_s: float
    of: Distribution

    def __post_init__(self) -> None:
        _not_negative("by_s", self.by_s)

    @property
    def mean_s(self) -> float:
        return self.by_s + self.of.mean_s

    @property
    def second_moment(self) -> float:
        return self.by_s**2 + 2 * self.by_s * self.of.mean_s + self.of.second_moment

    def sample(self, u: Array) -> Array:
        return np.asarray(self.by_s + self.of.sample(u))


@dataclass(frozen=True)
class Mixture:
    """One of several distributions, chosen by weight (weights need not add up to 1)."""

    weights: tuple[float, ...]
    parts: tuple[Distribution, ...]

    def __post_init__(self) -> None:
        if not self.parts or len(self.parts) != len(self.weights):
            raise BadDistribution("a mixture needs at least one part and a weight for each")
        for weight in self.weights:
            _positive("weight", weight)

    @cached_property
    def _shares(self) -> Array:
        weights = np.asarray(self.weights, dtype=np.float64)
        return np.asarray(weights / weights.sum())

    @property
    def mean_s(self) -> float:
        return float(sum(w * part.mean_s for w, part in zip(self._shares, self.parts, strict=True)))

    @property
    def second_moment(self) -> float:
        return float(
            sum(w * part.second_moment for w, part in zip(self._shares, self.parts, strict=True))
        )

    def sample(self, u: Array) -> Array:
        u = np.asarray(u, dtype=np.float64)
        out = np.empty(u.shape, dtype=np.float64)
        low = 0.0
        for i, (share, part) in enumerate(zip(self._shares, self.parts, strict=True)):
            high = low + share if i + 1 < len(self.parts) else np.inf
            mine = (u >= low) & (u < high)
            out[mine] = part.sample(np.clip((u[mine] - low) / share, 0.0, _LARGEST_U))
            low = high
        return out


@dataclass(frozen=True)
class Empirical:
    """Measured times: quantiles at equal steps of probability, straight lines between them.

    `values_s` is sorted at construction. A single value makes a constant.
    """

    values_s: tuple[float, ...]

    def __post_init__(self) -> None:
        if not self.values_s:
            raise BadDistribution("values_s is empty; give at least one measured time")
        for value in self.values_s:
            _not_negative("a value of values_s", value)
        object.__setattr__(self, "values_s", tuple(sorted(self.values_s)))

    @cached_property
    def _values(self) -> Array:
        return np.asarray(self.values_s, dtype=np.float64)

    @property
    def mean_s(self) -> float:
        if len(self.values_s) == 1:
            return self.values_s[0]
        return float(np.mean(0.5 * (self._values[1:] + self._values[:-1])))

    @property
    def second_moment(self) -> float:
        a, b = self._values[:-1], self._values[1:]
        if len(self.values_s) == 1:
            return self.values_s[0] ** 2
        return float(np.mean((a * a + a * b + b * b) / 3.0))

    def sample(self, u: Array) -> Array:
        grid = np.linspace(0.0, 1.0, len(self.values_s)) if len(self.values_s) > 1 else [0.0]
        return np.asarray(np.interp(u, grid, self._values))


Distribution = Constant | Exponential | Lognormal | Uniform | Shifted | Mixture | Empirical


def cv_of(distribution: Distribution) -> float:
    """Coefficient of variation, 0 for a mean of 0."""
    mean = distribution.mean_s
    if mean <= 0:
        return 0.0
    return math.sqrt(max(0.0, distribution.second_moment - mean**2)) / mean
