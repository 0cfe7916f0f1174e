"""Side tasks of the server: loop lag, leads left, the pacing trace on disk."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import structlog

from dialer.clock import ScaledLoop, outside_work
from dialer.server.histogram import Histogram

LAG_EVERY_S = 0.05
TRACE_EVERY_S = 5.0
TRACE_BYTES_MAX = 64_000_000  # then the file is kept as .1 and a new one begun

log = structlog.get_logger()


async def watch_lag(lag: Histogram) -> None:
    """Observe, in real seconds, how late the loop runs what is due. Nothing in virtual time."""
    loop = asyncio.get_running_loop()
    speed = loop.speed if isinstance(loop, ScaledLoop) else 1.0
    if speed == float("inf"):
        return
    while True:
        due = time.perf_counter() + LAG_EVERY_S
        await asyncio.sleep(LAG_EVERY_S * speed)
        lag.observe(max(0.0, time.perf_counter() - due))


async def every(seconds: float, work: Callable[[], Any]) -> None:
    """Call `work`, which may be async, for ever, `seconds` apart."""
    while True:
        done = work()
        if asyncio.iscoroutine(done):
            await done
        await asyncio.sleep(seconds)


class TraceFile:
    """Pacing decisions as JSON lines, written in a thread."""

    def __init__(self, path: Path, drain: Callable[[], Iterable[dict[str, Any]]]) -> None:
        self._path = path
        self._drain = drain

    async def write(self) -> None:
        """Append what was decided since the last time."""
        lines = "".join(
            json.dumps(record, separators=(",", ":")) + "\n" for record in self._drain()
        )
        if lines:
            try:
                with outside_work():
                    await asyncio.to_thread(self._append, lines)
            except OSError as error:  # a full disk must cost the trace, and not the dialling
                log.error("the pacing trace cannot be written", error=type(error).__name__)

    def _append(self, lines: str) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > TRACE_BYTES_MAX:
            self._path.replace(self._path.with_name(self._path.name + ".1"))
        with self._path.open("a", encoding="utf-8") as file:
            file.write(lines)
