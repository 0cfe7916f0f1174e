"""A supervisor listens in, over a whole dialer on the simulated PBX, in virtual time."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from dialer.core.modes import MonitorMode
from dialer.server.face import Refused
from dialer.server.monitoring import Monitoring
from dialer.server.people import NewUser, Role
from tests.ami.virtual import virtual
from tests.server.stage import CAMPAIGN, Stage, stage

LISTEN, WHISPER, _ = MonitorMode


def everything(campaign: str) -> bool:
    return True


@asynccontextmanager
async def talking(folder: Path, **more: Any) -> AsyncIterator[tuple[Stage, Monitoring]]:
    """Anna talks; sue, a supervisor, has a phone."""
    async with stage(folder, ["+4930000000200"], agents=("anna",), **more) as it:
        await it.server.accounts.add(NewUser("sue", (Role.SUPERVISOR,), phone="phone-sue"), "root")
        await it.server.accounts.add(NewUser("max", (Role.SUPERVISOR,)), "root")
        await it.everybody_ready()
        await it.until("a talk", lambda: it.states().get("anna") == "talk")
        yield it, it.server._house.monitoring


def heard(monitoring: Monitoring, mode: str) -> Callable[[], bool]:
    def is_heard() -> bool:
        one = monitoring.desk("sue").monitor
        return one is not None and one.heard == mode

    return is_heard


@virtual
async def test_listen_whisper_leave_with_audit_notice_and_the_crm_told(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, monitoring):
        face, attempt = it.server.reception, it.server.engine.floor.agents["anna"].attempt
        ringing = await monitoring.begin("sue", "anna", LISTEN, everything)
        assert ringing.monitor is not None
        assert ringing.monitor.heard == ""
        assert face.agent_view("anna").monitors == ()  # type: ignore[union-attr]
        await it.until("listening", heard(monitoring, "listen"))
        await monitoring.begin("sue", "anna", WHISPER, everything)
        await it.until("whispering", heard(monitoring, "whisper"))
        (notice,) = face.agent_view("anna").monitors  # type: ignore[union-attr]
        assert (notice.by, notice.mode) == ("sue", "whisper")
        await monitoring.leave("sue")
        await it.until("left", lambda: monitoring.desk("sue").monitor is None)
        assert it.states()["anna"] == "talk"
        await face.hang_up("anna")
        await it.until("the end", lambda: not it.server.engine.floor.calls)
        await it.server.store.flush()
        audited = it.rows("SELECT action, object FROM audit_log WHERE who = 'sue' ORDER BY id")
        assert [row["action"] for row in audited] == [
            "call.listen",
            "call.whisper",
            "call.unmonitored",
        ]
        assert {row["object"] for row in audited} == {attempt}
        told = it.rows("SELECT data FROM crm_event WHERE type = 'call.monitored' ORDER BY seq")
        assert len(told) == 3


@virtual
async def test_it_ends_with_the_call_and_who_may_not_does_not(tmp_path: Path) -> None:
    async with talking(tmp_path) as (it, monitoring):
        for who, sees, words in (
            ("max", everything, "no phone"),
            ("nobody", everything, "no phone"),
            ("sue", lambda name: name != CAMPAIGN, "no shift"),
        ):
            with pytest.raises(Refused, match=words):
                await monitoring.begin(who, "anna", LISTEN, sees)
        with pytest.raises(Refused, match="no shift"):
            await monitoring.begin("sue", "ben", LISTEN, everything)
        assert it.rows("SELECT 1 FROM audit_log WHERE action LIKE 'call.%'") == []
        await monitoring.begin("sue", "anna", LISTEN, everything)
        await it.until("listening", heard(monitoring, "listen"))
        await it.server.reception.hang_up("anna")
        await it.until("it is over", lambda: monitoring.desk("sue").monitor is None, 5.0)
        with pytest.raises(Refused, match="not talking"):
            await monitoring.begin("sue", "anna", LISTEN, everything)
