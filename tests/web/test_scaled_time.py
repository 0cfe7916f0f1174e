"""The server on a loop whose seconds pass faster, or jump: screens go on living in real time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import aiohttp
import pytest

from dialer.clock import ScaledLoop
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.web.conftest import VIEWER, ScreenClient
from tests.web.fake_face import FakeFace
from tests.web.fake_people import people


def _on_loop(speed: float | None, work: Callable[[FakeFace, str], Awaitable[None]]) -> None:
    async def main() -> None:
        face = FakeFace(speed=speed or 1000.0)
        failures: list[object] = []
        settings = WebSettings(port=0, viewers={"w": VIEWER})
        accounts, _ = await people(face.passwords)
        server = WebServer(
            face, settings, lambda *failure: failures.append(failure), people=accounts
        )
        await work(face, await server.start())
        await server.close()
        assert not failures

    with asyncio.Runner(loop_factory=lambda: ScaledLoop(speed)) as runner:
        runner.run(main())


async def _a_call_and_an_hour(face: FakeFace, url: str) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(url, timeout=timeout) as http:
        login = {"agent": "ada", "password": "correct horse"}
        async with http.post("/v1/agents/login", json=login) as answer:
            token = (await answer.json())["token"]
        screen = ScreenClient(await http.ws_connect("/v1/agent/ws"))
        await screen.says(type="hello", token=token)
        welcome = await screen.hears("welcome")
        assert welcome["clock"]["speed"] == face.speed
        await screen.hears("agent")
        await asyncio.sleep(3600.0 if face.speed > 999 else 30.0)  # simulated; hardly any real
        assert not screen.ws.closed
        face.call_arrives("ada")
        assert (await screen.hears("agent"))["agent"]["state"] == "talk"
        await screen.says(type="hangup", id="1")
        assert (await screen.hears("ack"))["id"] == "1"
        assert (await screen.hears("agent"))["agent"]["state"] == "wrap-up"
        await screen.says(type="status", id="2", status="ready")
        assert ("screen lost", "ada") not in face.heard


@pytest.mark.parametrize("speed", [30.0, None])
def test_a_call_on_a_loop_of_another_time(
    speed: float | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.web.conftest._PATIENCE_S", 5.0 * (speed or 1e6))
    started = time.monotonic()
    _on_loop(speed, _a_call_and_an_hour)
    assert time.monotonic() - started < 10.0
