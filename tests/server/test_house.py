"""Supervisors, customers, curves and traces over a whole dialer in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from dialer.core import events as ev
from dialer.server.face import CampaignAction, Refused
from dialer.server.house import House
from dialer.server.supervision import MESSAGE_S, SettingsChange
from tests.ami.virtual import virtual
from tests.server.stage import CAMPAIGN, Stage, stage

NUMBERS = ["+4930000000200", "+4930000000201"]
FIELDS = {"balance": "482.10", "dob": "1980-02-01", "postcode": "10115 Berlin", "product": "card"}
SCREEN = {
    "masked": ["balance"],
    "verify": {
        "identifiers": [{"field": "dob", "label": "Date of birth"}, {"field": "postcode"}],
        "need": 2,
    },
    "script": "script.md",
    "knowledge": "pages",
}
SCRIPT = """## Greeting {required}
Good day, {{ name }}, about your {{product}}.

## Who are you {required} {verify}
Your balance is {{ balance }}, born {{ dob }}.
"""


@asynccontextmanager
async def floor(folder: Path, **more: Any) -> AsyncIterator[tuple[Stage, House]]:
    (folder / "script.md").write_text(SCRIPT)
    (folder / "pages").mkdir()
    (folder / "pages" / "payments.md").write_text("# Ways to pay\n\n<script>x</script>")
    numbers = more.pop("numbers", NUMBERS)
    campaign = {"screen": SCREEN, "abandon_limit": 0.03, **more}
    async with stage(folder, numbers, agents=("anna",), more=campaign, fields=FIELDS) as it:
        yield it, it.server._house


async def _talking(it: Stage) -> str:
    await it.everybody_ready()
    await it.until("a talk", lambda: it.states().get("anna") == "talk")
    return it.server.engine.floor.agents["anna"].attempt


def _audited(it: Stage, action: str) -> list[dict[str, Any]]:
    return it.rows(f"SELECT who, object, detail FROM audit_log WHERE action = '{action}'")


# --- customers --------------------------------------------------------------------------------


@virtual
async def test_a_balance_is_seen_after_verification_and_not_before(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        with pytest.raises(Refused, match="no call"):
            await house.casework.current("anna")
        attempt = await _talking(it)
        face = it.server.reception

        def fields() -> dict[str, str]:
            view = face.agent_view("anna")
            assert view is not None
            assert view.call is not None
            return dict(view.call.lead.fields)

        assert fields() == {**FIELDS, "balance": "", "dob": "", "postcode": ""}
        customer = await house.casework.current("anna")
        assert set(customer.masked) == {"balance", "dob", "postcode"}
        assert dict(customer.fields) == fields()
        script = house.casework.script("anna")
        assert [(s.title, s.required, s.verify) for s in script] == [
            ("Greeting", True, False),
            ("Who are you", True, True),
        ]
        assert "card" in script[0].html
        assert "482" not in script[1].html
        assert "(after verification)" in script[1].html

        said = await house.casework.verify("anna", {"dob": "1980-02-01", "postcode": "999"})
        assert (said.verified, said.matched, said.need) == (False, 1, 2)
        assert fields()["balance"] == ""
        said = await house.casework.verify("anna", {"dob": "1980/02/01", "postcode": "10115berlin"})
        assert said.verified
        assert fields() == {**FIELDS, "dob": "", "postcode": ""}, "what identifies is never shown"
        assert "482.10" in house.casework.script("anna")[1].html
        verified = _audited(it, "customer.verified")
        assert [row["who"] for row in verified] == ["anna"]
        assert attempt in verified[0]["detail"]
        everything = str(it.rows("SELECT * FROM audit_log"))
        for secret in ("1980", "10115", "482.10", "Customer"):
            assert secret not in everything


@virtual
async def test_verification_is_not_guessed(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        await _talking(it)
        for _ in range(3):
            assert not (await house.casework.verify("anna", {"dob": ""})).verified
        with pytest.raises(Refused, match="Too many"):
            await house.casework.verify("anna", {"dob": "1980-02-01", "postcode": "10115 Berlin"})
        assert not (await house.casework.current("anna")).verified


@virtual
async def test_customers_are_found_within_ones_campaigns(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        cases = house.casework
        attempt = await _talking(it)
        await it.server.reception.dispose("anna", attempt, "done", "", "rings after nine")
        await it.server.reception.hang_up("anna")
        await it.until("its end", lambda: attempt not in it.server.engine.floor.calls)
        await it.server.store.flush()
        for text, wanted in (
            ("omer 1", ["Customer 1"]),
            ("CUSTOMER", ["Customer 0", "Customer 1"]),
            ("0000201", ["Customer 1"]),
            ("+49 30 000000 200", ["Customer 0"]),
            ("A1", None),
            ("A1%", []),
            ("___", []),
        ):
            if wanted is None:
                with pytest.raises(Refused, match="3 signs"):
                    await cases.search(text, (CAMPAIGN,), 10, "sam")
                continue
            found, more = await cases.search(text, (CAMPAIGN,), 10, "sam")
            assert [one.name for one in found] == wanted, text
            assert not more
        found, more = await cases.search("Customer", (CAMPAIGN,), 1, "sam")
        assert (len(found), more) == (1, True)
        assert await cases.search("Customer", ("autumn",), 10, "sam") == ([], False)
        lead_id = it.rows(f"SELECT lead_id FROM attempts WHERE id = '{attempt}'")[0]["lead_id"]
        seen = await cases.customer(lead_id, "mia", None, masked=False)
        assert seen.fields["balance"] == "482.10"
        assert seen.history[0].note == "rings after nine"
        assert seen.history[0].code == "done"
        assert seen.phones[0].phone in NUMBERS
        masked = await cases.customer(lead_id, "anna", frozenset({CAMPAIGN}), masked=True)
        assert masked.fields["balance"] == ""
        with pytest.raises(Refused) as refused:
            await cases.customer(lead_id, "mia", frozenset({"autumn"}), masked=False)
        assert refused.value.status == 404
        assert len(_audited(it, "customer.looked_at")) == 2


@virtual
async def test_callback_hours_are_the_laws_and_the_campaigns(tmp_path: Path) -> None:
    """The campaign's hours are open round the clock; the German pack's are 8 to 20, also for
    callbacks that an override would dial."""
    async with floor(tmp_path) as (it, house):
        await _talking(it)
        zones, hours = house.casework.callback_hours("anna")
        assert zones == ("Europe/Berlin",)
        assert 13 <= len(hours) <= 15
        there = ZoneInfo(zones[0])
        for one in hours[1:-1]:
            begin = datetime.fromisoformat(one.begin).astimezone(there)
            end = datetime.fromisoformat(one.end).astimezone(there)
            assert ((begin.hour, begin.minute), (end.hour, end.minute)) == ((8, 0), (20, 0))
            assert begin.date() == end.date()


@virtual
async def test_pages_of_ones_campaigns(tmp_path: Path) -> None:
    async with floor(tmp_path) as (_, house):
        (found,) = house.casework.pages((CAMPAIGN,))
        assert (found[0].page, found[0].title, found[1]) == (
            "payments",
            "Ways to pay",
            (CAMPAIGN,),
        )
        assert "<script" not in house.casework.page("payments", (CAMPAIGN,)).html
        assert house.casework.pages(("autumn",)) == []
        for name in ("../script", "script", "payments.md", "/etc/passwd", ""):
            with pytest.raises(Refused):
                house.casework.page(name, (CAMPAIGN,))


# --- keys and recording -----------------------------------------------------------------------


@virtual
async def test_keys_and_the_pause_of_a_recording_reach_the_pbx(tmp_path: Path) -> None:
    async with floor(tmp_path, record=True) as (it, _):
        face = it.server.reception
        await face.sit_down("anna")
        recordings = it.server._house.recordings
        for attempt_to in (face.send_digits("anna", "1"), recordings.turn("anna", "paused")):
            with pytest.raises(Refused, match="not talking"):
                await attempt_to
        attempt = await _talking(it)
        await face.send_digits("anna", "12#")
        assert it.pbx.exchange.keys == [(attempt, key) for key in "12#"]

        def recording() -> str:
            view = face.agent_view("anna")
            assert view is not None
            assert view.call is not None
            return view.call.recording

        assert recording() == "on"
        await recordings.turn("anna", "paused")
        assert recording() == "paused"
        await recordings.turn("anna", "on")
        assert recording() == "on"
        with pytest.raises(Refused, match="do not end"):
            await recordings.turn("anna", "off")


@virtual
async def test_what_is_not_recorded_is_not_paused(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, _):
        await _talking(it)
        with pytest.raises(Refused, match="not recorded"):
            await it.server._house.recordings.turn("anna", "paused")
        with pytest.raises(Refused, match="do not begin"):
            await it.server._house.recordings.turn("anna", "on")


# --- supervisors ------------------------------------------------------------------------------


@virtual
async def test_a_forced_status_waits_for_the_call_and_is_told(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        attempt = await _talking(it)
        await house.supervision.force_status("anna", ev.Status.BREAK, "coaching", "sam")
        await it.server.engine.door.settled()
        view = it.server.reception.agent_view("anna")
        assert view is not None
        assert (view.state, view.status) == ("talk", "break")
        assert "sam set your status: break (coaching)" in view.messages[-1].text
        await it.server.reception.dispose("anna", attempt, "done", "", "")
        await it.server.reception.hang_up("anna")
        await it.until("the break", lambda: it.states()["anna"] == "break")
        assert _audited(it, "agent.status")[0]["object"] == "anna"
        with pytest.raises(Refused) as refused:
            await house.supervision.force_status("nobody", ev.Status.READY, "", "sam")
        assert refused.value.status == 404


@virtual
async def test_broadcasts_reach_their_campaigns_for_a_while(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        await it.server.reception.sit_down("anna")
        assert await house.supervision.broadcast("Lunch is late.", [CAMPAIGN], "sam") == 1
        assert await house.supervision.broadcast("Not for you.", ["autumn"], "sam") == 0
        assert [m.text for m in house.supervision.messages_of("anna")] == ["Lunch is late."]
        clock = it.server.clock
        sent, clock.now = clock.now(), lambda: sent + MESSAGE_S  # type: ignore[method-assign]
        assert house.supervision.messages_of("anna") == ()
        assert "Lunch" not in str(_audited(it, "broadcast"))


@virtual
async def test_a_call_for_help_from_asked_to_closed(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        attempt, desk = await _talking(it), house.supervision
        await desk.ask_help("anna", "He shouts.")
        await desk.ask_help("anna", "He shouts louder.")
        (asked,) = it.server.reception.wallboard().escalations
        assert (asked.agent, asked.attempt, asked.campaign) == ("anna", attempt, CAMPAIGN)
        with pytest.raises(Refused):
            await desk.act_on_escalation(asked.id, "take", "sam", frozenset({"autumn"}))
        await desk.act_on_escalation(asked.id, "take", "sam", None)
        with pytest.raises(Refused, match="sam has taken it"):
            await desk.act_on_escalation(asked.id, "take", "sue", None)
        view = it.server.reception.agent_view("anna")
        assert view is not None
        assert view.help is not None
        assert (view.help.taken_by, view.help.text) == ("sam", "He shouts louder.")
        await desk.act_on_escalation(asked.id, "close", "sam", None)
        assert desk.escalations() == ()
        assert "shouts" not in str(it.rows("SELECT * FROM audit_log"))


def _change(**given: Any) -> SettingsChange:
    return SettingsChange(frozenset(given), **given)


@virtual
async def test_mode_and_caps_go_down_and_survive_a_restart(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        desk, governor = house.supervision, it.server.engine.pacing.governor(CAMPAIGN)
        first = desk.settings(CAMPAIGN)
        assert (first.mode, first.abandon_limit, first.lines_max) == ("predictive", 0.03, 0)
        pacer = governor.pacer
        with pytest.raises(Refused, match="only be lowered"):
            await desk.change_settings(CAMPAIGN, _change(abandon_limit=0.031), "sam")
        now = await desk.change_settings(
            CAMPAIGN, _change(mode="progressive", abandon_limit=0.01, lines_max=4), "sam"
        )
        assert (now.mode, now.abandon_limit, now.lines_max) == ("progressive", 0.01, 4)
        assert now.changed_by == "sam"
        assert governor.account.limit == 0.01
        assert type(governor.pacer).__name__.startswith("Progressive")
        assert it.server.reception.campaigns()[0].mode == "progressive"
        await it.server.close()
        await it.start()
        desk = it.server._house.supervision
        assert desk.settings(CAMPAIGN) == now
        governor = it.server.engine.pacing.governor(CAMPAIGN)
        assert (governor.lines_max, governor.account.limit) == (4, 0.01)
        back = await desk.change_settings(
            CAMPAIGN, SettingsChange(frozenset({"mode", "abandon_limit", "lines_max"})), "sam"
        )
        assert (back.mode, back.abandon_limit, back.lines_max) == ("predictive", 0.03, 0)
        assert type(governor.pacer) is type(pacer)
        assert len(_audited(it, "campaign.settings")) == 2


@virtual
async def test_a_cap_on_lines_holds(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        await house.supervision.change_settings(CAMPAIGN, _change(lines_max=1), "sam")
        most = 0

        def talks() -> bool:
            nonlocal most
            campaign = it.server.engine.floor.campaigns[CAMPAIGN]
            most = max(most, len(campaign.calls))
            return it.states().get("anna") == "talk"

        await it.everybody_ready()
        await it.until("a talk", talks)
        assert most == 1, "three lines for each agent, as the pacer wants, were it not for the cap"


# --- curves and traces ------------------------------------------------------------------------


@virtual
async def test_curves_and_traces_of_a_call(tmp_path: Path) -> None:
    async with floor(tmp_path) as (it, house):
        attempt = await _talking(it)
        clock = it.server.clock
        until = clock.now() + 25
        await it.until("some samples", lambda: clock.now() > until)
        chart = house.charts.recent([CAMPAIGN], 0.0)
        assert len(chart.series["at"]) >= 2
        assert max(v or 0 for v in chart.series["talking"]) >= 1
        assert chart.series["abandon_limit"][0] == 0.03
        last = chart.series["at"][-1]
        assert last is not None
        assert house.charts.recent([CAMPAIGN], last).series["at"] == []
        assert house.charts.recent(["autumn"], 0.0).series["at"] == []

        trace = house.tracing.trace(CAMPAIGN, 0.0, 50)
        assert trace.records
        assert all(r.why for r in trace.records)
        again = house.tracing.trace(CAMPAIGN, trace.next, 50)
        assert not again.records or again.records[0].at > trace.records[-1].at
        with pytest.raises(Refused):
            house.tracing.trace("autumn", 0.0, 50)

        await it.server.reception.hang_up("anna")
        await it.until("its end", lambda: attempt not in it.server.engine.floor.calls)
        await it.server.store.flush()
        day = await house.charts.day([CAMPAIGN], house.charts.today(clock.utc()))
        assert sum(v or 0 for v in day.series["connects"]) >= 1
        assert sum(v or 0 for v in day.series["talk_s"]) > 10
        rows = await house.tracing.outcomes([CAMPAIGN], 24)
        assert ("carrier", "connected") in {(r.trunk, r.outcome) for r in rows}
        line = await house.tracing.timeline(attempt, None)
        assert (line.steps[0].step, line.steps[-1].step) == ("recorded", "closed")
        assert (line.outcome, line.unserved, line.why) == ("connected", False, "")
        assert line.decisions
        with pytest.raises(Refused):
            await house.tracing.timeline(attempt, frozenset({"autumn"}))


@virtual
async def test_why_a_call_was_abandoned(tmp_path: Path) -> None:
    numbers = [f"+49300000{n:02d}200" for n in range(12)]
    async with floor(tmp_path, numbers=numbers, abandon_limit=0.99) as (it, house):
        await it.everybody_ready()

        def abandoned() -> bool:
            return bool(it.rows("SELECT 1 FROM attempts WHERE unserved"))

        await it.until("one too many", abandoned)
        (lost,) = it.rows("SELECT id FROM attempts WHERE unserved LIMIT 1")
        line = await house.tracing.timeline(lost["id"], None)
        assert line.unserved
        assert "agents were free" in line.why
        assert line.decisions


# --- life cycle -------------------------------------------------------------------------------


@virtual
async def test_what_people_did_with_a_campaign_stands_over_a_restart(tmp_path: Path) -> None:
    async with floor(tmp_path, numbers=[]) as (it, house):

        async def act(action: CampaignAction) -> str:
            await it.act(action)
            await it.server._house.supervision.acted(CAMPAIGN, action, "max")
            return state()

        def state() -> str:
            return it.server.reception.campaigns()[0].state

        async def again() -> str:
            await it.server.close()
            await it.start()
            await it.server.engine.door.settled()
            return state()

        assert await again() == "running"
        await act(CampaignAction.PAUSE)
        assert await again() == "paused"
        assert it.server.reception.campaigns()[0].why_not_dialling == "paused by max"
        assert await act(CampaignAction.RESUME) == "running"
        assert await again() == "running"
        with pytest.raises(Refused, match="not stopped"):
            await it.act(CampaignAction.ARCHIVE)
        assert await act(CampaignAction.STOP) == "stopped"
        assert await again() == "stopped"
        assert await act(CampaignAction.ARCHIVE) == "archived"
        assert await again() == "archived"
        assert it.server.reception.wallboard().campaigns == ()
        assert await act(CampaignAction.START) == "running"
        assert len(it.server.reception.wallboard().campaigns) == 1
        assert await again() == "running"
        assert house is not it.server._house
