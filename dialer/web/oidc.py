"""Signing in at an OpenID Connect provider: authorization code flow with PKCE (RFC 7636).

The way to the provider and back is bound to one browser by a cookie that holds the state; state,
nonce and verifier are kept here, for ten minutes, and are good once. The ID token is believed when
its signature is one of the provider's keys' and issuer, audience, times and nonce are right; what
algorithm it may have is said here, not by the token.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import structlog
from aiohttp import web
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dialer.server.face import Refused
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site
from dialer.web.session import begin, people_of
from dialer.web.settings import Provider

log = structlog.get_logger(__name__)

ALGORITHMS = ["RS256", "PS256", "ES256", "EdDSA"]  # no "none", and nothing with a shared secret
LEEWAY_S = 60  # between the provider's clock and ours
FLOW_S = 600.0
FLOWS_MAX = 1_000  # under way at once
ANSWER_LIMIT_S = 10.0
ANSWER_MAX = 256 * 1024  # bytes
KEYS_S = 3600.0  # how long discovery and keys are believed
STATE_COOKIE = "overdial-oidc"


class OidcError(Exception):
    """It did not work. The text is for people and holds nothing the provider sent."""


@dataclass(frozen=True, slots=True)
class _Flow:
    nonce: str
    verifier: str
    until: float


@dataclass(frozen=True, slots=True)
class Vouched:
    """Whom the provider vouches for."""

    subject: str
    name: str


class Oidc:
    """One provider. `now_s` are real Unix seconds; `speed` is the loop's clock's."""

    def __init__(self, provider: Provider, now_s: Callable[[], float], speed: float = 1.0) -> None:
        self._provider = provider
        self._now_s = now_s
        self._limit = aiohttp.ClientTimeout(total=ANSWER_LIMIT_S * speed)
        self._flows: dict[str, _Flow] = {}
        self._found: tuple[dict[str, Any], KeySet, float] | None = None
        self._finding = asyncio.Lock()

    async def start(self, redirect_uri: str) -> tuple[str, str]:
        """(where to send the browser, the state to be kept in its cookie)."""
        found, _ = await self._discovered()
        now = self._now_s()
        self._flows = {state: flow for state, flow in self._flows.items() if flow.until > now}
        if len(self._flows) >= FLOWS_MAX:
            raise OidcError("Too many people sign in at once.")
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        self._flows[state] = _Flow(nonce, verifier, now + FLOW_S)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = urlencode(
            {
                "response_type": "code",
                "client_id": self._provider.client_id,
                "redirect_uri": redirect_uri,
                "scope": self._provider.scopes,
                "state": state,
                "nonce": nonce,
                "code_challenge": challenge.decode().rstrip("="),
                "code_challenge_method": "S256",
            }
        )
        endpoint = _endpoint(found, "authorization_endpoint")
        return f"{endpoint}{'&' if '?' in endpoint else '?'}{query}", state

    async def finish(self, state: str, cookie: str, code: str, redirect_uri: str) -> Vouched:
        """What the browser brought back. Raises `OidcError`."""
        if not state or not secrets.compare_digest(state.encode(), cookie.encode()):
            raise OidcError("This browser did not begin that sign-in. Begin again.")
        flow = self._flows.pop(state, None)
        if flow is None or flow.until < self._now_s():
            raise OidcError("The sign-in took too long. Begin again.")
        found, _ = await self._discovered()
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_uri,
            "client_id": self._provider.client_id,
            "code_verifier": flow.verifier,
        }
        headers = {}
        if self._provider.client_secret:  # RFC 6749 section 2.3.1
            pair = f"{quote(self._provider.client_id)}:{quote(self._provider.client_secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        answer = await self._ask(
            "POST", _endpoint(found, "token_endpoint"), data=form, headers=headers
        )
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise OidcError("The provider sent no ID token.")
        claims = await self._verified(token, flow.nonce)
        name = claims.get(self._provider.name_claim, "") if self._provider.name_claim else ""
        return Vouched(str(claims["sub"]), str(name))

    async def _verified(self, token: str, nonce: str) -> Mapping[str, Any]:
        _, keys = await self._discovered()
        try:
            decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
        except (JoseError, ValueError):
            _, keys = await self._discovered(anew=True)  # the provider may have changed its keys
            try:
                decoded = jwt.decode(token, keys, algorithms=ALGORITHMS)
            except (JoseError, ValueError) as error:
                raise OidcError("The ID token's signature is not the provider's.") from error
        registry = jwt.JWTClaimsRegistry(
            now=int(self._now_s()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._provider.issuer},
            sub={"essential": True},
            aud={"essential": True, "value": self._provider.client_id},
            exp={"essential": True},
            iat={"essential": True},
            nonce={"essential": True, "value": nonce},
        )
        try:
            registry.validate(decoded.claims)
        except (JoseError, ValueError) as error:
            raise OidcError("The ID token is not for this sign-in.") from error
        audience = decoded.claims["aud"]
        shared = isinstance(audience, list) and len(audience) > 1
        if shared and decoded.claims.get("azp") != self._provider.client_id:
            raise OidcError("The ID token was made for somebody else.")
        return dict(decoded.claims)

    async def _discovered(self, *, anew: bool = False) -> tuple[dict[str, Any], KeySet]:
        async with self._finding:
            now = self._now_s()
            if self._found is not None and not anew and self._found[2] > now:
                return self._found[:2]
            issuer = self._provider.issuer
            found = await self._ask("GET", issuer.rstrip("/") + "/.well-known/openid-configuration")
            if found.get("issuer") != issuer:
                raise OidcError("The provider calls itself by another name than web.oidc.issuer.")
            listed = await self._ask("GET", _endpoint(found, "jwks_uri"))
            try:
                keys = KeySet.import_key_set(listed)  # type: ignore[arg-type]  # checked by it
            except (JoseError, ValueError, KeyError, TypeError) as error:
                raise OidcError("The provider's keys cannot be read.") from error
            self._found = found, keys, now + KEYS_S
            return found, keys

    async def _ask(self, method: str, url: str, **more: Any) -> dict[str, Any]:
        try:
            async with (
                aiohttp.ClientSession(timeout=self._limit) as http,
                http.request(method, url, allow_redirects=False, **more) as answer,
            ):
                body = await answer.content.read(ANSWER_MAX)
                if answer.status != 200:
                    raise OidcError(f"The provider answered with {answer.status}.")
                value = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OidcError("The provider does not answer as it should.") from error
        if not isinstance(value, dict):
            raise OidcError("The provider does not answer as it should.")
        return value


def _endpoint(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value.startswith(("https://", "http://")):
        raise OidcError(f"The provider's configuration has no {name}.")
    return value


# --- the two routes -------------------------------------------------------------------------------


async def go(site: Site, call: Call) -> web.Response:
    try:
        url, state = await _oidc(site).start(_redirect_uri(site, call.request))
    except OidcError as error:
        return _back(str(error))
    response = web.Response(status=302, headers={"Location": url})
    response.set_cookie(
        STATE_COOKIE,
        state,
        path="/v1/session/oidc",
        max_age=int(FLOW_S),
        httponly=True,
        secure=site.settings.secure,
        samesite="Lax",  # the provider's page sends the browser back to us
    )
    return response


async def come_back(site: Site, call: Call) -> web.Response:
    query, request = call.request.query, call.request
    try:
        if "error" in query:
            raise OidcError("The provider refused the sign-in.")
        vouched = await _oidc(site).finish(
            query.get("state", ""),
            request.cookies.get(STATE_COOKIE, ""),
            query.get("code", ""),
            _redirect_uri(site, request),
        )
        token = await people_of(site).sign_in_by_provider(vouched.subject, vouched.name)
    except OidcError as error:
        log.warning("a sign-in at the provider failed", why=str(error))
        return _back(str(error))
    except Refused as refused:
        return _back(f"{refused.message} {refused.mend}")
    response = await begin(site, request, token, redirect="/")
    response.del_cookie(STATE_COOKIE, path="/v1/session/oidc")
    return response


def _back(why: str) -> web.Response:
    return web.Response(status=302, headers={"Location": f"/#signin={quote(why)}"})


def _oidc(site: Site) -> Oidc:
    if site.oidc is None:
        raise ProblemError(404, "There is no provider to sign in at.", "Set web.oidc.")
    return site.oidc


def _redirect_uri(site: Site, request: web.Request) -> str:
    base = site.settings.public_url or f"http://{request.host}"
    return f"{base}/v1/session/oidc/callback"


_QUERY = tuple(
    {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
    for name in ("code", "state", "error")
)
OIDC: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/session/oidc",
        go,
        "To the OpenID Connect provider",
        media="*/*",
        problems=(404,),
        moves=True,
    ),
    Route(
        "GET",
        "/v1/session/oidc/callback",
        come_back,
        "Back from the OpenID Connect provider",
        media="*/*",
        problems=(404,),
        params=_QUERY,
        moves=True,
    ),
)
