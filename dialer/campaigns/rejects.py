"""The file of rows that were left out: line, column and reason beside the row as it stood."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO


@dataclass(frozen=True, slots=True)
class Rejection:
    """Why a row cannot be used: `column` is its header, empty for the row as a whole."""

    line: int
    column: str
    reason: str


class Rejects:
    """Made when the first row comes, in place when all have come."""

    def __init__(self, path: Path, header: list[str]) -> None:
        self._path = path
        self._part = path.with_name(f"{path.name}.part")
        self._header = header
        self._file: TextIO | None = None

    def write(self, why: Rejection, cells: list[str]) -> None:
        if self._file is None:
            self._file = self._part.open("w", encoding="utf-8", newline="")
            self._put(["line", "column", "reason", *self._header])
        self._put([str(why.line), why.column, why.reason, *cells])

    def _put(self, cells: list[str]) -> None:
        assert self._file is not None
        csv.writer(self._file).writerow([harmless(cell) for cell in cells])

    def finish(self) -> Path | None:
        if self._file is None:
            return None
        self._file.close()
        self._part.replace(self._path)
        return self._path

    def discard(self) -> None:
        if self._file is not None:
            self._file.close()
            self._part.unlink(missing_ok=True)


def harmless(cell: str) -> str:
    """A cell that a spreadsheet will not take for a formula: an apostrophe goes before it."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell
