"""A customer is handed on: to another agent, to a queue, to a number outside; and when it fails."""

from __future__ import annotations

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import AgentState, CallState
from dialer.snapshot import TalkEnded
from tests.core.playbook import Scene

Place = ev.ChannelPlace
OUT = ev.TransferAsked("anna", number="+493012345678", name="Head office")
TO_BEN = ev.TransferAsked("anna", to_agent="ben")


def talking(ben: bool = True) -> tuple[Scene, str, str, str]:
    """Anna talks, ben is ready: scene, attempt, the two legs."""
    floor = Scene()
    anna = floor.agent()
    attempt = floor.dial()
    floor.talk(attempt, anna)
    return floor, attempt, anna, floor.agent("ben", ready=ben)


def call_of(floor: Scene, attempt: str) -> CallState:
    return floor.floor.calls[attempt].state


def test_to_another_agent_by_one_bridge() -> None:
    floor, attempt, anna, ben = talking()
    bridge = floor.tell(TO_BEN).expect(cmd.Bridge).get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (ben, attempt)
    assert (floor.state(), floor.state("ben")) == (AgentState.TALK, AgentState.RESERVED)
    floor.handed_on(attempt, anna, ben).expect(cmd.ShowTransfer, cmd.PopScreen)
    assert floor.get(cmd.PopScreen).agent == "ben"
    assert (floor.state(), floor.state("ben")) == (AgentState.WRAP_UP, AgentState.TALK)
    assert call_of(floor, attempt) is CallState.TALKING
    floor.tell(ev.DispositionChosen("anna", attempt, "passed on")).expect()
    assert floor.state() is AgentState.READY
    floor.tell(ev.HangUpPressed("ben")).expect(cmd.HangUp)
    floor.tell(ev.LegUnbridged(attempt, "b2"), ev.LegParked(ben, "PJSIP/ben-1"))
    floor.tell(ev.LegHungUp(attempt, 16))
    outcome = floor.get(cmd.RecordOutcome)
    assert (outcome.agent, outcome.hung_up_by) == ("ben", "agent")
    floor.tell(ev.DispositionChosen("ben", attempt, "paid")).expect(cmd.RecordDisposition)
    assert floor.get(cmd.RecordDisposition).code == "paid"
    talks = [c.fact for c in floor.all if isinstance(c, cmd.Observe)]
    assert len([fact for fact in talks if isinstance(fact, TalkEnded)]) == 2


def test_the_last_word_is_of_who_has_the_customer() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(TO_BEN)
    floor.handed_on(attempt, anna, ben)
    floor.tell(ev.DispositionChosen("ben", attempt, "paid"))
    floor.tell(ev.DispositionChosen("anna", attempt, "passed on"))
    floor.tell(ev.LegHungUp(attempt, 16))
    assert floor.get(cmd.RecordDisposition).code == "paid"


def test_an_agent_who_is_not_free_is_not_given_a_second_caller() -> None:
    floor, attempt, _, _ = talking(ben=False)
    floor.tell(TO_BEN).expect()
    assert "not handed on" in floor.floor.agents["anna"].notice
    floor.tell(ev.TransferAsked("anna", to_agent="anna")).expect()
    floor.tell(ev.TransferAsked("anna", queue="late")).expect()
    assert call_of(floor, attempt) is CallState.TALKING
    floor.tell(ev.StatusChosen("ben", ev.Status.READY))
    floor.tell(ev.TransferAsked("anna", queue="late")).expect(cmd.Bridge)
    floor.tell(TO_BEN).expect()  # once is enough


def test_what_cannot_be_connected_leaves_him_where_he_was() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(TO_BEN)
    floor.tell(ev.BridgeFailed(ben, attempt, "Channel1 does not exist"))
    floor.expect(cmd.CheckLeg, cmd.CheckLeg)
    found = ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, anna)
    floor.tell(ev.LegChecked("main", attempt, found))
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    assert (floor.state(), floor.state("ben")) == (AgentState.TALK, AgentState.READY)
    assert floor.floor.calls[attempt].agent == "anna"
    assert "not handed on" in floor.floor.agents["anna"].notice


def test_a_look_from_before_the_bridge_frees_nobody() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(TO_BEN).wait(1.5)
    assert {c.leg for c in floor.said if isinstance(c, cmd.CheckLeg)} == {attempt, ben}
    old = ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, anna)
    floor.tell(ev.LegChecked("main", attempt, old))
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    assert call_of(floor, attempt) is CallState.MOVING
    assert floor.state("ben") is AgentState.RESERVED
    new = ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, ben)
    floor.tell(ev.LegChecked("main", attempt, new)).expect(cmd.ShowTransfer, cmd.PopScreen)


def test_he_hangs_up_on_the_way() -> None:
    floor, attempt, anna, ben = talking()
    floor.tell(TO_BEN, ev.LegUnbridged(attempt, "b1"), ev.LegHungUp(attempt, 16))
    floor.tell(ev.BridgeFailed(ben, attempt, "Unable to add Channel2 to bridge"))
    floor.tell(ev.LegParked(anna, "PJSIP/anna-1"))
    floor.tell(ev.LegChecked("main", ben, ev.ChannelFound(ben, "PJSIP/ben-1", Place.PARKED)))
    assert (floor.state(), floor.state("ben")) == (AgentState.WRAP_UP, AgentState.READY)
    assert not floor.floor.calls


def test_the_link_is_lost_on_the_way_and_the_pbx_says_with_whom_he_is() -> None:
    for with_ben in (True, False):
        floor, attempt, anna, ben = talking()
        floor.tell(TO_BEN, ev.LinkLost("main", "reset"))
        talker, other = (ben, anna) if with_ben else (anna, ben)
        floor.tell(
            ev.LinkResynced(
                "main",
                (
                    ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, talker),
                    ev.ChannelFound(talker, "PJSIP/x", Place.TALKING, attempt),
                    ev.ChannelFound(other, "PJSIP/y", Place.PARKED),
                ),
            )
        )
        assert floor.get(cmd.PopScreen).agent == ("ben" if with_ben else "anna")
        assert floor.state("ben" if with_ben else "anna") is AgentState.TALK
        freed = floor.state("anna" if with_ben else "ben")
        assert freed is (AgentState.WRAP_UP if with_ben else AgentState.READY)


def test_to_a_number_outside() -> None:
    floor, attempt, anna, _ = talking()
    trunk = floor.floor.trunk("main", "trunk")
    out = floor.tell(OUT).expect(cmd.SendOut).get(cmd.SendOut)
    assert (out.attempt, out.number) == (attempt, "+493012345678")
    assert trunk.in_use == 2  # he, and who is rung for him
    floor.tell(ev.LegUnbridged(attempt, "b1"), ev.LegParked(anna, "PJSIP/anna-1")).expect()
    assert floor.state() is AgentState.WRAP_UP
    floor.tell(ev.LegBridged(attempt, "b2")).expect(cmd.ShowTransfer)
    assert floor.get(cmd.ShowTransfer).to_outside == "Head office"
    floor.tell(ev.LegUnbridged(attempt, "b2"), ev.LegHungUp(attempt, 16))
    assert floor.get(cmd.RecordOutcome).agent == "anna"
    assert trunk.in_use == 0


def test_nobody_answers_outside_and_he_comes_back_to_whom_he_knows() -> None:
    floor, attempt, anna, _ben = talking()
    floor.tell(OUT, ev.LegUnbridged(attempt, "b1"), ev.LegParked(anna, "PJSIP/anna-1"))
    floor.tell(ev.DispositionChosen("anna", attempt, "passed on"))
    bridge = floor.tell(ev.LegParked(attempt, "PJSIP/t")).expect(cmd.Bridge).get(cmd.Bridge)
    assert bridge.agent_leg == anna
    assert floor.floor.trunk("main", "trunk").in_use == 1
    floor.tell(ev.LegBridged(anna, "b3"), ev.LegBridged(attempt, "b3")).expect(cmd.PopScreen)
    assert floor.state() is AgentState.TALK


def test_nobody_answers_outside_and_nobody_is_free_for_a_minute() -> None:
    floor, attempt, anna, _ = talking(ben=False)
    floor.tell(OUT, ev.LegUnbridged(attempt, "b1"), ev.LegParked(anna, "PJSIP/anna-1"))
    floor.tell(ev.LegParked(attempt, "PJSIP/t")).expect()
    assert call_of(floor, attempt) is CallState.WAITING
    floor.wait(59.0).expect()
    floor.wait(1.5).expect(cmd.PlayHarbour)
    floor.tell(ev.HarbourStarted(attempt), ev.LegHungUp(attempt, 16))
    assert not floor.get(cmd.RecordOutcome).unserved  # he was served: no abandoned call


def test_a_redirect_that_did_nothing_is_found_out() -> None:
    floor, attempt, anna, _ = talking()
    floor.tell(OUT).wait(2.5)
    assert [c.leg for c in floor.said if isinstance(c, cmd.CheckLeg)] == [attempt]
    found = ev.ChannelFound(attempt, "PJSIP/t", Place.TALKING, anna)
    floor.tell(ev.LegChecked("main", attempt, found))
    assert (call_of(floor, attempt), floor.state()) == (CallState.TALKING, AgentState.TALK)


def test_after_a_lost_link_who_is_outside_is_still_there() -> None:
    floor, attempt, anna, _ = talking()
    floor.tell(OUT, ev.LegUnbridged(attempt, "b1"), ev.LegParked(anna, "PJSIP/anna-1"))
    for place in (Place.DIALPLAN, Place.TALKING):
        floor.tell(ev.LinkLost("main", "reset"))
        legs = ((attempt, place), (anna, Place.PARKED))
        floor.tell(
            ev.LinkResynced("main", tuple(ev.ChannelFound(leg, leg, at) for leg, at in legs))
        )
        assert call_of(floor, attempt) is CallState.HANDED_ON
        assert floor.state() is AgentState.WRAP_UP


def test_no_line_is_free_for_a_call_outside() -> None:
    floor, attempt, _, _ = talking()
    floor.tell(ev.TrunkConfigured("main", "trunk", 1, 10.0))
    floor.tell(OUT).expect()
    assert call_of(floor, attempt) is CallState.TALKING
    assert "lines" in floor.floor.agents["anna"].notice
