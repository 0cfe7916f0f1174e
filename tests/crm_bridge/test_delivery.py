"""The bridge end to end in virtual time: real sockets to a receiver, minutes and days in no time.

Each test is a coroutine run on a virtual loop; `World` is the dialer's side (it appends and wakes)
and the CRM's side (receivers).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from random import Random
from typing import Any

import pytest

from crm_bridge import outbox, tables, upkeep
from crm_bridge.bridge import Bridge
from crm_bridge.config import Config, Endpoint
from crm_bridge.database import open_engine
from crm_bridge.events import CallPart, Event, LeadPart, call_completed, event_id, screen_pop
from crm_bridge.net import Network
from crm_bridge.receiver import Receiver
from crm_bridge.signing import decode_secret, new_secret
from dialer.clock import Clock, ScaledLoop, outside_work
from dialer.tasks import Tasks

KEY = decode_secret(new_secret())


def loopback() -> tuple[Network, ...]:
    return (ip_network("127.0.0.0/8"),)


class World:
    def __init__(self, path: Path) -> None:
        self.engine = open_engine(f"sqlite:///{path}")
        self.clock = Clock()
        self.errors: list[tuple[str, BaseException]] = []
        self.tasks = Tasks(lambda name, error: self.errors.append((name, error)))
        self.warnings: list[str] = []
        self.receivers: list[Receiver] = []
        self.endpoints: list[Endpoint] = []
        self.bridge: Bridge | None = None
        self.count = 0

    async def receiver(
        self, name: str = "crm", faults: Mapping[str, float] | None = None, **fields: Any
    ) -> Receiver:
        receiver = Receiver([KEY], self.clock, faults=faults, rng=Random(1), keep=True, hang_s=1e6)
        url = await receiver.start()
        self.receivers.append(receiver)
        self.endpoints.append(Endpoint(name, url, (KEY,), allow_networks=loopback(), **fields))
        return receiver

    async def start(self, poll_s: float = 60.0) -> Bridge:
        with outside_work():
            async with self.engine.begin() as connection:
                await connection.run_sync(tables.metadata.create_all)
        self.bridge = Bridge(
            self.engine,
            Config(tuple(self.endpoints)),
            self.clock,
            self.tasks,
            outside=outside_work,
            warn=lambda text, fields: self.warnings.append(text),
            poll_s=poll_s,
        )
        await self.bridge.start()
        return self.bridge

    async def happens(self, *leads: int) -> None:
        """One completed call for each of these leads, in one transaction."""
        happened = []
        for lead in leads:
            self.count += 1
            happened.append(self.completed(self.count, lead))
        with outside_work():
            async with self.engine.begin() as connection:
                await outbox.append(connection, happened)
        assert self.bridge is not None
        self.bridge.wake()

    def completed(self, n: int, lead: int) -> Event:
        call = CallPart(f"od-1-c{n}", "spring", LeadPart(lead, "+12025550100"))
        return call_completed(
            call, self.clock.utc(), outcome="no answer", answered=False, live=False
        )

    async def close(self) -> None:
        if self.bridge is not None:
            await self.bridge.close()
        assert len(self.tasks) == 0, "the bridge left tasks behind"
        for receiver in self.receivers:
            await receiver.close()
        with outside_work():
            await self.engine.dispose()
        assert not self.errors


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    made = World(path / "outbox.db")
    try:
        yield made
    finally:
        await made.close()


def virtually(test: Callable[[], Awaitable[None]]) -> None:
    async def bounded() -> None:
        async with asyncio.timeout(30 * 86400):
            await test()

    with asyncio.Runner(loop_factory=ScaledLoop) as runner:
        runner.run(bounded())


async def until(true: Callable[[], bool], every_s: float = 0.001, limit_s: float = 600.0) -> None:
    async with asyncio.timeout(limit_s):
        while not true():  # noqa: ASYNC110 - in virtual time looking is cheap and exact enough
            await asyncio.sleep(every_s)


def seqs(receiver: Receiver, key: str | None = None) -> list[int]:
    return [one.seq or 0 for one in receiver.received if key is None or one.key == key]


def test_events_arrive_signed_and_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            await w.happens(*(n % 7 for n in range(500)))
            assert await bridge.drain(60)
            assert crm.tally.distinct == 500
            assert crm.tally.repeated == crm.tally.forged == 0
            for lead in range(7):
                order = seqs(crm, str(lead))
                assert order == sorted(order)
            assert bridge.stats().delivered == 500

    virtually(story)


def test_a_failing_message_holds_up_its_lead_only(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            refuse(crm, {"1"})
            await w.happens(1, 1, 2, 2, 3)
            assert not await bridge.drain(60)
            assert sorted(seqs(crm)) == [3, 4, 5]
            allow(crm)
            assert await bridge.drain(3600)
            assert seqs(crm)[3:] == [1, 2]

    virtually(story)


def refuse(receiver: Receiver, leads: set[str], status: int = 500) -> None:
    """Answer `status` to what concerns these leads."""
    receiver.refuse = lambda received: status if received.key in leads else None


def allow(receiver: Receiver) -> None:
    receiver.refuse = None


def test_the_schedule_lasts_three_days_and_ends_in_a_dead_letter(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start(poll_s=3600)
            crm.refuse = lambda received: 500 if received.seq == 1 else None
            began = w.clock.now()
            await w.happens(1, 1)
            await until(lambda: crm.tally.refused == 10, every_s=600, limit_s=6 * 86400)
            assert w.clock.now() - began > 3 * 86400
            assert await bridge.drain(60)
            assert crm.tally.refused == 10
            assert seqs(crm) == [2]  # the key goes on after the dead letter
            assert bridge.stats().dead == 1
            assert "an event became a dead letter" in w.warnings

    virtually(story)


def test_410_disables_the_endpoint_and_loses_nothing(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            refuse(crm, {"1"}, 410)
            await w.happens(1)
            await asyncio.sleep(10)
            assert bridge.stats().endpoints[0].circuit == "disabled"
            await w.happens(2)
            await asyncio.sleep(3600)
            assert crm.tally.requests == 1
            with outside_work():
                async with w.engine.begin() as connection:
                    assert await connection.run_sync(upkeep.enable, "crm")
            assert await bridge.drain(130)  # the lane looks once a minute
            assert seqs(crm) == [2]

    virtually(story)


def test_retry_after_is_obeyed_for_the_whole_endpoint(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            crm.refuse = lambda received: (429, {"Retry-After": "1800"})
            await w.happens(1)
            await asyncio.sleep(5)
            assert crm.tally.requests == 1
            allow(crm)
            await w.happens(2, 3)
            await asyncio.sleep(1700)
            assert crm.tally.requests == 1
            assert await bridge.drain(3600)
            assert crm.tally.distinct == 3

    virtually(story)


def test_a_receiver_that_misbehaves_at_random_gets_everything_in_order(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver(
                faults={
                    "500": 0.1, "429": 0.05, "hang": 0.03, "reset": 0.1, "301": 0.05,
                    "garbage": 0.05, "late": 0.1,
                },
                retry_s=(1.0,) * 50,
            )  # fmt: skip
            bridge = await w.start()
            for _ in range(10):
                await w.happens(*(n % 40 for n in range(60)))
                await asyncio.sleep(1)
            assert await bridge.drain(7200)
            assert crm.tally.distinct == 600
            assert crm.tally.forged == 0
            assert set(crm.tally.faults) == {
                "500", "429", "hang", "reset", "301", "garbage", "late",
            }  # fmt: skip
            for lead in range(40):
                first = [
                    one.seq or 0 for one in crm.received if one.key == str(lead) and not one.again
                ]
                assert first == sorted(first)

    virtually(story)


def test_a_dead_endpoint_is_asked_seldom_and_does_not_hold_up_another(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            dead = await w.receiver("dead", faults={"hang": 1.0})
            crm = await w.receiver("crm")
            bridge = await w.start()
            began = w.clock.now()
            await w.happens(*range(1000))
            await until(lambda: crm.tally.distinct == 1000)
            assert w.clock.now() - began < 5
            await asyncio.sleep(600)
            assert dead.tally.requests < 60
            assert bridge.stats().endpoints[0].circuit == "open"
            assert bridge.stats().endpoints[0].backlog == 1000

    virtually(story)


@pytest.mark.parametrize("status", [400, 409, 413, 422])
def test_messages_that_a_healthy_receiver_refuses_hold_up_nobody_elses(
    status: int, tmp_path: Path
) -> None:
    """A list whose ids the CRM does not know, say: thirty leads in a row are refused."""

    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            crm.refuse = lambda one: status if int(one.key) < 30 else None
            bridge = await w.start()
            await w.happens(*range(30))
            await asyncio.sleep(1)
            assert bridge.stats().endpoints[0].circuit == "closed"
            await w.happens(*range(100, 110))
            await until(lambda: bridge.stats().delivered == 10, limit_s=2)

    virtually(story)


def test_the_dialers_bridge_and_one_beside_it_tell_each_thing_once(tmp_path: Path) -> None:
    """Both have the endpoint, as happens with one configuration file for both."""

    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            await w.start()
            beside = Bridge(
                w.engine,
                Config(tuple(w.endpoints)),
                w.clock,
                w.tasks,
                outside=outside_work,
                owner="overdial-serve",
            )
            await beside.start()
            for _ in range(5):
                await w.happens(*range(10))
                beside.wake()
                await asyncio.sleep(0.3)
            assert await beside.drain(60)
            await beside.close()
            assert (crm.tally.distinct, crm.tally.repeated) == (50, 0)

    virtually(story)


def test_closing_gives_back_what_is_in_hand_and_a_new_life_goes_on(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            await w.start()
            reached = asyncio.Event()
            crm.on_event = lambda received: reached.set() if crm.tally.distinct == 20 else None
            await w.happens(*range(300))
            await reached.wait()
            assert w.bridge is not None
            await w.bridge.close()
            assert crm.tally.distinct < 300
            bridge = await w.start()
            assert await bridge.drain(5)
            assert crm.tally.distinct == 300
            assert crm.tally.repeated == 0

    virtually(story)


def pop(w: World, n: int) -> Event:
    return screen_pop(CallPart(f"od-1-c{n}", "spring", LeadPart(n, "+12025550100")), w.clock.utc())


def test_half_of_the_endpoints_hanging_does_not_delay_a_screen_pop(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            await w.receiver("hanging", faults={"hang": 1.0})
            crm = await w.receiver("crm")
            bridge = await w.start()
            for n in range(500):
                bridge.pop(pop(w, n))
                await asyncio.sleep(0.02)
                assert crm.tally.distinct == n + 1
            stats = {one.name: one for one in bridge.stats().endpoints}
            assert stats["crm"].pops_sent == 500
            assert stats["crm"].pops_dropped == 0
            assert stats["hanging"].pops_dropped > 300

    virtually(story)


def test_a_pop_that_is_late_is_dropped_and_counted(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            event = pop(w, 1)
            await asyncio.sleep(5.1)
            bridge.pop(event)
            await asyncio.sleep(1)
            assert crm.tally.requests == 0
            assert bridge.stats().pops_dropped == 1

    virtually(story)


@pytest.mark.parametrize("kind", ["durable", "realtime"])
def test_an_address_that_is_not_allowed_is_never_connected_to(tmp_path: Path, kind: str) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            endpoint = w.endpoints[0]
            w.endpoints[0] = Endpoint(
                "crm", endpoint.url.replace("127.0.0.1", "localhost"), (KEY,), allow_networks=()
            )
            bridge = await w.start()
            if kind == "durable":
                await w.happens(1)
            else:
                bridge.pop(pop(w, 1))
            await asyncio.sleep(60)
            assert crm.tally.requests == 0
            stats = bridge.stats().endpoints[0]
            assert stats.failed_attempts >= 1 or stats.pops_dropped == 1

    virtually(story)


def test_the_clock_of_an_event_is_its_own(tmp_path: Path) -> None:
    async def story() -> None:
        async with world(tmp_path) as w:
            crm = await w.receiver()
            bridge = await w.start()
            at = w.clock.utc() - timedelta(hours=3)
            with outside_work():
                async with w.engine.begin() as connection:
                    await outbox.append(
                        connection, [Event(event_id("x"), "dnc.added", at, "phone:x", {"n": 1})]
                    )
            bridge.wake()
            assert await bridge.drain(10)
            assert crm.received[0].body["timestamp"].startswith(at.isoformat()[:19])

    virtually(story)
