"""The forward policy: launch a line while its marginal risk is worth its price.

For the line that would be launched next, the look-ahead says how likely its answer would find
nobody: the mean, over the moments it would be answered at, of the chance that the callers there
before it take every agent free by then. The line is launched while that risk is at most theta.
On floors whose exact optimum is known this rule, with the best constant theta, comes within 0.1 %
of it; what is left is to know the floor (`hazards`) and to find theta.

Theta is the shadow price of an abandon. It is steered so that the mean risk of the lines launched,
times the calibration K (abandons seen / forecast), is the rate that may still be spent: the limit,
plus what the account of abandons has in hand beyond a cushion, spread over the answers to come.
Near the end of the account theta is drawn to zero in proportion, and with the account spent
nothing is left but one line per free agent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dialer.pacing.compiled import compiled
from dialer.pacing.gate import agents_on_floor, progressive_lines
from dialer.pacing.hazards import (
    DT,
    INSTANTS,
    S_ALLOWED,
    S_ANSWER_DUE,
    S_ANSWER_SEEN,
    S_ANSWERS,
    S_BUILT,
    S_CALLERS,
    S_FACTS,
    S_FREE,
    S_K_DUE,
    S_K_SEEN,
    S_LAST,
    S_LAUNCHED,
    S_LOG_THETA,
    S_MODE,
    S_P_NEW,
    S_PENDING,
    S_RATE,
    S_RISK,
    S_TALK_DUE,
    S_TALK_SEEN,
    S_WRAPS,
    Array,
    State,
    learn_line,
    learn_ringing,
    learn_talk,
    learn_wrap,
    line_bin,
    new_state,
    talk_bin,
    wrap_bin,
)
from dialer.pacing.lookahead import (
    EXACT_MAX,
    convolve,
    exact_risk,
    fast_memory,
    normal_risk,
    rebuild,
)
from dialer.pacing.windows import LENT_LEAST, LENT_S, Account
from dialer.snapshot import (
    Bound,
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    FloorSnapshot,
    LineEnd,
    LineEnded,
    LineRang,
    Observation,
    TalkEnded,
    WrapUpEnded,
)

# places in State.setting
(
    P_PATIENCE,  # s a caller may wait
    P_GAIN,  # of theta, per expected answer
    P_K_MEMORY,  # forecast abandons the calibration remembers
    P_THETA_MAX,
    P_SPEND_MOST,  # times the limit's rate
    P_HORIZON,  # answers over which a surplus is spent at least
    P_RESERVE,  # abandons kept in hand for the end, and per root of those allowed so far
    P_RESERVE_ROOT,
    P_HOLD,  # abandons left at which risk is no longer taken
    P_BRAKE,  # and so many above it braking begins
    P_STARTED,  # time of the first decision
) = range(11)

K_MEMORY_AGENT = 0.5  # forecast abandons per agent that the calibration remembers on top
K_PRIOR = 6.0  # forecast abandons the first calibration is worth
UNWATCHED_S = 10.0  # s without a decision after which the fast corrections begin anew
PENDING_S = 12.0  # a forecast abandon is pending for about so long
REBUILD_LEAST_S, REBUILD_MOST_S = 2.0, 30.0

GAIN_LARGE = 0.9  # over agents: the price needs some two minutes, more than a line lives
GAIN_SMALL = 10.0  # small floors have few answers to find their price by
HORIZON_S = 300.0  # and answers of so many seconds: over these at least a surplus is spent
SMALL_FLOOR = 1.5  # theta is higher by so many over the number of agents
THETA_START = 0.02
THETA_MIN = 2e-3
RISK_FREE = 1e-12


@compiled
def prepare(state: State, patience: float) -> None:
    """Settings every floor shares; there is nothing to tune per site."""
    setting = state.setting
    setting[P_PATIENCE] = patience
    setting[P_GAIN] = 0.01
    setting[P_K_MEMORY] = 60.0
    setting[P_THETA_MAX] = 0.6
    setting[P_SPEND_MOST] = 2.0
    setting[P_HORIZON] = 60.0
    setting[P_RESERVE] = 1.0
    setting[P_RESERVE_ROOT] = 0.15
    setting[P_HOLD] = 0.9
    setting[P_BRAKE] = 1.0
    setting[P_STARTED] = -1e18
    state.scalar[S_LOG_THETA] = math.log(THETA_START)


@compiled
def count_abandon(state: State) -> None:
    """A caller found nobody: for the calibration. The account is kept elsewhere."""
    state.scalar[S_K_SEEN] += 1.0


@compiled
def calibration(state: State, agents: int) -> float:
    """Abandons seen over forecast. On a very small floor the forecast is high from the start: it
    counts harm to later callers who then seldom come."""
    first = 1.3 * agents / (agents + 1.5)
    scalar = state.scalar
    k = (scalar[S_K_SEEN] + K_PRIOR * first) / (scalar[S_K_DUE] + K_PRIOR)
    return float(min(4.0, max(0.2, k)))


@compiled
def lent(limit: float, live: float, ahead: float, pace: float) -> float:
    """Abandons lent to a window against the answers expected before it closes for the day: the
    same as `dialer.pacing.windows.Standing.lent`."""
    return min(limit * ahead, LENT_LEAST + math.sqrt(limit * live) + limit * pace * LENT_S)


@compiled
def spending(state: State) -> tuple[float, float]:
    """(share of the limit's rate that may be spent now, abandons left) by the tightest window.

    What is left is spread evenly over the answers still expected. Whatever is expected, nothing
    is spent once more than the loan is gone.
    """
    setting = state.setting
    spend = setting[P_SPEND_MOST]
    least = 1e18
    for w in range(state.account.shape[0]):
        live = state.account[w, 0]
        limit = state.account[w, 2]
        ahead = state.account[w, 3]
        pace = state.account[w, 4]
        if limit > 0.0:
            slack = limit * live - state.account[w, 1] - state.scalar[S_PENDING]
            reserve = setting[P_RESERVE] + setting[P_RESERVE_ROOT] * math.sqrt(limit * live)
            even = (slack + limit * ahead - reserve) / (
                limit * (ahead + setting[P_HORIZON] + HORIZON_S * pace)
            )
            loan = lent(limit, live, ahead, pace)
            brake = (slack + loan - setting[P_HOLD]) / (setting[P_BRAKE] + 0.15 * loan)
            spend = min(spend, even, brake)
            least = min(least, slack)
    return max(0.0, spend), least


@compiled
def limit_of(state: State) -> float:
    least = 1.0
    for w in range(state.account.shape[0]):
        if state.account[w, 2] > 0.0:
            least = min(least, state.account[w, 2])
    return least


@compiled
def _pass_time(state: State, now: float, agents: int, talking: Array, ringing: Array) -> None:
    """Let the expected events of the time since the last decision fall due."""
    scalar = state.scalar
    passed = now - scalar[S_LAST]
    if scalar[S_LAST] < -1e17:
        state.setting[P_STARTED] = now
    if passed < 0.0 or passed > UNWATCHED_S:  # what fell due meanwhile was not counted
        scalar[S_ANSWER_SEEN] = scalar[S_ANSWER_DUE] = 0.0
        scalar[S_TALK_SEEN] = scalar[S_TALK_DUE] = 0.0
        passed = 0.0
    scalar[S_LAST] = now
    if passed > 0.0:
        due = 0.0
        for i in range(ringing.size):
            due += state.ring_hazard[line_bin(ringing[i])]
        scalar[S_ANSWER_DUE] += due * passed
        due = 0.0
        for i in range(talking.size):
            due += state.talk_hazard[talk_bin(talking[i])]
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
    waiting: int,
    most: int,
    share: float,
) -> int:
    """Lines to launch now, at most `most`. Ages in seconds; see `FloorSnapshot`."""
    scalar = state.scalar
    setting = state.setting
    agents = idle + talking.size + wrapping.size
    _pass_time(state, now, agents, talking, ringing)
    patience = setting[P_PATIENCE]
    age = now - setting[P_STARTED]
    pause = min(REBUILD_MOST_S, max(REBUILD_LEAST_S, 0.05 * age))
    if scalar[S_BUILT] < -1e17 or (scalar[S_FACTS] > 0.0 and now - scalar[S_BUILT] >= pause):
        rebuild(state, agents, talking, wrapping, setting_up, ringing, detecting, patience)
        scalar[S_BUILT] = now
        scalar[S_FACTS] = 0.0

    # --- the price: what the account still bears
    limit = limit_of(state)
    k = calibration(state, agents)
    spend, _ = spending(state)
    price = math.exp(scalar[S_LOG_THETA]) * (1.0 + SMALL_FLOOR / max(1, agents))
    theta = spend * price
    scalar[S_ALLOWED] = theta
    scalar[S_RATE] = spend * limit
    scalar[S_MODE] = 1.0 if spend <= 0.0 else 0.0

    coming = setting_up.size + ringing.size + detecting.size + waiting
    sure = max(0, min(most, int(idle * share) - coming))
    if most <= 0:
        scalar[S_LAUNCHED] = 0.0
        return 0

    # --- agents who will be free, callers who will hold one
    mean_f = np.zeros(INSTANTS)
    var_f = np.zeros(INSTANTS)
    mean_a = np.zeros(INSTANTS)
    var_a = np.zeros(INSTANTS)
    for j in range(INSTANTS):
        mean_f[j] = idle * share
        var_f[j] = idle * share * (1.0 - share)
    for i in range(talking.size):
        row = state.talk_frees[talk_bin(talking[i])]
        for j in range(INSTANTS):
            p = row[j] * share
            mean_f[j] += p
            var_f[j] += p * (1.0 - p)
    for i in range(wrapping.size):
        row = state.wrap_frees[wrap_bin(wrapping[i])]
        for j in range(INSTANTS):
            p = row[j] * share
            mean_f[j] += p
            var_f[j] += p * (1.0 - p)
    for i in range(setting_up.size):
        row = state.setup_asks[line_bin(setting_up[i])]
        for j in range(INSTANTS):
            mean_a[j] += row[j]
            var_a[j] += row[j] * (1.0 - row[j])
    for i in range(ringing.size):
        row = state.ring_asks[line_bin(ringing[i])]
        for j in range(INSTANTS):
            mean_a[j] += row[j]
            var_a[j] += row[j] * (1.0 - row[j])
    for i in range(detecting.size):
        row = state.detect_asks[line_bin(detecting[i])]
        for j in range(INSTANTS):
            mean_a[j] += row[j]
            var_a[j] += row[j] * (1.0 - row[j])
    for j in range(INSTANTS):
        mean_a[j] += waiting
    scalar[S_FREE] = mean_f[INSTANTS // 2]
    scalar[S_CALLERS] = mean_a[INSTANTS // 2]

    new = state.setup_asks[0]
    answer = scalar[S_P_NEW]
    if agents > EXACT_MAX:
        # What is learned is itself uncertain, and errs for all lines and all agents alike: on a
        # large floor that outweighs chance, above all when many lines leave at once.
        unsure_answers = 1.0 / (scalar[S_ANSWERS] + 50.0)
        unsure_ends = 1.0 / (scalar[S_WRAPS] + 50.0) + 0.001
        for j in range(INSTANTS):
            var_a[j] += unsure_answers * mean_a[j] ** 2
            var_f[j] += unsure_ends * (mean_f[j] - idle * share) ** 2
    else:
        unsure_answers = 0.0
    lines = 0
    risks = 0.0
    risk = normal_risk(mean_a, var_a, mean_f, var_f, new, 0.0, state.weight, unsure_answers)
    if agents > EXACT_MAX:
        # Risk rises with every line: double the step, then halve it.
        if risk <= theta or sure > 0:
            step = 1
            while lines < most:
                after = min(most, lines + step)
                r = normal_risk(
                    mean_a, var_a, mean_f, var_f, new, after - 1.0, state.weight, unsure_answers
                )
                if r <= theta or after <= sure:
                    middle = normal_risk(
                        mean_a,
                        var_a,
                        mean_f,
                        var_f,
                        new,
                        0.5 * (lines + after - 1),
                        state.weight,
                        unsure_answers,
                    )
                    risks += middle * (after - lines)
                    lines = after
                    risk = r
                    step *= 2
                elif step == 1:
                    risk = r
                    break
                else:
                    step = max(1, step // 4)
    elif risk <= 20.0 * theta + 0.05 or sure > 0:
        fpmf = np.zeros((EXACT_MAX + 1, INSTANTS))
        apmf = np.zeros((EXACT_MAX + 1, INSTANTS))
        fpmf[0] = 1.0
        apmf[0] = 1.0
        ones = np.ones(INSTANTS)
        f_top = 0
        a_top = 0
        if share >= 1.0:
            fpmf[0] = 0.0
            fpmf[idle] = 1.0
            f_top = idle
        else:
            for _ in range(idle):
                f_top = convolve(fpmf, f_top, ones, share)
        for i in range(talking.size):
            f_top = convolve(fpmf, f_top, state.talk_frees[talk_bin(talking[i])], share)
        for i in range(wrapping.size):
            f_top = convolve(fpmf, f_top, state.wrap_frees[wrap_bin(wrapping[i])], share)
        for i in range(setting_up.size):
            a_top = convolve(apmf, a_top, state.setup_asks[line_bin(setting_up[i])], 1.0)
        for i in range(ringing.size):
            a_top = convolve(apmf, a_top, state.ring_asks[line_bin(ringing[i])], 1.0)
        for i in range(detecting.size):
            a_top = convolve(apmf, a_top, state.detect_asks[line_bin(detecting[i])], 1.0)
        while lines < most:
            risk = exact_risk(apmf, a_top, fpmf, f_top, waiting, state.weight)
            if risk > theta and lines >= sure:
                break
            risks += risk
            lines += 1
            a_top = convolve(apmf, a_top, new, 1.0)

    # --- steer the price by what was just risked
    if lines > 0:
        scalar[S_K_DUE] += answer * risks
        memory = setting[P_K_MEMORY] + K_MEMORY_AGENT * agents
        if scalar[S_K_DUE] > memory:
            keep = memory / scalar[S_K_DUE]
            scalar[S_K_DUE] *= keep
            scalar[S_K_SEEN] *= keep
        scalar[S_PENDING] += answer * risks * k
        push = (
            setting[P_GAIN]
            * (1.0 + GAIN_SMALL / agents)
            * answer
            * (spend * lines - k * risks / limit)
        )
        steered = scalar[S_LOG_THETA] + min(0.5, max(-0.5, push))
        scalar[S_LOG_THETA] = min(math.log(setting[P_THETA_MAX]), max(math.log(THETA_MIN), steered))
    scalar[S_RISK] = risk
    scalar[S_LAUNCHED] = lines
    return lines


class Forward:
    """The default pacer. It has no options to tune: `limit` (0.03 for 3 %) only matters without
    an account, `patience_s` is the law's."""

    name = "forward"

    def __init__(
        self, account: Account | None = None, *, limit: float = 0.03, patience_s: float = 2.0
    ) -> None:
        from dialer.pacing.pacer import PacerError

        if not 0 < limit < 1:
            raise PacerError(f"pacer forward: option limit must lie between 0 and 1, not {limit}")
        if not 0 <= patience_s <= 10:
            raise PacerError(
                f"pacer forward: option patience_s must lie between 0 and 10, not {patience_s}"
            )
        self.account = account
        self.patience_s = patience_s
        self.learned: State = new_state()
        prepare(self.learned, patience_s)
        self.learned.account[0, 2] = limit

    def _read_account(self) -> None:
        if self.account is None:
            return
        self.learned.account[:] = 0.0
        standings = sorted(self.account.standings(), key=lambda s: s.left)
        for row, standing in zip(self.learned.account, standings, strict=False):
            row[:] = (
                standing.live,
                standing.abandoned,
                standing.window.limit,
                standing.ahead,
                standing.pace,
            )

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        if agents_on_floor(snapshot) == 0:
            return Decision(0, Bound.NO_AGENTS)
        self._read_account()
        most = min(snapshot.lines_free, snapshot.leads_ready)
        lines = int(
            decide_lines(
                self.learned,
                float(snapshot.now),
                int(snapshot.idle),
                np.asarray(snapshot.talking, dtype=np.float64),
                np.asarray(snapshot.wrapping, dtype=np.float64),
                np.asarray(snapshot.setting_up, dtype=np.float64),
                np.asarray(snapshot.ringing, dtype=np.float64),
                np.asarray(snapshot.detecting, dtype=np.float64),
                len(snapshot.waiting),
                int(most),
                float(snapshot.share),
            )
        )
        scalar = self.learned.scalar
        bound = Bound.POLICY
        if scalar[S_MODE] > 0.0 and lines == progressive_lines(snapshot):
            live = float(self.learned.account[:, 0].max())
            bound = Bound.CAUTION if live < 1.0 / limit_of(self.learned) else Bound.PROGRESSIVE
        elif lines >= most:
            few = snapshot.leads_ready <= snapshot.lines_free
            bound = Bound.NO_LEADS if few else Bound.TRUNK
        return Decision(lines, bound, self._inputs(agents_on_floor(snapshot)))

    def _inputs(self, agents: int) -> dict[str, float]:
        scalar = self.learned.scalar
        return {
            "allowed": float(scalar[S_ALLOWED]),
            "risk": float(scalar[S_RISK]),
            "rate": float(scalar[S_RATE]),
            "slack": float(spending(self.learned)[1]),
            "calibration": float(calibration(self.learned, max(1, agents))),
            "answer_rate": float(scalar[S_P_NEW]),
            "agents_free_ahead": float(scalar[S_FREE]),
            "callers_ahead": float(scalar[S_CALLERS]),
            "ahead_s": float(self.learned.instant[INSTANTS // 2]),
        }

    def observe(self, fact: Observation) -> None:
        state = self.learned
        match fact:
            case LineRang(setup_s=setup_s):
                learn_ringing(state, float(setup_s))
            case LineEnded(end=end, setup_s=setup_s, ring_s=ring_s, detect_s=detect_s):
                learn_line(
                    state,
                    float(setup_s),
                    -1.0 if ring_s is None else float(ring_s),
                    -1.0 if detect_s is None else float(detect_s),
                    end is LineEnd.LIVE,
                    end is LineEnd.MACHINE,
                )
            case TalkEnded(talk_s=talk_s):
                learn_talk(state, float(talk_s))
            case WrapUpEnded(wrap_s=wrap_s, to_break=to_break):
                learn_wrap(state, float(wrap_s), bool(to_break))
            case CallServed(waited_s=waited_s):
                self._count(1 if waited_s > self.patience_s else 0)
            case CallerLeft():
                self._count(0)
            case CallAbandoned():
                self._count(1)

    def _count(self, abandoned: int) -> None:
        if abandoned:
            count_abandon(self.learned)
        if self.account is None:
            self.learned.account[0, 0] += 1
            self.learned.account[0, 1] += abandoned

    def state(self) -> dict[str, Any]:
        return {
            "version": 1,
            "dt": DT,
            **{name: getattr(self.learned, name).tolist() for name in _KEPT},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        if state.get("version") != 1 or state.get("dt") != DT:
            return
        taken = {}
        for name in _KEPT:
            mine = getattr(self.learned, name)
            given = np.asarray(state.get(name, ()), dtype=np.float64)
            if given.shape != mine.shape or not np.isfinite(given).all():
                return
            taken[name] = given
        for name, given in taken.items():
            getattr(self.learned, name)[:] = given
        scalar = self.learned.scalar
        scalar[S_LAST] = scalar[S_BUILT] = -1e18  # another clock, and nobody on the floor yet
        scalar[S_PENDING] = 0.0


_KEPT = (
    "scalar",
    "line_exposure",
    "line_exits",
    "talk_exposure",
    "talk_exits",
    "wrap_exposure",
    "wrap_exits",
)


def warm_up() -> None:
    """Compile everything a decision needs, or load it from the cache: to be done at installation
    and before the first campaign, because compiling takes the better part of a minute once."""
    pacer = Forward()
    facts: tuple[Observation, ...] = (
        LineRang(1.0),
        LineEnded(LineEnd.LIVE, 1.0, 5.0, 1.0),
        TalkEnded(60.0),
        WrapUpEnded(10.0),
        CallAbandoned(),
    )
    for fact in facts:
        pacer.observe(fact)
    pacer.decide(
        FloorSnapshot(now=0.0, campaign="", idle=1, talking=(1.0,), lines_free=1, leads_ready=1)
    )
