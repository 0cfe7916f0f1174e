"""Finished days kept on disk as they come, so that a run broken off goes on where it stopped.

One JSON line for each job: its key and its days. The key is a digest of all that decides the
outcome but the program itself: world, pacer, seeds and engine. After a pacer was changed, its
lines mean nothing any more: keep to a new file.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from simulator.results import CurveRow, DayResult
from yamlmarks import FileError

if TYPE_CHECKING:
    from simulator.experiments.jobs import Job


_BEGIN = b'{"key": '  # of every line of ours


def key_of(job: Job) -> str:
    """The same for the same world, pacer, seeds and engine, in every process."""
    return sha256(repr(job).encode()).hexdigest()[:24]


def day_json(day: DayResult) -> dict[str, Any]:
    """All of a day but its single waits and gaps, which no table and no report asks for."""
    return asdict(replace(day, waits_s=(), gaps_s=()))


def day_from_json(found: dict[str, Any]) -> DayResult:
    """A day as `day_json` wrote it. Raises TypeError or KeyError for anything else."""
    rows = tuple(CurveRow(**row) for row in found["curve"])
    return DayResult(**{**found, "curve": rows})


class Kept:
    """The finished jobs of one file. Raises `FileError` when it cannot be read or is another's."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[str, list[DayResult]] = {}
        try:
            data = path.read_bytes() if path.exists() else b""
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror})") from None
        whole = data.rfind(b"\n") + 1  # a line torn by the end of the process was never kept
        for number, line in enumerate(data[:whole].splitlines(), start=1):
            try:
                one = json.loads(line)
                self._found[one["key"]] = [day_from_json(day) for day in one["days"]]
            except (ValueError, KeyError, TypeError):
                raise self._foreign(number) from None
        torn = data[whole:]
        if torn:
            if torn[: len(_BEGIN)] != _BEGIN[: len(torn)]:
                raise self._foreign(data.count(b"\n") + 1)  # somebody's, and nothing to cut off
            with path.open("r+b") as file:
                file.truncate(whole)

    def _foreign(self, number: int) -> FileError:
        return FileError(
            f"{self.path}:{number}: is no line of kept days; give another file to --keep"
        )

    def __len__(self) -> int:
        return len(self._found)

    def days(self, job: Job) -> list[DayResult] | None:
        return self._found.get(key_of(job))

    def add(self, job: Job, days: list[DayResult]) -> None:
        """Append a finished job. Raises OSError where the file cannot be written."""
        key = key_of(job)
        self._found[key] = days
        line = json.dumps({"key": key, "days": [day_json(day) for day in days]})
        with self.path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
