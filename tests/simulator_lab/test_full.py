"""The full engine: the same day as the fast one, every attempt with one outcome, in any store."""

from __future__ import annotations

import gc
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from dialer.pacing.windows import DAY_S
from dialer.snapshot import Decision, FloorSnapshot, LineEnd, LineEnded, Observation
from simulator.cli import main
from simulator.experiments.fast import FastRunner
from simulator.experiments.full import FullRunner, governor_for
from simulator.experiments.jobs import BLOCK_DAYS
from simulator.experiments.plain import FIRST_DAY_S, PlainRunner
from simulator.experiments.stats import Summary, mean_of, paired
from simulator.full.day import Dialled, FullDay
from simulator.results import DayResult, PacerSpec, Runner
from simulator.scenario import Fault, FaultKind, Scenario, base_world, exponential_floor
from simulator.scenario_file import load_scenario

HOUR = 3_600.0


def short(name: str, hours: float = 1.0) -> Scenario:
    return replace(load_scenario(name), day_s=hours * HOUR)


def summary(runner: Runner, world: Scenario, pacer: str, seeds: range) -> Summary:
    """Each day by itself: days of one pacer are no independent pieces."""
    days = tuple(runner.run_days(world, PacerSpec.of(pacer), (seed,))[0] for seed in seeds)
    return Summary(world.name, pacer, world.agents.count, 0.03, days, BLOCK_DAYS)


def played(
    *worlds: Scenario, pacer: str = "progressive", seed: int = 1, sql: bool = False
) -> tuple[FullDay, list[DayResult]]:
    spec = PacerSpec.of(pacer)
    campaigns = [
        Dialled(f"c{n}", world, governor_for(spec, world), pacer) for n, world in enumerate(worlds)
    ]
    day = FullDay(campaigns, seed, FIRST_DAY_S + 8 * HOUR, sql=sql)
    return day, day.run()


@pytest.mark.parametrize(
    ("world", "pacer", "judge"),
    [
        (short("base@20"), "forward", FastRunner()),
        (short("no-amd", 0.5), "progressive", FastRunner()),
        (short("mixed-skills", 0.5), "webitel", PlainRunner()),
    ],
    ids=lambda value: getattr(value, "name", None),
)
def test_agrees_with_the_faster_engines_on_the_same_people(
    world: Scenario, pacer: str, judge: Runner
) -> None:
    """Common random numbers: the differences of the days have an interval that holds nought. What
    may differ by design is small: the core asks the pacer a little sooner after a change."""
    seeds = range(40, 43)
    full = summary(FullRunner(), world, pacer, seeds)
    other = summary(judge, world, pacer, seeds)
    difference = paired(full, other)
    assert abs(difference.value) <= difference.half + 0.005
    lost = mean_of(
        [a.abandon_rate - b.abandon_rate for a, b in zip(full.days, other.days, strict=True)]
    )
    assert abs(lost.value) <= lost.half + 0.002
    # Not day by day: a pacer that spends its account in the first half of an hour dials little in
    # the second, and a little decides whether it does.
    lines = sum(day.lines for day in other.days)
    assert sum(day.lines for day in full.days) == pytest.approx(lines, rel=0.1)
    for a, b in zip(full.days, other.days, strict=True):
        assert a.staffed_s == pytest.approx(b.staffed_s, rel=0.02)


def test_on_the_stores_own_tables_the_day_is_the_same_call_for_call() -> None:
    """The tables in dictionaries do what the dialer's claims, gate, retry and outcomes do."""
    base = short("early-collections", 0.3).with_agents(6)
    world = replace(base, list=replace(base.list, leads=100))  # so that many are called again
    plain, quick = played(world, pacer="vicidial_ratio")
    stored, same = played(world, pacer="vicidial_ratio", sql=True)
    assert [replace(r, wall_s=0.0) for r in quick] == [replace(r, wall_s=0.0) for r in same]
    assert plain.outcomes == stored.outcomes
    assert quick[0].lines > 2 * 100
    by_outcome = dict(stored.store.rows("SELECT outcome, count(*) FROM attempts GROUP BY outcome"))
    assert by_outcome == dict(stored.outcomes["c0"].recorded)
    stored.close()


def test_each_attempt_has_one_outcome_and_no_lead_two_attempts_at_once() -> None:
    day, (result,) = played(short("base@4", 0.4), pacer="vicidial_ratio", sql=True)
    rows = day.store.rows
    assert rows("SELECT count(*) FROM attempts WHERE outcome IS NULL")[0][0] == 0
    total = rows("SELECT count(*) FROM attempts")[0][0]
    assert total == sum(day.outcomes["c0"].recorded.values())
    assert total >= result.lines
    steps = rows(
        "SELECT attempt_id, count(*) FROM attempt_history WHERE outcome IS NOT NULL"
        " GROUP BY attempt_id HAVING count(*) > 1"
    )
    assert steps == []
    twice = rows(
        "SELECT count(*) FROM attempts a JOIN attempts b ON a.lead_id = b.lead_id AND a.id < b.id"
        " AND a.opened_ms < b.closed_ms AND b.opened_ms < a.closed_ms"
    )
    assert twice[0][0] == 0
    day.close()


def test_what_the_dialer_records_is_what_happened() -> None:
    day, (result,) = played(short("base@6"), pacer="vicidial_ratio")
    truth, told = day.exchange.truth["c0"], day.outcomes["c0"]
    assert truth.abandoned > 20
    assert told.unserved == truth.abandoned + truth.machines_abandoned
    assert told.recorded["connected"] == truth.served + truth.machines_served
    assert told.recorded["abandoned"] == told.unserved
    assert sum(told.recorded.values()) == truth.lines
    assert told.refused == 0
    assert max(result.waits_s) <= 2.0 + 1e-6
    assert day.exchange.lines_up == 0
    assert not day.floor.calls


def test_a_line_that_is_given_up_answers_nobody() -> None:
    """The pacer wants rid of all that may be given up, all day long: nobody answers after that, and
    no line that may ring on is cut."""
    world = replace(
        short("base@8", 0.3), line=replace(load_scenario("base@8").line, ring_least_s=18.0)
    )
    spec = PacerSpec.of("progressive")
    governor = governor_for(spec, world)
    decide = governor.pacer.decide

    class GivesUpAll:
        name = "gives up all"

        def observe(self, fact: Observation) -> None:
            ends.append(fact)

        def decide(self, snapshot: FloorSnapshot) -> Decision:
            old = sum(age >= snapshot.ring_least_s for age in snapshot.ringing)
            assert snapshot.ring_least_s == 18.0
            return replace(decide(snapshot), give_up=old)

    ends: list[Observation] = []
    governor.pacer = GivesUpAll()
    day = FullDay([Dialled("c0", world, governor, "x")], 3, FIRST_DAY_S + 8 * HOUR)
    (result,) = day.run()
    (mine,) = day.outcomes.values()
    given_up = [
        fact.ring_s for fact in ends if isinstance(fact, LineEnded) and fact.end is LineEnd.GIVEN_UP
    ]
    assert len(given_up) == result.given_up > 20
    assert all(ring_s is not None and 18.0 <= ring_s <= 19.6 for ring_s in given_up)
    longer = [f for f in ends if isinstance(f, LineEnded) and (f.ring_s or 0.0) > 19.6]
    assert len(longer) < 5, "those of the day's end, when no pacer is asked any more"
    assert sum(mine.recorded.values()) == result.lines
    assert result.live == result.served + result.abandoned + result.left


def test_a_link_that_is_lost_loses_no_call() -> None:
    world = replace(
        base_world(6, day_s=0.5 * HOUR), faults=(Fault(FaultKind.LINK_LOST, 900.0, 120.0),)
    )
    day, (result,) = played(world, pacer="vicidial_ratio", sql=True)
    told, truth = day.outcomes["c0"].recorded, day.exchange.truth["c0"]
    assert day.store.rows("SELECT count(*) FROM attempts WHERE outcome IS NULL")[0][0] == 0
    assert told["lost"] > 0  # what ended unseen
    assert sum(told.values()) == truth.lines + told["cancelled"]
    assert result.served > 50  # it dialled on afterwards
    launched = [
        row[0] / 1000 - day.start_s
        for row in day.store.rows("SELECT originated_ms FROM attempts WHERE originated_ms > 0")
    ]
    assert not [at for at in launched if 900.5 < at < 1_020.0]
    assert [at for at in launched if at > 1_020.0]
    day.close()


def test_campaigns_share_agents_and_trunk_and_each_keeps_its_own_account() -> None:
    first = replace(short("base@10"), carrier=replace(load_scenario("base").carrier))
    day, results = played(first, short("no-amd"), short("cold-sales"))
    staffed = {r.staffed_s for r in results}
    assert len(staffed) == 1
    assert sum(r.talk_s + r.wrap_s for r in results) <= staffed.pop()
    assert all(r.served > 20 for r in results)
    assert 0.4 < sum(r.utilisation for r in results) < 0.95
    accounts = [
        day.pacing.governor(f"c{n}").account.standings()[0].live for n in range(len(results))
    ]
    assert all(live >= r.live for live, r in zip(accounts, results, strict=True))
    assert {r.agents for r in results} == {10}


def test_a_day_leaves_nothing_to_the_collector_and_lets_it_go_on() -> None:
    """No cycles, so that it may rest for the day; ten thousand objects a minute would be seen."""
    world = base_world(10, day_s=900.0)
    played(world, pacer="forward")  # what is made once is made
    gc.collect()
    day, _ = played(world, pacer="forward")
    assert gc.collect() < 200
    assert gc.isenabled()
    assert day.outcomes["c0"].recorded


def test_the_pacer_lives_through_the_days() -> None:
    world = short("base@4", 0.5)
    runner = FullRunner()
    together = runner.run_days(world, PacerSpec.of("erlang_c"), range(3, 6))
    alone = runner.run_days(world, PacerSpec.of("erlang_c"), range(5, 6))
    assert together[2].lines != alone[0].lines  # it had learned
    assert together[2].seed == alone[0].seed
    assert world.day_s < DAY_S


def test_by_command(tmp_path: Path) -> None:
    run = CliRunner()
    world = tmp_path / "brief.yaml"
    world.write_text("name: brief\nday: {hours: 0.2}\nagents: {count: 4}\n", encoding="utf-8")
    words = ["run", "-s", str(world), "-p", "progressive", "--days", "1", "-j", "1"]
    few = ["--beside", str(world)]
    done = run.invoke(main, [*words, *few])
    assert done.exit_code == 0, done.output
    assert "brief (1 of 2)" in done.stdout
    refused = run.invoke(main, [*words, *few, "--engine", "fast"])
    assert refused.exit_code == 2
    assert "--engine full" in refused.stderr


def test_a_world_the_dialer_would_not_dial_is_refused() -> None:
    with pytest.raises(ValueError, match=r"line\.ring_limit_s: is inf; the full engine"):
        FullRunner().run_days(exponential_floor(3), PacerSpec.of("progressive"), range(1))
