"""AMI events a second: a bare loop that only reads, this decoder, and the whole link.

    python -m bench.ami [--calls 4000]

A server process sends the events of so many answered calls over loopback, as a real Asterisk 22
recorded them (tests/recorded/talk-customer-hangs-up.evt.ami), each call with its own leg ids. Each
row reads all of them on one core, in a process of its own; the best of three runs counts.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import re
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from dialer.ami.codec import Decoder, Message
from dialer.ami.link import Limits, Link
from dialer.ami.session import Login
from dialer.ami.translate import Translator

RECORDING = Path(__file__).parents[1] / "tests" / "recorded" / "talk-customer-hangs-up.evt.ami"
LOGIN = b"Response: Success\r\nActionID: login-1\r\nMessage: Authentication accepted\r\n\r\n"
GREETING = b"Asterisk Call Manager/11.0.0\r\n"
END = b"Event: Shutdown\r\n\r\n"
RUNS = 3


def stream(calls: int) -> tuple[bytes, int]:
    """The bytes of the events, and how many events they are."""
    blocks = RECORDING.read_bytes().split(b"\r\n\r\n")
    call = b"".join(
        block + b"\r\n\r\n" for block in blocks if b"Timestamp" in block and b"od-rec1" in block
    )
    events = call.count(b"\r\n\r\n")
    made = [re.sub(rb"od-rec1-([ac])\d+", rb"od-bench-\g<1>%07d" % n, call) for n in range(calls)]
    return b"".join(made), events * calls


def serve(server: socket.socket, data: bytes) -> None:
    """One connection: greet, accept the login, send everything, wait for the client to go."""
    connection, _ = server.accept()
    with connection:
        connection.sendall(GREETING)
        connection.recv(65_536)
        connection.sendall(LOGIN + data + END)
        while connection.recv(65_536):
            pass


async def bare_loop(port: int) -> int:
    """Reads the bytes and counts blank lines; nothing can be cheaper and still see messages."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(b"Action: Login\r\n\r\n")
    seen, tail = 0, b""
    while END not in tail:
        data = await reader.read(262_144)
        seen += (tail[-3:] + data).count(b"\r\n\r\n")
        tail = (tail + data)[-64:]
    writer.close()
    return seen - 2


async def decoder_alone(port: int) -> int:
    """The bare loop with every event parsed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**20)
    writer.write(b"Action: Login\r\n\r\n")
    decoder, seen, last = Decoder(banner=True), 0, Message()
    while last.get("Event") != "Shutdown":
        messages = decoder.feed(await reader.read(262_144))
        seen += len(messages)
        last = messages[-1] if messages else last
    writer.close()
    return seen - 2


async def link_only(port: int) -> int:
    return await _link(port, lambda _: None)


async def link_and_translation(port: int) -> int:
    """What the dialer does with an event, up to the core's door."""
    translator, facts = Translator(), []
    loop = asyncio.get_running_loop()

    def handle(message: Message) -> None:
        fact = translator.translate(message, loop.time())
        if fact is not None:
            facts.append(fact)

    seen = await _link(port, handle)
    assert facts
    return seen


async def _link(port: int, handle: Callable[[Message], None]) -> int:
    over = asyncio.Event()

    def on_event(message: Message) -> None:
        if message["Event"] == "Shutdown":
            over.set()
        else:
            handle(message)

    login = Login("127.0.0.1", port, "bench", "secret")
    link = Link(login, on_event, lambda _: over.set(), Limits(ping_every_s=3600))
    await link.open()
    await over.wait()
    seen = link.events - 1
    link.close()
    return seen


async def bare_panoramisk(port: int) -> int:
    """The library as it comes, one catch-all handler."""
    import panoramisk

    over, seen = asyncio.Event(), 0

    def handler(_: object, event: Message) -> None:
        nonlocal seen
        if event.event == "Shutdown":  # type: ignore[attr-defined]
            over.set()
        else:
            seen += 1

    manager = panoramisk.Manager(
        loop=asyncio.get_running_loop(),
        host="127.0.0.1",
        port=port,
        username="bench",
        secret="secret",  # noqa: S106 - the server above takes any
        reconnect_timeout=3600,
    )
    manager.register_event("*", handler)
    manager.log.disabled = True
    await manager.connect()
    await over.wait()
    manager.close()
    return seen


ROWS = (bare_loop, decoder_alone, link_only, link_and_translation, bare_panoramisk)


def measure(row: str, calls: int, results: multiprocessing.Queue[tuple[float, float, int]]) -> None:
    """In a process of its own: wall and CPU seconds of the reading thread, and events read."""
    data, _ = stream(calls)
    with socket.create_server(("127.0.0.1", 0)) as server:
        feeder = multiprocessing.get_context("fork").Process(target=serve, args=(server, data))
        feeder.start()
        work = next(one for one in ROWS if one.__name__ == row)
        began, cpu = time.perf_counter(), time.thread_time()
        seen = asyncio.run(work(server.getsockname()[1]))
        results.put((time.perf_counter() - began, time.thread_time() - cpu, seen))
        feeder.join(10)
        if feeder.is_alive():
            feeder.terminate()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=4_000)
    calls = parser.parse_args().calls
    _, events = stream(calls)
    assert threading.active_count() == 1
    context = multiprocessing.get_context("spawn")
    print(f"{events:,} events of {calls:,} answered calls, best of {RUNS}")
    print(f"{'':24}{'events/s':>12}{'CPU us/event':>14}{'x bare loop':>13}")
    bare = 0.0
    for row in ROWS:
        best = float("inf")
        for _ in range(RUNS):
            results: multiprocessing.Queue[tuple[float, float, int]] = context.Queue()
            process = context.Process(target=measure, args=(row.__name__, calls, results))
            process.start()
            _, cpu_s, seen = results.get(timeout=120)
            process.join(30)
            if seen != events:
                print(f"{row.__name__} read {seen} events of {events}", file=sys.stderr)
                return 1
            best = min(best, cpu_s)
        bare = bare or best
        name = row.__name__.replace("_", " ")
        print(f"{name:24}{events / best:12,.0f}{best / events * 1e6:14.2f}{best / bare:13.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
