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
