"""Lists of accounts as `dialer.web` sees them: uploaded, looked at, tried out, committed, undone.

An upload lives for a day, or until it is dropped, and belongs to whoever sent it: for all others it
is not there. Trying out and committing are jobs; they run one at a time, and the view says how far
one is. All methods raise `Refused`: 404 for what is not there, 409 for what does not fit now, 400
for what cannot be read, with `file:line: column: mend` in the text.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from dialer.campaigns.lists import Duplicates
from dialer.store.batches import Batch, BatchState, BatchStep
from dialer.store.staged import Across

UPLOAD_MAX = 512 * 1024 * 1024  # bytes of a file


class JobKind(StrEnum):
    CHECK = "check"  # a dry run: nothing is written
    COMMIT = "commit"


class JobState(StrEnum):
    WAITING = "waiting"  # another one is running
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"  # `fault` says why; nothing was imported


@dataclass(frozen=True, slots=True)
class ListWishes:
    """How an upload is to be read; None: as the campaign's file says. `mapping` is target ->
    header and wins over the guess."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    source: str = ""
    sheet: str = ""
    save_mapping: bool = False
    duplicates: Duplicates | None = None
    across: Across | None = None
    one_per_person: bool | None = None
    strict: bool = False


@dataclass(frozen=True, slots=True)
class ColumnView:
    """A column as the file has it. `target` is what it is taken for, empty: carried along.
    `sample` holds personal data: for whoever loads the list."""

    header: str
    target: str
    sample: list[str]


@dataclass(frozen=True, slots=True)
class VerdictCount:
    """`when`: dialable now, later today, another day, blocked; `rule` is empty for now."""

    when: str
    rule: str
    count: int


@dataclass(frozen=True, slots=True)
class ZoneCount:
    """`zones`: every zone these may be in, joined by a space; empty: not known."""

    zones: str
    count: int


@dataclass(frozen=True, slots=True)
class ReasonCount:
    reason: str
    count: int


@dataclass(frozen=True, slots=True)
class ListResult:
    """What came of a list, or would. rows = accepted + updated + rejected + skipped, and
    `duplicates` of the last two were there already. `came_meanwhile` rows were found to be there
    only at the end."""

    rows: int
    accepted: int
    updated: int
    rejected: int
    skipped: int
    duplicates: int
    invalid: int
    held: int
    numbers_dropped: int
    came_meanwhile: int
    verdicts: list[VerdictCount]
    zones: list[ZoneCount]
    reasons: list[ReasonCount]
    batch: int | None
    has_rejects: bool


@dataclass(frozen=True, slots=True)
class JobView:
    """`rows` were read so far, `share` (0 to 1) of the file."""

    kind: JobKind
    state: JobState
    rows: int
    share: float
    fault: str
    result: ListResult | None


@dataclass(frozen=True, slots=True)
class UploadView:
    """`targets` are what a column may be. `source` is whose file it is taken for."""

    upload: str
    campaign: str
    name: str
    size: int
    kind: str
    encoding: str
    delimiter: str
    columns: list[ColumnView]
    targets: list[str]
    source: str
    expires_at: datetime
    job: JobView | None


@dataclass(frozen=True, slots=True)
class BatchStepView:
    at: datetime
    step: str
    who: str
    detail: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BatchView:
    """A list that came in. `leads` are those that are there now, `attempted` those of them that
    were called; both are 0 in `GET /v1/lists`, which does not count."""

    batch: int
    campaign: str
    name: str
    file: str
    state: BatchState
    imported_at: datetime
    accepted: int
    rejected: int
    leads: int
    attempted: int
    history: list[BatchStepView]


@dataclass(frozen=True, slots=True)
class BatchesAnswer:
    batches: list[BatchView]


@dataclass(frozen=True, slots=True)
class UndoneAnswer:
    """`kept` leads stay, because they were called."""

    taken_out: int
    kept: int


def batch_view(one: Batch) -> BatchView:
    return BatchView(
        one.id,
        one.campaign,
        one.name,
        one.source,
        one.state,
        one.imported_at,
        one.accepted,
        one.rejected,
        one.leads,
        one.attempted,
        [_step(step) for step in one.history],
    )


def _step(step: BatchStep) -> BatchStepView:
    return BatchStepView(step.at, step.step, step.who, dict(step.detail))


def safe_name(text: str) -> str:
    """The name of a file as a person may see it: no path, nothing that is not a plain sign."""
    last = re.split(r"[/\\]", text)[-1]
    plain = "".join(sign if sign.isprintable() else "_" for sign in last).strip(" .")
    return plain[-100:] or "list"


class ListDesk(Protocol):
    async def upload(
        self, who: str, campaign: str, name: str, sheet: str, chunks: AsyncIterator[bytes]
    ) -> UploadView:
        """Take a file in pieces. 413 when it is larger than `UPLOAD_MAX`."""
        ...

    def show(self, who: str, upload: str) -> UploadView: ...

    async def run(self, who: str, upload: str, kind: JobKind, wishes: ListWishes) -> UploadView:
        """Begin a job. 409 while one runs, and for an upload that was committed."""
        ...

    def rejects(self, who: str, upload: str) -> Path:
        """The rejects file of the last job. 404 while there is none."""
        ...

    async def drop(self, who: str, upload: str) -> None: ...

    async def batches(self, campaign: str) -> list[BatchView]: ...

    async def batch(self, batch: int) -> BatchView: ...

    async def undo(self, who: str, batch: int, undialled_only: bool) -> UndoneAnswer: ...


__all__ = [
    "UPLOAD_MAX",
    "Across",
    "BatchState",
    "BatchView",
    "BatchesAnswer",
    "Duplicates",
    "JobKind",
    "ListDesk",
    "ListWishes",
    "UndoneAnswer",
    "UploadView",
    "batch_view",
    "safe_name",
]
