"""What the pacer learned outlives the dialer; what is not its own is left, and told in a line."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from structlog.testing import capture_logs

from dialer.pacing.hazards import S_PENDING
from dialer.pacing.pacer import make_pacer
from dialer.server.learned import LEARNED_EVERY_S, taken_back
from dialer.snapshot import CallServed, LineEnd, LineEnded, TalkEnded
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

PEOPLE = [f"+4930{n:05d}204" for n in range(40)]  # each talks for a second


def paced_by(it: Stage, pacer: str) -> None:
    path = it.folder / "campaign.yaml"
    campaign = yaml.safe_load(path.read_text())
    campaign.update(pacer=pacer, pacer_options={})
    path.write_text(yaml.safe_dump(campaign))


def learned(it: Stage) -> dict[str, Any]:
    return it.server.engine.pacing.governor("spring").pacer.state()


def put(it: Stage, **columns: str) -> None:
    base = sqlite3.connect(it.folder / "overdial.db")
    for name, value in columns.items():
        base.execute(f"UPDATE pacer_states SET {name} = ?", (value,))
    base.commit()
    base.close()


def said(logs: list[Any], text: str) -> list[Any]:
    return [line for line in logs if line["event"] == text]


IGNORED = "what the pacer had learned is not used"


def known(state: dict[str, list[float]]) -> list[float]:
    scalar = state["scalar"]
    return scalar[2:S_PENDING] + scalar[S_PENDING + 1 :]


@virtual
async def test_a_restart_goes_on_with_what_was_learned(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE, start=False) as it:
        paced_by(it, "forward")
        await it.start()
        cold = learned(it)
        await it.everybody_ready()
        await it.until("calls", lambda: len(it.outcomes()) >= 10)
        await it.server.close()
        warm = learned(it)
        assert warm != cold
        await it.start()
        again = learned(it)
        assert again["talk_exits"] == warm["talk_exits"] != cold["talk_exits"]
        # The first two are moments of its clock; lines under way are nobody's after a restart.
        assert known(again) == known(warm) != known(cold)
        assert again["line_exposure"] == warm["line_exposure"]
        (row,) = it.rows("SELECT pacer, state FROM pacer_states")
        assert row["pacer"] == "forward"
        assert json.loads(row["state"]) == warm


@virtual
async def test_a_crash_costs_a_minute_of_it(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE, start=False) as it:
        paced_by(it, "erlang_c")
        await it.start()
        it.server.engine.pacing.governor("spring").pacer.observe(TalkEnded(500.0))
        now = learned(it)
        await asyncio.sleep(LEARNED_EVERY_S + 1.0)  # of virtual time
        (row,) = it.rows("SELECT state FROM pacer_states")
        assert json.loads(row["state"])["talk"] == now["talk"]


@virtual
@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ({"state": "{no json"}, "cannot be read"),
        ({"state": '{"version": 99}'}, "does not fit"),
        ({"state": "[1, 2]"}, "does not fit"),
        ({"pacer": "forward"}, "is of pacer forward"),
    ],
)
async def test_what_is_damaged_or_anothers_is_ignored_in_a_line(
    tmp_path: Path, damage: dict[str, str], why: str
) -> None:
    async with stage(tmp_path, PEOPLE, start=False) as it:
        paced_by(it, "erlang_c")
        await it.start()
        cold = learned(it)
        it.server.engine.pacing.governor("spring").pacer.observe(TalkEnded(500.0))
        await it.server.close()
        put(it, **damage)
        with capture_logs() as logs:
            await it.start()
        assert learned(it) == cold
        (line,) = said(logs, IGNORED)
        assert why in line["why"]
        assert it.server.engine.fault == ""


@pytest.mark.parametrize("name", ["forward", "erlang_c"])
def test_only_a_pacers_own_state_is_taken_back(name: str) -> None:
    teacher, pupil = make_pacer(name), make_pacer(name)
    for _ in range(30):
        teacher.observe(LineEnded(LineEnd.LIVE, 1.0, 5.0, 1.0))
        teacher.observe(CallServed(0.0))
        teacher.observe(TalkEnded(90.0))
    told = json.loads(json.dumps(teacher.state()))  # as the store gives it
    for foreign in ({}, {"version": 0}, dict.fromkeys(told, "x"), None, [], "forward"):
        before = pupil.state()
        assert not taken_back(pupil, foreign) or foreign == before
        assert pupil.state() == before
    assert taken_back(pupil, told)
    again = make_pacer(name)
    assert taken_back(again, json.loads(json.dumps(pupil.state())))
    assert again.state() == pupil.state()
