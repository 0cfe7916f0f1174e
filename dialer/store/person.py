"""Everything the database holds about a person, for the person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import Context, from_ms
from dialer.store.erasure import is_erased
from dialer.store.schema import (
    attempts,
    campaigns,
    consents,
    decision_log,
    dispositions,
    dnc_numbers,
    lead_persons,
    lead_refs,
    lead_stops,
    leads,
    lists,
    payments,
    phones,
    suppression,
)

_NOT_THEIRS = frozenset({"id", "lead_id", "campaign_id", "list_id", "phone_id", "zone_id", "boot"})


@dataclass(frozen=True, slots=True)
class PersonData:
    """What is known of an account, as JSON would have it. `erased`: it was erased, and what is left
    is what the law makes us keep."""

    source: str
    external_id: str
    exported_at: datetime
    erased: bool
    leads: list[dict[str, Any]]
    stops: list[dict[str, Any]]
    do_not_call: list[dict[str, Any]]


def person_data(
    connection: Connection, context: Context, source: str, external_id: str, now: datetime
) -> PersonData | None:
    """Of the account in all campaigns; None: nothing is known of it."""
    context.load_zones(connection)
    found = connection.execute(
        sa.select(leads, campaigns.c.name.label("campaign"), lists.c.source.label("file"))
        .join(campaigns, campaigns.c.id == leads.c.campaign_id)
        .join(lists, lists.c.id == leads.c.list_id)
        .join(
            lead_refs,
            (lead_refs.c.campaign_id == leads.c.campaign_id)
            & (lead_refs.c.external_id == leads.c.external_id),
            isouter=True,
        )
        .where(
            leads.c.external_id == external_id,
            sa.or_(lead_refs.c.source.is_(None), lead_refs.c.source == source),
        )
        .order_by(leads.c.id)
    ).all()
    stops = connection.execute(
        sa.select(lead_stops).where(
            lead_stops.c.source == source, lead_stops.c.external_id == external_id
        )
    ).all()
    if not found and not stops:
        return None
    numbers = connection.scalars(
        sa.select(phones.c.phone).where(phones.c.lead_id.in_([row.id for row in found]))
    ).all()
    return PersonData(
        source,
        external_id,
        now,
        is_erased(connection, source, external_id),
        [_lead(connection, context, row) for row in found],
        [_plain(row._asdict()) for row in stops],
        _do_not_call(connection, numbers),
    )


def _lead(connection: Connection, context: Context, row: Any) -> dict[str, Any]:
    shown = _plain(row._asdict()) | {"lead": row.id, "zones": context.zone_names[row.zone_id]}
    person = sa.select(lead_persons.c.person).where(lead_persons.c.lead_id == row.id)
    shown["person"] = connection.scalar(person) or ""
    shown["phones"] = _rows(
        connection, sa.select(phones).where(phones.c.lead_id == row.id).order_by(phones.c.position)
    )
    theirs = sa.select(phones.c.phone).where(phones.c.lead_id == row.id)
    shown["consents"] = _rows(connection, sa.select(consents).where(consents.c.phone.in_(theirs)))
    shown["calls"] = _rows(
        connection,
        sa.select(attempts, attempts.c.id.label("call"))
        .where(attempts.c.lead_id == row.id)
        .order_by(attempts.c.opened_ms),
    )
    shown["payments"] = _rows(
        connection, sa.select(payments).where(payments.c.external_id == row.external_id)
    )
    shown["notes"] = _rows(
        connection,
        sa.select(dispositions)
        .join(attempts, attempts.c.id == dispositions.c.attempt_id)
        .where(attempts.c.lead_id == row.id)
        .order_by(dispositions.c.id),
    )
    shown["decisions"] = _rows(
        connection,
        sa.select(decision_log).where(decision_log.c.lead_id == row.id).order_by(decision_log.c.id),
    )
    return shown


def _do_not_call(connection: Connection, numbers: Sequence[str]) -> list[dict[str, Any]]:
    ours = _rows(connection, sa.select(suppression).where(suppression.c.phone.in_(numbers)))
    listed = sa.select(dnc_numbers.c.phone, dnc_numbers.c.list).where(
        dnc_numbers.c.phone.in_(numbers)
    )
    return ours + _rows(connection, listed)


def _rows(connection: Connection, query: sa.Select[Any]) -> list[dict[str, Any]]:
    return [_plain(row._asdict()) for row in connection.execute(query)]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    """Moments as ISO 8601, and without the database's own ids."""
    shown: dict[str, Any] = {}
    for name, value in row.items():
        if name in _NOT_THEIRS or value is None:
            continue
        if name.endswith("_ms"):
            shown[f"{name[:-3]}_at"] = from_ms(value).isoformat()
        else:
            shown[name] = value
    return shown
