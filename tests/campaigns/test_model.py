"""A campaign's file: what is right is understood, what is wrong is named by its line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml

from dialer.campaigns.model import CampaignFile, FileError, json_schema, load_campaign
from dialer.core.outcomes import Outcome

EXAMPLE = Path("examples/campaign.yaml")
LEAST = """\
name: spring
purpose: collections
trunk: carrier
caller_id: "+12125550100"
default_region: US
"""
NOW = datetime(2026, 11, 16, 12, tzinfo=UTC)


def load(tmp_path: Path, text: str) -> CampaignFile:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return load_campaign(path)


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(FileError) as caught:
        load(tmp_path, text)
    return [fault.replace(f"{tmp_path}/", "") for fault in caught.value.faults]


def test_the_example_is_right() -> None:
    campaign = load_campaign(EXAMPLE)
    assert campaign.rules().ring_limit_s == 25
    assert campaign.rules().ring_least_s == 15
    assert campaign.retry_rules[Outcome.REJECTED].ends_max == 0
    assert campaign.pacer == "forward"


def test_the_schema_takes_the_example_and_refuses_a_wrong_field() -> None:
    example = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    jsonschema.validate(example, json_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**example, "trnk": "x"}, json_schema())


def test_little_is_enough(tmp_path: Path) -> None:
    campaign = load(tmp_path, LEAST)
    monday_nine = datetime(2026, 11, 16, 8, tzinfo=UTC)
    assert campaign.open_at("Europe/Berlin", monday_nine)
    assert not campaign.open_at("Europe/Berlin", monday_nine - timedelta(hours=2))
    assert campaign.abandon_limit == 0.03


def test_a_defined_campaign_survives_its_definition() -> None:
    campaign = load_campaign(EXAMPLE)
    again = campaign.definition()
    assert again["name"] == campaign.name
    assert again["calling_window"][0]["start"] == 480


@pytest.mark.parametrize(
    ("extra", "fault"),
    [
        ("trnk: x", "c.yaml:6: trnk: is not a field of a campaign: did you mean trunk?"),
        ("ring_limit_s: 10", "c.yaml:6: ring_limit_s: must be 15 or more: the law's least ring"),
        ("ring_least_s: 14", "c.yaml:6: ring_least_s: must be 15 or more: the law's least ring"),
        ("name: x", "c.yaml:6: name: is given twice: remove one"),
        (
            "retry: {busy: {after: 15, max: 2}}",
            "c.yaml:6: retry.busy.after: write a number and its unit: 90s, 15m, 4h or 3d",
        ),
        ("retry: {bsy: never}", "c.yaml:6: retry: there is no outcome bsy: did you mean busy?"),
        (
            "calling_window:\n  - {days: mon, from: 10:00, to: 9:00}",
            "c.yaml:7: calling_window[0]: from must be before to, within one day",
        ),
        (
            "calling_window:\n  - days: mon\n    from: 8\n    to: 9:00",
            "c.yaml:8: calling_window[0].from: write a time of day, 00:00 to 24:00",
        ),
        (
            "dispositions:\n  - {code: a, label: A}\n  - {code: a, label: B}",
            "c.yaml:6: dispositions: code a is given twice",
        ),
        ("mode: progressive\npacer: ratio", "c.yaml:1: mode: progressive has a pacer of its own"),
        ("amd: [", "c.yaml:7: is not YAML"),
        ("patience_s: 3", "c.yaml:6: patience_s: input should be less than or equal to 2"),
        ("caller_id2: x\ntitle: 1", "c.yaml:6: caller_id2: is not a field of a campaign"),
    ],
)
def test_a_fault_is_named_by_file_line_field_and_mend(
    tmp_path: Path, extra: str, fault: str
) -> None:
    (told,) = faults(tmp_path, LEAST + extra + "\n")
    assert told.startswith(fault)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    told = faults(tmp_path, "name: a b\nring_limit_s: 3\n")
    assert len(told) == 6
    assert "c.yaml:1: purpose: is missing" in told


@pytest.mark.parametrize("text", ["", "- a\n", "just text", "a: &x [*x]\n"])
def test_a_file_that_is_no_campaign(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)


def test_a_file_that_is_not_there() -> None:
    with pytest.raises(FileError, match="cannot be read"):
        load_campaign(Path("nowhere.yaml"))


def test_what_dispositions_mean() -> None:
    campaign = load_campaign(EXAMPLE)
    later = NOW + timedelta(days=2)
    callback = campaign.after_disposition("callback", later, NOW).step
    assert callback is not None
    assert callback.at == later
    retry = campaign.after_disposition("bad_moment", None, NOW).step
    assert retry is not None
    assert retry.at == NOW + timedelta(hours=2)
    assert campaign.after_disposition("do_not_call", None, NOW).suppress
    with pytest.raises(ValueError, match="no such disposition"):
        campaign.after_disposition("nonsense", None, NOW)
    with pytest.raises(ValueError, match="time of the callback"):
        campaign.after_disposition("callback", None, NOW)
