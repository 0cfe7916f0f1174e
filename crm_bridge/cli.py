"""The `crm-bridge` command: the bridge on its own, and tools for those who integrate a CRM."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_bridge import config as configuration
from crm_bridge import deadletters, signing, tables, upkeep
from crm_bridge.bridge import Bridge, Stats
from crm_bridge.config import Config, Endpoint
from crm_bridge.database import Database, DatabaseError, open_engine
from crm_bridge.desk import try_endpoint
from crm_bridge.mapping.context import Told
from crm_bridge.mapping.load import example, load_connector, shipped, shipped_text
from crm_bridge.mapping.model import Bound
from crm_bridge.mapping.prepare import MappingError
from crm_bridge.mapping.preview import Shown, preview, read_event
from crm_bridge.ports import LoopClock, OwnTasks
from crm_bridge.receiver import FAULTS, Received, Receiver
from yamlmarks import FileError

app = typer.Typer(
    name="crm-bridge",
    help="Tell a CRM what the dialer does: signed webhooks, at least once, in order.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
endpoints_app = typer.Typer(help="The receivers.", no_args_is_help=True)
dead_app = typer.Typer(help="What could not be delivered.", no_args_is_help=True)
connectors_app = typer.Typer(help="How CRMs take events.", no_args_is_help=True)
app.add_typer(connectors_app, name="connectors")
app.add_typer(endpoints_app, name="endpoints")
app.add_typer(dead_app, name="dead-letters")
out = Console()
errors = Console(stderr=True, soft_wrap=True)  # a path broken in two cannot be copied

SERVE_POLL_S = 0.2  # alone, the bridge is told of no commit and has to look
REPORT_S = 10.0

ConfigPath = Annotated[
    Path, typer.Option("--config", "-c", envvar="CRM_BRIDGE_CONFIG", help="Endpoints, as YAML.")
]
DatabaseUrl = Annotated[
    str,
    typer.Option(
        "--database", "-d", envvar="CRM_BRIDGE_DATABASE", help="sqlite:///file or postgresql://..."
    ),
]


def main() -> None:
    """The console command; complaints are plain lines and an exit code of 1."""
    try:
        app()
    except FileError as error:
        for line in error.faults:
            errors.print(line, markup=False, highlight=False)
        sys.exit(1)
    except (DatabaseError, MappingError, signing.SecretError) as error:
        errors.print(str(error), markup=False, highlight=False)
        sys.exit(1)
    except (SQLAlchemyError, OSError) as error:
        cause = getattr(error, "orig", None) or error
        errors.print(f"cannot go on: {cause}", markup=False, highlight=False)
        sys.exit(1)


@app.command()
def serve(config: ConfigPath, database: DatabaseUrl) -> None:
    """Deliver from a dialer's database, in a process of its own, until SIGTERM or Ctrl-C.

    The dialer on the same database then needs no endpoints of its own; screen pops are sent by the
    dialer itself.
    """
    _run(_serve(configuration.load(config), database))


async def _serve(chosen: Config, url: str) -> None:
    if not chosen.endpoints:
        raise DatabaseError("the configuration has no endpoints: there is nothing to do")
    engine = await _open(url)
    tasks = OwnTasks()
    bridge = Bridge(
        engine,
        chosen,
        LoopClock(),
        tasks,
        warn=_warn,
        poll_s=SERVE_POLL_S,
        owner=f"{chosen.instance[:58]}-serve",  # not to be taken for the bridge inside the dialer
    )
    ended = _until_signalled()
    await bridge.start()
    out.print(f"delivering to {', '.join(one.name for one in chosen.endpoints)}")
    try:
        signalled = tasks.start("signal", ended.wait())
        while not ended.is_set():
            await asyncio.wait(
                {signalled, tasks.failed},
                timeout=REPORT_S,
                return_when=asyncio.FIRST_COMPLETED,
            )
            if tasks.failed.done():
                tasks.failed.result()
            out.print(_line(bridge.stats()), markup=False, highlight=False)
    finally:
        await bridge.close()
        await tasks.close()
        await engine.dispose()


def _line(stats: Stats) -> str:
    return (
        f"delivered {stats.delivered}, waiting {stats.backlog} (oldest {stats.oldest_age_s:.0f} s),"
        f" failed attempts {stats.failed_attempts}, dead letters {stats.dead}"
    )


@app.command()
def listen(
    secret: Annotated[
        list[str] | None,
        typer.Option(help="whsec_...; may be given twice. Without it one is made and shown."),
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535)] = 9100,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    misbehave: Annotated[
        str,
        typer.Option(help=f"Faults and their shares, as 500=0.1,hang=0.05: {', '.join(FAULTS)}"),
    ] = "",
    show: Annotated[bool, typer.Option(help="Print bodies too. They hold personal data.")] = False,
) -> None:
    """Be a CRM: take webhooks, verify them and print one line for each."""
    secrets = secret or []
    if not secrets:
        secrets = [signing.new_secret()]
        out.print(f"secret: {secrets[0]}", markup=False, highlight=False)
    keys = [signing.decode_secret(one) for one in secrets]
    _run(_listen(keys, host, port, _faults(misbehave), show))


def _faults(text: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in filter(None, text.split(",")):
        name, _, share = part.partition("=")
        try:
            found[name.strip()] = float(share)
        except ValueError:
            raise typer.BadParameter(f"write shares as 500=0.1, not {part!r}") from None
    if set(found) - set(FAULTS) or not 0 <= sum(found.values()) <= 1:
        raise typer.BadParameter(
            f"faults are {', '.join(FAULTS)}; their shares add up to 1 at most"
        )
    return found


async def _listen(
    keys: list[bytes], host: str, port: int, faults: dict[str, float], show: bool
) -> None:
    def tell(received: Received) -> None:
        again = " again" if received.again else ""
        number = "" if received.seq is None else f" #{received.seq}"
        out.print(f"{received.type}{number} {received.id}{again}", markup=False, highlight=False)
        if show:
            out.print_json(data=received.body)

    receiver = Receiver(keys, LoopClock(), faults=faults, on_event=tell)
    ended = _until_signalled()
    out.print(f"listening on {await receiver.start(host, port)}")
    await ended.wait()
    await receiver.close()
    tally = receiver.tally
    out.print(
        f"{tally.requests} requests: {tally.distinct} events, {tally.repeated} repeated, "
        f"{tally.forged} refused"
    )


@app.command()
def secret() -> None:
    """Make a secret for an endpoint."""
    out.print(signing.new_secret(), markup=False, highlight=False)


@app.command()
def check(config: ConfigPath) -> None:
    """Check a configuration and send nothing."""
    found = configuration.load(config)
    out.print(f"{config}: right. {len(found.endpoints)} endpoints", markup=False, highlight=False)


@app.command()
def render(
    event: Annotated[Path, typer.Argument(help="An event as JSON: {type, timestamp, data}.")],
    connector: Annotated[
        str, typer.Option(help="A shipped connector, the file of one, or with -c an endpoint.")
    ],
    config: Annotated[
        Path | None,
        typer.Option("--config", "-c", help="Take settings from here, not the examples."),
    ] = None,
    ref: Annotated[
        list[str] | None, typer.Option(help="An id captured before, as ticket=123.")
    ] = None,
) -> None:
    """Show the exact requests an event would become. Nothing is sent; secrets are masked."""
    told = read_event(event)
    known = {}
    for text in ref or []:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise typer.BadParameter("write a captured id as ticket=123", param_hint="--ref")
        known[name] = value
    bound = _bound(connector, config)
    shown = list(_run(_preview(bound, told, known)))
    for one in shown:
        print(one.text())
    if not shown:
        print(f"nothing: {bound.connector.name} takes {', '.join(bound.connector.events)}")


async def _preview(bound: Bound, told: Told, known: dict[str, str]) -> list[Shown]:
    return list(preview(bound, told, known, LoopClock()))


def _bound(name: str, config: Path | None) -> Bound:
    """A connector with a configuration's settings, or with its own examples."""
    if config is None:
        return example(load_connector(name))
    found = [one for one in configuration.load(config).endpoints if one.connector is not None]
    for one in found:
        if one.connector is not None and name in (one.name, one.connector.connector.name):
            return one.connector
    known = ", ".join(one.name for one in found) or "none"
    raise typer.BadParameter(f"no endpoint of {config} has this connector; with one are: {known}")


@connectors_app.command("list")
def connectors_list() -> None:
    """The connectors that come with the bridge."""
    for name in shipped():
        found = load_connector(name)
        print(f"{name}: {found.title}; takes {', '.join(found.events)}")


@connectors_app.command("show")
def connectors_show(name: str) -> None:
    """Print a shipped connector, to be copied and changed."""
    if name not in shipped():
        raise typer.BadParameter(f"use one of {', '.join(shipped())}")
    print(shipped_text(name), end="")


@connectors_app.command("check")
def connectors_check(file: Path) -> None:
    """Check a connector of your own and send nothing."""
    found = load_connector(str(file) if "/" in str(file) else f"./{file}")
    print(f"{file}: right. {found.title}; takes {', '.join(found.events)}")


@endpoints_app.command("test")
def endpoints_test(
    config: ConfigPath, name: Annotated[str, typer.Argument(help="One endpoint only.")] = ""
) -> None:
    """Send a signed `bridge.test` event to each endpoint and show what it answers."""
    found = configuration.load(config)
    chosen = [one for one in found.endpoints if name in ("", one.name)]
    if not chosen:
        raise typer.BadParameter(f"there is no endpoint {name!r} in {config}")
    if not _run(_test(chosen, found.instance)):
        raise typer.Exit(1)


async def _test(chosen: list[Endpoint], instance: str) -> bool:
    well = True
    for endpoint in chosen:
        tried = await try_endpoint(endpoint, instance, LoopClock())
        well = well and tried.ok
        out.print(
            f"{endpoint.name}: {'right' if tried.ok else 'WRONG'}, {tried.answer}"
            f" after {tried.took_s * 1000:.0f} ms",
            markup=False,
            highlight=False,
        )
    return well


@endpoints_app.command("list")
def endpoints_list(config: ConfigPath, database: DatabaseUrl) -> None:
    """The endpoints and what waits for each."""
    _run(_list(configuration.load(config), database))


async def _list(chosen: Config, url: str) -> None:
    async with _opened(url) as database:
        waiting = await database.read(upkeep.backlog)
        off = await database.read(upkeep.disabled)
    table = Table("endpoint", "state", "waiting", "dead letters")
    for endpoint in chosen.endpoints:
        one = waiting.get(endpoint.name, upkeep.Backlog())
        state = f"disabled: {off[endpoint.name]}" if endpoint.name in off else "enabled"
        table.add_row(endpoint.name, state, str(one.count), str(one.dead))
    out.print(table)


@endpoints_app.command("enable")
def endpoints_enable(name: str, database: DatabaseUrl) -> None:
    """Send to an endpoint again that was disabled (it had answered 410)."""
    if not _run(_enable(name, database)):
        errors.print(f"{name} was not disabled", markup=False)
        raise typer.Exit(1)
    out.print(f"{name} is enabled; a running bridge notices within a minute", markup=False)


async def _enable(name: str, url: str) -> bool:
    async with _opened(url) as database:
        done = await database.write(lambda c: upkeep.enable(c, name))
    return done


Since = Annotated[datetime | None, typer.Option(help="Events from this UTC time on.")]
Until = Annotated[datetime | None, typer.Option(help="Events before this UTC time.")]


@dead_app.command("list")
def dead_list(
    database: DatabaseUrl,
    endpoint: str = "",
    type_: Annotated[str, typer.Option("--type", help="A type, or call.*")] = "",
    since: Since = None,
    until: Until = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 100,
) -> None:
    """Show dead letters, the newest first; never what they say."""
    chosen = deadletters.Selection(
        endpoint=endpoint, type=type_, since=_utc(since), until=_utc(until)
    )
    _run(_dead(chosen, database, limit))


async def _dead(chosen: deadletters.Selection, url: str, limit: int) -> None:
    async with _opened(url) as database:
        found = await database.read(lambda c: deadletters.letters(c, chosen, limit=limit))
    table = Table("seq", "id", "type", "endpoint", "happened", "attempts", "last answer")
    for one in found:
        happened = datetime.fromtimestamp(one.at, UTC).isoformat(timespec="seconds")
        table.add_row(
            str(one.seq),
            one.id,
            one.type,
            one.endpoint,
            happened,
            str(one.attempts),
            one.last_error,
        )
    out.print(table)


@dead_app.command("replay")
def dead_replay(
    database: DatabaseUrl,
    id_: Annotated[list[str] | None, typer.Option("--id", help="May be given often.")] = None,
    first: Annotated[int | None, typer.Option(help="First sequence number.")] = None,
    last: Annotated[int | None, typer.Option(help="Last sequence number.")] = None,
    endpoint: str = "",
    type_: Annotated[str, typer.Option("--type", help="A type, or call.*")] = "",
    since: Since = None,
    until: Until = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    delivered: Annotated[
        bool, typer.Option(help="Also what was delivered; receivers see the same ids again.")
    ] = False,
) -> None:
    """Put dead letters back into delivery, at the start of their schedule."""
    chosen = deadletters.Selection(
        endpoint, tuple(id_ or ()), first, last, type_, _utc(since), _utc(until), delivered
    )
    if chosen == deadletters.Selection(delivered=delivered) and not every:
        raise typer.BadParameter("say which (--id, --first, --endpoint, --type, --since) or --all")
    count = _run(_replay(chosen, database))
    out.print(f"{count} put back; a running bridge sends them within a minute")


async def _replay(chosen: deadletters.Selection, url: str) -> int:
    now = LoopClock().utc().timestamp()
    async with _opened(url) as database:
        count = await database.write(lambda c: deadletters.replay(c, chosen, now))
    return count


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


async def _open(url: str) -> AsyncEngine:
    """The database, once it is sure that an outbox is in it."""
    engine = open_engine(url, must_exist=True)
    try:
        async with engine.connect() as connection:
            await connection.execute(tables.fresh.select().limit(0))
    except SQLAlchemyError as error:
        await engine.dispose()
        raise DatabaseError(
            "the database has no outbox of this version: start the dialer on it once"
        ) from error
    return engine


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Database]:
    engine = await _open(url)
    database = Database(engine)
    try:
        yield database
    finally:
        await database.close()
        await engine.dispose()


def _warn(text: str, fields: dict[str, object]) -> None:
    more = ", ".join(f"{name} {value}" for name, value in fields.items())
    errors.print(f"{text} ({more})" if more else text, markup=False, highlight=False)


def _until_signalled() -> asyncio.Event:
    """An event that SIGINT or SIGTERM sets."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, ended.set)
    return ended


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


if __name__ == "__main__":
    main()
