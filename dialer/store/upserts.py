"""Leads as the CRM has them: made, or brought up to date, one by one and each in order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.consent import Consent
from dialer.store.consents import is_required, keep_consents, remembered, renew
from dialer.store.context import Context, to_ms
from dialer.store.erasure import is_erased
from dialer.store.schema import (
    RESTED,
    STOPPED,
    LeadState,
    ListState,
    StopKind,
    attempts,
    lead_refs,
    leads,
    lists,
    phones,
    suppression,
)
from dialer.store.sitekey import erased_among
from dialer.store.staged import StagedPhone
from dialer.store.stepping import fields_changed
from dialer.store.stops import Concerned, standing, stopped_as, suppress
from dialer.store.strategies import NewLead, placing_of

_PUT_AWAY = 1_000  # position from which numbers stand that the CRM took off a lead


class Result(StrEnum):
    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"  # this version, or these very values, are here already
    STALE = "stale"  # a newer version is here: nothing was changed
    REJECTED = "rejected"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class LeadChange:
    """A checked row. None leaves what is there; `merge` keeps the fields it does not name."""

    campaign: str
    source: str
    external_id: str
    phones: tuple[StagedPhone, ...] | None = None
    zones: str | None = None
    held_why: str = ""
    name: str | None = None
    fields: Mapping[str, str] | None = None
    merge: bool = False
    priority: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class RowOutcome:
    result: Result
    reason: str = ""


def upsert(
    connection: Connection,
    context: Context,
    rows: Sequence[LeadChange],
    now: datetime,
    *,
    create: bool = True,
) -> tuple[list[RowOutcome], Concerned]:
    """Carry out each row by itself: one that cannot be is rejected, and the others stand."""
    context.learn_zones(connection, [row.zones for row in rows if row.zones is not None])
    outcomes: list[RowOutcome] = []
    concerned: set[int] = set()
    for row in rows:
        try:
            with connection.begin_nested():
                outcomes.append(_one(connection, context, row, now, create, concerned))
        except sa.exc.IntegrityError:
            reason = "another list brought the number or the id in this moment: send it again"
            outcomes.append(RowOutcome(Result.REJECTED, reason))
    return outcomes, Concerned(frozenset(concerned))


def _one(
    connection: Connection,
    context: Context,
    row: LeadChange,
    now: datetime,
    create: bool,
    concerned: set[int],
) -> RowOutcome:
    campaign_id = context.campaigns[row.campaign].id
    here = (lead_refs.c.campaign_id == campaign_id) & (lead_refs.c.external_id == row.external_id)
    ref = connection.execute(sa.select(lead_refs).where(here)).first()
    if ref is not None and ref.source != row.source:
        return RowOutcome(Result.REJECTED, "this external_id belongs to another source")
    if is_erased(connection, row.source, row.external_id):
        return RowOutcome(Result.REJECTED, "the account was erased")
    if ref is not None and ref.version is not None and row.version is not None:
        if row.version < ref.version:
            return RowOutcome(Result.STALE)
        if row.version == ref.version:
            return RowOutcome(Result.UNCHANGED)
    lead = connection.execute(
        sa.select(leads).where(
            leads.c.campaign_id == campaign_id, leads.c.external_id == row.external_id
        )
    ).first()
    if lead is not None:
        outcome = update_lead(connection, context, lead, row, now, concerned)
    elif create:
        outcome = _create(connection, context, campaign_id, row, now)
    else:
        return RowOutcome(Result.MISSING)
    if outcome.result is Result.REJECTED:
        return outcome
    if ref is None:
        connection.execute(
            sa.insert(lead_refs).values(
                campaign_id=campaign_id,
                external_id=row.external_id,
                source=row.source,
                version=row.version,
            )
        )
    elif row.version is not None:
        connection.execute(sa.update(lead_refs).where(here).values(version=row.version))
    return outcome


# --- new ------------------------------------------------------------------------------------------


def _create(
    connection: Connection, context: Context, campaign_id: int, row: LeadChange, now: datetime
) -> RowOutcome:
    if not row.phones:
        return RowOutcome(Result.REJECTED, "a new lead needs a number")
    usable, why = _usable(connection, campaign_id, None, row.phones)
    if not usable:
        return RowOutcome(Result.REJECTED, why)
    state = LeadState.HELD if row.held_why else LeadState.WAITING
    values: dict[str, Any] = {"state": state.value, "why": row.held_why, "claimed_by": None}
    holds = standing(connection, row.source, row.external_id)
    if holds is not None:
        values = stopped_as(holds)
    list_id = _list_of(connection, campaign_id, row.source, now)
    last = connection.scalar(sa.select(sa.func.max(leads.c.line)).where(leads.c.list_id == list_id))
    lead_id: int = connection.execute(
        sa.insert(leads)
        .values(
            campaign_id=campaign_id,
            list_id=list_id,
            line=(last or 0) + 1,
            external_id=row.external_id,
            name=row.name or "",
            zone_id=context.zone_ids[row.zones or ""],
            fields=dict(row.fields or {}),
            priority=row.priority or 0,
            next_at_ms=to_ms(now),
            **values,
        )
        .returning(leads.c.id)
    ).scalar_one()
    _add_phones(connection, context, campaign_id, lead_id, usable, now)
    _place(connection, context, campaign_id, lead_id, row, usable, now)
    if holds is StopKind.CEASE:
        suppress(connection, context, [one.phone for one in usable], "crm", row.campaign, now)
    connection.execute(
        sa.update(lists).where(lists.c.id == list_id).values(accepted=lists.c.accepted + 1)
    )
    return RowOutcome(Result.CREATED, why)


def _place(
    connection: Connection,
    context: Context,
    campaign_id: int,
    lead_id: int,
    row: LeadChange,
    numbers: Sequence[StagedPhone],
    now: datetime,
) -> None:
    """Begin the lead's strategy; what holds it otherwise goes on holding it."""
    placing = placing_of(context, campaign_id, now)
    if placing is None:
        return
    begins = placing.begin(
        NewLead(
            lead_id,
            row.external_id,
            row.name or "",
            row.zones or "",
            dict(row.fields or {}),
            [(one.phone, one.label) for one in numbers],
        )
    )
    lane = placing.lane_number(connection, context, begins.lane)
    values: dict[str, Any] = {"position": begins.position, "lane_id": lane}
    if begins.priority is not None:
        values["priority"] = begins.priority
    connection.execute(sa.update(leads).where(leads.c.id == lead_id).values(**values))
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == lead_id, leads.c.state == LeadState.WAITING.value)
        .values(state=begins.state.value, why=begins.why, next_at_ms=begins.next_at_ms)
    )
    placing.write(connection, context)


def _list_of(connection: Connection, campaign_id: int, source: str, now: datetime) -> int:
    """The list that holds what this source sends for this campaign."""
    found: int | None = connection.scalar(
        sa.select(lists.c.id).where(
            lists.c.campaign_id == campaign_id, lists.c.source == "api", lists.c.name == source
        )
    )
    if found is not None:
        return found
    made: int = connection.execute(
        sa.insert(lists)
        .values(
            campaign_id=campaign_id,
            name=source,
            source="api",
            state=ListState.READY.value,
            imported_ms=to_ms(now),
        )
        .returning(lists.c.id)
    ).scalar_one()
    return made


def _usable(
    connection: Connection,
    campaign_id: int,
    lead_id: int | None,
    wanted: Sequence[StagedPhone],
) -> tuple[list[StagedPhone], str]:
    """The numbers a lead may have, and why not the last of the others."""
    numbers = [one.phone for one in wanted]
    stopped = set(
        connection.scalars(
            sa.select(suppression.c.phone).where(suppression.c.phone.in_(numbers))
        ).all()
    )
    stopped |= erased_among(connection, numbers)
    others = sa.select(phones.c.phone).where(
        phones.c.campaign_id == campaign_id, phones.c.phone.in_(numbers)
    )
    if lead_id is not None:
        others = others.where(phones.c.lead_id != lead_id)
    taken = set(connection.scalars(others).all())
    usable: list[StagedPhone] = []
    why = ""
    for one in wanted:
        if one.phone in stopped:
            why = "a number is on the do-not-call list"
        elif one.phone in taken:
            why = "a number is in the campaign already"
        elif one.phone not in (other.phone for other in usable):
            usable.append(one)
    return usable, why


def _add_phones(
    connection: Connection,
    context: Context,
    campaign_id: int,
    lead_id: int,
    numbers: Sequence[StagedPhone],
    now: datetime,
) -> None:
    required = is_required(context, campaign_id)
    keep_consents(connection, context, campaign_id, _told(numbers), now)
    known = remembered(connection, campaign_id, [one.phone for one in numbers], now)
    connection.execute(
        sa.insert(phones),
        [
            {
                "lead_id": lead_id,
                "campaign_id": campaign_id,
                "phone": one.phone,
                "position": position,
                "label": one.label,
                "bad": False,
                "automatic": known.get(one.phone, not required),
            }
            for position, one in enumerate(numbers)
        ],
    )


def _told(numbers: Sequence[StagedPhone]) -> dict[str, Consent]:
    return {one.phone: one.consent for one in numbers if one.consent is not None}


# --- known ----------------------------------------------------------------------------------------


def update_lead(
    connection: Connection,
    context: Context,
    lead: Any,
    row: LeadChange,
    now: datetime,
    concerned: set[int],
) -> RowOutcome:
    """Bring a lead up to date. `concerned` gains it when somebody has it in hand."""
    values: dict[str, Any] = {}
    if row.name is not None and row.name != lead.name:
        values["name"] = row.name
    if row.fields is not None:
        fields = {**lead.fields, **row.fields} if row.merge else dict(row.fields)
        if fields != lead.fields:
            values["fields"] = fields
    if row.priority is not None and row.priority != lead.priority:
        values["priority"] = row.priority
    if row.zones is not None and context.zone_ids[row.zones] != lead.zone_id:
        values["zone_id"] = context.zone_ids[row.zones]
    why = ""
    if row.phones is not None:
        usable, why = _usable(connection, lead.campaign_id, lead.id, row.phones)
        if not usable:
            return RowOutcome(Result.REJECTED, why or "a lead needs a number")
        known = remembered(connection, lead.campaign_id, [one.phone for one in usable], now)
        unsaid = not is_required(context, lead.campaign_id)
        may = {one.phone: known.get(one.phone, unsaid) for one in usable}
        if _change_phones(connection, lead, usable, may):
            values["position"] = 0
        if renew(connection, context, lead.campaign_id, _told(usable), now):
            values.setdefault("position", lead.position)  # whoever has it in hand gives it back
    if not values:
        return RowOutcome(Result.UNCHANGED, why)
    resting = lead.why.startswith((STOPPED, RESTED))
    if row.zones and lead.state == LeadState.HELD.value and not resting:
        values |= {"state": LeadState.WAITING.value, "why": ""}  # its zone is known now
    if lead.state == LeadState.CLAIMED.value:  # whoever has it in hand has it as it was
        values |= {"state": LeadState.WAITING.value, "claimed_by": None}
    if lead.state in (LeadState.CLAIMED.value, LeadState.DIALLING.value):
        concerned.add(lead.id)
    connection.execute(sa.update(leads).where(leads.c.id == lead.id).values(**values))
    if "fields" in values:
        fields_changed(connection, context, lead.id, values["fields"], now)
    return RowOutcome(Result.UPDATED, why)


def _change_phones(
    connection: Connection, lead: Any, usable: Sequence[StagedPhone], automatic: Mapping[str, bool]
) -> bool:
    """Give a lead these numbers in this order; False: it has them so already. `automatic`: how new
    ones may be dialled.

    A number that was called is not deleted, because its attempts stand: it is put away.
    """
    known = connection.execute(
        sa.select(phones).where(phones.c.lead_id == lead.id).order_by(phones.c.position)
    ).all()
    current = [one.phone for one in known if one.position < _PUT_AWAY]
    wanted = {one.phone: (position, one.label) for position, one in enumerate(usable)}
    if current == list(wanted):
        return False
    for offset, one in enumerate(known):  # out of the way of the new positions
        _move_phone(connection, one.id, position=-1 - offset)
    away = _PUT_AWAY
    for one in known:
        if one.phone in wanted:
            position, label = wanted.pop(one.phone)
            back = one.position >= _PUT_AWAY  # put away once, and now wanted again
            _move_phone(
                connection, one.id, position=position, label=label, bad=one.bad and not back
            )
        elif _was_called(connection, one.id):
            _move_phone(connection, one.id, position=away, bad=True)
            away += 1
        else:
            connection.execute(sa.delete(phones).where(phones.c.id == one.id))
    if wanted:
        connection.execute(
            sa.insert(phones),
            [
                {
                    "lead_id": lead.id,
                    "campaign_id": lead.campaign_id,
                    "phone": phone,
                    "position": position,
                    "label": label,
                    "bad": False,
                    "automatic": automatic[phone],
                }
                for phone, (position, label) in wanted.items()
            ],
        )
    return True


def _move_phone(connection: Connection, phone_id: int, **values: Any) -> None:
    connection.execute(sa.update(phones).where(phones.c.id == phone_id).values(**values))


def _was_called(connection: Connection, phone_id: int) -> bool:
    found = sa.select(attempts.c.id).where(attempts.c.phone_id == phone_id).limit(1)
    return connection.scalar(found) is not None
