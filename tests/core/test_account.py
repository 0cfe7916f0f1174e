"""The pacer's account of abandons and the outcomes on record count the same calls alike."""

from __future__ import annotations

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.outcomes import Outcome
from dialer.snapshot import CallAbandoned, CallerLeft, CallServed
from tests.core.playbook import RULES, Scene, lead


def counted(commands: list[cmd.Command], patience_s: float = 2.0) -> tuple[int, int]:
    """(live, abandoned) as the governor counts what it is told."""
    live = abandoned = 0
    for command in commands:
        if isinstance(command, cmd.Observe):
            match command.fact:
                case CallServed(waited_s=waited_s):
                    live, abandoned = live + 1, abandoned + (waited_s > patience_s)
                case CallAbandoned():
                    live, abandoned = live + 1, abandoned + 1
                case CallerLeft():
                    live += 1
    return live, abandoned


def recorded(commands: list[cmd.Command]) -> tuple[int, int]:
    """(live, abandoned) as the store counts what it is given."""
    closed = [c for c in commands if isinstance(c, cmd.RecordOutcome)]
    return sum(c.outcome.live for c in closed), sum(c.unserved for c in closed)


def agree(scene: Scene, live: int, abandoned: int) -> None:
    assert counted(scene.all) == recorded(scene.all) == (live, abandoned)
    assert not scene.floor.calls


def outcome(scene: Scene) -> Outcome:
    (found,) = [c.outcome for c in scene.all if isinstance(c, cmd.RecordOutcome)]
    return found


def test_answered_and_gone_before_a_word() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.tell(ev.LegAnswered(attempt, "PJSIP/x"), ev.LegHungUp(attempt, 16))
    assert outcome(scene) is Outcome.CALLER_LEFT
    agree(scene, 1, 0)


def test_left_in_time() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.live(attempt).wait(1.5).tell(ev.LegHungUp(attempt, 16))
    assert outcome(scene) is Outcome.CALLER_LEFT
    agree(scene, 1, 0)


def test_left_after_the_limit_and_before_the_message() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.live(attempt).wait(2.2).tell(ev.LegHungUp(attempt, 16))
    assert outcome(scene) is Outcome.ABANDONED
    agree(scene, 1, 1)


def test_live_and_gone_while_the_link_was_away() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.live(attempt).tell(ev.LinkLost("main", "x")).wait(9)
    scene.tell(ev.LinkResynced("main", ()))
    assert outcome(scene) is Outcome.ABANDONED
    agree(scene, 1, 1)


def test_pulled_out_of_the_message() -> None:
    """A Bridge and the timer in one moment: abandoned, though somebody talked to him after all."""
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.live(attempt).wait(0.5)
    scene.tell(ev.HarbourStarted(attempt))
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b", at=scene.now - 0.1))
    scene.tell(ev.LegHungUp(attempt, 16))
    assert outcome(scene) is Outcome.CONNECTED
    agree(scene, 1, 1)


def test_served_late() -> None:
    scene = Scene()
    attempt = scene.dial()
    leg = scene.agent(ready=False)
    scene.live(attempt).wait(1.9).tell(ev.StatusChosen("anna", ev.Status.READY)).wait(0.2)
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b"), ev.LegHungUp(attempt, 16))
    agree(scene, 1, 1)


@pytest.mark.parametrize(
    ("live", "connected", "place", "expected"),
    [
        (False, False, None, (0, 0)),
        (True, False, None, (1, 1)),
        (True, False, ev.ChannelPlace.HARBOUR, (1, 1)),
        (True, True, None, (1, 0)),
        (True, True, ev.ChannelPlace.TALKING, (1, 0)),
    ],
)
def test_recovered(
    live: bool, connected: bool, place: ev.ChannelPlace | None, expected: tuple[int, int]
) -> None:
    scene = Scene()
    scene.tell(ev.LinkLost("main", "starting"))
    attempt = "od-s-c0000001"
    scene.tell(ev.AttemptRecovered(attempt, "main", lead(91), "", live, live, connected, age_s=9.0))
    found = (ev.ChannelFound(attempt, "PJSIP/x", place),) if place is not None else ()
    scene.tell(ev.LinkResynced("main", found)).wait(1)
    if place is not None:
        scene.tell(ev.LegHungUp(attempt, 16))
    agree(scene, *expected)


def test_times_never_run_backwards() -> None:
    """The PBX's clock is mapped to ours with an error: no wait may come out negative."""
    scene = Scene(rules=ev.CampaignRules("amd", "main", "trunk", "", amd=True))
    leg = scene.agent()
    attempt = scene.dial()
    early = scene.now - 0.003
    scene.live(attempt)
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b", at=early))
    scene.tell(ev.LegHungUp(attempt, 16, at=early))
    times = next(c for c in scene.all if isinstance(c, cmd.RecordOutcome)).timings
    stages = [times.originated, times.answered, times.live, times.connected, times.ended]
    assert stages == sorted(t for t in stages if t is not None)
    assert RULES.patience_s == 2.0
