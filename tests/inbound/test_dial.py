"""Click-to-dial over HTTP: called once, by the rules of every call, or refused in words."""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any

from dialer.core import events as ev
from dialer.core.events import Lead
from dialer.core.states import AgentState
from dialer.server.face import Refused
from dialer.server.hand import Wanted
from tests.inbound.conftest import READER, Crm


class Hand:
    """Knows the leads of the list by their id, as whoever claims them for a call by hand does."""

    def __init__(self, crm: Crm) -> None:
        self.crm = crm
        self.leads: dict[str, Lead] = {}

    async def lead_for(self, wanted: Wanted) -> Lead:
        if not self.leads:  # all four are claimed and wait in the hopper
            hopper = self.crm.server.engine.floor.campaigns["spring"].hopper
            self.leads = {one.external_id: one for one in hopper}
            hopper.clear()
        lead = self.leads.get(wanted.external_id)
        if lead is None:
            raise Refused("There is nobody of this id.", 404)
        return lead


async def at_work(crm: Crm, agent: str = "anna") -> None:
    crm.server.reception._hand = Hand(crm)
    await crm.server.reception.sit_down(agent)
    await crm.server.reception.choose_status(agent, ev.Status.BREAK, "")
    async with asyncio.timeout(10):
        while crm.server.engine.floor.agents[agent].state is not AgentState.BREAK:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def click(external_id: str = "A0", **more: Any) -> dict[str, Any]:
    return {"agent": "anna", "campaign": "spring", "external_id": external_id} | more


async def test_a_click_calls_once_however_often_it_is_sent(crm: Crm) -> None:
    await at_work(crm)
    status, answer = await crm.post("/v1/dial", click(), Idempotency_Key="k1")
    assert (status, list(answer)) == (200, ["attempt"])
    again, same = await crm.post("/v1/dial", click(), Idempotency_Key="k1")
    assert (again, same) == (200, answer)
    attempts = crm.stage.rows("SELECT id FROM attempts")
    assert [row["id"] for row in attempts] == [answer["attempt"]]
    other, problem = await crm.post("/v1/dial", click("A1"), Idempotency_Key="k1")
    assert (other, problem["detail"]) == (409, "This Idempotency-Key came with another request.")


async def test_who_is_not_free_is_not_given_a_second_call(crm: Crm) -> None:
    await at_work(crm)
    assert (await crm.post("/v1/dial", click()))[0] == 200
    status, problem = await crm.post("/v1/dial", click("A1"))
    assert (status, problem["detail"]) == (409, "You are not free for a call.")


async def test_a_rule_that_forbids_the_call_is_named_and_a_new_try_is_a_new_try(crm: Crm) -> None:
    await at_work(crm)
    hand = crm.server.reception._hand
    assert hand is not None
    lead = await hand.lead_for(Wanted("spring", external_id="A2"))
    with sqlite3.connect(crm.stage.folder / "overdial.db", timeout=10) as database:
        database.execute(  # behind the dialer's back: the attempt's own gate must see it
            "INSERT INTO suppression (phone, source, campaign, added_ms) VALUES (?, 'list', '', 0)",
            (lead.phone,),
        )
    status, problem = await crm.post("/v1/dial", click("A2"), Idempotency_Key="k2")
    assert status == 409
    assert problem["detail"] == (
        "The rule own/do-not-call forbids this call: the number is on the do-not-call list."
    )
    assert problem["mend"] == "Not by itself."
    assert crm.stage.rows("SELECT * FROM attempts WHERE originated_ms IS NOT NULL") == []
    assert crm.stage.rows("SELECT * FROM idempotency_keys WHERE key = 'k2'") == []


async def test_a_call_that_was_begun_and_whose_end_is_not_known_is_not_begun_again(
    crm: Crm,
) -> None:
    await at_work(crm)
    face = crm.server.reception
    called = 0

    async def dies(*whom: object, **how: object) -> str:
        nonlocal called
        called += 1
        raise RuntimeError("the process dies here")

    face.dial = dies  # type: ignore[method-assign, assignment]
    assert (await crm.post("/v1/dial", click(), Idempotency_Key="k3"))[0] == 500
    status, problem = await crm.post("/v1/dial", click(), Idempotency_Key="k3")
    assert (status, called) == (409, 1)
    assert "not known" in problem["detail"]


async def test_nobody_dials_without_the_scope_or_for_nobody(crm: Crm) -> None:
    assert (await crm.send("POST", "/v1/dial", click(), token=READER))[0] == 403
    status, problem = await crm.post("/v1/dial", {"agent": "anna", "campaign": "spring"})
    assert (status, "names nobody" in str(problem["errors"])) == (400, True)
    status, problem = await crm.post("/v1/dial", click() | {"override": "because I say so"})
    assert status == 400
