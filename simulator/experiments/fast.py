"""The compiled engine as a `Runner`: our own pacer and the plainest ones, many days quickly."""

from __future__ import annotations

from collections.abc import Sequence
from time import perf_counter

import numpy as np

from simulator.distributions import Array
from simulator.fast import run_day
from simulator.fast.run import DayResult as FastResult
from simulator.fast.run import forward_state
from simulator.results import CURVE_STEP_S, CurveRow, DayResult, PacerSpec
from simulator.scenario import Scenario

SAMPLE_S = 30.0  # how often the floor is looked at for the day curve


class FastRunner:
    """`forward` as the dialer runs it, `progressive`, and `fixed_ratio` without any gate."""

    name = "fast"

    def can_run(self, pacer: PacerSpec) -> bool:
        if pacer.name == "fixed_ratio":
            return {key for key, _ in pacer.options} <= {"ratio"}
        return pacer.name in ("forward", "progressive") and not pacer.options

    def run_days(
        self, scenario: Scenario, pacer: PacerSpec, seeds: Sequence[int]
    ) -> list[DayResult]:
        options = dict(pacer.options)
        state = forward_state(scenario) if pacer.name == "forward" else None
        results = []
        for seed in seeds:
            samples: list[Array] = []
            began = perf_counter()
            day = run_day(
                scenario,
                seed,
                "ratio" if pacer.name == "fixed_ratio" else pacer.name,
                ratio=float(options.get("ratio", 2.0)),
                state=state,
                gated=pacer.name != "fixed_ratio",
                sample_s=SAMPLE_S,
                on_samples=samples.append,
            )
            wall_s = perf_counter() - began
            results.append(_converted(scenario, pacer, day, samples[0], wall_s))
        return results


def _converted(
    scenario: Scenario, pacer: PacerSpec, day: FastResult, samples: Array, wall_s: float
) -> DayResult:
    staffed_s = day.agent_hours * 3600.0
    machines_left = max(0, day.abandoned - day.abandoned_people)
    people_served = day.live_people - day.abandoned_people - day.callers_left
    return DayResult(
        scenario=scenario.name,
        pacer=pacer.label,
        agents=scenario.agents.count,
        seed=day.seed,
        lines=day.launched,
        people=day.live_people + day.rejected_people,
        live=day.live_people,
        served=people_served,
        abandoned=day.abandoned_people,
        left=day.callers_left,
        rejected=day.rejected_people,
        machines_served=max(0, day.connects - people_served),
        machines_abandoned=machines_left,
        talk_s=day.utilisation * staffed_s,  # the engine adds up talk and wrap-up
        wrap_s=0.0,
        staffed_s=staffed_s,
        curve=_curve(samples, scenario.day_s),
        decisions=day.decisions,
        wall_s=wall_s,
        given_up=day.given_up,
    )


def _curve(samples: Array, day_s: float) -> tuple[CurveRow, ...]:
    """Quarters of an hour from samples (time, idle, talking, wrapping, lines, waiting, live, lost).

    Agent-seconds are sampled, not summed: good for a plot, not for a table.
    """
    rows = int(-(-day_s // CURVE_STEP_S))
    place = np.minimum((samples[:, 0] / CURVE_STEP_S).astype(int), rows - 1)
    out = []
    live_before = lost_before = 0.0
    for row in range(rows):
        mine = samples[place == row]
        if len(mine) == 0:
            out.append(CurveRow(row * CURVE_STEP_S))
            continue
        busy = float((mine[:, 2] + mine[:, 3]).mean()) * CURVE_STEP_S
        there = float(mine[:, 1:4].sum(axis=1).mean()) * CURVE_STEP_S
        live, lost = float(mine[-1, 6]), float(mine[-1, 7])
        out.append(
            CurveRow(
                start_s=row * CURVE_STEP_S,
                live=round(live - live_before),
                abandoned=round(lost - lost_before),
                busy_s=busy,
                staffed_s=there,
            )
        )
        live_before, lost_before = live, lost
    return tuple(out)
