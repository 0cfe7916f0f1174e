"""Signing in at the page: the cookie, the word against CSRF, and what must not get in."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from dialer.server.credentials import totp_code
from dialer.server.people import Kind, NewUser, Role
from dialer.web.auth import COOKIE, csrf_of
from dialer.web.settings import WebSettings
from tests.web.conftest import SUPERVISOR, VIEWER, Desk
from tests.web.fake_face import FakeFace
from tests.web.fake_people import PASSWORD, people


async def _sign_in(desk: Desk, name: str = "sam", password: str = PASSWORD, **more: Any) -> Any:
    body = {"name": name, "password": password, **more.pop("fields", {})}
    async with desk.http.post("/v1/session", json=body, **more) as answer:
        return answer.status, await answer.json(), answer.cookies


class Browser:
    """Somebody signed in at a page."""

    def __init__(self, desk: Desk, token: str) -> None:
        self._desk = desk
        self.token = token

    @classmethod
    async def of(cls, desk: Desk, name: str) -> Browser:
        password = desk.face.passwords.get(name, PASSWORD)
        return cls(desk, await desk.people.sign_in(name, password, "", "", Kind.BROWSER))

    async def ask(self, method: str, path: str, **more: Any) -> tuple[int, Any]:
        headers = {
            "Cookie": f"{COOKIE}={self.token}",
            "X-CSRF-Token": csrf_of(self.token),
            "Origin": self._desk.url,
        }
        async with self._desk.http.request(method, path, headers=headers, **more) as answer:
            body = await answer.json() if "json" in answer.content_type else {}
            return answer.status, body


async def test_nobody_then_somebody_then_nobody(desk: Desk) -> None:
    async with desk.http.get("/v1/session") as answer:
        body = await answer.json()
    assert (answer.status, body["signed_in"], body["user"], body["csrf"]) == (200, False, None, "")
    assert body["ways"] == {"password": True, "oidc": ""}
    status, body, cookies = await _sign_in(desk)
    assert status == 200
    assert body["user"] == {
        "name": "sam",
        "title": "Sam",
        "roles": ["supervisor"],
        "campaigns": None,
        "rights": ["watch", "direct", "run", "customers", "knowledge"],
    }
    cookie = cookies[COOKIE]
    assert (cookie["httponly"], cookie["samesite"], cookie["path"]) == (True, "Strict", "/")
    assert body["csrf"] == csrf_of(cookie.value)
    browser = Browser(desk, cookie.value)
    assert (await browser.ask("GET", "/v1/session"))[1]["user"]["name"] == "sam"
    assert (await browser.ask("POST", "/v1/campaigns/spring/pause"))[0] == 204
    assert desk.face.heard[-1] == ("campaign", "spring", "pause", "sam")
    assert (await browser.ask("DELETE", "/v1/session"))[0] == 204
    assert (await browser.ask("GET", "/v1/wallboard"))[0] == 401


async def test_a_configured_token_is_told_what_it_may(desk: Desk) -> None:
    for token, rights in ((VIEWER, ["watch"]), (SUPERVISOR, ["watch", "direct"])):
        headers = {"Authorization": f"Bearer {token}"}
        async with desk.http.get("/v1/session", headers=headers) as answer:
            body = await answer.json()
        assert body["user"]["rights"][: len(rights)] == rights
        assert body["csrf"] == ""


async def test_a_planted_cookie_is_worth_nothing_after_the_sign_in(desk: Desk) -> None:
    """Session fixation: the token is made anew, and the one that came along ends."""
    planted = await desk.people.sign_in("bob", desk.face.passwords["bob"], "", "", Kind.BROWSER)
    for token in (planted, "a-token-of-my-choosing"):
        _, _, cookies = await _sign_in(desk, headers={"Cookie": f"{COOKIE}={token}"})
        assert cookies[COOKIE].value != token
        assert desk.people.person_of(token) is None


async def test_sign_in_from_another_sites_page_is_refused(desk: Desk) -> None:
    """Log-in CSRF: nobody is signed in as somebody else without knowing."""
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        status, _, cookies = await _sign_in(desk, headers=headers)
        assert status == 403
        assert COOKIE not in cookies
    form = {"name": "sam", "password": PASSWORD}
    async with desk.http.post("/v1/session", data=form) as answer:
        assert answer.status == 415, "no form of another page can be JSON"


@pytest.mark.usefixtures("site_key")
async def test_the_way_of_one_time_codes(desk: Desk) -> None:
    """Who proves more, or less, goes on under a new token, and all others of that user end."""
    browser, other = await Browser.of(desk, "sam"), await Browser.of(desk, "sam")
    assert (await browser.ask("POST", "/v1/session/totp", json={"password": "no"}))[0] == 403
    _, given = await browser.ask("POST", "/v1/session/totp", json={"password": PASSWORD})
    step = int(desk.people._now_s() // 30)
    code = {"code": totp_code(given["secret"], step)}
    status, body = await browser.ask("PUT", "/v1/session/totp", json=code)
    assert (status, body["totp"]) == (200, True)
    assert body["csrf"] != csrf_of(browser.token)
    for ended in (browser, other):
        assert (await ended.ask("GET", "/v1/wallboard"))[0] == 401
    status, problem, _ = await _sign_in(desk)
    assert (status, problem["errors"][0]["field"]) == (401, "code")
    status, problem, _ = await _sign_in(desk, password="wrong")
    assert (status, problem["errors"]) == (401, []), "a wrong password says nothing of codes"
    fields = {"code": totp_code(given["secret"], step + 1)}
    status, body, cookies = await _sign_in(desk, fields=fields)
    assert (status, body["totp"]) == (200, True)
    browser = Browser(desk, cookies[COOKIE].value)
    status, body = await browser.ask("DELETE", "/v1/session/totp", json={"password": PASSWORD})
    assert (status, body["totp"]) == (200, False)
    assert (await browser.ask("GET", "/v1/wallboard"))[0] == 401


async def test_one_time_codes_without_a_key_are_refused_with_the_mend(desk: Desk) -> None:
    browser = await Browser.of(desk, "sam")
    status, problem = await browser.ask("POST", "/v1/session/totp", json={"password": PASSWORD})
    assert (status, "OVERDIAL_SITE_KEY_FILE" in problem["mend"]) == (503, True)


async def test_who_must_change_the_password_can_do_nothing_else(desk: Desk) -> None:
    view, password = await desk.people.add(NewUser("new", (Role.ADMINISTRATOR,)), "root")
    status, body, cookies = await _sign_in(desk, view.name, password)
    assert (status, body["must_change_password"]) == (200, True)
    browser = Browser(desk, cookies[COOKIE].value)
    for path in ("/v1/users", "/v1/wallboard"):
        status, problem = await browser.ask("GET", path)
        assert (status, "password" in problem["detail"]) == (403, True)
    wall = await desk.open("/v1/wallboard/ws", headers={"Cookie": f"{COOKIE}={browser.token}"})
    await wall.says(type="hello")
    assert await wall.hears_close() == 4403
    change = {"old": password, "new": "a better one than that"}
    status, body = await browser.ask("POST", "/v1/session/password", json=change)
    assert (status, body["must_change_password"]) == (200, False)
    assert (await browser.ask("GET", "/v1/users"))[0] == 401, "the old session has ended"


async def test_a_shift_in_a_browser(desk: Desk) -> None:
    browser = await Browser.of(desk, "ada")
    assert (await browser.ask("GET", "/v1/agent"))[0] == 409
    status, body = await browser.ask("POST", "/v1/agent/shift")
    assert (status, body["agent"]["agent"]) == (200, "ada")
    headers = {"Cookie": f"{COOKIE}={browser.token}", "Origin": desk.url}
    screen = await desk.open(headers=headers)
    await screen.says(type="hello")
    await screen.hears("welcome")
    await screen.hears("agent")
    desk.face.call_arrives("ada")
    await screen.hears_until("agent", state="talk")
    assert (await browser.ask("DELETE", "/v1/session"))[0] == 409, "not during a call"
    desk.face.customer_leaves("ada")
    desk.face.seat("ada", call=None, state="ready")
    assert (await browser.ask("DELETE", "/v1/session"))[0] == 204
    assert ("status", "ada", "logged out", "") in desk.face.heard
    assert await screen.hears_close() == 1000


async def test_logging_out_of_the_shift_leaves_the_browser_signed_in(desk: Desk) -> None:
    browser = await Browser.of(desk, "ada")
    await browser.ask("POST", "/v1/agent/shift")
    await browser.ask("POST", "/v1/agent/status", json={"status": "logged out"})
    assert (await browser.ask("GET", "/v1/agent"))[0] == 409
    assert (await browser.ask("POST", "/v1/agent/shift"))[0] == 200


async def test_users_and_audit_by_an_administrator(desk: Desk) -> None:
    browser = await Browser.of(desk, "root")
    new = {"name": "nina", "title": "Nina", "roles": ["agent"], "campaigns": ["autumn"]}
    assert (await browser.ask("POST", "/v1/users", json=new))[0] == 400, "an agent needs a phone"
    status, made = await browser.ask("POST", "/v1/users", json={**new, "phone": "555"})
    assert (status, made["user"]["roles"]) == (200, ["agent"])
    assert len(made["password"]) >= 16
    status, body = await browser.ask("PATCH", "/v1/users/nina", json={"campaigns": None})
    assert (status, body["campaigns"], body["title"]) == (200, None, "Nina")
    assert (await browser.ask("PATCH", "/v1/users/nina", json={"admin": True}))[0] == 400
    assert (await browser.ask("PATCH", "/v1/users/nobody", json={"title": "x"}))[0] == 404
    _, again = await browser.ask("POST", "/v1/users/nina/password")
    assert again["password"] != made["password"]
    assert (await browser.ask("DELETE", "/v1/users/nina/sessions"))[0] == 204
    assert (await browser.ask("DELETE", "/v1/users/nina/totp"))[0] == 204
    _, listed = await browser.ask("GET", "/v1/users")
    assert {user["name"] for user in listed["users"]} >= {"nina", "ada", "root"}
    assert "password" not in str(listed)
    assert "argon2" not in str(listed)
    _, page = await browser.ask("GET", "/v1/audit?who=root&limit=2")
    assert [entry["action"] for entry in page["entries"]] == ["user.totp_off", "user.signed_out"]
    assert page["more"] is True
    before = page["entries"][-1]["id"]
    _, page = await browser.ask("GET", f"/v1/audit?who=root&before={before}&action=user.added")
    assert [entry["object"] for entry in page["entries"]] == ["nina"]
    assert (await browser.ask("GET", "/v1/audit?limit=0"))[0] == 400


@pytest.mark.parametrize(
    ("settings", "cookie", "policy"),
    [
        (WebSettings(port=0), ("Strict", ""), "frame-ancestors 'none'"),
        (
            WebSettings(
                port=0,
                public_url="https://dialer.example.org",
                hosts=("dialer.example.org",),
                frame_ancestors=("https://crm.example.org",),
            ),
            ("None", True),
            "frame-ancestors https://crm.example.org",
        ),
    ],
)
async def test_cookie_and_policy_follow_the_settings(
    face: FakeFace, settings: WebSettings, cookie: tuple[str, object], policy: str
) -> None:
    accounts, _ = await people(face.passwords)
    desk = Desk(face, settings, accounts)
    url = await desk.server.start()
    async with aiohttp.ClientSession(url) as desk.http:
        _, _, cookies = await _sign_in(desk)
        assert (cookies[COOKIE]["samesite"], cookies[COOKIE]["secure"]) == cookie
        async with desk.http.get("/") as answer:
            assert policy in answer.headers["Content-Security-Policy"]
            assert ("X-Frame-Options" in answer.headers) == ("none" in policy)
            assert ("Strict-Transport-Security" in answer.headers) == bool(settings.public_url)
    await desk.server.close()


async def test_behind_a_proxy_the_address_is_what_the_proxy_says(face: FakeFace) -> None:
    accounts, _ = await people(face.passwords)
    seen: list[str] = []
    real = accounts.sign_in

    async def listening(name: str, password: str, code: str, address: str, kind: Kind) -> str:
        seen.append(address)
        return await real(name, password, code, address, kind)

    accounts.sign_in = listening  # type: ignore[method-assign]
    for proxies, told in (((), "127.0.0.1"), (("127.0.0.1",), "192.0.2.7")):
        desk = Desk(face, WebSettings(port=0, proxies=proxies), accounts)
        url = await desk.server.start()
        async with aiohttp.ClientSession(url) as desk.http:
            await _sign_in(desk, headers={"X-Forwarded-For": "198.51.100.1, 192.0.2.7"})
        await desk.server.close()
        assert seen.pop() == told
