"""Which leads are offered, in which order, and what the screens are told of the rest."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import sqlalchemy as sa

from dialer.core.outcomes import Outcome
from dialer.store.claims import claim
from tests.store.world import World, attempt, outcome, staged


async def test_higher_priority_first_then_longest_due(world: World) -> None:
    await world.load(staged(2), staged(3, priority=5), staged(4, priority=9), staged(5))
    assert [lead.name for lead in await world.claim(3)] == ["name 4", "name 3", "name 2"]


async def test_a_closed_zone_is_left_out_whatever_its_priority(world: World) -> None:
    await world.load(staged(2, zones="shut", priority=9), staged(3, zones="Europe/Paris"))
    now = world.store.clock.utc()
    world.script.opens = now + timedelta(hours=3)
    offered = await world.store.claim_leads("spring", 5, now)
    assert [lead.name for lead in offered.leads] == ["name 3"]
    assert offered.exhausted
    assert offered.next_ready_s == 3 * 3600


async def test_an_empty_list_never_becomes_ready(world: World) -> None:
    offered = await world.store.claim_leads("spring", 5, world.store.clock.utc())
    assert (offered.leads, offered.exhausted, offered.next_ready_s) == ((), True, None)


async def test_the_next_lead_comes_due_when_it_says(world: World) -> None:
    await world.load(staged(2))
    (lead,) = await world.claim()
    opened = attempt(world, lead)
    await world.give(opened, outcome(opened))
    offered = await world.store.claim_leads("spring", 5, world.store.clock.utc())
    assert offered.next_ready_s is not None
    assert 3590 < offered.next_ready_s <= 3600


async def test_held_leads_wait_for_a_person(world: World) -> None:
    await world.load(staged(2, zones="", held_why="time zone not known"))
    assert await world.claim() == ()
    counts = await world.store.list_counts("spring", world.store.clock.utc())
    assert (counts.total, counts.held) == (1, 1)


async def test_the_counts_add_up(world: World) -> None:
    await world.load(
        *(staged(n) for n in range(2, 12)),
        staged(12, zones="shut"),
        staged(13, zones="", held_why="time zone not known"),
    )
    leads = await world.claim(4)
    opened = [attempt(world, lead) for lead in leads[:3]]
    await world.give(*opened)
    await world.give(outcome(opened[0]), outcome(opened[1], Outcome.CONNECTED))
    counts = await world.store.list_counts("spring", world.store.clock.utc())
    assert counts.total == 12
    assert (counts.due, counts.later, counts.held, counts.done) == (6, 2, 1, 1)
    assert (counts.claimed, counts.dialling) == (1, 1)
    assert counts.outcomes == {"no answer": 1, "connected": 1}


async def test_two_openers_race_for_one_lead(url: str) -> None:
    one, other = await World.open(url, "b1"), await World.open(url, "b2")
    try:
        await one.load(*(staged(n) for n in range(2, 42)))
        claims = await asyncio.gather(
            *(world.claim(10) for _ in range(4) for world in (one, other))
        )
        ids = [lead.lead_id for claimed in claims for lead in claimed]
        assert len(ids) == len(set(ids))
        assert len(ids) <= 40
        rest = [lead.lead_id for _ in range(4) for lead in await one.claim(10)]
        assert sorted(ids + rest) == sorted(set(ids + rest))
        assert len(ids + rest) == 40
    finally:
        await one.store.close()
        await other.store.close()


async def test_a_lead_claimed_by_another_is_not_dialled(url: str) -> None:
    one, other = await World.open(url, "b1"), await World.open(url, "b2")
    try:
        await one.load(staged(2))
        (lead,) = await one.claim()
        other.start()
        assert await other.give(attempt(other, lead)) == ["the lead is not claimed by this dialer"]
    finally:
        await one.store.close()
        await other.store.close()


async def test_a_claim_costs_the_same_on_a_long_list(world: World) -> None:
    """Counted in rows the database touches: SQLite's virtual machine steps."""
    if world.store.database.dialect != "sqlite":
        plan = await world.rows(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_leads_waiting'"
        )
        assert "zone_id, priority, next_at_ms" in plan[0][0]
        return
    steps = []
    for start, count in ((10, 300), (1_000, 9_000)):
        zones = ("Europe/Berlin", "Europe/Paris", "shut")
        await world.load(
            *(staged(start + n, zones=zones[n % 3], priority=n % 2) for n in range(count))
        )
        await world.claim(20)  # statements are compiled
        steps.append(await _steps_of_a_claim(world))
    assert steps[1] < 1.5 * steps[0]


async def _steps_of_a_claim(world: World) -> int:
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    def work(connection: sa.Connection) -> None:
        raw = connection.connection.driver_connection
        raw.set_progress_handler(count, 10)  # type: ignore[union-attr]  # every ten steps
        claim(connection, world.store.context, "spring", 20, world.store.clock.utc())
        raw.set_progress_handler(None, 0)  # type: ignore[union-attr]

    await world.store.database.write(work)
    return counted
