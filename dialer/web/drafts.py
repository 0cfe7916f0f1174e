"""A campaign's files, for its manager: strategy, dispositions and rules, script, pages."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from dialer.server.drafting import (
    TEXT_MAX,
    DraftFile,
    Drafting,
    DraftView,
    Faulty,
    MoveView,
    VersionView,
)
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.problems import FieldError, ProblemError
from dialer.web.routes import Call, Route, Site

Text = Annotated[str, Field(max_length=TEXT_MAX, pattern=r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$")]


class CheckRequest(Sent):
    """`count`: also whom a strategy would move."""

    text: Text
    count: bool = False


class SaveRequest(Sent):
    """`base` came with the file the text was made from; empty for a new page."""

    text: Text
    base: Annotated[str, Field(max_length=64, pattern=r"^[0-9a-f]*$")]


class FilesAnswer(BaseModel):
    files: list[DraftFile]


class VersionsAnswer(BaseModel):
    versions: list[VersionView]
    moving: MoveView | None  # the last move since the server's start


class VersionAnswer(BaseModel):
    version: str
    text: str


async def files(site: Site, call: Call) -> FilesAnswer:
    return FilesAnswer(files=await _drafting(site).files(call.param("campaign")))


async def check(site: Site, call: Call) -> DraftView:
    body: CheckRequest = call.body
    return await _drafting(site).check(
        call.param("campaign"), call.param("file"), body.text, count=body.count
    )


async def save(site: Site, call: Call) -> DraftFile:
    body: SaveRequest = call.body
    try:
        return await _drafting(site).save(
            call.param("campaign"), call.param("file"), body.text, body.base, call.caller.name
        )
    except Faulty as faulty:
        raise ProblemError(
            faulty.status,
            faulty.message,
            faulty.mend,
            [
                FieldError(field=f"line {one.line} {one.field}".strip(), message=one.message)
                for one in faulty.faults
            ],
        ) from None


async def versions(site: Site, call: Call) -> VersionsAnswer:
    campaign, drafting = call.param("campaign"), _drafting(site)
    return VersionsAnswer(
        versions=await drafting.versions(campaign), moving=drafting.moving(campaign)
    )


async def version(site: Site, call: Call) -> VersionAnswer:
    wanted = call.param("version")
    text = await _drafting(site).version(call.param("campaign"), wanted)
    return VersionAnswer(version=wanted, text=text)


async def move(site: Site, call: Call) -> MoveView:
    return await _drafting(site).move(call.param("campaign"), call.caller.name)


def _drafting(site: Site) -> Drafting:
    if site.house is None:
        raise ProblemError(503, "This server has no campaigns' files.", "Ask the dialer itself.")
    return site.house.drafting


# --- the routes -----------------------------------------------------------------------------------


def _route(method: str, path: str, handler: Any, summary: str, **more: Any) -> Route:
    problems = (*more.pop("problems", ()), 404, 503)
    where = "/v1/campaigns/{campaign}" + path
    return Route(method, where, handler, summary, Access.MANAGER, problems=problems, **more)


DRAFTS: tuple[Route, ...] = (
    _route(
        "GET",
        "/files",
        files,
        "The campaign's files: strategy, its own, script, pages",
        gives=FilesAnswer,
        problems=(409,),
    ),
    _route(
        "POST",
        "/files/{file}/check",
        check,
        "What is wrong with a text, by line and field, and whom it would move; writes nothing",
        takes=CheckRequest,
        gives=DraftView,
        problems=(409,),
    ),
    _route(
        "PUT",
        "/files/{file}",
        save,
        "Save a text that is right, and put it in force",
        takes=SaveRequest,
        gives=DraftFile,
        problems=(409,),
    ),
    _route(
        "GET",
        "/strategy/versions",
        versions,
        "The versions of the strategy, the newest first, and how many leads are in each",
        gives=VersionsAnswer,
    ),
    _route(
        "GET",
        "/strategy/versions/{version}",
        version,
        "The text of a version",
        gives=VersionAnswer,
    ),
    _route(
        "POST",
        "/strategy/move",
        move,
        "Move the leads under way to the version in force; each begins its treatment anew",
        gives=MoveView,
        problems=(409,),
    ),
)
