"""Lists of accounts: a file is sent, looked at, tried out, committed as a batch, and undone."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from dialer.server.intake import Scope
from dialer.server.listdesk import (
    UPLOAD_MAX,
    Across,
    BatchesAnswer,
    BatchView,
    Duplicates,
    JobKind,
    ListDesk,
    ListWishes,
    UndoneAnswer,
    UploadView,
    safe_name,
)
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.problems import ProblemError
from dialer.web.query import text_param, words
from dialer.web.routes import Call, Route, Site

_PRINTABLE = r"^[^\x00-\x1f\x7f]*$"
_BYTES = (
    "text/csv",
    "text/tab-separated-values",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/octet-stream",
)


class ListRequest(Sent):
    """How the upload is to be read. What is left out is guessed, or as the campaign's file says.

    `mapping` is target -> header; further numbers are phone2, phone3, ...; field, field2, ... are
    columns that are only carried along.
    """

    mapping: dict[
        Annotated[str, Field(max_length=32, pattern=_PRINTABLE)],
        Annotated[str, Field(max_length=4000, pattern=_PRINTABLE)],
    ] = Field(default_factory=dict, max_length=500)
    source: Annotated[str, Field(max_length=64, pattern=_PRINTABLE)] = ""
    sheet: Annotated[str, Field(max_length=64, pattern=_PRINTABLE)] = ""
    save_mapping: bool = False
    duplicates: Duplicates | None = None
    across: Across | None = None
    one_per_person: bool | None = None
    strict: bool = False


class UndoRequest(Sent):
    """With `undialled_only` leads that were called stay, and the others go."""

    undialled_only: bool = False


async def upload(site: Site, call: Call) -> UploadView:
    desk = _desk(site)
    size = call.request.content_length
    if size is not None and size > UPLOAD_MAX:
        raise ProblemError(413, f"The file is larger than {UPLOAD_MAX // 2**20} MiB.", "Split it.")
    campaign = words(call, "campaign")
    if not campaign or not call.caller.sees(campaign):
        raise ProblemError(404, "There is no such campaign.", "See /v1/campaigns.")
    name = safe_name(call.request.query.get("name", ""))
    return await desk.upload(
        call.caller.name, campaign, name, words(call, "sheet"), _chunks(call.request)
    )


async def _chunks(request: web.Request) -> AsyncIterator[bytes]:
    async for chunk in request.content.iter_any():
        yield chunk


async def show(site: Site, call: Call) -> UploadView:
    return _desk(site).show(call.caller.name, call.param("upload"))


async def check(site: Site, call: Call) -> UploadView:
    return await _run(site, call, JobKind.CHECK)


async def commit(site: Site, call: Call) -> UploadView:
    return await _run(site, call, JobKind.COMMIT)


async def _run(site: Site, call: Call, kind: JobKind) -> UploadView:
    body: ListRequest = call.body
    wishes = ListWishes(
        body.mapping,
        body.source,
        body.sheet,
        body.save_mapping,
        body.duplicates,
        body.across,
        body.one_per_person,
        body.strict,
    )
    return await _desk(site).run(call.caller.name, call.param("upload"), kind, wishes)


async def rejects(site: Site, call: Call) -> web.StreamResponse:
    path = _desk(site).rejects(call.caller.name, call.param("upload"))
    return web.FileResponse(
        path,
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": 'attachment; filename="rejects.csv"',
        },
    )


async def drop(site: Site, call: Call) -> None:
    await _desk(site).drop(call.caller.name, call.param("upload"))


async def batches(site: Site, call: Call) -> BatchesAnswer:
    found = await _desk(site).batches(words(call, "campaign"))
    return BatchesAnswer([one for one in found if call.caller.sees(one.campaign)])


async def batch(site: Site, call: Call) -> BatchView:
    return await _seen(site, call)


async def undo(site: Site, call: Call) -> UndoneAnswer:
    body: UndoRequest = call.body
    found = await _seen(site, call)
    return await _desk(site).undo(call.caller.name, found.batch, body.undialled_only)


async def _seen(site: Site, call: Call) -> BatchView:
    """The batch, where the caller may see its campaign."""
    text = call.param("batch")
    missing = ProblemError(404, "There is no such list.", "See /v1/lists.")
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise missing
    found = await _desk(site).batch(int(text))
    if not call.caller.sees(found.campaign):
        raise missing
    return found


def _desk(site: Site) -> ListDesk:
    if site.lists is None:
        raise ProblemError(503, "This server takes no lists.", "Ask the dialer itself.")
    return site.lists


# --- the routes -----------------------------------------------------------------------------------


def _route(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
    problems = (*more.pop("problems", ()), 404, 503)
    return Route(
        method,
        path,
        handler,
        summary,
        Access.MANAGER,
        problems=problems,
        scope=Scope.LISTS,
        **more,
    )


_NAMED: Mapping[str, Any] = text_param("campaign", "Of one campaign only, by its name.")

LISTS: tuple[Route, ...] = (
    _route(
        "POST",
        "/v1/lists/uploads",
        upload,
        "Send a list, CSV, TSV or XLSX, as the body; the answer shows how it is understood",
        takes_bytes=_BYTES,
        gives=UploadView,
        problems=(400, 409, 413),
        params=(
            text_param("campaign", "Whom the list is for.", required=True),
            text_param("name", "The file's name, for people.", 200),
            text_param("sheet", "Of a workbook; its first otherwise."),
        ),
    ),
    _route(
        "GET",
        "/v1/lists/uploads/{upload}",
        show,
        "An upload, and how far its job is",
        gives=UploadView,
    ),
    _route(
        "POST",
        "/v1/lists/uploads/{upload}/check",
        check,
        "Try the list out: what would come of it, by verdict and zone; writes nothing",
        takes=ListRequest,
        gives=UploadView,
        problems=(409,),
    ),
    _route(
        "POST",
        "/v1/lists/uploads/{upload}/commit",
        commit,
        "Bring the list in, as a batch with an id",
        takes=ListRequest,
        gives=UploadView,
        problems=(409,),
    ),
    _route(
        "GET",
        "/v1/lists/uploads/{upload}/rejects",
        rejects,
        "Rows that cannot be used, each with line, column and reason",
        media="text/csv",
    ),
    _route("DELETE", "/v1/lists/uploads/{upload}", drop, "Forget an upload", problems=(409,)),
    _route(
        "GET",
        "/v1/lists",
        batches,
        "Lists that came in, the latest first",
        gives=BatchesAnswer,
        params=(_NAMED,),
        problems=(400,),
    ),
    _route("GET", "/v1/lists/{batch}", batch, "A list that came in", gives=BatchView),
    _route(
        "POST",
        "/v1/lists/{batch}/undo",
        undo,
        "Take a list's leads out again while none of them was called",
        takes=UndoRequest,
        gives=UndoneAnswer,
        problems=(409,),
    ),
)
