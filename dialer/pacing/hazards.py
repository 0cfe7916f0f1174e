"""What is learned of the floor's times: hazards by age, online, and the tables made from them.

Each stage of a line (set-up, ringing, detection) and of an agent (talk, wrap-up) has, per bin of
age, an exposure (seconds spent in the bin by anybody) and exits by cause; their ratio is the
hazard, the chance per second to leave at that age. Exposure counts those still in the stage too,
so nothing is biased towards the short ones (censoring); not for detection, which is over in
seconds: which of its two stages a line is in shows only at its end. Old observations are forgotten
by count, so that a large floor adapts faster than a small one. Priors worth a few observations
stand in for what has not been seen yet, on the cautious side.

Everything is compiled and works in place on the arrays of a `State`; tests hold each function
against a plain Python twin.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialer.pacing.compiled import borrowing, compiled

Array = NDArray[np.float64]

DT = 0.5  # s, the step of all tables of lines
BINS = 128  # age bins of a line's stage: 64 s, the last one open
STEPS = 96  # how far ahead the tables look: 48 s
INSTANTS = 12  # moments at which the look-ahead compares callers with agents
TALK_BINS = 64  # geometric, see `talk_bin`
TALK_GROWTH = 1.12
TALK_FIRST = 2.0  # s, width of the first bins
WRAP_BINS = 96  # of WRAP_DT
WRAP_DT = 2.0

# Stages of a line. Who answers after nine seconds is a person, after nineteen mostly a machine,
# so that answers are told apart by what detection made of them, and by the time it took.
SETUP, RING, DETECT, DETECT_MACHINE = 0, 1, 2, 3
STAGES = 4
# causes to leave one: it rings; answered and let through in the end; answered and taken for a
# machine; over without either
ONWARD, LIVE, MACHINE, ENDED = 0, 1, 2, 3
CAUSES = 4

# Calls that agents were given, and those of them in which a machine was found (see people.py)
SERVED, FOUND_MACHINE = 0, 1
FATES = 2
UNTOLD = BINS  # in place of a bin: nobody told how long it rang

# Columns of a window in State.account: calls let through, of them abandoned; the limit (0: no
# window); calls expected before the close, and per second
A_LIVE, A_ABANDONED, A_LIMIT, A_AHEAD, A_PACE = 0, 1, 2, 3, 4
# and what is known of machines in them, as `dialer.pacing.windows.Judged` has it
A_SERVED, A_FOUND, A_JUDGED, A_MACHINES, A_DOUBT, A_ERROR = 5, 6, 7, 8, 9, 10
COLUMNS = 11

# scalars of a State
(
    S_LAST,  # time of the last decision
    S_BUILT,  # time of the last rebuild of the tables
    S_ANSWERS,  # answered lines, and those of them that were under detection
    S_DETECTED,
    S_WRAPS,
    S_BREAKS,
    S_ANSWER_SEEN,  # people let through, seen and expected lately: the fast correction
    S_ANSWER_DUE,
    S_TALK_SEEN,
    S_TALK_DUE,
    S_P_NEW,  # chance that a new line brings a live call within the tables' reach
    S_LINE_W,  # weight of the newest line observation (grows: that is forgetting)
    S_TALK_W,
    S_WRAP_W,
    S_LOG_THETA,
    S_K_SEEN,  # abandons seen and forecast: the calibration
    S_K_DUE,
    S_PENDING,  # forecast abandons of lines still on their way
    S_PENDING_LIVE,
    S_RATE,  # abandon rate steered for just now
    S_RISK,  # of the last line launched or refused
    S_FREE,  # forecast of free agents and callers, mid-horizon
    S_CALLERS,
    S_LAUNCHED,
    S_FACTS,  # observations since the tables were built
    S_MODE,  # what held the decision: MODE_POLICY, ...
    S_ALLOWED,  # the price: the risk at which no further line is launched
    S_DEAD,  # share of the latest lines that ended before they rang
    S_SLACK,  # abandons left in the tightest window, and the calibration, at the last decision
    S_K,
    S_GIVE_UP,  # ringing lines to be hung up, by the last decision
) = range(31)
SCALARS = 31

MODE_POLICY, MODE_SPENT, MODE_OUTAGE = 0.0, 1.0, 2.0

DEAD_MEMORY = 20.0  # lines
OUTAGE = 0.9  # so many of them dead: not the list, the way to it
LINE_MEMORY = 8000.0  # observations after which the old ones count 1/e
TALK_MEMORY = 1500.0
PATIENCE_STEPS_MAX = 20


class State(NamedTuple):
    """All that a forward pacer knows, as arrays; see the names above for `scalar`."""

    scalar: Array  # (SCALARS,)
    line_exposure: Array  # (STAGES, BINS)
    line_exits: Array  # (STAGES, BINS, CAUSES)
    talk_exposure: Array  # (TALK_BINS,)
    talk_exits: Array
    wrap_exposure: Array  # (WRAP_BINS,)
    wrap_exits: Array
    calls: Array  # (FATES, BINS + 1) counts, by how long the telephone had rung
    # tables, rebuilt from the above
    setup_asks: Array  # (BINS, INSTANTS) chance to hold an agent at the instant, by age in stage
    ring_asks: Array
    detect_asks: Array  # of who will be let through
    ring_machines: Array  # (BINS,) machines to people let through among those who answer at an age
    detect_machines: Array  # (BINS,) factor on that for who is under detection for so long
    talk_frees: Array  # (TALK_BINS, INSTANTS) chance to be free at the instant plus patience
    wrap_frees: Array
    weight: Array  # (INSTANTS,) of a new line's answer falling to each instant
    instant: Array  # (INSTANTS,) s
    ring_hazard: Array  # (BINS,) of being answered by who is let through, uncorrected
    talk_hazard: Array  # (TALK_BINS,), uncorrected
    account: Array  # (4, COLUMNS) a row for each window
    setting: Array  # see price.py


def new_state() -> State:
    """A state that has seen nothing."""
    state = State(
        scalar=np.zeros(SCALARS),
        line_exposure=np.zeros((STAGES, BINS)),
        line_exits=np.zeros((STAGES, BINS, CAUSES)),
        talk_exposure=np.zeros(TALK_BINS),
        talk_exits=np.zeros(TALK_BINS),
        wrap_exposure=np.zeros(WRAP_BINS),
        wrap_exits=np.zeros(WRAP_BINS),
        calls=np.zeros((FATES, BINS + 1)),
        setup_asks=np.zeros((BINS, INSTANTS)),
        ring_asks=np.zeros((BINS, INSTANTS)),
        detect_asks=np.zeros((BINS, INSTANTS)),
        ring_machines=np.zeros(BINS),
        detect_machines=np.zeros(BINS),
        talk_frees=np.zeros((TALK_BINS, INSTANTS)),
        wrap_frees=np.zeros((WRAP_BINS, INSTANTS)),
        weight=np.zeros(INSTANTS),
        instant=np.zeros(INSTANTS),
        ring_hazard=np.zeros(BINS),
        talk_hazard=np.zeros(TALK_BINS),
        account=np.zeros((4, COLUMNS)),
        setting=np.zeros(16),
    )
    scalar = state.scalar
    scalar[S_LAST] = scalar[S_BUILT] = -1e18
    scalar[S_LINE_W] = scalar[S_TALK_W] = scalar[S_WRAP_W] = 1.0
    return state


@borrowing
def line_bin(age: float) -> int:
    return min(BINS - 1, max(0, int(age / DT)))


@borrowing
def talk_bin(age: float) -> int:
    """Bins of 2 s that grow by 12 % each: 64 of them reach beyond an hour."""
    if age <= 0.0:
        return 0
    return min(
        TALK_BINS - 1,
        int(math.log(1.0 + age * (TALK_GROWTH - 1.0) / TALK_FIRST) / math.log(TALK_GROWTH)),
    )


@borrowing
def talk_edge(index: int) -> float:
    """Age at which talk bin `index` begins."""
    return TALK_FIRST * (TALK_GROWTH**index - 1.0) / (TALK_GROWTH - 1.0)


@borrowing
def wrap_bin(age: float) -> int:
    return min(WRAP_BINS - 1, max(0, int(age / WRAP_DT)))


@borrowing
def _expose_line(exposure: Array, length: float, weight: float) -> None:
    last = line_bin(length)
    for b in range(last):
        exposure[b] += weight * DT
    exposure[last] += weight * (length - last * DT)


@borrowing
def learn_stage(state: State, stage: int, length: float, cause: int) -> None:
    """A line left `stage` after `length` seconds for `cause`."""
    weight = state.scalar[S_LINE_W]
    length = max(0.0, length)
    _expose_line(state.line_exposure[stage], length, weight)
    state.line_exits[stage, line_bin(length), cause] += weight


@borrowing
def learn_line(
    state: State, setup_s: float, ring_s: float, detect_s: float, live: bool, machine: bool
) -> None:
    """A line ended. Negative `ring_s` or `detect_s`: it never got there.

    The set-up of a line that rang is learned when it begins to ring, by `learn_ringing`.
    """
    scalar = state.scalar
    answered = live or machine
    cause = LIVE if live else MACHINE if machine else ENDED
    if ring_s < 0.0:
        scalar[S_DEAD] += ((0.0 if answered else 1.0) - scalar[S_DEAD]) / DEAD_MEMORY
        if scalar[S_DEAD] > OUTAGE and not answered:
            return  # an outage tells nothing of the lines after it
        learn_stage(state, SETUP, setup_s, cause)
    else:
        learn_stage(state, RING, ring_s, cause)
        if live:
            scalar[S_ANSWER_SEEN] += 1.0
    if answered:
        scalar[S_ANSWERS] += 1.0
        if detect_s >= 0.0:
            scalar[S_DETECTED] += 1.0
            learn_stage(state, DETECT if live else DETECT_MACHINE, detect_s, cause)
        if scalar[S_ANSWERS] > 400.0:
            scalar[S_ANSWERS] *= 0.5
            scalar[S_DETECTED] *= 0.5
    scalar[S_FACTS] += 1.0
    scalar[S_LINE_W] *= 1.0 + 1.0 / LINE_MEMORY
    if scalar[S_LINE_W] > 1e6:
        for stage in range(STAGES):
            for b in range(BINS):
                state.line_exposure[stage, b] /= scalar[S_LINE_W]
                for left in range(CAUSES):
                    state.line_exits[stage, b, left] /= scalar[S_LINE_W]
        scalar[S_LINE_W] = 1.0


@borrowing
def learn_given_up(state: State, ring_s: float) -> None:
    """A ringing line was hung up by us: it would have rung longer than that."""
    _expose_line(state.line_exposure[RING], max(0.0, ring_s), state.scalar[S_LINE_W])
    state.scalar[S_FACTS] += 1.0


@borrowing
def learn_ringing(state: State, setup_s: float) -> None:
    state.scalar[S_DEAD] *= 1.0 - 1.0 / DEAD_MEMORY
    learn_stage(state, SETUP, setup_s, ONWARD)


@borrowing
def _expose_talk(exposure: Array, length: float, weight: float) -> None:
    last = talk_bin(length)
    for b in range(last):
        exposure[b] += weight * (talk_edge(b + 1) - talk_edge(b))
    exposure[last] += weight * (length - talk_edge(last))


@borrowing
def learn_talk(state: State, talk_s: float) -> None:
    scalar = state.scalar
    talk_s = max(0.0, talk_s)
    weight = scalar[S_TALK_W]
    _expose_talk(state.talk_exposure, talk_s, weight)
    state.talk_exits[talk_bin(talk_s)] += weight
    scalar[S_TALK_SEEN] += 1.0
    scalar[S_FACTS] += 1.0
    scalar[S_TALK_W] *= 1.0 + 1.0 / TALK_MEMORY
    if scalar[S_TALK_W] > 1e6:
        for b in range(TALK_BINS):
            state.talk_exposure[b] /= scalar[S_TALK_W]
            state.talk_exits[b] /= scalar[S_TALK_W]
        scalar[S_TALK_W] = 1.0


@borrowing
def learn_wrap(state: State, wrap_s: float, to_break: bool) -> None:
    scalar = state.scalar
    wrap_s = max(0.0, wrap_s)
    weight = scalar[S_WRAP_W]
    last = wrap_bin(wrap_s)
    for b in range(last):
        state.wrap_exposure[b] += weight * WRAP_DT
    state.wrap_exposure[last] += weight * (wrap_s - last * WRAP_DT)
    state.wrap_exits[last] += weight
    scalar[S_WRAPS] += 1.0
    if to_break:
        scalar[S_BREAKS] += 1.0
    if scalar[S_WRAPS] > 2000.0:
        scalar[S_WRAPS] *= 0.5
        scalar[S_BREAKS] *= 0.5
    scalar[S_FACTS] += 1.0
    scalar[S_WRAP_W] *= 1.0 + 1.0 / TALK_MEMORY
    if scalar[S_WRAP_W] > 1e6:
        for b in range(WRAP_BINS):
            state.wrap_exposure[b] /= scalar[S_WRAP_W]
            state.wrap_exits[b] /= scalar[S_WRAP_W]
        scalar[S_WRAP_W] = 1.0


@compiled
def smoothed(exposure: Array, exits: Array, width: int, prior: Array, seconds: float) -> Array:
    """Hazard per bin: shrunk to that of its neighbourhood (`width` bins on either side), which is
    shrunk to `prior`; `seconds` of exposure is what each of these opinions is worth."""
    bins = exposure.size
    sum_e = np.zeros(bins + 1)
    sum_x = np.zeros(bins + 1)
    for b in range(bins):
        sum_e[b + 1] = sum_e[b] + exposure[b]
        sum_x[b + 1] = sum_x[b] + exits[b]
    hazard = np.empty(bins)
    for b in range(bins):
        low = max(0, b - width)
        high = min(bins, b + width + 1)
        near_e = sum_e[high] - sum_e[low]
        near_x = sum_x[high] - sum_x[low]
        near = (near_x + prior[b] * 4.0 * seconds) / (near_e + 4.0 * seconds)
        hazard[b] = (exits[b] + near * seconds) / (exposure[b] + seconds)
    return hazard
