"""Strategies in both databases: leads placed at the import, moved by calls, words, the CRM and
time, and kept in the version they were placed by."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from dialer.campaigns.lead import UNKNOWN_ZONE
from dialer.campaigns.strategy.place import Strategy
from dialer.core.commands import RecordDisposition, Timings
from dialer.core.events import Lead
from dialer.core.outcomes import Outcome
from dialer.store import StagedLead, StagedPhone, Verdict
from dialer.store.promises import promise
from dialer.store.schema import StopKind
from dialer.store.stepping import finish_task, migrate, open_tasks
from dialer.store.stops import Stop, call_back, put_stop
from dialer.store.strategies import preview
from dialer.store.upserts import LeadChange, upsert
from tests.store.world import World, attempt, disposition, outcome
from tests.strategy.making import body, example, small

TALK = Timings(originated=1.0, ringing=2.0, answered=5.0, live=5.0, connected=6.0, ended=66.0)


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    world = await World.open(url)
    world.start()
    yield world
    await world.store.close()
    assert not world.failures


async def given(world: World, plan: Strategy) -> None:
    world.script.plan = plan
    await world.store.add_campaign(world.script)


def account(line: int, balance: str = "500.00", **fields: str) -> StagedLead:
    phones = (
        StagedPhone(f"+4930{line:07d}", "Home phone", "Home phone"),
        StagedPhone(f"+4917{line:07d}", "Mobile", "Mobile"),
    )
    more = {"balance": balance, **fields}
    return StagedLead(line, phones, f"name {line}", f"A{line}", "Europe/Berlin", 0, "", more)


async def row(world: World, external_id: str = "A1") -> Any:
    found = await world.rows(
        "SELECT leads.state, leads.why, leads.priority, leads.position, leads.next_at_ms,"
        " lead_steps.phase, lead_steps.segment, lead_steps.arm, lead_steps.step, lead_steps.due_ms"
        " FROM leads JOIN lead_steps ON lead_steps.lead_id = leads.id"
        " WHERE leads.external_id = :id",
        id=external_id,
    )
    return found[0]


async def call(world: World, how: Outcome, **more: Any) -> tuple[Any, Lead]:
    (lead,) = await world.claim(1)
    opened = attempt(world, lead)
    assert await world.give(opened) == [""]
    assert await world.give(outcome(opened, how, **more)) == [""]
    return opened, lead


async def due_now(world: World) -> None:
    await world.store.database.write(
        lambda c: c.exec_driver_sql("UPDATE leads SET next_at_ms = 0 WHERE state = 'waiting'")
    )


async def test_a_list_is_placed_as_it_comes_in(world: World) -> None:
    await given(world, example())
    await world.load(
        account(1, "500.00", product="energy"),
        account(2, "20.00"),
        account(3, "5000.00", due_date="2020-01-01", product="energy"),
        account(4, "n/a"),
    )
    first = await row(world)
    assert (first.state, first.phase, first.segment) == ("waiting", "voice", "rest")
    assert first.position == 1  # the tactic wants the mobile first
    small_ = await row(world, "A2")
    assert (small_.state, small_.phase) == ("held", "excluded")
    assert small_.why == "strategy: less is owed than the calls would cost"
    late = await row(world, "A3")
    assert (late.segment, late.priority) == ("late", 8)
    assert late.priority > first.priority
    assert (await row(world, "A4")).why == "strategy: balance is missing or is no money"
    assert [lead.external_id for lead in await world.claim()] == ["A3", "A1"]


async def test_calls_move_a_lead_on_and_the_crm_hears_of_the_steps(world: World) -> None:
    await given(world, small())
    await world.load(account(1))
    _, lead = await call(world, Outcome.NO_ANSWER)
    assert lead.phone.startswith("+4930")
    await due_now(world)
    _, lead = await call(world, Outcome.NO_ANSWER)
    assert lead.phone.startswith("+4917")  # the next number
    await due_now(world)
    await call(world, Outcome.NO_ANSWER)
    now = await row(world)  # three attempts: the letter was told, the desk comes in two days
    assert (now.state, now.phase, now.step) == ("held", "waiting", "desk")
    told = await world.value("SELECT data FROM crm_event WHERE type = 'strategy.step'")
    assert '"action":"letter"' in told.replace(" ", "")
    later = world.store.clock.utc() + timedelta(days=3)
    assert await world.store.run_steps(later) == 1
    assert await world.value("SELECT count(*) FROM strategy_tasks WHERE closed_ms IS NULL") == 1
    assert await world.store.run_steps(later) == 0
    assert await world.store.run_steps(later + timedelta(days=6)) == 1
    now = await row(world)
    assert (now.state, now.phase, now.step) == ("waiting", "voice", "again")
    assert await world.value("SELECT count(*) FROM strategy_tasks WHERE closed_ms IS NULL") == 0
    steps = await world.rows("SELECT step FROM lead_step_log ORDER BY id")
    assert [one[0] for one in steps] == ["desk", "desk", "again"]


async def test_an_agents_word_decides(world: World) -> None:
    await given(world, small())
    await world.load(account(1))
    opened, _ = await call(world, Outcome.CONNECTED, timings=TALK)
    assert (await row(world)).phase == "talked"
    assert await world.give(disposition(opened, "sold")) == [""]
    now = await row(world)
    assert (now.state, now.phase, now.step) == ("held", "waiting", "desk")
    # Corrected: the customer wants to be called.
    at = world.store.clock.utc() + timedelta(days=1)
    assert await world.give(disposition(opened, "callback", callback_at=at.isoformat())) == [""]
    now = await row(world)
    assert (now.state, now.phase, now.step) == ("waiting", "voice", "call")


async def test_do_not_call_ends_it(world: World) -> None:
    await given(world, small())
    await world.load(account(1))
    opened, _ = await call(world, Outcome.CONNECTED, timings=TALK)
    await world.give(disposition(opened, "never"))
    now = await row(world)
    assert (now.state, now.why, now.phase) == ("done", "do not call", "ended")


async def test_a_number_that_does_not_exist_is_left_out(world: World) -> None:
    await given(world, small())
    await world.load(account(1))
    await call(world, Outcome.INVALID)
    (lead,) = await world.claim(1)
    assert lead.phone.startswith("+4917")
    opened = attempt(world, lead)
    await world.give(opened, outcome(opened, Outcome.INVALID))
    now = await row(world)
    assert (now.phase, now.step) == ("waiting", "desk")  # nobody can be called: the next step


async def stop(world: World, kind: StopKind, **more: Any) -> None:
    now = world.store.clock.utc()
    await world.store.database.write(
        lambda c: put_stop(c, world.store.context, Stop(kind, "crm", "A1", **more), now)
    )


async def test_what_the_crm_says_holds_the_strategy_and_ends_it(world: World) -> None:
    await given(world, small(triggers=[{"event": "payment", "do": "hold", "for": "3d"}]))
    await world.load(account(1))
    await stop(world, StopKind.PAYMENT)
    now = await row(world)
    assert (now.state, now.why, now.phase) == ("held", "crm: payment", "held")
    later = world.store.clock.utc() + timedelta(days=4)
    assert await world.store.run_steps(later) == 1
    now = await row(world)
    assert (now.state, now.phase, now.step) == ("waiting", "voice", "call")
    await stop(world, StopKind.DISPUTE)
    assert (await row(world)).phase == "held"
    assert await world.store.run_steps(later + timedelta(days=400)) == 0
    await stop(world, StopKind.DISPUTE, lifted=True)
    assert (await row(world)).state == "waiting"
    await stop(world, StopKind.PAID)
    now = await row(world)
    assert (now.state, now.why, now.phase) == ("done", "crm: paid", "ended")


async def test_a_dispute_is_not_lifted_by_time(world: World) -> None:
    """Only what a payment holds may a strategy let go by itself."""
    await given(world, small(triggers=[{"event": "dispute", "do": "hold", "for": "1d"}]))
    await world.load(account(1))
    await stop(world, StopKind.DISPUTE)
    await world.store.run_steps(world.store.clock.utc() + timedelta(days=2))
    now = await row(world)
    assert (now.state, now.why) == ("held", "crm: dispute")


async def test_the_crm_asks_for_a_call_between_steps(world: World) -> None:
    await given(world, small())
    await world.load(account(1))
    opened, _ = await call(world, Outcome.CONNECTED, timings=TALK)
    await world.give(disposition(opened, "sold"))
    now = world.store.clock.utc()
    at = now + timedelta(hours=5)
    context = world.store.context
    await world.store.database.write(lambda c: call_back(c, context, "crm", "A1", "", at, now))
    found = await row(world)
    assert (found.state, found.phase, found.step) == ("waiting", "voice", "call")


async def test_hours_and_ring_of_a_tactic(world: World) -> None:
    now = world.store.clock.utc()
    closed = (now.weekday() + 3) % 7
    days = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    tactic = {"ring_s": 40, "windows": [{"days": days[closed], "from": "10:00", "to": "11:00"}]}
    await given(world, small(tactics={"t": tactic}))
    await world.load(account(1))
    found = await row(world)
    assert found.next_at_ms > now.timestamp() * 1000 + 86_400_000
    await due_now(world)  # whatever the row says, the claim asks the tactic
    assert await world.claim() == ()
    assert (await row(world)).next_at_ms == found.next_at_ms
    open_ = {"ring_s": 40, "windows": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}]}
    await given(world, small(tactics={"t": open_}))
    await world.load(account(2))
    (lead,) = [one for one in await world.claim() if one.external_id == "A2"]
    assert lead.ring_limit_s == 40


async def test_a_lead_keeps_its_version_until_it_is_moved(world: World) -> None:
    await given(world, small())
    await world.load(account(1, "5.00"), account(2))
    old = world.store.context.campaigns["spring"].strategy_id
    few = {"id": "few", "when": {"f": "balance", "lt": 10}, "reason": "too small"}
    new_plan = small(
        exclude=[few], segments=[{"id": "everybody", "when": True, "treatment": "one"}]
    )
    await given(world, new_plan)
    known = world.store.context.campaigns["spring"]
    assert known.strategy_id != old
    await world.load(account(3))
    assert (await row(world)).segment == "all"  # under way: as it was placed
    assert (await row(world, "A3")).segment == "everybody"
    new, now, context = known.strategy_id, world.store.clock.utc(), world.store.context
    assert new is not None
    change = await world.store.database.read(lambda c: preview(c, new_plan, known.id, new, now))
    assert (change.leads, change.changing) == (2, 2)
    assert change.moved == {("all", ""): 1, ("all", "everybody"): 1}
    ids = [one[0] for one in await world.rows("SELECT lead_id FROM lead_steps")]
    moved = await world.store.database.write(lambda c: migrate(c, context, ids, new, now))
    assert moved == 3
    assert (await row(world)).phase == "excluded"
    assert (await row(world, "A2")).segment == "everybody"
    assert await world.value("SELECT count(DISTINCT strategy_id) FROM lead_steps") == 1


async def test_another_process_knows_versions_it_did_not_write(world: World, url: str) -> None:
    await given(world, small())
    await world.load(account(1))
    other = await World.open(url, boot="b2")
    other.script.plan = small(title="another")
    await other.store.add_campaign(other.script)
    try:
        assert await other.store.run_steps(other.store.clock.utc()) == 0
        lead = (await other.claim(1))[0]
        assert lead.external_id == "A1"  # its plan was read from the database
    finally:
        await other.store.close()


def test_the_same_strategy_has_the_same_version() -> None:
    assert small().version == small().version
    assert small().version != small(title="x").version
    assert body() == body()


async def test_a_step_says_queue_mode_and_skills(world: World) -> None:
    steps = body()["treatments"]["one"]["steps"]
    steps[0] |= {"queue": "late-stage", "mode": "preview", "skills": ["es"]}
    await given(world, small(treatments={"one": {"steps": steps}}))
    await world.load(account(1))
    lanes = await world.rows(
        "SELECT lanes.mode, lanes.queue, lanes.skills FROM leads"
        " JOIN lanes ON lanes.id = leads.lane_id"
    )
    assert [tuple(one) for one in lanes] == [("preview", "late-stage", "es")]
    assert await world.claim() == ()  # not the pacer's: an agent looks at it first


async def test_a_task_that_is_done_lets_the_lead_go_on(world: World) -> None:
    first = {"id": "desk", "channel": "task", "queue": "q", "due": "5d", "wait": "1d"}
    call_ = {"id": "call", "channel": "voice", "tactic": "t"}
    await given(world, small(treatments={"one": {"steps": [first, call_]}}))
    await world.load(account(1))
    context, now = world.store.context, world.store.clock.utc()
    (task,) = await world.store.database.read(lambda c: open_tasks(c, context, "spring"))
    assert (task.external_id, task.queue, task.step) == ("A1", "q", "desk")
    done = await world.store.database.write(lambda c: finish_task(c, context, task.id, "ok", now))
    assert done
    again = await world.store.database.write(lambda c: finish_task(c, context, task.id, "ok", now))
    assert not again
    found = await row(world)
    assert (found.state, found.phase, found.step) == ("waiting", "voice", "call")
    assert found.next_at_ms >= now.timestamp() * 1000 + 86_300_000  # after the desk's wait


async def test_leads_of_the_api_are_placed_and_looked_at_again(world: World) -> None:
    few = {"id": "few", "when": {"f": "balance", "lt": 10}, "reason": "too small"}
    terms = [{"f": "balance", "times": 0.1}]
    await given(world, small(exclude=[few], priority={"terms": terms, "high": 100}))

    async def said(balance: str) -> None:
        phones = (StagedPhone("+4930111111", "phones", "home"),)
        change = LeadChange(
            "spring", "crm", "A1", phones, "Europe/Berlin", name="n", fields={"balance": balance}
        )
        now = world.store.clock.utc()
        await world.store.database.write(lambda c: upsert(c, world.store.context, [change], now))

    await said("5")
    assert (await row(world)).why == "strategy: too small"
    await said("500")
    found = await row(world)
    assert (found.state, found.phase, found.priority) == ("waiting", "voice", 5)
    await said("950")
    assert (await row(world)).priority == 9


async def test_without_a_zone_people_decide(world: World) -> None:
    await given(world, small())
    lead = StagedLead(
        1, (StagedPhone("+4930111111", "p"),), "n", "A1", "", 0, UNKNOWN_ZONE, {"balance": "50"}
    )
    await world.load(lead)
    assert ((await row(world)).why, (await row(world)).phase) == (UNKNOWN_ZONE, "voice")
    await stop(world, StopKind.DISPUTE)
    await stop(world, StopKind.DISPUTE, lifted=True)
    found = await row(world)
    assert (found.state, found.why) == ("held", UNKNOWN_ZONE)


async def test_a_broken_promise_moves_the_lead(world: World) -> None:
    broken = {"event": "promise_broken", "do": "goto", "step": "desk"}
    await given(world, small(triggers=[broken]))
    await world.load(account(1))
    opened, lead = await call(world, Outcome.NO_ANSWER)
    now = world.store.clock.utc()
    said = RecordDisposition(
        opened.attempt, "spring", lead, "anna", "ptp", amount="50.00", due_on=f"{now.date()}"
    )
    grace = Verdict("right_party", grace_s=86_400.0)
    await world.store.database.write(lambda c: promise(c, world.store.context, said, grace, now))
    assert await world.store.late_promises(now) == 0
    assert await world.store.late_promises(now + timedelta(days=3)) == 1
    found = await row(world)
    assert (found.phase, found.step) == ("task", "desk")
