"""The AMI server around the simulated switch: login, rights, filters, limits, faults."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from simulator.pbx import AmiServer, Point, Scripted, User, contract_users
from tests.ami.virtual import virtual
from tests.asterisk.rawami import RawAmi
from tests.simulator.test_pbx_treachery import originate

ALL = User("all", "secret")


@asynccontextmanager
async def pbx(**options: float) -> AsyncIterator[AmiServer]:
    server = AmiServer(Scripted(), (ALL, *contract_users("c", "e")), **options)  # type: ignore[arg-type]
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


@virtual
async def test_a_wrong_secret_costs_a_second_and_the_connection() -> None:
    async with pbx() as server:
        before = server.loop.time()
        ami = RawAmi(server.port, "all", "wrong")
        with pytest.raises(PermissionError, match="Authentication failed"):
            await ami.__aenter__()
        assert server.loop.time() - before >= 1.0
        assert not server.sessions


@virtual
async def test_nothing_is_allowed_before_login_and_a_mute_client_is_dropped() -> None:
    async with pbx() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"Action: Ping\r\n\r\n")
        await reader.readuntil(b"\r\n")
        assert b"Permission denied" in await reader.readuntil(b"\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 60) == b""
        writer.close()


@virtual
async def test_thousands_of_actions_in_one_go_are_all_answered() -> None:
    async with pbx() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        await reader.readline()
        login = b"Action: Login\r\nUsername: all\r\nSecret: secret\r\nEvents: off\r\n\r\n"
        writer.write(login + b"Action: Ping\r\n\r\n" * 3_000)
        for _ in range(1 + 3_000):
            assert b"Success" in await reader.readuntil(b"\r\n\r\n")
        writer.close()


@virtual
async def test_users_may_do_no_more_than_their_link_needs() -> None:
    async with (
        pbx() as server,
        RawAmi(server.port, "overdial-cmd", "c") as cmd,
        RawAmi(server.port, "overdial-evt", "e") as evt,
    ):
        assert (await cmd.action("Setvar", Variable="x", Value="1"))[0]["Message"] == "Variable Set"
        assert (await evt.action("Originate"))[0]["Message"] == "Permission denied"
        assert (await cmd.action("Filter", Operation="Add"))[0]["Message"] == "Permission denied"
        await originate(cmd, "PJSIP/agent1", "overdial-agent", "a")
        await evt.event("BridgeEnter")
        assert not evt.events("Newchannel")
        assert {m["Event"] for m in cmd.messages if "Event" in m} == {"FullyBooted"}


@virtual
async def test_masks_and_filters() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        assert (await ami.action("Events", EventMask="nonsense"))[0]["Response"] == "Error"
        assert (await ami.action("Events", EventMask="user"))[0]["Events"] == "On"
        await originate(ami, "PJSIP/+4930200@t", "overdial-customer", "c1")
        await ami.event("UserEvent")
        assert not ami.events("Newstate")
        assert (await ami.action("Events", EventMask="on"))[0]["Events"] == "On"
        answer = await ami.action("Filter", Operation="Add", Filter="Event: Hangup")
        assert answer[0]["Response"] == "Success"
        start = len(ami.messages)
        await originate(ami, "PJSIP/+4930404@t", "overdial-customer", "c2")
        await ami.event("Hangup", Uniqueid="c2")
        told = {m["Event"] for m in ami.messages[start:] if "Event" in m}
        assert told == {"HangupRequest", "Hangup"}  # a regular expression: both begin so
        assert (await ami.action("Events", EventMask="off"))[0]["Events"] == "Off"


@virtual
async def test_too_long_a_line_and_too_many_headers_are_errors_and_the_link_lives() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        start = len(ami.messages)
        with pytest.raises(TimeoutError):
            await ami.action("Ping", limit_s=0.1, Note="x" * 1100)
        assert ami.messages[start]["Message"] == "Failed to parse message: line too long"
        with pytest.raises(TimeoutError):
            await ami.action("Ping", variables=["a=b"] * 130, limit_s=0.1)
        assert ami.messages[start + 1]["Response"] == "Error"
        assert (await ami.action("Ping"))[0]["Ping"] == "Pong"


@virtual
async def test_bytes_may_come_one_at_a_time() -> None:
    async with pbx() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        for byte in b"Action: Login\nUsername: all\r\nSecret: secret\n\r\nAction: Ping\n\n":
            writer.write(bytes([byte]))
            await asyncio.sleep(0.001)
        assert b"Authentication accepted" in await reader.readuntil(b"accepted\r\n\r\n")
        await reader.readuntil(b"Ping: Pong\r\n")
        writer.close()


@virtual
async def test_no_event_comes_in_the_middle_of_a_list() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        for n in range(40):
            await originate(ami, f"PJSIP/+49301{n:02d}200@t", "overdial-customer", f"c{n}")
        lists = 0
        for _ in range(20):
            start = len(ami.messages)
            await ami.action("CoreShowChannels")
            names = [m.get("Event", "") for m in ami.messages[start:]]
            first, last = names.index("CoreShowChannel"), names.index("CoreShowChannelsComplete")
            assert set(names[first:last]) == {"CoreShowChannel"}
            lists += 1
            await asyncio.sleep(0.05)
        assert lists == 20


# --- faults -----------------------------------------------------------------------------------


async def dial(server: AmiServer, leg: str) -> ConnectionError | None:
    try:
        async with RawAmi(server.port, "overdial-cmd", "c") as cmd:
            await originate(cmd, "PJSIP/+4930200@t", "overdial-customer", leg)
            await cmd.action("Ping")
    except ConnectionError as error:
        return error
    return None


@virtual
async def test_cut_before_the_action_the_call_is_never_made() -> None:
    async with pbx() as server:
        server.faults.cut(Point.BEFORE_ACTION, action="Originate")
        assert await dial(server, "c1") is not None
        assert server.log.times_dialled == {}


@virtual
async def test_cut_before_the_response_the_call_is_made_all_the_same() -> None:
    async with pbx() as server:
        server.faults.cut(Point.BEFORE_RESPONSE, action="Originate")
        assert await dial(server, "c1") is not None
        await asyncio.sleep(0)
        assert server.log.times_dialled == {"c1": 1}


@virtual
async def test_cut_after_the_response() -> None:
    async with pbx() as server:
        server.faults.cut(Point.AFTER_RESPONSE, action="Originate", skip=1)
        assert await dial(server, "c1") is None  # the first passes
        assert await dial(server, "c2") is not None
        await asyncio.sleep(0)
        assert server.log.times_dialled == {"c1": 1, "c2": 1}


@virtual
async def test_cut_before_an_event_and_only_for_that_user() -> None:
    async with (
        pbx() as server,
        RawAmi(server.port, "overdial-evt", "e") as evt,
        RawAmi(server.port, "all", "secret") as ami,
    ):
        server.faults.cut(Point.BEFORE_EVENT, event="OriginateResponse", user="overdial-evt")
        await originate(ami, "PJSIP/+4930200@t", "overdial-customer", "c1")
        await ami.event("OriginateResponse")
        await asyncio.sleep(1)
        assert evt.closed
        assert not evt.events("OriginateResponse")


@virtual
async def test_cut_in_a_list() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        for leg in ("a1", "a2", "a3"):
            await originate(ami, f"PJSIP/{leg}", "overdial-agent", leg)
        await asyncio.sleep(1)
        server.faults.cut(Point.IN_LIST, action="CoreShowChannels", after_items=2)
        with pytest.raises(ConnectionError):
            await ami.action("CoreShowChannels")
        assert len(ami.events("CoreShowChannel")) == 2


@virtual
async def test_half_open_says_nothing_and_stays() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        server.freeze_all()
        with pytest.raises(TimeoutError):
            await ami.action("Ping", limit_s=30)
        assert not ami.closed


@virtual
async def test_a_slow_pbx_answers_late_and_in_order() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        server.faults.delay_s = 0.5
        before = server.loop.time()
        answers = await asyncio.gather(*(ami.action("Ping", ActionID=f"p{n}") for n in range(3)))
        assert [a[0]["ActionID"] for a in answers] == ["p0", "p1", "p2"]
        assert server.loop.time() - before >= 1.5


@virtual
async def test_killed_and_restarted_nothing_is_left_and_the_start_time_is_another() -> None:
    async with pbx() as server:
        async with RawAmi(server.port, "all", "secret") as ami:
            await originate(ami, "PJSIP/a1", "overdial-agent", "a1")
            await ami.event("BridgeEnter")
            (before,) = await ami.action("CoreStatus")
            await server.restart(down_s=0.1)
            assert ami.closed
            assert not ami.events("Hangup")
        async with RawAmi(server.port, "all", "secret") as ami:
            (after,) = await ami.action("CoreStatus")
            assert before["CoreStartupTime"] != after["CoreStartupTime"]
            assert after["CoreCurrentCalls"] == "0"


@virtual
async def test_refused_while_a_shutdown_hangs() -> None:
    async with pbx() as server, RawAmi(server.port, "all", "secret") as ami:
        server.faults.shutting_down = True
        assert (await ami.action("Ping"))[0]["Message"] == "Asterisk is shutting down"


@virtual
async def test_a_client_that_does_not_read_is_dropped() -> None:
    async with pbx() as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"Action: Login\r\nUsername: all\r\nSecret: secret\r\n\r\n")
        await asyncio.sleep(0.1)
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        for _ in range(400):
            server.publish("UserEvent", "user", f"UserEvent: Flood\r\nBody: {'x' * 100_000}\r\n")
            await asyncio.sleep(0.001)
        assert server.sessions
        await asyncio.sleep(30)
        assert not server.sessions
        writer.transport.abort()
        del reader
