"""What a campaign can prove, what a person may have, and what is left of who was erased."""

from __future__ import annotations

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import sqlalchemy as sa
from typer.testing import CliRunner

from dialer.cli import app
from dialer.core.outcomes import Outcome
from dialer.evidence.archive import Archive, verify
from dialer.evidence.export import export_evidence
from dialer.evidence.rates import Minute, rates
from dialer.store import StoreError
from dialer.store.context import Context
from dialer.store.erasure import erase
from dialer.store.evidence import Period
from dialer.store.person import PersonData, person_data
from dialer.store.sitekey import KEY_FILE, erased_among, hashed, site_key
from tests.store.conftest import world
from tests.store.world import World, attempt, disposition, outcome, staged
from yamlmarks import FileError

__all__ = ["world"]
RUN = CliRunner()
UTC_ZONE = ZoneInfo("UTC")
NUMBER = "+4930000001"


async def called(world: World) -> None:
    """Account a was called and an agent spoke with it; account b waits."""
    await world.load(staged(1, NUMBER, external_id="a", person="P1"), staged(2, external_id="b"))
    leads = await world.claim(2)
    first = next(lead for lead in leads if lead.external_id == "a")
    opened = attempt(world, first)
    await world.give(opened, outcome(opened, Outcome.CONNECTED, agent="anna"))
    await world.give(disposition(opened, "sold", note="was ill"))


async def told(world: World, external_id: str) -> PersonData | None:
    context: Context = world.store.context
    now = world.store.clock.utc()
    work = partial(person_data, context=context, source="crm", external_id=external_id, now=now)
    return await world.store.database.read(work)


async def forget(world: World, external_id: str) -> None:
    now = world.store.clock.utc()
    context = world.store.context
    await world.store.database.write(lambda c: erase(c, context, "crm", external_id, now))


# --- a person -------------------------------------------------------------------------------------


async def test_a_person_is_told_everything(world: World) -> None:
    await called(world)
    found = await told(world, "a")
    assert found is not None
    (lead,) = found.leads
    assert (lead["campaign"], lead["name"], lead["fields"]) == (
        "spring",
        "name 1",
        {"balance": "12.50"},
    )
    assert (lead["person"], [one["phone"] for one in lead["phones"]]) == ("P1", [NUMBER])
    assert [(one["phone"], one["outcome"]) for one in lead["calls"]] == [
        (NUMBER, Outcome.CONNECTED.value)
    ]
    assert [one["note"] for one in lead["notes"]] == ["was ill"]
    assert not found.erased
    json.dumps(found.leads, default=str)
    assert await told(world, "nobody") is None


async def test_erased_numbers_are_known_and_not_readable(world: World) -> None:
    await called(world)
    await world.store.suppress([NUMBER], "customer")
    await forget(world, "a")
    for table, column in (("suppression", "phone"), ("phones", "phone"), ("leads", "name")):
        rows = await world.rows(f"SELECT {column} AS it FROM {table}")
        assert NUMBER not in [row.it for row in rows]
        assert "name 1" not in [row.it for row in rows]
    assert await world.value("SELECT count(*) FROM lead_persons") == 0
    (kept,) = await world.rows("SELECT hash FROM erased_numbers")
    assert NUMBER[1:] not in kept.hash
    assert await world.store.is_suppressed(NUMBER)
    assert not await world.store.is_suppressed("+4930000002")
    found = await told(world, "a")
    assert found is not None
    assert (found.erased, found.leads[0]["name"], found.leads[0]["notes"][0]["note"]) == (
        True,
        "",
        "",
    )


async def test_a_list_cannot_bring_back_who_was_erased(world: World) -> None:
    await called(world)
    await forget(world, "a")
    list_id = await world.store.begin_import("spring", "again", "again.csv")
    again = [
        staged(1, NUMBER, external_id="c"),
        staged(2, "+4930000777", external_id="a"),
        staged(3, "+4930000778", external_id="d"),
    ]
    duplicates = await world.store.stage("spring", list_id, again)
    assert {one.line: one.reason for one in duplicates} == {
        1: "the number is on the do-not-call list",
        2: "the account was erased: it is called no more",
    }
    assert await world.store.finish_import("spring", list_id, 2) == 1


async def test_another_lead_with_the_number_is_called_no_more(world: World) -> None:
    """In another campaign, brought in before the erasure."""
    world.script.name = "spring"
    await called(world)
    other = type(world.script)(name="summer")
    await world.store.add_campaign(other)
    await world.load(staged(1, NUMBER, external_id="z"), campaign="summer")
    await forget(world, "a")
    assert await world.store.database.read(lambda c: erased_among(c, [NUMBER, "+1"])) == {NUMBER}
    found = await world.claim(5, campaign="summer")
    assert found == ()
    assert await world.value("SELECT why FROM leads WHERE external_id = 'z'") == "do not call"


async def test_the_key_may_be_kept_outside(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_text("k" * 40)
    monkeypatch.setenv(KEY_FILE, str(path))
    await called(world)
    await forget(world, "a")
    (row,) = await world.rows("SELECT secret, hash FROM site_keys, erased_numbers")
    assert (row.secret, row.hash) == (None, hashed(b"k" * 40, NUMBER))
    for content, why in (("x" * 40, "is not the one"), ("short", "shorter than 32")):
        path.write_text(content)
        with pytest.raises(StoreError, match=why):
            await world.store.is_suppressed(NUMBER)
    monkeypatch.delenv(KEY_FILE)
    with pytest.raises(StoreError, match="kept outside of the database"):
        await world.store.database.read(site_key)


async def test_a_file_named_later_leaves_the_key_in_the_database(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await called(world)
    await forget(world, "a")
    path = tmp_path / "key"
    path.write_text("k" * 40)
    monkeypatch.setenv(KEY_FILE, str(path))
    assert await world.store.is_suppressed(NUMBER)


# --- evidence -------------------------------------------------------------------------------------


def table(archive: Path, name: str) -> list[dict[str, str]]:
    with zipfile.ZipFile(archive) as packed:
        return list(csv.DictReader(io.StringIO(packed.read(name).decode())))


async def export(world: World, path: Path, period: Period | None = None) -> Any:
    return await export_evidence(
        world.store, "spring", path, period=period or Period(), zone=UTC_ZONE, who="sue"
    )


async def test_the_evidence_of_a_campaign(world: World, tmp_path: Path) -> None:
    await called(world)
    now_ms = int(world.store.clock.utc().timestamp() * 1000)
    campaign = await world.value("SELECT id FROM campaigns")

    def more(connection: sa.Connection) -> None:
        for statement in (
            f"INSERT INTO rule_sets (version, body, since_ms) VALUES ('v1', '[]', {now_ms})",
            "INSERT INTO decision_log (at_ms, campaign_id, lead_id, phone_id, attempt, stage,"
            f" verdict, rule, reason, version, inputs) VALUES ({now_ms}, {campaign}, 1, 1, '',"
            " 'claim', 'deny', 'hours', '=cmd|x', 'v1', 'abc')",
            "DELETE FROM abandon_account",
            "INSERT INTO abandon_account (campaign_id, minute, live, abandoned)"
            f" VALUES ({campaign}, {now_ms // 60_000}, 50, 1)",
        ):
            connection.execute(sa.text(statement))

    await world.store.database.write(more)
    path = tmp_path / "e.zip"
    done = await export(world, path)
    assert verify(path) == ([], done.manifest)
    (call,) = table(path, "calls.csv")
    assert (call["phone"], call["outcome"], call["code"]) == (
        NUMBER,
        Outcome.CONNECTED.value,
        "sold",
    )
    assert datetime.fromisoformat(call["opened_at"]).tzinfo is not None
    (decision,) = table(path, "decisions.csv")
    assert (decision["rule"], decision["reason"]) == ("hours", "'=cmd|x")
    found = {one["window"]: one["rate"] for one in table(path, "rates.csv")}
    assert set(found) == {"30-day block", "calendar month", "calendar day", "worst 24 hours"}
    assert set(found.values()) == {"0.020000"}
    with zipfile.ZipFile(path) as packed:
        manifest = json.loads(packed.read("manifest.json"))
        assert json.loads(packed.read("rules/v1.json"))["packs"] == []
        assert json.loads(packed.read("campaign.json"))["name"] == "spring"
    assert (manifest["campaign"], manifest["made_by"]) == ("spring", "sue")
    later = Period(since=world.store.clock.utc() + timedelta(days=1))
    await export(world, path, later)
    assert (table(path, "calls.csv"), table(path, "decisions.csv")) == ([], [])
    with pytest.raises(FileError, match="there is no campaign winter"):
        await export_evidence(
            world.store, "winter", path, period=Period(), zone=UTC_ZONE, who="sue"
        )


def test_what_was_changed_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    with Archive(path) as archive:
        archive.table("calls.csv", ("a", "b"), [(1, "x"), (2, None)])
        archive.text("README.txt", b"hello")
        digest = archive.manifest({"format": 1})
    assert verify(path) == ([], digest)
    changed = tmp_path / "b.zip"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(changed, "w") as new:
        for part in old.infolist():
            if part.filename != "README.txt":
                new.writestr(part.filename, old.read(part).replace(b"1,x", b"1,y"))
        new.writestr("more.txt", "x")
    faults, _ = verify(changed)
    assert faults == [
        "more.txt: is not in the manifest",
        "README.txt: is missing",
        "calls.csv: was changed",
    ]
    with pytest.raises(ZeroDivisionError), Archive(tmp_path / "c.zip"):
        raise ZeroDivisionError
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a.zip", "b.zip"]


def at(day: int, hour: int = 12, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def test_rates_by_hand() -> None:
    account: list[Minute] = [
        (at(1), 100, 1),
        (at(30), 100, 5),
        (at(31, 11), 100, 3),
        (at(1, month=4), 100, 0),
    ]
    found = list(rates(account, at(1), UTC_ZONE))
    by_kind: dict[str, list[tuple[int, int]]] = {}
    for one in found:
        by_kind.setdefault(one.window, []).append((one.live, one.abandoned))
    assert by_kind["30-day block"] == [(300, 9), (100, 0)]  # 31 March 12:00 begins the second
    assert by_kind["calendar month"] == [(300, 9), (100, 0)]
    assert by_kind["calendar day"] == [(100, 1), (100, 5), (100, 3), (100, 0)]
    assert by_kind["worst 24 hours"] == [(100, 5), (200, 8)]
    first = found[0]
    assert (first.begin, first.end - first.begin) == (at(1), timedelta(days=30))
    assert list(rates([], at(1), UTC_ZONE)) == []


# --- commands -------------------------------------------------------------------------------------


def test_the_commands(tmp_path: Path) -> None:
    database = ["--database", str(tmp_path / "d.db")]
    examples = Path("examples").resolve()
    campaign = str(examples / "campaign.yaml")
    listed = RUN.invoke(
        app, ["lists", "import", str(examples / "accounts.csv"), "--campaign", campaign, *database]
    )
    assert listed.exit_code == 0, listed.output
    archive = tmp_path / "e.zip"
    done = RUN.invoke(
        app, ["evidence", "export", "spring-collections", "-o", str(archive), *database]
    )
    assert done.exit_code == 0, done.output
    assert "SHA-256 of the manifest" in done.stdout
    checked = RUN.invoke(app, ["evidence", "verify", str(archive)])
    assert checked.stdout.strip().endswith(done.stdout.strip()[-64:])
    account = table_of_first(examples / "accounts.csv")
    person = tmp_path / "p.json"
    RUN.invoke(app, ["privacy", "export", account, "-o", str(person), *database])
    assert json.loads(person.read_text())["leads"][0]["external_id"] == account
    asked = RUN.invoke(app, ["privacy", "erase", account, *database])
    assert isinstance(asked.exception, FileError)
    gone = RUN.invoke(app, ["privacy", "erase", account, "--yes", *database])
    assert gone.stdout.startswith("1 leads")
    again = RUN.invoke(
        app,
        [
            *("lists", "import", str(examples / "accounts.csv"), "--campaign", campaign, *database),
            *("--rejects", str(tmp_path / "r.csv")),
        ],
    )
    assert "0 imported" in again.stdout
    for wrong in (
        ["evidence", "export", "nobody", "-o", str(archive)],
        ["evidence", "export", "spring-collections", "-o", str(archive), "--since", "soon"],
        ["evidence", "export", "spring-collections", "-o", str(archive), "--since", "2999-01-01"],
        ["evidence", "export", "spring-collections", "-o", str(archive), "--zone", "Mars/X"],
        ["privacy", "export", "nobody", "-o", str(tmp_path / "q.json")],
    ):
        assert isinstance(RUN.invoke(app, [*wrong, *database]).exception, FileError), wrong


def table_of_first(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        sniffed = csv.DictReader(file)
        row = next(sniffed)
    return next(iter(row.values()))
