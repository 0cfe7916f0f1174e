"""Rule packs: those shipped can be told where they come from; a site's own are checked."""

from __future__ import annotations

import shutil
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from dialer.campaigns.model import CampaignFile, load_campaign
from dialer.campaigns.packs import SHIPPED, load_pack, load_packs, pack_schema, version_of
from dialer.cli import app
from tests.compliance.people import NEW_YORKER, at, campaign, denied, lead
from yamlmarks import FileError

FILES = sorted(SHIPPED.glob("*.yaml"))
PACK = """\
pack: mine
title: A rule of our own
version: 2026-11-21
reviewed: 2026-11-21
source: our client's contract
places: [US]
purposes: [collections]
windows:
  - id: hours
    source: clause 7
    hours: [{days: mon-fri, from: "09:00", to: "17:00"}]
"""


def test_the_nine_are_there() -> None:
    assert {path.stem for path in FILES} == {
        *("us-ftc-tsr", "us-reg-f", "us-states", "uk-ofcom", "ca-crtc", "in-rbi"),
        *("de-bnetza", "fr", "au"),
    }


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_shipped_pack_has_source_and_review_and_keeps_to_its_schema(path: Path) -> None:
    pack = load_pack(path)
    assert len(pack.source) > 10
    assert pack.reviewed.year >= 2026
    for rule in pack.rules:
        assert len(rule.source) > 5, rule.id
    value = yaml.load(path.read_text(encoding="utf-8"), yaml.BaseLoader)
    for cap in value.get("caps", ()):  # the base loader reads every number as text
        cap["limit"] = int(cap["limit"])
    for rule in value.get("abandoned", ()):
        rule["limit"] = float(rule["limit"])
    jsonschema.validate(value, pack_schema())


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("source: clause 7", "", "9: windows[0].source: is missing"),
        ("places: [US]", "places: [usa]", "6: places[0]: "),
        ('from: "09:00"', 'from: "19:00"', "11: windows[0].hours[0]: from must be before to"),
        ("pack: mine", "pack: yours", "1: pack: must be named as its file: mine"),
        ("    hours:", "    zone: Mars\n    hours:", "windows[0].zone: is no time zone"),
        ("    hours:", "    holidays: [13-01]\n    hours:", "windows[0].holidays: "),
        ("    hours:", "    hour: x\n    hours:", "windows[0].hour: is not a field here"),
        ("windows:", "caps: [{id: a, source: abc, scope: person, limit: 1, excludes: [bsy]}]\n"
         "windows:", "caps[0].excludes: there is no outcome 'bsy'"),
        ("windows:", "caps: [{id: a, source: abc, scope: person, limit: 1, window: 90m,"
         " anchor: consecutive_days}]\nwindows:", "caps[0]: a window of consecutive_days is whole"),
    ],
)  # fmt: skip
def test_a_fault_is_named_with_line_and_field(
    tmp_path: Path, old: str, new: str, fault: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(PACK.replace(old, new, 1))
    with pytest.raises(FileError) as caught:
        load_pack(path)
    assert any(fault in one for one in caught.value.faults), caught.value.faults


def test_a_sites_folder_adds_a_pack_and_ends_a_shipped_one(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(PACK)
    text = (SHIPPED / "us-reg-f.yaml").read_text()
    (tmp_path / "us-reg-f.yaml").write_text(f"valid_to: 2026-11-30\n{text}")
    packs = load_packs(tmp_path)
    assert version_of(packs) != version_of(load_packs())
    facts = campaign(packs=packs)
    early = at("2026-11-30 13:30")  # 8:30 in New York: open by Regulation F, not by ours
    deny = denied(lead(), NEW_YORKER, facts, early)
    assert deny is not None
    assert (deny.rule, deny.retry_at) == ("mine/hours", at("2026-11-30 14:00"))
    night = at("2026-12-02 03:00")
    assert denied(lead(), NEW_YORKER, facts, night).rule == "mine/hours"  # type: ignore[union-attr]


def test_a_campaign_with_a_broken_pack_is_refused_by_the_packs_own_line(tmp_path: Path) -> None:
    (tmp_path / "packs").mkdir()
    (tmp_path / "packs" / "mine.yaml").write_text(PACK.replace("[US]", "[usa]"))
    example = Path("examples/campaign.yaml").read_text()
    shutil.copy("examples/script.md", tmp_path)
    shutil.copytree("examples/knowledge", tmp_path / "knowledge")
    path = tmp_path / "campaign.yaml"
    path.write_text(f"{example}\ncompliance: {{packs: packs}}\n")
    with pytest.raises(FileError, match=r"mine\.yaml:6: places\[0\]"):
        load_campaign(path)
    path.write_text(f"{example}\ncompliance: {{packs: nowhere}}\n")
    with pytest.raises(FileError, match=r"compliance\.packs: is no folder of rule packs"):
        load_campaign(path)
    path.write_text(f"{example}\ncompliance: {{override: {{by: sam}}}}\n")
    with pytest.raises(FileError, match=r"compliance\.override\.because: is missing"):
        load_campaign(path)


def test_the_ringing_a_pack_wants() -> None:
    facts = campaign("charity", ring_limit_s=14.0)
    deny = denied(lead(), NEW_YORKER, facts, at("2026-11-23 17:00"))
    assert deny is not None
    assert deny.rule == "us-ftc-tsr/ring"


@pytest.mark.parametrize(("purpose", "least_s"), [("collections", 20.0), ("service", 15.0)])
def test_a_line_rings_as_long_as_every_pack_wants_before_it_is_given_up(
    tmp_path: Path, purpose: str, least_s: float
) -> None:
    (tmp_path / "mine.yaml").write_text(f"{PACK}ring_min: 20s\n")
    file = {"name": "c", "purpose": purpose, "trunk": "t", "caller_id": "+12025550100"}
    own = {"default_region": "US", "compliance": {"packs": str(tmp_path)}}
    found = CampaignFile.model_validate({**file, **own})
    assert found.rules().ring_least_s == least_s


def test_commands(tmp_path: Path) -> None:
    run = CliRunner().invoke
    database = ["--database", str(tmp_path / "d.db")]
    example = ["--campaign", "examples/campaign.yaml"]
    told = run(app, ["lists", "import", "examples/accounts.csv", *example, *database, "--dry-run",
                     "--rejects", str(tmp_path / "r.csv")])  # fmt: skip
    assert told.exit_code == 0, told.output
    when = ("dialable now", "later today", "another day")
    counted = [line for line in told.output.splitlines() if line.strip().endswith(when)]
    assert sum(int(line.split()[0]) for line in counted) == 40
    run(app, ["lists", "import", "examples/accounts.csv", *example, *database,
              "--rejects", str(tmp_path / "r.csv")])  # fmt: skip
    told = run(app, ["why-not", "ACC-00003", *example, *database])
    assert told.exit_code == 0, told.output
    assert "waits to be called" in told.output
    missing = run(app, ["why-not", "NOPE", *example, *database])
    assert isinstance(missing.exception, FileError)
    told = run(app, ["compliance", "packs"])
    assert "us-reg-f: US Regulation F" in told.output
    numbers = tmp_path / "n.txt"
    numbers.write_text("# from the registry\n(212) 555-0101\n+12125550102\n")
    load = ["compliance", "load-list", "us-national", str(numbers), "--region", "us", *database]
    assert "2 numbers are the list us-national" in run(app, load).output
    numbers.write_text("(212) 555-0101\n12\n")
    assert "n.txt:2: " in str(run(app, load).exception)
