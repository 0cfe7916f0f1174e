"""Promises to pay: given in a call, kept by a payment, broken when the grace is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.strategy.model import Trigger
from dialer.campaigns.strategy.steps import Happened
from dialer.campaigns.window import zones_of
from dialer.core.commands import RecordDisposition
from dialer.store.context import Context, to_ms
from dialer.store.schema import PromiseState, campaigns, leads, promises
from dialer.store.stepping import happened_to

_SWEEP_MAX = 500  # promises in one look


def promise(
    connection: Connection,
    context: Context,
    command: RecordDisposition,
    grace_s: float,
    now: datetime,
) -> None:
    """Write a promise down; it takes the place of one that is not over yet."""
    connection.execute(
        sa.update(promises)
        .where(promises.c.lead_id == command.lead.lead_id, sa.text("state = 'active'"))
        .values(state=PromiseState.REPLACED.value, closed_ms=to_ms(now))
    )
    connection.execute(
        sa.insert(promises).values(
            campaign_id=context.campaigns[command.campaign].id,
            lead_id=command.lead.lead_id,
            attempt_id=command.attempt,
            agent=command.agent,
            amount=command.amount,
            due_on=command.due_on,
            due_ms=to_ms(_over(command.due_on, command.lead.zones) + timedelta(seconds=grace_s)),
            state=PromiseState.ACTIVE.value,
            made_ms=to_ms(now),
        )
    )


def _over(due_on: str, zones: str) -> datetime:
    """The end of a day in the latest of the zones the lead may be in; UTC where none is known."""
    after = date.fromisoformat(due_on) + timedelta(days=1)
    ends = [datetime.combine(after, time(), tzinfo=zone) for zone in zones_of(zones or "UTC")]
    return max(ends)


def keep_promises(
    connection: Connection, context: Context, lead_ids: Sequence[int], now: datetime
) -> int:
    """A payment came on these leads: their promises are kept; how many were."""
    if not lead_ids:
        return 0
    wanted = promises.c.lead_id.in_(list(lead_ids)) & (promises.c.due_ms > to_ms(now))
    return _end(connection, context, wanted, PromiseState.KEPT, now)


def break_promises(connection: Connection, context: Context, now: datetime) -> int:
    """Promises whose day and grace are over without a payment; how many they are."""
    return _end(connection, context, promises.c.due_ms <= to_ms(now), PromiseState.BROKEN, now)


def _end(
    connection: Connection,
    context: Context,
    wanted: sa.ColumnElement[bool],
    how: PromiseState,
    now: datetime,
) -> int:
    rows: Sequence[Any] = connection.execute(
        sa.select(promises, campaigns.c.name.label("campaign"), leads.c.external_id)
        .join(campaigns, campaigns.c.id == promises.c.campaign_id)
        .join(leads, leads.c.id == promises.c.lead_id)
        .where(sa.text("promises.state = 'active'"), wanted)
        .limit(_SWEEP_MAX)
    ).all()
    if not rows:
        return 0
    connection.execute(
        sa.update(promises)
        .where(promises.c.id.in_([row.id for row in rows]), sa.text("state = 'active'"))
        .values(state=how.value, closed_ms=to_ms(now))
    )
    what = Trigger.PROMISE_KEPT if how is PromiseState.KEPT else Trigger.PROMISE_BROKEN
    happened_to(connection, context, [row.lead_id for row in rows], Happened(what), now)
    kind = crm.Type.PROMISE_KEPT if how is PromiseState.KEPT else crm.Type.PROMISE_BROKEN
    context.tell_crm(
        connection,
        [
            crm.promise_ended(
                kind,
                row.campaign,
                row.lead_id,
                row.external_id or "",
                now,
                call_id=row.attempt_id,
                amount=row.amount,
                due_on=row.due_on,
            )
            for row in rows
        ],
    )
    return len(rows)
