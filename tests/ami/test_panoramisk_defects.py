"""The eleven defects of panoramisk, T1 to T11, and that none of them can happen here.

Where it is cheap, the bare library is put before the same server first and shows the defect: then
the test is known to be able to fail.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any

import panoramisk
import pytest

from dialer.ami import actions
from dialer.ami.codec import Message
from dialer.ami.link import Limits, Link, LoginRefused, Unreachable
from dialer.ami.results import Done, Lost, NotSent
from dialer.ami.session import Login
from tests.ami.scripted import Script, ScriptedAmi, Talk
from tests.ami.virtual import virtual

CALL = actions.originate("od-t-c1", "PJSIP/100@trunk", actions.CUSTOMER_CONTEXT, 30.0)


class Ours:
    """A link and what it told."""

    def __init__(self, ami: ScriptedAmi, limits: Limits | None = None) -> None:
        self.seen: list[Message] = []
        self.lost: list[str] = []
        login = Login("127.0.0.1", ami.port, "overdial-cmd", "secret")
        self.link = Link(login, self.on_event, self.lost.append, limits)

    def on_event(self, message: Message) -> None:
        self.seen.append(message)

    def names(self) -> list[str]:
        return [message["Event"] for message in self.seen]


def bare(ami: ScriptedAmi, **config: Any) -> panoramisk.Manager:
    return panoramisk.Manager(
        loop=asyncio.get_running_loop(),
        host="127.0.0.1",
        port=ami.port,
        username="overdial-cmd",
        secret="secret",
        reconnect_timeout=1,
        **config,
    )


async def drops_after_originate(talk: Talk) -> None:
    await talk.log_in()
    await talk.action("Originate")
    talk.abort()


async def stays(talk: Talk) -> None:
    await talk.log_in()
    await talk.serve()


async def accepts_everything(talk: Talk) -> None:
    await talk.log_in()
    while True:
        talk.reply(await talk.action(), Message="Originate successfully queued")


# --- T1: an Originate is dialled again after a reconnect ------------------------------------------


@virtual
async def test_t1_bare_dials_the_same_call_twice() -> None:
    async with ScriptedAmi(drops_after_originate, stays) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "Originate", "Channel": "PJSIP/100", "Async": "true"})
        await asyncio.sleep(30)
        assert [talk.count("Originate") for talk in ami.received] == [1, 1]
        manager.connect = lambda: None  # it would reconnect for ever
        manager.close()


@virtual
async def test_t1_a_call_whose_answer_was_lost_is_never_sent_again() -> None:
    async with ScriptedAmi(drops_after_originate, stays) as ami:
        first = Ours(ami)
        await first.link.open()
        result = await first.link.send(CALL)
        assert isinstance(result, Lost)
        await asyncio.sleep(30)
        assert len(ami.talks) == 1  # nor does a link reconnect by itself
        second = Ours(ami)
        await second.link.open()
        await asyncio.sleep(30)
        assert ami.received == [["Login", "Originate"], ["Login"]]
        second.link.close()


# --- T2: an OriginateResponse never reaches the handler -------------------------------------------


async def answers_call(talk: Talk) -> None:
    await talk.log_in()
    call = await talk.action("Originate")
    talk.reply(call, Message="Originate successfully queued")
    talk.event("OriginateResponse", ActionID=call["ActionID"], Response="Success", Reason="4")
    await talk.serve()


@virtual
async def test_t2_bare_swallows_the_originate_response() -> None:
    async with ScriptedAmi(answers_call) as ami:
        manager, seen = bare(ami), []
        manager.register_event("OriginateResponse", lambda _, event: seen.append(event))
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "Originate", "Channel": "PJSIP/100", "Async": "true"})
        await asyncio.sleep(5)
        assert seen == []
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t2_response_to_the_action_and_event_to_the_handler() -> None:
    async with ScriptedAmi(answers_call) as ami:
        ours = Ours(ami)
        await ours.link.open()
        result = await ours.link.send(CALL)
        assert isinstance(result, Done)
        assert result.response["Message"] == "Originate successfully queued"
        await asyncio.sleep(1)
        assert ours.names() == ["FullyBooted", "OriginateResponse"]
        ours.link.close()


# --- T3: an exception in a handler kills the connection -------------------------------------------


async def three_events_at_once(talk: Talk) -> None:
    await talk.log_in()
    await talk.action("CoreStatus")
    talk.raw("Event: One\r\n\r\nEvent: Two\r\n\r\nEvent: Three\r\n\r\n")
    await talk.serve()


@virtual
async def test_t3_bare_loses_the_events_after_a_fault() -> None:
    async with ScriptedAmi(three_events_at_once) as ami:
        seen: list[str] = []

        def handler(_: object, event: Any) -> None:
            seen.append(event.event)
            if event.event == "Two":
                raise RuntimeError("fault")

        asyncio.get_running_loop().set_exception_handler(lambda *_: None)
        manager = bare(ami)
        manager.register_event("*", handler)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "CoreStatus"})
        await asyncio.sleep(0.5)
        assert seen == ["FullyBooted", "One", "Two"]
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t3_events_after_a_fault_are_delivered_and_the_link_stands() -> None:
    async with ScriptedAmi(three_events_at_once) as ami:

        class Faulty(Ours):
            def on_event(self, message: Message) -> None:
                super().on_event(message)
                if message["Event"] == "Two":
                    raise RuntimeError("fault")

        ours = Faulty(ami)
        await ours.link.open()
        ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(3)
        assert ours.names() == ["FullyBooted", "One", "Two", "Three"]
        assert ours.link.faults == 1
        assert ours.link.up
        assert ours.lost == []
        ours.link.close()


# --- T4: a PBX that stopped answering is taken for connected --------------------------------------


async def goes_deaf(talk: Talk) -> None:
    await talk.log_in()
    while True:
        await talk.action(answer_pings=False)


@virtual
async def test_t4_bare_stays_connected_to_a_deaf_pbx() -> None:
    async with ScriptedAmi(goes_deaf) as ami:
        manager = bare(ami, ping_delay=1, ping_interval=1)
        await manager.connect()
        await asyncio.sleep(60)
        assert manager._connected
        assert len(ami.talks) == 1
        assert len(manager.protocol.responses) > 50  # and all the pings are still kept
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t4_no_answer_to_ping_fails_the_link() -> None:
    async with ScriptedAmi(goes_deaf) as ami:
        ours = Ours(ami, Limits(ping_every_s=1.0, ping_s=2.5))
        await ours.link.open()
        opened = asyncio.get_running_loop().time()
        pending = ours.link.send(actions.CORE_STATUS)
        assert isinstance(await pending, Lost)
        assert asyncio.get_running_loop().time() - opened == pytest.approx(3.5, abs=0.2)
        assert ours.lost == ["no answer to Ping in 2.5 s"]
        assert not ours.link.up


@virtual
async def test_t4_answered_pings_keep_the_link() -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami)
        await ours.link.open()
        await asyncio.sleep(300)
        assert ours.link.up
        assert ours.lost == []
        ours.link.close()


# --- T5: the future of an unanswered action never ends --------------------------------------------


@virtual
async def test_t5_bare_waits_for_ever_even_after_close() -> None:
    async with ScriptedAmi(stays) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        future = manager.send_action({"Action": "CoreStatus"})
        await asyncio.sleep(60)
        manager.connect = lambda: None
        manager.close()
        await asyncio.sleep(60)
        assert not future.done()


@virtual
async def test_t5_no_answer_is_lost_at_the_deadline() -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami, Limits(action_s=4.0))
        await ours.link.open()
        sent = asyncio.get_running_loop().time()
        result = await ours.link.send(actions.CORE_STATUS)
        assert result == Lost("no answer to CoreStatus in 4 s")
        assert asyncio.get_running_loop().time() - sent == pytest.approx(4.0, abs=0.1)
        assert ours.link.up  # one lost answer is not a lost link
        ours.link.close()


@virtual
async def test_t5_close_ends_what_is_under_way() -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami)
        await ours.link.open()
        future = ours.link.send(actions.CORE_STATUS)
        ours.link.close()
        assert await future == Lost("the link was closed")


@virtual
async def test_t5_a_late_answer_is_counted_and_harms_nothing() -> None:
    async def answers_late(talk: Talk) -> None:
        await talk.log_in()
        late = await talk.action("CoreStatus")
        following = await talk.action("CoreSettings")
        talk.reply(late, CoreStartupTime="late")
        talk.reply(following, AsteriskVersion="22.10.1")
        await talk.serve()

    async with ScriptedAmi(answers_late) as ami:
        ours = Ours(ami)
        await ours.link.open()
        assert isinstance(await ours.link.send(actions.CORE_STATUS), Lost)
        result = await ours.link.send(actions.CORE_SETTINGS)
        assert isinstance(result, Done)
        assert result.response["AsteriskVersion"] == "22.10.1"
        assert ours.link.orphans == 1
        ours.link.close()


# --- T6: a line end in a value is a second action -------------------------------------------------

INJECTION = "100\r\n\r\nAction: Command\r\nCommand: core stop now"


@virtual
async def test_t6_bare_lets_a_value_inject_an_action() -> None:
    async with ScriptedAmi(stays) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "Hangup", "Channel": INJECTION})
        await asyncio.sleep(1)
        assert "Command" in ami.received[0]
        manager.connect = lambda: None
        manager.close()


@virtual
@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x00", "\x85", "\u2028"])
async def test_t6_a_value_with_a_line_end_is_not_sent(end: str) -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami)
        await ours.link.open()
        result = await ours.link.send(actions.bridge(f"PJSIP/a{end}Action: Command", "PJSIP/b"))
        assert isinstance(result, NotSent)
        assert "Command" not in result.why
        await asyncio.sleep(1)
        assert ami.received == [["Login"]]
        ours.link.close()


# --- T7: an Originate without Async kills the connection ------------------------------------------


@virtual
async def test_t7_bare_dies_of_a_missing_async_header() -> None:
    async with ScriptedAmi(accepts_everything) as ami:
        errors: list[Any] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: errors.append(context))
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "Originate", "Channel": "PJSIP/100"})
        await asyncio.sleep(0.5)
        assert isinstance(errors[0]["exception"], KeyError)
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t7_an_answer_is_understood_without_looking_at_the_action() -> None:
    async with ScriptedAmi(accepts_everything) as ami:
        ours = Ours(ami)
        await ours.link.open()
        synchronous = tuple(header for header in CALL.headers if header[0] != "Async")
        result = await ours.link.send(actions.Action("Originate", synchronous))
        assert isinstance(result, Done)
        assert ours.link.up
        ours.link.close()


# --- T8: an action issued while disconnected is sent after the reconnect --------------------------


async def hangs_up_at_once(talk: Talk) -> None:
    await talk.log_in()
    await talk.action("CoreStatus")
    talk.abort()


@virtual
async def test_t8_bare_sends_a_stale_call_after_the_reconnect() -> None:
    async with ScriptedAmi(hangs_up_at_once, stays) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "CoreStatus"})
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "Originate", "Channel": "PJSIP/100", "Async": "true"})
        await asyncio.sleep(30)
        assert ami.received[1].count("Originate") == 1
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t8_nothing_is_sent_or_kept_while_there_is_no_link() -> None:
    async with ScriptedAmi(hangs_up_at_once, stays) as ami:
        ours = Ours(ami)
        assert await ours.link.send(CALL) == NotSent("not connected yet")
        await ours.link.open()
        await ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(1)
        assert isinstance(await ours.link.send(CALL), NotSent)
        again = Ours(ami)
        await again.link.open()
        await asyncio.sleep(30)
        assert ami.received == [["Login", "CoreStatus"], ["Login"]]
        again.link.close()


# --- T9: a wrong password is retried for ever and told to nobody ----------------------------------


async def wrong_password(talk: Talk) -> None:
    talk.greet()
    login = await talk.action("Login")
    await asyncio.sleep(1)  # as Asterisk does
    talk.refuse(login, "Authentication failed")
    talk.close()


@virtual
async def test_t9_bare_tries_a_wrong_password_again_and_again() -> None:
    async with ScriptedAmi(wrong_password) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(60)
        assert len(ami.talks) > 20
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t9_a_wrong_password_is_said_once_and_clearly() -> None:
    async with ScriptedAmi(wrong_password) as ami:
        ours = Ours(ami)
        with pytest.raises(LoginRefused) as refused:
            await ours.link.open()
        text = str(refused.value)
        assert text.startswith(
            f"AMI password refused for user overdial-cmd at 127.0.0.1:{ami.port}"
        )
        assert "secret" not in text
        await asyncio.sleep(60)
        assert len(ami.talks) == 1
        assert ours.lost == []  # it never was up


# --- T10: close() does not stop a pending reconnect -----------------------------------------------


@virtual
async def test_t10_bare_reconnects_after_close() -> None:
    async with ScriptedAmi(hangs_up_at_once, stays) as ami:
        manager = bare(ami)
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "CoreStatus"})
        await asyncio.sleep(0.5)
        manager.close()
        await asyncio.sleep(30)
        assert len(ami.talks) == 2
        manager.connect = lambda: None
        manager.close()


@virtual
@pytest.mark.parametrize("script", [stays, hangs_up_at_once, goes_deaf])
async def test_t10_close_is_final(script: Script) -> None:
    async with ScriptedAmi(script) as ami:
        ours = Ours(ami)
        await ours.link.open()
        ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(0.5)
        ours.link.close()
        told = list(ours.lost)
        await asyncio.sleep(60)
        assert len(ami.talks) == 1
        assert ours.lost == told
        assert isinstance(await ours.link.send(CALL), NotSent)


# --- T11: a character split over two TCP segments is lost -----------------------------------------


async def splits_characters(talk: Talk) -> None:
    await talk.log_in()
    await talk.action("CoreStatus")
    for byte in "Event: Named\r\nName: Zoë Çelik 李\r\n\r\n".encode():
        talk.raw(bytes([byte]))
        await asyncio.sleep(0.01)
    await talk.serve()


@virtual
async def test_t11_bare_drops_split_characters() -> None:
    async with ScriptedAmi(splits_characters) as ami:
        manager, seen = bare(ami), []
        manager.register_event("Named", lambda _, event: seen.append(event.name))
        await manager.connect()
        await asyncio.sleep(0.5)
        manager.send_action({"Action": "CoreStatus"})
        await asyncio.sleep(5)
        assert seen == ["Zo elik"]
        manager.connect = lambda: None
        manager.close()


@virtual
async def test_t11_split_characters_arrive_whole() -> None:
    async with ScriptedAmi(splits_characters) as ami:
        ours = Ours(ami)
        await ours.link.open()
        ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(5)
        assert ours.seen[-1]["Name"] == "Zoë Çelik 李"
        ours.link.close()


# --- beyond the eleven ----------------------------------------------------------------------------


@virtual
async def test_t10_no_event_follows_a_close_from_inside_a_handler() -> None:
    async with ScriptedAmi(three_events_at_once) as ami:

        class Leaving(Ours):
            def on_event(self, message: Message) -> None:
                super().on_event(message)
                if message["Event"] == "Two":
                    self.link.close()

        ours = Leaving(ami)
        await ours.link.open()
        ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(3)
        assert ours.names() == ["FullyBooted", "One", "Two"]


@virtual
async def test_nobody_there() -> None:
    async with ScriptedAmi(stays) as ami:
        port = ami.port
    link = Link(Login("127.0.0.1", port, "u", "s"), lambda _: None, lambda _: None)
    with pytest.raises(Unreachable, match=f"cannot reach the PBX at 127.0.0.1:{port}: connect"):
        await link.open()


@virtual
async def test_something_else_is_listening() -> None:
    async def web_server(talk: Talk) -> None:
        talk.raw("HTTP/1.1 400 Bad Request\r\n\r\n")

    async with ScriptedAmi(web_server) as ami:
        with pytest.raises(Unreachable, match="not an Asterisk Manager Interface"):
            await Ours(ami).link.open()


@virtual
async def test_a_port_that_says_nothing() -> None:
    async def mute(talk: Talk) -> None:
        await talk.action("Login")
        await asyncio.sleep(100)

    async with ScriptedAmi(mute) as ami:
        with pytest.raises(Unreachable, match="no answer to the login"):
            await Ours(ami, Limits(login_s=5)).link.open()


@virtual
async def test_a_port_that_takes_the_connection_and_no_more() -> None:
    async def mute(talk: Talk) -> None:
        await asyncio.sleep(100)

    async with ScriptedAmi(mute) as ami:
        login = Login("127.0.0.1", ami.port, "u", "s", tls=ssl.create_default_context())
        link = Link(login, lambda _: None, lambda _: None, Limits(connect_s=5))
        with pytest.raises(Unreachable, match="no answer in 5 s"):
            await link.open()


@virtual
async def test_a_secret_that_cannot_be_sent_is_not_shown() -> None:
    async with ScriptedAmi(stays) as ami:
        login = Login("127.0.0.1", ami.port, "u", "se\ncret")
        link = Link(login, lambda _: None, lambda _: None)
        with pytest.raises(LoginRefused) as refused:
            await link.open()
        assert "Secret holds a control character" in str(refused.value)
        assert "cret" not in str(refused.value).replace("Secret", "")
        assert "cret" not in repr(login)


@virtual
async def test_a_pbx_that_does_not_read_gets_nothing_more() -> None:
    async def stops_reading(talk: Talk) -> None:
        await talk.log_in()
        await asyncio.sleep(100)

    async with ScriptedAmi(stops_reading) as ami:
        ours = Ours(ami, Limits(in_flight_max=1_000_000, ping_every_s=50))
        await ours.link.open()
        names = tuple((f"X-{n}", "y" * 900) for n in range(100))
        sent = [ours.link.send(actions.Action("Filler", names)) for _ in range(200)]
        assert any(f.done() and isinstance(f.result(), NotSent) for f in sent)
        while not ours.lost:  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(100)
        assert ours.lost == ["the PBX does not read what it is sent"]
        assert all([not (await f).success for f in sent])


@virtual
async def test_no_more_actions_in_flight_than_the_limit() -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami, Limits(in_flight_max=10))
        await ours.link.open()
        sent = [ours.link.send(actions.CORE_STATUS) for _ in range(11)]
        assert isinstance(await sent[10], NotSent)
        assert isinstance(await sent[0], Lost)
        ours.link.close()


@virtual
async def test_the_same_id_is_not_under_way_twice() -> None:
    async with ScriptedAmi(stays) as ami:
        ours = Ours(ami)
        await ours.link.open()
        ours.link.send(CALL)
        assert isinstance(await ours.link.send(CALL), NotSent)
        await asyncio.sleep(1)
        assert ami.received == [["Login", "Originate"]]
        ours.link.close()


@virtual
async def test_reading_can_be_paused_and_loses_nothing() -> None:
    async def talkative(talk: Talk) -> None:
        await talk.log_in()
        await talk.action("CoreStatus")
        for n in range(1000):
            talk.event("Number", N=str(n))
        await talk.serve()

    async with ScriptedAmi(talkative) as ami:
        ours = Ours(ami)
        await ours.link.open()
        await asyncio.sleep(0.5)
        ours.link.pause_reading()
        ours.link.send(actions.CORE_STATUS)
        await asyncio.sleep(30)
        assert ours.names() == ["FullyBooted"]
        ours.link.resume_reading()
        await asyncio.sleep(1)
        assert [m["N"] for m in ours.seen[1:]] == [str(n) for n in range(1000)]
        assert ours.link.up
        ours.link.close()


@virtual
async def test_a_list_ends_with_its_items_and_a_refused_list_ends_too() -> None:
    async def lists(talk: Talk) -> None:
        await talk.log_in()
        talk.list(
            await talk.action("CoreShowChannels"),
            "CoreShowChannelsComplete",
            [("CoreShowChannel", {"Uniqueid": "od-t-c1"})],
        )
        talk.refuse(await talk.action("BridgeList"), "Internal error")
        await talk.serve()

    async with ScriptedAmi(lists) as ami:
        ours = Ours(ami)
        await ours.link.open()
        result = await ours.link.send(actions.CORE_SHOW_CHANNELS)
        assert isinstance(result, Done)
        assert [item["Uniqueid"] for item in result.items] == ["od-t-c1"]
        assert result.last is not None
        assert result.last["ListItems"] == "1"
        assert not (await ours.link.send(actions.BRIDGE_LIST)).success
        assert ours.names() == ["FullyBooted"]  # items are no events for the handler
        ours.link.close()
