"""One row per address: the router and the OpenAPI document are both made from these rows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aiohttp import web
from pydantic import BaseModel, ValidationError

from dialer.server.bridge import BridgeDesk
from dialer.server.face import Face
from dialer.server.house import House
from dialer.server.intake import Inbound, Scope
from dialer.server.listdesk import ListDesk
from dialer.server.people import People
from dialer.server.reports import Reports
from dialer.tasks import Tasks
from dialer.web.auth import Access, Caller, Door, token_of
from dialer.web.encode import encode
from dialer.web.hub import Hub
from dialer.web.problems import ProblemError, invalid
from dialer.web.settings import BODY_MAX, WebSettings

if TYPE_CHECKING:
    from dialer.web.oidc import Oidc


@dataclass(frozen=True, slots=True)
class Site:
    """What every handler works with."""

    face: Face
    door: Door
    hub: Hub
    settings: WebSettings
    tasks: Tasks
    inbound: Inbound | None = None
    reports: Reports | None = None
    people: People | None = None
    oidc: Oidc | None = None
    house: House | None = None
    lists: ListDesk | None = None
    bridge: BridgeDesk | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """One request, let in and understood."""

    request: web.Request
    caller: Caller
    body: Any = None

    def param(self, name: str) -> str:
        return self.request.match_info[name]


Handler = Callable[[Site, Call], Awaitable[object]]


@dataclass(frozen=True, slots=True)
class Route:
    """`takes` is the model of the body, `gives` the type of the answer (None: 204); `media` is
    set where the answer is not JSON. A handler may also return a ready `StreamResponse`."""

    method: str
    path: str
    handler: Handler
    summary: str
    access: Access = Access.PUBLIC
    takes: type[BaseModel] | None = None
    gives: type | None = None
    media: str = "application/json"
    socket: tuple[object, object] | None = None  # messages from and to the screen
    problems: tuple[int, ...] = ()  # statuses beyond the usual ones
    scope: Scope | None = None  # that lets a program's token in
    reads: bool = True  # False: the handler reads the body itself; `takes` only describes it
    also_takes: tuple[str, ...] = ()  # further media types of the body
    takes_bytes: tuple[str, ...] = ()  # media types of a body that is a file; the handler reads it
    params: tuple[Mapping[str, Any], ...] = ()  # query and headers, as OpenAPI says them
    moves: bool = False  # answers with 302


def serve(site: Site, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of a route: lets the caller in, reads the body, writes the answer."""

    async def handle(request: web.Request) -> web.StreamResponse:
        caller = Caller()
        if route.socket is None:  # a WebSocket is let in by its first message
            token = token_of(request, site.settings, public=route.access is Access.PUBLIC)
            caller = site.door.admit(token, route.access, route.scope)
            _in_scope(request, caller)
            if route.access is Access.AGENT:
                site.hub.agent_heard(caller.name)
        body = await _read(request, route.takes) if route.takes and route.reads else None
        given = await route.handler(site, Call(request, caller, body))
        if isinstance(given, web.StreamResponse):
            return given
        if route.gives is None:
            return web.Response(status=204)
        return web.Response(body=encode(given, route.gives), content_type="application/json")

    return handle


def _in_scope(request: web.Request, caller: Caller) -> None:
    """What a caller may not see is not there."""
    campaign = request.match_info.get("campaign")
    if campaign is not None and not caller.sees(campaign):
        raise ProblemError(404, "There is no such campaign.", "See /v1/campaigns.")


async def _read(request: web.Request, model: type[BaseModel]) -> BaseModel:
    if request.content_type != "application/json":
        raise ProblemError(
            415, "The body is not marked as JSON.", "Send Content-Type: application/json."
        )
    if (request.content_length or 0) > BODY_MAX:  # told before any of it is taken
        raise web.HTTPRequestEntityTooLarge(BODY_MAX, request.content_length or 0)
    try:
        return model.model_validate_json(await request.read())
    except ValidationError as error:
        raise invalid(error) from None
