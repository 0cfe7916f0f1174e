"""Customers, scripts and knowledge pages, for who works with them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from dialer.server.casework import Casework, CustomerView, FoundView, Verified
from dialer.server.people import Role
from dialer.web.auth import Access
from dialer.web.floor import visible
from dialer.web.models import Name, Sent
from dialer.web.problems import ProblemError
from dialer.web.query import number_param, text_param, whole, words
from dialer.web.routes import Call, Route, Site

FOUND_MAX = 100


class VerifyRequest(Sent):
    answers: Annotated[
        dict[Name, Annotated[str, Field(max_length=100)]], Field(min_length=1, max_length=10)
    ]


class StepView(BaseModel):
    id: str
    title: str
    required: bool
    verify: bool
    html: str


class ScriptAnswer(BaseModel):
    steps: list[StepView]


class Window(BaseModel):
    from_: Annotated[str, Field(serialization_alias="from")]
    to: str


class HoursAnswer(BaseModel):
    zones: list[str]
    windows: list[Window]


class CustomersAnswer(BaseModel):
    customers: list[FoundView]
    more: bool


class PageView(BaseModel):
    page: str
    title: str
    campaigns: list[str]


class PagesAnswer(BaseModel):
    pages: list[PageView]


class PageAnswer(BaseModel):
    page: str
    title: str
    html: str


async def current(site: Site, call: Call) -> CustomerView:
    return await _casework(site).current(call.caller.name)


async def verify(site: Site, call: Call) -> Verified:
    body: VerifyRequest = call.body
    return await _casework(site).verify(call.caller.name, body.answers)


async def show_script(site: Site, call: Call) -> ScriptAnswer:
    steps = _casework(site).script(call.caller.name)
    return ScriptAnswer(
        steps=[
            StepView(id=s.id, title=s.title, required=s.required, verify=s.verify, html=s.html)
            for s in steps
        ]
    )


async def hours(site: Site, call: Call) -> HoursAnswer:
    zones, windows = _casework(site).callback_hours(call.caller.name)
    return HoursAnswer(
        zones=list(zones), windows=[Window(from_=one.begin, to=one.end) for one in windows]
    )


async def search(site: Site, call: Call) -> CustomersAnswer:
    own, campaign = _own(site, call), words(call, "campaign")
    if campaign and campaign not in own:
        raise ProblemError(404, "There is no such campaign.", "Choose one of yours.")
    found, more = await _casework(site).search(
        words(call, "q", 100),
        (campaign,) if campaign else own,
        whole(call, "limit", 20, 1, FOUND_MAX),
        call.caller.name,
    )
    return CustomersAnswer(customers=found, more=more)


async def show(site: Site, call: Call) -> CustomerView:
    number = call.param("lead")
    if not number.isdecimal() or len(number) > 18:
        raise ProblemError(404, "There is no such customer.", "Search again.")
    person = call.caller.person
    masked = person is None or person.roles <= {Role.AGENT, Role.VIEWER}
    return await _casework(site).customer(
        int(number), call.caller.name, frozenset(_own(site, call)), masked=masked
    )


async def pages(site: Site, call: Call) -> PagesAnswer:
    found = _casework(site).pages(_own(site, call))
    return PagesAnswer(
        pages=[PageView(page=p.page, title=p.title, campaigns=list(c)) for p, c in found]
    )


async def page(site: Site, call: Call) -> PageAnswer:
    found = _casework(site).page(call.param("page"), _own(site, call))
    return PageAnswer(page=found.page, title=found.title, html=found.html)


def _own(site: Site, call: Call) -> tuple[str, ...]:
    """The campaigns of the agent's shift, or those the caller may see."""
    own = visible(site, call)
    view = site.face.agent_view(call.caller.name)
    if view is not None and call.caller.may(Access.AGENT):
        return tuple(name for name in own if name in view.campaigns)
    return own


def _casework(site: Site) -> Casework:
    if site.house is None:
        raise ProblemError(503, "This server knows no customers.", "Ask the dialer itself.")
    return site.house.casework


_WORK = Access.AGENT
CUSTOMERS: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/agent/customer",
        current,
        "The customer of the call",
        _WORK,
        gives=CustomerView,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/verify",
        verify,
        "Compare what the person says with what is on record; audited",
        _WORK,
        takes=VerifyRequest,
        gives=Verified,
        problems=(409, 503),
    ),
    Route(
        "GET",
        "/v1/agent/script",
        show_script,
        "The script of the call, filled in",
        _WORK,
        gives=ScriptAnswer,
        problems=(503,),
    ),
    Route(
        "GET",
        "/v1/agent/callback-hours",
        hours,
        "When the customer may be called in the next 14 days",
        _WORK,
        gives=HoursAnswer,
        problems=(409, 503),
    ),
    Route(
        "GET",
        "/v1/customers",
        search,
        "Search customers by a part of the name, the end of a number, or an id; audited",
        Access.CUSTOMERS,
        gives=CustomersAnswer,
        problems=(400, 404, 503),
        params=(
            text_param("q", "Three signs or more.", 100, required=True),
            text_param("campaign", "In this campaign only."),
            number_param("limit", 20, 1, FOUND_MAX, "Customers in one answer."),
        ),
    ),
    Route(
        "GET",
        "/v1/customers/{lead}",
        show,
        "A customer with history and notes; audited",
        Access.CUSTOMERS,
        gives=CustomerView,
        problems=(404, 503),
    ),
    Route(
        "GET",
        "/v1/knowledge",
        pages,
        "Knowledge pages of one's campaigns",
        Access.KNOWLEDGE,
        gives=PagesAnswer,
        problems=(503,),
    ),
    Route(
        "GET",
        "/v1/knowledge/{page}",
        page,
        "A knowledge page",
        Access.KNOWLEDGE,
        gives=PageAnswer,
        problems=(404, 503),
    ),
)
