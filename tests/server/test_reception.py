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
async def test_a_log_in_that_the_closing_server_cannot_take_is_refused(tmp_path: Path) -> None:
    async with stage(tmp_path, []) as it:
        it.server.engine.door.close()
        with pytest.raises(Refused):
            await it.server.reception.log_in("anna", PASSWORD)
