"""Somebody outside is asked: one or the other, all three, the two alone; and what goes wrong."""

from __future__ import annotations

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.modes import MonitorMode
from dialer.core.states import AgentState, CallState, ConsultState
from tests.core.playbook import Scene
from tests.core.test_transfer import talking

Place = ev.ChannelPlace
ASK = ev.ConsultAsked("anna", number="+4930111200", name="Lawyer")
COMPLETE, BACK = ev.ConsultEnded("anna", True), ev.ConsultEnded("anna", False)
SWAP, JOIN = ev.SwapAsked("anna"), ev.JoinAsked("anna")


class Three:
    """Anna, her customer, and the lawyer."""

    def __init__(self) -> None:
        self.floor, self.attempt, self.anna, self.ben = talking()
        self.names = {
            self.attempt: "PJSIP/t",
            self.anna: "PJSIP/anna-1",
            self.ben: "PJSIP/ben-1",
        }

    @property
    def state(self) -> ConsultState | None:
        call = self.floor.floor.calls.get(self.attempt)
        return None if call is None or call.consult is None else call.consult.state

    @property
    def customer(self) -> CallState:
        return self.floor.floor.calls[self.attempt].state

    def together(self, one: str, other: str) -> None:
        """The one Bridge just commanded, of these two."""
        bridge = self.floor.get(cmd.Bridge)
        assert (bridge.agent_leg, bridge.customer_leg) == (one, other)
        self.floor.tell(ev.LegBridged(one, "b9"), ev.LegBridged(other, "b9"))

    def parks(self, *legs: str) -> None:
        for leg in legs:
            self.floor.tell(ev.LegUnbridged(leg, "b"), ev.LegParked(leg, self.names[leg]))

    def rings(self) -> None:
        self.floor.tell(ASK).expect(cmd.HoldCustomer)
        self.parks(self.attempt, self.anna)
        ring = self.floor.get(cmd.RingOutside)
        assert (ring.number, ring.trunk) == ("+4930111200", "trunk")
        self.third = ring.leg
        self.names[self.third] = "PJSIP/trunk-9"
        assert self.state is ConsultState.DIALLING
        assert self.floor.floor.trunk("main", "trunk").in_use == 2

    def asks(self) -> None:
        self.rings()
        self.floor.tell(ev.LegAnswered(self.third, "PJSIP/trunk-9"))
        self.floor.tell(ev.LegParked(self.third, "PJSIP/trunk-9"))
        self.together(self.anna, self.third)
        assert (self.state, self.customer) == (ConsultState.TALKING, CallState.HELD)

    def swaps(self) -> None:
        self.asks()
        self.floor.tell(SWAP)
        self.together(self.anna, self.attempt)
        self.parks(self.third)
        assert (self.state, self.customer) == (ConsultState.WITH_CUSTOMER, CallState.TALKING)

    def joins(self, *, swapped: bool = False) -> None:
        self.swaps() if swapped else self.asks()
        self.floor.tell(JOIN)
        self.together(self.third, self.attempt)
        self.parks(self.anna)
        assert self.floor.get(cmd.JoinTalk).customer_leg == self.attempt
        self.floor.tell(ev.MonitorBegan(self.anna, MonitorMode.BARGE))
        assert (self.state, self.customer) == (ConsultState.JOINED, CallState.TALKING)
        assert self.floor.state() is AgentState.TALK

    def is_back(self) -> None:
        """He talks to anna alone, and nobody else is on a line of ours."""
        self.together(self.anna, self.attempt)
        assert (self.state, self.customer) == (None, CallState.TALKING)
        assert self.floor.state() is AgentState.TALK
        self.third_goes()

    def third_goes(self) -> None:
        hung = [c.leg for c in self.floor.all if isinstance(c, cmd.HangUp)]
        if self.third in self.floor.floor.third_of_leg:
            assert self.third in hung
            self.floor.tell(ev.LegHungUp(self.third, 16))
        assert self.attempt not in hung
        assert not self.floor.floor.third_of_leg
        assert self.floor.floor.trunk("main", "trunk").in_use == 1


@pytest.fixture
def three() -> Three:
    return Three()


def test_asked_and_handed_over_and_over_with_him(three: Three) -> None:
    three.asks()
    three.floor.tell(COMPLETE)
    three.together(three.third, three.attempt)
    assert three.floor.get(cmd.ShowTransfer).to_outside == "Lawyer"
    three.parks(three.anna)
    assert three.floor.state() is AgentState.WRAP_UP
    assert three.customer is CallState.HANDED_ON
    three.floor.tell(ev.LegUnbridged(three.attempt, "b9"))
    assert three.floor.get(cmd.HangUp).leg == three.attempt
    three.floor.tell(ev.LegParked(three.attempt, "PJSIP/t"), ev.LegHungUp(three.third, 16))
    three.floor.tell(ev.LegHungUp(three.attempt, 16))
    assert not three.floor.floor.calls
    assert three.floor.floor.trunk("main", "trunk").in_use == 0


@pytest.mark.parametrize("swapped", [False, True])
def test_three_together_and_the_agent_leaves(three: Three, swapped: bool) -> None:
    three.joins(swapped=swapped)
    assert three.floor.tell(COMPLETE).get(cmd.ParkAgent).leg == three.anna
    three.parks(three.anna)
    assert (three.floor.state(), three.customer) == (AgentState.WRAP_UP, CallState.HANDED_ON)
    assert not [c for c in three.floor.all if isinstance(c, cmd.HangUp)]


def test_back_and_forth_and_back_to_the_customer(three: Three) -> None:
    three.swaps()
    three.floor.tell(SWAP)
    three.together(three.anna, three.third)
    three.parks(three.attempt)
    assert (three.state, three.customer) == (ConsultState.TALKING, CallState.HELD)
    three.floor.tell(BACK)
    three.is_back()


def test_given_up_while_it_rings(three: Three) -> None:
    three.rings()
    three.floor.tell(BACK)
    three.is_back()


def test_given_up_with_the_customer(three: Three) -> None:
    three.swaps()
    three.floor.tell(BACK)
    assert (three.state, three.customer) == (None, CallState.TALKING)
    three.third_goes()


@pytest.mark.parametrize("how", ["cancelled", "the third hangs up"])
def test_three_part_and_the_customer_is_back(three: Three, how: str) -> None:
    three.joins()
    if how == "cancelled":
        three.floor.tell(BACK)
    else:
        three.floor.tell(ev.LegUnbridged(three.attempt, "b9"))
    assert three.floor.get(cmd.ParkAgent).leg == three.anna
    three.floor.tell(ev.LegHungUp(three.third, 16))
    three.parks(three.attempt)
    three.floor.tell(ev.LegParked(three.anna, "PJSIP/anna-1"))
    three.is_back()


@pytest.mark.parametrize(
    "end",
    [
        lambda leg: ev.OriginateFailed(leg),
        lambda leg: ev.LegHungUp(leg, 17),
        lambda leg: ev.LegChecked("main", leg, None),
    ],
)
def test_busy_or_nobody_there(three: Three, end: object) -> None:
    three.rings()
    three.floor.tell(end(three.third))  # type: ignore[operator]
    assert "Lawyer" in three.floor.floor.agents["anna"].notice
    three.is_back()


def test_the_third_hangs_up_while_he_is_asked(three: Three) -> None:
    three.asks()
    three.floor.tell(ev.LegHungUp(three.third, 16))
    three.parks(three.anna)
    three.is_back()


def test_the_third_hangs_up_on_the_music(three: Three) -> None:
    three.swaps()
    three.floor.tell(ev.LegHungUp(three.third, 16))
    assert (three.state, three.customer) == (None, CallState.TALKING)
    three.third_goes()


@pytest.mark.parametrize("when", ["rings", "asks", "swaps", "joins"])
def test_the_customer_hangs_up(three: Three, when: str) -> None:
    getattr(three, when)()
    three.floor.wait(6.0).tell(ev.LegHungUp(three.attempt, 16))
    assert three.third in {c.leg for c in three.floor.said if isinstance(c, cmd.HangUp)}
    three.floor.tell(ev.LegHungUp(three.third, 16))
    three.floor.tell(ev.LegParked(three.anna, "PJSIP/anna-1"))
    parked = ev.ChannelFound(three.anna, "PJSIP/anna-1", Place.PARKED)
    three.floor.wait(3.0).tell(ev.LegChecked("main", three.anna, parked))
    assert three.floor.state() is AgentState.WRAP_UP
    assert not three.floor.floor.third_of_leg
    assert three.floor.floor.trunk("main", "trunk").in_use == 0


@pytest.mark.parametrize("when", ["rings", "asks", "swaps"])
def test_the_agents_browser_is_closed_and_another_has_the_customer(three: Three, when: str) -> None:
    getattr(three, when)()
    before = len(three.floor.all)
    if when == "swaps":
        three.floor.tell(ev.LegUnbridged(three.attempt, "b9"))
    three.floor.tell(ev.LegHungUp(three.anna, 16))
    if when == "swaps":
        three.floor.tell(ev.LegParked(three.attempt, "PJSIP/t"))
    after = three.floor.all[before:]
    assert three.third in {c.leg for c in after if isinstance(c, cmd.HangUp)}
    (bridge,) = [c for c in after if isinstance(c, cmd.Bridge)]
    assert (bridge.agent_leg, bridge.customer_leg) == (three.ben, three.attempt)


def test_the_agents_browser_is_closed_and_customer_and_third_go_on(three: Three) -> None:
    three.joins()
    three.floor.tell(ev.LegHungUp(three.anna, 16)).get(cmd.ShowTransfer)
    assert three.customer is CallState.HANDED_ON
    assert not [c for c in three.floor.all if isinstance(c, cmd.HangUp)]


@pytest.mark.parametrize("wish", [SWAP, JOIN, COMPLETE])
def test_what_cannot_be_bridged_leaves_the_customer_to_the_agent(
    three: Three, wish: ev.Event
) -> None:
    three.asks()
    bridge = three.floor.tell(wish).get(cmd.Bridge)
    three.floor.tell(ev.BridgeFailed(bridge.agent_leg, three.attempt, "Channel1 does not exist"))
    three.is_back()


@pytest.mark.parametrize("wish", [JOIN, COMPLETE])
def test_from_the_customer_what_cannot_be_bridged_leaves_him_there(
    three: Three, wish: ev.Event
) -> None:
    three.swaps()
    bridge = three.floor.tell(wish).get(cmd.Bridge)
    three.floor.tell(ev.BridgeFailed(bridge.agent_leg, three.attempt, "Channel1 does not exist"))
    assert (three.state, three.customer) == (None, CallState.TALKING)
    three.third_goes()


@pytest.mark.parametrize("when", ["rings", "asks", "swaps", "joins"])
@pytest.mark.parametrize("third_lives", [True, False])
def test_after_a_lost_link_he_is_with_somebody(three: Three, when: str, third_lives: bool) -> None:
    getattr(three, when)()
    peers = {
        "rings": {},
        "asks": {three.anna: three.third, three.third: three.anna},
        "swaps": {three.anna: three.attempt, three.attempt: three.anna},
        "joins": {three.attempt: three.third, three.third: three.attempt},
    }[when]
    floor = three.floor
    floor.tell(ev.LinkLost("main", "reset"))
    found = []
    for leg in (three.attempt, three.anna, three.ben, three.third):
        peer = peers.get(leg, "")
        if three.third in (leg, peer) and not third_lives:
            peer = ""
        if leg == three.third and not third_lives:
            continue
        place = Place.TALKING if peer else Place.PARKED
        if leg == three.anna and when == "joins":
            place = Place.DIALPLAN
        found.append(ev.ChannelFound(leg, three.names[leg], place, peer))
    floor.tell(ev.LinkResynced("main", tuple(found)))
    if when == "joins" and third_lives:
        assert (three.state, floor.state()) == (ConsultState.JOINED, AgentState.TALK)
        return
    if when == "joins":
        assert floor.get(cmd.ParkAgent).leg == three.anna
        three.parks(three.anna)
    if when == "rings" and third_lives:
        three.together(three.anna, three.third)  # he has answered meanwhile
    if when in ("rings", "asks") and third_lives:
        assert (three.state, three.customer) == (ConsultState.TALKING, CallState.HELD)
        floor.tell(BACK)
    if when != "swaps":
        three.together(three.anna, three.attempt)
    assert (three.state, three.customer) == (None, CallState.TALKING)
    three.third_goes()


def test_a_new_life_lets_customer_and_third_go_on_and_the_agent_leave(three: Three) -> None:
    floor = Scene()
    lead = ev.Lead(900, "spring", "+493000900", 900, 1)
    attempt, anna, third = "od-old-c0000001", "od-old-a0000001", "od-old-t0000002"
    floor.tell(ev.AgentRecovered("anna", anna, "main", "anna", ("spring",), ev.Status.READY))
    floor.tell(ev.ScreenBack("anna"))
    floor.tell(ev.AttemptRecovered(attempt, "main", lead, "anna", True, True, True, 30.0))
    floor.tell(
        ev.LinkResynced(
            "main",
            (
                ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, third),
                ev.ChannelFound(anna, "PJSIP/anna-1", Place.DIALPLAN),
                ev.ChannelFound(third, "PJSIP/o", Place.TALKING, attempt),
            ),
        )
    )
    floor.expect(cmd.ParkAgent)
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    assert floor.state() is AgentState.WRAP_UP
    floor.tell(ev.LegUnbridged(attempt, "b"), ev.LegParked(attempt, "PJSIP/t"))
    assert floor.floor.calls[attempt].state is CallState.WAITING
    floor.tell(ev.LegUnbridged(third, "b"), ev.LegParked(third, "PJSIP/o"))
    assert floor.get(cmd.HangUp).leg == third, "nobody is left who would end his music"
    floor.tell(ev.LegHungUp(third, 16))
    assert not floor.floor.left_over


@pytest.mark.parametrize("when", ["swaps", "joins"])
@pytest.mark.parametrize(
    "wish",
    [
        ev.ConsultAsked("anna", "ben"),
        ev.TransferAsked("anna", to_agent="ben"),
        ev.HoldAsked("anna", True),
        ev.RecordingAsked("anna"),
        ASK,
    ],
)
def test_nothing_else_is_begun_meanwhile(three: Three, when: str, wish: ev.Event) -> None:
    getattr(three, when)()
    before = three.state
    three.floor.tell(wish).expect()
    assert three.state is before


def test_no_line_no_question(three: Three) -> None:
    three.floor.tell(ev.TrunkConfigured("main", "trunk", 1, 10.0)).tell(ASK).expect()
    assert "lines are in use" in three.floor.floor.agents["anna"].notice
