"""What screens may rely on at the server's face."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.core import events as ev
from dialer.server.face import Refused
from tests.ami.virtual import virtual
from tests.server.stage import PASSWORD, stage


@virtual
async def test_the_session_is_open_when_log_in_returns(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        face = it.server.reception
        token = await face.log_in("anna", PASSWORD)
        assert face.agent_of(token) == "anna"
        assert face.agent_view("anna") is not None
        await face.choose_status("anna", ev.Status.READY, "")


@virtual
async def test_a_token_ends_with_its_session(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        face = it.server.reception
        token = await face.log_in("anna", PASSWORD)
        await it.log_everybody_out()
        assert face.agent_of(token) is None
        again = await face.log_in("anna", PASSWORD)
        assert face.agent_of(token) is None
        assert face.agent_of(again) == "anna"


@virtual
async def test_a_log_in_that_the_closing_server_cannot_take_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        it.server.engine.door.close()
        with pytest.raises(Refused):
            await it.server.reception.log_in("anna", PASSWORD)


@virtual
async def test_an_agent_may_think_better_of_a_disposition_until_the_call_ends(
    tmp_path: Path,
) -> None:
    """And the last word decides what becomes of the lead: this one must not be called again."""
    async with stage(tmp_path, ["+4930000000200"], agents=("anna",)) as it:
        face, floor = it.server.reception, it.server.engine.floor
        await it.everybody_ready()
        await it.until("a talk", lambda: it.states().get("anna") == "talk")
        attempt = floor.agents["anna"].attempt
        await face.dispose("anna", attempt, "done", "", "")
        await face.dispose("anna", attempt, "stop", "", "")
        view = face.agent_view("anna")
        assert view is not None
        assert view.call is not None
        assert view.call.disposition == "stop"
        await face.hang_up("anna")
        await it.until("the end", lambda: not floor.calls)
        await it.server.store.flush()
        assert [row["code"] for row in it.rows("SELECT code FROM dispositions")] == ["stop"]
        assert it.rows("SELECT 1 FROM suppression") != []
