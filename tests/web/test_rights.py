"""Every route by every role: one table says who is let in; a route without a right fails."""

from __future__ import annotations

import re
from typing import Any

from dialer.server.people import Kind, Role, UserChange
from dialer.web.app import ROUTES
from dialer.web.auth import COOKIE, RIGHTS, Access, csrf_of
from dialer.web.routes import Route
from tests.web.conftest import PROGRAM, SUPERVISOR, VIEWER, Desk
from tests.web.fake_people import PASSWORD, STAFF

# What each role may do, said a second time and not taken from the code: a change of rights is to
# be a change of this table.
MAY: dict[Access, set[Role]] = {
    Access.AGENT: {Role.AGENT},
    Access.VIEWER: {
        Role.VIEWER,
        Role.SUPERVISOR,
        Role.MANAGER,
        Role.ENGINEER,
        Role.ADMINISTRATOR,
    },
    Access.SUPERVISOR: {Role.SUPERVISOR, Role.ADMINISTRATOR},
    Access.RUN: {Role.SUPERVISOR, Role.MANAGER, Role.ADMINISTRATOR},
    Access.MANAGER: {Role.MANAGER, Role.ADMINISTRATOR},
    Access.ENGINEER: {Role.ENGINEER, Role.ADMINISTRATOR},
    Access.ADMINISTRATOR: {Role.ADMINISTRATOR},
    Access.CUSTOMERS: {Role.AGENT, Role.SUPERVISOR, Role.MANAGER, Role.ADMINISTRATOR},
    Access.KNOWLEDGE: {
        Role.AGENT,
        Role.SUPERVISOR,
        Role.MANAGER,
        Role.ENGINEER,
        Role.ADMINISTRATOR,
    },
    Access.API: set(),
    Access.SIGNED_IN: set(Role),
    Access.PUBLIC: set(Role),
}
WHO = {"ada": (Role.AGENT,), **STAFF}


def _route_id(route: Route) -> str:
    return f"{route.method} {route.path}"


PLAIN = [route for route in ROUTES if route.socket is None]
HTML = "text/html"
PLACES = {"campaign": "spring", "action": "pause", "name": "base.css"}


def _path(route: Route) -> str:
    return re.sub(r"{(\w+)(?::[^}]*)?}", lambda found: PLACES.get(found[1], "1"), route.path)


async def _cookie(desk: Desk, name: str) -> str:
    password = desk.face.passwords.get(name, PASSWORD)
    return await desk.people.sign_in(name, password, "", "", Kind.BROWSER)


async def _cookies(desk: Desk) -> dict[str, str]:
    """A browser's session of everybody."""
    return {name: await _cookie(desk, name) for name in WHO}


async def _status(desk: Desk, route: Route, token: str, **headers: str) -> int:
    given = {"Cookie": f"{COOKIE}={token}", "X-CSRF-Token": csrf_of(token), **headers}
    async with desk.http.request(
        route.method, _path(route), headers=given, allow_redirects=False
    ) as answer:
        return answer.status


def test_the_table_of_rights_is_the_one_that_was_agreed() -> None:
    for role in Role:
        assert RIGHTS[role] == {
            access
            for access, roles in MAY.items()
            if role in roles and access not in (Access.PUBLIC, Access.SIGNED_IN)
        }


def test_every_route_that_changes_something_or_shows_data_asks_for_a_right() -> None:
    """What is public is said here by name: a new route is not, unless somebody wants it so. Pages
    are: they hold no data."""
    public = {
        _route_id(route)
        for route in ROUTES
        if route.access is Access.PUBLIC and not (route.method == "GET" and route.media == HTML)
    }
    assert public == {
        "GET /static/{name}",
        "GET /panel/files/{name}",
        "GET /v1/session",
        "POST /v1/session",
        "POST /v1/session/ticket",
        "GET /v1/session/oidc",
        "GET /v1/session/oidc/callback",
        "POST /v1/agents/login",
        "GET /healthz",
    }


async def test_every_route_lets_in_its_roles_and_nobody_else(desk: Desk) -> None:
    tokens, wrong = await _cookies(desk), []
    for route in PLAIN:
        for name, roles in WHO.items():
            status = await _status(desk, route, tokens[name])
            let_in = status not in (401, 403, 421)
            if route.access is Access.PUBLIC and status == 401:
                continue  # no ticket, no password: said by the route itself
            if let_in != bool(MAY[route.access] & set(roles)):
                wrong.append(f"{_route_id(route)}: {name}: {status}")
            if route.access is Access.SIGNED_IN:
                tokens[name] = await _cookie(desk, name)
    assert not wrong


async def test_every_route_by_every_token(desk: Desk) -> None:
    wrong = []
    for route in PLAIN:
        if route.access is Access.PUBLIC:
            continue
        may = set() if route.access is Access.SIGNED_IN else MAY[route.access]
        expected = {
            SUPERVISOR: Role.SUPERVISOR in may,
            VIEWER: Role.VIEWER in may,
            PROGRAM: route.scope is not None,  # has every scope
            "": False,
            "x" * 300: False,
            VIEWER[:-1]: False,
            VIEWER + "x": False,
        }
        for token, welcome in expected.items():
            before = list(desk.face.heard)
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            async with desk.http.request(
                route.method, _path(route), headers=headers, allow_redirects=False
            ) as answer:
                let_in = answer.status not in (401, 403)
            if let_in != welcome or (not welcome and desk.face.heard != before):
                wrong.append(f"{_route_id(route)}: {token[:4]}: {answer.status}")
    assert not wrong


async def test_a_campaign_that_may_not_be_seen_is_not_there(desk: Desk) -> None:
    routes = [r for r in PLAIN if "{campaign}" in r.path and r.access is not Access.API]
    assert routes
    for name in STAFF:
        if name != "root":
            await _only(desk, name, ("autumn",))
    tokens, wrong = await _cookies(desk), []
    before = list(desk.face.heard)
    for route in routes:
        for name, roles in WHO.items():
            if name in ("ada", "root") or not MAY[route.access] & set(roles):
                continue
            status = await _status(desk, route, tokens[name])
            if status != 404:
                wrong.append(f"{_route_id(route)}: {name}: {status}")
    assert not wrong
    assert desk.face.heard == before


async def _only(desk: Desk, name: str, campaigns: tuple[str, ...]) -> None:
    await desk.people.change(name, UserChange(campaigns=campaigns), "root")


async def test_lists_and_wallboard_leave_out_what_may_not_be_seen(desk: Desk) -> None:
    await desk.log_in()
    await _only(desk, "sam", ("autumn",))
    token = await desk.people.sign_in("sam", PASSWORD, "", "", Kind.BROWSER)
    headers = {"Cookie": f"{COOKIE}={token}"}
    async with desk.http.get("/v1/campaigns", headers=headers) as answer:
        assert (await answer.json()) == {"campaigns": []}
    async with desk.http.get("/v1/wallboard", headers=headers) as answer:
        board: dict[str, Any] = await answer.json()
    assert (board["campaigns"], board["agents"]) == ([], [])
    wall = await desk.open("/v1/wallboard/ws", headers=headers)
    await wall.says(type="hello")
    await wall.hears("welcome")
    message = await wall.hears("wallboard")
    assert (message["campaigns"], message["agents"]) == ([], [])
    everything = await desk.wallboard()
    assert len((await everything.hears("wallboard"))["agents"]) == 1


async def test_a_page_of_another_site_changes_nothing(desk: Desk) -> None:
    """CSRF: the cookie comes along, the word does not, or the page is another's."""
    tokens, wrong = await _cookies(desk), []
    before, users = list(desk.face.heard), dict(desk.keeper.rows)
    for route in PLAIN:
        if route.method == "GET" or route.access is Access.API:
            continue
        name = next(n for n, roles in WHO.items() if MAY[route.access] & set(roles))
        token = tokens[name]
        tries = [{"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}]
        if route.access is not Access.PUBLIC:
            words = ("", "x", csrf_of(token)[:-1], csrf_of("another"))
            tries += [{"X-CSRF-Token": word} for word in words]
        for headers in tries:
            status = await _status(desk, route, token, **headers)
            if status != 403:
                wrong.append(f"{_route_id(route)}: {headers}: {status}")
    assert not wrong
    assert desk.face.heard == before
    assert desk.keeper.rows == users
