"""Leads claimed for the hopper, and counted for the screens.

A claim looks only at the ends of an index, so that it costs the same on a thousand leads and on a
million: the waiting leads of a campaign are ordered by zone, priority and due time; the pairs
(zone, priority) are few, each gives its earliest leads, and zones whose window is closed are left
out whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from dialer.campaigns.lead import PRIORITY_MAX
from dialer.core.events import Lead, LeadsOffered
from dialer.store.attempts import lead_columns, lead_of
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.decisions import CLAIM, judge, keep, put_back
from dialer.store.schema import (
    LEADS_APART,
    LeadState,
    campaigns,
    leads,
    lists,
    outcome_counts,
    phones,
    suppression,
)
from dialer.store.stepping import obeyed

CLAIM_MAX = 1_000
_ROUNDS = 10  # claims found suppressed or denied are replaced, at most so often


@dataclass(frozen=True, slots=True)
class _Pair:
    """Waiting leads of one zone and priority: when the first of them is due."""

    zone_id: int
    priority: int
    earliest_ms: int


# Leaps along the index from zone to zone, and looks at each priority there: one probe each.
# (Row values would say it shorter, but SQLite walks through all leads of a pair for them.)
_PAIRS = sa.text(
    f"""
    WITH RECURSIVE zone(id) AS (
      SELECT (SELECT min(zone_id) FROM leads WHERE campaign_id = :campaign AND state = 'waiting')
      UNION ALL
      SELECT (SELECT min(l.zone_id) FROM leads l
              WHERE l.campaign_id = :campaign AND l.state = 'waiting' AND l.zone_id > zone.id)
      FROM zone WHERE zone.id IS NOT NULL
    ),
    level(priority) AS (
      SELECT 0 UNION ALL SELECT priority + 1 FROM level WHERE priority < {PRIORITY_MAX}
    ),
    pair AS (
      SELECT zone.id AS zone_id, level.priority,
        (SELECT min(l.next_at_ms) FROM leads l
         WHERE l.campaign_id = :campaign AND l.state = 'waiting'
           AND l.zone_id = zone.id AND l.priority = level.priority) AS earliest_ms
      FROM zone, level WHERE zone.id IS NOT NULL
    )
    SELECT zone_id, priority, earliest_ms FROM pair WHERE earliest_ms IS NOT NULL
    """  # noqa: S608 - a constant of ours
).columns(zone_id=sa.Integer, priority=sa.Integer, earliest_ms=sa.BigInteger)

_FIRST = (
    sa.select(leads.c.id, leads.c.next_at_ms)
    .where(
        leads.c.campaign_id == bindparam("campaign"),
        sa.text("state = 'waiting'"),  # as the partial index says it
        leads.c.zone_id == bindparam("zone"),
        leads.c.priority == bindparam("level"),
        leads.c.next_at_ms <= bindparam("now"),
    )
    .order_by(leads.c.next_at_ms)
    .limit(bindparam("most"))
)
_FREE = (
    sa.select(leads.c.id)
    .where(leads.c.id.in_(bindparam("ids", expanding=True)), sa.text("state = 'waiting'"))
    .with_for_update(skip_locked=True)  # SQLite has one writer and leaves this out
)
_CLAIM = (
    sa.update(leads)
    .where(leads.c.id.in_(_FREE.scalar_subquery()))
    .values(state=LeadState.CLAIMED.value, claimed_by=bindparam("boot"))
    .returning(leads.c.id)
)
_SHOW = (
    sa.select(*lead_columns, leads.c.zone_id, suppression.c.phone.is_not(None).label("suppressed"))
    .join(
        phones,
        (phones.c.lead_id == leads.c.id) & (phones.c.position == leads.c.position),
        isouter=True,
    )
    .join(suppression, suppression.c.phone == phones.c.phone, isouter=True)
    .where(leads.c.id.in_(bindparam("ids", expanding=True)))
)


def claim(
    connection: Connection, context: Context, campaign: str, count: int, now: datetime
) -> LeadsOffered:
    """Claim up to `count` leads that may be called now: higher priority first, then longest due."""
    known = context.campaigns[campaign]
    count = min(count, CLAIM_MAX)
    offered: list[Lead] = []
    for _ in range(_ROUNDS):
        ids = _candidates(connection, context, campaign, count - len(offered), now)
        if not ids:
            break
        taken = connection.scalars(_CLAIM, {"ids": ids, "boot": context.boot}).all()
        rows = {row.id: row for row in connection.execute(_SHOW, {"ids": list(taken)})}
        found: list[Lead] = []
        for lead_id in ids:
            row = rows.get(lead_id)
            if row is None:
                continue  # somebody else has it
            if row.phone is None or (row.suppressed and known.policy.gate is None):
                _end(connection, lead_id, "do not call" if row.suppressed else "no number")
            else:
                zones = context.zone_names[row.zone_id]
                found.append(lead_of(row, campaign, row.attempts + 1, zones))
        offered.extend(_allowed(connection, context, found, now))
        if len(offered) >= count:
            break
    if len(offered) >= count:
        return LeadsOffered(campaign, tuple(offered))
    ready = _next_ready(connection, context, campaign, known.id, now)
    return LeadsOffered(
        campaign,
        tuple(offered),
        exhausted=True,
        next_ready_s=None if ready is None else max(0.0, (ready - now).total_seconds()),
    )


def _allowed(
    connection: Connection, context: Context, found: list[Lead], now: datetime
) -> list[Lead]:
    """Those the gate lets pass; the others wait until their rule does."""
    found = obeyed(connection, context, found, now)
    judged = judge(connection, context, [(lead, now, "") for lead in found])
    told = [one for one in judged if one is not None]
    for one in told:
        if (deny := one.deny) is not None:
            put_back(connection, context, one.lead.lead_id, deny)
    keep(connection, context, CLAIM, told)
    return [
        lead for lead, one in zip(found, judged, strict=True) if one is None or one.deny is None
    ]


def _pairs(connection: Connection, context: Context, campaign_id: int) -> list[_Pair]:
    found = [_Pair(*row) for row in connection.execute(_PAIRS, {"campaign": campaign_id})]
    if any(pair.zone_id not in context.zone_names for pair in found):
        context.load_zones(connection)
    return found


def _candidates(
    connection: Connection, context: Context, campaign: str, count: int, now: datetime
) -> list[int]:
    known = context.campaigns[campaign]
    now_ms = to_ms(now)
    is_open: dict[int, bool] = {}
    due: dict[int, list[_Pair]] = {}
    for pair in _pairs(connection, context, known.id):
        if pair.earliest_ms > now_ms:
            continue
        if pair.zone_id not in is_open:
            names = context.zone_names[pair.zone_id]
            is_open[pair.zone_id] = known.policy.open_at(names, now)
        if is_open[pair.zone_id]:
            due.setdefault(pair.priority, []).append(pair)
    ids: list[int] = []
    for priority in sorted(due, reverse=True):
        first: list[tuple[int, int]] = []
        for pair in due[priority]:
            first.extend(
                (next_at_ms, lead_id)
                for lead_id, next_at_ms in connection.execute(
                    _FIRST,
                    {
                        "campaign": known.id,
                        "zone": pair.zone_id,
                        "level": priority,
                        "now": now_ms,
                        "most": count - len(ids),
                    },
                )
            )
        first.sort()
        ids.extend(lead_id for _, lead_id in first[: count - len(ids)])
        if len(ids) >= count:
            break
    return ids


def _next_ready(
    connection: Connection, context: Context, campaign: str, campaign_id: int, now: datetime
) -> datetime | None:
    """When the next lead may be called; None when none waits, or none has a window to come."""
    policy = context.campaigns[campaign].policy
    moments = []
    for pair in _pairs(connection, context, campaign_id):
        names = context.zone_names[pair.zone_id]
        moment = policy.next_open(names, max(now, from_ms(pair.earliest_ms)))
        if moment is not None:
            moments.append(moment)
    return min(moments, default=None)


def _end(connection: Connection, lead_id: int, why: str) -> None:
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == lead_id)
        .values(state=LeadState.DONE.value, why=why, claimed_by=None)
    )


@dataclass(frozen=True, slots=True)
class ListCounts:
    """A campaign's leads by where they stand, and its ended attempts by outcome.

    `due` may be called now, `later` waits for its time or its window, `busy` is claimed or on the
    line, `held` waits for a person. The six add up to `total` as far as the counting was one
    instant.
    """

    total: int
    due: int
    later: int
    busy: int
    held: int
    done: int
    outcomes: dict[str, int]


_WAITING = sa.text(
    """
    SELECT zone_id, count(*), sum(CASE WHEN next_at_ms <= :now THEN 1 ELSE 0 END)
    FROM leads WHERE campaign_id = :campaign AND state = 'waiting' GROUP BY zone_id
    """
)
_APART = (
    sa.select(leads.c.state, sa.func.count())
    .where(leads.c.campaign_id == bindparam("campaign"), sa.text(LEADS_APART))
    .group_by(leads.c.state)
)


def count_list(
    connection: Connection, context: Context, campaign: str, now: datetime
) -> ListCounts:
    """Count a campaign's leads. Reads the index of the waiting ones, not the leads."""
    known = context.campaigns[campaign]
    params = {"campaign": known.id, "now": to_ms(now)}
    total = connection.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(lists.c.accepted), 0)).where(
            lists.c.campaign_id == known.id, lists.c.state == "ready"
        )
    )
    due = later = 0
    for zone_id, waiting, past in connection.execute(_WAITING, params):
        if zone_id not in context.zone_names:
            context.load_zones(connection)
        if known.policy.open_at(context.zone_names[zone_id], now):
            due += past
            later += waiting - past
        else:
            later += waiting
    apart: dict[str, int] = dict(connection.execute(_APART, {"campaign": known.id}).all())
    busy = apart.get(LeadState.CLAIMED.value, 0) + apart.get(LeadState.DIALLING.value, 0)
    held = apart.get(LeadState.HELD.value, 0)
    outcomes = dict(
        connection.execute(
            sa.select(outcome_counts.c.outcome, outcome_counts.c["count"]).where(
                outcome_counts.c.campaign_id == known.id
            )
        ).all()
    )
    done = int(total or 0) - due - later - busy - held
    return ListCounts(int(total or 0), due, later, busy, held, done, outcomes)


def overview(connection: Connection) -> list[tuple[str, tuple[int, ...]]]:
    """Every campaign with its leads: total, waiting, busy, held, done; and ended attempts.

    Reads all leads: for a person at a terminal, not for a screen.
    """
    leads_by: dict[int, dict[str, int]] = {}
    for campaign_id, state, count in connection.execute(
        sa.select(leads.c.campaign_id, leads.c.state, sa.func.count()).group_by(
            leads.c.campaign_id, leads.c.state
        )
    ):
        leads_by.setdefault(campaign_id, {})[state] = count
    ended: dict[int, int] = dict(
        connection.execute(
            sa.select(
                outcome_counts.c.campaign_id, sa.func.sum(outcome_counts.c["count"])
            ).group_by(outcome_counts.c.campaign_id)
        ).all()
    )
    rows = []
    for campaign_id, name in connection.execute(
        sa.select(campaigns.c.id, campaigns.c.name).order_by(campaigns.c.name)
    ):
        found = leads_by.get(campaign_id, {})
        busy = found.get(LeadState.CLAIMED.value, 0) + found.get(LeadState.DIALLING.value, 0)
        rest = (found.get(s.value, 0) for s in (LeadState.HELD, LeadState.DONE))
        waiting = found.get(LeadState.WAITING.value, 0)
        attempts_made = int(ended.get(campaign_id, 0))
        rows.append((name, (sum(found.values()), waiting, busy, *rest, attempts_made)))
    return rows
