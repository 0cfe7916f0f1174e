"""A list of accounts from a file into the store: everything that can be used, once, or nothing.

Rows that cannot be used are written to a file of their own with line, column and reason, ready to
be mended and imported again. Memory does not grow with the file.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path

from dialer.campaigns.mapping import Column, by_header, choose
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.rejects import Rejection, Rejects
from dialer.campaigns.rows import RowReader
from dialer.campaigns.tables import SAMPLE_ROWS, Row, Table, open_table
from dialer.campaigns.yamlfile import FileError
from dialer.store.liststore import Incoming
from dialer.store.preview import Verdict
from dialer.store.staged import Across, Again, Duplicate, StagedLead, Where
from dialer.store.store import Store

CHUNK = 1_000  # rows between two writes


class Duplicates(StrEnum):
    """What is done with a row whose account or number came before."""

    SKIP = "skip"  # left out, and counted
    UPDATE = "update"  # brings what is there up to date
    REJECT = "reject"  # left out, and told in the rejects file


@dataclass(frozen=True, slots=True)
class Wishes:
    """How a list is to be read. None: as the campaign's file says."""

    mapping: Mapping[str, str] = field(default_factory=dict)  # target -> header; wins over guesses
    sheet: str = ""
    source: str = ""  # whose file it is: its mapping is remembered by that; empty: the file's name
    save_mapping: bool = False
    duplicates: Duplicates | None = None
    across: Across | None = None
    one_per_person: bool | None = None
    strict: bool = False  # one row that cannot be used refuses the whole list


@dataclass(slots=True)
class ImportReport:
    """What came of an import. `reasons` counts the rejected by reason."""

    path: Path
    name: str
    kind: str
    encoding: str
    delimiter: str
    columns: tuple[Column, ...]
    dry_run: bool
    source: str = ""
    list_id: int | None = None
    rows: int = 0
    accepted: int = 0  # leads made, or that would be
    updated: int = 0  # leads that were there, brought up to date
    rejected: int = 0
    duplicates: int = 0  # of the rejected, and of what was skipped: there already
    skipped: int = 0  # left out without a line in the rejects file
    held: int = 0  # accepted, but not dialled by itself
    numbers_dropped: int = 0  # second numbers that could not be used, of accepted rows
    came_meanwhile: int = 0  # found to be there only when the list became leads
    reasons: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[Verdict] = field(default_factory=Counter)  # of the gate, on a dry run
    zones: Counter[str] = field(default_factory=Counter)  # of accepted rows
    rejects: Path | None = None  # written only when something was rejected
    concerned: set[int] = field(default_factory=set)  # leads that were changed in a hopper

    @property
    def invalid(self) -> int:
        """Rows that no list could use."""
        return self.rejected + self.skipped - self.duplicates


class Opened:
    """A list that is open, its columns understood. `close` at the end."""

    def __init__(
        self,
        path: Path,
        region: str,
        wishes: Wishes,
        saved: Mapping[str, str] | None = None,
        shown_as: str = "",
    ) -> None:
        """Raises `FileError` when the file as a whole cannot be used."""
        self.name = shown_as or str(path)
        self.table: Table = open_table(path, wishes.sheet, self.name)
        try:
            self._rows = self.table.rows()
            self.sample = list(itertools.islice(self._rows, SAMPLE_ROWS))
            self.columns = choose(
                f"{self.name}:{self.table.header_line}",
                self.table.header,
                [row.cells for row in self.sample if not row.fault],
                region,
                wishes.mapping,
                saved,
            )
        except BaseException:
            self.table.close()
            raise

    def rows(self) -> Iterator[Row]:
        return itertools.chain(self.sample, self._rows)

    def close(self) -> None:
        self.table.close()


def source_of(name: str) -> str:
    """Whose file it is, by its name: accounts-2026-11-22.csv and accounts_0001.xlsx are one's."""
    stem = re.sub(r"[\W_]*\d[\d\W_]*", "-", Path(name).stem).strip("-_ .").lower()
    return stem[:64] or "list"


Told = Callable[[int, float], None]


def _untold(_rows: int, _share: float) -> None:
    pass


async def import_list(
    path: Path,
    campaign: CampaignFile,
    store: Store,
    *,
    rejects: Path | None = None,
    mapping: Mapping[str, str] | None = None,
    wishes: Wishes | None = None,
    dry_run: bool = False,
    who: str = "",
    shown_as: str = "",
    progress: Told = _untold,
) -> ImportReport:
    """Import `path` for `campaign`, which is added to the store if need be.

    `rejects` defaults to `<file>.rejects.csv` beside the file. `dry_run` checks everything, also
    against the store, and changes nothing. `who` is kept with the batch. `shown_as` names the file
    for people. Raises `FileError` when the file as a whole cannot be used; then nothing was
    imported.
    """
    wishes = wishes or Wishes(mapping or {})
    name = Path(shown_as or path.name)
    source = wishes.source or source_of(name.name)
    saved = await store.lists.mapping(source)
    opened = Opened(path, campaign.default_region, wishes, saved, shown_as)
    try:
        job = _Job(opened, campaign, store, wishes, dry_run, path, source)
        target = rejects or path.with_name(f"{path.stem}.rejects.csv")
        return await job.run(name, target, who, progress)
    finally:
        opened.close()


class _Job:
    """One import from its first row to its report."""

    def __init__(
        self,
        opened: Opened,
        campaign: CampaignFile,
        store: Store,
        wishes: Wishes,
        dry_run: bool,
        path: Path,
        source: str,
    ) -> None:
        self.opened, self.campaign, self.store, self.wishes = opened, campaign, store, wishes
        table = opened.table
        self.report = ImportReport(
            path,
            opened.name,
            table.kind,
            table.encoding,
            table.delimiter,
            opened.columns,
            dry_run,
            source,
        )
        usual = campaign.duplicates
        self.duplicates = wishes.duplicates or Duplicates(usual.policy)
        one_per_person = wishes.one_per_person
        self.again = Again(
            update=self.duplicates is Duplicates.UPDATE,
            across=wishes.across or Across(usual.across),
            one_per_person=usual.one_per_person if one_per_person is None else one_per_person,
        )
        self.reader = RowReader(opened.columns, campaign.default_region, self._today())

    def _today(self) -> date:
        return self.store.clock.utc().date()

    async def run(self, name: Path, target: Path, who: str, progress: Told) -> ImportReport:
        lists, report = self.store.lists, self.report
        if report.dry_run:
            incoming = await lists.rehearse(self.campaign, self.again)
        else:
            if self.campaign.name not in self.store.context.campaigns:
                await self.store.add_campaign(self.campaign)
            incoming = await lists.begin(self.campaign.name, name.stem, name.name, self.again)
        log = Rejects(target, self.opened.table.header)
        try:
            await self._stage(incoming, log, progress)
            if self.wishes.strict and report.rejected and not report.dry_run:
                raise FileError([await self._refuse(log)])
            if report.dry_run:
                await lists.drop(incoming)
            else:
                report.list_id = incoming.list_id
                done = await lists.finish(
                    incoming,
                    report.rejected,
                    who,
                    self._detail(),
                    lambda made: progress(made, 1.0),
                )
                report.accepted, report.updated = done.made, done.updated
                report.came_meanwhile, report.concerned = done.late, done.concerned
            if self.wishes.save_mapping and not report.dry_run:
                await lists.save_mapping(report.source, by_header(report.columns))
        except BaseException:
            log.discard()
            await lists.drop(incoming)
            raise
        report.rejects = log.finish()
        progress(report.rows, 1.0)
        return report

    async def _refuse(self, log: Rejects) -> str:
        report = self.report
        told = log.finish()
        return (
            f"{report.name}: {report.rejected} of {report.rows} rows cannot be used, see {told}; "
            "nothing was imported (--strict)"
        )

    def _detail(self) -> dict[str, object]:
        """What the audit keeps of how the list was read."""
        report = self.report
        return {
            "file": Path(report.name).name,
            "rows": report.rows,
            "rejected": report.rejected,
            "duplicates": report.duplicates,
            "policy": self.duplicates.value,
            "across": self.again.across.value,
            "mapping": by_header(report.columns),
        }

    async def _stage(self, incoming: Incoming, log: Rejects, progress: Told) -> None:
        report, reader = self.report, self.reader
        chunk: list[StagedLead] = []
        rows: dict[int, Row] = {}
        for row in self.opened.rows():
            report.rows += 1
            lead = reader.read(row)
            if isinstance(lead, Rejection):
                self._reject(row, lead, log)
            else:
                report.numbers_dropped += reader.dropped
                chunk.append(lead)
                rows[row.line] = row
            if len(chunk) >= CHUNK:
                await self._put(incoming, chunk, rows, log)
                progress(report.rows, self.opened.table.read_share)
        await self._put(incoming, chunk, rows, log)

    def _reject(self, row: Row, why: Rejection, log: Rejects) -> None:
        self.report.rejected += 1
        self.report.reasons[without_numbers(why.reason)] += 1
        log.write(why, row.cells)

    async def _put(
        self, incoming: Incoming, chunk: list[StagedLead], rows: dict[int, Row], log: Rejects
    ) -> None:
        """Put a piece of the list aside, and account for what was there already."""
        if not chunk:
            return
        report, lists = self.report, self.store.lists
        if report.dry_run:
            told, verdicts = await lists.try_out(incoming, chunk)
            report.verdicts.update(verdicts)
        else:
            told = await lists.stage(incoming, chunk)
        gone: set[int] = set()
        for one in told:
            if one.updates:
                report.updated += 1
                gone.add(one.line)
            elif one.whole:
                gone.add(one.line)
                self._left_out(one, rows[one.line], log)
            else:
                report.numbers_dropped += 1
        for lead in chunk:
            if lead.line not in gone:
                report.accepted += 1
                report.zones[lead.zones] += 1
                report.held += bool(lead.held_why)
        chunk.clear()
        rows.clear()

    def _left_out(self, one: Duplicate, row: Row, log: Rejects) -> None:
        duplicate = one.where is not Where.STOPPED
        self.report.duplicates += duplicate
        skipped = self.duplicates is Duplicates.SKIP or one.where is Where.ELSEWHERE
        if duplicate and skipped:
            self.report.skipped += 1
            self.report.reasons[without_numbers(one.reason)] += 1
        else:
            column = self.reader.header_of(one.column)
            self._reject(row, Rejection(one.line, column, one.reason), log)


def without_numbers(reason: str) -> str:
    """A reason fit for counting: without the line it names."""
    words = ["..." if word.replace(",", "").isdigit() else word for word in reason.split()]
    return " ".join(words)
