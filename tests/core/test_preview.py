"""Conversations about leads that are an agent's: previews, calls by hand, agents kept free."""

from __future__ import annotations

from dataclasses import replace

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.modes import Booking, Mode, PreviewEnd
from dialer.core.outcomes import Outcome
from dialer.core.picture import snapshot
from dialer.core.states import AgentState
from tests.core.playbook import RULES, Scene, lead

PREVIEWS = replace(RULES, mode=Mode.PREVIEW, offer_after_s=0.0, preview_limit_s=30.0)
MIXED = replace(RULES, offer_after_s=10.0)


def shown(n: int = 5, **more: object) -> ev.Lead:
    return replace(lead(n), mode=Mode.PREVIEW, **more)  # type: ignore[arg-type]


def looking(rules: ev.CampaignRules = PREVIEWS) -> tuple[Scene, str]:
    """Anna looks at lead 5."""
    scene = Scene(leads=0, rules=rules)
    leg = scene.agent()
    scene.tell(ev.LeadForAgent("anna", shown()))
    assert scene.state() is AgentState.PREVIEW
    return scene, leg


def dialling(scene: Scene) -> str:
    """The lead in preview is accepted, and rings."""
    scene.tell(ev.PreviewAccepted("anna", 5)).expect(cmd.RecordPreview, cmd.RecordAttempt)
    attempt: str = scene.get(cmd.RecordAttempt).attempt
    assert scene.state() is AgentState.DIALLING
    scene.tell(ev.AttemptRecorded(attempt)).expect(cmd.Originate)
    return attempt


def ends(scene: Scene) -> list[PreviewEnd]:
    return [c.end for c in scene.all if isinstance(c, cmd.RecordPreview)]


def test_a_preview_from_the_list_to_the_conversation() -> None:
    scene, leg = looking()
    attempt = dialling(scene)
    assert scene.get(cmd.Originate).amd is False
    recorded = next(c for c in scene.all if isinstance(c, cmd.RecordAttempt))
    assert recorded.booking == Booking("anna", Mode.PREVIEW)
    scene.wait(8).live(attempt).expect(cmd.Bridge)
    assert scene.get(cmd.Bridge).agent_leg == leg
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b")).expect(cmd.PopScreen)
    assert scene.state() is AgentState.TALK
    scene.wait(60).tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    assert scene.state() is AgentState.WRAP_UP
    scene.tell(ev.DispositionChosen("anna", attempt, "done"))
    assert scene.state() is AgentState.READY
    scene.get(cmd.FetchLeadFor)  # the next one is looked for at once


def test_an_agent_in_preview_is_not_idle_and_a_call_of_hers_is_not_the_pacers() -> None:
    scene, _ = looking(MIXED)
    assert snapshot(scene.floor, scene.name, scene.now).idle == 0
    attempt = dialling(scene)
    picture = snapshot(scene.floor, scene.name, scene.now)
    assert (picture.idle, picture.setting_up) == (0, ())
    scene.tell(ev.LegRinging(attempt))
    assert snapshot(scene.floor, scene.name, scene.now).ringing == ()


def test_nobody_answers_and_the_agent_is_free_again() -> None:
    scene, _ = looking()
    attempt = dialling(scene)
    scene.tell(ev.LegRinging(attempt))
    scene.wait(20).tell(ev.LegHungUp(attempt, 19)).expect(cmd.RecordOutcome)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.NO_ANSWER
    assert scene.state() is AgentState.READY


def test_a_lead_that_is_skipped_goes_back_with_its_reason() -> None:
    scene, _ = looking()
    scene.tell(ev.PreviewSkipped("anna", 5, "no time", escalate=True)).expect(cmd.RecordPreview)
    said = scene.get(cmd.RecordPreview)
    assert (said.end, said.reason, said.escalate) == (PreviewEnd.SKIPPED, "no time", True)
    assert scene.state() is AgentState.READY


def test_nobody_looks_and_the_agent_is_on_a_break() -> None:
    scene, _ = looking()
    scene.wait(29.9).expect()
    scene.wait(0.2).expect(cmd.RecordPreview, cmd.RecordSession)
    assert ends(scene) == [PreviewEnd.TIMED_OUT]
    assert scene.state() is AgentState.BREAK


def test_nobody_says_anything_and_it_is_dialled() -> None:
    scene, _ = looking(replace(PREVIEWS, preview_dials=True))
    scene.wait(30.1).expect(cmd.RecordPreview, cmd.RecordAttempt)
    assert ends(scene) == [PreviewEnd.ACCEPTED]
    assert scene.state() is AgentState.DIALLING


@pytest.mark.parametrize(
    "what",
    [
        ev.LeadSuppressed(frozenset({5})),
        ev.LeadSuppressed(phones=frozenset({lead(5).phone})),
        ev.CampaignPaused("spring"),
        ev.StatusChosen("anna", ev.Status.BREAK),
        ev.ScreenLost("anna"),
        ev.LegHungUp("od-t-a1", 16),
        ev.LinkLost("main", "gone"),
    ],
)
def test_what_takes_a_lead_off_the_screen(what: ev.Event) -> None:
    scene, _ = looking()
    scene.tell(what)
    assert ends(scene) == [PreviewEnd.WITHDRAWN]
    assert scene.state() is not AgentState.PREVIEW
    scene.tell(ev.PreviewAccepted("anna", 5)).expect(cmd.Warn)


def test_a_word_on_another_lead_is_ignored() -> None:
    scene, _ = looking()
    scene.tell(ev.PreviewAccepted("anna", 6)).expect(cmd.Warn)
    assert scene.state() is AgentState.PREVIEW


def test_the_gate_says_no_and_the_agent_hears_why() -> None:
    scene, _ = looking()
    scene.tell(ev.PreviewAccepted("anna", 5))
    attempt = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.AttemptRefused(attempt, "7 attempts per debt within 7 days")).expect()
    assert scene.state() is AgentState.READY
    assert "7 attempts" in scene.floor.agents["anna"].notice
    assert not [c for c in scene.all if isinstance(c, cmd.Originate)]


def test_the_gate_says_no_in_the_last_moment() -> None:
    scene, _ = looking()
    scene.floor.denied = lambda *_: True
    scene.tell(ev.PreviewAccepted("anna", 5))
    attempt = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.AttemptRecorded(attempt)).expect(cmd.RecordOutcome)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED
    assert scene.state() is AgentState.READY


def test_the_agent_is_gone_when_the_customer_answers() -> None:
    scene, leg = looking()
    attempt = dialling(scene)
    scene.agent("ben")
    scene.tell(ev.LegHungUp(leg, 16))
    scene.live(attempt).expect()  # Ben is free, and it is not his call
    scene.wait(2.1).expect(cmd.PlayHarbour)
    scene.tell(ev.HarbourStarted(attempt)).wait(5).tell(ev.LegHungUp(attempt, 16))
    outcome = scene.get(cmd.RecordOutcome)
    assert (outcome.outcome, outcome.unserved) == (Outcome.ABANDONED, True)


def test_the_agent_leaves_before_it_is_dialled() -> None:
    scene, leg = looking()
    scene.tell(ev.PreviewAccepted("anna", 5))
    attempt = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.LegHungUp(leg, 16), ev.AttemptRecorded(attempt))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED


def test_the_agent_is_kept_over_a_lost_link() -> None:
    scene, leg = looking()
    attempt = dialling(scene)
    scene.tell(ev.LinkLost("main", "reset"))
    assert scene.state() is AgentState.UNKNOWN
    places = (
        ev.ChannelFound(leg, "PJSIP/a", ev.ChannelPlace.PARKED),
        ev.ChannelFound(attempt, "PJSIP/c", ev.ChannelPlace.RINGING),
    )
    scene.tell(ev.LinkResynced("main", places))
    assert scene.state() is AgentState.DIALLING
    scene.live(attempt).expect(cmd.Bridge)


def test_a_customer_who_answered_while_the_link_was_away_gets_his_agent() -> None:
    scene, leg = looking()
    attempt = dialling(scene)
    scene.tell(ev.LinkLost("main", "reset"))
    places = (
        ev.ChannelFound(leg, "PJSIP/a", ev.ChannelPlace.PARKED),
        ev.ChannelFound(attempt, "PJSIP/c", ev.ChannelPlace.PARKED),
    )
    scene.tell(ev.LinkResynced("main", places)).expect(cmd.Bridge)
    assert scene.get(cmd.Bridge).agent_leg == leg


def test_a_call_by_hand_from_a_break() -> None:
    scene = Scene(leads=0)
    leg = scene.agent(ready=False)
    asked = ev.ManualCallAsked(
        "anna", replace(lead(9), mode=Mode.MANUAL), "anna", "she asked me to"
    )
    scene.tell(asked).expect(cmd.RecordAttempt, cmd.RecordSession)
    recorded = scene.get(cmd.RecordAttempt)
    assert recorded.booking == Booking("anna", Mode.MANUAL, "anna", "she asked me to")
    scene.tell(ev.AttemptRecorded(recorded.attempt)).expect(cmd.Originate)
    scene.live(recorded.attempt).expect(cmd.Bridge)
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(recorded.attempt, "b"))
    scene.tell(ev.LegHungUp(recorded.attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", recorded.attempt, "done"))
    assert scene.state() is AgentState.BREAK  # as chosen before


def test_a_call_by_hand_waits_for_nobody() -> None:
    scene, _ = looking()
    scene.tell(ev.ManualCallAsked("anna", lead(9))).expect()
    assert scene.floor.agents["anna"].notice
    assert scene.state() is AgentState.PREVIEW


def test_no_line_is_free_for_it() -> None:
    scene = Scene(leads=0)
    scene.agent()
    scene.tell(ev.TrunkConfigured("main", "trunk", 0, 10.0))
    scene.tell(ev.ManualCallAsked("anna", lead(9))).expect()
    assert "line" in scene.floor.agents["anna"].notice
    assert scene.state() is AgentState.READY


def test_a_campaign_that_dials_offers_its_previews_to_who_is_free_for_long() -> None:
    scene = Scene(leads=0, rules=MIXED)
    scene.agent()
    assert scene.get(cmd.FetchLeadFor).own  # callbacks promised by name come at once
    scene.tell(ev.LeadForAgent("anna", None)).wait(9)
    assert not [c for c in scene.said if isinstance(c, cmd.FetchLeadFor)]
    scene.wait(2)
    assert not scene.get(cmd.FetchLeadFor).own


def test_an_agent_who_got_a_call_meanwhile_leaves_the_lead_on_the_list() -> None:
    scene = Scene(rules=MIXED)
    scene.agent()
    scene.live(scene.dial()).expect(cmd.Bridge)
    scene.tell(ev.LeadForAgent("anna", shown(70))).expect(cmd.ReturnLeads)
    assert scene.get(cmd.ReturnLeads).lead_ids == (70,)


def test_a_lead_that_few_may_take_is_dialled_for_one_of_them() -> None:
    scene = Scene(leads=0, rules=MIXED)
    scene.tell(
        ev.AgentLoggedIn("eva", "od-t-a9", "main", "p", ("spring",), ("es",)),
        ev.LegParked("od-t-a9", "PJSIP/eva"),
        ev.StatusChosen("eva", ev.Status.READY),
    )
    spanish = replace(lead(5), skills=("es",))
    scene.tell(ev.LeadForAgent("eva", spanish)).expect(cmd.RecordAttempt)
    assert scene.get(cmd.RecordAttempt).booking == Booking("eva", Mode.PREDICTIVE)
    assert scene.state("eva") is AgentState.DIALLING


def test_the_pacer_leaves_alone_what_not_everybody_may_take() -> None:
    scene = Scene(leads=0)
    scene.tell(ev.LeadsOffered("spring", (replace(lead(1), skills=("es",)), lead(2))))
    scene.agent()
    (attempt,) = scene.plan(1)
    assert scene.floor.calls[attempt].lead.lead_id == 2
    assert scene.get(cmd.ReturnLeads).lead_ids == (1,)


def test_a_customer_waits_for_somebody_who_may_take_him() -> None:
    scene = Scene(leads=0)
    scene.tell(
        ev.AgentLoggedIn("eva", "od-t-a9", "main", "p", ("spring",), ("es",)),
        ev.LegParked("od-t-a9", "PJSIP/eva"),
        ev.StatusChosen("eva", ev.Status.READY),
    )
    scene.tell(ev.LeadsOffered("spring", (replace(lead(1), skills=("es",)),)))
    attempt = scene.dial()
    scene.agent("anna")
    scene.tell(ev.StatusChosen("eva", ev.Status.BREAK))
    scene.live(attempt).expect()  # Anna speaks no Spanish
    scene.wait(0.5).tell(ev.StatusChosen("eva", ev.Status.READY))
    assert scene.get(cmd.Bridge).agent_leg == "od-t-a9"
