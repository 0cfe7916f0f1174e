"""Versions of a campaign's strategy: which there were, what an edit would move, and the move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.strategy.place import Strategy
from dialer.store.context import from_ms
from dialer.store.schema import Phase, lead_steps, leads, strategies
from dialer.store.stepping import migrate_some
from dialer.store.store import Store
from dialer.store.strategies import Change, preview

_UNKNOWN = 0  # no version has this id: all leads under way are in another one


@dataclass(frozen=True, slots=True)
class Edition:
    """`leads` are under way in it. `current`: new leads are placed by it."""

    version: str
    since: datetime
    leads: int
    current: bool


async def change(store: Store, campaign: str, plan: Strategy) -> Change:
    """What putting `plan` in force, and moving everybody to it, would move."""
    known, now = store.context.campaigns[campaign], store.clock.utc()

    def work(connection: Connection) -> Change:
        here = (strategies.c.campaign_id == known.id) & (strategies.c.version == plan.version)
        number = connection.scalar(sa.select(strategies.c.id).where(here))
        return preview(connection, plan, known.id, number or _UNKNOWN, now)

    return await store.database.read(work)


async def move_all(
    store: Store, campaign: str, looked_at: Callable[[int, int], None] = lambda moved, upto: None
) -> int:
    """Move leads under way to the version in force, some at a time; how many. `looked_at` hears how
    many were moved so far, and up to which lead."""
    moved, after = 0, 0
    while True:
        done, last = await store.database.write(
            lambda c, after=after: migrate_some(  # type: ignore[misc]
                c, store.context, campaign, after, store.clock.utc()
            )
        )
        moved += done
        if last == 0:
            return moved
        looked_at(moved, last)
        after = last


async def last_lead(store: Store, campaign: str) -> int:
    """The highest number of the campaign's leads; 0: it has none."""
    known = store.context.campaigns[campaign]
    query = sa.select(sa.func.max(leads.c.id)).where(leads.c.campaign_id == known.id)
    return await store.database.read(lambda c: int(c.scalar(query) or 0))


async def editions(store: Store, campaign: str) -> list[Edition]:
    """Every version the campaign had, the newest first."""
    known = store.context.campaigns[campaign]
    counted = (
        sa.select(lead_steps.c.strategy_id, sa.func.count().label("n"))
        .where(lead_steps.c.campaign_id == known.id, lead_steps.c.phase != Phase.ENDED.value)
        .group_by(lead_steps.c.strategy_id)
        .subquery()
    )
    query = (
        sa.select(strategies, sa.func.coalesce(counted.c.n, 0).label("n"))
        .join(counted, counted.c.strategy_id == strategies.c.id, isouter=True)
        .where(strategies.c.campaign_id == known.id)
        .order_by(strategies.c.id.desc())
    )
    rows = await store.database.read(lambda c: c.execute(query).all())
    return [
        Edition(row.version, from_ms(row.since_ms), row.n, row.id == known.strategy_id)
        for row in rows
    ]


async def body_of(store: Store, campaign: str, version: str) -> Mapping[str, Any] | None:
    """What that version said; None: there was no such."""
    known = store.context.campaigns[campaign]
    query = sa.select(strategies.c.body).where(
        strategies.c.campaign_id == known.id, strategies.c.version == version
    )
    found: Mapping[str, Any] | None = await store.database.read(lambda c: c.scalar(query))
    return found
