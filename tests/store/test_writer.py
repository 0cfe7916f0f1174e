"""The writer under load, on a failing database, and in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialer.clock import ScaledLoop
from dialer.core.commands import Progress, RecordAttempt
from dialer.core.outcomes import Outcome
from dialer.store import Commit, StoreClosed, StoreFull
from tests.store.world import World, attempt, disposition, outcome, progress, staged


async def test_many_calls_at_once(world: World) -> None:
    await world.load(*(staged(n) for n in range(2, 502)))
    opened = [attempt(world, lead) for lead in await world.claim(500)]
    assert set(await world.give(*opened)) == {""}
    commands: list[Any] = []
    for n, one in enumerate(opened):
        commands += [progress(one, Progress.RINGING), outcome(one, list(Outcome)[n % 6])]
        commands += [disposition(one, "later")]
    assert set(await world.give(*commands)) == {""}
    assert await world.value("SELECT sum(count) FROM outcome_counts") == 500
    assert await world.value("SELECT count(*) FROM dispositions") == 500
    assert await world.value("SELECT count(*) FROM attempt_history") == 1500


async def test_a_full_queue_says_so(url: str) -> None:
    world = await World.open(url)
    world.start(queue_max=3)
    await world.load(*(staged(n) for n in range(2, 8)))
    leads = await world.claim()
    for lead in leads[:3]:
        world.store.submit(attempt(world, lead))
    with pytest.raises(StoreFull, match="3 writes wait"):
        world.store.submit(attempt(world, leads[3]))
    await world.store.flush()
    world.store.submit(attempt(world, leads[3]))
    await world.store.close()
    assert [refused for _, refused in world.told] == [""] * 4
    with pytest.raises(StoreClosed):
        world.store.submit(attempt(world, leads[4]))


async def test_an_unknown_campaign_is_a_defect(world: World) -> None:
    await world.load(staged(2))
    (lead,) = await world.claim()
    del world.store.context.campaigns["spring"]
    with pytest.raises(KeyError):
        world.store.submit(RecordAttempt("od-b1-c1", "main", lead))


class Weak:
    """A database that loses its connection: before a transaction, or after its commit."""

    def __init__(self, database: Any, plan: list[str]) -> None:
        self.database = database
        self.dialect = database.dialect
        self.plan = plan
        self.read = database.read
        self.close = database.close

    async def write(self, work: Callable[[sa.Connection], Any]) -> Any:
        fault = self.plan.pop(0) if self.plan else ""
        if fault == "before":
            raise sa.exc.OperationalError("", {}, ConnectionError())
        done = await self.database.write(work)
        if fault == "after":
            raise sa.exc.OperationalError("", {}, ConnectionError())
        return done


@pytest.mark.parametrize("fault", ["before", "after"])
async def test_a_lost_connection_loses_nothing_and_doubles_nothing(url: str, fault: str) -> None:
    world = await World.open(url)
    await world.load(*(staged(n) for n in range(2, 12)))
    leads = await world.claim()
    troubles: list[str] = []
    world.store.database = Weak(world.store.database, [])  # type: ignore[assignment]
    world.start(on_trouble=troubles.append)
    plan = world.store.database.plan  # type: ignore[attr-defined]

    opened = [attempt(world, lead) for lead in leads]
    plan[:] = [fault, fault]
    assert set(await world.give(*opened)) == {""}
    plan[:] = [fault]
    commands: list[Any] = []
    for one in opened:
        commands += [
            progress(one, Progress.CONNECTED, agent="anna"),
            outcome(one, Outcome.CONNECTED),
            disposition(one, "never"),
        ]
    assert set(await world.give(*commands)) == {""}
    assert troubles == ["the database does not answer: ConnectionError"] * 2 + [
        "",
        "the database does not answer: ConnectionError",
        "",
    ]
    for table, count in (("attempts", 10), ("dispositions", 10), ("suppression", 10)):
        assert await world.value(f"SELECT count(*) FROM {table}") == count
    assert await world.value("SELECT count FROM outcome_counts") == 10
    assert await world.value("SELECT sum(live) FROM abandon_account") == 10
    completed = "SELECT count(*) FROM crm_event WHERE type = 'call.completed'"
    assert await world.value(completed) == 10
    await world.store.close()


async def test_commits_are_measured(url: str) -> None:
    commits: list[Commit] = []
    world = await World.open(url)
    world.start(on_commit=commits.append)
    await world.load(staged(2))
    (lead,) = await world.claim()
    opened = attempt(world, lead)
    await world.give(opened, outcome(opened), outcome(opened))
    await world.store.close()
    assert sum(commit.commands for commit in commits) == 3
    assert sum(commit.refused for commit in commits) == 1
    assert all(commit.seconds > 0 for commit in commits)


async def test_a_writer_that_dies_tells_its_owner_and_ends_every_wait(url: str) -> None:
    world = await World.open(url)

    def broken(command: object, refused: str) -> None:
        raise ZeroDivisionError

    world.store.start_writer(broken, on_failure=lambda _name, error: world.failures.append(error))
    await world.load(staged(2))
    (lead,) = await world.claim()
    world.store.submit(attempt(world, lead))
    with pytest.raises(StoreClosed):
        await asyncio.wait_for(world.store.flush(), 10)
    with pytest.raises(StoreClosed):
        world.store.submit(attempt(world, lead))
    await asyncio.wait_for(world.store.close(), 10)
    assert isinstance(world.failures[0], ZeroDivisionError)


def test_virtual_time_stands_still_while_the_database_works(tmp_path: Path) -> None:
    async def play() -> float:
        world = await World.open(f"sqlite:///{tmp_path / 'dialer.db'}")
        world.start()
        await world.load(*(staged(n) for n in range(2, 22)))
        loop = asyncio.get_running_loop()
        began = loop.time()
        for lead in await world.claim(20):
            opened = attempt(world, lead)
            await world.give(opened)
            await asyncio.sleep(30)
            await world.give(outcome(opened))
        passed = loop.time() - began
        await world.store.close()
        return passed

    with asyncio.Runner(loop_factory=partial(ScaledLoop, None)) as runner:
        passed = runner.run(play())
    assert 600 <= passed < 603
