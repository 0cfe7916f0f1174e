"""A lead's place in its strategy, with everything needed to say why it is there."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.lead import StagedLead, StagedPhone
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.steps import Position
from dialer.store.context import Context, from_ms
from dialer.store.decisions import WhyNot, why_not
from dialer.store.schema import LeadState, lead_step_log, leads, phones, zones
from dialer.store.stepping import standings

_LOG = 10  # moves shown


@dataclass(frozen=True, slots=True)
class Explained:
    """`plan` None: the lead has no strategy. `current`: it is in the version new leads get. `log`:
    moment, event, where it went; latest first."""

    why_not: WhyNot
    plan: Strategy | None = None
    position: Position | None = None
    current: bool = True
    log: tuple[tuple[datetime, str, str], ...] = ()


def explained(
    connection: Connection, context: Context, campaign: str, lead: str, now: datetime
) -> Explained | None:
    """None: there is no such lead."""
    found = why_not(connection, context, campaign, lead, now)
    if found is None:
        return None
    standing = standings(connection, context, [found.lead_id]).get(found.lead_id)
    if standing is None:
        return Explained(found)
    moves = tuple(
        (from_ms(row.at_ms), row.event, _where(row.treatment, row.step, row.phase, row.why))
        for row in connection.execute(
            sa.select(lead_step_log)
            .where(lead_step_log.c.lead_id == found.lead_id)
            .order_by(lead_step_log.c.id.desc())
            .limit(_LOG)
        )
    )
    current = context.campaigns[campaign].strategy_id == standing.strategy_id
    return Explained(found, standing.plan, standing.position, current, moves)


def _where(treatment: str, step: str, phase: str, why: str) -> str:
    place = f"{treatment}/{step}" if step else treatment
    return f"{phase} in {place}" + (f": {why}" if why else "")


def leads_here(connection: Connection, context: Context, campaign: str) -> list[StagedLead]:
    """The campaign's leads that are not done, as a list would bring them."""
    known = context.campaigns[campaign]
    numbers: dict[int, list[StagedPhone]] = {}
    for row in connection.execute(
        sa.select(phones.c.lead_id, phones.c.phone, phones.c.label)
        .where(phones.c.campaign_id == known.id, phones.c.bad.is_(False))
        .order_by(phones.c.lead_id, phones.c.position)
    ):
        numbers.setdefault(row.lead_id, []).append(StagedPhone(row.phone, row.label, row.label))
    rows = connection.execute(
        sa.select(leads, zones.c.names.label("zones"))
        .join(zones, zones.c.id == leads.c.zone_id)
        .where(leads.c.campaign_id == known.id, leads.c.state != LeadState.DONE.value)
        .order_by(leads.c.id)
    )
    return [
        StagedLead(
            row.line,
            tuple(numbers[row.id]),
            "",
            row.external_id or "",
            row.zones,
            row.priority,
            "" if row.zones else "time zone not known",
            dict(row.fields),
        )
        for row in rows
        if row.id in numbers
    ]
