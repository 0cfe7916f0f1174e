"""Who is asking: a user by session (cookie or token), a program or a display by configured token.

A role is a set of rights, a route asks for one right: `RIGHTS` is the whole table.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from dialer.server.face import Face
from dialer.server.intake import Scope
from dialer.server.people import Kind, People, Person, Role
from dialer.web.problems import ProblemError
from dialer.web.settings import WebSettings


class Access(StrEnum):
    """What a route asks for: nothing, a session, one right, or a program's scope."""

    PUBLIC = "public"
    SIGNED_IN = "signed in"  # any user, also one who must change the password first
    AGENT = "work"  # take calls
    VIEWER = "watch"  # the floor, campaigns, key figures
    SUPERVISOR = "direct"  # act on agents and campaigns
    RUN = "run"  # start, pause, stop and archive campaigns
    MANAGER = "manage"  # lists, strategies, reports
    ENGINEER = "engineer"  # traces, outcomes, experiments
    ADMINISTRATOR = "administer"  # users, audit
    CUSTOMERS = "customers"  # look customers up
    KNOWLEDGE = "knowledge"  # knowledge pages
    API = "api"  # a program's token, with the route's scope


_A = Access
RIGHTS: Mapping[Role, frozenset[Access]] = {
    Role.VIEWER: frozenset({_A.VIEWER}),
    Role.AGENT: frozenset({_A.AGENT, _A.CUSTOMERS, _A.KNOWLEDGE}),
    Role.SUPERVISOR: frozenset({_A.VIEWER, _A.SUPERVISOR, _A.RUN, _A.CUSTOMERS, _A.KNOWLEDGE}),
    Role.MANAGER: frozenset({_A.VIEWER, _A.MANAGER, _A.RUN, _A.CUSTOMERS, _A.KNOWLEDGE}),
    Role.ENGINEER: frozenset({_A.VIEWER, _A.ENGINEER, _A.KNOWLEDGE}),
    Role.ADMINISTRATOR: frozenset(
        {
            _A.VIEWER,
            _A.SUPERVISOR,
            _A.RUN,
            _A.MANAGER,
            _A.ENGINEER,
            _A.ADMINISTRATOR,
            _A.CUSTOMERS,
            _A.KNOWLEDGE,
        }
    ),
}


@dataclass(frozen=True, slots=True)
class Caller:
    """`campaigns` None: all. `person` None: a configured token. `token` is what came with the
    request, by whichever way."""

    name: str = ""
    token: str = ""
    rights: frozenset[Access] = frozenset()
    scopes: frozenset[Scope] = frozenset()
    campaigns: frozenset[str] | None = None
    person: Person | None = None

    def may(self, asked: Access) -> bool:
        return asked in self.rights

    def sees(self, campaign: str) -> bool:
        return self.campaigns is None or campaign in self.campaigns


PUBLIC = Caller()
CALLERS_MAX = 10_000  # kept at hand
COOKIE = "overdial"


class Door:
    """Tells tokens apart in a time that does not depend on how much of one is right."""

    def __init__(self, face: Face, settings: WebSettings, people: People | None = None) -> None:
        self._face = face
        self._people = people
        self._callers: dict[str, Caller] = {}  # by token, while its person is the same
        self._known = [
            (_digest(token), Caller(name, token, RIGHTS[role]))
            for role, tokens in (
                (Role.SUPERVISOR, settings.supervisors),
                (Role.VIEWER, settings.viewers),
            )
            for name, token in tokens.items()
        ] + [
            (_digest(one.token), Caller(name, one.token, scopes=one.scopes))
            for name, one in settings.tokens.items()
        ]

    def caller(self, token: str) -> Caller | None:
        if self._people is not None and (person := self._people.person_of(token)) is not None:
            if person.kind is Kind.SHIFT and not self._face.on_shift(person.name):
                return None  # its shift is over
            kept = self._callers.get(token)
            if kept is None or kept.person is not person:
                if len(self._callers) >= CALLERS_MAX:
                    self._callers.clear()
                kept = self._callers[token] = _caller(person, token)
            return kept
        digest = _digest(token)
        found: Caller | None = None
        for known, caller in self._known:  # to the end, whatever was found
            if hmac.compare_digest(digest, known):
                found = caller
        return found

    def admit(self, token: str, asked: Access, scope: Scope | None = None) -> Caller:
        """Raises a 401 or 403 problem. A program's token is enough where it has the `scope`."""
        caller = self.caller(token) if token else None
        if asked is Access.PUBLIC:
            return caller or PUBLIC
        if caller is None:
            raise ProblemError(401, "Nobody is signed in with this request.", _HOW[asked])
        if caller.scopes:
            return _program(caller, asked, scope)
        if caller.person is not None and asked is Access.SIGNED_IN:
            return caller
        if caller.person is not None and caller.person.one_time:
            raise ProblemError(
                403, "The password must be changed first.", "POST /v1/session/password."
            )
        if not caller.may(asked):
            raise ProblemError(403, "You may not do this.", _HOW[asked])
        return caller


def _program(caller: Caller, asked: Access, scope: Scope | None) -> Caller:
    if scope is None:
        raise ProblemError(403, "A program's token may not do this.", _HOW[asked])
    if scope not in caller.scopes:
        raise ProblemError(403, f"This token has not the scope {scope}.", "Add it in web.tokens.")
    return caller


def _caller(person: Person, token: str) -> Caller:
    rights = frozenset().union(*(RIGHTS[role] for role in person.roles))
    campaigns = None if person.campaigns is None else frozenset(person.campaigns)
    return Caller(person.name, token, rights, campaigns=campaigns, person=person)


_SIGN_IN = "Sign in by POST /v1/session, or send Authorization: Bearer <token>"
_HOW = {
    Access.SIGNED_IN: "Sign in by POST /v1/session.",
    Access.AGENT: "Sign in by POST /v1/session or POST /v1/agents/login, as an agent.",
    Access.VIEWER: f"{_SIGN_IN} with a configured viewer's or supervisor's token.",
    Access.SUPERVISOR: f"{_SIGN_IN} with a configured supervisor's token.",
    Access.RUN: f"{_SIGN_IN} with a configured supervisor's token, or as a manager.",
    Access.MANAGER: "Sign in by POST /v1/session as a manager.",
    Access.ENGINEER: "Sign in by POST /v1/session as an engineer.",
    Access.ADMINISTRATOR: "Sign in by POST /v1/session as an administrator.",
    Access.CUSTOMERS: "Sign in by POST /v1/session as somebody who works with customers.",
    Access.KNOWLEDGE: "Sign in by POST /v1/session.",
    Access.API: "Send Authorization: Bearer <token> with one of web.tokens.",
}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def csrf_of(token: str) -> str:
    """The word a page must send along with the cookie: known to who may read our answers."""
    return hmac.new(token.encode("utf-8", "surrogatepass"), b"csrf", hashlib.sha256).hexdigest()


def bearer(request: web.Request) -> str:
    """The request's bearer token, empty when it has none."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def cookie(request: web.Request) -> str:
    """The token in the session's cookie, empty when there is none."""
    return request.cookies.get(COOKIE, "")


def token_of(request: web.Request, settings: WebSettings, *, public: bool = False) -> str:
    """What came with the request. Raises a 403 problem for what another site's page may have sent
    in somebody's name (CSRF). Signing in, which is `public`, has no word to send along yet; where
    it comes from is looked at all the same."""
    if token := bearer(request):
        return token
    token = cookie(request)
    if (token or public) and request.method not in ("GET", "HEAD", "OPTIONS"):
        said = request.headers.get("X-CSRF-Token", "").encode("utf-8", "replace")
        right = public or hmac.compare_digest(said, csrf_of(token).encode())
        if not (right and origin_is_ours(request, settings)):
            raise ProblemError(
                403,
                "This request may come from another site's page.",
                "Send the csrf of GET /v1/session as X-CSRF-Token, from a page of this server.",
            )
    return token


def address_of(request: web.Request, settings: WebSettings) -> str:
    """Where the request comes from; behind a proxy of ours, where the proxy says."""
    remote = request.remote or ""
    if remote in settings.proxies:
        told = request.headers.get("X-Forwarded-For", "").rpartition(",")[2].strip()
        return told[:64] or remote
    return remote


def host_is_ours(request: web.Request, settings: WebSettings) -> bool:
    """Against DNS rebinding: a foreign name that leads here is not us."""
    allowed = settings.hosts_allowed
    return allowed is None or _name(request.host) in allowed


def origin_is_ours(request: web.Request, settings: WebSettings) -> bool:
    """A browser names the page that sends a request: it must be one of ours."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") == "cross-site":
        return request.headers.get("Origin") in settings.origins
    origin = request.headers.get("Origin")
    if origin is None:  # not a browser
        return True
    return origin in settings.origins or origin in (
        f"http://{request.host}",
        f"https://{request.host}",  # behind a proxy that does TLS
    )


def _name(host: str) -> str:
    """The name in a Host header, without its port: "[::1]:8080" -> "[::1]"."""
    name, _, port = host.rpartition(":")
    return name if name and port.isdigit() else host
