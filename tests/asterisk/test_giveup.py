"""What Asterisk tells, and sends, when a leg that rings is hung up."""

from __future__ import annotations

import asyncio
import re

import pytest

from tests.asterisk.floor import Floor

pytestmark = pytest.mark.asterisk

RANG_OUT = ["INVITE", "180 INVITE", "CANCEL", "200 CANCEL", "487 INVITE", "ACK"]
ANSWERED = ["INVITE", "180 INVITE", "CANCEL", "200 CANCEL", "200 INVITE", "ACK", "BYE", "200 BYE"]


def on_the_wire(log: str, number: str) -> list[str]:
    """The requests and responses of one call, each once and in order."""
    messages = re.split(r"<--- \w+ SIP .*", log)
    (call_id,) = {
        match[1]
        for text in messages
        if f"INVITE sip:{number}@" in text and (match := re.search(r"(?m)^Call-ID: (\S+)", text))
    }
    found: list[str] = []
    for text in messages:
        if f"Call-ID: {call_id}" in text:
            method = re.search(r"(?m)^CSeq: \d+ (\w+)", text)
            status = re.search(r"(?m)^SIP/2\.0 (\d+)", text)
            assert method is not None
            name = method[1] if status is None else f"{status[1]} {method[1]}"
            if name not in found:
                found.append(name)
    return found


async def test_a_ringing_leg_that_is_hung_up(floor: Floor) -> None:
    """A CANCEL on the wire. An answer that crosses it there is never told: Asterisk acknowledges it
    and says BYE by itself, and to AMI it is a leg that rang."""
    bench = floor.bench
    await bench.cli("logger add channel wire.log verbose")
    await bench.cli("pjsip set logger on")
    calls = {"ring-forever": RANG_OUT, "answer-meets-cancel": ANSWERED}
    for n, behaviour in enumerate(calls):
        await floor.call(f"od-t-c{n}", behaviour)
    for n in range(len(calls)):
        leg = f"od-t-c{n}"
        await floor.evt.event("DialState", DestUniqueid=leg, DialStatus="RINGING")
        assert (await floor.hang_up(leg))["Response"] == "Success"
        hangup = await floor.gone(leg)
        assert (hangup["ChannelState"], hangup["Cause"]) == ("5", "16")
        assert "TechCause" not in hangup
        (response,) = floor.evt.events("OriginateResponse", Uniqueid=leg)
        assert (response["Response"], response["Reason"]) == ("Failure", "0")
        assert not floor.evt.events("Newstate", Uniqueid=leg, ChannelState="6")
    await asyncio.sleep(0.5)  # Asterisk writes its log behind the calls
    log = (bench.work / "log" / "wire.log").read_text(errors="replace")
    assert {b: on_the_wire(log, bench.number_for(b)) for b in calls} == calls
