"""What is asked of a PBX to know where everything stands: after a (re)connect, and for one leg.

Asked on the event link, so that the answers stand in one order with the events.
"""

from __future__ import annotations

import asyncio

from dialer.ami import actions
from dialer.ami.codec import Message
from dialer.ami.link import Link, LoginRefused, Unreachable
from dialer.ami.listing import channels_found, leg_found
from dialer.ami.results import Done, Lost, NotSent, Refused
from dialer.ami.version import judge_version
from dialer.core.events import ChannelFound, ChannelPlace

_NO_SUCH_CHANNEL = "No such channel"


async def ask(link: Link, action: actions.Action) -> Done:
    """The answer; `Unreachable`, in words for people, when there is none or it is a refusal."""
    result = await link.send(action)
    where = link.login.where
    match result:
        case Done():
            return result
        case Refused(message):
            raise Unreachable(
                f"the PBX at {where} refuses {action.name} to {link.login.user}:"
                f" {message or 'no reason given'} (it needs write=reporting)"
            )
        case Lost(why) | NotSent(why):
            raise Unreachable(f"the resync with the PBX at {where} failed: {why}")


async def ask_version(link: Link) -> tuple[str, str]:
    """Asterisk's version, and a warning about it or ''. Raises when it must not be used."""
    version = (await ask(link, actions.CORE_SETTINGS)).response.get("AsteriskVersion", "")
    verdict = judge_version(version)
    if not verdict.usable:
        raise LoginRefused(f"not dialling with the PBX at {link.login.where}: {verdict.why}")
    return version, verdict.why


async def ask_start(link: Link) -> str:
    """When this Asterisk was started, as it words it itself: another one was started anew."""
    status = (await ask(link, actions.CORE_STATUS)).response
    return f"{status.get('CoreStartupDate')} {status.get('CoreStartupTime')}"


async def ask_channels(link: Link) -> tuple[ChannelFound, ...]:
    """Every channel of ours. Events that come meanwhile are newer than the answer."""
    channels = (await ask(link, actions.CORE_SHOW_CHANNELS)).items
    listed = (await ask(link, actions.BRIDGE_LIST)).items
    bridges = {bridge.get("BridgeUniqueid", ""): bridge for bridge in listed}
    by_leg = {channel.get("Uniqueid", ""): channel for channel in channels}
    return tuple(
        [
            await _with_peer(link, found, by_leg[found.leg], bridges)
            for found in channels_found(channels, bridges)
        ]
    )


async def _with_peer(
    link: Link, found: ChannelFound, channel: Message, bridges: dict[str, Message]
) -> ChannelFound:
    """A talking leg whose peer was listed before it came into the bridge: look into the bridge."""
    bridge_id = channel.get("BridgeId", "")
    if found.place is not ChannelPlace.TALKING or found.peer or bridge_id not in bridges:
        return found
    result = await link.send(actions.bridge_info(bridge_id))
    if not isinstance(result, Done):
        return found
    return leg_found(found.leg, channel, bridges[bridge_id], result.items)


async def find_leg(link: Link, leg: str, recheck_s: float) -> ChannelFound | None:
    """Where the leg stands, None when there is no such channel; `Unreachable` when unknown.

    A leg that is not there is looked for once more after `recheck_s`: its Originate may only just
    have been accepted, and its Hangup may still be on the way to us.
    """
    for wait_s in (0.0, recheck_s):
        await asyncio.sleep(wait_s)
        result = await link.send(actions.status(leg))
        if isinstance(result, Done) and result.items:
            return await _leg_of_status(link, leg, result.items[0])
        if not (isinstance(result, Refused) and result.message == _NO_SUCH_CHANNEL):
            raise Unreachable("no answer about the leg")
    return None


async def _leg_of_status(link: Link, leg: str, status: Message) -> ChannelFound:
    bridge_id = status.get("BridgeID", "")
    if not bridge_id:
        return leg_found(leg, status, None, ())
    result = await link.send(actions.bridge_info(bridge_id))
    match result:
        case Done():
            return leg_found(leg, status, result.last, result.items)
        case Refused():  # the bridge is gone meanwhile
            return leg_found(leg, status, None, ())
        case _:
            raise Unreachable("no answer about the leg's bridge")
