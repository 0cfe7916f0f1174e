"""What a dialer finds of its former life, however that ended."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from dialer.core.commands import Progress
from dialer.core.events import Status
from dialer.core.outcomes import Outcome
from dialer.store import StoreError
from dialer.store.outcomes import CLOSED
from tests.store.world import World, attempt, outcome, progress, session, staged


async def test_open_attempts_sessions_and_claims_are_taken_over(url: str) -> None:
    former = await World.open(url, "b1")
    former.start()
    assert await former.store.recover() == ([], [])
    await former.load(*(staged(n) for n in range(2, 8)))
    leads = await former.claim(5)
    opened = [attempt(former, lead) for lead in leads[:4]]
    await former.give(*opened, session("od-b1-a1"), session("od-b1-a2", "ben", "logged out"))
    await former.give(
        progress(opened[1], Progress.RINGING),
        progress(opened[2], Progress.CONNECTED, agent="anna"),
        outcome(opened[3]),
    )
    await former.store.close()  # with calls under way: as good as a crash

    world = await World.open(url, "b2")
    world.start()
    attempts, agents = await world.store.recover()
    assert [(one.attempt, one.answered, one.live, one.connected) for one in attempts] == [
        (opened[0].attempt, False, False, False),
        (opened[1].attempt, False, False, False),
        (opened[2].attempt, True, True, True),
    ]
    assert attempts[2].agent == "anna"
    assert attempts[2].lead == opened[2].lead
    assert 0 <= attempts[0].age_s < 60
    ((agent,),) = (agents,)
    assert (agent.agent, agent.leg, agent.status) == ("anna", "od-b1-a1", Status.READY)
    assert agent.campaigns == ("spring",)
    # The fifth lead was only in the hopper; the sixth was never touched.
    assert {lead.name for lead in await world.claim()} == {"name 6", "name 7"}
    # Every recovered attempt ends once.
    assert await world.give(*(outcome(one, Outcome.LOST) for one in opened[:3])) == [""] * 3
    assert await world.give(outcome(opened[3])) == [CLOSED]
    assert await world.value("SELECT count(*) FROM attempts WHERE outcome IS NULL") == 0
    await world.store.close()


async def test_two_dialers_are_not_one_node(url: str) -> None:
    one, other = await World.open(url, "b1"), await World.open(url, "b2")
    try:
        await one.store.recover("east")
        with pytest.raises(StoreError, match="another dialer runs as node 'east'"):
            await other.store.recover("east")
        assert await other.store.recover("west") == ([], [])
        await one.load(staged(2))
        assert len(await one.claim()) == 1
    finally:
        await one.store.close()
        await other.store.close()
    third = await World.open(url, "b3")
    try:
        await third.store.recover("west")
        assert await third.claim() == ()  # east's claim is not west's to give up
        assert await third.store.recover("west") == ([], [])
    finally:
        await third.store.close()


CHILD = """
import asyncio, os, signal, sys
from tests.store.world import World, attempt, outcome

async def main():
    world = await World.open(sys.argv[1], "b1")
    await world.store.recover()
    after = int(sys.argv[2])
    seen = 0
    def committed(command, refused):
        nonlocal seen
        print(command.attempt, flush=True)
        seen += 1
        if seen == after:
            os.kill(os.getpid(), signal.SIGKILL)
    world.store.start_writer(committed, on_failure=lambda name, error: None)
    for lead in await world.claim(20):
        opened = attempt(world, lead)
        world.store.submit(opened)
        await world.store.flush()
        world.store.submit(outcome(opened))
    await world.store.flush()

asyncio.run(main())
"""


@pytest.mark.parametrize("after", [1, 2, 5, 12])
async def test_killed_between_the_commit_and_the_callback(url: str, after: int) -> None:
    world = await World.open(url, "b0")
    await world.load(*(staged(n) for n in range(2, 22)))
    await world.store.close()
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        CHILD,
        url,
        str(after),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    out, _ = await asyncio.wait_for(child.communicate(), 60)
    assert child.returncode == -signal.SIGKILL
    told = out.decode().split()
    assert len(told) == after

    world = await World.open(url, "b2")
    world.start()
    attempts, _ = await world.store.recover()
    ids = [row[0] for row in await world.rows("SELECT id FROM attempts ORDER BY opened_ms, id")]
    assert len(ids) == len(set(ids))
    assert set(told) <= set(ids)  # what was told is there
    assert len(attempts) <= 1
    for one in attempts:
        await world.give(outcome(world_attempt(one.attempt, one.lead), Outcome.LOST))
    counts = await world.rows(
        "SELECT attempt_id, count(*) AS n FROM attempt_history WHERE step = 'closed'"
        " GROUP BY attempt_id"
    )
    assert {row.attempt_id: row.n for row in counts} == dict.fromkeys(ids, 1)
    completed = "SELECT count(*) FROM crm_event WHERE type = 'call.completed'"
    assert await world.value(completed) == len(ids)
    await world.store.close()


def world_attempt(attempt_id: str, lead: object) -> object:
    from dialer.core.commands import RecordAttempt

    return RecordAttempt(attempt_id, "main", lead)  # type: ignore[arg-type]
