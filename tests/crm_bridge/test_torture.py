"""kill -9 of a delivering process under load, with a receiver that fails at random.

Real processes and a real database, so real time, on SQLite and on PostgreSQL. OVERDIAL_TORTURE is
the number of kills (4 when it is not set; `make torture` does 200).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncEngine

from crm_bridge import outbox, upkeep
from crm_bridge.database import Database
from crm_bridge.events import CallPart, LeadPart, call_completed
from crm_bridge.ports import LoopClock
from crm_bridge.receiver import Received, Receiver
from crm_bridge.signing import decode_secret, new_secret

KILLS = int(os.environ.get("OVERDIAL_TORTURE", "4"))
LEADS = 400
AHEAD_MAX = 2000  # events written and not yet arrived
FAULTS = {
    "500": 0.05, "429": 0.0005, "hang": 0.01, "reset": 0.05, "301": 0.02, "garbage": 0.02,
    "late": 0.05,
}  # fmt: skip

CONFIG = """\
instance: torture
endpoints:
  - name: crm
    url: {url}
    secrets: [{secret}]
    allow_networks: [127.0.0.0/8]
    timeout: 500ms
    concurrency: 16
    retry: [{waits}]
"""


class Writer:
    """The dialer's side: appends batches of calls until it is stopped.

    It never runs further ahead than `AHEAD_MAX`: what is tried is dying under load, and not how a
    receiver that refuses every fifth request works off an hour of it, with the same few leads.
    """

    def __init__(self, engine: AsyncEngine, receiver: Receiver) -> None:
        self.receiver = receiver
        self.database = Database(engine)
        self.clock = LoopClock()
        self.rng = random.Random(7)
        self.count = 0
        self.stopped = False

    async def run(self) -> None:
        while not self.stopped:
            if self.count - self.receiver.tally.distinct > AHEAD_MAX:
                await asyncio.sleep(0.05)
                continue
            happened = []
            for _ in range(self.rng.randint(1, 40)):
                self.count += 1
                call = CallPart(
                    f"od-t-c{self.count}",
                    "torture",
                    LeadPart(self.rng.randrange(LEADS), "+12025550100"),
                )
                happened.append(
                    call_completed(
                        call, self.clock.utc(), outcome="busy", answered=False, live=False
                    )
                )
            await self.database.write(partial(outbox.append_sync, happened=happened))
            await asyncio.sleep(0.05)


async def child(config: Path, url: str) -> asyncio.subprocess.Process:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "crm_bridge.cli", "serve", "-c", str(config), "-d", url,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    assert line.startswith(b"delivering"), line
    return process


async def test_kill_9_loses_nothing_and_keeps_the_order(
    engine: AsyncEngine, tmp_path: Path
) -> None:
    secret = new_secret()
    clock = LoopClock()
    receiver = Receiver(
        [decode_secret(secret)],
        clock,
        faults=FAULTS,
        rng=random.Random(3),
        hang_s=2.0,
        keep=True,
    )
    url = await receiver.start()
    config = tmp_path / "crm.yaml"
    config.write_text(
        CONFIG.format(url=url, secret=secret, waits=", ".join(["50ms"] * 200)), encoding="utf-8"
    )
    where = engine.url.render_as_string(hide_password=False).replace("+aiosqlite", "")
    where = where.replace("+asyncpg", "")
    writer = Writer(engine, receiver)
    writing = asyncio.create_task(writer.run())
    moments = random.Random(5)
    process: asyncio.subprocess.Process | None = None
    try:
        for _ in range(KILLS):
            process = await child(config, where)
            await asyncio.sleep(moments.uniform(0.0, 0.8))
            process.send_signal(signal.SIGKILL)
            await process.wait()
        writer.stopped = True
        await writing
        process = await child(config, where)
        await everything_arrived(receiver, writer.count)
        async with asyncio.timeout(60):
            await settled(engine)
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(30):
            assert await process.wait() == 0
    finally:
        writing.cancel()
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        await receiver.close()
        await writer.database.close()

    tally = receiver.tally
    print(
        f"{engine.dialect.name}: {KILLS} kills, {writer.count} events, {tally.requests} requests, "
        f"{tally.repeated} repeated, faults {dict(tally.faults)}"
    )
    assert tally.distinct == writer.count
    assert tally.forged == 0
    assert tally.repeated > 0  # "late" alone sees to that; otherwise nothing was tortured
    first = [one for one in receiver.received if not one.again]
    assert sorted(one.seq or 0 for one in first) == list(range(1, writer.count + 1))
    for lead, order in by_lead(first).items():
        assert order == sorted(order), f"lead {lead} out of order"
    told = Counter((one.id, one.seq, str(one.body)) for one in receiver.received)
    assert len(told) == writer.count, "a repetition differed from its first telling"


def by_lead(received: list[Received]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for one in received:
        found.setdefault(one.key, []).append(one.seq or 0)
    return found


async def everything_arrived(receiver: Receiver, count: int) -> None:
    """As long as it takes, as long as it goes on: nothing new for 90 s is a standstill. (What the
    dead one committed with its last breath is leased to it for 60.)"""
    before = -1
    while receiver.tally.distinct < count:
        if receiver.tally.distinct == before:
            raise AssertionError(f"standstill at {before} of {count} events")
        before = receiver.tally.distinct
        for _ in range(900):
            if receiver.tally.distinct == count:
                return
            await asyncio.sleep(0.1)


async def settled(engine: AsyncEngine) -> None:
    """Until the database says so too."""
    while True:
        async with engine.connect() as connection:
            waiting = await connection.run_sync(upkeep.backlog)
        if not any(one.count for one in waiting.values()):
            assert all(one.dead == 0 for one in waiting.values())
            return
        await asyncio.sleep(0.1)
