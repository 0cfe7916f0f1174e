"""People among the abandoned: what may be abandoned where the law counts people.

Whether a call that found nobody was a machine's nobody can know. Of the calls that were served
agents say it, and it shows in the time that a telephone rang: so an abandoned call is reckoned a
machine's as likely as those served of late that rang about as long. Each is judged when it happens
and kept in the windows that count it, because lists and hours differ: what is learned today says
nothing of those of last week. Some standard errors are kept in hand: for chance, for what is not
learned yet, and because people come in bursts, in which of those who rang as long more are people.
"""

from __future__ import annotations

import math

from dialer.pacing.compiled import borrowing
from dialer.pacing.hazards import (
    A_ABANDONED,
    A_AHEAD,
    A_DOUBT,
    A_ERROR,
    A_FOUND,
    A_JUDGED,
    A_LIMIT,
    A_LIVE,
    A_MACHINES,
    A_PACE,
    A_SERVED,
    BINS,
    FOUND_MACHINE,
    SERVED,
    UNTOLD,
    Array,
    State,
    line_bin,
)

# Served calls after which half of them are forgotten, and how many those of the day before count
# for: in the morning there may be another list.
MEMORY, OVERNIGHT = 2000.0, 100.0
MACHINES_MOST = 0.98  # share
NEAR = 4  # bins on either side that tell of one: 2 s
# What is taken to be known before anything is seen: so many served calls without a machine; so many
# of each time with as many machines as all have; and so many abandoned ones, half as likely
# machines as the served, give or take half of that, as all are of which nobody told how long they
# rang.
SERVED_PRIOR, NEAR_PRIOR = 10.0, 5.0
ABANDONED_PRIOR, SHARE_PRIOR, ERROR_PRIOR = 2.0, 0.5, 0.25
# A burst moves the odds of machine to person by so much (log), up or down: answer rates between 0.6
# and 1.6 times the mean, by turns of ten minutes to an hour, come to twice that at the moments at
# which calls are abandoned.
DRIFT = 0.2
# Standard errors kept in hand by the pace of answers: fewer on small floors, where an abandon is
# dear and one day in twenty may be over; so many on those of twenty and more that no day is. The
# four abandons that a lone agent's day may bear are one too many when all were people's.
LEAST, PACE2, MOST = 0.8, 100.0, 2.0
ALONE, ALONE_PACE = 2.3, 150.0


@borrowing
def _tally(state: State, column: int, more: float) -> None:
    for w in range(state.account.shape[0]):
        if state.account[w, A_LIMIT] > 0.0:
            state.account[w, column] += more


@borrowing
def _bin(rang_s: float) -> int:
    return UNTOLD if rang_s < 0.0 else line_bin(rang_s)


@borrowing
def _all(calls: Array) -> float:
    total = 0.0
    for b in range(BINS + 1):
        total += calls[b]
    return total


@borrowing
def count_served(state: State, rang_s: float) -> None:
    """An agent got a call whose telephone had rung for so long; negative: not known."""
    state.calls[SERVED, _bin(rang_s)] += 1.0
    if _all(state.calls[SERVED]) > MEMORY:
        _fade(state, 0.5 * MEMORY)
    _tally(state, A_SERVED, 1.0)


@borrowing
def _fade(state: State, most: float) -> None:
    """Let the served calls that are remembered weigh `most` at most."""
    seen = _all(state.calls[SERVED])
    if seen > most:
        for b in range(BINS + 1):
            state.calls[SERVED, b] *= most / seen
            state.calls[FOUND_MACHINE, b] *= most / seen


@borrowing
def new_day(state: State) -> None:
    """Nothing was dialled for long: there may be another list."""
    _fade(state, OVERNIGHT)


@borrowing
def count_machine(state: State, rang_s: float) -> None:
    """The agent found a machine in a call that was counted as served."""
    state.calls[FOUND_MACHINE, _bin(rang_s)] += 1.0
    _tally(state, A_FOUND, 1.0)


@borrowing
def machines_given(state: State) -> float:
    """Share of machines among the calls served of late."""
    found = _all(state.calls[FOUND_MACHINE])
    return float(min(MACHINES_MOST, found / (_all(state.calls[SERVED]) + SERVED_PRIOR)))


@borrowing
def judge(state: State, rang_s: float) -> tuple[float, float]:
    """(chance that a machine answered a call that was let through and not served, its error)."""
    given = machines_given(state)
    if rang_s < 0.0:
        return SHARE_PRIOR * given, ERROR_PRIOR * given
    seen = NEAR_PRIOR
    found = NEAR_PRIOR * given
    b = line_bin(rang_s)
    for near in range(max(0, b - NEAR), min(BINS, b + NEAR + 1)):
        seen += state.calls[SERVED, near]
        found += state.calls[FOUND_MACHINE, near]
    p = min(MACHINES_MOST, found / seen)
    return p, math.sqrt(p * (1.0 - p) / seen) + DRIFT * p * (1.0 - p)


@borrowing
def count_lost(state: State, rang_s: float) -> tuple[float, float]:
    """A call was abandoned: `judge` says how likely it was a machine's."""
    p, error = judge(state, rang_s)
    _tally(state, A_JUDGED, 1.0)
    _tally(state, A_MACHINES, p)
    _tally(state, A_DOUBT, p * (1.0 - p))
    _tally(state, A_ERROR, error)
    return p, error


@borrowing
def errors_kept(pace: float) -> float:
    """Standard errors kept in hand, at `pace` answers per second."""
    least = max(LEAST, ALONE - ALONE_PACE * pace)
    return float(min(MOST, least + PACE2 * pace * pace))


@borrowing
def room(window: Array, given: float, pending: float) -> tuple[float, float]:
    """(calls that may still be abandoned by the close, calls that may be abandoned now without a
    loan), by one window; less than 0 when there were too many. `given` is the share of machines of
    late, and `pending` calls more are expected to be abandoned.

    People are lost by the share that is reckoned of the abandoned and the errors that are kept in
    hand, and by the close only whole ones may be. Neither is more than if every call was a
    person's: whoever counts calls must find no more either.
    """
    live = window[A_LIVE]
    limit = window[A_LIMIT]
    ahead = window[A_AHEAD]
    errors = errors_kept(window[A_PACE])
    gone = window[A_ABANDONED] + pending
    served = SERVED_PRIOR + window[A_SERVED]
    people = 1.0 - min(MACHINES_MOST, (SERVED_PRIOR * given + window[A_FOUND]) / served)
    # of all abandoned, as of those that were judged; the others as before anything was seen
    judged = window[A_JUDGED]
    others = ABANDONED_PRIOR + max(0.0, window[A_ABANDONED] - judged)
    weight = others + judged
    lost = 1.0 - (window[A_MACHINES] + others * SHARE_PRIOR * given) / weight
    doubt = errors**2 * (window[A_DOUBT] + others * given * (1.0 - given)) / weight
    error = errors * (window[A_ERROR] + others * ERROR_PRIOR * given) / weight
    now = limit * live * people
    close = math.floor(limit * (live * people + ahead * (1.0 - given)))
    # How many calls are `close` people: the root of c x + sqrt(d x + (e x)^2) = close.
    square = lost**2 - error**2
    middle = 2.0 * close * lost + doubt
    root = math.sqrt(max(0.0, middle**2 - 4.0 * square * close**2))
    borne = 2.0 * close**2 / (middle + root) if close > 0 else 0.0
    owed = now - gone * lost - math.sqrt(gone * doubt + (gone * error) ** 2)
    borne = min(borne, math.floor(limit * (live + ahead)))
    return borne - gone, min(limit * live - gone, owed / people)
