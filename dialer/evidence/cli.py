"""The commands `dialer evidence ...` and `dialer privacy ...`."""

from __future__ import annotations

import asyncio
import json
import zipfile
from dataclasses import asdict
from datetime import UTC, date, datetime, time
from functools import partial
from pathlib import Path
from typing import Annotated, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from dialer.campaigns.cli import DEFAULT_DATABASE, Database, who_types
from dialer.evidence.archive import verify
from dialer.evidence.export import Exported, export_evidence
from dialer.store.erasure import Erased, erase
from dialer.store.evidence import Period
from dialer.store.person import PersonData, person_data
from dialer.store.stops import NotNow
from dialer.store.store import Store
from yamlmarks import FileError

evidence_app = typer.Typer(help="What a campaign can prove.", no_args_is_help=True)
privacy_app = typer.Typer(help="A person's data.", no_args_is_help=True)

Source = Annotated[str, typer.Option(help="Which of the CRM's systems counts these ids.")]
Account = Annotated[str, typer.Argument(help="The account's id in the list or the CRM.")]
T = TypeVar("T")


@evidence_app.command("export")
def export_command(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="The archive to write, .zip.")],
    since: Annotated[str, typer.Option(help="From this day on, 2026-11-01, in --zone.")] = "",
    until: Annotated[str, typer.Option(help="Before this day.")] = "",
    zone: Annotated[str, typer.Option(help="The site's clock, as in dialer.yaml.")] = "UTC",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Write decisions, calls, rates, definitions and rule packs of a campaign into one archive."""
    try:
        clock = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FileError(
            [f"--zone {zone}: is no time zone: write one such as Europe/Berlin"]
        ) from None
    period = Period(_day("--since", since, clock), _day("--until", until, clock))
    if period.since and period.until and period.until <= period.since:
        raise FileError([f"--until {until}: is not after --since {since}"])
    done = asyncio.run(_export(database, campaign, output, period, clock))
    for one in done.files:
        if one.rows is not None:
            typer.echo(f"  {one.rows:10,}  {one.name}")
    typer.echo(f"{output}: {len(done.files)} files; SHA-256 of the manifest: {done.manifest}")


def _day(option: str, text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    try:
        day = datetime.combine(date.fromisoformat(text), time(), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise FileError([f"{option} {text}: write a day: 2026-11-01"]) from None
    return day


async def _export(
    database: str, campaign: str, output: Path, period: Period, zone: ZoneInfo
) -> Exported:
    store = await Store.open(database)
    try:
        now = store.clock.utc()
        if period.since is not None and period.since > now:
            raise FileError(["--since: that day is yet to come"])
        return await export_evidence(
            store, campaign, output, period=period, zone=zone, who=who_types()
        )
    finally:
        await store.close()


@evidence_app.command("verify")
def verify_command(archive: Annotated[Path, typer.Argument(help="The archive.")]) -> None:
    """Compare every file of an archive with its manifest."""
    try:
        faults, digest = verify(archive)
    except (OSError, zipfile.BadZipFile) as error:
        why = error.strerror if isinstance(error, OSError) else "is no archive, or a broken one"
        raise FileError([f"{archive}: {why}"]) from None
    if faults:
        raise FileError([f"{archive}: {one}" for one in faults])
    typer.echo(f"{archive}: every file is as the manifest says; SHA-256 of the manifest: {digest}")


@privacy_app.command("export")
def person_command(
    account: Account,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write, .json.")],
    source: Source = "crm",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Write everything that is known of an account, as JSON, for the person it is about."""
    found = asyncio.run(_person(database, source, account))
    if found is None:
        raise FileError([f"nothing is known of an account {account} of {source}"])
    try:
        with output.open("x", encoding="utf-8") as file:
            json.dump(asdict(found), file, indent=2, ensure_ascii=False, default=str)
    except FileExistsError:
        raise FileError([f"{output}: is there already: name another file"]) from None
    except OSError as error:
        raise FileError([f"{output}: cannot be written: {error.strerror}"]) from None
    calls = sum(len(lead["calls"]) for lead in found.leads)
    typer.echo(f"{output}: {len(found.leads)} leads, {calls} calls")


async def _person(database: str, source: str, account: str) -> PersonData | None:
    store = await Store.open(database)
    try:
        return await store.database.read(
            partial(
                person_data,
                context=store.context,
                source=source,
                external_id=account,
                now=store.clock.utc(),
            )
        )
    finally:
        await store.close()


@privacy_app.command("erase")
def erase_command(
    account: Account,
    yes: Annotated[bool, typer.Option("--yes", help="It cannot be taken back.")] = False,
    source: Source = "crm",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Erase an account's data; its numbers are called no more, and stand as keyed hashes only."""
    if not yes:
        raise FileError(["this cannot be taken back: say --yes"])
    done = asyncio.run(_erase(database, source, account))
    typer.echo(
        f"{done.leads} leads, {done.notes} notes and {done.events} events were cleared; "
        f"{done.calls_kept} call records are kept, as the law wants"
    )


async def _erase(database: str, source: str, account: str) -> Erased:
    store = await Store.open(database)
    try:
        done, _ = await store.database.write(
            partial(
                erase,
                context=store.context,
                source=source,
                external_id=account,
                now=store.clock.utc(),
            )
        )
        return done
    except NotNow as error:
        raise FileError([str(error)]) from None
    finally:
        await store.close()
