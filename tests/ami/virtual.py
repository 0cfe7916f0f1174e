"""Run a test on virtual time: real sockets, and no real waiting."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

from dialer.clock import ScaledLoop

TEST_LIMIT_S = 600.0  # of virtual time


def virtual(test: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Decorator. The test also fails when it leaves a task behind."""

    @functools.wraps(test)
    def run(*args: Any, **kwargs: Any) -> None:
        async def main() -> None:
            await asyncio.wait_for(test(*args, **kwargs), TEST_LIMIT_S)
            await asyncio.sleep(0)  # transports that were aborted say so now
            left = asyncio.all_tasks() - {asyncio.current_task()}
            assert not left, f"tasks left behind: {left}"

        with asyncio.Runner(loop_factory=ScaledLoop) as runner:
            runner.run(main())

    # pytest must see the parameters, and must not see a coroutine function to run by itself.
    del run.__wrapped__
    run.__signature__ = inspect.signature(test)  # type: ignore[attr-defined]
    return run
