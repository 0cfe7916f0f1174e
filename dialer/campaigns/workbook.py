"""A list in an Excel workbook, read row by row, and never trusted about its size.

A workbook is a zip of XML: a few kilobytes may claim to be gigabytes, or a sheet of seventeen
thousand million cells. What it says of itself is checked before anything is unpacked.
"""

from __future__ import annotations

import datetime
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from openpyxl import load_workbook

from dialer.campaigns.mapping import COLUMNS_MAX
from dialer.campaigns.tables import Row, checked, fitted
from yamlmarks import FileError

UNPACKED_MAX = 1_500_000_000  # bytes of all parts; a million rows of twenty columns have about that
TEXTS_MAX = 100_000_000  # bytes of the table of texts, which stands in memory
RATIO_MAX = 200  # unpacked to packed, of parts larger than RATIO_FROM; honest ones stay below 60
RATIO_FROM = 10_000_000
PARTS_MAX = 10_000
ROWS_MAX = 1_048_576  # of a sheet, by Excel's own limit
_HEAD = 4_096  # bytes of a part in which a document type would be declared


class Workbook:
    """A `Table` of one sheet: the one that is named, or the first that is not empty."""

    kind = "xlsx"
    encoding = "xlsx"
    delimiter = ""

    def __init__(self, path: Path, sheet: str = "", shown_as: str = "") -> None:
        self.name = shown_as or str(path)
        _inspect(path, self.name)
        try:
            self._book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        except Exception as error:  # the library raises whatever broke it
            raise self._broken(error, "") from None
        try:
            self._sheet = self._choose(sheet)
            self._last = _claimed_rows(self._sheet)
            first = next(self._cells(self._sheet, 1, COLUMNS_MAX + 1), None)
            if first is None:
                raise FileError([f"{self.name}: is empty: the first line names the columns"])
            self.header_line, cells = first
            while cells and not cells[-1].strip():
                cells.pop()
            if len(cells) > COLUMNS_MAX:
                raise FileError(
                    [f"{self.name}:{self.header_line}: has more than {COLUMNS_MAX} columns"]
                )
            header = checked(Row(self.header_line, cells), cells)
            if header.fault:
                raise FileError([f"{self.name}:{header.line}: {header.column}: {header.fault}"])
            self.header = cells
            self._at = self.header_line
        except BaseException:
            self._book.close()
            raise

    def close(self) -> None:
        self._book.close()

    @property
    def read_share(self) -> float:
        return min(1.0, self._at / self._last)

    def rows(self) -> Iterator[Row]:
        width = len(self.header)
        for line, cells in self._cells(self._sheet, self.header_line + 1, width + 1):
            self._at = line
            if any(cell.strip() for cell in cells):
                cells = cells[: max(width, _filled(cells))]
                cells += [""] * (width - len(cells))
                yield checked(fitted(Row(line, cells), width), self.header)

    def _choose(self, sheet: str) -> Any:
        if sheet:
            if sheet not in self._book.sheetnames:
                known = ", ".join(self._book.sheetnames)
                raise FileError([f"{self.name}: has no sheet {sheet!r}; it has {known}"])
            return self._book[sheet]
        for one in self._book.worksheets:
            if (
                one.sheet_state == "visible"
                and next(self._cells(one, 1, COLUMNS_MAX + 1), None) is not None
            ):
                return one
        raise FileError([f"{self.name}: is empty: the first line names the columns"])

    def _cells(self, sheet: Any, first: int, width: int) -> Iterator[tuple[int, list[str]]]:
        """Filled rows by their line, cut at `width`. What a sheet says of its size is not asked:
        it may say anything."""
        line = first - 1
        try:
            sheet.reset_dimensions()
            rows = sheet.iter_rows(min_row=first, max_col=width, values_only=True)
            for line, row in enumerate(rows, start=first):
                cells = [_text(value) for value in row]
                if line > ROWS_MAX:
                    raise FileError([f"{self.name}:{line}: has more rows than a workbook may have"])
                if any(cells):
                    yield line, cells
        except FileError:
            raise
        except Exception as error:  # the library raises whatever broke it
            raise self._broken(error, f":{line + 1}") from None

    def _broken(self, error: Exception, place: str) -> FileError:
        return FileError(
            [
                f"{self.name}{place}: is a broken workbook ({type(error).__name__}): open it in a "
                "spreadsheet and save it anew, or as CSV; nothing was imported"
            ]
        )


def _inspect(path: Path, name: str) -> None:
    """Refuse what is no workbook, and what would not fit when unpacked."""
    try:
        with zipfile.ZipFile(path) as packed:
            parts = packed.infolist()
            if len(parts) > PARTS_MAX:
                raise FileError([f"{name}: has {len(parts):,} parts, no workbook has: refused"])
            if "xl/workbook.xml" not in packed.namelist():
                raise FileError(
                    [f"{name}: is a zip and no workbook: unpack it, and import what is in it"]
                )
            _weigh(parts, name)
            for part in parts:
                if part.filename.endswith((".xml", ".rels")):
                    with packed.open(part) as opened:
                        if b"<!DOCTYPE" in opened.read(_HEAD):
                            raise FileError([f"{name}: {part.filename} declares a DTD: refused"])
    except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, NotImplementedError):
        raise FileError(
            [
                f"{name}: is a broken or protected workbook: open it in a spreadsheet and save it "
                "anew without a password, or as CSV; nothing was imported"
            ]
        ) from None


def _weigh(parts: list[zipfile.ZipInfo], name: str) -> None:
    total = sum(part.file_size for part in parts)
    if total > UNPACKED_MAX:
        raise FileError(
            [
                f"{name}: unpacks to {total / 1e9:.1f} GB, {UNPACKED_MAX / 1e9:.1f} at most: "
                "export the list as CSV"
            ]
        )
    for part in parts:
        if part.file_size > RATIO_FROM and part.file_size > RATIO_MAX * max(1, part.compress_size):
            raise FileError(
                [
                    f"{name}: {part.filename} unpacks to {part.file_size // part.compress_size} "
                    f"times its size, {RATIO_MAX} at most: export the list as CSV"
                ]
            )
        if part.filename.lower().endswith("sharedstrings.xml") and part.file_size > TEXTS_MAX:
            raise FileError(
                [
                    f"{name}: its texts take {part.file_size / 1e6:.0f} MB, "
                    f"{TEXTS_MAX / 1e6:.0f} at most: export the list as CSV"
                ]
            )


def _claimed_rows(sheet: Any) -> int:
    rows = sheet.max_row
    return max(1, min(ROWS_MAX, rows)) if isinstance(rows, int) else ROWS_MAX


def _filled(cells: list[str]) -> int:
    count = len(cells)
    while count and not cells[count - 1].strip():
        count -= 1
    return count


def _text(value: object) -> str:
    """A cell as a person reads it: a number without the places it has not."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e16 else repr(value)
    if isinstance(value, datetime.datetime):
        if value.time() == datetime.time():
            return value.date().isoformat()
        return value.isoformat(" ", "seconds")
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return str(value)
