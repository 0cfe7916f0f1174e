"""What screens may rely on at the server's face."""

from __future__ import annotations

from pathlib import Path

import pytest

from dialer.core import events as ev
from dialer.server.face import Refused
from dialer.server.people import Kind, Role
from tests.ami.virtual import virtual
from tests.server.stage import PASSWORD, stage


@virtual
async def test_the_shift_has_begun_when_sitting_down_returns(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        face = it.server.reception
        assert await face.sit_down("anna")
        assert face.agent_view("anna") is not None
        await face.choose_status("anna", ev.Status.READY, "")
        assert not await face.sit_down("anna"), "joined"
        with pytest.raises(Refused, match="no agent"):
            await face.sit_down("nobody")


@virtual
async def test_agents_of_the_file_are_users(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        people = it.server.accounts
        token = await people.sign_in("anna", PASSWORD, "", "", Kind.SHIFT)
        person = people.person_of(token)
        assert person is not None
        assert person.roles == {Role.AGENT}
        await people.end_shift("anna")
        assert people.person_of(token) is None
        await people.refresh()  # as the database has it
        assert {user.name for user in people.users()} >= {"anna"}


@virtual
async def test_a_shift_that_the_closing_server_cannot_take_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        it.server.engine.door.close()
        with pytest.raises(Refused):
            await it.server.reception.sit_down("anna")


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
