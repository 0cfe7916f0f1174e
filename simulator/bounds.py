"""What no pacer can pass: the exact optimum of exponential floors, and two bounds for any world.

*Exact optimum.* With every time exponential the floor is a Markov chain over (callers waiting
less agents idle, lines in flight), and launching any number of lines after any transition is a
control without cost. The law is a constraint on long-run averages, abandons <= limit x answers,
so the best utilisation is the minimum over a price per abandon of the best priced average reward
(strong duality of unichain constrained decision processes: Altman, Constrained Markov Decision
Processes, 1999, chapter 4). Each priced problem is solved by relative value iteration on the
uniformised chain (Puterman, Markov Decision Processes, 1994, section 8.5).

*Zero gap.* Agents who get the next caller the instant they are free.

*Clairvoyant schedule.* A dialer that knows beforehand who answers when, and how long each agent
will be busy, and launches every line so that it is answered just in time. It still cannot have
answers sooner than a line takes, nor more lines than the trunks carry.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numba
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from simulator.distributions import Array
from simulator.scenario import Scenario
from simulator.world import ROW_S, Kind, World, plan_agents

AGENTS_MAX = 200  # beyond, the optimum is within 1 % of 1 and the table of states grows square
PRICE_MAX_S = 5_000.0
_ITERATIONS_MAX = 2_000_000


@dataclass(frozen=True)
class ExponentialFloor:
    """Rates of an all-exponential floor: seconds, and the share of lines a person answers.

    Callers leave after an exponential time of mean `patience_s`: the Markov form of the law's
    fixed limit (the state would otherwise have to hold every caller's age).
    """

    agents: int
    handling_s: float = 150.0
    line_life_s: float = 12.0
    answer_rate: float = 0.25
    patience_s: float = 2.0

    def __post_init__(self) -> None:
        if not 1 <= self.agents <= AGENTS_MAX:
            raise ValueError(f"agents is {self.agents}; must be from 1 to {AGENTS_MAX}")
        for name in ("handling_s", "line_life_s", "patience_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if not 0 < self.answer_rate <= 1:
            raise ValueError("answer_rate must be above 0 and at most 1")

    @property
    def waiting_max(self) -> int:
        """Callers beyond this many leave at once: the chance of so many is below 1e-6."""
        return 12

    @property
    def lines_max(self) -> int:
        """Several times the lines that keep the floor busy."""
        steady = self.agents * self.line_life_s / (self.handling_s * self.answer_rate)
        return int(10 + 8 / self.answer_rate + 4 * steady)


@dataclass(frozen=True)
class Optimum:
    """The best any pacer can do on an exponential floor within the limit."""

    floor: ExponentialFloor
    limit: float
    utilisation: float
    price_s: float  # agent-seconds one more abandon is worth at the optimum
    target: NDArray[np.int64]  # [waiting - idle + agents, lines in flight] -> lines wanted


@numba.njit(cache=True)
def _iterate(  # type: ignore[no-untyped-def]
    agents: int,
    waiting_max: int,
    lines_max: int,
    mu: float,
    nu: float,
    p: float,
    theta: float,
    price: float,
    limit: float,
    tolerance: float,
    iterations_max: int,
):
    """Relative value iteration. Returns (bound gap closed?, gain in busy agents, values after).

    `after[s, m]` is the value of holding m lines in state s until the next transition.
    """
    states = agents + waiting_max + 1
    value = np.zeros((states, lines_max + 1))
    after = np.zeros((states, lines_max + 1))
    total = agents * mu + lines_max * nu + waiting_max * theta
    gain = 0.0
    for _ in range(iterations_max):
        for s in range(states):
            idle, waiting = max(0, agents - s), max(0, s - agents)
            busy = agents - idle
            for m in range(lines_max + 1):
                # a caller beyond `waiting_max` leaves at once, at the price of an abandon
                lost = m * nu * p if s + 1 == states else 0.0
                x = busy - price * (waiting * theta + lost - limit * m * nu * p)
                out = 0.0
                if busy > 0:
                    x += busy * mu * value[s - 1, m]
                    out += busy * mu
                if waiting > 0:
                    x += waiting * theta * value[s - 1, m]
                    out += waiting * theta
                if m > 0:
                    x += m * nu * (1.0 - p) * value[s, m - 1]
                    x += m * nu * p * value[min(s + 1, states - 1), m - 1]
                    out += m * nu
                after[s, m] = (x + (total - out) * value[s, m]) / total
        low, high = np.inf, -np.inf
        reference = 0.0
        for s in range(states):
            best = -np.inf
            for m in range(lines_max, -1, -1):  # launching is free: the best of m or more
                best = max(best, after[s, m])
                low, high = min(low, best - value[s, m]), max(high, best - value[s, m])
                value[s, m] = best
            if s == agents:
                reference = value[s, 0]
        value -= reference
        gain = 0.5 * (low + high) * total
        if (high - low) * total < tolerance:
            return True, gain, after
    return False, gain, after


def _solve(floor: ExponentialFloor, price: float, limit: float) -> tuple[float, Array]:
    closed, gain, after = _iterate(
        floor.agents,
        floor.waiting_max,
        floor.lines_max,
        1.0 / floor.handling_s,
        1.0 / floor.line_life_s,
        floor.answer_rate,
        1.0 / floor.patience_s,
        price,
        limit,
        1e-5 * floor.agents,
        _ITERATIONS_MAX,
    )
    if not closed:
        raise ArithmeticError(f"value iteration did not settle for {floor}")
    return float(gain), after


def exact_optimum(floor: ExponentialFloor, limit: float = 0.03) -> Optimum:
    """The highest utilisation at which at most `limit` of the answered callers are abandoned."""
    if not 0 < limit < 1:
        raise ValueError(f"limit is {limit:g}; must lie between 0 and 1 (3 % = 0.03)")
    found = minimize_scalar(
        lambda price: _solve(floor, float(price), limit)[0],
        bounds=(0.0, PRICE_MAX_S),
        method="bounded",
        options={"xatol": 0.05},
    )
    price = float(found.x)
    gain, after = _solve(floor, price, limit)
    return Optimum(floor, limit, gain / floor.agents, price, _targets(after))


def _targets(after: Array) -> NDArray[np.int64]:
    """The fewest lines, of m or more, whose value is best, for each state."""
    states, width = after.shape
    target = np.zeros((states, width), dtype=np.int64)
    for m in range(width):
        target[:, m] = m + np.argmax(after[:, m:], axis=1)
    return target


@dataclass(frozen=True)
class Bound:
    """What a floor could at most do: a share of staffed time, and people per agent-hour."""

    utilisation: float
    connects_per_hour: float


def zero_gap(scenario: Scenario) -> Bound:
    """Every agent talks or wraps up all the time he is there: 1, and what follows for connects.

    Means over a day with no drift; agents' speeds count with their mean of 1.
    """
    rates, handling, amd = scenario.list.rates, scenario.handling, scenario.amd
    people = rates.person * ((1.0 - amd.person_as_machine) if amd.on else 1.0)
    machines = rates.machine * (amd.machine_as_person if amd.on else 1.0)
    if people <= 0:
        return Bound(1.0, 0.0)
    per_person = handling.talk.mean_s + handling.wrap_up.mean_s
    per_machine = handling.machine_talk.mean_s + handling.machine_wrap_up.mean_s
    return Bound(1.0, 3600.0 / (per_person + machines / people * per_machine))


def clairvoyant(scenario: Scenario, seed: int) -> Bound:
    """The clairvoyant schedule of one day: each call of the list, in order, just in time.

    A line may be launched from the first log-in on, and not while the carrier is out or the link is
    down; who rings by then is still to be had. Trunks bind the mean number of lines in use,
    checked afterwards, so the figure is an upper bound also where they would bind in between.
    """
    world = World(scenario, seed)
    agents = plan_agents(scenario, seed)
    free = [(float(start), i) for i, (_, start, _) in enumerate(agents.stints)]
    heapq.heapify(free)
    first = free[0][0] if free else 0.0
    busy_s = line_s = break_s = 0.0
    served = index = 0
    ends = {i: float(until) for i, (_, _, until) in enumerate(agents.stints)}
    day_s = scenario.day_s
    shut = _shut(world)
    calls_max = 2_000 + int(200 * len(free) * day_s / 60.0)  # a list nobody answers ends too
    while free and index < calls_max:
        ready, stint = heapq.heappop(free)
        if ready >= min(ends[stint], day_s):
            continue
        during = next(((a, b) for a, b in shut if a <= ready < b), None)
        if during is not None and during[0] <= first:  # nothing could be launched before it
            heapq.heappush(free, (during[1], stint))
            continue
        at = ready if during is None else during[0] - 1e-6
        plan = world.plan_call(index, at)
        while not plan.live and index < calls_max:
            line_s += plan.setup_s + (plan.ring_s or plan.fail_s)
            index += 1
            plan = world.plan_call(index, at)
        lead_s = plan.setup_s + (plan.ring_s or 0.0) + plan.detect_s
        if during is not None and at + lead_s < ready:  # what was launched before it is all over
            heapq.heappush(free, (during[1], stint))
            continue
        opened = max([first, *(b for _, b in shut if b <= ready)])
        begin = max(ready, opened + lead_s)
        speed = float(agents.speed[int(agents.stints[stint, 0])])
        handle_s = (plan.talk_s + plan.wrap_s) * speed
        line_s += lead_s + plan.talk_s * speed
        busy_s += max(0.0, min(begin + handle_s, day_s) - begin)
        served += plan.kind is Kind.PERSON
        index += 1
        done = begin + handle_s
        break_s += max(0.0, min(done + plan.break_s, ends[stint], day_s) - done)
        heapq.heappush(free, (done + plan.break_s, stint))
    staffed_s = _staffed(agents.stints, day_s) - break_s
    trunk_share = min(1.0, scenario.lines_max * day_s / line_s) if line_s > 0 else 1.0
    use = min(1.0, busy_s / staffed_s) if staffed_s > 0 else 0.0
    return Bound(use * trunk_share, 3600.0 * served * trunk_share / staffed_s if staffed_s else 0.0)


def _shut(world: World) -> list[tuple[float, float]]:
    """The times of the day in which no line can be launched that gets through."""
    rows = world.tables.blind | (world.tables.congestion >= 1.0)
    edges = np.flatnonzero(np.diff(np.concatenate(([False], rows, [False])).astype(int)))
    return [(float(a) * ROW_S, float(b) * ROW_S) for a, b in edges.reshape(-1, 2)]


def _staffed(stints: Array, day_s: float) -> float:
    return float(np.sum(np.minimum(stints[:, 2], day_s) - stints[:, 1]))
