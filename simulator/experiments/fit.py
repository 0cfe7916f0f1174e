"""Learns a world from call history: what people, machines, carrier and agents were like.

What history cannot say is left at a plain value and said in the notes: people whom AMD took for
machines (nobody heard them), answers that would have come after the dialer gave up, short breaks.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from simulator.distributions import Constant, Distribution, Empirical, Exponential
from simulator.experiments.survival import (
    cumulative_incidence,
    exponential_mean,
    quantiles,
    whole_times,
)
from simulator.history import DAY_S, CallRecord, Fate, in_days
from simulator.scenario import (
    Agents,
    Amd,
    CallingList,
    Carrier,
    Drift,
    Drifting,
    Handling,
    Line,
    Rates,
    Scenario,
    Shape,
    Shift,
)
from simulator.world import Amd as Verdict
from simulator.world import Kind

LEAST_LINES = 50  # fewer teach nothing
HOUR_LINES = 200  # an hour or an attempt with fewer keeps the whole day's rate
HOUR_SIGMA = 3.2  # an hour's rate differs from the day's when it is so far off: 1 in 700, of
# which a day has a dozen or two to try
_RINGING = (Kind.PERSON, Kind.MACHINE, Kind.DECLINED, Kind.UNAVAILABLE)
_CAUSE = {kind: i + 1 for i, kind in enumerate(_RINGING)}


class CannotFit(ValueError):
    """The history does not hold what a world needs; the text says what is missing."""


@dataclass(frozen=True)
class Fitted:
    """A world and how it came about. `notes` are for people, one line each."""

    scenario: Scenario
    notes: tuple[str, ...]
    lines: int
    days: int


def fit(records: Sequence[CallRecord], name: str, agents: int | None = None) -> Fitted:
    """The world of `records`; `agents` where the history names none. Raises CannotFit."""
    if len(records) < LEAST_LINES:
        raise CannotFit(
            f"{len(records)} calls are too few to learn from; give at least {LEAST_LINES}"
        )
    records = in_days(records)
    notes: list[str] = []
    by_day: dict[int, list[CallRecord]] = defaultdict(list)
    for record in records:
        by_day[int(record.launched_s // DAY_S)].append(record)
    start, end = _opening(by_day)
    day_s = max(600.0, end - start)
    line, rates, congestion = _line(records, notes)
    listing = CallingList(rates=rates, by_attempt=_by_attempt(records, rates.person))
    scenario = Scenario(
        name=name,
        note=f"learned from {len(records)} calls of {len(by_day)} days",
        agents=_agents(by_day, start, day_s, agents, notes),
        day_s=min(day_s, 172_800.0),
        list=listing,
        line=line,
        amd=_amd(records, notes),
        patience=_patience(records, notes),
        handling=_handling(records, notes),
        carrier=Carrier(congestion=congestion),
        drift=_drifts(records, start, day_s, notes),
    )
    return Fitted(scenario, tuple(notes), len(records), len(by_day))


def _opening(by_day: dict[int, list[CallRecord]]) -> tuple[float, float]:
    """When dialling began and ended, in seconds of the day: medians over the days. The last talk
    may go on for long after; a day of the world is over with its dialling."""
    firsts = [min(r.launched_s for r in day) % DAY_S for day in by_day.values()]
    lasts = [max(r.launched_s for r in day) % DAY_S for day in by_day.values()]
    return float(np.median(firsts)), float(np.median(lasts))


def _life(record: CallRecord) -> float:
    parts = (record.setup_s, record.ring_s, record.detect_s, record.waited_s, record.talk_s)
    return sum(p or 0.0 for p in (*parts, record.wrap_s))


def _line(records: Sequence[CallRecord], notes: list[str]) -> tuple[Line, Rates, float]:
    congested = sum(r.outcome is Kind.CONGESTION for r in records)
    others = [r for r in records if r.outcome is not Kind.CONGESTION and r.open != "setup"]
    if not others:
        raise CannotFit("every call met congestion; there is nothing to learn from")
    setup = _empirical([r.setup_s for r in others if r.setup_s is not None])
    at_once = {
        kind: sum(r.outcome is kind for r in others) / len(others)
        for kind in (Kind.BUSY, Kind.INVALID)
    }
    rang = [r for r in others if r.ring_s is not None]
    if not any(r.outcome in (Kind.PERSON, Kind.MACHINE) and r.open != "ring" for r in rang):
        raise CannotFit("no call was answered (outcome person or machine with ring_s)")
    times = [r.ring_s or 0.0 for r in rang]
    causes = [0 if r.open == "ring" else _CAUSE.get(r.outcome, 0) for r in rang]
    instants, incidence = cumulative_incidence(times, causes)
    rings = 1.0 - sum(at_once.values())
    share = {
        kind: rings * float(incidence[cause][-1]) if cause in incidence else 0.0
        for kind, cause in _CAUSE.items()
    }
    cut = [t for t, c in zip(times, causes, strict=True) if c == 0]
    limit = max(times) if not cut else max(cut)
    spread = float(np.quantile(cut, 0.95) - np.quantile(cut, 0.05)) if cut else 0.0
    if spread > 2.0:
        notes.append(
            f"lines were given up after differing times ({spread:.0f} s apart); the world gives"
            f" up after {limit:.1f} s, answers in between reckoned by Aalen-Johansen"
        )
    rates = Rates(
        person=share[Kind.PERSON],
        machine=share[Kind.MACHINE],
        busy=at_once[Kind.BUSY],
        invalid=at_once[Kind.INVALID],
        declined=share[Kind.DECLINED],
        unavailable=share[Kind.UNAVAILABLE],
    )

    def ring_of(kind: Kind) -> Distribution:
        cause = _CAUSE[kind]
        if cause not in incidence or share[kind] <= 0:
            return Constant(10.0)
        return quantiles(instants, np.asarray(incidence[cause]))

    line = Line(
        setup=setup or Constant(1.0),
        ring_person=ring_of(Kind.PERSON),
        ring_machine=ring_of(Kind.MACHINE),
        ring_out=Constant(limit),
        ring_limit_s=max(limit, 1.0) + 0.001,
    )
    return line, rates, congested / len(records)


def _empirical(values: Sequence[float]) -> Empirical | None:
    return whole_times(values, np.ones(len(values), dtype=bool)) if values else None


def _by_attempt(records: Sequence[CallRecord], whole: float) -> tuple[float, ...]:
    """Person rate of each attempt over that of the whole list, while there are enough lines."""
    counts: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    for r in records:
        counts[r.attempt][0] += 1
        counts[r.attempt][1] += r.outcome is Kind.PERSON
    all_lines = sum(n for n, _ in counts.values())
    people = sum(k for _, k in counts.values())
    if len(counts) < 2 or people == 0:
        return (1.0,)
    factors = []
    for attempt in range(1, max(counts) + 1):
        n, k = counts.get(attempt, [0, 0])
        if n < HOUR_LINES:
            break
        factors.append(min((k / n) / (people / all_lines), 1.0 / max(whole, 1e-9)))
    return tuple(factors) or (1.0,)


def _drifts(
    records: Sequence[CallRecord], start: float, day_s: float, notes: list[str]
) -> tuple[Drift, ...]:
    """Hours whose share of people (of machines) is surely not the day's, as steps."""
    hours = int(day_s // 3_600) + 1
    lines = np.zeros(hours)
    for_kind = {Kind.PERSON: np.zeros(hours), Kind.MACHINE: np.zeros(hours)}
    for r in records:
        hour = min(hours - 1, max(0, int((r.launched_s % DAY_S - start) // 3_600)))
        lines[hour] += 1
        if r.outcome in for_kind:
            for_kind[r.outcome][hour] += 1
    out = []
    for kind, what in ((Kind.PERSON, Drifting.ANSWER), (Kind.MACHINE, Drifting.MACHINE)):
        rate = float(for_kind[kind].sum() / lines.sum())
        if rate <= 0 or rate >= 1:
            continue
        sd = np.sqrt(rate * (1 - rate) / np.maximum(lines, 1))
        own = for_kind[kind] / np.maximum(lines, 1)
        differs = (lines >= HOUR_LINES) & (np.abs(own - rate) > HOUR_SIGMA * sd)
        if differs.any():
            factors = np.where(differs, own / rate, 1.0)
            points = tuple((h * 3_600.0, float(f)) for h, f in enumerate(factors))
            out.append(Drift(what, points=points, shape=Shape.STEP))
            count = int(differs.sum())
            hours_of = "1 hour answers" if count == 1 else f"{count} hours answer"
            notes.append(f"{hours_of} differently ({what})")
    return tuple(out)


def _amd(records: Sequence[CallRecord], notes: list[str]) -> Amd:
    judged = [r for r in records if r.amd is not None]
    if not judged:
        return Amd(on=False)
    people = [r for r in judged if r.outcome is Kind.PERSON]
    machines = [r for r in judged if r.outcome is Kind.MACHINE]
    wrong = sum(r.amd is Verdict.MACHINE for r in people)
    if wrong == 0:
        notes.append("people whom AMD took for machines cannot be seen in history: share 0 assumed")
    passed = sum(r.amd is Verdict.PERSON for r in machines)
    default = Amd()
    return Amd(
        on=True,
        delay_person=_empirical([r.detect_s for r in people if r.detect_s is not None])
        or default.delay_person,
        delay_machine=_empirical([r.detect_s for r in machines if r.detect_s is not None])
        or default.delay_machine,
        person_as_machine=wrong / len(people) if people else 0.0,
        machine_as_person=passed / len(machines) if machines else 0.0,
    )


def _patience(records: Sequence[CallRecord], notes: list[str]) -> Distribution:
    waited = [r for r in records if r.waited_s is not None and r.fate is not None]
    gone = [r.fate is Fate.LEFT and r.open != "wait" for r in waited]
    if not any(gone):
        notes.append("nobody was seen to hang up while waiting: patience is a guess (long)")
        return Exponential(max(30.0, exponential_mean([r.waited_s or 0.0 for r in waited], gone)))
    return Exponential(exponential_mean([r.waited_s or 0.0 for r in waited], gone))


def _handling(records: Sequence[CallRecord], notes: list[str]) -> Handling:
    default = Handling()

    def stage(kind: Kind, of: Callable[[CallRecord], float | None], name: str) -> Empirical | None:
        seen = [(of(r), r.open != name) for r in records if r.outcome is kind]
        known = [(t, done) for t, done in seen if t is not None]
        cut = sum(not done for _, done in known)
        if cut:
            notes.append(f"{cut} {name} times were cut off by the extract and count as such")
        return whole_times([t for t, _ in known], [d for _, d in known]) if known else None

    def talk(r: CallRecord) -> float | None:
        return r.talk_s

    def wrap(r: CallRecord) -> float | None:
        return r.wrap_s

    person = stage(Kind.PERSON, talk, "talk")
    if person is None:
        raise CannotFit("no call of a person has a talk_s; without it there is no handling time")
    return Handling(
        talk=person,
        wrap_up=stage(Kind.PERSON, wrap, "wrap") or Constant(0.0),
        machine_talk=stage(Kind.MACHINE, talk, "talk") or default.machine_talk,
        machine_wrap_up=stage(Kind.MACHINE, wrap, "wrap") or default.machine_wrap_up,
    )


def _agents(
    by_day: dict[int, list[CallRecord]],
    start: float,
    day_s: float,
    given: int | None,
    notes: list[str],
) -> Agents:
    notes.append("short breaks are not in a call history: none assumed")
    if given is not None:
        return Agents(shifts=(Shift(given, 0.0, day_s),), break_share=0.0)
    seen: dict[int, dict[str, tuple[float, float]]] = {}
    for number, day in by_day.items():
        hours: dict[str, tuple[float, float]] = {}
        for r in day:
            if r.agent:
                begin = r.launched_s % DAY_S - start
                low, high = hours.get(r.agent, (begin, begin))
                hours[r.agent] = (min(low, begin), max(high, begin + _life(r)))
        if hours:
            seen[number] = hours
    if not seen:
        raise CannotFit("the history names no agents; say how many there were with --agents")
    typical = sorted(seen.values(), key=len)[len(seen) // 2]
    shifts = []
    for low, high in sorted(typical.values()):
        begin = max(0.0, low)
        shifts.append(Shift(1, begin, min(max(high, begin + 60.0), day_s + 60.0), 0.0))
    together: dict[tuple[float, float], int] = defaultdict(int)
    for shift in shifts:
        together[
            round(shift.start_s / 300) * 300.0, min(day_s, round(shift.end_s / 300 + 0.5) * 300.0)
        ] += 1
    merged = tuple(
        Shift(count, begin, end, 0.0)
        for (begin, end), count in sorted(together.items())
        if end > begin
    )
    return Agents(shifts=merged or (Shift(len(typical), 0.0, day_s),), break_share=0.0)
