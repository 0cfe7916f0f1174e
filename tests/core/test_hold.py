"""On hold by the agent's wish, and a recording that begins on the way to the music and back."""

from __future__ import annotations

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.call import HELD_MAX_S
from dialer.core.states import AgentState, CallState
from tests.core.playbook import Scene
from tests.core.test_transfer import talking

Place = ev.ChannelPlace
HOLD, BACK = ev.HoldAsked("anna", True), ev.HoldAsked("anna", False)


def parted(floor: Scene, attempt: str, anna: str) -> Scene:
    """The Redirect took him out of the conversation: he is at the music, the agent's leg parked."""
    floor.tell(ev.LegUnbridged(attempt, "b1"), ev.LegUnbridged(anna, "b1"))
    return floor.tell(ev.LegParked(anna, "PJSIP/anna-1"), ev.LegParked(attempt, "PJSIP/t"))


def on_hold() -> tuple[Scene, str, str]:
    floor, attempt, anna, _ = talking()
    assert not floor.tell(HOLD).get(cmd.HoldCustomer).record
    parted(floor, attempt, anna).expect()
    assert floor.get(cmd.ShowHold).on
    assert (floor.state(), floor.floor.calls[attempt].state) == (AgentState.TALK, CallState.HELD)
    return floor, attempt, anna


def back(floor: Scene, attempt: str, anna: str) -> None:
    bridge = floor.get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (anna, attempt)
    floor.tell(ev.LegBridged(anna, "b2"), ev.LegBridged(attempt, "b2")).expect()
    call = floor.floor.calls[attempt]
    assert (floor.state(), call.state, call.consult) == (AgentState.TALK, CallState.TALKING, None)


def test_on_hold_and_back() -> None:
    floor, attempt, anna = on_hold()
    floor.tell(HOLD, ev.LegParked(anna, "PJSIP/anna-1")).expect()
    floor.tell(BACK)
    back(floor, attempt, anna)
    assert [c.on for c in floor.all if isinstance(c, cmd.ShowHold)] == [True, False]


def test_a_recording_begins_and_he_is_back_at_once_and_nobody_tells_of_a_hold() -> None:
    floor, attempt, anna, _ = talking()
    assert floor.tell(ev.RecordingAsked("anna")).get(cmd.HoldCustomer).record
    parted(floor, attempt, anna)
    assert floor.get(cmd.ShowRecording).attempt == attempt
    back(floor, attempt, anna)
    assert not [c for c in floor.all if isinstance(c, cmd.ShowHold)]


def test_on_hold_for_long_he_comes_back_before_the_message() -> None:
    floor, attempt, anna = on_hold()
    for _ in range(3):
        floor.wait(60.0)
        floor.tell(
            ev.LegChecked("main", attempt, ev.ChannelFound(attempt, "PJSIP/t", Place.PARKED))
        ).expect()
    floor.wait(HELD_MAX_S - 180.0)
    assert floor.floor.agents["anna"].notice
    back(floor, attempt, anna)


def test_his_agent_is_lost_meanwhile_and_another_has_him() -> None:
    floor, attempt, anna = on_hold()
    floor.tell(ev.LegHungUp(anna, 16))
    bridge = floor.get(cmd.Bridge)
    assert bridge.customer_leg == attempt
    assert bridge.agent_leg != anna
    floor.tell(ev.LegBridged(bridge.agent_leg, "b2"), ev.LegBridged(attempt, "b2"))
    assert floor.state("ben") is AgentState.TALK
    assert not floor.get(cmd.ShowHold).on


def test_he_hangs_up_on_the_music() -> None:
    floor, attempt, anna = on_hold()
    floor.wait(10.0).tell(ev.LegHungUp(attempt, 16))
    floor.tell(ev.LegChecked("main", anna, ev.ChannelFound(anna, "PJSIP/anna-1", Place.PARKED)))
    assert floor.state() is AgentState.WRAP_UP


def test_the_agent_hangs_him_up_on_the_music() -> None:
    floor, attempt, _ = on_hold()
    assert floor.tell(ev.HangUpPressed("anna")).get(cmd.HangUp).leg == attempt


@pytest.mark.parametrize("wish", [HOLD, ev.RecordingAsked("anna")])
def test_after_a_lost_link_he_comes_back(wish: ev.HoldAsked | ev.RecordingAsked) -> None:
    floor, attempt, anna, _ = talking()
    floor.tell(wish, ev.LinkLost("main", "reset"))
    floor.tell(
        ev.LinkResynced(
            "main",
            (
                ev.ChannelFound(attempt, "PJSIP/t", Place.PARKED),
                ev.ChannelFound(anna, "PJSIP/anna-1", Place.PARKED),
            ),
        )
    )
    if isinstance(wish, ev.HoldAsked):
        assert not [c for c in floor.said if isinstance(c, cmd.Bridge)]
        floor.tell(BACK)
    back(floor, attempt, anna)


@pytest.mark.parametrize("wish", [HOLD, BACK, ev.RecordingAsked("anna")])
def test_nothing_to_hold_is_held(wish: ev.Event) -> None:
    floor = Scene()
    floor.agent()
    floor.tell(wish).expect()
