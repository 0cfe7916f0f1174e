"""`dialer pacing why`: from a call's id to why nobody took it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from dialer.explain import why_call
from dialer.pacing.trace import DecisionTrace, TraceRecord
from dialer.pacing.windows import Account, us_windows
from dialer.server.pacing import civil_seconds
from dialer.snapshot import Decision, FloorSnapshot
from dialer.store.inquire import CallOnRecord
from tests.ami.virtual import virtual
from tests.server.stage import stage

ZONE = ZoneInfo("Europe/Berlin")
LIVE = datetime(2026, 11, 20, 13, 3, 10, tzinfo=UTC)
CALL = CallOnRecord(
    "od-a-c1", "spring", "abandoned", True, LIVE - timedelta(seconds=12), LIVE, None,
    LIVE + timedelta(seconds=8), 2.0,
)  # fmt: skip


def decisions(campaign: str = "spring") -> list[TraceRecord]:
    """One a second, two minutes around the call: lines at -14 s, nobody free from -5 s on."""
    kept = DecisionTrace()
    at = civil_seconds(LIVE, ZONE)
    account = Account(us_windows(at), at)
    for second in range(-60, 60):
        floor = FloorSnapshot(
            float(second),
            campaign,
            idle=2 if second < -5 else 0,
            talking=(3.0,) * (8 if second < -5 else 10),
            waiting=(1.0,) if second == 0 else (),
        )
        inputs = {"agents_free_ahead": 3.0, "callers_ahead": 2.4, "allowed": 0.06, "risk": 0.05}
        lines = 6 if second == -14 else 0
        kept.record(floor, Decision(lines, inputs=inputs), account.binding(), at + second)
    return list(kept)


def test_says_who_was_free_what_came_and_which_risk_was_taken() -> None:
    text = " ".join(why_call(CALL, decisions(), ZONE))
    assert "Call od-a-c1, campaign spring: abandoned." in text
    assert "announced at 2026-11-20 14:03:10" in text  # the site's wall clock
    assert "0 agents were free, 10 talking, 0 in wrap-up and 1 callers were waiting" in text
    assert "6 lines were launched in the 45 s before" in text
    assert "expected 2.4 callers for 3.0 free agents" in text
    assert "6.0 % per answered call" in text


def test_other_campaigns_decisions_explain_nothing() -> None:
    assert "No decisions are recorded" in why_call(CALL, decisions("autumn"), ZONE)[-1]


def test_a_call_that_is_none_of_the_floors_is_told_as_it_was() -> None:
    busy = replace(CALL, outcome="busy", unserved=False, live=None)
    assert "no agent was owed" in why_call(busy, decisions(), ZONE)[-1]
    left = replace(CALL, outcome="caller left", unserved=False, ended=LIVE + timedelta(seconds=1))
    assert "hung up 1.0 s later, before the limit" in why_call(left, decisions(), ZONE)[-1]
    served = replace(
        CALL, outcome="connected", unserved=False, connected=LIVE + timedelta(seconds=0.4)
    )
    assert why_call(served, decisions(), ZONE)[-1].endswith("spoke with an agent 0.4 s later.")
    late = replace(served, unserved=True, connected=LIVE + timedelta(seconds=2.6))
    text = why_call(late, decisions(), ZONE)
    assert "2.6 s later, later than the 2 s of the law" in text[1]
    assert "agents were free" in text[2]


@virtual
async def test_by_command_after_a_day_with_an_abandoned_call(tmp_path: Path) -> None:
    """Two answer at once, one agent: one of them is abandoned, and the command says why."""
    people = [f"+4930{n:05d}200" for n in range(6)]
    async with stage(tmp_path, people, agents=("anna",)) as it:
        trace = it.folder / "pacing.jsonl"
        await it.everybody_ready()
        await it.until("an abandoned call", lambda: "abandoned" in it.outcomes(), 300.0)
        records = it.server.engine.pacing.governor("spring").trace
        trace.write_text("".join(json.dumps(r.as_json()) + "\n" for r in records))
        lost = it.rows("SELECT id FROM attempts WHERE outcome = 'abandoned'")[0]["id"]
    settings = it.folder / "dialer.yaml"
    settings.write_text(settings.read_text() + "trace: pacing.jsonl\n")

    def ask(call: str) -> subprocess.CompletedProcess[str]:
        command = (sys.executable, "-m", "dialer", "pacing", "why", call, "--config", str(settings))
        return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)

    done = ask(lost)
    assert done.returncode == 0, done.stderr
    assert f"Call {lost}, campaign spring: abandoned." in done.stdout
    assert "When it became live," in done.stdout
    assert "nobody came free within 2 s" in done.stdout
    unknown = ask("od-none-c1")
    assert unknown.returncode == 1
    assert "no call of this id" in unknown.stderr
    assert "Traceback" not in unknown.stderr
