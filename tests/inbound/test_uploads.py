"""A list by the API: sent, looked at, tried out, committed, undone."""

from __future__ import annotations

import asyncio
import csv
import io
from typing import Any

import pytest

from dialer.server import listing
from tests.inbound.conftest import READER, TOKEN, Crm, row

_JOB_LIMIT_S = 60.0
LIST = (
    "Account;Name;Mobile;balance\n"
    "B1;Ann;030 2312 5001;10\n"
    "B2;Bob;0302;20\n"
    "B3;Cy;030 2312 5003 / 030 2312 5004;30\n"
    "A0;Dan;030 2312 5005;40\n"
)


async def send(crm: Crm, body: bytes | str, query: str = "campaign=spring&name=b.csv") -> Any:
    data = body.encode() if isinstance(body, str) else body
    return await crm.send(
        "POST", f"/v1/lists/uploads?{query}", data, Content_Type="application/octet-stream"
    )


async def job(crm: Crm, upload: str, what: str, **wishes: Any) -> dict[str, Any]:
    """Begin a job and wait for its end."""
    status, view = await crm.post(f"/v1/lists/uploads/{upload}/{what}", wishes)
    assert status == 200, view
    async with asyncio.timeout(_JOB_LIMIT_S):
        while view["job"]["state"] in ("waiting", "running"):
            await asyncio.sleep(0.02)
            _, view = await crm.send("GET", f"/v1/lists/uploads/{upload}")
    found: dict[str, Any] = view["job"]
    return found


def counted(crm: Crm, table: str) -> int:
    (found,) = crm.stage.rows(f"SELECT count(*) AS n FROM {table}")
    return int(found["n"])


async def test_a_list_from_the_file_to_its_undoing(crm: Crm) -> None:
    status, view = await send(crm, LIST)
    assert status == 200, view
    assert (view["kind"], view["delimiter"], view["name"]) == ("csv", ";", "b.csv")
    targets = {one["header"]: one["target"] for one in view["columns"]}
    assert targets == {"Account": "external_id", "Name": "name", "Mobile": "phone", "balance": ""}
    assert view["columns"][1]["sample"] == ["Ann", "Bob", "Cy", "Dan"]
    upload = view["upload"]

    before = counted(crm, "leads")
    tried = await job(crm, upload, "check")
    result = tried["result"]
    assert (tried["state"], result["rows"], result["accepted"]) == ("done", 4, 2)
    assert (result["invalid"], result["duplicates"], result["batch"]) == (1, 1, None)
    assert sum(one["count"] for one in result["verdicts"]) == 2
    assert result["zones"] == [{"zones": "Europe/Berlin", "count": 2}]
    assert counted(crm, "leads") == before
    assert counted(crm, "lists") == 1  # the stage's own

    done = (await job(crm, upload, "commit"))["result"]
    assert done["accepted"] == 2
    assert crm.numbers("B3") == ["+493023125003", "+493023125004"]
    async with crm.http.get(
        f"/v1/lists/uploads/{upload}/rejects", headers={"Authorization": f"Bearer {TOKEN}"}
    ) as answer:
        assert answer.headers["Content-Disposition"] == 'attachment; filename="rejects.csv"'
        rejected = list(csv.reader(io.StringIO(await answer.text())))
    assert [line[:3] for line in rejected[1:]] == [
        ["3", "Mobile", "is not a number in use in its country"],
        ["5", "Account", "the id is in the campaign already"],
    ]
    again = await crm.post(f"/v1/lists/uploads/{upload}/commit", {})
    assert again[0] == 409

    _, listed = await crm.send("GET", "/v1/lists?campaign=spring")
    assert next(one["batch"] for one in listed["batches"]) == done["batch"]
    _, shown = await crm.send("GET", f"/v1/lists/{done['batch']}")
    assert (shown["leads"], shown["attempted"], shown["state"]) == (2, 0, "ready")
    assert [(one["step"], one["who"]) for one in shown["history"]] == [
        ("committed", "crm"),
        ("settled", "crm"),
    ]
    status, undone = await crm.post(f"/v1/lists/{done['batch']}/undo", {})
    assert (status, undone) == (200, {"taken_out": 2, "kept": 0})
    assert counted(crm, "leads") == before
    status, twice = await crm.post(f"/v1/lists/{done['batch']}/undo", {})
    assert (status, "undone already" in twice["detail"]) == (409, True)


async def test_a_mapping_is_asked_for_and_kept_for_the_source(crm: Crm) -> None:
    text = "Account;who;where\nC1;Ann;030 2312 5001\n"
    _, view = await send(crm, text, "campaign=spring&name=acme-2026-11-20.csv")
    assert view["source"] == "acme"
    done = await job(
        crm, view["upload"], "commit", mapping={"name": "who", "phone": "where"}, save_mapping=True
    )
    assert done["result"]["accepted"] == 1
    assert crm.lead("C1")["name"] == "Ann"
    _, later = await send(crm, text, "campaign=spring&name=acme-2026-11-21.csv")
    assert [one["target"] for one in later["columns"]] == ["external_id", "name", "phone"]


async def test_what_cannot_be_read_is_told_with_its_place(crm: Crm) -> None:
    for body, told in (
        (b"id,nam\n1,2\n", "b.csv:1: no column looks like a phone number"),
        (b"PK\x03\x04rubbish", "b.csv: is a broken or protected workbook"),
        (b'id,phone\n1,"2\n', "b.csv:2: is not CSV"),
    ):
        status, problem = await send(crm, body)
        assert (status, told in problem["detail"]) == (400, True), problem
    assert counted(crm, "lists") == 1


async def test_a_fault_late_in_the_file_leaves_nothing(crm: Crm) -> None:
    lines = "".join(f"D{n};0302312{n:04d}\n" for n in range(5_000, 6_500))
    _, view = await send(crm, f'Account;Mobile\n{lines}D9;"030\n')
    before = counted(crm, "leads")
    failed = await job(crm, view["upload"], "commit")
    assert failed["state"] == "failed"
    assert "b.csv:1502: is not CSV" in failed["fault"]
    assert (counted(crm, "leads"), counted(crm, "import_chunks")) == (before, 0)


async def test_a_file_that_is_too_large_is_refused(
    crm: Crm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "UPLOAD_MAX", 1_000)
    status, problem = await send(crm, "Account;Mobile\n" + "x" * 5_000)
    assert (status, problem["title"]) == (413, "Request Entity Too Large")
    assert list(crm.server._listing._folder.iterdir()) == []  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "name", ["../../../etc/passwd", "..%5C..%5Cevil.csv", "/etc/cron.d/x", "a%00b.csv", "%0d%0aX:y"]
)
async def test_a_file_name_is_no_path(crm: Crm, name: str) -> None:
    status, view = await send(crm, LIST, f"campaign=spring&name={name}")
    assert status == 200
    assert "/" not in view["name"]
    assert "\\" not in view["name"]
    assert view["name"].isprintable()
    folder = crm.server._listing._folder  # type: ignore[union-attr]
    assert folder is not None
    assert [one.name for one in (folder / view["upload"]).iterdir()] == ["list"]
    status, _ = await crm.send("GET", f"/v1/lists/uploads/..%2F{view['upload']}")
    assert status == 404


async def test_an_upload_is_its_senders_alone(crm: Crm) -> None:
    _, view = await send(crm, LIST)
    path = f"/v1/lists/uploads/{view['upload']}"
    assert (await crm.send("GET", path, token=READER))[0] == 403
    one = crm.server._listing._uploads[view["upload"]]  # type: ignore[union-attr]
    one.who = "somebody else"
    for method, end in (("GET", ""), ("GET", "/rejects"), ("DELETE", "")):
        assert (await crm.send(method, path + end))[0] == 404
    one.who = "crm"
    assert (await crm.send("DELETE", path))[0] == 204
    assert not one.folder.exists()


async def test_what_is_not_there(crm: Crm) -> None:
    assert (await send(crm, LIST, "campaign=nobody"))[0] == 404
    assert (await send(crm, LIST, "name=x.csv"))[0] == 404
    assert (await crm.send("GET", "/v1/lists/999"))[0] == 404
    assert (await crm.send("GET", "/v1/lists/x"))[0] == 404
    assert (await crm.post("/v1/lists/999/undo", {}))[0] == 404


async def test_what_the_crm_sent_is_no_file_to_undo(crm: Crm) -> None:
    await crm.post("/v1/leads", row("E1"))
    _, listed = await crm.send("GET", "/v1/lists")
    (by_api,) = [one for one in listed["batches"] if one["file"] == "api"]
    status, problem = await crm.post(f"/v1/lists/{by_api['batch']}/undo", {})
    assert (status, "what the CRM sent" in problem["detail"]) == (409, True)
