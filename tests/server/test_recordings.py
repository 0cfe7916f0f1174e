"""Recordings over a whole dialer on the simulated PBX, which leaves files as Asterisk does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dialer.core import events as ev
from dialer.server.face import Refused
from dialer.server.recordings import found
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

BY_AGENTS = {"record_by_agents": True}


async def talk(it: Stage) -> str:
    face = it.server.reception
    await face.sit_down("anna")
    await face.choose_status("anna", ev.Status.READY, "")
    await it.until("a talk", lambda: it.states().get("anna") == "talk")
    return it.server.engine.floor.agents["anna"].attempt


def shown(it: Stage) -> str:
    view = it.server.reception.agent_view("anna")
    assert view is not None
    assert view.call is not None
    return view.call.recording


async def hang_up(it: Stage) -> None:
    await it.server.reception.hang_up("anna")
    await it.until("the end", lambda: not it.server.engine.floor.calls)


async def told(it: Stage, many: int) -> list[dict[str, Any]]:
    def ready() -> list[dict[str, Any]]:
        rows = it.rows("SELECT data FROM crm_event WHERE type = 'recording.ready' ORDER BY id")
        return sorted((json.loads(row["data"]) for row in rows), key=lambda one: one["began_at"])

    await it.until("the CRM is told", lambda: len(ready()) >= many)
    return ready()


@virtual
async def test_begun_paused_ended_and_begun_again_by_the_agent(tmp_path: Path) -> None:
    folder = tmp_path / "monitor"
    folder.mkdir()
    async with stage(tmp_path, ["+4930000000200"], more=BY_AGENTS, recordings=folder) as it:
        attempt = await talk(it)
        recordings = it.server._house.recordings
        assert shown(it) == "off"
        with pytest.raises(Refused, match="not recorded"):
            await recordings.turn("anna", "paused")
        await recordings.turn("anna", "on")
        await it.until("it is recorded", lambda: shown(it) == "on", 5.0)
        talking = it.server.engine.floor.calls[attempt]
        await it.until("he is back", lambda: talking.state == "talking", 5.0)
        began = it.server.clock.now()
        for seconds, to in ((10.0, "paused"), (13.0, "on"), (20.0, "off")):
            await it.until("some time", lambda: it.server.clock.now() >= began + seconds)  # noqa: B023
            await recordings.turn("anna", to)
            assert shown(it) == to
        (first,) = await told(it, 1)
        assert first["call_id"] == attempt
        assert first["agent"] == "anna"
        assert (folder / first["file"]).exists()
        assert first["duration_s"] == pytest.approx(20.0, abs=0.5)
        (pause,) = first["paused"]
        assert (pause["from_s"], pause["to_s"]) == pytest.approx((10.0, 13.0), abs=0.5)
        await recordings.turn("anna", "on")
        await it.until("again", lambda: shown(it) == "on", 5.0)
        assert found(folder, attempt)[1] == 1, "not told as long as it is written"
        await it.until("he is back", lambda: talking.state == "talking", 5.0)
        await hang_up(it)
        both = await told(it, 2)
        assert len({one["file"] for one in both}) == len(both) == 2
        assert both[1]["paused"] == []
        acts = it.rows("SELECT action FROM audit_log WHERE action LIKE 'recording.%' ORDER BY id")
        assert [row["action"].partition(".")[2] for row in acts] == [
            "started",
            "paused",
            "resumed",
            "stopped",
            "started",
        ]
        assert attempt not in it.pbx.log.harboured


@virtual
async def test_after_a_restart_the_pause_is_known_and_each_file_is_told_once(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "monitor"
    folder.mkdir()
    numbers = ["+4930000000200"]
    async with stage(tmp_path, numbers, more={"record": True}, recordings=folder) as it:
        attempt = await talk(it)
        await it.server._house.recordings.turn("anna", "paused")
        await it.server.close()
        await it.start()
        await it.until("the call is known", lambda: it.states().get("anna") == "talk")
        assert shown(it) == "paused"
        await hang_up(it)
        (one,) = await told(it, 1)
        assert one["file"] == f"{attempt}.wav"
        (pause,) = one["paused"]
        assert pause["to_s"] == one["duration_s"]
        await it.server.close()
        await it.start()  # it looks again at what has just ended
        await it.server.store.flush()
        assert len(await told(it, 1)) == 1


@virtual
async def test_a_file_that_is_not_there_is_not_told(tmp_path: Path) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    async with stage(tmp_path, ["+4930000000200"], more={"record": True}, recordings=folder) as it:
        attempt = await talk(it)
        (folder / f"{attempt}.wav").rename(tmp_path / "moved.wav")
        it.pbx.exchange.recordings.folder = None
        await hang_up(it)
        until = it.server.clock.now() + 70.0
        await it.until("long after", lambda: it.server.clock.now() > until)
        assert await told(it, 0) == []
