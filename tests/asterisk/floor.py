"""The dialer's side of docs/pbx-contract.md in raw AMI: what tests and recordings do by hand."""

from __future__ import annotations

import asyncio

from tests.asterisk.harness import AsteriskBench
from tests.asterisk.rawami import Message, RawAmi

CALLER_ID = '"" <+493023125999>'


class Floor:
    """Two links to a bench, and the few things a dialer does over them."""

    def __init__(self, bench: AsteriskBench) -> None:
        self.bench = bench
        self.cmd = RawAmi(bench.ami_port, bench.cmd_user, bench.cmd_secret)
        self.evt = RawAmi(bench.ami_port, bench.evt_user, bench.evt_secret)

    async def __aenter__(self) -> Floor:
        await self.evt.__aenter__()
        await self.cmd.__aenter__()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.cmd.close()
        await self.evt.close()

    async def originate(
        self, leg: str, channel: str, context: str, *, timeout_ms: int = 15_000, **variables: str
    ) -> Message:
        """Response of the Originate; `variables` besides OD_LEG."""
        (response,) = await self.cmd.action(
            "Originate",
            ActionID=leg,
            Channel=channel,
            Context=context,
            Exten="s",
            Priority="1",
            Timeout=str(timeout_ms),
            CallerID=CALLER_ID,
            Async="true",
            ChannelId=leg,
            variables=[f"OD_LEG={leg}", *(f"{k}={v}" for k, v in variables.items())],
        )
        return response

    async def call(
        self, leg: str, behaviour: str, n: int = 0, *, timeout_ms: int = 15_000, **variables: str
    ) -> Message:
        """Dial the n-th customer of this behaviour (sipp.CARRIER)."""
        number = self.bench.number_for(behaviour, n)
        return await self.originate(
            leg,
            f"PJSIP/{number}@{self.bench.trunk}",
            "overdial-customer",
            timeout_ms=timeout_ms,
            **variables,
        )

    async def log_in(self, leg: str, phone: str) -> str:
        """Ring a phone and wait until its leg is parked; the full channel name."""
        await self.originate(leg, f"PJSIP/{phone}", "overdial-agent")
        return (await self.parked(leg))["Channel"]

    async def parked(self, leg: str, limit_s: float = 10.0, *, start: int = 0) -> Message:
        """The leg enters its holding bridge."""
        return await self.evt.wait(
            lambda m: (
                m.get("Event") == "BridgeEnter"
                and m.get("Uniqueid") == leg
                and m.get("BridgeCreator") == "BridgeWait"
            ),
            limit_s,
            start=start,
        )

    async def bridge(self, agent_channel: str, customer_channel: str) -> Message:
        (response,) = await self.cmd.action(
            "Bridge", Channel1=agent_channel, Channel2=customer_channel, Tone="no"
        )
        return response

    async def talking(self, *legs: str, limit_s: float = 10.0) -> Message:
        """All these legs entered a two-party bridge; the last one's event."""
        entered = [
            await self.evt.wait(
                lambda m, leg=leg: (
                    m.get("Event") == "BridgeEnter"  # type: ignore[misc]
                    and m.get("Uniqueid") == leg
                    and m.get("BridgeCreator") != "BridgeWait"
                ),
                limit_s,
            )
            for leg in legs
        ]
        return entered[-1]

    async def connect(
        self, agent_leg: str, agent_channel: str, leg: str, behaviour: str = "talk", n: int = 0
    ) -> str:
        """Dial, wait for the parked customer, bridge; the customer's channel."""
        await self.call(leg, behaviour, n)
        channel = (await self.parked(leg))["Channel"]
        await self.bridge(agent_channel, channel)
        await self.talking(agent_leg, leg)
        return channel

    async def hang_up(self, leg: str) -> Message:
        (response,) = await self.cmd.action("Hangup", Channel=leg, Cause="16")
        return response

    async def gone(self, leg: str, limit_s: float = 10.0) -> Message:
        """The leg's Hangup event, once its OriginateResponse has come as well."""
        await self.evt.event("OriginateResponse", limit_s, Uniqueid=leg)
        return await self.evt.event("Hangup", limit_s, Uniqueid=leg)

    async def channels(self) -> list[Message]:
        """What CoreShowChannels lists on the event link."""
        listed = await self.evt.action("CoreShowChannels")
        return [m for m in listed if m.get("Event") == "CoreShowChannel"]

    async def empty(self, limit_s: float = 10.0) -> None:
        """Wait until no channel lives on this Asterisk."""
        async with asyncio.timeout(limit_s):
            while await self.channels():  # noqa: ASYNC110 (Asterisk is asked, no task of ours)
                await asyncio.sleep(0.1)
