"""Lists on their way in: staged in pieces, made leads in one statement, or dropped whole.

The rows of an import stand apart until the file has been read to its end, so a running dialer is
never kept waiting by the reading, and never sees half a list. Duplicates are found on the way.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.schema import (
    LeadState,
    ListState,
    import_phones,
    import_rows,
    leads,
    lists,
    phones,
    suppression,
)

STALE_S = 24 * 3600.0  # an import that has not ended by then never will


@dataclass(frozen=True, slots=True)
class StagedPhone:
    phone: str  # E.164
    column: str  # where in the file it stood, for the report
    label: str = ""


@dataclass(frozen=True, slots=True)
class StagedLead:
    """A checked row of a list. `zones` as the policy reads it; with `held_why` it is not dialled
    by itself."""

    line: int
    phones: tuple[StagedPhone, ...]
    name: str = ""
    external_id: str = ""
    zones: str = ""
    priority: int = 0
    held_why: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A staged number or id that is there already. `whole`: the lead itself was left out."""

    line: int
    column: str
    reason: str
    whole: bool


def begin_import(
    connection: Connection, context: Context, campaign: str, name: str, source: str, now: datetime
) -> int:
    """Open an import; its id. Drops what dead imports have left behind."""
    stale = sa.select(lists.c.id).where(
        lists.c.state == ListState.IMPORTING.value,
        lists.c.imported_ms < to_ms(now) - int(STALE_S * 1000),
    )
    for dead in connection.scalars(stale).all():
        drop_import(connection, dead)
    list_id: int = connection.execute(
        sa.insert(lists)
        .values(
            campaign_id=context.campaigns[campaign].id,
            name=name,
            source=source,
            state=ListState.IMPORTING.value,
            imported_ms=to_ms(now),
        )
        .returning(lists.c.id)
    ).scalar_one()
    return list_id


def stage(
    connection: Connection,
    context: Context,
    campaign: str,
    list_id: int,
    staged: Sequence[StagedLead],
    now: datetime,
) -> list[Duplicate]:
    """Put checked rows aside; what is in the list or the campaign already is left out and told."""
    campaign_id = context.campaigns[campaign].id
    context.learn_zones(connection, [lead.zones for lead in staged])
    taken_phones = _taken_phones(connection, campaign_id, list_id, staged)
    taken_ids = _taken_ids(connection, campaign_id, list_id, staged)
    duplicates: list[Duplicate] = []
    rows: list[dict[str, Any]] = []
    numbers: list[dict[str, Any]] = []
    for lead in staged:
        if lead.external_id and lead.external_id in taken_ids:
            where = taken_ids[lead.external_id]
            duplicates.append(Duplicate(lead.line, "external_id", f"the id is {where}", True))
            continue
        fresh: list[StagedPhone] = []
        again: list[Duplicate] = []
        for phone in lead.phones:
            if phone.phone in taken_phones:
                reason = f"the number is {taken_phones[phone.phone]}"
                again.append(Duplicate(lead.line, phone.column, reason, False))
            else:
                fresh.append(phone)
                taken_phones[phone.phone] = f"in line {lead.line} of this file already"
        if not fresh:
            last = again[-1]
            duplicates.append(Duplicate(last.line, last.column, last.reason, True))
            continue
        duplicates.extend(again)
        if lead.external_id:
            taken_ids[lead.external_id] = f"in line {lead.line} of this file already"
        rows.append(
            {
                "list_id": list_id,
                "line": lead.line,
                "external_id": lead.external_id or None,
                "name": lead.name,
                "zone_id": context.zone_ids[lead.zones],
                "fields": lead.fields,
                "priority": lead.priority,
                "next_at_ms": to_ms(now),
                "held_why": lead.held_why or None,
            }
        )
        numbers.extend(
            {
                "list_id": list_id,
                "line": lead.line,
                "phone": phone.phone,
                "position": position,
                "label": phone.label,
            }
            for position, phone in enumerate(fresh)
        )
    if rows:
        connection.execute(sa.insert(import_rows), rows)
        connection.execute(sa.insert(import_phones), numbers)
    return duplicates


def _taken_phones(
    connection: Connection, campaign_id: int, list_id: int, staged: Sequence[StagedLead]
) -> dict[str, str]:
    wanted = [phone.phone for lead in staged for phone in lead.phones]
    taken = {
        row.phone: "on the do-not-call list"
        for row in connection.execute(
            sa.select(suppression.c.phone).where(suppression.c.phone.in_(wanted))
        )
    }
    for row in connection.execute(
        sa.select(phones.c.phone).where(
            phones.c.campaign_id == campaign_id, phones.c.phone.in_(wanted)
        )
    ):
        taken.setdefault(row.phone, "in the campaign already")
    for row in connection.execute(
        sa.select(import_phones.c.phone, import_phones.c.line).where(
            import_phones.c.list_id == list_id, import_phones.c.phone.in_(wanted)
        )
    ):
        taken.setdefault(row.phone, f"in line {row.line} of this file already")
    return taken


def _taken_ids(
    connection: Connection, campaign_id: int, list_id: int, staged: Sequence[StagedLead]
) -> dict[str, str]:
    wanted = [lead.external_id for lead in staged if lead.external_id]
    if not wanted:
        return {}
    taken: dict[str, str] = {
        external_id: "in the campaign already"
        for external_id in connection.scalars(
            sa.select(leads.c.external_id).where(
                leads.c.campaign_id == campaign_id, leads.c.external_id.in_(wanted)
            )
        )
        if external_id is not None
    }
    for row in connection.execute(
        sa.select(import_rows.c.external_id, import_rows.c.line).where(
            import_rows.c.list_id == list_id, import_rows.c.external_id.in_(wanted)
        )
    ):
        taken.setdefault(row.external_id, f"in line {row.line} of this file already")
    return taken


_SETTLE = sa.insert(leads).from_select(
    [
        "campaign_id",
        "list_id",
        "line",
        "external_id",
        "name",
        "zone_id",
        "fields",
        "state",
        "why",
        "priority",
        "next_at_ms",
        "position",
        "attempts",
    ],
    sa.select(
        sa.bindparam("campaign", type_=sa.BigInteger),
        import_rows.c.list_id,
        import_rows.c.line,
        import_rows.c.external_id,
        import_rows.c.name,
        import_rows.c.zone_id,
        import_rows.c.fields,
        sa.case(
            (import_rows.c.held_why.is_(None), LeadState.WAITING.value),
            else_=LeadState.HELD.value,
        ),
        sa.func.coalesce(import_rows.c.held_why, ""),
        import_rows.c.priority,
        import_rows.c.next_at_ms,
        sa.literal_column("0"),
        sa.literal_column("0"),
    )
    .where(import_rows.c.list_id == sa.bindparam("list"))
    .order_by(import_rows.c.line),
    include_defaults=False,
)
_SETTLE_PHONES = sa.insert(phones).from_select(
    ["lead_id", "campaign_id", "phone", "position", "label", "bad"],
    sa.select(
        leads.c.id,
        leads.c.campaign_id,
        import_phones.c.phone,
        import_phones.c.position,
        import_phones.c.label,
        sa.false(),
    )
    .join_from(
        import_phones,
        leads,
        (leads.c.list_id == import_phones.c.list_id) & (leads.c.line == import_phones.c.line),
    )
    .where(import_phones.c.list_id == sa.bindparam("list")),
    include_defaults=False,
)


def finish_import(
    connection: Connection, context: Context, campaign: str, list_id: int, rejected: int
) -> int:
    """Make the staged rows leads, all at once; how many they are.

    Raises IntegrityError, and changes nothing, when another import brought one of the numbers in
    meanwhile.
    """
    params = {"campaign": context.campaigns[campaign].id, "list": list_id}
    connection.execute(_SETTLE, params)
    connection.execute(_SETTLE_PHONES, {"list": list_id})
    accepted = connection.scalar(sa.select(sa.func.count()).where(import_rows.c.list_id == list_id))
    _clear(connection, list_id)
    at_ms = connection.scalar(
        sa.update(lists)
        .where(lists.c.id == list_id, lists.c.state == ListState.IMPORTING.value)
        .values(state=ListState.READY.value, accepted=accepted, rejected=rejected)
        .returning(lists.c.imported_ms)
    )
    if at_ms is None:
        raise AssertionError("an import is finished once")
    context.tell_crm(
        connection,
        [
            crm.list_import_finished(
                str(list_id),
                from_ms(at_ms),
                campaign=campaign,
                accepted=accepted or 0,
                rejected=rejected,
            )
        ],
    )
    return int(accepted or 0)


def drop_import(connection: Connection, list_id: int) -> None:
    """Forget an import that did not come to its end."""
    _clear(connection, list_id)
    connection.execute(
        sa.delete(lists).where(lists.c.id == list_id, lists.c.state == ListState.IMPORTING.value)
    )


def _clear(connection: Connection, list_id: int) -> None:
    connection.execute(sa.delete(import_phones).where(import_phones.c.list_id == list_id))
    connection.execute(sa.delete(import_rows).where(import_rows.c.list_id == list_id))
