"""A lead's way through the database, told as conversations."""

from __future__ import annotations

from datetime import timedelta

from dialer.core.commands import Progress, ReturnLeads, Timings
from dialer.core.outcomes import Outcome
from dialer.store import NextStep
from tests.store.world import World, attempt, disposition, outcome, progress, session, staged


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
