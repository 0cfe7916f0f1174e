"""The full engine as a `Runner`: the dialer itself, day after day, in virtual time."""

from __future__ import annotations

from collections.abc import Sequence

from dialer.pacing.governor import Governor
from dialer.pacing.pacer import PACERS, Pacer, make_pacer
from dialer.pacing.trace import DecisionTrace
from dialer.pacing.windows import DAY_S, Account, us_windows
from dialer.snapshot import Bound, Decision, FloorSnapshot, Observation
from simulator.experiments.plain import FIRST_DAY_S, make_driver
from simulator.full.campaign import campaign_of
from simulator.full.day import Dialled, FullDay
from simulator.peers import PEERS
from simulator.results import DayResult, PacerSpec
from simulator.scenario import Scenario

OPENING_S = 8 * 3600.0  # on the wall clock, so that twelve hours fit into what the law allows


class PeerGovernor(Governor):
    """A peer in the dialer's place for a pacer: its own clock, no account and no gate but the
    trunks."""

    def __init__(self, pacer: Pacer, limit: float) -> None:
        account = Account(us_windows(FIRST_DAY_S, limit), FIRST_DAY_S)
        super().__init__(pacer, account, trace=DecisionTrace(records_max=1))
        self._every_s: float | None = getattr(pacer, "every_s", None)
        self._next = float("-inf")

    def observe(self, fact: Observation, civil_s: float) -> None:
        self.pacer.observe(fact)

    def decide(self, snapshot: FloorSnapshot, civil_s: float) -> Decision:
        if self._every_s is not None:
            if snapshot.now < self._next - 1e-6:
                return Decision(0, Bound.POLICY)
            self._next = snapshot.now + self._every_s
        return self.pacer.decide(snapshot)


def governor_for(pacer: PacerSpec, scenario: Scenario) -> Governor:
    """The pacer with what the dialer puts around it. Raises PacerError."""
    limit = scenario.law.abandon_rate_max
    if pacer.name not in PACERS:
        return PeerGovernor(make_driver(pacer, scenario).pacer, limit)
    account = Account(us_windows(FIRST_DAY_S, limit), FIRST_DAY_S)
    return Governor(
        make_pacer(pacer.name, dict(pacer.options), account),
        account,
        patience_s=scenario.law.wait_limit_s,
        trace=DecisionTrace(records_max=1),
    )


class FullRunner:
    """Core, pacing, campaigns and gate as they run in production. `sql`: on the store's own tables
    in memory, at a third of the speed and with the same outcome."""

    def __init__(self, sql: bool = False) -> None:
        self.name = "full-sql" if sql else "full"
        self._sql = sql

    def can_run(self, pacer: PacerSpec) -> bool:
        return pacer.name in PEERS or pacer.name in PACERS

    def run_days(
        self, scenario: Scenario, pacer: PacerSpec, seeds: Sequence[int]
    ) -> list[DayResult]:
        return [days[0] for days in self.run_shared([scenario], [pacer], seeds)]

    def run_shared(
        self, scenarios: Sequence[Scenario], pacers: Sequence[PacerSpec], seeds: Sequence[int]
    ) -> list[list[DayResult]]:
        """Days of several campaigns that share the first scenario's agents and trunk: for each
        seed, a result for each campaign. Raises BadScenario and PacerError."""
        names = [f"campaign-{n}" for n in range(1, len(scenarios) + 1)]
        for scenario, name in zip(scenarios, names, strict=True):
            campaign_of(scenario, name)
        governors = [governor_for(p, s) for p, s in zip(pacers, scenarios, strict=True)]
        days = []
        for number, seed in enumerate(seeds):
            start_s = FIRST_DAY_S + number * DAY_S + OPENING_S
            dialled = [
                Dialled(name, scenario, governor, spec.label)
                for name, scenario, governor, spec in zip(
                    names, scenarios, governors, pacers, strict=True
                )
            ]
            day = FullDay(dialled, seed, start_s, sql=self._sql)
            days.append(day.run())
            day.close()
        return days
