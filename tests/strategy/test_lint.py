"""A strategy's file: the example is right, every mistake is named with its line, and the published
schema is the models'."""

from __future__ import annotations

import json
import shutil
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from typer.testing import CliRunner

from dialer.campaigns.forecast import forecast
from dialer.campaigns.model import load_campaign
from dialer.campaigns.strategy import model
from dialer.campaigns.strategy.load import load_strategy, notes
from dialer.campaigns.strategy.model import strategy_schema
from dialer.cli import app
from tests.store.world import staged
from tests.strategy.making import EXAMPLE, body
from yamlmarks import FileError

RUN = CliRunner()
CAMPAIGN = EXAMPLE.parent / "campaign.yaml"


def faults(path: Path, text: str) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(FileError) as caught:
        load_strategy(path)
    return [fault.removeprefix(f"{path}:") for fault in caught.value.faults]


def changed(old: str, new: str) -> str:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert old in text, old
    return text.replace(old, new, 1)


def test_the_example_is_right_and_leaves_no_doubt() -> None:
    strategy = load_strategy(EXAMPLE)
    assert notes(strategy) == []
    document = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    Draft202012Validator(strategy_schema()).validate(document)


def test_the_published_schema_is_the_models() -> None:
    published = Path(model.__file__).with_name("strategy.schema.json")
    shown = json.loads(published.read_text(encoding="utf-8"))
    assert shown == json.loads(json.dumps(strategy_schema())), (
        "run: dialer strategy schema > dialer/campaigns/strategy/strategy.schema.json"
    )
    Draft202012Validator.check_schema(shown)


@pytest.mark.parametrize(
    ("old", "new", "field", "mend"),
    [
        ("lt: 40}", "lt: 40}, whne: 1", "exclude[1].whne", "did you mean when?"),
        ("{f: balance, lt: 40}", "{f: balanse, lt: 40}", "exclude[1].when.f", "no input balanse"),
        ("{f: balance, lt: 40}", '{f: balance, lt: "40"}', "when.lt", "compared with amounts"),
        ("{f: product, eq: card}", "{f: product, eq: cart}", "segments[1].when.eq", "is one of"),
        ("{f: product, eq: card}", "{f: product, lt: card}", "when.lt", "has no order"),
        ("{f: product, eq: card}", "{f: product}", "segments[1].when", "go together"),
        ("{f: product, eq: card}", "{f: product, eq: [1]}", "when.eq", "one plain value"),
        ("share: 0.2", "share: 1.5", "share", "less than 1"),
        ("treatment: firm\n", "treatment: frim\n", "segments[0].treatment", "did you mean firm?"),
        ("tactic: insistent", "tactic: insistant", "steps[0].tactic", "did you mean insistent?"),
        ("ring_s: 30", "ring_s: 5", "tactics.insistent.ring_s", "the law's least ring"),
        ("after: 15m", "after: quarter", "no_answer.after", "90s, 15m, 4h or 3d"),
        ("no_answer: {after: 15m", "no_anser: {after: 15m", "insistent.retry", "did you mean"),
        ("step: call, priority_add", "step: cal, priority_add", "triggers[2].step", "no step cal"),
        ("do: close}", "do: hold}", "triggers[5].do", "whatever happens"),
        ("queue: supervisors, due: 5d", "queue: supervisors", "steps[1]", "needs due"),
        ("event: letter_requested", "tactic: standard", "steps[1]", "no field of a step"),
        ("version: 1", "version: 2", "version", "1"),
        ("- id: rest\n    when: true", "- id: late\n    when: true", "segments[2].id", "twice"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, old: str, new: str, field: str, mend: str
) -> None:
    text = changed(old, new)
    path = tmp_path / "s.yaml"
    found = faults(path, text)
    matching = [one for one in found if field in one and mend in one]
    assert matching, found
    number = int(matching[0].split(":", 1)[0])
    original = EXAMPLE.read_text(encoding="utf-8")
    first = original.count("\n", 0, original.index(old)) + 1
    assert first - 6 <= number <= first + 1, (number, first)  # there, or where its part begins


def test_steps_in_a_circle(tmp_path: Path) -> None:
    made = body()
    made["treatments"]["one"]["steps"][3]["next"] = "letter"
    found = faults(tmp_path / "s.yaml", yaml.safe_dump(made, sort_keys=False))
    assert len(found) == 1
    assert "letter -> desk -> again -> letter" in found[0]
    assert "treatments.one.steps[3].next" in found[0]


def test_a_step_nothing_leads_to(tmp_path: Path) -> None:
    made = body()
    made["treatments"]["one"]["steps"][0]["next"] = "again"
    found = faults(tmp_path / "s.yaml", yaml.safe_dump(made, sort_keys=False))
    assert any("treatments.one.steps[1].id: no step and no trigger leads here" in f for f in found)


def segments(*tests: Any) -> str:
    made = body(
        inputs={"balance": {"type": "money"}, "product": {"type": "enum", "values": ["a", "b"]}},
        segments=[
            {"id": f"s{n}", "when": when, "treatment": "one"} for n, when in enumerate(tests)
        ],
    )
    return yaml.safe_dump(made, sort_keys=False)


@pytest.mark.parametrize(
    ("tests", "place"),
    [
        ([True, {"f": "balance", "gt": 5}], 1),
        ([{"f": "balance", "gt": 5}, {"f": "balance", "gt": 9}, True], 1),
        (
            [{"f": "product", "eq": "a"}, {"f": "product", "ne": "a"}, {"f": "product", "eq": "b"}],
            2,
        ),
        ([{"all": [{"f": "balance", "lt": 3}, {"f": "balance", "gt": 3}]}, True], 0),
        ([{"f": "balance", "known": True}, {"f": "balance", "known": False}, True], 2),
    ],
)
def test_a_segment_nobody_can_be_in(tmp_path: Path, tests: list[Any], place: int) -> None:
    found = faults(tmp_path / "s.yaml", segments(*tests))
    assert len(found) == 1
    assert f"segments[{place}].when: nobody can be in this segment" in found[0]


@pytest.mark.parametrize(
    "tests",
    [
        [{"f": "balance", "gt": 9}, {"f": "balance", "gt": 5}, True],
        [{"not": {"f": "product", "eq": "a"}}, {"f": "product", "known": False}],  # unknown is no
        [{"f": "balance", "between": [1, 2]}, {"f": "balance", "between": [2, 3]}, True],
    ],
)
def test_segments_that_can_be_reached_are_left_alone(tmp_path: Path, tests: list[Any]) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(segments(*tests), encoding="utf-8")
    load_strategy(path)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"a: [1, 2", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"- 1\n- 2\n", "a strategy is a table"),
        (b"", "a strategy is a table"),
        (b"version: 1\nversion: 1\n", "given twice"),
        (b"version: 1\n", "strategy: is missing"),
    ],
)
def test_what_is_no_strategy_at_all(tmp_path: Path, data: bytes, text: str) -> None:
    path = tmp_path / "s.yaml"
    path.write_bytes(data)
    with pytest.raises(FileError, match=text):
        load_strategy(path)


def test_an_alias_bomb_costs_nothing(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    began = time.process_time()
    found = faults(tmp_path / "s.yaml", "\n".join(lines))
    assert "aliases" in found[0]
    assert time.process_time() - began < 5


# --- the commands ---------------------------------------------------------------------------------


def test_lint_tells_all_faults_and_fails(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    text = changed("tactic: insistent", "tactic: none-such").replace("lt: 40", "lt: much")
    bad.write_text(text, encoding="utf-8")
    told = RUN.invoke(app, ["strategy", "lint", str(EXAMPLE), str(bad)])
    assert told.exit_code != 0
    assert "strategy consumer-early is right" in told.output
    assert isinstance(told.exception, FileError)
    assert len(told.exception.faults) == 2
    good = RUN.invoke(app, ["strategy", "lint", str(EXAMPLE)])
    assert good.exit_code == 0, good.output


def test_lint_asks_the_campaign_for_its_queues(tmp_path: Path) -> None:
    told = RUN.invoke(app, ["strategy", "lint", str(EXAMPLE), "--campaign", str(CAMPAIGN)])
    assert isinstance(told.exception, FileError)
    assert any("has no queue late-stage" in one for one in told.exception.faults)
    fitting = fitted(tmp_path, "")
    told = RUN.invoke(app, ["strategy", "lint", str(EXAMPLE), "--campaign", str(fitting)])
    assert told.exit_code == 0, told.output


def fitted(tmp_path: Path, more: str) -> Path:
    """The examples, with a campaign that has the strategy's queues."""
    folder = tmp_path / "site"
    shutil.copytree(EXAMPLE.parent, folder)
    queues = ", ".join(f"{{name: {one}}}" for one in ("general", "late-stage", "supervisors"))
    campaign = folder / "campaign.yaml"
    text = campaign.read_text(encoding="utf-8")
    campaign.write_text(f"{text}\nqueues: [{queues}]\n{more}", encoding="utf-8")
    return campaign


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """A campaign with the example's strategy, and an empty database."""
    campaign = fitted(tmp_path, "strategy: collections.yaml\n")
    return {
        "campaign": str(campaign),
        "strategy": str(campaign.with_name("collections.yaml")),
        "list": str(EXAMPLE.parent / "accounts.csv"),
        "database": f"sqlite:///{tmp_path / 'd.db'}",
    }


def invoke(*words: str) -> str:
    told = RUN.invoke(app, list(words))
    assert told.exit_code == 0, (told.output, told.exception)
    return told.output


def test_from_the_list_to_the_next_version(site: dict[str, str]) -> None:
    where = ("--campaign", site["campaign"], "--database", site["database"])
    invoke("lists", "import", site["list"], *where)
    told = invoke("strategy", "explain", "--lead", "ACC-00001", *where)
    assert "segment rest: true: yes" in told
    assert "placed in segment rest, treatment soft" in told
    assert "us-reg-f/hours" in told or "calling_window" in told or "nothing speaks against" in told
    again = invoke("strategy", "apply", *where)
    assert "0 leads are under way in other versions, 0 in none" in again
    path = Path(site["strategy"])
    path.write_text(path.read_text().replace("lt: 40", "lt: 400"), encoding="utf-8")
    told = invoke("strategy", "apply", *where)
    assert "would move from rest to (excluded)" in told
    assert "--migrate moves them" in told
    told = invoke("strategy", "apply", "--migrate", *where)
    assert "39 moved" in told or "40 moved" in told
    explained = invoke("strategy", "explain", "--lead", "ACC-00003", *where)
    assert "phase excluded" in explained
    by_segment = invoke(
        "kpi", "spring-collections", "--by", "segment", "--csv", "--database", site["database"]
    )
    assert "penetration" in by_segment


def test_simulate_is_the_same_twice_and_adds_up(site: dict[str, str]) -> None:
    words = ("strategy", "simulate", "--campaign", site["campaign"], "--list", site["list"])
    first = json.loads(invoke(*words, "--json", "--days", "5"))
    assert first == json.loads(invoke(*words, "--json", "--days", "5"))
    assert first["leads"] == 40
    assert sum(one["leads"] for one in first["segments"]) + first["excluded"] == 40
    assert sum(first["priority"]) == 40
    assert len(first["days"]) == 5
    assert sum(one["calls"] for one in first["days"]) > 0
    sunday = [d for d in first["days"] if _weekday(d["date"]) == 6]
    assert all(one["calls"] == 0 for one in sunday)  # the campaign's windows


def test_saturdays_evening_in_the_west_is_not_sundays() -> None:
    """Sunday has begun in UTC, and the shops of Los Angeles are open on Saturday still."""
    campaign = load_campaign(CAMPAIGN).model_copy(update={"purpose": "service"})
    fields = {"balance": "120", "due_date": "2026-10-20", "product": "energy"}
    leads = [
        staged(n, f"+1213555{n:04d}", zones="America/Los_Angeles")._replace(fields=fields)
        for n in range(100, 140)
    ]
    now = datetime(2026, 11, 29, 1, 30, tzinfo=UTC)  # 17:30 on the 28th
    found = forecast(load_strategy(EXAMPLE), campaign, leads, now, 3, 0.2)
    assert [one.date.isoformat()[-2:] for one in found.days] == ["28", "29", "30"]
    assert found.days[0].calls > 0
    assert found.days[1].calls == 0


def test_simulate_plays_a_floor(site: dict[str, str]) -> None:
    words = ("strategy", "simulate", "--campaign", site["campaign"], "--floor", "3")
    told = RUN.invoke(app, [*words, "--database", site["database"]])
    assert told.exit_code != 0
    assert "--floor: plays a list's file: give --list" in str(told.exception)
    played = json.loads(invoke(*words, "--list", site["list"], "--minutes", "2", "--json"))
    assert (played["ok"], played["agents"]) == (True, 3)
    assert played["calls"] > 0
    segments = {one["key"] for one in played["figures"] if one["by"] == "segment"}
    assert "rest" in segments


def _weekday(text: str) -> int:
    from datetime import date

    return date.fromisoformat(text).weekday()


def test_a_lead_nobody_knows_and_a_campaign_without_strategy(site: dict[str, str]) -> None:
    where = ("--campaign", site["campaign"], "--database", site["database"])
    told = RUN.invoke(app, ["strategy", "explain", "--lead", "nobody", *where])
    assert told.exit_code != 0
    assert "has no lead nobody" in str(told.exception)
    told = RUN.invoke(app, ["strategy", "apply", "--campaign", str(CAMPAIGN)])
    assert told.exit_code != 0
    assert "names no strategy" in str(told.exception)
