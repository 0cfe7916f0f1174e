"""Signing in at an OpenID Connect provider, and all that must not get in that way."""

from __future__ import annotations

import base64
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from joserfc import jwt
from joserfc.jwk import KeySet, OctKey, RSAKey

from dialer.server.people import UserChange
from dialer.web.settings import Provider, WebSettings
from tests.web.conftest import Desk
from tests.web.fake_face import FakeFace
from tests.web.fake_people import people

CLIENT = "overdial"
SECRET = "clients-secret"


class MockProvider:
    """Authorization endpoint, token endpoint and keys, as RFC 6749, RFC 7636 and OpenID Connect
    Core want them. `twist` changes the claims of the ID token, `signer` who signs it."""

    def __init__(self) -> None:
        self.key = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256", "use": "sig"})
        self.issuer = ""
        self.subject = "s-42"
        self.twist: Callable[[dict[str, Any]], None] = lambda claims: None
        self.sign: Callable[[dict[str, Any]], str] = self._sign
        self.codes: dict[str, dict[str, str]] = {}
        self.token_status = 200

    def _sign(self, claims: dict[str, Any]) -> str:
        return jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)

    def authorize(self, url: str) -> str:
        """What the provider's page does once the person has signed in there: the way back."""
        query = {key: values[0] for key, values in parse_qs(urlsplit(url).query).items()}
        assert query["response_type"] == "code"
        assert query["client_id"] == CLIENT
        assert query["code_challenge_method"] == "S256"
        assert "openid" in query["scope"]
        code = f"code-{len(self.codes)}"
        self.codes[code] = query
        return f"{query['redirect_uri']}?code={code}&state={query['state']}"

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/.well-known/openid-configuration", self._found)
        app.router.add_get("/keys", self._keys)
        app.router.add_post("/token", self._token)
        return app

    async def _found(self, request: web.Request) -> web.Response:
        return web.json_response(
            {
                "issuer": self.issuer,
                "authorization_endpoint": self.issuer + "/authorize",
                "token_endpoint": self.issuer + "/token",
                "jwks_uri": self.issuer + "/keys",
            }
        )

    async def _keys(self, request: web.Request) -> web.Response:
        return web.json_response(KeySet([self.key]).as_dict(private=False))

    async def _token(self, request: web.Request) -> web.Response:
        form = await request.post()
        basic = aiohttp.BasicAuth.decode(request.headers["Authorization"])
        asked = self.codes.pop(str(form["code"]), None)
        digest = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
        if (
            asked is None
            or (basic.login, basic.password) != (CLIENT, SECRET)
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != form["redirect_uri"]
        ):
            return web.json_response({"error": "invalid_grant"}, status=400)
        now = int(time.time())
        claims = {
            "iss": self.issuer,
            "sub": self.subject,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            "preferred_username": "sam",
        }
        self.twist(claims)
        return web.json_response(
            {"access_token": "x", "token_type": "Bearer", "id_token": self.sign(claims)},
            status=self.token_status,
        )


@asynccontextmanager
async def _floor(name_claim: str = "") -> AsyncIterator[tuple[Desk, MockProvider]]:
    provider = MockProvider()
    async with TestServer(provider.app()) as server:
        provider.issuer = str(server.make_url("")).rstrip("/")
        face = FakeFace()
        accounts, keeper = await people(face.passwords)
        settings = WebSettings(
            port=0,
            oidc=Provider(provider.issuer, CLIENT, SECRET, "Company", name_claim),
        )
        desk = Desk(face, settings, accounts)
        desk.keeper = keeper
        url = await desk.server.start()
        jar = aiohttp.CookieJar(unsafe=True)  # 127.0.0.1
        async with aiohttp.ClientSession(url, cookie_jar=jar) as desk.http:
            yield desk, provider
        await desk.server.close()
        assert not desk.failures


async def _go(desk: Desk) -> str:
    async with desk.http.get("/v1/session/oidc", allow_redirects=False) as answer:
        assert answer.status == 302
        return answer.headers["Location"]


async def _come_back(desk: Desk, url: str) -> str:
    async with desk.http.get(url, allow_redirects=False) as answer:
        assert answer.status == 302
        return unquote(answer.headers["Location"])


async def _who(desk: Desk) -> str:
    async with desk.http.get("/v1/session") as answer:
        body = await answer.json()
        assert body["ways"]["oidc"] == "Company"
        return body["user"]["name"] if body["signed_in"] else ""


async def test_a_known_subject_signs_in_whatever_the_name() -> None:
    async with _floor() as (desk, provider):
        await desk.people.change("eve", UserChange(subject="s-42"), "root")
        assert await _come_back(desk, provider.authorize(await _go(desk))) == "/"
        assert await _who(desk) == "eve"


async def test_by_name_only_when_the_site_says_so() -> None:
    async with _floor() as (desk, provider):
        back = await _come_back(desk, provider.authorize(await _go(desk)))
        assert back.startswith("/#signin=You are not a user here.")
        assert await _who(desk) == ""
    async with _floor("preferred_username") as (desk, provider):
        assert await _come_back(desk, provider.authorize(await _go(desk))) == "/"
        assert await _who(desk) == "sam"
    async with _floor("preferred_username") as (desk, provider):
        await desk.people.change("sam", UserChange(subject="another"), "root")
        await _come_back(desk, provider.authorize(await _go(desk)))
        assert await _who(desk) == "", "who has a subject is known by it alone"
        await desk.people.change("sam", UserChange(subject="s-42", disabled=True), "root")
        await _come_back(desk, provider.authorize(await _go(desk)))
        assert await _who(desk) == ""


async def test_state_is_bound_to_the_browser_and_good_once() -> None:
    async with _floor("preferred_username") as (desk, provider):
        back = provider.authorize(await _go(desk))
        desk.http.cookie_jar.clear()  # another browser: somebody planted the link
        assert "did not begin" in await _come_back(desk, back)
        back = provider.authorize(await _go(desk))
        assert await _come_back(desk, back) == "/"
        assert "did not begin" in await _come_back(desk, back)
        for query in ("", "?state=x&code=y", "?code=y"):
            assert "did not begin" in await _come_back(desk, f"/v1/session/oidc/callback{query}")
        assert "refused" in await _come_back(desk, "/v1/session/oidc/callback?error=<script>")


async def test_a_code_of_another_flow_does_not_pass_pkce() -> None:
    async with _floor("preferred_username") as (desk, provider):
        stolen = parse_qs(urlsplit(provider.authorize(await _go(desk))).query)["code"][0]
        state = parse_qs(urlsplit(provider.authorize(await _go(desk))).query)["state"][0]
        back = f"/v1/session/oidc/callback?code={stolen}&state={state}"
        assert "answered with 400" in await _come_back(desk, back)
        assert await _who(desk) == ""


def _set(**claims: Any) -> Callable[[dict[str, Any]], None]:
    return lambda given: given.update(claims)


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda given: given.pop(name) and None


@pytest.mark.parametrize(
    "twist",
    [
        _set(iss="https://evil.example"),
        _set(aud="another client"),
        _set(aud=[CLIENT, "another"], azp="another"),
        _set(exp=1_000_000_000),
        _set(iat=4_000_000_000),
        _set(nonce="another"),
        *(_drop(name) for name in ("iss", "sub", "aud", "exp", "iat", "nonce")),
    ],
)
async def test_an_id_token_that_is_not_for_this_sign_in(
    twist: Callable[[dict[str, Any]], None],
) -> None:
    async with _floor("preferred_username") as (desk, provider):
        provider.twist = twist
        back = await _come_back(desk, provider.authorize(await _go(desk)))
        assert back.startswith("/#signin=The ID token")
        assert await _who(desk) == ""


async def test_a_signature_that_is_not_the_providers() -> None:
    async with _floor("preferred_username") as (desk, provider):
        other = RSAKey.generate_key(2048, {"kid": "k1"})
        shared = OctKey.import_key("x" * 64)
        header = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
        for sign in (
            lambda claims: jwt.encode({"alg": "RS256", "kid": "k1"}, claims, other),
            lambda claims: jwt.encode({"alg": "HS256"}, claims, shared, algorithms=["HS256"]),
            lambda claims: header + "." + provider._sign(claims).split(".")[1] + ".",
            lambda claims: "rubbish",
        ):
            provider.sign = sign
            back = await _come_back(desk, provider.authorize(await _go(desk)))
            assert "signature" in back
        provider.key = RSAKey.generate_key(2048, {"kid": "k2", "alg": "RS256", "use": "sig"})
        provider.sign = lambda c: jwt.encode({"alg": "RS256", "kid": "k2"}, c, provider.key)
        assert await _come_back(desk, provider.authorize(await _go(desk))) == "/", "new keys"


async def test_a_provider_that_is_down_or_odd_is_said() -> None:
    async with _floor() as (desk, provider):
        issuer, provider.issuer = provider.issuer, "https://evil.example"
        assert "another name" in unquote(await _go(desk))
        provider.issuer = issuer
        provider.token_status = 503
        assert "503" in await _come_back(desk, provider.authorize(await _go(desk)))
    async with _floor() as (desk, _):
        oidc = desk.site.oidc
        assert oidc is not None
        oidc._provider = Provider("http://127.0.0.1:9", CLIENT)
        assert "does not answer" in unquote(await _go(desk))
