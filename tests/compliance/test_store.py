"""The gate in the database: who is denied is put off, logged, and never dialled. Both databases."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from dialer.campaigns.compliance.rules import Pack
from dialer.core.outcomes import Outcome
from dialer.store import StagedLead, StagedPhone
from dialer.store.attempts import Told, open_attempts
from dialer.store.context import to_ms
from dialer.store.decisions import RecordDecision, lock
from tests.compliance.people import campaign
from tests.store.world import Script, World, attempt, disposition, outcome

# Packs without hours, so that the tests may run at any of them.
NO_HOURS = tuple(p.model_copy(update={"windows": ()}) for p in campaign().packs)
# Reg F without its silence after a conversation, which an open attempt may turn out to be: alone
# it would let no two attempts on one debt be open at once.
SEVEN_ONLY = tuple(
    p.model_copy(update={"caps": tuple(c for c in p.caps if c.id == "7-in-7")}) for p in NO_HOURS
)


def facts(
    purpose: str = "collections",
    name: str = "spring",
    packs: tuple[Pack, ...] = NO_HOURS,
    **more: object,
) -> object:
    return replace(campaign(purpose, packs=packs), name=name, **more)  # type: ignore[arg-type]


def person(line: int, *numbers: str, account: str = "", zones: str = "America/New_York"):  # type: ignore[no-untyped-def]
    return StagedLead(
        line=line,
        phones=tuple(StagedPhone(n, "phone") for n in numbers),
        external_id=account,
        zones=zones,
    )


@asynccontextmanager
async def gated(url: str, boot: str = "b1", **more: object) -> AsyncIterator[World]:
    world = await World.open(url, boot)
    world.script.gate = facts(**more)  # type: ignore[arg-type, assignment]
    await world.store.add_campaign(world.script)
    world.start()
    try:
        yield world
    finally:
        await world.store.close()
        assert not world.failures


async def call(world: World, how: Outcome = Outcome.NO_ANSWER, campaign: str = "spring") -> bool:
    """Claim and call the first lead there is; False when none is offered."""
    await _due(world)
    leads = await world.claim(1, campaign)
    if not leads:
        return False
    opened = attempt(world, leads[0])
    (refused,) = await world.give(opened)
    if refused:
        return False
    await world.give(outcome(opened, how))
    return True


async def _due(world: World) -> None:
    await world.store.database.write(
        lambda c: c.execute(sa.text("UPDATE leads SET next_at_ms = 0 WHERE state = 'waiting'"))
    )


async def test_the_eighth_call_is_put_off_and_logged(url: str) -> None:
    async with gated(url) as world:
        world.script.attempts_max = 100
        await world.load(person(2, "+12125550100", "+12125550101", account="A1"))
        assert [await call(world) for _ in range(9)] == [True] * 7 + [False] * 2
        rows = await world.rows("SELECT stage, verdict, rule, retry_ms, version FROM decision_log")
        assert [tuple(row[:3]) for row in rows] == [("claim", "deny", "us-reg-f/7-in-7")] * 2
        now = to_ms(world.store.clock.utc())
        assert all(6 * 86_400_000 < row.retry_ms - now <= 7 * 86_400_000 for row in rows)
        assert await world.value("SELECT next_at_ms FROM leads") == rows[0].retry_ms
        counted = await world.rows(
            "SELECT stage, verdict, sum(count) FROM decision_counts GROUP BY stage, verdict"
        )
        assert {(r[0], r[1]): int(r[2]) for r in counted} == {
            ("claim", "allow"): 7,
            ("claim", "us-reg-f/7-in-7"): 2,
            ("attempt", "allow"): 7,
        }
        known = await world.rows("SELECT version FROM rule_sets")
        assert {row.version for row in rows} == {row.version for row in known}


async def test_what_the_network_refused_does_not_use_up_the_seven(url: str) -> None:
    async with gated(url) as world:
        world.script.attempts_max = 100
        await world.load(person(2, "+12125550100"))
        assert all([await call(world, Outcome.BUSY) for _ in range(9)])


async def test_a_conversation_is_followed_by_silence_unless_it_was_with_somebody_else(
    url: str,
) -> None:
    async with gated(url) as world:
        await world.load(
            person(2, "+12125550100", account="A1"), person(3, "+12125550102", account="A2")
        )
        for lead, code in zip(await world.claim(2), ("callback", "later"), strict=True):
            opened = attempt(world, lead)
            more = {}
            if code == "callback":
                more["callback_at"] = (world.store.clock.utc() + timedelta(days=2)).isoformat()
            await world.give(opened, outcome(opened, Outcome.CONNECTED))
            await world.give(disposition(opened, code, **more))
        await _due(world)
        # "later" is of the category no contact; the callback is not due for two days.
        assert [lead.external_id for lead in await world.claim(5)] == ["A2"]


async def test_two_campaigns_cannot_both_take_the_last_place_one_process(url: str) -> None:
    async with gated(url) as world:
        other = Script("summer", attempts_max=100, gate=facts(name="summer"))  # type: ignore[arg-type]
        world.script.attempts_max = 100
        await world.store.add_campaign(other)
        await world.load(person(2, "+12125550100", account="A1"))
        await world.load(person(2, "+12125550109", account="A1"), campaign="summer")
        for n in range(6):
            assert await call(world, campaign=("spring", "summer")[n % 2])
        await _due(world)
        (one,), (two,) = await world.claim(1), await world.claim(1, "summer")
        told = await world.give(attempt(world, one), attempt(world, two))
        assert sorted(bool(refused) for refused in told) == [False, True]
        assert "7 attempts per debt" in next(filter(None, told))
        assert await world.value("SELECT count(*) FROM attempts WHERE outcome IS NULL") == 1
        denied = await world.rows("SELECT stage, rule, attempt FROM decision_log")
        assert [tuple(row[:2]) for row in denied] == [("attempt", "us-reg-f/7-in-7")]
        assert denied[0].attempt


async def test_two_processes_cannot_both_take_the_last_place(url: str) -> None:
    """The two transactions are open at once on PostgreSQL; SQLite lets one wait for the other."""
    async with gated(url, "b1") as one, gated(url, "b2") as two:
        two.script.name = "summer"
        two.script.gate = facts(name="summer")  # type: ignore[assignment]
        await two.store.add_campaign(two.script)
        one.script.attempts_max = two.script.attempts_max = 100
        await one.load(person(2, "+12125550100", account="A1"))
        await two.load(person(2, "+12125550109", account="A1"), campaign="summer")
        for _ in range(6):
            assert await call(one)
        await _due(one)
        (first,), (second,) = await one.claim(1), await two.claim(1, "summer")
        told = await asyncio.gather(one.give(attempt(one, first)), two.give(attempt(two, second)))
        assert sorted(bool(refused) for (refused,) in told) == [False, True]


async def test_seven_in_seven_while_two_processes_race_for_every_place(url: str) -> None:
    """Two campaigns of two processes after the same thirty debts, on numbers of their own: all
    claims at once, then all attempts at once, until nothing more is to be had. Some attempts
    failed before they rang and gave their place back, so that the seventh is raced for at
    different times; never is an eighth reserved, and none of the seven is left."""
    debts, fates = 30, random.Random(7)
    async with gated(url, "b1") as one, gated(url, "b2") as two:
        two.script.name = "summer"
        for world, name in ((one, "spring"), (two, "summer")):
            world.script.gate = facts(name=name, packs=SEVEN_ONLY)  # type: ignore[assignment]
            await world.store.add_campaign(world.script)
        one.script.attempts_max = two.script.attempts_max = 100
        for world, name, line in ((one, "spring", 100), (two, "summer", 500)):
            those = (person(n, f"+1212555{line + n:04d}", account=f"A{n}") for n in range(debts))
            await world.load(*those, campaign=name)
        reserved: list[Any] = []
        for _ in range(40):
            if [row[1] for row in reserved] == [7] * debts:
                break
            await _due(one)
            claimed = await asyncio.gather(one.claim(debts), two.claim(debts, "summer"))
            tried = [
                [attempt(world, lead) for lead in leads]
                for world, leads in zip((one, two), claimed, strict=True)
            ]
            told = await asyncio.gather(one.give(*tried[0]), two.give(*tried[1]))
            reserved = await one.rows(
                "SELECT l.external_id, count(*) FROM attempts a JOIN leads l ON l.id = a.lead_id"
                " WHERE a.outcome IS NULL OR a.outcome = 'no answer' GROUP BY l.external_id"
            )
            assert max(row[1] for row in reserved) <= 7
            for world, those_, refusals in zip((one, two), tried, told, strict=True):
                ends = [
                    outcome(opened, fates.choice([Outcome.NO_ANSWER] * 3 + [Outcome.CONGESTION]))
                    for opened, refused in zip(those_, refusals, strict=True)
                    if not refused
                ]
                await world.give(*ends)
        assert [row[1] for row in reserved] == [7] * debts


@pytest.mark.parametrize("url", ["postgresql"], indirect=True)  # SQLite has one writer anyway
async def test_the_second_process_waits_for_the_firsts_commit(url: str) -> None:
    """Without the lock this test deadlocks on nothing: the second would count six and open."""
    async with gated(url, "b1") as one, gated(url, "b2") as two:
        two.script.name = "summer"
        two.script.gate = facts(name="summer")  # type: ignore[assignment]
        await two.store.add_campaign(two.script)
        one.script.attempts_max = 100
        await one.load(person(2, "+12125550100", account="A1"))
        await two.load(person(2, "+12125550109", account="A1"), campaign="summer")
        for _ in range(6):
            assert await call(one)
        await _due(one)
        (first,), (second,) = await one.claim(1), await two.claim(1, "summer")
        engine = one.store.database.engine  # type: ignore[attr-defined]

        def opened(connection: sa.Connection) -> None:
            command = attempt(one, first)
            lock(connection, [command])
            now = to_ms(one.store.clock.utc())
            refused, _ = open_attempts(
                connection, one.store.context, [Told(command, now)], again=False
            )
            assert refused == {}

        async with engine.begin() as connection:
            await connection.run_sync(opened)
            rival = asyncio.get_running_loop().create_task(two.give(attempt(two, second)))
            done, _ = await asyncio.wait({rival}, timeout=0.5)
            assert not done, "it did not wait"
        (refused,) = await asyncio.wait_for(rival, 10)
        assert "7 attempts per debt" in refused


async def test_a_stopped_number_is_final_for_every_rule_and_logged(url: str) -> None:
    async with gated(url) as world:
        await world.load(person(2, "+12125550100"), person(3, "+12125550101"))
        (first,) = await world.claim(1)
        await world.store.suppress([first.phone], "customer")
        (refused,) = await world.give(attempt(world, first))
        assert refused == "the number is on the do-not-call list"
        (second,) = await world.claim(1)
        assert world.store.denied_now(second, world.store.clock.utc()) is None
        await world.store.suppress([second.phone], "customer")
        deny = world.store.denied_now(second, world.store.clock.utc())
        assert deny is not None
        assert deny.final
        rows = await world.rows("SELECT rule FROM decision_log")
        assert [row.rule for row in rows] == ["own/do-not-call"]
        states = await world.rows("SELECT state, why FROM leads ORDER BY id")
        assert tuple(states[0]) == ("done", "do not call")


async def test_a_disposition_stops_an_attempt_that_is_on_record_already(url: str) -> None:
    async with gated(url) as world:
        other = Script("summer", gate=facts(name="summer"))  # type: ignore[arg-type]
        await world.store.add_campaign(other)
        await world.load(person(2, "+12125550100", account="A1"))
        await world.load(person(2, "+12125550100", account="A1"), campaign="summer")
        (one,) = await world.claim(1)
        opened = attempt(world, one)
        await world.give(opened, outcome(opened, Outcome.NO_ANSWER))
        (two,) = await world.claim(1, "summer")
        recorded = attempt(world, two)
        assert await world.give(recorded) == [""]
        assert world.store.denied_now(two, world.store.clock.utc()) is None
        await world.give(disposition(opened, "never"))
        assert world.store.denied_now(two, world.store.clock.utc()) is not None


async def test_a_denied_originate_puts_the_lead_off_until_its_rule(url: str) -> None:
    async with gated(url) as world:
        await world.load(person(2, "+12125550100"))
        (lead,) = await world.claim(1)
        opened = attempt(world, lead)
        await world.give(opened)
        world.script.gate = campaign("collections")  # its hours are back
        await world.store.add_campaign(world.script)
        night = world.store.clock.utc().replace(hour=7, minute=0) + timedelta(days=1)
        deny = world.store.denied_now(lead, night)
        assert deny is not None
        assert deny.retry_at is not None
        decision = RecordDecision(opened.attempt, lead, deny)
        assert await world.give(outcome(opened, Outcome.CANCELLED), decision) == ["", ""]
        state, due = (await world.rows("SELECT state, next_at_ms FROM leads"))[0]
        assert (state, due) == ("waiting", to_ms(deny.retry_at))
        (row,) = await world.rows("SELECT stage, rule, attempt FROM decision_log")
        assert tuple(row) == ("originate", "us-reg-f/hours", opened.attempt)


async def test_an_override_is_audited_at_every_attempt(url: str) -> None:
    from dialer.campaigns.compliance import Override

    async with gated(url, override=Override("sam", "agreed with the client")) as world:
        world.script.attempts_max = 100
        await world.load(person(2, "+12125550100"))
        assert all([await call(world) for _ in range(9)])
        rows = await world.rows("SELECT stage, verdict, rule, reason FROM decision_log")
        assert [tuple(row[:3]) for row in rows] == [("attempt", "override", "us-reg-f/7-in-7")] * 2
        assert all("sam: agreed with the client" in row.reason for row in rows)


async def test_the_log_is_appended_to_and_never_changed(url: str) -> None:
    async with gated(url) as world:
        await world.load(person(2, "+18005550100"))
        assert await world.claim() == ()
        assert await world.value("SELECT state FROM leads") == "held"
        for statement in ("UPDATE decision_log SET rule = 'x'", "DELETE FROM decision_log"):
            with pytest.raises(sa.exc.DBAPIError):
                await world.store.database.write(lambda c, s=statement: c.execute(sa.text(s)))
        assert await world.value("SELECT rule FROM decision_log") == "own/toll-free"


async def test_a_missing_or_stale_list_stops_the_campaign_and_says_so(url: str) -> None:
    async with gated(url, purpose="sales", default_region="US") as world:
        now = world.store.clock.utc()
        why = world.store.not_dialling("spring", now)
        assert why.startswith("the do-not-call list us-national is not loaded; run: dialer ")
        await world.load(person(2, "+12125550100"), person(3, "+12125550101"))
        assert await world.claim() == ()
        fetched = now - timedelta(days=40)
        assert await world.store.load_dnc("us-national", ["+12125550101"], fetched, "a.txt") == 1
        await world.store.refresh_lists()
        assert "is 40 days old, 31 at most" in world.store.not_dialling("spring", now)
        await world.store.load_dnc("us-national", ["+12125550101"], now, "b.txt")
        await world.store.refresh_lists()
        assert world.store.not_dialling("spring", now) == ""
        await _due(world)
        assert [lead.phone for lead in await world.claim()] == ["+12125550100"]
        said = await world.store.why_not("spring", "2", now)
        assert said is not None
        ((_, denials),) = said.denials
        assert [d.reason for d in denials] == ["the number is on the list us-national"]
        assert (said.state, said.log[0][2]) == ("held", "us-ftc-tsr/national-registry")
