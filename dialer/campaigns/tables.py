"""A list as a table, whatever kind of file it came in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from yamlmarks import FileError

CELL_MAX = 4_000  # characters of one cell; more is a broken quote
SAMPLE_ROWS = 200  # looked at to tell what the columns hold

_ZIP = b"PK\x03\x04"
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it stands. `line` is where it begins; `fault` why it cannot be used, and
    `column` of which cell."""

    line: int
    cells: list[str]
    fault: str = ""
    column: str = ""


class Table(Protocol):
    """An open list. Iterate `rows` once; `close` at the end.

    Made, and iterated, it raises `FileError` when nothing more of it can be trusted.
    """

    kind: str  # csv, tsv, xlsx
    encoding: str
    delimiter: str  # empty in a workbook
    header: list[str]
    header_line: int

    @property
    def read_share(self) -> float:
        """How much has been read, 0 to 1."""
        ...

    def rows(self) -> Iterator[Row]:
        """The records after the header; empty lines are left out."""
        ...

    def close(self) -> None: ...


def open_table(path: Path, sheet: str = "", shown_as: str = "") -> Table:
    """Open a list by what it holds, not by what it is called. `shown_as` names it in faults.

    Raises `FileError`.
    """
    from dialer.campaigns.csvfile import CsvFile
    from dialer.campaigns.workbook import Workbook

    name = shown_as or str(path)
    try:
        with path.open("rb") as file:
            first = file.read(8)
    except OSError as error:
        raise FileError([f"{name}: cannot be read: {error.strerror}"]) from None
    if first.startswith(_ZIP):
        return Workbook(path, sheet, name)
    if first.startswith(_OLE):
        raise FileError(
            [f"{name}: is an old .xls, or protected with a password: save it as .xlsx without one"]
        )
    if sheet:
        raise FileError([f"{name}: --sheet {sheet}: the file is no workbook and has no sheets"])
    return CsvFile(path, name)


def fitted(row: Row, width: int) -> Row:
    """The row with as many cells as the header has columns, or with its fault."""
    if len(row.cells) > width and not any(cell.strip() for cell in row.cells[width:]):
        row = Row(row.line, row.cells[:width])
    if len(row.cells) != width:
        return Row(
            row.line,
            row.cells,
            f"has {len(row.cells)} cells where the header has {width}: "
            "quote cells that hold the delimiter",
        )
    return row


def checked(row: Row, header: list[str]) -> Row:
    """The row, or with its fault: a cell that no list holds."""
    whole = "".join(row.cells)
    if len(whole) <= CELL_MAX and "\0" not in whole:  # nearly all rows, at once
        return row
    for n, cell in enumerate(row.cells):
        if len(cell) > CELL_MAX:
            why = f"the cell has {len(cell):,} characters, {CELL_MAX:,} at most"
        elif "\0" in cell:
            why = "the cell holds a NUL: it is no text"
        else:
            continue
        shown = [one[:100].replace("\0", " ") for one in row.cells]
        return Row(row.line, shown, why, header[n] or f"column {n + 1}")
    return row
