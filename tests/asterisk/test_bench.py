"""The bench itself: comes back after a kill, and leaves nothing behind even when it is killed."""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.asterisk.floor import Floor
from tests.asterisk.harness import REPO, AsteriskBench, process_state

pytestmark = pytest.mark.asterisk


def alive(pid: int) -> bool:
    return process_state(pid) not in ("", "Z")


def mounts() -> str:
    return Path("/proc/mounts").read_text()


async def test_a_killed_asterisk_is_gone_with_its_calls_and_comes_back_on_its_ports(
    bench: AsteriskBench,
) -> None:
    async with Floor(bench) as floor:
        (before,) = await floor.cmd.action("CoreStatus")
        await floor.log_in("od-t-a1", "agent01")
        await asyncio.sleep(1.0)  # CoreStatus counts whole seconds
        await bench.kill()
        await floor.evt.wait_closed()
        assert not floor.evt.events("Shutdown")
    await bench.start_asterisk()
    async with Floor(bench) as floor:
        (after,) = await floor.cmd.action("CoreStatus")
        assert after["CoreStartupTime"] != before["CoreStartupTime"]
        assert await floor.channels() == []
        await floor.log_in("od-t-a1", "agent01")  # the phone still believes in its old call


async def test_a_stopped_process_keeps_its_links_and_says_nothing(floor: Floor) -> None:
    await floor.bench.pause()
    with pytest.raises(TimeoutError):
        await floor.cmd.action("Ping", limit_s=0.5)
    assert not floor.cmd.closed
    floor.bench.resume()
    (pong,) = await floor.cmd.action("Ping")
    assert pong["Ping"] == "Pong"


SCRIPT = """
import asyncio
from tests.asterisk.harness import AsteriskBench

async def main():
    async with AsteriskBench() as bench:
        print(*[p.pid for p in bench._processes.values()], bench.work, flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_nothing_is_left_when_the_bench_is_killed() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SCRIPT, cwd=REPO, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode().split()
    pids, work = [int(pid) for pid in line[:-1]], line[-1]
    assert len(pids) == 3
    assert all(alive(pid) for pid in pids)
    process.send_signal(signal.SIGKILL)
    await process.wait()
    async with asyncio.timeout(5):
        while any(alive(pid) for pid in pids):  # noqa: ASYNC110 (other processes are awaited)
            await asyncio.sleep(0.05)
    assert work not in mounts()
    assert "overdial-asterisk-" in work
    shutil.rmtree(work)
