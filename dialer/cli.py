"""The `dialer` command."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup
from typer.main import get_group

# What is imported only when it is asked for: each brings a database or a mathematics with it.
LATE = {
    "lists": "dialer.campaigns.cli:lists_app",
    "campaigns": "dialer.campaigns.cli:campaigns_app",
    "users": "dialer.users_cli:users_app",
    "compliance": "dialer.campaigns.compliance_cli:compliance_app",
    "evidence": "dialer.evidence.cli:evidence_app",
    "privacy": "dialer.evidence.cli:privacy_app",
    "strategy": "dialer.campaigns.strategy_cli:strategy_app",
    "why-not": "dialer.campaigns.compliance_cli:why_not_command",
    "staffing": "dialer.staffing_cli:staffing",
    "kpi": "dialer.kpi.cli:kpi_command",
}


class LateGroup(TyperGroup):
    """A group that imports a command of `LATE` when it is called, or listed by --help."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *LATE]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name in LATE and cmd_name not in self.commands:
            module, _, name = LATE[cmd_name].partition(":")
            found = getattr(import_module(module), name)
            holder = typer.Typer()
            holder.callback()(lambda: None)  # a group, also of one command
            if isinstance(found, typer.Typer):
                holder.add_typer(found, name=cmd_name)
            else:
                holder.command(cmd_name)(found)
            self.add_command(get_group(holder).commands[cmd_name])
        return super().get_command(ctx, cmd_name)


app = typer.Typer(
    name="dialer",
    cls=LateGroup,
    help="A predictive dialer for Asterisk.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
agents_app = typer.Typer(help="Agents of the site.", no_args_is_help=True)
app.add_typer(agents_app, name="agents")
pacing_app = typer.Typer(help="Why it dials as it does.", no_args_is_help=True)
app.add_typer(pacing_app, name="pacing")
errors = Console(stderr=True)


@app.command()
def serve(
    config: Annotated[Path, typer.Argument(help="The site's settings, dialer.yaml.")],
    log_format: Annotated[
        Literal["json", "console"], typer.Option(help="json, or console for people.")
    ] = "json",
) -> None:
    """Run the dialer until it is ended (SIGTERM or Ctrl-C). Live calls go on in Asterisk."""
    from dialer.logs import configure
    from dialer.server.app import Server, serve_for_ever
    from dialer.server.load import load_site

    configure(log_format)
    site, campaigns, crm = load_site(config)

    async def main() -> None:
        await serve_for_ever(Server(site, campaigns, crm), config)

    asyncio.run(_until_signalled(main()))


@app.command()
def check(config: Annotated[Path, typer.Argument(help="The site's settings.")]) -> None:
    """Check the site's settings and everything they name, and start nothing."""
    from dialer.server.load import load_site

    site, campaigns, crm = load_site(config)
    endpoints = 0 if crm is None else len(crm.endpoints)
    typer.echo(
        f"{config}: right. {len(campaigns)} campaigns, {len(site.agents)} agents, "
        f"{len(site.pbxes)} PBX, {endpoints} CRM endpoints."
    )


@agents_app.command("hash-password")
def hash_password(
    password: Annotated[str, typer.Option(prompt=True, hide_input=True, confirmation_prompt=True)],
) -> None:
    """Print the hash of a password, for dialer.yaml."""
    from dialer.server.credentials import hash_password as make

    typer.echo(make(password))


@pacing_app.callback()
def _pacing() -> None:
    """Why it dials as it does."""


@pacing_app.command()
def explain(
    at: Annotated[str, typer.Option(help="14:03, 14:03:10 or 2026-11-21T14:03:10, site's zone.")],
    trace: Annotated[Path, typer.Option(help="The file `trace` in dialer.yaml names.")],
    campaign: Annotated[str, typer.Option(help="Of one campaign only.")] = "",
    plot: Annotated[Path | None, typer.Option(help="Also draw the minutes around it, SVG.")] = None,
) -> None:
    """Why so many lines at that moment: what the pacer saw, reckoned and chose."""
    from dialer import explain as why

    records = why.read_trace(trace)
    civil_s = why.civil_of(at, records)
    found = why.find(records, civil_s, campaign)
    for line in why.in_words(found.record):
        typer.echo(line)
    if plot is not None:
        minutes = why.find(records, civil_s, campaign, within_s=150.0).around
        plot.write_text(why.plot(minutes, f"Pacing around {at}"), encoding="utf-8")
        typer.echo(f"Drawn: {plot}")


@pacing_app.command()
def why(
    call: Annotated[
        str, typer.Argument(help="The call's id, as lists, events and the log have it.")
    ],
    config: Annotated[Path, typer.Option(help="The site's settings, dialer.yaml.")],
) -> None:
    """Why this call was abandoned: who was free, what was on its way, which risk was taken."""
    from zoneinfo import ZoneInfo

    from dialer import explain as told
    from dialer.server.load import load_site
    from dialer.store.database import connect
    from dialer.store.inquire import CallOnRecord, read_call

    site, _, _ = load_site(config)

    async def look() -> CallOnRecord | None:
        database = await connect(site.database)
        try:
            return await database.read(lambda connection: read_call(connection, call))
        finally:
            await database.close()

    found = asyncio.run(look())
    if found is None:
        raise told.TraceError("there is no call of this id in the site's database")
    if site.trace is None:
        raise told.TraceError(f"{config}: no `trace` is kept: name a file for it")
    for line in told.why_call(found, told.read_traces(site.trace), ZoneInfo(site.zone)):
        typer.echo(line)


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(help="Simulated minutes to play.", min=1)] = 60.0,
    speed: Annotated[str, typer.Option(help="Times real time, or max.")] = "30",
    agents: Annotated[int, typer.Option(help="Simulated agents.", min=1, max=500)] = 20,
    seed: Annotated[int, typer.Option(help="Of the simulated world.")] = 1,
    port: Annotated[int, typer.Option(help="Of the web page; 0: any free one.")] = 8080,
    data: Annotated[Path | None, typer.Option(help="Keep the database here.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave it up at the end.")] = False,
    json: Annotated[bool, typer.Option("--json", help="One JSON report, nothing else.")] = False,
    strategy: Annotated[Path | None, typer.Option(help="Call by this strategy.")] = None,
    list_: Annotated[
        Path | None, typer.Option("--list", help="Call these accounts; made-up ones otherwise.")
    ] = None,
) -> None:
    """Show the whole dialer at work: simulated PBX, people, agents and CRM, on this machine."""
    from dialer.demo import DemoOptions, run_demo

    raise typer.Exit(
        run_demo(
            DemoOptions(
                minutes=minutes,
                speed=_speed(speed),
                agents=agents,
                seed=seed,
                web_port=port,
                data=data,
                keep=keep,
                json=json,
                strategy=strategy,
                accounts=list_,
            )
        )
    )


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if not 0 < speed <= 1_000:
        raise typer.BadParameter(
            "give a number above 0, at most 1000, or max", param_hint="--speed"
        )
    return speed


async def _until_signalled(work: object) -> None:
    """Run `work` until done or SIGINT/SIGTERM, then let it end in order."""
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(work)  # type: ignore[call-overload]  # noqa: TID251 - the main task
    for name in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(name, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task


def _meant_for_people() -> tuple[type[Exception], ...]:
    """Asked for when something was raised, so that no command waits for these imports."""
    from dialer.explain import TraceError
    from dialer.store.database import StoreError
    from dialer.users_cli import UsersError
    from dialer.web.app import WebStartError
    from yamlmarks import FileError

    return FileError, StoreError, TraceError, UsersError, WebStartError


def main() -> None:
    """Errors meant for people are one message and exit code 1, never a traceback."""
    try:
        app()
    except Exception as error:
        if not isinstance(error, _meant_for_people()):
            raise
        errors.print("[bold red]error:[/]", Text(str(error)), soft_wrap=True)
        sys.exit(1)


if __name__ == "__main__":
    main()
