"""What if, and what was to be expected: the simulator run from the page, one at a time, each in a
process of its own.

A what-if sets days of the world as it might be beside days as it is. A forecast fits a world to the
campaign's own calls and plays it: the band of its days is what the live day is held against.

The process runs at the lowest priority, beside a dialer that has people on the line. It is ended
when it is cancelled, takes too long, or the dialer ends. Progress is the days it has finished.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from dialer.server.face import Refused
from dialer.server.forecast import Band, band_of
from dialer.tasks import Tasks

WAITING_MAX = 5
KEPT_MAX = 20
LIMIT_S = 600.0  # real seconds for one experiment
LOOK_S = 1.0  # between looks at its progress
PORTION = 5  # days of a forecast that are played at once
OUT_MAX = 4 * 2**20  # bytes of a result
_GENTLY = ("nice", "-n", "19") if shutil.which("nice") else ()
FIGURES = ("utilisation", "abandon_rate", "connects_per_agent_hour", "lines_per_connect")


class State(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Wish:
    """The world as it might be. What is None stays as it is."""

    campaign: str
    agents: int | None = None
    answer_rate: float | None = None  # of lines that reach a person
    limit: float | None = None  # on abandoned calls
    days: int = 10
    forecast: bool = False  # of the campaign as it is, from its own calls
    pacer: str = "forward"


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over days with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Outcome:
    as_is: dict[str, Figure]
    what_if: dict[str, Figure]


@dataclass(frozen=True, slots=True)
class ExperimentView:
    id: str
    forecast: bool
    state: State
    progress: float  # 0 to 1
    request: dict[str, float | str]
    result: Outcome | None
    band: Band | None  # of a forecast
    error: str
    by: str


@dataclass(slots=True)
class _Run:
    wish: Wish
    by: str
    agents_now: int
    state: State = State.WAITING
    progress: float = 0.0
    result: Outcome | None = None
    band: Band | None = None
    error: str = ""
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Experiments:
    """`history` is the database whose calls a forecast is fitted to; None: the
    simulator cannot read it, and plays the shipped base world with the campaign's agents and answer
    rate."""

    def __init__(
        self, tasks: Tasks, command: tuple[str, ...] = (), history: Path | None = None
    ) -> None:
        self._tasks = tasks
        self._history = history
        self._command = command or (sys.executable, "-m", "simulator")
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._number = 0
        self._one = asyncio.Lock()

    def views(self, campaigns: frozenset[str] | None) -> list[ExperimentView]:
        """Of these campaigns, the newest first."""
        return [
            _view(number, run)
            for number, run in reversed(self._runs.items())
            if campaigns is None or run.wish.campaign in campaigns
        ]

    def view(self, number: str, campaigns: frozenset[str] | None) -> ExperimentView:
        return _view(number, self._find(number, campaigns))

    def start(self, wish: Wish, agents_now: int, by: str) -> ExperimentView:
        """`agents_now` work in the world as it is. Refused with 429 when many wait."""
        if sum(run.state is State.WAITING for run in self._runs.values()) >= WAITING_MAX:
            raise Refused("Many experiments wait already.", 429, "Cancel one, or wait.")
        self._number += 1
        number = str(self._number)
        run = self._runs[number] = _Run(wish, by, agents_now)
        over = [n for n, r in self._runs.items() if r.state not in (State.WAITING, State.RUNNING)]
        for old in over[: max(0, len(self._runs) - KEPT_MAX)]:
            del self._runs[old]
        self._tasks.start("experiment", self._run(run))
        return _view(number, run)

    def drop(self, number: str, campaigns: frozenset[str] | None) -> None:
        """Cancel what runs or waits; forget what has ended."""
        run = self._find(number, campaigns)
        run.stop.set()
        if run.state not in (State.WAITING, State.RUNNING):
            del self._runs[number]

    def _find(self, number: str, campaigns: frozenset[str] | None) -> _Run:
        run = self._runs.get(number)
        if run is None or (campaigns is not None and run.wish.campaign not in campaigns):
            raise Refused("There is no such experiment.", 404, "See /v1/experiments.")
        return run

    # --- one of them ----------------------------------------------------------------------------

    async def _run(self, run: _Run) -> None:
        async with self._one:
            if run.stop.is_set():
                run.state = State.CANCELLED
                return
            run.state = State.RUNNING
            with tempfile.TemporaryDirectory(prefix="overdial-what-if-") as folder:
                await self._work(run, Path(folder))

    async def _work(self, run: _Run, folder: Path) -> None:
        until = time.monotonic() + LIMIT_S
        for step in _steps(run, folder, self._history):
            await self._process(run, folder, step, until)
            if run.state is not State.RUNNING:
                return
        _read(run, folder)

    async def _process(self, run: _Run, folder: Path, arguments: list[str], until: float) -> None:
        days, out, err = folder / "days", folder / "out", folder / "err"
        with out.open("wb") as out_file, err.open("wb") as err_file:
            process = await asyncio.create_subprocess_exec(
                *_GENTLY,
                *self._command,
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out_file,
                stderr=err_file,
                start_new_session=True,
            )
        try:
            waiting = self._tasks.start("experiment: process", process.wait())
            while not waiting.done() and not run.stop.is_set() and time.monotonic() < until:
                await asyncio.wait([waiting], timeout=LOOK_S)
                played = run.wish.days * (1 if run.wish.forecast else 2)
                run.progress = min(1.0, _played(days) / played)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
        _conclude(run, process.returncode, err, late=time.monotonic() >= until)


def _steps(run: _Run, folder: Path, history: Path | None) -> list[list[str]]:
    """What the simulator is to do, one after the other."""
    wish, agents = run.wish, str(run.agents_now)
    if not wish.forecast:
        return [_what_if(run, folder / "days")]
    steps, world = [], "base"
    given = [f"law.abandon_rate_max={wish.limit:g}"] if wish.limit is not None else []
    if history is not None:
        world = str(folder / "world.yaml")
        steps.append(["fit", str(history), "--campaign", wish.campaign, "--out", world])
    elif wish.answer_rate is not None:
        given.append(f"list.rates.person={wish.answer_rate:g}")
    play = ["run", "--scenario", world, "--agents", agents, "--pacer", wish.pacer]
    play += [part for one in given for part in ("--set", one)]
    play += ["--jobs", "1", "--json", "--keep", str(folder / "days")]
    for first in range(0, wish.days, PORTION):  # one after the other: so it is seen how far it is
        days = min(PORTION, wish.days - first)
        steps.append([*play, "--seed", str(first + 1), "--days", str(days)])
    return steps


def _what_if(run: _Run, days: Path) -> list[str]:
    wish = run.wish
    changes: Mapping[str, float | int | None] = {
        "agents": wish.agents,
        "list.rates.person": wish.answer_rate,
        "law.abandon_rate_max": wish.limit,
    }
    given = [f"{path}={value:g}" for path, value in changes.items() if value is not None]
    return [
        "what-if",
        *(part for one in given for part in ("--set", one)),
        *("--scenario", "base", "--agents", str(run.agents_now)),
        *("--days", str(wish.days), "--jobs", "1", "--json", "--keep", str(days)),
    ]


def _conclude(run: _Run, code: int | None, err: Path, *, late: bool) -> None:
    """What of the end of a process ends the whole."""
    if run.stop.is_set():
        run.state = State.CANCELLED
    elif late:
        run.state, run.error = State.FAILED, "It took too long; ask for fewer days."
    elif code != 0:
        lines = err.read_bytes()[-2_000:].decode("utf-8", "replace").strip().splitlines()
        run.state, run.error = State.FAILED, lines[-1][:300] if lines else f"It ended with {code}."


def _read(run: _Run, folder: Path) -> None:
    try:
        if run.wish.forecast:
            run.band = band_of((folder / "days").read_text("utf-8").splitlines())
        else:
            run.result = _result(json.loads((folder / "out").read_bytes()[:OUT_MAX]))
        run.state, run.progress = State.DONE, 1.0
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        run.state, run.error = State.FAILED, "Its result cannot be read."


def _result(told: Mapping[str, Any]) -> Outcome:
    first, second = told["results"][:2]
    return Outcome(_figures(first), _figures(second))


def _figures(one: Mapping[str, Any]) -> dict[str, Figure]:
    found = {}
    for name in FIGURES:
        value, half = float(one[name]["value"]), float(one[name]["half"])
        found[name] = Figure(value, max(0.0, value - half), value + half)
    return found


def _played(path: Path) -> int:
    """Days on record there: each has one seed."""
    try:
        return path.read_bytes().count(b'"seed":')
    except OSError:
        return 0


def _view(number: str, run: _Run) -> ExperimentView:
    wish = run.wish
    values: Mapping[str, float | str | None] = {
        "campaign": wish.campaign,
        "agents": wish.agents,
        "answer_rate": wish.answer_rate,
        "limit": wish.limit,
        "days": wish.days,
    }
    request = {name: value for name, value in values.items() if value is not None}
    return ExperimentView(
        number,
        wish.forecast,
        run.state,
        run.progress,
        request,
        run.result,
        run.band,
        run.error,
        run.by,
    )
