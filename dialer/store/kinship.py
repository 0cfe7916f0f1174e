"""Campaigns that are one to the law: the same seller with the same purpose.

A limit on abandoned calls is a campaign's, and the law's campaign is an offer and not a file: a
copy under another name, or a file that was taken out and put back, goes on in the windows that were
begun. The number shown to the called party says who calls; with the purpose it is what is compared.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import from_ms, to_ms
from dialer.store.schema import abandon_account, campaigns


def _offer(definition: Any) -> tuple[str, str] | None:
    """Purpose and number of a campaign as it was loaded last; None when it says neither."""
    if not isinstance(definition, dict):
        return None
    purpose, number = definition.get("purpose"), definition.get("caller_id")
    return (str(purpose), str(number).lstrip("+")) if purpose and number else None


def kin(connection: Connection, campaign: str) -> list[int]:
    """The campaign and all there ever were of its offer, by id."""
    rows = connection.execute(
        sa.select(campaigns.c.id, campaigns.c.name, campaigns.c.definition)
    ).all()
    mine = next((row for row in rows if row.name == campaign), None)
    if mine is None:
        return []
    offer = _offer(mine.definition)
    return [
        row.id
        for row in rows
        if row.id == mine.id or (offer is not None and _offer(row.definition) == offer)
    ]


def began(connection: Connection, campaign: str) -> datetime | None:
    """When the first attempt of the offer was made: its first legal block begins there."""
    ms = connection.scalar(
        sa.select(sa.func.min(campaigns.c.started_ms)).where(
            campaigns.c.id.in_(kin(connection, campaign))
        )
    )
    return None if ms is None else from_ms(ms)


def account(
    connection: Connection, campaign: str, since: datetime
) -> list[tuple[datetime, int, int]]:
    """Rows (minute, live answers, of them abandoned) of the offer since then, in order of time."""
    table = abandon_account.c
    rows = connection.execute(
        sa.select(table.minute, sa.func.sum(table.live), sa.func.sum(table.abandoned))
        .where(
            table.campaign_id.in_(kin(connection, campaign)),
            table.minute >= to_ms(since) // 60_000,
        )
        .group_by(table.minute)
        .order_by(table.minute)
    )
    return [
        (from_ms(minute * 60_000), int(live), int(abandoned)) for minute, live, abandoned in rows
    ]
