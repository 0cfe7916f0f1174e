"""What came before: in the file, in the list, in other campaigns; and what is done about it."""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialer.campaigns.lists import Duplicates, ImportReport, Wishes, import_list
from dialer.campaigns.model import CampaignFile
from dialer.store import Store
from dialer.store.batches import NoSuchBatch, NotUndone
from dialer.store.staged import Across

SPRING, SUMMER = (
    CampaignFile(
        name=name,
        purpose="collections",
        trunk="t",
        caller_id="+12125550100",
        default_region="US",
    )
    for name in ("spring", "summer")
)
HEAD = "id,person,name,phone,balance\n"


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = await Store.open(f"sqlite:///{tmp_path / 'dialer.db'}", durable=False)
    yield store
    await store.close()


class Desk:
    """Imports rows; all reads come back as plain tuples."""

    def __init__(self, store: Store, folder: Path) -> None:
        self.store, self.folder = store, folder
        self.count = 0

    async def bring(
        self,
        rows: str,
        campaign: CampaignFile = SPRING,
        head: str = HEAD,
        dry_run: bool = False,
        **wishes: Any,
    ) -> ImportReport:
        self.count += 1
        path = self.folder / f"list{self.count}.csv"
        path.write_text(head + rows, encoding="utf-8")
        return await import_list(
            path, campaign, self.store, wishes=Wishes(**wishes), dry_run=dry_run, who="sue"
        )

    async def rows(self, statement: str) -> list[tuple[Any, ...]]:
        found = await self.store.database.read(lambda c: c.execute(sa.text(statement)).all())
        return [tuple(row) for row in found]

    async def leads(self) -> list[tuple[Any, ...]]:
        return await self.rows(
            "SELECT l.external_id, l.name, p.phone FROM leads l JOIN phones p ON p.lead_id = l.id"
            " ORDER BY l.id, p.position"
        )


@pytest.fixture
def desk(store: Store, tmp_path: Path) -> Desk:
    return Desk(store, tmp_path)


ONE = "1,P1,Ann,2125550101,10\n"


async def test_skipped_rows_are_counted_and_not_rejected(desk: Desk) -> None:
    await desk.bring(ONE)
    report = await desk.bring(
        ONE + "2,P2,Bob,2125550102,5\n2,P2,Bob,2125550109,5\n", duplicates=Duplicates.SKIP
    )
    assert (report.accepted, report.skipped, report.duplicates, report.rejected) == (1, 2, 2, 0)
    assert report.rejects is None


async def test_an_update_brings_what_is_there_up_to_date(desk: Desk) -> None:
    await desk.bring(ONE + "2,P2,Bob,2125550102,5\n")
    report = await desk.bring(
        "1,P1,Ann Lee,2125550111,12\n3,P3,Cy,2125550103,1\n3,P3,Cyd,2125550104,2\n",
        duplicates=Duplicates.UPDATE,
    )
    assert (report.accepted, report.updated, report.rejected) == (1, 2, 0)
    assert await desk.leads() == [
        ("1", "Ann Lee", "+12125550111"),
        ("2", "Bob", "+12125550102"),
        ("3", "Cyd", "+12125550104"),
    ]
    assert await desk.rows("SELECT fields FROM leads WHERE external_id = '1'") == [
        ('{"balance": "12"}',)
    ]


async def test_an_update_without_ids_goes_by_the_number(desk: Desk) -> None:
    head = "name,phone\n"
    await desk.bring("Ann,2125550101\n", head=head)
    report = await desk.bring("Ann Lee,2125550101\n", head=head, duplicates=Duplicates.UPDATE)
    assert (report.accepted, report.updated) == (0, 1)
    assert await desk.leads() == [(None, "Ann Lee", "+12125550101")]


async def test_people_of_another_campaign_may_be_left_out(desk: Desk) -> None:
    await desk.bring(ONE)
    rows = "9,P9,Zoe,2125550101,1\n1,P1,Ann,2125550199,1\n8,P1,Ann,2125550198,1\n"
    rows += "7,P7,New,2125550107,1\n"
    report = await desk.bring(rows, SUMMER, across=Across.SKIP)
    assert (report.accepted, report.skipped, report.rejected) == (1, 3, 0)
    assert sorted(report.reasons) == [
        "the id is in another campaign already",
        "the number is in another campaign already",
        "the person is in another campaign already",
    ]
    allowed = await desk.bring(rows, SUMMER)
    assert allowed.accepted == 3


async def test_done_leads_of_another_campaign_are_no_hindrance(desk: Desk) -> None:
    await desk.bring(ONE)
    await desk.store.database.write(
        lambda c: c.execute(sa.text("UPDATE leads SET state = 'done', why = 'sold'"))
    )
    report = await desk.bring(ONE, SUMMER, across=Across.SKIP)
    assert report.accepted == 1


async def test_the_campaigns_file_says_what_is_usual(desk: Desk) -> None:
    await desk.bring(ONE)
    part = SUMMER.duplicates.model_copy(update={"policy": "skip", "across": "skip"})
    strict = SUMMER.model_copy(update={"duplicates": part})
    assert (await desk.bring(ONE, strict)).skipped == 1
    assert (await desk.bring(ONE, strict, across=Across.ALLOW)).accepted == 1


async def test_one_account_for_each_person_where_that_is_wished(desk: Desk) -> None:
    rows = "1,P1,Ann,2125550101,1\n2,P1,Ann,2125550102,1\n3,P3,Cy,2125550103,1\n"
    assert (await desk.bring(rows)).accepted == 3
    report = await desk.bring(rows, SUMMER, one_per_person=True)
    assert (report.accepted, report.duplicates) == (2, 1)
    assert report.reasons == {"the person is in line ... of this file already": 1}
    more = await desk.bring("4,P3,Cy,2125550104,1\n", SUMMER, one_per_person=True)
    assert more.reasons == {"the person is in the campaign already": 1}


async def test_a_dry_run_finds_the_same_and_writes_nothing(desk: Desk) -> None:
    await desk.bring(ONE)
    rows = ONE + "2,P2,Bob,2125550102,5\n2,P2,Bob,2125550103,5\n4,P4,Di,12,5\n"
    tried = await desk.bring(rows, dry_run=True)
    before = await desk.leads()
    assert (tried.accepted, tried.duplicates, tried.invalid) == (1, 2, 1)
    assert tried.verdicts.total() == 1
    done = await desk.bring(rows)
    assert (done.accepted, done.duplicates, done.invalid) == (1, 2, 1)
    assert len(await desk.leads()) == len(before) + 1


async def test_a_batch_is_undone_while_nobody_of_it_was_called(desk: Desk) -> None:
    first = await desk.bring(ONE)
    second = await desk.bring("2,P2,Bob,2125550102,5\n3,P3,Cy,2125550103,5\n")
    assert second.list_id is not None
    done = await desk.store.lists.undo(second.list_id, "sue")
    assert (done.taken_out, done.kept) == (2, 0)
    assert [lead[0] for lead in await desk.leads()] == ["1"]
    found = await desk.store.lists.batch(second.list_id)
    assert (found.state, [one.step for one in found.history]) == (
        "undone",
        ["committed", "settled", "undone"],
    )
    assert found.history[-1].who == "sue"
    again = await desk.bring("2,P2,Bob,2125550102,5\n")  # nothing of it stands in the way
    assert again.accepted == 1
    with pytest.raises(NotUndone, match="undone already"):
        await desk.store.lists.undo(second.list_id, "sue")
    with pytest.raises(NoSuchBatch):
        await desk.store.lists.undo(999, "sue")
    assert first.list_id != second.list_id


async def test_who_was_called_stays(desk: Desk) -> None:
    report = await desk.bring(ONE + "2,P2,Bob,2125550102,5\n")
    batch = report.list_id
    assert batch is not None
    await desk.store.database.write(
        lambda c: c.execute(sa.text("UPDATE leads SET attempts = 1 WHERE external_id = '1'"))
    )
    with pytest.raises(NotUndone, match="1 of its 2 leads were called already"):
        await desk.store.lists.undo(batch, "sue")
    assert len(await desk.leads()) == 2
    done = await desk.store.lists.undo(batch, "sue", undialled_only=True)
    assert (done.taken_out, done.kept) == (1, 1)
    assert [lead[0] for lead in await desk.leads()] == ["1"]
    found = await desk.store.lists.batch(batch)
    assert (found.state, found.history[-1].step) == ("ready", "undone_partly")


async def test_history_is_not_rewritten(desk: Desk) -> None:
    await desk.bring(ONE)
    for statement in ("DELETE FROM list_history", "UPDATE list_history SET who = 'nobody'"):
        with pytest.raises(sa.exc.DBAPIError, match="what became of a list is not changed"):
            await desk.store.database.write(lambda c, s=statement: c.execute(sa.text(s)))


async def test_a_list_that_broke_off_while_it_became_leads_is_finished(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = "".join(f"{n},P{n},N,+1212555{n:04d},1\n" for n in range(100, 2_300))
    write = desk.store.database.write
    left = 6  # begin, two or three pieces, commit, and the first of them made leads

    async def failing(work: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError("the power is gone")
        return await write(work)

    await desk.store.add_campaign(SPRING)
    monkeypatch.setattr(desk.store.database, "write", failing)
    with pytest.raises(OSError, match="the power is gone"):
        await desk.bring(rows)
    monkeypatch.undo()
    (half,) = await desk.store.lists.batches()
    assert half.state == "committing"
    assert 0 <= half.accepted < 2_200
    with pytest.raises(NotUndone, match="still coming in"):
        await desk.store.lists.undo(half.id, "sue")
    assert await desk.store.lists.finish_pending() == 1
    assert await desk.store.lists.finish_pending() == 0
    (whole,) = await desk.store.lists.batches()
    assert (whole.state, whole.accepted) == ("ready", 2_200)
    assert await desk.rows("SELECT count(*) FROM leads") == [(2_200,)]
    assert await desk.rows("SELECT count(*) FROM phones") == [(2_200,)]
    assert await desk.rows("SELECT count(*) FROM import_chunks") == [(0,)]


async def test_strict_refuses_the_whole_list(desk: Desk) -> None:
    from yamlmarks import FileError

    with pytest.raises(FileError, match="1 of 2 rows cannot be used"):
        await desk.bring(ONE + "2,P2,Bob,12,5\n", strict=True)
    assert await desk.leads() == []
    assert await desk.rows("SELECT count(*) FROM lists") == [(0,)]
    told = list(csv.reader((desk.folder / "list1.rejects.csv").open(encoding="utf-8")))
    assert [line[0] for line in told] == ["line", "3"]


async def test_a_stop_of_the_crm_holds_for_a_list_that_comes_after_it(desk: Desk) -> None:
    await desk.store.database.write(
        lambda c: c.execute(
            sa.text(
                "INSERT INTO lead_stops (source, external_id, kind, reference, lifted, at_ms)"
                " VALUES ('crm', '1', 'dispute', 'D1', false, 0)"
            )
        )
    )
    await desk.bring(ONE)
    assert await desk.rows("SELECT state, why FROM leads") == [("held", "crm: dispute")]
