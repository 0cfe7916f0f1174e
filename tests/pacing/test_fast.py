"""The compiled floor: the same people for every pacer, and its books add up."""

from __future__ import annotations

import numpy as np
import pytest

from dialer.pacing.pacer import Progressive
from simulator.fast import run_day, run_days
from simulator.scenario import base_world, exponential_floor

HOUR = 3_600.0


def test_a_day_is_a_function_of_its_seed() -> None:
    world = base_world(5, HOUR)
    assert run_day(world, 3) == run_day(world, 3)
    assert run_day(world, 3) != run_day(world, 4)


def test_a_pacer_in_python_meets_the_very_same_floor_as_a_compiled_one() -> None:
    world = base_world(6, HOUR)
    assert run_day(world, 2, Progressive()) == run_day(world, 2, "progressive")


def test_live_calls_end_served_abandoned_or_left() -> None:
    day = run_day(base_world(8, HOUR), 1, "ratio", ratio=4.0, gated=False)
    assert day.live == day.connects + day.abandoned + day.callers_left
    assert day.abandoned > 0
    assert 0 < day.utilisation < 1


def test_progressive_on_the_exponential_floor_is_a_renewal_process() -> None:
    """One agent, one line at a time: busy 150 s, then a geometric number of lines of 12 s each."""
    days = run_days(exponential_floor(1), 12, make="progressive", tick_s=0.5, react_gap_s=0.0)
    each = np.array([d.utilisation for d in days])
    expected = 150 / (150 + 12 / 0.25)
    assert each.mean() == pytest.approx(expected, abs=4 * each.std(ddof=1) / np.sqrt(len(each)))
    assert sum(d.abandoned for d in days) == 0


def test_forward_beats_progressive_within_the_limit_without_a_bad_day() -> None:
    world = base_world(20, 2 * HOUR)
    forward, plain = run_days(world, 2), run_days(world, 2, make="progressive")
    for ours, theirs in zip(forward, plain, strict=True):
        assert ours.abandon_rate <= 0.03
        assert ours.utilisation > theirs.utilisation + 0.15


def test_an_unknown_pacer_is_named() -> None:
    with pytest.raises(ValueError, match="forward"):
        run_day(base_world(1, HOUR), 1, "magic")
