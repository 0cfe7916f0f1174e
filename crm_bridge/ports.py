"""What the bridge asks of its surroundings, and plain forms of it for running alone.

Inside the dialer the clock, the task owner and `outside` are the dialer's, so that the bridge
lives in the same (scaled or virtual) time and its tasks are watched like all others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from typing import Any, Protocol


class Clock(Protocol):
    def now(self) -> float:
        """Monotonic seconds: the running loop's time."""
        ...

    def utc(self) -> datetime:
        """The same moment as an aware UTC datetime."""
        ...


class Tasks(Protocol):
    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run `work` as a named task whose failure somebody hears of."""
        ...


Outside = Callable[[], AbstractContextManager[None]]
"""Announces work that is not on the event loop (a database thread), so virtual time waits."""

Warn = Callable[[str, dict[str, object]], None]
"""Tells people something: a static text and fields without personal data."""


class LoopClock:
    """The running loop's time, and the machine's UTC, which may be set right meanwhile."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> float:
        return self._loop.time()

    def utc(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - the bridge's own shell, when it runs alone


class OwnTasks:
    """Named tasks with one owner; `failed` becomes the first failure, `close` ends all."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def start(self, name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work, name=name)  # noqa: TID251 - this is the bridge's wrapper
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None and not self.failed.done():
            self.failed.set_exception(error)

    async def close(self) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if not self.failed.done():
            self.failed.cancel()
