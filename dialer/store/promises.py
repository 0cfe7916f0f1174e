"""Promises to pay: given in a call, kept by a payment, broken when the grace is over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.strategy.model import Trigger
from dialer.campaigns.strategy.steps import Happened
from dialer.campaigns.window import zones_of
from dialer.core.commands import RecordDisposition
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.policy import Verdict
from dialer.store.schema import PromiseState, campaigns, leads, payments, promises, zones
from dialer.store.stepping import happened_to

_SWEEP_MAX = 500  # promises in one look


def promise(
    connection: Connection,
    context: Context,
    command: RecordDisposition,
    verdict: Verdict,
    now: datetime,
) -> None:
    """Write a promise down; it takes the place of one that is not over yet."""
    grace = timedelta(seconds=verdict.grace_s)
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
            due_ms=to_ms(_over(command.due_on, command.lead.zones) + grace),
            kept_pct=verdict.kept_pct,
            state=PromiseState.ACTIVE.value,
            made_ms=to_ms(now),
        )
    )


def _over(due_on: str, zones: str) -> datetime:
    """The end of a day in the latest of the zones the lead may be in; UTC where none is known."""
    after = date.fromisoformat(due_on) + timedelta(days=1)
    ends = [datetime.combine(after, time(), tzinfo=zone) for zone in zones_of(zones or "UTC")]
    return max(ends)


class Payment(NamedTuple):
    """What somebody paid, and on which day of his calendar."""

    amount: Decimal
    paid_on: date


def remember_payment(
    connection: Connection,
    context: Context,
    key: tuple[str, str, str],
    payment: Payment,
    now: datetime,
) -> None:
    """`key` is source, account and reference: told again, it takes its own place."""
    told = dict(zip(("source", "external_id", "reference"), key, strict=True))
    values = {
        "amount": str(payment.amount),
        "paid_on": payment.paid_on.isoformat(),
        "told_ms": to_ms(now),
    }
    connection.execute(
        context.insert(payments)
        .values(**told, **values)
        .on_conflict_do_update(index_elements=list(told), set_=values)
    )


def keep_paid_promises(
    connection: Connection,
    context: Context,
    source: str,
    external_id: str,
    lead_ids: Sequence[int],
    now: datetime,
) -> int:
    """Promises of these leads of which enough was paid from the day they were given until their
    day and grace are over; how many there were."""
    if not lead_ids:
        return 0
    active = connection.execute(
        sa.select(promises, zones.c.names.label("zones"))
        .join(leads, leads.c.id == promises.c.lead_id)
        .join(zones, zones.c.id == leads.c.zone_id)
        .where(sa.text("promises.state = 'active'"), promises.c.lead_id.in_(list(lead_ids)))
    ).all()
    table = payments.c
    paid = connection.execute(
        sa.select(table.amount, table.paid_on).where(
            table.source == source, table.external_id == external_id
        )
    ).all()
    enough = [
        one.id
        for one in active
        if sum(
            (Decimal(row.amount) for row in paid if _in_time(one, date.fromisoformat(row.paid_on))),
            Decimal(0),
        )
        >= _wanted(one)
    ]
    if not enough:
        return 0
    return _end(connection, context, promises.c.id.in_(enough), PromiseState.KEPT, now)


def _in_time(one: Any, paid_on: date) -> bool:
    """From the day of the promise on, which may have begun elsewhere yesterday, to its last."""
    given = min(
        from_ms(one.made_ms).astimezone(zone).date() for zone in zones_of(one.zones or "UTC")
    )
    return given <= paid_on and to_ms(_begins(paid_on, one.zones)) < one.due_ms


def _wanted(one: Any) -> Decimal:
    return Decimal(str(one.amount)) * Decimal(str(one.kept_pct)) / 100


def _begins(day: date, zones: str) -> datetime:
    return min(datetime.combine(day, time(), tzinfo=zone) for zone in zones_of(zones or "UTC"))


def keep_promises(
    connection: Connection, context: Context, lead_ids: Sequence[int], now: datetime
) -> int:
    """What these leads promised was paid, whatever it was: their promises are kept; how many."""
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
