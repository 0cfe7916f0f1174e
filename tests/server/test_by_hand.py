"""The whole dialer: leads shown to agents, calls they ask for, words, claims left behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.states import AgentState
from dialer.server.face import Refused
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

PEOPLE = [f"+4930{n:05d}200" for n in range(3)]
STRANGER = "+493099999200"
PREVIEW = {
    "mode": "preview",
    "pacer": "",
    "pacer_options": {},
    "preview": {"limit": "30s", "again": "1h", "skip_reasons": ["no time"]},
    "queues": [{"name": "boss", "skills": ["boss"]}],
    "escalate_to": "boss",
}
MANUAL = {**PREVIEW, "mode": "manual"}
WORDS = {
    "dispositions": [
        {"code": "done", "label": "Done"},
        {
            "code": "promise",
            "label": "Promise",
            "requires": ["amount", "due_on"],
            "emits": "promise",
        },
        {"code": "callback", "label": "Later", "next": "callback", "requires": ["callback_at"]},
        {"code": "hand_over", "label": "Boss", "next": "escalate", "queue": "boss"},
        {"code": "stop", "label": "Do not call", "next": "do_not_call"},
    ]
}


def state(it: Stage, agent: str = "anna") -> AgentState | None:
    return it.states().get(agent)


async def shown(it: Stage, agent: str = "anna") -> int:
    await it.server.engine.door.settled()
    await it.until("a lead is shown", lambda: state(it, agent) is AgentState.PREVIEW)
    view = it.server.reception.agent_view(agent)
    assert view is not None
    assert view.offer is not None
    return view.offer.lead.lead_id


async def talk(it: Stage, agent: str = "anna") -> str:
    """Talk and hang up; the attempt, in wrap-up."""
    await it.until("a talk", lambda: state(it, agent) is AgentState.TALK)
    await it.server.reception.hang_up(agent)
    await it.until("wrap-up", lambda: state(it, agent) is AgentState.WRAP_UP)
    view = it.server.reception.agent_view(agent)
    assert view is not None
    assert view.call is not None
    return view.call.attempt


@virtual
async def test_leads_are_shown_accepted_skipped_and_handed_over(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE, agents=("anna",), more=PREVIEW) as it:
        face = it.server.reception
        await it.everybody_ready()
        first = await shown(it)
        with pytest.raises(Refused, match="no such reason"):
            await face.skip("anna", first, "because")
        with pytest.raises(Refused, match="not on your screen"):
            await face.accept("anna", first + 1)
        await face.skip("anna", first, "no time")
        second = await shown(it)
        assert second != first
        await face.skip("anna", second, "too hard", escalate=True)
        third = await shown(it)
        assert third not in (first, second)
        await face.accept("anna", third)
        await it.until("dialling", lambda: state(it) is AgentState.DIALLING)
        view = face.agent_view("anna")
        assert view is not None
        assert view.call is not None
        assert (view.call.stage, view.call.mode) in (
            ("dialling", "preview"),
            ("ringing", "preview"),
        )
        await face.dispose("anna", await talk(it), "done", "", "")
        await it.until("free again", lambda: state(it) is AgentState.READY)
        dialled = it.rows("SELECT mode, booked_for, outcome FROM attempts")
        assert dialled == [{"mode": "preview", "booked_for": "anna", "outcome": "connected"}]
        lanes = it.rows(
            "SELECT l.id, lanes.queue FROM leads l JOIN lanes ON lanes.id = l.lane_id"
            " WHERE lanes.queue <> ''"
        )
        assert lanes == [{"id": second, "queue": "boss"}]
        ends = it.rows("SELECT ended FROM previews ORDER BY id")
        assert [row["ended"] for row in ends] == ["skipped", "skipped", "accepted"]


@virtual
async def test_nobody_looks_and_the_lead_is_the_next_ones(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",), more=PREVIEW) as it:
        await it.everybody_ready()
        await shown(it)
        await it.until("a break", lambda: state(it) is AgentState.BREAK)
        await it.server.store.flush()
        assert it.rows("SELECT state FROM leads") == [{"state": "waiting"}]
        assert it.rows("SELECT * FROM attempts") == []


@virtual
async def test_a_call_is_asked_for(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE, agents=("anna",), more=MANUAL | WORDS) as it:
        face = it.server.reception
        await it.everybody_ready()
        await it.until("the phone is up", lambda: state(it) is AgentState.READY)
        with pytest.raises(Refused, match="no such lead"):
            await face.dial("anna", "spring", external_id="nobody")
        with pytest.raises(Refused, match="number"):
            await face.dial("anna", "spring", phone="12")
        with pytest.raises(Refused, match="work for"):
            await face.dial("anna", "autumn", phone=STRANGER)
        with pytest.raises(Refused, match="may not set"):
            await face.dial("anna", "spring", phone=STRANGER, override="because I want to")
        attempt = await face.dial("anna", "spring", phone=STRANGER)
        assert await talk(it) == attempt
        with pytest.raises(Refused, match="not free"):
            await face.dial("anna", "spring", phone=STRANGER)
        with pytest.raises(Refused, match="asks for amount"):
            await face.dispose("anna", attempt, "promise", "", "")
        with pytest.raises(Refused, match="over or too far"):
            await face.dispose("anna", attempt, "promise", "", "", amount="10", due_on="2020-01-01")
        day = it.server.clock.utc().date().isoformat()
        await face.dispose("anna", attempt, "promise", "", "", amount="10.50", due_on=day)
        await it.until("free again", lambda: state(it) is AgentState.READY)
        await it.server.store.flush()
        assert it.rows("SELECT amount, due_on, state FROM promises") == [
            {"amount": "10.50", "due_on": day, "state": "active"}
        ]
        # Who says that he does not want it is not called, by nobody.
        attempt = await face.dial("anna", "spring", external_id="A0")
        await talk(it)
        await face.dispose("anna", attempt, "stop", "", "")
        await it.until("free again", lambda: state(it) is AgentState.READY)
        await it.server.store.flush()
        with pytest.raises(Refused, match="do-not-call"):
            await _refused(it, external_id="A0")
        dialled = [leg for leg in it.pbx.log.times_dialled if leg.rpartition("-")[2][0] == "c"]
        assert len(dialled) == 2


async def _refused(it: Stage, **whom: str) -> None:
    """The no of the attempt's own transaction comes a moment later, in the agent's view."""
    face = it.server.reception
    await face.dial("anna", "spring", **whom)  # type: ignore[arg-type]
    await it.until("a no", lambda: state(it) is AgentState.READY)
    view = face.agent_view("anna")
    assert view is not None
    raise Refused(view.notice)


@virtual
async def test_a_callback_at_night_is_refused_with_the_next_time(tmp_path: Path) -> None:
    window = {"calling_window": [{"days": "mon-sun", "from": "08:00", "to": "20:00"}]}
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",), more=MANUAL | WORDS | window) as it:
        face = it.server.reception
        await it.everybody_ready()
        await it.until("the phone is up", lambda: state(it) is AgentState.READY)
        attempt = await face.dial("anna", "spring", external_id="A0")
        await talk(it)
        with pytest.raises(Refused) as caught:
            await face.dispose("anna", attempt, "callback", "2027-03-01T03:00:00+01:00", "")
        assert "2027-03-01T07:00:00+00:00" in caught.value.mend  # eight in Berlin
        await face.dispose("anna", attempt, "callback", "2027-03-01T09:00:00+01:00", "", mine=True)
        await it.until("free again", lambda: state(it) is AgentState.READY)
        await it.server.store.flush()
        (one,) = it.rows("SELECT agent, state FROM callbacks")
        assert one == {"agent": "anna", "state": "open"}


@virtual
async def test_an_agent_hands_a_lead_over_after_the_call(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",), more=MANUAL | WORDS) as it:
        face = it.server.reception
        await it.everybody_ready()
        await it.until("the phone is up", lambda: state(it) is AgentState.READY)
        attempt = await face.dial("anna", "spring", external_id="A0")
        await talk(it)
        await face.dispose("anna", attempt, "hand_over", "", "")
        await it.until("free again", lambda: state(it) is AgentState.READY)
        await it.server.store.flush()
        assert it.rows(
            "SELECT l.state, lanes.queue FROM leads l JOIN lanes ON lanes.id = l.lane_id"
        ) == [{"state": "waiting", "queue": "boss"}]


@virtual
async def test_claims_that_nobody_holds_are_given_back(tmp_path: Path) -> None:
    """The answer to a claim was lost: the leads are claimed, and in no hopper."""
    async with stage(tmp_path, PEOPLE, agents=("anna",), more=PREVIEW) as it:
        (taken,) = await it.server.store.claim_leads_for(
            [cmd.FetchLeadFor("anna", ("spring",), (), frozenset(), ((None, frozenset()),))],
            it.server.clock.utc(),
        )
        assert taken.lead is not None
        claimed = "SELECT id FROM leads WHERE state = 'claimed'"
        assert it.rows(claimed) == [{"id": taken.lead.lead_id}]
        await it.until("given back", lambda: it.rows(claimed) == [])


@virtual
async def test_an_attempt_the_database_refuses_leaves_no_claim(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",), more=PREVIEW) as it:
        await it.everybody_ready()
        number = await shown(it)
        lead = it.server.engine.floor.agents["anna"].lead
        assert lead is not None
        # As the writer tells it when one row alone breaks a rule of the database.
        it.server.engine.post(ev.PreviewAccepted("anna", number))
        await it.server.engine.door.settled()
        (attempt,) = it.server.engine.floor.calls
        it.server.engine.refused(cmd.RecordAttempt(attempt, "main", lead), "the database: a rule")
        await it.server.engine.door.settled()
        assert state(it) is not AgentState.DIALLING
        await it.server.store.flush()
        assert it.rows("SELECT id FROM leads WHERE state = 'claimed'") == []


@virtual
async def test_agents_who_become_free_together_are_each_shown_a_lead_of_their_own(
    tmp_path: Path,
) -> None:
    names = ("anna", "berta", "carla")
    async with stage(tmp_path, PEOPLE[:2], agents=names, more=PREVIEW) as it:
        await it.everybody_ready()
        await it.until(
            "two are looking",
            lambda: [state(it, name) for name in names].count(AgentState.PREVIEW) == 2,
        )
        views = [it.server.reception.agent_view(name) for name in names]
        leads = [view.offer.lead.lead_id for view in views if view and view.offer]
        assert len(set(leads)) == 2
