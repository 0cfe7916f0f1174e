"""A list of accounts from a CSV file into the store: everything that can be used, once, or nothing.

Rows that cannot be used are written to a file of their own with line, column and reason, ready to
be mended and imported again. Memory does not grow with the file.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumberFormat, PhoneNumberType, phonenumberutil

from dialer.campaigns.csvfile import Column, CsvFile, Row
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.zones import is_zone, zones_of_number
from dialer.store.imports import StagedLead, StagedPhone
from dialer.store.schema import PRIORITY_MAX
from dialer.store.store import Store

CHUNK = 500  # rows between two writes: some 50 ms of parsing
CELL_MAX = 4_000  # characters of one cell; more is a broken quote
UNKNOWN_ZONE = "time zone not known"
_COSTLY = {
    PhoneNumberType.PREMIUM_RATE: "is a premium-rate number",
    PhoneNumberType.SHARED_COST: "is a shared-cost number",
}
_PARSE = {
    NumberParseException.INVALID_COUNTRY_CODE: "has no country that exists",
    NumberParseException.NOT_A_NUMBER: "is not a phone number",
    NumberParseException.TOO_SHORT_AFTER_IDD: "is too short",
    NumberParseException.TOO_SHORT_NSN: "is too short",
    NumberParseException.TOO_LONG: "is too long",
}


@dataclass(slots=True)
class ImportReport:
    """What came of an import. `reasons` counts the rejected by reason."""

    path: Path
    encoding: str
    delimiter: str
    columns: tuple[Column, ...]
    dry_run: bool
    list_id: int | None = None
    rows: int = 0
    accepted: int = 0
    rejected: int = 0
    held: int = 0  # accepted, but not dialled by itself
    numbers_dropped: int = 0  # second numbers that could not be used, of accepted rows
    reasons: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[str] = field(default_factory=Counter)  # of the gate, on a dry run
    rejects: Path | None = None  # written only when something was rejected


@dataclass(frozen=True, slots=True)
class Rejection:
    line: int
    column: str
    reason: str


class NumberError(ValueError):
    """Why a text is no number that can be dialled; the number itself is not in the text."""


def normalise(text: str, region: str) -> phonenumbers.PhoneNumber:
    """The number a person wrote. Raises `NumberError`."""
    if text.startswith("00"):
        text = f"+{text[2:]}"  # most of the world dials out with 00, and lists cross borders
    try:
        number = phonenumbers.parse(text, region)
    except NumberParseException as error:
        raise NumberError(_PARSE.get(error.error_type, "is not a phone number")) from None
    if number.extension:
        raise NumberError("has an extension, which cannot be dialled: leave it out")
    possible = phonenumbers.is_possible_number_with_reason(number)
    if possible == phonenumberutil.ValidationResult.TOO_SHORT:
        raise NumberError("is too short")
    if possible == phonenumberutil.ValidationResult.TOO_LONG:
        raise NumberError("is too long")
    if not phonenumbers.is_valid_number(number):
        raise NumberError("is not a number in use in its country")
    costly = _COSTLY.get(phonenumbers.number_type(number))
    if costly:
        raise NumberError(costly)
    return number


def e164(text: str, region: str) -> str:
    """The number of a do-not-call list's line, which may be out of use. Raises `NumberError`."""
    try:
        number = phonenumbers.parse(f"+{text[2:]}" if text.startswith("00") else text, region)
    except NumberParseException as error:
        raise NumberError(_PARSE.get(error.error_type, "is not a phone number")) from None
    if not phonenumbers.is_possible_number(number):
        raise NumberError("is too short or too long")
    return phonenumbers.format_number(number, PhoneNumberFormat.E164)


async def import_list(
    path: Path,
    campaign: CampaignFile,
    store: Store,
    *,
    rejects: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    dry_run: bool = False,
    progress: Callable[[int, float], None] = lambda _rows, _share: None,
) -> ImportReport:
    """Import `path` for `campaign`, which is added to the store if need be.

    `rejects` defaults to `<file>.rejects.csv` beside the file. `mapping` is target -> header and
    wins over the guess. `dry_run` checks everything, also against the store, and changes nothing.
    Raises `FileError` when the file as a whole cannot be used; then nothing was imported.
    """
    file = CsvFile(path, mapping)
    try:
        if campaign.name not in store.context.campaigns:
            await store.add_campaign(campaign)
        report = ImportReport(path, file.encoding, file.delimiter, file.columns, dry_run)
        list_id = await store.begin_import(campaign.name, path.stem, path.name)
        target = rejects or path.with_name(f"{path.stem}.rejects.csv")
        log = _Rejects(target, file.header)
        try:
            await _stage_all(file, campaign, store, list_id, report, log, progress)
            if dry_run:
                await store.drop_import(list_id)
            else:
                report.accepted = await store.finish_import(campaign.name, list_id, report.rejected)
                report.list_id = list_id
        except BaseException:
            log.discard()
            await store.drop_import(list_id)
            raise
        report.rejects = log.finish()
        progress(report.rows, 1.0)
        return report
    finally:
        file.close()


async def _stage_all(
    file: CsvFile,
    campaign: CampaignFile,
    store: Store,
    list_id: int,
    report: ImportReport,
    log: _Rejects,
    progress: Callable[[int, float], None],
) -> None:
    reader = _Reader(file.columns, campaign.default_region)
    chunk: list[StagedLead] = []
    rows: dict[int, Row] = {}

    async def put() -> None:
        duplicates = await store.stage(campaign.name, list_id, chunk) if chunk else []
        gone = {one.line for one in duplicates if one.whole}
        report.accepted += len(chunk) - len(gone)
        if report.dry_run:
            kept = [lead for lead in chunk if lead.line not in gone]
            report.verdicts.update(await store.judge_staged(campaign.name, kept))
        report.held += sum(1 for lead in chunk if lead.held_why and lead.line not in gone)
        for one in duplicates:
            if one.whole:
                column = reader.header_of(one.column)
                reject(rows[one.line], Rejection(one.line, column, one.reason))
            else:
                report.numbers_dropped += 1
        chunk.clear()
        rows.clear()
        progress(report.rows, file.read_share)

    def reject(row: Row, why: Rejection) -> None:
        report.rejected += 1
        report.reasons[_without_numbers(why.reason)] += 1
        log.write(why, row.cells)

    for row in file.rows():
        report.rows += 1
        lead = reader.read(row)
        if isinstance(lead, Rejection):
            reject(row, lead)
        else:
            report.numbers_dropped += reader.dropped
            chunk.append(lead)
            rows[row.line] = row
        if len(chunk) >= CHUNK:
            await put()
    await put()


def _without_numbers(reason: str) -> str:
    """A reason fit for counting: without the line it names."""
    words = ["..." if word.isdigit() else word for word in reason.split()]
    return " ".join(words)


class _Reader:
    """Makes leads of rows."""

    def __init__(self, columns: Iterable[Column], default_region: str) -> None:
        self._region = default_region
        self._phones: list[Column] = []
        self._fields: list[Column] = []
        self._by_target: dict[str, Column] = {}
        for column in columns:
            if column.target == "phone":
                self._phones.append(column)
            elif column.target:
                self._by_target[column.target] = column
            else:
                self._fields.append(column)
        self.dropped = 0  # numbers of the last row that could not be used beside one that could

    def read(self, row: Row) -> StagedLead | Rejection:
        if row.fault:
            return Rejection(row.line, "", row.fault)
        for i, cell in enumerate(row.cells):
            if len(cell) > CELL_MAX or "\0" in cell:
                header = str(i + 1)
                return Rejection(row.line, header, "the cell is too long, or is not text")
        numbers = self._numbers(row)
        if isinstance(numbers, Rejection):
            return numbers
        zones, fault = self._zones(row, numbers)
        if fault is not None:
            return fault
        priority = self._cell(row, "priority")
        if priority and not (priority.isdecimal() and int(priority) <= PRIORITY_MAX):
            column = self._by_target["priority"].header
            return Rejection(row.line, column, f"is a whole number from 0 to {PRIORITY_MAX}")
        phones = {
            phonenumbers.format_number(number, PhoneNumberFormat.E164): column
            for column, number in reversed(numbers)
        }
        return StagedLead(
            line=row.line,
            phones=tuple(
                StagedPhone(text, column.header, column.header)
                for text, column in reversed(phones.items())
            ),
            name=self._name(row),
            external_id=self._cell(row, "external_id"),
            zones=zones,
            priority=int(priority or 0),
            held_why="" if zones else UNKNOWN_ZONE,
            fields={
                column.header: value
                for column in self._fields
                if (value := row.cells[column.index].strip())
            },
        )

    def header_of(self, name: str) -> str:
        """The file's own word for a target; what is no target is a header already."""
        column = self._by_target.get(name)
        return name if column is None else column.header

    def _cell(self, row: Row, target: str) -> str:
        column = self._by_target.get(target)
        return "" if column is None else row.cells[column.index].strip()

    def _name(self, row: Row) -> str:
        whole = self._cell(row, "name")
        parts = (self._cell(row, "first_name"), self._cell(row, "last_name"))
        return whole or " ".join(part for part in parts if part)

    def _numbers(self, row: Row) -> list[tuple[Column, phonenumbers.PhoneNumber]] | Rejection:
        region = self._cell(row, "region").upper()
        if region not in phonenumbers.SUPPORTED_REGIONS:
            region = self._region
        good: list[tuple[Column, phonenumbers.PhoneNumber]] = []
        fault: Rejection | None = None
        self.dropped = 0
        for column in self._phones:
            text = row.cells[column.index].strip().lstrip("'")  # a spreadsheet's mark for text
            if not text:
                continue
            try:
                good.append((column, normalise(text, region)))
            except NumberError as error:
                self.dropped += 1
                fault = fault or Rejection(row.line, column.header, str(error))
        if good:
            return good
        if fault is not None:
            return fault
        return Rejection(row.line, self._phones[0].header, "there is no number")

    def _zones(
        self, row: Row, numbers: list[tuple[Column, phonenumbers.PhoneNumber]]
    ) -> tuple[str, Rejection | None]:
        given = self._cell(row, "tz")
        if given:
            if not is_zone(given):
                column = self._by_target["tz"].header
                why = "is no time zone: write one such as America/New_York"
                return "", Rejection(row.line, column, why)
            return given, None
        found: set[str] = set()
        for _, number in numbers:
            zones = zones_of_number(number)
            if not zones:
                return "", None  # one number without a zone: not dialled by itself
            found |= zones
        return " ".join(sorted(found)), None


class _Rejects:
    """The file of rejected rows: made when the first row comes, in place when all have come."""

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
