"""The agent's word on a call: kept while the call lasts, the last one holds, never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.modes import Mode
from dialer.core.states import AgentState
from dialer.snapshot import CallAbandoned, CallServed, MachineServed, Observation
from tests.core.playbook import RULES, Scene, lead


def words(scene: Scene) -> list[str]:
    return [c.code for c in scene.all if isinstance(c, cmd.RecordDisposition)]


def talking(rules: ev.CampaignRules = RULES) -> tuple[Scene, str, str]:
    scene = Scene(rules=rules)
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg)
    return scene, leg, attempt


def test_a_mind_changed_during_the_call() -> None:
    scene, leg, attempt = talking()
    scene.tell(ev.DispositionChosen("anna", attempt, "refused")).expect()
    scene.tell(ev.DispositionChosen("anna", attempt, "promise")).expect()
    scene.tell(ev.LegHungUp(attempt, 16)).expect(cmd.RecordOutcome, cmd.RecordDisposition)
    assert words(scene) == ["promise"]
    scene.tell(ev.LegParked(leg, "PJSIP/anna-1"))
    assert scene.state() is AgentState.READY


def test_a_word_in_wrap_up_before_the_hang_up_was_heard_of() -> None:
    """The agent's leg parks a moment before the customer's Hangup is told."""
    scene, leg, attempt = talking()
    scene.tell(ev.LegUnbridged(attempt, "b1"), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", attempt, "promise"))
    assert scene.state() is AgentState.READY
    scene.tell(ev.LegHungUp(attempt, 16)).expect(cmd.RecordOutcome, cmd.RecordDisposition)


def test_a_word_survives_its_agents_leaving() -> None:
    scene, leg, attempt = talking()
    scene.tell(ev.DispositionChosen("anna", attempt, "promise"))
    scene.tell(ev.StatusChosen("anna", ev.Status.LOGGED_OUT), ev.LegHungUp(leg, 16))
    assert "anna" not in scene.floor.agents
    scene.tell(ev.LegHungUp(attempt, 16))
    assert words(scene) == ["promise"]


def test_a_word_is_not_asked_for_again_after_a_lost_link() -> None:
    scene, leg, attempt = talking()
    scene.tell(ev.DispositionChosen("anna", attempt, "promise"), ev.LinkLost("main", "x"))
    places = (
        ev.ChannelFound(leg, "PJSIP/a", ev.ChannelPlace.TALKING, attempt),
        ev.ChannelFound(attempt, "PJSIP/c", ev.ChannelPlace.TALKING, leg),
    )
    scene.tell(ev.LinkResynced("main", places))
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/a"))
    assert words(scene) == ["promise"]
    assert scene.state() is AgentState.READY


def test_a_word_on_a_call_that_is_over_and_disposed_of_is_ignored() -> None:
    scene, leg, attempt = talking()
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", attempt, "promise"))
    scene.tell(ev.DispositionChosen("anna", attempt, "refused")).expect(cmd.Warn)
    assert words(scene) == ["promise"]


MACHINE_RULES = replace(RULES, machine_words=frozenset({"machine"}))


def told(scene: Scene, *kinds: type) -> list[Observation]:
    facts = [one.fact for one in scene.all if isinstance(one, cmd.Observe)]
    return [fact for fact in facts if isinstance(fact, kinds)]


def ringing(scene: Scene, seconds: float) -> str:
    attempt = scene.dial()
    scene.tell(ev.LegRinging(attempt)).wait(seconds)
    return attempt


@pytest.mark.parametrize("after_the_call", [False, True])
def test_the_pacer_hears_once_of_a_machine_that_an_agent_found(after_the_call: bool) -> None:
    scene = Scene(rules=MACHINE_RULES)
    leg = scene.agent()
    attempt = ringing(scene, 19.0)
    scene.talk(attempt, leg)
    found = ev.DispositionChosen("anna", attempt, "machine")
    if not after_the_call:
        scene.tell(ev.DispositionChosen("anna", attempt, "refused"), found)
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    if after_the_call:
        scene.tell(found)
    rang = pytest.approx(19.0)
    assert told(scene, CallServed) == [CallServed(0.0, rang)]
    assert told(scene, MachineServed) == [MachineServed(rang)]


@pytest.mark.parametrize(
    ("during", "after"),
    [("machine", ["ben"]), ("passed on", ["ben"]), ("", ["anna", "ben"])],
)
def test_a_call_handed_on_is_one_call_whoever_finds_the_machine(
    during: str, after: list[str]
) -> None:
    """Anna had another call before it; she says a word while it goes on, or after its end."""
    scene = Scene(rules=MACHINE_RULES)
    anna, ben = scene.agent(), scene.agent("ben", ready=False)
    first = ringing(scene, 8.0)
    scene.talk(first, anna).tell(ev.LegHungUp(first, 16), ev.LegParked(anna, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", first, "refused"))
    attempt = ringing(scene, 19.0)
    scene.talk(attempt, anna).tell(ev.StatusChosen("ben", ev.Status.READY))
    scene.tell(ev.TransferAsked("anna", to_agent="ben")).handed_on(attempt, anna, ben)
    if during:
        scene.tell(ev.DispositionChosen("anna", attempt, during))
    scene.tell(ev.LegUnbridged(attempt, "b2"), ev.LegHungUp(attempt, 16))
    scene.tell(ev.LegParked(ben, "PJSIP/ben-1"))
    for agent in after:
        scene.tell(ev.DispositionChosen(agent, attempt, "machine"))
    assert told(scene, MachineServed) == [MachineServed(pytest.approx(19.0))]


def test_a_machine_in_a_call_that_counts_as_abandoned_is_none_of_the_served() -> None:
    """He heard the message, and an agent got him after all."""
    scene = Scene(rules=MACHINE_RULES)
    anna = scene.agent()
    scene.tell(ev.StatusChosen("anna", ev.Status.BREAK))
    attempt = ringing(scene, 19.0)
    scene.live(attempt).wait(2.1).tell(ev.HarbourStarted(attempt))
    scene.tell(ev.LegBridged(anna, "b1"), ev.LegBridged(attempt, "b1"))
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(anna, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", attempt, "machine"))
    assert told(scene, CallServed, CallAbandoned) == [CallAbandoned(pytest.approx(19.0))]
    assert not told(scene, MachineServed)


def test_ringing_told_after_the_answer_tells_of_no_time() -> None:
    scene = Scene(rules=MACHINE_RULES)
    leg = scene.agent()
    attempt = scene.dial()
    scene.wait(9.0).talk(attempt, leg).tell(ev.LegRinging(attempt))
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", attempt, "machine"))
    assert told(scene, CallServed, MachineServed) == [CallServed(0.0), MachineServed()]


def test_a_call_made_for_an_agent_tells_the_pacer_of_no_ringing() -> None:
    """Nobody listened for a machine there: it says nothing of the calls where somebody does."""
    scene = Scene(leads=0, rules=MACHINE_RULES)
    leg = scene.agent(ready=False)
    scene.tell(ev.ManualCallAsked("anna", replace(lead(9), mode=Mode.MANUAL)))
    attempt = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.AttemptRecorded(attempt), ev.LegRinging(attempt)).wait(19.0).talk(attempt, leg)
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", attempt, "machine"))
    assert told(scene, CallServed, MachineServed) == [CallServed(0.0), MachineServed()]
