"""The CRM says that somebody must not be called: what is not dialled yet is not dialled."""

from __future__ import annotations

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.outcomes import Outcome
from dialer.core.states import CallState
from tests.core.playbook import Scene, lead


def test_suppressed_leads_leave_the_hopper() -> None:
    scene = Scene()
    scene.tell(ev.LeadSuppressed(frozenset({3}), frozenset({lead(7).phone}))).expect(
        cmd.ReturnLeads
    )
    assert scene.get(cmd.ReturnLeads).lead_ids == (3, 7)
    assert [one.lead_id for one in scene.campaign.hopper] == [
        n for n in range(20) if n not in (3, 7)
    ]


def test_an_attempt_being_written_is_not_dialled_when_it_is_on_record() -> None:
    scene = Scene()
    (attempt,) = scene.plan()
    scene.tell(ev.LeadSuppressed(frozenset({0}))).expect()
    assert scene.floor.calls[attempt].state is CallState.REVOKED
    scene.tell(ev.LeadSuppressed(frozenset({0}))).expect()  # told twice is told once
    scene.tell(ev.AttemptRecorded(attempt)).expect(cmd.RecordOutcome)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED
    scene.wait(60)
    assert not [c for c in scene.all if isinstance(c, cmd.Originate)]
    assert scene.floor.trunk("main", "trunk").in_use == 0


def test_a_revoked_attempt_the_store_refuses_is_forgotten() -> None:
    scene = Scene()
    (attempt,) = scene.plan()
    scene.tell(ev.LeadSuppressed(phones=frozenset({lead(0).phone})))
    scene.tell(ev.AttemptRefused(attempt, "suppressed")).expect()
    assert not scene.floor.calls
    assert scene.floor.trunk("main", "trunk").in_use == 0


def test_an_attempt_waiting_for_its_slot_is_taken_back() -> None:
    scene = Scene(cps=0.5)
    first, second = scene.plan(2)
    scene.tell(ev.AttemptRecorded(first), ev.AttemptRecorded(second))
    assert scene.floor.calls[second].state is CallState.CLEARED
    scene.tell(ev.LeadSuppressed(frozenset({1}))).expect(cmd.RecordOutcome)
    assert scene.get(cmd.RecordOutcome).outcome is Outcome.CANCELLED
    scene.wait(10)
    assert [c.attempt for c in scene.all if isinstance(c, cmd.Originate)] == [first]


def test_what_rings_or_talks_goes_on() -> None:
    scene = Scene()
    leg = scene.agent()
    talking = scene.dial()
    scene.talk(talking, leg)
    ringing = scene.dial()
    scene.tell(ev.LegRinging(ringing))
    scene.tell(ev.LeadSuppressed(frozenset({0, 1}))).expect()
    assert scene.floor.calls[talking].state is CallState.TALKING
    assert scene.floor.calls[ringing].state is CallState.RINGING
