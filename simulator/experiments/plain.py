"""The plain engine as a `Runner`: own pacers behind their governor, peers as they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from dialer.pacing.governor import Governor
from dialer.pacing.pacer import PACERS, ErlangC, Pacer, PacerError, Progressive, make_pacer
from dialer.pacing.trace import DecisionTrace
from dialer.pacing.windows import DAY_S, Account, us_windows
from dialer.snapshot import Decision, FloorSnapshot, Observation
from simulator.floor import FloorDay
from simulator.history import CallRecord, write_calls
from simulator.peers import PEERS, make_peer
from simulator.results import DayResult, PacerSpec
from simulator.scenario import Scenario

FIRST_DAY_S = 20_000.0 * DAY_S  # some Monday-to-Friday like any other, in civil seconds
OPENING_S = 9 * 3600.0


class _NoTrace(DecisionTrace):
    """Nobody asks of a simulated day why a decision was made."""

    def record(self, *what: object) -> None:
        """Kept nowhere."""


class Governed:
    """One of our pacers as the dialer drives it: account, gate and pacer together."""

    every_s: float | None = None

    def __init__(self, pacer: Pacer, account: Account, wait_limit_s: float) -> None:
        self.pacer = pacer
        self.counts_only = isinstance(pacer, Progressive | ErlangC)
        self._governor = Governor(
            pacer, account, patience_s=wait_limit_s, trace=_NoTrace(records_max=1)
        )

    def closes_at(self, now: float) -> None:
        """When calling ends today, as the campaign's hours say it."""
        self._governor.account.close_at(now)

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        return self._governor.decide(snapshot, snapshot.now)

    def observe(self, fact: Observation, now: float) -> None:
        self._governor.observe(fact, now)


class Peer:
    """A peer's pacer: its own clock, its own idea of a limit, no gate but the trunks."""

    def __init__(self, pacer: Pacer) -> None:
        self.pacer = pacer
        self.every_s: float | None = getattr(pacer, "every_s", None)
        self.counts_only: bool = getattr(pacer, "counts_only", False)

    def closes_at(self, now: float) -> None:
        """Nothing to a peer."""

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        return self.pacer.decide(snapshot)

    def observe(self, fact: Observation, now: float) -> None:
        self.pacer.observe(fact)


def known_pacers() -> list[str]:
    return [*PACERS, *PEERS]


def make_driver(spec: PacerSpec, scenario: Scenario) -> Governed | Peer:
    """The pacer of that name with what the dialer puts around it. Raises PacerError."""
    options = dict(spec.options)
    if spec.name in PEERS:
        return Peer(make_peer(spec.name, options))
    if spec.name not in PACERS:
        raise PacerError(
            f"there is no pacer {spec.name!r}; choose one of: {', '.join(known_pacers())}"
        )
    account = Account(us_windows(FIRST_DAY_S, scenario.law.abandon_rate_max), FIRST_DAY_S)
    return Governed(make_pacer(spec.name, options, account), account, scenario.law.wait_limit_s)


class PlainRunner:
    """Every pacer, in plain Python: the judge of the compiled engine, and the peers' home."""

    name = "plain"

    def can_run(self, pacer: PacerSpec) -> bool:
        return pacer.name in PEERS or pacer.name in PACERS

    def run_days(
        self, scenario: Scenario, pacer: PacerSpec, seeds: Sequence[int]
    ) -> list[DayResult]:
        driver = make_driver(pacer, scenario)
        results = []
        for day, seed in enumerate(seeds):
            start_s = FIRST_DAY_S + day * DAY_S + OPENING_S
            driver.closes_at(start_s + scenario.day_s)
            floor = FloorDay(scenario, seed, driver, start_s=start_s, label=pacer.label)
            results.append(floor.run())
        return results


def write_day(scenario: Scenario, pacer: PacerSpec, seed: int, path: Path) -> int:
    """Every call of one day as CSV (`simulator.history`); how many there were."""
    journal: list[CallRecord] = []
    FloorDay(
        scenario,
        seed,
        make_driver(pacer, scenario),
        start_s=FIRST_DAY_S + OPENING_S,
        label=pacer.label,
        journal=journal,
    ).run()
    return write_calls(path, journal)
