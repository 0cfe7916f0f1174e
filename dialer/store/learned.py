"""What a campaign's pacer learned, kept over restarts: one row a campaign, replaced as it grows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import Context, from_ms, to_ms
from dialer.store.schema import campaigns, pacer_states


@dataclass(frozen=True, slots=True)
class LearnedState:
    """As the pacer of that name gave it. Who takes it back judges whether it fits."""

    pacer: str
    state: Any
    saved: datetime


def keep_learned(
    connection: Connection,
    context: Context,
    states: Mapping[str, tuple[str, Mapping[str, Any]]],
    now: datetime,
) -> None:
    """Keep (pacer's name, state) of these campaigns in place of what was kept before."""
    insert = context.insert(pacer_states)
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["campaign_id"],
            set_={name: insert.excluded[name] for name in ("pacer", "state", "saved_ms")},
        ),
        [
            {
                "campaign_id": context.campaigns[campaign].id,
                "pacer": pacer,
                "state": dict(state),
                "saved_ms": to_ms(now),
            }
            for campaign, (pacer, state) in states.items()
        ],
    )


def read_learned(connection: Connection, campaign: str) -> LearnedState | None:
    row = connection.execute(
        sa.select(pacer_states.c.pacer, pacer_states.c.state, pacer_states.c.saved_ms)
        .join(campaigns, campaigns.c.id == pacer_states.c.campaign_id)
        .where(campaigns.c.name == campaign)
    ).one_or_none()
    return None if row is None else LearnedState(row.pacer, row.state, from_ms(row.saved_ms))
