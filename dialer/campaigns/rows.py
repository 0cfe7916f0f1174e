"""Rows of a list made leads, each with its numbers, zones and fields, or with why it cannot be."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from dialer.campaigns.consent import PARTS, Consent, ConsentError, consent_of, stricter
from dialer.campaigns.dates import day_of
from dialer.campaigns.lead import PRIORITY_MAX, UNKNOWN_ZONE, StagedLead, StagedPhone
from dialer.campaigns.mapping import KEPT, Column, region_of
from dialer.campaigns.numbers import (
    NUMBERS_MAX,
    Dialable,
    NumberError,
    dialable,
    numbers_in,
)
from dialer.campaigns.rejects import Rejection
from dialer.campaigns.tables import Row
from dialer.campaigns.zones import is_zone

ID_MAX = 128  # characters, as for the API
NAME_MAX = 200
_CHECKED = frozenset({"tz", "priority", "external_id", "person", "birth_date"})


class _Unclear(Exception):
    """What a row says of consent is not understood."""

    def __init__(self, column: str, why: str) -> None:
        super().__init__(why)
        self.column, self.why = column, why


class RowReader:
    """Makes leads of rows. `today` is where a date begins to be in the future."""

    def __init__(self, columns: Iterable[Column], default_region: str, today: date) -> None:
        self._region = default_region
        self._today = today
        self._phones: list[Column] = []
        self._fields: list[Column] = []
        self._by_target: dict[str, Column] = {}
        # The columns that say so, by the header of the number they belong to; "": of all.
        self._consents: dict[str, dict[str, Column]] = {}
        for column in columns:
            if column.target == "phone":
                self._phones.append(column)
            elif column.target in PARTS:
                self._consents.setdefault(column.of, {})[column.target] = column
            elif column.target:
                self._by_target[column.target] = column
            if not column.target or column.target in KEPT or column.target in PARTS:
                self._fields.append(column)
        self._where = {target: column.index for target, column in self._by_target.items()}
        self._named = [t for t in ("first_name", "last_name") if t in self._where]
        # What may be wrong with a cell: only these are looked at.
        self._looked_at = [
            (target, column) for target, column in self._by_target.items() if target in _CHECKED
        ]
        self.dropped = 0  # numbers of the last row that could not be used beside one that could

    def read(self, row: Row) -> StagedLead | Rejection:
        if row.fault:
            return Rejection(row.line, row.column, row.fault)
        numbers = self._numbers(row)
        if isinstance(numbers, Rejection):
            return numbers
        fault = self._check(row)
        if fault is not None:
            return fault
        consents: dict[str, Consent | None] = {}
        if self._consents:
            try:
                consents = self._consents_of(row, {column.header for column, _ in numbers})
            except _Unclear as unclear:
                return Rejection(row.line, unclear.column, unclear.why)
        zones = self._cell(row, "tz") or _zones_of(numbers)
        phones: dict[str, StagedPhone] = {}
        extensions: dict[str, str] = {}
        for column, number in numbers:
            said = consents.get(column.header)
            if number.e164 in phones:
                if said is not None:  # said twice of one number: the no stands
                    known = phones[number.e164]
                    both = stricter(one for one in (known.consent, said) if one is not None)
                    phones[number.e164] = known._replace(consent=both)
                continue
            label = column.header
            if number.extension:
                label = f"{column.header} ext. {number.extension}"
                extensions[f"{column.header} extension"] = number.extension
            phones[number.e164] = StagedPhone(number.e164, column.header, label, said)
        cells = row.cells
        return StagedLead(
            line=row.line,
            phones=tuple(phones.values()),
            name=self._name(row),
            external_id=self._cell(row, "external_id"),
            zones=zones,
            priority=int(self._cell(row, "priority") or 0),
            held_why="" if zones else UNKNOWN_ZONE,
            fields={
                column.header: value
                for column in self._fields
                if (value := cells[column.index].strip())
            }
            | extensions,
            person=self._cell(row, "person"),
        )

    def _cell(self, row: Row, target: str) -> str:
        at = self._where.get(target)
        return "" if at is None else row.cells[at].strip()

    def _consents_of(self, row: Row, headers: set[str]) -> dict[str, Consent | None]:
        """What the row says of the numbers in each of these columns. Raises `_Unclear`."""
        found: dict[str, Consent | None] = {}
        for header in headers:
            parts = self._consents.get("", {}) | self._consents.get(header, {})
            cells = {part: row.cells[column.index] for part, column in parts.items()}
            try:
                found[header] = consent_of(cells, self._today)
            except ConsentError as error:
                column = parts.get(error.part) or next(iter(parts.values()))
                raise _Unclear(column.header, str(error)) from None
        return found

    def _name(self, row: Row) -> str:
        whole = self._cell(row, "name")
        if not whole and self._named:
            parts = [self._cell(row, target) for target in self._named]
            whole = " ".join(part for part in parts if part)
        return whole[:NAME_MAX]

    def _check(self, row: Row) -> Rejection | None:
        """What is wrong with a cell that is understood."""
        for target, column in self._looked_at:
            cell = row.cells[column.index].strip()
            if not cell:
                continue
            why = ""
            match target:
                case "tz" if not is_zone(cell):
                    why = "is no time zone: write one such as America/New_York"
                case "priority" if not (cell.isdecimal() and int(cell) <= PRIORITY_MAX):
                    why = f"is a whole number from 0 to {PRIORITY_MAX}"
                case "external_id" | "person" if len(cell) > ID_MAX or not cell.isprintable():
                    why = f"is an id: {ID_MAX} printable characters at most"
                case "birth_date":
                    born = day_of(cell)
                    if born is not None and born > self._today:
                        why = "is a date in the future"
            if why:
                return Rejection(row.line, column.header, why)
        return None

    def _numbers(self, row: Row) -> list[tuple[Column, Dialable]] | Rejection:
        region = self._region
        if "region" in self._where:
            region = region_of(self._cell(row, "region"), region)
        good: list[tuple[Column, Dialable]] = []
        fault: Rejection | None = None
        self.dropped = 0
        for column in self._phones:
            cell = row.cells[column.index]
            if not cell or cell.isspace():
                continue
            try:
                texts = numbers_in(cell)
            except NumberError as error:
                return Rejection(row.line, column.header, str(error))
            for text in texts:
                try:
                    good.append((column, dialable(text, region)))
                except NumberError as error:
                    self.dropped += 1
                    fault = fault or Rejection(row.line, column.header, str(error))
        if len(good) > NUMBERS_MAX:
            why = f"the row holds {len(good)} numbers, {NUMBERS_MAX} at most"
            return Rejection(row.line, good[-1][0].header, why)
        if good:
            return good
        if fault is not None:
            return fault
        return Rejection(row.line, self._phones[0].header, "there is no number")


def _zones_of(numbers: list[tuple[Column, Dialable]]) -> str:
    """All zones of all numbers; one number without a zone: not dialled by itself."""
    if len(numbers) == 1:
        return " ".join(numbers[0][1].zones)
    if not all(number.zones for _, number in numbers):
        return ""
    return " ".join(sorted({zone for _, number in numbers for zone in number.zones}))
