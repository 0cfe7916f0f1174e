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
    moments = (
        None if ms is None else from_ms(ms)
        for ms in (row.originated_ms, row.live_ms, row.connected_ms, row.ended_ms)
    )
    patience_s = float(row.definition.get("patience_s", 2.0))
    return CallOnRecord(attempt, row.name, row.outcome or "", row.unserved, *moments, patience_s)
