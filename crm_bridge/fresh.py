"""Fresh events: from their commit until what becomes of them stands in the deliveries.

Most events are delivered within moments, and those moments are spent in memory: nothing is written
down for them but, at their end, that they were delivered. Until then the number in `crm_fresh` is
all there is, and it is enough: who dies with an event in hand leaves it fresh.

So that two processes on one database do not both take them, fresh events are taken in turns. The
process whose turn it is renews it while it has any in hand and lets it go soon after. One that
loses its turn without knowing (it stood still for too long) does no harm: what it still sends, its
successor sends as well, with the same ids and in the same order.

Before a delivery of some key is left in the queue, from where anybody may claim it, all earlier
ones of its key that are in memory only are put down there too. So the queue, as everybody sees it,
never shows a message without those in front of it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.bulk import among, bound, insert_rows
from crm_bridge.outbox import Due
from crm_bridge.tables import PENDING, deliveries, events, fresh, turn

_QUEUED = ("endpoint", "seq", "key", "state", "attempts", "next_at", "owner")
_TURN_ID = 1
IN_ORDER = {"sqlite"}  # where numbers are given in the order of the commits
_e = events.c


def take_turn(connection: Connection, owner: str, now: float, hold_s: float) -> bool:
    """Take or renew the turn until `now + hold_s`; False when it is somebody else's."""
    insert_rows(connection, turn, ("id", "owner", "until"), [(_TURN_ID, owner, now + hold_s)])
    result = connection.execute(
        sa.update(turn)
        .where(turn.c.id == _TURN_ID, (turn.c.owner == owner) | (turn.c.until < now))
        .values(owner=owner, until=now + hold_s)
    )
    return result.rowcount > 0


def end_turn(connection: Connection, owner: str) -> None:
    connection.execute(
        sa.update(turn).where(turn.c.id == _TURN_ID, turn.c.owner == owner).values(until=0.0)
    )


def any_fresh(connection: Connection) -> bool:
    return connection.scalar(sa.select(fresh.c.seq).limit(1)) is not None


_READ = sa.select(_e.seq, _e.key, _e.id, _e.type, _e.at, _e.data).join(fresh, fresh.c.seq == _e.seq)
_AFTER = (
    _READ.where(fresh.c.seq > sa.bindparam("after"))
    .order_by(fresh.c.seq)
    .limit(sa.bindparam("limit"))
)
_BEFORE = sa.select(fresh.c.seq).where(fresh.c.seq <= sa.bindparam("after"))


def read(connection: Connection, after: int, limit: int) -> list[Due]:
    """Up to `limit` fresh events behind `after`, in order."""
    rows = connection.execute(_AFTER, {"after": after, "limit": limit})
    return [Due(seq, key, 0, id_, type_, at, data) for seq, key, id_, type_, at, data in rows]


def overlooked(connection: Connection, after: int, known: Collection[int], limit: int) -> list[Due]:
    """Fresh events up to `after` that were committed late: they are not among the `known`."""
    if connection.dialect.name in IN_ORDER:
        return []
    found = (connection.execute(_BEFORE, {"after": after})).scalars()
    late = sorted(seq for seq in found if seq not in known)[:limit]
    if not late:
        return []
    dialect = connection.dialect.name
    rows = connection.execute(
        _READ.where(among(dialect, _e.seq, "seqs")).order_by(_e.seq), {"seqs": bound(dialect, late)}
    )
    return [Due(seq, key, 0, id_, type_, at, data) for seq, key, id_, type_, at, data in rows]


def last_pending(
    connection: Connection, endpoints: Iterable[str], keys: Collection[str]
) -> dict[tuple[str, str], int]:
    """(endpoint, key) -> its last pending delivery, where it has any."""
    d, dialect = deliveries.c, connection.dialect.name
    found: dict[tuple[str, str], int] = {}
    for endpoint in endpoints:
        pending = (d.endpoint == endpoint) & sa.text(f"state = '{PENDING}'")
        if connection.scalar(sa.select(d.seq).where(pending).limit(1)) is None:
            continue  # as it is nearly always
        rows = connection.execute(
            sa.select(d.key, sa.func.max(d.seq))
            .where(pending, among(dialect, d.key, "keys"))
            .group_by(d.key),
            {"keys": bound(dialect, list(keys))},
        )
        for key, seq in rows:
            found[endpoint, key] = seq
    return found


def dealt_with(
    connection: Connection, endpoints: Collection[str], seqs: Sequence[int]
) -> set[tuple[str, int]]:
    """(endpoint, seq) of the deliveries that a former turn has written down already."""
    d, dialect = deliveries.c, connection.dialect.name
    rows = connection.execute(
        sa.select(d.endpoint, d.seq).where(
            d.endpoint.in_(endpoints), among(dialect, d.seq, "seqs")
        ),
        {"seqs": bound(dialect, list(seqs))},
    )
    return {(endpoint, seq) for endpoint, seq in rows}


def put_down(
    connection: Connection,
    endpoint: str,
    messages: Iterable[Due],
    next_at: float,
    owner: str | None = None,
) -> None:
    """Write pending deliveries: leased until `next_at` to an `owner` who has them in hand, or due
    then. What is written already stays as it is.

    In order of their numbers, as whoever settles them writes them: two transactions that write
    the same rows wait for each other and do not lock each other out.
    """
    rows = [
        (endpoint, one.seq, one.key, PENDING, one.attempts, next_at, owner)
        for one in sorted(messages, key=lambda one: one.seq)
    ]
    insert_rows(connection, deliveries, _QUEUED, rows)


def strike_off(connection: Connection, seqs: Collection[int]) -> None:
    """Everything about these events is written down."""
    if seqs:
        dialect = connection.dialect.name
        connection.execute(
            sa.delete(fresh).where(among(dialect, fresh.c.seq, "seqs")),
            {"seqs": bound(dialect, sorted(seqs))},
        )


@dataclass(slots=True)
class Ledger:
    """The fresh events in this process's hands: in how many hands each is, and which are over.

    Whoever is the last to write down what became of an event strikes it off in the same
    transaction. When two write at the same time neither is the last; it is then over, and struck
    off by whoever writes next.
    """

    hands: dict[int, int] = field(default_factory=dict)
    over: set[int] = field(default_factory=set)

    def ending(self, seqs: Iterable[int]) -> list[int]:
        """What to strike off with the transaction that writes down `seqs` of one hand."""
        return [*(seq for seq in seqs if self.hands.get(seq) == 1), *self.over]

    def written(self, seqs: Iterable[int], struck: Collection[int]) -> None:
        """That transaction was committed."""
        gone = set(struck)
        self.over -= gone
        for seq in seqs:
            left = self.hands.pop(seq, 1) - 1
            if left > 0:
                self.hands[seq] = left
            elif seq not in gone:
                self.over.add(seq)
