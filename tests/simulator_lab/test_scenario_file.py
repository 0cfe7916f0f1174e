"""Scenario files: every shipped one loads; every mistake names file, line, field and mend."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import yaml

from simulator.scenario import base_world
from simulator.scenario_file import (
    SHIPPED,
    load_scenario,
    scenario_from_text,
    scenario_schema,
    shipped_names,
)
from yamlmarks import FileError

HELD_OUT = sorted((Path(__file__).parent / "held_out").glob("*.yaml"))
MINIMAL = "name: x\nagents: {count: 3}\n"


def test_at_least_twenty_are_shipped() -> None:
    assert len(shipped_names()) >= 20


@pytest.mark.parametrize("path", [*sorted(SHIPPED.glob("*.yaml")), *HELD_OUT], ids=lambda p: p.stem)
def test_a_shipped_scenario_loads_and_fits_the_schema(path: Path) -> None:
    scenario = load_scenario(path)
    assert scenario.name == path.stem
    assert scenario.note
    jsonschema.Draft202012Validator(scenario_schema()).validate(yaml.safe_load(path.read_text()))


def test_the_shipped_schema_is_the_loaders_own() -> None:
    assert json.loads((SHIPPED / "schema.json").read_text()) == scenario_schema()
    jsonschema.Draft202012Validator.check_schema(scenario_schema())


def test_base_is_the_base_world() -> None:
    assert replace(load_scenario("base"), name="", note="") == replace(
        base_world(20), name="", note=""
    )
    assert load_scenario("base@7").agents.count == 7


def test_times_of_day_count_from_the_days_start() -> None:
    scenario = scenario_from_text(
        MINIMAL + 'day: {start: "08:30", hours: 4}\n'
        "faults: [{kind: link_lost, at: 09:00, length_s: 60}, "
        '{kind: link_lost, at: "10:00", length_s: 60}, {kind: link_lost, at: 90, length_s: 60}]\n'
    )
    assert [f.start_s for f in scenario.faults] == [1_800.0, 5_400.0, 90.0]
    assert scenario.day_s == 14_400.0


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("", 1, ["empty"]),
        ("[1, 2]", 1, ["mapping"]),
        ("name: [", 1, ["is not YAML"]),
        ("name: x", 1, ["agents is missing"]),
        ("name: x\nagents: {count: 0}", 2, ["agents.count", "from 1"]),
        ("name: x\nagents: {}", 2, ["agents", "count or shifts"]),
        ("name: x\nagents:\n  shifts: [{count: 0}]", 2, ["agents", "no agents"]),
        (MINIMAL + "lisst: {}", 3, ["lisst", "did you mean 'list'"]),
        (MINIMAL + "name: y", 3, ["name", "twice"]),
        (MINIMAL + "list:\n  rates:\n    person: -0.2", 5, ["list.rates.person", "at least 0"]),
        (MINIMAL + "list:\n  rates: {person: 0.9, machine: 0.3}", 4, ["list.rates", "1.3"]),
        (MINIMAL + "list:\n  by_attempt: [9]", 4, ["list.by_attempt", "passes 1"]),
        (MINIMAL + "patience: {lognormal: {mean_s: 3, cv: -1}}", 3, ["patience.lognormal.cv"]),
        (MINIMAL + "patience: {uniform: {low_s: 3, high_s: 1}}", 3, ["above low_s"]),
        (MINIMAL + "patience: {gamma: {mean_s: 3}}", 3, ["no distribution 'gamma'", "lognormal"]),
        (MINIMAL + "patience: {empirical: {values_s: []}}", 3, ["values_s", "1 to"]),
        (MINIMAL + "patience: soon", 3, ["patience", "number"]),
        (MINIMAL + "amd:\n  enabled: maybe", 4, ["amd.enabled", "true or false"]),
        (MINIMAL + "drift:\n  - {what: weather, points: [[0, 1]]}", 4, ["drift[0].what", "answer"]),
        (MINIMAL + "drift:\n  - {what: talk}", 3, ["drift", "points or regimes"]),
        (MINIMAL + "faults: [{kind: link_lost, at: 08:00, length_s: 3}]", 3, ["before the day"]),
        (MINIMAL + "faults: [{kind: link_lost, at: noon, length_s: 3}]", 3, ["HH:MM"]),
        (MINIMAL + "day: {hours: 100}", 3, ["day.hours", "at most 48"]),
        (MINIMAL + "law: {wait_limit_s: .nan}", 3, ["law.wait_limit_s", "number"]),
        ("name: &n x\nnote: *n\nagents: {count: 3}", 2, ["aliases"]),
    ],
)
def test_a_mistake_names_file_line_field_and_mend(text: str, line: int, words: list[str]) -> None:
    with pytest.raises(FileError) as caught:
        scenario_from_text(text, "floor.yaml")
    message = str(caught.value)
    assert message.startswith(f"floor.yaml:{line}:")
    for word in words:
        assert word in message


def test_a_missing_or_binary_file_is_a_plain_message(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="no shipped scenario"):
        load_scenario("no-such-thing")
    with pytest.raises(FileError, match="after @"):
        load_scenario("base@many")
    binary = tmp_path / "x.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="UTF-8"):
        load_scenario(binary)
