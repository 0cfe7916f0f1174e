"""The CRM bridge's operations over HTTP: what is asked, in whose name, and what is refused."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from crm_bridge.config import Endpoint
from crm_bridge.deadletters import Selection
from crm_bridge.desk import DeliveryView, Detail, EndpointView, Tried
from dialer.server.people import Kind
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.web.conftest import SUPERVISOR
from tests.web.fake_face import FakeFace
from tests.web.fake_people import PASSWORD, people

NAME = "crm"
ENGINEER = "eve"


def shown(seq: int) -> DeliveryView:
    at = "2026-03-02T09:00:00.000Z"
    return DeliveryView(
        NAME, seq, f"msg_{seq}", "call.completed", at, "dead", 2, None, at, 422, "no"
    )


class FakeDesk:
    """A bridge with three dead letters."""

    def __init__(self) -> None:
        self.replayed: list[Selection] = []
        self.off = True

    def endpoint(self, name: str) -> Endpoint | None:
        return Endpoint(NAME, "https://crm.example/", (b"k" * 32,)) if name == NAME else None

    async def endpoints(self) -> list[EndpointView]:
        return [
            EndpointView(NAME, "https://crm.example/", "", ["durable"], ["*"], "closed", "",
                         0, 0.0, 3, 9, 1, 0.02, 0, 0)
        ]  # fmt: skip

    async def deliveries(
        self, *, endpoint: str = "", state: str = "", type_: str = "", before: int = 0, limit: int
    ) -> list[DeliveryView]:
        known = [shown(seq) for seq in (3, 2, 1) if not before or seq < before]
        return known[:limit] if state in ("", "dead") else []

    async def detail(self, endpoint: str, seq: int) -> Detail | None:
        return Detail(shown(seq)) if (endpoint, seq) == (NAME, 2) else None

    async def replay(self, chosen: Selection) -> int:
        self.replayed.append(chosen)
        return 3

    async def enable(self, endpoint: str) -> bool:
        was, self.off = self.off, False
        return was

    async def test(self, endpoint: Endpoint) -> Tried:
        return Tried(True, "HTTP 204", 0.01)


class Page:
    def __init__(self, http: aiohttp.ClientSession, token: str, desk: FakeDesk) -> None:
        self.http, self.token, self.desk = http, token, desk

    async def ask(self, method: str, path: str, body: Any = None, token: str = "") -> Any:
        headers = {"Authorization": f"Bearer {token or self.token}"}
        async with self.http.request(method, path, json=body, headers=headers) as answer:
            return answer.status, await answer.json(content_type=None)


@pytest.fixture
async def page() -> AsyncIterator[Page]:
    face, desk = FakeFace(), FakeDesk()
    accounts, _ = await people(face.passwords)
    settings = WebSettings(port=0, supervisors={"sue": SUPERVISOR})
    failed: list[BaseException] = []
    server = WebServer(
        face, settings, lambda _, error: failed.append(error), people=accounts, bridge=desk
    )
    url = await server.start()
    token = await accounts.sign_in(ENGINEER, PASSWORD, "", "", Kind.BROWSER)
    async with aiohttp.ClientSession(url) as http:
        yield Page(http, token, desk)
    await server.close()
    assert not failed


async def test_deliveries_are_read_page_by_page(page: Page) -> None:
    status, found = await page.ask("GET", "/v1/bridge/deliveries?limit=2&state=dead")
    assert (status, [one["seq"] for one in found["deliveries"]], found["next"]) == (200, [3, 2], 2)
    _, rest = await page.ask("GET", "/v1/bridge/deliveries?limit=2&before=2")
    assert ([one["seq"] for one in rest["deliveries"]], rest["next"]) == ([1], 0)
    assert (await page.ask("GET", "/v1/bridge/deliveries?state=lost"))[0] == 400


async def test_one_delivery_endpoints_and_a_trial(page: Page) -> None:
    status, found = await page.ask("GET", "/v1/bridge/deliveries/crm/2")
    assert (status, found["delivery"]["error"]) == (200, "no")
    for path in ("crm/9", "other/2", "crm/x", "crm/" + "9" * 30):
        assert (await page.ask("GET", f"/v1/bridge/deliveries/{path}"))[0] == 404
    _, endpoints = await page.ask("GET", "/v1/bridge/endpoints")
    assert endpoints["endpoints"][0]["dead"] == 3
    status, tried = await page.ask("POST", "/v1/bridge/endpoints/crm/test")
    assert (status, tried) == (200, {"ok": True, "answer": "HTTP 204", "took_s": 0.01})
    assert (await page.ask("POST", "/v1/bridge/endpoints/other/test"))[0] == 404
    said = [await page.ask("POST", "/v1/bridge/endpoints/crm/enable") for _ in range(2)]
    assert [one["enabled"] for _, one in said] == [True, False]


async def test_a_replay_says_what_it_is_about(page: Page) -> None:
    body = {"endpoint": "crm", "first": 1, "last": 9, "type": "call.*"}
    assert await page.ask("POST", "/v1/bridge/replay", body) == (200, {"put_back": 3})
    assert page.desk.replayed == [Selection(endpoint="crm", first_seq=1, last_seq=9, type="call.*")]
    for wrong in ({}, {"delivered": True}, {"first": 0}, {"endpoint": "CRM"}, {"all": True}):
        assert (await page.ask("POST", "/v1/bridge/replay", wrong))[0] == 400
    assert len(page.desk.replayed) == 1


async def test_it_is_for_engineers(page: Page) -> None:
    status, _ = await page.ask("GET", "/v1/bridge/endpoints", token=SUPERVISOR)
    assert status == 403
