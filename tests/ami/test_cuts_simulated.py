"""The AMI connection cut at every point of an action and of a call, against the simulated PBX.

Whatever is cut: no call is placed twice, the link comes back, and a resync shows every leg that
stands. Virtual time.
"""

from __future__ import annotations

import asyncio

import pytest

from dialer.core.commands import Bridge, Originate
from dialer.core.events import LegHungUp, LinkLost, LinkResynced, OriginateFailed
from simulator.pbx.faults import Point
from tests.ami.stage import Floor, floor
from tests.ami.virtual import virtual
from tests.simulator.bench import SimulatedBench

OF_AN_ACTION = (Point.BEFORE_ACTION, Point.BEFORE_RESPONSE, Point.AFTER_RESPONSE)
EVENTS = ("DialBegin", "DialState", "Newstate", "OriginateResponse", "UserEvent", "BridgeEnter")


async def back_again(it: Floor, resyncs: int = 2) -> LinkResynced:
    await it.event(LinkLost)
    return await it.event(LinkResynced, 20.0, skip=resyncs - 1)


def dialled(bench: SimulatedBench, leg: str) -> int:
    return bench.pbx.log.times_dialled.get(leg, 0)


@virtual
@pytest.mark.parametrize("point", OF_AN_ACTION)
async def test_cut_around_an_originate(point: Point) -> None:
    async with SimulatedBench() as bench, floor(bench) as it:
        bench.pbx.faults.cut(point, action="Originate", user="overdial-cmd")
        leg = it.originate("ring-forever")
        resynced = await back_again(it)
        await asyncio.sleep(5)
        found = (await it.check(leg)).found
        assert dialled(bench, leg) == (0 if point is Point.BEFORE_ACTION else 1)
        assert (found is not None) == (point is not Point.BEFORE_ACTION)
        assert [one.leg for one in resynced.channels] == ([leg] if found is not None else [])
        assert not [e for e in it.events if isinstance(e, OriginateFailed)]  # UNKNOWN, not failed
        assert bench.pbx.faults.pending == 0


@virtual
@pytest.mark.parametrize("event", EVENTS)
async def test_cut_before_each_event_of_a_call(event: str) -> None:
    async with SimulatedBench() as bench, floor(bench) as it:
        bench.pbx.faults.cut(Point.BEFORE_EVENT, event=event, user="overdial-evt")
        leg = it.originate("talk")
        await back_again(it)
        await asyncio.sleep(10)
        assert dialled(bench, leg) == 1
        assert bench.pbx.faults.pending == 0
        assert (await it.check(leg)).found is None  # nobody took it: message, and hung up


@virtual
@pytest.mark.parametrize("point", OF_AN_ACTION)
async def test_cut_around_a_bridge(point: Point) -> None:
    async with SimulatedBench() as bench, floor(bench) as it:
        agent, customer = await it.agent(), await it.customer("talk")
        bench.pbx.faults.cut(point, action="Bridge", user="overdial-cmd")
        it.pbx.send(Bridge("pbx", agent.leg, agent.channel, customer.leg, customer.channel))
        resynced = await back_again(it)
        peers = {one.leg: one.peer for one in resynced.channels}
        bridged = point is not Point.BEFORE_ACTION
        assert peers[agent.leg] == (customer.leg if bridged else "")


@virtual
@pytest.mark.parametrize("action", ["CoreShowChannels", "BridgeList"])
@pytest.mark.parametrize("after_items", [0, 1])
async def test_cut_in_the_middle_of_the_resync(action: str, after_items: int) -> None:
    async with SimulatedBench() as bench, floor(bench) as it:
        agent, customer = await it.agent(), await it.customer("talk")
        await it.talk(agent, customer)
        bench.pbx.faults.cut(
            Point.IN_LIST, action=action, user="overdial-evt", after_items=after_items
        )
        bench.pbx.cut_all("overdial-evt")
        resynced = await back_again(it)
        assert {one.leg: one.peer for one in resynced.channels} == {
            agent.leg: customer.leg,
            customer.leg: agent.leg,
        }
        assert bench.pbx.faults.pending == 0
        assert len([e for e in it.events if isinstance(e, LinkResynced)]) == 2


@virtual
@pytest.mark.parametrize("user", ["overdial-cmd", "overdial-evt"])
async def test_a_half_open_connection_is_found_out(user: str) -> None:
    async with SimulatedBench() as bench, floor(bench) as it:
        customer = await it.customer("talk-8s")
        began = asyncio.get_running_loop().time()
        bench.pbx.freeze_all(user)
        lost = await it.event(LinkLost)
        assert "no answer to Ping" in lost.why
        assert asyncio.get_running_loop().time() - began < 4.0
        await it.event(LinkResynced, 20.0, skip=1)
        await it.event(LegHungUp, leg=customer.leg, limit_s=20.0)


@virtual
async def test_a_pbx_that_drains_refuses_and_is_not_lost() -> None:
    """`core stop gracefully` refuses every action, Ping too, while calls go on."""
    async with SimulatedBench() as bench, floor(bench) as it:
        bench.pbx.faults.shutting_down = True
        leg = it.originate("talk")
        failed = await it.event(OriginateFailed, leg=leg)
        assert failed.refused == "Asterisk is shutting down"
        await asyncio.sleep(10)
        assert it.pbx.status().connected
        assert it.pbx.status().warning == "the PBX refuses everything: Asterisk is shutting down"
        bench.pbx.faults.clear()
        await asyncio.sleep(2)
        assert it.pbx.status().warning == ""


@virtual
async def test_a_slow_pbx_is_not_a_deaf_one() -> None:
    """Answers come one after the other, a second each: Ping's own comes much too late, and the
    others show that the PBX lives. What was given up meanwhile is answered late, and no harm."""
    async with SimulatedBench() as bench, floor(bench) as it:
        bench.pbx.faults.delay_s = 1.0
        legs = [it.originate("busy", n) for n in range(20)]
        for leg in legs:
            await it.event(LegHungUp, leg=leg, limit_s=60.0)
        bench.pbx.faults.clear()
        status = it.pbx.status()
        assert status.connected
        assert status.counters["resyncs"] == 1
        assert status.counters["lost"] > 10
        assert status.counters["orphans"] > 10
        assert all(dialled(bench, leg) == 1 for leg in legs)


@virtual
async def test_one_attempt_is_never_dialled_twice_whatever_is_sent() -> None:
    """Even a core gone wrong that sends it twice: Asterisk refuses the id while it lives."""
    async with SimulatedBench() as bench, floor(bench) as it:
        number = bench.number_for("ring-forever")
        twice = Originate("pbx", "od-twice-c0000001", bench.trunk, number, "", 20.0)
        it.pbx.send(twice)
        it.pbx.send(twice)
        await asyncio.sleep(2)
        channels = [c for c in bench.pbx.exchange.channels if c == "od-twice-c0000001"]
        assert len(channels) == 1
