"""What the database can prove of a campaign, read in pieces of bounded size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store import kinship
from dialer.store.context import from_ms, to_ms
from dialer.store.schema import (
    attempts,
    campaigns,
    decision_counts,
    decision_log,
    dispositions,
    list_history,
    lists,
    outcome_counts,
    phones,
    rule_sets,
)

_AT_ONCE = 5_000  # rows fetched together
_HOUR_MS = 3_600_000
_EPOCH = from_ms(0)


@dataclass(frozen=True, slots=True)
class Period:
    """From `since` on and before `until`; None: without that end."""

    since: datetime | None = None
    until: datetime | None = None

    def of(self, column: sa.ColumnElement[int], unit_ms: int = 1) -> sa.ColumnElement[bool]:
        bounds: list[sa.ColumnElement[bool]] = []
        if self.since is not None:
            bounds.append(column >= to_ms(self.since) // unit_ms)
        if self.until is not None:
            bounds.append(column < -(-to_ms(self.until) // unit_ms))
        return sa.and_(sa.true(), *bounds)


@dataclass(frozen=True, slots=True)
class Subject:
    """The campaign that is proven something of."""

    id: int
    name: str
    definition: dict[str, Any]
    created_at: datetime
    started_at: datetime | None  # the first call of its offer: where the law's blocks begin
    kin: tuple[str, ...] = ()  # campaigns that are one with it to limits on abandoned calls


Table = tuple[str, tuple[str, ...], Iterator[Sequence[Any]]]  # name, header, rows


def subject(connection: Connection, campaign: str) -> Subject | None:
    row = connection.execute(sa.select(campaigns).where(campaigns.c.name == campaign)).first()
    if row is None:
        return None
    ids = kinship.kin(connection, campaign)
    names = sa.select(campaigns.c.name).where(campaigns.c.id.in_(ids)).order_by(campaigns.c.name)
    return Subject(
        row.id,
        row.name,
        row.definition,
        from_ms(row.created_ms),
        kinship.began(connection, campaign),
        tuple(connection.scalars(names)),
    )


def rules_of(connection: Connection, about: Subject) -> Iterator[tuple[str, datetime, Any]]:
    """Every version of the rules that a decision on the campaign was made by: version, since when,
    the packs."""
    used = (
        sa.select(decision_counts.c.version)
        .where(decision_counts.c.campaign_id == about.id)
        .union(sa.select(decision_log.c.version).where(decision_log.c.campaign_id == about.id))
    )
    for row in connection.execute(
        sa.select(rule_sets).where(rule_sets.c.version.in_(used)).order_by(rule_sets.c.since_ms)
    ):
        yield row.version, from_ms(row.since_ms), row.body


def minutes(connection: Connection, about: Subject) -> list[tuple[datetime, int, int]]:
    """Since ever, of the whole offer: minute, live answers, of them abandoned. A block of the law
    may have begun before the period that is asked for."""
    return kinship.account(connection, about.name, _EPOCH)


def tables(connection: Connection, about: Subject, period: Period) -> Iterator[Table]:
    """Each table of the evidence, its rows in order of time."""
    a, log, counts = attempts.c, decision_log.c, decision_counts.c
    spoken = (
        sa.select(
            dispositions.c.attempt_id,
            sa.func.max(dispositions.c.id).label("last"),
        )
        .group_by(dispositions.c.attempt_id)
        .subquery()
    )
    moments = (
        *("opened_ms", "originated_ms", "ringing_ms", "answered_ms", "live_ms", "connected_ms"),
        *("harbour_ms", "ended_ms", "closed_ms"),
    )
    calls = (
        sa.select(
            *(a.id, a.lead_id, a.phone, a.attempt_no, a.pbx, a.agent, a.outcome, a.unserved),
            *(a.cause, a.tech_cause, a.amd, a.hung_up_by),
            *(a[name] for name in moments),
            *(dispositions.c.code, dispositions.c.category),
        )
        .join(spoken, spoken.c.attempt_id == a.id, isouter=True)
        .join(dispositions, dispositions.c.id == spoken.c.last, isouter=True)
        .where(a.campaign_id == about.id, period.of(a.opened_ms))
        .order_by(a.opened_ms, a.id)
    )
    yield _table(connection, "calls", calls)
    yield _table(
        connection,
        "decisions",
        sa.select(
            *(log.id, log.at_ms, log.lead_id, phones.c.position.label("number"), log.attempt),
            *(log.stage, log.verdict, log.rule, log.reason, log.retry_ms, log.version, log.inputs),
        )
        .join(phones, phones.c.id == log.phone_id, isouter=True)
        .where(log.campaign_id == about.id, period.of(log.at_ms))
        .order_by(log.id),
    )
    yield _table(
        connection,
        "decision_counts",
        sa.select(
            (counts.hour * _HOUR_MS).label("hour_ms"),
            *(counts.stage, counts.verdict, counts.version, counts["count"]),
        )
        .where(counts.campaign_id == about.id, period.of(counts.hour, _HOUR_MS))
        .order_by(counts.hour, counts.stage, counts.verdict),
    )
    yield _table(
        connection,
        "outcomes",
        sa.select(outcome_counts.c.outcome, outcome_counts.c["count"])
        .where(outcome_counts.c.campaign_id == about.id)
        .order_by(outcome_counts.c.outcome),
    )
    yield _table(
        connection,
        "lists",
        sa.select(
            lists.c.id.label("batch"),
            *(lists.c.source.label("file"), lists.c.imported_ms, lists.c.accepted),
            *(lists.c.rejected, list_history.c.at_ms, list_history.c.step, list_history.c.who),
        )
        .join(list_history, list_history.c.list_id == lists.c.id, isouter=True)
        .where(lists.c.campaign_id == about.id)
        .order_by(lists.c.id, list_history.c.id),
    )


def _table(connection: Connection, name: str, query: sa.Select[Any]) -> Table:
    names = tuple(query.selected_columns.keys())
    header = tuple(f"{one[:-3]}_at" if one.endswith("_ms") else one for one in names)
    at = [n for n, one in enumerate(names) if one.endswith("_ms")]

    def rows() -> Iterator[Sequence[Any]]:
        found = connection.execute(query, execution_options={"yield_per": _AT_ONCE})
        for row in found:
            shown = list(row)
            for n in at:
                if shown[n] is not None:
                    shown[n] = from_ms(shown[n]).isoformat()
            yield shown

    return name, header, rows()
