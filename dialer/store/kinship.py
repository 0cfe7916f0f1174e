"""Campaigns that are one to the law: the same seller with the same offer.

A limit on abandoned calls is a campaign's, and the law's campaign is an offer and not a file: a
copy under another name, or a file that was taken out and put back, goes on in the windows that were
begun. A campaign's file may name its offer (`compliance: {campaign: ...}`); where it does not, the
number shown to the called party says who calls, and with the purpose that is what is compared.

Once a campaign has called, every offer it ever had stays its own: neither another number nor
another name begins a window anew. Campaigns that share an offer, or have kin in common, are kin.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import Context, from_ms, to_ms
from dialer.store.schema import abandon_account, campaign_offers, campaigns

Minute = tuple[datetime, int, int]  # live answers, and of them abandoned, of a minute


class Share(NamedTuple):
    """What one campaign adds to its offer's account in one minute (since the epoch, UTC)."""

    campaign_id: int
    minute: int
    live: int
    abandoned: int


def offer_of(definition: Any) -> str:
    """The offer a campaign's file names; empty when it says neither name nor number."""
    if not isinstance(definition, dict):
        return ""
    named = (definition.get("compliance") or {}).get("campaign")
    if named:
        return f"campaign {named}"
    purpose, number = definition.get("purpose"), definition.get("caller_id")
    return f"{purpose} +{str(number).lstrip('+')}" if purpose and number else ""


def keep_offer(
    connection: Connection, context: Context, campaign_id: int, definition: Any, *, started: bool
) -> None:
    """Remember a campaign's offer. Before its first call a new one takes the place of the old."""
    offer = offer_of(definition)
    table = campaign_offers.c
    if not started:
        connection.execute(
            sa.delete(campaign_offers).where(table.campaign_id == campaign_id, table.offer != offer)
        )
    if offer:
        connection.execute(
            context.insert(campaign_offers).on_conflict_do_nothing(),
            {"campaign_id": campaign_id, "offer": offer},
        )


def kin(connection: Connection, campaign: str) -> list[int]:
    """The campaign and all there ever were of its offers, by id."""
    mine = connection.scalar(sa.select(campaigns.c.id).where(campaigns.c.name == campaign))
    if mine is None:
        return []
    of_offer: dict[str, set[int]] = {}
    of_campaign: dict[int, set[str]] = {}
    table = campaign_offers.c
    for campaign_id, offer in connection.execute(sa.select(table.campaign_id, table.offer)):
        of_offer.setdefault(offer, set()).add(campaign_id)
        of_campaign.setdefault(campaign_id, set()).add(offer)
    found, fresh = {mine}, [mine]
    while fresh:
        for offer in of_campaign.pop(fresh.pop(), ()):
            fresh.extend(of_offer[offer] - found)
            found |= of_offer[offer]
    return sorted(found)


def began(connection: Connection, campaign: str) -> datetime | None:
    """When the first attempt of the offer was made: its first legal block begins there."""
    ms = connection.scalar(
        sa.select(sa.func.min(campaigns.c.started_ms)).where(
            campaigns.c.id.in_(kin(connection, campaign))
        )
    )
    return None if ms is None else from_ms(ms)


def shares(connection: Connection, campaign: str, since: datetime) -> tuple[int, list[Share]]:
    """The campaign's id, and every row of its offer's account since then, in order of time."""
    table = abandon_account.c
    mine = connection.scalar(sa.select(campaigns.c.id).where(campaigns.c.name == campaign))
    rows = connection.execute(
        sa.select(table.campaign_id, table.minute, table.live, table.abandoned)
        .where(
            table.campaign_id.in_(kin(connection, campaign)),
            table.minute >= to_ms(since) // 60_000,
        )
        .order_by(table.minute, table.campaign_id)
    )
    return mine or 0, [Share(*row) for row in rows]


def minutes(found: Iterable[Share]) -> list[Minute]:
    """The account of all campaigns together, in order of time."""
    sums: dict[int, tuple[int, int]] = {}
    for share in found:
        live, abandoned = sums.get(share.minute, (0, 0))
        sums[share.minute] = (live + share.live, abandoned + share.abandoned)
    return [
        (from_ms(minute * 60_000), live, abandoned)
        for minute, (live, abandoned) in sorted(sums.items())
    ]


def account(connection: Connection, campaign: str, since: datetime) -> list[Minute]:
    """Rows (minute, live answers, of them abandoned) of the offer since then, in order of time."""
    return minutes(shares(connection, campaign, since)[1])
