"""Line by line: how many to launch at a price, and how many that ring to keep, by the sums of the
look-ahead. Exact on small floors, by the normal law on large ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from dialer.pacing.compiled import borrowing, compiled
from dialer.pacing.hazards import INSTANTS, Array, State, line_bin
from dialer.pacing.lookahead import convolve, exact_risk, likely_top, normal_risk, own_weight

Bins = NDArray[np.int64]


@borrowing
def add_moments(mean: Array, var: Array, table: Array, bins: Bins, share: float) -> None:
    """Add yes-or-no events, one per bin, with the chances in `table`'s rows."""
    for i in range(bins.size):
        row = table[bins[i]]
        for j in range(INSTANTS):
            p = row[j] * share
            mean[j] += p
            var[j] += p * (1.0 - p)


@borrowing
def add_line(mean: Array, var: Array, row: Array, sign: float) -> None:
    """Add one line's chances, or with `sign` -1 take them out again."""
    for j in range(INSTANTS):
        mean[j] += sign * row[j]
        var[j] += sign * row[j] * (1.0 - row[j])


@borrowing
def add_exactly(pmf: Array, top: int, table: Array, bins: Bins, share: float) -> int:
    """The same for exact sums."""
    for i in range(bins.size):
        top = convolve(pmf, top, table[bins[i]], share)
    return int(top)


@compiled
def rows_of_detection(state: State, detecting: Array, rang: Array) -> Array:
    """One row, as the tables have them, for each line under detection: `detecting` is its age and
    `rang` how long it rang, both in s. It is the row of somebody who will be let through, times the
    chance of that, which is 1 where `rang` is negative (not known)."""
    rows = np.empty((detecting.size, INSTANTS))
    for i in range(detecting.size):
        b = line_bin(detecting[i])
        odds = 0.0
        if rang[i] >= 0.0:
            odds = state.ring_machines[line_bin(rang[i])] * state.detect_machines[b]
        for j in range(INSTANTS):
            rows[i, j] = state.detect_asks[b, j] / (1.0 + odds)
    return rows


@compiled
def many_lines(
    state: State,
    mean_a: Array,
    var_a: Array,
    mean_f: Array,
    var_f: Array,
    unsure: float,
    theta: float,
    sure: int,
    most: int,
) -> tuple[int, float, float]:
    """(lines to launch, sum of their risks, risk of the last one asked about) by the normal law.

    Risk rises with every line: double the step, then quarter it.
    """
    new = state.setup_asks[0]
    lines = 0
    risks = 0.0
    risk = normal_risk(mean_a, var_a, mean_f, var_f, new, 0.0, state.weight, unsure)
    if risk > theta and sure <= 0:
        return lines, risks, risk
    step = 1
    while lines < most:
        after = min(most, lines + step)
        last = normal_risk(mean_a, var_a, mean_f, var_f, new, after - 1.0, state.weight, unsure)
        if last <= theta or after <= sure:
            middle = 0.5 * (lines + after - 1)
            risks += (after - lines) * normal_risk(
                mean_a, var_a, mean_f, var_f, new, middle, state.weight, unsure
            )
            lines = after
            risk = last
            step *= 2
        elif step == 1:
            risk = last
            break
        else:
            step = max(1, step // 4)
    return lines, risks, risk


@compiled
def many_kept(
    state: State,
    elders: Bins,
    mean_a: Array,
    var_a: Array,
    mean_f: Array,
    var_f: Array,
    dear: float,
    needed: int,
) -> tuple[int, float]:
    """(of the elders, how many go on ringing, risk of the last one asked about) by the normal law.

    `mean_a` and `var_a` hold them all, and hold those that are kept afterwards.
    """
    own = state.weight.copy()
    kept = 0
    risk = 0.0
    last = elders.size - 1
    if last >= 0:  # it has all others before it: mostly it is kept, and all with it
        row = state.ring_asks[elders[last]]
        add_line(mean_a, var_a, row, -1.0)
        own_weight(row, own)
        risk = normal_risk(mean_a, var_a, mean_f, var_f, row, 0.0, own, 0.0)
        if risk <= dear or elders.size <= needed:
            add_line(mean_a, var_a, row, 1.0)
            return elders.size, risk
    for i in range(last):
        add_line(mean_a, var_a, state.ring_asks[elders[i]], -1.0)
    while kept < elders.size:
        row = state.ring_asks[elders[kept]]
        own_weight(row, own)
        risk = normal_risk(mean_a, var_a, mean_f, var_f, row, 0.0, own, 0.0)
        if risk > dear and kept >= needed:
            break
        add_line(mean_a, var_a, row, 1.0)
        kept += 1
    return kept, risk


@compiled
def few_lines(
    state: State,
    idle: int,
    share: float,
    talks: Bins,
    wraps: Bins,
    setups: Bins,
    rings: Bins,
    elders: Bins,
    detected: Array,
    waiting: int,
    theta: float,
    dear: float,
    needed: int,
    sure: int,
    most: int,
) -> tuple[int, float, float, int]:
    """(lines to launch, sum of their risks, risk of the last one asked about, elders that go on
    ringing) by exact sums. Nothing is launched while something is given up."""
    agents = idle + talks.size + wraps.size
    free = np.zeros((agents + 1, INSTANTS))
    f_top = 0
    if share >= 1.0:
        free[idle] = 1.0
        f_top = idle
    else:
        free[0] = 1.0
        certain = np.ones(INSTANTS)
        for _ in range(idle):
            f_top = convolve(free, f_top, certain, share)
    f_top = add_exactly(free, f_top, state.talk_frees, talks, share)
    f_top = add_exactly(free, f_top, state.wrap_frees, wraps, share)
    f_top = likely_top(free, f_top)
    # more callers than agents that may be free are as bad as just as many: the last row
    callers = np.zeros((f_top + 2, INSTANTS))
    callers[0] = 1.0
    a_top = add_exactly(callers, 0, state.setup_asks, setups, 1.0)
    a_top = add_exactly(callers, a_top, state.ring_asks, rings, 1.0)
    a_top = add_exactly(callers, a_top, detected, np.arange(len(detected)), 1.0)
    own = state.weight.copy()
    lines = kept = 0
    risks = risk = 0.0
    if elders.size > 1:  # the last has all others before it: mostly it is kept, and all with it
        last = elders.size - 1
        all_others = callers.copy()
        all_top = add_exactly(all_others, a_top, state.ring_asks, elders[:last], 1.0)
        row = state.ring_asks[elders[last]]
        own_weight(row, own)
        risk = exact_risk(all_others, all_top, free, f_top, waiting, own)
        if risk <= dear or elders.size <= needed:
            callers = all_others
            a_top = convolve(callers, all_top, row, 1.0)
            kept = elders.size
    while kept < elders.size:
        row = state.ring_asks[elders[kept]]
        own_weight(row, own)
        risk = exact_risk(callers, a_top, free, f_top, waiting, own)
        if risk > dear and kept >= needed:
            return 0, 0.0, risk, kept
        a_top = convolve(callers, a_top, row, 1.0)
        kept += 1
    while lines < most:
        risk = exact_risk(callers, a_top, free, f_top, waiting, state.weight)
        if risk > theta and lines >= sure:
            break
        risks += risk
        lines += 1
        a_top = convolve(callers, a_top, state.setup_asks[0], 1.0)
    return lines, risks, risk, kept


@compiled
def bins_of_elders(ringing: Array, least: float) -> Bins:
    """Those who have rung for `least` seconds, in the tables' bins, the youngest first."""
    elders = np.sort(ringing[ringing >= least])
    bins = np.empty(elders.size, np.int64)
    for i in range(elders.size):
        bins[i] = line_bin(elders[i])
    return bins
