"""Who is asking: an agent by session token, a supervisor or a viewer by configured token."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import web

from dialer.server.face import Face
from dialer.server.intake import Scope
from dialer.web.problems import ProblemError
from dialer.web.settings import WebSettings


class Access(StrEnum):
    """What a route asks for."""

    PUBLIC = "public"
    AGENT = "agent"
    VIEWER = "viewer"  # a supervisor may as well
    SUPERVISOR = "supervisor"
    API = "api"  # a program's token, with the route's scope


@dataclass(frozen=True, slots=True)
class Caller:
    access: Access
    name: str = ""  # the agent, or the configured name of the token
    token: str = ""
    scopes: frozenset[Scope] = frozenset()


PUBLIC = Caller(Access.PUBLIC)

_ENOUGH = {
    Access.AGENT: (Access.AGENT,),
    Access.VIEWER: (Access.VIEWER, Access.SUPERVISOR),
    Access.SUPERVISOR: (Access.SUPERVISOR,),
    Access.API: (),
}


class Door:
    """Tells tokens apart in a time that does not depend on how much of one is right."""

    def __init__(self, face: Face, settings: WebSettings) -> None:
        self._face = face
        self._known = [
            (_digest(token), Caller(access, name, token))
            for access, tokens in (
                (Access.SUPERVISOR, settings.supervisors),
                (Access.VIEWER, settings.viewers),
            )
            for name, token in tokens.items()
        ] + [
            (_digest(one.token), Caller(Access.API, name, one.token, one.scopes))
            for name, one in settings.tokens.items()
        ]

    def caller(self, token: str) -> Caller | None:
        digest = _digest(token)
        found: Caller | None = None
        for known, caller in self._known:  # to the end, whatever was found
            if hmac.compare_digest(digest, known):
                found = caller
        if found is None and (agent := self._face.agent_of(token)) is not None:
            found = Caller(Access.AGENT, agent, token)
        return found

    def admit(self, token: str, asked: Access, scope: Scope | None = None) -> Caller:
        """Raises a 401 or 403 problem. A program's token is enough where it has the `scope`."""
        if asked is Access.PUBLIC:
            return PUBLIC
        caller = self.caller(token) if token else None
        if caller is None:
            raise ProblemError(401, "No valid token came with this request.", _HOW[asked])
        if caller.access is Access.API and scope is not None:
            if scope not in caller.scopes:
                raise ProblemError(
                    403, f"This token has not the scope {scope}.", "Add it in web.tokens."
                )
            return caller
        if caller.access not in _ENOUGH[asked]:
            raise ProblemError(
                403, f"A token of kind {caller.access} may not do this.", _HOW[asked]
            )
        return caller


_HOW = {
    Access.AGENT: "Log in by POST /v1/agents/login and send Authorization: Bearer <token>.",
    Access.VIEWER: "Send Authorization: Bearer <token> with a configured viewer's or "
    "supervisor's token.",
    Access.SUPERVISOR: "Send Authorization: Bearer <token> with a configured supervisor's token.",
    Access.API: "Send Authorization: Bearer <token> with one of web.tokens.",
}


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def bearer(request: web.Request) -> str:
    """The request's bearer token, empty when it has none."""
    kind, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if kind.lower() == "bearer" else ""


def host_is_ours(request: web.Request, settings: WebSettings) -> bool:
    """Against DNS rebinding: a foreign name that leads here is not us."""
    allowed = settings.hosts_allowed
    return allowed is None or _name(request.host) in allowed


def origin_is_ours(request: web.Request, settings: WebSettings) -> bool:
    """A browser names the page that opens a WebSocket: it must be one of ours."""
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
