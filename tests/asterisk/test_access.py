"""Who may do what on the configured Asterisk: manager users, carriers, phones, strangers."""

from __future__ import annotations

import asyncio

import pytest

from tests.asterisk.floor import Floor
from tests.asterisk.harness import AsteriskBench
from tests.asterisk.rawami import RawAmi
from tests.asterisk.uac import Uac

pytestmark = pytest.mark.asterisk

CONTRACT = {
    *("FullyBooted", "Shutdown", "DialBegin", "DialState", "DialEnd", "Newstate"),
    *("OriginateResponse", "HangupRequest", "Hangup", "BridgeEnter", "BridgeLeave", "UserEvent"),
}
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio 9 RTP/AVP 8\r\n"
)
DESK = '[[phones]]\nname = "desk"\npassword = "wordwordword"\nqualify_s = 0\n'


async def test_each_link_gets_the_events_of_the_contract_and_no_others(floor: Floor) -> None:
    agent = await floor.log_in("od-t-a1", "agent01")
    await floor.connect("od-t-a1", agent, "od-t-c1")
    await floor.call("od-t-c2", "busy")
    await floor.gone("od-t-c2")
    await floor.hang_up("od-t-c1")
    await floor.gone("od-t-c1")
    await floor.bench.stop_asterisk()
    await floor.evt.wait_closed()
    # An orderly stop may close the links before Shutdown is written to them.
    seen = {m["Event"] for m in floor.evt.messages if "Event" in m}
    assert seen | {"Shutdown"} == CONTRACT
    seen = {m["Event"] for m in floor.cmd.messages if "Event" in m}
    assert seen | {"Shutdown"} == {"FullyBooted", "Shutdown"}
    stamped = [m for m in floor.evt.messages if "Event" in m and m["Event"] != "FullyBooted"]
    assert all(float(m["Timestamp"]) > 0 for m in stamped)


FORBIDDEN: dict[str, dict[str, dict[str, str]]] = {
    "cmd": {
        "Command": {"Command": "core show version"},
        "ModuleLoad": {"LoadType": "reload", "Module": "pbx_config.so"},
        "Reload": {},
        "GetConfig": {"Filename": "manager.conf"},
        "UpdateConfig": {"SrcFilename": "a.conf", "DstFilename": "b.conf"},
        "DBPut": {"Family": "a", "Key": "b", "Val": "c"},
        "MixMonitor": {"Channel": "x", "Command": "id"},
        "UserEvent": {"UserEvent": "OverdialLive", "Leg": "od-1-c1"},
        "DialplanExtensionAdd": {"Context": "overdial-nowhere", "Extension": "1"},
        "Filter": {"Operation": "Add", "Filter": "Event: Newchannel"},
    },
    "evt": {
        "Originate": {"Channel": "PJSIP/agent01", "Context": "overdial-agent"},
        "Hangup": {"Channel": "od-1-c1"},
        "Bridge": {"Channel1": "a", "Channel2": "b"},
        "Redirect": {"Channel": "a", "Context": "overdial-agent"},
        "Setvar": {"Variable": "A", "Value": "1"},
        "Command": {"Command": "core show version"},
        "UserEvent": {"UserEvent": "OverdialLive", "Leg": "od-1-c1"},
    },
}


async def test_actions_beyond_a_links_work_are_denied(floor: Floor) -> None:
    allowed = []
    for user, actions in FORBIDDEN.items():
        link = floor.cmd if user == "cmd" else floor.evt
        for action, headers in actions.items():
            (response,) = await link.action(action, **headers)  # type: ignore[arg-type]
            if (response["Response"], response["Message"]) != ("Error", "Permission denied"):
                allowed.append((user, action, response))
    assert not allowed


async def test_dangerous_functions_and_applications_are_out_of_reach(floor: Floor) -> None:
    for variable in ("SHELL(id)", "FILE(/etc/passwd)", "AST_CONFIG(manager.conf,general,port)"):
        (response,) = await floor.cmd.action("Getvar", Variable=variable)
        assert response.get("Value", "") == ""
    for application in ("System", "TrySystem", "MixMonitor", "Exec", "Originate"):
        (response,) = await floor.cmd.action(
            "Originate", Channel="PJSIP/agent01", Application=application, Data="id", Async="true"
        )
        assert response["Response"] == "Error"
        assert "access forbidden" in response["Message"].lower()
    assert await floor.channels() == []


async def test_a_wrong_secret_or_user_is_turned_away(bench: AsteriskBench) -> None:
    for user, secret in ((bench.cmd_user, bench.evt_secret), ("admin", "admin")):
        with pytest.raises(PermissionError):
            await RawAmi(bench.ami_port, user, secret).__aenter__()


async def test_nothing_can_be_reached_by_calling_in(floor: Floor) -> None:
    """A stranger at the trunk's address is taken for the trunk."""
    reached = {}
    for caller in ("agent01", "stranger"):
        for called in ("s", "agent02", "failed", "+496990009000", "abandon"):
            async with Uac(floor.bench.sip_port) as uac:
                status = await uac.request("INVITE", called, caller, body=SDP)
            if status != 404:
                reached[caller, called] = status
    assert not reached
    await asyncio.sleep(0.2)
    assert await floor.channels() == []
    assert not floor.bench.calls("agent02")


@pytest.mark.parametrize("bench", [{"more_settings": DESK}], indirect=True)
async def test_a_phone_registers_with_its_password_only_and_can_then_be_rung(floor: Floor) -> None:
    async with Uac(floor.bench.sip_port) as uac:
        assert await uac.request("REGISTER", "desk", "desk") == 401
        assert await uac.request("REGISTER", "desk", "desk", password="wrong") == 401
        await floor.originate("od-t-a1", "PJSIP/desk", "overdial-agent", timeout_ms=1000)
        refused = await floor.evt.event("OriginateResponse", Uniqueid="od-t-a1")
        assert refused["Response"] == "Failure"
        assert not floor.evt.events("Hangup", Uniqueid="od-t-a1")  # there was no channel at all
        assert await uac.request("REGISTER", "desk", "desk", password="wordwordword") == 200
        await floor.originate("od-t-a2", "PJSIP/desk", "overdial-agent", timeout_ms=1000)
        loop = asyncio.get_running_loop()
        invite = await asyncio.wait_for(loop.sock_recv(uac.sock, 65536), 5)
        assert invite.startswith(b"INVITE sip:desk@" + uac.here.encode())
        await floor.gone("od-t-a2")
