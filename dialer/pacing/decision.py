"""One decision: how many lines to launch on this floor, now.

For the line that would be launched next, the look-ahead says how likely its answer would find
nobody: the mean, over the moments it would be answered at, of the chance that the callers there
before it take every agent free by then. The line is launched while that risk is at most theta
(`dialer.pacing.price`). On floors whose exact optimum is known this rule, with the best constant
theta, comes within 0.1 % of it; what is left is to know the floor (`hazards`) and to find theta.

A line that has rung for as long as the law asks may be given up (`FloorSnapshot.ring_least_s`): it
is when the floor has filled since it was launched and its own risk is far above theta. Those that
have rung longest go first.
"""

from __future__ import annotations

import math

import numpy as np

from dialer.pacing.compiled import borrowing, compiled
from dialer.pacing.hazards import (
    INSTANTS,
    MODE_OUTAGE,
    MODE_POLICY,
    MODE_SPENT,
    OUTAGE,
    S_ALLOWED,
    S_ANSWER_DUE,
    S_ANSWER_SEEN,
    S_ANSWERS,
    S_BUILT,
    S_CALLERS,
    S_DEAD,
    S_FACTS,
    S_FREE,
    S_GIVE_UP,
    S_K,
    S_LAST,
    S_LAUNCHED,
    S_MODE,
    S_PENDING,
    S_RATE,
    S_RISK,
    S_SLACK,
    S_TALK_DUE,
    S_TALK_SEEN,
    S_WRAPS,
    Array,
    State,
    line_bin,
    talk_bin,
    wrap_bin,
)
from dialer.pacing.lines import (
    Bins,
    add_moments,
    bins_of_elders,
    few_lines,
    many_kept,
    many_lines,
    rows_of_detection,
)
from dialer.pacing.lookahead import EXACT_MAX, fast_memory, normal_risk, rebuild
from dialer.pacing.people import new_day
from dialer.pacing.price import (
    P_PATIENCE,
    P_RING_LEAST,
    P_STARTED,
    calibration,
    limit_of,
    risk_allowed,
    spending,
    steer,
)

NIGHT_S = 3600.0  # s without a decision after which it is another day
UNWATCHED_S = 10.0  # s without a decision after which the fast corrections begin anew
PENDING_S = 12.0  # a forecast abandon is pending for about so long
REBUILD_LEAST_S, REBUILD_MOST_S = 2.0, 30.0
REBUILD_AGE = 0.05  # of the time since the first decision
# A line that has rung for long is given up when its risk is so many times what a new line may have.
# At 1 as many go as come, three fifths of all lines, and talk is lost again; at 3 a quarter of the
# lines brings most of what there is to gain.
GIVE_UP_TIMES = 3.0
# The normal law is asked first, because it costs next to nothing: a risk of so much by it is
# above theta by any reckoning. It is least exact on the smallest floors.
SURE_TIMES, SURE_TIMES_SMALL, SURE_ABOVE = 2.0, 60.0, 0.02


@borrowing
def pass_time(state: State, now: float, agents: int, talks: Bins, rings: Bins) -> None:
    """Let the expected events of the time since the last decision fall due."""
    scalar = state.scalar
    passed = now - scalar[S_LAST]
    if scalar[S_LAST] < -1e17:
        state.setting[P_STARTED] = now
    if passed > NIGHT_S:
        new_day(state)
    if passed < 0.0 or passed > UNWATCHED_S:  # what fell due meanwhile was not counted
        scalar[S_ANSWER_SEEN] = scalar[S_ANSWER_DUE] = 0.0
        scalar[S_TALK_SEEN] = scalar[S_TALK_DUE] = 0.0
        passed = 0.0
    scalar[S_LAST] = now
    if passed > 0.0:
        due = 0.0
        for i in range(rings.size):
            due += state.ring_hazard[rings[i]]
        scalar[S_ANSWER_DUE] += due * passed
        due = 0.0
        for i in range(talks.size):
            due += state.talk_hazard[talks[i]]
        scalar[S_TALK_DUE] += due * passed
        memory = fast_memory(agents)
        if scalar[S_ANSWER_DUE] > memory:
            keep = memory / scalar[S_ANSWER_DUE]
            scalar[S_ANSWER_DUE] *= keep
            scalar[S_ANSWER_SEEN] *= keep
        if scalar[S_TALK_DUE] > memory:
            keep = memory / scalar[S_TALK_DUE]
            scalar[S_TALK_DUE] *= keep
            scalar[S_TALK_SEEN] *= keep
        scalar[S_PENDING] *= math.exp(-passed / PENDING_S)


@compiled
def decide_lines(
    state: State,
    now: float,
    idle: int,
    talking: Array,
    wrapping: Array,
    setting_up: Array,
    ringing: Array,
    detecting: Array,
    rang: Array,
    waiting: int,
    most: int,
    share: float,
) -> int:
    """Lines to launch now, at most `most`. Ages in seconds; see `FloorSnapshot`; `rang` belongs to
    `detecting`."""
    scalar = state.scalar
    setting = state.setting
    agents = idle + talking.size + wrapping.size
    talks = np.empty(talking.size, np.int64)
    for i in range(talking.size):
        talks[i] = talk_bin(talking[i])
    rings = np.empty(ringing.size, np.int64)
    for i in range(ringing.size):
        rings[i] = line_bin(ringing[i])
    pass_time(state, now, agents, talks, rings)
    patience = setting[P_PATIENCE]
    pause = REBUILD_AGE * (now - setting[P_STARTED])
    pause = min(REBUILD_MOST_S, max(REBUILD_LEAST_S, pause))
    if scalar[S_BUILT] < -1e17 or (scalar[S_FACTS] > 0.0 and now - scalar[S_BUILT] >= pause):
        rebuild(state, agents, talking, wrapping, setting_up, ringing, detecting.size, patience)
        scalar[S_BUILT] = now
        scalar[S_FACTS] = 0.0

    # --- the price: what the account still bears
    limit = limit_of(state)
    spend, scalar[S_SLACK] = spending(state)
    scalar[S_K] = calibration(state, agents)
    theta = risk_allowed(state, agents, spend)
    scalar[S_ALLOWED] = theta
    scalar[S_RATE] = spend * limit
    scalar[S_MODE] = MODE_SPENT if spend <= 0.0 else MODE_POLICY

    coming = setting_up.size + ringing.size + detecting.size + waiting
    sure = max(0, min(most, int(idle * share) - coming))
    elders = bins_of_elders(ringing, setting[P_RING_LEAST])
    scalar[S_GIVE_UP] = 0.0
    if scalar[S_DEAD] > OUTAGE:
        # Nothing gets through. Whoever believes in that fills every trunk, and when the way is open
        # again all answer at once: one line for each free agent feels for its end.
        most = sure
        elders = elders[:0]
        scalar[S_MODE] = MODE_OUTAGE
    if most <= 0 and elders.size == 0:
        scalar[S_LAUNCHED] = 0.0
        return 0
    needed = max(0, int(idle * share) - (coming - elders.size))  # of the elders, whatever the risk

    # --- agents who will be free, callers who will hold one
    wraps = np.empty(wrapping.size, np.int64)
    for i in range(wrapping.size):
        wraps[i] = wrap_bin(wrapping[i])
    setups = np.empty(setting_up.size, np.int64)
    for i in range(setting_up.size):
        setups[i] = line_bin(setting_up[i])
    detected = rows_of_detection(state, detecting, rang)
    mean_f = np.full(INSTANTS, idle * share)
    var_f = np.full(INSTANTS, idle * share * (1.0 - share))
    mean_a = np.full(INSTANTS, float(waiting))
    var_a = np.zeros(INSTANTS)
    add_moments(mean_f, var_f, state.talk_frees, talks, share)
    add_moments(mean_f, var_f, state.wrap_frees, wraps, share)
    add_moments(mean_a, var_a, state.setup_asks, setups, 1.0)
    add_moments(mean_a, var_a, state.ring_asks, rings, 1.0)
    add_moments(mean_a, var_a, detected, np.arange(detecting.size), 1.0)
    scalar[S_FREE] = mean_f[INSTANTS // 2]
    scalar[S_CALLERS] = mean_a[INSTANTS // 2]

    lines = 0
    risks = 0.0
    dear = GIVE_UP_TIMES * theta
    if agents > EXACT_MAX:
        # What is learned is itself uncertain, and errs for all lines and all agents alike: on a
        # large floor that outweighs chance, above all when many lines leave at once.
        unsure_answers = 1.0 / (scalar[S_ANSWERS] + 50.0)
        unsure_ends = 1.0 / (scalar[S_WRAPS] + 50.0) + 0.001
        for j in range(INSTANTS):
            var_a[j] += unsure_answers * mean_a[j] ** 2
            var_f[j] += unsure_ends * (mean_f[j] - idle * share) ** 2
        kept, risk = many_kept(state, elders, mean_a, var_a, mean_f, var_f, dear, needed)
        if kept == elders.size:
            lines, risks, risk = many_lines(
                state, mean_a, var_a, mean_f, var_f, unsure_answers, theta, sure, most
            )
    else:
        kept = elders.size
        new = state.setup_asks[0]
        risk = normal_risk(mean_a, var_a, mean_f, var_f, new, 0.0, state.weight, 0.0)
        times = SURE_TIMES + SURE_TIMES_SMALL / max(1, agents)
        if sure > 0 or risk <= times * theta + SURE_ABOVE or kept > needed:
            young = rings[ringing < setting[P_RING_LEAST]]
            lines, risks, risk, kept = few_lines(
                state, idle, share, talks, wraps, setups, young, elders, detected,
                waiting, theta, dear, needed, sure, most,
            )  # fmt: skip
    scalar[S_GIVE_UP] = elders.size - kept
    if lines > 0:
        steer(state, agents, spend, scalar[S_K], lines, risks, limit)
    scalar[S_RISK] = risk
    scalar[S_LAUNCHED] = lines
    return lines
