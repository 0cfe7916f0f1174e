"""Every event fits its schema, says nothing the schema does not know, and is in the catalogue."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from crm_bridge import catalogue, events
from crm_bridge.events import CallPart, Event, LeadPart, Type
from dialer.core.outcomes import Outcome

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEAD = LeadPart(7, "+12025550100", "acc-7", "Example", {"balance": "12.50"})
CALL = CallPart("od-1-c7", "spring", LEAD, 2, "anna")
EXAMPLES = {
    Type.CALL_STARTED: events.call_started(CALL, AT),
    Type.CALL_RINGING: events.call_ringing(CALL, AT),
    Type.CALL_ANSWERED: events.call_answered(CALL, AT),
    Type.CALL_TRANSFERRED: events.call_transferred(CALL, AT, to_agent="ben"),
    Type.CALL_MONITORED: events.call_monitored(CALL, AT, supervisor="sue", mode="whisper"),
    Type.CALL_HELD: events.call_held(CALL, AT, on=True),
    Type.CALL_UNHELD: events.call_held(CALL, AT, on=False),
    Type.RECORDING_READY: events.recording_ready(
        CALL,
        AT,
        pbx="main",
        file="od-1-c7.wav",
        began_at=AT - timedelta(seconds=60),
        duration_s=59.98,
        paused=[(12.0, 20.5)],
    ),
    Type.CALL_CONNECTED: events.call_connected(CALL, AT, waited_s=0.0301),
    Type.CALL_ABANDONED: events.call_abandoned(CallPart("od-1-c8", "spring", LEAD), AT),
    Type.CALL_COMPLETED: events.call_completed(
        CALL,
        AT,
        outcome="connected",
        answered=True,
        live=True,
        started_at=AT - timedelta(seconds=90),
        connected_at=AT - timedelta(seconds=60),
        talk_s=60.0,
        hung_up_by="agent",
        cause=16,
    ),
    Type.SCREEN_POP: events.screen_pop(CALL, AT),
    Type.AGENT_STATE_CHANGED: events.agent_state_changed(
        "anna", AT, state="wrap-up", status="ready", call_id="od-1-c7"
    ),
    Type.DISPOSITION_SET: events.disposition_set(
        CALL, AT, code="PTP", note="pays Friday", callback_at="2026-03-06T10:00:00+01:00"
    ),
    Type.CALLBACK_SCHEDULED: events.callback_scheduled(
        CALL, AT, callback_at="2026-03-06T10:00:00+01:00", only_agent="anna"
    ),
    **{
        kind: events.callback_now(
            kind, "spring", 7, "A7", AT, call_id="c1", callback_at=AT, only_agent="anna"
        )
        for kind in (Type.CALLBACK_DUE, Type.CALLBACK_MISSED)
    },
    Type.LEAD_SUPPRESSED: events.lead_suppressed("spring", 7, "A7", AT, why="dispute"),
    Type.DNC_ADDED: events.dnc_added("+12025550100", AT, source="agent", campaign="spring"),
    Type.CAMPAIGN_STARTED: events.campaign_started("spring", AT),
    Type.CAMPAIGN_STOPPED: events.campaign_stopped("spring", AT, why="list exhausted"),
    Type.CAMPAIGN_COMPLIANCE_ALARM: events.campaign_compliance_alarm(
        "spring",
        AT,
        rule="30-day block",
        why="too many",
        limit=0.03,
        rate=0.034,
        live=900,
        abandoned=31,
    ),
    Type.LIST_IMPORT_FINISHED: events.list_import_finished(
        "b1", AT, campaign="spring", accepted=2000, rejected=3
    ),
    Type.PROMISE_CREATED: events.promise_created(CALL, AT, amount="120.50", due_on="2026-12-01"),
    **{
        kind: events.promise_ended(
            kind, "spring", 7, "A7", AT, call_id="c1", amount="120.50", due_on="2026-12-01"
        )
        for kind in (Type.PROMISE_KEPT, Type.PROMISE_BROKEN)
    },
    Type.DISPUTE_OPENED: events.dispute_opened(CALL, AT, reason="not mine"),
    Type.LEAD_EXHAUSTED: events.lead_exhausted("spring", LEAD, AT, attempts=6),
    Type.STRATEGY_STEP: events.strategy_step(
        "spring",
        LEAD,
        AT,
        strategy="consumer-early",
        segment="cards",
        arm="champion",
        treatment="soft",
        step="letter",
        action="letter_requested",
    ),
    Type.BRIDGE_TEST: events.bridge_test("overdial", AT),
}


def unknown_fields(data: Any, schema: dict[str, Any]) -> set[str]:
    """Names that the schema does not list, nested objects included."""
    known = schema.get("properties")
    if known is None or not isinstance(data, dict):
        return set()
    found = set(data) - set(known)
    for name in set(data) & set(known):
        found |= {f"{name}.{one}" for one in unknown_fields(data[name], known[name])}
    return found


@pytest.mark.parametrize("type_", Type)
def test_an_event_fits_its_schema(type_: Type) -> None:
    schema = catalogue.schema(type_)
    Draft202012Validator.check_schema(schema)
    event = EXAMPLES[type_]
    assert event.type == type_
    data = json.loads(json.dumps(event.data))
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(data)
    assert unknown_fields(data, schema) == set()


def test_there_is_a_schema_for_every_type_and_no_other() -> None:
    folder = Path(catalogue.__file__).parent / "schemas"
    assert {one.stem for one in folder.glob("*.json")} == set(Type)


def test_the_schema_knows_the_dialers_outcomes() -> None:
    known = catalogue.schema("call.completed")["properties"]["outcome"]["enum"]
    assert set(known) == {str(one) for one in Outcome}


def test_the_catalogue_page_is_current() -> None:
    page = Path(__file__).parents[2] / "docs" / "events.md"
    assert page.read_text(encoding="utf-8") == catalogue.page(), (
        "run: python -m crm_bridge.catalogue --write"
    )


def test_the_same_fact_has_the_same_id_and_others_have_others() -> None:
    assert events.call_started(CALL, AT).id == EXAMPLES[Type.CALL_STARTED].id
    assert len({one.id for one in EXAMPLES.values()}) == len(EXAMPLES)


def test_time_is_told_in_utc() -> None:
    local = AT.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert events.utc_text(local) == "2026-03-02T09:00:00.000Z"


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"time": datetime(2026, 3, 2)}, "time zone"),
        ({"id": "a.b"}, "without dots"),
        ({"id": ""}, "without dots"),
        ({"id": "é"}, "ASCII"),
        ({"type": 'x","y'}, "words"),
        ({"key": "k" * 129}, "128"),
    ],
)
def test_an_event_that_could_not_be_sent_cannot_be_made(change: dict[str, Any], text: str) -> None:
    fields: dict[str, Any] = {"id": "a", "type": "dnc.added", "time": AT, "key": "k", "data": {}}
    with pytest.raises(ValueError, match=text):
        Event(**{**fields, **change})


@given(st.lists(st.text(), min_size=1, max_size=4), st.lists(st.text(), min_size=1, max_size=4))
def test_ids_tell_facts_apart(one: list[str], other: list[str]) -> None:
    same = "\0".join(one) == "\0".join(other)
    assert (events.event_id(*one) == events.event_id(*other)) is same
