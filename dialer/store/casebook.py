"""Reading for people: customers, what was tried with them, and what became of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.context import to_ms
from dialer.store.database import Database
from dialer.store.schema import (
    attempt_history,
    attempts,
    campaigns,
    dispositions,
    leads,
    phones,
    zones,
)

HISTORY_MAX = 100  # attempts shown of one customer


@dataclass(frozen=True, slots=True)
class PhoneRow:
    phone: str
    label: str
    bad: bool


@dataclass(frozen=True, slots=True)
class PastCall:
    """An ended or open attempt; code and note are the agent's last word."""

    attempt: str
    at_ms: int
    phone: str
    outcome: str
    agent: str
    talk_s: float
    code: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class CustomerRow:
    lead_id: int
    campaign: str
    external_id: str
    name: str
    zones: str
    fields: Mapping[str, str]
    state: str
    why: str
    next_at_ms: int
    phones: tuple[PhoneRow, ...] = ()
    history: tuple[PastCall, ...] = ()


@dataclass(frozen=True, slots=True)
class FoundRow:
    lead_id: int
    campaign: str
    name: str
    phone: str
    external_id: str
    state: str
    attempts: int


@dataclass(frozen=True, slots=True)
class QuarterRow:
    at: float  # Unix seconds at which it begins
    calls: int
    live: int
    connects: int
    abandoned: int
    talk_s: float


@dataclass(frozen=True, slots=True)
class OutcomeRow:
    pbx: str
    trunk: str
    campaign: str
    outcome: str
    calls: int
    sip: int | None
    cause: int | None


@dataclass(frozen=True, slots=True)
class StepRow:
    at_ms: int
    step: str
    agent: str


@dataclass(frozen=True, slots=True)
class AttemptRow:
    attempt: str
    campaign: str
    outcome: str
    live_ms: int | None
    unserved: bool
    steps: tuple[StepRow, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class UnservedRow:
    attempt: str
    campaign: str
    live_ms: int
    ended_ms: int | None


class Casebook:
    def __init__(self, database: Database) -> None:
        self._database = database

    async def customer(self, lead_id: int) -> CustomerRow | None:
        return await self._database.read(lambda c: _customer(c, lead_id))

    async def search(self, text: str, names: Sequence[str], limit: int) -> list[FoundRow]:
        """Leads of these campaigns by a part of the name, the end of a number, or their id."""
        return await self._database.read(lambda c: _search(c, text, names, limit))

    async def quarters(
        self, names: Sequence[str], begin: datetime, end: datetime, length_s: float
    ) -> list[QuarterRow]:
        """Attempts by when they were opened, in stretches of `length_s`."""
        return await self._database.read(
            lambda c: _quarters(c, names, to_ms(begin), to_ms(end), int(length_s * 1000))
        )

    async def outcomes(self, names: Sequence[str], since: datetime) -> list[OutcomeRow]:
        """Ended attempts by trunk, outcome and cause, the most frequent first."""
        return await self._database.read(lambda c: _outcomes(c, names, to_ms(since)))

    async def unserved(
        self, names: Sequence[str], since: datetime, limit: int
    ) -> list[UnservedRow]:
        """Calls that nobody was free for, the newest first."""
        return await self._database.read(lambda c: _unserved(c, names, to_ms(since), limit))

    async def attempt(self, attempt: str) -> AttemptRow | None:
        return await self._database.read(lambda c: _attempt(c, attempt))


def _customer(connection: Connection, lead_id: int) -> CustomerRow | None:
    row = connection.execute(
        sa.select(
            leads.c.id,
            campaigns.c.name.label("campaign"),
            leads.c.external_id,
            leads.c.name,
            zones.c.names,
            leads.c.fields,
            leads.c.state,
            leads.c.why,
            leads.c.next_at_ms,
        )
        .join(campaigns, campaigns.c.id == leads.c.campaign_id)
        .join(zones, zones.c.id == leads.c.zone_id)
        .where(leads.c.id == lead_id)
    ).first()
    if row is None:
        return None
    numbers = connection.execute(
        sa.select(phones.c.phone, phones.c.label, phones.c.bad)
        .where(phones.c.lead_id == lead_id)
        .order_by(phones.c.position)
    )
    return CustomerRow(
        row.id,
        row.campaign,
        row.external_id or "",
        row.name,
        row.names,
        row.fields,
        row.state,
        row.why,
        row.next_at_ms,
        tuple(PhoneRow(*one) for one in numbers),
        _history(connection, lead_id),
    )


def _history(connection: Connection, lead_id: int) -> tuple[PastCall, ...]:
    calls = connection.execute(
        sa.select(
            attempts.c.id,
            attempts.c.opened_ms,
            attempts.c.phone,
            attempts.c.outcome,
            attempts.c.agent,
            attempts.c.connected_ms,
            attempts.c.ended_ms,
        )
        .where(attempts.c.lead_id == lead_id)
        .order_by(attempts.c.opened_ms.desc())
        .limit(HISTORY_MAX)
    ).all()
    words: dict[str, tuple[str, str]] = {}
    for one in connection.execute(
        sa.select(dispositions.c.attempt_id, dispositions.c.code, dispositions.c.note)
        .where(dispositions.c.attempt_id.in_([call.id for call in calls]))
        .order_by(dispositions.c.id)
    ):
        words[one.attempt_id] = (one.code, one.note)  # the last one holds
    return tuple(
        PastCall(
            call.id,
            call.opened_ms,
            call.phone,
            call.outcome or "",
            call.agent,
            _seconds(call.connected_ms, call.ended_ms),
            *words.get(call.id, ("", "")),
        )
        for call in calls
    )


def _seconds(began_ms: int | None, ended_ms: int | None) -> float:
    if began_ms is None or ended_ms is None:
        return 0.0
    return max(0.0, (ended_ms - began_ms) / 1000)


def _search(connection: Connection, text: str, names: Sequence[str], limit: int) -> list[FoundRow]:
    pattern = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    digits = "".join(sign for sign in text if sign.isdigit())
    wanted = [leads.c.name.ilike(f"%{pattern}%", escape="\\"), leads.c.external_id == text]
    if len(digits) >= 3 and not any(sign.isalpha() for sign in text):
        by_number = sa.select(phones.c.lead_id).where(phones.c.phone.like(f"%{digits}"))
        wanted.append(leads.c.id.in_(by_number))
    first = (
        sa.select(phones.c.phone)
        .where(phones.c.lead_id == leads.c.id)
        .order_by(phones.c.position)
        .limit(1)
        .scalar_subquery()
    )
    rows = connection.execute(
        sa.select(
            leads.c.id,
            campaigns.c.name.label("campaign"),
            leads.c.name,
            first.label("phone"),
            leads.c.external_id,
            leads.c.state,
            leads.c.attempts,
        )
        .join(campaigns, campaigns.c.id == leads.c.campaign_id)
        .where(campaigns.c.name.in_(list(names)), sa.or_(*wanted))
        .order_by(leads.c.name, leads.c.id)
        .limit(limit)
    )
    return [
        FoundRow(r.id, r.campaign, r.name, r.phone or "", r.external_id or "", r.state, r.attempts)
        for r in rows
    ]


def _quarters(
    connection: Connection, names: Sequence[str], begin_ms: int, end_ms: int, length_ms: int
) -> list[QuarterRow]:
    quarter = ((attempts.c.opened_ms - begin_ms) // length_ms).label("quarter")
    talk = sa.case(
        (
            attempts.c.connected_ms.is_not(None),
            sa.func.coalesce(attempts.c.ended_ms, attempts.c.connected_ms)
            - attempts.c.connected_ms,
        ),
        else_=0,
    )
    rows = connection.execute(
        sa.select(
            quarter,
            sa.func.count().label("calls"),
            sa.func.count(attempts.c.live_ms).label("live"),
            sa.func.count(attempts.c.connected_ms).label("connects"),
            sa.func.sum(sa.case((attempts.c.unserved, 1), else_=0)).label("abandoned"),
            sa.func.sum(talk).label("talk_ms"),
        )
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(
            campaigns.c.name.in_(list(names)),
            attempts.c.opened_ms >= begin_ms,
            attempts.c.opened_ms < end_ms,
        )
        .group_by(sa.text("quarter"))
        .order_by(sa.text("quarter"))
    )
    return [
        QuarterRow(
            (begin_ms + int(row.quarter) * length_ms) / 1000,
            row.calls,
            row.live,
            row.connects,
            int(row.abandoned),
            float(row.talk_ms) / 1000,
        )
        for row in rows
    ]


def _outcomes(connection: Connection, names: Sequence[str], since_ms: int) -> list[OutcomeRow]:
    rows = connection.execute(
        sa.select(
            attempts.c.pbx,
            campaigns.c.definition,
            campaigns.c.name,
            attempts.c.outcome,
            sa.func.count().label("calls"),
            attempts.c.tech_cause,
            attempts.c.cause,
        )
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(
            campaigns.c.name.in_(list(names)),
            attempts.c.opened_ms >= since_ms,
            attempts.c.outcome.is_not(None),
        )
        .group_by(
            attempts.c.pbx,
            campaigns.c.id,
            attempts.c.outcome,
            attempts.c.tech_cause,
            attempts.c.cause,
        )
        .order_by(sa.func.count().desc())
    )
    return [
        OutcomeRow(
            row.pbx,
            str(_of(row.definition, "trunk")),
            row.name,
            row.outcome,
            row.calls,
            row.tech_cause,
            row.cause,
        )
        for row in rows
    ]


def _unserved(
    connection: Connection, names: Sequence[str], since_ms: int, limit: int
) -> list[UnservedRow]:
    rows = connection.execute(
        sa.select(attempts.c.id, campaigns.c.name, attempts.c.live_ms, attempts.c.ended_ms)
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(
            campaigns.c.name.in_(list(names)),
            attempts.c.opened_ms >= since_ms,
            attempts.c.unserved,
            attempts.c.live_ms.is_not(None),
        )
        .order_by(attempts.c.opened_ms.desc())
        .limit(limit)
    )
    return [UnservedRow(*row) for row in rows]


def _of(definition: Any, name: str) -> Any:
    return definition.get(name, "") if isinstance(definition, Mapping) else ""


def _attempt(connection: Connection, attempt: str) -> AttemptRow | None:
    row = connection.execute(
        sa.select(
            attempts.c.id,
            campaigns.c.name,
            attempts.c.outcome,
            attempts.c.live_ms,
            attempts.c.unserved,
        )
        .join(campaigns, campaigns.c.id == attempts.c.campaign_id)
        .where(attempts.c.id == attempt)
    ).first()
    if row is None:
        return None
    steps = connection.execute(
        sa.select(attempt_history.c.at_ms, attempt_history.c.step, attempt_history.c.agent)
        .where(attempt_history.c.attempt_id == attempt)
        .order_by(attempt_history.c.id)
    )
    return AttemptRow(
        row.id,
        row.name,
        row.outcome or "",
        row.live_ms,
        row.unserved,
        tuple(StepRow(*step) for step in steps),
    )
