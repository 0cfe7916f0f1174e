"""A person's data taken out of the database, and what the law makes us keep named.

Kept are: the numbers as keyed hashes (`dialer.store.sitekey`), so that nobody calls them again
whatever list brings them, and nobody can read here whose they were; the call records (number,
times, outcome), which telemarketing law wants for years; and the CRM's own id, so that a list
cannot bring the account back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.outbox import encode
from crm_bridge.tables import events as outbox_events
from dialer.store.context import Context, to_ms
from dialer.store.decisions import lock_keys
from dialer.store.schema import (
    LeadState,
    StopKind,
    attempts,
    consents,
    dispositions,
    lead_persons,
    lead_refs,
    lead_steps,
    lead_stops,
    leads,
    payments,
    phones,
    suppression,
)
from dialer.store.sitekey import remember_erased
from dialer.store.stops import Concerned, NotNow, Stop, leads_of, put_stop

ERASED = "erasure"  # reference of the stop that says so; the API gives a cease none
_IN_TURN = (LeadState.WAITING.value, LeadState.CLAIMED.value, LeadState.HELD.value)
_NOBODY = "+000"  # in place of a number, fit for the events' schemas


@dataclass(frozen=True, slots=True)
class Erased:
    """How many leads, events not yet forgotten, and agents' notes were cleared, and how many call
    records are kept."""

    leads: int = 0
    events: int = 0
    notes: int = 0
    calls_kept: int = 0


def is_erased(connection: Connection, source: str, external_id: str) -> bool:
    found = sa.select(lead_stops.c.kind).where(
        lead_stops.c.source == source,
        lead_stops.c.external_id == external_id,
        lead_stops.c.kind == StopKind.CEASE.value,
        lead_stops.c.reference == ERASED,
    )
    return connection.scalar(found) is not None


def erase(
    connection: Connection, context: Context, source: str, external_id: str, now: datetime
) -> tuple[Erased, Concerned]:
    """Raises `NotNow` while the account is being called: its outcome would bring data back."""
    if is_erased(connection, source, external_id):
        return Erased(), Concerned()
    found = leads_of(connection, source, external_id)
    ids = [lead.id for lead in found]
    of_theirs = attempts.c.lead_id.in_(ids)
    if connection.scalar(
        sa.select(attempts.c.id).where(of_theirs, attempts.c.outcome.is_(None)).limit(1)
    ):
        raise NotNow("The account is being called this moment: send it again after the call.")
    stop = Stop(StopKind.CEASE, source, external_id, ERASED)
    numbers = connection.scalars(sa.select(phones.c.phone).where(phones.c.lead_id.in_(ids))).all()
    concerned = put_stop(connection, context, stop, now, suppressing=False)
    if not ids:
        return Erased(), concerned
    others = _hash_away(connection, context, numbers, now)
    connection.execute(sa.update(leads).where(leads.c.id.in_(ids)).values(name="", fields={}))
    connection.execute(
        sa.delete(payments).where(
            payments.c.source == source, payments.c.external_id == external_id
        )
    )
    connection.execute(sa.delete(lead_persons).where(lead_persons.c.lead_id.in_(ids)))
    connection.execute(sa.update(lead_steps).where(lead_steps.c.lead_id.in_(ids)).values(inputs={}))
    for phone_id in connection.scalars(
        sa.select(phones.c.id).where(phones.c.lead_id.in_(ids))
    ).all():
        connection.execute(
            sa.update(phones)
            .where(phones.c.id == phone_id)
            .values(phone=f"+erased.{phone_id}", label="", bad=True)
        )
    theirs = sa.select(attempts.c.id).where(of_theirs)
    notes = connection.execute(
        sa.update(dispositions)
        .where(dispositions.c.attempt_id.in_(theirs), dispositions.c.note != "")
        .values(note="")
    ).rowcount
    connection.execute(
        context.insert(lead_refs).on_conflict_do_nothing(),
        [
            {"campaign_id": lead.campaign_id, "external_id": external_id, "source": source}
            for lead in found
        ],
    )
    calls = connection.scalar(sa.select(sa.func.count()).select_from(attempts).where(of_theirs))
    told = _clear_events(connection, ids)
    return Erased(len(ids), told, notes, int(calls or 0)), Concerned(
        frozenset(ids) | others | concerned.lead_ids, concerned.phones | frozenset(numbers)
    )


def _hash_away(
    connection: Connection, context: Context, numbers: Sequence[str], now: datetime
) -> frozenset[int]:
    """The numbers are called no more, by nobody; the list of those who said so forgets them. The
    leads of others whose turn they are is over, too: their ids."""
    lock_keys(connection, numbers)
    context.stop(numbers, to_ms(now))
    remember_erased(connection, numbers, now)
    connection.execute(sa.delete(consents).where(consents.c.phone.in_(numbers)))
    connection.execute(sa.delete(suppression).where(suppression.c.phone.in_(numbers)))
    called_next = (
        sa.select(leads.c.id)
        .join(phones, (phones.c.lead_id == leads.c.id) & (phones.c.position == leads.c.position))
        .where(phones.c.phone.in_(numbers), leads.c.state.in_(_IN_TURN))
    )
    return frozenset(
        connection.scalars(
            sa.update(leads)
            .where(leads.c.id.in_(called_next))
            .values(state=LeadState.DONE.value, why="do not call", claimed_by=None)
            .returning(leads.c.id)
        ).all()
    )


def _clear_events(connection: Connection, lead_ids: list[int]) -> int:
    """Blank what the outbox says of them, also in what is still to be delivered."""
    table = outbox_events
    rows = connection.execute(
        sa.select(table.c.seq, table.c.data).where(
            table.c.key.in_([f"lead:{lead_id}" for lead_id in lead_ids])
        )
    ).all()
    for seq, text in rows:
        data: dict[str, Any] = json.loads(text)
        if isinstance(data.get("lead"), dict):
            data["lead"] |= {"name": "", "phone": _NOBODY, "fields": {}}
        if "note" in data:
            data["note"] = None
        connection.execute(sa.update(table).where(table.c.seq == seq).values(data=encode(data)))
    return len(rows)
