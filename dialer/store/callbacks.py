"""Calls agreed on: kept in a lane of their own until they were made.

A lead with an open callback waits in a lane of callbacks, for anyone or for one agent, and goes
before all others when it is due. After so long without its agent anyone may call.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.store.attempts import Told
from dialer.store.bulk import rows_in
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.lanes import lane_id, lane_of
from dialer.store.schema import CallbackState, callbacks, campaigns, leads

_SWEEP_MAX = 500  # callbacks in one look
_DAY_MS = 86_400_000
_OPEN = "SELECT lead_id FROM callbacks WHERE state = 'open' AND lead_id IN {ids}"


@dataclass(frozen=True, slots=True)
class Agreed:
    """A callback that was agreed on in a call. `agent` empty: anyone calls."""

    lead_id: int
    campaign: str
    attempt: str
    agent: str
    due: datetime
    anyone_after_s: float | None
    made: datetime


def agree(connection: Connection, context: Context, agreed: Agreed) -> None:
    """Write a callback down and have the lead wait for it; one that was open before is dropped."""
    forget(connection, [agreed.lead_id], agreed.made)
    number = connection.scalar(sa.select(leads.c.lane_id).where(leads.c.id == agreed.lead_id))
    if number is None:
        return  # erased meanwhile
    anyone = None
    if agreed.agent and agreed.anyone_after_s is not None:
        anyone = to_ms(agreed.due + timedelta(seconds=agreed.anyone_after_s))
    connection.execute(
        sa.insert(callbacks).values(
            campaign_id=context.campaigns[agreed.campaign].id,
            lead_id=agreed.lead_id,
            attempt_id=agreed.attempt,
            agent=agreed.agent,
            due_ms=to_ms(agreed.due),
            anyone_ms=anyone,
            lane_id=number,
            state=CallbackState.OPEN.value,
            made_ms=to_ms(agreed.made),
        )
    )
    lane = lane_of(connection, context, number)
    wanted = replace(lane, callback=True, agent=agreed.agent)
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == agreed.lead_id)
        .values(lane_id=lane_id(connection, context, wanted))
    )


def open_among(connection: Connection, lead_ids: Sequence[int]) -> set[int]:
    """Those of the leads that have an open callback."""
    return {row[0] for row in rows_in(connection, _OPEN, ids=lead_ids)}


def forget(connection: Connection, lead_ids: Collection[int], now: datetime) -> None:
    """Drop the open callbacks of these leads: they go on as before."""
    _close(connection, lead_ids, CallbackState.DROPPED, to_ms(now))


def called_back(connection: Connection, closing: Sequence[Told]) -> None:
    """These calls have ended: a callback among them has been made."""
    for one in closing:
        if one.command.lead.callback:
            kept = CallbackState.KEPT if one.command.outcome.live else CallbackState.TRIED
            _close(connection, [one.command.lead.lead_id], kept, one.at_ms)


def _close(
    connection: Connection, lead_ids: Collection[int], how: CallbackState, now_ms: int
) -> None:
    if not lead_ids:
        return
    closed = connection.execute(
        sa.update(callbacks)
        .where(callbacks.c.lead_id.in_(list(lead_ids)), sa.text("state = 'open'"))
        .values(state=how.value, closed_ms=now_ms)
        .returning(callbacks.c.lead_id, callbacks.c.lane_id)
    ).all()
    for row in closed:
        connection.execute(
            sa.update(leads).where(leads.c.id == row.lead_id).values(lane_id=row.lane_id)
        )


def open_to_anyone(connection: Connection, context: Context, now: datetime) -> int:
    """Callbacks whose agent did not come in time are anyone's from now on; how many they are."""
    late = connection.execute(
        _OF_CRM.add_columns(callbacks.c.id, leads.c.lane_id)
        .where(
            sa.text("callbacks.state = 'open' AND callbacks.anyone_ms IS NOT NULL"),
            callbacks.c.anyone_ms <= to_ms(now),
        )
        .limit(_SWEEP_MAX)
    ).all()
    for row in late:
        lane = replace(lane_of(connection, context, row.lane_id), agent="")
        connection.execute(
            sa.update(leads)
            .where(leads.c.id == row.lead_id)
            .values(lane_id=lane_id(connection, context, lane))
        )
        connection.execute(
            sa.update(callbacks).where(callbacks.c.id == row.id).values(anyone_ms=None, agent="")
        )
    context.tell_crm(connection, [_told(crm.Type.CALLBACK_MISSED, row, now) for row in late])
    return len(late)


def tell_due(
    connection: Connection, context: Context, since: datetime | None, now: datetime
) -> datetime:
    """Tell the CRM of the callbacks that have come due since the last look; until when they were
    looked at.

    A new life (`since` None) looks a day back: what was told before has the same id and is not
    told again.
    """
    first = to_ms(now) - _DAY_MS if since is None else to_ms(since)
    due = connection.execute(
        _OF_CRM.where(
            sa.text("callbacks.state = 'open'"),
            callbacks.c.due_ms > first,
            callbacks.c.due_ms <= to_ms(now),
        )
        .order_by(callbacks.c.due_ms)
        .limit(_SWEEP_MAX)
    ).all()
    context.tell_crm(connection, [_told(crm.Type.CALLBACK_DUE, row, now) for row in due])
    if len(due) < _SWEEP_MAX:
        return now
    return from_ms(max(first + 1, due[-1].due_ms - 1))  # there may be more of that very moment


_OF_CRM = (
    sa.select(
        campaigns.c.name.label("campaign"),
        callbacks.c.lead_id,
        leads.c.external_id,
        callbacks.c.attempt_id,
        callbacks.c.due_ms,
        callbacks.c.agent,
    )
    .join(leads, leads.c.id == callbacks.c.lead_id)
    .join(campaigns, campaigns.c.id == callbacks.c.campaign_id)
)


def _told(type_: crm.Type, row: Any, now: datetime) -> crm.Event:
    return crm.callback_now(
        type_,
        row.campaign,
        row.lead_id,
        row.external_id or "",
        now,
        call_id=row.attempt_id,
        callback_at=from_ms(row.due_ms),
        only_agent=row.agent,
    )


@dataclass(frozen=True, slots=True)
class OpenCallback:
    """A callback that was not made yet, for a list of them."""

    lead_id: int
    campaign: str
    external_id: str
    name: str
    agent: str
    due: datetime
    made: datetime


def open_callbacks(
    connection: Connection, campaign: str = "", agent: str = "", limit: int = 200
) -> list[OpenCallback]:
    """Open callbacks, the soonest first; of one campaign, or of one agent and of anyone."""
    wanted: list[Any] = [sa.text("callbacks.state = 'open'")]
    if campaign:
        wanted.append(campaigns.c.name == campaign)
    if agent:
        wanted.append(callbacks.c.agent.in_(["", agent]))
    rows = connection.execute(
        sa.select(
            callbacks.c.lead_id,
            campaigns.c.name.label("campaign"),
            leads.c.external_id,
            leads.c.name,
            callbacks.c.agent,
            callbacks.c.due_ms,
            callbacks.c.made_ms,
        )
        .join(campaigns, campaigns.c.id == callbacks.c.campaign_id)
        .join(leads, leads.c.id == callbacks.c.lead_id)
        .where(*wanted)
        .order_by(callbacks.c.due_ms)
        .limit(limit)
    )
    return [
        OpenCallback(
            row.lead_id,
            row.campaign,
            row.external_id or "",
            row.name,
            row.agent,
            from_ms(row.due_ms),
            from_ms(row.made_ms),
        )
        for row in rows
    ]
