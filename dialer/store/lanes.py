"""Lanes: how leads go. Few, so each is told once and a lead names it by a number."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.lead import UNKNOWN_ZONE
from dialer.core.modes import Mode, least
from dialer.store.context import Context
from dialer.store.policy import NO_QUEUE, Lane, Policy
from dialer.store.schema import LEADS_APART, LeadState, lanes, leads

PLAIN = Lane()
_GIVEN_MAX = 500  # leads of a campaign in one look
_BITS = sa.select(
    lanes.c.id,
    lanes.c.mode,
    lanes.c.queue,
    lanes.c.skills,
    lanes.c.agent,
    lanes.c.callback,
    lanes.c.by_hand,
)


@dataclass(frozen=True, slots=True)
class Way:
    """A lane with all that its queue and its campaign say besides."""

    mode: Mode
    queue: str
    skills: frozenset[str]
    agent: str
    callback: bool
    rank: int  # of the queue: the higher, the sooner
    needs: tuple[str, ...] = ()  # `skills`, sorted

    def shared(self, queues: Collection[str] | None, skills: Collection[str]) -> bool:
        """Whether everybody who has these queues (None: all) and skills may take its leads, so that
        the pacer may dial them."""
        return (
            self.mode.automatic
            and not self.agent
            and (not self.queue or queues is None or self.queue in queues)
            and self.skills.issubset(skills)
        )

    def taken_by(self, agent: str, queues: Collection[str], skills: Collection[str]) -> bool:
        """Whether this agent may take its leads; no queues: all."""
        return (
            self.mode is not Mode.MANUAL
            and self.agent in ("", agent)
            and (not self.queue or not queues or self.queue in queues)
            and self.skills.issubset(skills)
        )


def way_of(lane: Lane, policy: Policy) -> Way:
    """What a lane comes to in a campaign: the least automatic mode of all that have a say."""
    queue = policy.queue_rules.get(lane.queue, NO_QUEUE) if lane.queue else NO_QUEUE
    modes = [policy.mode]
    modes += [Mode(mode) for mode in (lane.mode, queue.mode) if mode]
    if lane.by_hand:
        modes.append(Mode.PREVIEW)
    return Way(
        least(*modes),
        lane.queue,
        frozenset((*lane.skills, *queue.skills)),
        lane.agent,
        lane.callback,
        queue.priority,
        tuple(sorted({*lane.skills, *queue.skills})),
    )


def load_lanes(connection: Connection, context: Context) -> None:
    """Learn all lanes there are."""
    for row in connection.execute(_BITS):
        lane = Lane(
            row.mode, row.queue, tuple(row.skills.split()), row.agent, row.callback, row.by_hand
        )
        context.lanes[row.id] = lane
        context.lane_ids[lane] = row.id


def lane_id(connection: Connection, context: Context, lane: Lane) -> int:
    """The number of a lane; one that nobody had yet is written down."""
    lane = replace(lane, skills=tuple(sorted(set(lane.skills))))
    known = context.lane_ids.get(lane)
    if known is not None:
        return known
    connection.execute(
        context.insert(lanes).on_conflict_do_nothing(),
        {
            "mode": lane.mode,
            "queue": lane.queue,
            "skills": " ".join(lane.skills),
            "agent": lane.agent,
            "callback": lane.callback,
            "by_hand": lane.by_hand,
        },
    )
    row = connection.execute(
        sa.select(lanes.c.id).where(
            lanes.c.mode == lane.mode,
            lanes.c.queue == lane.queue,
            lanes.c.skills == " ".join(lane.skills),
            lanes.c.agent == lane.agent,
            lanes.c.callback.is_(lane.callback),
            lanes.c.by_hand.is_(lane.by_hand),
        )
    ).one()
    # Kept in memory only when it was there before this transaction, which may yet be undone: an
    # id that is known wrongly would send leads nowhere. It is learnt by the next look.
    return int(row.id)


def lane_of(connection: Connection, context: Context, number: int) -> Lane:
    """The lane of a number."""
    if number not in context.lanes:
        load_lanes(connection, context)
    return context.lanes.get(number, PLAIN)


def put_in_lane(
    connection: Connection, context: Context, lead_ids: Iterable[int], lane: Lane
) -> None:
    """Have leads go another way from now on, wherever they are."""
    ids = list(lead_ids)
    if ids:
        number = lane_id(connection, context, lane)
        connection.execute(sa.update(leads).where(leads.c.id.in_(ids)).values(lane_id=number))


def hand_over(connection: Connection, context: Context, lead_id: int, queue: str) -> None:
    """Have a lead go to another queue, for whoever takes from it."""
    number = connection.scalar(sa.select(leads.c.lane_id).where(leads.c.id == lead_id))
    if number is not None:
        lane = replace(lane_of(connection, context, number), queue=queue, agent="", callback=False)
        put_in_lane(connection, context, [lead_id], lane)


def give_to_people(connection: Connection, context: Context) -> int:
    """Leads held because nobody knows their time zone, in campaigns that say in which zones it must
    be time then: from now on an agent decides on each. How many there were."""
    given = 0
    for known in context.campaigns.values():
        if not known.policy.wide_zones:
            continue
        held = connection.scalars(
            sa.select(leads.c.id)
            .where(
                leads.c.campaign_id == known.id,
                sa.text(LEADS_APART),
                leads.c.state == LeadState.HELD.value,
                leads.c.why == UNKNOWN_ZONE,
            )
            .limit(_GIVEN_MAX)
        ).all()
        if held:
            connection.execute(
                sa.update(leads)
                .where(leads.c.id.in_(held), leads.c.state == LeadState.HELD.value)
                .values(state=LeadState.WAITING.value, why="")
            )
            given += len(held)
    return given
