"""`sweep` and `tune`: over the values of a world and of a pacer's options."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from simulator.experiments.commands.options import (
    PacerOption,
    Running,
    ScenarioOption,
    deliver,
    simulate,
    takes,
    world_of,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from simulator.experiments.sweep import Axis, Row
    from simulator.results import PacerSpec
    from simulator.scenario import Scenario

app = typer.Typer()

OverOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Vary the world: agents=5,10,20; again for more."),
]
PacerOverOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="Vary the pacer: ratio=1:4:0.5; again for more."),
]


@app.command()
@takes(Running, days=5)
def sweep(
    how: Running,
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
    changes: OverOption = None,
    options: PacerOverOption = None,
) -> None:
    """Every combination of some values of the world and of the pacer's options."""
    from rich.table import Table

    from simulator.experiments.output import percent, plain, print_table, results_json
    from simulator.experiments.sweep import sweep as sweep_over
    from simulator.experiments.vary import pacer_of

    world, spec, axes = world_of(scenario, how.agents), pacer_of(pacer), _axes(changes, options)
    _check_all(world, spec, axes, how.engine)
    rows = sweep_over(world, spec, axes, how.seeds, lambda jobs: simulate(jobs, how), how.engine)
    if not how.as_json:
        table = Table(pad_edge=False)
        for name in (*(a.path for a in axes), "utilisation", "abandoned", "days over"):
            table.add_column(name, justify="right")
        table.add_column("connects/h", justify="right")
        for row in rows:
            s = row.summary
            table.add_row(
                *row.values,
                percent(s.utilisation),
                percent(s.abandon_rate, 2),
                f"{s.days_over}/{len(s.days)}",
                plain(s.connects_per_hour),
            )
        print_table(table)
    what = results_json(
        "sweep",
        [row.summary for row in rows],
        seed=how.seed,
        axes=[axis.path for axis in axes],
        values=[list(row.values) for row in rows],
    )
    deliver(what, how)


@app.command()
@takes(Running, days=30)
def tune(
    how: Running,
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "ratio",
    changes: OverOption = None,
    options: PacerOverOption = None,
    chance: Annotated[
        float, typer.Option(min=0.0001, max=0.9, help="Highest chance of breaking the law.")
    ] = 0.1,
    window: Annotated[
        str, typer.Option(help="day or block (30 days): what must be lawful.")
    ] = "day",
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="How sure the chance must be.")
    ] = 0.8,
) -> None:
    """The settings with most talk whose chance of breaking the law is small enough."""
    from simulator.experiments.output import percent, print_table, results_json
    from simulator.experiments.sweep import chance_of_breaking
    from simulator.experiments.sweep import tune as tune_over
    from simulator.experiments.vary import BadChange, pacer_of

    if window not in ("day", "block"):
        raise BadChange(f"--window is {window!r}; choose day or block")
    world, spec, axes = world_of(scenario, how.agents), pacer_of(pacer), _axes(changes, options)
    _check_all(world, spec, axes, how.engine)
    found = tune_over(
        world,
        spec,
        axes,
        how.seeds,
        lambda jobs: simulate(jobs, how),
        how.engine,
        chance=chance,
        window=window,
        confidence=confidence,
    )
    best, proof = found.best, found.proof
    chosen = None if best is None else dict(zip([a.path for a in axes], best.values, strict=True))
    if not how.as_json:
        print_table(_tried(found.rows, axes, chosen, window, confidence))
    if proof is not None and chosen is not None and not how.as_json:
        settings = " ".join(f"{path}={value}" for path, value in chosen.items())
        at_most = chance_of_breaking(proof, window, confidence)
        typer.echo(
            f"{settings}: utilisation {percent(proof.utilisation)}, abandoned"
            f" {percent(proof.abandon_rate, 2)}, chance of a {window} over the limit at"
            f" most {100 * at_most:.1f} % ({confidence:.0%} sure, by {len(proof.days)} days"
            " that had no part in choosing it)"
        )
    what = results_json(
        "tune",
        [row.summary for row in found.rows],
        seed=how.seed,
        axes=[axis.path for axis in axes],
        values=[list(row.values) for row in found.rows],
        best=chosen,
        proof=None if proof is None else proof.as_dict(),
        rounds=found.rounds,
    )
    deliver(what, how)
    if best is None:
        if not how.as_json:
            typer.echo(
                f"nothing tried breaks the law in at most {100 * chance:g} % of {window}s;"
                " try gentler settings or more --days",
                err=True,
            )
        raise typer.Exit(1)


def _tried(
    rows: Sequence[Row],
    axes: Sequence[Axis],
    chosen: dict[str, str] | None,
    window: str,
    confidence: float,
) -> Table:
    """All settings tried, each by the days it was run for: who leaves early has few."""
    from rich.table import Table

    from simulator.experiments.output import percent
    from simulator.experiments.sweep import chance_of_breaking

    table = Table(pad_edge=False)
    for name in (*(a.path for a in axes), "days", "utilisation", "abandoned", "days over"):
        table.add_column(name, justify="right")
    table.add_column(f"chance of a {window} over, at most", justify="right")
    for row in rows:
        s = row.summary
        at_most = chance_of_breaking(s, window, confidence)
        table.add_row(
            *row.values,
            str(len(s.days)),
            percent(s.utilisation),
            percent(s.abandon_rate, 2),
            str(s.days_over),
            f"{100 * at_most:.1f} %",
            style="bold" if chosen is not None and list(row.values) == [*chosen.values()] else "",
        )
    return table


def _axes(changes: list[str] | None, options: list[str] | None) -> list[Any]:
    from simulator.experiments.sweep import Axis
    from simulator.experiments.vary import BadChange, split, values_of

    axes = []
    for of_pacer, given in ((False, changes), (True, options)):
        for text in given or []:
            path, values = split(text)
            found = values_of(values)
            if not found:
                raise BadChange(f"{text!r}: no values; write path=1,2,5 or path=1:4:0.5")
            axes.append(Axis(path, tuple(found), of_pacer))
    if not axes:
        raise BadChange("nothing to vary: give --set path=1,2,5 or --option name=1:4:0.5")
    return axes


def _check_all(world: Scenario, spec: PacerSpec, axes: list[Any], engine: str) -> None:
    from simulator.experiments.jobs import check
    from simulator.experiments.sweep import combinations

    for _, changed_world, changed_pacer in combinations(world, spec, axes):
        check(changed_pacer, changed_world, engine)
