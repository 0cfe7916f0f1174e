"""What the database refuses, and that it refuses only that."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from dialer.core.commands import RecordAttempt
from dialer.core.outcomes import Outcome
from dialer.store.attempts import ID_USED, NOT_CLAIMED, NUMBER_OPEN, SUPPRESSED
from dialer.store.outcomes import CLOSED, UNKNOWN
from tests.store.world import Script, World, attempt, disposition, outcome, session, staged


async def test_a_lead_is_not_called_twice_at_once(world: World) -> None:
    await world.load(staged(2), staged(3))
    one, other = await world.claim()
    first, second, third = attempt(world, one), attempt(world, one), attempt(world, other)
    assert await world.give(first, second, third) == ["", NOT_CLAIMED, ""]
    assert await world.give(attempt(world, one)) == [NOT_CLAIMED]
    assert await world.value("SELECT count(*) FROM attempts WHERE outcome IS NULL") == 2


async def test_a_number_is_not_called_by_two_campaigns_at_once(world: World) -> None:
    await world.store.add_campaign(Script(name="autumn"))
    await world.load(staged(2, phone="+493010000001"))
    await world.load(staged(2, phone="+493010000001"), staged(3), campaign="autumn")
    (mine,) = await world.claim()
    assert await world.give(attempt(world, mine)) == [""]
    same, free = await world.claim(campaign="autumn")
    assert await world.give(attempt(world, same), attempt(world, free)) == [NUMBER_OPEN, ""]
    waits = await world.rows("SELECT state, attempts FROM leads WHERE id = :id", id=same.lead_id)
    assert tuple(waits[0]) == ("waiting", 0)


async def test_an_attempt_id_is_used_once(world: World) -> None:
    await world.load(staged(2), staged(3))
    one, other = await world.claim()
    assert await world.give(
        RecordAttempt("od-b1-c1", "main", one), RecordAttempt("od-b1-c1", "main", other)
    ) == ["", ID_USED]


async def test_a_suppressed_number_is_refused_even_when_it_is_in_the_hopper(world: World) -> None:
    await world.load(staged(2), staged(3))
    one, other = await world.claim()
    assert await world.store.suppress([one.phone, one.phone], "customer") == 1
    assert await world.store.suppress([one.phone], "customer") == 0
    assert await world.give(attempt(world, one), attempt(world, other)) == [SUPPRESSED, ""]
    state = await world.rows("SELECT state, why FROM leads WHERE id = :id", id=one.lead_id)
    assert tuple(state[0]) == ("done", "do not call")


async def test_a_suppressed_lead_is_not_offered(world: World) -> None:
    await world.load(staged(2), staged(3))
    await world.store.suppress(["+49300000002"], "crm")
    assert [lead.phone for lead in await world.claim()] == ["+49300000003"]


async def test_an_attempt_ends_once(world: World) -> None:
    await world.load(staged(2), staged(3))
    one, other = (attempt(world, lead) for lead in await world.claim())
    await world.give(one, other)
    refusals = await world.give(
        outcome(one, Outcome.BUSY), outcome(one, Outcome.NO_ANSWER), outcome(other)
    )
    assert refusals == ["", CLOSED, ""]
    assert await world.give(outcome(one, Outcome.BUSY)) == [CLOSED]
    assert await world.store.outcomes("spring") == {"busy": 1, "no answer": 1}
    never = RecordAttempt("od-b1-c99", "main", one.lead)
    assert await world.give(outcome(never), disposition(never, "sold")) == [UNKNOWN, UNKNOWN]


async def test_a_second_session_is_refused_without_taking_the_batch_with_it(world: World) -> None:
    await world.load(staged(2))
    (lead,) = await world.claim()
    refusals = await world.give(
        session("od-b1-a1"), session("od-b1-a2"), attempt(world, lead), session("od-b1-a3", "ben")
    )
    assert refusals[0] == refusals[2] == refusals[3] == ""
    assert "the database refused it" in refusals[1]
    assert lead.phone not in refusals[1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE attempts SET outcome = 'busy' WHERE outcome IS NOT NULL",
        "UPDATE attempts SET outcome = NULL, closed_ms = NULL WHERE outcome IS NOT NULL",
        "UPDATE attempts SET phone = '+1' WHERE outcome IS NOT NULL",
        "UPDATE attempts SET outcome = 'nonsense', closed_ms = 1 WHERE outcome IS NULL",
        "UPDATE attempts SET outcome = 'busy' WHERE outcome IS NULL",
        "UPDATE attempts SET stage = 'nonsense' WHERE outcome IS NULL",
        "DELETE FROM attempts",
        "DELETE FROM leads",
        "UPDATE leads SET state = 'claimed'",
        "UPDATE leads SET state = 'nonsense'",
        "UPDATE leads SET priority = 10",
        "UPDATE phones SET phone = '0301234'",
        "UPDATE abandon_account SET abandoned = live + 1",
        "INSERT INTO suppression (phone, source, campaign, added_ms) VALUES ('0', '', '', 0)",
    ],
)
async def test_no_code_path_can_break_a_rule(world: World, statement: str) -> None:
    await world.load(staged(2), staged(3))
    ended, under_way = (attempt(world, lead) for lead in await world.claim())
    await world.give(ended, under_way)
    await world.give(outcome(ended, Outcome.ABANDONED))
    with pytest.raises(sa.exc.DBAPIError):
        await world.store.database.write(lambda c: c.execute(sa.text(statement)))
