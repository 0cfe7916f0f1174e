"""`dialer pacing explain`: from a trace on disk to words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from dialer.explain import TraceError, civil_of, find, in_words, plot, read_trace
from dialer.pacing.trace import DecisionTrace, TraceRecord, why_abandoned, why_lines
from dialer.pacing.windows import Account, us_windows
from dialer.snapshot import Decision, FloorSnapshot

MORNING = 20_000 * 86_400.0 + 14 * 3600.0


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    kept = DecisionTrace()
    account = Account(us_windows(MORNING))
    account.add(MORNING, 100, 2)
    for n in range(60):
        floor = FloorSnapshot(float(n), "spring", 3, (1.0,) * 14, (2.0,), ringing=(4.0,) * n)
        decision = Decision(n % 3, inputs={"theta": 0.4}, give_up=2 * (n == 33))
        kept.record(floor, decision, account.binding(), MORNING + n)
    path = tmp_path / "pacing.jsonl"
    path.write_text("".join(json.dumps(r.as_json()) + "\n" for r in kept))
    return path


def test_says_what_was_seen_and_chosen(trace: Path) -> None:
    records = read_trace(trace)
    found = find(records, civil_of("14:00:31", records))
    text = "\n".join(in_words(found.record))
    assert "1 line launched" in text
    assert "3 ready, 14 talking, 1 in wrap-up" in text
    assert "31 ringing" in text
    assert "2 abandoned of 100 live answers, 2.00%" in text
    assert "theta 0.4" in text


def test_says_which_lines_were_given_up_and_why(trace: Path) -> None:
    records = read_trace(trace)
    words = {
        at: "\n".join(in_words(find(records, civil_of(f"14:00:{at}", records)).record))
        for at in (32, 33)
    }
    assert "2 lines were given up" in words[33]
    assert "found nobody free" in words[33]
    assert "given up" not in words[32]
    assert "2 lines were given up" in why_lines(records[33])
    near = why_abandoned(records, MORNING + 33.4, 2.0)
    assert "2 lines that rang were given up in that very moment" in near
    assert "given up" not in why_abandoned(records, MORNING + 50.0, 2.0)
    assert "lines given up" in plot(records[30:40], "x")
    older = {key: value for key, value in records[33].as_json().items() if key != "give_up"}
    assert TraceRecord.from_json(older).give_up == 0, "a trace from before"


def test_draws_what_happened_around_it(trace: Path) -> None:
    records = read_trace(trace)
    picture = plot(find(records, civil_of("14:00", records), within_s=60).around, "x")
    assert picture.startswith("<svg")
    assert "lines on their way" in picture


@pytest.mark.parametrize("at", ["noon", "25:00", "2026-13-01T10:00"])
def test_a_time_that_is_none(trace: Path, at: str) -> None:
    with pytest.raises(TraceError, match="--at"):
        civil_of(at, read_trace(trace))


def test_a_time_without_decisions_says_what_there_is(trace: Path) -> None:
    records = read_trace(trace)
    with pytest.raises(TraceError, match="the trace goes from"):
        find(records, civil_of("09:00", records))


def test_a_file_that_is_no_trace_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{"a": 1}\n')
    command = (sys.executable, "-m", "dialer", "pacing", "explain", "--at", "9:00")
    done = subprocess.run(
        [*command, "--trace", str(path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    assert "other.json:1" in done.stderr
    assert "Traceback" not in done.stderr
