"""The tables of the look-ahead, and the comparison of callers with agents at its instants.

With `patience` the time a caller may wait, an instant `tau` is bad for a caller who then comes
when callers before him, still holding an agent at tau + patience, are as many as the agents who
could be free by then. Both are sums of independent yes-or-no events, one per line and per agent
(Poisson-binomial): convolved exactly on small floors, normal with continuity correction on large.
"""

from __future__ import annotations

import math

import numpy as np

from dialer.pacing.compiled import borrowing, compiled
from dialer.pacing.hazards import (
    BINS,
    DETECT,
    DETECT_MACHINE,
    DT,
    ENDED,
    INSTANTS,
    LIVE,
    MACHINE,
    ONWARD,
    RING,
    S_ANSWER_DUE,
    S_ANSWER_SEEN,
    S_ANSWERS,
    S_BREAKS,
    S_DETECTED,
    S_LINE_W,
    S_P_NEW,
    S_TALK_DUE,
    S_TALK_SEEN,
    S_TALK_W,
    S_WRAP_W,
    S_WRAPS,
    SETUP,
    STEPS,
    TALK_BINS,
    WRAP_BINS,
    WRAP_DT,
    Array,
    State,
    line_bin,
    smoothed,
    talk_bin,
    talk_edge,
    wrap_bin,
)

FAST_PRIOR = 0.4  # of their memory: what the fast corrections must outweigh
TALK_STEP = 1.0  # s
TALK_STEPS = 52  # reach of the lines' tables and the longest patience
UNLIKELY = 1e-7  # a chance that no decision depends on
EXACT_MAX = 48  # agents up to which sums are convolved exactly
# Harm to later callers, see `with_later`: on small floors the agent taken is often free again, on
# large ones callers come in bursts, and it is nearly the worst that happens.
LATER_FEW, LATER_MANY = 0.5, 0.9
TALK_PRIOR_S = 120.0  # a conversation of age a is first taken to last about as long again
RING_ANSWERED, RING_ENDED = 0.02, 0.04  # per s: cautious, a third of the lines answered
DETECT_OVER = 0.4  # per s, of people and of machines
SURE = 7.0  # log odds beyond which nobody asks how sure it is that a machine is detected


@borrowing
def fast_memory(agents: int) -> float:
    """Expected events that the fast corrections remember: 80 on the smallest floors, and some
    minutes' worth on large ones, where the same relative error does more harm."""
    return 80.0 + 2.0 * agents


@borrowing
def correction(seen: float, due: float, agents: int) -> float:
    """Seen over expected lately, drawn towards one: what the slow learning has not yet got."""
    prior = FAST_PRIOR * fast_memory(agents)
    return min(4.0, max(0.25, (seen + prior) / (due + prior)))


@compiled
def with_open(exposure: Array, ages: Array, stage_weight: float) -> Array:
    """Exposure with that of lines still in the stage added."""
    total = exposure.copy()
    open_from = np.zeros(BINS + 1)
    for i in range(ages.size):
        b = line_bin(ages[i])
        open_from[b] += 1.0
        total[b] += stage_weight * max(0.0, ages[i] - b * DT)
    above = 0.0
    for b in range(BINS - 1, -1, -1):
        total[b] += stage_weight * DT * above
        above += open_from[b]
    return total


@compiled
def rebuild(
    state: State,
    agents: int,
    talking: Array,
    wrapping: Array,
    setting_up: Array,
    ringing: Array,
    detecting: int,
    patience: float,
) -> None:
    """Make the tables anew from what was learned and from who is where right now."""
    scalar = state.scalar
    line_w = scalar[S_LINE_W]
    talk_w = scalar[S_TALK_W]
    wrap_w = scalar[S_WRAP_W]

    # --- agents: chance that a conversation or wrap-up of some age is over by a time
    exposure = state.talk_exposure.copy()
    for i in range(talking.size):
        last = talk_bin(talking[i])
        for b in range(last):
            exposure[b] += talk_w * (talk_edge(b + 1) - talk_edge(b))
        exposure[last] += talk_w * max(0.0, talking[i] - talk_edge(last))
    prior = np.empty(TALK_BINS)
    for b in range(TALK_BINS):
        prior[b] = 1.0 / (TALK_PRIOR_S + talk_edge(b))
    talk_hazard = smoothed(exposure / talk_w, state.talk_exits / talk_w, 4, prior, 60.0)
    state.talk_hazard[:] = talk_hazard
    talk_hazard = talk_hazard * correction(scalar[S_TALK_SEEN], scalar[S_TALK_DUE], agents)

    exposure = state.wrap_exposure.copy()
    for i in range(wrapping.size):
        last = wrap_bin(wrapping[i])
        for b in range(last):
            exposure[b] += wrap_w * WRAP_DT
        exposure[last] += wrap_w * max(0.0, wrapping[i] - last * WRAP_DT)
    prior = np.full(WRAP_BINS, 1.0 / 15.0)
    wrap_hazard = smoothed(exposure / wrap_w, state.wrap_exits / wrap_w, 3, prior, 8.0)
    stays = 1.0 - (scalar[S_BREAKS] + 0.1) / (scalar[S_WRAPS] + 10.0)

    wrap_cumulative = np.zeros(WRAP_BINS + 1)
    for b in range(WRAP_BINS):
        wrap_cumulative[b + 1] = wrap_cumulative[b] + wrap_hazard[b] * WRAP_DT

    wrap_done = np.empty(TALK_STEPS + 1)  # wrap-up of age 0 over within k steps, and back
    for k in range(TALK_STEPS + 1):
        wrap_done[k] = stays * (1.0 - math.exp(-cumulative_at(wrap_cumulative, k * TALK_STEP)))
    talk_over = np.empty((TALK_BINS, TALK_STEPS + 1))
    edges = np.empty(TALK_BINS)  # where each bin ends; the last is open
    stays_on = np.empty(TALK_BINS)  # chance to talk on through one step in the bin
    for b in range(TALK_BINS):
        edges[b] = talk_edge(b + 1) if b < TALK_BINS - 1 else math.inf
        stays_on[b] = math.exp(-talk_hazard[b] * TALK_STEP)
    for b in range(TALK_BINS):
        age = 0.0 if b == 0 else 0.5 * (talk_edge(b) + talk_edge(b + 1))
        alive = 1.0
        at = b
        talk_over[b, 0] = 0.0
        for k in range(TALK_STEPS):
            while age + (k + 0.5) * TALK_STEP >= edges[at]:
                at += 1
            talk_over[b, k + 1] = alive * (1.0 - stays_on[at])
            alive *= stays_on[at]
    wrapped = 0.5 * (wrap_done[:-1] + wrap_done[1:])  # talk ends within a step, on average midway
    new_call_free = np.empty(TALK_STEPS + 1)
    for k in range(TALK_STEPS + 1):
        total = 0.0
        for u in range(1, k + 1):
            total += talk_over[0, u] * wrapped[k - u]
        new_call_free[k] = total

    # --- lines: chance per step to leave each stage, and to go on towards an agent
    answer_fix = correction(scalar[S_ANSWER_SEEN], scalar[S_ANSWER_DUE], agents)
    leave = np.empty((3, BINS))
    onward = np.empty((3, BINS))
    direct = np.zeros(BINS)
    seen = with_open(state.line_exposure[SETUP], setting_up, line_w)
    go = learned(state, SETUP, ONWARD, seen, 0.5, 1, 1.0)
    straight = learned(state, SETUP, LIVE, seen, 0.0, 1, 1.0)
    machine = learned(state, SETUP, MACHINE, seen, 0.0, 1, 1.0)
    end = learned(state, SETUP, ENDED, seen, 0.02, 1, 1.0)
    leave_by(leave[SETUP], onward[SETUP], go, straight + machine + end)
    for b in range(BINS):
        direct[b] = leave[SETUP, b] * straight[b] / (go[b] + straight[b] + machine[b] + end[b])
    seen = with_open(state.line_exposure[RING], ringing, line_w)
    go = learned(state, RING, LIVE, seen, RING_ANSWERED, 3, 8.0)
    machine = learned(state, RING, MACHINE, seen, 0.0, 3, 8.0)
    end = learned(state, RING, ENDED, seen, RING_ENDED, 3, 8.0)
    state.ring_hazard[:] = go
    # fewer answers of late may be fewer of all: only more people than expected make odds better
    state.ring_machines[:] = machine / (go * max(1.0, answer_fix))
    go = go * answer_fix
    leave_by(leave[RING], onward[RING], go, machine + end)
    go = learned(state, DETECT, LIVE, state.line_exposure[DETECT], DETECT_OVER, 1, 1.0)
    leave_by(leave[DETECT], onward[DETECT], go, np.zeros(BINS))
    seen = state.line_exposure[DETECT_MACHINE]
    slower = go - learned(state, DETECT_MACHINE, MACHINE, seen, DETECT_OVER, 1, 1.0)
    log_odds = 0.0
    for b in range(BINS):
        after = min(SURE, max(-SURE, log_odds + DT * slower[b]))
        state.detect_machines[b] = math.exp(0.5 * (log_odds + after))
        log_odds = after

    under_amd = (scalar[S_DETECTED] + (0.5 if detecting > 0 else 0.0)) / (scalar[S_ANSWERS] + 0.5)
    under_amd = min(1.0, under_amd)

    # --- a new line's moment of asking for an agent, forwards
    asks = asking_times(leave, onward, direct, under_amd)
    total = asks.sum()
    scalar[S_P_NEW] = total
    spread_instants(state, asks, total)

    # --- chance to hold an agent at step t + patience, by stage and age, backwards
    holds = np.empty(STEPS)
    for t in range(STEPS):
        k = min(TALK_STEPS, int((t * DT + patience) / TALK_STEP))
        holds[t] = 1.0 - new_call_free[k]
    detect_row = np.empty((BINS, STEPS))
    fill_rows(detect_row, leave[DETECT], onward[DETECT], holds, np.zeros(BINS), holds)
    answered = under_amd * detect_row[0] + (1.0 - under_amd) * holds
    ring_row = np.empty((BINS, STEPS))
    fill_rows(ring_row, leave[RING], onward[RING], answered, np.zeros(BINS), answered)
    setup_row = np.empty((BINS, STEPS))
    fill_rows(setup_row, leave[SETUP], onward[SETUP], ring_row[0], direct, answered)
    for j in range(INSTANTS):
        t = min(STEPS - 1, int(state.instant[j] / DT))
        for b in range(BINS):
            state.setup_asks[b, j] = setup_row[b, t]
            state.ring_asks[b, j] = ring_row[b, t]
            state.detect_asks[b, j] = detect_row[b, t]
        k = min(TALK_STEPS, int((state.instant[j] + patience) / TALK_STEP + 0.5))
        for b in range(TALK_BINS):
            free = 0.0
            for u in range(1, k + 1):
                free += talk_over[b, u] * wrapped[k - u]
            state.talk_frees[b, j] = free
        for b in range(WRAP_BINS):
            from_age = b * WRAP_DT + 0.5 * WRAP_DT
            through = cumulative_at(
                wrap_cumulative, from_age + state.instant[j] + patience
            ) - cumulative_at(wrap_cumulative, from_age)
            state.wrap_frees[b, j] = stays * (1.0 - math.exp(-through))


@compiled
def learned(
    state: State, stage: int, cause: int, seen: Array, prior: float, width: int, seconds: float
) -> Array:
    """The hazard of one cause to leave a stage, in which lines `seen` weighted seconds; see
    `smoothed`."""
    weight = state.scalar[S_LINE_W]
    exits = state.line_exits[stage, :, cause] / weight
    return smoothed(seen / weight, exits, width, np.full(BINS, prior), seconds)


@borrowing
def leave_by(leave: Array, onward: Array, go: Array, other: Array) -> None:
    """Chances per step to leave a stage at all, and by `go`, from hazards per second."""
    for b in range(BINS):
        both = go[b] + other[b]
        leave[b] = 1.0 - math.exp(-both * DT)
        onward[b] = leave[b] * go[b] / both


@borrowing
def cumulative_at(cumulative: Array, age: float) -> float:
    """The cumulative wrap-up hazard at an age, linear between bins, going on beyond the last."""
    place = age / WRAP_DT
    b = int(place)
    if b >= WRAP_BINS:
        step = cumulative[WRAP_BINS] - cumulative[WRAP_BINS - 1]
        return float(cumulative[WRAP_BINS] + step * (place - WRAP_BINS))
    return float(cumulative[b] + (cumulative[b + 1] - cumulative[b]) * (place - b))


@compiled
def asking_times(leave: Array, onward: Array, direct: Array, under_amd: float) -> Array:
    """Chance per step that a line launched now then asks for an agent."""
    detect = np.zeros(STEPS)
    alive = 1.0
    for t in range(STEPS):
        b = min(t, BINS - 1)
        detect[t] = alive * onward[DETECT, b]
        alive *= 1.0 - leave[DETECT, b]
    answered = under_amd * detect
    answered[0] += 1.0 - under_amd
    ring = np.zeros(STEPS)
    alive = 1.0
    for u in range(STEPS):
        b = min(u, BINS - 1)
        going = alive * onward[RING, b]
        if going > 1e-9:
            for t in range(STEPS - u):
                ring[u + t] += going * answered[t]
        alive *= 1.0 - leave[RING, b]
    asks = np.zeros(STEPS)
    alive = 1.0
    for u in range(STEPS):
        b = min(u, BINS - 1)
        going = alive * onward[SETUP, b]
        straight = alive * direct[b]
        if going + straight > 1e-9:
            for t in range(STEPS - u):
                asks[u + t] += going * ring[t] + straight * answered[t]
        alive *= 1.0 - leave[SETUP, b]
        if alive < 1e-9:
            break
    return asks


@compiled
def spread_instants(state: State, asks: Array, total: float) -> None:
    """Put the instants at the middles of equal parts of the asking times."""
    cumulative = 0.0
    j = 0
    for t in range(STEPS):
        cumulative += asks[t]
        while j < INSTANTS and cumulative >= total * (j + 0.5) / INSTANTS:
            state.instant[j] = (t + 0.5) * DT
            j += 1
    while j < INSTANTS:
        state.instant[j] = (STEPS - 0.5) * DT
        j += 1
    state.weight[:] = 1.0 / INSTANTS


@borrowing
def fill_rows(
    rows: Array, leave: Array, onward: Array, then: Array, direct: Array, straight: Array
) -> None:
    """rows[b, t]: chance that a line of age bin b in this stage holds an agent t steps from now."""
    for b in range(BINS - 1, -1, -1):
        after = min(b + 1, BINS - 1)  # the open last bin stays as it is
        goes, answers, stays = onward[b], direct[b], 1.0 - leave[b]
        rows[b, 0] = goes * then[0] + answers * straight[0]
        for t in range(1, STEPS):
            rows[b, t] = goes * then[t] + answers * straight[t] + stays * rows[after, t - 1]


@borrowing
def convolve(pmf: Array, size: int, chance: Array, share: float) -> int:
    """Add a yes-or-no event to the sums pmf[k, j]; the last row gathers what lies beyond."""
    top = min(size + 1, int(pmf.shape[0]) - 1)
    start = top
    if top == size:  # full: mass that would leave the last row stays there
        for j in range(INSTANTS):
            pmf[size, j] += pmf[size - 1, j] * chance[j] * share
        start = size - 1
    for k in range(start, 0, -1):
        for j in range(INSTANTS):
            pmf[k, j] += (pmf[k - 1, j] - pmf[k, j]) * (chance[j] * share)
    for j in range(INSTANTS):
        pmf[0, j] -= pmf[0, j] * (chance[j] * share)
    return int(top)


@borrowing
def likely_top(pmf: Array, top: int) -> int:
    """The greatest sum that is not beyond all likelihood at some instant."""
    while top > 0:
        for j in range(INSTANTS):
            if pmf[top, j] > UNLIKELY:
                return top
        top -= 1
    return top


@borrowing
def with_later(risk: Array, weight: Array, later: float) -> float:
    """One more caller does harm when he finds nobody, or when he takes the agent whom somebody
    after him then lacks. The second is at most the worst of all later instants; `later` says how
    near to that, from nothing, it is taken to be."""
    worst = 0.0
    total = 0.0
    for j in range(INSTANTS - 1, -1, -1):
        worst = max(worst, risk[j])
        total += weight[j] * (risk[j] + later * (worst - risk[j]))
    return total


@borrowing
def own_weight(row: Array, weight: Array) -> None:
    """How a line under way spreads its asking for an agent over the instants, by its row of the
    tables: put into `weight`. A line that will hardly ever ask leaves it as it is."""
    total = row[0]
    for j in range(1, INSTANTS):
        total += max(0.0, row[j] - row[j - 1])
    if total > UNLIKELY:
        weight[0] = row[0] / total
        for j in range(1, INSTANTS):
            weight[j] = max(0.0, row[j] - row[j - 1]) / total


@compiled
def exact_risk(
    callers: Array, callers_top: int, agents: Array, agents_top: int, ahead: int, weight: Array
) -> float:
    """Risk of one more caller: chance that callers + ahead >= agents, over the instants."""
    risk = np.empty(INSTANTS)
    for j in range(INSTANTS):
        below = 0.0  # P(callers + ahead < f)
        bad = 0.0
        a = 0
        for f in range(agents_top + 1):
            while a + ahead < f and a <= callers_top:
                below += callers[a, j]
                a += 1
            bad += agents[f, j] * (1.0 - below)
        risk[j] = bad
    return with_later(risk, weight, LATER_FEW)


@compiled
def normal_risk(
    mean_callers: Array,
    var_callers: Array,
    mean_agents: Array,
    var_agents: Array,
    chance: Array,
    more: float,
    weight: Array,
    unsure: float,
) -> float:
    """The same with both sums normal, `more` further new lines among the callers.

    `unsure` is the squared relative error of the answer rate itself, common to all lines; that of
    the lines under way is in `var_callers` already.
    """
    risk = np.empty(INSTANTS)
    for j in range(INSTANTS):
        p = chance[j]
        mean = mean_callers[j] + more * p - mean_agents[j] + 0.5
        common = unsure * more * p * (more * p + 2.0 * mean_callers[j])
        spread = math.sqrt(var_callers[j] + more * p * (1.0 - p) + common + var_agents[j] + 1e-9)
        risk[j] = 0.5 * math.erfc(-mean / spread * 0.7071067811865476)
    return with_later(risk, weight, LATER_MANY)
