"""Erlang's formulas against published tables, exact sums and a simulated M/M/c."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dialer.pacing import erlang


def exact_b(servers: int, load: Fraction) -> float:
    blocked = Fraction(1)
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return float(blocked)


# ITU-T Teletraffic handbook / any published Erlang B table: lines, blocking, erlangs
@pytest.mark.parametrize(
    ("lines", "blocking", "load"),
    [
        (1, 0.01, 0.0101),
        (5, 0.01, 1.36),
        (10, 0.01, 4.46),
        (20, 0.01, 12.03),
        (50, 0.01, 37.90),
        (100, 0.01, 84.06),
        (10, 0.05, 6.22),
        (20, 0.001, 9.41),
    ],
)
def test_erlang_b_table(lines: int, blocking: float, load: float) -> None:
    assert erlang.load_for_blocking(lines, blocking) == pytest.approx(load, rel=2e-3)
    assert erlang.lines_for_blocking(load * 0.999, blocking) == lines


@given(st.integers(0, 60), st.fractions(Fraction(1, 100), Fraction(200)))
def test_erlang_b_is_the_exact_sum(servers: int, load: Fraction) -> None:
    assert erlang.erlang_b(servers, float(load)) == pytest.approx(
        exact_b(servers, load), rel=1e-9, abs=1e-200
    )


@pytest.mark.parametrize("servers", [1_000, 100_000])
@pytest.mark.parametrize("rho", [0.2, 0.9, 1.0, 1.2, 50.0])
def test_stable_to_a_hundred_thousand(servers: int, rho: float) -> None:
    blocked = erlang.erlang_b(servers, servers * rho)
    assert 0 <= blocked <= 1
    if rho > 1:  # deep overload: all but the carried load is lost
        assert blocked == pytest.approx(1 - 1 / rho, abs=0.01)
    assert 0 <= erlang.erlang_c(servers, servers * rho) <= 1
    waits, lost = erlang.erlang_a(servers, servers * rho, 0.5)
    assert 0 <= lost <= waits <= 1 or lost == pytest.approx(waits)
    assert erlang.erlang_b(servers, servers) == pytest.approx(
        math.sqrt(2 / (math.pi * servers)), rel=0.05
    )


def test_erlang_c_textbook() -> None:
    # M/M/2 at rho 0.5 waits with 1/3; M/M/1 with rho
    assert erlang.erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang.erlang_c(1, 0.7) == pytest.approx(0.7)
    assert erlang.mean_wait(1, 0.5, 10.0) == pytest.approx(10.0)
    assert erlang.mean_wait(2, 3.0, 10.0) == math.inf


def test_agents_for_service_level_is_the_least() -> None:
    agents = erlang.agents_for_service_level(20.0, 180.0, 20.0, 0.8)
    assert erlang.service_level(agents, 20.0, 180.0, 20.0) >= 0.8
    assert erlang.service_level(agents - 1, 20.0, 180.0, 20.0) < 0.8
    assert agents == 24


@given(st.integers(1, 200), st.floats(0.1, 300))
def test_erlang_a_of_equal_rates_is_poisson(servers: int, load: float) -> None:
    """With patience as long as the holding time nobody can tell waiting from being served."""
    from scipy.stats import poisson

    waits, _ = erlang.erlang_a(servers, load, 1.0)
    assert waits == pytest.approx(float(poisson.sf(servers - 1, load)), rel=1e-6, abs=1e-12)


def test_erlang_a_limits() -> None:
    # very short patience is Erlang B, very long Erlang C
    assert erlang.erlang_a(10, 8.0, 1e-6)[1] == pytest.approx(erlang.erlang_b(10, 8.0), rel=1e-3)
    assert erlang.erlang_a(10, 8.0, 1e6)[0] == pytest.approx(erlang.erlang_c(10, 8.0), rel=1e-3)
    assert erlang.loss_at_patience(10, 8.0, 0.0)[1] == pytest.approx(erlang.erlang_b(10, 8.0))
    assert erlang.loss_at_patience(10, 8.0, 1e3)[0] == pytest.approx(erlang.erlang_c(10, 8.0))


def simulated_loss(servers: int, load: float, patience: float, seed: int) -> float:
    """One run of M/M/n+D, first come first served: share who would wait longer than `patience`."""
    random = np.random.default_rng(seed)
    count = 40_000
    arrivals = np.cumsum(random.exponential(1 / load, count))
    services = random.exponential(1.0, count)
    free_at = np.zeros(servers)
    lost = 0
    for at, service in zip(arrivals.tolist(), services.tolist(), strict=True):
        i = int(free_at.argmin())
        start = max(at, free_at[i])
        if start - at > patience:
            lost += 1
        else:
            free_at[i] = start + service
    return lost / count


@pytest.mark.parametrize(("servers", "load", "patience"), [(5, 4.5, 0.02), (10, 9.0, 0.1)])
def test_loss_at_patience_against_a_simulated_queue(
    servers: int, load: float, patience: float
) -> None:
    runs = [simulated_loss(servers, load, patience, seed) for seed in range(4)]
    mean, error = float(np.mean(runs)), float(np.std(runs, ddof=1) / 2)
    assert erlang.loss_at_patience(servers, load, patience)[1] == pytest.approx(
        mean, abs=max(5 * error, 0.01)
    )


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_bad_numbers_are_named(bad: float) -> None:
    with pytest.raises(ValueError, match=r"servers|load"):
        erlang.erlang_b(bad, 1.0)
    with pytest.raises(ValueError, match="load"):
        erlang.erlang_b(1, bad)


def test_inverses_refuse_impossible_shares() -> None:
    with pytest.raises(ValueError, match="blocking"):
        erlang.lines_for_blocking(10, 0)
    with pytest.raises(ValueError, match="level"):
        erlang.agents_for_service_level(10, 100, 20, 1.0)
