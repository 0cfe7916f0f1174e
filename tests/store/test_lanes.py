"""How leads go: queues, modes, phones not dialled automatically, callbacks, calls by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.core.commands import FetchLeadFor, RecordAttempt, RecordPreview
from dialer.core.events import Lead
from dialer.core.modes import Booking, Mode, PreviewEnd
from dialer.core.outcomes import Outcome
from dialer.store.byhand import find, make
from dialer.store.hours import hour_rates
from dialer.store.lanes import put_in_lane
from dialer.store.policy import AfterPreview, Lane, Queue
from dialer.store.promises import Payment, keep_promises
from dialer.store.schema import StopKind
from dialer.store.stops import Stop, put_stop, suppress
from tests.store.world import World, attempt, disposition, outcome, staged


async def lane(world: World, lead_ids: list[int], **how: Any) -> None:
    context = world.store.context
    await world.store.database.write(lambda c: put_in_lane(c, context, lead_ids, Lane(**how)))


async def for_agent(
    world: World,
    agent: str = "anna",
    queues: tuple[str, ...] = (),
    skills: tuple[str, ...] = (),
    own: bool = False,
    later: timedelta = timedelta(),
) -> Lead | None:
    command = FetchLeadFor(
        agent, ("spring",), queues, frozenset(skills), ((None, frozenset()),), own
    )
    (found,) = await world.store.claim_leads_for([command], world.store.clock.utc() + later)
    return found.lead


def by_hand(world: World, lead: Lead, **more: str) -> RecordAttempt:
    return RecordAttempt(world.attempt_id(), "main", lead, Booking("anna", Mode.MANUAL, **more))


async def test_a_lead_of_an_agents_is_not_the_pacers(world: World) -> None:
    await world.load(*(staged(n) for n in range(1, 6)))
    await lane(world, [1], mode="preview")
    await lane(world, [2], skills=("es",))
    await lane(world, [3], agent="anna")
    assert [one.lead_id for one in await world.claim()] == [4, 5]
    shown = await for_agent(world, "ben")
    assert shown is not None
    assert (shown.lead_id, shown.mode) == (1, Mode.PREVIEW)
    assert await for_agent(world, "ben") is None
    mine = await for_agent(world, own=True)
    assert mine is not None
    assert (mine.lead_id, mine.mode, mine.agent) == (3, None, "anna")
    spanish = await for_agent(world, "ben", skills=("es",))
    assert spanish is not None
    assert (spanish.lead_id, spanish.skills) == (2, ("es",))


async def test_a_queue_adds_its_skills_its_mode_and_its_rank(world: World) -> None:
    world.script.queue_rules = {
        "late": Queue("late", priority=5, mode="preview", skills=("senior",)),
        "early": Queue("early", priority=9, mode="preview"),
    }
    await world.load(*(staged(n, priority=n) for n in range(1, 5)))
    await lane(world, [1, 2], queue="late")
    await lane(world, [3, 4], queue="early")
    assert await world.claim() == ()
    first = await for_agent(world, skills=("senior",))
    assert first is not None
    assert first.lead_id == 4  # the higher queue, then the higher lead
    mine = await for_agent(world, queues=("late", "early"), skills=("senior",))
    assert mine is not None
    assert mine.lead_id == 2  # her own order goes before the queue's
    other = await for_agent(world, queues=("late",))
    assert other is None  # not senior
    assert await for_agent(world, "ben", queues=("else",)) is None


async def test_no_more_automatic_than_the_campaign(world: World) -> None:
    world.script.mode = Mode.PREVIEW
    await world.load(staged(1))
    await lane(world, [1], mode="predictive")
    assert await world.claim() == ()
    shown = await for_agent(world)
    assert shown is not None
    assert shown.mode is None  # as the campaign: preview


async def test_what_is_manual_is_offered_to_nobody(world: World) -> None:
    await world.load(staged(1))
    await lane(world, [1], mode="manual")
    assert await world.claim() == ()
    assert await for_agent(world) is None


async def test_a_phone_without_consent_goes_to_an_agent_and_the_next_one_is_dialled(
    world: World,
) -> None:
    await world.load(staged(1), staged(2))
    await world.store.database.write(
        lambda c: c.exec_driver_sql("UPDATE phones SET automatic = false WHERE lead_id = 1")
    )
    assert [one.lead_id for one in await world.claim()] == [2]
    shown = await for_agent(world)
    assert shown is not None
    assert (shown.lead_id, shown.mode, shown.automatic) == (1, Mode.PREVIEW, False)
    await world.give(RecordPreview("spring", shown, "anna", PreviewEnd.WITHDRAWN))
    await world.store.database.write(
        lambda c: c.exec_driver_sql("UPDATE phones SET automatic = true WHERE lead_id = 1")
    )
    assert await for_agent(world) is None  # it is in its old lane again
    assert [one.lead_id for one in await world.claim()] == [1]


async def test_a_lead_whose_zone_nobody_knows_goes_to_an_agent(world: World) -> None:
    await world.load(staged(1, zones="", held_why="time zone not known"))
    assert await world.store.give_to_people() == 0  # the campaign does not say where
    world.script.wide_zones = "Europe/Berlin"
    assert await world.store.give_to_people() == 1
    assert await world.claim() == ()
    shown = await for_agent(world)
    assert shown is not None
    assert (shown.mode, shown.zones) == (Mode.PREVIEW, "")


async def test_skips_go_back_and_then_to_a_supervisor(world: World) -> None:
    world.script.after_preview = AfterPreview(again_s=60.0, skips_max=2, escalate_to="boss")
    world.script.queue_rules = {"boss": Queue("boss", skills=("boss",))}
    await world.load(staged(1))
    await lane(world, [1], mode="preview")
    shown = await for_agent(world)
    assert shown is not None
    await world.give(RecordPreview("spring", shown, "anna", PreviewEnd.SKIPPED, "no time"))
    assert await for_agent(world) is None
    soon = timedelta(seconds=61)
    again = await for_agent(world, later=soon)
    assert again is not None
    await world.give(RecordPreview("spring", again, "anna", PreviewEnd.SKIPPED, "no time"))
    assert await for_agent(world, later=soon) is None
    boss = await for_agent(world, "boss", skills=("boss",))
    assert boss is not None
    assert (boss.queue, boss.mode) == ("boss", Mode.PREVIEW)
    ends = await world.rows("SELECT ended, reason FROM previews ORDER BY id")
    assert [tuple(row) for row in ends] == [("skipped", "no time")] * 2


async def test_a_callback_goes_first_when_it_is_due_and_only_to_its_agent(world: World) -> None:
    await world.load(staged(1), staged(2, priority=9))
    lead = next(one for one in await world.claim() if one.lead_id == 1)
    opened = attempt(world, lead)
    due = world.store.clock.utc() + timedelta(hours=1)
    said = disposition(opened, "callback", callback_at=due.isoformat(), mine=True)
    await world.give(opened, outcome(opened, Outcome.CONNECTED, agent="anna"), said)
    later = timedelta(hours=1, seconds=1)
    assert await for_agent(world, own=True) is None  # not yet
    assert await for_agent(world, "ben", later=later) is None  # not his
    mine = await for_agent(world, own=True, later=later)
    assert mine is not None
    assert (mine.lead_id, mine.callback, mine.agent) == (1, True, "anna")
    called = attempt(world, mine)
    await world.give(called, outcome(called, Outcome.NO_ANSWER))
    assert await world.value("SELECT state FROM callbacks") == "tried"
    assert await world.value("SELECT lane_id FROM leads WHERE id = 1") == 1


async def test_a_callback_whose_agent_does_not_come_is_anyones(world: World) -> None:
    await world.load(staged(1), staged(2, priority=9))
    claimed = await world.claim()
    opened = attempt(world, next(one for one in claimed if one.lead_id == 1))
    due = world.store.clock.utc() + timedelta(seconds=5)
    said = disposition(opened, "callback", callback_at=due.isoformat(), mine=True)
    await world.give(opened, outcome(opened, Outcome.CONNECTED, agent="anna"), said)
    await world.store.database.write(
        lambda c: c.exec_driver_sql("UPDATE callbacks SET anyone_ms = due_ms")
    )
    late = due + timedelta(minutes=1)
    assert await world.store.late_callbacks(due - timedelta(seconds=1)) == 0
    assert await world.store.late_callbacks(late) == 1
    assert await world.store.late_callbacks(late + timedelta(minutes=1)) == 0
    told = "SELECT type FROM crm_event WHERE type LIKE 'callback.%' ORDER BY seq"
    assert [row[0] for row in await world.rows(told)] == [
        "callback.scheduled", "callback.due", "callback.missed",
    ]  # fmt: skip
    world.store._callbacks_told = None  # a new life looks again, and tells nothing twice
    await world.store.late_callbacks(late)
    assert len(await world.rows(told)) == 3
    await world.store.database.write(
        lambda c: c.exec_driver_sql(
            "UPDATE leads SET state = 'waiting', claimed_by = NULL WHERE id = 2"
        )
    )
    offered = await world.store.claim_leads("spring", 2, late)
    assert [one.lead_id for one in offered.leads] == [1, 2]  # before a higher priority
    assert offered.leads[0].callback


async def test_a_call_by_hand_leaves_a_lead_as_it_was(world: World) -> None:
    context = world.store.context
    made = await world.store.database.write(
        lambda c: make(
            c, context, "spring", "+49301112223", "Europe/Berlin", world.store.clock.utc()
        )
    )
    again = await world.store.database.read(
        lambda c: find(c, context, "spring", phone="+49301112223")
    )
    assert again is not None
    assert again.lead_id == made.lead_id
    assert await world.claim() == ()
    opened = by_hand(world, made)
    assert await world.give(opened, outcome(opened, Outcome.NO_ANSWER)) == ["", ""]
    row = (await world.rows("SELECT state, why FROM leads"))[0]
    assert tuple(row) == ("held", "called by hand only")
    row = (await world.rows("SELECT mode, booked_for FROM attempts"))[0]
    assert tuple(row) == ("manual", "anna")


@pytest.mark.parametrize("how", ["waiting", "claimed"])
async def test_a_call_by_hand_takes_the_lead_wherever_it_is(world: World, how: str) -> None:
    await world.load(staged(1))
    lead = await world.store.database.read(
        lambda c: find(c, world.store.context, "spring", lead_id=1)
    )
    assert lead is not None
    in_hopper = await world.claim() if how == "claimed" else ()
    opened = by_hand(world, lead)
    assert await world.give(opened) == [""]
    for other in in_hopper:  # the pacer's own attempt comes too late
        assert await world.give(attempt(world, other)) == ["the lead is not claimed by this dialer"]
    assert (await world.give(by_hand(world, lead)))[0] != ""
    await world.give(outcome(opened, Outcome.NO_ANSWER))
    assert await world.value("SELECT state FROM leads") == "waiting"


async def test_no_call_by_hand_goes_round_a_stop(world: World) -> None:
    await world.load(staged(1), staged(2))
    context, now = world.store.context, world.store.clock.utc()
    first, second = [
        await world.store.database.read(lambda c, n=n: find(c, context, "spring", lead_id=n))
        for n in (1, 2)
    ]
    assert first is not None
    assert second is not None
    await world.store.database.write(
        lambda c: suppress(c, context, [first.phone], "crm", "spring", now)
    )
    await world.store.database.write(
        lambda c: c.exec_driver_sql(
            "UPDATE leads SET state = 'held', why = 'crm: dispute' WHERE id = 2"
        )
    )
    refused = await world.give(by_hand(world, first), by_hand(world, second))
    assert refused[0] == "the number is on the do-not-call list"
    assert refused[1] == "the CRM stopped the account: dispute"
    assert await world.value("SELECT count(*) FROM attempts") == 0


def _day_of(world: World) -> date:
    """Today by the called party's calendar, which may be tomorrow already."""
    return world.store.clock.utc().astimezone(ZoneInfo("Europe/Berlin")).date()


@pytest.mark.parametrize(
    ("paid", "state"),
    [
        ([("50.00", 0)], "kept"),
        ([("47.50", 0)], "kept"),  # 95 %
        ([("47.49", 0)], "active"),
        ([("20", 0), ("27.5", 1)], "kept"),  # together
        ([("50", -3)], "active"),  # before anything was promised
        ([("50", 9)], "active"),  # after its day and grace
        ([("40", 0), None], "kept"),  # the CRM does not say how much: it is taken for the rest
    ],
)
async def test_a_promise_is_kept_by_its_amount_in_time(
    world: World, paid: list[tuple[str, int] | None], state: str
) -> None:
    await world.load(staged(1, external_id="A1"))
    (lead,) = await world.claim()
    today = _day_of(world)
    opened = attempt(world, lead)
    due = (today + timedelta(days=2)).isoformat()
    said = replace(disposition(opened, "promise"), amount="50.00", due_on=due)
    await world.give(opened, outcome(opened, Outcome.CONNECTED, agent="anna"), said)
    now = world.store.clock.utc()
    for n, one in enumerate(paid):
        payment = one and Payment(Decimal(one[0]), today + timedelta(days=one[1]))
        stop = Stop(StopKind.PAYMENT, "crm", "A1", f"p{n}", payment=payment or None)
        for _ in range(2):  # told again it counts once
            await world.store.database.write(
                lambda c, stop=stop: put_stop(c, world.store.context, stop, now)
            )
    assert await world.value("SELECT state FROM promises") == state


async def test_a_promise_is_kept_or_broken(world: World) -> None:
    await world.load(staged(1), staged(2), staged(3))
    day = _day_of(world)
    for lead in await world.claim():
        opened = attempt(world, lead)
        said = replace(disposition(opened, "promise"), amount="50.00", due_on=day.isoformat())
        assert await world.give(opened, outcome(opened, Outcome.CONNECTED, agent="anna"), said) == [
            "",
            "",
            "",
        ]
    context, now = world.store.context, world.store.clock.utc()
    kept = await world.store.database.write(lambda c: keep_promises(c, context, [1], now))
    assert kept == 1
    assert await world.store.late_promises(now) == 0
    assert await world.store.late_promises(now + timedelta(days=3)) == 2
    assert await world.store.late_promises(now + timedelta(days=3)) == 0
    states = [row[0] for row in await world.rows("SELECT state FROM promises ORDER BY lead_id")]
    assert states == ["kept", "broken", "broken"]
    told = await world.rows("SELECT type FROM crm_event WHERE type LIKE 'promise.%' ORDER BY 1")
    assert [row[0] for row in told].count("promise.created") == 3
    assert [row[0] for row in told].count("promise.broken") == 2


async def test_the_hours_at_which_people_answer_are_learnt_and_used(world: World) -> None:
    await world.load(*(staged(n) for n in range(1, 4)))
    for lead, how in zip(
        await world.claim(), (Outcome.CONNECTED, Outcome.NO_ANSWER, Outcome.BUSY), strict=True
    ):
        opened = attempt(world, lead)
        await world.give(opened, outcome(opened, how, agent="anna"))
    calls, live = (await world.rows("SELECT sum(calls), sum(live) FROM answer_hours"))[0]
    assert (calls, live) == (3, 1)
    # Berlin's hour is a bad one now, New York's a good one: that goes first, whatever came first.
    known = world.store.context.campaigns["spring"]
    now = world.store.clock.utc()
    await world.load(staged(10), staged(11, zones="America/New_York"))
    known.rates = {
        now.astimezone(ZoneInfo("Europe/Berlin")).hour: 0.4,
        now.astimezone(ZoneInfo("America/New_York")).hour: 1.6,
    }
    assert [one.zones for one in await world.claim()] == ["America/New_York", "Europe/Berlin"]


def test_little_is_made_of_few_calls() -> None:
    rates = hour_rates({9: (1000, 100), 18: (1000, 300), 12: (2, 2)})
    assert rates[18] > 1.4 > 1.2 > rates[12] > 0.9 > rates[9]
    assert hour_rates({9: (10, 0)}) == {}


async def test_claims_nobody_holds_are_known(world: World) -> None:
    await world.load(staged(1), staged(2))
    lead, _ = await world.claim()
    assert await world.store.claimed() == {1, 2}
    await world.give(attempt(world, lead))
    assert await world.store.claimed() == {2}
