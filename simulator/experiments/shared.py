"""Several campaigns on one floor: the agents and the trunk are shared, lists and laws are not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from dialer.pacing.pacer import PacerError
from simulator.experiments.jobs import BLOCK_DAYS, check
from simulator.experiments.stats import Summary
from simulator.results import PacerSpec
from simulator.scenario import Scenario


def share(
    scenarios: Sequence[Scenario], pacer: PacerSpec, seeds: Sequence[int], engine: str
) -> list[Summary]:
    """A summary for each campaign, named `scenario (n of m)`: its share of the floor's agent time
    and its own abandons. The utilisations add up to the floor's. Raises BadScenario, PacerError."""
    if engine not in ("auto", "full", "full-sql"):
        raise PacerError(f"the {engine} engine has one campaign to a floor; use --engine full")
    engine = "full" if engine == "auto" else engine
    for scenario in scenarios:
        check(pacer, scenario, engine)
    from simulator.experiments.full import FullRunner

    of = len(scenarios)
    named = [replace(s, name=f"{s.name} ({n} of {of})") for n, s in enumerate(scenarios, start=1)]
    runner = FullRunner(sql=engine == "full-sql")
    days = []
    for first in range(0, len(seeds), BLOCK_DAYS):
        days += runner.run_shared(named, [pacer] * of, seeds[first : first + BLOCK_DAYS])
    return [
        Summary(
            scenario=scenario.name,
            pacer=pacer.label,
            agents=scenarios[0].agents.count,
            limit=scenario.law.abandon_rate_max,
            days=tuple(day[place] for day in days),
            block_days=BLOCK_DAYS,
        )
        for place, scenario in enumerate(named)
    ]
