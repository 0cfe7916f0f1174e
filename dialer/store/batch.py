"""One transaction's worth of commands: sorted by kind, written by kind, refused one by one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.core.commands import (
    RecordAttempt,
    RecordDisposition,
    RecordOutcome,
    RecordPreview,
    RecordProgress,
    RecordSession,
    ReturnLeads,
)
from dialer.store.attempts import Refusals, Told, follow_attempts, open_attempts
from dialer.store.context import Context
from dialer.store.decisions import RecordDecision, lock, record_decisions
from dialer.store.dispositions import record_dispositions
from dialer.store.outcomes import close_attempts
from dialer.store.previews import record_previews
from dialer.store.schema import LeadState, leads
from dialer.store.sessions import record_sessions


@dataclass(frozen=True, slots=True)
class TellCrm:
    """Something the CRM must hear that is no record of ours: a campaign began to dial."""

    event: crm.Event


StoreCommand = (
    RecordAttempt
    | RecordProgress
    | RecordOutcome
    | RecordDisposition
    | RecordSession
    | RecordDecision
    | RecordPreview
    | ReturnLeads
    | TellCrm
)

# Within a round the kinds are written in this order, which is that of a call's life.
_ORDER = (
    ReturnLeads,
    RecordPreview,
    RecordAttempt,
    RecordProgress,
    RecordOutcome,
    RecordDisposition,
    RecordDecision,
    RecordSession,
    TellCrm,
)
_RANK = {kind: rank for rank, kind in enumerate(_ORDER)}
_Round = dict[type, list[int]]  # kind -> indices into the batch


def apply_batch(
    connection: Connection, context: Context, told: Sequence[Told], *, again: bool = False
) -> Refusals:
    """Write all of `told` in the connection's transaction; what was refused and why, by index.

    `again`: these were written once before and the answer of that commit was lost.
    """
    lock(connection, (one.command for one in told))
    refused: Refusals = {}
    happened: list[crm.Event] = []
    for kinds in rounds(told):
        for kind in _ORDER:
            indices = kinds.get(kind)
            if indices:
                some = [told[i] for i in indices]
                not_written, told_crm = _write(connection, context, kind, some, again)
                happened += told_crm
                for at, why in not_written.items():
                    refused[indices[at]] = why
    context.tell_crm(connection, happened)
    return refused


def rounds(told: Sequence[Told]) -> Iterator[_Round]:
    """Split a batch so that writing each part kind by kind keeps the order in which things of one
    lead or one number were told: the end of one attempt before the start of the next.
    """
    current: _Round = {}
    reached: dict[str | int, int] = {}  # lead id or number -> rank of its latest command
    for i, one in enumerate(told):
        kind = type(one.command)
        rank = _RANK[kind]
        keys = _keys(one.command)
        if any(reached.get(key, rank) > rank for key in keys):
            yield current
            current, reached = {}, {}
        for key in keys:
            reached[key] = rank
        current.setdefault(kind, []).append(i)
    if current:
        yield current


def _keys(command: StoreCommand) -> Sequence[str | int]:
    match command:
        case RecordSession() | TellCrm():
            return ()
        case ReturnLeads():
            return command.lead_ids
        case _:
            return command.lead.lead_id, command.lead.phone


def _write(
    connection: Connection, context: Context, kind: type, told: Sequence[Told], again: bool
) -> tuple[Refusals, list[crm.Event]]:
    """Write commands of one kind: what was refused, and what the CRM must hear."""
    if kind is RecordAttempt:
        return open_attempts(connection, context, told, again=again)
    if kind is RecordOutcome:
        return close_attempts(connection, context, told, again=again)
    if kind is RecordDisposition:
        return record_dispositions(connection, context, told, again=again)
    if kind is RecordProgress:
        return {}, follow_attempts(connection, context, told)
    if kind is TellCrm:
        return {}, [one.command.event for one in told]
    if kind is RecordDecision:
        record_decisions(connection, context, told)
    elif kind is RecordPreview:
        record_previews(connection, context, told)
    elif kind is RecordSession:
        record_sessions(connection, context, told)
    else:
        _return_leads(connection, context, told)
    return {}, []


_RETURN = (
    sa.update(leads)
    .where(
        leads.c.id.in_(bindparam("ids", expanding=True)),
        leads.c.state == LeadState.CLAIMED.value,
        leads.c.claimed_by == bindparam("boot"),
    )
    .values(state=LeadState.WAITING.value, claimed_by=None)
)


def _return_leads(connection: Connection, context: Context, told: Sequence[Told]) -> None:
    ids = [lead_id for one in told for lead_id in one.command.lead_ids]
    connection.execute(_RETURN, {"ids": ids, "boot": context.boot})
