"""The HTTP side: sessions, supervisors, refusals, headers, and what gets in without a token."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from typing import Any

import aiohttp
import pytest
from aiohttp.test_utils import unused_port

from dialer.server.face import Refused
from dialer.web.app import WebServer, WebStartError
from dialer.web.settings import WebSettings
from tests.web.conftest import SUPERVISOR, VIEWER, Desk
from tests.web.fake_face import FakeFace


def _with(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def _ask(
    desk: Desk, method: str, path: str, token: str = "", **more: Any
) -> tuple[int, dict[str, Any]]:
    headers = {**(_with(token) if token else {}), **more.pop("headers", {})}
    async with desk.http.request(method, path, headers=headers, **more) as answer:
        text = await answer.text()
        body = json.loads(text) if text and "json" in answer.content_type else {}
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json", text
            assert body["status"] == answer.status
            assert body["detail"]
        return answer.status, body


# --- a day over plain HTTP ------------------------------------------------------------------------


async def test_a_call_from_log_in_to_log_out(desk: Desk) -> None:
    token = await desk.log_in()
    status, body = await _ask(desk, "GET", "/v1/agent", token)
    assert (status, body["agent"]["state"]) == (200, "break")
    assert body["clock"]["speed"] == 1.0
    assert (await _ask(desk, "POST", "/v1/agent/status", token, json={"status": "ready"}))[0] == 204
    attempt = desk.face.call_arrives("ada")
    _, body = await _ask(desk, "GET", "/v1/agent", token)
    assert body["agent"]["call"]["lead"]["phone"] == "+4930901820"
    assert (await _ask(desk, "POST", "/v1/agent/hangup", token))[0] == 204
    said = {"attempt": attempt, "code": "callback", "callback_at": "2026-11-23T09:30:00+01:00"}
    assert (await _ask(desk, "POST", "/v1/agent/disposition", token, json=said))[0] == 204
    out = {"status": "logged out"}
    assert (await _ask(desk, "POST", "/v1/agent/status", token, json=out))[0] == 204
    status, body = await _ask(desk, "GET", "/v1/agent", token)
    assert (status, bool(body["mend"])) == (401, True), "the token ends with the shift"


async def test_a_wrong_password_and_an_unknown_agent_look_the_same(desk: Desk) -> None:
    answers = [
        await _ask(desk, "POST", "/v1/agents/login", json={"agent": agent, "password": "wrong"})
        for agent in ("ada", "nobody")
    ]
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_a_session_that_opens_a_moment_later_is_waited_for(desk: Desk) -> None:
    desk.face.opens_late = True
    token = await desk.log_in()
    assert (await _ask(desk, "GET", "/v1/agent", token))[0] == 200


async def test_a_refusal_becomes_a_problem_with_its_mend(desk: Desk) -> None:
    token = await desk.log_in()
    status, body = await _ask(desk, "POST", "/v1/agent/hangup", token)
    assert (status, body["title"], body["detail"]) == (
        409,
        "Conflict",
        "There is no call to hang up.",
    )
    bad = {"status": "break", "reason": "siesta"}
    status, body = await _ask(desk, "POST", "/v1/agent/status", token, json=bad)
    assert (status, body["mend"]) == (409, "Choose one of the list.")


# --- bodies ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"agent": "ada"}, "password"),
        ({"agent": "", "password": "x"}, "agent"),
        ({"agent": "a\nb", "password": "x"}, "agent"),
        ({"agent": "a" * 65, "password": "x"}, "agent"),
        ({"agent": ["ada"], "password": "x"}, "agent"),
        ({"agent": "ada", "password": "x", "admin": True}, "admin"),
    ],
)
async def test_a_wrong_field_is_named(desk: Desk, body: dict[str, Any], field: str) -> None:
    status, problem = await _ask(desk, "POST", "/v1/agents/login", json=body)
    assert status == 400
    assert [error["field"] for error in problem["errors"]] == [field]


async def test_an_error_never_repeats_what_was_sent(desk: Desk) -> None:
    secret = "hunter2-Mustermann-4930901820"
    for path, body in (
        ("/v1/agents/login", {"agent": secret + "\x00", "password": [secret]}),
        ("/v1/agents/login", secret),
        (f"/v1/{secret}", {}),
    ):
        _, problem = await _ask(desk, "POST", path, json=body)
        assert secret not in json.dumps(problem)


async def test_bodies_that_are_not_json_or_too_large(desk: Desk) -> None:
    login = "/v1/agents/login"
    assert (await _ask(desk, "POST", login, data=b'{"agent": "ada"}'))[0] == 415
    headers = {"Content-Type": "application/json"}
    for broken in (b"", b"{", b"\xff\xfe", b"[" * 5000, b"null", b'"x"'):
        assert (await _ask(desk, "POST", login, data=broken, headers=headers))[0] == 400
    big = b'{"agent": "' + b"a" * 70_000 + b'"}'
    assert (await _ask(desk, "POST", login, data=big, headers=headers))[0] == 413


async def test_no_such_place_and_wrong_method(desk: Desk) -> None:
    assert (await _ask(desk, "GET", "/v1/nothing"))[0] == 404
    async with desk.http.delete("/v1/agent") as answer:
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET"


async def test_a_failure_of_ours_says_nothing_of_it(desk: Desk) -> None:
    def explode(agent: str) -> None:
        raise RuntimeError("Erika Mustermann +4930901820")

    token = await desk.log_in()
    desk.face.agent_view = explode  # type: ignore[assignment,method-assign]
    status, problem = await _ask(desk, "GET", "/v1/agent", token)
    assert status == 500
    assert "Erika" not in json.dumps(problem)


# --- who may do what ------------------------------------------------------------------------------


async def test_a_supervisor_acts_on_campaigns_under_their_name(desk: Desk) -> None:
    for action in ("pause", "resume", "stop", "start"):
        path = f"/v1/campaigns/spring/{action}"
        assert (await _ask(desk, "POST", path, SUPERVISOR))[0] == 204
        assert desk.face.heard[-1] == ("campaign", "spring", action, "sue")
    assert (await _ask(desk, "POST", "/v1/campaigns/spring/explode", SUPERVISOR))[0] == 404
    status, body = await _ask(desk, "POST", "/v1/campaigns/autumn/pause", SUPERVISOR)
    assert (status, body["detail"]) == (404, "There is no such campaign.")


async def test_the_wallboard_and_campaigns_hold_no_customer(desk: Desk) -> None:
    await desk.log_in()
    desk.face.call_arrives("ada")
    for path in ("/v1/wallboard", "/v1/campaigns", "/metrics", "/healthz", "/v1/openapi.json"):
        async with desk.http.get(path, headers=_with(VIEWER)) as answer:
            assert answer.status == 200
            text = await answer.text()
            for personal in ("Erika", "Mustermann", "4930901820", "482.10"):
                assert personal not in text


# --- pages, headers, hosts ------------------------------------------------------------------------


async def test_every_answer_is_dressed(desk: Desk) -> None:
    for path in ("/", "/agent", "/wallboard", "/static/mark.svg", "/v1/nothing", "/healthz"):
        async with desk.http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "script-src 'self'" in policy
            assert "unsafe" not in policy
            assert "frame-ancestors 'none'" in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
            assert answer.headers["Server"] == "Overdial"
    async with desk.http.get("/v1/wallboard", headers=_with(VIEWER)) as answer:
        assert answer.headers["Cache-Control"] == "no-store"


async def test_pages_are_whole_and_need_nothing_from_elsewhere(desk: Desk) -> None:
    for page in ("/", "/agent", "/wallboard"):
        async with desk.http.get(page) as answer:
            html = await answer.text()
        assert answer.content_type == "text/html"
        assert not re.search(r"<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=|https?://", html)
        for asset in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            async with desk.http.get(asset) as answer:
                assert answer.status == 200, asset
                assert "http://" not in (await answer.text()).replace("http://www.w3.org", "")


async def test_a_page_that_did_not_change_is_not_sent_again(desk: Desk) -> None:
    async with desk.http.get("/static/mark.svg") as answer:
        tag = answer.headers["ETag"]
    async with desk.http.get("/static/mark.svg", headers={"If-None-Match": tag}) as answer:
        assert answer.status == 304


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/..%2fapp.py",
        "/static/%2e%2e/app.py",
        "/static//etc/passwd",
        "/static/..\\app.py",
        "/static/%00",
        "/static/",
        "/static/base.css/../../app.py",
    ],
)
async def test_no_path_leads_out_of_the_pages(desk: Desk, path: str) -> None:
    reader, writer = await _raw(desk, f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    answer = await reader.readline()
    writer.close()
    assert answer.split()[1] in (b"404", b"400"), answer


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8080", "127.0.0.1.evil.example"])
async def test_a_foreign_name_for_this_server_is_refused(desk: Desk, host: str) -> None:
    status, body = await _ask(desk, "GET", "/agent", headers={"Host": host})
    assert status == 421
    assert "web.hosts" in body["mend"]


@pytest.mark.parametrize("host", ["localhost", "localhost:8080", "127.0.0.1", "[::1]:8080"])
async def test_loopback_names_are_known(desk: Desk, host: str) -> None:
    assert (await _ask(desk, "GET", "/healthz", headers={"Host": host}))[0] == 200


async def _raw(desk: Desk, text: str) -> Any:
    port = int(desk.url.rpartition(":")[2])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(text.encode())
    return reader, writer


# --- health, settings, start ----------------------------------------------------------------------


async def test_health_tells_serving_from_dialling(desk: Desk) -> None:
    assert (await _ask(desk, "GET", "/healthz"))[1]["ok"] is True
    desk.face.problems = ("PBX main: wrong password for manager user overdial",)
    status, body = await _ask(desk, "GET", "/healthz")
    assert (status, body["ok"], body["serving"]) == (200, False, True)
    assert body["problems"] == ["PBX main: wrong password for manager user overdial"]
    desk.face.serving = False
    async with desk.http.get("/healthz") as answer:
        assert answer.status == 503


def test_settings_refuse_what_would_be_unsafe() -> None:
    with pytest.raises(ValueError, match=r"web\.viewers\.wall: .* shorter than 16") as error:
        WebSettings(viewers={"wall": "short"})
    assert "'short'" not in str(error.value)
    with pytest.raises(ValueError, match=r"web\.port"):
        WebSettings(port=70_000)


async def test_a_taken_port_is_said_with_its_mend(face: FakeFace) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        server = WebServer(face, WebSettings(port=taken.getsockname()[1]), lambda *_: None)
        with pytest.raises(WebStartError, match="choose another port"):
            await server.start()


async def test_the_port_is_free_again_after_close(face: FakeFace) -> None:
    port = unused_port()
    for _ in range(2):
        server = WebServer(face, WebSettings(port=port), lambda *_: None)
        url = await server.start()
        async with aiohttp.ClientSession() as http, http.get(url + "/healthz") as answer:
            assert answer.status == 200
        await server.close()
        await server.close()


async def test_stopping_says_goodbye_to_every_screen(face: FakeFace) -> None:
    server = WebServer(face, WebSettings(port=0, viewers={"w": VIEWER}), lambda *_: None)
    url = await server.start()
    async with aiohttp.ClientSession(url) as http:
        ws = await http.ws_connect("/v1/wallboard/ws")
        await ws.send_json({"type": "hello", "token": VIEWER})
        assert (await ws.receive_json())["type"] == "welcome"
        await ws.receive_json()
        closing = asyncio.gather(server.close(), ws.receive(timeout=5))
        _, frame = await closing
        assert (frame.type, frame.data) == (aiohttp.WSMsgType.CLOSE, 1001)


def test_refused_is_what_people_read() -> None:
    refused = Refused("No.", 409, "Ask again.")
    assert str(refused) == "No."
