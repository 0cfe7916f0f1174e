"""A lead's way through the database, told as conversations."""

from __future__ import annotations

import json
from datetime import timedelta

from dialer.core.commands import Progress, ReturnLeads, Timings
from dialer.core.outcomes import Outcome
from dialer.store import NextStep, StagedLead, StagedPhone
from tests.store.world import World, attempt, disposition, outcome, progress, session, staged

LEAD = "SELECT state, why, attempts, position FROM leads"


async def test_a_call_from_claim_to_disposition(world: World) -> None:
    await world.load(staged(2))
    (lead,) = await world.claim()
    assert (lead.attempt_no, lead.fields["balance"]) == (1, "12.50")
    assert await world.claim() == ()  # it is in our hopper

    opened = attempt(world, lead)
    assert await world.give(opened) == [""]
    refusals = await world.give(
        progress(opened, Progress.RINGING),
        progress(opened, Progress.LIVE),
        progress(opened, Progress.CONNECTED, agent="anna"),
        outcome(opened, Outcome.CONNECTED, agent="anna", cause=16, tech_cause=200),
        disposition(opened, "sold", note="ok"),
    )
    assert refusals == [""] * 5

    steps = await world.rows("SELECT step, agent, outcome FROM attempt_history ORDER BY id")
    assert [tuple(row) for row in steps] == [
        ("recorded", "", None),
        ("ringing", "", None),
        ("live", "", None),
        ("connected", "anna", None),
        ("closed", "anna", "connected"),
    ]
    assert tuple((await world.rows("SELECT state, why FROM leads"))[0]) == ("done", "sold")
    told = await world.rows("SELECT type FROM crm_event ORDER BY seq")
    assert [row.type for row in told] == [
        "list.import_finished",
        "call.connected",
        "call.completed",
        "disposition.set",
    ]


async def test_a_lead_is_tried_again_until_its_rules_end_it(world: World) -> None:
    await world.load(staged(2))
    now = world.store.clock.utc()
    for n in (1, 2, 3):
        offered = await world.store.claim_leads("spring", 5, now)
        (lead,) = offered.leads
        assert lead.attempt_no == n
        opened = attempt(world, lead)
        assert await world.give(opened, outcome(opened)) == ["", ""]
        assert await world.claim() == ()  # not before its time
        now = world.store.clock.utc() + timedelta(hours=1, seconds=1)
    assert tuple((await world.rows(LEAD))[0])[:3] == ("done", "tried often enough", 3)
    exhausted = "SELECT count(*) FROM crm_event WHERE type = 'lead.exhausted'"
    assert await world.value(exhausted) == 1
    assert (await world.store.outcomes("spring")) == {"no answer": 3}


async def test_leads_given_back_are_offered_again(world: World) -> None:
    await world.load(staged(2), staged(3))
    leads = await world.claim()
    await world.give(ReturnLeads("spring", tuple(lead.lead_id for lead in leads)))
    assert {lead.lead_id for lead in await world.claim()} == {lead.lead_id for lead in leads}


async def test_the_next_number_is_called_and_a_bad_one_never_again(world: World) -> None:
    numbers = ("+493010000001", "+493010000002", "+493010000003")
    await world.load(
        StagedLead(2, tuple(StagedPhone(n, "phone") for n in numbers), zones="Europe/Berlin")
    )
    now = world.store.clock.utc()
    world.script.steps = {
        Outcome.INVALID: NextStep(now, next_phone=True, phone_bad=True),
        Outcome.NO_ANSWER: NextStep(now, next_phone=True),
    }
    called = []
    for how in (Outcome.NO_ANSWER, Outcome.INVALID, Outcome.NO_ANSWER, Outcome.INVALID):
        (lead,) = await world.claim()
        called.append(lead.phone)
        opened = attempt(world, lead)
        await world.give(opened, outcome(opened, how))
    assert called == [numbers[0], numbers[1], numbers[2], numbers[0]]
    (lead,) = await world.claim()
    assert lead.phone == numbers[2]
    opened = attempt(world, lead)
    await world.give(opened, outcome(opened, Outcome.INVALID))
    assert tuple((await world.rows(LEAD))[0])[:2] == ("done", "no good number left")


async def test_the_end_of_one_call_and_the_start_of_the_next_in_one_commit(world: World) -> None:
    other = type(world.script)(name="autumn")
    await world.store.add_campaign(other)
    await world.load(staged(2, phone="+493010000001"))
    await world.load(staged(2, phone="+493010000001"), campaign="autumn")
    (first,) = await world.claim()
    (second,) = await world.claim(campaign="autumn")
    opened, next_one = attempt(world, first), attempt(world, second)
    assert await world.give(opened) == [""]
    assert await world.give(outcome(opened), next_one) == ["", ""]


async def test_live_answers_and_abandons_are_counted_by_the_minute(world: World) -> None:
    await world.load(*(staged(n) for n in range(2, 7)))
    leads = await world.claim()
    opened = [attempt(world, lead) for lead in leads]
    await world.give(*opened)
    timings = Timings(originated=0.0, answered=30.0, live=30.0, ended=500.0)
    await world.give(
        outcome(opened[0], Outcome.CONNECTED, timings=timings),
        outcome(opened[1], Outcome.CONNECTED, timings=timings, unserved=True),  # bridged too late
        outcome(opened[2], Outcome.ABANDONED, timings=timings),
        outcome(opened[3], Outcome.CALLER_LEFT, timings=timings),
        outcome(opened[4], Outcome.MACHINE, timings=timings),  # not live: not counted
    )
    live_at = world.store.clock.utc_at(30.0)
    began = live_at - timedelta(days=1)
    assert await world.store.abandon_history("spring", began) == [
        (live_at.replace(second=0, microsecond=0), 4, 2)
    ]
    assert await world.store.abandon_history("spring", live_at + timedelta(hours=1)) == []
    assert await world.store.started_at("spring") is not None


async def test_the_crm_hears_the_call_in_full(world: World) -> None:
    await world.load(staged(2, external_id="ACC-1"))
    (lead,) = await world.claim()
    opened = attempt(world, lead)
    timings = Timings(
        originated=1.0, ringing=3.0, answered=10.0, live=11.0, connected=11.5, ended=71.5
    )
    await world.give(opened)
    await world.give(
        outcome(opened, Outcome.CONNECTED, agent="anna", timings=timings, tech_cause=200)
    )
    (row,) = await world.rows("SELECT data FROM crm_event WHERE type = 'call.completed'")
    data = json.loads(row.data)
    assert data["call_id"] == opened.attempt
    assert data["lead"]["external_id"] == "ACC-1"
    assert data["timings"]["ring_s"] == 7.0
    assert data["timings"]["talk_s"] == 60.0
    assert data["timings"]["wait_s"] == 0.5


async def test_dispositions_decide_about_the_lead(world: World) -> None:
    await world.load(*(staged(n) for n in range(2, 6)))
    opened = [attempt(world, lead) for lead in await world.claim()]
    await world.give(*opened)
    await world.give(*(outcome(one, Outcome.CONNECTED) for one in opened))
    refusals = await world.give(
        disposition(opened[0], "never"),
        disposition(opened[1], "callback", callback_at="2030-01-01T09:00:00+01:00"),
        disposition(opened[2], "later"),
        disposition(opened[3], "nonsense"),
        disposition(opened[3], "callback", callback_at="2030-01-01T09:00:00"),
    )
    assert refusals[:3] == ["", "", ""]
    assert refusals[3] == "the campaign has no disposition 'nonsense'"
    assert "needs a time zone" in refusals[4]
    found = await world.rows("SELECT state, next_at_ms FROM leads ORDER BY id")
    assert [row.state for row in found] == ["done", "waiting", "waiting", "done"]
    assert found[1].next_at_ms == 1893484800000
    assert await world.store.is_suppressed(opened[0].lead.phone)
    types = await world.rows("SELECT type FROM crm_event ORDER BY seq")
    assert [row.type for row in types].count("dnc.added") == 1


async def test_sessions_keep_their_history(world: World) -> None:
    await world.give(
        session("od-b1-a1"),
        session("od-b1-a1", state="talk"),
        session("od-b1-a1", state="logged out"),
    )
    await world.give(session("od-b1-a1", state="ready"))  # late: a closed session stays closed
    states = await world.rows("SELECT state FROM session_history ORDER BY id")
    assert [row.state for row in states] == ["ready", "talk", "logged out"]
    assert await world.give(session("od-b1-a2")) == [""]
