"""One `Pbx` on a bench: commands in, core events out, and what any bench has to offer.

`tests.simulator.bench.SimulatedBench` and `tests.asterisk.harness.AsteriskBench` are such benches.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
from collections.abc import AsyncIterator, Callable
from typing import Any, Protocol, TypeVar

from dialer.ami.supervisor import Pbx, PbxConfig
from dialer.clock import Clock
from dialer.core.commands import (
    Bridge,
    CheckLeg,
    HangUp,
    Originate,
    RingAgent,
    RingOutside,
    RingSupervisor,
)
from dialer.core.events import (
    ChannelPlace,
    Event,
    LegAnswered,
    LegBridged,
    LegChecked,
    LegHungUp,
    LegParked,
    LegRinging,
    LinkResynced,
)
from dialer.core.modes import MonitorMode
from dialer.tasks import Tasks

E = TypeVar("E", bound=Event)

STEP_S = 8.0  # no step of a scene takes so long, on loopback

_runs = itertools.count(random.SystemRandom().randrange(1_000_000))


class Bench(Protocol):
    """A PBX with a carrier and phones behind it. Numbers behave as in `tests.asterisk.sipp`."""

    ami_host: str
    cmd_user: str
    cmd_secret: str
    evt_user: str
    evt_secret: str
    trunk: str
    phones: list[str]  # endpoints that answer and stay; at least two

    @property
    def ami_port(self) -> int: ...

    def number_for(self, behaviour: str, n: int = 0) -> str: ...

    async def hang_up(self, who: str) -> None:
        """The phone of this name, or the customer of this number, hangs up its newest call."""

    async def kill(self) -> None:
        """The PBX is gone without a word, and every channel with it."""

    async def stop_asterisk(self) -> None:
        """An orderly stop."""

    async def start_asterisk(self) -> None:
        """Start it again on the same port, and wait until it serves."""


class Floor:
    """One `Pbx` and everything it told."""

    def __init__(self, bench: Bench, config: PbxConfig) -> None:
        self.bench = bench
        self.events: list[Event] = []
        self.faults: list[BaseException] = []
        self._news = asyncio.Event()
        self.boot = f"k{next(_runs)}"
        self._numbers = itertools.count(1)
        self.tasks = Tasks(lambda _, error: self.faults.append(error))
        self.pbx = Pbx("pbx", config, self._take, Clock(), self.tasks, random.Random(1))

    def _take(self, event: Event) -> None:
        self.events.append(event)
        self._news.set()

    # --- what happens ---------------------------------------------------------------------------

    async def until(self, found: Callable[[], Any], limit_s: float = STEP_S) -> Any:
        """Wait until `found()` is true; its value. Fails with all that was told meanwhile."""
        try:
            async with asyncio.timeout(limit_s):
                while not (value := found()):
                    self._news.clear()
                    await self._news.wait()
                return value
        except TimeoutError:
            told = "\n".join(map(str, self.events))
            raise AssertionError(f"did not come within {limit_s} s; told were:\n{told}") from None

    async def event(
        self, kind: type[E], limit_s: float = STEP_S, *, skip: int = 0, **want: Any
    ) -> E:
        """The event of this kind and these fields; `skip` of them are passed over."""

        def found() -> E | None:
            matching = [
                event
                for event in self.events
                if isinstance(event, kind)
                and all(getattr(event, name) == value for name, value in want.items())
            ]
            return matching[skip] if len(matching) > skip else None

        event: E = await self.until(found, limit_s)
        return event

    def kinds(self, leg: str) -> list[str]:
        """Names of a leg's facts, in order; a repeated answer once."""
        names: list[str] = []
        for event in self.events:
            if getattr(event, "leg", "") == leg:
                name = type(event).__name__
                if not (name == "LegAnswered" and name in names):
                    names.append(name)
        return names

    # --- what is wanted -------------------------------------------------------------------------

    def originate(self, behaviour: str, n: int = 0, ring_limit_s: float = 20.0) -> str:
        leg = f"od-{self.boot}-c{next(self._numbers):07d}"
        number = self.bench.number_for(behaviour, n)
        self.pbx.send(
            Originate("pbx", leg, self.bench.trunk, number, "+493023125999", ring_limit_s)
        )
        return leg

    async def customer(self, behaviour: str, n: int = 0) -> LegParked:
        """A customer who answered and waits."""
        leg = self.originate(behaviour, n)
        return await self.event(LegParked, leg=leg)

    async def agent(self, phone: int = 0) -> LegParked:
        """An agent's leg, nailed up."""
        leg = f"od-{self.boot}-a{next(self._numbers):07d}"
        self.pbx.send(RingAgent("pbx", leg, self.bench.phones[phone], 20.0))
        return await self.event(LegParked, leg=leg)

    def supervisor(self, agent: str, customer: str, mode: MonitorMode, phone: int) -> str:
        """A supervisor's phone is rung, to be part of this conversation."""
        leg = f"od-{self.boot}-s{next(self._numbers):07d}"
        name = self.bench.phones[phone]
        self.pbx.send(RingSupervisor("pbx", leg, name, agent, customer, mode, 20.0))
        return leg

    async def outside(self, behaviour: str, n: int) -> LegParked:
        """Somebody outside who has answered, and hears music."""
        leg, number = (
            f"od-{self.boot}-t{next(self._numbers):07d}",
            self.bench.number_for(behaviour, n),
        )
        self.pbx.send(RingOutside("pbx", leg, self.bench.trunk, number, "+493023125999", 10.0))
        return await self.event(LegParked, leg=leg)

    async def talk(self, agent: LegParked, customer: LegParked) -> None:
        self.pbx.send(Bridge("pbx", agent.leg, agent.channel, customer.leg, customer.channel))
        await self.event(LegBridged, leg=agent.leg)
        await self.event(LegBridged, leg=customer.leg)

    def hang_up(self, leg: str) -> None:
        self.pbx.send(HangUp("pbx", leg))

    async def check(self, leg: str) -> LegChecked:
        before = sum(isinstance(event, LegChecked) and event.leg == leg for event in self.events)
        self.pbx.send(CheckLeg("pbx", leg))
        return await self.event(LegChecked, leg=leg, skip=before)

    async def parked(self, leg: str) -> None:
        """Wait until the PBX itself says that this leg stands in its own bridge."""
        async with asyncio.timeout(STEP_S):
            while True:
                found = (await self.check(leg)).found
                if found is not None and found.place is ChannelPlace.PARKED:
                    return
                await asyncio.sleep(0.01)


def config_of(bench: Bench) -> PbxConfig:
    return PbxConfig(
        host=bench.ami_host,
        port=bench.ami_port,
        cmd_user=bench.cmd_user,
        cmd_secret=bench.cmd_secret,
        evt_user=bench.evt_user,
        evt_secret=bench.evt_secret,
        retry_first_s=0.2,
        retry_max_s=0.5,
    )


@contextlib.asynccontextmanager
async def floor(bench: Bench, config: PbxConfig | None = None) -> AsyncIterator[Floor]:
    """Connected and resynced. At the end nothing of ours may be left on the PBX."""
    floor = Floor(bench, config or config_of(bench))
    await floor.pbx.start()
    try:
        await floor.event(LinkResynced)
        yield floor
        await nothing_left(floor)
    finally:
        await floor.pbx.close()
        await floor.tasks.close()
    assert floor.faults == []


async def nothing_left(floor: Floor) -> None:
    """Every leg that still stands can be hung up, and then the PBX knows none of them."""
    legs = {event.leg for event in floor.events if isinstance(event, LegRinging | LegAnswered)}
    gone = {event.leg for event in floor.events if isinstance(event, LegHungUp)}
    for leg in sorted(legs - gone):
        if (await floor.check(leg)).found is not None:
            floor.hang_up(leg)
            await floor.event(LegHungUp, leg=leg)
    for leg in sorted(legs):
        checked = await floor.check(leg)
        assert checked.found is None, f"left behind: {checked.found}"
