"""Traces, outcomes and timelines, for telephony engineers."""

from __future__ import annotations

import math

from pydantic import BaseModel

from dialer.server.tracing import RECORDS_MAX, OutcomePart, Timeline, Trace, Tracing
from dialer.web.auth import Access
from dialer.web.floor import visible
from dialer.web.problems import ProblemError
from dialer.web.query import number_param, whole, words
from dialer.web.routes import Call, Route, Site


class OutcomesAnswer(BaseModel):
    rows: list[OutcomePart]


async def trace(site: Site, call: Call) -> Trace:
    text = words(call, "after", 24)
    try:
        after = float(text) if text else 0.0
    except ValueError:
        after = math.nan
    if not math.isfinite(after) or after < 0:
        raise ProblemError(400, "after is no number of seconds.", "Send the `next` you were given.")
    limit = whole(call, "limit", 600, 1, RECORDS_MAX)
    return _tracing(site).trace(call.param("campaign"), after, limit)


async def outcomes(site: Site, call: Call) -> OutcomesAnswer:
    hours = whole(call, "hours", 24, 1, 24 * 31)
    return OutcomesAnswer(rows=await _tracing(site).outcomes(visible(site, call), hours))


async def timeline(site: Site, call: Call) -> Timeline:
    return await _tracing(site).timeline(call.param("attempt"), call.caller.campaigns)


def _tracing(site: Site) -> Tracing:
    if site.house is None:
        raise ProblemError(503, "This server paces nothing.", "Ask the dialer itself.")
    return site.house.tracing


_AFTER = {
    "name": "after",
    "in": "query",
    "required": False,
    "description": "The `next` of the last answer; without it the last minute.",
    "schema": {"type": "number", "minimum": 0},
}
ENGINEERING: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/pacing/{campaign}/trace",
        trace,
        "Each decision of the pacer: what it saw, chose and why",
        Access.ENGINEER,
        gives=Trace,
        problems=(400, 404, 503),
        params=(
            _AFTER,
            number_param("limit", 600, 1, RECORDS_MAX, "Decisions in one answer."),
        ),
    ),
    Route(
        "GET",
        "/v1/outcomes",
        outcomes,
        "What became of calls, by trunk and cause",
        Access.ENGINEER,
        gives=OutcomesAnswer,
        problems=(400, 503),
        params=(number_param("hours", 24, 1, 24 * 31, "How far back."),),
    ),
    Route(
        "GET",
        "/v1/attempts/{attempt}/timeline",
        timeline,
        "What happened to a call, and why it was abandoned",
        Access.ENGINEER,
        gives=Timeline,
        problems=(404, 503),
    ),
)
