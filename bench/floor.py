"""The world around a measured dialer, each part in a process of its own: PBX, agents, CRM.

A part is told what to do through a pipe and answers once per word. Times are CLOCK_MONOTONIC,
the same in all processes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import random
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import aiohttp

from bench.bridge import RECEIVERS
from bench.proc import on_core
from dialer.tasks import Tasks
from simulator.agents import Account, Manners, SimulatedAgents
from simulator.pbx import AmiServer, Answer, CalledParty, contract_users
from simulator.pbx.exchange import CallLog
from simulator.pbx.party import AGENT_PHONE
from simulator.pbx.session import Session

ANSWER_LIMIT_S = 90.0
RECORD_BYTES_MAX = 64_000_000


@dataclass(frozen=True, slots=True)
class Traffic:
    """Whom a line meets. The rest of the shares rings until the dialer gives up.

    As on a list of average quality; talk and wrap-up are short, so that the floor takes the
    answers of 200 lines a second: 60 answers/s x 6.5 s keep 390 of 500 agents busy.
    """

    live: float = 0.30
    busy: float = 0.12
    invalid: float = 0.05
    declined: float = 0.08  # 480 after some ringing
    setup_s: tuple[float, float] = (0.05, 0.4)
    ring_s: tuple[float, float] = (1.0, 10.0)
    talk_mean_s: float = 5.0
    wrap_up_mean_s: float = 1.5


class Public:
    """The PBX's directory: everybody drawn from one seeded stream."""

    def __init__(self, traffic: Traffic, seed: int = 1) -> None:
        self._traffic = traffic
        self._rng = random.Random(seed)

    def customer(self, number: str, trunk: str) -> CalledParty:
        t, rng = self._traffic, self._rng
        setup_s, ring_s = rng.uniform(*t.setup_s), rng.uniform(*t.ring_s)
        kind = rng.random()
        if (kind := kind - t.live) < 0:
            talk_s = 0.5 + rng.expovariate(1.0 / (t.talk_mean_s - 0.5))
            return CalledParty(setup_s=setup_s, ring_s=ring_s, talk_s=talk_s)
        if (kind := kind - t.busy) < 0:
            return CalledParty(Answer.REFUSED, setup_s, None, sip_status=486)
        if (kind := kind - t.invalid) < 0:
            return CalledParty(Answer.REFUSED, setup_s, None, sip_status=404)
        if kind - t.declined < 0:
            return CalledParty(Answer.REFUSED, setup_s, ring_s, sip_status=480)
        return CalledParty(Answer.NOTHING, setup_s, 0.0)

    def agent(self, phone: str) -> CalledParty:
        return AGENT_PHONE


class Part:
    """A process that does what `ask` tells it."""

    def __init__(self, core: int, work: Callable[..., None], *args: Any) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=work, args=(theirs, *args), daemon=True)
        with on_core(core):
            self.process.start()

    def ask(self, word: str) -> Any:
        """Blocks this process, which has nothing else to do."""
        self._pipe.send(word)
        return self.wait()

    def wait(self) -> Any:
        if not self._pipe.poll(ANSWER_LIMIT_S):
            raise TimeoutError(f"{self.process.name} does not answer")
        return self._pipe.recv()

    @property
    def pid(self) -> int:
        return self.process.pid or 0

    def end(self) -> None:
        self.process.terminate()
        self.process.join(10)


async def _obey(pipe: Connection, words: dict[str, Callable[[], Any]]) -> None:
    """Answer each word until the process is ended."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[str] = asyncio.Queue()

    def hear() -> None:
        try:
            heard.put_nowait(pipe.recv())
        except EOFError:  # the bench was ended
            loop.remove_reader(pipe.fileno())
            heard.put_nowait("")

    loop.add_reader(pipe.fileno(), hear)
    while word := await heard.get():
        done = words[word]()
        pipe.send(await done if asyncio.iscoroutine(done) else done)


# --- the PBX ------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Witnessed:
    """What the PBX saw so far."""

    customers: int
    twice: int  # ids dialled more than once
    events: int  # sent to both of the dialer's sessions
    starts: tuple[float, ...] = field(repr=False)  # when each customer's line was dialled


class _Witness(CallLog):
    def __init__(self) -> None:
        super().__init__()
        self.starts: list[float] = []

    def dialled(self, uniqueid: str) -> None:
        super().dialled(uniqueid)
        if uniqueid.rpartition("-")[2].startswith("c"):
            self.starts.append(time.monotonic())


class _CountingPbx(AmiServer):
    """Counts what is sent, and keeps the events' bytes while `record` is a list."""

    events = 0
    record: list[bytes] | None = None
    kept = 0

    def joined(self, session: Session) -> None:
        plain, sending = session.send, session.send_event

        def send(data: bytes) -> None:
            if data.startswith(b"Event:"):
                self.events += 1
            plain(data)

        def send_event(data: bytes) -> None:
            self.events += 1
            if self.record is not None and self.kept < RECORD_BYTES_MAX:
                self.kept += len(data)
                self.record.append(data)
            sending(data)

        session.send, session.send_event = send, send_event  # type: ignore[method-assign]
        super().joined(session)


def pbx(pipe: Connection, secrets: tuple[str, str], traffic: Traffic, record: Path) -> None:
    asyncio.run(_pbx(pipe, secrets, traffic, record))


async def _pbx(pipe: Connection, secrets: tuple[str, str], traffic: Traffic, record: Path) -> None:
    server = _CountingPbx(Public(traffic), contract_users(*secrets))
    server.log = witness = _Witness()
    await server.start()
    pipe.send(server.port)

    def count() -> Witnessed:
        dialled = [n for leg, n in witness.times_dialled.items()]
        return Witnessed(
            len(witness.starts), sum(n > 1 for n in dialled), server.events, tuple(witness.starts)
        )

    def begin() -> None:
        server.record, server.kept = [], 0

    def keep() -> int:
        events, server.record = server.record or [], None
        record.write_bytes(b"".join(events))
        return len(events)

    await _obey(pipe, {"count": count, "record": begin, "keep": keep})


# --- the agents ---------------------------------------------------------------------------------


def agents(
    pipe: Connection,
    url: str,
    accounts: list[Account],
    traffic: Traffic,
    viewer: str,
    walls: int,
) -> None:
    asyncio.run(_agents(pipe, url, accounts, traffic, viewer, walls))


async def _agents(
    pipe: Connection,
    url: str,
    accounts: list[Account],
    traffic: Traffic,
    viewer: str,
    walls: int,
) -> None:
    manners = Manners(
        wrap_up_mean_s=traffic.wrap_up_mean_s,
        break_share=0.0,
        hangs_up_share=0.1,
        disposes_early_share=0.15,
        login_spread_s=5.0,
        goodbye_s=2.0,
    )
    people = SimulatedAgents(url, accounts, manners=manners)
    failed: list[BaseException] = []
    tasks = Tasks(lambda name, error: failed.append(error))
    async with aiohttp.ClientSession(url) as http:
        for n in range(walls):
            tasks.start(f"wallboard {n}", _watch(http, viewer))
        await people.start()
        pipe.send(None)
        await _obey(
            pipe,
            {
                "log out": people.log_out,
                "failures": lambda: [repr(one) for one in (*people.failures, *failed)],
                "tally": lambda: (people.tally.calls, dict(people.tally.refused)),
            },
        )


async def _watch(http: aiohttp.ClientSession, viewer: str) -> None:
    async with http.ws_connect("/v1/wallboard/ws", max_msg_size=0) as ws:
        await ws.send_json({"type": "hello", "token": viewer})
        async for frame in ws:
            if frame.type is aiohttp.WSMsgType.TEXT and frame.data.startswith('{"type":"ping"'):
                await ws.send_str(json.dumps({"type": "pong"}))


# --- the CRM ------------------------------------------------------------------------------------


def crm(pipe: Connection) -> None:
    """A receiver that answers 204 to everything."""
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    RECEIVERS["sink"](listener)


# --- the bare loop ------------------------------------------------------------------------------


class _Split(asyncio.Protocol):
    """Nothing but reading and cutting the stream into its events."""

    def __init__(self, over: asyncio.Future[None]) -> None:
        self.events = 0
        self._rest = b""
        self._over = over

    def data_received(self, data: bytes) -> None:
        *whole, self._rest = (self._rest + data).split(b"\r\n\r\n")
        self.events += len(whole)

    def connection_lost(self, exc: Exception | None) -> None:
        self._over.set_result(None)


def bare(pipe: Connection, port: int) -> None:
    """Read all that the port sends; answers (events, CPU seconds)."""

    async def read() -> int:
        over = asyncio.get_running_loop().create_future()
        _, reader = await asyncio.get_running_loop().create_connection(
            partial(_Split, over), "127.0.0.1", port
        )
        await over
        return reader.events

    cpu = time.process_time()
    events = asyncio.run(read())
    pipe.send((events, time.process_time() - cpu))


def feed(pipe: Connection, record: Path, pieces_per_s: float) -> None:
    """Send a recorded stream to the first who connects: at once, or in so many pieces a second."""
    data = record.read_bytes()
    listener = socket.create_server(("127.0.0.1", 0))
    pipe.send(listener.getsockname()[1])
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    with connection:
        if not pieces_per_s:
            connection.sendall(data)
            return
        began, events = time.monotonic(), data.split(b"\r\n\r\n")[:-1]
        for n, event in enumerate(events):
            time.sleep(max(0.0, began + n / pieces_per_s - time.monotonic()))
            connection.sendall(event + b"\r\n\r\n")
