"""The commands `dialer why-not` and `dialer compliance ...`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Annotated

import typer

from dialer.campaigns.cli import DEFAULT_DATABASE, Database
from dialer.campaigns.model import CampaignFile, load_campaign
from dialer.campaigns.numbers import NumberError, e164
from dialer.campaigns.packs import load_pack, load_packs, pack_schema, version_of
from dialer.campaigns.window import zones_of
from dialer.store.decisions import WhyNot
from dialer.store.store import Store
from yamlmarks import FileError

compliance_app = typer.Typer(help="Rule packs and do-not-call lists.", no_args_is_help=True)
_FAULTS_SHOWN = 10


def _say(text: str) -> None:
    typer.echo(text)


def why_not_command(
    lead: Annotated[str, typer.Argument(help="The account's id in the list, or the lead's own.")],
    campaign: Annotated[Path, typer.Option(help="The campaign's YAML file.")],
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Say in words why a lead is not being called now, or that nothing speaks against it."""
    loaded = load_campaign(campaign)
    found, now = asyncio.run(_why_not(loaded, database, lead))
    if found is None:
        raise FileError([f"campaign {loaded.name} has no lead {lead}: give its id in the list"])
    for line in in_words(found, loaded, now):
        _say(line)


async def _why_not(
    campaign: CampaignFile, database: str, lead: str
) -> tuple[WhyNot | None, datetime]:
    store = await Store.open(database)
    try:
        await store.add_campaign(campaign)
        now = store.clock.utc()
        return await store.why_not(campaign.name, lead, now), now
    finally:
        await store.close()


_STATES = {
    "waiting": "waits to be called",
    "claimed": "is about to be called: it is in the hopper",
    "dialling": "is being called",
    "held": "is held for a person",
    "done": "is done and is not called any more",
}


def in_words(found: WhyNot, campaign: CampaignFile, now: datetime) -> Iterator[str]:
    """Lines for people. No personal data: numbers are told by their place."""
    because = f": {found.why}" if found.why else ""
    yield f"lead {found.lead_id} of campaign {campaign.name} {_STATES[found.state]}{because}"
    speaks = found.state != "waiting"
    if found.state == "waiting" and found.next_at > now:
        speaks = True
        yield f"  not due before {_local(found.next_at, found.zones)}"
    if found.zones and not campaign.open_at(found.zones, now):
        speaks = True
        opens = campaign.next_open(found.zones, now)
        when = "not within two weeks" if opens is None else f"from {_local(opens, found.zones)}"
        yield f"  the campaign's calling_window is closed in {found.zones}: {when}"
    for position, denials in found.denials:
        for deny in denials:
            speaks = True
            until = "not by itself again"
            if deny.retry_at is not None:
                until = f"from {_local(deny.retry_at, found.zones)}"
            yield f"  number {position + 1}: {deny.rule}: {deny.reason} ({until})"
    if (override := campaign.compliance.override) is not None:
        yield f"  rules of the packs are set aside by {override.by}: {override.because}"
    if not speaks:
        yield "  nothing speaks against it: it is called when its turn comes"
    for at, stage, rule, reason in found.log:
        yield f"  {at:%Y-%m-%d %H:%M} UTC, at the {stage}: {rule}: {reason}"


def _local(moment: datetime, zones: str) -> str:
    """In the clock of the lead's first zone."""
    known = zones_of(zones)
    if not known:
        return f"{moment:%Y-%m-%d %H:%M} UTC"
    return f"{moment.astimezone(known[0]):%a %Y-%m-%d %H:%M} {known[0].key}"


@compliance_app.command("packs")
def packs_command(
    folder: Annotated[Path | None, typer.Option(help="A site's own packs.")] = None,
) -> None:
    """Show the rule packs, where each comes from and when somebody looked at it last."""
    packs = load_packs(folder)
    for pack in packs:
        rules = pack.rules
        wanted = [rule.id for rule in rules if rule.review == "wanted"]
        review = "of all of it" if pack.review == "wanted" else ", ".join(wanted)
        _say(f"{pack.pack}: {pack.title} ({', '.join(pack.purposes)}; {' '.join(pack.places)})")
        _say(f"    {len(rules)} rules, reviewed {pack.reviewed}; {pack.source}")
        if pack.valid_to is not None:
            _say(f"    ends with {pack.valid_to}")
        if review:
            _say(f"    review wanted: {review}")
    _say(f"version {version_of(packs)}")


@compliance_app.command("check")
def check_command(files: Annotated[list[Path], typer.Argument(help="Packs' YAML files.")]) -> None:
    """Check rule packs; every fault is named with its line."""
    faults: list[str] = []
    for path in files:
        try:
            pack = load_pack(path)
        except FileError as error:
            faults.extend(error.faults)
        else:
            _say(f"{path}: pack {pack.pack} is right ({len(pack.rules)} rules)")
    if faults:
        raise FileError(faults)


@compliance_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a rule pack's file, for editors."""
    _say(json.dumps(pack_schema(), indent=2))


@compliance_app.command("load-list")
def load_list_command(
    name: Annotated[str, typer.Argument(help="As the packs call it: us-national, uk-tps, ...")],
    file: Annotated[Path, typer.Argument(help="Text, one number a line.")],
    region: Annotated[str, typer.Option(help="Of numbers that name no country.")],
    fetched: Annotated[
        str, typer.Option(help="The day the regulator gave it out, 2026-11-21; today otherwise.")
    ] = "",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Load a regulator's do-not-call list, whole: it takes the place of the one before."""
    known = {rule.list for pack in load_packs() for rule in pack.lists}
    if name not in known:
        _say(f"note: no shipped pack asks for {name}; they ask for {', '.join(sorted(known))}")
    numbers = _numbers(file, region.upper())
    count = asyncio.run(_load(database, name, numbers, fetched, file.name))
    _say(f"{file}: {count} numbers are the list {name}")


def _day(text: str, now: datetime) -> datetime:
    if not text:
        return now
    try:
        day = datetime.combine(date.fromisoformat(text), time(), UTC)
    except ValueError:
        raise FileError([f"--fetched {text}: write a day: 2026-11-21"]) from None
    if day > now:
        raise FileError([f"--fetched {text}: that day is yet to come"])
    return day


def _numbers(file: Path, region: str) -> list[str]:
    """All of them, or `FileError`: half a list would let the other half be called."""
    found: list[str] = []
    faults: list[str] = []
    try:
        with file.open(encoding="utf-8") as lines:
            for n, line in enumerate(lines, start=1):
                text = line.strip()
                if not text or text.startswith("#"):
                    continue
                try:
                    found.append(e164(text, region))
                except NumberError as error:
                    faults.append(f"{file}:{n}: {error}")
                    if len(faults) >= _FAULTS_SHOWN:
                        break
    except OSError as error:
        raise FileError([f"{file}: cannot be read: {error.strerror}"]) from None
    except UnicodeDecodeError:
        raise FileError([f"{file}: is not text: save it as UTF-8"]) from None
    if faults:
        raise FileError(faults)
    if not found:
        raise FileError([f"{file}: holds no numbers"])
    return found


async def _load(database: str, name: str, numbers: list[str], fetched: str, source: str) -> int:
    store = await Store.open(database)
    try:
        day = _day(fetched, store.clock.utc())
        return await store.load_dnc(name, numbers, day, source)
    finally:
        await store.close()
