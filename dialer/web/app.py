"""The web application: its table of routes, what every answer carries, and its life.

server = WebServer(face, WebSettings(...))
url = await server.start()      # raises WebStartError
...
await server.close()
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import cache

import structlog
from aiohttp import web
from aiohttp.typedefs import Handler as AiohttpHandler

from dialer.clock import wall_s
from dialer.server.bridge import BridgeDesk
from dialer.server.face import Face, HealthView, Refused, WallboardView
from dialer.server.house import House
from dialer.server.intake import Inbound, Scope
from dialer.server.listdesk import ListDesk
from dialer.server.people import People
from dialer.server.reports import Reports
from dialer.tasks import Tasks
from dialer.web import agent_work, agents, problems, sockets, supervisors
from dialer.web.auth import Access, Door, host_is_ours
from dialer.web.bridge import BRIDGE
from dialer.web.customers import CUSTOMERS
from dialer.web.drafts import DRAFTS
from dialer.web.embedded import PANEL
from dialer.web.encode import encode
from dialer.web.engineering import ENGINEERING
from dialer.web.floor import FLOOR
from dialer.web.hub import Hub
from dialer.web.inbound import INBOUND
from dialer.web.lists import LISTS
from dialer.web.metrics import MEDIA, exposition
from dialer.web.models import (
    AcceptRequest,
    AgentAnswer,
    AgentMessage,
    CampaignsAnswer,
    DialAnswer,
    DialRequest,
    DigitsRequest,
    DispositionRequest,
    Hello,
    HoldRequest,
    LoginAnswer,
    LoginRequest,
    PhoneAnswer,
    RecordingRequest,
    SkipRequest,
    StatusRequest,
    ToScreen,
    ViewerMessage,
)
from dialer.web.monitors import MONITORS
from dialer.web.oidc import OIDC, Oidc
from dialer.web.openapi import document
from dialer.web.pages import PAGES
from dialer.web.problems import Problem, ProblemError
from dialer.web.reports import REPORTS
from dialer.web.routes import Call, Route, Site, serve
from dialer.web.session import SESSION
from dialer.web.settings import BODY_MAX, WebSettings
from dialer.web.transfers import TRANSFERS
from dialer.web.users import USERS

log = structlog.get_logger(__name__)

SITE = web.AppKey("site", Site)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; media-src 'self'; manifest-src 'self'; connect-src 'self' {phones}; "
    "base-uri 'none'; form-action 'none'; frame-ancestors {frames}"
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Overdial",  # which versions of what serve here is nobody's business
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(self)",
}

_KEEP_ALIVE_S = 75.0  # real seconds
_CLOSE_LIMIT_S = 5.0  # real seconds for requests under way when the server stops


class WebStartError(Exception):
    """The web side cannot start; the text says why and what to do."""


async def health(site: Site, call: Call) -> web.Response:
    view = site.face.health()
    return web.Response(
        status=200 if view.serving else 503, body=encode(view), content_type="application/json"
    )


ROUTES: tuple[Route, ...] = (
    *PAGES,
    *PANEL,
    *SESSION,
    *OIDC,
    *USERS,
    *FLOOR,
    *MONITORS,
    *TRANSFERS,
    *CUSTOMERS,
    *ENGINEERING,
    *BRIDGE,
    Route(
        "POST",
        "/v1/agents/login",
        agents.log_in,
        "For programs: sign in and begin the agent's shift, or join the one under way",
        takes=LoginRequest,
        gives=LoginAnswer,
        problems=(401, 403, 409, 429, 503),
    ),
    Route(
        "POST",
        "/v1/agent/shift",
        agents.begin_shift,
        "Begin the shift, or join the one under way: the phone rings",
        Access.AGENT,
        gives=AgentAnswer,
        problems=(409, 503),
    ),
    Route(
        "GET",
        "/v1/agent",
        agents.show,
        "The agent's picture",
        Access.AGENT,
        gives=AgentAnswer,
        problems=(409,),
    ),
    Route(
        "GET",
        "/v1/agent/phone",
        agents.phone,
        "What the phone in the agent's browser registers with",
        Access.AGENT,
        gives=PhoneAnswer,
    ),
    Route(
        "POST",
        "/v1/agent/status",
        agents.choose_status,
        "Choose a status; taken at once when free, after the call otherwise",
        Access.AGENT,
        takes=StatusRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/hangup",
        agents.hang_up,
        "Hang up the customer",
        Access.AGENT,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/wrap-up/more",
        agents.more_time,
        "A minute more for the wrap-up, up to half an hour in all",
        Access.AGENT,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/digits",
        agents.send_digits,
        "Key presses to the customer",
        Access.AGENT,
        takes=DigitsRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/recording",
        agents.record,
        "Begin a recording, pause it, go on with it, end it; audited",
        Access.AGENT,
        takes=RecordingRequest,
        problems=(409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/hold",
        agents.hold,
        "The customer hears music, or is back from it",
        Access.AGENT,
        takes=HoldRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/disposition",
        agent_work.post_disposition,
        "Say how the call went",
        Access.AGENT,
        takes=DispositionRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/preview/accept",
        agent_work.post_accept,
        "Have the lead in preview called",
        Access.AGENT,
        takes=AcceptRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/preview/skip",
        agent_work.post_skip,
        "Put the lead in preview back, or hand it over",
        Access.AGENT,
        takes=SkipRequest,
        problems=(409,),
    ),
    Route(
        "POST",
        "/v1/agent/dial",
        agent_work.post_dial,
        "Call a number or a lead",
        Access.AGENT,
        takes=DialRequest,
        gives=DialAnswer,
        problems=(404, 409),
    ),
    Route(
        "GET",
        "/v1/agent/ws",
        sockets.agent_socket,
        "The agent's screen, live",
        Access.AGENT,
        socket=(Hello | AgentMessage, ToScreen),
    ),
    Route(
        "GET",
        "/v1/wallboard",
        supervisors.wallboard,
        "The whole floor",
        Access.VIEWER,
        gives=WallboardView,
    ),
    Route(
        "GET",
        "/v1/wallboard/ws",
        sockets.wallboard_socket,
        "The floor, live",
        Access.VIEWER,
        socket=(Hello | ViewerMessage, ToScreen),
    ),
    Route(
        "GET",
        "/v1/campaigns",
        supervisors.campaigns,
        "All campaigns",
        Access.VIEWER,
        gives=CampaignsAnswer,
    ),
    Route(
        "POST",
        "/v1/campaigns/{campaign}/{action}",
        supervisors.act_on_campaign,
        "Start, pause, resume, stop or archive a campaign: it stays so over a restart",
        Access.RUN,
        problems=(404, 409),
        scope=Scope.CAMPAIGNS,
    ),
    *REPORTS,
    *LISTS,
    *DRAFTS,
    *INBOUND,
    Route("GET", "/healthz", health, "Is it serving, and does it dial", gives=HealthView),
)


def build_app(
    face: Face,
    settings: WebSettings,
    tasks: Tasks,
    real_now: Callable[[], float] = time.monotonic,
    inbound: Inbound | None = None,
    reports: Reports | None = None,
    people: People | None = None,
    lists: ListDesk | None = None,
    bridge: BridgeDesk | None = None,
    house: House | None = None,
) -> web.Application:
    """The application over `face`; its background work runs in `tasks`, whose owner closes it."""
    door = Door(face, settings, people)
    now = face.health()

    def shift_over(agent: str) -> None:
        if people is not None:
            tasks.start("web: shift over", people.end_shift(agent))

    hub = Hub(face, door, settings, now.boot, real_now, shift_over)
    oidc = None
    if settings.oidc is not None:
        oidc = Oidc(settings.oidc, wall_s, face.clock().speed)
    site = Site(
        face,
        door,
        hub,
        settings,
        tasks,
        inbound,
        reports,
        people,
        lists=lists,
        oidc=oidc,
        bridge=bridge,
        house=house,
    )
    app = web.Application(client_max_size=BODY_MAX, middlewares=[_problems, _hosts])
    app[SITE] = site
    app.on_response_prepare.append(_dress)
    app.on_startup.append(_begin)
    app.on_shutdown.append(_stop)
    for route in (*ROUTES, *_told_at_start(site, now.version)):
        app.router.add_route(route.method, route.path, serve(site, route))
    return app


def _told_at_start(site: Site, version: str) -> tuple[Route, ...]:
    """Routes whose answer is prepared once."""
    expose = exposition(site.face, site.hub.count)

    async def metrics(site: Site, call: Call) -> web.Response:
        return web.Response(body=expose(), headers={"Content-Type": MEDIA})

    async def openapi(site: Site, call: Call) -> web.Response:
        return web.Response(body=described, content_type="application/json")

    routes = (
        Route("GET", "/metrics", metrics, "Prometheus metrics", media="text/plain"),
        Route("GET", "/v1/openapi.json", openapi, "This document", gives=dict),
    )
    described = json.dumps(document((*ROUTES, *routes), version)).encode()
    return routes


async def _begin(app: web.Application) -> None:
    app[SITE].hub.start(app[SITE].tasks)


async def _stop(app: web.Application) -> None:
    app[SITE].hub.close_all()


async def _dress(request: web.Request, response: web.StreamResponse) -> None:
    settings = request.app[SITE].settings
    response.headers.update(_HEADERS)
    response.headers.setdefault("Content-Security-Policy", _policy(settings))
    if not settings.frame_ancestors:
        response.headers["X-Frame-Options"] = "DENY"
    if settings.secure:
        response.headers["Strict-Transport-Security"] = "max-age=31536000"
    if request.path.startswith("/v1/"):
        response.headers["Cache-Control"] = "no-store"


@cache
def _policy_of(phones: tuple[str, ...], frames: tuple[str, ...]) -> str:
    return _POLICY.format(phones=" ".join(phones) or "'self'", frames=" ".join(frames) or "'none'")


def _policy(settings: WebSettings) -> str:
    return _policy_of(settings.phone_sockets, settings.frame_ancestors)


@web.middleware
async def _problems(request: web.Request, handler: AiohttpHandler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ProblemError as error:
        return problems.answer(error.problem, _extra(error.problem))
    except Refused as refused:
        problem = ProblemError(refused.status, refused.message, refused.mend).problem
        return problems.answer(problem, _extra(problem))
    except web.HTTPException as error:
        return _from_aiohttp(error)
    except web.RequestPayloadError:
        broken = ProblemError(
            400, "The body is not what its headers say.", "Look at its encoding and its length."
        )
        return problems.answer(broken.problem)
    except Exception as error:
        log.error("a request failed", method=request.method, route=_route(request), exc_info=error)
        failed = ProblemError(
            500, "The server failed on this request.", "Look into its log; it has the place."
        )
        return problems.answer(failed.problem)


def _extra(problem: Problem) -> dict[str, str]:
    return {"WWW-Authenticate": 'Bearer realm="overdial"'} if problem.status == 401 else {}


def _from_aiohttp(error: web.HTTPException) -> web.StreamResponse:
    if error.status < 400:
        raise error
    texts = {
        404: ("There is nothing at this address.", "See /v1/openapi.json for what there is."),
        405: ("This address does not know this method.", "See the Allow header."),
        413: (f"The body is larger than {BODY_MAX} bytes.", "Send less."),
    }
    detail, mend = texts.get(error.status, ("The request was refused.", ""))
    allow = error.headers.get("Allow")
    problem = ProblemError(error.status, detail, mend).problem
    return problems.answer(problem, {"Allow": allow} if allow else None)


@web.middleware
async def _hosts(request: web.Request, handler: AiohttpHandler) -> web.StreamResponse:
    if not host_is_ours(request, request.app[SITE].settings):
        raise ProblemError(
            421, "This server is not known by that name.", "Add the name to web.hosts."
        )
    return await handler(request)


def _route(request: web.Request) -> str:
    """The route's pattern, never the path: a path may hold anything."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "(none)"


class WebServer:
    """The application on a listening socket."""

    def __init__(
        self,
        face: Face,
        settings: WebSettings,
        on_failure: Callable[[str, BaseException], None],
        real_now: Callable[[], float] = time.monotonic,
        inbound: Inbound | None = None,
        reports: Reports | None = None,
        people: People | None = None,
        lists: ListDesk | None = None,
        bridge: BridgeDesk | None = None,
        house: House | None = None,
    ) -> None:
        self._inbound = inbound
        self._lists = lists
        self._reports = reports
        self._people = people
        self._bridge = bridge
        self._house = house
        self._face = face
        self._settings = settings
        self._tasks = Tasks(on_failure)
        self._real_now = real_now
        self._runner: web.AppRunner | None = None
        self.url = ""

    async def start(self) -> str:
        """Listen; the answer is the address to open. Raises `WebStartError`."""
        settings, speed = self._settings, self._face.clock().speed
        app = build_app(
            self._face,
            settings,
            self._tasks,
            self._real_now,
            self._inbound,
            self._reports,
            self._people,
            lists=self._lists,
            bridge=self._bridge,
            house=self._house,
        )
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_KEEP_ALIVE_S * speed,
            shutdown_timeout=_CLOSE_LIMIT_S * speed,
        )
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, settings.host, settings.port).start()
        except OSError as error:
            await self.close()
            raise WebStartError(
                f"web.host/web.port: cannot listen on {settings.host}:{settings.port} "
                f"({error.strerror or 'unknown reason'}); choose another port, or end the "
                "program that uses this one"
            ) from None
        port = self._runner.addresses[0][1]
        self.url = f"http://{_in_url(settings.host)}:{port}"
        return self.url

    async def close(self) -> None:
        """Say goodbye to every screen, then stop listening. Safe to call twice."""
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()
        await self._tasks.close()


def _in_url(host: str) -> str:
    if host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host


__all__ = ["ROUTES", "SITE", "WebServer", "WebStartError", "build_app"]
