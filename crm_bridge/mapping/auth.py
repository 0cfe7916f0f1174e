"""Credentials on a request: none, basic, bearer, OAuth2 (also by a signed assertion) and a keyed
signature.

OAuth2 tokens are kept in memory until shortly before they expire and fetched by one request at a
time. A refresh token that the server replaces is kept in memory only: after a restart the one in
the settings is used again, so choose an application whose refresh tokens do not rotate.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from crm_bridge.mapping.context import MASK
from crm_bridge.mapping.model import Auth
from crm_bridge.mapping.prepare import Prepared
from crm_bridge.mapping.template import TemplateError
from crm_bridge.ports import Clock

_MARGIN_S = 60.0  # before a token expires; longer than any one request may take
_JWT_BEARER = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_ASSERTION_S = 180  # Salesforce takes none that lives longer than three minutes
_LIFE_S = 1800.0  # of a token whose answer says nothing; most CRMs give half an hour or more
_REASONS = frozenset({  # of RFC 6749, and Zoho's and Salesforce's own
    "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "invalid_scope",
    "unsupported_grant_type", "access_denied", "invalid_code", "invalid_client_id", "inactive_user",
})  # fmt: skip
_LIFE_MIN_S = 5.0  # so that a server that says 0 is not asked for a token at every request


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back. `status` None: no HTTP answer, and `why` says why; `unsent`: nor a request
    that anybody got."""

    status: int | None
    why: str = ""
    body: bytes = b""
    retry_after_s: float | None = None
    unsent: bool = False


Exchange = Callable[[Prepared], Awaitable[Reply]]


class AuthError(Exception):
    """No credentials could be had. The text holds no secret; `wait_s` is what the server asked."""

    def __init__(self, text: str, wait_s: float | None = None) -> None:
        super().__init__(text)
        self.wait_s = wait_s


class Credentials:
    """Puts credentials on requests. `settings` is what the connector's templates see."""

    def __init__(self, auth: Auth, settings: Mapping[str, Any], clock: Clock) -> None:
        self._auth = auth
        self._clock = clock
        context = {"settings": settings}
        try:
            self._texts = {name: text.render(context) for name, text in auth.texts.items()}
        except TemplateError as error:
            raise AuthError(f"the credentials cannot be made: {error}") from None
        for name, text in self._texts.items():
            if name != "private_key" and not text.isprintable():
                raise AuthError(f"{name} has a line break in it, or another sign that is none")
        self._turn = asyncio.Lock()
        self._token = ""
        self._expires_at = 0.0

    async def apply(self, request: Prepared, exchange: Exchange) -> Prepared:
        """The request with its credentials; `exchange` is used to fetch a token. `AuthError`."""
        kind, texts = self._auth.type, self._texts
        if kind == "basic":
            pair = f"{texts['user']}:{texts['password']}".encode()
            return _with(request, "Authorization", "Basic " + base64.b64encode(pair).decode())
        if kind == "bearer":
            return _with(request, "Authorization", f"{self._scheme} {texts['token']}")
        if kind == "oauth2":
            token = await self._fresh(exchange)
            return _with(request, "Authorization", f"{self._scheme} {token}")
        if kind == "hmac":
            return self._signed(request)
        return request

    def masked(self, request: Prepared) -> Prepared:
        """As `apply`, with nothing secret in it, for looking at."""
        kind = self._auth.type
        if kind == "hmac":
            more = {self._header: f"{self._texts.get('prefix', '')}{MASK}"}
            if "timestamp_header" in self._texts:
                more[self._texts["timestamp_header"]] = "<seconds>"
            return replace(request, headers={**request.headers, **more})
        if kind == "none":
            return request
        scheme = "Basic" if kind == "basic" else self._scheme
        return _with(request, "Authorization", f"{scheme} {MASK}")

    @property
    def renewable(self) -> bool:
        """Whether a refused token can be replaced by asking again."""
        return self._auth.type == "oauth2"

    def drop(self, request: Prepared) -> None:
        """The token on this request was refused: fetch another, unless that was done meanwhile."""
        if request.headers.get("Authorization") == f"{self._scheme} {self._token}":
            self._token = ""

    @property
    def _scheme(self) -> str:
        return self._texts.get("scheme") or "Bearer"

    @property
    def _header(self) -> str:
        return self._texts.get("header") or "X-Signature"

    def _signed(self, request: Prepared) -> Prepared:
        """The signature of the body, or of `<seconds>.<body>` when there is a timestamp header."""
        headers = dict(request.headers)
        message = request.body or b""
        if "timestamp_header" in self._texts:
            stamp = str(int(self._clock.utc().timestamp()))
            headers[self._texts["timestamp_header"]] = stamp
            message = stamp.encode() + b"." + message
        algorithm = getattr(hashlib, self._auth.choices["algorithm"])
        digest = hmac.new(self._texts["secret"].encode(), message, algorithm).digest()
        in_hex = self._auth.choices["encoding"] == "hex"
        text = digest.hex() if in_hex else base64.b64encode(digest).decode()
        headers[self._header] = f"{self._texts.get('prefix', '')}{text}"
        return replace(request, headers=headers)

    async def _fresh(self, exchange: Exchange) -> str:
        async with self._turn:
            if self._token and self._clock.now() < self._expires_at:
                return self._token
            reply = await exchange(self._token_request())
            if reply.status != 200:
                what = reply.why if reply.status is None else f"HTTP {reply.status}"
                what += _reason(reply.body)
                raise AuthError(f"no token: the authorization server: {what}", reply.retry_after_s)
            try:
                answer = json.loads(reply.body)
                token = answer["access_token"]
                life_s = float(answer.get("expires_in", _LIFE_S))
            except (ValueError, KeyError, TypeError, AttributeError):
                why = f"the authorization server's answer has none{_reason(reply.body)}"
                raise AuthError(f"no token: {why}") from None
            if not isinstance(token, str) or not token.isascii() or not token.isprintable():
                raise AuthError("no token: the authorization server's answer has none")
            if isinstance(answer.get("refresh_token"), str) and "refresh_token" in self._texts:
                self._texts["refresh_token"] = answer["refresh_token"]
            self._token = token
            self._expires_at = self._clock.now() + max(_LIFE_MIN_S, life_s - _MARGIN_S)
            return token

    def _assertion(self) -> str:
        """Who we are and for whom we act, signed with our key (RFC 7523)."""
        texts = self._texts
        now = int(self._clock.utc().timestamp())
        claims = {
            "iss": texts["client_id"],
            "sub": texts["subject"],
            "aud": texts.get("audience") or texts["token_url"],
            "iat": now,
            "exp": now + _ASSERTION_S,
        }
        try:
            return jwt.encode({"alg": "RS256"}, claims, RSAKey.import_key(texts["private_key"]))
        except (JoseError, ValueError):
            raise AuthError("private_key is no RSA key in PEM: give that of the app") from None

    def _token_request(self) -> Prepared:
        texts, choices = self._texts, self._auth.choices
        form = {"grant_type": choices["grant"]}
        if choices["grant"] == "refresh_token":
            form["refresh_token"] = texts["refresh_token"]
        elif choices["grant"] == "jwt_bearer":
            form = {"grant_type": _JWT_BEARER, "assertion": self._assertion()}
        said = ("scope",) if choices["grant"] == "jwt_bearer" else ("scope", "audience")
        form.update({name: texts[name] for name in said if texts.get(name)})
        headers = {
            "Content-Type": "application/x-www-form-urlencoded",
            "Accept": "application/json",
        }
        if choices["client_auth"] == "basic" and "client_secret" in texts:
            pair = f"{texts['client_id']}:{texts['client_secret']}".encode()
            headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
        elif "client_secret" in texts:
            form |= {"client_id": texts["client_id"], "client_secret": texts["client_secret"]}
        return Prepared("POST", texts["token_url"], headers, urlencode(form).encode())


def _reason(body: bytes) -> str:
    """The server's own code, in brackets, when it is a known one; nothing else it says is told."""
    try:
        code = json.loads(body)["error"]
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return ""
    return f" ({code})" if isinstance(code, str) and code in _REASONS else ""


def _with(request: Prepared, name: str, value: str) -> Prepared:
    return replace(request, headers={**request.headers, name: value})
