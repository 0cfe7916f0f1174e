"""The commands `dialer strategy ...`."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from dialer.campaigns.cli import DEFAULT_DATABASE, Database
from dialer.campaigns.compliance_cli import in_words as why_not_in_words
from dialer.campaigns.forecast import Forecast, forecast, leads_of
from dialer.campaigns.model import CampaignFile, load_campaign
from dialer.campaigns.served import Served
from dialer.campaigns.strategy.load import campaign_faults, load_strategy, notes, read_strategy
from dialer.campaigns.strategy.model import strategy_schema
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.predicate import Facts, Predicate, holds, in_words, leaves
from dialer.campaigns.strategy.score import level, points
from dialer.campaigns.strategy.split import MILLION, place_of
from dialer.campaigns.strategy.values import shown, today_of
from dialer.clock import Clock
from dialer.store.context import from_ms
from dialer.store.editions import change, move_all
from dialer.store.explaining import Explained, explained, leads_here
from dialer.store.stepping import finish_task, open_tasks
from dialer.store.store import Store
from dialer.store.strategies import Change
from yamlmarks import FileError
from yamlmarks.values import YamlFile

strategy_app = typer.Typer(help="Strategies: who is called in which steps.", no_args_is_help=True)
_out = Console()
_SAYS = {True: "yes", False: "no", None: "not known"}

CampaignOption = Annotated[Path, typer.Option("--campaign", help="The campaign's YAML file.")]


@strategy_app.callback()
def _strategy() -> None:
    """Strategies: who is called in which steps."""


@strategy_app.command("lint")
def lint_command(
    files: Annotated[list[Path], typer.Argument(help="Strategies' YAML files.")],
    campaign: Annotated[
        Path | None, typer.Option(help="Also check that it fits this campaign.")
    ] = None,
    site: Annotated[
        Path | None, typer.Option(help="Also check that agents of this dialer.yaml serve it.")
    ] = None,
) -> None:
    """Check strategies; every fault is named with file, line, field and mend."""
    faults: list[str] = []
    serving = _serving(campaign, site)
    for path in files:
        try:
            file = YamlFile(path)
            strategy = read_strategy(file)
            found = [fault for one in serving for fault in campaign_faults(file, strategy, one)]
            if found:
                raise FileError(found)
        except FileError as error:
            faults.extend(error.faults)
            continue
        inside = strategy.file
        _say(
            f"{path}: strategy {strategy.name} is right ({len(inside.segments)} segments,"
            f" {len(inside.treatments)} treatments; version {strategy.version})"
        )
        for note in notes(strategy):
            _say(f"  note: {note}")
    if faults:
        raise FileError(faults)


def _serving(campaign: Path | None, site: Path | None) -> list[Served]:
    if site is None:
        return [] if campaign is None else [Served(load_campaign(campaign), None)]
    from dialer.server.load import load_site

    settings, campaigns, _ = load_site(site)
    wanted = None if campaign is None else load_campaign(campaign).name
    return [
        Served(one, [who.queues for who in settings.agents if one.name in who.campaigns])
        for one in campaigns
        if wanted in (None, one.name)
    ]


@strategy_app.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of a strategy's file, for editors."""
    typer.echo(json.dumps(strategy_schema(), indent=2))


# --- explain --------------------------------------------------------------------------------------


@strategy_app.command("explain")
def explain_command(
    lead: Annotated[str, typer.Option(help="The account's id in the list, or the lead's own.")],
    campaign: CampaignOption,
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Say why a lead is where it is: predicates with their values, arm, step, and why not now."""
    loaded = _with_plan(campaign)
    found, now = asyncio.run(_explain(loaded, database, lead))
    if found is None:
        raise FileError([f"campaign {loaded.name} has no lead {lead}: give its id in the list"])
    for line in _explained(found, loaded, now):
        _say(line)


async def _explain(
    campaign: CampaignFile, database: str, lead: str
) -> tuple[Explained | None, datetime]:
    store = await Store.open(database)
    try:
        await store.add_campaign(campaign)
        now = store.clock.utc()
        found = await store.database.read(
            lambda c: explained(c, store.context, campaign.name, lead, now)
        )
        return found, now
    finally:
        await store.close()


def _explained(found: Explained, campaign: CampaignFile, now: datetime) -> Iterator[str]:
    """Lines for people. Values of the account's columns are shown, names and numbers are not."""
    if found.plan is None:
        yield f"lead {found.why_not.lead_id} has no strategy: it came before the campaign had one"
    else:
        yield from _placement(found, found.plan, now)
    yield from why_not_in_words(found.why_not, campaign, now)


def _placement(found: Explained, plan: Strategy, now: datetime) -> Iterator[str]:
    at = found.position
    assert at is not None
    newer = "" if found.current else ", older than the campaign's file"
    yield f"strategy {plan.name}, version {plan.version}{newer}"
    facts = plan.facts(at.inputs, today_of(now.date()))
    for name, of in plan.file.inputs.items():
        said = shown(of, at.inputs.get(name), facts.today)
        yield f"  {name} = {said} ({of.type.value} of column {of.column or name})"
    for name, of in plan.file.inputs.items():
        if of.required and at.inputs.get(name) is None:
            yield f"  excluded: {name} is required"
    for one in plan.file.exclude:
        yield from _asked(f"exclusion {one.id} ({one.reason})", one.when, facts)
        if holds(one.when, facts) is True:
            break
    else:
        for segment in plan.file.segments:
            yield from _asked(f"segment {segment.id}", segment.when, facts)
            if holds(segment.when, facts) is True:
                break
    if at.segment:
        yield f"placed in segment {at.segment}, treatment {at.treatment}"
    if at.arm:
        named = next((one for one in plan.file.segments if one.id == at.segment), None)
        if named is not None:
            experiment = named.treatment.experiment
            stands = place_of(experiment, at.account) / MILLION
            yield f"  arm {at.arm}: stands at {stands:.6f} in experiment {experiment}"
    if plan.file.priority is not None:
        terms = points(plan.file.priority, facts)
        summed = " + ".join(f"{one / 1_000_000:g}" for one in terms)
        total = level(plan.file.priority, facts)
        more = f", and {at.boost:+d} by events" if at.boost else ""
        yield f"  priority: {summed} points are level {total} of 9{more}"
    due = "" if at.due_ms is None else f", until {from_ms(at.due_ms):%Y-%m-%d %H:%M} UTC"
    step = f" of step {at.step}" if at.step else ""
    because = f": {at.why}" if at.why else ""
    since = f"{from_ms(at.entered_ms):%Y-%m-%d %H:%M} UTC"
    yield f"phase {at.phase.value}{step} since {since}{due}{because}"
    yield f"  {at.tries} attempts in the step, {at.attempts} in the treatment, round {at.round}"
    for moment, event, what in found.log:
        yield f"  {moment:%Y-%m-%d %H:%M} UTC, {event}: {what}"


def _asked(label: str, when: Predicate, facts: Facts) -> Iterator[str]:
    yield f"  {label}: {in_words(when)}: {_SAYS[holds(when, facts)]}"
    for leaf in leaves(when):
        assert leaf.f is not None
        value = shown(facts.inputs[leaf.f], facts.values.get(leaf.f), facts.today)
        yield f"      {in_words(leaf)}: {_SAYS[holds(leaf, facts)]} ({leaf.f} is {value})"


# --- simulate -------------------------------------------------------------------------------------


@strategy_app.command("simulate")
def simulate_command(
    campaign: CampaignOption,
    list_: Annotated[
        Path | None,
        typer.Option("--list", help="A list's file; otherwise the campaign's leads."),
    ] = None,
    strategy: Annotated[
        Path | None, typer.Option(help="Another strategy than the campaign's: to try an edit.")
    ] = None,
    days: Annotated[int, typer.Option(help="To look ahead.", min=1, max=60)] = 7,
    answer_rate: Annotated[float, typer.Option(help="Of calls, live.", min=0, max=1)] = 0.2,
    floor: Annotated[
        int,
        typer.Option(
            help="Play the list on a simulated floor of so many agents: each segment's figures.",
            min=0,
            max=500,
        ),
    ] = 0,
    minutes: Annotated[float, typer.Option(help="To play on the floor.", min=1)] = 60.0,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Show what a strategy makes of a list: segments, arms, priorities, calls of the next days."""
    loaded = load_campaign(campaign)
    plan = loaded.plan if strategy is None else load_strategy(strategy)
    if plan is None:
        raise FileError([f"{campaign}: names no strategy: add strategy: FILE, or give --strategy"])
    if floor and list_ is None:
        raise FileError(["--floor: plays a list's file: give --list"])
    found = asyncio.run(_forecast(loaded, plan, list_, database, days, answer_rate))
    if not as_json:
        for table in _tables(found):
            _out.print(table)
    elif not floor:
        typer.echo(json.dumps(found.as_json(), indent=2))
    if floor:
        played = (strategy or loaded.strategy, list_, floor, minutes)
        raise typer.Exit(_play(*played, as_json=as_json))


def _play(
    strategy: Path | None, accounts: Path | None, agents: int, minutes: float, *, as_json: bool
) -> int:
    """By the demo's campaign, people and agents, and in virtual time."""
    from dialer.demo import DemoOptions, run_demo

    options = DemoOptions(
        minutes, None, agents, web_port=0, json=as_json, strategy=strategy, accounts=accounts
    )
    return run_demo(options)


async def _forecast(
    campaign: CampaignFile,
    plan: Strategy,
    path: Path | None,
    database: str,
    days: int,
    answer_rate: float,
) -> Forecast:
    if path is not None:
        now = Clock().utc()
        return forecast(
            plan, campaign, leads_of(path, campaign, now.date()), now, days, answer_rate
        )
    store = await Store.open(database)
    try:
        await store.add_campaign(campaign)
        now = store.clock.utc()
        here = await store.database.read(lambda c: leads_here(c, store.context, campaign.name))
    finally:
        await store.close()
    return forecast(plan, campaign, here, now, days, answer_rate)


def _tables(found: Forecast) -> Iterator[Table | str]:
    yield f"{found.leads:,} leads, {found.excluded:,} of them excluded"
    reasons = Table("excluded because", "leads")
    for reason, count in found.reasons.most_common():
        reasons.add_row(reason, f"{count:,}")
    if found.reasons:
        yield reasons
    segments = Table("segment", "arm", "leads", "share")
    for (segment, arm), count in sorted(found.segments.items()):
        segments.add_row(segment, arm, f"{count:,}", f"{count / max(1, found.leads):.1%}")
    yield segments
    levels = Table("priority", "leads", "")
    most = max(found.levels.values(), default=1)
    for one in range(9, -1, -1):
        count = found.levels[one]
        levels.add_row(str(one), f"{count:,}", "#" * round(40 * count / most))
    yield levels
    calls = Table("day", "calls", "messages", "tasks", title=found.assumption)
    for day in found.days:
        calls.add_row(
            f"{day.date:%a %Y-%m-%d}", f"{day.calls:,}", f"{day.tells:,}", f"{day.tasks:,}"
        )
    yield calls


# --- apply ----------------------------------------------------------------------------------------


@strategy_app.command("apply")
def apply_command(
    campaign: CampaignOption,
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Also move the leads that are under way.")
    ] = False,
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Take the strategy as its file is now, for new leads; leads under way keep their version
    unless --migrate moves them, and it is told how many that are."""
    loaded = _with_plan(campaign)
    found, moved = asyncio.run(_apply(loaded, database, migrate))
    plan = loaded.plan
    assert plan is not None
    _say(f"strategy {plan.name}, version {plan.version}: new leads of {loaded.name} begin by it")
    _say(f"{found.leads:,} leads are under way in other versions, {found.unplaced:,} in none")
    for (old, new), count in sorted(found.moved.items()):
        if old != new:
            _say(f"  {count:,} would move from {old or '(no segment)'} to {new or '(excluded)'}")
    if migrate:
        _say(f"{moved:,} moved; each begins its treatment anew")
    elif found.leads or found.unplaced:
        _say("they stay as they are: --migrate moves them")


async def _apply(campaign: CampaignFile, database: str, migrate: bool) -> tuple[Change, int]:
    store = await Store.open(database)
    try:
        await store.add_campaign(campaign)
        assert campaign.plan is not None
        found = await change(store, campaign.name, campaign.plan)
        moved = await move_all(store, campaign.name) if migrate else 0
        return found, moved
    finally:
        await store.close()


# --- tasks ----------------------------------------------------------------------------------------


@strategy_app.command("tasks")
def tasks_command(
    campaign: CampaignOption,
    done: Annotated[int | None, typer.Option(help="This task is done: the lead goes on.")] = None,
    why: Annotated[str, typer.Option(help="How it was done.")] = "done",
    database: Database = DEFAULT_DATABASE,
) -> None:
    """Show what strategies give people to do, or say that one of it is done."""
    loaded = _with_plan(campaign)
    rows, found = asyncio.run(_tasks(loaded, database, done, why))
    if done is not None and not found:
        raise FileError([f"there is no open task {done}: see dialer strategy tasks"])
    table = Table("task", "account", "queue", "step", "since", "due")
    for row in rows:
        since, due = (f"{from_ms(ms):%Y-%m-%d %H:%M} UTC" for ms in (row.opened_ms, row.due_ms))
        account = row.external_id or str(row.lead_id)
        table.add_row(str(row.id), account, row.queue, f"{row.treatment}/{row.step}", since, due)
    _out.print(table if rows else "no open tasks")


async def _tasks(
    campaign: CampaignFile, database: str, done: int | None, why: str
) -> tuple[Sequence[Any], bool]:
    store = await Store.open(database)
    try:
        await store.add_campaign(campaign)
        context, now = store.context, store.clock.utc()
        found = done is not None and await store.database.write(
            lambda c: finish_task(c, context, done, why, now)
        )
        rows = await store.database.read(lambda c: open_tasks(c, context, campaign.name))
        return rows, found
    finally:
        await store.close()


def _with_plan(path: Path) -> CampaignFile:
    loaded = load_campaign(path)
    if loaded.plan is None:
        raise FileError([f"{path}: names no strategy: add strategy: FILE"])
    return loaded


def _say(text: str) -> None:
    _out.print(text, markup=False, highlight=False, soft_wrap=True)
