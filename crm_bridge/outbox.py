"""The transactional outbox: what the CRM must hear, in the database that knows it happened.

A writer calls `append` inside the transaction of the change itself; that is one row an event and
nothing else, so that the writer neither knows the endpoints nor pays for them. The dispatcher
turns fresh events into one delivery per subscribed endpoint (`route`), claims what is due
(`claim`) and writes down how it went (`settle`). An endpoint added later hears what comes later.

Times are UTC seconds since the epoch. `seq` is the order of appending. Order within a partition
key is the order of `seq`, provided that the transactions which append for one key do not overlap
(one owner per campaign sees to that); a fresh event is found by its mark and not by a cursor, so
a transaction that commits late is late and not lost.

A lease is a `next_at` in the future together with the name of the `owner` who set it. The owner
settles the row; a dead owner's rows come due again by themselves, or at once when a dispatcher of
the same name starts (`release`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from crm_bridge.events import Event

PENDING = "pending"
DELIVERED = "delivered"
DEAD = "dead"  # the schedule is exhausted or the endpoint refused for good: a person must look

metadata = sa.MetaData()

# SQLite numbers rows by itself only in a column declared INTEGER.
_BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

events = sa.Table(
    "crm_event",
    metadata,
    sa.Column("seq", _BigId, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),  # webhook-id
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),  # when it happened
    sa.Column("key", sa.String(128), nullable=False),  # partition key: order is kept within it
    sa.Column("data", sa.Text, nullable=False),  # JSON object
    sa.Column("routed", sa.Boolean, nullable=False, default=False),
    sa.Index(
        "crm_event_fresh",
        "seq",
        sqlite_where=sa.text("routed = 0"),
        postgresql_where=sa.text("routed = false"),
    ),
    sqlite_autoincrement=True,  # a number is never given twice, also after pruning
)

_pending = sa.text(f"state = '{PENDING}'")
_dead = sa.text(f"state = '{DEAD}'")

deliveries = sa.Table(
    "crm_delivery",
    metadata,
    sa.Column("endpoint", sa.String(64), primary_key=True),
    sa.Column("seq", _BigId, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, default=PENDING),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", sa.Float(53), nullable=False),
    sa.Column("owner", sa.String(64)),  # set while leased
    sa.Column("last_status", sa.Integer),  # HTTP status; null when there was no answer
    sa.Column("last_error", sa.String(200)),  # our words, no personal data
    sa.Column("settled_at", sa.Float(53)),
    sa.Index(
        "crm_delivery_due",
        "endpoint",
        "next_at",
        "seq",
        sqlite_where=_pending,
        postgresql_where=_pending,
    ),
    sa.Index(
        "crm_delivery_key",
        "endpoint",
        "key",
        "seq",
        sqlite_where=_pending,
        postgresql_where=_pending,
    ),
    sa.Index("crm_delivery_dead", "endpoint", "seq", sqlite_where=_dead, postgresql_where=_dead),
)

# The disabled ones only.
endpoints = sa.Table(
    "crm_endpoint",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("disabled_at", sa.Float(53), nullable=False),
    sa.Column("disabled_why", sa.String(200), nullable=False),
)

# What connectors remember; `crm_bridge.mapping.refs` says what the rows mean.
external_refs = sa.Table(
    "external_refs",
    metadata,
    sa.Column("endpoint", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(128), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255)),  # null: begun, and not known to have ended
    sa.Column("at", sa.Float(53), nullable=False),  # UTC seconds of the last change
    sa.Index("external_refs_age", "at"),
)

# ASCII, because the fast encoder writes nothing else. Data that is no JSON raises TypeError.
encode = json.JSONEncoder(separators=(",", ":")).encode


@cache  # building the statement costs more than running it
def _insert_ignore(dialect: str, table: sa.Table) -> Any:
    if dialect == "postgresql":
        return postgresql.insert(table).on_conflict_do_nothing()
    return sqlite.insert(table).on_conflict_do_nothing()


async def append(connection: AsyncConnection, happened: Sequence[Event]) -> None:
    """Add events within the caller's transaction.

    An event whose id is there already is the same fact told again and is left out.
    """
    await connection.run_sync(append_sync, happened)


def append_sync(connection: sa.Connection, happened: Sequence[Event]) -> None:
    """`append`, for a writer who is inside a function of a synchronous connection."""
    if happened:
        connection.execute(
            _insert_ignore(connection.dialect.name, events),
            [
                {
                    "id": event.id,
                    "type": event.type,
                    "at": event.time.timestamp(),
                    "key": event.key,
                    "data": encode(event.data),
                    "routed": False,
                }
                for event in happened
            ],
        )


async def route(
    connection: AsyncConnection,
    subscribers: Callable[[str], Iterable[str]],
    now: float,
    *,
    limit: int,
) -> int:
    """Make the deliveries of up to `limit` fresh events; how many events were fresh.

    `subscribers(type)` names the endpoints that want an event of this type.
    """
    fresh = (
        await connection.execute(
            sa.select(events.c.seq, events.c.type, events.c.key)
            .where(sa.text("routed = 0" if _is_sqlite(connection) else "routed = false"))
            .order_by(events.c.seq)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
    ).all()
    if not fresh:
        return 0
    rows = [
        {
            "endpoint": endpoint,
            "seq": seq,
            "key": key,
            "state": PENDING,
            "attempts": 0,
            "next_at": now,
        }
        for seq, type_, key in fresh
        for endpoint in subscribers(type_)
    ]
    if rows:
        await connection.execute(_insert_ignore(connection.dialect.name, deliveries), rows)
    await connection.execute(
        sa.update(events).where(events.c.seq.in_([row.seq for row in fresh])).values(routed=True)
    )
    return len(fresh)


@dataclass(frozen=True, slots=True)
class Due:
    """A leased delivery with the event it carries. `data` is the JSON text."""

    seq: int
    key: str
    attempts: int  # made so far
    id: str
    type: str
    at: float
    data: str
    ahead: int | None  # the pending delivery of its key just before it


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought: deliveries in order of `seq`, and whether there may be more at once."""

    due: tuple[Due, ...] = ()
    more: bool = False


async def claim(
    connection: AsyncConnection,
    endpoint: str,
    *,
    owner: str,
    tails: Mapping[str, int],
    now: float,
    lease_s: float,
    hold_s: float,
    limit: int,
) -> Claim:
    """Lease up to `limit` due deliveries of an endpoint such that no key is overtaken.

    A delivery is given out when nothing earlier of its key is pending, or when what is just before
    it was given out before it: in this claim, or earlier and still in the caller's hands
    (`tails`: key -> last `seq` the caller holds and works on in order). What is due but stands
    behind something else is put off until that comes due itself, at most; behind another owner's
    lease only by `hold_s`. So a dead key is looked at once per retry and not at every claim.
    """
    d, before = deliveries, deliveries.alias("before")
    earlier = (
        sa.select(sa.func.max(before.c.seq))
        .where(
            before.c.endpoint == d.c.endpoint,
            before.c.key == d.c.key,
            before.c.seq < d.c.seq,
            sa.text(f"before.state = '{PENDING}'"),
        )
        .scalar_subquery()
    )
    found = (
        await connection.execute(
            sa.select(
                d.c.seq,
                d.c.key,
                d.c.attempts,
                events.c.id,
                events.c.type,
                events.c.at,
                events.c.data,
                earlier.label("earlier"),
            )
            .join(events, events.c.seq == d.c.seq)
            .where(
                d.c.endpoint == endpoint,
                sa.text(f"crm_delivery.state = '{PENDING}'"),
                d.c.next_at <= now,
            )
            .order_by(d.c.next_at, d.c.seq)
            .limit(limit)
            .with_for_update(of=d, skip_locked=True)
        )
    ).all()
    if not found:
        return Claim()
    held = dict(tails)
    due: list[Due] = []
    blocked: list[tuple[int, int]] = []  # (seq, the seq in front of it)
    for seq, key, attempts, id_, type_, at, data, ahead in sorted(found, key=lambda row: row.seq):
        if ahead is None or held.get(key) == ahead:
            held[key] = seq
            due.append(Due(seq, key, attempts, id_, type_, at, data, ahead))
        else:
            blocked.append((seq, ahead))
    if due:
        await connection.execute(
            sa.update(d)
            .where(d.c.endpoint == endpoint, d.c.seq.in_([one.seq for one in due]))
            .values(next_at=now + lease_s, owner=owner)
        )
    if blocked:
        await _put_off(connection, endpoint, blocked, now + hold_s)
    return Claim(tuple(due), more=len(found) == limit)


async def _put_off(
    connection: AsyncConnection, endpoint: str, blocked: Sequence[tuple[int, int]], hold: float
) -> None:
    """Let each blocked delivery wait for the one in front of it."""
    d = deliveries
    ahead = {
        row.seq: hold if row.owner is not None else max(row.next_at, hold)
        for row in await connection.execute(
            sa.select(d.c.seq, d.c.next_at, d.c.owner).where(
                d.c.endpoint == endpoint,
                d.c.seq.in_({front for _, front in blocked}),
            )
        )
    }
    by_time: dict[float, list[int]] = {}
    for seq, front in blocked:
        until = ahead.get(front, hold)
        ahead[seq] = until
        by_time.setdefault(until, []).append(seq)
    for until, seqs in by_time.items():
        await connection.execute(
            sa.update(d).where(d.c.endpoint == endpoint, d.c.seq.in_(seqs)).values(next_at=until)
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that did not succeed, and when to try again; `retry_at` None: never."""

    seq: int
    error: str
    status: int | None
    retry_at: float | None


async def settle(
    connection: AsyncConnection,
    endpoint: str,
    now: float,
    *,
    delivered: Mapping[int, int] | None = None,
    failed: Collection[Failed] = (),
    given_back: Mapping[int, float] | None = None,
    kept: Collection[int] = (),
    kept_until: float = 0.0,
) -> None:
    """Write down how leased deliveries ended.

    `delivered` is seq -> HTTP status. `given_back` is seq -> next_at for those that were not tried;
    the leases of those `kept` are drawn out. What somebody else has settled meanwhile is not
    changed back.
    """
    mine = (deliveries.c.endpoint == endpoint) & (deliveries.c.state == PENDING)
    by_status: dict[int, list[int]] = {}
    for seq, status in (delivered or {}).items():
        by_status.setdefault(status, []).append(seq)
    for status, seqs in by_status.items():
        await connection.execute(
            sa.update(deliveries)
            .where(mine, deliveries.c.seq.in_(seqs))
            .values(
                state=DELIVERED,
                attempts=deliveries.c.attempts + 1,
                owner=None,
                last_status=status,
                last_error=None,
                settled_at=now,
            )
        )
    for failure in failed:
        dead = failure.retry_at is None
        await connection.execute(
            sa.update(deliveries)
            .where(mine, deliveries.c.seq == failure.seq)
            .values(
                state=DEAD if dead else PENDING,
                attempts=deliveries.c.attempts + 1,
                owner=None,
                next_at=now if failure.retry_at is None else failure.retry_at,
                last_status=failure.status,
                last_error=failure.error[:200],
                settled_at=now,
            )
        )
    by_time: dict[float, list[int]] = {}
    for seq, next_at in (given_back or {}).items():
        by_time.setdefault(next_at, []).append(seq)
    for next_at, seqs in by_time.items():
        await connection.execute(
            sa.update(deliveries)
            .where(mine, deliveries.c.seq.in_(seqs))
            .values(owner=None, next_at=next_at)
        )
    if kept:
        await connection.execute(
            sa.update(deliveries)
            .where(mine, deliveries.c.seq.in_(kept), deliveries.c.owner.is_not(None))
            .values(next_at=kept_until)
        )


async def release(connection: AsyncConnection, owner: str, now: float) -> int:
    """Take back the leases of a former life of `owner`; how many there were."""
    result = await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.owner == owner, deliveries.c.state == PENDING)
        .values(owner=None, next_at=now)
    )
    return result.rowcount


async def disable(connection: AsyncConnection, endpoint: str, now: float, why: str) -> None:
    """Send this endpoint nothing more until somebody enables it; what it has not got waits."""
    await enable(connection, endpoint)
    await connection.execute(
        sa.insert(endpoints).values(name=endpoint, disabled_at=now, disabled_why=why[:200])
    )


async def enable(connection: AsyncConnection, endpoint: str) -> bool:
    """Whether it had been disabled."""
    result = await connection.execute(sa.delete(endpoints).where(endpoints.c.name == endpoint))
    return result.rowcount > 0


async def disabled(connection: AsyncConnection) -> dict[str, str]:
    """The disabled endpoints, each with the reason."""
    rows = await connection.execute(sa.select(endpoints.c.name, endpoints.c.disabled_why))
    return {row.name: row.disabled_why for row in rows}


async def next_due(connection: AsyncConnection, endpoint: str) -> float | None:
    """When the endpoint's next pending delivery comes due (a lease's end included)."""
    when: float | None = await connection.scalar(
        sa.select(sa.func.min(deliveries.c.next_at)).where(
            deliveries.c.endpoint == endpoint, sa.text(f"state = '{PENDING}'")
        )
    )
    return when


@dataclass(frozen=True, slots=True)
class Backlog:
    """Pending deliveries of an endpoint (or fresh events), and when the oldest happened."""

    count: int = 0
    oldest_at: float | None = None
    dead: int = 0


async def backlog(connection: AsyncConnection) -> dict[str, Backlog]:
    """Backlog by endpoint; under the empty name, events that have not been routed yet."""
    table = deliveries
    fresh = sa.text("routed = 0" if _is_sqlite(connection) else "routed = false")
    # The fresh first: what is routed between two statements is then counted twice, and not missed.
    count, oldest = (
        await connection.execute(
            sa.select(sa.func.count(), sa.func.min(events.c.at)).where(fresh).select_from(events)
        )
    ).one()
    found = {"": Backlog(count, oldest)}
    for endpoint, count, oldest in await connection.execute(
        sa.select(table.c.endpoint, sa.func.count(), sa.func.min(events.c.at))
        .join(events, events.c.seq == table.c.seq)
        .where(sa.text(f"crm_delivery.state = '{PENDING}'"))
        .group_by(table.c.endpoint)
    ):
        found[endpoint] = Backlog(count, oldest)
    for endpoint, count in await connection.execute(
        sa.select(table.c.endpoint, sa.func.count())
        .where(sa.text(f"state = '{DEAD}'"))
        .group_by(table.c.endpoint)
    ):
        known = found.get(endpoint, Backlog())
        found[endpoint] = Backlog(known.count, known.oldest_at, count)
    return found


async def prune(connection: AsyncConnection, before: float, *, limit: int) -> int:
    """Forget up to `limit` events from before that second; how many.

    An event goes when nothing of it is pending. Dead letters are forgotten too: whoever wanted to
    replay them had the time, and they hold personal data.
    """
    waiting = (
        sa.select(deliveries.c.seq)
        .where(deliveries.c.seq == events.c.seq, deliveries.c.state == PENDING)
        .exists()
    )
    old = (
        (
            await connection.execute(
                sa.select(events.c.seq)
                .where(events.c.at < before, events.c.routed.is_(True), ~waiting)
                .order_by(events.c.seq)
                .limit(limit)
            )
        )
        .scalars()
        .all()
    )
    if old:
        await connection.execute(sa.delete(deliveries).where(deliveries.c.seq.in_(old)))
        await connection.execute(sa.delete(events).where(events.c.seq.in_(old)))
    return len(old)


def _is_sqlite(connection: AsyncConnection) -> bool:
    return connection.dialect.name == "sqlite"
