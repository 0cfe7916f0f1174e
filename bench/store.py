"""What a call costs in the store: CPU per call and writes per second, against bare sqlite3.

    python -m bench.store [--calls 4000] [--rate 200] [--url sqlite:///...]

Every call is claimed, recorded, followed through five stages and closed; one in five is disposed.
`flat out` submits as fast as commits allow, `paced` at `--rate` calls a second, as on a floor. The
bare loop writes the very rows those calls left, by executemany in as many transactions.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sqlite3
import tempfile
import time
from pathlib import Path

from bench.table import show
from dialer.core.commands import Progress, RecordAttempt
from dialer.core.outcomes import Outcome
from dialer.store import Commit
from tests.store.world import World, attempt, disposition, outcome, progress, staged

_STAGES = (Progress.ORIGINATED, Progress.RINGING, Progress.ANSWERED)


class Player:
    """Plays calls against a store and adds up what it cost."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.commits: list[Commit] = []
        self.opened: dict[str, RecordAttempt] = {}
        self.ended = 0
        world.store.start_writer(
            self._committed,
            on_failure=self._failed,
            on_commit=self.commits.append,
        )

    def _failed(self, name: str, error: BaseException) -> None:
        print(f"{name}: {error!r}")
        self.world.failures.append(error)

    def _committed(self, command: object, refused: str) -> None:
        assert not refused, refused
        if isinstance(command, RecordAttempt):
            submit = self.world.store.submit
            for stage in _STAGES:
                submit(progress(command, stage))
            if self.ended % 5 == 0:
                submit(progress(command, Progress.LIVE))
                submit(progress(command, Progress.CONNECTED, agent="anna"))
                submit(outcome(command, Outcome.CONNECTED, agent="anna", cause=16))
                submit(disposition(command, "sold"))
            else:
                submit(outcome(command, Outcome.NO_ANSWER, cause=19, tech_cause=480))
            self.ended += 1

    async def play(self, calls: int, rate: float | None) -> tuple[float, float]:
        """(wall seconds, CPU seconds) of `calls` calls."""
        self.commits.clear()
        gc.collect()
        wall, cpu = time.perf_counter(), time.process_time()
        done = 0
        while done < calls:
            leads = await self.world.claim(min(200, calls - done))
            for lead in leads:
                self.world.store.submit(attempt(self.world, lead))
                done += 1
                if rate is not None:
                    behind = wall + done / rate - time.perf_counter()
                    if behind > 0:
                        await asyncio.sleep(behind)
            if self.world.failures:
                raise self.world.failures[0]
            if rate is None:
                await self.world.store.flush()
        while self.world.store.writer_depth:
            await self.world.store.flush()
        await self.world.store.flush()
        return time.perf_counter() - wall, time.process_time() - cpu


def bare(path: Path, copy: Path) -> tuple[int, float]:
    """Write the rows of `path` anew with bare executemany; (rows, seconds)."""
    source = sqlite3.connect(path)
    target = sqlite3.connect(copy, isolation_level=None)
    target.execute("PRAGMA journal_mode=WAL")
    target.execute("PRAGMA synchronous=NORMAL")
    tables = ("attempts", "attempt_history", "dispositions", "crm_event")
    rows = 0
    seconds = 0.0
    for table in tables:
        create = source.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,))
        target.execute(create.fetchone()[0])
        for (index,) in source.execute(
            "SELECT sql FROM sqlite_master WHERE type = 'index' AND tbl_name = ? AND sql > ''",
            (table,),
        ):
            target.execute(index)
        data = source.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - names above
        marks = ",".join("?" * len(data[0]))
        began = time.perf_counter()
        for start in range(0, len(data), 100):
            target.execute("BEGIN IMMEDIATE")
            target.executemany(f"INSERT INTO {table} VALUES ({marks})", data[start : start + 100])  # noqa: S608
            target.execute("COMMIT")
        seconds += time.perf_counter() - began
        rows += len(data)
    return rows, seconds


async def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--calls", type=int, default=4000)
    options.add_argument("--rate", type=float, default=200.0)
    options.add_argument("--url", default="")
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "bench.db"
        world = await World.open(chosen.url or f"sqlite:///{path}", boot=f"{time.time_ns():x}")
        calls = chosen.calls
        paced_calls = min(calls, int(chosen.rate * 10))
        total = calls + paced_calls
        began = time.perf_counter()
        for start in range(0, total, 2000):
            await world.load(*(staged(n) for n in range(start, min(total, start + 2000))))
        rows_shown = [("import", f"{total / (time.perf_counter() - began):,.0f} leads/s", "")]
        player = Player(world)
        for name, count, rate in (
            ("flat out", calls, None),
            (f"paced at {chosen.rate:g}/s", paced_calls, chosen.rate),
        ):
            before = await world.value("SELECT count(*) FROM attempt_history")
            wall, cpu = await player.play(count, rate)
            rows = await world.value("SELECT count(*) FROM attempt_history") - before
            rows += 2 * count + count // 5  # attempts and crm_event, and a disposition in five
            slowest = max(c.seconds for c in player.commits)
            rows_shown.append(
                (
                    name,
                    f"{count / wall:,.0f} calls/s",
                    f"{1000 * cpu / count:.2f} ms CPU a call, {rows / wall:,.0f} rows/s; "
                    f"{len(player.commits)} commits, slowest {1000 * slowest:.0f} ms",
                )
            )
        await world.store.close()
        if world.failures:
            raise world.failures[0]
        if not chosen.url:
            rows, seconds = bare(path, Path(directory) / "bare.db")
            rows_shown.append(("bare sqlite3", f"{rows / seconds:,.0f} rows/s", f"{rows} rows"))
        show("The store on " + (chosen.url.partition(":")[0] or "SQLite"), rows_shown)


if __name__ == "__main__":
    asyncio.run(main())
