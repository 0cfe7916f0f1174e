"""One attempt as it is on record, for people who ask about a call."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import from_ms
from dialer.store.schema import attempts, campaigns


@dataclass(frozen=True, slots=True)
class CallOnRecord:
    """`outcome` is empty while the call goes on. Moments are aware, None: it never came so far."""

    attempt: str
    campaign: str
    outcome: str
    unserved: bool  # counts as abandoned by law
    originated: datetime | None
    live: datetime | None
    connected: datetime | None
    ended: datetime | None
    patience_s: float


def read_call(connection: Connection, attempt: str) -> CallOnRecord | None:
    row = connection.execute(
        sa.select(
            campaigns.c.name,
            campaigns.c.definition,
            attempts.c.outcome,
            attempts.c.unserved,
            attempts.c.originated_ms,
            attempts.c.live_ms,
            attempts.c.connected_ms,
            attempts.c.ended_ms,
        )
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(attempts.c.id == attempt)
    ).one_or_none()
    if row is None:
        return None
    return CallOnRecord(
        attempt=attempt,
        campaign=row.name,
        outcome=row.outcome or "",
        unserved=row.unserved,
        originated=_moment(row.originated_ms),
        live=_moment(row.live_ms),
        connected=_moment(row.connected_ms),
        ended=_moment(row.ended_ms),
        patience_s=float(row.definition.get("patience_s", 2.0)),
    )


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else from_ms(ms)
