"""What supervisors do to the floor, and the day's curves."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from dialer.server.charts import Chart, Charts
from dialer.server.face import EscalationView
from dialer.server.supervision import CampaignSettings, SettingsChange, Supervision
from dialer.web.auth import Access
from dialer.web.models import Name, Sent, StatusRequest
from dialer.web.problems import ProblemError
from dialer.web.query import number_param, text_param, whole, words
from dialer.web.routes import Call, Route, Site

Line = Annotated[str, Field(pattern=r"^[^\x00-\x09\x0b-\x1f\x7f]*$")]


class SettingsPatch(Sent):
    """What is not named stays; null: back to the campaign's file."""

    mode: Literal["progressive", "predictive"] | None = None
    abandon_limit: Annotated[float, Field(ge=0, lt=1)] | None = None
    lines_max: Annotated[int, Field(ge=0, le=10_000)] | None = None


class BroadcastRequest(Sent):
    text: Annotated[Line, Field(min_length=1, max_length=500)]
    campaigns: Annotated[list[Name], Field(max_length=1_000, default_factory=list)]


class BroadcastAnswer(BaseModel):
    reached: int


class EscalationsAnswer(BaseModel):
    escalations: list[EscalationView]


class HelpRequest(Sent):
    text: Annotated[Line, Field(max_length=300)] = ""


async def settings(site: Site, call: Call) -> CampaignSettings:
    return _supervision(site).settings(call.param("campaign"))


async def change_settings(site: Site, call: Call) -> CampaignSettings:
    body: SettingsPatch = call.body
    change = SettingsChange(
        frozenset(body.model_fields_set), body.mode, body.abandon_limit, body.lines_max
    )
    return await _supervision(site).change_settings(
        call.param("campaign"), change, call.caller.name
    )


async def force_status(site: Site, call: Call) -> None:
    body: StatusRequest = call.body
    agent = call.param("agent")
    view = site.face.agent_view(agent)
    if view is None or not any(call.caller.sees(name) for name in view.campaigns):
        raise ProblemError(404, "This agent has no shift.", "Look at the floor again.")
    await _supervision(site).force_status(agent, body.status, body.reason, call.caller.name)


async def broadcast(site: Site, call: Call) -> BroadcastAnswer:
    body: BroadcastRequest = call.body
    own = visible(site, call)
    if unknown := set(body.campaigns) - set(own):
        raise ProblemError(
            404, f"{len(unknown)} of these campaigns do not exist.", "See /v1/campaigns."
        )
    reached = await _supervision(site).broadcast(body.text, body.campaigns or own, call.caller.name)
    return BroadcastAnswer(reached=reached)


async def escalations(site: Site, call: Call) -> EscalationsAnswer:
    found = _supervision(site).escalations()
    return EscalationsAnswer(escalations=[one for one in found if call.caller.sees(one.campaign)])


async def act_on_escalation(site: Site, call: Call) -> None:
    number, action = call.param("escalation"), call.param("action")
    if not number.isdecimal() or len(number) > 15 or action not in ("take", "close"):
        raise ProblemError(404, "There is no such thing to do.", "Use take or close.")
    await _supervision(site).act_on_escalation(
        int(number), action, call.caller.name, call.caller.campaigns
    )


async def ask_help(site: Site, call: Call) -> None:
    body: HelpRequest = call.body
    await _supervision(site).ask_help(call.caller.name, body.text)


async def end_help(site: Site, call: Call) -> None:
    await _supervision(site).end_help(call.caller.name)


async def recent(site: Site, call: Call) -> Chart:
    since = whole(call, "since", 0, 0, 2**40)
    return _charts(site).recent(_chosen(site, call), since)


async def day(site: Site, call: Call) -> Chart:
    charts = _charts(site)
    text = words(call, "date", 10)
    try:
        chosen = date.fromisoformat(text) if text else charts.today(_utc(site))
    except ValueError:
        raise ProblemError(400, "date is no day.", "Write it as 2026-11-22.") from None
    if not 1970 < chosen.year < 9000:
        raise ProblemError(400, "date is of no century of ours.", "Correct it.")
    return await charts.day(_chosen(site, call), chosen)


def _utc(site: Site) -> datetime:
    return datetime.fromisoformat(site.face.clock().utc)


def visible(site: Site, call: Call) -> tuple[str, ...]:
    """The campaigns the caller may see."""
    return tuple(one.name for one in site.face.campaigns() if call.caller.sees(one.name))


def _chosen(site: Site, call: Call) -> tuple[str, ...]:
    own, name = visible(site, call), words(call, "campaign")
    if name and name not in own:
        raise ProblemError(404, "There is no such campaign.", "See /v1/campaigns.")
    return (name,) if name else own


def _supervision(site: Site) -> Supervision:
    if site.house is None:
        raise ProblemError(503, "This server has no floor.", "Ask the dialer itself.")
    return site.house.supervision


def _charts(site: Site) -> Charts:
    if site.house is None:
        raise ProblemError(503, "This server has no floor.", "Ask the dialer itself.")
    return site.house.charts


_DIRECT = Access.SUPERVISOR
_OF = text_param("campaign", "Of this campaign only; all one may see otherwise.")
FLOOR: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/campaigns/{campaign}/settings",
        settings,
        "How the campaign dials, and what its file says",
        Access.VIEWER,
        gives=CampaignSettings,
        problems=(404, 503),
    ),
    Route(
        "PATCH",
        "/v1/campaigns/{campaign}/settings",
        change_settings,
        "Change mode and caps: only less than the campaign's file",
        _DIRECT,
        takes=SettingsPatch,
        gives=CampaignSettings,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/agents/{agent}/status",
        force_status,
        "Choose a status for an agent; behind the call if there is one",
        _DIRECT,
        takes=StatusRequest,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/broadcasts",
        broadcast,
        "A word onto agents' screens",
        _DIRECT,
        takes=BroadcastRequest,
        gives=BroadcastAnswer,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/escalations",
        escalations,
        "Agents who ask for a supervisor, the longest waiting first",
        _DIRECT,
        gives=EscalationsAnswer,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/escalations/{escalation}/{action}",
        act_on_escalation,
        "Take or close a call for help",
        _DIRECT,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/help",
        ask_help,
        "Ask for a supervisor",
        Access.AGENT,
        takes=HelpRequest,
        problems=(409, 429, 503),
    ),
    Route("DELETE", "/v1/agent/help", end_help, "No help is needed", Access.AGENT, problems=(503,)),
    Route(
        "GET",
        "/v1/charts/recent",
        recent,
        "The last eight hours, every ten seconds",
        Access.VIEWER,
        gives=Chart,
        problems=(400, 404, 503),
        params=(
            _OF,
            number_param("since", 0, 0, 2**40, "Only after this moment, Unix seconds."),
        ),
    ),
    Route(
        "GET",
        "/v1/charts/day",
        day,
        "A day by quarters of an hour",
        Access.VIEWER,
        gives=Chart,
        problems=(400, 404, 503),
        params=(_OF, text_param("date", "2026-11-22, of the site's zone; today otherwise.", 10)),
    ),
)
