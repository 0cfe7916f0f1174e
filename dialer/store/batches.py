"""Lists as they came in, each a batch with an id: what became of them, and how one is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import Context, from_ms, to_ms
from dialer.store.schema import (
    LeadState,
    ListState,
    ListStep,
    attempts,
    campaigns,
    leads,
    list_history,
    list_mappings,
    lists,
    phones,
)
from dialer.store.settling import tell_history

_AT_ONCE = 2_000  # leads taken out in one transaction: some 50 ms
_SHOWN_MAX = 1_000  # batches in one answer


class BatchState(StrEnum):
    CHECKING = "checking"  # its file is being read
    COMMITTING = "committing"  # it is becoming leads, and will, whatever breaks
    READY = "ready"
    UNDONE = "undone"


@dataclass(frozen=True, slots=True)
class BatchStep:
    """An entry of the audit: what was done with the list, when and by whom."""

    at: datetime
    step: str
    who: str
    detail: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Batch:
    """`leads`: how many of it are there now; `attempted`: of these, with an attempt."""

    id: int
    campaign: str
    name: str
    source: str
    state: BatchState
    imported_at: datetime
    accepted: int
    rejected: int
    leads: int = 0
    attempted: int = 0
    history: tuple[BatchStep, ...] = ()


@dataclass(slots=True)
class Undone:
    """`kept`: leads that stay, because they were called."""

    taken_out: int = 0
    kept: int = 0
    concerned: set[int] = field(default_factory=set)  # were in somebody's hopper


class NoSuchBatch(Exception):
    """There is no such list."""


class NotUndone(Exception):
    """Why a batch stays. The text is for people. `partly`: its undialled leads could go."""

    def __init__(self, why: str, *, partly: bool = False) -> None:
        super().__init__(why)
        self.partly = partly


def _called() -> sa.ColumnElement[bool]:
    """Whether a lead has an attempt, or is getting one this moment."""
    return sa.or_(
        leads.c.attempts > 0,
        leads.c.state == LeadState.DIALLING.value,
        sa.exists().where(attempts.c.lead_id == leads.c.id),
    )


def batches(connection: Connection, campaign: str = "") -> list[Batch]:
    """The latest first."""
    query = (
        sa.select(lists, campaigns.c.name.label("campaign"))
        .join(campaigns, campaigns.c.id == lists.c.campaign_id)
        .order_by(lists.c.id.desc())
        .limit(_SHOWN_MAX)
    )
    if campaign:
        query = query.where(campaigns.c.name == campaign)
    rows = connection.execute(query).all()
    history = _histories(connection, [row.id for row in rows])
    return [_batch(row, history.get(row.id, ())) for row in rows]


def batch(connection: Connection, list_id: int) -> Batch:
    """One batch, with its leads counted. Raises `NoSuchBatch`."""
    row = connection.execute(
        sa.select(lists, campaigns.c.name.label("campaign"))
        .join(campaigns, campaigns.c.id == lists.c.campaign_id)
        .where(lists.c.id == list_id)
    ).first()
    if row is None:
        raise NoSuchBatch
    counted = connection.execute(
        sa.select(
            sa.func.count(), sa.func.coalesce(sa.func.sum(sa.case((_called(), 1), else_=0)), 0)
        ).where(leads.c.list_id == list_id)
    ).one()
    history = _histories(connection, [list_id])
    return _batch(row, history.get(list_id, ()), int(counted[0]), int(counted[1]))


def _histories(connection: Connection, ids: list[int]) -> dict[int, tuple[BatchStep, ...]]:
    found: dict[int, tuple[BatchStep, ...]] = {}
    for row in connection.execute(
        sa.select(list_history).where(list_history.c.list_id.in_(ids)).order_by(list_history.c.id)
    ):
        step = BatchStep(from_ms(row.at_ms), row.step, row.who, row.detail)
        found[row.list_id] = (*found.get(row.list_id, ()), step)
    return found


def _batch(row: Any, history: tuple[BatchStep, ...], count: int = 0, attempted: int = 0) -> Batch:
    steps = {one.step for one in history}
    if ListStep.UNDONE.value in steps:
        state = BatchState.UNDONE
    elif row.state == ListState.READY.value:
        state = BatchState.READY
    elif ListStep.COMMITTED.value in steps:
        state = BatchState.COMMITTING
    else:
        state = BatchState.CHECKING
    return Batch(
        row.id,
        row.campaign,
        row.name,
        row.source,
        state,
        from_ms(row.imported_ms),
        row.accepted,
        row.rejected,
        count,
        attempted,
        history,
    )


def may_be_undone(connection: Connection, list_id: int, *, undialled_only: bool) -> Batch:
    """The batch, if it may be undone so. Raises `NoSuchBatch` and `NotUndone`."""
    found = batch(connection, list_id)
    if found.source == "api":
        raise NotUndone(
            f"batch {list_id} is what the CRM sent by the API, and no file: let the CRM "
            "stop its accounts (POST /v1/cease)"
        )
    match found.state:
        case BatchState.UNDONE:
            raise NotUndone(f"batch {list_id} was undone already")
        case BatchState.CHECKING | BatchState.COMMITTING:
            raise NotUndone(f"batch {list_id} is still coming in: wait for its end")
    if found.attempted and not undialled_only:
        raise NotUndone(
            f"batch {list_id} cannot be undone as a whole: {found.attempted:,} of its "
            f"{found.leads:,} leads were called already. To take out the "
            f"{found.leads - found.attempted:,} others, ask for the undialled only",
            partly=True,
        )
    return found


def undo_next(connection: Connection, list_id: int, after_line: int, done: Undone) -> int | None:
    """Take out the next undialled leads of a batch; the line to go on after, None: at its end."""
    rows = connection.execute(
        sa.select(leads.c.id, leads.c.line, leads.c.state, _called().label("called"))
        .where(leads.c.list_id == list_id, leads.c.line > after_line)
        .order_by(leads.c.line)
        .limit(_AT_ONCE)
        .with_for_update(of=leads)
    ).all()
    if not rows:
        return None
    free = [row.id for row in rows if not row.called]
    done.kept += len(rows) - len(free)
    done.taken_out += len(free)
    done.concerned |= {
        row.id for row in rows if not row.called and row.state == LeadState.CLAIMED.value
    }
    connection.execute(sa.delete(phones).where(phones.c.lead_id.in_(free)))
    connection.execute(sa.delete(leads).where(leads.c.id.in_(free)))
    return int(rows[-1].line)


def tell_undone(
    connection: Connection, list_id: int, who: str, done: Undone, now: datetime
) -> None:
    step = ListStep.UNDONE_PARTLY if done.kept else ListStep.UNDONE
    detail = {"leads": done.taken_out, "kept": done.kept}
    tell_history(connection, list_id, step, who, now, detail)


def saved_mapping(connection: Connection, source: str) -> dict[str, str] | None:
    """How the columns of this source's files were mapped: target by header."""
    found: dict[str, str] | None = connection.scalar(
        sa.select(list_mappings.c.mapping).where(list_mappings.c.source == source)
    )
    return found


def save_mapping(
    connection: Connection, context: Context, source: str, mapping: Mapping[str, str], now: datetime
) -> None:
    insert = context.insert(list_mappings)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["source"],
            set_={"mapping": insert.excluded.mapping, "saved_ms": insert.excluded.saved_ms},
        ),
        {"source": source, "mapping": dict(mapping), "saved_ms": to_ms(now)},
    )
