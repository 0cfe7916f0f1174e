"""Conversations with the floor: the ordinary day, and the ways it goes wrong."""

from __future__ import annotations

import itertools

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.outcomes import Outcome
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.snapshot import CallAbandoned, CallServed, Decision, LineEnd, LineEnded
from tests.core.playbook import RULES, Scene, lead


def observed(scene: Scene, kind: type) -> list[object]:
    return [c.fact for c in scene.all if isinstance(c, cmd.Observe) and isinstance(c.fact, kind)]


def test_a_call_from_the_list_to_the_next_ready() -> None:
    scene = Scene()
    leg = scene.agent()
    (attempt,) = scene.plan()
    scene.expect(cmd.RecordAttempt)
    scene.tell(ev.AttemptRecorded(attempt)).expect(cmd.Originate)
    scene.wait(2).tell(ev.LegRinging(attempt)).expect()
    scene.wait(8).live(attempt).expect(cmd.Bridge)
    bridge = scene.get(cmd.Bridge)
    assert (bridge.agent_leg, bridge.customer_leg) == (leg, attempt)
    assert scene.state() is AgentState.RESERVED
    scene.wait(0.01).tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b"))
    scene.expect(cmd.PopScreen)
    assert scene.state() is AgentState.TALK
    scene.wait(60).tell(ev.LegUnbridged(attempt, "b"), ev.LegHungUp(attempt, 16))
    outcome = scene.get(cmd.RecordOutcome)
    assert outcome.outcome is Outcome.CONNECTED
    assert outcome.hung_up_by == "customer"
    assert not outcome.unserved
    scene.tell(ev.LegParked(leg, "PJSIP/anna-1"))
    assert scene.state() is AgentState.WRAP_UP
    scene.wait(5).tell(ev.DispositionChosen("anna", attempt, "ptp")).expect(cmd.RecordDisposition)
    assert scene.state() is AgentState.READY
    assert observed(scene, CallServed) == [CallServed(pytest.approx(0.01), pytest.approx(8.0))]
    assert not scene.floor.calls


def test_nothing_is_dialled_before_it_is_on_record() -> None:
    scene = Scene()
    scene.agent()
    scene.plan(3)
    scene.expect(cmd.RecordAttempt, cmd.RecordAttempt, cmd.RecordAttempt)
    scene.wait(30)
    assert not [c for c in scene.all if isinstance(c, cmd.Originate)]


def test_launches_keep_the_trunks_pace() -> None:
    scene = Scene(cps=10)
    scene.agent()
    times = []
    for attempt in scene.plan(5):
        scene.tell(ev.AttemptRecorded(attempt))
    for _ in range(100):
        times += [scene.now for c in scene.said if isinstance(c, cmd.Originate)]
        scene.wait(0.01)
    assert len([c for c in scene.all if isinstance(c, cmd.Originate)]) == 5
    assert all(b - a >= 0.09 for a, b in itertools.pairwise(times))


def test_nobody_free_sends_the_customer_to_the_message_at_two_seconds() -> None:
    scene = Scene()
    leg = scene.agent()
    first, second = scene.dial(), scene.dial()
    scene.talk(first, leg)
    scene.live(second).expect()
    scene.wait(1.99).expect()
    scene.wait(0.02).expect(cmd.PlayHarbour)
    scene.tell(ev.HarbourStarted(second))
    assert observed(scene, CallAbandoned) == [CallAbandoned()]
    scene.wait(8).tell(ev.LegHungUp(second, 16))
    outcome = scene.get(cmd.RecordOutcome)
    assert outcome.outcome is Outcome.ABANDONED
    assert outcome.unserved


def test_an_agent_who_frees_in_time_takes_the_waiting_customer() -> None:
    scene = Scene()
    leg = scene.agent()
    first, second = scene.dial(), scene.dial()
    scene.talk(first, leg).wait(30).live(second)
    scene.wait(1).tell(ev.LegHungUp(first, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", first, "done"))
    assert scene.get(cmd.Bridge).customer_leg == second


def test_two_answers_for_one_agent_connect_only_one() -> None:
    scene = Scene()
    scene.agent()
    first, second = scene.dial(), scene.dial()
    scene.live(first).expect(cmd.Bridge)
    scene.live(second).expect()


def test_no_bridge_before_the_answer() -> None:
    scene = Scene()
    scene.agent()
    attempt = scene.dial()
    scene.tell(ev.LegRinging(attempt)).expect()
    scene.wait(10).expect()
    assert scene.state() is AgentState.READY


def test_a_failed_bridge_looks_before_it_gives_the_agent_another_call() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.live(attempt).expect(cmd.Bridge)
    scene.tell(ev.BridgeFailed(leg, attempt, "no such channel")).expect(cmd.CheckLeg)
    assert scene.state() is AgentState.RESERVED
    scene.tell(ev.LegHungUp(attempt, 16)).expect(cmd.RecordOutcome)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CALLER_LEFT
    place = ev.ChannelFound(leg, "PJSIP/anna-1", ev.ChannelPlace.PARKED)
    scene.tell(ev.LegChecked("main", leg, place))
    assert scene.state() is AgentState.READY


@pytest.mark.parametrize(
    ("rang", "cause", "tech", "outcome"),
    [
        (True, 17, 486, Outcome.BUSY),
        (False, 1, 404, Outcome.INVALID),
        (True, 19, 480, Outcome.NO_ANSWER),
        (False, 19, 480, Outcome.UNREACHABLE),
        (True, 21, 603, Outcome.REJECTED),
        (False, 127, 607, Outcome.BLOCKED_BY_USER),
        (False, 127, 608, Outcome.BLOCKED_ANALYTICS),
        (False, 34, 503, Outcome.CONGESTION),
        (False, 23, 302, Outcome.REDIRECTED),
        (False, 21, 401, Outcome.TRUNK_CONFIG),
        (False, 127, 429, Outcome.RATE_LIMITED),
    ],
)
@pytest.mark.parametrize("response_first", [True, False])
def test_refusals(
    rang: bool, cause: int, tech: int, outcome: Outcome, response_first: bool
) -> None:
    scene = Scene()
    scene.agent()
    attempt = scene.dial()
    if rang:
        scene.tell(ev.LegRinging(attempt))
    facts: list[ev.Event] = [ev.OriginateFailed(attempt), ev.LegHungUp(attempt, cause, tech)]
    scene.tell(*(facts if response_first else facts[::-1]))
    assert scene.get(cmd.RecordOutcome).outcome is outcome


def test_an_originate_without_a_channel_ends_by_itself() -> None:
    scene = Scene()
    scene.agent()
    attempt = scene.dial()
    scene.tell(ev.OriginateFailed(attempt)).wait(2.1)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.FAILED_LOCAL


def test_a_machine_is_no_live_answer() -> None:
    scene = Scene(rules=ev.CampaignRules("amd", "main", "trunk", "", amd=True))
    scene.agent()
    attempt = scene.dial()
    scene.tell(ev.LegAnswered(attempt, "PJSIP/x"), ev.MachineDetected(attempt, "MAXWORDS"))
    scene.tell(ev.LegHungUp(attempt, 16))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.MACHINE
    (end,) = observed(scene, LineEnded)
    assert end.end is LineEnd.MACHINE


def test_the_agent_hangs_up_only_a_customer_the_agent_talks_to() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.tell(ev.HangUpPressed("anna")).expect()
    scene.talk(attempt, leg).tell(ev.HangUpPressed("anna")).expect(cmd.HangUp)
    scene.tell(ev.LegHungUp(attempt, 16))
    assert scene.get(cmd.RecordOutcome).hung_up_by == "agent"


def test_a_break_chosen_during_the_call_is_taken_after_it() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.StatusChosen("anna", ev.Status.BREAK, "lunch"))
    assert scene.state() is AgentState.TALK
    scene.tell(ev.DispositionChosen("anna", attempt, "done"))
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    assert scene.state() is AgentState.BREAK


def test_the_wrap_up_ends_by_itself() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    scene.wait(RULES.wrap_up_limit_s + 0.1)
    assert scene.state() is AgentState.READY


def test_an_agent_whose_phone_drops_in_talk_gets_no_call_until_it_rings_again() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.LegHungUp(leg, 16))
    assert scene.state() is AgentState.PHONE_LOST
    scene.tell(ev.LegUnbridged(attempt, "b1"), ev.LegHungUp(attempt, 16))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CONNECTED
    other = scene.dial()
    scene.live(other).expect()
    scene.tell(ev.StatusChosen("anna", ev.Status.READY))
    assert scene.get(cmd.RingAgent).leg == leg
    scene.tell(ev.LegParked(leg, "PJSIP/anna-2"))
    assert scene.get(cmd.Bridge).customer_leg == other


def test_a_lost_screen_stops_new_calls_and_keeps_the_live_one() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.ScreenLost("anna")).expect()
    assert scene.state() is AgentState.TALK
    scene.tell(ev.DispositionChosen("anna", attempt, "x"))
    scene.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    assert scene.state() is AgentState.BREAK
    scene.tell(ev.ScreenBack("anna"))
    assert scene.state() is AgentState.READY


# --- the link goes away -------------------------------------------------------------------------


def found(leg: str, place: ev.ChannelPlace, peer: str = "") -> ev.ChannelFound:
    return ev.ChannelFound(leg, f"PJSIP/{leg}", place, peer)


def test_a_lost_link_stops_dialling_and_resends_nothing() -> None:
    scene = Scene()
    leg = scene.agent()
    ringing, planned = scene.dial(), scene.plan()[0]
    scene.tell(ev.LinkLost("main", "connection reset"))
    assert scene.floor.calls[ringing].state is CallState.UNKNOWN
    assert "connection reset" in scene.floor.not_dialling(scene.campaign)
    scene.tell(ev.AttemptRecorded(planned))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED
    scene.wait(20).expect()
    scene.tell(
        ev.LinkResynced(
            "main",
            (found(leg, ev.ChannelPlace.PARKED), found(ringing, ev.ChannelPlace.RINGING)),
        )
    )
    assert scene.floor.calls[ringing].state is CallState.RINGING
    assert scene.state() is AgentState.READY
    assert len([c for c in scene.all if isinstance(c, cmd.Originate)]) == 1


def test_a_conversation_survives_a_lost_link() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.talk(attempt, leg).tell(ev.LinkLost("main", "x")).wait(5)
    scene.tell(
        ev.LinkResynced(
            "main",
            (
                found(leg, ev.ChannelPlace.TALKING, attempt),
                found(attempt, ev.ChannelPlace.TALKING, leg),
            ),
        )
    ).expect()
    assert scene.state() is AgentState.TALK
    scene.tell(ev.LegHungUp(attempt, 16))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CONNECTED


def test_a_restarted_asterisk_ends_everything_once() -> None:
    scene = Scene()
    leg = scene.agent()
    talking, ringing = scene.dial(), scene.dial()
    scene.talk(talking, leg).tell(ev.LegRinging(ringing), ev.LinkLost("main", "x")).wait(9)
    scene.tell(ev.LinkResynced("main", (), restarted=True))
    ended = {c.attempt: c.outcome for c in scene.said if isinstance(c, cmd.RecordOutcome)}
    assert ended == {talking: Outcome.CONNECTED, ringing: Outcome.LOST}
    scene.get(cmd.RingAgent)  # the agent's phone is rung again
    assert not scene.floor.calls


def test_an_originate_just_sent_is_not_given_up_because_a_listing_did_not_show_it() -> None:
    scene = Scene()
    scene.agent()
    attempt = scene.dial()
    scene.tell(ev.LinkLost("main", "x"), ev.LinkResynced("main", ())).expect(
        cmd.RecordSession, cmd.RingAgent
    )
    scene.wait(5.1).expect(cmd.CheckLeg)
    scene.tell(ev.LegChecked("main", attempt, None))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.LOST


def test_a_new_life_adopts_what_the_old_one_left() -> None:
    scene = Scene()
    leads = [c.lead for c in scene.all if isinstance(c, cmd.RecordAttempt)]
    assert not leads
    one, two, three = (ev.Lead(n, "spring", f"+49301{n}", n, 1) for n in (91, 92, 93))
    scene.tell(ev.LinkLost("main", "starting"))
    scene.tell(
        ev.AgentRecovered("anna", "od-s-a1", "main", "p", ("spring",), ev.Status.READY),
        ev.AttemptRecovered("od-s-c1", "main", one, "anna", True, True, True, 40),
        ev.AttemptRecovered("od-s-c2", "main", two, age_s=8),
        ev.AttemptRecovered("od-s-c3", "main", three, answered=True, live=True, age_s=9),
    )
    scene.tell(
        ev.LinkResynced(
            "main",
            (
                found("od-s-a1", ev.ChannelPlace.TALKING, "od-s-c1"),
                found("od-s-c1", ev.ChannelPlace.TALKING, "od-s-a1"),
                found("od-s-c2", ev.ChannelPlace.RINGING),
            ),
        )
    )
    outcome = scene.get(cmd.RecordOutcome)
    assert (outcome.attempt, outcome.outcome) == ("od-s-c3", Outcome.ABANDONED)
    assert scene.state() is AgentState.TALK
    scene.tell(ev.ScreenBack("anna"), ev.LegHungUp("od-s-c1", 16))
    assert scene.get(cmd.RecordOutcome).agent == "anna"
    scene.tell(ev.LegParked("od-s-a1", "PJSIP/a"))
    assert scene.state() is AgentState.WRAP_UP
    scene.tell(ev.DispositionChosen("anna", "od-s-c1", "ptp"))
    assert scene.get(cmd.RecordDisposition).lead is one
    assert scene.state() is AgentState.READY


# --- campaigns ----------------------------------------------------------------------------------


def test_a_stopped_campaign_serves_what_is_under_way() -> None:
    scene = Scene()
    leg = scene.agent()
    attempt = scene.dial()
    scene.tell(ev.LegRinging(attempt), ev.CampaignStopped("spring")).expect(cmd.ReturnLeads)
    assert scene.campaign.state is CampaignState.STOPPING
    scene.live(attempt).expect(cmd.Bridge)
    scene.tell(ev.LegBridged(leg, "b"), ev.LegBridged(attempt, "b"), ev.LegHungUp(attempt, 16))
    assert scene.campaign.state is CampaignState.STOPPED


def test_a_paused_campaign_does_not_dial() -> None:
    scene = Scene()
    scene.agent()
    (attempt,) = scene.plan()
    scene.tell(ev.CampaignPaused("spring"), ev.AttemptRecorded(attempt))
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED
    assert scene.plan(5) == []
    scene.tell(ev.CampaignResumed("spring"))
    assert scene.floor.not_dialling(scene.campaign) == ""


def test_the_hopper_is_refilled_and_asks_again_when_a_lead_becomes_due() -> None:
    scene = Scene(leads=0)
    scene.agent()
    scene.tell(ev.LeadsOffered("spring", (), exhausted=True, next_ready_s=30))
    assert scene.floor.not_dialling(scene.campaign) == "no lead is due"
    scene.wait(29)
    assert not [c for c in scene.said if isinstance(c, cmd.FetchLeads)]
    scene.wait(2)
    scene.get(cmd.FetchLeads)


def test_a_ring_limit_under_the_laws_least_is_refused() -> None:
    scene = Scene()
    scene.tell(ev.CampaignStarted(ev.CampaignRules("short", "main", "trunk", "", 10.0)))
    scene.expect(cmd.Warn)
    assert "short" not in scene.floor.campaigns


def test_a_lines_decision_for_an_unknown_campaign_is_nothing() -> None:
    Scene().tell(ev.LinesDecided("nobody", Decision(3))).expect()


def test_a_resumed_campaign_fetches_the_leads_it_gave_back() -> None:
    """The last fetch had emptied the list into the hopper; the pause put it back."""
    scene = Scene(leads=0)
    scene.agent()
    leads = tuple(lead(n) for n in range(5))
    scene.tell(ev.LeadsOffered("spring", leads, exhausted=True))
    scene.tell(ev.CampaignPaused("spring")).expect(cmd.ReturnLeads)
    scene.tell(ev.CampaignResumed("spring"))
    scene.get(cmd.FetchLeads)


def test_an_agent_of_two_campaigns_is_taken_by_one_call_only() -> None:
    scene = Scene()
    autumn = ev.CampaignRules("autumn", "main", "trunk", "")
    leads = tuple(lead(n, "autumn") for n in range(500, 505))
    scene.tell(ev.CampaignStarted(autumn), ev.LeadsOffered("autumn", leads))
    scene.tell(ev.AgentLoggedIn("anna", "od-t-a9", "main", "p", ("spring", "autumn")))
    scene.tell(ev.LegParked("od-t-a9", "PJSIP/anna-1"))
    scene.tell(ev.StatusChosen("anna", ev.Status.READY))
    first = scene.dial()
    scene.tell(ev.LinesDecided("autumn", Decision(1)))
    second = scene.get(cmd.RecordAttempt).attempt
    scene.tell(ev.AttemptRecorded(second)).wait(0.01)
    scene.live(first).expect(cmd.Bridge)
    scene.live(second).expect()  # nobody is free, in whatever campaign
    scene.tell(ev.LegBridged("od-t-a9", "b"), ev.LegBridged(first, "b"))
    scene.tell(ev.LegHungUp(first, 16), ev.LegParked("od-t-a9", "PJSIP/anna-1"))
    scene.tell(ev.DispositionChosen("anna", first, "x"))
    assert scene.get(cmd.Bridge).customer_leg == second


def test_an_agent_gets_a_minute_more_of_wrap_up_and_half_an_hour_at_most() -> None:
    floor = Scene()
    leg = floor.agent()
    attempt = floor.dial()
    floor.talk(attempt, leg)
    floor.tell(ev.MoreTimeAsked("anna")).expect()  # while talking there is nothing to extend
    floor.tell(ev.LegHungUp(attempt, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    floor.tell(ev.MoreTimeAsked("anna")).wait(RULES.wrap_up_limit_s + 59.0)
    assert floor.state() is AgentState.WRAP_UP
    floor.wait(2.0)
    assert floor.state() is AgentState.READY
    second = floor.dial()
    floor.talk(second, leg)
    floor.tell(ev.LegHungUp(second, 16), ev.LegParked(leg, "PJSIP/anna-1"))
    for _ in range(100):
        floor.tell(ev.MoreTimeAsked("anna"))
    floor.wait(1801.0)
    assert floor.state() is AgentState.READY
