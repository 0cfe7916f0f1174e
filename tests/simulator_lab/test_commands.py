"""The commands as a person types them: results, files, and bad input without a traceback."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typer.testing import CliRunner

from simulator.cli import main

run = CliRunner()
TINY = """
name: tiny
day: {hours: 0.5}
agents: {count: 4, login_spread_s: 10}
"""


@pytest.fixture
def tiny(tmp_path: Path) -> str:
    path = tmp_path / "tiny.yaml"
    path.write_text(TINY, encoding="utf-8")
    return str(path)


def told(*words: str) -> tuple[int, str, str]:
    result = run.invoke(main, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.stdout, result.stderr


def test_run_prints_a_table_or_json(tiny: str) -> None:
    code, out, _ = told("run", "-s", tiny, "-p", "progressive", "--days", "2", "-j", "1")
    assert code == 0
    assert "progressive" in out
    assert "0.00 ± 0.00 %" in out
    code, out, _ = told("run", "-s", tiny, "-p", "webitel", "--days", "2", "-j", "1", "--json")
    found = json.loads(out)
    assert code == 0
    assert found["experiment"] == "run"
    assert [d["seed"] for d in found["results"][0]["by_day"]] == [1, 2]
    assert 0 < found["results"][0]["utilisation"]["value"] < 1


def test_the_same_seed_gives_the_same_figures_and_another_does_not(tiny: str) -> None:
    def figures(seed: str) -> object:
        _, out, _ = told("run", "-s", tiny, "-p", "impact", "--days", "1", "--json", "--seed", seed)
        result = json.loads(out)["results"][0]
        return {k: v for k, v in result["by_day"][0].items() if k != "seed"}

    assert figures("5") == figures("5")
    assert figures("5") != figures("6")


def test_compare_writes_a_page_that_needs_nothing_else(tiny: str, tmp_path: Path) -> None:
    page, data, picture = tmp_path / "c.html", tmp_path / "c.json", tmp_path / "c.svg"
    code, out, _ = told(
        *(
            "compare",
            "--scenarios",
            f"{tiny},base@3",
            "--pacers",
            "progressive,vicidial_ratio,wombat",
        ),
        *("--days", "2", "-j", "1", "--report", str(page), "--out", str(data)),
        *("--picture", str(picture)),
    )
    assert code == 0
    assert "less progressive" in out
    text = page.read_text(encoding="utf-8")
    assert "vicidial_ratio" in text
    assert not re.search(r"(src|href)\s*=|@import|url\(", text)  # nothing fetched from anywhere
    assert "<script" not in text
    for svg in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL):
        ET.fromstring(svg)
    assert len(re.findall(r"<svg", text)) == 1 + 3 * 2  # overview; frontier, curves, days of each
    ET.fromstring(picture.read_text(encoding="utf-8"))
    again = tmp_path / "again.html"
    assert told("report", str(data), "-o", str(again))[0] == 0
    assert again.read_text(encoding="utf-8") == text


def test_names_in_a_report_are_escaped(tmp_path: Path) -> None:
    evil = tmp_path / "e.yaml"
    evil.write_text(
        "name: <script>alert(1)</script>\nnote: a & <b>\nday: {hours: 0.2}\nagents: {count: 2}\n",
        encoding="utf-8",
    )
    page = tmp_path / "e.html"
    args = ("run", "-s", str(evil), "-p", "progressive", "--days", "2", "-j", "1")
    assert told(*args, "--report", str(page))[0] == 0
    assert "<script>" not in page.read_text(encoding="utf-8")


def test_sweep_tune_and_what_if(tiny: str, tmp_path: Path) -> None:
    page = tmp_path / "s.html"
    code, out, _ = told(
        *(
            "sweep",
            "-s",
            tiny,
            "-p",
            "fixed_ratio",
            "--option",
            "ratio=1:3:1",
            "--set",
            "agents=2,4",
        ),
        *("--days", "2", "-j", "1", "--report", str(page)),
    )
    assert code == 0
    assert len(re.findall(r"\d/2", out)) == 6
    assert "<svg" in page.read_text(encoding="utf-8")
    code, out, _ = told(
        *("tune", "-s", tiny, "-p", "fixed_ratio", "--option", "ratio=1,9"),
        *("--days", "8", "-j", "1", "--chance", "0.2", "--report", str(page)),
    )
    assert code == 0
    assert re.search(r"│ +1 +│ +8 +│.*│ +9 +│ +8 +│", out, re.DOTALL)  # all tried
    assert "\nratio=1: utilisation" in out
    assert "Chosen: <strong>ratio=1</strong>. On 8 days" in page.read_text(encoding="utf-8")
    code, _, err = told(
        *("tune", "-s", tiny, "-p", "fixed_ratio", "--option", "ratio=8,9"),
        *("--days", "8", "-j", "1", "--chance", "0.2"),
    )
    assert code == 1
    assert "nothing tried" in err
    code, out, _ = told(
        *("what-if", "-s", tiny, "-p", "progressive", "--set", "list.rates.person=0.5"),
        *("--days", "3", "-j", "1"),
    )
    assert code == 0
    assert float(re.search(r"utilisation: \+([\d.]+)", out).group(1)) > 5  # type: ignore[union-attr]


def test_a_frontier_turns_each_pacers_own_setting(tiny: str, tmp_path: Path) -> None:
    page, data = tmp_path / "f.html", tmp_path / "f.json"
    code, _, _ = told(
        *("frontier", "-s", tiny, "--pacers", "wombat,erlang_c", "--days", "1", "-j", "1"),
        *("--report", str(page), "--out", str(data)),
    )
    assert code == 0
    found = json.loads(data.read_text())
    assert found["groups"] == ["wombat"] * 7 + ["erlang_c"] * 6
    of_wombat = [r["utilisation"]["value"] for r in found["results"][:7]]
    assert of_wombat[-1] > of_wombat[0] + 0.1
    limits = [r["limit"] for r in found["results"][7:]]
    assert limits == [0.005, 0.01, 0.02, 0.03, 0.05, 0.1]
    ET.fromstring(re.findall(r"<svg.*?</svg>", page.read_text(), flags=re.DOTALL)[0])
    assert "Limit 3 % of live answers" in page.read_text()
    code, _, err = told("frontier", "-s", tiny, "--pacers", "progressive")
    assert code == 2
    assert "no setting of 'progressive'" in err


def test_the_optimum_by_command() -> None:
    code, out, _ = told("bounds", "--agents", "1,10", "--json")
    assert code == 0
    assert [round(row["utilisation"], 2) for row in json.loads(out)] == [0.77, 0.86]
    assert told("bounds", "--agents", "3")[1].split()[-2].startswith("0.80")


def test_history_goes_round(tiny: str, tmp_path: Path) -> None:
    calls, world = tmp_path / "calls.csv", tmp_path / "world.yaml"
    args = ("run", "-s", tiny, "-p", "vicidial_ratio", "--days", "1", "-j", "1")
    assert told(*args, "--calls", str(calls))[0] == 0
    code, _, err = told("fit", str(calls), "-o", str(world), "--name", "mine")
    assert code == 0
    assert "note:" in err
    assert told("run", "-s", str(world), "-p", "progressive", "--days", "1", "-j", "1")[0] == 0
    words = ("replay", str(calls), "--pacers", "progressive,wombat", "--days", "2", "-j", "1")
    code, out, _ = told(*words, "--json")
    assert code == 0
    found = json.loads(out)["results"]
    assert [row["pacer"] for row in found] == ["progressive", "wombat"]
    assert [d["seed"] for d in found[1]["by_day"]] == [1, 2]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "-s", "nowhere"], "no shipped scenario"),
        (["run", "-s", "base@0"], "after @"),
        (["run", "-p", "nobody"], "no pacer 'nobody'"),
        (["run", "-p", "ratio:speed=9"], "has no option 'speed'; it has: ratio"),
        (["run", "-p", "ratio:ratio"], "path=value"),
        (["run", "--engine", "warp"], "no engine 'warp'"),
        (["run", "--set", "list.rates.person=-1"], "share from 0 to 1"),
        (["run", "--set", "agents=0"], "from 1 to 100000"),
        (["run", "--set", "patience={lognormal: {mean_s: 0, cv: 1}}"], "above 0"),
        (["compare", "--scenarios", "base,nowhere"], "no shipped scenario"),
        (["compare", "--pacers", "forward,nobody", "--scenarios", "base"], "no pacer"),
        (["sweep"], "nothing to vary"),
        (["sweep", "--set", "agents=9:1"], "at least from"),
        (["tune", "--option", "ratio=1,2", "--window", "year"], "choose day or block"),
        (["tune", "--option", "ratio=1,2", "--days", "3", "--chance", "0.01"], "--days"),
        (["bounds", "--agents", "5,many"], "--agents"),
        (["bounds", "--agents", "0"], "from 1 to"),
        (["fit", "nowhere.csv"], "cannot be read"),
        (["replay", "nowhere.csv"], "cannot be read"),
        (["report", "nowhere.json"], "cannot be read"),
        (["what-if", "--set", "agents"], "path=value"),
        (["run", "--set", "patience={exponential: {mean_s: -3}}"], "mean_s: is -3"),
        (["run", "--set", "line.setup={uniform: {low_s: 5, high_s: 1}}"], "above low_s"),
        (["run", "--set", "handling.talk={mixture: {parts: []}}"], "mixture.parts"),
        (["run", "--set", "handling.talk={empirical: {values_s: [-1, 2]}}"], "values_s[0]: is -1"),
        (["run", "--set", "handling.talk={weibull: {k: 1}}"], "no distribution 'weibull'"),
        (["run", "--set", "handling.talk=nan"], "must be a finite number"),
        (["run", "--set", "list.rates.machine=0.95"], "must not pass 1"),
        (["run", "--set", "list.rates.person=nan"], "share from 0 to 1"),
        (["run", "--set", "carrier.trunks_per_agent=-1"], "0 or more"),
        (["run", "--set", "day_s=0"], "above 0"),
        (["run", "--set", "list.leads=0"], "the list is empty"),
        (["run", "--set", "talk_factor=-1"], "negative"),
        (["run", "-p", "fixed_ratio:ratio=-1"], "from 0 to 1,000,000"),
        (["run", "-p", "fixed_ratio:ratio=x"], "ratio is 'x'; must be a number"),
        (["run", "-p", "fixed_ratio:ratio=true"], "ratio is True; must be a number"),
        (["run", "-p", "webitel:window_s=abc"], "window_s is 'abc'; must be a number"),
        (["run", "-p", "wombat:boost=nan"], "boost is nan; must be a number"),
        (["run", "-p", "wombat:waiting_max=0.5"], "must be a whole number"),
        (["run", "-p", "issabel:overcommit=1"], "must be true or false"),
        (["run", "-p", "impact:acceptable=-1"], "from 0 to"),
        (["run", "-p", "unicom:gain=1"], "no option 'gain'; it has: target_percent"),
        (["run", "-p", "vicidial_hard:method=RATIO"], "no option 'method'"),
        (["run", "-p", "best_ratio:ratio=1"], "best_ratio has no options"),
        (["run", "-s", ""], "no scenario is named"),
        (["run", "--set", "agents=100001"], "from 1 to 100000"),
        (
            ["run", "--set", "carrier.trunks_per_agent=0", "--set", "carrier.trunks_extra=0"],
            "carries no line",
        ),
        (["compare", "--scenarios", ","], "at least one name"),
        (["compare", "--scenarios", "base,base@20,simulator/scenarios/base.yaml"], "'base'"),
        (["run", "--report", "nowhere/x.html"], "there is no directory"),
        (["compare", "--picture", "nowhere/x.svg"], "there is no directory"),
        (["run", "--keep", "."], "is a directory"),
        (["sweep", "-p", "fixed_ratio", "--option", "ratio=nan:2"], "step above 0"),
        (
            ["tune", "-p", "fixed_ratio", "--option", "ratio=1,2", "--window", "block"],
            "1 block cannot show a chance of at most 0.1 at 80% confidence even if none breaks the"
            " law; give --days 480",
        ),
        (["run", "-p", "ratio:ratio=nan"], "between 1 and 100"),
        (["run", "-p", ""], "no pacer ''"),
        (["run", "--beside", "nowhere"], "no shipped scenario"),
        (["run", "--beside", "base", "--engine", "plain"], "--engine full"),
        (["run", "--engine", "full", "--set", "line.ring_limit_s=10"], "rings for 15"),
        (["run", "--engine", "full", "--set", "law.wait_limit_s=5"], "longer than 2 s"),
        (["sweep", "--set", "agents=0,5"], "from 1 to 100000"),
    ],
)
def test_bad_input_is_one_clear_line(args: list[str], words: str) -> None:
    code, out, err = told(*args)
    assert code == 2
    assert err.startswith("error: ")
    assert words in err
    assert "Traceback" not in out + err


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["run", "--days", "0"], "--days"),
        (["compare", "--days", "0"], "--days"),
        (["run", "--agents", "-4"], "--agents"),
        (["run", "--jobs", "-1"], "--jobs"),
        (["run", "--seed", "-1"], "--seed"),
        (["bounds", "--limit", "2"], "--limit"),
    ],
)
def test_a_number_out_of_range_is_refused_by_its_option(args: list[str], words: str) -> None:
    code, out, err = told(*args)
    assert code == 2
    assert words in err
    assert "Traceback" not in out + err


def test_a_log_file_hears_of_progress_too(tiny: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("simulator.experiments.output.LINE_EVERY_S", 0.0)
    words = ("compare", "--scenarios", tiny, "--pacers", "wombat,progressive", "--days", "2")
    report = ("-j", "1", "--report", str(Path(tiny).with_suffix(".html")))
    assert "4 of 4 days, the last tiny · " in told(*words, *report)[2]
    assert "4 of 4 days" not in told(*words, *report, "--json")[2]


def test_what_is_named_twice_is_run_once(tiny: str) -> None:
    words = ["--days", "2", "-j", "1", "--json"]
    _, once, _ = told("run", "-s", tiny, "-p", "wombat", *words)
    doubled = ("compare", "--scenarios", f"{tiny},{tiny},", "--pacers", "wombat,wombat")
    code, twice, _ = told(*doubled, *words, "--report", str(Path(tiny).with_suffix(".html")))
    assert code == 0
    first, second = json.loads(once)["results"], json.loads(twice)["results"]
    assert [row["days"] for row in second] == [2]
    assert second[0]["utilisation"] == first[0]["utilisation"]


def test_finished_days_are_kept_and_not_run_again(tiny: str, tmp_path: Path) -> None:
    kept, first, again = (tmp_path / n for n in ("kept.jsonl", "first.json", "again.json"))
    words = ["compare", "--scenarios", tiny, "--days", "2", "-j", "1", "--keep", str(kept)]
    words += ["--report", str(tmp_path / "c.html")]
    assert told(*words, "--pacers", "wombat", "--out", str(first))[0] == 0
    whole = kept.read_text()
    kept.write_text(whole + '{"key": "torn off in the mid')  # the process was ended
    assert told(*words, "--pacers", "wombat,webitel", "--out", str(again))[0] == 0
    assert kept.read_text().startswith(whole)
    assert len(kept.read_text().splitlines()) == 2
    assert (
        json.loads(again.read_text())["results"][0] == json.loads(first.read_text())["results"][0]
    )


def test_results_are_put_together(tiny: str, tmp_path: Path) -> None:
    one, two, page = (tmp_path / n for n in ("one.json", "two.json", "both.html"))
    words = ["compare", "--scenarios", tiny, "--days", "2", "-j", "1"]
    words += ["--report", str(tmp_path / "c.html")]
    assert told(*words, "--pacers", "progressive,wombat", "--out", str(one))[0] == 0
    assert told(*words, "--pacers", "webitel", "--out", str(two))[0] == 0
    picture = tmp_path / "both.svg"
    args = ["report", str(one), str(two), "-o", str(page), "--picture", str(picture), "--table"]
    code, out, _ = told(*args)
    assert code == 0
    assert [out.index(p) for p in ("progressive", "wombat", "webitel")] == sorted(
        out.index(p) for p in ("progressive", "wombat", "webitel")
    )
    assert "webitel" in page.read_text(encoding="utf-8")
    ET.fromstring(picture.read_text(encoding="utf-8"))
    other = tmp_path / "other.json"
    assert told(*words, "--pacers", "webitel", "--seed", "5", "--out", str(other))[0] == 0
    code, _, err = told("report", str(one), str(other), "-o", str(page))
    assert code == 2
    assert "seed is 5" in err


def test_bad_files_are_one_clear_line(tmp_path: Path) -> None:
    empty, no_agents, other = (tmp_path / n for n in ("e.csv", "n.yaml", "o.json"))
    empty.write_text("launched_at,outcome\n")
    no_agents.write_text("name: x\nagents: {count: 0}\n")
    other.write_text('{"format": 99, "results": [1]}')
    for args, words in (
        (["fit", str(empty)], "history is empty"),
        (["run", "-s", str(no_agents)], "n.yaml:2: agents.count"),
        (["report", str(other)], "not results"),
        (["run", "-p", "progressive", "--keep", str(other)], "no line of kept days"),
        (
            ["run", "-p", "progressive", "--days", "1", "-j", "1", "--out", str(empty / "x")],
            "e.csv/x",
        ),
    ):
        code, _, err = told(*args)
        assert code == 2, args
        assert words in err
