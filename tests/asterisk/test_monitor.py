"""Who really hears whom while a supervisor listens in, whispers and barges."""

from __future__ import annotations

import asyncio

import pytest

from dialer.ami import actions
from dialer.core.commands import ChangeMonitor, RingSupervisor
from dialer.core.modes import MonitorMode
from tests.asterisk.ears import Leg
from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk

LISTEN, WHISPER, BARGE = MonitorMode
SETTLE_S, LISTEN_S = 0.4, 1.5  # an end speaks ten times a second


async def heard(floor: Floor) -> dict[str, Leg]:
    """What each end hears in the next moment."""
    await asyncio.sleep(SETTLE_S)
    legs = {leg.who: leg for leg in floor.bench.ears.legs}
    for leg in legs.values():
        leg.voices.clear()
        leg.sound.frames = 0
    await asyncio.sleep(LISTEN_S)
    return legs


async def test_each_mode_is_heard_by_whom_it_should_be(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    await floor.connect("od-t-a1", agent, "od-t-c1")
    command = RingSupervisor("pbx", "od-t-s1", "agent02", "od-t-a1", "od-t-c1", LISTEN, 15.0)
    action = actions.supervisor_call(command)
    await floor.cmd.action(
        action.name,
        ActionID=action.action_id,
        variables=[f"{name}={value}" for name, value in action.variables.items()],
        **dict(action.headers),
    )
    for mode in (LISTEN, WHISPER, BARGE):
        if mode is not LISTEN:
            action = actions.change_monitor(ChangeMonitor("pbx", "od-t-s1", mode))
            (response,) = await floor.cmd.action(action.name, **dict(action.headers))
            assert response["Response"] == "Success", response
        await floor.evt.event("UserEvent", 5.0, Leg="od-t-s1", Mode=mode.value)
        legs = await heard(floor)
        agent_leg, customer, supervisor = legs["agent01"], legs["customer"], legs["agent02"]
        # A frame of one voice alone keeps its mark; two voices together are a sound of their own.
        assert supervisor.voices or supervisor.sound.frames, f"{mode}: the supervisor hears nothing"
        assert (agent_leg.sound.frames > 5) is (mode is not LISTEN), mode
        assert (customer.sound.frames > 5) is (mode is BARGE), mode
        if mode is LISTEN:
            assert agent_leg.voices.keys() == {("C", customer.serial)}
        if mode is not BARGE:
            assert customer.voices.keys() == {("A", agent_leg.serial)}
    await floor.hang_up("od-t-s1")
    await floor.gone("od-t-s1")
    legs = await heard(floor)
    assert legs["customer"].voices.keys() == {("A", legs["agent01"].serial)}
    assert legs["customer"].sound.frames == 0
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")
