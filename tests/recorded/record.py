"""Records what a real Asterisk 22 says over AMI, scene by scene, into this directory.

    python -m tests.recorded.record [SCENE...]         needs root and `make asterisk`

For each scene: `SCENE.evt.ami`, every byte the event link received after its connection;
`SCENE.cmd.ami`, the same of the command link; `SCENE.sent.ami`, every action that the command link
sent but its Login. Nothing is edited: the numbers are of blocks kept for films (tests/asterisk/
sipp.py), the secrets are made for the run and never sent back by Asterisk.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.asterisk.floor import Floor
from tests.asterisk.harness import AsteriskBench

HERE = Path(__file__).resolve().parent
AGENT, CUSTOMER = "od-rec1-a1", "od-rec1-c1"
Scene = Callable[[Floor], Awaitable[None]]
SCENES: dict[str, Scene] = {}


def scene(function: Scene) -> Scene:
    SCENES[function.__name__.replace("_", "-")] = function
    return function


@scene
async def agent_logs_in_and_out(floor: Floor) -> None:
    await floor.log_in(AGENT, floor.bench.phones[0])
    await asyncio.sleep(0.3)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def agent_phone_hangs_up_parked(floor: Floor) -> None:
    await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.bench.hang_up(floor.bench.phones[0])
    await floor.gone(AGENT)


@scene
async def agent_phone_busy(floor: Floor) -> None:
    await floor.originate(AGENT, f"PJSIP/{floor.bench.phones[2]}", "overdial-agent")
    await floor.gone(AGENT)


@scene
async def agent_phone_not_answered(floor: Floor) -> None:
    phone = floor.bench.phones[3]
    await floor.originate(AGENT, f"PJSIP/{phone}", "overdial-agent", timeout_ms=1500)
    await floor.gone(AGENT)


@scene
async def talk_customer_hangs_up(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.connect(AGENT, agent, CUSTOMER)
    await asyncio.sleep(0.5)
    start = len(floor.evt.messages)
    await floor.bench.hang_up(floor.bench.number_for("talk"))
    await floor.gone(CUSTOMER)
    await floor.parked(AGENT, start=start)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def talk_we_hang_up_customer(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.connect(AGENT, agent, CUSTOMER)
    await asyncio.sleep(0.5)
    start = len(floor.evt.messages)
    await floor.hang_up(CUSTOMER)
    await floor.gone(CUSTOMER)
    await floor.parked(AGENT, start=start)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def talk_agent_leg_lost(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.connect(AGENT, agent, CUSTOMER)
    await asyncio.sleep(4.1)
    await floor.bench.hang_up(floor.bench.phones[0])
    await floor.gone(AGENT)
    await floor.gone(CUSTOMER)


@scene
async def agent_leg_lost_at_once(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.connect(AGENT, agent, CUSTOMER)
    await floor.bench.hang_up(floor.bench.phones[0])
    await floor.gone(AGENT)
    await floor.gone(CUSTOMER)


@scene
async def two_talks_on_one_leg(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    for leg in (CUSTOMER, "od-rec1-c2"):
        await floor.connect(AGENT, agent, leg, behaviour="talk-1s")
        start = len(floor.evt.messages)
        await floor.gone(leg)
        await floor.parked(AGENT, start=start)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def dead_man_abandon(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk")
    await floor.gone(CUSTOMER)


@scene
async def redirect_abandon(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk")
    channel = (await floor.parked(CUSTOMER))["Channel"]
    await asyncio.sleep(0.4)
    await floor.cmd.action(
        "Redirect", Channel=channel, Context="overdial-customer", Exten="s", Priority="abandon"
    )
    await floor.gone(CUSTOMER)


@scene
async def bridge_after_the_timer(floor: Floor) -> None:
    """A Bridge that comes too late takes the customer out of the message."""
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.call(CUSTOMER, "talk")
    harbour = await floor.evt.event("UserEvent", UserEvent="OverdialHarbour")
    await floor.bridge(agent, harbour["Channel"])
    await floor.talking(AGENT, CUSTOMER)
    await asyncio.sleep(0.5)
    await floor.hang_up(CUSTOMER)
    await floor.gone(CUSTOMER)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def caller_leaves_waiting(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk-1s")
    await floor.gone(CUSTOMER)


@scene
async def caller_leaves_in_message(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk-3s")
    await floor.gone(CUSTOMER)


@scene
async def amd_machine(floor: Floor) -> None:
    await floor.call(CUSTOMER, "machine", OD_AMD="1")
    await floor.gone(CUSTOMER)


@scene
async def amd_human_then_message(floor: Floor) -> None:
    await floor.call(CUSTOMER, "human", OD_AMD="1")
    await floor.gone(CUSTOMER)


@scene
async def amd_caller_leaves_meanwhile(floor: Floor) -> None:
    await floor.call(CUSTOMER, "answer-bye-30ms", OD_AMD="1")
    await floor.gone(CUSTOMER)


@scene
async def recorded_call(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk-1s", OD_REC="1")
    await floor.gone(CUSTOMER)


def refusal(behaviour: str) -> None:
    async def play(floor: Floor) -> None:
        await floor.call(CUSTOMER, behaviour)
        await floor.gone(CUSTOMER)

    SCENES[f"refused-{behaviour}"] = play


for _behaviour in (
    *("busy", "busy-at-once", "invalid", "no-answer-480", "unreachable-480", "congestion"),
    *("rejected", "blocked-by-user", "blocked-analytics", "redirect", "gone", "forbidden"),
    *("server-error", "request-timeout", "not-acceptable"),
):
    refusal(_behaviour)


@scene
async def ring_timeout(floor: Floor) -> None:
    await floor.call(CUSTOMER, "ring-forever", timeout_ms=2000)
    await floor.gone(CUSTOMER)


@scene
async def nothing_answers(floor: Floor) -> None:
    await floor.call(CUSTOMER, "silence", timeout_ms=2000)
    await floor.gone(CUSTOMER)


@scene
async def we_hang_up_ringing(floor: Floor) -> None:
    await floor.call(CUSTOMER, "ring-forever")
    await floor.evt.event("DialState", DestUniqueid=CUSTOMER)
    await asyncio.sleep(0.3)
    await floor.hang_up(CUSTOMER)
    await floor.gone(CUSTOMER)


@scene
async def answer_then_bye_at_once(floor: Floor) -> None:
    await floor.call(CUSTOMER, "answer-bye")
    await floor.gone(CUSTOMER)


@scene
async def early_media_then_answer(floor: Floor) -> None:
    await floor.call(CUSTOMER, "early-media")
    await floor.parked(CUSTOMER)
    await floor.hang_up(CUSTOMER)
    await floor.gone(CUSTOMER)


@scene
async def originate_refused(floor: Floor) -> None:
    """No such endpoint, a ChannelId in use, and a response of Error."""
    await floor.originate(CUSTOMER, "PJSIP/nobody", "overdial-customer")
    await floor.evt.event("OriginateResponse", Uniqueid=CUSTOMER)
    await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.originate(AGENT, f"PJSIP/{floor.bench.phones[1]}", "overdial-agent")
    await asyncio.sleep(0.5)
    await floor.originate("od-rec1-c3", "", "overdial-customer")
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def actions_that_fail(floor: Floor) -> None:
    """Each action on a leg that is not there, and some that this user may not do."""
    agent = await floor.log_in(AGENT, floor.bench.phones[0])
    nobody = "PJSIP/carrier-0000ffff"
    await floor.bridge(agent, nobody)
    await floor.bridge(nobody, agent)
    await floor.hang_up(CUSTOMER)
    await floor.cmd.action(
        "Redirect", Channel=nobody, Context="overdial-customer", Exten="s", Priority="abandon"
    )
    await floor.cmd.action("Status", Channel=CUSTOMER)
    await floor.cmd.action("BridgeInfo", BridgeUniqueid="no-such-bridge")
    await floor.cmd.action("Command", Command="core show version")
    await floor.cmd.action("NoSuchAction")
    await floor.evt.action("Hangup", Channel=AGENT)
    await floor.hang_up(AGENT)
    await floor.gone(AGENT)


@scene
async def resync(floor: Floor) -> None:
    """One leg of each place: ringing, parked (agent, customer), talking, in the message."""
    bench, legs = floor.bench, ["od-rec1-c2", "od-rec1-c3", "od-rec1-c4"]
    agent = await floor.log_in(AGENT, bench.phones[0])
    await floor.log_in("od-rec1-a2", bench.phones[1])
    await floor.connect(AGENT, agent, CUSTOMER)
    await floor.call(legs[0], "ring-forever")
    await floor.call(legs[1], "talk", 1)
    await floor.evt.event("UserEvent", UserEvent="OverdialHarbour", Uniqueid=legs[1])
    await floor.call(legs[2], "talk", 2)
    await floor.parked(legs[2])
    for link in (floor.evt, floor.cmd):
        for action in ("Ping", "CoreStatus", "CoreSettings", "CoreShowChannels", "BridgeList"):
            listed = await link.action(action)
        for bridge in [m["BridgeUniqueid"] for m in listed if "BridgeUniqueid" in m]:
            await link.action("BridgeInfo", BridgeUniqueid=bridge)
    for leg in (AGENT, "od-rec1-a2", CUSTOMER, *legs):
        await floor.cmd.action("Status", Channel=leg)
    await floor.cmd.action("Status", Channel=agent)
    for leg in (AGENT, "od-rec1-a2", CUSTOMER, *legs):
        await floor.hang_up(leg)
        await floor.gone(leg)


@scene
async def asterisk_stops(floor: Floor) -> None:
    await floor.log_in(AGENT, floor.bench.phones[0])
    await floor.bench.stop_asterisk()
    await floor.evt.wait_closed()
    await floor.cmd.wait_closed()
    await floor.bench.start_asterisk()


async def main(names: list[str]) -> None:
    behaviour = {"agent03": "busy", "agent04": "rings"}
    async with AsteriskBench(phones_wanted=4, phone_behaviour=behaviour) as bench:
        for name in names or list(SCENES):
            async with Floor(bench) as floor:
                await SCENES[name](floor)
                await asyncio.sleep(0.3)  # what still comes after the last event waited for
                streams = {"evt": floor.evt.raw, "cmd": floor.cmd.raw, "sent": floor.cmd.sent}
                for stream, content in streams.items():
                    (HERE / f"{name}.{stream}.ami").write_bytes(content)
            print(f"{name}: {len(streams['evt'])} bytes of events", flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
