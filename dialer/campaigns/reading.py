"""A list read from its first row to its last, in pieces: leads, and what cannot be one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from dialer.campaigns.lead import StagedLead
from dialer.campaigns.mapping import Column, choose
from dialer.campaigns.rejects import Rejection
from dialer.campaigns.rows import RowReader
from dialer.campaigns.tables import SAMPLE_ROWS, Row, Table, open_table

CHUNK = 1_000  # rows of a piece


@dataclass(frozen=True, slots=True)
class Request:
    """Which file, and how it is to be read. `mapping` is target -> header and wins over `saved`,
    target by header, which wins over guesses. `shown_as` names the file in faults."""

    path: Path
    region: str
    today: date
    mapping: Mapping[str, str] = field(default_factory=dict)
    saved: Mapping[str, str] | None = None
    sheet: str = ""
    shown_as: str = ""


@dataclass(frozen=True, slots=True)
class Heading:
    """What a list says before its first row. `sample` are its first rows as they stand."""

    kind: str
    encoding: str
    delimiter: str
    header: list[str]
    line: int
    columns: tuple[Column, ...]
    sample: list[list[str]] = field(default_factory=list)


@dataclass(slots=True)
class Piece:
    """Some rows: leads and their cells side by side, and the rest with why."""

    leads: list[StagedLead] = field(default_factory=list)
    cells: list[list[str]] = field(default_factory=list)
    rejected: list[tuple[Rejection, list[str]]] = field(default_factory=list)
    rows: int = 0
    dropped: int = 0  # second numbers of leads that could not be used
    share: float = 0.0  # of the file, read so far


class Opened:
    """A list that is open, its columns understood. `close` at the end."""

    def __init__(self, request: Request) -> None:
        """Raises `FileError` when the file as a whole cannot be used."""
        name = request.shown_as or str(request.path)
        self.table: Table = open_table(request.path, request.sheet, name)
        try:
            self._rows = self.table.rows()
            self.sample = list(itertools.islice(self._rows, SAMPLE_ROWS))
            self.columns = choose(
                f"{name}:{self.table.header_line}",
                self.table.header,
                [row.cells for row in self.sample if not row.fault],
                request.region,
                request.mapping,
                request.saved,
            )
        except BaseException:
            self.table.close()
            raise

    @property
    def heading(self) -> Heading:
        table = self.table
        return Heading(
            table.kind,
            table.encoding,
            table.delimiter,
            table.header,
            table.header_line,
            self.columns,
            [row.cells for row in self.sample if not row.fault],
        )

    def rows(self) -> Iterator[Row]:
        return itertools.chain(self.sample, self._rows)

    def close(self) -> None:
        self.table.close()


def read_heading(request: Request) -> Iterator[Heading]:
    """The heading alone, as the one piece of a work apart."""
    opened = Opened(request)
    try:
        yield opened.heading
    finally:
        opened.close()


def read_list(request: Request) -> Iterator[Heading | Piece]:
    """The heading, then pieces until the file ends. Raises `FileError`."""
    opened = Opened(request)
    try:
        yield opened.heading
        reader = RowReader(opened.columns, request.region, request.today)
        piece = Piece()
        for row in opened.rows():
            _take(piece, row, reader)
            if piece.rows >= CHUNK:
                piece.share = opened.table.read_share
                yield piece
                piece = Piece()
        piece.share = 1.0
        yield piece
    finally:
        opened.close()


def _take(piece: Piece, row: Row, reader: RowReader) -> None:
    piece.rows += 1
    lead = reader.read(row)
    if isinstance(lead, Rejection):
        piece.rejected.append((lead, row.cells))
    else:
        piece.leads.append(lead)
        piece.cells.append(row.cells)
        piece.dropped += reader.dropped
