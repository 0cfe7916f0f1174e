"""Customers handed on, over a whole dialer on the simulated PBX, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from dialer.core import events as ev
from dialer.server.face import Refused
from dialer.server.transfers import To, Transfers
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

MORE = {
    "transfers": [
        {"name": "Head office", "number": "+4930111200"},
        {"name": "Lawyer", "number": "+4930111486"},  # is busy
    ],
    "record": True,
}


@asynccontextmanager
async def talking(folder: Path) -> AsyncIterator[tuple[Stage, Transfers, str]]:
    """Anna talks, ben is on a break."""
    numbers = ["+4930000000200"]
    async with stage(folder, numbers, agents=("anna", "ben"), more=MORE) as it:
        face = it.server.reception
        for name in it.agents:
            await face.sit_down(name)
        await face.choose_status("anna", ev.Status.READY, "")
        await it.until("a talk", lambda: it.states().get("anna") == "talk")
        attempt = it.server.engine.floor.agents["anna"].attempt
        yield it, it.server._house.transfers, attempt


@virtual
async def test_another_agent_gets_customer_and_screen_and_the_first_writes_up(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        face = it.server.reception
        offered = {(one.to, one.name): one.free for one in transfers.targets("anna")}
        assert offered == {
            (To.AGENT, "ben"): False,
            (To.OUTSIDE, "Head office"): True,
            (To.OUTSIDE, "Lawyer"): True,
        }
        for to, name, words in (
            (To.AGENT, "ben", "not free"),
            (To.AGENT, "anna", "nobody"),
            (To.OUTSIDE, "+4930111200", "nobody"),
        ):
            with pytest.raises(Refused, match=words):
                await transfers.hand_on("anna", to, name)
        await face.choose_status("ben", ev.Status.READY, "")
        await it.until("ben is ready", lambda: it.states()["ben"] == "ready", 60.0)
        await transfers.hand_on("anna", To.AGENT, "ben")
        await it.until("ben talks", lambda: it.states()["ben"] == "talk", 5.0)
        await it.until("anna writes up", lambda: it.states()["anna"] == "wrap-up", 5.0)
        hers, his = face.agent_view("anna"), face.agent_view("ben")
        assert hers is not None and hers.call is not None  # noqa: PT018
        assert his is not None and his.call is not None  # noqa: PT018
        assert (hers.call.stage, his.call.stage) == ("ended", "talking")
        assert hers.call.ended_at is not None
        assert his.call.ended_at is None
        assert his.call.lead.name == "Customer 0"
        with pytest.raises(Refused, match="not talking"):
            await transfers.hand_on("anna", To.AGENT, "ben")
        await face.dispose("anna", attempt, "done", "", "")
        await face.hang_up("ben")
        await it.until("the end", lambda: not it.server.engine.floor.calls)
        await it.server.store.flush()
        (row,) = it.rows("SELECT outcome, agent FROM attempts")
        assert (row["outcome"], row["agent"]) == ("connected", "ben")
        told = it.rows("SELECT data FROM crm_event WHERE type = 'call.transferred'")
        assert [('"to_agent": "ben"' in one["data"].replace('":"', '": "')) for one in told] == [
            True
        ]
        audited = it.rows("SELECT who FROM audit_log WHERE action = 'call.transfer'")
        assert [one["who"] for one in audited] == ["anna"]


@virtual
async def test_a_colleague_is_asked_first_and_then_has_him(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        face = it.server.reception
        with pytest.raises(Refused, match="not free"):
            await transfers.ask("anna", "ben")
        await face.choose_status("ben", ev.Status.READY, "")
        await it.until("ben is ready", lambda: it.states()["ben"] == "ready", 60.0)
        for complete in (False, True):
            await transfers.ask("anna", "ben")
            call = it.server.engine.floor.calls[attempt]
            assert call.consult is not None
            asked = call.consult
            await it.until("the two talk", lambda: asked.state == "talking", 10.0)  # noqa: B023
            hers, his = face.agent_view("anna"), face.agent_view("ben")
            assert hers is not None and hers.call is not None  # noqa: PT018
            assert his is not None and his.call is not None  # noqa: PT018
            assert (hers.call.stage, his.call.stage) == ("on hold", "on hold")
            assert hers.call.consult is not None and hers.call.consult.mine  # noqa: PT018
            assert his.call.consult is not None and not his.call.consult.mine  # noqa: PT018
            assert his.call.lead.name == "Customer 0"
            await transfers.end_asking("anna", complete=complete)
            await it.until("he talks again", lambda: call.consult is None, 10.0)  # noqa: B023
        await it.until("anna writes up", lambda: it.states()["anna"] == "wrap-up", 10.0)
        assert it.states()["ben"] == "talk"
        assert attempt not in it.pbx.log.harboured
        with pytest.raises(Refused, match="nobody"):
            await transfers.end_asking("anna", complete=True)


@virtual
async def test_outside_answers_and_the_agent_is_long_free(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        await transfers.hand_on("anna", To.OUTSIDE, "Head office")
        await it.until("anna writes up", lambda: it.states()["anna"] == "wrap-up", 5.0)
        call = it.server.engine.floor.calls[attempt]
        await it.until("outside answers", lambda: call.outside_answered, 30.0)
        talked = it.pbx.log.conversations[attempt]
        assert len(talked) == 2
        await it.server.reception.dispose("anna", attempt, "done", "", "")
        await it.until("the end", lambda: not it.server.engine.floor.calls, 300.0)
        await it.server.store.flush()
        told = it.rows("SELECT data FROM crm_event WHERE type = 'call.transferred'")
        assert len(told) == 1
        assert "Head office" in told[0]["data"]


@virtual
async def test_outside_is_busy_and_he_comes_back(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        face = it.server.reception
        await face.choose_status("ben", ev.Status.READY, "")
        await transfers.hand_on("anna", To.OUTSIDE, "Lawyer")
        await it.until("ben has him", lambda: it.states()["ben"] == "talk", 30.0)
        view = face.agent_view("ben")
        assert view is not None
        assert view.call is not None
        assert view.call.attempt == attempt
        assert attempt not in it.pbx.log.harboured
        assert it.server.engine.floor.trunk("main", "carrier").in_use == 1


@virtual
async def test_somebody_outside_is_asked_swapped_joined_and_left_with_him(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        face, floor = it.server.reception, it.server.engine.floor
        with pytest.raises(Refused, match="nobody outside"):
            await transfers.swap("anna")
        await transfers.ask("anna", "Head office", To.OUTSIDE)
        call = floor.calls[attempt]

        def state() -> str:
            view = face.agent_view("anna")
            assert view is not None
            assert view.call is not None
            asked = view.call.consult
            return "" if asked is None else asked.state

        assert call.third is not None
        third = call.third.leg
        await it.until("it rings", lambda: state() == "dialling", 5.0)
        with pytest.raises(Refused, match="being connected"):
            await transfers.join("anna")
        await it.until("he is asked", lambda: state() == "talking", 30.0)
        for at, customers in (("with the customer", "talking"), ("talking", "held")):
            await transfers.swap("anna")
            await it.until(at, lambda: state() == at and call.state == customers, 5.0)  # noqa: B023
        await transfers.join("anna")
        await it.until("all three", lambda: state() == "joined", 5.0)
        assert it.pbx.log.spied[attempt] == [(floor.agents["anna"].leg, "barge")]
        await transfers.end_asking("anna", complete=True)
        await it.until("anna writes up", lambda: it.states()["anna"] == "wrap-up", 5.0)
        assert set(it.pbx.log.conversations[attempt]) >= {third}
        assert call.state == "handed on"
        await it.until("the end", lambda: not floor.calls, 300.0)
        await it.until("no line is left", lambda: not floor.third_of_leg, 10.0)
        assert floor.trunk("main", "carrier").in_use == 0
        await it.server.store.flush()
        (told,) = it.rows("SELECT data FROM crm_event WHERE type = 'call.transferred'")
        assert "Head office" in told["data"]
        acts = it.rows("SELECT action FROM audit_log WHERE action LIKE 'call.%' ORDER BY id")
        assert [row["action"].partition(".")[2] for row in acts] == [
            "consult",
            "swap",
            "swap",
            "join",
            "transfer",
        ]
        assert it.rows("SELECT 1 FROM audit_log WHERE action = 'recording.stopped'")
        assert attempt not in it.pbx.log.harboured


@virtual
async def test_a_busy_number_outside_and_a_browser_that_is_closed_lose_no_customer(
    tmp_path: Path,
) -> None:
    async with talking(tmp_path) as (it, transfers, attempt):
        floor = it.server.engine.floor
        call = floor.calls[attempt]
        await transfers.ask("anna", "Lawyer", To.OUTSIDE)
        await it.until("he is back", lambda: call.consult is None and call.state == "talking", 40.0)
        view = it.server.reception.agent_view("anna")
        assert view is not None
        assert "Lawyer" in view.notice
        await it.server.reception.choose_status("ben", ev.Status.READY, "")
        await transfers.ask("anna", "Head office", To.OUTSIDE)
        await it.until(
            "asked", lambda: call.consult is not None and call.consult.state == "talking"
        )
        leg = floor.agents["anna"].leg
        it.pbx.exchange.far_hang_up(it.pbx.exchange.channels[leg])
        await it.until("ben has him", lambda: it.states()["ben"] == "talk", 10.0)
        assert floor.agents["ben"].attempt == attempt
        assert attempt not in it.pbx.log.harboured
        await it.until("no line is left", lambda: not floor.third_of_leg, 10.0)
