"""A CSV file as somebody's spreadsheet wrote it: encoding, delimiter, columns and rows."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from charset_normalizer import from_bytes

from dialer.campaigns.yamlfile import FileError

_SAMPLE = 256 * 1024  # bytes looked at to tell the encoding
_DELIMITERS = ",;\t|"
_PHONE = re.compile(
    r"(phone|tel|telephone|mobile|cell|cellular|handy|telefon|mobil|msisdn|number|nummer)"
    r"(number|no|nr|nummer)?\d{0,2}|(home|work|office|business|private|other|alt|second|mobile|cell)"
    r"(phone|tel|telephone|mobile|number|no)\d{0,2}"
)

# What a column is, by its header without spaces, case and signs.
SYNONYMS: Mapping[str, frozenset[str]] = {
    "external_id": frozenset(
        {
            *(
                "externalid",
                "id",
                "account",
                "accountid",
                "accountno",
                "accountnumber",
                "accountnr",
            ),
            *("customerid", "customerno", "customernumber", "leadid", "contactid", "debtid"),
            *("reference", "ref", "kundennummer", "kundennr", "konto", "kontonummer", "crmid"),
        }
    ),
    "name": frozenset({"name", "fullname", "customer", "customername", "contact", "contactname"}),
    "first_name": frozenset({"firstname", "givenname", "forename", "vorname"}),
    "last_name": frozenset({"lastname", "surname", "familyname", "nachname"}),
    "tz": frozenset({"tz", "timezone", "zone", "zoneinfo", "zeitzone", "ianatz", "olsontz"}),
    "region": frozenset({"country", "countrycode", "region", "land", "countryiso", "iso2"}),
    "priority": frozenset({"priority", "prio", "prioritaet", "priorität", "rank"}),
}
TARGETS = ("phone", *SYNONYMS)


@dataclass(frozen=True, slots=True)
class Column:
    """A column by its place and header; `target` as in `TARGETS`, or empty: carried along."""

    index: int
    header: str
    target: str


@dataclass(frozen=True, slots=True)
class Row:
    """A record as it stands. `line` is where it begins; `fault` why it cannot be used."""

    line: int
    cells: list[str]
    fault: str = ""


class CsvFile:
    """An open CSV file. Iterate `rows` once; `close` at the end."""

    def __init__(self, path: Path, mapping: Mapping[str, str] | None = None) -> None:
        self.path = path
        try:
            self.size = path.stat().st_size
            self._raw = path.open("rb")
        except OSError as error:
            raise FileError([f"{path}: cannot be read: {error.strerror}"]) from None
        try:
            self.encoding = _encoding(self._raw.read(_SAMPLE), path)
            self._raw.seek(0)
            self._text = io.TextIOWrapper(self._raw, self.encoding, newline="")
            self.delimiter = self._delimiter()
            self._reader = csv.reader(self._text, delimiter=self.delimiter, strict=True)
            self._next_line = 1
            header = self._record()
            while header and not header.fault and not any(c.strip() for c in header.cells):
                header = self._record()
            if header is None:
                raise FileError([f"{path}: is empty: the first line names the columns"])
            if header.fault:
                raise FileError([f"{path}:{header.line}: {header.fault}"])
            self.columns = _columns(path, header, mapping or {})
            self.header = header.cells
        except BaseException:
            self._raw.close()
            raise

    def close(self) -> None:
        self._raw.close()

    @property
    def read_share(self) -> float:
        """How much of the file has been read, 0 to 1."""
        return min(1.0, self._raw.tell() / self.size) if self.size else 1.0

    def rows(self) -> Iterator[Row]:
        """The records after the header; empty lines are left out."""
        width = len(self.header)
        while (row := self._record()) is not None:
            if row.fault:
                yield row
                return  # after a broken quote nothing that follows can be trusted
            if not any(cell.strip() for cell in row.cells):
                continue
            if len(row.cells) > width and not any(cell.strip() for cell in row.cells[width:]):
                row = Row(row.line, row.cells[:width])
            if len(row.cells) != width:
                yield Row(
                    row.line,
                    row.cells,
                    f"has {len(row.cells)} cells where the header has {width}: "
                    "quote cells that hold the delimiter",
                )
            else:
                yield row

    def _record(self) -> Row | None:
        line = self._next_line
        try:
            cells = next(self._reader, None)
        except csv.Error as error:
            return Row(line, [], f"is not CSV: {error}; nothing after this line was read")
        except UnicodeDecodeError:
            return Row(
                line,
                [],
                f"is not {self.encoding}, unlike the lines before: save the file as UTF-8; "
                "nothing after this line was read",
            )
        self._next_line = self._reader.line_num + 1
        return None if cells is None else Row(line, cells)

    def _delimiter(self) -> str:
        first = self._text.readline(1_000_000)
        while first and not first.strip():
            first = self._text.readline(1_000_000)
        self._text.seek(0)
        outside = re.sub(r'"(?:[^"]|"")*"', "", first)
        return max(_DELIMITERS, key=outside.count) if outside.strip() else ","


def _encoding(sample: bytes, path: Path) -> str:
    for bom, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(bom):
            return name
    if b"\0" in sample:
        raise FileError([f"{path}: is not a text file: export the list as CSV"])
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample)  # may end within a character
    except UnicodeDecodeError:
        best = from_bytes(sample).best()
        return "cp1252" if best is None else best.encoding
    return "utf-8"


def _plain(header: str) -> str:
    return re.sub(r"[^0-9a-zäöüß]", "", header.strip().lower())


def _columns(path: Path, header: Row, mapping: Mapping[str, str]) -> tuple[Column, ...]:
    faults = []
    names = [cell.strip() for cell in header.cells]
    for name in sorted({name for name in names if name and names.count(name) > 1}):
        faults.append(f"{path}:{header.line}: column {name!r} is there twice: rename one")
    chosen: dict[str, str] = {}  # header -> target
    for target, column in mapping.items():
        if target not in TARGETS and not re.fullmatch(r"phone\d{1,2}", target):
            faults.append(
                f"--map {target}={column}: there is no {target!r}; there are "
                f"{', '.join(TARGETS)} (and phone2, phone3, ... for further numbers)"
            )
        elif column not in names:
            faults.append(
                f"--map {target}={column}: the file has no column {column!r}; it has "
                f"{', '.join(name for name in names if name)}"
            )
        else:
            chosen[column] = "phone" if target.startswith("phone") else target
    taken = set(chosen.values()) - {"phone"}
    asked_for_phone = "phone" in chosen.values()
    columns = []
    for index, name in enumerate(names):
        target = chosen.get(name, "")
        plain = _plain(name)
        if not target and plain:
            guess = next((t for t, words in SYNONYMS.items() if plain in words), "")
            if guess and guess not in taken:
                target = guess
                taken.add(guess)
            elif not guess and not asked_for_phone and _PHONE.fullmatch(plain):
                target = "phone"
        columns.append(Column(index, name or f"column {index + 1}", target))
    if not faults and not any(column.target == "phone" for column in columns):
        faults.append(
            f"{path}:{header.line}: no column looks like a phone number among "
            f"{', '.join(name for name in names if name)}: name it with --map phone=<column>"
        )
    if faults:
        raise FileError(faults)
    return tuple(columns)
