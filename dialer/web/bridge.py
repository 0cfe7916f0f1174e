"""The CRM bridge's operations, for engineers: endpoints, deliveries, sending again."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field, model_validator

from dialer.server.bridge import (
    BridgeDesk,
    DeliveryView,
    Detail,
    Endpoint,
    EndpointView,
    Selection,
    Tried,
)
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.problems import ProblemError
from dialer.web.query import number_param, text_param, whole, words
from dialer.web.routes import Call, Route, Site

DELIVERIES_MAX = 200  # of one answer
STATES = ("pending", "delivered", "dead")
_SEQ_MAX = 2**63 - 1
_Seq = Annotated[int, Field(ge=1, le=_SEQ_MAX)]
_EventId = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
_TYPE = r"^[a-z0-9_.]*\*?$"


class EndpointsAnswer(BaseModel):
    endpoints: list[EndpointView]


class DeliveriesAnswer(BaseModel):
    """Ask again with `before` = `next` while it is not 0."""

    deliveries: list[DeliveryView]
    next: int


class ReplayRequest(Sent):
    """Which dead letters; every field that is given narrows the choice. `delivered`: what arrived
    as well; receivers see the same ids again."""

    endpoint: Annotated[str, Field(max_length=64, pattern=r"^[a-z0-9_-]*$")] = ""
    ids: Annotated[list[_EventId], Field(max_length=1000)] = Field(default_factory=list)
    first: _Seq | None = None
    last: _Seq | None = None
    type: Annotated[str, Field(max_length=64, pattern=_TYPE)] = ""
    delivered: bool = False

    @model_validator(mode="after")
    def _narrowed(self) -> ReplayRequest:
        if not (self.endpoint or self.ids or self.first or self.last or self.type):
            raise ValueError("say which: endpoint, ids, first, last or type")
        return self


class ReplayAnswer(BaseModel):
    put_back: int


class EnableAnswer(BaseModel):
    enabled: bool


async def endpoints(site: Site, call: Call) -> EndpointsAnswer:
    return EndpointsAnswer(endpoints=await _desk(site).endpoints())


async def deliveries(site: Site, call: Call) -> DeliveriesAnswer:
    state = words(call, "state")
    if state and state not in STATES:
        raise ProblemError(400, "state is none.", f"Use one of {', '.join(STATES)}.")
    limit = whole(call, "limit", 50, 1, DELIVERIES_MAX)
    found = await _desk(site).deliveries(
        endpoint=words(call, "endpoint"),
        state=state,
        type_=words(call, "type"),
        before=whole(call, "before", 0, 0, _SEQ_MAX),
        limit=limit,
    )
    return DeliveriesAnswer(deliveries=found, next=found[-1].seq if len(found) == limit else 0)


async def delivery(site: Site, call: Call) -> Detail:
    number = call.param("seq")
    seq = int(number) if number.isascii() and number.isdigit() and len(number) <= 18 else 0
    found = await _desk(site).detail(call.param("endpoint"), seq)
    if found is None:
        raise ProblemError(404, "There is no such delivery.", "See /v1/bridge/deliveries.")
    return found


async def replay(site: Site, call: Call) -> ReplayAnswer:
    body: ReplayRequest = call.body
    chosen = Selection(
        endpoint=body.endpoint,
        ids=tuple(body.ids),
        first_seq=body.first,
        last_seq=body.last,
        type=body.type,
        delivered=body.delivered,
    )
    return ReplayAnswer(put_back=await _desk(site).replay(chosen))


async def test(site: Site, call: Call) -> Tried:
    return await _desk(site).test(_endpoint(site, call))


async def enable(site: Site, call: Call) -> EnableAnswer:
    return EnableAnswer(enabled=await _desk(site).enable(_endpoint(site, call).name))


def _desk(site: Site) -> BridgeDesk:
    if site.bridge is None:
        raise ProblemError(503, "This server has no CRM bridge.", "Ask the dialer itself.")
    return site.bridge


def _endpoint(site: Site, call: Call) -> Endpoint:
    found = _desk(site).endpoint(call.param("endpoint"))
    if found is None:
        raise ProblemError(404, "There is no such endpoint.", "See /v1/bridge/endpoints.")
    return found


BRIDGE: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/bridge/endpoints",
        endpoints,
        "The CRM's endpoints: how each does, and what waits",
        Access.ENGINEER,
        gives=EndpointsAnswer,
        problems=(503,),
    ),
    Route(
        "GET",
        "/v1/bridge/deliveries",
        deliveries,
        "Deliveries to the CRM, the newest first",
        Access.ENGINEER,
        gives=DeliveriesAnswer,
        problems=(400, 503),
        params=(
            text_param("endpoint", "Only this endpoint's."),
            text_param("state", f"One of {', '.join(STATES)}."),
            text_param("type", "A type of event, or the beginning of one with a star: call.*"),
            number_param("before", 0, 0, _SEQ_MAX, "The `next` of the last answer."),
            number_param("limit", 50, 1, DELIVERIES_MAX, "Deliveries in one answer."),
        ),
    ),
    Route(
        "GET",
        "/v1/bridge/deliveries/{endpoint}/{seq}",
        delivery,
        "One delivery: its requests and the last attempts, personal data masked",
        Access.ENGINEER,
        gives=Detail,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/v1/bridge/replay",
        replay,
        "Send dead letters again",
        Access.ENGINEER,
        takes=ReplayRequest,
        gives=ReplayAnswer,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/bridge/endpoints/{endpoint}/test",
        test,
        "Send an endpoint a test event now",
        Access.ENGINEER,
        gives=Tried,
        problems=(404, 503),
    ),
    Route(
        "POST",
        "/v1/bridge/endpoints/{endpoint}/enable",
        enable,
        "Send to an endpoint again that was disabled",
        Access.ENGINEER,
        gives=EnableAnswer,
        problems=(404, 503),
    ),
)
