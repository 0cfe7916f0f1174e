"""Lists as spreadsheets write them: what comes in, what is rejected, and that nothing is halved."""

from __future__ import annotations

import csv
import tracemalloc
from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import phonenumbers
import pytest
import sqlalchemy as sa

from dialer.campaigns.lists import ImportReport, import_list
from dialer.campaigns.model import CampaignFile, FileError
from dialer.campaigns.numbers import NumberError, normalise
from dialer.campaigns.reading import Opened, Request
from dialer.campaigns.rejects import harmless
from dialer.campaigns.zones import zones_of_number
from dialer.store import Store

CAMPAIGN = CampaignFile(
    name="spring", purpose="collections", trunk="t", caller_id="+12125550100", default_region="US"
)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'dialer.db'}", durable=False)
    yield store
    await store.close()


async def bring(store: Store, tmp_path: Path, text: str | bytes, **more: object) -> ImportReport:
    path = tmp_path / "a.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return await import_list(path, CAMPAIGN, store, **more)  # type: ignore[arg-type]


async def rows(store: Store, statement: str) -> list[tuple[object, ...]]:
    found = await store.database.read(lambda c: c.execute(sa.text(statement)).all())
    return [tuple(row) for row in found]


def rejected(report: ImportReport) -> list[list[str]]:
    assert report.rejects is not None
    with report.rejects.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


async def test_a_list_comes_in(store: Store, tmp_path: Path) -> None:
    report = await bring(
        store,
        tmp_path,
        "Account No;Customer Name;Mobile Phone;Home Phone;balance\n"
        "7;Ann Lee;(212) 555-0101;+1 312 555 0102;12,50\n"
        "\n"
        "8;Bob Day;;0049 30 2312 5000;\n",
    )
    assert (report.rows, report.accepted, report.rejected) == (2, 2, 0)
    assert report.delimiter == ";"
    assert report.rejects is None
    assert await rows(
        store,
        "SELECT l.external_id, l.name, p.phone, p.label, z.names FROM leads l"
        " JOIN phones p ON p.lead_id = l.id JOIN zones z ON z.id = l.zone_id"
        " WHERE l.external_id = '7' ORDER BY p.position",
    ) == [
        ("7", "Ann Lee", "+12125550101", "Mobile Phone", "America/Chicago America/New_York"),
        ("7", "Ann Lee", "+13125550102", "Home Phone", "America/Chicago America/New_York"),
    ]
    assert await rows(store, "SELECT fields FROM leads ORDER BY id") == [
        ('{"balance": "12,50"}',),
        ("{}",),
    ]


async def test_every_rejected_row_says_where_and_why(store: Store, tmp_path: Path) -> None:
    report = await bring(
        store,
        tmp_path,
        "id,phone,tz,priority,note\n"
        "1,2125550101,,,ok\n"
        "2,12,,,\n"
        "3,,,,\n"
        '4,"2125550104",,,"two\nlines"\n'
        "5,2125550105,Mars/Olympus,,\n"
        "6,2125550101,,,=HYPERLINK()\n"
        "1,2125550107,,,\n"
        "8,2125550108,,12,\n"
        "9,2125550109,,\n"
        "10,2125550110 x12,,,\n"
        "11,9005550111,,,\n",
    )
    assert (report.rows, report.accepted, report.rejected) == (11, 3, 8)
    header, *found = rejected(report)
    assert header == ["line", "column", "reason", "id", "phone", "tz", "priority", "note"]
    told = {line: (column, reason) for line, column, reason, *_ in found}
    assert told == {
        "3": ("phone", "is too short"),
        "4": ("phone", "there is no number"),
        "7": ("tz", "is no time zone: write one such as America/New_York"),
        "8": ("phone", "the number is in line 2 of this file already"),
        "9": ("id", "the id is in line 2 of this file already"),
        "10": ("priority", "is a whole number from 0 to 9"),
        "11": ("", "has 4 cells where the header has 5: quote cells that hold the delimiter"),
        "13": ("phone", "is a premium-rate number"),
    }
    assert next(row for row in found if row[0] == "8")[-1] == "'=HYPERLINK()"


async def test_the_second_import_of_a_list_brings_nothing(store: Store, tmp_path: Path) -> None:
    text = "id,phone\n1,2125550101\n2,2125550102\n"
    await bring(store, tmp_path, text)
    report = await bring(store, tmp_path, text)
    assert (report.accepted, report.rejected) == (0, 2)
    assert await rows(store, "SELECT count(*) FROM leads") == [(2,)]


async def test_progress_goes_one_way(store: Store, tmp_path: Path) -> None:
    lines = "\n".join(f"{n},+1212555{n:04d}" for n in range(100, 2_300))
    for dry_run in (True, False):
        seen: list[tuple[int, float]] = []
        await bring(
            store,
            tmp_path,
            f"id,phone\n{lines}\n",
            dry_run=dry_run,
            progress=lambda rows, share, seen=seen: seen.append((rows, share)),
        )
        assert seen == sorted(seen)
        assert seen[0][1] < 1.0
        assert seen[-1] == (2_200, 1.0)


async def test_a_dry_run_changes_nothing(store: Store, tmp_path: Path) -> None:
    report = await bring(store, tmp_path, "id,phone\n1,2125550101\n2,x\n", dry_run=True)
    assert (report.accepted, report.rejected, report.list_id) == (1, 1, None)
    for table in ("leads", "phones", "lists", "import_chunks", "campaigns", "zones", "crm_event"):
        assert await rows(store, f"SELECT count(*) FROM {table}") == [(0,)]


async def test_an_import_that_fails_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = "\n".join(f"{n},+1212555{n:04d}" for n in range(100, 2_300))
    calls = 0
    stage = store.lists.stage

    async def failing(*args: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise OSError("the disk is full")
        return await stage(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(store.lists, "stage", failing)
    with pytest.raises(OSError, match="disk is full"):
        await bring(store, tmp_path, f"id,phone\n{lines}\nx,1\n")
    for table in ("leads", "lists", "import_chunks", "list_history"):
        assert await rows(store, f"SELECT count(*) FROM {table}") == [(0,)]
    assert not (tmp_path / "a.rejects.csv.part").exists()


async def test_a_number_without_a_zone_is_held(store: Store, tmp_path: Path) -> None:
    report = await bring(store, tmp_path, "id,phone\n1,+883510012345678\n2,+870773111632\n")
    assert report.accepted == report.held
    assert report.held >= 1
    assert await rows(store, "SELECT DISTINCT state, why FROM leads") == [
        ("held", "time zone not known")
    ]


async def test_a_zone_in_the_list_wins(store: Store, tmp_path: Path) -> None:
    await bring(store, tmp_path, "id,phone,Time Zone\n1,2125550101,America/Denver\n")
    assert await rows(store, "SELECT z.names FROM leads l JOIN zones z ON z.id = l.zone_id") == [
        ("America/Denver",)
    ]


@pytest.mark.parametrize(
    ("encoding", "delimiter"),
    [("utf-8", ","), ("utf-8-sig", ";"), ("utf-16", "\t"), ("cp1252", ";"), ("latin-1", "|")],
)
def test_what_spreadsheets_write_is_read(tmp_path: Path, encoding: str, delimiter: str) -> None:
    path = tmp_path / "a.csv"
    lines = [["Kundennummer", "Name", "Telefon"]] + [
        [str(n), f"Jürgen Größe {n}", f"030 2312 {5000 + n}"] for n in range(50)
    ]
    path.write_text("\r\n".join(delimiter.join(line) for line in lines), encoding=encoding)
    file = Opened(Request(path, "DE", date(2026, 11, 22)))
    try:
        assert file.table.delimiter == delimiter
        assert [column.target for column in file.columns] == ["external_id", "name", "phone"]
        read = list(file.rows())
    finally:
        file.close()
    assert len(read) == 50
    assert read[7].cells[1] == "Jürgen Größe 7"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"id,nam\n1,2\n", "no column looks like a phone number"),
        (b"id,id,phone\n", "'id' is there twice"),
        (b"PK\x03\x04\0\0", "is a broken or protected workbook"),
        (b"id,phone\n1,2\0", "2: is not a text file"),
        (b'id,"phone\n', "is not CSV"),
    ],
)
async def test_a_file_that_cannot_be_used(
    store: Store, tmp_path: Path, text: bytes, fault: str
) -> None:
    with pytest.raises(FileError, match=fault):
        await bring(store, tmp_path, text)
    assert await rows(store, "SELECT count(*) FROM lists") == [(0,)]


async def test_a_mapping_wins_over_the_guess(store: Store, tmp_path: Path) -> None:
    text = "id,phone,where\n1,nothing,2125550101\n"
    report = await bring(store, tmp_path, text, mapping={"phone": "where"})
    assert report.accepted == 1
    with pytest.raises(FileError, match="has no column 'x'"):
        await bring(store, tmp_path, text, mapping={"phone": "x"})
    with pytest.raises(FileError, match="there is no 'fone'"):
        await bring(store, tmp_path, text, mapping={"fone": "where"})


async def test_memory_does_not_grow_with_the_list(store: Store, tmp_path: Path) -> None:
    def text(count: int) -> str:
        return "id,phone,note\n" + "".join(
            f"{n},+1{200 + n // 10_000}555{n % 10_000:04d},{'x' * 200}\n" for n in range(count)
        )

    await bring(store, tmp_path, text(100), dry_run=True)  # the number data is loaded now
    peaks = []
    for count in (2_000, 10_000):
        tracemalloc.start()
        await bring(store, tmp_path, text(count), dry_run=True)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    # The text itself is 2.2 MB for 10,000 rows, written by the test in one piece.
    assert peaks[1] - peaks[0] < 2 * 1_000_000 + 2_200_000


@pytest.mark.parametrize("cell", ["=1+1", "+49", "-1", "@x", "\tx", "\rx"])
def test_no_cell_becomes_a_formula(cell: str) -> None:
    assert harmless(cell) == f"'{cell}"
    assert harmless("plain") == "plain"


@pytest.mark.parametrize("text", ["110", "12", "abc", "", "0", "+99 123456", "1" * 30])
def test_no_complaint_repeats_the_number(text: str) -> None:
    with pytest.raises(NumberError) as caught:
        normalise(text, "DE")
    assert not text or text not in str(caught.value)


@pytest.mark.parametrize(
    ("number", "zones"),
    [
        ("+18505550100", {"America/New_York", "America/Chicago"}),
        ("+12125550100", {"America/New_York"}),
        ("+493023125000", {"Europe/Berlin"}),
    ],
)
def test_a_split_area_code_is_in_both_zones(number: str, zones: set[str]) -> None:
    assert zones_of_number(phonenumbers.parse(number)) == zones
