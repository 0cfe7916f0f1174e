"""Where Asterisk lets a careless dialer do harm, the simulated PBX does too. Each is a fact of
`Bridge`, `Redirect`, `Originate` or `Setvar` on Asterisk 22.10.1.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from simulator.pbx import AmiServer, Scripted, User
from tests.ami.virtual import virtual
from tests.asterisk.floor import Floor
from tests.asterisk.rawami import RawAmi
from tests.simulator.bench import SimulatedBench

AGENT, OTHER, C1, C2 = "od-t-a1", "od-t-a2", "od-t-c1", "od-t-c2"


@asynccontextmanager
async def floor() -> AsyncIterator[Floor]:
    async with SimulatedBench(phones_wanted=12) as bench, Floor(bench) as made:  # type: ignore[arg-type]
        yield made


@virtual
async def test_bridge_takes_a_ringing_customer() -> None:
    async with floor() as f:
        agent = await f.log_in(AGENT, f.bench.phones[0])
        await f.call(C1, "slow-answer")
        await f.evt.event("DialState", DestUniqueid=C1)
        ringing = next(m for m in await f.channels() if m["Uniqueid"] == C1)
        answer = await f.bridge(agent, ringing["Channel"])
        assert answer["Response"] == "Success"
        await f.talking(AGENT, C1)  # the agent hears ringback
        lost = await f.evt.event("OriginateResponse", Uniqueid=C1)
        assert (lost["Response"], lost["Reason"]) == ("Failure", "0")
        up = await f.evt.event("Newstate", Uniqueid=C1, ChannelState="6")
        assert up["Context"] == "overdial-nowhere"  # no dialplan ever ran for it
        assert not f.evt.events("UserEvent", Uniqueid=C1)


@virtual
async def test_bridge_steals_a_customer_who_talks() -> None:
    async with floor() as f:
        first = await f.log_in(AGENT, f.bench.phones[0])
        second = await f.log_in(OTHER, f.bench.phones[1])
        customer = await f.connect(AGENT, first, C1)
        start = len(f.evt.messages)
        answer = await f.bridge(second, customer)
        assert answer["Response"] == "Success"
        await f.parked(AGENT, start=start)  # robbed, and back in his loop
        talking = [m["Uniqueid"] for m in f.evt.events("BridgeEnter", BridgeType="basic")]
        assert talking == [AGENT, C1, OTHER, C1]


@virtual
async def test_bridge_steals_an_agent_who_talks() -> None:
    async with floor() as f:
        agent = await f.log_in(AGENT, f.bench.phones[0])
        await f.connect(AGENT, agent, C1)
        await f.connect(AGENT, agent, C2, n=1)  # type: ignore[arg-type]
        await f.evt.event("Hangup", Uniqueid=C1)  # the first one is dropped


@virtual
async def test_bridge_matches_the_beginning_of_a_name() -> None:
    async with floor() as f:
        await f.log_in(AGENT, f.bench.phones[0])  # agent01
        await f.log_in(OTHER, f.bench.phones[9])  # agent10
        await f.call(C1, "talk")
        customer = (await f.parked(C1))["Channel"]
        assert (await f.bridge("PJSIP/agent1", customer))["Response"] == "Success"
        assert (await f.talking(OTHER, C1))["Uniqueid"] == C1


@virtual
async def test_bridge_takes_ids_as_well() -> None:
    async with floor() as f:
        await f.log_in(AGENT, f.bench.phones[0])
        await f.call(C1, "talk")
        await f.parked(C1)
        assert (await f.bridge(AGENT, C1))["Response"] == "Success"
        await f.talking(AGENT, C1)


@virtual
async def test_bridge_refuses_a_channel_that_is_hanging_up_and_frees_the_other() -> None:
    async with floor() as f:
        agent = await f.log_in(AGENT, f.bench.phones[0])
        await f.call(C1, "talk")
        customer = (await f.parked(C1))["Channel"]
        start = len(f.evt.messages)
        await f.hang_up(C1)
        answer = await f.bridge(agent, customer)
        assert answer["Message"] == f"Unable to add Channel2 to bridge: {customer}"
        await f.parked(AGENT, start=start)
        await f.gone(C1)


@virtual
async def test_a_second_redirect_is_dropped_though_it_is_accepted() -> None:
    async with floor() as f:
        await f.call(C1, "talk")
        channel = (await f.parked(C1))["Channel"]
        for _ in range(2):
            (answer,) = await f.cmd.action(
                "Redirect",
                Channel=channel,
                Context="overdial-customer",
                Exten="s",
                Priority="abandon",
            )
            assert answer["Message"] == "Redirect successful"
        await f.gone(C1)
        assert len(f.evt.events("UserEvent", UserEvent="OverdialHarbour")) == 1


@virtual
async def test_the_dead_man_timer_does_not_fire_in_a_conversation() -> None:
    async with floor() as f:
        agent = await f.log_in(AGENT, f.bench.phones[0])
        await f.connect(AGENT, agent, C1)
        await asyncio.sleep(30)
        assert not f.evt.events("UserEvent", UserEvent="OverdialHarbour")


@virtual
async def test_a_channel_id_in_use_fails_and_leaves_the_living_alone() -> None:
    async with floor() as f:
        await f.log_in(AGENT, f.bench.phones[0])
        start = len(f.evt.messages)
        answer = await f.originate(AGENT, f"PJSIP/{f.bench.phones[1]}", "overdial-agent")
        assert answer["Response"] == "Success"
        failed = await f.evt.event("OriginateResponse", start=start, Uniqueid=AGENT)
        assert failed["Response"] == "Failure"
        assert len(await f.channels()) == 1
        assert f.bench.pbx.log.dialled_twice == [AGENT]  # type: ignore[attr-defined]


@virtual
async def test_commas_in_a_variable_make_more_variables() -> None:
    async with everything() as ami:
        await originate(ami, "PJSIP/agent1", "overdial-agent", "x", variable="OD_LEG=x,EVIL=1")
        await ami.event("BridgeEnter")
        assert (await ami.action("Getvar", Channel="x", Variable="EVIL"))[0]["Value"] == "1"


@virtual
async def test_setvar_without_a_channel_is_global() -> None:
    async with everything() as ami:
        (answer,) = await ami.action("Setvar", Channel="", Variable="V", Value="7")
        assert answer["Message"] == "Variable Set"
        assert (await ami.action("Getvar", Variable="V"))[0]["Value"] == "7"


@virtual
async def test_hangup_of_a_pattern_hangs_up_all_that_match() -> None:
    async with everything() as ami:
        for leg in ("one", "two"):
            await originate(ami, f"PJSIP/{leg}", "overdial-agent", leg)
            await ami.event("BridgeEnter", Uniqueid=leg)
        listed = await ami.action("Hangup", Channel="/^PJSIP/.*/")
        assert [m["Event"] for m in listed[1:]].count("ChannelHungup") == 2
        for leg in ("one", "two"):
            await ami.event("Hangup", Uniqueid=leg)


@virtual
async def test_a_line_end_in_a_value_is_a_second_action() -> None:
    async with everything() as ami:
        await ami.action("Ping", Note="x\r\n\r\nAction: Setvar\r\nVariable: INJ\r\nValue: 1")
        assert (await ami.action("Getvar", Variable="INJ"))[0]["Value"] == "1"


@virtual
async def test_early_media_answers_a_call_that_only_rings() -> None:
    async with everything() as ami:
        await originate(ami, "PJSIP/+4930183@t", "overdial-customer", "c", EarlyMedia="true")
        response = await ami.event("OriginateResponse")
        assert response["Response"] == "Success"
        await ami.event("UserEvent", UserEvent="OverdialLive")


@virtual
async def test_a_synchronous_originate_makes_its_session_deaf() -> None:
    async with everything() as ami:
        ami_action = asyncio.get_running_loop().create_task(
            originate(ami, "PJSIP/+4930486@t", "overdial-customer", "c", Async="false")
        )
        await asyncio.sleep(0.3)
        start = asyncio.get_running_loop().time()
        await ami.action("Ping")
        assert asyncio.get_running_loop().time() - start > 0.2  # only after the 486
        (answer,) = await ami_action
        assert answer["Message"] == "Originate failed"


@asynccontextmanager
async def everything() -> AsyncIterator[RawAmi]:
    """A PBX where number endings are behaviours, and one client that may do and see all."""
    pbx = AmiServer(Scripted(), (User("all", "secret"),))
    await pbx.start()
    async with RawAmi(pbx.port, "all", "secret") as ami:
        yield ami
    await pbx.stop()


async def originate(
    ami: RawAmi, channel: str, context: str, leg: str, *, variable: str = "", **more: str
) -> list[dict[str, str]]:
    headers = {"Async": "true", "Timeout": "15000", **more}
    return await ami.action(
        "Originate",
        variables=[variable or f"OD_LEG={leg}"],
        Channel=channel,
        Context=context,
        Exten="s",
        Priority="1",
        ChannelId=leg,
        **headers,
    )
