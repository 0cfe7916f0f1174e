"""What a former life of this dialer left behind, read once at the start."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.core.commands import Progress
from dialer.core.events import AgentRecovered, AttemptRecovered, Lead, Status
from dialer.store.attempts import lead_columns, lead_of
from dialer.store.context import Context, to_ms
from dialer.store.schema import (
    LEADS_APART,
    LeadState,
    agent_sessions,
    attempts,
    campaigns,
    leads,
    owners,
    phones,
)

_LIVE = {Progress.LIVE, Progress.CONNECTED, Progress.HARBOUR}
_ANSWERED = _LIVE | {Progress.ANSWERED}


def take_over(
    connection: Connection, context: Context, node: str, now: datetime
) -> tuple[list[AttemptRecovered], list[AgentRecovered]]:
    """Register this boot of `node` and take over what its former boots left open.

    Their claims of leads are given up, their open attempts and sessions become ours. Other nodes'
    are not touched.
    """
    now_ms = to_ms(now)
    dead = connection.scalars(
        sa.select(owners.c.boot).where(owners.c.node == node, owners.c.boot != context.boot)
    ).all()
    connection.execute(
        sa.update(owners)
        .where(owners.c.boot.in_(dead), owners.c.ended_ms.is_(None))
        .values(ended_ms=now_ms)
    )
    connection.execute(
        context.insert(owners).on_conflict_do_nothing(),
        {"boot": context.boot, "node": node, "started_ms": now_ms},
    )
    connection.execute(
        sa.update(leads)
        .where(
            sa.text(LEADS_APART),
            leads.c.state == LeadState.CLAIMED.value,
            leads.c.claimed_by.in_(dead),
        )
        .values(state=LeadState.WAITING.value, claimed_by=None)
    )
    ours = attempts.c.outcome.is_(None) & attempts.c.boot.in_([*dead, context.boot])
    connection.execute(sa.update(attempts).where(ours).values(boot=context.boot))
    connection.execute(
        sa.update(agent_sessions)
        .where(agent_sessions.c.closed_ms.is_(None), agent_sessions.c.boot.in_(dead))
        .values(boot=context.boot)
    )
    return _open_attempts(connection, context, now_ms), _open_sessions(connection, context)


def _open_attempts(connection: Connection, context: Context, now_ms: int) -> list[AttemptRecovered]:
    found = []
    for row in connection.execute(
        sa.select(
            *lead_columns,
            leads.c.zone_id,
            attempts.c.id.label("attempt"),
            attempts.c.pbx,
            attempts.c.agent,
            attempts.c.booked_for,
            attempts.c.stage,
            attempts.c.opened_ms,
            attempts.c.attempt_no,
            campaigns.c.name.label("campaign"),
        )
        .join_from(attempts, leads, leads.c.id == attempts.c.lead_id)
        .join(phones, phones.c.id == attempts.c.phone_id)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(attempts.c.outcome.is_(None), attempts.c.boot == context.boot)
        .order_by(attempts.c.opened_ms, attempts.c.id)
    ):
        stage = None if row.stage is None else Progress(row.stage)
        found.append(
            AttemptRecovered(
                attempt=row.attempt,
                pbx=row.pbx,
                lead=lead_of(
                    row, row.campaign, row.attempt_no, context.zone_names.get(row.zone_id, "")
                ),
                agent=row.agent,
                answered=stage in _ANSWERED,
                live=stage in _LIVE,
                connected=stage is Progress.CONNECTED,
                age_s=max(0, now_ms - row.opened_ms) / 1000,
                booked_for=row.booked_for,
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class ClosedCall:
    attempt: str
    campaign: str
    pbx: str
    lead: Lead
    agent: str


def closed_since(connection: Connection, since: datetime) -> list[ClosedCall]:
    """Calls in which a person was on the line, ended since then."""
    rows = connection.execute(
        sa.select(
            *lead_columns,
            attempts.c.id.label("attempt"),
            attempts.c.pbx,
            attempts.c.agent,
            attempts.c.attempt_no,
            campaigns.c.name.label("campaign"),
        )
        .join_from(attempts, leads, leads.c.id == attempts.c.lead_id)
        .join(phones, phones.c.id == attempts.c.phone_id)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(attempts.c.closed_ms >= to_ms(since), attempts.c.live_ms.is_not(None))
    )
    return [
        ClosedCall(
            row.attempt,
            row.campaign,
            row.pbx,
            lead_of(row, row.campaign, row.attempt_no),
            row.agent,
        )
        for row in rows
    ]


def _open_sessions(connection: Connection, context: Context) -> list[AgentRecovered]:
    return [
        AgentRecovered(
            agent=row.agent,
            leg=row.leg,
            pbx=row.pbx,
            phone=row.phone,
            campaigns=tuple(row.campaigns),
            status=Status(row.status),
            reason=row.reason,
        )
        for row in connection.execute(
            sa.select(agent_sessions)
            .where(agent_sessions.c.closed_ms.is_(None), agent_sessions.c.boot == context.boot)
            .order_by(agent_sessions.c.opened_ms, agent_sessions.c.leg)
        )
    ]
