"""Leads claimed: for the hopper, and for one agent.

A claim looks only at the ends of an index, so that it costs the same on a thousand leads and on a
million: the waiting leads of a campaign are ordered by lane, zone, priority and due time; of the
first three there are few, each gives its earliest leads, and lanes nobody may take and zones whose
window is closed are left out whole.

Order: callbacks, the queue's priority, the lead's priority; among these, zones whose window closes
soon, then zones in whose present hour more people answer; then who is due longest.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from dialer.campaigns.window import zones_of
from dialer.core.commands import FetchLeadFor
from dialer.core.events import Lead, LeadForAgent, LeadsOffered
from dialer.core.modes import Booking
from dialer.store.bulk import rows_in
from dialer.store.context import Context, KnownCampaign, from_ms, to_ms
from dialer.store.decisions import CLAIM, judge, keep, put_back
from dialer.store.lanes import Way, lane_id, lane_of, way_of
from dialer.store.schema import (
    LEADS_APART,
    LeadState,
    campaigns,
    leads,
    lists,
    outcome_counts,
)
from dialer.store.stepping import obeyed

CLAIM_MAX = 1_000
_ROUNDS = 10  # claims found suppressed, denied or gone astray are replaced, at most so often
_CLOSES_SOON = timedelta(hours=1)
_HOUR_STEP = 0.25  # rates of answers closer than this are alike
_TERMS_MAX = 200  # selects in one statement; SQLite takes 500

# Leaps along the index from lane to lane, from zone to zone and from priority to priority: one
# probe each. (Row values would say it shorter, but SQLite walks through all leads of a pair.)
_LANES = sa.text(
    """
    WITH RECURSIVE lane(id) AS (
      SELECT (SELECT min(lane_id) FROM leads WHERE campaign_id = :campaign AND state = 'waiting')
      UNION ALL
      SELECT (SELECT min(l.lane_id) FROM leads l
              WHERE l.campaign_id = :campaign AND l.state = 'waiting' AND l.lane_id > lane.id)
      FROM lane WHERE lane.id IS NOT NULL
    )
    SELECT id FROM lane WHERE id IS NOT NULL
    """
).columns(id=sa.BigInteger)
_GROUPS = (
    sa.text(
        """
    WITH RECURSIVE zone(lane_id, id) AS (
      SELECT lanes.id, (SELECT min(zone_id) FROM leads WHERE campaign_id = :campaign
                        AND state = 'waiting' AND lane_id = lanes.id)
      FROM lanes WHERE lanes.id IN :lanes
      UNION ALL
      SELECT zone.lane_id, (SELECT min(l.zone_id) FROM leads l WHERE l.campaign_id = :campaign
                            AND l.state = 'waiting' AND l.lane_id = zone.lane_id
                            AND l.zone_id > zone.id)
      FROM zone WHERE zone.id IS NOT NULL
    ),
    level(lane_id, zone_id, priority) AS (
      SELECT zone.lane_id, zone.id,
             (SELECT max(priority) FROM leads WHERE campaign_id = :campaign
              AND state = 'waiting' AND lane_id = zone.lane_id AND zone_id = zone.id)
      FROM zone WHERE zone.id IS NOT NULL
      UNION ALL
      SELECT level.lane_id, level.zone_id,
             (SELECT max(l.priority) FROM leads l WHERE l.campaign_id = :campaign
              AND l.state = 'waiting' AND l.lane_id = level.lane_id
              AND l.zone_id = level.zone_id AND l.priority < level.priority)
      FROM level WHERE level.priority IS NOT NULL
    )
    SELECT lane_id, zone_id, priority,
           (SELECT min(l.next_at_ms) FROM leads l WHERE l.campaign_id = :campaign
            AND l.state = 'waiting' AND l.lane_id = level.lane_id
            AND l.zone_id = level.zone_id AND l.priority = level.priority) AS earliest_ms
    FROM level WHERE priority IS NOT NULL
    """
    )
    .bindparams(bindparam("lanes", expanding=True))
    .columns(
        lane_id=sa.BigInteger,
        zone_id=sa.BigInteger,
        priority=sa.Integer,
        earliest_ms=sa.BigInteger,
    )
)


@dataclass(frozen=True, slots=True)
class _Group:
    """Waiting leads of one lane, zone and priority: when the first of them is due."""

    lane_id: int
    zone_id: int
    priority: int
    earliest_ms: int


@lru_cache(maxsize=_TERMS_MAX)
def _firsts(terms: int) -> sa.TextClause:
    """The earliest due leads of so many groups, in one statement."""
    each = " UNION ALL ".join(
        f"SELECT * FROM (SELECT id, next_at_ms, {n} AS term FROM leads"  # noqa: S608 - a number
        f" WHERE campaign_id = :campaign AND state = 'waiting' AND lane_id = :lane{n}"
        f" AND zone_id = :zone{n} AND priority = :level{n} AND next_at_ms <= :now"
        f" ORDER BY next_at_ms LIMIT :most) AS of{n}"
        for n in range(terms)
    )
    return sa.text(each)


_CLAIM_IDS = "UPDATE leads SET state = 'claimed', claimed_by = {0} WHERE id IN {ids}"
_OF_POSTGRESQL = (
    " AND id IN (SELECT id FROM leads WHERE id IN {ids} AND state = 'waiting'"
    " FOR UPDATE SKIP LOCKED)"
)
_SHOW = (
    "SELECT l.id, l.external_id, l.name, l.fields, l.attempts, p.id, p.phone, l.zone_id, l.lane_id,"
    " p.automatic, EXISTS (SELECT 1 FROM suppression s WHERE s.phone = p.phone)"
    " FROM leads l LEFT JOIN phones p ON p.lead_id = l.id AND p.position = l.position"
    " WHERE l.id IN {ids}"
)


@dataclass(slots=True)
class _Search:
    """One claim: the lanes it may take from, and in which order their leads go."""

    connection: Connection
    context: Context
    campaign: str
    known: KnownCampaign
    now: datetime
    ways: dict[int, Way]  # by lane
    rank: Callable[[Way], tuple[int, ...]]

    def groups(self) -> list[_Group]:
        if not self.ways:
            return []
        rows = self.connection.execute(
            _GROUPS, {"campaign": self.known.id, "lanes": list(self.ways)}
        )
        found = [_Group(*row) for row in rows]
        if any(group.zone_id not in self.context.zone_names for group in found):
            self.context.load_zones(self.connection)
        return found

    def zones(self, group: _Group) -> str:
        """The zones it must be time in; where nobody knows them, those of a whole country, when a
        person decides."""
        return self.context.zone_names[group.zone_id] or self.known.policy.wide_zones

    def candidates(self, count: int) -> list[int]:
        """The next leads, in the order in which they are to be called."""
        policy, now_ms = self.known.policy, to_ms(self.now)
        chances: dict[str, tuple[bool, int] | None] = {}
        due: dict[tuple[Any, ...], list[_Group]] = {}
        for group in self.groups():
            if group.earliest_ms > now_ms:
                continue
            zones = self.zones(group)
            if zones not in chances:
                chances[zones] = None
                if policy.open_at(zones, self.now):
                    closes = not policy.open_at(zones, self.now + _CLOSES_SOON)
                    chances[zones] = (closes, self._hour(zones))
            chance = chances[zones]
            if chance is None:
                continue
            way = self.ways[group.lane_id]
            key = (way.callback, *self.rank(way), group.priority, *chance)
            due.setdefault(key, []).append(group)
        ids: list[int] = []
        for key in sorted(due, reverse=True):
            most = count - len(ids)
            first = sorted(self._firsts(due[key], now_ms, most))
            ids.extend(lead_id for _, lead_id in first[:most])
            if len(ids) >= count:
                break
        return ids

    def _firsts(
        self, groups: Sequence[_Group], now_ms: int, most: int
    ) -> Iterable[tuple[int, int]]:
        for at in range(0, len(groups), _TERMS_MAX):
            some = groups[at : at + _TERMS_MAX]
            params = {"campaign": self.known.id, "now": now_ms, "most": most}
            for n, group in enumerate(some):
                params[f"lane{n}"] = group.lane_id
                params[f"zone{n}"] = group.zone_id
                params[f"level{n}"] = group.priority
            for lead_id, next_at_ms, _ in self.connection.execute(_firsts(len(some)), params):
                yield next_at_ms, lead_id

    def _hour(self, zones: str) -> int:
        """How good this hour is to reach somebody in these zones, in steps; 0: as others."""
        rates = self.known.rates
        if not rates:
            return 0
        rate = min(rates.get(self.now.astimezone(zone).hour, 1.0) for zone in zones_of(zones))
        return round((rate - 1.0) / _HOUR_STEP)

    def claim(self, count: int) -> list[Lead]:
        """Claim up to `count` leads that may be called now."""
        offered: list[Lead] = []
        for _ in range(_ROUNDS):
            ids = self.candidates(count - len(offered))
            if not ids:
                break
            offered.extend(self._take(ids))
            if len(offered) >= count:
                break
        return offered

    def _take(self, ids: list[int]) -> list[Lead]:
        sqlite = self.connection.dialect.name == "sqlite"  # has one writer: nobody else has them
        claim = _CLAIM_IDS + ("" if sqlite else _OF_POSTGRESQL) + " RETURNING id"
        taken = {row[0] for row in rows_in(self.connection, claim, self.context.boot, ids=ids)}
        if not taken:
            return []
        rows = {row[0]: row for row in rows_in(self.connection, _SHOW, ids=sorted(taken))}
        found: list[Lead] = []
        gate, right = self.known.policy.gate, dict[tuple[int, int, bool], int]()
        for lead_id in ids:
            row = rows.get(lead_id)
            if row is None:
                continue  # somebody else has it
            phone, zone_id, lane, automatic, suppressed = row[6], row[7], row[8], row[9], row[10]
            if phone is None or (suppressed and gate is None):
                _end(self.connection, lead_id, "do not call" if suppressed else "no number")
                continue
            key = (zone_id, lane, bool(automatic))
            if key not in right:
                right[key] = self._right_lane(*key)
            if right[key] != lane:
                _other_lane(self.connection, lead_id, right[key])
            else:
                found.append(self._lead(row))
        return self._allowed(found)

    def _right_lane(self, zone_id: int, number: int, automatic: bool) -> int:
        """The lane for the phone a lead is to be called on: one that may not be dialled
        automatically goes to an agent, who decides; the next one may be dialled again."""
        lane = lane_of(self.connection, self.context, number)
        by_hand = not automatic or not self.context.zone_names[zone_id]
        if lane.by_hand is by_hand:
            return number
        return lane_id(self.connection, self.context, replace(lane, by_hand=by_hand))

    def _lead(self, row: Any) -> Lead:
        number, external_id, name, fields, attempts, phone_id, phone, zone_id, lane, auto, _ = row
        way = self.ways[lane]
        return Lead(
            number,
            self.campaign,
            phone,
            phone_id,
            attempts + 1,
            external_id or "",
            name,
            json.loads(fields) if isinstance(fields, str) else fields,
            self.context.zone_names[zone_id],
            mode=None if way.mode is self.known.policy.mode else way.mode,
            queue=way.queue,
            skills=way.needs,
            agent=way.agent,
            callback=way.callback,
            automatic=bool(auto),
        )

    def _allowed(self, found: list[Lead]) -> list[Lead]:
        """Those the gate lets pass; the others wait until their rule does."""
        found = obeyed(self.connection, self.context, found, self.now)
        bookings = [self._booking(lead) for lead in found]
        asked = [(lead, self.now, "") for lead in found]
        judged = judge(self.connection, self.context, asked, bookings)
        told = [one for one in judged if one is not None]
        for one in told:
            if (deny := one.deny) is not None:
                put_back(self.connection, self.context, one.lead.lead_id, deny)
        keep(self.connection, self.context, CLAIM, told)
        return [
            lead for lead, one in zip(found, judged, strict=True) if one is None or one.deny is None
        ]

    def _booking(self, lead: Lead) -> Booking | None:
        """As the gate is asked: a lead that an agent looks at first is a person's decision."""
        mode = lead.mode or self.known.policy.mode
        return None if mode.automatic else Booking(lead.agent, mode)

    def next_ready(self) -> datetime | None:
        """When the next lead may be called; None when none waits, or none has a window to come."""
        policy = self.known.policy
        earliest: dict[str, int] = {}
        for group in self.groups():
            zones = self.zones(group)
            earliest[zones] = min(group.earliest_ms, earliest.get(zones, group.earliest_ms))
        moments = [
            moment
            for zones, ms in earliest.items()
            if (moment := policy.next_open(zones, max(self.now, from_ms(ms)))) is not None
        ]
        return min(moments, default=None)


def _search(
    connection: Connection,
    context: Context,
    campaign: str,
    now: datetime,
    wanted: Callable[[Way], bool],
    rank: Callable[[Way], tuple[int, ...]],
) -> _Search:
    known = context.campaigns[campaign]
    there = connection.scalars(_LANES, {"campaign": known.id}).all()
    ways = {
        number: way
        for number in there
        if wanted(way := way_of(lane_of(connection, context, number), known.policy))
    }
    return _Search(connection, context, campaign, known, now, ways, rank)


def _by_queue(way: Way) -> tuple[int, ...]:
    return (way.rank,)


def claim(
    connection: Connection,
    context: Context,
    campaign: str,
    count: int,
    now: datetime,
    queues: Collection[str] | None = None,
    skills: Collection[str] = frozenset(),
) -> LeadsOffered:
    """Claim up to `count` leads for the pacer: dialled automatically, and for whoever is free."""

    def wanted(way: Way) -> bool:
        return way.mode is mode and way.shared(queues, skills)

    mode = context.campaigns[campaign].policy.mode
    search = _search(connection, context, campaign, now, wanted, _by_queue)
    count = min(count, CLAIM_MAX)
    offered = search.claim(count)
    if len(offered) >= count:
        return LeadsOffered(campaign, tuple(offered))
    ready = search.next_ready()
    return LeadsOffered(
        campaign,
        tuple(offered),
        exhausted=True,
        next_ready_s=None if ready is None else max(0.0, (ready - now).total_seconds()),
    )


def claim_for(
    connection: Connection, context: Context, asked: FetchLeadFor, now: datetime
) -> LeadForAgent:
    """Claim the best lead for one agent that is not the pacer's."""
    ready: list[datetime] = []
    for campaign, (queues, skills) in zip(asked.campaigns, asked.shared, strict=True):
        mode = context.campaigns[campaign].policy.mode

        def wanted(
            way: Way,
            mode: object = mode,
            queues: Collection[str] | None = queues,
            skills: Collection[str] = skills,
        ) -> bool:
            if asked.own and way.agent != asked.agent:
                return False
            pacers = way.mode is mode and way.shared(queues, skills)
            return not pacers and way.taken_by(asked.agent, asked.queues, asked.skills)

        def rank(way: Way) -> tuple[int, ...]:
            mine = way.agent == asked.agent
            if asked.queues and way.queue in asked.queues:
                return (mine, len(asked.queues) - asked.queues.index(way.queue), way.rank)
            return (mine, 0, way.rank)

        search = _search(connection, context, campaign, now, wanted, rank)
        if found := search.claim(1):
            return LeadForAgent(asked.agent, found[0])
        if (moment := search.next_ready()) is not None:
            ready.append(moment)
    soonest = min(ready, default=None)
    return LeadForAgent(
        asked.agent,
        None,
        None if soonest is None else max(0.0, (soonest - now).total_seconds()),
    )


def claimed(connection: Connection, boot: str) -> set[int]:
    """Leads in the claim of this boot."""
    return set(
        connection.scalars(
            sa.select(leads.c.id).where(
                sa.text(LEADS_APART),
                leads.c.state == LeadState.CLAIMED.value,
                leads.c.claimed_by == boot,
            )
        )
    )


def _end(connection: Connection, lead_id: int, why: str) -> None:
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == lead_id)
        .values(state=LeadState.DONE.value, why=why, claimed_by=None)
    )


def _other_lane(connection: Connection, lead_id: int, lane: int) -> None:
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == lead_id)
        .values(state=LeadState.WAITING.value, lane_id=lane, claimed_by=None)
    )


@dataclass(frozen=True, slots=True)
class ListCounts:
    """A campaign's leads by where they stand, and its ended attempts by outcome.

    `due` may be called now, `later` waits for its time or its window, `claimed` is in the hopper,
    `dialling` on the line, `held` waits for a person. With `done` they add up to `total` as far as
    the counting was one instant.
    """

    total: int
    due: int
    later: int
    claimed: int
    dialling: int
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
    claimed = apart.get(LeadState.CLAIMED.value, 0)
    dialling = apart.get(LeadState.DIALLING.value, 0)
    held = apart.get(LeadState.HELD.value, 0)
    outcomes = dict(
        connection.execute(
            sa.select(outcome_counts.c.outcome, outcome_counts.c["count"]).where(
                outcome_counts.c.campaign_id == known.id
            )
        ).all()
    )
    done = int(total or 0) - due - later - claimed - dialling - held
    return ListCounts(int(total or 0), due, later, claimed, dialling, held, done, outcomes)


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
