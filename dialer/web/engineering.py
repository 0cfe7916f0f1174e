"""Traces, outcomes and timelines, for telephony engineers."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from dialer.server.experiments import Experiments, ExperimentView, Wish
from dialer.server.face import CampaignView
from dialer.server.forecast import Curve
from dialer.server.tracing import RECORDS_MAX, AbandonedPart, OutcomePart, Timeline, Trace, Tracing
from dialer.web.auth import Access
from dialer.web.floor import visible
from dialer.web.models import Name, Sent
from dialer.web.problems import ProblemError
from dialer.web.query import number_param, whole, words
from dialer.web.routes import Call, Route, Site

AGENTS_USUAL = 20  # of the world as it is, while nobody works


class ExperimentRequest(Sent):
    """The world as it might be; what is not named stays as it is."""

    campaign: Name
    agents: Annotated[int, Field(ge=1, le=2_000)] | None = None
    answer_rate: Annotated[float, Field(gt=0, le=0.65)] | None = None
    limit: Annotated[float, Field(gt=0, lt=1)] | None = None
    days: Annotated[int, Field(ge=2, le=50)] = 10

    @model_validator(mode="after")
    def _different(self) -> ExperimentRequest:
        if self.agents is None and self.answer_rate is None and self.limit is None:
            raise ValueError("changes nothing: send agents, answer_rate or limit")
        return self


class ForecastRequest(Sent):
    campaign: Name
    days: Annotated[int, Field(ge=5, le=50)] = 20


class ExperimentsAnswer(BaseModel):
    experiments: list[ExperimentView]


class AbandonedAnswer(BaseModel):
    calls: list[AbandonedPart]


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


async def experiments(site: Site, call: Call) -> ExperimentsAnswer:
    return ExperimentsAnswer(experiments=_lab(site).views(call.caller.campaigns))


async def experiment(site: Site, call: Call) -> ExperimentView:
    return _lab(site).view(call.param("experiment"), call.caller.campaigns)


async def start_experiment(site: Site, call: Call) -> ExperimentView:
    body: ExperimentRequest = call.body
    wish = Wish(body.campaign, body.agents, body.answer_rate, body.limit, body.days)
    return _start(site, call, _campaign(site, call, body.campaign), wish)


async def start_forecast(site: Site, call: Call) -> ExperimentView:
    body: ForecastRequest = call.body
    view = _campaign(site, call, body.campaign)
    rate = view.live_answers / view.calls if view.calls else 0.0
    wish = Wish(
        body.campaign,
        answer_rate=min(0.65, rate) or None,
        limit=view.abandon.limit or None,
        days=body.days,
        forecast=True,
        pacer="progressive" if view.mode == "progressive" else "forward",
    )
    return _start(site, call, view, wish)


def _campaign(site: Site, call: Call, name: str) -> CampaignView:
    """One that the caller may see. Raises a 404 problem."""
    if name in visible(site, call):
        for one in site.face.campaigns():
            if one.name == name:
                return one
    raise ProblemError(404, "There is no such campaign.", "See /v1/campaigns.")


def _start(site: Site, call: Call, view: CampaignView, wish: Wish) -> ExperimentView:
    """With as many agents as work now, where it does not say otherwise."""
    now = sum(view.agents.values()) or AGENTS_USUAL
    return _lab(site).start(wish, now, call.caller.name)


async def live_day(site: Site, call: Call) -> Curve:
    if site.house is None:
        raise ProblemError(503, "This server has no curves.", "Ask the dialer itself.")
    name = _campaign(site, call, call.param("campaign")).name
    now = datetime.fromisoformat(site.face.clock().utc)
    return await site.house.charts.live_day(name, now)


async def abandoned(site: Site, call: Call) -> AbandonedAnswer:
    hours = whole(call, "hours", 24, 1, 24 * 31)
    return AbandonedAnswer(calls=await _tracing(site).abandoned(visible(site, call), hours))


async def drop_experiment(site: Site, call: Call) -> None:
    _lab(site).drop(call.param("experiment"), call.caller.campaigns)


def _lab(site: Site) -> Experiments:
    if site.house is None:
        raise ProblemError(503, "This server runs no experiments.", "Ask the dialer itself.")
    return site.house.experiments


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
        "/v1/experiments",
        experiments,
        "What was simulated, the newest first",
        Access.ENGINEER,
        gives=ExperimentsAnswer,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/experiments",
        start_experiment,
        "Simulate days of the world as it might be, beside those as it is",
        Access.ENGINEER,
        takes=ExperimentRequest,
        gives=ExperimentView,
        problems=(404, 429, 503),
    ),
    Route(
        "POST",
        "/v1/forecasts",
        start_forecast,
        "Fit a world to the campaign's own calls and play its days; an experiment like the others",
        Access.ENGINEER,
        takes=ForecastRequest,
        gives=ExperimentView,
        problems=(404, 429, 503),
    ),
    Route(
        "GET",
        "/v1/pacing/{campaign}/day",
        live_day,
        "The day so far, in the figures of a forecast",
        Access.ENGINEER,
        gives=Curve,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/abandoned",
        abandoned,
        "The calls that were abandoned of late, the newest first",
        Access.ENGINEER,
        gives=AbandonedAnswer,
        problems=(400, 503),
        params=(number_param("hours", 24, 1, 24 * 31, "How far back."),),
    ),
    Route(
        "GET",
        "/v1/experiments/{experiment}",
        experiment,
        "One of them: its progress and its result",
        Access.ENGINEER,
        gives=ExperimentView,
        problems=(404, 503),
    ),
    Route(
        "DELETE",
        "/v1/experiments/{experiment}",
        drop_experiment,
        "Cancel it, or forget it when it has ended",
        Access.ENGINEER,
        problems=(404, 503),
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
