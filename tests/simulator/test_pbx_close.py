"""The dialer's links can be closed at any moment of their coming up, and then are closed."""

from __future__ import annotations

import asyncio
import random

import pytest

from dialer.ami.supervisor import Pbx
from dialer.clock import Clock
from dialer.core.events import Event
from dialer.tasks import Tasks
from tests.ami.stage import config_of
from tests.ami.virtual import virtual
from tests.simulator.bench import SimulatedBench


@virtual
@pytest.mark.parametrize("turns", range(40))
async def test_closes_after_so_many_turns_of_the_loop(turns: int) -> None:
    events: list[Event] = []
    async with SimulatedBench() as bench:
        tasks = Tasks(lambda name, error: pytest.fail(f"{name}: {error!r}"))
        pbx = Pbx("pbx", config_of(bench), events.append, Clock(), tasks, random.Random(1))
        await pbx.start()
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(30):
            await pbx.close()
        told = len(events)
        await asyncio.sleep(30)
        assert len(events) == told
        assert len(tasks) == 0
        assert bench.pbx.sessions == ()
