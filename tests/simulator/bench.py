"""The simulated PBX with the face of `tests.asterisk.harness.AsteriskBench`, so that whatever is
written for the real one (scenes, contract suite) runs against this one too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from simulator.pbx import AmiServer, Answer, CalledParty, Verdict, contract_users
from simulator.pbx.party import AGENT_PHONE
from tests.asterisk import sipp

# What AMD makes of the long noise that the carrier's "machine" plays.
MACHINE: dict[str, Any] = {
    "verdict": Verdict.MACHINE,
    "verdict_cause": "LONGGREETING-1500-1500",
    "machine": True,
}
RING_S = 0.05  # what a carrier on loopback takes to the first 180
# A BYE "at once" follows the ACK, which follows the answer: mostly before the dialplan's first
# event, sometimes after it.
ACK_S = 0.0005
ACK_LATE_S = 0.0015


def party(steps: tuple[sipp.Step, ...], ack_s: float = ACK_S) -> CalledParty:
    """A called party that does what SIPp would."""
    ring_s: float | None = None
    early_media = False
    for step in steps:
        match step:
            case sipp.Ring(ms, early):
                ring_s, early_media = ms / 1000, early
            case sipp.Refuse(code):
                return CalledParty(Answer.REFUSED, RING_S, ring_s, sip_status=code)
            case sipp.Silence():
                return CalledParty(Answer.NOTHING, RING_S, None)
            case sipp.Talk(ms):
                bye_after_s = ack_s + ms / 1000 if ms < sipp.NEVER_MS else None
                return CalledParty(
                    Answer.PICKED_UP,
                    RING_S,
                    ring_s,
                    early_media,
                    bye_after_s=bye_after_s,
                    talk_s=float("inf"),
                )
    return CalledParty(Answer.NOTHING, RING_S, ring_s)


class Carrier:
    """The directory of `sipp.CARRIER` and of the bench's phones."""

    def __init__(self, trunk: str, phones: dict[str, CalledParty], ack_s: float) -> None:
        self.trunk = trunk
        self.ack_s = ack_s
        self.phones = phones

    def customer(self, number: str, trunk: str) -> CalledParty | None:
        if trunk != self.trunk:
            return None
        for name, behaviour in sipp.CARRIER.items():
            if number[1:-2] == behaviour.prefix:
                made = party(behaviour.steps, self.ack_s)
                return replace(made, **MACHINE) if name == "machine" else made
        return None

    def agent(self, phone: str) -> CalledParty | None:
        return self.phones.get(phone)


class SimulatedBench:
    """`async with SimulatedBench(phones_wanted=2) as bench`: see AsteriskBench."""

    cmd_user, evt_user, ami_host = "overdial-cmd", "overdial-evt", "127.0.0.1"
    number_for = staticmethod(sipp.number_for)

    def __init__(
        self,
        phones_wanted: int = 2,
        phone_behaviour: dict[str, str] | None = None,
        trunk: str = "carrier",
        seed: int = 1,
        harbour_s: float = 2.0,
        ack_s: float = ACK_S,
    ) -> None:
        self.trunk = trunk
        self.cmd_secret, self.evt_secret = "cmd-secret", "evt-secret"
        self.phones = [f"agent{n:02d}" for n in range(1, phones_wanted + 1)]
        steps = {**dict.fromkeys(self.phones, "answers"), **(phone_behaviour or {})}
        parties = {
            name: AGENT_PHONE if how == "answers" else party(sipp.PHONE[how])
            for name, how in steps.items()
        }
        self.pbx = AmiServer(
            Carrier(trunk, parties, ack_s),
            contract_users(self.cmd_secret, self.evt_secret),
            seed=seed,
            harbour_s=harbour_s,
        )
        self._called: dict[str, str] = {}

    async def __aenter__(self) -> SimulatedBench:
        await self.pbx.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.pbx.stop()

    @property
    def ami_port(self) -> int:
        return self.pbx.port

    async def start_asterisk(self) -> None:
        await self.pbx.start_again()

    async def kill(self) -> None:
        await self.pbx.kill()

    async def stop_asterisk(self) -> None:
        await self.pbx.shut_down()

    async def restart(self) -> None:
        await self.kill()
        await self.start_asterisk()

    async def hang_up(self, who: str) -> None:
        """Let the phone of this name, or the customer of this number, hang up its newest call."""
        legs = [
            channel
            for channel in self.pbx.exchange.channels.values()
            if channel.dial_request.channel.removeprefix("PJSIP/").split("@")[0] == who
        ]
        if not legs:
            raise LookupError("that phone or customer has no call")
        self.pbx.exchange.far_hang_up(legs[-1])
