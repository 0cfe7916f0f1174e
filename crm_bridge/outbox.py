"""The transactional outbox: what the CRM must hear, in the database that knows it happened.

A writer calls `append` inside the transaction of the change itself; that is one row an event and
nothing else, so that the writer neither knows the endpoints nor pays for them. The dispatcher
turns fresh events into one delivery per subscribed endpoint (`route`) and gives most of them at
once to the one who will send them; it claims what comes due later (`claim`) and writes down how
it went (`settle`). An endpoint added later hears what comes later.

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
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncConnection

from crm_bridge.bulk import among, bound, insert_rows
from crm_bridge.events import Event
from crm_bridge.tables import DEAD, DELIVERED, PENDING, deliveries, events, fresh

# ASCII, because the fast encoder writes nothing else. Data that is no JSON raises TypeError.
encode = json.JSONEncoder(separators=(",", ":")).encode

_EVENT = ("id", "type", "at", "key", "data", "routed")
_DELIVERY = ("endpoint", "seq", "key", "state", "attempts", "next_at", "owner")


async def append(connection: AsyncConnection, happened: Sequence[Event]) -> None:
    """Add events within the caller's transaction.

    An event whose id is there already is the same fact told again and is left out.
    """
    await connection.run_sync(append_sync, happened)


def append_sync(connection: sa.Connection, happened: Sequence[Event]) -> None:
    """`append`, for a writer who is inside a function of a synchronous connection."""
    insert_rows(
        connection,
        events,
        _EVENT,
        [
            (event.id, event.type, event.time.timestamp(), event.key, encode(event.data), False)
            for event in happened
        ],
    )


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
    ahead: int | None  # the pending delivery of its key just before it


@dataclass(frozen=True, slots=True)
class Hand:
    """Who sends to an endpoint: how many messages he has room for, and the last `seq` he holds
    of a key, if there is one that may be followed."""

    room: int
    tail: Callable[[str], int | None] = lambda key: None


@dataclass(frozen=True, slots=True)
class Routed:
    """What a routing brought: how many events were fresh, what was given into which hand, and
    whose deliveries were left to be claimed."""

    count: int = 0
    given: Mapping[str, Sequence[Due]] = field(default_factory=dict)
    left: frozenset[str] = frozenset()


async def route(
    connection: AsyncConnection,
    subscribers: Callable[[str], Iterable[str]],
    now: float,
    *,
    limit: int,
    owner: str = "",
    lease_s: float = 0.0,
    hands: Mapping[str, Hand] | None = None,
) -> Routed:
    """Make the deliveries of up to `limit` fresh events.

    `subscribers(type)` names the endpoints that want an event of this type. A delivery goes into
    the endpoint's hand, leased to `owner`, when there is room and nothing earlier of its key is
    pending but what that hand holds; everything else is due to be claimed.

    The rows are locked without skipping any: a second router waits, and then sees what the first
    has made, or it could give out a message before an earlier one of its key.
    """
    found = (
        await connection.execute(
            sa.select(
                events.c.seq, events.c.key, events.c.id, events.c.type, events.c.at, events.c.data
            )
            .where(fresh(connection.dialect.name))
            .order_by(events.c.seq)
            .limit(limit)
            .with_for_update()
        )
    ).all()
    if not found:
        return Routed()
    wanted: dict[str, list[Any]] = {}  # rows
    for row in found:
        for endpoint in subscribers(row.type):
            wanted.setdefault(endpoint, []).append(row)
    rows: list[tuple[object, ...]] = []
    given: dict[str, list[Due]] = {}
    left: set[str] = set()
    for endpoint, those in wanted.items():
        hand = (hands or {}).get(endpoint)
        mine: list[Due] = []
        room = 0
        pending: dict[str, int] = {}
        held: dict[str, int | None] = {}
        if hand is not None and hand.room > 0:
            room = hand.room
            pending = await _last_pending(connection, endpoint, {row.key for row in those})
            held = {key: hand.tail(key) for key in pending}
        for seq, key, id_, type_, at, data in those:
            ahead = pending.get(key)
            if len(mine) < room and (ahead is None or held.get(key) == ahead):
                mine.append(Due(seq, key, 0, id_, type_, at, data, ahead))
                held[key] = seq
                rows.append((endpoint, seq, key, PENDING, 0, now + lease_s, owner))
            else:
                left.add(endpoint)
                rows.append((endpoint, seq, key, PENDING, 0, now, None))
            pending[key] = seq
        if mine:
            given[endpoint] = mine
    await connection.run_sync(insert_rows, deliveries, _DELIVERY, rows)
    dialect = connection.dialect.name
    await connection.execute(
        sa.update(events).where(among(dialect, events.c.seq, "seqs")).values(routed=True),
        {"seqs": bound(dialect, [row.seq for row in found])},
    )
    return Routed(len(found), given, frozenset(left))


async def _last_pending(
    connection: AsyncConnection, endpoint: str, keys: Collection[str]
) -> dict[str, int]:
    """The last pending delivery of each of these keys that has one."""
    d, dialect = deliveries.c, connection.dialect.name
    rows = await connection.execute(
        sa.select(d.key, sa.func.max(d.seq))
        .where(
            d.endpoint == endpoint,
            among(dialect, d.key, "keys"),
            sa.text(f"state = '{PENDING}'"),
        )
        .group_by(d.key),
        {"keys": bound(dialect, list(keys))},
    )
    return {row[0]: row[1] for row in rows}


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
    d, before, dialect = deliveries, deliveries.alias("before"), connection.dialect.name
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
            .where(d.c.endpoint == endpoint, among(dialect, d.c.seq, "seqs"))
            .values(next_at=now + lease_s, owner=owner),
            {"seqs": bound(dialect, [one.seq for one in due])},
        )
    if blocked:
        await _put_off(connection, endpoint, blocked, now + hold_s)
    return Claim(tuple(due), more=len(found) == limit)


async def _put_off(
    connection: AsyncConnection, endpoint: str, blocked: Sequence[tuple[int, int]], hold: float
) -> None:
    """Let each blocked delivery wait for the one in front of it."""
    d, dialect = deliveries, connection.dialect.name
    ahead = {
        row.seq: hold if row.owner is not None else max(row.next_at, hold)
        for row in await connection.execute(
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
        await connection.execute(
            sa.update(d)
            .where(d.c.endpoint == endpoint, among(dialect, d.c.seq, "seqs"))
            .values(next_at=until),
            {"seqs": bound(dialect, seqs)},
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
    dialect = connection.dialect.name
    mine = (deliveries.c.endpoint == endpoint) & (deliveries.c.state == PENDING)
    those = mine & among(dialect, deliveries.c.seq, "seqs")
    by_status: dict[int, list[int]] = {}
    for seq, status in (delivered or {}).items():
        by_status.setdefault(status, []).append(seq)
    for status, seqs in by_status.items():
        await connection.execute(
            sa.update(deliveries)
            .where(those)
            .values(
                state=DELIVERED,
                attempts=deliveries.c.attempts + 1,
                owner=None,
                last_status=status,
                last_error=None,
                settled_at=now,
            ),
            {"seqs": bound(dialect, seqs)},
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
            sa.update(deliveries).where(those).values(owner=None, next_at=next_at),
            {"seqs": bound(dialect, seqs)},
        )
    if kept:
        await connection.execute(
            sa.update(deliveries)
            .where(those, deliveries.c.owner.is_not(None))
            .values(next_at=kept_until),
            {"seqs": bound(dialect, list(kept))},
        )


async def release(connection: AsyncConnection, owner: str, now: float) -> int:
    """Take back the leases of a former life of `owner`; how many there were."""
    result = await connection.execute(
        sa.update(deliveries)
        .where(deliveries.c.owner == owner, deliveries.c.state == PENDING)
        .values(owner=None, next_at=now)
    )
    return result.rowcount


async def next_due(connection: AsyncConnection, endpoint: str) -> float | None:
    """When the endpoint's next pending delivery comes due (a lease's end included)."""
    when: float | None = await connection.scalar(
        sa.select(sa.func.min(deliveries.c.next_at)).where(
            deliveries.c.endpoint == endpoint, sa.text(f"state = '{PENDING}'")
        )
    )
    return when
