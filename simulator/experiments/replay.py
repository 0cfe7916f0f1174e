"""Yesterday's people once more, under another pacer.

Call `i` of the replay is call `i` of the history: the same person answering after the same time
and talking as long. What history did not get to see (how long an abandoned caller would have
talked, what a pacer that dials more would have met) is drawn from the world fitted to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from simulator.experiments.plain import FIRST_DAY_S, OPENING_S, make_driver
from simulator.floor import FloorDay
from simulator.history import DAY_S, CallRecord, Fate, in_days
from simulator.results import DayResult, PacerSpec
from simulator.scenario import Scenario
from simulator.world import SIP_STATUS, Amd, CallPlan, Kind, World

TRIES = 50
ELSEWHERE = 100_003  # lines away: people of the same fitted world


class HistoryWorld(World):
    """The people of `records`, in order of launch, and then those of the fitted `scenario`."""

    def __init__(self, scenario: Scenario, seed: int, records: Sequence[CallRecord]) -> None:
        super().__init__(scenario, seed)
        self._records = records

    def plan_call(self, index: int, t_s: float, attempt: int | None = None) -> CallPlan:
        drawn = super().plan_call(index, t_s, attempt)
        if index >= len(self._records):
            return drawn
        record = self._records[index]
        if not _given_up(record, self.scenario):
            return _as_recorded(record, drawn, self.scenario)
        for again in range(1, TRIES):  # somebody who would have rung for longer than that
            if (drawn.ring_s or 0.0) > (record.ring_s or 0.0):
                break
            drawn = super().plan_call(index + again * ELSEWHERE, t_s, attempt)
        return drawn._replace(setup_s=record.setup_s or drawn.setup_s)


def _given_up(r: CallRecord, scenario: Scenario) -> bool:
    """Whether the dialer hung up before its limit: how the line would have ended is not known."""
    rang = r.ring_s if r.outcome is Kind.NO_ANSWER and not r.open else None
    return rang is not None and rang < scenario.line.ring_limit_s - 1.0


def _as_recorded(r: CallRecord, drawn: CallPlan, scenario: Scenario) -> CallPlan:
    if r.open in ("setup", "ring"):  # how it would have ended is not known
        return drawn
    rings = r.outcome not in (Kind.BUSY, Kind.INVALID, Kind.CONGESTION)
    ring_s = None
    if rings:
        ring_s = r.ring_s if r.ring_s is not None else (drawn.ring_s or 0.0)
    answered = r.outcome <= Kind.MACHINE
    amd = r.amd if answered else None
    if answered and amd is None and scenario.amd.on:  # cut off before the verdict
        amd = Amd.PERSON if r.outcome is Kind.PERSON else Amd.MACHINE
    limit = scenario.law.wait_limit_s
    if r.fate is Fate.LEFT and r.waited_s is not None:
        patience = r.waited_s
    elif r.fate is Fate.ABANDONED:
        patience = limit + drawn.patience_s
    else:
        patience = (r.waited_s or 0.0) + drawn.patience_s  # patience has no memory
    talk, wrap = r.talk_s, r.wrap_s
    if talk is None:
        talk = drawn.talk_s
    elif r.open == "talk":
        talk = max(talk, drawn.talk_s)
    if wrap is None:
        wrap = drawn.wrap_s
    elif r.open == "wrap":
        wrap = max(wrap, drawn.wrap_s)
    return CallPlan(
        kind=r.outcome,
        sip_status=SIP_STATUS[r.outcome],
        setup_s=r.setup_s if r.setup_s is not None else drawn.setup_s,
        ring_s=ring_s,
        fail_s=0.0,
        amd=amd,
        detect_s=r.detect_s if r.detect_s is not None else drawn.detect_s,
        patience_s=patience,
        talk_s=talk,
        wrap_s=wrap,
        break_s=drawn.break_s,
        attempt=r.attempt,
    )


def day_of(records: Sequence[CallRecord]) -> list[CallRecord]:
    """The calls of the busiest day: a replay is of one day."""
    records = in_days(records)
    days = Counter(int(r.launched_s // DAY_S) for r in records)
    busiest = max(days, key=lambda day: (days[day], -day))
    return [r for r in records if int(r.launched_s // DAY_S) == busiest]


def replay(
    scenario: Scenario, records: Sequence[CallRecord], pacer: PacerSpec, seeds: Sequence[int]
) -> list[DayResult]:
    """The people of the history under `pacer`, once for each seed (which decides the rest)."""
    results = []
    for seed in seeds:
        floor = FloorDay(
            scenario,
            seed,
            make_driver(pacer, scenario),
            start_s=FIRST_DAY_S + OPENING_S,
            label=pacer.label,
            world=HistoryWorld(scenario, seed, records),
        )
        results.append(floor.run())
    return results
