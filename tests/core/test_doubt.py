"""Facts that contradict what was believed, and answers older than what they are read by."""

from __future__ import annotations

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.outcomes import Outcome
from dialer.core.states import AgentState, CallState
from tests.core.playbook import Scene

Place = ev.ChannelPlace


def found(leg: str, place: Place, peer: str = "") -> ev.ChannelFound:
    return ev.ChannelFound(leg, f"PJSIP/{leg}", place, peer)


def said(scene: Scene, kind: type) -> int:
    return sum(isinstance(c, kind) for c in scene.all)


def test_a_waiting_customer_found_talking_is_offered_to_nobody() -> None:
    scene = Scene()
    scene.agent(ready=False)
    attempt = scene.dial()
    scene.live(attempt)
    scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.TALKING, "elsewhere")))
    scene.tell(ev.StatusChosen("anna", ev.Status.READY)).expect(
        cmd.RecordSession, cmd.RecordSession
    )
    assert scene.state() is AgentState.READY


def test_a_waiting_customer_whom_somebody_bridged_is_not_sent_to_the_message() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.live(attempt).tell(ev.LegBridged(attempt, "b")).wait(5)
    assert not said(scene, cmd.PlayHarbour)
    scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.TALKING)))
    assert scene.floor.calls[attempt].state is CallState.TALKING


@pytest.mark.parametrize("refused", ["", "unique id in use"])
def test_a_failure_does_not_close_a_leg_that_was_seen_up(refused: str) -> None:
    """A second Originate's failure carries the id of the leg that lives."""
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg)
    scene.tell(ev.OriginateFailed(attempt, refused=refused)).expect(cmd.CheckLeg)
    scene.wait(3)
    assert scene.floor.calls[attempt].state is CallState.TALKING


def test_nor_does_it_take_an_agents_phone_that_was_seen_up() -> None:
    scene = Scene()
    leg = scene.agent()
    scene.tell(ev.OriginateFailed(leg, refused="unique id in use")).expect(cmd.CheckLeg)
    assert scene.state() is AgentState.READY
    scene.tell(ev.LegChecked("main", leg, None))
    assert scene.state() is AgentState.PHONE_LOST


def test_a_phone_given_up_that_rings_after_all_is_taken() -> None:
    """Its first Originate was on its way when the link broke; the second was refused."""
    scene = Scene()
    scene.tell(ev.AgentLoggedIn("anna", "od-t-a1", "main", "p", ("spring",)))
    scene.tell(ev.StatusChosen("anna", ev.Status.READY))
    scene.tell(ev.LinkLost("main", "x"), ev.LinkResynced("main", ()))
    scene.tell(ev.OriginateFailed("od-t-a1", refused="unique id in use"))
    assert scene.state() is AgentState.PHONE_LOST
    scene.tell(ev.LegParked("od-t-a1", "PJSIP/anna-1")).expect(cmd.CheckLeg)
    scene.tell(ev.LegChecked("main", "od-t-a1", found("od-t-a1", Place.PARKED)))
    assert scene.state() is AgentState.READY


def test_a_phone_given_up_is_found_by_the_next_resync() -> None:
    scene = Scene()
    scene.agent()
    scene.tell(ev.LegHungUp("od-t-a1", 16), ev.LinkLost("main", "x"))
    scene.tell(ev.LinkResynced("main", (found("od-t-a1", Place.PARKED),)))
    assert scene.state() is AgentState.READY
    assert said(scene, cmd.RingAgent) == 1


def test_an_old_answer_does_not_end_a_conversation_that_just_began() -> None:
    """The leg was parked when the PBX was asked, and is told of after it was bridged."""
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg)
    scene.tell(ev.LegChecked("main", leg, found(leg, Place.PARKED)))
    scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.PARKED)))
    assert scene.state() is AgentState.TALK
    assert scene.floor.calls[attempt].state is CallState.TALKING
    scene.wait(6)  # asked again: now it is no old answer
    assert said(scene, cmd.CheckLeg) >= 2
    scene.tell(
        ev.LegChecked("main", attempt, None), ev.LegChecked("main", leg, found(leg, Place.PARKED))
    )
    assert scene.state() is AgentState.WRAP_UP


def test_an_agent_is_not_freed_while_the_bridge_may_still_come() -> None:
    """Checked on one link while the Bridge waits on the other: both legs still stand parked."""
    scene = Scene()
    leg = scene.agent()
    first, second = scene.dial(), scene.dial()
    scene.live(first).live(second).wait(1.01)
    scene.tell(ev.LegChecked("main", leg, found(leg, Place.PARKED)))
    scene.tell(ev.LegChecked("main", first, found(first, Place.PARKED)))
    assert said(scene, cmd.Bridge) == 1
    scene.tell(ev.HarbourStarted(first), ev.LegHungUp(first, 16)).wait(1.1)
    scene.tell(ev.LegChecked("main", leg, found(leg, Place.PARKED)))
    assert scene.state() is AgentState.READY


def test_a_long_talk_is_asked_after_seldom() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg)
    for _ in range(20):
        scene.wait(60)
        if any(isinstance(c, cmd.CheckLeg) for c in scene.said):
            scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.TALKING, leg)))
    assert said(scene, cmd.CheckLeg) <= 2


def test_a_phone_rung_again_before_the_lost_call_has_ended_goes_to_wrap_up() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg)
    scene.tell(ev.LegUnbridged(attempt, "b1"), ev.LegHungUp(leg, 16))
    scene.tell(ev.StatusChosen("anna", ev.Status.READY), ev.LegParked(leg, "PJSIP/anna-2"))
    assert scene.state() is AgentState.WRAP_UP
    scene.tell(ev.LegHungUp(attempt, 16))
    scene.tell(ev.DispositionChosen("anna", attempt, "done"))
    assert scene.state() is AgentState.READY


def test_a_call_parted_by_mistake_is_found_talking_again() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.LegUnbridged(attempt, "b1")).wait(2.1)
    scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.TALKING, leg)))
    scene.tell(ev.HangUpPressed("anna")).expect(cmd.HangUp)


def test_a_customer_back_from_an_agent_lost_at_once_hears_the_message() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.LegUnbridged(attempt, "b1"), ev.HarbourStarted(attempt))
    assert scene.floor.calls[attempt].state is CallState.HARBOUR
    scene.wait(6).tell(ev.LegHungUp(attempt, 16))
    record = scene.get(cmd.RecordOutcome)
    assert record.outcome is Outcome.CONNECTED
    assert record.timings.harbour is not None


def test_a_bridge_by_nobody_known_pops_on_no_screen() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.tell(ev.LinkLost("main", "x"))
    scene.tell(ev.LinkResynced("main", (found(attempt, Place.PARKED), found(leg, Place.RINGING))))
    scene.tell(ev.LegBridged(attempt, "b")).wait(1.1)
    assert not said(scene, cmd.PopScreen)
    scene.tell(ev.LegChecked("main", attempt, found(attempt, Place.TALKING, leg)))
    assert scene.get(cmd.PopScreen).agent == "anna"


def test_a_deadline_that_fails_takes_no_other_with_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the deadlines before it commanded is carried out, and those after it are applied."""
    from dialer.core import callflow

    scene = Scene()
    one, two, three = scene.dial(), scene.dial(), scene.dial()
    for attempt in (one, two, three):
        scene.tell(ev.OriginateFailed(attempt))
    real = callflow.deadline

    def broken(floor: object, call: object, now: float) -> None:
        if call.attempt == two:  # type: ignore[attr-defined]
            raise RuntimeError("a defect")
        real(floor, call, now)  # type: ignore[arg-type]

    monkeypatch.setattr(callflow, "deadline", broken)
    scene.now += 3
    with pytest.raises(RuntimeError):
        scene.floor.tick(scene.now)
    ended = [c.attempt for c in scene.floor.tick(scene.now) if isinstance(c, cmd.RecordOutcome)]
    assert ended == [one, three]
