"""What agents made of the leads they were shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.core.commands import RecordPreview
from dialer.core.modes import PreviewEnd
from dialer.store.attempts import Told
from dialer.store.context import Context
from dialer.store.lanes import lane_id, lane_of
from dialer.store.schema import LeadState, leads, previews

SKIPPED_OFTEN = "skipped too often by agents"


def record_previews(connection: Connection, context: Context, told: Sequence[Told]) -> None:
    """Write previews down; a lead that was not accepted goes back to the list by its campaign's
    rule, or to the supervisors' queue."""
    connection.execute(
        sa.insert(previews),
        [
            {
                "campaign_id": context.campaigns[one.command.campaign].id,
                "lead_id": one.command.lead.lead_id,
                "agent": one.command.agent,
                "ended": one.command.end.value,
                "reason": one.command.reason,
                "at_ms": one.at_ms,
            }
            for one in told
        ],
    )
    for one in told:
        if one.command.end is not PreviewEnd.ACCEPTED:
            _go_back(connection, context, one)


def _go_back(connection: Connection, context: Context, one: Told) -> None:
    command: RecordPreview = one.command
    rule = context.campaigns[command.campaign].policy.after_preview
    waits: dict[str, Any] = {"state": LeadState.WAITING.value, "claimed_by": None}
    if command.end is not PreviewEnd.WITHDRAWN:
        waits["next_at_ms"] = one.at_ms + int(rule.again_s * 1000)
    often = command.end is PreviewEnd.SKIPPED and (
        _skips_on_end(connection, command.lead.lead_id) >= rule.skips_max
    )
    if (command.escalate or often) and rule.escalate_to:
        number = connection.scalar(
            sa.select(leads.c.lane_id).where(leads.c.id == command.lead.lead_id)
        )
        if number is not None:
            lane = replace(lane_of(connection, context, number), queue=rule.escalate_to, agent="")
            waits |= {"lane_id": lane_id(connection, context, lane), "next_at_ms": one.at_ms}
    elif often:
        waits |= {"state": LeadState.HELD.value, "why": SKIPPED_OFTEN}
    connection.execute(
        sa.update(leads)
        .where(
            leads.c.id == command.lead.lead_id,
            leads.c.state == LeadState.CLAIMED.value,
            leads.c.claimed_by == context.boot,
        )
        .values(**waits)
    )


def _skips_on_end(connection: Connection, lead_id: int) -> int:
    """How often it was skipped since it was last called."""
    count = 0
    for end in connection.scalars(
        sa.select(previews.c.ended)
        .where(previews.c.lead_id == lead_id)
        .order_by(previews.c.id.desc())
        .limit(100)
    ):
        if end == PreviewEnd.ACCEPTED.value:
            break
        count += end == PreviewEnd.SKIPPED.value
    return count
