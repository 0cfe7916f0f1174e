"""Uploaded lists: kept in a folder of our own, read apart, brought in one at a time."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

import sqlalchemy as sa
import structlog

from dialer.campaigns.apart import apart
from dialer.campaigns.lists import ImportReport, Wishes, import_list, source_of
from dialer.campaigns.mapping import CARRIED, TARGETS
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.reading import Heading, Request
from dialer.clock import outside_work
from dialer.core.events import LeadSuppressed
from dialer.server.engine import Engine
from dialer.server.face import Refused
from dialer.server.listdesk import (
    UPLOAD_MAX,
    BatchView,
    ColumnView,
    JobKind,
    JobState,
    JobView,
    ListResult,
    ListWishes,
    ReasonCount,
    UndoneAnswer,
    UploadView,
    VerdictCount,
    ZoneCount,
    batch_view,
)
from dialer.store.batches import NoSuchBatch, NotUndone
from dialer.store.database import StoreError
from dialer.store.store import Store
from dialer.tasks import Tasks
from yamlmarks import FileError

log = structlog.get_logger()

KEPT_FOR = timedelta(days=1)
UPLOADS_MAX = 20  # at once; each may be UPLOAD_MAX
_SAMPLE = 5  # cells shown of a column
_CELL_SHOWN = 80  # characters of one
_SHOWN = 200  # zones and reasons in a view


@dataclass(slots=True)
class _Job:
    kind: JobKind
    state: JobState = JobState.WAITING
    rows: int = 0
    share: float = 0.0
    fault: str = ""
    report: ImportReport | None = None


@dataclass(slots=True)
class _Upload:
    """`folder` holds the file, and its rejects."""

    id: str
    who: str
    campaign: str
    name: str
    sheet: str
    folder: Path
    size: int
    heading: Heading
    source: str
    expires_at: datetime
    job: _Job | None = None
    mapping: Mapping[str, str] = field(default_factory=dict)

    @property
    def file(self) -> Path:
        return self.folder / "list"

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    @property
    def busy(self) -> bool:
        return self.job is not None and self.job.state in (JobState.WAITING, JobState.RUNNING)


class Listing:
    """Implements `dialer.server.listdesk.ListDesk`. `close` takes the uploads away.

    `order` is held by whoever claims leads for the hopper until he has posted them, as in
    `dialer.server.inbound`.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        campaigns: Mapping[str, CampaignFile],
        order: asyncio.Lock,
        tasks: Tasks,
    ) -> None:
        self._store, self._engine, self._campaigns = store, engine, campaigns
        self._order, self._tasks = order, tasks
        self._uploads: dict[str, _Upload] = {}
        self._folder: Path | None = None
        self._one_at_a_time = asyncio.Lock()

    def start(self) -> None:
        """Finish what a former life of the process left half done."""
        self._tasks.start("lists broken off", self._finish())

    async def _finish(self) -> None:
        async with self._one_at_a_time:
            try:
                await self._store.lists.finish_pending()
            except (sa.exc.DBAPIError, OSError) as error:  # the next import does it
                log.error("a list was not finished", error=type(error).__name__)

    async def close(self) -> None:
        self._uploads.clear()
        if self._folder is not None:
            folder, self._folder = self._folder, None
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)

    # --- uploads --------------------------------------------------------------------------------

    async def upload(
        self, who: str, campaign: str, name: str, sheet: str, chunks: AsyncIterator[bytes]
    ) -> UploadView:
        known = self._campaign(campaign)
        await self._forget_old()
        if len(self._uploads) >= UPLOADS_MAX:
            raise Refused(
                f"{UPLOADS_MAX} uploads wait already.", 409, "Commit or drop some of them."
            )
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="overdial-lists-"))
        upload_id = secrets.token_hex(8)
        folder = self._folder / upload_id
        folder.mkdir(mode=0o700)
        try:
            size = await _write(folder / "list", chunks)
            source = source_of(name)
            heading = await self._heading(folder / "list", known, name, sheet, source)
        except FileError as error:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise _unreadable(error) from None
        except BaseException:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)
            raise
        expires_at = self._store.clock.utc() + KEPT_FOR
        made = _Upload(
            upload_id, who, campaign, name, sheet, folder, size, heading, source, expires_at
        )
        self._uploads[upload_id] = made
        return _view(made)

    async def _heading(
        self, file: Path, campaign: CampaignFile, name: str, sheet: str, source: str
    ) -> Heading:
        request = Request(
            file,
            campaign.default_region,
            self._store.clock.utc().date(),
            saved=await self._store.lists.mapping(source),
            sheet=sheet,
            shown_as=name,
        )
        async with apart("heading", request) as read:
            heading = await anext(aiter(read))
        assert isinstance(heading, Heading), "the heading comes first"
        return heading

    async def _forget_old(self) -> None:
        now = self._store.clock.utc()
        for one in list(self._uploads.values()):
            if one.expires_at <= now and not one.busy:
                await self._remove(one)

    async def _remove(self, one: _Upload) -> None:
        self._uploads.pop(one.id, None)
        await asyncio.to_thread(shutil.rmtree, one.folder, ignore_errors=True)

    def _find(self, who: str, upload: str) -> _Upload:
        one = self._uploads.get(upload)
        if one is None or one.who != who or one.expires_at <= self._store.clock.utc():
            raise Refused("There is no such upload.", 404, "Send the file again.")
        return one

    def _campaign(self, name: str) -> CampaignFile:
        known = self._campaigns.get(name)
        if known is None:
            raise Refused("There is no such campaign.", 404, "See /v1/campaigns.")
        return known

    def show(self, who: str, upload: str) -> UploadView:
        return _view(self._find(who, upload))

    def rejects(self, who: str, upload: str) -> Path:
        one = self._find(who, upload)
        if one.busy or not one.rejects.exists():
            raise Refused("There are no rejected rows.", 404, "See the job of the upload.")
        return one.rejects

    async def drop(self, who: str, upload: str) -> None:
        one = self._find(who, upload)
        if one.busy:
            raise Refused("The list is being read.", 409, "Wait for the end of its job.")
        await self._remove(one)

    # --- jobs -----------------------------------------------------------------------------------

    async def run(self, who: str, upload: str, kind: JobKind, wishes: ListWishes) -> UploadView:
        one = self._find(who, upload)
        if one.busy:
            raise Refused("The list is being read.", 409, "Wait for the end of its job.")
        done = one.job
        if done is not None and done.kind is JobKind.COMMIT and done.state is JobState.DONE:
            raise Refused("The list was committed already.", 409, "See its batch.")
        one.job = job = _Job(kind)
        self._tasks.start("list", self._run(one, job, wishes))
        return _view(one)

    async def _run(self, one: _Upload, job: _Job, wishes: ListWishes) -> None:
        async with self._one_at_a_time:
            job.state = JobState.RUNNING
            try:
                await self._import(one, job, wishes)
            except FileError as error:
                job.fault = "\n".join(error.faults)
            except StoreError as error:
                job.fault = str(error)
            except (sa.exc.DBAPIError, OSError) as error:
                log.error("a list was not imported", error=type(error).__name__)
                job.fault = "The database does not answer: try again later."
            job.state = JobState.FAILED if job.fault else JobState.DONE

    async def _import(self, one: _Upload, job: _Job, wishes: ListWishes) -> None:
        def told(rows: int, share: float) -> None:
            job.rows, job.share = rows, share

        one.rejects.unlink(missing_ok=True)
        job.report = await import_list(
            one.file,
            self._campaign(one.campaign),
            self._store,
            rejects=one.rejects,
            wishes=Wishes(
                wishes.mapping,
                wishes.sheet or one.sheet,
                wishes.source or one.source,
                wishes.save_mapping,
                wishes.duplicates,
                wishes.across,
                wishes.one_per_person,
                wishes.strict,
            ),
            dry_run=job.kind is JobKind.CHECK,
            who=one.who,
            shown_as=one.name,
            apart=True,
            progress=told,
        )
        await self._tell_core(job.report.concerned)

    async def _tell_core(self, leads: set[int]) -> None:
        """Whom a list changed in the hopper is taken back from it."""
        if leads:
            async with self._order:
                self._engine.post(LeadSuppressed(frozenset(leads), frozenset()))

    # --- batches --------------------------------------------------------------------------------

    async def batches(self, campaign: str) -> list[BatchView]:
        return [batch_view(one) for one in await self._store.lists.batches(campaign)]

    async def batch(self, batch: int) -> BatchView:
        try:
            return batch_view(await self._store.lists.batch(batch))
        except NoSuchBatch:
            raise Refused("There is no such list.", 404, "See /v1/lists.") from None

    async def undo(self, who: str, batch: int, undialled_only: bool) -> UndoneAnswer:
        try:
            async with self._one_at_a_time:
                done = await self._store.lists.undo(batch, who, undialled_only=undialled_only)
        except NoSuchBatch:
            raise Refused("There is no such list.", 404, "See /v1/lists.") from None
        except NotUndone as error:
            mend = 'Send {"undialled_only": true}.' if error.partly else ""
            raise Refused(f"{error}.", 409, mend) from None
        await self._tell_core(done.concerned)
        return UndoneAnswer(done.taken_out, done.kept)


async def _write(path: Path, chunks: AsyncIterator[bytes]) -> int:
    """Write a file as it comes; its size. Raises `Refused` when it is too large."""
    size = 0
    with path.open("wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            if size > UPLOAD_MAX:
                raise Refused(
                    f"The file is larger than {UPLOAD_MAX // 2**20} MiB.",
                    413,
                    "Split it, or import it by `dialer lists import`.",
                )
            with outside_work():
                await asyncio.to_thread(file.write, chunk)
    return size


def _unreadable(error: FileError) -> Refused:
    return Refused("; ".join(error.faults[:5]), 400, "Mend the file and send it again.")


def _view(one: _Upload) -> UploadView:
    heading = one.heading
    return UploadView(
        one.id,
        one.campaign,
        one.name,
        one.size,
        heading.kind,
        heading.encoding,
        heading.delimiter,
        [
            ColumnView(
                column.header,
                column.target,
                [
                    row[column.index][:_CELL_SHOWN]
                    for row in heading.sample[:_SAMPLE]
                    if column.index < len(row)
                ],
            )
            for column in heading.columns
        ],
        [*TARGETS, CARRIED],
        one.source,
        one.expires_at,
        None if one.job is None else _job_view(one.job),
    )


def _job_view(job: _Job) -> JobView:
    report = job.report
    return JobView(
        job.kind,
        job.state,
        job.rows,
        job.share,
        job.fault,
        None if report is None else _result(report),
    )


def _result(report: ImportReport) -> ListResult:
    verdicts: dict[tuple[str, str], int] = {}
    for (when, rule, _), count in report.verdicts.items():
        verdicts[when, rule] = verdicts.get((when, rule), 0) + count
    return ListResult(
        report.rows,
        report.accepted,
        report.updated,
        report.rejected,
        report.skipped,
        report.duplicates,
        report.invalid,
        report.held,
        report.numbers_dropped,
        report.came_meanwhile,
        [VerdictCount(when, rule, count) for (when, rule), count in sorted(verdicts.items())],
        [ZoneCount(zones, count) for zones, count in report.zones.most_common(_SHOWN)],
        [ReasonCount(reason, count) for reason, count in report.reasons.most_common(_SHOWN)],
        report.list_id,
        report.rejects is not None,
    )
