"""What the commands share: options, the world they name, what becomes of the results.

Options that belong together are a frozen dataclass; `takes(Running)` gives a command all of them
and hands them over as one value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_type_hints

import typer

if TYPE_CHECKING:
    from simulator.experiments.jobs import Job
    from simulator.experiments.stats import Summary
    from simulator.results import DayResult, PacerSpec
    from simulator.scenario import Scenario

SCENARIO_HELP = "Name of a shipped scenario, e.g. base or base@50 (50 agents), or a YAML file."
PACER_HELP = "Pacer, with options as forward or ratio:ratio=2.5."

ScenarioOption = Annotated[str, typer.Option("--scenario", "-s", help=SCENARIO_HELP)]
PacerOption = Annotated[str, typer.Option("--pacer", "-p", help=PACER_HELP)]
PacersOption = Annotated[str, typer.Option(help="Pacers with commas between.")]
AgentsOption = Annotated[
    int, typer.Option(min=0, max=100_000, help="Number of agents instead of its own.")
]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the first day; the next adds 1.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: every core.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the JSON here.")]
ReportOption = Annotated[Path | None, typer.Option(help="Also write an HTML report here.")]
PictureOption = Annotated[Path | None, typer.Option(help="Also write the overview as SVG.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Change the world: path=value; again for more.")
]


@dataclass(frozen=True)
class Output:
    """Where results go."""

    as_json: JsonOption = False
    out: OutOption = None
    report: ReportOption = None


@dataclass(frozen=True)
class Running(Output):
    """How days are simulated."""

    agents: AgentsOption = 0
    days: Annotated[int, typer.Option(min=1, max=100_000, help="Days to simulate.")] = 10
    seed: SeedOption = 1
    engine: Annotated[str, typer.Option(help="auto, fast, plain, full or full-sql.")] = "auto"
    jobs: JobsOption = 0
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep finished days here; those found here are not run again."),
    ] = None

    @property
    def seeds(self) -> range:
        return range(self.seed, self.seed + self.days)


def takes(kind: type, **defaults: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """A command whose first argument is `kind`, made of its fields as options; `defaults` where
    this command's differ."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        hints = get_type_hints(command, include_extras=True)
        own = list(inspect.signature(command).parameters.values())[1:]
        of_kind = get_type_hints(kind, include_extras=True)
        shared = [
            inspect.Parameter(
                field.name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(field.name, field.default),
                annotation=of_kind[field.name],
            )
            for field in fields(kind)
        ]
        mine = [
            one.replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=hints[one.name])
            for one in own
        ]

        @wraps(command)
        def run(**given: Any) -> None:
            together = {one.name: given.pop(one.name) for one in shared}
            with complaints():
                _room_for({**together, **given})
                command(kind(**together), **given)

        run.__signature__ = inspect.Signature([*mine, *shared])  # type: ignore[attr-defined]
        run.__annotations__ = {one.name: one.annotation for one in (*mine, *shared)}
        return run

    return decorate


_WRITTEN = ("out", "report", "keep", "picture", "calls")


def _room_for(given: dict[str, Any]) -> None:
    """Whether files can be where they are wanted, before hours are spent. Raises FileError."""
    from yamlmarks import FileError

    for name in _WRITTEN:
        path = given.get(name)
        if path is not None and path.is_dir():
            raise FileError(f"{path}: is a directory; give --{name} a file")
        if path is not None and not path.absolute().parent.is_dir():
            raise FileError(f"{path}: there is no directory {path.absolute().parent}; make it")


@contextmanager
def complaints() -> Iterator[None]:
    """Bad input becomes one clear line and exit code 2, an unwritable file the same."""
    from dialer.pacing.pacer import PacerError
    from simulator.distributions import BadDistribution
    from simulator.experiments.fit import CannotFit
    from simulator.experiments.vary import BadChange
    from simulator.scenario import BadScenario
    from yamlmarks import FileError

    known = (PacerError, BadDistribution, CannotFit, BadChange, BadScenario, FileError)
    try:
        yield
    except known as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from None


def world_of(name: str, agents: int, changes: list[str] | None = None) -> Scenario:
    """The world of that name, with so many agents (0: its own) and these changes."""
    from simulator.experiments.vary import changed, split
    from simulator.scenario_file import load_scenario

    scenario = load_scenario(name)
    if agents:
        scenario = replace(scenario.with_agents(agents), name=f"{scenario.name}@{agents}")
    for change in changes or []:
        scenario = changed(scenario, *split(change))
    return scenario


def simulate(planned: Sequence[Job], how: Running) -> list[list[DayResult]]:
    """The days of these jobs, with a progress bar; kept where `how` says."""
    from simulator.experiments.jobs import run_jobs
    from simulator.experiments.kept import Kept
    from simulator.experiments.output import progress

    kept = None if how.keep is None else Kept(how.keep)
    try:
        with progress(planned, how.as_json) as done:
            return run_jobs(planned, how.jobs, done, kept)
    except KeyboardInterrupt:
        told = "stopped; --keep FILE would have kept what was finished"
        if how.keep is not None:
            told = f"stopped; the same command goes on from what is kept in {how.keep}"
        typer.echo(told, err=True)
        raise typer.Exit(130) from None


def summaries_of(
    scenarios: Sequence[Scenario], pacers: Sequence[PacerSpec], how: Running
) -> list[Summary]:
    """A summary for each pair, worlds first."""
    from simulator.experiments.jobs import check, plan_jobs, summarise

    _told_apart([scenario.name for scenario in scenarios], "scenarios")
    _told_apart([pacer.label for pacer in pacers], "pacers")
    for scenario in scenarios:
        for pacer in pacers:
            check(pacer, scenario, how.engine)
    planned = plan_jobs(scenarios, pacers, how.seeds, how.engine)
    found = {(s.scenario, s.pacer): s for s in summarise(planned, simulate(planned, how))}
    return [found[w.name, p.label] for w in scenarios for p in pacers]


def _told_apart(names: Sequence[str], what: str) -> None:
    """Results are by name: of two with one name the days would be put together."""
    from simulator.experiments.vary import BadChange

    for name in names:
        if names.count(name) > 1:
            raise BadChange(f"two {what} have the name {name!r}; give each its own, and each once")


def names_in(text: str, option: str) -> list[str]:
    """Names with commas between; one given twice counts once. Raises BadChange for none."""
    from simulator.experiments.vary import BadChange

    names = list(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise BadChange(f"{option}: give at least one name")
    return names


def deliver(what: dict[str, Any], to: Output) -> None:
    """Results to where they should go, besides a table on a terminal."""
    from simulator.experiments.output import print_json, write_json

    if to.out is not None:
        write_json(to.out, what)
    if to.report is not None:
        from simulator.report import write_report

        write_report(to.report, what)
        typer.echo(f"report: {to.report}", err=True)
    if to.as_json:
        print_json(what)
