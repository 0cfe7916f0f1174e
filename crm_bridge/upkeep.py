"""Around delivery: which endpoints are off, how much waits, and what is old enough to go."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.tables import DEAD, PENDING, deliveries, endpoints, events, fresh


def disable(connection: Connection, endpoint: str, now: float, why: str) -> None:
    """Send this endpoint nothing more until somebody enables it; what it has not got waits."""
    enable(connection, endpoint)
    connection.execute(
        sa.insert(endpoints).values(name=endpoint, disabled_at=now, disabled_why=why[:200])
    )


def enable(connection: Connection, endpoint: str) -> bool:
    """Whether it had been disabled."""
    result = connection.execute(sa.delete(endpoints).where(endpoints.c.name == endpoint))
    return result.rowcount > 0


def disabled(connection: Connection) -> dict[str, str]:
    """The disabled endpoints, each with the reason."""
    rows = connection.execute(sa.select(endpoints.c.name, endpoints.c.disabled_why))
    return {row.name: row.disabled_why for row in rows}


@dataclass(frozen=True, slots=True)
class Backlog:
    """Deliveries in an endpoint's queue (or fresh events), and when the oldest happened."""

    count: int = 0
    oldest_at: float | None = None
    dead: int = 0


def backlog(connection: Connection) -> dict[str, Backlog]:
    """Backlog by endpoint; under the empty name, fresh events, those in somebody's hands too."""
    table = deliveries
    # The fresh first: what is queued between two statements is then counted twice, and not missed.
    count, first = (connection.execute(sa.select(sa.func.count(), sa.func.min(fresh.c.seq)))).one()
    oldest = connection.scalar(sa.select(events.c.at).where(events.c.seq == first))
    found = {"": Backlog(count, oldest)}
    for endpoint, count, oldest in connection.execute(
        sa.select(table.c.endpoint, sa.func.count(), sa.func.min(events.c.at))
        .join(events, events.c.seq == table.c.seq)
        .where(sa.text(f"crm_delivery.state = '{PENDING}'"))
        .group_by(table.c.endpoint)
    ):
        found[endpoint] = Backlog(count, oldest)
    for endpoint, count in connection.execute(
        sa.select(table.c.endpoint, sa.func.count())
        .where(sa.text(f"state = '{DEAD}'"))
        .group_by(table.c.endpoint)
    ):
        known = found.get(endpoint, Backlog())
        found[endpoint] = Backlog(known.count, known.oldest_at, count)
    return found


def prune(connection: Connection, before: float, *, limit: int, fresh_too: bool = False) -> int:
    """Forget up to `limit` events from before that second; how many.

    An event goes when nothing of it is pending. Dead letters are forgotten too: whoever wanted to
    replay them had the time, and they hold personal data. Fresh events stay for who will deliver
    them; where nobody is to ask for them (`fresh_too`) they go too.
    """
    waiting = (
        sa.select(deliveries.c.seq)
        .where(deliveries.c.seq == events.c.seq, deliveries.c.state == PENDING)
        .exists()
    )
    untouched = sa.select(fresh.c.seq).where(fresh.c.seq == events.c.seq).exists()
    known = ~untouched | sa.literal(fresh_too)
    old = (
        (
            connection.execute(
                sa.select(events.c.seq)
                .where(events.c.at < before, ~waiting, known)
                .order_by(events.c.seq)
                .limit(limit)
            )
        )
        .scalars()
        .all()
    )
    if old:
        connection.execute(sa.delete(deliveries).where(deliveries.c.seq.in_(old)))
        connection.execute(sa.delete(fresh).where(fresh.c.seq.in_(old)))
        connection.execute(sa.delete(events).where(events.c.seq.in_(old)))
    return len(old)
