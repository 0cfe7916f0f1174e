"""The command `dialer kpi`."""

from __future__ import annotations

import asyncio
import json
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from dialer.campaigns.cli import DEFAULT_DATABASE, Database
from dialer.kpi.counts import Span
from dialer.kpi.formulas import BestTimes, GroupBy, HeatCell, Kpi, KpiReport
from dialer.kpi.report import as_csv, best_times, kpi_report
from dialer.store.store import Store
from yamlmarks import FileError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_out = Console()


def kpi_command(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.")],
    by: Annotated[GroupBy, typer.Option(help="Split by this.")] = GroupBy.CAMPAIGN,
    since: Annotated[str, typer.Option(help="2026-11-20T00:00:00Z: attempts from then on.")] = "",
    until: Annotated[str, typer.Option(help="Attempts before then.")] = "",
    csv: Annotated[bool, typer.Option("--csv", help="As CSV, for spreadsheets.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    times: Annotated[bool, typer.Option("--best-times", help="When people are reached.")] = False,
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Show a campaign's key figures, each with its formula."""
    span = Span(_moment("--since", since), _moment("--until", until))
    report, reached = asyncio.run(_read(database, campaign, by, span))
    if report is None or reached is None:
        raise FileError([f"there is no campaign {campaign}: see dialer campaigns list"])
    if csv:
        typer.echo(as_csv(report), nl=False)
    elif json_:
        typer.echo(json.dumps(asdict(report) | {"best_times": asdict(reached)}, default=str))
    elif times:
        _out.print(_heat_map(reached))
    else:
        _out.print(table_of(report))
        for one in report.groups[0].kpis if report.groups else ():
            _out.print(f"{one.name} = {one.formula}", highlight=False, style="dim")


def _moment(option: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise FileError([f"{option} {text}: write it with a time zone: 2026-11-20T00:00:00Z"])
    return moment


async def _read(
    database: str, campaign: str, by: GroupBy, span: Span
) -> tuple[KpiReport | None, BestTimes | None]:
    store = await Store.open(database)
    try:
        now = store.clock.utc()
        report = await store.database.read(lambda c: kpi_report(c, campaign, by, span, now))
        reached = await store.database.read(lambda c: best_times(c, campaign, span))
        return report, reached
    finally:
        await store.close()


def table_of(report: KpiReport) -> Table:
    """A row a figure, a column a group."""
    split = "" if report.by is GroupBy.CAMPAIGN else f" by {report.by.value}"
    table = Table(title=f"{report.campaign}{split}")
    table.add_column("figure")
    for group in report.groups:
        table.add_column(
            group.key or ("(no strategy or excluded)" if split else report.campaign),
            justify="right",
        )
    for row in zip(*(group.kpis for group in report.groups), strict=True):
        table.add_row(row[0].name, *(shown(one) for one in row))
    return table


def shown(one: Kpi) -> str:
    """A figure for people: 12.5% (8.1-18.9), 30/240."""
    if one.value is None:
        return "-"
    parts = f"{one.numerator:,.6g}/{one.denominator:,.6g}"
    if one.unit != "share":
        return f"{one.value:.2f}  {parts}"
    within = ""
    if one.low is not None and one.high is not None:
        within = f" ({100 * one.low:.1f}-{100 * one.high:.1f})"
    return f"{one.value:.1%}{within}  {parts}"


def _heat_map(reached: BestTimes) -> Table:
    table = Table(title=f"{reached.campaign}: right-party contacts / attempts")
    table.add_column("hour")
    for day in _DAYS:
        table.add_column(day, justify="right")
    by = {(one.hour, one.weekday): one for one in reached.cells}
    for hour in sorted({one.hour for one in reached.cells}):
        row = [by.get((hour, day)) for day in range(7)]
        table.add_row(
            f"{hour:02d}:00",
            *("" if one is None else _cell(one) for one in row),
        )
    return table


def _cell(one: HeatCell) -> str:
    return f"{one.right_party_rate:.0%} {one.right_party}/{one.attempts}"
