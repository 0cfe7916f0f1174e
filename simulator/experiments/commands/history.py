"""`fit` and `replay`: out of call history."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from simulator.experiments.commands.options import (
    AgentsOption,
    JobsOption,
    Output,
    PacersOption,
    SeedOption,
    complaints,
    deliver,
    names_in,
    takes,
)

if TYPE_CHECKING:
    from simulator.history import CallRecord

app = typer.Typer()

HistoryArgument = Annotated[
    Path, typer.Argument(help="CSV of calls (docs/simulator.md), or the dialer's SQLite database.")
]
CampaignOption = Annotated[str, typer.Option(help="One campaign of a database instead of all.")]


def _history(path: Path, campaign: str) -> list[CallRecord]:
    from simulator.dialer_history import is_database, read_database
    from simulator.history import read_calls

    return read_database(path, campaign) if is_database(path) else read_calls(path)


@app.command()
def fit(
    history: HistoryArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Scenario file to write.")] = None,
    name: Annotated[str, typer.Option(help="The world's name; else the history's.")] = "",
    agents: AgentsOption = 0,
    campaign: CampaignOption = "",
) -> None:
    """Learn a world from call history, times that were cut off reckoned as such."""
    with complaints():
        from simulator.experiments.fit import fit as fit_world
        from simulator.scenario_dump import scenario_text

        called = name or f"like {history.stem}"
        found = fit_world(_history(history, campaign), called, agents or None)
        text = scenario_text(found.scenario)
        typer.echo(f"{found.lines} calls of {found.days} days", err=True)
        for note in found.notes:
            typer.echo(f"note: {note}", err=True)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
            typer.echo(f"scenario: {out}", err=True)


@app.command()
@takes(Output)
def replay(
    to: Output,
    history: HistoryArgument,
    pacers: PacersOption = "forward,progressive",
    agents: AgentsOption = 0,
    campaign: CampaignOption = "",
    days: Annotated[int, typer.Option(min=1, max=1_000, help="Times to replay.")] = 3,
    seed: SeedOption = 1,
    jobs: JobsOption = 0,
) -> None:
    """The people of a history once more, under other pacers."""
    from simulator.experiments.fit import fit as fit_world
    from simulator.experiments.jobs import Job, check, run_jobs, summarise
    from simulator.experiments.output import print_table, progress, results_json, summary_table
    from simulator.experiments.replay import day_of
    from simulator.experiments.vary import pacer_of

    records = day_of(_history(history, campaign))
    world = fit_world(records, f"replay of {history.name}", agents or None).scenario
    specs = [pacer_of(p) for p in names_in(pacers, "--pacers")]
    for spec in specs:
        check(spec, world, "plain")
    seeds = range(seed, seed + days)
    planned = [Job(world, spec, (n,), "plain", tuple(records)) for spec in specs for n in seeds]
    with progress(planned, to.as_json) as done:
        summaries = summarise(planned, run_jobs(planned, jobs, done), block_days=days)
    if not to.as_json:
        print_table(summary_table(summaries, specs[0].label))
    deliver(results_json("replay", summaries, seed=seed), to)
