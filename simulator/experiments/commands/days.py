"""`run`, `compare`, `what-if`, `frontier`: days of worlds under pacers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from simulator.experiments.commands.options import (
    PacerOption,
    PictureOption,
    Running,
    ScenarioOption,
    SetOption,
    deliver,
    names_in,
    simulate,
    summaries_of,
    takes,
    world_of,
)

app = typer.Typer()


@app.command()
@takes(Running)
def run(
    how: Running,
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
    changes: SetOption = None,
    calls: Annotated[
        Path | None, typer.Option(help="Write every call of the first day here as CSV.")
    ] = None,
    beside: Annotated[
        str,
        typer.Option(
            help="Other campaigns, as scenarios with commas between, that share the first one's"
            " agents and trunk; by the full engine."
        ),
    ] = "",
) -> None:
    """Simulate days of one world under one pacer."""
    from simulator.experiments.output import print_table, results_json, summary_table
    from simulator.experiments.vary import BadChange, pacer_of

    world = world_of(scenario, how.agents, changes)
    spec = pacer_of(pacer)
    if beside:
        from simulator.experiments.shared import share

        if calls is not None:
            raise BadChange("--calls writes one campaign's day: leave --beside out")
        others = [world_of(name.strip(), 0) for name in beside.split(",") if name.strip()]
        summaries = share([world, *others], spec, how.seeds, how.engine)
    else:
        summaries = summaries_of([world], [spec], how)
    if calls is not None:
        from simulator.experiments.plain import write_day

        count = write_day(world, spec, how.seed, calls)
        typer.echo(f"{count} calls written to {calls}", err=True)
    if not how.as_json:
        print_table(summary_table(summaries))
    deliver(results_json("run", summaries, seed=how.seed), how)


@app.command()
@takes(Running, report=Path("compare.html"))
def compare(
    how: Running,
    scenarios: Annotated[
        str, typer.Option(help="Scenarios with commas between, or all shipped ones.")
    ] = "all",
    pacers: Annotated[
        str, typer.Option(help="Pacers with commas between, or all; options: run, sweep.")
    ] = "all",
    picture: PictureOption = None,
) -> None:
    """Every pacer on every world, the same people for all: a table and a report."""
    from simulator.bounds import clairvoyant
    from simulator.experiments.jobs import BEST_RATIO
    from simulator.experiments.output import print_table, results_json, summary_table
    from simulator.experiments.plain import known_pacers
    from simulator.experiments.vary import pacer_of
    from simulator.scenario_file import shipped_names

    names = shipped_names() if scenarios == "all" else names_in(scenarios, "--scenarios")
    worlds = [world_of(name, how.agents) for name in names]
    if pacers == "all":
        kinds = [p for p in known_pacers() if p not in ("fixed_ratio", "ratio")]
        kinds.sort(key=lambda p: p != "forward")
        specs = [pacer_of(p) for p in [*kinds, BEST_RATIO]]
    else:
        specs = [pacer_of(p) for p in names_in(pacers, "--pacers")]
    summaries = summaries_of(worlds, specs, how)
    if not how.as_json:
        print_table(summary_table(summaries, specs[0].label))
    what = results_json(
        "compare",
        summaries,
        seed=how.seed,
        reference=specs[0].label,
        clairvoyant={w.name: clairvoyant(w, how.seed).utilisation for w in worlds},
        notes={w.name: w.note for w in worlds},
    )
    deliver(what, how)
    if picture is not None:
        from simulator.report import write_picture

        write_picture(picture, what)


@app.command("what-if")
@takes(Running)
def what_if(
    how: Running,
    changes: Annotated[
        list[str], typer.Option("--set", help="What is different: agents=25; again for more.")
    ],
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
) -> None:
    """The world as it is beside the world as it might be, with the same seeds."""
    from simulator.experiments.output import (
        difference,
        print_table,
        results_json,
        summary_table,
    )
    from simulator.experiments.vary import pacer_of

    now = world_of(scenario, how.agents)
    then = world_of(scenario, how.agents, changes)
    then = replace(then, name=f"{now.name}, {' '.join(changes)}")
    before, after = summaries_of([now, then], [pacer_of(pacer)], how)
    if not how.as_json:
        print_table(summary_table([before, after]))
        typer.echo(f"utilisation: {difference(after, before)} points")
    deliver(results_json("what-if", [before, after], seed=how.seed), how)


@app.command()
@takes(Running, days=5, report=Path("frontier.html"))
def frontier(
    how: Running,
    scenario: ScenarioOption = "base",
    pacers: Annotated[
        str, typer.Option(help="Pacers with commas between; default: a few of each kind.")
    ] = "",
) -> None:
    """Utilisation against abandons: each pacer over the setting that governs it."""
    from simulator.bounds import clairvoyant
    from simulator.experiments.frontier import DEFAULT, PACERS, points
    from simulator.experiments.jobs import plan_jobs, summarise
    from simulator.experiments.output import print_table, results_json, summary_table
    from simulator.experiments.vary import BadChange

    world = world_of(scenario, how.agents)
    names = names_in(pacers, "--pacers") if pacers else list(DEFAULT)
    for name in names:
        if name not in PACERS:
            raise BadChange(f"--pacers: no setting of {name!r} to turn; known: {', '.join(PACERS)}")
    every = [point for name in names for point in points(world, name)]
    planned = [j for p in every for j in plan_jobs([p.scenario], [p.spec], how.seeds, how.engine)]
    results = simulate(planned, how)
    found = {(s.scenario, s.pacer): s for s in summarise(planned, results)}
    summaries = [found[p.scenario.name, p.spec.label] for p in every]
    if not how.as_json:
        print_table(summary_table(summaries))
    what = results_json(
        "frontier",
        summaries,
        seed=how.seed,
        scenario=world.name,
        limit=world.law.abandon_rate_max,
        groups=[p.pacer for p in every],
        settings=[p.setting for p in every],
        clairvoyant={world.name: clairvoyant(world, how.seed).utilisation},
    )
    deliver(what, how)
