"""Signing in and out, and one's own password and one-time codes."""

from __future__ import annotations

from typing import Annotated

from aiohttp import web
from pydantic import BaseModel, Field, SecretStr

from dialer.core.events import Status
from dialer.server.face import ClockView, CodeWanted, Refused
from dialer.server.people import Kind, People
from dialer.web.auth import COOKIE, Access, Caller, address_of, cookie, csrf_of
from dialer.web.encode import encode
from dialer.web.models import Name, Sent, Token
from dialer.web.problems import FieldError, ProblemError
from dialer.web.routes import Call, Route, Site

Password = Annotated[SecretStr, Field(min_length=1, max_length=256)]
OneTimeCode = Annotated[str, Field(pattern=r"^[0-9]{6}$")]


class SignInRequest(Sent):
    name: Name
    password: Password
    code: Annotated[str, Field(pattern=r"^([0-9]{6})?$")] = ""


class TicketRequest(Sent):
    ticket: Token


class PasswordRequest(Sent):
    old: Password
    new: Password


class ConfirmRequest(Sent):
    password: Password


class CodeRequest(Sent):
    code: OneTimeCode


class UserPart(BaseModel):
    name: str
    title: str
    roles: list[str]
    campaigns: list[str] | None  # null: all
    rights: list[str]


class Ways(BaseModel):
    password: bool
    oidc: str  # the button's text; empty: there is no provider


class SessionAnswer(BaseModel):
    signed_in: bool
    csrf: str
    must_change_password: bool
    totp: bool
    user: UserPart | None
    ways: Ways
    clock: ClockView
    version: str


class TotpAnswer(BaseModel):
    secret: str
    uri: str


async def show(site: Site, call: Call) -> SessionAnswer:
    return answer(site, call.caller)


async def sign_in(site: Site, call: Call) -> web.Response:
    body: SignInRequest = call.body
    try:
        token = await people_of(site).sign_in(
            body.name,
            body.password.get_secret_value(),
            body.code,
            address_of(call.request, site.settings),
            Kind.BROWSER,
        )
    except CodeWanted as wanted:
        raise ProblemError(
            401, wanted.message, wanted.mend, [FieldError(field="code", message=wanted.message)]
        ) from None
    return await begin(site, call.request, token)


async def sign_in_by_ticket(site: Site, call: Call) -> web.Response:
    body: TicketRequest = call.body
    token = await people_of(site).sign_in_by_ticket(body.ticket)
    return await begin(site, call.request, token)


async def sign_out(site: Site, call: Call) -> web.Response:
    view = site.face.agent_view(call.caller.name)
    if view is not None and view.call is not None:
        raise ProblemError(
            409, "You have a call.", "Choose to log out: it comes after the call; then sign out."
        )
    if view is not None:
        await site.face.choose_status(call.caller.name, Status.LOGGED_OUT, "")
    await people_of(site).sign_out(call.caller.token)
    site.hub.refresh([call.caller.name])
    response = web.Response(status=204)
    response.del_cookie(COOKIE, path="/")
    return response


async def change_password(site: Site, call: Call) -> web.Response:
    body: PasswordRequest = call.body
    token = await people_of(site).change_password(
        call.caller.token, body.old.get_secret_value(), body.new.get_secret_value()
    )
    return await begin(site, call.request, token)


async def begin_totp(site: Site, call: Call) -> TotpAnswer:
    body: ConfirmRequest = call.body
    secret, uri = await people_of(site).begin_totp(
        call.caller.token, body.password.get_secret_value()
    )
    return TotpAnswer(secret=secret, uri=uri)


async def confirm_totp(site: Site, call: Call) -> web.Response:
    body: CodeRequest = call.body
    token = await people_of(site).confirm_totp(call.caller.token, body.code)
    return await begin(site, call.request, token)


async def end_totp(site: Site, call: Call) -> web.Response:
    body: ConfirmRequest = call.body
    token = await people_of(site).end_totp(call.caller.token, body.password.get_secret_value())
    return await begin(site, call.request, token)


# --- what they share ------------------------------------------------------------------------------


def people_of(site: Site) -> People:
    if site.people is None:
        raise ProblemError(503, "This server has no users.", "Ask the dialer itself.")
    return site.people


async def begin(site: Site, request: web.Request, token: str, redirect: str = "") -> web.Response:
    """The new session's cookie. The one that came along ends: whoever planted it in this browser
    has nothing of the new one (session fixation)."""
    if old := cookie(request):
        await people_of(site).sign_out(old)
    caller = site.door.caller(token)
    if caller is None:
        raise Refused("The session has ended.", 401, "Sign in again.")
    if redirect:
        response = web.Response(status=302, headers={"Location": redirect})
    else:
        response = web.Response(body=encode(answer(site, caller)), content_type="application/json")
    framed = bool(site.settings.frame_ancestors) and site.settings.secure
    response.set_cookie(
        COOKIE,
        token,
        path="/",
        httponly=True,
        secure=site.settings.secure,
        samesite="None" if framed else "Strict",  # a CRM's page may show ours in a frame
    )
    return response


def answer(site: Site, caller: Caller) -> SessionAnswer:
    person = caller.person
    user = None
    if caller.name:
        user = UserPart(
            name=caller.name,
            title=person.title if person is not None else caller.name,
            roles=sorted(person.roles) if person is not None else [],
            campaigns=None if caller.campaigns is None else sorted(caller.campaigns),
            rights=[right.value for right in Access if right in caller.rights],
        )
    provider = site.settings.oidc
    return SessionAnswer(
        signed_in=user is not None,
        csrf=csrf_of(caller.token) if person is not None else "",
        must_change_password=person is not None and person.one_time,
        totp=person is not None and person.totp,
        user=user,
        ways=Ways(
            password=site.people is not None, oidc="" if provider is None else provider.label
        ),
        clock=site.face.clock(),
        version=site.face.health().version,
    )


_OWN = Access.SIGNED_IN
SESSION: tuple[Route, ...] = (
    Route("GET", "/v1/session", show, "Who am I", gives=SessionAnswer),
    Route(
        "POST",
        "/v1/session",
        sign_in,
        "Sign in; the answer sets the cookie",
        takes=SignInRequest,
        gives=SessionAnswer,
        problems=(401, 403, 429, 503),
    ),
    Route(
        "POST",
        "/v1/session/ticket",
        sign_in_by_ticket,
        "Sign in with a ticket the server gave out",
        takes=TicketRequest,
        gives=SessionAnswer,
        problems=(401, 403, 503),
    ),
    Route("DELETE", "/v1/session", sign_out, "Sign out", _OWN, problems=(409, 503)),
    Route(
        "POST",
        "/v1/session/password",
        change_password,
        "Change one's own password; all other sessions end",
        _OWN,
        takes=PasswordRequest,
        gives=SessionAnswer,
        problems=(429, 503),
    ),
    Route(
        "POST",
        "/v1/session/totp",
        begin_totp,
        "A secret for one's authenticator, to be confirmed",
        _OWN,
        takes=ConfirmRequest,
        gives=TotpAnswer,
        problems=(409, 429, 503),
    ),
    Route(
        "PUT",
        "/v1/session/totp",
        confirm_totp,
        "Confirm the authenticator: one-time codes are on; all other sessions end",
        _OWN,
        takes=CodeRequest,
        gives=SessionAnswer,
        problems=(409, 429, 503),
    ),
    Route(
        "DELETE",
        "/v1/session/totp",
        end_totp,
        "One-time codes are off; all other sessions end",
        _OWN,
        takes=ConfirmRequest,
        gives=SessionAnswer,
        problems=(429, 503),
    ),
)
