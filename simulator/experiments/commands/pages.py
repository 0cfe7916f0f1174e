"""`bounds` and `report`: what no pacer can pass, and results as pages."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.experiments.commands.options import JsonOption, PictureOption, complaints

app = typer.Typer()


@app.command()
def bounds(
    agents: Annotated[
        str, typer.Option(help="Numbers of agents with commas between.")
    ] = "1,3,5,10,20,50",
    limit: Annotated[
        float, typer.Option(min=0.0001, max=0.99, help="Highest abandon rate.")
    ] = 0.03,
    handling_s: Annotated[float, typer.Option(min=0.1, help="Mean handling time.")] = 150.0,
    line_s: Annotated[float, typer.Option(min=0.1, help="Mean life of a line.")] = 12.0,
    answer_rate: Annotated[float, typer.Option(min=0.001, max=1.0)] = 0.25,
    as_json: JsonOption = False,
) -> None:
    """The exact optimum of all-exponential floors: what no pacer can pass."""
    with complaints():
        import json

        from simulator.bounds import ExponentialFloor, exact_optimum
        from simulator.experiments.vary import BadChange

        try:
            floors = [
                ExponentialFloor(int(n), handling_s, line_s, answer_rate) for n in agents.split(",")
            ]
        except ValueError as error:
            raise BadChange(f"--agents: {error}") from None
        rows = [exact_optimum(floor, limit) for floor in floors]
        if as_json:
            found = [
                {"agents": r.floor.agents, "utilisation": r.utilisation, "price_s": r.price_s}
                for r in rows
            ]
            typer.echo(json.dumps(found, indent=1))
            return
        typer.echo("agents  utilisation  price of one abandon, agent-seconds")
        for r in rows:
            typer.echo(f"{r.floor.agents:6d}  {r.utilisation:11.4f}  {r.price_s:.0f}")


@app.command()
def report(
    results: Annotated[
        list[Path],
        typer.Argument(help="JSON written by --out or --json; several are put together."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path(
        "report.html"
    ),
    picture: PictureOption = None,
    table: Annotated[bool, typer.Option("--table", help="Also print the table.")] = False,
) -> None:
    """One self-contained HTML page from results: plots and tables with intervals."""
    with complaints():
        from simulator.experiments.output import merged, print_table, read_json, results_table
        from simulator.report import write_picture, write_report

        what = merged([(path, read_json(path)) for path in results])
        if table:
            print_table(results_table(what))
        write_report(out, what)
        typer.echo(f"report: {out}")
        if picture is not None:
            write_picture(picture, what)
