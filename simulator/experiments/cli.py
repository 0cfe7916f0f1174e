"""Sub-commands of `simulator` for experiments. Parsing here; the work, imported late, elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from simulator.experiments.stats import Summary
    from simulator.history import CallRecord
    from simulator.results import PacerSpec
    from simulator.scenario import Scenario

app = typer.Typer(no_args_is_help=True, add_completion=False)

SCENARIO_HELP = "Name of a shipped scenario, e.g. base or base@50 (50 agents), or a YAML file."
PACER_HELP = "Pacer, with options as forward or ratio:ratio=2.5."

ScenarioOption = Annotated[str, typer.Option("--scenario", "-s", help=SCENARIO_HELP)]
PacerOption = Annotated[str, typer.Option("--pacer", "-p", help=PACER_HELP)]
AgentsOption = Annotated[int, typer.Option(min=0, help="Number of agents instead of its own.")]
DaysOption = Annotated[int, typer.Option(min=1, max=100_000, help="Days to simulate.")]
SeedOption = Annotated[int, typer.Option(min=0, help="Seed of the first day; the next adds 1.")]
EngineOption = Annotated[str, typer.Option(help="auto, fast or plain.")]
JobsOption = Annotated[int, typer.Option("--jobs", "-j", min=0, help="Processes; 0: every core.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Results as JSON on standard output.")]
OutOption = Annotated[Path | None, typer.Option("--out", "-o", help="Also write the JSON here.")]
ReportOption = Annotated[Path | None, typer.Option(help="Also write an HTML report here.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="Change the world: path=value; again for more.")
]


@contextmanager
def _complaints() -> Iterator[None]:
    """Bad input becomes one clear line and exit code 2, an unwritable file the same."""
    from dialer.pacing.pacer import PacerError
    from simulator.distributions import BadDistribution
    from simulator.experiments.fit import CannotFit
    from simulator.experiments.vary import BadChange
    from simulator.scenario import BadScenario
    from simulator.yaml_reader import FileError

    known = (PacerError, BadDistribution, CannotFit, BadChange, BadScenario, FileError)
    try:
        yield
    except known as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(2) from None
    except OSError as error:
        typer.echo(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        raise typer.Exit(2) from None


def _scenario(name: str, agents: int, changes: list[str] | None = None) -> Scenario:
    from dataclasses import replace

    from simulator.experiments.vary import changed, split
    from simulator.scenario_file import load_scenario

    scenario = load_scenario(name)
    if agents:
        scenario = replace(scenario.with_agents(agents), name=f"{scenario.name}@{agents}")
    for change in changes or []:
        scenario = changed(scenario, *split(change))
    return scenario


def _run(
    scenarios: list[Scenario],
    pacers: list[PacerSpec],
    days: int,
    seed: int,
    engine: str,
    jobs: int,
    quiet: bool,
) -> list[Summary]:
    from simulator.experiments.jobs import check, plan_jobs, run_jobs, summarise
    from simulator.experiments.output import progress

    for pacer in pacers:
        check(pacer, scenarios[0], engine)
    seeds = range(seed, seed + days)
    planned = plan_jobs(scenarios, pacers, seeds, engine)
    with progress(planned, quiet) as done:
        results = run_jobs(planned, jobs, done)
    found = {(s.scenario, s.pacer): s for s in summarise(planned, results)}
    return [found[w.name, p.label] for w in scenarios for p in pacers]


def _deliver(what: dict[str, Any], as_json: bool, out: Path | None, report: Path | None) -> None:
    from simulator.experiments.output import print_json, write_json

    if out is not None:
        write_json(out, what)
    if report is not None:
        from simulator.report import write_report

        write_report(report, what)
        typer.echo(f"report: {report}", err=True)
    if as_json:
        print_json(what)


@app.command()
def run(
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
    agents: AgentsOption = 0,
    days: DaysOption = 10,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    changes: SetOption = None,
    calls: Annotated[
        Path | None, typer.Option(help="Write every call of the first day here as CSV.")
    ] = None,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = None,
) -> None:
    """Simulate days of one world under one pacer."""
    with _complaints():
        from simulator.experiments.output import print_table, results_json, summary_table
        from simulator.experiments.vary import pacer_of

        world = _scenario(scenario, agents, changes)
        spec = pacer_of(pacer)
        summaries = _run([world], [spec], days, seed, engine, jobs, as_json)
        if calls is not None:
            from simulator.experiments.plain import write_day

            count = write_day(world, spec, seed, calls)
            typer.echo(f"{count} calls written to {calls}", err=True)
        if not as_json:
            print_table(summary_table(summaries))
        _deliver(results_json("run", summaries, seed=seed), as_json, out, report)


@app.command()
def compare(
    scenarios: Annotated[
        str, typer.Option(help="Scenarios with commas between, or all shipped ones.")
    ] = "all",
    pacers: Annotated[
        str, typer.Option(help="Pacers with commas between, or all; options: run, sweep.")
    ] = "all",
    days: DaysOption = 10,
    agents: AgentsOption = 0,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = Path("compare.html"),
    picture: Annotated[Path | None, typer.Option(help="Also write the overview as SVG.")] = None,
) -> None:
    """Every pacer on every world, the same people for all: a table and a report."""
    with _complaints():
        from simulator.bounds import clairvoyant
        from simulator.experiments.jobs import BEST_RATIO
        from simulator.experiments.output import print_table, results_json, summary_table
        from simulator.experiments.plain import known_pacers
        from simulator.experiments.vary import pacer_of
        from simulator.scenario_file import shipped_names

        names = shipped_names() if scenarios == "all" else scenarios.split(",")
        worlds = [_scenario(name.strip(), agents) for name in names]
        if pacers == "all":
            kinds = [p for p in known_pacers() if p not in ("fixed_ratio", "ratio")]
            kinds.sort(key=lambda p: p != "forward")
            specs = [pacer_of(p) for p in [*kinds, BEST_RATIO]]
        else:
            specs = [pacer_of(p) for p in pacers.split(",")]
        summaries = _run(worlds, specs, days, seed, engine, jobs, as_json)
        if not as_json:
            print_table(summary_table(summaries, specs[0].label))
        bounds = {w.name: clairvoyant(w, seed).utilisation for w in worlds}
        notes = {w.name: w.note for w in worlds}
        what = results_json(
            "compare",
            summaries,
            seed=seed,
            reference=specs[0].label,
            clairvoyant=bounds,
            notes=notes,
        )
        _deliver(what, as_json, out, report)
        if picture is not None:
            from simulator.report import write_picture

            write_picture(picture, what)


def _axes(changes: list[str] | None, options: list[str] | None) -> list[Any]:
    from simulator.experiments.sweep import Axis
    from simulator.experiments.vary import BadChange, split, values_of

    axes = []
    for of_pacer, given in ((False, changes), (True, options)):
        for text in given or []:
            path, values = split(text)
            found = values_of(values)
            if not found:
                raise BadChange(f"{text!r}: no values; write path=1,2,5 or path=1:4:0.5")
            axes.append(Axis(path, tuple(found), of_pacer))
    if not axes:
        raise BadChange("nothing to vary: give --set path=1,2,5 or --option name=1:4:0.5")
    return axes


OverOption = Annotated[
    list[str] | None,
    typer.Option("--set", help="Vary the world: agents=5,10,20; again for more."),
]
PacerOverOption = Annotated[
    list[str] | None,
    typer.Option("--option", help="Vary the pacer: ratio=1:4:0.5; again for more."),
]


@app.command()
def sweep(
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
    changes: OverOption = None,
    options: PacerOverOption = None,
    agents: AgentsOption = 0,
    days: DaysOption = 5,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = None,
) -> None:
    """Every combination of some values of the world and of the pacer's options."""
    with _complaints():
        from rich.table import Table

        from simulator.experiments.jobs import plan_jobs
        from simulator.experiments.output import percent, plain, print_table, progress, results_json
        from simulator.experiments.sweep import combinations
        from simulator.experiments.sweep import sweep as sweep_over
        from simulator.experiments.vary import pacer_of

        world, spec, axes = _scenario(scenario, agents), pacer_of(pacer), _axes(changes, options)
        seeds = range(seed, seed + days)
        every = [plan_jobs([w], [p], seeds, engine) for _, w, p in combinations(world, spec, axes)]
        _check_all(world, spec, axes, engine)
        with progress([job for some in every for job in some], as_json) as done:
            rows = sweep_over(world, spec, axes, seeds, engine, jobs, done)
        if not as_json:
            table = Table(pad_edge=False)
            for name in (*(a.path for a in axes), "utilisation", "abandoned", "days over"):
                table.add_column(name, justify="right")
            table.add_column("connects/h", justify="right")
            for row in rows:
                s = row.summary
                table.add_row(
                    *row.values,
                    percent(s.utilisation),
                    percent(s.abandon_rate, 2),
                    f"{s.days_over}/{len(s.days)}",
                    plain(s.connects_per_hour),
                )
            print_table(table)
        what = results_json(
            "sweep",
            [row.summary for row in rows],
            seed=seed,
            axes=[axis.path for axis in axes],
            values=[list(row.values) for row in rows],
        )
        _deliver(what, as_json, out, report)


def _check_all(world: Scenario, spec: PacerSpec, axes: list[Any], engine: str) -> None:
    from simulator.experiments.jobs import check
    from simulator.experiments.sweep import combinations

    for _, changed_world, changed_pacer in combinations(world, spec, axes):
        check(changed_pacer, changed_world, engine)


@app.command()
def tune(
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "ratio",
    changes: OverOption = None,
    options: PacerOverOption = None,
    chance: Annotated[
        float, typer.Option(min=0.0001, max=0.9, help="Highest chance of breaking the law.")
    ] = 0.1,
    window: Annotated[
        str, typer.Option(help="day or block (30 days): what must be lawful.")
    ] = "day",
    confidence: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="How sure the chance must be.")
    ] = 0.8,
    agents: AgentsOption = 0,
    days: DaysOption = 30,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
) -> None:
    """The settings with most talk whose chance of breaking the law is small enough."""
    with _complaints():
        from simulator.experiments.output import percent, print_json, results_json, write_json
        from simulator.experiments.sweep import chance_of_breaking
        from simulator.experiments.sweep import tune as tune_over
        from simulator.experiments.vary import BadChange, pacer_of

        if window not in ("day", "block"):
            raise BadChange(f"--window is {window!r}; choose day or block")
        world, spec, axes = _scenario(scenario, agents), pacer_of(pacer), _axes(changes, options)
        _check_all(world, spec, axes, engine)
        found = tune_over(
            world,
            spec,
            axes,
            range(seed, seed + days),
            engine,
            jobs,
            chance=chance,
            window=window,
            confidence=confidence,
        )
        best = found.best
        what = results_json(
            "tune",
            [row.summary for row in found.rows],
            seed=seed,
            axes=[axis.path for axis in axes],
            values=[list(row.values) for row in found.rows],
            best=None
            if best is None
            else dict(zip([a.path for a in axes], best.values, strict=True)),
            rounds=found.rounds,
        )
        if out is not None:
            write_json(out, what)
        if as_json:
            print_json(what)
        elif best is not None:
            settings = " ".join(f"{a.path}={v}" for a, v in zip(axes, best.values, strict=True))
            at_most = chance_of_breaking(best.summary, window, confidence)
            typer.echo(
                f"{settings}: utilisation {percent(best.summary.utilisation)}, abandoned"
                f" {percent(best.summary.abandon_rate, 2)}, chance of a {window} over the limit at"
                f" most {100 * at_most:.1f} % ({confidence:.0%} sure,"
                f" {len(best.summary.days)} days)"
            )
        if best is None:
            if not as_json:
                typer.echo(
                    f"nothing tried breaks the law in at most {100 * chance:g} % of {window}s;"
                    " try gentler settings or more --days",
                    err=True,
                )
            raise typer.Exit(1)


HistoryArgument = Annotated[
    Path, typer.Argument(help="CSV of calls (docs/simulator.md), or the dialer's SQLite database.")
]
CampaignOption = Annotated[str, typer.Option(help="One campaign of a database instead of all.")]


def _history(path: Path, campaign: str) -> list[CallRecord]:
    from simulator.dialer_history import is_database, read_database
    from simulator.history import read_calls

    return read_database(path, campaign) if is_database(path) else read_calls(path)


@app.command()
def fit(
    history: HistoryArgument,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Scenario file to write.")] = None,
    name: Annotated[str, typer.Option(help="The world's name.")] = "fitted",
    agents: AgentsOption = 0,
    campaign: CampaignOption = "",
) -> None:
    """Learn a world from call history, times that were cut off reckoned as such."""
    with _complaints():
        from simulator.experiments.fit import fit as fit_world
        from simulator.scenario_dump import scenario_text

        found = fit_world(_history(history, campaign), name, agents or None)
        text = scenario_text(found.scenario)
        typer.echo(f"{found.lines} calls of {found.days} days", err=True)
        for note in found.notes:
            typer.echo(f"note: {note}", err=True)
        if out is None:
            typer.echo(text, nl=False)
        else:
            out.write_text(text, encoding="utf-8")
            typer.echo(f"scenario: {out}", err=True)


@app.command()
def replay(
    history: HistoryArgument,
    pacers: Annotated[
        str, typer.Option(help="Pacers with commas between.")
    ] = "forward,progressive",
    agents: AgentsOption = 0,
    campaign: CampaignOption = "",
    days: Annotated[int, typer.Option(min=1, max=1_000, help="Times to replay.")] = 3,
    seed: SeedOption = 1,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = None,
) -> None:
    """The people of a history once more, under other pacers."""
    with _complaints():
        from simulator.experiments.fit import fit as fit_world
        from simulator.experiments.jobs import check
        from simulator.experiments.output import print_table, results_json, summary_table
        from simulator.experiments.replay import day_of
        from simulator.experiments.replay import replay as replay_people
        from simulator.experiments.stats import Summary
        from simulator.experiments.vary import pacer_of

        records = day_of(_history(history, campaign))
        world = fit_world(records, f"replay of {history.name}", agents or None).scenario
        specs = [pacer_of(p) for p in pacers.split(",")]
        for spec in specs:
            check(spec, world, "plain")
        summaries = [
            Summary(
                scenario=world.name,
                pacer=spec.label,
                agents=world.agents.count,
                limit=world.law.abandon_rate_max,
                days=tuple(replay_people(world, records, spec, range(seed, seed + days))),
                block_days=days,
            )
            for spec in specs
        ]
        if not as_json:
            print_table(summary_table(summaries, specs[0].label))
        _deliver(results_json("replay", summaries, seed=seed), as_json, out, report)


@app.command("what-if")
def what_if(
    changes: Annotated[
        list[str], typer.Option("--set", help="What is different: agents=25; again for more.")
    ],
    scenario: ScenarioOption = "base",
    pacer: PacerOption = "forward",
    agents: AgentsOption = 0,
    days: DaysOption = 10,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = None,
) -> None:
    """The world as it is beside the world as it might be, with the same seeds."""
    with _complaints():
        from dataclasses import replace

        from simulator.experiments.output import (
            difference,
            print_table,
            results_json,
            summary_table,
        )
        from simulator.experiments.vary import pacer_of

        now = _scenario(scenario, agents)
        then = replace(
            _scenario(scenario, agents, changes), name=f"{now.name}, {' '.join(changes)}"
        )
        before, after = _run([now, then], [pacer_of(pacer)], days, seed, engine, jobs, as_json)
        if not as_json:
            print_table(summary_table([before, after]))
            typer.echo(f"utilisation: {difference(after, before)} points")
        _deliver(results_json("what-if", [before, after], seed=seed), as_json, out, report)


@app.command()
def frontier(
    scenario: ScenarioOption = "base",
    pacers: Annotated[
        str, typer.Option(help="Pacers with commas between; default: a few of each kind.")
    ] = "",
    agents: AgentsOption = 0,
    days: DaysOption = 5,
    seed: SeedOption = 1,
    engine: EngineOption = "auto",
    jobs: JobsOption = 0,
    as_json: JsonOption = False,
    out: OutOption = None,
    report: ReportOption = Path("frontier.html"),
) -> None:
    """Utilisation against abandons: each pacer over the setting that governs it."""
    with _complaints():
        from simulator.bounds import clairvoyant
        from simulator.experiments.frontier import DEFAULT, PACERS, points
        from simulator.experiments.jobs import plan_jobs, run_jobs, summarise
        from simulator.experiments.output import (
            print_table,
            progress,
            results_json,
            summary_table,
        )
        from simulator.experiments.vary import BadChange

        world = _scenario(scenario, agents)
        names = [name.strip() for name in pacers.split(",")] if pacers else list(DEFAULT)
        for name in names:
            if name not in PACERS:
                raise BadChange(
                    f"--pacers: no setting of {name!r} to turn; known: {', '.join(PACERS)}"
                )
        every = [point for name in names for point in points(world, name)]
        seeds = range(seed, seed + days)
        planned = [j for p in every for j in plan_jobs([p.scenario], [p.spec], seeds, engine)]
        with progress(planned, as_json) as done:
            results = run_jobs(planned, jobs, done)
        found = {(s.scenario, s.pacer): s for s in summarise(planned, results)}
        summaries = [found[p.scenario.name, p.spec.label] for p in every]
        if not as_json:
            print_table(summary_table(summaries))
        what = results_json(
            "frontier",
            summaries,
            seed=seed,
            scenario=world.name,
            limit=world.law.abandon_rate_max,
            groups=[p.pacer for p in every],
            settings=[p.setting for p in every],
            clairvoyant={world.name: clairvoyant(world, seed).utilisation},
        )
        _deliver(what, as_json, out, report)


@app.command()
def bounds(
    agents: Annotated[
        str, typer.Option(help="Numbers of agents with commas between.")
    ] = "1,3,5,10,20,50",
    limit: Annotated[
        float, typer.Option(min=0.0001, max=0.99, help="Highest abandon rate.")
    ] = 0.03,
    handling_s: Annotated[float, typer.Option(min=0.1, help="Mean handling time.")] = 150.0,
    line_s: Annotated[float, typer.Option(min=0.1, help="Mean life of a line.")] = 12.0,
    answer_rate: Annotated[float, typer.Option(min=0.001, max=1.0)] = 0.25,
    as_json: JsonOption = False,
) -> None:
    """The exact optimum of all-exponential floors: what no pacer can pass."""
    with _complaints():
        import json

        from simulator.bounds import ExponentialFloor, exact_optimum
        from simulator.experiments.vary import BadChange

        try:
            floors = [
                ExponentialFloor(int(n), handling_s, line_s, answer_rate) for n in agents.split(",")
            ]
        except ValueError as error:
            raise BadChange(f"--agents: {error}") from None
        rows = [exact_optimum(floor, limit) for floor in floors]
        if as_json:
            found = [
                {"agents": r.floor.agents, "utilisation": r.utilisation, "price_s": r.price_s}
                for r in rows
            ]
            typer.echo(json.dumps(found, indent=1))
            return
        typer.echo("agents  utilisation  price of one abandon, agent-seconds")
        for r in rows:
            typer.echo(f"{r.floor.agents:6d}  {r.utilisation:11.4f}  {r.price_s:.0f}")


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="JSON written by --out or --json.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="HTML file to write.")] = Path(
        "report.html"
    ),
) -> None:
    """One self-contained HTML page from results: plots and tables with intervals."""
    with _complaints():
        from simulator.experiments.output import read_json
        from simulator.report import write_report

        write_report(out, read_json(results))
        typer.echo(f"report: {out}")
