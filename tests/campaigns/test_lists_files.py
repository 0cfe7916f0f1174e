"""Files of all kinds, good and bad: what is read, and how what cannot be is told."""

from __future__ import annotations

import zipfile
from collections.abc import AsyncIterator
from datetime import date, datetime
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import Workbook
from typer.testing import CliRunner

from dialer.campaigns import workbook
from dialer.campaigns.cli import lists_app
from dialer.campaigns.lists import ImportReport, Wishes, import_list, source_of
from dialer.campaigns.mapping import choose
from dialer.campaigns.model import CampaignFile, FileError
from dialer.campaigns.numbers import NumberError, dialable, judged, numbers_in
from dialer.store import Store

CAMPAIGN = CampaignFile(
    name="spring", purpose="collections", trunk="t", caller_id="+12125550100", default_region="US"
)
RUN = CliRunner()


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'dialer.db'}", durable=False)
    yield store
    await store.close()


async def bring(store: Store, path: Path, **more: Any) -> ImportReport:
    return await import_list(path, CAMPAIGN, store, **more)


async def phones(store: Store) -> list[tuple[Any, ...]]:
    found = await store.database.read(
        lambda c: c.execute(sa.text("SELECT phone, label FROM phones ORDER BY id")).all()
    )
    return [tuple(row) for row in found]


def book(path: Path, *rows: tuple[Any, ...], sheets: tuple[str, ...] = ("Sheet",)) -> Path:
    made = Workbook()
    for name in sheets:
        made.create_sheet(name)
    for row in rows:
        made[sheets[-1]].append(row)
    made.save(path)
    return path


# --- workbooks ------------------------------------------------------------------------------------


async def test_a_workbook_comes_in(store: Store, tmp_path: Path) -> None:
    path = book(
        tmp_path / "a.xlsx",
        ("Account", "Name", "Mobile", "Home", "Born", "Rate"),
        (7, "Ann", 2125550101, "(312) 555-0102", datetime(1980, 5, 1), 1.5),
        (None, None, None, None, None, None),
        ("8", "Bob", "212-555-0103", None, date(2090, 1, 1), 2),
        sheets=("Notes", "List"),
    )
    report = await bring(store, path)
    assert (report.kind, report.rows, report.accepted, report.held) == ("xlsx", 2, 2, 0)
    assert await phones(store) == [
        ("+12125550101", "Mobile"),
        ("+13125550102", "Home"),
        ("+12125550103", "Mobile"),
    ]
    rows = await store.database.read(
        lambda c: c.execute(sa.text("SELECT external_id, line, fields FROM leads")).all()
    )
    assert rows[0][:2] == ("7", 2)
    assert '"Born": "1980-05-01"' in rows[0][2]
    assert '"Rate": "1.5"' in rows[0][2]
    assert rows[1][1] == 4  # the line a person sees


async def test_a_sheet_is_asked_for_by_name(store: Store, tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ("id", "phone"), (1, "2125550101"), sheets=("A", "B"))
    assert (await bring(store, path, wishes=Wishes(sheet="B"))).accepted == 1
    with pytest.raises(FileError, match="has no sheet 'C'; it has Sheet, A, B"):
        await bring(store, path, wishes=Wishes(sheet="C"))
    plain = tmp_path / "a.csv"
    plain.write_text("id,phone\n")
    with pytest.raises(FileError, match="is no workbook and has no sheets"):
        await bring(store, plain, wishes=Wishes(sheet="B"))


async def test_a_sheet_that_lies_about_its_size_costs_nothing(store: Store, tmp_path: Path) -> None:
    path = book(tmp_path / "a.xlsx", ("id", "phone"), (1, "2125550101"))
    huge = tmp_path / "huge.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(huge, "w") as new:
        for part in old.infolist():
            body = old.read(part)
            if b'ref="A1:B2"' in body:
                body = body.replace(b'ref="A1:B2"', b'ref="A1:XFD1048576"')
                last = b'<row r="3"><c r="XFD3" t="inlineStr"><is><t>x</t></is></c></row>'
                body = body.replace(b"</sheetData>", last + b"</sheetData>")
            new.writestr(part.filename, body)
    report = await bring(store, huge)
    assert (report.rows, report.accepted) == (1, 1)  # what is beyond the header is not looked at


def bomb(path: Path, name: str, size: int) -> Path:
    book(path, ("id", "phone"))
    with (
        zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as packed,
        packed.open(name, "w", force_zip64=True) as part,
    ):
        for _ in range(size // 1_000_000):
            part.write(b"0" * 1_000_000)
    return path


async def test_a_bomb_is_told_before_it_is_unpacked(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = bomb(tmp_path / "a.xlsx", "xl/worksheets/sheet9.xml", 20_000_000)
    with pytest.raises(FileError, match=r"sheet9.xml unpacks to \d+ times its size, 200 at most"):
        await bring(store, path)
    monkeypatch.setattr(workbook, "UNPACKED_MAX", 10_000_000)
    with pytest.raises(FileError, match=r"unpacks to 0.0 GB"):
        await bring(store, path)
    monkeypatch.undo()
    monkeypatch.setattr(workbook, "TEXTS_MAX", 1_000_000)
    texts = bomb(tmp_path / "b.xlsx", "xl/other/sharedStrings.xml", 3_000_000)
    with pytest.raises(FileError, match="its texts take 3 MB"):
        await bring(store, texts)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"PK\x03\x04" + b"\0" * 200, "is a broken or protected workbook"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 600, "is an old .xls, or protected"),
    ],
)
async def test_a_broken_workbook(store: Store, tmp_path: Path, content: bytes, fault: str) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(content)
    with pytest.raises(FileError, match=fault):
        await bring(store, path)


async def test_a_zip_that_is_no_workbook_and_one_with_entities(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "a.xlsx"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("list.csv", "id,phone\n")
    with pytest.raises(FileError, match="is a zip and no workbook"):
        await bring(store, path)
    good = book(tmp_path / "b.xlsx", ("id", "phone"))
    with zipfile.ZipFile(good, "a") as packed:
        packed.writestr("xl/evil.xml", '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>')
    with pytest.raises(FileError, match=r"xl/evil.xml declares a DTD"):
        await bring(store, good)


async def test_a_sheet_that_is_cut_off_leaves_nothing(store: Store, tmp_path: Path) -> None:
    rows = [(n, f"+1212555{n:04d}") for n in range(100, 1_500)]
    path = book(tmp_path / "a.xlsx", ("id", "phone"), *rows)
    cut = tmp_path / "cut.xlsx"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(cut, "w") as new:
        for part in old.infolist():
            body = old.read(part)
            new.writestr(
                part.filename,
                body[: len(body) // 2] if part.filename.startswith("xl/worksheets/") else body,
            )
    with pytest.raises(FileError, match=r"cut.xlsx:\d+: is a broken workbook"):
        await bring(store, cut)
    for table in ("leads", "lists", "import_chunks"):
        count = sa.text(f"SELECT count(*) FROM {table}")
        assert await store.database.read(lambda c, q=count: c.scalar(q)) == 0


# --- bad text -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"id,phone\n1,2125550101\n2," + b"x" * 5_000_000 + b"\n", "a.csv:3: column 2: the line"),
        (b'id,phone\n1,2125550101\n2,"212\n5550102\n', "a.csv:3: is not CSV"),
        (b"id,phone\n" + b"1,2125550101\n" * 22_000 + b"2,\xff\xfe\n", "a.csv:22002: is not utf-8"),
        (b"id,phone\n1,2125550101\n2,\x00\n", "a.csv:3: is not a text file (it holds a NUL)"),
        (b"2125550101,Ann\n", "a.csv:1: looks like data and not like a header"),
        (b'id,phone\n1,2125550101\n2,"' + b"y" * 200_000 + b'"\n', "longer than 131,072"),
        (b"id,phone\n\n , \n", "a.csv:1: names the columns, and no row follows"),
        (bytes(range(1, 256)) * 20, "a.csv:1: is not a text file"),
        (
            "id,phone,n\n1,2125550101,äöü\n2,2125550102,".encode() + b"\xe4\n",
            "a.csv:3: is not UTF-8",
        ),
    ],
)
async def test_bad_files_are_told_by_line_and_nothing_is_half_done(
    store: Store, tmp_path: Path, content: bytes, fault: str
) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        await bring(store, path)
    assert fault in str(caught.value)
    assert len(str(caught.value)) < 500
    for table in ("leads", "lists", "import_chunks"):
        count = sa.text(f"SELECT count(*) FROM {table}")
        assert await store.database.read(lambda c, q=count: c.scalar(q)) == 0


async def test_bad_cells_are_told_by_line_and_column(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    numbers = ";".join(f"+1212555{n:04d}" for n in range(200))
    path.write_text(
        "id,phone,dob,note\n"
        f"1,{numbers},,\n"
        "2,2125550102,2090-01-01,\n"
        f"3,2125550103,1980-01-01,{'x' * 5_000}\n"
        f"{'i' * 200},2125550104,,\n"
        "5,2125550105,1.2.1980,fine\n"
    )
    report = await bring(store, path)
    assert (report.accepted, report.rejected) == (1, 4)
    assert report.rejects is not None
    lines = report.rejects.read_text().splitlines()
    told = [line.split(",")[:3] for line in lines[1:]]
    assert told == [
        ["2", "phone", '"holds 200 numbers'],
        ["3", "dob", "is a date in the future"],
        ["4", "note", '"the cell has 5'],
        ["5", "id", "is an id: 128 printable characters at most"],
    ]


def test_commands_end_with_one_and_say_where(tmp_path: Path) -> None:
    campaign = str(Path("examples/campaign.yaml").resolve())
    database = str(tmp_path / "d.db")
    bad = tmp_path / "bad.csv"
    bad.write_bytes(b'id,phone\n1,"2\n')
    base = ["--campaign", campaign, "--database", database]
    result = RUN.invoke(lists_app, ["import", str(bad), *base])
    assert (result.exit_code, f"{bad}:2: is not CSV" in result.stderr) == (1, True)
    none = tmp_path / "none.csv"
    none.write_text("id,phone\n1,12\n")
    result = RUN.invoke(lists_app, ["import", str(none), *base])
    assert (result.exit_code, "none of its rows can be used" in result.stderr) == (1, True)
    assert "1  is too short; first in line 2, column phone" in result.stdout
    only = tmp_path / "only.csv"
    only.write_text("id,phone\n")
    for more in ([], ["--dry-run"]):
        result = RUN.invoke(lists_app, ["import", str(only), *base, *more])
        assert (result.exit_code, f"{only}:1: names the columns" in result.stderr) == (1, True)
    missing = RUN.invoke(lists_app, ["import", str(tmp_path / "no.csv"), *base])
    assert (missing.exit_code, "cannot be read" in missing.stderr) == (1, True)


def test_batches_from_the_command_line(tmp_path: Path) -> None:
    campaign = str(Path("examples/campaign.yaml").resolve())
    accounts = str(Path("examples/accounts.csv").resolve())
    database = ["--database", str(tmp_path / "d.db")]
    assert "no lists yet" in RUN.invoke(lists_app, ["show", *database]).stdout
    done = RUN.invoke(lists_app, ["import", accounts, "--campaign", campaign, *database])
    assert "as batch 1" in done.stdout
    for words in (["show", *database], database):
        assert "accounts.csv for spring-collections" in RUN.invoke(lists_app, words).stdout
    before = RUN.invoke(lists_app, [*database, "show"])
    assert (before.exit_code, "write it after the command" in before.stderr) == (1, True)
    undone = RUN.invoke(lists_app, ["undo", "1", *database])
    assert (undone.exit_code, undone.stdout) == (0, "batch 1: 40 leads taken out\n")
    again = RUN.invoke(lists_app, ["undo", "1", *database])
    assert (again.exit_code, "was undone already" in again.stderr) == (1, True)
    unknown = RUN.invoke(lists_app, ["undo", "7", *database])
    assert (unknown.exit_code, "there is no batch 7" in unknown.stderr) == (1, True)


# --- columns --------------------------------------------------------------------------------------


def targets(header: str, *rows: str, **more: Any) -> list[str]:
    cells = [row.split(",") for row in rows]
    return [one.target for one in choose("a:1", header.split(","), cells, "US", {}, **more)]


def test_columns_are_told_by_what_they_hold() -> None:
    rows = [f"{n},212-555-{n:04d},n/a,America/Chicago" for n in range(100, 140)]
    assert targets("Konto,Reach,Phone,Where", *rows) == ["external_id", "phone", "", "tz"]
    rows = [f"{n},212-555-{n:04d},312-555-{n:04d},Main St" for n in range(100, 140)]
    assert targets("Konto,Mobile,Home,Work", *rows) == ["external_id", "phone", "phone", ""]
    assert targets("Konto,Mobile,Third,Work", *rows) == ["external_id", "phone", "", ""]


def test_a_customers_number_is_the_account_unless_there_is_one() -> None:
    assert targets("Customer No,Phone") == ["external_id", "phone"]
    assert targets("Customer No,Account,Phone") == ["person", "external_id", "phone"]


def test_what_was_saved_is_used_while_the_columns_are_there() -> None:
    saved = {"a": "phone", "b": "external_id", "c": "field"}
    assert targets("a,b,c", saved=saved) == ["phone", "external_id", ""]
    assert targets("b,a", saved=saved) == ["external_id", "phone"]
    with pytest.raises(FileError, match="no column looks like a phone number"):
        targets("a,b,d", saved=saved)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("accounts-2026-11-22.csv", "accounts"),
        ("ACME_0001.xlsx", "acme"),
        ("20261122.csv", "list"),
        ("spring list 3.csv", "spring list"),
    ],
)
def test_a_source_is_told_by_the_files_name(name: str, source: str) -> None:
    assert source_of(name) == source


# --- numbers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        ("2125550101", ["2125550101"]),
        ("'+12125550101", ["+12125550101"]),
        ("2125550101; 3125550102", ["2125550101", "3125550102"]),
        ("2125550101, 3125550102", ["2125550101", "3125550102"]),
        ("2125550101 or 3125550102", ["2125550101", "3125550102"]),
        ("030/2312 5000", ["030/2312 5000"]),
        ("030/2312 5000 / 0171 1234567", ["030/2312 5000", "0171 1234567"]),
        ("2125550101/3125550102", ["2125550101", "3125550102"]),
        ("2125550101,12", ["2125550101,12"]),
        ("2125550101;ext=12", ["2125550101;ext=12"]),
        ("a\nb", ["a", "b"]),
    ],
)
def test_several_numbers_in_a_cell(cell: str, found: list[str]) -> None:
    assert numbers_in(cell) == found


@pytest.mark.parametrize("text", ["2125550101 x12", "2125550101,12", "2125550101;ext=12"])
def test_an_extension_is_kept_apart(text: str) -> None:
    assert dialable(text, "US")[:2] == ("+12125550101", "12")


async def test_an_extension_is_for_the_agent(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("id,Office Phone\n1,212-555-0101 x12\n")
    await bring(store, path)
    assert await phones(store) == [("+12125550101", "Office Phone ext. 12")]
    fields = await store.database.read(lambda c: c.scalar(sa.text("SELECT fields FROM leads")))
    assert fields == '{"Office Phone extension": "12"}'


REGIONS = sorted(phonenumbers.SUPPORTED_REGIONS)


@st.composite
def written(draw: st.DrawFn) -> tuple[str, str]:
    """A number near one that exists, in a region, in one of the ways people write it."""
    some = st.sampled_from(["US", "DE", "GB", "CA", "IT", "IN", "AU", "BR", "MX", "AR"])
    region = draw(st.one_of(some, st.sampled_from(REGIONS)))
    kind = draw(st.sampled_from([0, 1, 2, 3, 4, 5, 6, 7]))
    example = phonenumbers.example_number_for_type(region, kind)
    example = example or phonenumbers.example_number(region)
    nsn = phonenumbers.national_significant_number(example)
    kept = draw(st.integers(1, len(nsn)))
    more = draw(st.text("0123456789", min_size=max(0, len(nsn) - kept - 1), max_size=len(nsn)))
    digits = nsn[:kept] + more
    meta = phonenumbers.PhoneMetadata.metadata_for_region(region)
    form = draw(st.sampled_from(["{d}", "+{c}{d}", "{p}{d}", "{c}{d}", "+{c} {p}{d}", "00{c}{d}"]))
    return form.format(c=example.country_code, d=digits, p=meta.national_prefix or ""), region


@given(written())
def test_what_is_judged_once_is_judged_as_each_by_itself(case: tuple[str, str]) -> None:
    text, region = case

    def told(judge: Any, text: str) -> object:
        try:
            return judge(text, region)
        except NumberError as error:
            return str(error)

    by_itself = told(judged, f"+{text[2:]}" if text.startswith("00") else text)
    assert told(dialable, text) == by_itself


# --- nastier ones ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", ["4.47E+11", '"4,47E+11"', "1.2125550101E+10", "4e11"])
async def test_a_number_a_spreadsheet_shortened_says_how_to_mend_it(
    store: Store, tmp_path: Path, cell: str
) -> None:
    path = tmp_path / "short.csv"
    path.write_text(f"account,phone\nA1,{cell}\n")
    report = await bring(store, path, wishes=Wishes(mapping={"phone": "phone"}))
    assert report.accepted == 0
    ((reason, _),) = report.reasons.items()
    assert reason.startswith("is a spreadsheet's short form that has lost its digits")


async def test_a_few_umlauts_in_an_old_code_page_stay_themselves(
    store: Store, tmp_path: Path
) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes("account,phone,name\nA1,+12125550101,Jörg Müller\n".encode("latin-1"))
    assert (await bring(store, path)).accepted == 1
    name = await store.database.read(lambda c: c.scalar(sa.text("SELECT name FROM leads")))
    assert name == "Jörg Müller"
