"""`simulator`: the console command. Each sub-command parses its options here and does its work in
a module of its own, imported only then, so that `--help` is quick.
"""

from __future__ import annotations

from typing import Annotated

import typer

from simulator.experiments.commands import days, history, pages, search

main = typer.Typer(
    name="simulator",
    help="Simulated PBX, floor and experiments for Overdial.",
    no_args_is_help=True,
    add_completion=False,
)
for commands in (days, search, history, pages):
    main.add_typer(commands.app)


@main.callback()
def _simulator() -> None:
    """Simulated PBX, floor and experiments for Overdial."""


@main.command()
def pbx(
    port: Annotated[int, typer.Option(help="TCP port of AMI; 0 takes any free one.")] = 5038,
    scenario: Annotated[
        str,
        typer.Option(
            help="Scenario file or the name of a shipped one; without it called parties"
            " behave by the last three digits of their number (486: busy)."
        ),
    ] = "",
    seed: Annotated[int, typer.Option(help="Decides all chance.")] = 1,
    speed: Annotated[float, typer.Option(min=0.01, help="Seconds simulated per second.")] = 1.0,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    cmd_secret: Annotated[
        str,
        typer.Option(
            help="Secret of overdial-cmd; made up if not given.", envvar="OVERDIAL_CMD_SECRET"
        ),
    ] = "",
    evt_secret: Annotated[
        str,
        typer.Option(
            help="Secret of overdial-evt; made up if not given.", envvar="OVERDIAL_EVT_SECRET"
        ),
    ] = "",
) -> None:
    """Run the simulated PBX alone, for any AMI client."""
    from simulator.pbx.run import PbxOptions, run_pbx
    from simulator.scenario_file import load_scenario
    from yamlmarks import FileError

    try:
        world = load_scenario(scenario) if scenario else None
    except FileError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(2) from None
    raise typer.Exit(
        run_pbx(
            PbxOptions(
                host=host,
                port=port,
                scenario=world,
                seed=seed,
                speed=speed,
                cmd_secret=cmd_secret,
                evt_secret=evt_secret,
            )
        )
    )
