"""The compiled floor: lines, callers and agents of one simulated day, event by event.

`advance` runs the day until somebody must decide (a pacer in Python), more people are needed or
the day is over. `forward`, `progressive` and `ratio` decide inside, so that a day costs a fraction
of a second. All randomness is in the plans: a call is what its index says, whenever it is dialled.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dialer.pacing.compiled import borrowing, compiled
from dialer.pacing.decision import decide_lines
from dialer.pacing.hazards import (
    A_ABANDONED,
    A_AHEAD,
    A_LIMIT,
    A_LIVE,
    A_PACE,
    S_GIVE_UP,
    State,
    learn_given_up,
    learn_line,
    learn_ringing,
    learn_talk,
    learn_wrap,
)
from dialer.pacing.people import count_machine, count_served
from dialer.pacing.price import P_RING_LEAST, count_abandon, lent
from dialer.pacing.windows import LAST_S, PACE_S

Array = NDArray[np.float64]
Ints = NDArray[np.int64]

# line stages
FREE, SETUP, RING, DETECT, WAIT, TALKING = 0, 1, 2, 3, 4, 5
# agent states
OFF, IDLE, TALK, WRAP, BREAK = 0, 1, 2, 3, 4
# events
E_LINE, E_AGENT, E_LOGIN, E_LOGOUT, E_TICK = 0, 1, 2, 3, 4
# what `advance` stopped for
DAY_OVER, DECIDE, NEED_PEOPLE = 0, 1, 2
# who decides
BY_PYTHON, BY_FORWARD, BY_PROGRESSIVE, BY_RATIO = 0, 1, 2, 3

# numbers
(
    N_TIME,
    N_TALK_S,  # agent-seconds
    N_WRAP_S,
    N_LOGGED_S,  # logged in and not on a break
    N_TALKING,  # counts now
    N_WRAPPING,
    N_LOGGED,
    N_LAUNCHED,
    N_LIVE,
    N_SERVED,
    N_ABANDONED,
    N_LEFT,
    N_LIVE_PERSON,
    N_ABANDONED_PERSON,
    N_WAIT_S,  # of those served
    N_WAITED,  # served after waiting at all
    N_MACHINES,
    N_REJECTED,  # people AMD hung up on
    N_DECISIONS,
    N_LAST_DECISION,
    N_NEXT_CALL,
    N_STINT,
    N_NEXT_LAUNCH,  # carrier's own pace
    N_HEAP,
    N_FREE_SLOTS,
    N_ACTIVE,
    N_IDLE_HEAD,
    N_IDLE_TAIL,
    N_WAIT_HEAD,
    N_WAIT_TAIL,
    N_WAITING,
    N_IDLE,
    N_FACTS,
    N_DIRTY,
    N_SAMPLES,
    N_TICK_DUE,
    N_UP_MAX,
    N_DECIDE_PENDING,
    N_GIVEN_UP,
) = range(39)
NUMBERS = 48

# settings
(
    G_DAY_S,
    G_TICK_S,
    G_GAP_S,
    G_WAIT_LIMIT_S,
    G_RING_LIMIT_S,
    G_LINES_MAX,
    G_LAUNCH_GAP_S,
    G_AMD,
    G_DECIDER,
    G_RATIO,
    G_GATE,  # 1: the account's gate holds for the pacers inside too
    G_SAMPLE_S,
    G_CLOSES_S,  # when calling ends today, as the campaign's hours say; 0: not known
) = range(13)

# facts for pacers in Python: kind, a, b, c
F_RANG, F_ENDED, F_SERVED, F_ABANDONED, F_LEFT, F_TALK, F_WRAP = 0, 1, 2, 3, 4, 5, 6
L_LIVE, L_MACHINE, L_NO_ANSWER, L_GIVEN_UP, L_FAILED = 0, 1, 2, 3, 4  # as in `LineEnd`


class People(NamedTuple):
    """Call plans of a block, and the day's tables (see `simulator.world`)."""

    first: Ints  # (1,) index of the block's first call
    u_kind: Array
    u_congestion: Array
    answer_factor: Array
    setup_s: Array
    ring_person_s: Array
    ring_machine_s: Array
    ring_out_s: Array
    fail_s: Array
    detect_person_s: Array
    detect_machine_s: Array
    person_rejected: NDArray[np.bool_]
    machine_passed: NDArray[np.bool_]
    patience_s: Array
    talk_person_s: Array
    wrap_person_s: Array
    talk_machine_s: Array
    wrap_machine_s: Array
    break_s: Array


class Tables(NamedTuple):
    """`DayTables` and `AgentPlans` as plain arrays."""

    rates: Array
    congestion: Array
    talk_factor: Array
    wrap_factor: Array
    setup_factor: Array
    ring_factor: Array
    blind: NDArray[np.bool_]
    speed: Array
    stints: Array
    row_s: Array  # (1,)


class Floor(NamedTuple):
    """Everything that changes in a day."""

    number: Array
    setting: Array
    heap_at: Array
    heap_what: Ints
    heap_who: Ints
    # lines by slot
    stage: Ints
    since: Array  # when the stage began
    kind: Ints
    serial: Ints  # counts the slot's uses, so that old events are known
    setup_took: Array
    ring_took: Array
    detect_took: Array
    talk_s: Array
    wrap_s: Array
    talk_person_s: Array
    wrap_person_s: Array
    talk_machine_s: Array
    wrap_machine_s: Array
    patience_s: Array
    break_s: Array
    detect_s: Array
    ring_s: Array
    fail_s: Array
    passes: Ints  # whether the verdict lets it through
    free_slots: Ints
    active: Ints
    place: Ints
    # agents
    doing: Ints
    doing_since: Array
    line_of: Ints
    machine_of: Ints  # whether the agent's call was a machine's
    rang_of: Array  # s that its telephone had rung
    leaves: Ints
    wrap_next: Array
    break_next: Array
    idle_ring: Ints
    idle_stamp: Ints
    stamp: Ints
    wait_ring: Ints
    wait_serial: Ints
    # out
    facts: Array
    samples: Array  # (n, 6) time, idle, talking, wrapping, lines under way, waiting


@borrowing
def _push(f: Floor, at: float, what: int, who: int) -> None:
    n = int(f.number[N_HEAP])
    f.number[N_HEAP] = n + 1
    i = n
    while i > 0:
        up = (i - 1) >> 1
        if f.heap_at[up] <= at:
            break
        f.heap_at[i] = f.heap_at[up]
        f.heap_what[i] = f.heap_what[up]
        f.heap_who[i] = f.heap_who[up]
        i = up
    f.heap_at[i] = at
    f.heap_what[i] = what
    f.heap_who[i] = who


@borrowing
def _pop(f: Floor) -> None:
    n = int(f.number[N_HEAP]) - 1
    f.number[N_HEAP] = n
    at = f.heap_at[n]
    what = f.heap_what[n]
    who = f.heap_who[n]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= n:
            break
        if child + 1 < n and f.heap_at[child + 1] < f.heap_at[child]:
            child += 1
        if f.heap_at[child] >= at:
            break
        f.heap_at[i] = f.heap_at[child]
        f.heap_what[i] = f.heap_what[child]
        f.heap_who[i] = f.heap_who[child]
        i = child
    f.heap_at[i] = at
    f.heap_what[i] = what
    f.heap_who[i] = who


@borrowing
def _tell(f: Floor, kind: float, a: float, b: float, c: float, d: float) -> None:
    n = int(f.number[N_FACTS])
    if f.setting[G_DECIDER] == BY_PYTHON and n < f.facts.shape[0]:
        f.facts[n, 0] = kind
        f.facts[n, 1] = a
        f.facts[n, 2] = b
        f.facts[n, 3] = c
        f.facts[n, 4] = d
        f.number[N_FACTS] = n + 1


@borrowing
def _row(t: Tables, now: float) -> int:
    return min(max(0, int(now / t.row_s[0])), t.congestion.size - 1)


@borrowing
def _release(f: Floor, slot: int) -> None:
    """The line is gone: its slot is free again."""
    n = f.number
    f.stage[slot] = FREE
    f.serial[slot] += 1
    place = f.place[slot]
    last = int(n[N_ACTIVE]) - 1
    moved = f.active[last]
    f.active[place] = moved
    f.place[moved] = place
    n[N_ACTIVE] = last
    f.free_slots[int(n[N_FREE_SLOTS])] = slot
    n[N_FREE_SLOTS] += 1
    n[N_DIRTY] = 1.0


@borrowing
def _ended(f: Floor, p: State, slot: int, end: int) -> None:
    """Tell the pacer how a line's way ended."""
    setup = f.setup_took[slot]
    ring = f.ring_took[slot]
    detect = f.detect_took[slot]
    if f.setting[G_DECIDER] == BY_FORWARD:
        if end == L_GIVEN_UP:
            learn_given_up(p, ring)
        else:
            learn_line(p, setup, ring, detect, end == L_LIVE, end == L_MACHINE)
    else:
        _tell(f, F_ENDED, end, setup, ring, detect)


@borrowing
def _count(p: State, live: float, abandoned: float) -> None:
    for w in range(p.account.shape[0]):
        if p.account[w, A_LIMIT] > 0.0:
            p.account[w, A_LIVE] += live
            p.account[w, A_ABANDONED] += abandoned


@borrowing
def _idle(f: Floor, p: State, t: Tables, agent: int, now: float) -> None:
    """The agent is free: takes the caller who waits longest, or waits himself."""
    n = f.number
    f.doing[agent] = IDLE
    f.doing_since[agent] = now
    size = f.wait_ring.size
    while n[N_WAIT_HEAD] < n[N_WAIT_TAIL]:
        at = int(n[N_WAIT_HEAD]) % size
        slot = f.wait_ring[at]
        n[N_WAIT_HEAD] += 1
        if f.stage[slot] == WAIT and f.serial[slot] == f.wait_serial[at]:
            _serve(f, p, t, slot, agent, now)
            return
    f.stamp[agent] += 1
    at = int(n[N_IDLE_TAIL]) % f.idle_ring.size
    f.idle_ring[at] = agent
    f.idle_stamp[at] = f.stamp[agent]
    n[N_IDLE_TAIL] += 1
    n[N_IDLE] += 1
    n[N_DIRTY] = 1.0


@borrowing
def _serve(f: Floor, p: State, t: Tables, slot: int, agent: int, now: float) -> None:
    n = f.number
    waited = now - f.since[slot]
    if f.stage[slot] == WAIT:
        n[N_WAITING] -= 1
        n[N_WAITED] += 1
        n[N_WAIT_S] += waited
    else:
        waited = 0.0
    n[N_SERVED] += 1
    count_served(p, f.ring_took[slot])
    _tell(f, F_SERVED, waited, f.ring_took[slot], 0.0, 0.0)
    _count(p, 1.0, 0.0)
    n[N_LIVE] += 1
    machine = f.kind[slot] == 1
    if not machine:
        n[N_LIVE_PERSON] += 1
    row = _row(t, now)
    talk = f.talk_machine_s[slot] if machine else f.talk_person_s[slot]
    wrap = f.wrap_machine_s[slot] if machine else f.wrap_person_s[slot]
    f.serial[slot] += 1  # patience is void
    f.stage[slot] = TALKING
    f.doing[agent] = TALK
    f.doing_since[agent] = now
    f.line_of[agent] = slot
    f.machine_of[agent] = 1 if machine else 0
    f.rang_of[agent] = f.ring_took[slot]
    f.wrap_next[agent] = wrap * t.wrap_factor[row] * t.speed[agent]
    f.break_next[agent] = f.break_s[slot]
    n[N_TALKING] += 1
    _push(f, now + talk * t.talk_factor[row] * t.speed[agent], E_AGENT, agent)


@borrowing
def _live(f: Floor, p: State, t: Tables, slot: int, now: float) -> None:
    """Somebody who is taken for a person asks for an agent."""
    n = f.number
    _ended(f, p, slot, L_LIVE)
    size = f.idle_ring.size
    while n[N_IDLE_HEAD] < n[N_IDLE_TAIL]:
        at = int(n[N_IDLE_HEAD]) % size
        agent = f.idle_ring[at]
        n[N_IDLE_HEAD] += 1
        if f.doing[agent] == IDLE and f.stamp[agent] == f.idle_stamp[at]:
            n[N_IDLE] -= 1
            f.since[slot] = now
            _serve(f, p, t, slot, agent, now)
            n[N_DIRTY] = 1.0
            return
    f.stage[slot] = WAIT
    f.since[slot] = now
    at = int(n[N_WAIT_TAIL]) % f.wait_ring.size
    f.wait_ring[at] = slot
    f.wait_serial[at] = f.serial[slot]
    n[N_WAIT_TAIL] += 1
    n[N_WAITING] += 1
    n[N_DIRTY] = 1.0  # a line ended its way
    _push(
        f,
        now + min(f.patience_s[slot], f.setting[G_WAIT_LIMIT_S]),
        E_LINE,
        slot + (f.serial[slot] << 24),
    )


@borrowing
def _give_up(f: Floor, p: State, slot: int) -> None:
    """A caller's patience or the law's is over."""
    n = f.number
    n[N_WAITING] -= 1
    n[N_LIVE] += 1
    person = f.kind[slot] == 0
    if person:
        n[N_LIVE_PERSON] += 1
    if f.patience_s[slot] < f.setting[G_WAIT_LIMIT_S]:
        n[N_LEFT] += 1
        _count(p, 1.0, 0.0)
        _tell(f, F_LEFT, f.patience_s[slot], 0.0, 0.0, 0.0)
    else:
        n[N_ABANDONED] += 1
        if person:
            n[N_ABANDONED_PERSON] += 1
        _count(p, 1.0, 1.0)
        count_abandon(p, f.ring_took[slot])
        _tell(f, F_ABANDONED, f.ring_took[slot], 0.0, 0.0, 0.0)
    _release(f, slot)


@borrowing
def _line_event(f: Floor, p: State, t: Tables, slot: int, now: float) -> None:
    """A line goes on to its next stage."""
    n = f.number
    stage = f.stage[slot]
    kind = f.kind[slot]
    who = slot + (f.serial[slot] << 24)
    if stage == SETUP:
        f.setup_took[slot] = now - f.since[slot]
        if f.ring_s[slot] < 0.0:  # failed without ringing
            _ended(f, p, slot, L_FAILED)
            _release(f, slot)
            return
        f.stage[slot] = RING
        f.since[slot] = now
        if f.setting[G_DECIDER] == BY_FORWARD:
            learn_ringing(p, f.setup_took[slot])
        else:
            _tell(f, F_RANG, f.setup_took[slot], 0.0, 0.0, 0.0)
        _push(f, now + f.ring_s[slot], E_LINE, who)
    elif stage == RING:
        f.ring_took[slot] = now - f.since[slot]
        if kind > 1:
            _ended(f, p, slot, L_NO_ANSWER if kind == 6 else L_FAILED)
            _release(f, slot)
        elif f.setting[G_AMD] > 0.0:
            f.stage[slot] = DETECT
            f.since[slot] = now
            _push(f, now + f.detect_s[slot], E_LINE, who)
        else:
            _live(f, p, t, slot, now)
    elif stage == DETECT:
        f.detect_took[slot] = now - f.since[slot]
        if f.passes[slot] == 1:
            _live(f, p, t, slot, now)
        else:
            _ended(f, p, slot, L_MACHINE)
            n[N_MACHINES] += 1
            if kind == 0:
                n[N_REJECTED] += 1
            _release(f, slot)
    elif stage == WAIT:
        _give_up(f, p, slot)


@borrowing
def _gone(f: Floor, agent: int) -> None:
    f.doing[agent] = OFF
    f.leaves[agent] = 0
    f.number[N_LOGGED] -= 1


@borrowing
def _agent_event(f: Floor, p: State, t: Tables, agent: int, now: float) -> None:
    n = f.number
    doing = f.doing[agent]
    took = now - f.doing_since[agent]
    inside = f.setting[G_DECIDER] == BY_FORWARD
    if doing == TALK:
        n[N_TALKING] -= 1
        _release(f, f.line_of[agent])
        if inside:
            learn_talk(p, took)
        else:
            _tell(f, F_TALK, took, 0.0, 0.0, 0.0)
        f.doing[agent] = WRAP
        f.doing_since[agent] = now
        n[N_WRAPPING] += 1
        _push(f, now + f.wrap_next[agent], E_AGENT, agent)
    elif doing == WRAP:
        n[N_WRAPPING] -= 1
        away = f.leaves[agent] == 1 or f.break_next[agent] > 0.0
        machine = f.machine_of[agent] == 1
        if inside:
            learn_wrap(p, took, away)
            if machine:
                count_machine(p, f.rang_of[agent])
        else:
            _tell(f, F_WRAP, took, 1.0 if away else 0.0, 1.0 if machine else 0.0, f.rang_of[agent])
        if f.leaves[agent] == 1:
            _gone(f, agent)
        elif f.break_next[agent] > 0.0:
            f.doing[agent] = BREAK
            f.doing_since[agent] = now
            n[N_LOGGED] -= 1
            _push(f, now + f.break_next[agent], E_AGENT, agent)
        else:
            _idle(f, p, t, agent, now)
        n[N_DIRTY] = 1.0
    elif doing == BREAK:
        if f.leaves[agent] == 1:
            f.doing[agent] = OFF
            f.leaves[agent] = 0
        else:
            n[N_LOGGED] += 1
            _idle(f, p, t, agent, now)


@borrowing
def launch(f: Floor, people: People, t: Tables, lines: int) -> int:
    """Launch up to `lines`; returns how many (fewer when the block of people is used up)."""
    n = f.number
    now = n[N_TIME]
    row = _row(t, now)
    done = 0
    for _ in range(lines):
        i = int(n[N_NEXT_CALL]) - people.first[0]
        if i >= people.u_kind.size or n[N_FREE_SLOTS] < 1:
            break
        n[N_NEXT_CALL] += 1
        n[N_LAUNCHED] += 1
        n[N_FREE_SLOTS] -= 1
        slot = f.free_slots[int(n[N_FREE_SLOTS])]
        place = int(n[N_ACTIVE])
        f.active[place] = slot
        f.place[slot] = place
        n[N_ACTIVE] = place + 1
        kind = 6
        if people.u_congestion[i] < t.congestion[row]:
            kind = 7
        else:
            left = people.u_kind[i] - min(1.0, t.rates[row, 0] * people.answer_factor[i])
            if left < 0.0:
                kind = 0
            else:
                for k in range(1, 6):
                    left -= t.rates[row, k]
                    if left < 0.0:
                        kind = k
                        break
        ring = -1.0
        if kind == 0 or kind == 4 or kind == 5:
            ring = people.ring_person_s[i] * t.ring_factor[row]
        elif kind == 1:
            ring = people.ring_machine_s[i] * t.ring_factor[row]
        elif kind == 6:
            ring = people.ring_out_s[i]
        limit = f.setting[G_RING_LIMIT_S]
        if ring >= limit:
            kind = 6
            ring = limit
        start = max(now, n[N_NEXT_LAUNCH])
        n[N_NEXT_LAUNCH] = start + f.setting[G_LAUNCH_GAP_S]
        setup = people.setup_s[i] * t.setup_factor[row] + (start - now)
        if ring < 0.0:
            setup += people.fail_s[i]
        f.stage[slot] = SETUP
        f.since[slot] = now
        f.kind[slot] = kind
        f.setup_took[slot] = -1.0
        f.ring_took[slot] = -1.0
        f.detect_took[slot] = -1.0
        f.ring_s[slot] = ring
        machine = kind == 1
        f.detect_s[slot] = people.detect_machine_s[i] if machine else people.detect_person_s[i]
        passes = people.machine_passed[i] if machine else not people.person_rejected[i]
        f.passes[slot] = 1 if passes else 0
        f.patience_s[slot] = people.patience_s[i]
        f.talk_person_s[slot] = people.talk_person_s[i]
        f.wrap_person_s[slot] = people.wrap_person_s[i]
        f.talk_machine_s[slot] = people.talk_machine_s[i]
        f.wrap_machine_s[slot] = people.wrap_machine_s[i]
        f.break_s[slot] = people.break_s[i]
        _push(f, now + setup, E_LINE, slot + (f.serial[slot] << 24))
        done += 1
    return done


@borrowing
def give_up(f: Floor, p: State, lines: int) -> None:
    """Hang up the `lines` that have rung longest, before anybody answers."""
    n = f.number
    for _ in range(lines):
        longest = -1
        for i in range(int(n[N_ACTIVE])):
            slot = f.active[i]
            if f.stage[slot] == RING and (longest < 0 or f.since[slot] < f.since[longest]):
                longest = slot
        if longest < 0:
            return
        f.ring_took[longest] = n[N_TIME] - f.since[longest]
        n[N_GIVEN_UP] += 1
        _ended(f, p, longest, L_GIVEN_UP)
        _release(f, longest)


@compiled
def ages(f: Floor) -> tuple[Array, Array, Array, Array, Array, Array, Array]:
    """Ages now of (talking, wrapping, setting up, ringing, detecting, waiting), and last the time
    that those under detection had rung."""
    n = f.number
    now = n[N_TIME]
    talking = np.empty(int(n[N_TALKING]))
    wrapping = np.empty(int(n[N_WRAPPING]))
    a = b = 0
    for agent in range(f.doing.size):
        if f.doing[agent] == TALK:
            talking[a] = now - f.doing_since[agent]
            a += 1
        elif f.doing[agent] == WRAP:
            wrapping[b] = now - f.doing_since[agent]
            b += 1
    active = int(n[N_ACTIVE])
    setup = np.empty(active)
    ring = np.empty(active)
    detect = np.empty(active)
    rang = np.empty(active)
    wait = np.empty(active)
    s = r = d = w = 0
    for i in range(active):
        slot = f.active[i]
        stage = f.stage[slot]
        age = now - f.since[slot]
        if stage == SETUP:
            setup[s] = age
            s += 1
        elif stage == RING:
            ring[r] = age
            r += 1
        elif stage == DETECT:
            detect[d] = age
            rang[d] = f.ring_took[slot]
            d += 1
        elif stage == WAIT:
            wait[w] = age
            w += 1
    return talking, wrapping, setup[:s], ring[:r], detect[:d], wait[:w], rang[:d]


@borrowing
def lines_free(f: Floor) -> int:
    return max(0, int(f.setting[G_LINES_MAX] - f.number[N_ACTIVE]))


@borrowing
def _look_ahead(f: Floor, p: State) -> None:
    """Answers expected until the day closes, from the day's own pace: as `Account` reckons."""
    n = f.number
    left = max(0.0, f.setting[G_CLOSES_S] - LAST_S - n[N_TIME])
    elapsed = max(PACE_S, n[N_TIME])
    for w in range(p.account.shape[0]):
        if p.account[w, A_LIMIT] > 0.0:
            p.account[w, A_AHEAD] = n[N_LIVE] / elapsed * left
            p.account[w, A_PACE] = n[N_LIVE] / elapsed


@borrowing
def spent(p: State) -> bool:
    """Whether a window of the account is over its limit, the loan included."""
    for w in range(p.account.shape[0]):
        live = p.account[w, A_LIVE]
        limit = p.account[w, A_LIMIT]
        if limit > 0.0:
            left = (
                limit * live
                - p.account[w, A_ABANDONED]
                + lent(limit, live, p.account[w, A_AHEAD], p.account[w, A_PACE])
            )
            if left < -limit:
                return True
    return False


@borrowing
def _old(f: Floor, p: State) -> float:
    """Lines that have rung for so long that they may be given up."""
    old = 0.0
    for i in range(int(f.number[N_ACTIVE])):
        slot = f.active[i]
        if f.stage[slot] == RING and f.number[N_TIME] - f.since[slot] >= p.setting[P_RING_LEAST]:
            old += 1.0
    return old


@compiled
def _decide_inside(f: Floor, p: State) -> int:
    n = f.number
    most = lines_free(f)
    idle = int(n[N_IDLE])
    under_way = int(n[N_ACTIVE] - n[N_TALKING])
    if n[N_LOGGED] <= 0.0:
        p.scalar[S_GIVE_UP] = _old(f, p)
        return 0
    _look_ahead(f, p)
    decider = f.setting[G_DECIDER]
    if decider == BY_FORWARD:
        talking, wrapping, setup, ring, detect, wait, rang = ages(f)
        lines = decide_lines(
            p,
            n[N_TIME],
            idle,
            talking,
            wrapping,
            setup,
            ring,
            detect,
            rang,
            wait.size,
            most,
            1.0,
        )
    elif decider == BY_RATIO:
        lines = int(f.setting[G_RATIO] * idle) - under_way
    else:
        lines = idle - under_way
    lines = max(0, min(lines, most))
    if f.setting[G_GATE] > 0.0 and spent(p):
        lines = min(lines, max(0, idle - under_way))
    return lines


@borrowing
def _sample(f: Floor) -> None:
    n = f.number
    i = int(n[N_SAMPLES])
    step = f.setting[G_SAMPLE_S]
    if step <= 0.0:
        return
    while i < f.samples.shape[0] and i * step <= n[N_TIME]:
        f.samples[i, 0] = i * step
        f.samples[i, 1] = n[N_IDLE]
        f.samples[i, 2] = n[N_TALKING]
        f.samples[i, 3] = n[N_WRAPPING]
        f.samples[i, 4] = n[N_ACTIVE] - n[N_TALKING] - n[N_WAITING]
        f.samples[i, 5] = n[N_WAITING]
        f.samples[i, 6] = n[N_LIVE]
        f.samples[i, 7] = n[N_ABANDONED]
        i += 1
    n[N_SAMPLES] = i


@compiled
def advance(f: Floor, people: People, t: Tables, p: State) -> int:
    """Run until the day is over, somebody must decide, or more people are needed."""
    n = f.number
    day = f.setting[G_DAY_S]
    while True:
        # people are drawn in blocks: never begin a decision that could outrun the block
        if n[N_NEXT_CALL] - people.first[0] > people.u_kind.size - f.setting[G_LINES_MAX] - 1:
            return NEED_PEOPLE
        if n[N_DECIDE_PENDING] > 0.0:
            n[N_DECIDE_PENDING] = 0.0
            n[N_DIRTY] = 0.0
            n[N_LAST_DECISION] = n[N_TIME]
            n[N_DECISIONS] += 1
            if not t.blind[_row(t, n[N_TIME])]:
                if f.setting[G_DECIDER] == BY_PYTHON:
                    return DECIDE
                launch(f, people, t, _decide_inside(f, p))
                if f.setting[G_DECIDER] == BY_FORWARD:
                    give_up(f, p, int(p.scalar[S_GIVE_UP]))
        if n[N_HEAP] < 1 or f.heap_at[0] >= day:
            passed = day - n[N_TIME]
            n[N_TALK_S] += passed * n[N_TALKING]
            n[N_WRAP_S] += passed * n[N_WRAPPING]
            n[N_LOGGED_S] += passed * n[N_LOGGED]
            n[N_TIME] = day
            _sample(f)
            return DAY_OVER
        now = f.heap_at[0]
        what = f.heap_what[0]
        who = f.heap_who[0]
        _pop(f)
        passed = now - n[N_TIME]
        n[N_TALK_S] += passed * n[N_TALKING]
        n[N_WRAP_S] += passed * n[N_WRAPPING]
        n[N_LOGGED_S] += passed * n[N_LOGGED]
        n[N_TIME] = now
        if what == E_LINE:
            slot = who & 0xFFFFFF
            if f.serial[slot] == who >> 24:
                _line_event(f, p, t, slot, now)
        elif what == E_AGENT:
            _agent_event(f, p, t, who, now)
        elif what == E_LOGIN:
            agent = int(t.stints[who, 0])
            if f.doing[agent] == OFF:
                n[N_LOGGED] += 1
                _idle(f, p, t, agent, now)
            else:
                f.leaves[agent] = 0
        elif what == E_LOGOUT:
            agent = int(t.stints[who, 0])
            if f.doing[agent] == IDLE:
                f.stamp[agent] += 1
                n[N_IDLE] -= 1
                _gone(f, agent)
            elif f.doing[agent] != OFF:
                f.leaves[agent] = 1
            n[N_DIRTY] = 1.0
        else:
            _push(f, now + f.setting[G_TICK_S], E_TICK, 0)
            if now - n[N_LAST_DECISION] >= 0.5 * f.setting[G_TICK_S]:  # as `dialer.server.pacing`
                n[N_DECIDE_PENDING] = 1.0
            _sample(f)
        n[N_UP_MAX] = max(n[N_UP_MAX], n[N_ACTIVE])
        if (
            n[N_DIRTY] > 0.0
            and f.setting[G_GAP_S] < 1e6
            and now - n[N_LAST_DECISION] >= f.setting[G_GAP_S]
        ):
            n[N_DECIDE_PENDING] = 1.0


@borrowing
def open_day(f: Floor, t: Tables) -> None:
    """Put the day's logins, logouts and the first tick on the clock."""
    for i in range(t.stints.shape[0]):
        _push(f, t.stints[i, 1], E_LOGIN, i)
        if math.isfinite(t.stints[i, 2]):
            _push(f, t.stints[i, 2], E_LOGOUT, i)
    _push(f, 0.0, E_TICK, 0)
