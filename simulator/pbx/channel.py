"""Channels and bridges of the simulated PBX: records, and the headers AMI shows of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum, IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulator.pbx.exchange import Dial
    from simulator.pbx.party import CalledParty


class ChannelState(IntEnum):
    """Asterisk's numbers."""

    DOWN = 0
    RING = 4
    RINGING = 5
    UP = 6


_STATE_TEXT = {
    ChannelState.DOWN: "Down",
    ChannelState.RING: "Ring",
    ChannelState.RINGING: "Ringing",
    ChannelState.UP: "Up",
}


class DialStage(Enum):
    """How far an Originate came. It ends once, with its OriginateResponse."""

    DIALLING = "dialling"
    ENDED = "ended"


class Fate(Enum):
    """What is about to happen to a channel, seen from the actions that would still change it."""

    ALIVE = "alive"
    GOTO_PENDING = "goto pending"  # a Redirect was accepted and not yet carried out
    LEFT = "left"  # the far end said BYE, and the channel's thread has not yet got to it
    HANGING_UP = "hanging up"
    GONE = "gone"


class Bridge:
    """A holding bridge of BridgeWait (`name` set) or a two-party basic bridge."""

    __slots__ = ("creator", "members", "name", "technology", "type", "uniqueid")

    def __init__(self, uniqueid: str, *, name: str = "") -> None:
        self.uniqueid = uniqueid
        self.name = name
        self.creator = "BridgeWait" if name else ""
        self.type = "base" if name else "basic"
        self.technology = "holding_bridge" if name else "simple_bridge"
        self.members: list[Channel] = []

    @property
    def holding(self) -> bool:
        return bool(self.name)

    def headers(self) -> str:
        return (
            f"BridgeUniqueid: {self.uniqueid}\r\n"
            f"BridgeType: {self.type}\r\n"
            f"BridgeTechnology: {self.technology}\r\n"
            f"BridgeCreator: {self.creator or '<unknown>'}\r\n"
            f"BridgeName: {self.name or '<unknown>'}\r\n"
            f"BridgeNumChannels: {len(self.members)}\r\n"
            "BridgeVideoSourceMode: none\r\n"
        )


class Channel:
    """One leg. `peer` is BRIDGEPEER: set in a two-party bridge, empty again when it is over.

    `parking` is the holding bridge of a BridgeWait that has not returned: it stays, empty, while
    the channel is away in a conversation.
    """

    __slots__ = (
        "app",
        "app_data",
        "bridge",
        "cause",
        "cid_name",
        "cid_num",
        "context",
        "created",
        "dial",
        "dial_done",
        "dial_request",
        "exten",
        "far_timer",
        "fate",
        "language",
        "linkedid",
        "name",
        "parking",
        "party",
        "peer",
        "priority",
        "recording",
        "recording_since",
        "response_timer",
        "spied",
        "state",
        "step_timer",
        "target",
        "timeout_timer",
        "uniqueid",
        "variables",
        "waits_since",
    )

    def __init__(self, name: str, uniqueid: str, dial: Dial, party: CalledParty) -> None:
        self.name = name
        self.uniqueid = uniqueid
        self.linkedid = uniqueid
        self.dial_request = dial
        self.dial_done: Callable[[bool], None] | None = None
        self.party = party
        self.state = ChannelState.DOWN
        self.cid_num = dial.cid_num
        self.cid_name = dial.cid_name
        self.language = "en"
        self.context = ""
        self.exten = "s"
        self.priority = 1
        self.target = (dial.context, dial.exten, dial.priority)  # where it goes when answered
        self.app = "AppDial2"
        self.app_data = "(Outgoing Line)"
        self.variables = dict(dial.variables)
        self.bridge: Bridge | None = None
        self.parking: Bridge | None = None
        self.peer = ""
        self.cause = 0
        self.created = 0.0
        self.dial = DialStage.DIALLING
        self.fate = Fate.ALIVE
        self.recording = ""  # the file that a MixMonitor writes
        self.recording_since = 0.0
        self.spied = ""  # the channel that a ChanSpy of this one hangs on
        self.waits_since = float("-inf")  # begin of the customer's BridgeWait
        self.response_timer: asyncio.TimerHandle | None = None  # an OriginateResponse to come
        self.step_timer: asyncio.TimerHandle | None = None  # the dialplan's next step
        self.far_timer: asyncio.TimerHandle | None = None  # the far end's next act
        self.timeout_timer: asyncio.TimerHandle | None = None  # our Timeout of the dial

    @property
    def state_text(self) -> str:
        return _STATE_TEXT[self.state]

    def headers(self, prefix: str = "") -> str:
        """The snapshot every channel event carries, in Asterisk 22's order."""
        p = prefix
        number = self.cid_num or "<unknown>"
        name = self.cid_name or "<unknown>"
        return (
            f"{p}Channel: {self.name}\r\n"
            f"{p}ChannelState: {int(self.state)}\r\n"
            f"{p}ChannelStateDesc: {_STATE_TEXT[self.state]}\r\n"
            f"{p}CallerIDNum: {number}\r\n"
            f"{p}CallerIDName: {name}\r\n"
            f"{p}ConnectedLineNum: {number}\r\n"
            f"{p}ConnectedLineName: {name}\r\n"
            f"{p}Language: {self.language}\r\n"
            f"{p}AccountCode: \r\n"
            f"{p}Context: {self.context}\r\n"
            f"{p}Exten: {self.exten}\r\n"
            f"{p}Priority: {self.priority}\r\n"
            f"{p}Uniqueid: {self.uniqueid}\r\n"
            f"{p}Linkedid: {self.linkedid}\r\n"
        )

    def cancel_timers(self) -> None:
        for timer in (self.step_timer, self.far_timer, self.timeout_timer):
            if timer is not None:
                timer.cancel()
        self.step_timer = self.far_timer = self.timeout_timer = None
