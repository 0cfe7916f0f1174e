"""`dialer demo`: all of it, in virtual time; and its screens."""

from __future__ import annotations

import csv
import json
import re
import socket
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from dialer.demo import DemoOptions, run_demo
from dialer.demo.report import Report
from dialer.demo.sample import ACCOUNTS_MAX, write_accounts
from dialer.demo.screen import Picture, Plain, Terminal
from tests.web.fake_face import FakeFace

TODAY = date(2026, 11, 21)


def play(capsys: pytest.CaptureFixture[str], **options: object) -> tuple[int, dict[str, object]]:
    chosen = {"minutes": 6, "speed": None, "agents": 6, "leads": 400, "web_port": 0, "json": True}
    code = run_demo(DemoOptions(**{**chosen, **options}))  # type: ignore[arg-type]
    report: dict[str, object] = json.loads(capsys.readouterr().out)
    return code, report


def test_plays_a_list_end_to_end_and_all_adds_up(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, report = play(capsys, data=tmp_path)
    assert (code, report["ok"], report["problems"]) == (0, True, [])
    calls, connects = report["calls"], report["connects"]
    assert isinstance(calls, int)
    assert isinstance(connects, int)
    assert 0 < connects <= calls
    assert 0.1 < float(str(report["utilisation"])) <= 1.0
    assert report["webhooks_delivered"] == report["webhooks_verified"] != 0
    assert (report["webhooks_forged"], report["dialled_twice"]) == (0, 0)
    assert report["duration_simulated_s"] == pytest.approx(360, abs=1)
    logged = (tmp_path / "demo.log").read_text()
    assert '"level": "error"' not in logged
    assert not re.search(r"555-?01\d\d", logged), "the demo's numbers are all of this kind"


EXAMPLES = Path(__file__).parents[2] / "examples"


def test_a_strategy_on_a_list_reports_each_segments_figures(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, report = play(
        capsys,
        data=tmp_path,
        minutes=20,
        agents=4,
        strategy=EXAMPLES / "collections.yaml",
        accounts=EXAMPLES / "accounts.csv",
    )
    assert (code, report["problems"]) == (0, [])
    figures = report["figures"]
    assert isinstance(figures, list)
    attempts = {
        (one["by"], one["key"]): next(k for k in one["kpis"] if k["id"] == "intensity")["numerator"]
        for one in figures
    }
    segments = {key: made for (by, key), made in attempts.items() if by == "segment" and key}
    assert set(segments) == {"late", "cards", "rest"}
    assert all(made > 0 for made in segments.values())
    assert sum(segments.values()) == attempts["campaign", ""]
    assert not list(EXAMPLES.glob("*.rejects.csv"))
    told = {
        (one["by"], one["key"], kpi["id"]): (kpi["numerator"], kpi["denominator"], kpi["value"])
        for one in figures
        for kpi in one["kpis"]
    }
    reckoned = dict(by_hand(tmp_path / "overdial.db"))
    assert {key: told[key] for key in reckoned} == reckoned
    assert {key[:2] for key in reckoned} == {key[:2] for key in told}


def by_hand(database: Path) -> Iterator[tuple[tuple[str, str, str], tuple[float, float, float]]]:
    """The figures once more, from the rows as they lie there and without a line of `dialer.kpi`."""
    with sqlite3.connect(database) as db:
        db.row_factory = sqlite3.Row
        rows = {
            name: [dict(row) for row in db.execute(f"SELECT * FROM {name}")]
            for name in ("leads", "attempts", "dispositions", "promises", "lead_steps")
        }
    steps = {one["lead_id"]: one for one in rows["lead_steps"]}
    said: dict[str, str] = {}
    for word in sorted(rows["dispositions"], key=lambda one: one["id"]):
        said[word["attempt_id"]] = word["category"]
    faults = {"cancelled", "congestion", "failed on our PBX", "trunk configuration", "lost"}
    reached = {"connected", "abandoned", "caller left"}
    others = {"no answer", "busy", "machine", "invalid", "rejected", "unreachable", None}
    assert {one["outcome"] for one in rows["attempts"]} <= faults | reached | others

    def groups(lead_id: int) -> list[tuple[str, str]]:
        step = steps.get(lead_id)
        segment, arm = (step["segment"], step["arm"]) if step else ("", "")
        return [
            ("campaign", ""),
            ("segment", segment),
            ("arm", f"{segment}/{arm}" if arm else segment),
        ]

    sums: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for lead in rows["leads"]:
        step = steps.get(lead["id"])
        is_open = lead["state"] in ("waiting", "claimed", "dialling") or (
            lead["state"] == "held"
            and step is not None
            and step["phase"] in ("waiting", "held", "task")
        )
        for key in groups(lead["id"]):
            sums[key]["accounts"] += 1
            sums[key]["workable"] += is_open or lead["attempts"] > 0
            sums[key]["finished"] += not is_open
    tried = [one for one in rows["attempts"] if one["outcome"] not in (*faults, None)]
    for one in tried:
        for key in groups(one["lead_id"]):
            sums[key]["attempts"] += 1
            sums[key]["live"] += one["outcome"] in reached
            sums[key]["right"] += said.get(one["id"]) == "right_party"
    for lead_id in {one["lead_id"] for one in tried}:
        for key in groups(lead_id):
            sums[key]["called"] += 1
    for one in rows["promises"]:
        for key in groups(one["lead_id"]):
            sums[key]["promises"] += one["state"] != "replaced"
    for (by, key), n in sums.items():
        for kpi, above, below in (
            ("penetration", "called", "workable"),
            ("intensity", "attempts", "called"),
            ("contact_rate", "live", "attempts"),
            ("right_party_rate", "right", "attempts"),
            ("promise_rate", "promises", "right"),
            ("exhaustion", "finished", "accounts"),
        ):
            value = n[above] / n[below] if n[below] else None
            yield (by, key, kpi), (float(n[above]), float(n[below]), value)


def test_a_strategy_that_cannot_be_read_is_a_message(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text("version: 1\nstrategy: x\nsegmentz: []\n", encoding="utf-8")
    assert run_demo(DemoOptions(strategy=bad, web_port=0, json=True)) == 1
    assert f"{bad}:3: segmentz: is not a field here: did you mean segments?" in (
        capsys.readouterr().err
    )


def test_the_same_seed_plays_the_same_calls(capsys: pytest.CaptureFixture[str]) -> None:
    def told(seed: int) -> list[object]:
        _, report = play(capsys, minutes=2, agents=4, seed=seed)
        return [report[key] for key in ("calls", "outcomes", "connects", "abandoned")]

    first = told(5)
    assert told(5) == first
    assert told(6) != first


def test_a_port_that_is_taken_is_a_message(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert run_demo(DemoOptions(minutes=1, speed=None, web_port=port, leads=10)) == 1
    said = capsys.readouterr()
    assert f"127.0.0.1:{port}" in said.err
    assert "--port" in said.err


def test_keep_wants_a_clock_that_runs(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_demo(DemoOptions(speed=None, keep=True)) == 2
    assert "--speed" in capsys.readouterr().err


# --- the list -----------------------------------------------------------------------------------


def test_nobody_on_the_list_exists(tmp_path: Path) -> None:
    write_accounts(tmp_path / "a.csv", 2_000, 1, TODAY)
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2_000
    assert len({row["phone"] for row in rows}) == 2_000
    assert all("555-01" in row["phone"] for row in rows)


@pytest.mark.parametrize("count", [0, ACCOUNTS_MAX + 1])
def test_a_list_has_no_more_accounts_than_there_are_numbers(tmp_path: Path, count: int) -> None:
    with pytest.raises(ValueError, match="1 to"):
        write_accounts(tmp_path / "a.csv", count, 1, TODAY)


# --- screens ------------------------------------------------------------------------------------


def picture(problem: str = "") -> Picture:
    return Picture(FakeFace().wallboard(), 1_800.0, 3_600.0, 60.0, 310, problem)


def report(*problems: str) -> Report:
    return Report(
        *(2210, 820, 803, 17, 0.0207, 0.03, 0.86, 20, 1599),
        *({"connected": 803}, {"promise": 400}, 3000, 3000, 0, 0, 24_000, 3600.0, 120.0, 1),
        problems,
    )


def test_the_live_picture_shows_what_a_supervisor_asks_for() -> None:
    out = StringIO()
    console = Console(file=out, width=110, force_terminal=True, color_system=None)
    screen = Terminal(console)
    screen.opened([("wallboard", "http://127.0.0.1:8080/wallboard")])
    screen.show(picture("PBX main: wrong password"))
    screen.closed(report("no call was dialled"))
    text = out.getvalue()
    assert text.index("http://127.0.0.1:8080/wallboard") < text.index("Spring collections")
    for part in ("ringing", "talk 14", "86%", "2.07% of 3%", "1,599", "310 verified", "30.0 of 60"):
        assert part in text, part
    assert "PBX main: wrong password" in text
    assert "no call was dialled" in text


def test_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    screen = Plain()
    screen.opened([("wallboard", "http://127.0.0.1:8080/wallboard")])
    screen.show(picture())
    screen.closed(report())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "wallboard: http://127.0.0.1:8080/wallboard"
    assert "0:30:00" in lines[1]
    assert "abandoned 2.07% (limit 3%)" in lines[1]
    assert any(line.startswith("calls dialled:") and "2,210" in line for line in lines)


def test_the_report_as_json_has_what_others_read() -> None:
    told = json.loads(report("x").as_json())
    assert told["ok"] is False
    for key in ("calls", "connects", "abandoned", "abandon_rate", "utilisation", "seed"):
        assert key in told
    for key in ("webhooks_delivered", "webhooks_verified", "duration_simulated_s"):
        assert key in told
    assert "duration_real_s" in told
    assert report("x").exit_code == 1
    assert report().exit_code == 0
