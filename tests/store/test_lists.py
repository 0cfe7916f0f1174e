"""Lists in both databases: pieces made leads once, whoever works on them; batches undone."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import sqlalchemy as sa

from dialer.store import settling
from dialer.store.staged import Across, Again
from tests.store.world import World, attempt, outcome, staged


async def brought_in(world: World, count: int, pieces: int) -> int:
    """A committed list that is not leads yet."""
    lists = world.store.lists
    incoming = await lists.begin("spring", "a", "a.csv")
    for piece in range(pieces):
        rows = [staged(piece * count + n, external_id=f"x{piece}-{n}") for n in range(1, count + 1)]
        assert await lists.stage(incoming, rows) == []
    assert incoming.list_id is not None
    incoming.scratch.close()
    commit = partial(
        settling.commit_import,
        list_id=incoming.list_id,
        rejected=0,
        who="sue",
        detail={},
        now=world.store.clock.utc(),
    )
    await world.store.database.write(commit)
    return incoming.list_id


async def test_two_that_find_a_list_broken_off_make_it_leads_once(world: World) -> None:
    list_id = await brought_in(world, 50, 6)
    lists = world.store.lists
    await asyncio.gather(lists.finish_pending(), lists.finish_pending())
    found = await world.store.lists.batch(list_id)
    assert (found.accepted, found.leads, found.state) == (300, 300, "ready")
    assert [one.step for one in found.history] == ["committed", "settled"]
    assert await world.value("SELECT count(*) FROM phones") == 300


async def test_what_came_meanwhile_is_left_as_it_is(world: World) -> None:
    list_id = await brought_in(world, 3, 1)
    await world.load(staged(9, "+4930000002", external_id="meanwhile"))  # finishes the other first
    found = await world.store.lists.batch(list_id)
    assert (found.state, found.leads) == ("ready", 3)


async def test_a_number_that_came_by_another_way_between_check_and_commit(world: World) -> None:
    lists = world.store.lists
    incoming = await lists.begin("spring", "a", "a.csv")
    await lists.stage(incoming, [staged(1, external_id="a"), staged(2, external_id="b")])
    await world.load(staged(1, external_id="c"))
    await world.store.suppress(["+4930000009"], "customer")
    done = await lists.finish(incoming, 0, "sue")
    assert (done.made, done.late) == (1, 1)
    rows = await world.rows("SELECT external_id FROM leads ORDER BY id")
    assert [row.external_id for row in rows] == ["c", "b"]


async def test_across_campaigns_and_undo_leave_the_called(world: World) -> None:
    await world.load(staged(1, external_id="a"), staged(2, external_id="b"))
    (lead, *_) = await world.claim(1)
    opened = attempt(world, lead)
    await world.give(opened, outcome(opened))
    other = type(world.script)(name="summer")
    await world.store.add_campaign(other)
    lists = world.store.lists
    incoming = await lists.begin("summer", "b", "b.csv", Again(across=Across.SKIP))
    told = await lists.stage(incoming, [staged(1, external_id="z"), staged(7, external_id="y")])
    assert [(one.line, one.where.value) for one in told] == [(1, "another campaign")]
    assert (await lists.finish(incoming, 0, "sue")).made == 1
    done = await lists.undo(1, "sue", undialled_only=True)
    assert (done.taken_out, done.kept) == (1, 1)
    left: list[Any] = list(await world.rows("SELECT external_id FROM leads ORDER BY id"))
    assert [row.external_id for row in left] == [lead.external_id, "y"]
    count = sa.text("SELECT count(*) FROM list_history WHERE step = 'undone_partly'")
    assert await world.store.database.read(lambda c: c.scalar(count)) == 1
