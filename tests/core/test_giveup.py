"""Lines given up as they ring: which, when, and what becomes of who answers in that moment."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome
from dialer.core.picture import snapshot
from dialer.core.states import AgentState, CallState
from dialer.snapshot import (
    CallAbandoned,
    CallerLeft,
    CallServed,
    Decision,
    LineEnd,
    LineEnded,
    Observation,
)
from tests.core.playbook import RULES, Scene, lead

AMD = replace(RULES, amd=True)


def ringing(scene: Scene, seconds: float = 15.0) -> str:
    attempt = scene.dial()
    scene.wait(1.0).tell(ev.LegRinging(attempt)).wait(seconds)
    return attempt


def give_up(scene: Scene, lines: int = 1) -> list[str]:
    """Whom the core hung up."""
    scene.tell(ev.LinesDecided(scene.name, Decision(0, give_up=lines)))
    return [c.leg for c in scene.said if isinstance(c, cmd.HangUp)]


def facts(scene: Scene, *kinds: type) -> list[Observation]:
    observed = [c.fact for c in scene.all if isinstance(c, cmd.Observe)]
    return [fact for fact in observed if isinstance(fact, kinds)]


def counted(scene: Scene) -> list[type]:
    return [type(fact) for fact in facts(scene, CallAbandoned, CallerLeft, CallServed)]


def closed(scene: Scene) -> cmd.RecordOutcome:
    (record,) = [c for c in scene.all if isinstance(c, cmd.RecordOutcome)]
    assert not scene.floor.calls
    assert scene.floor.trunk("main", "trunk").in_use == 0
    return record


@pytest.mark.parametrize("failed", ["before", "after", "no hangup"])
def test_a_line_given_up_ends_as_one_that_rang_out(failed: str) -> None:
    scene = Scene()
    attempt = ringing(scene)
    assert give_up(scene) == [attempt]
    told = [ev.OriginateFailed(attempt), ev.LegHungUp(attempt, 16)]
    if failed == "no hangup":
        scene.tell(told[0]).wait(3.0)
    else:
        scene.tell(*(told if failed == "before" else told[::-1]))
    record = closed(scene)
    assert record.outcome is Outcome.NO_ANSWER
    assert not record.unserved
    (end,) = facts(scene, LineEnded)
    assert isinstance(end, LineEnded)
    assert (end.end, end.setup_s, end.detect_s) == (LineEnd.GIVEN_UP, pytest.approx(1.01), None)
    assert end.ring_s == pytest.approx(17.0 if failed == "no hangup" else 15.0)
    assert not counted(scene)


def test_none_before_its_time_and_the_longest_ringing_first() -> None:
    scene = Scene()
    first, second, third = (ringing(scene, 2.0) for _ in range(3))
    scene.wait(6.9)
    assert give_up(scene, 9) == [], "14.9 s"
    scene.wait(0.2)
    assert give_up(scene, 9) == [first]
    assert give_up(scene, 9) == [], "it is being given up already"
    scene.wait(10.0)
    assert give_up(scene, 1) == [second]
    assert give_up(scene, 1) == [third]


def test_a_campaign_may_want_them_to_ring_longer_or_to_the_end() -> None:
    scene = Scene(rules=replace(RULES, ring_least_s=20.0))
    assert snapshot(scene.floor, scene.name, scene.now).ring_least_s == 20.0
    ringing(scene, 19.9)
    assert not give_up(scene)
    scene.wait(0.2)
    assert give_up(scene)
    scene = Scene(rules=replace(RULES, ring_least_s=RULES.ring_limit_s))
    assert snapshot(scene.floor, scene.name, scene.now).ring_least_s == math.inf
    patient = replace(lead(99), ring_limit_s=60.0)  # whose own limit is longer
    scene.campaign.hopper.appendleft(patient)
    ringing(scene, 40.0)
    assert not give_up(scene)


@pytest.mark.parametrize("least_s", [14.9, 0.0, math.nan])
def test_less_than_the_law_wants_is_refused(least_s: float) -> None:
    scene = Scene()
    scene.tell(ev.CampaignStarted(replace(RULES, name="hasty", ring_least_s=least_s)))
    assert "less than 15 s" in scene.get(cmd.Warn).text
    assert "hasty" not in scene.floor.campaigns


def test_the_pacer_sees_no_line_twice_and_the_trunk_keeps_it_until_it_is_gone() -> None:
    scene = Scene()
    attempt = ringing(scene)
    before = snapshot(scene.floor, scene.name, scene.now)
    assert give_up(scene)
    after = snapshot(scene.floor, scene.name, scene.now)
    assert (len(before.ringing), len(after.ringing)) == (1, 0)
    assert scene.floor.trunk("main", "trunk").in_use == 1
    scene.tell(ev.LegHungUp(attempt, 16))
    assert scene.floor.trunk("main", "trunk").in_use == 0


def test_the_pacer_sees_how_long_those_under_detection_had_rung() -> None:
    scene = Scene(rules=AMD)
    seen, unseen = ringing(scene, 9.0), scene.dial()
    scene.tell(ev.LegAnswered(seen, "a"), ev.LegAnswered(unseen, "b")).wait(1.5)
    floor = snapshot(scene.floor, scene.name, scene.now)
    assert floor.detecting == pytest.approx((1.5, 1.5))
    assert floor.detecting_rang == pytest.approx((9.01, -1.0))


def test_a_person_on_his_way_into_the_queue_is_not_under_detection_any_more() -> None:
    scene = Scene(rules=AMD)
    attempt = ringing(scene, 19.0)
    scene.tell(ev.LegAnswered(attempt, "a")).wait(1.8)
    scene.tell(ev.PersonDetected(attempt)).wait(0.1)
    floor = snapshot(scene.floor, scene.name, scene.now)
    assert (floor.detecting, floor.waiting) == ((), pytest.approx((0.1,)))


def test_who_is_found_after_a_lost_link_is_not_told_how_long_he_rang() -> None:
    scene = Scene(rules=AMD)
    attempt = ringing(scene, 8.0)
    scene.tell(ev.LinkLost("main", "cut")).wait(10.0)
    found = ev.ChannelFound(attempt, "a", ev.ChannelPlace.DIALPLAN)
    scene.tell(ev.LinkResynced("main", (found,))).wait(1.0)
    floor = snapshot(scene.floor, scene.name, scene.now)
    assert (len(floor.detecting), floor.detecting_rang) == (1, (-1.0,))


def test_a_line_answered_without_ringing_is_told_as_one_and_without_detection_as_that() -> None:
    scene = Scene()
    attempt = scene.dial()
    scene.wait(1.0).tell(ev.LegAnswered(attempt, "a"), ev.PersonDetected(attempt))
    (end,) = facts(scene, LineEnded)
    assert isinstance(end, LineEnded)
    assert (end.end, end.setup_s) == (LineEnd.LIVE, pytest.approx(1.0, abs=0.05))
    assert (end.ring_s, end.detect_s) == (None, None)


def test_whom_an_agent_waits_for_is_not_given_up() -> None:
    scene = Scene()
    scene.agent()
    scene.tell(ev.ManualCallAsked("anna", replace(lead(91), mode=Mode.MANUAL)))
    attempt = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.AttemptRecorded(attempt)).wait(0.01).tell(ev.LegRinging(attempt)).wait(20.0)
    assert not give_up(scene)


def test_nothing_is_given_up_that_may_not_have_rung_so_long() -> None:
    """A listing shows a leg that is not answered; whether it rings yet, and since when, it does
    not tell. What the PBX told once holds on over a lost link."""
    scene = Scene()
    unheard, heard = scene.dial(), scene.dial()
    scene.tell(ev.LegRinging(heard), ev.LinkLost("main", "x")).wait(14.0)
    found = [
        ev.ChannelFound(leg, f"PJSIP/{leg}", ev.ChannelPlace.RINGING) for leg in (unheard, heard)
    ]
    scene.tell(ev.LinkResynced("main", tuple(found))).wait(1.0)
    assert give_up(scene, 2) == [heard]
    scene.wait(4.0).tell(ev.LegRinging(unheard)).wait(14.9)
    assert not give_up(scene)


def test_nothing_while_the_link_is_away_or_the_campaign_paused() -> None:
    scene = Scene()
    ringing(scene)
    scene.tell(ev.CampaignPaused(scene.name))
    assert not give_up(scene)
    scene.tell(ev.CampaignResumed(scene.name), ev.LinkLost("main", "x"))
    assert not give_up(scene)


# --- somebody answers in that very moment ---------------------------------------------------------


def crossed(scene: Scene) -> None:
    """He counts as abandoned, once, and nobody was given to him."""
    record = closed(scene)
    assert record.outcome is Outcome.ABANDONED
    assert record.unserved
    assert record.timings.live is not None
    assert counted(scene) == [CallAbandoned]
    (end,) = facts(scene, LineEnded)
    assert isinstance(end, LineEnded)
    assert end.end is LineEnd.LIVE
    assert not [c for c in scene.all if isinstance(c, cmd.Bridge)]
    assert scene.state() is AgentState.READY


def meeting(rules: ev.CampaignRules = RULES) -> tuple[Scene, str]:
    scene = Scene(rules=rules)
    scene.agent()
    attempt = ringing(scene)
    assert give_up(scene) == [attempt]
    return scene, attempt


@pytest.mark.parametrize("rules", [RULES, AMD])
@pytest.mark.parametrize("heard", range(1, 4))
@pytest.mark.parametrize("failure", [None, 0, 1, 2])
def test_an_answer_that_meets_the_hangup(
    rules: ev.CampaignRules, heard: int, failure: int | None
) -> None:
    """However much of his answer is heard, and wherever among it the Originate's failure."""
    scene, attempt = meeting(rules)
    told: list[ev.Event] = [
        ev.LegAnswered(attempt, "PJSIP/x"),
        ev.PersonDetected(attempt),
        ev.LegParked(attempt, "PJSIP/x"),
    ][:heard]
    if failure is not None:
        told.insert(min(failure, heard), ev.OriginateFailed(attempt))
    scene.tell(*told).wait(0.05)
    scene.tell(told[0], ev.LegHungUp(attempt, 16))
    crossed(scene)


def test_what_is_told_in_any_order() -> None:
    told = [
        lambda leg: ev.LegAnswered(leg, "PJSIP/x"),
        lambda leg: ev.OriginateFailed(leg),
        lambda leg: ev.PersonDetected(leg),
        lambda leg: ev.LegRinging(leg),
    ]
    for order in itertools.permutations(told):
        scene, attempt = meeting()
        scene.tell(*(one(attempt) for one in order), ev.LegHungUp(attempt, 0))
        crossed(scene)


def test_a_machine_that_meets_the_hangup_is_one() -> None:
    scene, attempt = meeting(AMD)
    scene.tell(ev.LegAnswered(attempt, "PJSIP/x"), ev.MachineDetected(attempt, "MAXWORDS"))
    scene.tell(ev.LegHungUp(attempt, 16))
    assert closed(scene).outcome is Outcome.MACHINE
    assert CallAbandoned not in counted(scene)


def test_busy_in_the_same_moment_is_busy() -> None:
    scene, attempt = meeting()
    scene.tell(ev.OriginateFailed(attempt), ev.LegHungUp(attempt, 17, 486))
    assert closed(scene).outcome is Outcome.BUSY
    (end,) = facts(scene, LineEnded)
    assert isinstance(end, LineEnded)
    assert end.end is LineEnd.FAILED


def test_the_hangup_did_nothing_and_nobody_came_for_who_answered() -> None:
    """The dialplan's own timer sends him to the message."""
    scene, attempt = meeting()
    scene.live(attempt).wait(2.1).tell(ev.HarbourStarted(attempt)).wait(6.0)
    scene.tell(ev.LegHungUp(attempt, 16))
    crossed(scene)


def test_the_hangup_did_nothing_and_it_rings_on() -> None:
    """It is a ringing line again, once the PBX says so in an answer that is late enough."""
    scene, attempt = meeting()
    rings = ev.LegChecked(
        "main", attempt, ev.ChannelFound(attempt, "PJSIP/x", ev.ChannelPlace.RINGING)
    )
    scene.tell(rings)
    assert scene.floor.calls[attempt].state is CallState.GIVING_UP, "it may be from before"
    scene.wait(5.1)
    assert [c.leg for c in scene.all if isinstance(c, cmd.CheckLeg)] == [attempt]
    scene.tell(rings)
    assert scene.floor.calls[attempt].state is CallState.RINGING
    scene.tell(ev.LegHungUp(attempt, 19, 480))
    assert closed(scene).outcome is Outcome.NO_ANSWER
    (end,) = facts(scene, LineEnded)
    assert isinstance(end, LineEnded)
    assert end.end is LineEnd.NO_ANSWER


# --- the link is lost in that very moment, or we are ----------------------------------------------


@pytest.mark.parametrize("answered", [False, True])
def test_gone_while_the_link_was_away(answered: bool) -> None:
    scene, attempt = meeting()
    if answered:
        scene.tell(ev.LegAnswered(attempt, "PJSIP/x"))
    scene.tell(ev.LinkLost("main", "x")).wait(3.0)
    scene.tell(ev.LinkResynced("main", ()))
    record = closed(scene)
    assert record.outcome is (Outcome.ABANDONED if answered else Outcome.LOST)
    assert counted(scene) == [CallAbandoned] * answered
    assert {fact.end for fact in facts(scene, LineEnded)} == ({LineEnd.LIVE} if answered else set())


def test_the_hangup_was_lost_with_the_link() -> None:
    """Then he is a caller as any other: whoever is free serves him, or it is abandoned."""
    scene, attempt = meeting()
    leg = scene.floor.agents["anna"].leg
    scene.tell(ev.LinkLost("main", "x")).wait(1.0)
    parked = [
        ev.ChannelFound(one, f"PJSIP/{one}", ev.ChannelPlace.PARKED) for one in (leg, attempt)
    ]
    scene.tell(ev.LinkResynced("main", tuple(parked)))
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b")).wait(9.0)
    scene.tell(ev.LegUnbridged(attempt, "b"), ev.LegHungUp(attempt, 16))
    assert closed(scene).outcome is Outcome.CONNECTED
    assert len(counted(scene)) == 1


@pytest.mark.parametrize("live", [False, True])
def test_a_new_life_counts_whom_the_old_one_had_announced(live: bool) -> None:
    """Without AMD an answer on record is followed by `live` at once."""
    scene, attempt = meeting()
    if live:
        scene.tell(ev.LegAnswered(attempt, "PJSIP/x"))
    progress = [c.progress for c in scene.said if isinstance(c, cmd.RecordProgress)]
    assert progress == [cmd.Progress.ANSWERED, cmd.Progress.LIVE] * live
    after = Scene()
    after.tell(ev.LinkLost("main", "starting"))
    after.tell(ev.AttemptRecovered(attempt, "main", lead(0), "", live, live, age_s=17.0))
    after.tell(ev.LinkResynced("main", ()))
    record = closed(after)
    assert record.outcome is (Outcome.ABANDONED if live else Outcome.LOST)
    assert counted(after) == [CallAbandoned] * live
