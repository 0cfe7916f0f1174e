"""The scaled loop keeps its pace, and a slow step never eats up a simulated deadline. Real time,
but only fractions of a second of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

from dialer.clock import ScaledLoop, outside_work

SPEED = 30.0


def run(work: Coroutine[Any, Any, float]) -> tuple[float, float]:
    """What `work` returns, and the real seconds it took."""
    before = time.monotonic()
    with asyncio.Runner(loop_factory=lambda: ScaledLoop(SPEED)) as runner:
        result = runner.run(work)
    return result, time.monotonic() - before


def test_keeps_its_pace() -> None:
    async def sleeps() -> float:
        for _ in range(30):
            await asyncio.sleep(0.2)
        return asyncio.get_running_loop().time()

    simulated, real = run(sleeps())
    assert 6.0 <= simulated < 7.0
    assert 0.18 < real < 0.6


def test_a_slow_step_eats_no_deadline_and_is_made_up_for() -> None:
    order: list[str] = []

    async def stalls() -> float:
        loop = asyncio.get_running_loop()
        loop.call_later(2.0, order.append, "deadline")
        time.sleep(0.2)  # noqa: ASYNC251 - 6 simulated seconds at this speed
        await asyncio.sleep(1.0)
        order.append("in time")
        await asyncio.sleep(11.0)
        return loop.time()

    simulated, real = run(stalls())
    assert order == ["in time", "deadline"]
    assert 12.0 <= simulated < 13.0
    assert real < 0.2 + 12.0 / SPEED  # the stall's time was not waited for again


def test_stands_still_while_work_outside_is_under_way() -> None:
    async def waits() -> float:
        loop = asyncio.get_running_loop()
        before = loop.time()
        with outside_work():
            await asyncio.to_thread(time.sleep, 0.1)
        return loop.time() - before

    simulated, real = run(waits())
    assert simulated == 0.0
    assert real >= 0.1


def test_a_socket_is_served_while_it_waits() -> None:
    async def talks() -> float:
        async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(await reader.readline())
            await asyncio.sleep(3.0)
            writer.close()

        server = await asyncio.start_server(echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"x\n")
        assert await reader.readline() == b"x\n"
        assert await reader.read() == b""
        writer.close()
        server.close()
        return asyncio.get_running_loop().time()

    simulated, real = run(talks())
    assert 3.0 <= simulated < 6.0
    assert real >= 3.0 / SPEED * 0.9
