"""A text file as somebody's spreadsheet wrote it: encoding, delimiter and records."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from dialer.campaigns.tables import Row, checked, fitted
from yamlmarks import FileError

_SAMPLE = 256 * 1024  # bytes looked at to tell the encoding
_LINE_MAX = 1_000_000  # characters of one line; a list's longest honest one has some thousand
_DELIMITERS = ",;\t|"
_CONTROLS = frozenset(range(32)) - frozenset(b"\t\n\v\f\r\x1a\x1b")
_CONTROLS_MAX = 5  # kinds of them; a text has one or two at most, in whatever encoding
# Letters that Western and Central European Windows write with the same byte, as does ISO 8859.
_SAME = "ÁÂÄÇÉËÍÎÓÔÖÚÜÝßáâäçéëíîóôöúüý".encode("cp1252")


class CsvFile:
    """A `Table` of a text file."""

    def __init__(self, path: Path, shown_as: str = "") -> None:
        self.name = shown_as or str(path)
        try:
            self.size = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise FileError([f"{self.name}: cannot be read: {error.strerror}"]) from None
        try:
            self.encoding = _encoding(self._raw.read(_SAMPLE), self.name)
            self._raw.seek(0)
            self._text = io.TextIOWrapper(self._raw, self.encoding, newline="")
            self.delimiter = self._delimiter()
            self.kind = "tsv" if self.delimiter == "\t" else "csv"
            self._line = 0  # read so far
            self._reader = csv.reader(self._lines(), delimiter=self.delimiter, strict=True)
            header = self._record()
            while header and not any(c.strip() for c in header.cells):
                header = self._record()
            if header is None:
                raise FileError([f"{self.name}: is empty: the first line names the columns"])
            header = checked(header, header.cells)
            if header.fault:
                raise FileError([f"{self.name}:{header.line}: {header.fault}"])
            self.header = header.cells
            self.header_line = header.line
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        self._raw.close()

    @property
    def read_share(self) -> float:
        return min(1.0, self._raw.tell() / self.size) if self.size else 1.0

    def rows(self) -> Iterator[Row]:
        width = len(self.header)
        while (row := self._record()) is not None:
            if "".join(row.cells).strip():
                yield checked(fitted(row, width), self.header)

    def _lines(self) -> Iterator[str]:
        while True:
            line = self._readline(_LINE_MAX + 1)
            if not line:
                return
            self._line += 1
            if len(line) > _LINE_MAX:
                raise FileError(
                    [
                        f"{self.name}:{self._line}: {_cell_of(line, self.delimiter)}the line is "
                        f"longer than {_LINE_MAX:,} characters: is a quote missing before it? "
                        "Nothing was imported"
                    ]
                )
            yield line

    def _readline(self, most: int) -> str:
        try:
            return self._text.readline(most)
        except UnicodeDecodeError:
            line = self._undecodable()
            unlike = ", unlike the lines before" if line > 1 else ""
            raise FileError(
                [
                    f"{self.name}:{line}: is not {self.encoding}{unlike}: save the file as UTF-8; "
                    "nothing was imported"
                ]
            ) from None

    def _undecodable(self) -> int:
        """The line that is not in the encoding: the decoder is some thousand bytes ahead."""
        if self.encoding.startswith("utf-16"):
            return self._line + 1
        self._raw.seek(0)
        for line, text in enumerate(iter(lambda: self._raw.readline(_LINE_MAX), b""), start=1):
            try:
                text.decode(self.encoding)
            except UnicodeDecodeError:
                return line
        return self._line + 1

    def _record(self) -> Row | None:
        line = self._line + 1
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            told = f"is not CSV: {error}"
            if "field limit" in str(error):
                told = f"a cell is longer than {csv.field_size_limit():,} characters"
            raise FileError(
                [f"{self.name}:{line}: {told}: is a quote missing? Nothing was imported"]
            ) from None
        return None if cells is None else Row(line, cells)

    def _delimiter(self) -> str:
        first = self._readline(_LINE_MAX)
        while first and not first.strip():
            first = self._readline(_LINE_MAX)
        self._text.seek(0)
        outside = re.sub(r'"(?:[^"]|"")*"', "", first)
        return max(_DELIMITERS, key=outside.count) if outside.strip() else ","


def _cell_of(line: str, delimiter: str) -> str:
    """Which cell of a line is the long one, as far as was read."""
    cells = line.split(delimiter)
    longest = max(range(len(cells)), key=lambda n: len(cells[n]))
    return f"column {longest + 1}: " if len(cells[longest]) > len(line) // 2 else ""


def _encoding(sample: bytes, name: str) -> str:
    for bom, encoding in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(bom):
            return encoding
    if b"\0" in sample:
        even, odd = sample[0:2000:2], sample[1:2000:2]
        if odd.count(0) > 0.7 * len(odd) and even.count(0) == 0:
            return "utf-16-le"  # without its mark
        if even.count(0) > 0.7 * len(even) and odd.count(0) == 0:
            return "utf-16-be"
        before = sample[: sample.index(b"\0")].count(b"\n") + 1
        raise FileError(
            [f"{name}:{before}: is not a text file (it holds a NUL): export the list as CSV"]
        )
    if len(_CONTROLS.intersection(sample)) > _CONTROLS_MAX:
        raise FileError([f"{name}:1: is not a text file: export the list as CSV"])
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError as error:
        if _mostly_utf8(sample):
            line = sample.count(b"\n", 0, error.start) + 1
            raise FileError(
                [
                    f"{name}:{line}: is not UTF-8, which most of the file is: mend the line, or "
                    "save the file as UTF-8; nothing was imported"
                ]
            ) from None
        if _plainly_western(sample):
            return "cp1252"
        best = from_bytes(sample).best()
        return "cp1252" if best is None else best.encoding
    return "utf-8"


def _mostly_utf8(sample: bytes) -> bool:
    """Whether UTF-8 reads more characters beyond ASCII than there are bytes it cannot read. Text
    in another encoding hardly ever holds two bytes that would be one of its characters."""
    read = sample.decode("utf-8", "surrogateescape")
    beyond = sum(char > "\x7f" for char in read)
    unread = sum("\udc80" <= char <= "\udcff" for char in read)
    return beyond - unread > unread


def _plainly_western(sample: bytes) -> bool:
    """Whether every byte beyond ASCII is one of those letters and stands alone among plain ones:
    a few names with an umlaut, of which statistics make anything."""
    beyond = [n for n, byte in enumerate(sample) if byte > 127]
    alone = sum(not (n and sample[n - 1] > 127) and sample[n + 1 : n + 2] < b"\x80" for n in beyond)
    return all(sample[n] in _SAME for n in beyond) and alone >= 0.9 * len(beyond)
