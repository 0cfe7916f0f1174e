"""For CRMs that ask: the outbox read in order, answers given a second time, the gate's no."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.events import utc_text
from crm_bridge.tables import events
from dialer.store.context import from_ms, to_ms
from dialer.store.schema import decision_log, idempotency_keys

# A number that is missing between two others may belong to a transaction that is still open (on
# PostgreSQL numbers are given before the commit). After this time it was given in vain.
GAP_S = 30.0
KEEP_S = 24 * 3600.0  # how long an answer is kept to be given again


@dataclass(frozen=True, slots=True)
class FedEvent:
    """An event as the webhooks tell it; `seq` is its place in the feed."""

    seq: int
    id: str
    type: str
    timestamp: str
    data: Mapping[str, Any]


def read_feed(
    connection: Connection, after: int, limit: int, now: datetime
) -> tuple[list[FedEvent], bool]:
    """Up to `limit` events behind `after`, in order, none left out; and whether there are more."""
    rows = connection.execute(
        sa.select(events.c.seq, events.c.id, events.c.type, events.c.at, events.c.data)
        .where(events.c.seq > after)
        .order_by(events.c.seq)
        .limit(limit + 1)
    ).all()
    told: list[FedEvent] = []
    before = after if after else None  # the first ones may have been pruned away
    for row in rows[:limit]:
        young = now.timestamp() - row.at < GAP_S
        if before is not None and row.seq != before + 1 and young:
            return told, False
        before = row.seq
        at = datetime.fromtimestamp(row.at, UTC)  # to the very millisecond that a webhook tells
        told.append(FedEvent(row.seq, row.id, row.type, utc_text(at), json.loads(row.data)))
    return told, len(rows) > limit


@dataclass(frozen=True, slots=True)
class KeyUse:
    """An Idempotency-Key as it came: whose, and a digest of what was asked."""

    token: str
    key: str
    digest: str


def known_answer(connection: Connection, use: KeyUse) -> tuple[str, str] | None:
    """(digest, body) of the answer this key was given."""
    row = connection.execute(
        sa.select(idempotency_keys.c.digest, idempotency_keys.c.body).where(
            idempotency_keys.c.token == use.token, idempotency_keys.c.key == use.key
        )
    ).first()
    return None if row is None else (row.digest, row.body)


def keep_answer(connection: Connection, use: KeyUse, body: str, now: datetime) -> None:
    """Keep an answer, in the transaction of what it tells; old ones go."""
    connection.execute(
        sa.delete(idempotency_keys).where(idempotency_keys.c.at_ms < to_ms(now) - KEEP_S * 1000)
    )
    connection.execute(
        sa.insert(idempotency_keys).values(
            token=use.token, key=use.key, digest=use.digest, body=body, at_ms=to_ms(now)
        )
    )


def begin_answer(connection: Connection, use: KeyUse, now: datetime) -> None:
    """Note that what this key asks for is begun: whoever sends it again must not begin it anew.
    Until `finish_answer` the body that is known is empty."""
    keep_answer(connection, use, "", now)


def finish_answer(connection: Connection, use: KeyUse, body: str | None) -> None:
    """The answer of what was begun; None: it was refused, and refusals are not kept."""
    mine = (idempotency_keys.c.token == use.token, idempotency_keys.c.key == use.key)
    if body is None:
        connection.execute(sa.delete(idempotency_keys).where(*mine))
    else:
        connection.execute(sa.update(idempotency_keys).where(*mine).values(body=body))


@dataclass(frozen=True, slots=True)
class Denied:
    """What the gate said to an attempt. `retry_at` None: not by itself."""

    rule: str
    reason: str
    retry_at: datetime | None


def denial_of(connection: Connection, lead_id: int, attempt: str) -> Denied | None:
    """Why the gate did not let this attempt go, if it did not."""
    log = decision_log.c
    row = connection.execute(
        sa.select(log.rule, log.reason, log.retry_ms)
        .where(log.lead_id == lead_id, log.attempt == attempt, log.verdict == "deny")
        .order_by(log.id.desc())
        .limit(1)
    ).first()
    if row is None:
        return None
    return Denied(row.rule, row.reason, None if row.retry_ms is None else from_ms(row.retry_ms))
