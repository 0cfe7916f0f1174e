"""Where our channels stand, read from listings: the resync after a reconnect, and `CheckLeg`.

Pure. CoreShowChannels says which bridge a channel is in, BridgeList what kind of bridge that is.
Neither is one atomic picture; what changes while they are taken shows in the events after them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from dialer.ami.codec import Message
from dialer.ami.translate import HOLDING_CREATOR, is_holding, is_ours
from dialer.core.events import ChannelFound, ChannelPlace

_UP = "6"
_HARBOUR_APPS = frozenset({"Playback", "Background", "ControlPlayback"})


def channels_found(
    channels: Sequence[Message], bridges: Mapping[str, Message]
) -> tuple[ChannelFound, ...]:
    """Every channel of ours. `bridges`: BridgeListItem or BridgeInfoComplete by BridgeUniqueid."""
    members: dict[str, list[str]] = {}
    for channel in channels:
        members.setdefault(_bridge_id(channel), []).append(channel.get("Uniqueid", ""))
    return tuple(
        _found(channel, bridges.get(_bridge_id(channel)), members[_bridge_id(channel)])
        for channel in channels
        if is_ours(channel.get("Uniqueid", ""))
    )


def leg_found(
    leg: str, status: Message, bridge: Message | None, members: Iterable[Message]
) -> ChannelFound:
    """One leg, from its Status and, when it is in a bridge, that bridge's BridgeInfo."""
    return _found(status, bridge, [member.get("Uniqueid", "") for member in members], leg)


def _bridge_id(channel: Message) -> str:
    return channel.get("BridgeId") or channel.get("BridgeID") or ""  # CoreShowChannels, Status


def _found(
    channel: Message, bridge: Message | None, members: Sequence[str], leg: str = ""
) -> ChannelFound:
    leg = leg or channel["Uniqueid"]
    others = [member for member in members if member != leg] if _bridge_id(channel) else []
    place = _place(channel, bridge, others)
    peer = next(filter(is_ours, others), "") if place is ChannelPlace.TALKING else ""
    return ChannelFound(leg, channel.get("Channel", ""), place, peer)


def _place(channel: Message, bridge: Message | None, others: list[str]) -> ChannelPlace:
    if channel.get("ChannelState") != _UP:
        return ChannelPlace.RINGING
    if _bridge_id(channel):
        if bridge is not None:
            return ChannelPlace.PARKED if is_holding(bridge) else ChannelPlace.TALKING
        # The bridge was gone when bridges were listed. Application still says BridgeWait for a
        # leg that AMI bridged, so company is what tells a conversation.
        alone = not others and channel.get("Application") == HOLDING_CREATOR
        return ChannelPlace.PARKED if alone else ChannelPlace.TALKING
    app = channel.get("Application", "")
    data = channel.get("ApplicationData") or channel.get("Data") or ""
    if app in _HARBOUR_APPS or (app == "UserEvent" and data.startswith("OverdialHarbour")):
        return ChannelPlace.HARBOUR
    return ChannelPlace.DIALPLAN
