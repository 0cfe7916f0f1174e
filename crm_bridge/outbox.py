"""The transactional outbox: what the CRM must hear, in the database that knows it happened.

A writer calls `append` inside the transaction of the change itself: the event and its number among
the fresh ones, and nothing else, so that the writer neither knows the endpoints nor pays for them.
The dispatcher gives fresh events to those who send them (`crm_bridge.fresh`) and writes down one
delivery per subscribed endpoint, most of them only when they are delivered (`settle`); it claims
what waits in the queue when it comes due (`claim`). An endpoint added later hears what comes later.

Times are UTC seconds since the epoch. `seq` is the order of appending. Order within a partition
key is the order of `seq`, provided that the transactions which append for one key do not overlap
(one owner per campaign sees to that).

A lease is a `next_at` in the future together with the name of the `owner` who set it. The owner
settles the row; a dead owner's rows come due again by themselves, or at once when a dispatcher of
the same name starts (`release`).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from crm_bridge.bulk import NOTHING, among, bound, insert_rows
from crm_bridge.events import Event
from crm_bridge.tables import DEAD, DELIVERED, PENDING, deliveries, events, fresh

# ASCII, because the fast encoder writes nothing else. Data that is no JSON raises TypeError.
encode = json.JSONEncoder(separators=(",", ":")).encode

_EVENT = ("id", "type", "at", "key", "data")
_SETTLED = (
    "endpoint", "seq", "key", "state", "attempts", "next_at", "owner",
    "last_status", "last_error", "settled_at",
)  # fmt: skip
_UNLESS_SETTLED = """(endpoint, seq) DO UPDATE SET
    state = excluded.state, attempts = excluded.attempts, next_at = excluded.next_at, owner = NULL,
    last_status = CASE WHEN excluded.settled_at IS NULL THEN crm_delivery.last_status
        ELSE excluded.last_status END,
    last_error = CASE WHEN excluded.settled_at IS NULL THEN crm_delivery.last_error
        ELSE excluded.last_error END,
    settled_at = COALESCE(excluded.settled_at, crm_delivery.settled_at)
    WHERE crm_delivery.state = 'pending'"""


async def append(connection: AsyncConnection, happened: Sequence[Event]) -> None:
    """Add events within the caller's transaction.

    An event whose id is there already is the same fact told again and is left out.
    """
    await connection.run_sync(append_sync, happened)


def append_sync(connection: Connection, happened: Sequence[Event]) -> None:
    """`append`, for a writer who is inside a function of a synchronous connection."""
    rows = [
        (event.id, event.type, event.time.timestamp(), event.key, encode(event.data))
        for event in happened
    ]
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        insert_rows(
            connection, events, _EVENT, rows, conflict=f"{NOTHING} {_COUNTED}", begin=_COUNTING
        )
        return
    last = connection.scalar(_LAST) or 0  # nobody else writes between this and the next statement
    insert_rows(connection, events, _EVENT, rows)
    connection.execute(_FRESH_SINCE, {"last": last})


_LAST = sa.select(sa.func.max(events.c.seq))
_FRESH_SINCE = sa.insert(fresh).from_select(
    ["seq"], sa.select(events.c.seq).where(events.c.seq > sa.bindparam("last"))
)
_COUNTING = "WITH told AS ("
_COUNTED = "RETURNING seq) INSERT INTO crm_fresh (seq) SELECT seq FROM told"


@dataclass(slots=True)  # not frozen: that costs a microsecond for each of many
class Due:
    """A leased delivery with the event it carries. `data` is the JSON text."""

    seq: int
    key: str
    attempts: int  # made so far
    id: str
    type: str
    at: float
    data: str


@dataclass(frozen=True, slots=True)
class Claim:
    """What a claim brought: deliveries in order of `seq`, and whether there may be more at once."""

    due: tuple[Due, ...] = ()
    more: bool = False


_before = deliveries.alias("before")
_DUE = (
    sa.select(
        deliveries.c.seq,
        deliveries.c.key,
        deliveries.c.attempts,
        events.c.id,
        events.c.type,
        events.c.at,
        events.c.data,
        sa.select(sa.func.max(_before.c.seq))
        .where(
            _before.c.endpoint == deliveries.c.endpoint,
            _before.c.key == deliveries.c.key,
            _before.c.seq < deliveries.c.seq,
            sa.text(f"before.state = '{PENDING}'"),
        )
        .scalar_subquery()
        .label("ahead"),
    )
    .join(events, events.c.seq == deliveries.c.seq)
    .where(
        deliveries.c.endpoint == sa.bindparam("wanted"),
        sa.text(f"crm_delivery.state = '{PENDING}'"),
        deliveries.c.next_at <= sa.bindparam("now"),
    )
    .order_by(deliveries.c.next_at, deliveries.c.seq)
    .limit(sa.bindparam("limit"))
    .with_for_update(of=deliveries, skip_locked=True)
)


def claim(
    connection: Connection,
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
    d, dialect = deliveries, connection.dialect.name
    found = connection.execute(_DUE, {"wanted": endpoint, "now": now, "limit": limit}).all()
    if not found:
        return Claim()
    held = dict(tails)
    due: list[Due] = []
    blocked: list[tuple[int, int]] = []  # (seq, the seq in front of it)
    for seq, key, attempts, id_, type_, at, data, ahead in sorted(found, key=lambda row: row.seq):
        if ahead is None or held.get(key) == ahead:
            held[key] = seq
            due.append(Due(seq, key, attempts, id_, type_, at, data))
        else:
            blocked.append((seq, ahead))
    if due:
        connection.execute(
            sa.update(d)
            .where(d.c.endpoint == endpoint, among(dialect, d.c.seq, "seqs"))
            .values(next_at=now + lease_s, owner=owner),
            {"seqs": bound(dialect, [one.seq for one in due])},
        )
    if blocked:
        _put_off(connection, endpoint, blocked, now + hold_s)
    return Claim(tuple(due), more=len(found) == limit)


def _put_off(
    connection: Connection, endpoint: str, blocked: Sequence[tuple[int, int]], hold: float
) -> None:
    """Let each blocked delivery wait for the one in front of it."""
    d, dialect = deliveries, connection.dialect.name
    ahead = {
        row.seq: hold if row.owner is not None else max(row.next_at, hold)
        for row in connection.execute(
            sa.select(d.c.seq, d.c.next_at, d.c.owner).where(
                d.c.endpoint == endpoint, among(dialect, d.c.seq, "seqs")
            ),
            {"seqs": bound(dialect, list({front for _, front in blocked}))},
        )
    }
    by_time: dict[float, list[int]] = {}
    for seq, front in blocked:
        until = ahead.get(front, hold)
        ahead[seq] = until
        by_time.setdefault(until, []).append(seq)
    for until, seqs in by_time.items():
        connection.execute(
            sa.update(d)
            .where(d.c.endpoint == endpoint, among(dialect, d.c.seq, "seqs"))
            .values(next_at=until),
            {"seqs": bound(dialect, seqs)},
        )


@dataclass(frozen=True, slots=True)
class Failed:
    """An attempt that did not succeed, and when to try again; `retry_at` None: never."""

    due: Due
    error: str
    status: int | None
    retry_at: float | None


def settle(
    connection: Connection,
    endpoint: str,
    now: float,
    *,
    delivered: Iterable[tuple[Due, int]] = (),
    failed: Iterable[Failed] = (),
    given_back: Iterable[tuple[Due, float]] = (),
    kept: Collection[int] = (),
    kept_until: float = 0.0,
) -> None:
    """Write down how messages in hand ended, whether they stood in the queue before or not.

    `delivered` has the HTTP status, `given_back` (those that were not tried) the time when they
    come due; the leases of those `kept` are drawn out. What somebody else has settled meanwhile is
    not changed back.
    """
    rows: list[tuple[object, ...]] = [
        (endpoint, due.seq, due.key, DELIVERED, due.attempts + 1, now, None, status, None, now)
        for due, status in delivered
    ]
    for one in failed:
        state, next_at = (DEAD, now) if one.retry_at is None else (PENDING, one.retry_at)
        rows.append(
            (
                endpoint, one.due.seq, one.due.key, state, one.due.attempts + 1, next_at, None,
                one.status, one.error[:200], now,
            )
        )  # fmt: skip
    rows += [
        (endpoint, due.seq, due.key, PENDING, due.attempts, next_at, None, None, None, None)
        for due, next_at in given_back
    ]
    rows.sort(key=lambda row: row[1])  # type: ignore[arg-type, return-value]  # a number
    insert_rows(connection, deliveries, _SETTLED, rows, conflict=_UNLESS_SETTLED)
    if kept:
        dialect = connection.dialect.name
        connection.execute(
            sa.update(deliveries)
            .where(
                deliveries.c.endpoint == endpoint,
                deliveries.c.state == PENDING,
                deliveries.c.owner.is_not(None),
                among(dialect, deliveries.c.seq, "seqs"),
            )
            .values(next_at=kept_until),
            {"seqs": bound(dialect, list(kept))},
        )


def release(connection: Connection, owner: str, now: float) -> int:
    """Take back the leases of a former life of `owner`; how many there were."""
    result = connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.owner == owner, deliveries.c.state == PENDING)
        .values(owner=None, next_at=now)
    )
    return result.rowcount


def next_due(connection: Connection, endpoint: str) -> float | None:
    """When the endpoint's next pending delivery comes due (a lease's end included)."""
    when: float | None = connection.scalar(
        sa.select(sa.func.min(deliveries.c.next_at)).where(
            deliveries.c.endpoint == endpoint, sa.text(f"state = '{PENDING}'")
        )
    )
    return when
