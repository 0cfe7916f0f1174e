"""The AMI actions the simulated PBX knows: each checks its headers in Asterisk's order, answers in
its words, and asks the exchange.

`ACTIONS` maps a name to the classes that may use it (empty: everybody) and the function, which
returns True when it has answered and False when the answer comes later.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from dialer.ami.codec import Message
from simulator.pbx.channel import Channel
from simulator.pbx.exchange import Dial, Refused
from simulator.pbx.session import Session

if TYPE_CHECKING:
    from simulator.pbx.server import AmiServer

Action = Callable[["AmiServer", Session, Message], bool]

AMI_VERSION = "11.0.0"
ASTERISK_VERSION = "22.10.1"
_UNIQUEID_MAX = 149
_TRUE = frozenset({"yes", "true", "y", "t", "1", "on"})
_CALLER_ID = re.compile(r'^\s*"?([^"<]*?)"?\s*<([^>]*)>\s*$')


def _true(value: str) -> bool:
    return value.lower() in _TRUE


def _mark(message: Message) -> str:
    action_id = message.header("ActionID")
    return f"ActionID: {action_id}\r\n" if action_id else ""


def ping(server: AmiServer, session: Session, message: Message) -> bool:
    stamp = f"Ping: Pong\r\nTimestamp: {server.epoch():.6f}\r\n"
    session.respond(message, "Success", "", stamp)
    return True


def logoff(server: AmiServer, session: Session, message: Message) -> bool:
    session.respond(message, "Goodbye", "Thanks for all the fish.")
    session.close()
    return True


def events(server: AmiServer, session: Session, message: Message) -> bool:
    mask = server.set_mask(session, message.header("EventMask"))
    if mask is None:
        session.respond(message, "Error", "Invalid event mask")
    else:
        session.respond(message, "Success", "", f"Events: {'On' if mask else 'Off'}\r\n")
    return True


def add_filter(server: AmiServer, session: Session, message: Message) -> bool:
    """Legacy filters only: a regular expression over the whole event, `!` before one to exclude."""
    if message.header("Operation").lower() != "add":
        session.respond(message, "Error", "Unknown operation")
        return True
    text = message.header("Filter")
    try:
        pattern = re.compile(text.removeprefix("!"))
    except re.error:
        session.respond(
            message,
            "Error",
            "Filter did not compile.  Check the syntax of the filter given.",
        )
        return True
    (session.exclude if text.startswith("!") else session.include).append(pattern)
    server.listeners_changed()
    session.respond(message, "Success", "Success")
    return True


def core_settings(server: AmiServer, session: Session, message: Message) -> bool:
    session.respond(
        message,
        "Success",
        "",
        f"AMIversion: {AMI_VERSION}\r\n"
        f"AsteriskVersion: {ASTERISK_VERSION}\r\n"
        "SystemName: \r\n"
        "CoreMaxCalls: 0\r\n"
        "CoreMaxLoadAvg: 0.000000\r\n"
        "CoreRunUser: \r\n"
        "CoreRunGroup: \r\n"
        "CoreMaxFilehandles: 0\r\n"
        "CoreRealTimeEnabled: No\r\n"
        "CoreCDRenabled: No\r\n"
        "CoreHTTPenabled: No\r\n"
        "SoundsSearchCustomDir: No\r\n",
    )
    return True


def core_status(server: AmiServer, session: Session, message: Message) -> bool:
    date, clock = server.started.strftime("%Y-%m-%d"), server.started.strftime("%H:%M:%S")
    session.respond(
        message,
        "Success",
        "",
        f"CoreStartupDate: {date}\r\n"
        f"CoreStartupTime: {clock}\r\n"
        f"CoreReloadDate: {date}\r\n"
        f"CoreReloadTime: {clock}\r\n"
        f"CoreCurrentCalls: {len(server.exchange.channels)}\r\n"
        f"CoreProcessedCalls: {server.exchange.processed}\r\n",
    )
    return True


def core_show_channels(server: AmiServer, session: Session, message: Message) -> bool:
    mark, now = _mark(message), server.loop.time()
    items = []
    for channel in server.exchange.channels.values():
        age = int(now - channel.created)
        items.append(
            f"Event: CoreShowChannel\r\n{mark}{channel.headers()}"
            f"Application: {channel.app}\r\n"
            f"ApplicationData: {channel.app_data}\r\n"
            f"Duration: {age // 3600:02d}:{age % 3600 // 60:02d}:{age % 60:02d}\r\n"
            f"BridgeId: {channel.bridge.uniqueid if channel.bridge else ''}\r\n\r\n"
        )
    session.listing(message, "Channels will follow", items, "CoreShowChannelsComplete", "")
    return True


def _status_of(server: AmiServer, channel: Channel, message: Message, mark: str) -> str:
    names = [name for value in message.all("Variables") for name in value.split(",") if name]
    shown = "".join(
        f"Variable: {n}={server.exchange.variable(channel, n) or '(null)'}\r\n" for n in names
    )
    return (
        f"Event: Status\r\nPrivilege: Call\r\n{channel.headers()}"
        "Type: PJSIP\r\n"
        "DNID: \r\n"
        f"EffectiveConnectedLineNum: {channel.cid_num or '<unknown>'}\r\n"
        f"EffectiveConnectedLineName: {channel.cid_name or '<unknown>'}\r\n"
        "TimeToHangup: 0\r\n"
        f"BridgeID: {channel.bridge.uniqueid if channel.bridge else ''}\r\n"
        f"Application: {channel.app}\r\n"
        f"Data: {channel.app_data}\r\n"
        "Nativeformats: (alaw)\r\n"
        "Readformat: alaw\r\n"
        "Readtrans: \r\n"
        "Writeformat: alaw\r\n"
        "Writetrans: \r\n"
        "Callgroup: 0\r\n"
        "Pickupgroup: 0\r\n"
        f"Seconds: {int(server.loop.time() - channel.created)}\r\n"
        f"{shown}{mark}\r\n"
    )


def status(server: AmiServer, session: Session, message: Message) -> bool:
    name = message.header("Channel")
    channels = list(server.exchange.channels.values())
    if name:
        found = server.exchange.find(name)
        if found is None:
            session.respond(message, "Error", "No such channel")
            return True
        channels = [found]
    mark = _mark(message)
    items = [_status_of(server, channel, message, mark) for channel in channels]
    session.listing(
        message, "Channel status will follow", items, "StatusComplete", f"Items: {len(items)}\r\n"
    )
    return True


def bridge_list(server: AmiServer, session: Session, message: Message) -> bool:
    mark, technology = _mark(message), message.header("BridgeType")
    items = [
        f"Event: BridgeListItem\r\n{mark}{bridge.headers()}\r\n"
        for bridge in server.exchange.bridges.values()
        if technology in ("", bridge.technology)
    ]
    session.listing(message, "Bridge listing will follow", items, "BridgeListComplete", "")
    return True


def bridge_info(server: AmiServer, session: Session, message: Message) -> bool:
    wanted = message.header("BridgeUniqueid")
    bridge = server.exchange.bridges.get(wanted)
    if bridge is None:
        text = "Specified BridgeUniqueid not found" if wanted else "BridgeUniqueid must be provided"
        session.respond(message, "Error", text)
        return True
    mark = _mark(message)
    items = [f"Event: BridgeInfoChannel\r\n{mark}{c.headers()}\r\n" for c in bridge.members]
    session.listing(
        message,
        "Bridge channel listing will follow",
        items,
        "BridgeInfoComplete",
        bridge.headers(),
    )
    return True


def _variables(message: Message) -> dict[str, str]:
    """Each Variable header is split at commas, whatever was meant by them."""
    pairs = [pair for value in message.all("Variable") for pair in value.split(",") if pair]
    found = {}
    for pair in pairs:
        key, _, value = pair.partition("=")
        found[key.strip().lstrip("_")] = value
    return found


def _caller_id(value: str) -> tuple[str, str]:
    """Number and name of `"Name" <number>`, or of a number alone."""
    match = _CALLER_ID.match(value)
    if match:
        return re.sub(r"[^0-9+*#A-Da-d]", "", match[2]), match[1]
    number = re.sub(r"[\s().-]", "", value)
    return (number, "") if re.fullmatch(r"[0-9+*#]*", number) else ("", value)


def originate(server: AmiServer, session: Session, message: Message) -> bool:
    get = message.header
    context, exten, priority = get("Context"), get("Exten"), get("Priority")
    application, timeout = get("Application"), get("Timeout")
    wrong = ""
    if max(len(get("ChannelId")), len(get("OtherChannelId"))) > _UNIQUEID_MAX:
        wrong = f"Uniqueid length exceeds maximum of {_UNIQUEID_MAX}"
    elif not get("Channel"):
        wrong = "Channel not specified"
    elif priority and not priority.isdigit() and not server.exists(context, exten, priority):
        wrong = "Invalid priority"
    elif timeout and not re.match(r"\s*[+-]?\d", timeout):
        wrong = "Invalid timeout"
    elif "/" not in get("Channel"):
        wrong = "Invalid channel"
    elif context and exten and priority and not server.exists(context, exten, priority):
        wrong = "Extension does not exist."
    elif not application and not _true(get("Async")) and not (context and exten and priority):
        wrong = "Originate with 'Exten' requires 'Context' and 'Priority'"
    if wrong:
        session.respond(message, "Error", wrong)
        return True
    number, name = _caller_id(get("CallerID"))
    dial = Dial(
        channel=get("Channel")[:255],
        context=context,
        exten=exten,
        priority=priority or "1",
        application=application,
        app_data=get("Data"),
        timeout_s=int(timeout) / 1000 if timeout else 30.0,
        cid_num=number,
        cid_name=name,
        channel_id=get("ChannelId"),
        action_id=get("ActionID"),
        early_media_answers=_true(get("EarlyMedia")),
        variables=_variables(message),
    )
    if _true(get("Async")):
        server.exchange.originate(dial)
        session.respond(message, "Success", "Originate successfully queued")
        return True

    def answer(success: bool) -> None:
        text = "Originate successfully queued" if success else "Originate failed"
        session.respond(message, "Success" if success else "Error", text)
        session.finish_later()

    server.exchange.originate(dial, answer)
    return False  # and the session hears and does nothing until then


def _switch(session: Session, message: Message, done: str, act: Callable[[], None]) -> bool:
    try:
        act()
    except Refused as refused:
        session.respond(message, "Error", str(refused))
    else:
        session.respond(message, "Success", done)
    return True


def bridge(server: AmiServer, session: Session, message: Message) -> bool:
    first, second = message.header("Channel1"), message.header("Channel2")
    return _switch(
        session,
        message,
        "Channels have been bridged",
        lambda: server.exchange.bridge(first, second),
    )


def redirect(server: AmiServer, session: Session, message: Message) -> bool:
    where = (message.header(h) for h in ("Channel", "Context", "Exten", "Priority"))
    return _switch(
        session, message, "Redirect successful", lambda: server.exchange.redirect(*where)
    )


def hangup(server: AmiServer, session: Session, message: Message) -> bool:
    name, cause = message.header("Channel"), message.header("Cause")
    q850 = int(cause) if cause.isdigit() and int(cause) <= 127 else 0
    if not name:
        session.respond(message, "Error", "No channel specified")
    elif name.startswith("/"):
        _hangup_matching(server, session, message, name, q850)
    elif (channel := server.exchange.find(name)) is None:
        session.respond(message, "Error", "No such channel")
    else:
        server.exchange.request_hang_up(channel, q850)
        session.respond(message, "Success", "Channel Hungup")
    return True


def play_dtmf(server: AmiServer, session: Session, message: Message) -> bool:
    name, key = message.header("Channel"), message.header("Digit")
    if not name:
        session.respond(message, "Error", "Channel not specified")
    elif not key:
        session.respond(message, "Error", "No digit specified")
    elif (channel := server.exchange.find(name)) is None:
        session.respond(message, "Error", "Channel not found")
    else:
        server.exchange.keys.append((channel.uniqueid, key[0]))
        session.respond(message, "Success", "DTMF successfully queued")
    return True


def mix_monitor_mute(server: AmiServer, session: Session, message: Message) -> bool:
    name, state = message.header("Channel"), message.header("State")
    if not name:
        session.respond(message, "Error", "No channel specified")
    elif not state:
        session.respond(message, "Error", "No state specified")
    elif (channel := server.exchange.find(name)) is None:
        session.respond(message, "Error", "No such channel")
    elif not channel.recording:
        session.respond(message, "Error", "Cannot set mute flag")
    else:
        session.respond(message, "Success", "")
    return True


def stop_mix_monitor(server: AmiServer, session: Session, message: Message) -> bool:
    name = message.header("Channel")
    if not name:
        session.respond(message, "Error", "No channel specified")
    elif (channel := server.exchange.find(name)) is None:
        session.respond(message, "Error", "No such channel")
    elif not channel.recording:
        session.respond(message, "Error", "Could not stop monitoring channel")
    else:
        server.exchange.end_recording(channel)
        session.respond(message, "Success", "")
    return True


def _hangup_matching(
    server: AmiServer, session: Session, message: Message, name: str, cause: int
) -> None:
    if len(name) < 2 or not name.endswith("/"):
        text = "Regex format invalid, Channel param should be /regex/"
        session.respond(message, "Error", text)
        return
    try:
        pattern = re.compile(name[1:-1])
    except re.error:
        session.respond(message, "Error", f"Regex compile failed on: {name}")
        return
    hit = [c for c in server.exchange.channels.values() if pattern.search(c.name)]
    for channel in hit:
        server.exchange.request_hang_up(channel, cause)
    mark = _mark(message)
    items = [f"Event: ChannelHungup\r\nChannel: {c.name}\r\n{mark}\r\n" for c in hit]
    session.listing(
        message, "Channels hung up will follow", items, "ChannelsHungupListComplete", ""
    )


def setvar(server: AmiServer, session: Session, message: Message) -> bool:
    """Without a channel the variable is global, and that is a success too."""
    name, variable = message.header("Channel"), message.header("Variable")
    if not variable:
        session.respond(message, "Error", "No variable specified")
        return True
    if not name:
        server.exchange.globals[variable] = message.header("Value")
    elif (channel := server.exchange.find(name)) is None:
        session.respond(message, "Error", "No such channel")
        return True
    else:
        channel.variables[variable] = message.header("Value")
    session.respond(message, "Success", "Variable Set")
    return True


def getvar(server: AmiServer, session: Session, message: Message) -> bool:
    name, variable = message.header("Channel"), message.header("Variable")
    channel = server.exchange.find(name) if name else None
    if not variable:
        session.respond(message, "Error", "No variable specified")
    elif name and channel is None:
        session.respond(message, "Error", "No such channel")
    else:
        value = server.exchange.variable(channel, variable)
        session.respond(message, "Success", "", f"Variable: {variable}\r\nValue: {value}\r\n")
    return True


def user_event(server: AmiServer, session: Session, message: Message) -> bool:
    session.respond(message, "Success", "Event Sent")
    body = "".join(
        f"{key}: {value}\r\n"
        for key, value in message.items()
        if key.lower() not in ("action", "userevent")
    )
    server.publish("UserEvent", "user", f"UserEvent: {message.get('userevent')}\r\n{body}")
    return True


def command(server: AmiServer, session: Session, message: Message) -> bool:
    """The CLI's only command here is `core show version`."""
    if message.header("Command") != "core show version":
        session.respond(message, "Error", "No such command here: this PBX is simulated")
        return True
    session.respond(
        message,
        "Success",
        "",
        f"Message: Command output follows\r\nOutput: Asterisk {ASTERISK_VERSION} (simulated)\r\n",
    )
    return True


ACTIONS: dict[str, tuple[frozenset[str], Action]] = {
    "ping": (frozenset(), ping),
    "logoff": (frozenset(), logoff),
    "events": (frozenset(), events),
    "filter": (frozenset({"system"}), add_filter),
    "coresettings": (frozenset({"system", "reporting"}), core_settings),
    "corestatus": (frozenset({"system", "reporting"}), core_status),
    "coreshowchannels": (frozenset({"system", "reporting"}), core_show_channels),
    "status": (frozenset({"system", "call", "reporting"}), status),
    "bridgelist": (frozenset(), bridge_list),
    "bridgeinfo": (frozenset(), bridge_info),
    "originate": (frozenset({"originate"}), originate),
    "bridge": (frozenset({"call"}), bridge),
    "redirect": (frozenset({"call"}), redirect),
    "hangup": (frozenset({"system", "call"}), hangup),
    "playdtmf": (frozenset({"call"}), play_dtmf),
    "mixmonitormute": (frozenset({"system", "call"}), mix_monitor_mute),
    "stopmixmonitor": (frozenset({"system", "call"}), stop_mix_monitor),
    "setvar": (frozenset({"call"}), setvar),
    "getvar": (frozenset({"call", "reporting"}), getvar),
    "command": (frozenset({"command"}), command),
    "userevent": (frozenset({"user"}), user_event),
}
