"""What a customer hears who is sent on to a number outside: it rings, somebody speaks, or music."""

from __future__ import annotations

import asyncio

import pytest

from dialer.ami import actions
from dialer.core.commands import SendOut
from dialer.server.recordings import found
from tests.asterisk.ears import Leg
from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk


async def send_out(floor: Floor, leg: str, channel: str, number: str) -> None:
    action = actions.send_out(SendOut("pbx", leg, channel, number))
    (response,) = await floor.cmd.action(action.name, **dict(action.headers))
    assert response["Response"] == "Success", response


async def heard_by(leg: Leg, seconds: float) -> Leg:
    leg.voices.clear()
    leg.sound.frames = leg.silence.frames = 0
    await asyncio.sleep(seconds)
    return leg


async def test_on_hold_he_hears_music_and_nobody(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    channel = await floor.connect("od-t-a1", agent, "od-t-c1")
    await asyncio.sleep(0.5)
    (customer,) = [one for one in floor.bench.ears.legs if one.who == "customer"]
    action = actions.hold_customer(channel)
    await floor.cmd.action(action.name, **dict(action.headers))
    await asyncio.sleep(0.7)
    waits = await heard_by(customer, 2.5)
    assert waits.sound.frames > 100
    assert not waits.voices
    await floor.bridge(agent, channel)
    await asyncio.sleep(0.5)
    talks = await heard_by(customer, 1.0)
    assert [kind for kind, _ in talks.voices] == ["A"]
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")


async def test_ringing_then_a_voice_and_ringing_then_music(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    for n, behaviour in enumerate(("slow-answer", "busy")):
        leg = f"od-t-c{n}"
        await floor.call(leg, "talk", n, OD_TRUNK=floor.bench.trunk)
        start = len(floor.evt.messages)
        channel = (await floor.parked(leg))["Channel"]
        await floor.bridge(agent, channel)
        await floor.talking("od-t-a1", leg)
        await asyncio.sleep(0.5)
        customer = [one for one in floor.bench.ears.legs if one.who == "customer"][-1]
        await send_out(floor, leg, channel, floor.bench.number_for(behaviour, 7))
        await floor.parked("od-t-a1", start=start)  # free at once
        if behaviour == "slow-answer":
            rings = await heard_by(customer, 2.0)
            assert rings.sound.frames > 20, "the ringing is heard"
            await asyncio.sleep(3.0)
            talks = await heard_by(customer, 1.0)
            (voice,) = talks.voices
            assert voice[0] == "C", "who was called outside speaks"
            await floor.evt.event("Hangup", 10.0, Uniqueid=leg)  # ... for three seconds
        else:
            await floor.parked(leg, start=start + 1)
            await asyncio.sleep(1.5)
            waits = await heard_by(customer, 3.0)
            assert waits.sound.frames > 100, "music, and no silence"
            assert not waits.voices
            await floor.hang_up(leg)
        await floor.gone(leg)


async def test_a_recording_that_an_agent_begins_is_a_file_and_closed_when_it_is_ended(
    floor: Floor,
) -> None:
    """Begun on the way to the music, so that the manager's user needs no right to begin one."""
    agent = await floor.log_in("od-t-a1", "agent01")
    channel = await floor.connect("od-t-a1", agent, "od-t-c1")
    monitor = floor.bench.work / "spool" / "monitor"
    start = len(floor.evt.messages)
    action = actions.hold_customer(channel, record=True)
    await floor.cmd.action(action.name, **dict(action.headers))
    await floor.parked("od-t-c1", start=start)
    await floor.parked("od-t-a1", start=start)
    await floor.bridge(agent, channel)
    await asyncio.sleep(1.5)
    assert found(monitor, "od-t-c1") == ([], 1), "open: not told yet"
    end = actions.end_recording("od-t-c1")
    (response,) = await floor.cmd.action(end.name, **dict(end.headers))
    assert response["Response"] == "Success", response
    async with asyncio.timeout(5):
        while not found(monitor, "od-t-c1")[0]:  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.05)
    (closed,) = found(monitor, "od-t-c1")[0]
    assert 0.0 < closed.duration_s < 4.0  # the bench speaks one frame in five
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")
