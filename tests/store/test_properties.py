"""Whatever is told in whatever order, the books of the database agree with each other."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.core.commands import Progress, RecordAttempt, ReturnLeads
from dialer.core.events import Lead
from dialer.core.outcomes import Outcome
from tests.store.world import World, attempt, disposition, outcome, progress, session, staged

LEADS = 6

# (what, which lead or attempt, variant): chosen blindly, so most sequences hold wrong commands too.
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["open", "open", "end", "end", "follow", "dispose", "return", "claim", "flush", "agent"]
        ),
        st.integers(0, 7),
        st.integers(0, 18),
    ),
    max_size=60,
)


async def play(world: World, told: list[tuple[str, int, int]]) -> None:
    await world.load(*(staged(n, zones="Europe/Berlin") for n in range(2, 2 + LEADS)))
    world.script.attempts_max = 2
    leads: list[Lead] = list(await world.claim(LEADS))
    opened: list[RecordAttempt] = []

    def pick(items: list[Any], n: int) -> Any:
        return items[n % len(items)]

    def end(n: int, variant: int) -> Any:
        return outcome(pick(opened, n), list(Outcome)[variant % len(Outcome)])

    makers: dict[str, Callable[[int, int], Any]] = {
        "end": end,
        "follow": lambda n, v: progress(pick(opened, n), list(Progress)[v % len(Progress)]),
        "dispose": lambda n, v: disposition(
            pick(opened, n), ("sold", "later", "never", "nonsense")[v % 4]
        ),
        "return": lambda n, v: ReturnLeads("spring", (pick(leads, n).lead_id,)),
        "agent": lambda n, v: session(
            f"od-b1-a{n}", f"agent {n % 3}", ("ready", "talk", "logged out")[v % 3]
        ),
    }
    for what, n, variant in told:
        if what == "flush":
            await world.store.flush()
        elif what == "claim":
            await world.store.flush()
            leads += await world.claim(2)
        elif what == "open":
            opened.append(attempt(world, pick(leads, n)))
            world.store.submit(opened[-1])
        elif opened or what in ("return", "agent"):
            world.store.submit(makers[what](n, variant))
    await world.store.flush()
    assert not world.failures


async def check(world: World) -> None:
    async def none(why: str, query: str) -> None:
        assert await world.rows(query) == [], why

    await none(
        "a lead is on the line just when it has an open attempt",
        "SELECT l.id FROM leads l LEFT JOIN attempts a ON a.lead_id = l.id AND a.outcome IS NULL"
        " WHERE (l.state = 'dialling') <> (a.id IS NOT NULL)",
    )
    await none(
        "every attempt was opened once, and closed once if at all",
        "SELECT a.id FROM attempts a LEFT JOIN attempt_history h ON h.attempt_id = a.id"
        " GROUP BY a.id HAVING sum(h.step = 'recorded') <> 1"
        " OR sum(h.step = 'closed') <> (a.outcome IS NOT NULL)",
    )
    await none(
        "the CRM heard of every end once",
        "SELECT outcome FROM attempts WHERE outcome IS NOT NULL EXCEPT"
        " SELECT json_extract(data, '$.outcome') FROM crm_event WHERE type = 'call.completed'",
    )
    ended = "SELECT count(*) FROM attempts WHERE outcome IS NOT NULL"
    heard = "SELECT count(*) FROM crm_event WHERE type = 'call.completed'"
    assert await world.value(ended) == await world.value(heard)
    await none(
        "the counts of outcomes are the attempts counted",
        "SELECT outcome, count(*) FROM attempts WHERE outcome IS NOT NULL GROUP BY outcome"
        " EXCEPT SELECT outcome, count FROM outcome_counts",
    )
    live = (
        "SELECT count(*) FROM attempts WHERE outcome IN ('connected', 'abandoned', 'caller left')"
    )
    account = "SELECT coalesce(sum(live), 0) FROM abandon_account"
    assert await world.value(live) == await world.value(account)
    await none(
        "a lead's attempts are counted",
        "SELECT l.id FROM leads l WHERE l.attempts <>"
        " (SELECT count(*) FROM attempts a WHERE a.lead_id = l.id)",
    )
    await none(
        "no attempt was opened on a suppressed number after the word was committed",
        "SELECT a.id FROM attempts a JOIN suppression s ON s.phone = a.phone"
        " WHERE a.opened_ms > s.added_ms AND a.outcome IS NULL",
    )
    await none(
        "an agent has one open session at most",
        "SELECT agent FROM agent_sessions WHERE closed_ms IS NULL GROUP BY agent"
        " HAVING count(*) > 1",
    )
    refused = sum(1 for command, why in world.told if why and isinstance(command, RecordAttempt))
    asked = sum(1 for command, _ in world.told if isinstance(command, RecordAttempt))
    assert await world.value("SELECT count(*) FROM attempts") == asked - refused


@settings(max_examples=40, deadline=None)
@given(steps)
def test_the_books_agree(told: list[tuple[str, int, int]]) -> None:
    async def run(url: str) -> None:
        world = await World.open(url)
        world.start()
        try:
            await play(world, told)
            await check(world)
        finally:
            await world.store.close()

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(f"sqlite:///{Path(directory) / 'dialer.db'}"))
