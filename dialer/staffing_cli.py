"""`dialer staffing`: how many agents, how many lines, what abandon rate."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dialer.pacing.staffing import Floor, Staffing, StaffingError, for_agents, for_connects


def staffing(
    handle: Annotated[float, typer.Option(help="Seconds of talk and wrap-up a live answer.")],
    answer_rate: Annotated[float, typer.Option(help="Live answers per line dialled: 0.2 is 20 %.")],
    agents: Annotated[int | None, typer.Option(help="For so many agents ...")] = None,
    connects: Annotated[
        float | None, typer.Option(help="... or for so many calls an hour.")
    ] = None,
    line_life: Annotated[float, typer.Option(help="Mean seconds from dialling to the end.")] = 20.0,
    talk: Annotated[
        float | None, typer.Option(help="Seconds of it that hold a line; all of it if not said.")
    ] = None,
    limit: Annotated[float, typer.Option(help="Share of live answers that may be lost.")] = 0.03,
    patience: Annotated[float, typer.Option(help="Seconds a live person waits.")] = 2.0,
    as_json: Annotated[bool, typer.Option("--json", help="JSON, nothing else.")] = False,
) -> None:
    """How many agents and lines, and what abandon rate, in the steady state (Erlang's formulas).

    A floor for what the forward pacer reaches: it looks ahead, a blind stream does not.
    """
    if (agents is None) == (connects is None):
        raise typer.BadParameter("give one of --agents and --connects")
    try:
        floor = Floor(handle, answer_rate, line_life, talk, patience, limit)
        if agents is not None:
            for_agents(floor, agents)  # says so when the number cannot be
            found = [for_agents(floor, n) for n in _around(agents)]
        else:
            found = [for_connects(floor, connects or 0.0)]
    except StaffingError as error:
        raise typer.BadParameter(str(error)) from None
    if as_json:
        typer.echo(json.dumps([asdict(one) for one in found]))
    else:
        _print(found, agents)


def _around(agents: int) -> list[int]:
    """The number asked for, and some beside it to compare."""
    return sorted({max(1, round(agents * share)) for share in (0.5, 0.8, 1.0, 1.25, 2.0)})


def _print(found: list[Staffing], asked: int | None) -> None:
    table = Table("agents", "utilisation", "abandoned", "connects/h", "dials/h", "lines to rent")
    for one in found:
        table.add_row(
            str(one.agents),
            f"{one.utilisation:.1%}",
            f"{one.abandon_rate:.2%}",
            f"{one.connects_per_hour:,.0f}",
            f"{one.dials_per_hour:,.0f}",
            f"{one.lines:,}",
            style="bold" if one.agents == asked else "",
        )
    Console().print(table)
