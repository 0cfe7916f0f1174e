"""What a CRM may say, and what the dialer makes of it."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import jsonschema
import pytest

from crm_bridge.catalogue import schema
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.outcomes import Outcome
from tests.inbound.conftest import READER, Crm, row

SOON = "2027-03-01T10:00:00+01:00"


def results(body: Any) -> list[str]:
    return [one["result"] for one in body["results"]]


async def in_hopper(crm: Crm) -> list[str]:
    """The list, as the core holds it ready."""
    hopper = crm.server.engine.floor.campaigns["spring"].hopper
    for _ in range(400):
        if hopper:
            break
        await asyncio.sleep(0.01)
    return sorted(lead.external_id for lead in hopper)


async def test_leads_are_made_and_brought_up_to_date(crm: Crm) -> None:
    first = row("N1", name="Erika", fields={"balance": "10"}, source_version=3)
    status, body = await crm.post("/v1/leads", first)
    assert (status, results(body)) == (200, ["created"])
    status, body = await crm.post("/v1/leads", [first, row("N2"), first | {"source_version": 4}])
    assert results(body) == ["unchanged", "created", "unchanged"]
    changed = first | {"name": "Eva", "phones": ["030 23125000"], "source_version": 5}
    assert results((await crm.post("/v1/leads", changed))[1]) == ["updated"]
    assert crm.numbers("N1") == ["+493023125000"]
    assert crm.lead("N1")["name"] == "Eva"


async def test_older_versions_change_nothing(crm: Crm) -> None:
    await crm.post("/v1/leads", row("N1", name="new", source_version=9))
    status, body = await crm.post("/v1/leads", row("N1", name="old", source_version=8))
    assert (status, results(body)) == (200, ["stale"])
    status, body = await crm.send("PATCH", "/v1/leads/N1", {"name": "old", "source_version": 2})
    assert results(body) == ["stale"]
    assert crm.lead("N1")["name"] == "new"


async def test_each_row_stands_by_itself(crm: Crm) -> None:
    rows = [
        row("N1"),
        row("N2", phones=["12"]),
        row("N3", campaign="autumn"),
        {"external_id": "N4", "campaign": "spring", "colour": "red"},
        7,
        row("A0", source="other"),  # takes over the list's lead
        row("A0"),  # which is the other source's now
        row("N5", phones=["+493000001204"]),  # A1's number
        row("N6", zone="Mars/Phobos"),
    ]
    status, body = await crm.post("/v1/leads", rows)
    assert status == 200
    assert results(body) == ["created", *["rejected"] * 4, "updated", *["rejected"] * 3]
    assert all(one["reason"] for one in body["results"] if one["result"] == "rejected")
    assert body["counts"] == {"created": 1, "updated": 1, "rejected": 7}
    status, body = await crm.post("/v1/leads", row("N7", phones=[]))
    assert status == 400


async def test_a_stream_of_lines(crm: Crm) -> None:
    lines = [json.dumps(row(f"S{n}")).encode() for n in range(450)]
    lines[7] = b"{broken"
    status, body = await crm.post(
        "/v1/leads", b"\n".join(lines), Content_Type="application/x-ndjson"
    )
    assert status == 200
    assert len(body["results"]) == 450
    assert body["results"][7]["result"] == "rejected"
    assert body["results"][7]["reason"] == "line 8 is not JSON"
    assert body["counts"]["created"] >= 445  # two ids may have one number
    long = b'{"name": "' + b"x" * 300_000 + b'"}\n'
    status, _ = await crm.post("/v1/leads", long, Content_Type="application/x-ndjson")
    assert status == 413


async def test_a_patch_keeps_what_it_does_not_name(crm: Crm) -> None:
    await crm.post("/v1/leads", row("N1", name="Erika", fields={"a": "1", "b": "2"}))
    status, body = await crm.send("PATCH", "/v1/leads/N1", {"fields": {"b": "3"}, "priority": 5})
    assert (status, results(body)) == (200, ["updated"])
    lead = crm.lead("N1")
    assert (lead["name"], lead["priority"]) == ("Erika", 5)
    assert json.loads(lead["fields"]) == {"a": "1", "b": "3"}
    assert (await crm.send("PATCH", "/v1/leads/nobody", {"name": "x"}))[0] == 404
    assert (await crm.send("PATCH", "/v1/leads/N1", {"phones": ["12"]}))[0] == 400


async def test_consent_comes_with_a_number_as_it_does_in_a_list(crm: Crm) -> None:
    def number(**said: str) -> dict[str, Any]:
        return row("N1", phones=[{"number": "030 23125000", "label": "mobile"} | said])

    def kept() -> tuple[Any, ...]:
        (phone,) = crm.stage.rows("SELECT automatic FROM phones WHERE phone = '+493023125000'")
        said = crm.stage.rows("SELECT given, kind, given_on, source FROM consents")
        return (bool(phone["automatic"]), *(tuple(one.values()) for one in said))

    yes = {"consent": "written", "consent_at": "2026-01-02", "consent_source": "web"}
    assert results((await crm.post("/v1/leads", number(**yes)))[1]) == ["created"]
    assert kept() == (True, (1, "written", "2026-01-02", "web"))
    assert results((await crm.post("/v1/leads", number(consent="revoked")))[1]) == ["updated"]
    assert kept() == (False, (0, "revoked", "", ""))
    for said, told in (
        ({"consent": "perhaps"}, "phones.0.consent is not understood"),
        ({"consent": "yes", "consent_at": "2999-01-01"}, "phones.0.consent_at is a day in the fut"),
        ({"consent_until": "2027-01-01"}, "phones.0.consent is empty beside its day"),
    ):
        _, body = await crm.post("/v1/leads", number(**said))
        assert (results(body), body["results"][0]["reason"][: len(told)]) == (["rejected"], told)
    # Taken off the lead and brought again by somebody who says nothing: the no stands.
    await crm.post("/v1/leads", row("N1", phones=["030 23125001"]))
    await crm.post("/v1/leads", row("N1", phones=["030 23125000"]))
    await crm.post("/v1/leads", row("N1", phones=["030 23125001"]))
    assert results((await crm.post("/v1/leads", row("N2", phones=["030 23125000"])))[1]) == [
        "created"
    ]
    assert kept() == (False, (0, "revoked", "", ""))


async def test_a_changed_lead_leaves_the_hopper_and_comes_back_as_it_is_now(crm: Crm) -> None:
    assert await in_hopper(crm) == ["A0", "A1", "A2", "A3"]
    await crm.send("PATCH", "/v1/leads/A2", {"phones": ["+493023125001"]})
    hopper = crm.server.engine.floor.campaigns["spring"].hopper
    assert "+493000002204" not in [lead.phone for lead in hopper]


@pytest.mark.parametrize(
    ("path", "body", "state", "why"),
    [
        ("/v1/payments", {"reference": "p1", "balance_after": 0}, "done", "crm: paid"),
        ("/v1/payments", {"reference": "p1", "balance_after": "12.50"}, "held", "crm: payment"),
        ("/v1/payments", {"reference": "p1", "resume_at": SOON}, "waiting", ""),
        ("/v1/disputes", {"reference": "d1"}, "held", "crm: dispute"),
        ("/v1/cease", {}, "done", "crm: cease"),
    ],
)
async def test_a_stop_works_on_the_hopper_before_the_answer(
    crm: Crm, path: str, body: dict[str, Any], state: str, why: str
) -> None:
    assert "A1" in await in_hopper(crm)
    status, answer = await crm.post(path, {"external_id": "A1"} | body)
    hopper = crm.server.engine.floor.campaigns["spring"].hopper
    assert (status, answer["leads"]) == (200, 1)
    assert "A1" not in [lead.external_id for lead in hopper]
    lead = crm.lead("A1")
    assert (lead["state"], lead["why"]) == (state, why)
    again, _ = await crm.post(path, {"external_id": "A1"} | body)
    assert again == 200
    assert (crm.lead("A1")["state"], crm.lead("A1")["why"]) == (state, why)


async def test_cease_suppresses_the_numbers_and_tells_it(crm: Crm) -> None:
    await crm.post("/v1/cease", {"external_id": "A1"})
    rows = crm.stage.rows("SELECT phone, source FROM suppression")
    assert rows == [{"phone": "+493000001204", "source": "crm"}]
    _, body = await crm.send("GET", "/v1/events?limit=500", token=READER)
    assert "dnc.added" in [one["type"] for one in body["events"]]


async def test_a_stop_that_comes_before_its_lead_holds(crm: Crm) -> None:
    assert (await crm.post("/v1/cease", {"external_id": "N1"}))[1]["leads"] == 0
    assert (await crm.post("/v1/disputes", {"external_id": "N2", "reference": "d"}))[0] == 200
    await crm.post("/v1/leads", [row("N1"), row("N2"), row("N3")])
    states = [crm.lead(name)["state"] for name in ("N1", "N2", "N3")]
    assert states[:2] == ["done", "held"]
    assert states[2] in ("waiting", "claimed")


async def test_a_resolved_dispute_sets_free_and_a_late_word_does_not_bind_again(crm: Crm) -> None:
    about = {"external_id": "A1", "reference": "d1"}
    await crm.post("/v1/disputes", about | {"source_version": 1})
    assert crm.lead("A1")["state"] == "held"
    await crm.post("/v1/disputes", about | {"source_version": 3, "state": "resolved"})
    assert crm.lead("A1")["state"] in ("waiting", "claimed")
    _, body = await crm.post("/v1/disputes", about | {"source_version": 2})
    assert body == {"leads": 0, "stale": True}
    assert crm.lead("A1")["state"] in ("waiting", "claimed")


async def test_do_not_call(crm: Crm) -> None:
    assert "A3" in await in_hopper(crm)
    body = {"phones": ["+49 30 00003-204", "030 23125002"], "region": "DE"}
    assert await crm.post("/v1/dnc", body) == (200, {"added": 2, "rejected": []})
    hopper = crm.server.engine.floor.campaigns["spring"].hopper
    assert "A3" not in [lead.external_id for lead in hopper]
    assert await crm.post("/v1/dnc", body) == (200, {"added": 0, "rejected": []})
    status, problem = await crm.post("/v1/dnc", {"phones": ["030 23125003"]})
    assert status == 400
    assert "23125003" not in json.dumps(problem)
    # One slip of the hand in a night's batch keeps nobody else callable.
    batch = {"phones": ["nobody", "+493023125004", "030 23125005"]}
    assert await crm.post("/v1/dnc", batch) == (200, {"added": 1, "rejected": [0, 2]})


async def test_the_hopper_is_clear_in_the_very_step_of_the_answer(crm: Crm) -> None:
    """Looked at before anything else may run; a claim from before the commit is not overtaken."""
    assert "A3" in await in_hopper(crm)
    await crm.server.intake.do_not_call(["+493000003204"], "", "", None)
    hopper = crm.server.engine.floor.campaigns["spring"].hopper
    assert "A3" not in [lead.external_id for lead in hopper]

    crm.server.engine.post(ev.CampaignPaused("spring"))  # the claims go back
    await crm.server.engine.door.settled()
    store = crm.server.store
    await store.flush()
    claim, claimed, go_on = store.claim_leads, asyncio.Event(), asyncio.Event()

    async def slow(*asked: Any) -> ev.LeadsOffered:
        offered = await claim(*asked)
        claimed.set()
        await go_on.wait()
        return offered

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(store, "claim_leads", slow)
        crm.server.engine.post(ev.CampaignResumed("spring"))
        await asyncio.wait_for(claimed.wait(), 10)
        word = asyncio.get_running_loop().create_task(
            crm.server.intake.do_not_call(["+493000002204"], "", "", None)
        )
        await asyncio.wait({word}, timeout=0.1)
        go_on.set()
        await word
        assert "A2" not in [lead.external_id for lead in hopper]
    assert await in_hopper(crm) == ["A0", "A1"]


async def test_a_callback_waits_for_its_time(crm: Crm) -> None:
    assert "A2" in await in_hopper(crm)
    about = {"external_id": "A2", "at": SOON}
    assert (await crm.post("/v1/callbacks", about))[1]["leads"] == 1
    lead = crm.lead("A2")
    assert (lead["state"], lead["next_at_ms"]) == ("waiting", 1803891600000)
    await crm.post("/v1/payments", {"external_id": "A2", "reference": "p"})
    assert crm.lead("A2")["state"] == "held"
    assert (await crm.post("/v1/callbacks", about))[0] == 200  # what a payment held
    await crm.post("/v1/disputes", {"external_id": "A2", "reference": "d"})
    assert (await crm.post("/v1/callbacks", about))[0] == 409
    await crm.post("/v1/dnc", {"phones": ["+493000001204"]})
    assert (await crm.post("/v1/callbacks", about | {"external_id": "A1"}))[0] == 409
    assert (await crm.post("/v1/callbacks", about | {"external_id": "nobody"}))[0] == 404
    for never in ("9999-12-31T23:59:59-14:00", "2031-03-01T10:00:00Z"):
        assert (await crm.post("/v1/callbacks", about | {"at": never}))[0] == 400
    naive = about | {"at": "2027-03-01T10:00:00"}
    assert (await crm.post("/v1/callbacks", naive))[0] == 400


async def test_the_same_key_is_answered_the_same(crm: Crm) -> None:
    body = {"phones": ["+493000001204"]}
    first = await crm.post("/v1/dnc", body, Idempotency_Key="k1")
    assert first == (200, {"added": 1, "rejected": []})
    assert await crm.post("/v1/dnc", body, Idempotency_Key="k1") == first
    other = {"phones": ["+493000002204"]}
    assert (await crm.post("/v1/dnc", other, Idempotency_Key="k1"))[0] == 409
    both = [crm.post("/v1/leads", row("N1"), Idempotency_Key="k2") for _ in range(5)]
    answers = await asyncio.gather(*both)
    assert all(answer == answers[0] for answer in answers)
    assert results(answers[0][1]) == ["created"]
    assert (await crm.post("/v1/dnc", body, Idempotency_Key="x" * 129))[0] == 400
    # A refusal is not kept: the request may succeed later under its key.
    about = {"external_id": "N9", "at": SOON}
    assert (await crm.post("/v1/callbacks", about, Idempotency_Key="k3"))[0] == 404
    await crm.post("/v1/leads", row("N9"))
    assert (await crm.post("/v1/callbacks", about, Idempotency_Key="k3"))[0] == 200


async def test_the_feed_tells_everything_once_and_in_order(crm: Crm) -> None:
    for n in range(7):
        await crm.post("/v1/dnc", {"phones": [f"+49302312600{n}"]})
    seen: list[dict[str, Any]] = []
    after, more = 0, True
    while more:
        _, body = await crm.send("GET", f"/v1/events?after={after}&limit=3", token=READER)
        seen += body["events"]
        after, more = body["next"], body["more"]
    added = [one["data"]["phone"] for one in seen if one["type"] == "dnc.added"]
    assert added == [f"+49302312600{n}" for n in range(7)]
    assert [one["seq"] for one in seen] == sorted({one["seq"] for one in seen})
    for bad in ("after=-1", "after=x", "limit=0", "limit=501", "after=" + "9" * 30):
        assert (await crm.send("GET", f"/v1/events?{bad}", token=READER))[0] == 400


async def test_a_token_does_what_its_scopes_say(crm: Crm) -> None:
    assert (await crm.send("POST", "/v1/dnc", {"phones": ["+493000001204"]}, READER))[0] == 403
    assert (await crm.send("POST", "/v1/campaigns/spring/pause", token=READER))[0] == 403
    assert (await crm.send("GET", "/v1/events", token="x" * 20))[0] == 401
    async with crm.http.post(
        "/v1/campaigns/spring/pause", headers={"Authorization": "Bearer the-crm-token-000001"}
    ) as answer:
        assert answer.status == 204


async def test_an_erased_account_is_gone_and_does_not_come_back(crm: Crm) -> None:
    assert "A1" in await in_hopper(crm)
    crm.server.engine.post(ev.CampaignPaused("spring"))  # the claim goes back
    await crm.post("/v1/leads", row("N1", name="Erika", fields={"iban": "DE0012"}))
    body = {"external_id": "A1"}
    status, answer = await crm.post("/v1/privacy/erasure", body)
    assert (status, answer["leads"]) == (200, 1)
    lead = crm.lead("A1")
    assert (lead["name"], lead["fields"], lead["state"]) == ("", "{}", "done")
    assert crm.numbers("A1") == []
    left = crm.stage.rows("SELECT phone FROM phones WHERE phone = '+493000001204'")
    assert left == []
    assert crm.stage.rows("SELECT phone FROM suppression") == []
    (kept,) = crm.stage.rows("SELECT hash FROM erased_numbers")
    assert re.fullmatch("[0-9a-f]{64}", kept["hash"])
    _, left = await crm.post("/v1/privacy/export", body)
    assert (left["erased"], left["leads"][0]["name"]) == (True, "")
    assert (await crm.post("/v1/privacy/export", {"external_id": "nobody"}))[0] == 404
    again = await crm.post("/v1/privacy/erasure", body)
    assert again[0] == 200
    assert len(crm.stage.rows("SELECT hash FROM erased_numbers")) == 1
    _, found = await crm.post("/v1/leads", [row("A1", name="Erika"), row("A1", source="erp")])
    assert results(found) == ["rejected", "rejected"]
    _, found = await crm.post("/v1/leads", row("N2", phones=["+493000001204"]))
    assert results(found) == ["rejected"]
    assert (await crm.post("/v1/callbacks", body | {"at": SOON}))[0] == 409
    assert crm.lead("N1")["name"] == "Erika"


async def test_erasure_reaches_notes_and_events_and_waits_for_a_call(crm: Crm) -> None:
    store = crm.server.store
    assert "A1" in await in_hopper(crm)
    crm.server.engine.post(ev.CampaignPaused("spring"))
    await crm.server.engine.door.settled()
    await store.flush()
    offered = await store.claim_leads("spring", 4, store.clock.utc())
    lead = next(one for one in offered.leads if one.external_id == "A1")
    opened = cmd.RecordAttempt("od-test-c0000001", "main", lead)
    store.submit(opened)
    await store.flush()
    body = {"external_id": "A1"}
    assert (await crm.post("/v1/privacy/erasure", body))[0] == 409
    timings = cmd.Timings(originated=1.0, answered=2.0, live=2.0, connected=2.0, ended=9.0)
    store.submit(
        cmd.RecordOutcome(opened.attempt, "spring", lead, Outcome.CONNECTED, timings, "anna")
    )
    store.submit(
        cmd.RecordDisposition(opened.attempt, "spring", lead, "anna", "done", note="was ill")
    )
    await store.flush()
    status, answer = await crm.post("/v1/privacy/erasure", body)
    assert status == 200
    assert (answer["leads"], answer["notes"], answer["calls_kept"]) == (1, 1, 1)
    assert answer["events"] >= 2
    kept = crm.stage.rows(f"SELECT data FROM crm_event WHERE key = 'lead:{lead.lead_id}'")
    assert kept
    for one in kept:
        assert lead.name not in one["data"]
        assert lead.phone not in one["data"]
        assert "was ill" not in one["data"]
    _, fed = await crm.send("GET", "/v1/events?limit=500", token=READER)
    told = [one for one in fed["events"] if one["type"] == "call.completed"]
    assert [one["data"]["lead"]["external_id"] for one in told] == ["A1"]
    for one in told:
        jsonschema.validate(one["data"], schema(one["type"]))
