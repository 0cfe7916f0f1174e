"""The AMI contract against a real Asterisk 22, with SIPp behind it. Real time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from dialer.core.events import (
    LegAnswered,
    LegBridged,
    LegHungUp,
    LegParked,
    LinkLost,
    LinkResynced,
    OriginateFailed,
)
from tests.ami.contract import SCENES, TREACHERY, Scene
from tests.ami.stage import floor
from tests.asterisk.harness import AsteriskBench, missing

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.skipif(bool(missing()), reason=missing() or "Asterisk is here"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench() -> AsyncIterator[AsteriskBench]:
    """One Asterisk for all scenes; each leaves it as it found it."""
    async with AsteriskBench(phones_wanted=2) as bench:
        yield bench


@pytest.mark.parametrize("scene", [*SCENES, *TREACHERY], ids=lambda scene: scene.__name__)
async def test_contract(scene: Scene, bench: AsteriskBench) -> None:
    await scene(bench)


async def test_an_asterisk_that_stands_still_is_found_out(bench: AsteriskBench) -> None:
    """SIGSTOP: connections stand, nothing answers. Lost in time, and adopted when it goes on."""
    async with floor(bench) as it:
        agent = await it.agent()
        await bench.pause()
        try:
            began = asyncio.get_running_loop().time()
            lost = await it.event(LinkLost)
            assert "no answer to Ping" in lost.why
            assert asyncio.get_running_loop().time() - began < 4.0
            await asyncio.sleep(1.0)
            assert not it.pbx.status().connected
        finally:
            bench.resume()
        resynced = await it.event(LinkResynced, 20.0, skip=1)
        assert not resynced.restarted
        assert [one.leg for one in resynced.channels] == [agent.leg]


async def test_a_reader_that_pauses_for_seconds_loses_nothing(bench: AsteriskBench) -> None:
    async with floor(bench) as it:
        it.pbx.pause_events()
        legs = [it.originate("busy-at-once", n) for n in range(20)]
        await asyncio.sleep(4.0)
        assert not [event for event in it.events if isinstance(event, LegHungUp)]
        it.pbx.resume_events()
        for leg in legs:
            await it.event(LegHungUp, leg=leg)
            await it.event(OriginateFailed, leg=leg)
        assert it.pbx.status().counters["resyncs"] == 1


async def test_answer_to_bridge_by_asterisks_own_clock(bench: AsteriskBench) -> None:
    """The core's part left out: the Bridge leaves as soon as the customer is parked."""
    async with floor(bench) as it:
        agent = await it.agent()
        gaps = []
        for n in range(10):
            customer = await it.customer("talk", n)
            parked = it.kinds(agent.leg).count("LegParked")
            await it.talk(agent, customer)
            answered = await it.event(LegAnswered, leg=customer.leg)
            bridged = await it.event(LegBridged, leg=customer.leg)
            assert answered.at is not None
            assert bridged.at is not None
            gaps.append(bridged.at - answered.at)
            it.hang_up(customer.leg)
            await it.event(LegParked, leg=agent.leg, skip=parked)
        assert min(gaps) >= 0
        assert sorted(gaps)[5] < 0.05
