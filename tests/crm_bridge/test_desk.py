"""Looking after deliveries: what is shown, that nothing personal is, and sending again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crm_bridge.config import Config, Endpoint
from crm_bridge.deadletters import Selection
from crm_bridge.desk import Desk
from crm_bridge.events import CallPart, LeadPart, disposition_set
from crm_bridge.mapping.load import example, load_connector
from crm_bridge.masking import mask_text, masked
from crm_bridge.outbox import append
from dialer.clock import outside_work
from tests.crm_bridge.test_delivery import KEY, World, loopback, until, virtually, world

SECRET_THINGS = ("Erika", "Mustermann", "2025550100", "4711-0815", "0815", "ring twice")


async def told(w: World, n: int = 1) -> None:
    """A disposition with everything personal that an event may hold."""
    lead = LeadPart(n, "+12025550100", f"acc-{n}", "Erika Mustermann", {"iban": "4711-0815"})
    call = CallPart(f"od-1-c{n}", "spring", lead, agent="anna")
    with outside_work():
        async with w.engine.begin() as connection:
            event = disposition_set(call, w.clock.utc(), code="done", note="ring twice")
            await append(connection, [event])
    assert w.bridge is not None
    w.bridge.wake()


def desk(w: World) -> Desk:
    assert w.bridge is not None
    return Desk(w.bridge, Config(tuple(w.endpoints)), w.bridge.database, w.clock)


def test_a_refused_delivery_is_shown_without_what_is_personal(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver(retry_s=(5.0,))
            crm.says = "No such person: ERIKA MUSTERMANN, call (202) 555-0100 or e@x.example"
            crm.refuse = lambda _: 422
            await w.start()
            await told(w)
            page = desk(w)
            await until(lambda: crm.tally.refused == 2)
            await until(lambda: w.bridge is not None and w.bridge.stats().failed_attempts == 2)
            (one,) = await page.endpoints()
            assert (one.name, one.circuit, one.failed_attempts) == ("crm", "closed", 2)
            (shown,) = await page.deliveries(limit=9)
            assert (shown.state, shown.attempts, shown.status) == ("dead", 2, 422)
            found = await page.detail("crm", shown.seq)
            assert found is not None
            (request,) = found.requests
            assert '"code":"done"' in request.body
            assert '"call_id":"od-1-c1"' in request.body
            assert [a.status for a in found.attempts] == [422, 422]
            assert found.attempts[0].answer == "No such person: ***, call (*** or ***"
            for thing in SECRET_THINGS:
                assert thing not in str(found)
            assert found.requests[0].headers["webhook-signature"] == "v1,***"
            crm.refuse = None
            assert await page.replay(Selection(endpoint="crm")) == 1
            await until(lambda: crm.tally.distinct == 1)

    virtually(story)


def test_a_connectors_requests_are_shown_masked(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            await w.receiver()
            bound = example(load_connector("salesforce"))
            w.endpoints.append(
                Endpoint("sf", "", (), types=("disposition.set",), connector=bound,
                         allow_networks=loopback(), retry_s=(1.0,))
            )  # fmt: skip
            await w.start()
            await told(w)
            await until(lambda: w.bridge is not None and w.bridge.stats().delivered >= 1)
            found = await desk(w).detail("sf", 1)
            assert found is not None
            assert [one.step for one in found.requests if one.method == "PATCH"] == [
                "task",
                "outcome",
            ]
            request = found.requests[-1]
            assert '"CallDisposition": "done"' in request.body.replace('":"', '": "')
            for thing in SECRET_THINGS:
                assert thing not in str(found)

    virtually(story)


def test_deliveries_are_paged_and_narrowed(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            await w.happens(*range(5))
            await told(w, 9)
            assert await bridge.drain(60)
            page = desk(w)
            first = await page.deliveries(limit=4)
            rest = await page.deliveries(limit=4, before=first[-1].seq)
            assert [one.seq for one in (*first, *rest)] == [6, 5, 4, 3, 2, 1]
            assert len(await page.deliveries(type_="call.*", limit=9)) == 5
            assert await page.deliveries(state="dead", limit=9) == []
            assert await page.deliveries(endpoint="other", limit=9) == []
            assert await page.detail("crm", 77) is None
            assert crm.tally.distinct == 6

    virtually(story)


def test_a_trial_says_what_came_back_and_a_disabled_endpoint_is_enabled(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            crm.refuse = lambda _: 410
            await w.start()
            await told(w)
            page = desk(w)
            endpoint = page.endpoint("crm")
            assert endpoint is not None
            assert page.endpoint("nobody") is None
            await until(lambda: bool(w.warnings))
            await until(lambda: w.bridge is not None and "disabled" in str(w.bridge.stats()))
            (one,) = await page.endpoints()
            assert (one.circuit, one.why) == ("disabled", "the endpoint answered 410 Gone")
            tried = await page.test(endpoint)
            assert (tried.ok, tried.answer) == (False, "HTTP 410")
            crm.refuse = None
            assert (await page.test(replace(endpoint, keys=(KEY,)))).ok
            assert await page.enable("crm")
            assert not await page.enable("crm")
            await page.replay(Selection(endpoint="crm"))
            await until(lambda: crm.tally.by_type["disposition.set"] == 1)

    virtually(story)


def test_masking_leaves_what_is_not_personal() -> None:
    lead = {"id": 5, "name": "Al", "phone": "+12025550100", "fields": {"a": None, "b": ["x1", 7]}}
    data = {"call_id": "od-1", "lead": lead, "note": "", "timings": {"talk_s": 61.0}}
    hidden = {"id": 5, "name": "***", "phone": "***", "fields": {"a": None, "b": ["***", "***"]}}
    assert masked(data) == data | {"lead": hidden}
    assert mask_text("HTTP 422 at line 12", data) == "HTTP 422 at line 12"
    assert len(mask_text("x" * 9999, data)) == 2000
