"""Two campaigns after the same person: whatever order things come in, the law's caps hold."""

from __future__ import annotations

import asyncio
import tempfile
from collections import deque
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dialer.core.commands import RecordAttempt, Timings
from dialer.core.events import Lead
from dialer.core.modes import Booking, Mode
from dialer.core.outcomes import Outcome
from dialer.store.byhand import find
from tests.compliance.test_store import facts, person
from tests.store.world import Script, World, attempt, empty_sqlite, outcome

CAMPAIGNS = ("spring", "summer")
CAP = 7  # in seven days, per debt: 12 CFR 1006.14(b)(2)(i)

moves = st.lists(
    st.tuples(
        st.sampled_from(["claim", "record", "record", "hand", "end", "end", "fail", "back"]),
        st.sampled_from(CAMPAIGNS),
    ),
    min_size=10,
    max_size=45,
)


@settings(max_examples=12, deadline=None)
@given(moves)
def test_seven_in_seven_under_two_campaigns(told: list[tuple[str, str]]) -> None:
    """Claims, attempts of the pacers' and by hand, ends and failures, in any order: never more than
    seven calls that count or may yet, and never two at once to one number."""

    async def run(url: str) -> None:
        world = await World.open(url)
        world.script.attempts_max = 100
        world.script.gate = facts()  # type: ignore[assignment]
        other = Script("summer", attempts_max=100, gate=facts(name="summer"))  # type: ignore[arg-type]
        await world.store.add_campaign(world.script)
        await world.store.add_campaign(other)
        world.start()
        try:
            # The same account in both, on one number that is the same and one that is not.
            await world.load(person(2, "+12125550100", account="A1"))
            await world.load(person(2, "+12125550109", account="A1"), campaign="summer")
            await _play(world, told)
        finally:
            await world.store.close()
            assert not world.failures

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(empty_sqlite(Path(directory))))


async def _play(world: World, told: list[tuple[str, str]]) -> None:
    hopper: dict[str, deque[Lead]] = {name: deque() for name in CAMPAIGNS}
    opened: list[RecordAttempt] = []
    for what, name in told:
        match what:
            case "claim":
                hopper[name].extend(await world.claim(1, name))
            case "record" if hopper[name]:
                one = attempt(world, hopper[name].popleft())
                if await world.give(one) == [""]:
                    opened.append(one)
            case "hand":
                lead = await world.store.database.read(
                    lambda c, name=name: find(c, world.store.context, name, external_id="A1")
                )
                assert lead is not None
                booking = Booking("anna", Mode.MANUAL)
                one = RecordAttempt(world.attempt_id(), "main", lead, booking)
                if await world.give(one) == [""]:
                    opened.append(one)
            case "end" | "fail" if opened:
                how = Outcome.NO_ANSWER if what == "end" else Outcome.CONGESTION
                await world.give(outcome(opened.pop(0), how))
            case "back":
                await world.store.database.write(
                    lambda c: c.exec_driver_sql(
                        "UPDATE leads SET next_at_ms = 0 WHERE state = 'waiting'"
                    )
                )
        counted = await world.value(
            "SELECT count(*) FROM attempts WHERE outcome IS NULL OR outcome = 'no answer'"
        )
        assert counted <= CAP
        twice = await world.value(
            "SELECT count(*) FROM (SELECT phone FROM attempts WHERE outcome IS NULL"
            " GROUP BY phone HAVING count(*) > 1) AS twice"
        )
        assert twice == 0


async def test_a_number_two_campaigns_share_rings_once(url: str) -> None:
    """Nothing is dialled twice at once: at the claim both may have it, at the launch one."""
    world = await World.open(url)
    world.start()
    try:
        await world.store.add_campaign(Script("summer"))
        await world.load(person(2, "+12125550100"))
        await world.load(person(2, "+12125550100"), campaign="summer")
        (one,), (two,) = await world.claim(1), await world.claim(1, "summer")
        told = await world.give(attempt(world, one), attempt(world, two))
        assert told == ["", "the number is being called by another attempt"]
        waits = await world.value("SELECT state FROM leads WHERE id = :lead", lead=two.lead_id)
        assert waits == "waiting"
        assert await world.claim(1, "summer") == ()  # put off for a while
    finally:
        await world.store.close()
        assert not world.failures


@dataclass
class Offer(Script):
    """A campaign that says who calls, and what for."""

    caller_id: str = "+12125550199"
    purpose: str = "sales"

    def definition(self) -> dict[str, Any]:
        return {"name": self.name, "purpose": self.purpose, "caller_id": self.caller_id}


async def test_a_copy_does_not_begin_its_windows_anew(url: str) -> None:
    """Loaded again, taken out, or under another name: its blocks of 30 days go on."""
    world = await World.open(url)
    world.start()
    try:
        await world.store.add_campaign(Offer("first"))
        await world.load(person(2, "+12125550100"), campaign="first")
        (lead,) = await world.claim(1, "first")
        opened = attempt(world, lead)
        live = Timings(originated=1.0, ringing=2.0, live=3.0, harbour=5.0, ended=9.0)
        told = outcome(opened, Outcome.ABANDONED, timings=live, unserved=True)
        assert await world.give(opened, told) == ["", ""]
        began = await world.store.started_at("first")
        assert began is not None
    finally:
        await world.store.close()
    again = await World.open(url, "b2")  # `first` is no longer in any file
    try:
        long_ago = began - timedelta(days=400)
        for copy in (Offer("second"), Offer("third", caller_id="12125550199")):
            await again.store.add_campaign(copy)
            assert await again.store.started_at(copy.name) == began
            rows = await again.store.abandon_history(copy.name, long_ago)
            assert [row[1:] for row in rows] == [(1, 1)]
        for other in (Offer("other", caller_id="+12125550198"), Offer("pay", purpose="service")):
            await again.store.add_campaign(other)
            assert await again.store.started_at(other.name) is None
            assert await again.store.abandon_history(other.name, long_ago) == []
    finally:
        await again.store.close()
