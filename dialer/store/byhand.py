"""The leads of calls somebody asked for: found, or made of a number nobody has."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.core.events import Lead
from dialer.store.attempts import lead_columns, lead_of
from dialer.store.context import Context, to_ms
from dialer.store.schema import LeadState, ListState, leads, lists, phones

SOURCE = "by hand"  # the list of numbers that were dialled by hand
ON_REQUEST = "called by hand only"  # why such a lead is held


def find(
    connection: Connection,
    context: Context,
    campaign: str,
    lead_id: int = 0,
    external_id: str = "",
    phone: str = "",
) -> Lead | None:
    """A lead of the campaign by its number, its id or its phone (E.164), with the phone to call:
    the one that is named, else the one the list would call next. None: there is none, or it has no
    such phone."""
    known = context.campaigns[campaign]
    wanted = [leads.c.campaign_id == known.id]
    if lead_id:
        wanted.append(leads.c.id == lead_id)
    if external_id:
        wanted.append(leads.c.external_id == external_id)
    which = phones.c.phone == phone if phone else phones.c.position == leads.c.position
    row = connection.execute(
        sa.select(*lead_columns, leads.c.zone_id, phones.c.automatic)
        .join(phones, (phones.c.lead_id == leads.c.id) & which)
        .where(*wanted, phones.c.campaign_id == known.id)
    ).first()
    if row is None:
        return None
    if row.zone_id not in context.zone_names:
        context.load_zones(connection)
    lead = lead_of(row, campaign, row.attempts + 1, context.zone_names[row.zone_id])
    return replace(lead, automatic=bool(row.automatic))


def make(
    connection: Connection,
    context: Context,
    campaign: str,
    phone: str,
    zones: str,
    now: datetime,
) -> Lead:
    """A lead of a number nobody has, which nothing calls by itself."""
    found = find(connection, context, campaign, phone=phone)
    if found is not None:
        return found  # somebody was faster
    known = context.campaigns[campaign]
    context.learn_zones(connection, [zones])
    list_id = connection.scalar(
        sa.select(lists.c.id).where(
            lists.c.campaign_id == known.id, lists.c.source == SOURCE, lists.c.name == SOURCE
        )
    )
    if list_id is None:
        list_id = connection.execute(
            sa.insert(lists)
            .values(
                campaign_id=known.id,
                name=SOURCE,
                source=SOURCE,
                state=ListState.READY.value,
                imported_ms=to_ms(now),
            )
            .returning(lists.c.id)
        ).scalar_one()
    last = connection.scalar(sa.select(sa.func.max(leads.c.line)).where(leads.c.list_id == list_id))
    lead_id = connection.execute(
        sa.insert(leads)
        .values(
            campaign_id=known.id,
            list_id=list_id,
            line=(last or 0) + 1,
            name="",
            zone_id=context.zone_ids[zones],
            fields={},
            state=LeadState.HELD.value,
            why=ON_REQUEST,
            next_at_ms=to_ms(now),
        )
        .returning(leads.c.id)
    ).scalar_one()
    phone_id = connection.execute(
        sa.insert(phones)
        .values(lead_id=lead_id, campaign_id=known.id, phone=phone, position=0, automatic=False)
        .returning(phones.c.id)
    ).scalar_one()
    connection.execute(
        sa.update(lists).where(lists.c.id == list_id).values(accepted=lists.c.accepted + 1)
    )
    return Lead(lead_id, campaign, phone, phone_id, 1, zones=zones, automatic=False)
