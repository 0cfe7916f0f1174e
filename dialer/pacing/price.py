"""The price of an abandon: what the account still bears, and the risk that this allows a line.

Theta, the highest risk at which a line is launched, has two factors. The *price* is where theta
stands when the limit is to be met exactly; it is a matter of the floor, and is found slowly, by
steering the mean risk of the lines launched, times the calibration K (abandons seen / forecast),
to the rate that is to be spent. The *spending* is that rate over the limit's, by the account: the
whole abandons that a window will bear by the close, less those it has had, spread evenly over the
answers to come. Spending evenly is nearly the best that can be done with a handful of abandons
(dynamic programming on the number left and the time to go, with the small floors' utilisation by
rate, comes to left / to come); near the end of the account it brakes, and with the account spent
nothing is left but one line per free agent.
"""

from __future__ import annotations

import math

from dialer.pacing.compiled import borrowing
from dialer.pacing.hazards import (
    A_ABANDONED,
    A_AHEAD,
    A_LIMIT,
    A_LIVE,
    A_PACE,
    S_K_DUE,
    S_K_SEEN,
    S_LOG_THETA,
    S_P_NEW,
    S_PENDING,
    State,
)
from dialer.pacing.people import count_lost, machines_given, room
from dialer.pacing.windows import LENT_LEAST, LENT_S

# places in State.setting: s a caller may wait; time of the first decision; s for which a line must
# ring before it may be given up
P_PATIENCE, P_STARTED, P_RING_LEAST = 0, 1, 2

GAIN = 0.02  # of the price, per expected answer, on a large floor: some two minutes
GAIN_SMALL = 1.5  # higher by so many over the agents: they have fewer answers
PRICE_START = 0.02  # what it comes to on floors of 50 and more
PRICE_SMALL = 5.0  # and higher by so many over the agents
PRICE_LEAST, PRICE_MOST = 2e-3, 0.6  # of a large floor
PUSH_MOST = 0.5  # in one decision
SPEND_MOST = 2.0  # times the limit's rate
# Also while a window recovers, if it still bears one abandon: lines that are all but safe. Dialling
# one line per free agent instead would recover hardly sooner, at a quarter less talk.
SPEND_LEAST = 0.03

K_PRIOR = 10.0  # forecast abandons the first calibration is worth
K_MEMORY = 60.0  # forecast abandons the calibration remembers
K_MEMORY_AGENT = 0.5  # and so many more per agent
K_LEAST, K_MOST = 0.2, 4.0

# What is kept in hand for the last minutes, in which abandons can no longer be made good: a root
# of those that five minutes bring, because they come by chance, and in bursts on large floors.
RESERVE_S = 300.0
RESERVE_ROOT_PACE, RESERVE_ROOT_MOST = 12.0, 1.8
RESERVE_PACE, RESERVE_MOST = 8.0, 1.0
# A surplus is spent over so many answers at least, and those of so many seconds: large floors
# must slow down in time, small ones have no answers to wait for.
SPREAD_ANSWERS, SPREAD_PACE, SPREAD_MOST_S = 5.0, 3000.0, 300.0
HOLD = 0.9  # abandons left, the loan included, at which risk is no longer taken
BRAKE_LEAST, BRAKE_PACE, BRAKE_MOST, BRAKE_LOAN = 0.2, 6.0, 1.0, 0.4  # braking begins above it


@borrowing
def prepare(state: State, patience: float) -> None:
    """Settings every floor shares; there is nothing to tune per site."""
    state.setting[P_PATIENCE] = patience
    state.setting[P_STARTED] = -1e18
    state.setting[P_RING_LEAST] = math.inf
    state.scalar[S_LOG_THETA] = math.log(PRICE_START)


@borrowing
def count_abandon(state: State, rang_s: float) -> tuple[float, float]:
    """A caller found nobody: for the calibration, and as `count_lost`, which answers."""
    state.scalar[S_K_SEEN] += 1.0
    return count_lost(state, rang_s)


@borrowing
def calibration(state: State, agents: int) -> float:
    """Abandons seen over forecast.

    It begins where known floors end: forecasts are low on large floors, where what the forecast
    leaves out happens to many lines at once, and high on the smallest, because they count harm to
    later callers who then seldom come.
    """
    first = 2.0 * agents / (agents + 3.0)
    scalar = state.scalar
    k = (scalar[S_K_SEEN] + K_PRIOR * first) / (scalar[S_K_DUE] + K_PRIOR)
    return float(min(K_MOST, max(K_LEAST, k)))


@borrowing
def lent(limit: float, live: float, ahead: float, pace: float) -> float:
    """Abandons lent to a window against the answers expected before it closes for the day: the
    same as `dialer.pacing.windows.Standing.lent`."""
    return min(limit * ahead, LENT_LEAST + math.sqrt(limit * live) + limit * pace * LENT_S)


@borrowing
def reserve(limit: float, pace: float) -> float:
    """Abandons kept in hand until the close, at `pace` answers per second."""
    root = min(RESERVE_ROOT_MOST, RESERVE_ROOT_PACE * pace)
    return float(
        min(RESERVE_MOST, RESERVE_PACE * pace) + root * math.sqrt(limit * pace * RESERVE_S)
    )


@borrowing
def spending(state: State) -> tuple[float, float]:
    """(share of the limit's rate that may be spent now, abandons left) by the tightest window.

    Whatever is expected, nothing is spent once more than the loan is gone.
    """
    spend = SPEND_MOST
    least = 1e18
    given = machines_given(state)
    for w in range(state.account.shape[0]):
        window = state.account[w]
        limit = window[A_LIMIT]
        if limit > 0.0:
            live = window[A_LIVE]
            ahead = window[A_AHEAD]
            pace = window[A_PACE]
            left, owed = room(window, given, state.scalar[S_PENDING])
            spread = SPREAD_ANSWERS + pace * min(SPREAD_MOST_S, SPREAD_PACE * pace)
            even = (left - reserve(limit, pace)) / (limit * (ahead + spread))
            loan = lent(limit, live, ahead, pace)
            length = min(BRAKE_MOST, BRAKE_LEAST + BRAKE_PACE * pace) + BRAKE_LOAN * loan
            owed += loan
            least_spent = SPEND_LEAST if left >= 1.0 and owed > 0.0 else 0.0
            spend = min(spend, max(least_spent, min(even, (owed - HOLD) / length)))
            least = min(least, limit * live - window[A_ABANDONED] - state.scalar[S_PENDING])
    return max(0.0, spend), least


@borrowing
def limit_of(state: State) -> float:
    """The tightest limit of the account's windows; 1 without any."""
    least = 1.0
    for w in range(state.account.shape[0]):
        if state.account[w, A_LIMIT] > 0.0:
            least = min(least, state.account[w, A_LIMIT])
    return least


@borrowing
def risk_allowed(state: State, agents: int, spend: float) -> float:
    """Theta: the risk per answered call up to which a line is launched.

    Small floors launch line by line, so that the rate rises faster than theta does.
    """
    price = math.exp(state.scalar[S_LOG_THETA]) * (1.0 + PRICE_SMALL / max(1, agents))
    return float(price * spend ** (1.0 - 0.5 / max(1, agents)))


@borrowing
def steer(
    state: State, agents: int, spend: float, k: float, lines: int, risks: float, limit: float
) -> None:
    """Move the price by what was just risked: `lines` launched, the sum of their risks."""
    scalar = state.scalar
    answer = scalar[S_P_NEW]
    scalar[S_K_DUE] += answer * risks
    memory = K_MEMORY + K_MEMORY_AGENT * agents
    if scalar[S_K_DUE] > memory:
        keep = memory / scalar[S_K_DUE]
        scalar[S_K_DUE] *= keep
        scalar[S_K_SEEN] *= keep
    scalar[S_PENDING] += answer * risks * k
    push = GAIN * (1.0 + GAIN_SMALL / agents) * answer * (spend * lines - k * risks / limit)
    steered = scalar[S_LOG_THETA] + min(PUSH_MOST, max(-PUSH_MOST, push))
    scalar[S_LOG_THETA] = min(math.log(PRICE_MOST), max(math.log(PRICE_LEAST), steered))
