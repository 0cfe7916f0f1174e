"""The simulated PBX over a traffic model: whatever the people do, the event stream adds up."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from simulator.pbx import AmiServer, Answer, User, Verdict
from simulator.pbx.people import WorldDirectory, party_of
from simulator.world import Kind, World, base_world
from tests.ami.virtual import virtual
from tests.asterisk.rawami import RawAmi
from tests.simulator.test_pbx_treachery import originate

AGENTS, CALLS, PER_S = 30, 900, 10.0


class Dialer:
    """As simple a dialer as can be: who is parked is bridged, longest waiting first."""

    def __init__(self, ami: RawAmi) -> None:
        self.ami = ami
        self.idle: list[str] = []
        self.waiting: list[str] = []
        self.bridged = 0

    async def run(self) -> None:
        seen = 0
        while True:
            message = await self.ami.event("BridgeEnter", 1e6, start=seen)
            seen = self.ami.messages.index(message, seen) + 1
            if message["BridgeCreator"] != "BridgeWait":
                continue
            agent = message["Uniqueid"].startswith("od-a")
            (self.idle if agent else self.waiting).append(message["Channel"])
            while self.idle and self.waiting:
                customer = self.waiting.pop(0)
                (answer,) = await self.ami.action(
                    "Bridge", Channel1=self.idle[0], Channel2=customer
                )
                if answer["Response"] == "Success":
                    self.bridged += 1
                    self.idle.pop(0)


@virtual
async def test_every_call_is_told_from_its_beginning_to_its_end() -> None:
    loop = asyncio.get_running_loop()
    pbx = AmiServer(WorldDirectory(base_world(AGENTS), 7), (User("all", "secret"),), seed=7)
    await pbx.start()
    async with RawAmi(pbx.port, "all", "secret") as ami:
        for n in range(AGENTS):
            await originate(ami, f"PJSIP/phone{n}", "overdial-agent", f"od-a{n}")
        dialer = Dialer(ami)
        dialing = loop.create_task(dialer.run())
        for n in range(CALLS):
            number = f"+1212555{n:04d}"
            await originate(
                ami, f"PJSIP/{number}@carrier", "overdial-customer", f"od-c{n}", Timeout="25000"
            )
            await asyncio.sleep(1 / PER_S)
        await asyncio.sleep(120)
        for leg in [leg for leg in pbx.exchange.channels if leg.startswith("od-c")]:
            await ami.action("Hangup", Channel=leg, Cause="16")  # the long talkers
        await asyncio.sleep(1)
        dialing.cancel()
        await asyncio.gather(dialing, return_exceptions=True)
        story: dict[str, Counter[str]] = {f"od-c{n}": Counter() for n in range(CALLS)}
        depth: Counter[str] = Counter()
        for message in ami.messages:
            leg = message.get("DestUniqueid") or message.get("Uniqueid", "")
            if leg in story and "Event" in message:
                story[leg][message["Event"]] += 1
            if message.get("Event") == "BridgeEnter":
                depth[message["BridgeUniqueid"]] += 1
                assert int(message["BridgeNumChannels"]) == depth[message["BridgeUniqueid"]]
            if message.get("Event") == "BridgeLeave":
                depth[message["BridgeUniqueid"]] -= 1
                assert int(message["BridgeNumChannels"]) == depth[message["BridgeUniqueid"]]
        for leg, events in story.items():
            for once in ("Newchannel", "DialBegin", "OriginateResponse", "Hangup"):
                assert events[once] == 1, f"{leg}: {once} came {events[once]} times"
            assert events["BridgeEnter"] == events["BridgeLeave"]
        assert dialer.bridged > CALLS * 0.05
        assert pbx.log.dialled_twice == []
        assert {c.bridge.name[:3] for c in pbx.exchange.channels.values() if c.bridge} == {"ag-"}
        assert set(pbx.log.conversations) <= set(story) | {f"od-a{n}" for n in range(AGENTS)}
    await pbx.stop()


def test_parties_are_the_worlds_people() -> None:
    world = World(base_world(10), 3)
    kinds: Counter[Kind] = Counter()
    for index in range(3_000):
        plan = world.plan_call(index, 100.0)
        party = party_of(plan)
        kinds[plan.kind] += 1
        if plan.answered:
            assert party.answer is Answer.PICKED_UP
            assert (party.verdict is Verdict.MACHINE) is (not plan.live)
            assert party.ring_s == plan.ring_s
        elif plan.kind is Kind.NO_ANSWER:
            assert party.answer is Answer.NOTHING
        else:
            assert (party.answer, party.sip_status) == (Answer.REFUSED, plan.sip_status)
    assert kinds[Kind.PERSON] / 3_000 == pytest.approx(0.20, abs=0.03)
    assert kinds[Kind.MACHINE] / 3_000 == pytest.approx(0.25, abs=0.03)
