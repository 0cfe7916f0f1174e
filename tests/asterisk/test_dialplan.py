"""docs/pbx-contract.md on a real Asterisk: what the dialplan does, with or without a dialer."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk

AGENT, OTHER_AGENT, CUSTOMER = "od-t-a1", "od-t-a2", "od-t-c1"
DEAD_MAN_S = pytest.approx(2.0, abs=0.15)


def stamp(message: dict[str, str]) -> float:
    return float(message["Timestamp"])


async def test_a_customer_nobody_takes_hears_the_message_after_two_seconds(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk")
    await floor.gone(CUSTOMER)
    (live,) = floor.evt.events("UserEvent", UserEvent="OverdialLive")
    (harbour,) = floor.evt.events("UserEvent", UserEvent="OverdialHarbour")
    assert live["Leg"] == harbour["Leg"] == CUSTOMER
    assert live["Amd"] == ""
    assert stamp(harbour) - stamp(live) == DEAD_MAN_S
    (call,) = floor.bench.heard()
    # With his own ears: a live line at once, then a message, and nobody else.
    assert call.leg.silence.first - stamp(live) < 0.15
    assert call.leg.sound.first - stamp(live) == pytest.approx(2.0, abs=0.25)
    assert call.leg.sound.frames * 0.02 > 1.5
    assert not call.leg.voices
    assert not call.listeners


async def test_a_customer_is_sent_to_the_message_early_by_redirect(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk")
    channel = (await floor.parked(CUSTOMER))["Channel"]
    (response,) = await floor.cmd.action(
        "Redirect", Channel=channel, Context="overdial-customer", Exten="s", Priority="abandon"
    )
    assert response["Response"] == "Success"
    await floor.gone(CUSTOMER)
    (live,) = floor.evt.events("UserEvent", UserEvent="OverdialLive")
    (harbour,) = floor.evt.events("UserEvent", UserEvent="OverdialHarbour")
    assert stamp(harbour) - stamp(live) < 0.3
    (call,) = floor.bench.heard()
    assert call.leg.sound.frames * 0.02 > 1.5


async def test_a_talk_is_heard_by_one_agent_and_outlives_the_timer(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, "agent01")
    await floor.log_in(OTHER_AGENT, "agent02")
    await floor.connect(AGENT, agent, CUSTOMER)
    await asyncio.sleep(2.6)  # past the dead-man timer
    start = len(floor.evt.messages)
    await floor.bench.hang_up(floor.bench.number_for("talk"))
    await floor.gone(CUSTOMER)
    await floor.parked(AGENT, start=start)
    assert not floor.evt.events("UserEvent", UserEvent="OverdialHarbour")
    assert floor.evt.events("Hangup", Uniqueid=CUSTOMER)[0]["Cause"] == "16"
    (call,) = floor.bench.heard()
    assert call.number == floor.bench.number_for("talk")
    assert call.listeners == ["agent01"]
    ((kind, _),) = call.leg.voices
    assert kind == "A"
    assert call.leg.sound.frames == 0
    assert min(voice.frames for voice in call.leg.voices.values()) > 20


async def test_an_agent_parks_again_after_each_of_many_calls(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, "agent01")
    for n in range(5):
        leg = f"od-t-c{n}"
        await floor.connect(AGENT, agent, leg, n=n)
        start = len(floor.evt.messages)
        assert (await floor.hang_up(leg))["Response"] == "Success"  # by Uniqueid
        await floor.gone(leg)
        parked = await floor.parked(AGENT, start=start)
        assert parked["Channel"] == agent
        assert parked["BridgeName"] == f"ag-{AGENT}"
        left = floor.evt.events("Hangup", Uniqueid=leg)
        assert stamp(parked) - stamp(left[0]) < 0.1
    assert not floor.evt.events("Hangup", Uniqueid=AGENT)


async def test_a_customer_whose_agent_is_lost_in_talk_is_hung_up(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, "agent01")
    await floor.connect(AGENT, agent, CUSTOMER)
    await asyncio.sleep(4.1)  # a talk, by the dialplan's whole seconds
    await floor.bench.hang_up("agent01")
    lost, gone = await floor.gone(AGENT), await floor.gone(CUSTOMER)
    assert stamp(gone) - stamp(lost) < 0.2
    assert not floor.evt.events("UserEvent", UserEvent="OverdialHarbour")


async def test_a_customer_whose_agent_is_lost_at_once_hears_the_message(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, "agent01")
    await floor.connect(AGENT, agent, CUSTOMER)
    await floor.bench.hang_up("agent01")
    await floor.gone(AGENT)
    gone = await floor.gone(CUSTOMER)
    (harbour,) = floor.evt.events("UserEvent", UserEvent="OverdialHarbour")
    assert stamp(gone) - stamp(harbour) > 1.5


async def test_the_customer_may_leave_at_any_moment(floor: Floor) -> None:
    for n, behaviour in enumerate(["answer-bye", "answer-bye-30ms", "talk-1s", "talk-3s"]):
        await floor.call(f"od-t-c{n}", behaviour)
    causes = [(await floor.gone(f"od-t-c{n}"))["Cause"] for n in range(4)]
    # A BYE on the heels of the 200 hangs up a channel that has no cause yet, about one in six.
    assert set(causes[:2]) <= {"0", "16"}
    assert causes[2:] == ["16", "16"]
    for n in range(4):
        assert floor.evt.events("Newstate", Uniqueid=f"od-t-c{n}", ChannelStateDesc="Up")
    harbour = floor.evt.events("UserEvent", UserEvent="OverdialHarbour")
    assert [m["Leg"] for m in harbour] == ["od-t-c3"]


async def test_a_machine_is_announced_and_hung_up(floor: Floor) -> None:
    await floor.call(CUSTOMER, "machine", OD_AMD="1")
    await floor.gone(CUSTOMER)
    (event,) = floor.evt.events("UserEvent")
    assert event["UserEvent"] == "OverdialMachine"
    assert event["Leg"] == CUSTOMER
    assert event["Cause"].split("-")[0] in {"MAXWORDS", "LONGGREETING", "MAXWORDLENGTH"}
    (answered,) = floor.evt.events("Newstate", Uniqueid=CUSTOMER, ChannelStateDesc="Up")
    assert stamp(event) - stamp(answered) < 3.2


async def test_a_person_is_announced_after_amd_and_can_be_bridged(floor: Floor) -> None:
    agent = await floor.log_in(AGENT, "agent01")
    await floor.call(CUSTOMER, "human", OD_AMD="1")
    channel = (await floor.parked(CUSTOMER))["Channel"]
    assert (await floor.bridge(agent, channel))["Response"] == "Success"
    await floor.talking(AGENT, CUSTOMER)
    (live,) = floor.evt.events("UserEvent")
    assert live["UserEvent"] == "OverdialLive"
    assert live["Amd"].startswith("HUMAN/HUMAN-")
    await floor.hang_up(CUSTOMER)
    await floor.gone(CUSTOMER)


async def test_a_call_is_recorded_to_one_file(floor: Floor) -> None:
    await floor.call(CUSTOMER, "talk-1s", OD_REC="1")
    await floor.gone(CUSTOMER)
    monitor = floor.bench.work / "spool" / "monitor"
    async with asyncio.timeout(5):
        while not list(monitor.glob("*")):  # noqa: ASYNC110 (another process writes it)
            await asyncio.sleep(0.05)
    (recording,) = monitor.iterdir()
    assert recording.name == f"{CUSTOMER}.wav"
    assert recording.read_bytes()[:4] == b"RIFF"


async def test_no_file_is_missing_and_no_module_declines(floor: Floor) -> None:
    assert [line for line in floor.bench.log().splitlines() if "WARNING" in line] == []
    assert [line for line in floor.bench.log().splitlines() if "ERROR" in line] == []
    (settings,) = await floor.cmd.action("CoreSettings")
    assert settings["AsteriskVersion"].startswith("22.")
