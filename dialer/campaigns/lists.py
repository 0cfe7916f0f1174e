"""A list of accounts from a file into the store: everything that can be used, once, or nothing.

Rows that cannot be used are written to a file of their own with line, column and reason, ready to
be mended and imported again. Memory does not grow with the file.
"""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from dialer.campaigns import apart as elsewhere
from dialer.campaigns.mapping import Column, by_header
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.reading import Heading, Piece, Request, read_list
from dialer.campaigns.rejects import Rejection, Rejects
from dialer.store.liststore import Incoming
from dialer.store.preview import Verdict
from dialer.store.staged import Across, Again, Duplicate, Where
from dialer.store.store import Store
from yamlmarks import FileError

READING = 0.6  # of an import's time; the rest is the making of leads
_NO_ROWS = "names the columns, and no row follows: nothing was imported"
APART_FROM = 1_000_000  # bytes: some ten thousand rows, a second of reading


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
    firsts: dict[str, Rejection] = field(default_factory=dict)  # of each reason, the first row
    verdicts: Counter[Verdict] = field(default_factory=Counter)  # of the gate, on a dry run
    zones: Counter[str] = field(default_factory=Counter)  # of accepted rows
    rejects: Path | None = None  # written only when something was rejected
    concerned: set[int] = field(default_factory=set)  # leads that were changed in a hopper

    @property
    def invalid(self) -> int:
        """Rows that no list could use."""
        return self.rejected + self.skipped - self.duplicates


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
    apart: bool | None = None,
    progress: Told = _untold,
) -> ImportReport:
    """Import `path` for `campaign`, which is added to the store if need be.

    `rejects` defaults to `<file>.rejects.csv` beside the file. `dry_run` checks everything, also
    against the store, and changes nothing. `who` is kept with the batch. `shown_as` names the file
    for people. `apart`: it is read in a process of its own; None: when it is large. Raises
    `FileError` when the file as a whole cannot be used; then nothing was imported.
    """
    wishes = wishes or Wishes(mapping or {})
    name = Path(shown_as or path.name)
    source = wishes.source or source_of(name.name)
    request = Request(
        path,
        campaign.default_region,
        store.clock.utc().date(),
        wishes.mapping,
        await store.lists.mapping(source),
        wishes.sheet,
        shown_as,
    )
    if apart is None:
        apart = _is_large(path)
    async with contextlib.AsyncExitStack() as parts:
        if apart:
            read = await parts.enter_async_context(elsewhere.apart("list", request))
        else:
            read = await parts.enter_async_context(contextlib.aclosing(_at_hand(request)))
        heading = await anext(aiter(read))
        assert isinstance(heading, Heading), "the heading comes first"
        job = _Job(heading, campaign, store, wishes, dry_run, request, source)
        target = rejects or path.with_name(f"{path.stem}.rejects.csv")
        return await job.run(read, name, target, who, progress)


def _is_large(path: Path) -> bool:
    try:
        return path.stat().st_size > APART_FROM
    except OSError:
        return False  # whoever opens it says why it cannot be


async def _at_hand(request: Request) -> AsyncGenerator[Heading | Piece, None]:
    for piece in read_list(request):
        yield piece


class _Job:
    """One import from its heading to its report."""

    def __init__(
        self,
        heading: Heading,
        campaign: CampaignFile,
        store: Store,
        wishes: Wishes,
        dry_run: bool,
        request: Request,
        source: str,
    ) -> None:
        self.heading, self.campaign, self.store, self.wishes = heading, campaign, store, wishes
        self.report = ImportReport(
            request.path,
            request.shown_as or str(request.path),
            heading.kind,
            heading.encoding,
            heading.delimiter,
            heading.columns,
            dry_run,
            source,
        )
        self._headers = {one.target: one.header for one in heading.columns if one.target}
        usual = campaign.duplicates
        self.duplicates = wishes.duplicates or Duplicates(usual.policy)
        one_per_person = wishes.one_per_person
        self.again = Again(
            update=self.duplicates is Duplicates.UPDATE,
            across=wishes.across or Across(usual.across),
            one_per_person=usual.one_per_person if one_per_person is None else one_per_person,
        )

    async def run(
        self,
        read: AsyncIterator[Heading | Piece],
        name: Path,
        target: Path,
        who: str,
        progress: Told,
    ) -> ImportReport:
        lists, report = self.store.lists, self.report
        if report.dry_run:
            incoming = await lists.rehearse(self.campaign, self.again)
        else:
            if self.campaign.name not in self.store.context.campaigns:
                await self.store.add_campaign(self.campaign)
            incoming = await lists.begin(self.campaign.name, name.stem, name.name, self.again)
        log = Rejects(target, self.heading.header)
        try:
            async for piece in read:
                assert isinstance(piece, Piece), "the heading came"
                await self._put(incoming, piece, log)
                progress(report.rows, piece.share * (1.0 if report.dry_run else READING))
            if not report.rows:
                raise FileError([f"{report.name}:{self.heading.line}: {_NO_ROWS}"])
            if self.wishes.strict and report.rejected and not report.dry_run:
                raise FileError([self._refusal(log)])
            if report.dry_run:
                await lists.drop(incoming)
            else:
                await self._finish(incoming, who, progress)
        except BaseException:
            log.discard()
            await lists.drop(incoming)
            raise
        report.rejects = log.finish()
        progress(report.rows, 1.0)
        return report

    async def _finish(self, incoming: Incoming, who: str, progress: Told) -> None:
        lists, report = self.store.lists, self.report
        whole = max(1, report.accepted + report.updated)

        def told(made: int) -> None:
            progress(report.rows, READING + (1.0 - READING) * min(1.0, made / whole))

        done = await lists.finish(incoming, report.rejected, who, self._detail(), told)
        report.list_id = incoming.list_id
        report.accepted, report.updated = done.made, done.updated
        report.came_meanwhile, report.concerned = done.late, done.concerned
        if self.wishes.save_mapping:
            await lists.save_mapping(report.source, by_header(report.columns))

    def _refusal(self, log: Rejects) -> str:
        report = self.report
        return (
            f"{report.name}: {report.rejected} of {report.rows} rows cannot be used, see "
            f"{log.finish()}; nothing was imported (--strict)"
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

    def _reject(self, why: Rejection, cells: list[str], log: Rejects) -> None:
        self.report.rejected += 1
        reason = without_numbers(why.reason)
        self.report.reasons[reason] += 1
        self.report.firsts.setdefault(reason, why)
        log.write(why, cells)

    async def _put(self, incoming: Incoming, piece: Piece, log: Rejects) -> None:
        """Put a piece of the list aside, and account for what was there already."""
        report, lists = self.report, self.store.lists
        report.rows += piece.rows
        report.numbers_dropped += piece.dropped
        for why, cells in piece.rejected:
            self._reject(why, cells, log)
        if not piece.leads:
            return
        if report.dry_run:
            told, verdicts = await lists.try_out(incoming, piece.leads)
            report.verdicts.update(verdicts)
        else:
            told = await lists.stage(incoming, piece.leads)
        gone: set[int] = set()
        if told:
            rows = {lead.line: cells for lead, cells in zip(piece.leads, piece.cells, strict=True)}
            for one in told:
                if one.updates:
                    report.updated += 1
                    gone.add(one.line)
                elif one.whole:
                    gone.add(one.line)
                    self._left_out(one, rows[one.line], log)
                else:
                    report.numbers_dropped += 1
        for lead in piece.leads:
            if lead.line not in gone:
                report.accepted += 1
                report.zones[lead.zones] += 1
                report.held += bool(lead.held_why)

    def _left_out(self, one: Duplicate, cells: list[str], log: Rejects) -> None:
        duplicate = one.where is not Where.STOPPED
        self.report.duplicates += duplicate
        if duplicate and (self.duplicates is Duplicates.SKIP or one.where is Where.ELSEWHERE):
            self.report.skipped += 1
            self.report.reasons[without_numbers(one.reason)] += 1
        else:
            column = self._headers.get(one.column, one.column)
            self._reject(Rejection(one.line, column, one.reason), cells, log)


def without_numbers(reason: str) -> str:
    """A reason fit for counting: without the line it names."""
    words = ["..." if word.replace(",", "").isdigit() else word for word in reason.split()]
    return " ".join(words)
