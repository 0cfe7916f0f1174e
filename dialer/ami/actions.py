"""The AMI actions the dialer sends, and how each is written. Nothing else is ever sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dialer.ami.codec import NotEncodable, check_id
from dialer.core.commands import (
    ChangeMonitor,
    JoinTalk,
    Originate,
    RingAgent,
    RingOutside,
    RingSupervisor,
    SendOut,
)

CUSTOMER_CONTEXT = "overdial-customer"
AGENT_CONTEXT = "overdial-agent"
MONITOR_CONTEXT = "overdial-monitor"
TRANSFER_CONTEXT = "overdial-transfer"
OUTSIDE_CONTEXT = "overdial-outside"
JOIN_CONTEXT = "overdial-join"
ABANDON_LABEL = "abandon"
HOLD_LABEL = "hold"
RECORD_LABEL = "record"
PARK_LABEL = "park"
NORMAL_CLEARING = 16  # Q.850
KEYS = frozenset("0123456789*#ABCD")
DIGIT_MS = 80  # Asterisk holds up the link for as long, so it is short; 40 is the standard's least

# Names of endpoints and trunks as pjsip.conf has them; '@' and '/' would change what is dialled.
_ENDPOINT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")
_NUMBER = re.compile(r"\+?[0-9*#]{1,32}\Z")
_OUTSIDE = re.compile(r"\+[0-9]{4,15}\Z")
_CALLER_ID = re.compile(r'("[^"\\<>]{0,60}" ?<\+?[0-9]{1,32}>|\+?[0-9]{0,32})\Z')


@dataclass(frozen=True, slots=True)
class Action:
    """One action to send. `action_id` empty: the link gives it one of its own."""

    name: str
    headers: tuple[tuple[str, str], ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    as_list: bool = False  # the answer is a list of events after the response
    action_id: str = ""


def customer_call(command: Originate) -> Action:
    """`NotEncodable`, without the number in its text, when the command cannot be dialled."""
    if not _NUMBER.match(command.phone):
        raise NotEncodable("the customer's phone is not a number")
    if not _ENDPOINT.match(command.trunk):
        raise NotEncodable("the trunk's name is not one of letters, digits, _ . -")
    wanted = {"OD_AMD": command.amd, "OD_REC": command.record}
    return originate(
        command.attempt,
        f"PJSIP/{command.phone}@{command.trunk}",
        CUSTOMER_CONTEXT,
        command.ring_limit_s,
        command.caller_id,
        {"OD_TRUNK": command.trunk}
        | {name: "1" for name, is_wanted in wanted.items() if is_wanted},
    )


def agent_call(command: RingAgent) -> Action:
    if not _ENDPOINT.match(command.phone):
        raise NotEncodable("the agent's phone is not an endpoint's name of letters, digits, _ . -")
    return originate(command.leg, f"PJSIP/{command.phone}", AGENT_CONTEXT, command.ring_limit_s)


def supervisor_call(command: RingSupervisor) -> Action:
    """The mode is the priority's label; the two legs go along as variables."""
    if not _ENDPOINT.match(command.phone):
        raise NotEncodable(
            "the supervisor's phone is not an endpoint's name of letters, digits, _ . -"
        )
    legs = {"OD_AGENT": command.agent_leg, "OD_CUSTOMER": command.customer_leg}
    for name, leg in legs.items():
        check_id(leg, name)
    return originate(
        command.leg,
        f"PJSIP/{command.phone}",
        MONITOR_CONTEXT,
        command.ring_limit_s,
        variables=legs,
        priority=command.mode.value,
    )


def outside_call(command: RingOutside) -> Action:
    if not _OUTSIDE.match(command.number):
        raise NotEncodable("the number outside is not one with its country: +...")
    if not _ENDPOINT.match(command.trunk):
        raise NotEncodable("the trunk's name is not one of letters, digits, _ . -")
    return originate(
        command.leg,
        f"PJSIP/{command.number}@{command.trunk}",
        OUTSIDE_CONTEXT,
        command.ring_limit_s,
        command.caller_id,
    )


def join_talk(command: JoinTalk) -> Action:
    """The customer's leg is the extension."""
    check_id(command.leg, "the leg")
    check_id(command.customer_leg, "the customer's leg")
    return redirect(command.leg, JOIN_CONTEXT, "1", command.customer_leg)


def hold_customer(channel: str, *, record: bool = False) -> Action:
    return redirect(channel, CUSTOMER_CONTEXT, RECORD_LABEL if record else HOLD_LABEL)


def park_agent(leg: str) -> Action:
    check_id(leg, "the leg")
    return redirect(leg, AGENT_CONTEXT, PARK_LABEL)


def change_monitor(command: ChangeMonitor) -> Action:
    check_id(command.leg, "the leg")
    return redirect(command.leg, MONITOR_CONTEXT, command.mode.value)


def originate(
    leg: str,
    dial_string: str,
    context: str,
    ring_limit_s: float,
    caller_id: str = "",
    variables: Mapping[str, str] | None = None,
    priority: str = "1",
) -> Action:
    """Ring `dial_string`; answered, it runs `context`. The leg is ChannelId and ActionID.

    Async, so that the session goes on; with a Context rather than an Application; and never with
    EarlyMedia, which would take a progress announcement for an answer.
    """
    check_id(leg, "the leg")
    if not _CALLER_ID.match(caller_id):
        raise NotEncodable('the caller id is neither a number nor "name" <number>')
    headers = [
        ("Channel", dial_string),
        ("Context", context),
        ("Exten", "s"),
        ("Priority", priority),
        ("Timeout", str(max(1, round(ring_limit_s * 1000)))),
        ("Async", "true"),
        ("ChannelId", leg),
    ]
    if caller_id:
        headers.append(("CallerID", caller_id))
    return Action(
        "Originate",
        tuple(headers),
        variables={"OD_LEG": leg, **(variables or {})},
        action_id=leg,
    )


def bridge(agent_channel: str, customer_channel: str) -> Action:
    """The agent first: were the second to fail, the first would be thrown to its next priority."""
    return Action("Bridge", (("Channel1", agent_channel), ("Channel2", customer_channel)))


def play_harbour(channel: str) -> Action:
    return redirect(channel, CUSTOMER_CONTEXT, ABANDON_LABEL)


def send_out(command: SendOut) -> Action:
    """The number is the extension: nothing else of what is dialled comes from here."""
    if not _OUTSIDE.match(command.number):
        raise NotEncodable("the number outside is not one with its country: +...")
    return redirect(command.channel, TRANSFER_CONTEXT, "1", command.number)


def redirect(channel: str, context: str, label: str, exten: str = "s") -> Action:
    """Success means no more than that it was asked for."""
    where = (("Context", context), ("Exten", exten), ("Priority", label))
    return Action("Redirect", (("Channel", channel), *where))


def hang_up(leg: str) -> Action:
    check_id(leg, "the leg")
    return Action("Hangup", (("Channel", leg), ("Cause", str(NORMAL_CLEARING))))


def digit(leg: str, key: str) -> Action:
    """One key press, heard by the far end of `leg`."""
    check_id(leg, "the leg")
    if key not in KEYS:
        raise NotEncodable("the key is none of a telephone")
    duration = str(DIGIT_MS)
    return Action("PlayDTMF", (("Channel", leg), ("Digit", key), ("Duration", duration)))


def mute_recording(leg: str, *, muted: bool) -> Action:
    check_id(leg, "the leg")
    state = "1" if muted else "0"
    return Action("MixMonitorMute", (("Channel", leg), ("Direction", "both"), ("State", state)))


def end_recording(leg: str) -> Action:
    check_id(leg, "the leg")
    return Action("StopMixMonitor", (("Channel", leg),))


def status(leg: str) -> Action:
    check_id(leg, "the leg")
    return Action("Status", (("Channel", leg),), as_list=True)


def bridge_info(bridge_uniqueid: str) -> Action:
    return Action("BridgeInfo", (("BridgeUniqueid", bridge_uniqueid),), as_list=True)


PING = Action("Ping")
CORE_SETTINGS = Action("CoreSettings")
CORE_STATUS = Action("CoreStatus")
CORE_SHOW_CHANNELS = Action("CoreShowChannels", as_list=True)
BRIDGE_LIST = Action("BridgeList", as_list=True)
