"""AMI events to facts of the core, as `docs/pbx-contract.md` has them.

Pure: the caller says what time it is. Every event is read for itself, so that neither order nor
repetition matters here; the core takes a fact that it knows already for what it is. Remembered is
no more than that a carrier redirected a leg, and that a leg's far end has hung up. Channels that
are not ours are nobody's business.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dialer.ami.codec import Message
from dialer.core.events import (
    Event,
    HarbourStarted,
    LegAnswered,
    LegBridged,
    LegHungUp,
    LegParked,
    LegRinging,
    LegUnbridged,
    MachineDetected,
    MonitorBegan,
    OriginateFailed,
    PersonDetected,
)
from dialer.core.modes import MonitorMode

LEG_PREFIX = "od-"
HOLDING_CREATOR = "BridgeWait"
_MODES = frozenset(MonitorMode)
_UP = "6"  # AST_STATE_UP
_RINGING = frozenset({"RINGING", "PROGRESS"})  # a 180 with SDP, and any 183, are PROGRESS

_REDIRECTED = (23, 302)  # Q.850 cause and SIP status of a redirect
_LATEST_MAX = 10_000  # legs between such a word and their Hangup, milliseconds apart

_OFFSET_WINDOW_S = 60.0


class PbxTime:
    """Maps the PBX's `Timestamp` to our clock.

    Offset = the least of (our clock at receipt - Timestamp) over the last one to two windows: the
    event that was delayed least shows the two clocks' difference best. A window, because clocks
    drift and are set. The error is the delay of that luckiest event.
    """

    def __init__(self, window_s: float = _OFFSET_WINDOW_S) -> None:
        self._window_s = window_s
        self._since = 0.0
        self._this: float | None = None
        self._before: float | None = None

    def at(self, timestamp: str, now: float) -> float | None:
        """The moment on our clock, never after `now`; None when there is no usable Timestamp."""
        try:
            stamp = float(timestamp)
        except ValueError:
            return None
        if not 0.0 < stamp < 1e11:  # not seconds since 1970; nan and inf end here too
            return None
        offset = now - stamp
        if self._this is None or now - self._since > self._window_s:
            self._before, self._this, self._since = self._this, offset, now
        elif offset < self._this:
            self._this = offset
        least = self._this if self._before is None else min(self._this, self._before)
        return min(now, stamp + least)


def is_ours(leg: str) -> bool:
    return leg.startswith(LEG_PREFIX)


def is_holding(bridge: Mapping[str, str]) -> bool:
    """Whether these bridge headers are of a leg's own holding bridge."""
    return bridge.get("BridgeCreator") == HOLDING_CREATOR


class _Latest(dict[str, None]):
    """The last legs of which something was said; each is forgotten when its Hangup has come."""

    def add(self, leg: str) -> None:
        self[leg] = None
        if len(self) > _LATEST_MAX:
            del self[next(iter(self))]


class Departed:
    """Finds legs in a conversation whose far end has hung up before.

    A Bridge that comes between the far end's BYE and the end of the channel, about half a
    millisecond, takes the channel over from the dialplan that is ending it, and the hang-up is
    lost: Asterisk would leave the other leg bridged to nobody for good.
    """

    def __init__(self) -> None:
        self._legs = _Latest()

    def revived(self, message: Message) -> str:
        """The leg that this event brings into a conversation after its end; else ""."""
        leg = message.get("Uniqueid", "")
        match message.get("Event"):
            case "HangupRequest" if is_ours(leg):
                self._legs.add(leg)
            case "Hangup":
                self._legs.pop(leg, None)
            case "BridgeEnter" if leg in self._legs and not is_holding(message):
                return leg
        return ""


class Translator:
    """One PBX's events to core events. `odd` counts events of ours that made no sense."""

    def __init__(self, time: PbxTime | None = None) -> None:
        self.odd = 0
        self._time = time or PbxTime()
        self._forwarded = _Latest()
        self._readers: dict[str, Callable[[Message, float], Event | None]] = {
            "BridgeEnter": self._entered,
            "BridgeLeave": self._left,
            "DialEnd": self._dial_end,
            "DialState": self._dial_state,
            "Hangup": self._hung_up,
            "Newstate": self._new_state,
            "OriginateResponse": self._originated,
            "UserEvent": self._user_event,
        }

    def translate(self, message: Message, now: float) -> Event | None:
        """The fact in this event, None when it holds none for us. `now`: seconds, our clock."""
        reader = self._readers.get(message.get("Event", ""))
        return None if reader is None else reader(message, now)

    def _at(self, message: Message, now: float) -> float | None:
        stamp = message.get("Timestamp")
        return None if stamp is None else self._time.at(stamp, now)

    def _dial_state(self, message: Message, now: float) -> Event | None:
        leg = message.get("DestUniqueid", "")  # the channel dialled; Uniqueid would be a caller
        if is_ours(leg) and message.get("DialStatus") in _RINGING:
            return LegRinging(leg)
        return None

    def _dial_end(self, message: Message, now: float) -> Event | None:
        # DialStatus is not to be believed; but `Forward` says that the carrier answered with a
        # redirect, which the Hangup of that leg now and then does not tell (Cause 0).
        leg = message.get("DestUniqueid", "")
        if is_ours(leg) and message.get("Forward"):
            self._forwarded.add(leg)
        return None

    def _new_state(self, message: Message, now: float) -> Event | None:
        leg = message.get("Uniqueid", "")
        if is_ours(leg) and message.get("ChannelState") == _UP:
            return LegAnswered(leg, message.get("Channel", ""), self._at(message, now))
        return None

    def _originated(self, message: Message, now: float) -> Event | None:
        # Broadcast to every session; on failure there is no channel, and Uniqueid may be unknown.
        leg = message.get("Uniqueid", "")
        if not is_ours(leg):
            leg = message.get("ActionID", "")
            if not is_ours(leg):
                return None
        if message.get("Response") == "Success":
            return LegAnswered(leg, message.get("Channel", ""), self._at(message, now))
        return OriginateFailed(leg, reason=self._number(message.get("Reason")) or 0)

    def _entered(self, message: Message, now: float) -> Event | None:
        leg = message.get("Uniqueid", "")
        if not is_ours(leg):
            return None
        at = self._at(message, now)
        if not is_holding(message):
            return LegBridged(leg, message.get("BridgeUniqueid", ""), at)
        if message.get("BridgeName", "")[3:] != leg:  # cu-<leg> or ag-<leg>
            self.odd += 1
            return None
        return LegParked(leg, message.get("Channel", ""), at)

    def _left(self, message: Message, now: float) -> Event | None:
        leg = message.get("Uniqueid", "")
        if not is_ours(leg) or is_holding(message):
            return None
        return LegUnbridged(leg, message.get("BridgeUniqueid", ""), self._at(message, now))

    def _user_event(self, message: Message, now: float) -> Event | None:
        name = message.get("UserEvent", "")
        if not name.startswith("Overdial"):
            return None
        leg = message.get("Leg", "")
        # The channel that speaks is the leg it speaks of: any AMI user with write=user could say
        # otherwise, and such an event would come without a channel.
        if not is_ours(leg) or message.get("Uniqueid") != leg:
            self.odd += 1
            return None
        match name:
            case "OverdialLive":
                amd = message.get("Amd", "").strip()
                return PersonDetected(leg, "" if amd == "/" else amd)
            case "OverdialMachine":
                return MachineDetected(leg, message.get("Cause", ""))
            case "OverdialHarbour":
                return HarbourStarted(leg)
            case "OverdialMonitor" if message.get("Mode", "") in _MODES:
                return MonitorBegan(leg, MonitorMode(message["Mode"]))
        self.odd += 1
        return None

    def _hung_up(self, message: Message, now: float) -> Event | None:
        leg = message.get("Uniqueid", "")
        if not is_ours(leg):
            return None
        cause = self._number(message.get("Cause")) or 0
        tech_cause = self._number(message.get("TechCause"))
        if leg in self._forwarded:
            del self._forwarded[leg]
            if cause == 0 and tech_cause is None:
                cause, tech_cause = _REDIRECTED
        return LegHungUp(leg, cause, tech_cause, self._at(message, now))

    def _number(self, text: str | None) -> int | None:
        if text is None:
            return None
        if not text.isascii() or not text.isdigit() or len(text) > 6:
            self.odd += 1
            return None
        return int(text)
