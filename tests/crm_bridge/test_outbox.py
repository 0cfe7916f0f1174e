"""The outbox's queue by itself: nothing overtaken within a key, nothing held up outside it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from crm_bridge import fresh, outbox, tables, upkeep
from crm_bridge.deadletters import Selection, letters, replay
from crm_bridge.events import Event, event_id

T0 = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
NOW = T0.timestamp()


def happening(n: int, key: str, type_: str = "call.completed") -> Event:
    return Event(event_id(n), type_, T0 + timedelta(seconds=n), key, {"n": n})


class World:
    """One endpoint "crm" over an engine, as a dispatcher named "me" sees it."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.tails: dict[str, int] = {}
        self.known: dict[int, outbox.Due] = {}  # by seq

    async def happens(self, *keys: str, first: int = 1) -> None:
        async with self.engine.begin() as connection:
            await outbox.append(
                connection, [happening(n, key) for n, key in enumerate(keys, start=first)]
            )

    async def queue(self, limit: int = 100) -> int:
        """Everything fresh goes into the queue, as for an endpoint that takes nothing now."""
        async with self.engine.begin() as connection:
            found = await connection.run_sync(fresh.read, 0, limit)
            await connection.run_sync(fresh.put_down, "crm", found, NOW)
            await connection.run_sync(fresh.strike_off, [one.seq for one in found])
        self.known |= {one.seq: one for one in found}
        return len(found)

    async def claim(self, now: float = NOW, limit: int = 100, owner: str = "me") -> list[int]:
        async with self.engine.begin() as connection:
            claim = await connection.run_sync(
                outbox.claim,
                "crm",
                owner=owner,
                tails=self.tails if owner == "me" else {},
                now=now,
                lease_s=60,
                hold_s=1,
                limit=limit,
            )
        self.known |= {one.seq: one for one in claim.due}
        return [one.seq for one in claim.due]

    async def settle(
        self,
        delivered: Mapping[int, int] | None = None,
        failed: Sequence[tuple[int, str, int | None, float | None]] = (),
    ) -> None:
        async with self.engine.begin() as connection:
            await connection.run_sync(
                outbox.settle,
                "crm",
                NOW,
                delivered=[(self.known[seq], status) for seq, status in (delivered or {}).items()],
                failed=[outbox.Failed(self.known[seq], *how) for seq, *how in failed],
            )


@pytest.fixture
def world(engine: AsyncEngine) -> World:
    return World(engine)


async def test_what_is_appended_is_queued_once_and_claimed_in_order(world: World) -> None:
    await world.happens("a", "b", "a")
    assert await world.queue() == 3
    assert await world.queue() == 0
    assert await world.claim() == [1, 2, 3]
    assert await world.claim() == []


async def test_a_rolled_back_writer_leaves_nothing(world: World) -> None:
    async with world.engine.connect() as connection:
        await outbox.append(connection, [happening(1, "a")])
        await connection.rollback()
    assert await world.queue() == 0


async def test_the_same_fact_told_twice_is_one_event(world: World) -> None:
    await world.happens("a")
    await world.happens("a")
    assert await world.queue() == 1


@pytest.mark.parametrize("engine", ["postgresql"], indirect=True)  # SQLite has one writer at a time
async def test_what_was_committed_late_is_not_overlooked(world: World) -> None:
    async with world.engine.connect() as slow:
        await outbox.append(slow, [happening(1, "a")])
        await world.happens("b", first=2)
        async with world.engine.begin() as connection:
            assert [one.seq for one in await connection.run_sync(fresh.read, 0, 9)] == [2]
        await slow.commit()
    async with world.engine.begin() as connection:
        assert await connection.run_sync(fresh.read, 2, 9) == []
        late = await connection.run_sync(fresh.overlooked, 2, {2}, 9)
    assert [(one.seq, one.key) for one in late] == [(1, "a")]


async def test_a_failed_head_holds_up_its_own_key_only(world: World) -> None:
    await world.happens("a", "a", "b", "b")
    await world.queue()
    assert await world.claim(limit=1) == [1]
    await world.settle(failed=[(1, "HTTP 500", 500, NOW + 300)])
    assert await world.claim() == [3, 4]
    await world.settle(delivered={3: 200, 4: 200})
    assert await world.claim(NOW + 299) == []
    assert await world.claim(NOW + 301) == [1, 2]


async def test_what_stands_behind_a_failed_head_is_not_looked_at_again_before_its_retry(
    world: World,
) -> None:
    await world.happens("a", "a", "a")
    await world.queue()
    await world.claim(limit=1)
    await world.settle(failed=[(1, "HTTP 500", 500, NOW + 300)])
    await world.claim()
    async with world.engine.begin() as connection:
        assert await connection.run_sync(outbox.next_due, "crm") == NOW + 300


async def test_a_key_goes_on_after_a_dead_letter(world: World) -> None:
    await world.happens("a", "a")
    await world.queue()
    await world.claim(limit=1)
    await world.settle(failed=[(1, "HTTP 400", 400, None)])
    assert await world.claim() == [2]


async def test_what_follows_a_chain_in_hand_is_added_to_it(world: World) -> None:
    await world.happens("a")
    await world.queue()
    assert await world.claim() == [1]
    world.tails["a"] = 1
    await world.happens("a", first=2)
    await world.queue()
    assert await world.claim() == [2]


async def test_another_dispatcher_does_not_overtake_a_lease(world: World) -> None:
    await world.happens("a", "a", "b")
    await world.queue()
    assert await world.claim(limit=1) == [1]
    assert await world.claim(owner="other") == [3]
    await world.settle(delivered={1: 204})
    assert await world.claim(NOW + 0.5, owner="other") == []
    assert await world.claim(NOW + 1.1, owner="other") == [2]


async def test_a_dead_owners_lease_runs_out(world: World) -> None:
    await world.happens("a")
    await world.queue()
    assert await world.claim() == [1]
    assert await world.claim(NOW + 59, owner="other") == []
    assert await world.claim(NOW + 61, owner="other") == [1]


async def test_a_new_life_takes_its_leases_back_at_once(world: World) -> None:
    await world.happens("a", "b")
    await world.queue()
    await world.claim()
    async with world.engine.begin() as connection:
        assert await connection.run_sync(outbox.release, "me", NOW) == 2
    assert await world.claim() == [1, 2]


async def test_a_late_failure_does_not_undo_a_delivery(world: World) -> None:
    await world.happens("a")
    await world.queue()
    await world.claim()
    await world.settle(delivered={1: 200})
    await world.settle(failed=[(1, "timeout", None, NOW)])
    assert await world.claim() == []


async def test_backlog_counts_pending_dead_and_fresh(world: World) -> None:
    await world.happens("a", "b", "c", "d")
    await world.queue(limit=3)
    await world.claim()
    await world.settle(delivered={1: 200}, failed=[(2, "HTTP 410", 410, None)])
    async with world.engine.begin() as connection:
        found = await connection.run_sync(upkeep.backlog)
    assert found["crm"] == upkeep.Backlog(1, NOW + 3, 1)
    assert found[""] == upkeep.Backlog(1, NOW + 4)


async def test_what_is_put_off_is_not_overtaken_by_what_comes_later(world: World) -> None:
    await world.happens("a")
    await world.queue()
    assert await world.claim() == [1]
    world.tails["a"] = 1
    await world.happens("a", first=2)
    await world.queue()
    assert await world.claim(owner="other") == []  # puts 2 off for a second
    await world.happens("a", first=3)
    await world.queue()
    assert await world.claim() == []
    assert await world.claim(NOW + 2) == [2, 3]


async def test_old_events_are_forgotten_unless_somebody_still_waits_for_them(world: World) -> None:
    await world.happens("a", "b", "c", "d")
    await world.queue(limit=3)
    await world.claim()
    await world.settle(delivered={1: 200}, failed=[(2, "HTTP 400", 400, None)])
    async with world.engine.begin() as connection:
        assert await connection.run_sync(upkeep.prune, NOW, limit=10) == 0
        assert await connection.run_sync(upkeep.prune, NOW + 99, limit=1) == 1
        assert await connection.run_sync(upkeep.prune, NOW + 99, limit=10) == 1
        left = await connection.execute(select(tables.events.c.seq).order_by(tables.events.c.seq))
        assert left.scalars().all() == [3, 4]
        # Where no bridge has endpoints nobody will ask for the fourth.
        assert await connection.run_sync(upkeep.prune, NOW + 99, limit=10, fresh_too=True) == 1


async def test_dead_letters_are_found_and_sent_again(world: World) -> None:
    await world.happens("a", "b", "c")
    await world.queue()
    await world.claim()
    await world.settle(
        delivered={3: 200},
        failed=[(1, "HTTP 400", 400, None), (2, "timeout", None, None)],
    )
    async with world.engine.begin() as connection:
        found = await connection.run_sync(letters, Selection(endpoint="crm"))
        assert [(one.seq, one.last_error) for one in found] == [(2, "timeout"), (1, "HTTP 400")]
        assert await connection.run_sync(replay, Selection(endpoint="other"), NOW) == 0
        assert await connection.run_sync(replay, Selection(type="dnc.*"), NOW) == 0
        assert await connection.run_sync(replay, Selection(since=T0 + timedelta(hours=1)), NOW) == 0
        assert (
            await connection.run_sync(replay, Selection(ids=(event_id(2),), type="call.*"), NOW)
            == 1
        )
    assert await world.claim() == [2]
    async with world.engine.begin() as connection:
        assert await connection.run_sync(replay, Selection(first_seq=1, delivered=True), NOW) == 2
    assert await world.claim() == [1, 3]


async def test_two_dispatchers_at_once_share_the_work_and_overtake_nothing(world: World) -> None:
    await world.happens(*(f"k{n % 5}" for n in range(200)))
    await world.queue(limit=1000)
    mine: list[int] = []
    theirs: list[int] = []

    async def work(owner: str, done: list[int]) -> None:
        for _ in range(60):
            claimed = await world.claim(NOW + len(done), limit=7, owner=owner)
            done.extend(claimed)
            await world.settle(delivered=dict.fromkeys(claimed, 200))

    await asyncio.gather(work("me", mine), work("other", theirs))
    assert not set(mine) & set(theirs)
    for done in (mine, theirs):
        for key in range(5):
            order = [seq for seq in done if seq % 5 == key]
            assert order == sorted(order)
