"""The commands `dialer lists ...` and `dialer campaigns ...`."""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from dialer.campaigns.lists import Duplicates, ImportReport, Wishes, import_list
from dialer.campaigns.listwords import in_words
from dialer.campaigns.mapping import read_mapping
from dialer.campaigns.model import CampaignFile, json_schema, load_campaign
from dialer.store.batches import Batch, NoSuchBatch, NotUndone, Undone
from dialer.store.database import StoreError
from dialer.store.staged import Across
from dialer.store.store import Store
from yamlmarks import FileError

DEFAULT_DATABASE = "sqlite:///var/overdial.db"

lists_app = typer.Typer(help="Lists of accounts.")
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


@lists_app.callback(invoke_without_command=True)
def lists_command(context: typer.Context, database: Database = DEFAULT_DATABASE) -> None:
    """Lists of accounts; without a command: those that came in, as `show`."""
    given = context.get_parameter_source("database")
    if context.invoked_subcommand is None:
        show_command("", database)
    elif given is not None and given.name == "COMMANDLINE":
        raise _fail(FileError(["--database: write it after the command"]))


@lists_app.command("import")
def import_command(
    accounts: Annotated[Path, typer.Argument(help="CSV, TSV or XLSX.")],
    campaign: Annotated[Path, typer.Option(help="The campaign's YAML file.")],
    database: Database = DEFAULT_DATABASE,
    rejects: Annotated[
        Path | None, typer.Option(help="Where rejected rows go; beside the file otherwise.")
    ] = None,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", help="What a column is: phone=Handy, external_id=Konto, ..."),
    ] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="The same in a YAML file: `phone: Handy`, a line each.")
    ] = None,
    save_mapping: Annotated[
        bool, typer.Option("--save-mapping", help="Map further files of this source so.")
    ] = False,
    source: Annotated[
        str, typer.Option(help="Whose file it is; by the file's name otherwise.")
    ] = "",
    sheet: Annotated[str, typer.Option(help="Of a workbook; its first otherwise.")] = "",
    duplicates: Annotated[
        Duplicates | None, typer.Option(help="Rows whose account or number is there already.")
    ] = None,
    across: Annotated[
        Across | None, typer.Option(help="People whom another campaign calls.")
    ] = None,
    one_per_person: Annotated[
        bool | None,
        typer.Option("--one-per-person/--many-per-person", help="Where the list names the person."),
    ] = None,
    strict: Annotated[
        bool, typer.Option(help="One row that cannot be used refuses the whole list.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option(help="Check everything, say what would come of it, write nothing.")
    ] = False,
) -> None:
    """Import a list of accounts: all rows that can be used at once, the others into a report."""
    try:
        asked = (read_mapping(mapping) if mapping else {}) | _mapping(map_ or [])
        wishes = Wishes(
            asked, sheet, source, save_mapping, duplicates, across, one_per_person, strict
        )
        loaded = load_campaign(campaign)
        _make_room(database)
        report = asyncio.run(_import(accounts, loaded, database, rejects, wishes, dry_run))
    except (FileError, StoreError) as error:
        raise _fail(error) from None
    for line in in_words(report, loaded.name):
        _plain(line)
    if report.rows and report.invalid == report.rows:
        raise _fail(FileError([f"{report.path}: none of its rows can be used"]))


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
    wishes: Wishes,
    dry_run: bool,
) -> ImportReport:
    store = await Store.open(database)
    try:
        with _bar("rows") as told:
            return await import_list(
                accounts,
                campaign,
                store,
                rejects=rejects,
                wishes=wishes,
                dry_run=dry_run,
                who=who_types(),
                progress=told,
            )
    finally:
        await store.close()


def who_types() -> str:
    """Who types this, for the audit."""
    try:
        return f"{getpass.getuser()} (command line)"
    except (KeyError, OSError):  # no such user, in a container
        return "command line"


@contextlib.contextmanager
def _bar(what: str) -> Iterator[Callable[[int, float], None]]:
    """A progress bar on stderr: told how many, and which share of the whole."""
    with Progress(
        TextColumn("{task.fields[count]:,} " + what),
        BarColumn(),
        TimeRemainingColumn(),
        console=_errors,
        transient=True,
    ) as bar:
        task = bar.add_task(what, total=1.0, count=0)
        yield lambda count, share: bar.update(task, completed=share, count=count)


def _plain(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)


@lists_app.command("show")
def show_command(
    campaign: Annotated[str, typer.Argument(help="Of one campaign only, by its name.")] = "",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Show the lists that came in, each a batch with an id."""
    try:
        _make_room(database)
        found = asyncio.run(_batches(database, campaign))
    except StoreError as error:
        raise _fail(error) from None
    if not found:
        _plain("no lists yet: dialer lists import accounts.csv --campaign ...")
        return
    _plain(f"{'batch':>6}  {'state':10}  {'leads':>9}  {'rejected':>8}  imported (UTC)    file")
    for one in found:
        who = f", by {one.history[0].who}" if one.history else ""
        _plain(
            f"{one.id:6}  {one.state.value:10}  {one.accepted:9,}  {one.rejected:8,}  "
            f"{one.imported_at:%Y-%m-%d %H:%M}  {one.source} for {one.campaign}{who}"
        )


async def _batches(database: str, campaign: str) -> list[Batch]:
    store = await Store.open(database)
    try:
        return await store.lists.batches(campaign)
    finally:
        await store.close()


@lists_app.command("undo")
def undo_command(
    batch: Annotated[int, typer.Argument(help="The batch's id, from `dialer lists`.")],
    undialled_only: Annotated[
        bool,
        typer.Option("--undialled-only", help="Although some were called: take out the others."),
    ] = False,
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Take the leads of a batch out again, while none of them was called."""
    try:
        _make_room(database)
        done = asyncio.run(_undo(database, batch, undialled_only))
    except NoSuchBatch:
        raise _fail(FileError([f"there is no batch {batch}: see dialer lists"])) from None
    except NotUndone as error:
        mend = ": --undialled-only" if error.partly else ""
        raise _fail(FileError([f"{error}{mend}"])) from None
    except StoreError as error:
        raise _fail(error) from None
    kept = f"; {done.kept:,} stay, they were called" if done.kept else ""
    _plain(f"batch {batch}: {done.taken_out:,} leads taken out{kept}")


async def _undo(database: str, batch: int, undialled_only: bool) -> Undone:
    store = await Store.open(database)
    try:
        with _bar("leads") as told:
            return await store.lists.undo(
                batch,
                who_types(),
                undialled_only=undialled_only,
                progress=lambda count: told(count, 0.0),
            )
    finally:
        await store.close()


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
