"""Supervision of a PBX's two links against a scripted server, on virtual time."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import pytest

from dialer.ami import actions, supervisor
from dialer.ami.codec import Message
from dialer.ami.link import Limits
from dialer.ami.supervisor import Pbx, PbxConfig, PbxState
from dialer.clock import Clock
from dialer.core.commands import Bridge, CheckLeg, HangUp, Originate, PlayHarbour, RingAgent
from dialer.core.events import (
    BridgeFailed,
    ChannelFound,
    ChannelPlace,
    Event,
    LegAnswered,
    LegBridged,
    LegChecked,
    LegHungUp,
    LinkLost,
    LinkResynced,
    OriginateFailed,
)
from dialer.tasks import Tasks
from tests.ami.scripted import Gone, ScriptedAmi, Talk
from tests.ami.virtual import virtual

CALL = Originate("main", "od-t-c1", "carrier", "+493023125800", "+493023125999", 25.0)
ANSWERED = {"Uniqueid": "od-t-c1", "ChannelState": "6", "Channel": "PJSIP/carrier-1"}
Answer = Callable[[Talk, Message], Awaitable[None] | None]


@dataclass
class Script:
    """A PBX that answers as told: `answers` by action name, else as usual, else not at all."""

    version: str = "22.10.1"
    started: str = "08:00:00"
    booted: bool = True
    channels: list[dict[str, str]] = field(default_factory=list)
    bridges: list[dict[str, str]] = field(default_factory=list)
    answers: dict[str, Answer] = field(default_factory=dict)
    talks: dict[str, list[Talk]] = field(default_factory=dict)

    async def __call__(self, talk: Talk) -> None:
        talk.greet()
        login = await talk.action("Login")
        self.talks.setdefault(login["Username"], []).append(talk)
        talk.reply(login, Message="Authentication accepted")
        if self.booted:
            talk.event("FullyBooted", Status="Fully Booted")
        while True:
            action = await talk.action()
            answer = self.answers.get(action["Action"])
            if answer is not None:
                done = answer(talk, action)
                if done is not None:
                    await done
            else:
                self._usual(talk, action)

    def _usual(self, talk: Talk, action: Message) -> None:
        match action["Action"]:
            case "CoreSettings":
                talk.reply(action, AsteriskVersion=self.version)
            case "CoreStatus":
                talk.reply(action, CoreStartupDate="2026-11-21", CoreStartupTime=self.started)
            case "CoreShowChannels":
                items = [("CoreShowChannel", channel) for channel in self.channels]
                talk.list(action, "CoreShowChannelsComplete", items)
            case "BridgeList":
                items = [("BridgeListItem", bridge) for bridge in self.bridges]
                talk.list(action, "BridgeListComplete", items)

    @property
    def evt(self) -> Talk:
        return self.talks["overdial-evt"][-1]

    @property
    def cmd(self) -> Talk:
        return self.talks["overdial-cmd"][-1]


class Watched:
    """A `Pbx` and what it told."""

    def __init__(self, ami: ScriptedAmi, **config: Any) -> None:
        self.told: list[Event] = []
        self.at: list[float] = []
        self.faults: list[BaseException] = []
        self.tasks = Tasks(lambda _, error: self.faults.append(error))
        self.loop = asyncio.get_running_loop()
        settings = PbxConfig(port=ami.port, cmd_secret="c", evt_secret="e")
        self.pbx = Pbx(
            "main",
            replace(settings, **config),
            self._take,
            Clock(),
            self.tasks,
            random.Random(7),
        )

    def _take(self, event: Event) -> None:
        self.told.append(event)
        self.at.append(self.loop.time())

    async def __aenter__(self) -> Watched:
        await self.pbx.start()
        await asyncio.sleep(0.1)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pbx.close()
        await self.tasks.close()
        assert self.faults == []

    def of(self, kind: type[Any]) -> list[Any]:
        return [event for event in self.told if isinstance(event, kind)]


def connect_times(ami: ScriptedAmi) -> int:
    return len(ami.talks)


# --- standing up ----------------------------------------------------------------------------------


@virtual
async def test_both_links_stand_and_everything_of_ours_is_told() -> None:
    script = Script(
        channels=[
            {"Uniqueid": "od-t-a1", "Channel": "PJSIP/a-1", "ChannelState": "6", "BridgeId": "b1"},
            {"Uniqueid": "od-t-c1", "Channel": "PJSIP/t-1", "ChannelState": "5", "BridgeId": ""},
            {"Uniqueid": "17.1", "Channel": "PJSIP/x-1", "ChannelState": "6", "BridgeId": ""},
        ],
        bridges=[{"BridgeUniqueid": "b1", "BridgeCreator": "BridgeWait"}],
    )
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        found = (
            ChannelFound("od-t-a1", "PJSIP/a-1", ChannelPlace.PARKED),
            ChannelFound("od-t-c1", "PJSIP/t-1", ChannelPlace.RINGING),
        )
        assert it.told == [LinkResynced("main", found, restarted=False)]
        status = it.pbx.status()
        assert (status.connected, status.why, status.version) == (True, "", "22.10.1")
        assert [talk.received[0]["Events"] for talk in (script.cmd, script.evt)] == ["off", "on"]


@virtual
async def test_a_peer_that_was_listed_too_early_is_looked_up() -> None:
    def bridge_info(talk: Talk, action: Message) -> None:
        members = [("BridgeInfoChannel", {"Uniqueid": leg}) for leg in ("od-t-a1", "od-t-c1")]
        talk.list(action, "BridgeInfoComplete", members)

    script = Script(
        channels=[
            {"Uniqueid": "od-t-a1", "Channel": "PJSIP/a-1", "ChannelState": "6", "BridgeId": "b0"},
            {"Uniqueid": "od-t-c1", "Channel": "PJSIP/t-1", "ChannelState": "6", "BridgeId": "b1"},
        ],
        bridges=[
            {"BridgeUniqueid": "b0", "BridgeCreator": "BridgeWait"},
            {"BridgeUniqueid": "b1", "BridgeCreator": "<unknown>"},
        ],
        answers={"BridgeInfo": bridge_info},
    )
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        customer = it.told[0].channels[1]  # type: ignore[union-attr]
        assert customer == ChannelFound("od-t-c1", "PJSIP/t-1", ChannelPlace.TALKING, "od-t-a1")


@virtual
async def test_events_that_come_during_the_listing_are_told_after_it() -> None:
    async def list_slowly(talk: Talk, action: Message) -> None:
        talk.event("Newstate", **ANSWERED)
        await asyncio.sleep(1)
        talk.event("Hangup", Uniqueid="od-t-c1", Cause="16")
        channel = {"Uniqueid": "od-t-c1", "Channel": "PJSIP/carrier-1", "ChannelState": "5"}
        talk.list(action, "CoreShowChannelsComplete", [("CoreShowChannel", channel)])

    script = Script(answers={"CoreShowChannels": list_slowly})
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        assert it.told == []
        await asyncio.sleep(2)
        assert [type(event) for event in it.told] == [LinkResynced, LegAnswered, LegHungUp]


@virtual
async def test_nothing_is_asked_before_asterisk_is_fully_booted() -> None:
    script = Script(booted=False)
    async with ScriptedAmi(script) as ami, Watched(ami, boot_s=20.0) as it:
        await asyncio.sleep(5)
        assert it.told == []
        assert ami.received == [["Login"], ["Login"]]
        script.evt.event("FullyBooted", Status="Fully Booted")
        await asyncio.sleep(0.1)
        assert [type(event) for event in it.told] == [LinkResynced]


@virtual
async def test_an_asterisk_that_never_boots_is_said_so() -> None:
    async with ScriptedAmi(Script(booted=False)) as ami, Watched(ami, boot_s=20.0) as it:
        await asyncio.sleep(30)
        (lost,) = it.told
        assert isinstance(lost, LinkLost)
        assert "fully booted" in lost.why
        assert "read=system" in lost.why


@virtual
@pytest.mark.parametrize("version", ["22.9.0", "20.19.0"])
async def test_a_version_that_deadlocks_is_refused(version: str) -> None:
    async with ScriptedAmi(Script(version=version)) as ami, Watched(ami) as it:
        await asyncio.sleep(20)
        (lost,) = it.told
        assert lost == LinkLost(
            "main",
            f"not dialling with the PBX at 127.0.0.1:{ami.port}:"
            f" Asterisk {version} deadlocks under load; use 22.10.1 or newer",
        )
        assert not it.pbx.status().connected


@virtual
async def test_an_old_version_is_warned_of() -> None:
    async with ScriptedAmi(Script(version="22.8.2")) as ami, Watched(ami) as it:
        assert it.pbx.status().connected
        assert "22.8.2" in it.pbx.status().warning


@virtual
async def test_missing_rights_are_named() -> None:
    script = Script(answers={"CoreSettings": lambda t, a: t.refuse(a, "Permission denied")})
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        (lost,) = it.told
        assert "refuses CoreSettings to overdial-evt: Permission denied" in lost.why  # type: ignore[union-attr]
        assert "write=reporting" in lost.why  # type: ignore[union-attr]


@virtual
async def test_a_storm_of_events_during_the_listing_has_a_limit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "HELD_EVENTS_MAX", 10)

    async def storm(talk: Talk, action: Message) -> None:
        for _ in range(20):
            talk.event("Newstate", **ANSWERED)
        await asyncio.sleep(1)

    async with ScriptedAmi(Script(answers={"CoreShowChannels": storm})) as ami, Watched(ami) as it:
        await asyncio.sleep(1)
        (lost,) = it.told
        assert "more events came during the resync than can be kept" in lost.why  # type: ignore[union-attr]


@virtual
async def test_a_fault_of_our_own_stops_dialling_and_is_not_hidden(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(supervisor, "ask_channels", broken)
    async with ScriptedAmi(Script()) as ami:
        it = Watched(ami)
        await it.pbx.start()
        await asyncio.sleep(1)
        assert it.told == [LinkLost("main", "a fault of the dialer's own; see its log")]
        assert [type(fault) for fault in it.faults] == [ZeroDivisionError]
        await it.pbx.close()
        await it.tasks.close()


# --- losing ---------------------------------------------------------------------------------------


@virtual
@pytest.mark.parametrize("which", ["cmd", "evt"])
async def test_either_link_lost_takes_both_down_and_both_come_back(which: str) -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami, retry_first_s=0.5) as it:
        getattr(script, which).abort()
        await asyncio.sleep(0.05)
        assert isinstance(it.told[1], LinkLost)
        assert f"link {which} to the PBX" in it.told[1].why
        assert it.pbx.status().state is PbxState.WAITING
        await asyncio.sleep(1)
        assert [type(event) for event in it.told] == [LinkResynced, LinkLost, LinkResynced]
        assert not it.told[2].restarted  # type: ignore[union-attr]
        assert connect_times(ami) == 4


@virtual
async def test_another_start_time_is_a_restart() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        script.started = "09:30:00"
        script.evt.abort()
        await asyncio.sleep(1)
        assert it.told[-1] == LinkResynced("main", (), restarted=True)
        script.evt.abort()
        await asyncio.sleep(3)
        assert it.told[-1] == LinkResynced("main", (), restarted=False)


@virtual
async def test_a_pbx_that_went_deaf_is_lost_within_the_pings_limit() -> None:
    script = Script()
    limits = Limits(ping_every_s=1.0, ping_s=2.5)
    async with ScriptedAmi(script) as ami, Watched(ami, limits=limits) as it:
        began = it.loop.time()

        async def deaf(*_: object) -> None:
            await asyncio.sleep(1000)

        script.answers["CoreStatus"] = deaf
        await it.pbx._evt.send(actions.CORE_STATUS)  # type: ignore[union-attr]
        lost = it.of(LinkLost)[0]
        assert "no answer to Ping" in lost.why
        assert it.at[it.told.index(lost)] - began < 4.0


@virtual
async def test_pauses_grow_are_jittered_and_capped() -> None:
    tried: list[float] = []

    async def slams(talk: Talk) -> None:
        tried.append(asyncio.get_running_loop().time())
        talk.abort()
        raise Gone

    async with (
        ScriptedAmi(slams) as ami,
        Watched(ami, retry_first_s=0.5, retry_max_s=8.0) as it,
    ):
        await asyncio.sleep(120)
        gaps = [b - a for a, b in pairwise(tried)]
        for n, gap in enumerate(gaps):
            full = min(8.0, 0.5 * 2**n)
            assert full * 0.5 <= gap <= full + 0.1
        assert len({round(gap, 3) for gap in gaps[5:]}) > 3  # not all alike
        assert len(it.told) == 1  # one reason, told once
        assert it.pbx.status().counters["retries"] == len(tried)


@virtual
async def test_links_that_break_at_once_do_not_start_the_pauses_anew() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami, retry_first_s=0.5) as it:
        for _ in range(60):
            await asyncio.sleep(1)
            if it.pbx.status().connected:
                script.evt.abort()
        assert connect_times(ami) < 30


@virtual
async def test_a_new_reason_is_told() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        script.answers["CoreSettings"] = lambda t, a: t.refuse(a, "Permission denied")
        script.evt.abort()
        await asyncio.sleep(60)
        whys = [lost.why for lost in it.of(LinkLost)]
        assert len(whys) == 2
        assert "lost" in whys[0]
        assert "refuses CoreSettings" in whys[1]


@virtual
@pytest.mark.parametrize("when", ["login", "boot", "list", "up", "down"])
async def test_close_is_final_whenever_it_comes(when: str) -> None:
    script = Script(booted=when != "boot")
    if when == "list":
        script.answers["CoreShowChannels"] = lambda *_: None

    async def slow_login(talk: Talk) -> None:
        talk.greet()
        await asyncio.sleep(1000)

    async with ScriptedAmi(slow_login if when == "login" else script) as ami:
        it = Watched(ami)
        await it.pbx.start()
        await asyncio.sleep(1)
        if when == "down":
            script.evt.abort()
            await asyncio.sleep(0.01)
        told, connections = len(it.told), connect_times(ami)
        it.pbx.send(CALL)
        await it.pbx.close()
        it.pbx.send(CALL)
        await asyncio.sleep(60)
        assert len(it.told) == told
        assert connect_times(ami) == connections
        assert len(it.tasks) == 0
        assert it.pbx.status().state is PbxState.CLOSED


# --- commands -------------------------------------------------------------------------------------


@virtual
async def test_refused_calls_and_bridges_are_told() -> None:
    script = Script(
        answers={
            "Originate": lambda t, a: t.refuse(a, "Extension does not exist."),
            "Bridge": lambda t, a: t.refuse(a, "Channel2 does not exist: PJSIP/c-1"),
        }
    )
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        it.pbx.send(CALL)
        it.pbx.send(RingAgent("main", "od-t-a1", "agent01", 20.0))
        it.pbx.send(Bridge("main", "od-t-a1", "PJSIP/a-1", "od-t-c1", "PJSIP/c-1"))
        assert len(it.told) == 1  # never from inside send
        await asyncio.sleep(0.1)
        assert it.told[1:] == [
            OriginateFailed("od-t-c1", refused="Extension does not exist."),
            OriginateFailed("od-t-a1", refused="Extension does not exist."),
            BridgeFailed("od-t-a1", "od-t-c1", "Channel2 does not exist: PJSIP/c-1"),
        ]


@virtual
async def test_what_cannot_be_encoded_is_told_without_the_number() -> None:
    async with ScriptedAmi(Script()) as ami, Watched(ami) as it:
        it.pbx.send(replace(CALL, phone="+4930\r\nAction: Command"))
        it.pbx.send(Bridge("main", "od-t-a1", "/.*/", "od-t-c1", "PJSIP/c-1"))
        it.pbx.send(HangUp("main", "not an id"))
        it.pbx.send(CheckLeg("main", "not an id"))
        await asyncio.sleep(1)
        failed, bridge = it.told[1:]
        assert failed == OriginateFailed(
            "od-t-c1", refused="not sent: the customer's phone is not a number"
        )
        assert isinstance(bridge, BridgeFailed)
        assert all("Command" not in names and "Hangup" not in names for names in ami.received)


@virtual
async def test_a_call_whose_answer_is_lost_is_unknown_and_nothing_is_told() -> None:
    script = Script(answers={"Originate": lambda t, _: t.abort(), "Bridge": lambda *_: None})
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        it.pbx.send(Bridge("main", "od-t-a1", "PJSIP/a-1", "od-t-c1", "PJSIP/c-1"))
        it.pbx.send(CALL)
        await asyncio.sleep(60)
        assert [type(event) for event in it.told] == [LinkResynced, LinkLost, LinkResynced]
        assert sum(names.count("Originate") for names in ami.received) == 1
        assert it.pbx.status().counters["lost"] >= 2


@virtual
async def test_what_is_asked_while_down_is_refused_at_once_and_never_sent() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        script.cmd.abort()
        await asyncio.sleep(0.01)
        told = len(it.told)
        it.pbx.send(CALL)
        it.pbx.send(Bridge("main", "od-t-a1", "PJSIP/a-1", "od-t-c1", "PJSIP/c-1"))
        it.pbx.send(HangUp("main", "od-t-c1"))
        it.pbx.send(PlayHarbour("main", "od-t-c1", "PJSIP/c-1"))
        it.pbx.send(CheckLeg("main", "od-t-c1"))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        failed, bridge = it.told[told:]
        assert failed.refused.startswith("not sent: no link to the PBX")  # type: ignore[union-attr]
        assert bridge.message.startswith("not sent: no link to the PBX")  # type: ignore[union-attr]
        await asyncio.sleep(30)
        sent = {name for names in ami.received for name in names}
        assert sent.isdisjoint({"Originate", "Bridge", "Hangup", "Redirect", "Status"})


@virtual
async def test_a_leg_is_looked_for_twice_before_it_is_called_gone() -> None:
    looks = 0

    def status(talk: Talk, action: Message) -> None:
        nonlocal looks
        looks += 1
        if looks == 1:
            talk.refuse(action, "No such channel")
        else:
            here = {"Uniqueid": "od-t-c1", "Channel": "PJSIP/t-1", "ChannelState": "5"}
            talk.list(action, "StatusComplete", [("Status", here)])

    async with ScriptedAmi(Script(answers={"Status": status})) as ami, Watched(ami) as it:
        it.pbx.send(CheckLeg("main", "od-t-c1"))
        await asyncio.sleep(1)
        found = ChannelFound("od-t-c1", "PJSIP/t-1", ChannelPlace.RINGING)
        assert it.told[1:] == [LegChecked("main", "od-t-c1", found)]


@virtual
@pytest.mark.parametrize("answer", ["No such channel", "Asterisk is shutting down", ""])
async def test_only_no_such_channel_means_that_a_leg_is_gone(answer: str) -> None:
    script = Script(answers={"Status": lambda t, a: t.refuse(a, answer) if answer else None})
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        it.pbx.send(CheckLeg("main", "od-t-c1"))
        await asyncio.sleep(60)
        gone = [LegChecked("main", "od-t-c1", None)]
        assert it.of(LegChecked) == (gone if answer == "No such channel" else [])


@virtual
async def test_a_leg_bridged_after_its_far_end_had_gone_is_hung_up() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        for leg in ("od-t-c1", "od-t-c2", "od-t-a1"):
            script.evt.event("HangupRequest", Uniqueid=leg)
        script.evt.event("Hangup", Uniqueid="od-t-c2", Cause="16")
        for leg in ("od-t-c2", "od-t-c3"):  # a new life of the id, and nothing said of it
            script.evt.event("BridgeEnter", Uniqueid=leg, BridgeUniqueid="b0")
        await asyncio.sleep(0.1)
        for leg in ("od-t-c1", "od-t-a1"):
            script.evt.event("BridgeEnter", Uniqueid=leg, BridgeUniqueid="b1")
        holding = {"BridgeCreator": "BridgeWait", "BridgeName": "cu-od-t-c1"}
        script.evt.event("BridgeEnter", Uniqueid="od-t-c1", **holding)
        await asyncio.sleep(0.1)
        asked = [m["Channel"] for m in script.cmd.received if m["Action"] == "Hangup"]
        assert asked == ["od-t-c1", "od-t-a1"]
        assert it.pbx.status().counters["revived"] == 2
        assert LegBridged("od-t-c1", "b1") in it.told


@virtual
async def test_the_last_hangups_of_an_orderly_stop_are_heard() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        script.evt.event("Shutdown", Shutdown="Cleanly", Restart="False")
        script.cmd.abort()
        await asyncio.sleep(0.5)
        it.pbx.send(CALL)
        script.evt.event("Hangup", Uniqueid="od-t-c9", Cause="16")
        await asyncio.sleep(0.1)
        assert it.told[1:] == [
            OriginateFailed("od-t-c1", refused="not sent: Asterisk is shutting down"),
            LegHungUp("od-t-c9", 16),
        ]
        script.evt.abort()
        await asyncio.sleep(0.1)
        assert it.told[-1].why.endswith("Asterisk shut down")  # type: ignore[union-attr]


@virtual
async def test_a_shutdown_that_does_not_hang_up_is_lost_all_the_same() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami, parting_s=2.0) as it:
        script.evt.event("Shutdown", Shutdown="Cleanly", Restart="False")
        await asyncio.sleep(2.5)
        assert it.of(LinkLost)[0].why.endswith("Asterisk shut down")


@virtual
async def test_a_sink_that_fails_loses_no_other_event() -> None:
    script = Script()
    async with ScriptedAmi(script) as ami, Watched(ami) as it:
        take = it.pbx._sink

        def faulty(event: Event) -> None:
            take(event)
            if isinstance(event, LegAnswered):
                raise RuntimeError("fault")

        it.pbx._sink = faulty
        script.evt.event("Newstate", **ANSWERED)
        script.evt.event("Hangup", Uniqueid="od-t-c1", Cause="16")
        await asyncio.sleep(0.1)
        assert [type(event) for event in it.told[1:]] == [LegAnswered, LegHungUp]
        assert it.pbx.status().counters["faults"] == 1
        assert it.pbx.status().connected
