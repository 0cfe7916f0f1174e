"""Warm hand-over: an agent asks another while the customer hears music; and whatever goes wrong."""

from __future__ import annotations

import itertools

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import (
    CONSULT,
    AgentState,
    CallState,
    ConsultSignal,
    ConsultState,
    next_consult_state,
)
from tests.core.playbook import Scene
from tests.core.test_transfer import talking

Place = ev.ChannelPlace
ASK = ev.ConsultAsked("anna", "ben")
COMPLETE, BACK = ev.ConsultEnded("anna", True), ev.ConsultEnded("anna", False)


def on_hold() -> tuple[Scene, str, str, str]:
    """The customer hears music, the two are being bridged."""
    floor, attempt, anna, ben = talking()
    floor.tell(ASK).expect(cmd.HoldCustomer)
    floor.tell(ev.LegUnbridged(attempt, "b1"), ev.LegUnbridged(anna, "b1"))
    floor.tell(ev.LegParked(attempt, "PJSIP/t")).expect()
    bridge = floor.tell(ev.LegParked(anna, "PJSIP/anna-1")).expect(cmd.Bridge).get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (anna, ben)
    return floor, attempt, anna, ben


def asking() -> tuple[Scene, str, str, str]:
    """Anna and ben talk about the customer, whom ben sees."""
    floor, attempt, anna, ben = on_hold()
    floor.tell(ev.LegBridged(anna, "b2"), ev.LegBridged(ben, "b2")).expect(cmd.PopScreen)
    assert floor.get(cmd.PopScreen).agent == "ben"
    assert (floor.state(), floor.state("ben")) == (AgentState.TALK, AgentState.TALK)
    assert floor.floor.calls[attempt].state is CallState.HELD
    return floor, attempt, anna, ben


def nobody_is_left(floor: Scene, attempt: str, *, anna: AgentState, ben: AgentState) -> None:
    assert (floor.state(), floor.state("ben")) == (anna, ben)
    call = floor.floor.calls.get(attempt)
    assert call is None or call.consult is None


@pytest.mark.parametrize(("state", "signal"), list(itertools.product(ConsultState, ConsultSignal)))
def test_every_state_by_every_signal(state: ConsultState, signal: ConsultSignal) -> None:
    assert next_consult_state(state, signal) is CONSULT[state].get(signal, state)


def test_asked_and_handed_over() -> None:
    floor, attempt, anna, ben = asking()
    bridge = floor.tell(COMPLETE).expect(cmd.Bridge).get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (ben, attempt)
    floor.tell(ev.LegUnbridged(ben, "b2"), ev.LegUnbridged(anna, "b2"))
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    floor.tell(ev.LegBridged(ben, "b3"), ev.LegBridged(attempt, "b3"))
    floor.expect(cmd.ShowTransfer, cmd.PopScreen)
    nobody_is_left(floor, attempt, anna=AgentState.WRAP_UP, ben=AgentState.TALK)
    assert floor.floor.calls[attempt].agent == "ben"
    floor.tell(ev.LegHungUp(attempt, 16), ev.LegParked(ben, "PJSIP/ben-1"))
    assert floor.state("ben") is AgentState.WRAP_UP


def test_asked_and_taken_back() -> None:
    floor, attempt, anna, ben = asking()
    floor.tell(BACK)
    assert floor.get(cmd.Bridge).agent_leg == anna
    floor.tell(ev.LegUnbridged(anna, "b2"), ev.LegUnbridged(ben, "b2"))
    floor.tell(ev.LegParked(ben, "PJSIP/ben-1"))
    assert floor.state("ben") is AgentState.READY  # nothing to write up
    floor.tell(ev.LegBridged(anna, "b3"), ev.LegBridged(attempt, "b3"))
    assert "anna" in {c.agent for c in floor.said if isinstance(c, cmd.ShowAgent)}, "the screen"
    nobody_is_left(floor, attempt, anna=AgentState.TALK, ben=AgentState.READY)
    assert floor.floor.calls[attempt].state is CallState.TALKING


def test_the_other_hangs_up_and_the_customer_is_back() -> None:
    floor, _, anna, ben = asking()
    floor.tell(ev.LegHungUp(ben, 16), ev.LegUnbridged(anna, "b2"))
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    assert floor.get(cmd.Bridge).agent_leg == anna


def test_the_two_cannot_be_bridged() -> None:
    floor, attempt, anna, ben = on_hold()
    floor.tell(ev.BridgeFailed(anna, ben, "Channel2 does not exist"))
    bridge = floor.get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (anna, attempt)


def test_the_one_who_asked_is_lost_and_the_other_gets_him() -> None:
    floor, attempt, anna, ben = asking()
    floor.tell(ev.LegHungUp(anna, 16))
    bridge = floor.get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (ben, attempt)
    floor.tell(ev.LegBridged(ben, "b3"), ev.LegBridged(attempt, "b3"))
    nobody_is_left(floor, attempt, anna=AgentState.PHONE_LOST, ben=AgentState.TALK)


def test_he_hangs_up_on_the_music() -> None:
    floor, attempt, anna, ben = asking()
    floor.tell(ev.LegHungUp(attempt, 16))
    assert floor.get(cmd.ParkAgent).leg == anna
    floor.tell(ev.LegParked(ben, "PJSIP/ben-1"), ev.LegParked(anna, "PJSIP/anna-1"))
    nobody_is_left(floor, attempt, anna=AgentState.WRAP_UP, ben=AgentState.READY)


def test_he_hangs_up_on_his_way_to_the_music() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(ASK, ev.LegUnbridged(attempt, "b1"), ev.LegHungUp(attempt, 16))
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    nobody_is_left(floor, attempt, anna=AgentState.WRAP_UP, ben=AgentState.READY)


def test_the_customer_cannot_be_given_and_is_taken_back_or_for_whoever_is_free() -> None:
    floor, attempt, anna, ben = asking()
    floor.tell(COMPLETE, ev.BridgeFailed(ben, attempt, "Channel1 does not exist"))
    assert [c.agent_leg for c in floor.said if isinstance(c, cmd.Bridge)] == [ben, anna]
    floor.tell(ev.BridgeFailed(anna, attempt, "Channel1 does not exist"))
    assert floor.floor.calls[attempt].state is CallState.WAITING
    floor.tell(ev.LegParked(ben, "PJSIP/ben-1"))
    assert floor.get(cmd.Bridge).agent_leg == ben


def test_a_reserved_agent_is_kept_while_the_customer_goes_to_the_music() -> None:
    floor, _, _, ben = talking()
    floor.tell(ASK).wait(1.2)
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    assert floor.state("ben") is AgentState.RESERVED
    floor.tell(ev.TransferAsked("anna", to_agent="ben"), ASK).expect()


def test_a_redirect_that_did_nothing_ends_the_asking() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(ASK).wait(2.5)
    found = ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, anna)
    floor.tell(ev.LegChecked("main", attempt, found))
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    nobody_is_left(floor, attempt, anna=AgentState.TALK, ben=AgentState.READY)


@pytest.mark.parametrize("pressed", [None, BACK, COMPLETE])
def test_after_a_lost_link_the_customer_comes_back(pressed: ev.ConsultEnded | None) -> None:
    floor, attempt, anna, ben = asking()
    if pressed is not None:
        floor.tell(pressed)
    floor.tell(ev.LinkLost("main", "reset"))
    legs = ((attempt, "PJSIP/t"), (anna, "PJSIP/anna-1"), (ben, "PJSIP/ben-1"))
    parked = tuple(ev.ChannelFound(leg, name, Place.PARKED) for leg, name in legs)
    floor.tell(ev.LinkResynced("main", parked))
    assert floor.get(cmd.Bridge).agent_leg == anna
    assert floor.state("ben") is AgentState.READY
    floor.tell(ev.LegBridged(anna, "b4"), ev.LegBridged(attempt, "b4"))
    nobody_is_left(floor, attempt, anna=AgentState.TALK, ben=AgentState.READY)


def test_a_new_life_parts_the_two_and_gives_the_customer_back() -> None:
    floor = Scene()
    lead = ev.Lead(900, "spring", "+493000900", 900, 1)
    attempt, anna, ben = "od-old-c0000001", "od-old-a0000001", "od-old-a0000002"
    for name, leg in (("anna", anna), ("ben", ben)):
        floor.tell(ev.AgentRecovered(name, leg, "main", name, ("spring",), ev.Status.READY))
        floor.tell(ev.ScreenBack(name))
    floor.tell(ev.AttemptRecovered(attempt, "main", lead, "anna", True, True, True, 30.0))
    floor.tell(
        ev.LinkResynced(
            "main",
            (
                ev.ChannelFound(attempt, "PJSIP/t", Place.PARKED),
                ev.ChannelFound(anna, "PJSIP/anna-1", Place.TALKING, ben),
                ev.ChannelFound(ben, "PJSIP/ben-1", Place.TALKING, anna),
            ),
        )
    )
    assert floor.get(cmd.ParkAgent).leg == anna
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    assert floor.get(cmd.Bridge).customer_leg == attempt
