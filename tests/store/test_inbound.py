"""What a CRM says, in both databases."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
import sqlalchemy as sa

from crm_bridge.events import utc_text
from dialer.store.erasure import erase
from dialer.store.feed import KeyUse, keep_answer, known_answer, read_feed
from dialer.store.schema import StopKind
from dialer.store.staged import StagedPhone
from dialer.store.stops import NotNow, Stop, call_back, put_stop
from dialer.store.upserts import LeadChange, upsert
from tests.store.world import World, attempt, outcome, staged


def change(external_id: str, *numbers: str, **more: Any) -> LeadChange:
    phones = tuple(StagedPhone(one, "phones") for one in numbers) or None
    return LeadChange("spring", "crm", external_id, phones, "Europe/Berlin", **more)


async def put(world: World, *rows: LeadChange) -> list[str]:
    now = world.store.clock.utc()
    outcomes, _ = await world.store.database.write(
        lambda c: upsert(c, world.store.context, rows, now)
    )
    return [one.result.value for one in outcomes]


async def change_by(world: World, work: Callable[..., Any], *args: Any) -> Any:
    now = world.store.clock.utc()
    return await world.store.database.write(lambda c: work(c, world.store.context, *args, now=now))


async def test_numbers_change_and_those_that_were_called_stand(world: World) -> None:
    assert await put(world, change("a", "+4930111", "+4930222", fields={"x": "1"})) == ["created"]
    (lead,) = await world.claim()
    opened = attempt(world, lead)
    assert await world.give(opened, outcome(opened)) == ["", ""]
    for numbers in (("+4930333", "+4930222"), ("+4930222", "+4930333"), ("+4930111",)):
        assert await put(world, change("a", *numbers)) == ["updated"]
        rows = await world.rows("SELECT phone FROM phones WHERE NOT bad ORDER BY position")
        assert tuple(row.phone for row in rows) == numbers
    assert await put(world, change("a", "+4930111")) == ["unchanged"]
    assert await put(world, change("b", "+4930111")) == ["rejected"]
    assert await world.value("SELECT count(*) FROM phones WHERE phone = '+4930111'") == 1


async def test_one_broken_row_leaves_the_others(world: World) -> None:
    rows = [change("a", "+4930111"), change("b", "nonsense"), change("c", "+4930333")]
    assert await put(world, *rows) == ["created", "rejected", "created"]  # a CHECK refuses it
    assert await world.value("SELECT count(*) FROM leads") == 2


async def test_a_claimed_lead_that_is_stopped_is_not_recorded(world: World) -> None:
    await put(world, change("a", "+4930111"))
    (lead,) = await world.claim()
    stop = Stop(StopKind.DISPUTE, "crm", "a", "d1")
    concerned = await change_by(world, put_stop, stop)
    assert concerned.lead_ids == {lead.lead_id}
    (refused,) = await world.give(attempt(world, lead))
    assert refused
    at = world.store.clock.utc() + timedelta(days=1)
    with pytest.raises(NotNow):
        await world.store.database.write(
            lambda c: call_back(c, world.store.context, "crm", "a", "", at, at)
        )
    await change_by(world, put_stop, Stop(StopKind.DISPUTE, "crm", "a", "d1", lifted=True))
    assert [one.lead_id for one in await world.claim()] == [lead.lead_id]


async def test_a_stop_on_the_line_outlives_the_call(world: World) -> None:
    await put(world, change("a", "+4930111"))
    (lead,) = await world.claim()
    opened = attempt(world, lead)
    await world.give(opened)
    await change_by(world, put_stop, Stop(StopKind.PAID, "crm", "a", "p1"))
    await world.give(outcome(opened))
    assert await world.value("SELECT state FROM leads") == "done"
    assert await world.claim() == ()


async def test_erasure(world: World) -> None:
    await world.load(staged(2, external_id="a"))
    erased, concerned = await change_by(world, erase, "crm", "a")
    assert erased.leads == 1
    assert len(concerned.phones) == 1
    assert await world.value("SELECT name FROM leads") == ""
    assert (await world.value("SELECT phone FROM phones")).startswith("+erased.")
    assert await put(world, change("a", "+4930111")) == ["rejected"]


async def test_the_feed_waits_at_a_young_gap(world: World) -> None:
    for n in range(4):
        await world.store.suppress([f"+493011{n}"], "crm")
    now = world.store.clock.utc()
    read = partial(read_feed, after=0, limit=10, now=now)
    told, more = await world.store.database.read(read)
    assert len(told) == 4
    assert not more
    for at in await world.store.database.read(
        lambda c: c.execute(sa.text("SELECT at FROM crm_event ORDER BY seq")).scalars().all()
    ):  # as a webhook says it, to the millisecond
        assert utc_text(datetime.fromtimestamp(at, UTC)) == told.pop(0).timestamp
    told, more = await world.store.database.read(read)
    gap = told[1].seq
    await world.store.database.write(
        lambda c: c.execute(sa.text("DELETE FROM crm_event WHERE seq = :seq"), {"seq": gap})
    )
    told, _ = await world.store.database.read(read)
    assert [one.seq for one in told] == [gap - 1]
    later = partial(read_feed, after=0, limit=10, now=now + timedelta(minutes=1))
    told, _ = await world.store.database.read(later)
    assert [one.seq for one in told] == [gap - 1, gap + 1, gap + 2]


async def test_answers_are_kept_for_a_day(world: World) -> None:
    now = world.store.clock.utc()
    use = KeyUse("crm", "k", "d")
    await world.store.database.write(lambda c: keep_answer(c, use, "{}", now))
    assert await world.store.database.read(lambda c: known_answer(c, use)) == ("d", "{}")
    other = KeyUse("crm", "k2", "d")
    tomorrow = now + timedelta(days=1, seconds=1)
    await world.store.database.write(lambda c: keep_answer(c, other, "{}", tomorrow))
    assert await world.store.database.read(lambda c: known_answer(c, use)) is None
