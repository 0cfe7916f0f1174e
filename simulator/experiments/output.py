"""What an experiment prints: tables for people, JSON for programs, progress on stderr."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

from rich import box
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from simulator.experiments.jobs import Job
from simulator.experiments.stats import Estimate, Summary, paired
from yamlmarks import FileError

FORMAT = 1  # of the JSON; a report refuses another
LINE_EVERY_S = 30.0  # of progress, where nobody sees a bar


def percent(estimate: Estimate, digits: int = 1) -> str:
    if math.isnan(estimate.half):
        return f"{100 * estimate.value:.{digits}f} %"
    return f"{100 * estimate.value:.{digits}f} ± {100 * estimate.half:.{digits}f} %"


def plain(estimate: Estimate, digits: int = 1) -> str:
    if math.isnan(estimate.half):
        return f"{estimate.value:.{digits}f}"
    return f"{estimate.value:.{digits}f} ± {estimate.half:.{digits}f}"


def difference(one: Summary, other: Summary) -> str:
    """Utilisation of `one` less that of `other` over the same people, in points."""
    found = paired(one, other)
    text = f"{100 * found.value:+.1f}"
    return text if math.isnan(found.half) else f"{text} ± {100 * found.half:.1f}"


@contextmanager
def progress(jobs: Sequence[Job], quiet: bool) -> Iterator[Callable[[Job], None]]:
    """A bar over the days of `jobs` on stderr; without a terminal a line now and then, when quiet
    nothing."""
    console = Console(stderr=True)
    days = sum(len(job.seeds) for job in jobs)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeRemainingColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    over, told_at = 0, monotonic()
    with bar:
        task = bar.add_task("simulating", total=days)

        def done(job: Job) -> None:
            nonlocal over, told_at
            over += len(job.seeds)
            what = f"{job.scenario.name} · {job.pacer.label}"
            bar.update(task, advance=len(job.seeds), description=what)
            if bar.disable and not quiet and monotonic() - told_at >= LINE_EVERY_S:
                told_at = monotonic()
                console.print(f"{over} of {days} days, the last {what}", soft_wrap=True)

        yield done


def summary_table(summaries: Sequence[Summary], reference: str | None = None) -> Table:
    """One row for each summary; a paired difference to `reference` where it ran the same world."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("scenario")
    table.add_column("agents", justify="right")
    table.add_column("pacer")
    for name in ("utilisation", "abandoned", "days over", "connects/h", "lines/connect"):
        table.add_column(name, justify="right", no_wrap=True)
    if reference:
        table.add_column(f"less {reference}", justify="right", no_wrap=True)
    known = {s.scenario: s for s in summaries if s.pacer == reference}
    last = ""
    for s in summaries:
        if last and s.scenario != last:
            table.add_section()
        over = s.abandon_rate.value > s.limit
        row = [
            s.scenario if s.scenario != last else "",
            str(s.agents) if s.scenario != last else "",
            s.pacer if s.made == s.pacer else f"{s.pacer}: {s.made}",
            percent(s.utilisation),
            f"[red]{percent(s.abandon_rate, 2)}[/red]" if over else percent(s.abandon_rate, 2),
            f"{s.days_over}/{len(s.days)}",
            plain(s.connects_per_hour),
            plain(s.lines_per_connect, 2),
        ]
        if reference:
            other = known.get(s.scenario)
            row.append("" if other is None or other is s else difference(s, other))
        table.add_row(*row)
        last = s.scenario
    return table


def results_json(experiment: str, summaries: Sequence[Summary], **more: Any) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "experiment": experiment,
        **more,
        "results": [s.as_dict() for s in summaries],
    }


def merged(found: Sequence[tuple[Path, dict[str, Any]]]) -> dict[str, Any]:
    """Results of several files as those of one: worlds and pacers in the order they come, a later
    file's in place of an earlier one's. Raises FileError where they do not go together."""
    first_path, first = found[0]
    for path, what in found[1:]:
        for key in ("experiment", "seed"):
            if what.get(key) != first.get(key):
                raise FileError(
                    f"{path}: {key} is {what.get(key)!r}, in {first_path} it is {first.get(key)!r};"
                    " only results of one experiment and seed can be put together"
                )
        if first["experiment"] not in ("run", "compare"):
            raise FileError(f"{path}: results of {first['experiment']} cannot be put together")
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    together: dict[str, Any] = dict(first)
    for _, what in found:
        rows.update(((row["scenario"], row["pacer"]), row) for row in what["results"])
        for key in ("clairvoyant", "notes"):
            if what.get(key):
                together[key] = {**together.get(key, {}), **what[key]}
    worlds = list(dict.fromkeys(world for world, _ in rows))
    reference = first.get("reference")
    order = sorted(rows, key=lambda k: (worlds.index(k[0]), k[1] != reference))
    return {**together, "results": [rows[key] for key in order]}


def results_table(what: dict[str, Any]) -> Table:
    """A table of results as JSON has them: one row for each world and pacer."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("scenario", "agents", "pacer"):
        table.add_column(name)
    for name in ("utilisation", "abandoned", "days over", "blocks over"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in what["results"]:
        use, lost = (
            Estimate(e["value"], math.nan if e["half"] is None else e["half"])
            for e in (row["utilisation"], row["abandon_rate"])
        )
        made = row.get("made", row["pacer"])
        table.add_row(
            row["scenario"],
            str(row["agents"]),
            row["pacer"] if made == row["pacer"] else f"{row['pacer']}: {made}",
            percent(use),
            f"[red]{percent(lost, 2)}[/red]" if lost.value > row["limit"] else percent(lost, 2),
            f"{row['days_over_limit']}/{row['days']}",
            f"{row['blocks_over_limit']}/{row['blocks']}"
            if row["days"] >= row["block_days"]
            else "",
        )
    return table


def print_table(table: Table) -> None:
    """To the terminal in its width, to a pipe or file as wide as the table likes."""
    console = Console()
    (console if console.is_terminal else Console(width=140)).print(table)


def print_json(what: dict[str, Any]) -> None:
    print(json.dumps(_finite(what), indent=1))


def write_json(path: Path, what: dict[str, Any]) -> None:
    path.write_text(json.dumps(_finite(what), indent=1) + "\n", encoding="utf-8")


def read_json(path: Path) -> dict[str, Any]:
    """Results written before. Raises FileError."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileError(f"{path}: not JSON ({error}); give a file written with --json") from None
    if not isinstance(found, dict) or found.get("format") != FORMAT or "results" not in found:
        raise FileError(f"{path}: not results of this simulator (format {FORMAT})")
    if not found["results"]:
        raise FileError(f"{path}: holds no results")
    return found


def _finite(what: Any) -> Any:
    """JSON has no infinity and no nan: both become null."""
    if isinstance(what, float) and not math.isfinite(what):
        return None
    if isinstance(what, dict):
        return {key: _finite(value) for key, value in what.items()}
    if isinstance(what, list | tuple):
        return [_finite(value) for value in what]
    return what
