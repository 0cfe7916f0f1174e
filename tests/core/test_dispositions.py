"""The agent's word on a call: kept while the call lasts, the last one holds, never lost."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import AgentState
from dialer.snapshot import MachineServed
from tests.core.playbook import RULES, Scene


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


@pytest.mark.parametrize("after_the_call", [False, True])
def test_the_pacer_hears_once_of_a_machine_that_an_agent_found(after_the_call: bool) -> None:
    scene, leg, attempt = talking(replace(RULES, machine_words=frozenset({"machine"})))
    found = ev.DispositionChosen("anna", attempt, "machine")
    if not after_the_call:
        scene.tell(ev.DispositionChosen("anna", attempt, "refused"), found)
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    if after_the_call:
        scene.tell(found)
    told = [one.fact for one in scene.all if isinstance(one, cmd.Observe)]
    assert told.count(MachineServed()) == 1
