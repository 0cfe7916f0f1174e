"""A campaign's key figures: as JSON, and as CSV for spreadsheets."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from aiohttp import web

from dialer.server.intake import Scope
from dialer.server.reports import BestTimes, GroupBy, KpiReport, Reports, as_csv
from dialer.web.auth import Access
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site

_PIECE = 1 << 18


async def kpis(site: Site, call: Call) -> KpiReport:
    return await _reports(site).kpis(call.param("campaign"), _by(call), *_span(call))


async def kpis_csv(site: Site, call: Call) -> web.Response:
    report = await _reports(site).kpis(call.param("campaign"), _by(call), *_span(call))
    name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{report.campaign}-kpis-by-{report.by.value}.csv")
    return web.Response(
        body=as_csv(report).encode(),
        headers={
            "Content-Type": "text/csv; charset=utf-8",
            "Content-Disposition": f'attachment; filename="{name}"',
        },
    )


async def best_times(site: Site, call: Call) -> BestTimes:
    return await _reports(site).best_times(call.param("campaign"), *_span(call))


async def evidence(site: Site, call: Call) -> web.StreamResponse:
    campaign = call.param("campaign")
    archive = _reports(site).archive(campaign, *_span(call), call.caller.name)
    async with archive as found:
        name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{campaign}-evidence.zip")
        answer = web.StreamResponse(
            headers={
                "Content-Type": "application/zip",
                "Content-Disposition": f'attachment; filename="{name}"',
                "Content-Length": str(found.path.stat().st_size),
                "Overdial-Manifest-SHA256": found.manifest,
            }
        )
        await answer.prepare(call.request)
        with found.path.open("rb") as file:  # sent here: the file is gone with the context
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await answer.write(piece)
        await answer.write_eof()
        return answer


def _reports(site: Site) -> Reports:
    if site.reports is None:
        raise ProblemError(503, "This server has no reports.", "Ask the dialer itself.")
    return site.reports


def _by(call: Call) -> GroupBy:
    text = call.request.query.get("by", GroupBy.CAMPAIGN.value)
    try:
        return GroupBy(text)
    except ValueError:
        raise ProblemError(
            400, "by is no way to split the figures.", f"Use one of {', '.join(GroupBy)}."
        ) from None


def _span(call: Call) -> tuple[datetime | None, datetime | None]:
    since, until = _moment(call, "since"), _moment(call, "until")
    if since is not None and until is not None and until <= since:
        raise ProblemError(400, "until is not after since.", "Correct one of them.")
    return since, until


def _moment(call: Call, name: str) -> datetime | None:
    text = call.request.query.get(name)
    if not text:
        return None
    mend = "Write ISO 8601 with a time zone, such as 2026-11-21T00:00:00Z."
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ProblemError(400, f"{name} is not a date and time.", mend) from None
    if moment.tzinfo is None or not 1970 < moment.year < 9000:
        raise ProblemError(400, f"{name} has no time zone, or is of no century of ours.", mend)
    return moment


# --- the routes -----------------------------------------------------------------------------------

_BY: Mapping[str, Any] = {
    "name": "by",
    "in": "query",
    "required": False,
    "description": "What the figures are split by.",
    "schema": {"type": "string", "enum": [one.value for one in GroupBy], "default": "campaign"},
}
_SPAN: tuple[Mapping[str, Any], ...] = tuple(
    {
        "name": name,
        "in": "query",
        "required": False,
        "description": text,
        "schema": {"type": "string", "format": "date-time"},
    }
    for name, text in (
        ("since", "Attempts from this moment on."),
        ("until", "Attempts before this moment."),
    )
)

REPORTS: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/campaigns/{campaign}/kpis",
        kpis,
        "A campaign's key figures, each with its formula",
        Access.VIEWER,
        gives=KpiReport,
        problems=(400, 404, 503),
        scope=Scope.CAMPAIGNS,
        params=(_BY, *_SPAN),
    ),
    Route(
        "GET",
        "/v1/campaigns/{campaign}/kpis.csv",
        kpis_csv,
        "The same as a file for spreadsheets",
        Access.VIEWER,
        media="text/csv",
        problems=(400, 404, 503),
        scope=Scope.CAMPAIGNS,
        params=(_BY, *_SPAN),
    ),
    Route(
        "GET",
        "/v1/campaigns/{campaign}/best-times",
        best_times,
        "When people are reached, by weekday and hour of their own clock",
        Access.VIEWER,
        gives=BestTimes,
        problems=(400, 404, 503),
        scope=Scope.CAMPAIGNS,
        params=_SPAN,
    ),
    Route(
        "GET",
        "/v1/campaigns/{campaign}/evidence",
        evidence,
        "What the campaign can prove, as one archive: calls, decisions, rates, rules; audited",
        Access.MANAGER,
        media="application/zip",
        problems=(400, 404, 409, 503),
        params=_SPAN,
    ),
)
