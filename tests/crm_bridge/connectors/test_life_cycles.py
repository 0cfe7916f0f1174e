"""Whole calls through the bridge into each CRM: exactly one right record each, whatever fails.

In virtual time, over real sockets to the mock CRMs, from a real outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from crm_bridge import outbox, tables
from crm_bridge.bridge import Bridge
from crm_bridge.config import Config, Endpoint
from crm_bridge.events import Event, disposition_set
from crm_bridge.mapping.load import load_connector
from crm_bridge.mapping.model import Bound
from crm_bridge.mapping.transforms import stable_uuid
from dialer.clock import outside_work
from tests.crm_bridge.connectors import mock_crms as mocks
from tests.crm_bridge.connectors.samples import OUTCOMES, call, life
from tests.crm_bridge.test_delivery import World, loopback, virtually, world

FAULTS = {"refuse": 0.1, "busy": 0.1, "broken": 0.1, "lost": 0.15}
RETRY_S = (5.0, 30.0, *[60.0] * 20)  # shorter than the real schedule: fewer virtual hours to poll
PATIENCE_S = 7200.0


async def connect(crm: World, name: str, mock: mocks.MockCrm) -> None:
    await mock.start()
    crm.receivers.append(mock)  # type: ignore[arg-type]  # closed with the receivers
    connector = load_connector(name)
    crm.endpoints.append(
        Endpoint(
            name,
            "",
            (),
            types=tuple(connector.events),
            timeout_s=10.0,
            retry_s=RETRY_S,
            allow_networks=loopback(),
            connector=Bound(connector, mock.settings()),
        )
    )


async def tell(crm: World, happened: list[Event]) -> None:
    with outside_work():
        async with crm.engine.begin() as connection:
            await outbox.append(connection, happened)
    if crm.bridge is not None:
        crm.bridge.wake()


async def crash(crm: World) -> None:
    """The process is gone: nothing is written down, leases stay, a new one begins."""
    assert crm.bridge is not None
    await crm.tasks.close()
    for lane in crm.bridge._lanes:
        await lane._sender.close()
    crm.bridge = Bridge(
        crm.engine, Config(tuple(crm.endpoints)), crm.clock, crm.tasks, outside=outside_work
    )
    await crm.bridge.start()


@dataclass(frozen=True)
class Case:
    make: Callable[..., mocks.MockCrm]
    external_id: str
    right: Callable[[Any], None]


def outcome_of(n: int) -> str:
    return OUTCOMES[n - 1]


CALLS = range(1, len(OUTCOMES) + 1)
CONNECTED = [n for n in CALLS if outcome_of(n) == "connected"]


def once_each(mock: mocks.MockCrm, ids: list[str]) -> None:
    assert sorted(mock.created) == sorted(ids)
    assert set(mock.records) == set(ids)


def right_webhook(mock: mocks.Webhook) -> None:
    assert len(mock.created) == len(CALLS) + len(CONNECTED)
    told = [(one["call_id"], one["event"]) for one in mock.records.values()]
    assert len(set(told)) == len(told)


def right_zendesk(mock: mocks.Zendesk) -> None:
    once_each(mock, [f"od-1-c{n}" for n in CONNECTED])
    for record in mock.records.values():
        assert record["requester_id"] == 12345
        assert record["assignee_id"] == 3854
        # the agent's word: once, or missing when its answer was lost, and never twice
        assert record["comments"][1:] in ([], ["SALE: Wants blue & grün"])
    lines = [one["to_line"] for one in mock.calls.values()]
    assert len(lines) == len(set(lines))
    if not mock.faults:
        assert len(lines) == sum(
            outcome_of(n) in ("connected", "abandoned", "machine", "caller left") for n in CALLS
        )
        assert [one["call_disposition"] for one in mock.calls.values()].count("SALE") == 4
        assert all(len(one["comments"]) == 2 for one in mock.records.values())


def right_salesforce(mock: mocks.Salesforce) -> None:
    once_each(mock, [f"od-1-c{n}" for n in CALLS])
    for n in CALLS:
        record = mock.records[f"od-1-c{n}"]
        talked = outcome_of(n) == "connected"
        assert record["CallDisposition"] == ("SALE" if talked else outcome_of(n))
        assert record["Status"] == ("Completed" if talked else "Deferred")
        assert record["CallDurationInSeconds"] == (85 if talked else 0)
        assert record["ActivityDate"] == "2026-03-02"
        assert record["TaskSubtype"] == "Call"
        assert record["WhoId"] == "003xx000004TmiQAAS"


def right_hubspot(mock: mocks.HubSpot) -> None:
    once_each(mock, [f"od-1-c{n}" for n in CALLS])
    for n in CALLS:
        record = mock.records[f"od-1-c{n}"]
        talked = outcome_of(n) == "connected"
        assert record["hs_call_duration"] == (84600 if talked else 0)
        assert record["to"] == [f"c{n:02}"]  # the contact found by the number
        assert ("hs_call_disposition" in record) == talked
    assert mock.records["od-1-c2"]["hs_call_status"] == "BUSY"


def right_zoho(mock: mocks.Zoho) -> None:
    once_each(mock, [f"od-1-c{n}" for n in CALLS])
    states = {n: mock.records[f"od-1-c{n}"]["state"] for n in CALLS}
    assert {states[n] for n in CONNECTED} == {"ended"}
    assert [states[n] for n in (2, 4, 8, 9, 12)] == [
        "busy", "noanswer", "invalid", "rejected", "notavailable",
    ]  # fmt: skip
    assert mock.records["od-1-c1"]["start_time"] == "2026-03-02 09:00:00"


def right_dynamics(mock: mocks.Dynamics) -> None:
    once_each(mock, [stable_uuid(f"od-1-c{n}") for n in CALLS])
    for n in CALLS:
        record = mock.records[stable_uuid(f"od-1-c{n}")]
        talked = outcome_of(n) == "connected"
        assert record["subcategory"] == ("SALE" if talked else outcome_of(n))
        assert record["actualdurationminutes"] == (2 if talked else 0)
        assert record["directioncode"] is True
        assert (record["statecode"], record["statuscode"]) == (1, 2)  # completed, made
        assert record["regardingobjectid_contact_phonecall@odata.bind"].startswith("/contacts(")


def right_vicidial(mock: mocks.WebCrm) -> None:
    visits = [(path, query["call"]) for path, query in mock.visits]
    assert len(visits) == len(set(visits))
    expected = {("/start", f"od-1-c{n}") for n in CONNECTED}
    expected |= {("/dispo", f"od-1-c{n}") for n in CONNECTED}
    expected |= {("/noagent", f"od-1-c{n}") for n in CALLS if n not in CONNECTED}
    assert set(visits) <= expected
    if not set(mock.faults) & {"broken", "lost"}:
        assert set(visits) == expected
    for path, query in mock.visits:
        if path == "/dispo":
            assert (query["d"], query["n"], query["c"]) == (
                "SALE",
                "Wants blue & grün",
                "Bath & Wells",
            )
        if path == "/noagent":
            assert query["x"] == ""


CASES = {
    "webhook": Case(mocks.Webhook, "12345", right_webhook),
    "zendesk": Case(mocks.Zendesk, "12345", right_zendesk),
    "salesforce": Case(mocks.Salesforce, "003xx000004TmiQAAS", right_salesforce),
    "hubspot": Case(mocks.HubSpot, "", right_hubspot),
    "zoho": Case(mocks.Zoho, "12345", right_zoho),
    "dynamics": Case(mocks.Dynamics, "0a0b0c0d-0000-4000-8000-000000000001", right_dynamics),
    "vicidial": Case(mocks.WebCrm, "12345", right_vicidial),
}


async def live(path: Path, name: str, faults: Mapping[str, float]) -> mocks.MockCrm:
    case = CASES[name]
    async with world(path) as crm:
        mock = case.make(crm.clock, faults)
        await connect(crm, name, mock)
        bridge = await crm.start()
        at = crm.clock.utc().replace(year=2026, month=3, day=2, hour=9, minute=0, second=0)
        at = at.replace(microsecond=0)
        for n in CALLS:
            await tell(crm, life(n, outcome_of(n), at, case.external_id))
        assert await bridge.drain(PATIENCE_S), "not everything arrived"
        stats = bridge.stats()
        judged = "lost" in faults and name in ("vicidial", "zendesk")  # for a person to judge
        assert (stats.dead > 0) == judged
        assert mock.wrong == []
        case.right(mock)
        if isinstance(mock, mocks.WithTokens):
            assert mock.tokens > 1, "no token ran out"
        if faults:
            assert stats.failed_attempts > 0
        else:
            assert stats.failed_attempts == 0
    return mock


@pytest.mark.parametrize("name", CASES)
def test_every_call_becomes_one_right_record(name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        await live(tmp_path, name, {})

    virtually(scenario)


@pytest.mark.parametrize("name", CASES)
def test_every_call_becomes_one_right_record_through_faults(name: str, tmp_path: Path) -> None:
    async def scenario() -> None:
        faults = dict(FAULTS, **({"says no": 0.2} if name == "zoho" else {}))
        mock = await live(tmp_path, name, faults)
        assert all(mock.tally[one] for one in FAULTS), "a fault did not happen"

    virtually(scenario)


def test_a_url_that_tells_no_repetition_is_visited_once_through_refusals(tmp_path: Path) -> None:
    async def scenario() -> None:
        mock = await live(tmp_path, "vicidial", {"refuse": 0.3, "busy": 0.2})
        assert mock.tally["refuse"]

    virtually(scenario)


@pytest.mark.parametrize("name", [one for one in CASES if one != "vicidial"])
def test_a_crash_between_the_crms_commit_and_ours_makes_no_second_record(
    name: str, tmp_path: Path
) -> None:
    async def scenario() -> None:
        case = CASES[name]
        async with world(tmp_path) as crm:
            mock = case.make(crm.clock)
            await connect(crm, name, mock)
            await crm.start()
            at = crm.clock.utc()
            mock.stall = asyncio.Event()
            await tell(crm, life(1, "connected", at, case.external_id)[:-1])
            await mock.stall.wait()  # the CRM has done it, and does not come to answer
            assert len(mock.created) == 1
            mock.stall = None
            await crash(crm)
            await tell(crm, life(1, "connected", at, case.external_id)[-1:])
            assert crm.bridge is not None
            assert await crm.bridge.drain(PATIENCE_S)
            assert len(set(mock.created)) == len(mock.created)
            kinds = 2 if name == "webhook" else 1  # it keeps events; the others keep calls
            assert len(mock.created) == kinds
            assert mock.wrong == []

    virtually(scenario)


def test_what_was_captured_survives_a_crash(tmp_path: Path) -> None:
    """The disposition goes to the ticket of the call, also in another process."""

    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = mocks.Zendesk(crm.clock)
            await connect(crm, "zendesk", mock)
            bridge = await crm.start()
            happened = life(1, "connected", crm.clock.utc())
            await tell(crm, happened[:-1])
            assert await bridge.drain(600)
            requests = mock.tally["requests"]
            await crash(crm)
            await tell(crm, happened[-1:])
            assert crm.bridge is not None
            assert await crm.bridge.drain(600)
            assert mock.records["od-1-c1"]["comments"][1] == "SALE: Wants blue & grün"
            assert mock.tally["requests"] == requests + 2

    virtually(scenario)


def test_our_own_pace_keeps_to_the_crms_limit(tmp_path: Path) -> None:
    """HubSpot takes 100 requests in 10 s and 5 searches in one; 75 calls are 150 requests, half of
    them searches, and none is refused."""

    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = mocks.HubSpot(crm.clock)
            await connect(crm, "hubspot", mock)
            bridge = await crm.start()
            at = crm.clock.utc()
            for n in range(10, 85):
                await tell(crm, life(n, "busy", at, ""))
            began = crm.clock.now()
            assert await bridge.drain(3600)
            assert mock.tally["over the limit"] == mock.tally["searches over the limit"] == 0
            assert mock.tally["requests"] == 150
            assert 15.0 < crm.clock.now() - began < 30.0

    virtually(scenario)


def test_two_contacts_of_one_number_are_not_guessed_at(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = mocks.HubSpot(crm.clock)
            mock.contacts = lambda number: ["c1", "c2"]  # type: ignore[method-assign]
            await connect(crm, "hubspot", mock)
            bridge = await crm.start()
            await tell(crm, life(1, "busy", crm.clock.utc(), ""))
            assert await bridge.drain(600)
            assert mock.wrong == []
            assert mock.records["od-1-c1"]["to"] == []

    virtually(scenario)


def test_a_crm_that_is_over_its_limit_is_left_alone_as_long_as_it_asks(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = mocks.Salesforce(crm.clock)
            mock.faults = {"refuse": 1.0}
            await connect(crm, "salesforce", mock)
            bridge = await crm.start()
            await tell(crm, life(1, "busy", crm.clock.utc(), "003xx000004TmiQAAS"))
            await asyncio.sleep(30)
            asked = mock.tally["requests"]
            assert (
                asked == 2
            )  # a token; then a 403 that says REQUEST_LIMIT_EXCEEDED counts as 429 for 60 s
            mock.faults = {}
            assert await bridge.drain(600)
            assert mock.created == ["od-1-c1"]

    virtually(scenario)


def test_a_corrected_mapping_is_replayed(tmp_path: Path) -> None:
    """A mapping that the CRM refuses makes a dead letter; corrected, the same event arrives."""

    async def scenario() -> None:
        from crm_bridge import deadletters

        async with world(tmp_path) as crm:
            mock = mocks.Salesforce(crm.clock)
            await connect(crm, "salesforce", mock)
            wrong = Bound(
                load_connector("salesforce"), {**mock.settings(), "external_id_field": "No__c"}
            )
            good = crm.endpoints[0]
            crm.endpoints[0] = Endpoint(
                good.name, "", (), types=good.types, retry_s=(1.0,), connector=wrong,
                allow_networks=loopback(),
            )  # fmt: skip
            bridge = await crm.start()
            await tell(crm, life(1, "busy", crm.clock.utc(), "003xx000004TmiQAAS"))
            await bridge.drain(60)
            assert bridge.stats().dead == 1
            crm.endpoints[0] = good
            await crash(crm)
            with outside_work():
                async with crm.engine.begin() as connection:
                    now = crm.clock.utc().timestamp()
                    await connection.run_sync(deadletters.replay, deadletters.Selection(), now)
            assert crm.bridge is not None
            crm.bridge.retry_now()
            assert await crm.bridge.drain(60)
            assert mock.created == ["od-1-c1"]

    virtually(scenario)


@pytest.mark.parametrize("name", ["salesforce", "dynamics", "hubspot", "zendesk"])
def test_a_late_replay_takes_the_agents_word_not_back(name: str, tmp_path: Path) -> None:
    """The call became a dead letter, its disposition (and a correction) arrived, the letter is
    replayed: one record, with the corrected disposition and the call's length."""

    async def scenario() -> None:
        from crm_bridge import deadletters

        async with world(tmp_path) as crm:
            case = CASES[name]
            mock = case.make(crm.clock, {"broken": 1.0})
            await connect(crm, name, mock)
            crm.endpoints[0] = replace(crm.endpoints[0], retry_s=(1.0,))
            bridge = await crm.start()
            at = crm.clock.utc()
            happened = life(1, "connected", at, case.external_id)
            await tell(crm, happened[:-1])
            assert await bridge.drain(600)
            assert bridge.stats().dead == 1
            mock.faults = {}
            talked = call(1, external_id=case.external_id, agent="anna")
            corrected = disposition_set(
                talked, at + timedelta(seconds=300), code="LATER", note="thought again"
            )
            await tell(crm, [happened[-1], corrected])
            assert await bridge.drain(600)
            with outside_work():
                async with crm.engine.begin() as connection:
                    now = crm.clock.utc().timestamp()
                    await connection.run_sync(deadletters.replay, deadletters.Selection(), now)
            bridge.retry_now()
            assert await bridge.drain(600)
            assert bridge.stats().dead == 0
            assert mock.wrong == []
            assert len(mock.created) == 1
            (record,) = mock.records.values()
            if isinstance(mock, mocks.Zendesk):
                assert record["comments"][1:] == ["SALE: Wants blue & grün", "LATER: thought again"]
                assert [one["ticket_id"] for one in mock.calls.values()] == [record["id"]]
                return
            word = {"salesforce": "CallDisposition", "dynamics": "subcategory"}
            if name in word:
                assert record[word[name]] == "LATER"
            else:
                assert record["hs_call_body"] == "LATER: thought again"
            length = {
                "salesforce": ("CallDurationInSeconds", 85),
                "hubspot": ("hs_call_duration", 84600),
                "dynamics": ("actualdurationminutes", 2),
            }
            assert record[length[name][0]] == length[name][1]

    virtually(scenario)


def test_what_cannot_be_repeated_is_a_dead_letter_and_a_person_may_replay_it(
    tmp_path: Path,
) -> None:
    """The script behind the URL failed, having done its work or not: nobody hears of it twice by
    itself, and nobody hears of it never."""

    async def scenario() -> None:
        from crm_bridge import deadletters

        async with world(tmp_path) as crm:
            mock = mocks.WebCrm(crm.clock, {"broken": 1.0})
            await connect(crm, "vicidial", mock)
            bridge = await crm.start()
            await tell(crm, life(1, "busy", crm.clock.utc()))
            assert await bridge.drain(600)
            assert (bridge.stats().dead, mock.tally["requests"]) == (1, 1)
            assert bridge.stats().endpoints[0].circuit == "closed"
            mock.faults = {}
            with outside_work():
                async with crm.engine.begin() as connection:
                    now = crm.clock.utc().timestamp()
                    (letter,) = await connection.run_sync(
                        deadletters.letters, deadletters.Selection()
                    )
                    assert "its answer was lost" in (letter.last_error or "")
                    await connection.run_sync(deadletters.replay, deadletters.Selection(), now)
            bridge.retry_now()
            assert await bridge.drain(600)
            assert (bridge.stats().dead, len(mock.visits)) == (0, 1)

    virtually(scenario)


@pytest.mark.parametrize(
    ("name", "link"),
    [
        ("salesforce", "WhoId"),
        ("dynamics", "regardingobjectid_contact_phonecall@odata.bind"),
        ("zendesk", "requester_id"),
        ("hubspot", ""),
    ],
)
def test_a_lead_with_another_systems_id_is_written_down_without_a_link(
    name: str, link: str, tmp_path: Path
) -> None:
    """An account number of a list is no id of the CRM: better a record than a dead letter."""

    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = CASES[name].make(crm.clock)
            await connect(crm, name, mock)
            bridge = await crm.start()
            await tell(crm, life(1, "connected", crm.clock.utc(), "ACC-00001"))
            assert await bridge.drain(600)
            assert (bridge.stats().dead, mock.wrong) == (0, [])
            (record,) = mock.records.values()
            if name == "hubspot":
                assert record["to"] == ["c01"]  # looked up by the number, as without an id
            else:
                assert link not in record

    virtually(scenario)


def test_a_screen_pop_reaches_the_agents_browser(tmp_path: Path) -> None:
    async def scenario() -> None:
        from crm_bridge.events import screen_pop

        async with world(tmp_path) as crm:
            mock = mocks.Zendesk(crm.clock)
            await connect(crm, "zendesk", mock)
            bridge = await crm.start()
            bridge.pop(screen_pop(call(3, agent="anna"), crm.clock.utc()))
            bridge.pop(screen_pop(call(4, agent="nobody"), crm.clock.utc()))  # not in the map
            await asyncio.sleep(3)
            assert mock.shown == ["12345"]
            assert (bridge.stats().pops_sent, bridge.stats().pops_dropped) == (1, 1)

    virtually(scenario)


def test_nothing_personal_is_kept_of_a_failure(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as crm:
            mock = mocks.Dynamics(crm.clock)
            await connect(crm, "dynamics", mock)
            await crm.start()
            await tell(crm, life(1, "busy", crm.clock.utc() - timedelta(1), "x" * 36))
            await asyncio.sleep(2)
            with outside_work():
                async with crm.engine.begin() as connection:
                    row = (await connection.execute(tables.deliveries.select())).one()
            assert row.last_status == 400
            assert row.last_error == "step phonecall: HTTP 400"

    virtually(scenario)
