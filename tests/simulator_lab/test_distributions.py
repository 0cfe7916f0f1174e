"""Every distribution: its samples have the mean and spread it claims, and bad ones are refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.distributions import (
    BadDistribution,
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
    cv_of,
)
from simulator.uniforms import uniforms

MANY = 400_000

ALL: list[Distribution] = [
    Constant(7.0),
    Exponential(30.0),
    Lognormal(9.0, 0.5),
    Lognormal(180.0, 1.0),
    Uniform(1.0, 2.4),
    Shifted(0.3, Lognormal(1.2, 0.4)),
    Mixture((2.0, 3.0), (Lognormal(25.0, 0.6), Lognormal(180.0, 1.0))),
    Mixture((1.0, 1.0, 2.0), (Constant(1.0), Uniform(5.0, 6.0), Exponential(9.0))),
    Empirical((3.0, 1.0, 9.0, 4.0)),
    Empirical((5.0,)),
]


@pytest.mark.parametrize("distribution", ALL, ids=repr)
def test_samples_have_the_claimed_mean_and_spread(distribution: Distribution) -> None:
    samples = distribution.sample(uniforms(1, 0, np.arange(MANY, dtype=np.uint64)))
    sd = math.sqrt(max(0.0, distribution.second_moment - distribution.mean_s**2))
    assert samples.min() >= 0
    assert abs(samples.mean() - distribution.mean_s) <= 5 * sd / math.sqrt(MANY) + 1e-9
    assert samples.std() == pytest.approx(sd, rel=0.03, abs=1e-9)
    assert cv_of(distribution) == pytest.approx(sd / distribution.mean_s)


@given(st.floats(0, 1, exclude_max=True), st.floats(0, 1, exclude_max=True))
def test_inversion_never_falls(one: float, two: float) -> None:
    low, high = sorted((one, two))
    for distribution in ALL:
        if isinstance(distribution, Mixture):
            continue  # a mixture inverts part by part, not as a whole
        a, b = distribution.sample(np.array([low, high]))
        assert a <= b + 1e-9 * abs(b)
        assert math.isfinite(b)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(-1.0),
        lambda: Exponential(0.0),
        lambda: Exponential(math.inf),
        lambda: Lognormal(9.0, 0.0),
        lambda: Lognormal(-9.0, 0.5),
        lambda: Uniform(2.0, 2.0),
        lambda: Uniform(-1.0, 2.0),
        lambda: Shifted(-0.1, Constant(1.0)),
        lambda: Mixture((), ()),
        lambda: Mixture((1.0,), (Constant(1.0), Constant(2.0))),
        lambda: Mixture((0.0, 1.0), (Constant(1.0), Constant(2.0))),
        lambda: Empirical(()),
        lambda: Empirical((1.0, -2.0)),
        lambda: Empirical((1.0, math.nan)),
    ],
)
def test_what_cannot_be_is_refused(make: object) -> None:
    with pytest.raises(BadDistribution):
        make()  # type: ignore[operator]


def test_uniforms_are_uniform_and_independent_of_neighbours() -> None:
    index = np.arange(MANY, dtype=np.uint64)
    columns = [uniforms(seed, stream, index) for seed in (0, 1, 2**63) for stream in (0, 1, 17)]
    columns.append(columns[0][1:].copy())
    columns[0] = columns[0][:]
    least = min(len(c) for c in columns)
    for u in columns:
        counts, _ = np.histogram(u, bins=100, range=(0, 1))
        expected = len(u) / 100
        chi2 = float(np.sum((counts - expected) ** 2 / expected))
        assert chi2 < 160  # 99 degrees of freedom: 1 in 10,000 beyond
    together = np.corrcoef(np.array([c[:least] for c in columns]))
    off = together[~np.eye(len(columns), dtype=bool)]
    assert np.abs(off).max() < 5 / math.sqrt(least)


def test_uniforms_do_not_depend_on_the_block_they_are_drawn_in() -> None:
    whole = uniforms(9, 3, np.arange(1_000, dtype=np.uint64))
    piece = uniforms(9, 3, np.arange(700, 750, dtype=np.uint64))
    assert (whole[700:750] == piece).all()
