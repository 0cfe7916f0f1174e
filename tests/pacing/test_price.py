"""The price of an abandon: the account's spending against a plain twin, and what steers it."""

from __future__ import annotations

import math
from types import FunctionType

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.pacing import hazards, people, price
from dialer.pacing.compiled import compiled
from dialer.pacing.windows import Span, Standing, Window

LIMIT = 0.03


def state_with(
    *rows: tuple[float, float, float, float], served: int = 0, machines: int = 0
) -> hazards.State:
    """A state whose windows hold (live, abandoned, answers ahead, per s), and so many calls served
    of late, half of them after 20 s, with machines among these."""
    state = hazards.new_state()
    price.prepare(state, 2.0)
    state.calls[hazards.SERVED, [16, 40]] = served / 2
    state.calls[hazards.FOUND_MACHINE, 40] = machines
    for row, (live, abandoned, ahead, pace) in zip(state.account, rows, strict=False):
        row[:5] = (live, abandoned, LIMIT, ahead, pace)
    return state


def twin_spending(
    live: float, abandoned: float, ahead: float, pace: float, served: int = 0, machines: int = 0
) -> float:
    """The abandons left, less the reserve, over the answers to come; a little in any case while a
    whole one is left and the loan is not."""
    state = state_with((live, abandoned, ahead, pace), served=served, machines=machines)
    left, owed = people.room(state.account[0], people.machines_given(state), 0.0)
    kept = min(1.0, 8 * pace) + min(1.8, 12 * pace) * math.sqrt(LIMIT * pace * 300)
    even = (left - kept) / (LIMIT * (ahead + 5 + pace * min(300, 3_000 * pace)))
    loan = Standing(
        Window("day", LIMIT, Span.DAY), int(live), int(abandoned), ahead=ahead, pace=pace
    ).lent
    owed += loan
    brake = (owed - 0.9) / (min(1.0, 0.2 + 6 * pace) + 0.4 * loan)
    least = 0.03 if left >= 1 and owed > 0 else 0.0
    return max(least, min(2.0, even, brake))


@given(
    st.tuples(st.integers(0, 20_000), st.integers(0, 600), st.floats(0, 20_000), st.floats(0, 5)),
    st.integers(0, 2_000),
    st.floats(0, 1),
)
@settings(max_examples=150, deadline=None)
def test_spending_is_the_whole_abandons_left_over_the_answers_to_come(
    row: tuple[int, int, float, float], served: int, share: float
) -> None:
    live, abandoned, _, _ = row
    machines = int(share * served)
    spend, left = price.spending(state_with(row, served=served, machines=machines))
    assert spend == pytest.approx(twin_spending(*row, served, machines), abs=1e-9)
    assert left == pytest.approx(LIMIT * live - abandoned)


@given(
    st.lists(
        st.tuples(st.integers(0, 9_000), st.integers(0, 300), st.floats(0, 9_000), st.floats(0, 2)),
        min_size=1,
        max_size=4,
    )
)
@settings(max_examples=60, deadline=None)
def test_the_tightest_window_says_what_may_be_spent(
    rows: list[tuple[int, int, float, float]],
) -> None:
    spend, left = price.spending(state_with(*rows))
    assert spend == pytest.approx(min(twin_spending(*row) for row in rows), abs=1e-9)
    assert left == pytest.approx(min(LIMIT * live - lost for live, lost, _, _ in rows))


def test_a_floor_of_one_may_spend_its_last_whole_abandon_and_not_a_part_of_one() -> None:
    pace = 115 / 28_800
    last = price.spending(state_with((70, 2, 45, pace)))[0]
    spent = price.spending(state_with((70, 3, 45, pace)))[0]
    too_few = price.spending(state_with((30, 0, 2, pace)))[0]
    assert 0.2 < last < 1.2
    assert spent == 0.0
    assert too_few == 0.0


def test_machines_that_agents_find_leave_less_to_spend() -> None:
    spends = []
    for machines in (0, 100, 300):
        state = state_with((1_300, 0, 1_300, 0.1), served=1_000, machines=machines)
        for _ in range(25):
            price.count_abandon(state, 8.0)
        state.account[0, hazards.A_ABANDONED] = 25
        spends.append(price.spending(state)[0])
    assert spends[0] > spends[1] > spends[2] > 0.0


def test_a_window_that_recovers_still_bears_lines_that_are_all_but_safe() -> None:
    pace = 2_800 / 28_800
    behind = price.spending(state_with((1_400, 53, 1_300, pace)))[0]
    over = price.spending(state_with((1_400, 55, 1_300, pace)))[0]
    assert behind == price.SPEND_LEAST
    assert over == 0.0


def test_more_is_kept_for_the_end_of_a_large_floors_day_than_of_a_small_ones() -> None:
    kept = [price.reserve(LIMIT, 0.006 * agents) for agents in (1, 5, 20, 100, 1_000)]
    assert kept == sorted(kept)
    assert kept[0] < 0.4
    assert kept[-1] < 0.01 * LIMIT * 0.006 * 1_000 * 28_800


@pytest.mark.parametrize("agents", [1, 5, 50])
def test_the_price_rises_while_less_is_risked_than_may_be_spent(agents: int) -> None:
    for risk, rises in ((0.2 * LIMIT, True), (3 * LIMIT, False)):
        state = state_with((1_000, 20, 1_000, 0.1))
        state.scalar[hazards.S_P_NEW] = 0.2
        before = price.risk_allowed(state, agents, 1.0)
        k = price.calibration(state, agents)
        price.steer(state, agents, 1.0, k, 2, 2 * risk / k, LIMIT)
        assert (price.risk_allowed(state, agents, 1.0) > before) is rises


def test_calibration_comes_to_what_is_seen_over_forecast() -> None:
    state = state_with((0, 0, 0, 0))
    state.scalar[hazards.S_P_NEW] = 1.0
    for _ in range(400):
        price.steer(state, 20, 1.0, 1.0, 1, 1.0, LIMIT)
        price.count_abandon(state, -1.0)
        price.count_abandon(state, 9.0)
    assert price.calibration(state, 20) == pytest.approx(2.0, rel=0.05)


def test_machine_code_is_stamped_with_what_it_was_compiled_with() -> None:
    """A changed constant or callee elsewhere must not leave old machine code in a caller."""

    def plain(x: float) -> float:
        return x + np.pi

    def stamp(**around: object) -> object:
        made = compiled(FunctionType(plain.__code__, {**globals(), **around}, "plain"))
        return made._cache._cache_file._source_stamp  # type: ignore[attr-defined]

    assert stamp() == stamp()
    assert len({stamp(), stamp(K=1.0), stamp(K=2.0)}) == 3
    assert stamp(callee=hazards.talk_bin) != stamp(callee=hazards.line_bin)
