"""What an agent asks of the PBX during a call, with the privileges the command link has."""

from __future__ import annotations

import pytest

from dialer.ami import actions
from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk


async def test_keys_and_a_silent_recording_are_allowed_to_the_command_link(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    await floor.call("od-t-c1", "talk", OD_REC="1")
    channel = (await floor.parked("od-t-c1"))["Channel"]
    await floor.bridge(agent, channel)
    await floor.talking("od-t-a1", "od-t-c1")
    for action in (
        actions.digit("od-t-c1", "5"),
        actions.mute_recording("od-t-c1", muted=True),
        actions.mute_recording("od-t-c1", muted=False),
    ):
        (response,) = await floor.cmd.action(action.name, **dict(action.headers))
        assert response["Response"] == "Success", response
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")


async def test_a_call_without_a_recording_says_so(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    await floor.connect("od-t-a1", agent, "od-t-c1")
    action = actions.mute_recording("od-t-c1", muted=True)
    (response,) = await floor.cmd.action(action.name, **dict(action.headers))
    assert response["Response"] == "Error"
    assert response["Message"] != "Permission denied"
