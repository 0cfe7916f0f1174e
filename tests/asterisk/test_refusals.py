"""Every way a call can fail to be answered, from the carrier's SIP to the one right outcome."""

from __future__ import annotations

import asyncio

import pytest

from dialer.core.outcomes import Outcome, unanswered_outcome
from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk

RING_LIMIT_MS = 2_500
# behaviour of the carrier: Hangup's Cause and TechCause, and the outcome
TABLE: dict[str, tuple[str, str, Outcome]] = {
    "busy": ("17", "486", Outcome.BUSY),
    "busy-at-once": ("17", "486", Outcome.BUSY),
    "busy-everywhere": ("17", "600", Outcome.BUSY),
    "invalid": ("1", "404", Outcome.INVALID),
    "gone": ("22", "410", Outcome.INVALID),
    "incomplete": ("28", "484", Outcome.INVALID),
    "does-not-exist": ("1", "604", Outcome.INVALID),
    "no-answer-480": ("19", "480", Outcome.NO_ANSWER),
    "unreachable-480": ("19", "480", Outcome.UNREACHABLE),
    "request-timeout": ("18", "408", Outcome.UNREACHABLE),
    "congestion": ("34", "503", Outcome.CONGESTION),
    "server-error": ("38", "500", Outcome.CONGESTION),
    "rejected": ("21", "603", Outcome.REJECTED),
    "forbidden": ("21", "403", Outcome.REJECTED),
    "blocked-by-user": ("127", "607", Outcome.BLOCKED_BY_USER),
    "blocked-analytics": ("127", "608", Outcome.BLOCKED_ANALYTICS),
    "redirect": ("23", "302", Outcome.REDIRECTED),
    "not-acceptable": ("58", "488", Outcome.TRUNK_CONFIG),
    "ring-forever": ("19", "480", Outcome.NO_ANSWER),  # our own limit; no 480 was received
    "silence": ("19", "480", Outcome.UNREACHABLE),  # likewise
}


async def test_each_refusal_ends_with_its_cause_and_outcome(floor: Floor) -> None:
    # Of one width: an id that begins a living leg's is a duplicate to Asterisk.
    legs = {behaviour: f"od-t-c{n:02d}" for n, behaviour in enumerate(TABLE)}
    for behaviour, leg in legs.items():
        response = await floor.call(leg, behaviour, timeout_ms=RING_LIMIT_MS)
        assert response["Response"] == "Success"
    got = {}
    for behaviour, leg in legs.items():
        hangup = await floor.gone(leg)
        rang = any(
            m["DialStatus"] in {"RINGING", "PROGRESS"}
            for m in floor.evt.events("DialState", DestUniqueid=leg)
        )
        if behaviour == "redirect" and "TechCause" not in hangup:
            # Now and then Asterisk tells of a 302 by DialEnd's Forward alone; the translation in
            # dialer/ami reads it there.
            (end,) = floor.evt.events("DialEnd", DestUniqueid=leg)
            assert end["Forward"]
            hangup = {"Cause": "23", "TechCause": "302"}
        cause, tech = hangup["Cause"], hangup["TechCause"]
        got[behaviour] = (cause, tech, unanswered_outcome(int(cause), int(tech), rang))
        (response,) = floor.evt.events("OriginateResponse", Uniqueid=leg)
        assert response["Response"] == "Failure"
        assert response["ActionID"] == leg
    assert got == TABLE
    assert not floor.evt.events("UserEvent")


async def test_a_carrier_cannot_make_us_dial_by_a_302(floor: Floor) -> None:
    await floor.call("od-t-c1", "redirect")
    await floor.gone("od-t-c1")
    await asyncio.sleep(0.5)
    assert floor.bench.calls(floor.bench.number_for("redirect"))
    assert not floor.bench.calls(floor.bench.number_for("talk"))  # where the 302 pointed to


async def test_the_same_leg_id_cannot_ring_twice(floor: Floor) -> None:
    """A repeated Originate reaches nobody; its Failure carries the id of the leg that lives."""
    await floor.call("od-t-c1", "talk")
    await floor.parked("od-t-c1")
    await floor.call("od-t-c1", "talk", 1)
    await floor.evt.event("OriginateResponse", Uniqueid="od-t-c1", Response="Failure")
    assert not floor.bench.calls(floor.bench.number_for("talk", 1))
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")


@pytest.mark.parametrize(
    "bench", [{"phone_behaviour": {"agent01": "busy", "agent02": "rings"}}], indirect=True
)
async def test_a_phone_that_is_busy_or_does_not_answer(floor: Floor) -> None:
    await floor.originate("od-t-a1", "PJSIP/agent01", "overdial-agent")
    await floor.originate("od-t-a2", "PJSIP/agent02", "overdial-agent", timeout_ms=1000)
    assert (await floor.gone("od-t-a1"))["Cause"] == "17"
    assert (await floor.gone("od-t-a2"))["Cause"] == "19"
