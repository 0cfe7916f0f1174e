"""What the key figures are made of, counted in the database: one pass over the attempts of a span.

The last word of an agent on a call holds, as everywhere. Runs on SQLite and PostgreSQL.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.core.outcomes import Outcome
from dialer.core.states import AT_WORK
from dialer.kpi.formulas import Counts, GroupBy, HeatCell
from dialer.store.context import from_ms, to_ms
from dialer.store.schema import (
    LeadState,
    Phase,
    PromiseState,
    agent_sessions,
    attempts,
    campaigns,
    dispositions,
    lead_steps,
    leads,
    lists,
    promises,
    session_history,
    zones,
)

RIGHT_PARTY = "right_party"
_TRIED = tuple(one.value for one in Outcome if one.counts_for_lead)
_LIVE = tuple(one.value for one in Outcome if one.live)
_AT_WORK = frozenset(one.value for one in AT_WORK)
_FIRST = sa.text("1")  # the group: its expression holds parameters, which are never the same twice
_QUARTER_MS = 900_000  # every time zone is a whole number of quarters from UTC


@dataclass(frozen=True, slots=True)
class Span:
    """From `since` until before `until`, aware; None: without that end."""

    since: datetime | None = None
    until: datetime | None = None

    def of(self, column: sa.ColumnElement[Any]) -> list[sa.ColumnElement[bool]]:
        found = []
        if self.since is not None:
            found.append(column >= to_ms(self.since))
        if self.until is not None:
            found.append(column < to_ms(self.until))
        return found


def campaign_id_of(connection: Connection, campaign: str) -> int | None:
    found: int | None = connection.scalar(
        sa.select(campaigns.c.id).where(campaigns.c.name == campaign)
    )
    return found


def count(
    connection: Connection, campaign_id: int, by: GroupBy, span: Span, now: datetime
) -> dict[str, Counts]:
    """The campaign's counts by group; with `GroupBy.CAMPAIGN` one group of the name ""."""
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for row in connection.execute(_accounts(campaign_id, by)).mappings():
        found[row["grp"]].update({k: int(v or 0) for k, v in row.items() if k != "grp"})
    for row in connection.execute(_calls(campaign_id, by, span)).mappings():
        talk_s = int(row["talk_ms"] or 0) / 1000.0
        found[row["grp"]].update(
            {k: int(v or 0) for k, v in row.items() if k not in ("grp", "talk_ms")}
        )
        found[row["grp"]]["talk_s"] = talk_s
    for row in connection.execute(_promises(campaign_id, by, span, now)).mappings():
        found[row["grp"]].update({k: int(v or 0) for k, v in row.items() if k != "grp"})
    agent_s = agent_seconds(connection, campaign_id, span, now)
    talk_s = sum(one.get("talk_s", 0.0) for one in found.values())
    for one in found.values():
        share = one.get("talk_s", 0.0) / talk_s if talk_s else 0.0
        one["agent_s"] = agent_s * (1.0 if by is GroupBy.CAMPAIGN else share)
    if not found and by is GroupBy.CAMPAIGN:
        found[""]["agent_s"] = agent_s
    return {key: Counts(**one) for key, one in sorted(found.items())}


def _group(by: GroupBy) -> sa.ColumnElement[str]:
    segment = sa.func.coalesce(lead_steps.c.segment, "")
    match by:
        case GroupBy.SEGMENT:
            return segment
        case GroupBy.ARM:
            arm = sa.func.coalesce(lead_steps.c.arm, "")
            return sa.case((arm == "", segment), else_=segment.concat("/").concat(arm))
        case GroupBy.LIST:
            return lists.c.name
        case GroupBy.CAMPAIGN:
            return sa.literal_column("''", sa.Text)


def _joined(by: GroupBy, start: Any) -> Any:
    """`start` (which has the leads in it) with the table that holds the group."""
    if by in (GroupBy.SEGMENT, GroupBy.ARM):
        return start.join(lead_steps, lead_steps.c.lead_id == leads.c.id, isouter=True)
    if by is GroupBy.LIST:
        return start.join(lists, lists.c.id == leads.c.list_id)
    return start


def _accounts(campaign_id: int, by: GroupBy) -> sa.Executable:
    callable_ = leads.c.state.in_(
        [LeadState.WAITING.value, LeadState.CLAIMED.value, LeadState.DIALLING.value]
    )
    between = leads.c.id.in_(  # held between two steps that call
        sa.select(lead_steps.c.lead_id).where(
            lead_steps.c.campaign_id == campaign_id,
            lead_steps.c.phase.in_([Phase.WAITING.value, Phase.HELD.value, Phase.TASK.value]),
        )
    )
    open_ = sa.or_(callable_, sa.and_(leads.c.state == LeadState.HELD.value, between))
    group = _group(by).label("grp")
    return (
        sa.select(
            group,
            sa.func.count().label("accounts"),
            sa.func.sum(sa.case((sa.or_(leads.c.attempts > 0, open_), 1), else_=0)).label(
                "workable"
            ),
            sa.func.sum(sa.case((open_, 0), else_=1)).label("finished"),
        )
        .select_from(_joined(by, leads))
        .where(leads.c.campaign_id == campaign_id)
        .group_by(_FIRST)
    )


def _last_words(campaign_id: int, span: Span) -> sa.CTE:
    """What was said last on each call of the span."""
    latest = (
        sa.select(sa.func.max(dispositions.c.id))
        .join(attempts, attempts.c.id == dispositions.c.attempt_id)
        .where(attempts.c.campaign_id == campaign_id, *span.of(attempts.c.opened_ms))
        .group_by(dispositions.c.attempt_id)
    )
    return (
        sa.select(dispositions.c.attempt_id, dispositions.c.category, dispositions.c.code)
        .where(dispositions.c.id.in_(latest))
        .cte("words")
    )


def _calls(campaign_id: int, by: GroupBy, span: Span) -> sa.Executable:
    words = _last_words(campaign_id, span)
    group = _group(by).label("grp")
    start = attempts.join(leads, leads.c.id == attempts.c.lead_id).join(
        words, words.c.attempt_id == attempts.c.id, isouter=True
    )
    return (
        sa.select(
            group,
            sa.func.count().label("attempts"),
            sa.func.count(attempts.c.lead_id.distinct()).label("accounts_attempted"),
            _sum(attempts.c.outcome.in_(_LIVE)).label("live"),
            _sum(words.c.category == RIGHT_PARTY).label("right_party"),
            sa.func.sum(attempts.c.ended_ms - attempts.c.connected_ms).label("talk_ms"),
        )
        .select_from(_joined(by, start))
        .where(
            attempts.c.campaign_id == campaign_id,
            attempts.c.outcome.in_(_TRIED),
            *span.of(attempts.c.opened_ms),
        )
        .group_by(_FIRST)
    )


def _promises(campaign_id: int, by: GroupBy, span: Span, now: datetime) -> sa.Executable:
    """Promises made in the span; due are those whose day and grace are over, and those kept."""
    given = promises.c.state != PromiseState.REPLACED.value
    kept = promises.c.state == PromiseState.KEPT.value
    due = sa.or_(kept, sa.and_(given, promises.c.due_ms <= to_ms(now)))
    start = promises.join(leads, leads.c.id == promises.c.lead_id)
    return (
        sa.select(
            _group(by).label("grp"),
            _sum(given).label("promises"),
            _sum(due).label("promises_due"),
            _sum(kept).label("promises_kept"),
        )
        .select_from(_joined(by, start))
        .where(promises.c.campaign_id == campaign_id, *span.of(promises.c.made_ms))
        .group_by(_FIRST)
    )


def _sum(condition: sa.ColumnElement[bool]) -> sa.ColumnElement[int]:
    return sa.func.sum(sa.case((condition, 1), else_=0))


def agent_seconds(connection: Connection, campaign_id: int, span: Span, now: datetime) -> float:
    """Time in which agents of the campaign were signed on and on no break."""
    name = connection.scalar(sa.select(campaigns.c.name).where(campaigns.c.id == campaign_id))
    begin = 0 if span.since is None else to_ms(span.since)
    end = to_ms(now) if span.until is None else min(to_ms(now), to_ms(span.until))
    ours = [
        row.leg
        for row in connection.execute(
            sa.select(agent_sessions.c.leg, agent_sessions.c.campaigns).where(
                agent_sessions.c.opened_ms < end,
                sa.or_(agent_sessions.c.closed_ms.is_(None), agent_sessions.c.closed_ms > begin),
            )
        )
        if name in _names(row.campaigns)
    ]
    total = 0
    for at in range(0, len(ours), 500):
        rows = connection.execute(
            sa.select(session_history.c.leg, session_history.c.at_ms, session_history.c.state)
            .where(session_history.c.leg.in_(ours[at : at + 500]))
            .order_by(session_history.c.leg, session_history.c.id)
        ).all()
        total += _worked_ms([(row.leg, row.at_ms, row.state) for row in rows], begin, end)
    return total / 1000.0


def _names(value: Any) -> list[str]:
    return list(json.loads(value)) if isinstance(value, str) else list(value)


def _worked_ms(steps: list[tuple[str, int, str]], begin: int, end: int) -> int:
    """`steps`: session, moment, state entered; by session and in order."""
    total = 0
    for n, (leg, at_ms, state) in enumerate(steps):
        if state not in _AT_WORK:
            continue
        following = steps[n + 1] if n + 1 < len(steps) else None
        left = following[1] if following is not None and following[0] == leg else end
        total += max(0, min(left, end) - max(at_ms, begin))
    return total


def heat(connection: Connection, campaign_id: int, span: Span) -> tuple[HeatCell, ...]:
    """Attempts by weekday and hour of the called party's clock."""
    words = _last_words(campaign_id, span)
    # Whole-number division, which the two databases do not write alike.
    quarter = (attempts.c.opened_ms - attempts.c.opened_ms % _QUARTER_MS).label("quarter")
    rows = connection.execute(
        sa.select(
            zones.c.names,
            quarter,
            sa.func.count(),
            _sum(attempts.c.outcome.in_(_LIVE)),
            _sum(words.c.category == RIGHT_PARTY),
        )
        .select_from(
            attempts.join(leads, leads.c.id == attempts.c.lead_id)
            .join(zones, zones.c.id == leads.c.zone_id)
            .join(words, words.c.attempt_id == attempts.c.id, isouter=True)
        )
        .where(
            attempts.c.campaign_id == campaign_id,
            attempts.c.outcome.in_(_TRIED),
            *span.of(attempts.c.opened_ms),
        )
        .group_by(sa.text("1, 2"))
    )
    return cells((row[0], row[1], row[2], int(row[3] or 0), int(row[4] or 0)) for row in rows)


def cells(rows: Iterable[tuple[str, int, int, int, int]]) -> tuple[HeatCell, ...]:
    """`rows`: zones, moment, attempts, live answers, right-party contacts."""
    known: dict[str, ZoneInfo] = {}
    sums: Mapping[tuple[int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for names, at_ms, *numbers in rows:
        first = names.split(" ", 1)[0]
        if not first:
            continue  # nobody knows what the clock showed there
        zone = known.setdefault(first, ZoneInfo(first))
        local = from_ms(at_ms).astimezone(zone)
        for n, number in enumerate(numbers):
            sums[local.weekday(), local.hour][n] += number
    return tuple(
        HeatCell(day, hour, tried, live, right, live / tried, right / tried)
        for (day, hour), (tried, live, right) in sorted(sums.items())
        if tried
    )
