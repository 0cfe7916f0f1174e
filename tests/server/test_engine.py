"""Failing executors: what fails must stop dialling, and nothing else."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

from dialer.clock import Clock
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.states import AgentState, CampaignState
from dialer.server.changes import Changes
from dialer.server.engine import Engine
from dialer.snapshot import Decision
from dialer.store.writer import StoreClosed, StoreFull
from tests.ami.virtual import virtual
from tests.core.playbook import RULES, lead


class Pbx:
    def __init__(self) -> None:
        self.sent: list[Any] = []

    def send(self, command: Any) -> None:
        self.sent.append(command)

    def kinds(self) -> list[type]:
        return [type(one) for one in self.sent]


class Paper:
    """A store that keeps what it is given, until it is told to raise."""

    def __init__(self) -> None:
        self.kept: deque[Any] = deque()
        self.broken: Exception | None = None

    def submit(self, command: Any) -> None:
        if self.broken is not None:
            raise self.broken
        self.kept.append(command)

    def fetch(self, command: cmd.FetchLeads) -> None:
        pass

    def fetch_for(self, command: cmd.FetchLeadFor) -> None:
        pass

    @property
    def writer_depth(self) -> int:
        return 0


class Desk:
    def __init__(self) -> None:
        self.pbx, self.store = Pbx(), Paper()
        self.floor = Floor("t")
        self.engine = Engine(self.floor, Clock(), self.store, Changes())
        self.engine.pbxes["main"] = self.pbx

    async def tell(self, *events: ev.Event) -> None:
        for event in events:
            self.engine.post(event)
        await self.engine.door.settled()

    async def open(self) -> str:
        await self.tell(
            ev.TrunkConfigured("main", "trunk", 50, 1000.0),
            ev.CampaignStarted(RULES),
            ev.LinkResynced("main", ()),
            ev.LeadsOffered("spring", tuple(lead(n) for n in range(5))),
            ev.AgentLoggedIn("anna", "od-t-a1", "main", "p", ("spring",)),
            ev.LegParked("od-t-a1", "PJSIP/anna-1"),
            ev.StatusChosen("anna", ev.Status.READY),
            ev.LinesDecided("spring", Decision(2)),
        )
        attempts = [c.attempt for c in self.store.kept if isinstance(c, cmd.RecordAttempt)]
        await self.tell(ev.AttemptRecorded(attempts[0]))
        await asyncio.sleep(0.1)
        assert cmd.Originate in self.pbx.kinds()
        return str(attempts[0])


@virtual
async def test_a_dead_store_stops_dialling_and_the_live_call_is_served_on() -> None:
    desk = Desk()
    attempt = await desk.open()
    desk.store.broken = StoreClosed("the store takes no more")
    channel = "PJSIP/trunk-1"
    await desk.tell(ev.LegAnswered(attempt, channel), ev.LegParked(attempt, channel))
    assert desk.pbx.kinds()[-1] is cmd.Bridge
    assert desk.engine.fault
    assert desk.floor.campaigns["spring"].state is CampaignState.PAUSED
    await desk.tell(ev.LegBridged("od-t-a1", "b"), ev.LegBridged(attempt, "b"))
    assert desk.floor.agents["anna"].state is AgentState.TALK
    assert desk.engine.popped["anna"].attempt == attempt
    desk.engine.door.close()


@virtual
async def test_a_full_store_loses_no_outcome() -> None:
    """What must be on record waits until there is room; hints on the way there do not."""
    desk = Desk()
    attempt = await desk.open()
    desk.store.broken = StoreFull("20000 writes wait")
    await desk.tell(ev.LegHungUp(attempt, 17, 486))
    assert desk.engine.busy
    desk.store.broken = None
    await desk.tell(ev.LegRinging("od-t-nobody"))
    outcomes = [c.attempt for c in desk.store.kept if isinstance(c, cmd.RecordOutcome)]
    assert outcomes == [attempt]
    assert not desk.engine.fault
    desk.engine.door.close()


@virtual
async def test_a_full_store_refuses_new_attempts() -> None:
    desk = Desk()
    await desk.open()
    before = len(desk.floor.calls)
    desk.store.broken = StoreFull("20000 writes wait")
    await desk.tell(ev.LinesDecided("spring", Decision(1)))
    await desk.engine.door.settled()
    assert len(desk.floor.calls) == before
    desk.store.broken = None
    await desk.tell(ev.LegRinging("od-t-nobody"))
    returned = [c for c in desk.store.kept if isinstance(c, cmd.ReturnLeads)]
    assert len(returned) == 1
    desk.engine.door.close()


@virtual
async def test_a_fault_before_the_campaigns_start_keeps_them_from_dialling() -> None:
    desk = Desk()
    desk.engine.stop_dialling("the writer died")
    await desk.tell(ev.CampaignStarted(RULES), ev.LinkResynced("main", ()))
    assert desk.floor.campaigns["spring"].state is CampaignState.PAUSED
    assert "the writer died" in desk.floor.not_dialling(desk.floor.campaigns["spring"])
    desk.engine.door.close()


@virtual
async def test_a_pacer_that_fails_does_not_stop_the_door() -> None:
    desk = Desk()
    attempt = await desk.open()

    def broken(busy: bool) -> None:
        raise ZeroDivisionError

    desk.engine.pacing.after_step = broken  # type: ignore[method-assign]
    await desk.tell(ev.LegAnswered(attempt, "PJSIP/x"), ev.LegParked(attempt, "PJSIP/x"))
    assert desk.pbx.kinds()[-1] is cmd.Bridge
    assert desk.engine.fault
    await asyncio.sleep(3)  # the deadlines of the Bridge are applied: the PBX is asked
    assert desk.pbx.kinds().count(cmd.CheckLeg) >= 2
    desk.engine.door.close()
