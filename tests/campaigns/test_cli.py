"""The commands as a person types them."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

from dialer.campaigns.cli import campaigns_app, lists_app

EXAMPLES = Path("examples").resolve()
RUN = CliRunner()


def test_the_examples_can_be_imported(tmp_path: Path) -> None:
    database = str(tmp_path / "dialer.db")
    campaign = str(EXAMPLES / "campaign.yaml")
    accounts = str(EXAMPLES / "accounts.csv")
    base = [accounts, "--campaign", campaign, "--database", database]
    dry = RUN.invoke(lists_app, ["import", *base, "--dry-run"])
    assert dry.exit_code == 0, dry.output
    assert "40 rows, 40 would be imported for spring-collections" in dry.stdout
    done = RUN.invoke(lists_app, ["import", *base])
    assert done.exit_code == 0, done.output
    assert "40 imported" in done.stdout
    rejects = tmp_path / "rejects.csv"
    again = RUN.invoke(lists_app, ["import", *base, "--rejects", str(rejects)])
    assert "0 imported" in again.stdout
    assert rejects.exists()
    shown = RUN.invoke(campaigns_app, ["list", "--database", database])
    assert "spring-collections" in shown.stdout


def test_a_faulty_campaign_ends_with_its_faults(tmp_path: Path) -> None:
    wrong = tmp_path / "c.yaml"
    wrong.write_text("name: x\n", encoding="utf-8")
    result = RUN.invoke(campaigns_app, ["check", str(wrong), str(EXAMPLES / "campaign.yaml")])
    assert result.exit_code == 1
    assert f"{wrong}:1: trunk: is missing" in result.stderr
    assert "spring-collections is right" in result.stdout


def test_a_mapping_is_written_target_equals_column() -> None:
    campaign = str(EXAMPLES / "campaign.yaml")
    result = RUN.invoke(lists_app, ["import", "a.csv", "--campaign", campaign, "--map", "phone"])
    assert result.exit_code == 1
    assert "write it as target=column" in result.stderr
    assert "Traceback" not in result.output


def test_a_database_that_cannot_be_opened(tmp_path: Path) -> None:
    for database, why in (
        (str(tmp_path / "no" / "such.db"), "does not exist: create it"),
        ("mysql://x/y", "is not supported"),
        ("sqlite://", "cannot remember a call"),
    ):
        result = RUN.invoke(campaigns_app, ["list", "--database", database])
        assert result.exit_code == 1
        assert why in result.stderr


def test_the_schema_is_json() -> None:
    result = RUN.invoke(campaigns_app, ["schema"])
    assert result.exit_code == 0
    assert '"caller_id"' in result.stdout
