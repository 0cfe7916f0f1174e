"""The commands `dialer lists ...` and `dialer campaigns ...`."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dialer.campaigns.lists import ImportReport, import_list
from dialer.campaigns.model import CampaignFile, json_schema, load_campaign
from dialer.campaigns.yamlfile import FileError
from dialer.store.database import StoreError
from dialer.store.store import Store

DEFAULT_DATABASE = "sqlite:///var/overdial.db"

lists_app = typer.Typer(help="Lists of accounts.", no_args_is_help=True)
campaigns_app = typer.Typer(help="Campaigns.", no_args_is_help=True)
_out = Console()
_errors = Console(stderr=True)

Database = Annotated[
    str,
    typer.Option(
        "--database", envvar="OVERDIAL_DATABASE", help="URL, or the path of a SQLite file."
    ),
]


def _fail(error: Exception) -> typer.Exit:
    for line in str(error).splitlines():
        _errors.print(line, style="red", markup=False, highlight=False, soft_wrap=True)
    return typer.Exit(1)


def _make_room(database: str) -> None:
    """The default database has a directory of its own, which a new user need not make."""
    if database == DEFAULT_DATABASE:
        Path("var").mkdir(exist_ok=True)


@lists_app.callback()
def _lists() -> None:
    """Lists of accounts."""


@lists_app.command("import")
def import_command(
    accounts: Annotated[Path, typer.Argument(help="The CSV file.")],
    campaign: Annotated[Path, typer.Option(help="The campaign's YAML file.")],
    database: Database = DEFAULT_DATABASE,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected rows go; beside the file otherwise.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="What a column is: phone=Handy, external_id=Konto, ..."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Check everything, import nothing.")] = False,
) -> None:
    """Import a list of accounts: all rows that can be used at once, the others into a report."""
    try:
        mapping = _mapping(map_ or [])
        loaded = load_campaign(campaign)
        _make_room(database)
        report = asyncio.run(_import(accounts, loaded, database, rejects, mapping, dry_run))
    except (FileError, StoreError) as error:
        raise _fail(error) from None
    _show(report, loaded)


def _mapping(given: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for one in given:
        target, equals, column = one.partition("=")
        if not equals or not target or not column:
            raise FileError([f"--map {one}: write it as target=column, such as phone=Mobile"])
        if target in mapping:
            raise FileError(
                [f"--map {one}: {target} is given twice; further numbers are phone2=..."]
            )
        mapping[target] = column
    return mapping


async def _import(
    accounts: Path,
    campaign: CampaignFile,
    database: str,
    rejects: Path | None,
    mapping: dict[str, str],
    dry_run: bool,
) -> ImportReport:
    store = await Store.open(database)
    try:
        with Progress(
            TextColumn("{task.fields[rows]:,} rows"),
            BarColumn(),
            TimeRemainingColumn(),
            console=_errors,
            transient=True,
        ) as bar:
            task = bar.add_task("import", total=1.0, rows=0)
            return await import_list(
                accounts,
                campaign,
                store,
                rejects=rejects,
                mapping=mapping,
                dry_run=dry_run,
                progress=lambda rows, share: bar.update(task, completed=share, rows=rows),
            )
    finally:
        await store.close()


def _show(report: ImportReport, campaign: CampaignFile) -> None:
    what = "would be imported" if report.dry_run else "imported"
    _plain(f"{report.path}: {report.rows} rows, {report.accepted} {what} for {campaign.name}")
    used = ", ".join(f"{c.header} = {c.target}" for c in report.columns if c.target)
    _plain(f"  read as {report.encoding}, delimiter {report.delimiter!r}; {used}")
    if report.held:
        _plain(f"  {report.held} are not dialled by themselves: their time zone is not known")
    for verdict, count in report.verdicts.most_common():
        _plain(f"  {count:6}  {verdict}")
    if report.numbers_dropped:
        _plain(f"  {report.numbers_dropped} further numbers of these could not be used")
    if report.rejected:
        _plain(f"  {report.rejected} rejected, see {report.rejects}:")
        for reason, count in report.reasons.most_common(10):
            _plain(f"    {count:6}  {reason}")


def _plain(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


@campaigns_app.command("check")
def check_command(
    files: Annotated[list[Path], typer.Argument(help="Campaigns' YAML files.")],
) -> None:
    """Check campaign files; every fault is named with its line."""
    faults: list[str] = []
    for path in files:
        try:
            campaign = load_campaign(path)
        except FileError as error:
            faults.extend(error.faults)
        else:
            _plain(f"{path}: campaign {campaign.name} is right ({campaign.mode.value})")
    if faults:
        raise _fail(FileError(faults))


@campaigns_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a campaign's file, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2))


@campaigns_app.command("list")
def list_command(database: Database = DEFAULT_DATABASE) -> None:
    """Show the campaigns in the database, and how far their lists are."""
    try:
        _make_room(database)
        rows = asyncio.run(_campaigns(database))
    except StoreError as error:
        raise _fail(error) from None
    table = Table("campaign", "total", "waiting", "busy", "held", "done", "attempts")
    for name, counts in rows:
        table.add_row(name, *(f"{count:,}" for count in counts))
    _out.print(
        table if rows else "no campaigns yet: dialer lists import accounts.csv --campaign ..."
    )


async def _campaigns(database: str) -> list[tuple[str, tuple[int, ...]]]:
    store = await Store.open(database)
    try:
        return await store.overview()
    finally:
        await store.close()
