"""A server on a loopback port over the scripted face, and screens that talk to it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dialer.server.accounts import Accounts
from dialer.server.intake import Scope
from dialer.store.sitekey import KEY_FILE
from dialer.web.app import SITE, WebServer
from dialer.web.hub import Hub
from dialer.web.routes import Site
from dialer.web.settings import ApiToken, WebSettings
from tests.web.fake_face import FakeFace
from tests.web.fake_people import MemoryKeeper, people

SUPERVISOR = "supervisors-token-0001"
VIEWER = "viewers-token-000000001"
PROGRAM = "a-programs-token-00001"
_PATIENCE_S = 15.0  # for an answer over loopback; never waited for when all is well


class RealClock:
    """The hub's real seconds, moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class ScreenClient:
    """One side of a conversation."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        self.ws = ws
        self.epoch = ""
        self.seq = 0

    async def says(self, **message: Any) -> None:
        await self.ws.send_str(json.dumps(message))

    async def hears(self, kind: str) -> dict[str, Any]:
        """The next message but pings, which must be of this kind."""
        while True:
            frame = await self.ws.receive(timeout=_PATIENCE_S)
            assert frame.type is aiohttp.WSMsgType.TEXT, f"wanted {kind}, got {frame!r}"
            message: dict[str, Any] = json.loads(frame.data)
            if message["type"] == "ping" and kind != "ping":
                continue
            assert message["type"] == kind, f"wanted {kind}, got {message}"
            if "seq" in message:
                self.epoch, self.seq = message["epoch"], message["seq"]
            return message

    async def hears_until(self, kind: str, **wanted: Any) -> dict[str, Any]:
        """Messages of this kind until one whose `agent` has these values."""
        while True:
            message = await self.hears(kind)
            if all(message["agent"][name] == value for name, value in wanted.items()):
                return message

    async def hears_close(self) -> int:
        while True:
            frame = await self.ws.receive(timeout=_PATIENCE_S)
            if frame.type is aiohttp.WSMsgType.TEXT:
                continue
            assert frame.type is aiohttp.WSMsgType.CLOSE, f"cut without a close: {frame!r}"
            code: int = frame.data
            return code


class Desk:
    """The server, the scripted face behind it, and the way to it."""

    def __init__(self, face: FakeFace, settings: WebSettings, people: Accounts) -> None:
        self.face = face
        self.people = people
        self.clock = RealClock()
        self.failures: list[tuple[str, BaseException]] = []
        self.server = WebServer(
            face,
            settings,
            lambda name, error: self.failures.append((name, error)),
            self.clock,
            people=people,
        )
        self.keeper = MemoryKeeper()
        self.http: aiohttp.ClientSession = None  # type: ignore[assignment]
        self.url = ""

    @property
    def site(self) -> Site:
        assert self.server._runner is not None
        return self.server._runner.app[SITE]

    @property
    def hub(self) -> Hub:
        return self.site.hub

    async def log_in(self, agent: str = "ada", password: str = "") -> str:
        body = {"agent": agent, "password": password or self.face.passwords[agent]}
        async with self.http.post("/v1/agents/login", json=body) as answer:
            assert answer.status == 200, await answer.text()
            token: str = (await answer.json())["token"]
            return token

    async def open(self, path: str = "/v1/agent/ws", **options: Any) -> ScreenClient:
        return ScreenClient(await self.http.ws_connect(path, **options))

    async def agent_screen(self, token: str, **hello: Any) -> ScreenClient:
        """An agent's screen after hello, with the first picture drawn."""
        screen = await self.open()
        await screen.says(type="hello", token=token, **hello)
        await screen.hears("welcome")
        await screen.hears("agent")
        return screen

    async def wallboard(self, token: str = VIEWER, **hello: Any) -> ScreenClient:
        screen = await self.open("/v1/wallboard/ws")
        await screen.says(type="hello", token=token, **hello)
        await screen.hears("welcome")
        return screen

    def passes(self, seconds: float) -> None:
        """Real time passes and the sweep looks."""
        self.clock.now += seconds
        self.hub.sweep()


@pytest.fixture
def site_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The site's key, outside of the database: one-time codes need it. To be called: another."""
    path = tmp_path / "site.key"

    def becomes(key: str) -> None:
        path.write_text(key)

    becomes("k" * 40)
    monkeypatch.setenv(KEY_FILE, str(path))
    return becomes


@pytest.fixture
def face() -> FakeFace:
    return FakeFace()


@pytest.fixture
async def desk(face: FakeFace) -> AsyncIterator[Desk]:
    accounts, keeper = await people(face.passwords)
    desk = Desk(
        face,
        WebSettings(
            port=0,
            supervisors={"sue": SUPERVISOR},
            viewers={"w": VIEWER},
            tokens={"crm": ApiToken(PROGRAM, frozenset(Scope))},
        ),
        accounts,
    )
    desk.keeper = keeper
    desk.url = await desk.server.start()
    async with aiohttp.ClientSession(desk.url) as desk.http:
        yield desk
    await desk.server.close()
    assert not desk.failures, desk.failures
    left = {task.get_name() for task in asyncio.all_tasks()} - {asyncio.current_task().get_name()}
    assert not any(name.startswith("web:") for name in left), f"left behind: {left}"
