"""The two contexts of docs/pbx-contract.md, as steps of a channel.

Each step shows the application it stands for, gives its events, and sets the channel's one
`step_timer` to the next step. Priorities are those of asterisk-config's extensions.conf.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from simulator.pbx.channel import Channel, Fate
from simulator.pbx.party import Verdict

if TYPE_CHECKING:
    from simulator.pbx.exchange import Exchange

CUSTOMER = "overdial-customer"
AGENT = "overdial-agent"
MONITOR = "overdial-monitor"
TRANSFER = "overdial-transfer"
OUTSIDE = "overdial-outside"
JOIN = "overdial-join"
ASKED_S = 120.0
TRANSFER_RING_S = 30.0
AT_ONCE_S = 3.0
DIALLED_FOR = "AppDial"  # what a leg shows that a Dial of another channel made
NOBODY_TO_SPY_S = 0.1
RETURNED_HOLD_S = 60.0
ON_HOLD_S = 300.0
ON_HOLD = "participant,m(overdial)e(m)S(300)"
_NUMBER = re.compile(r"\+[0-9]{2,}\Z")
HARBOUR_SOUND = "im-sorry&goodbye"

Step = Callable[[Channel], None]


class Dialplan:
    """Runs channels through the contexts. `hold_s` is the dead-man timer, `harbour_s` the length
    of the safe-harbour message."""

    def __init__(self, exchange: Exchange, *, harbour_s: float, hold_s: float) -> None:
        self._x = exchange
        self._harbour_s = harbour_s
        self._hold_s = hold_s
        self._labels: Mapping[tuple[str, str, str], tuple[int, Step]] = {
            (CUSTOMER, "s", "1"): (1, self._customer),
            (CUSTOMER, "s", "abandon"): (14, self._harbour),
            (CUSTOMER, "s", "record"): (19, self._record),
            (CUSTOMER, "s", "hold"): (20, self._held),
            (AGENT, "s", "1"): (1, self._idle),
            (AGENT, "s", "park"): (2, self._idle),
            (OUTSIDE, "s", "1"): (1, self._outside),
            (MONITOR, "s", "listen"): (1, self._listen),
            (MONITOR, "s", "whisper"): (4, self._whisper),
            (MONITOR, "s", "barge"): (7, self._barge),
        }

    def exists(self, context: str, exten: str, priority: str) -> bool:
        return self._at_label(context, exten, priority) is not None

    def priority_of(self, context: str, exten: str, priority: str) -> int:
        found = self._at_label(context, exten, priority)
        assert found is not None, "asked for with `exists` first"
        return found[0]

    def _at_label(self, context: str, exten: str, priority: str) -> tuple[int, Step] | None:
        if context == TRANSFER and priority == "1" and _NUMBER.match(exten):
            return (1, self._transfer)
        if context == JOIN and priority == "1" and exten.startswith("od-"):
            return (1, self._join)
        return self._labels.get((context, exten, priority))

    def start(self, channel: Channel) -> None:
        """The leg was answered: run it from where its Originate said."""
        if channel.dial_request.application:
            self._application(channel)
        else:
            self.jump(channel, *channel.target)

    def jump(self, channel: Channel, context: str, exten: str, priority: str) -> None:
        channel.context, channel.exten = context, exten
        found = self._at_label(context, exten, priority)
        assert found is not None, "asked for with `exists` first"
        found[1](channel)

    def resume(self, channel: Channel) -> None:
        """Back from a bridge, at the next priority."""
        if channel.bridge is not None and channel.bridge is not channel.parking:
            return  # taken away again meanwhile
        if channel.fate is Fate.LEFT:
            return
        self._x.unpark(channel)
        if channel.context in (AGENT, JOIN):
            self._idle(channel)
        elif channel.context == OUTSIDE:
            self._outside(channel)
        elif channel.context == TRANSFER and channel.app == "BridgeWait":
            self._returned_over(channel)  # his second agent's leg was lost
        elif channel.context != CUSTOMER:
            self._done(channel)  # the talk outside is over
        elif channel.app_data.endswith(ON_HOLD):
            self._held(channel)
        elif self._x.loop.time() - channel.waits_since > AT_ONCE_S:
            self._done(channel)  # the agent's leg was lost in a conversation
        else:
            self._harbour(channel)  # nobody can have spoken to him yet

    def _hold_over(self, channel: Channel) -> None:
        self._x.unpark(channel)
        self._harbour(channel)

    def _at(self, channel: Channel, priority: int, app: str, data: str = "") -> None:
        channel.priority = priority
        channel.app = app
        channel.app_data = data

    def _then(self, channel: Channel, delay_s: float, step: Step) -> None:
        channel.step_timer = self._x.loop.call_later(delay_s, step, channel)

    # --- the customer's leg -------------------------------------------------------------------

    def _customer(self, channel: Channel) -> None:
        if channel.variables.get("OD_AMD") == "1":
            self._at(channel, 2, "AMD")
            self._then(channel, channel.party.detect_s, self._detected)
        else:
            self._live(channel, "")

    def _detected(self, channel: Channel) -> None:
        party = channel.party
        if party.verdict is Verdict.MACHINE:
            self._at(channel, 17, "UserEvent", "OverdialMachine")
            leg = channel.variables.get("OD_LEG", "")
            body = f"Leg: {leg}\r\nCause: {party.verdict_cause}\r\n"
            self._x.user_event(channel, "OverdialMachine", body)
            self._at(channel, 18, "Hangup", "16")
            self._x.hang_up(channel, 16)
        else:
            self._live(channel, f"{party.verdict.value}/{party.verdict_cause}")

    def _live(self, channel: Channel, amd: str) -> None:
        leg = channel.variables.get("OD_LEG", "")
        if channel.variables.get("OD_REC") == "1":
            self._x.record(channel, leg)
        self._at(channel, 9 if amd else 7, "UserEvent", "OverdialLive")
        self._x.user_event(channel, "OverdialLive", f"Leg: {leg}\r\nAmd: {amd}\r\n")
        channel.waits_since = self._x.loop.time()
        self._at(channel, 11, "BridgeWait", f"cu-{leg},participant,e(s)S({self._hold_s:g})")
        self._x.enter(channel, self._x.new_bridge(f"cu-{leg}"))
        self._then(channel, self._hold_s, self._hold_over)
        patience_s = channel.party.patience_s
        if patience_s is not None and channel.party.bye_after_s is None:
            channel.far_timer = self._x.loop.call_later(patience_s, self._x.far_hang_up, channel)

    def _harbour(self, channel: Channel) -> None:
        leg = channel.variables.get("OD_LEG", "")
        self._at(channel, 14, "UserEvent", "OverdialHarbour")
        self._x.log.harboured.add(channel.uniqueid)
        self._x.user_event(channel, "OverdialHarbour", f"Leg: {leg}\r\n")
        self._at(channel, 15, "Playback", HARBOUR_SOUND)
        self._then(channel, self._harbour_s, self._done)

    def _record(self, channel: Channel) -> None:
        leg = channel.variables.get("OD_LEG", "")
        self._x.record(channel, f"{leg}-{int(self._x.epoch())}")
        self._held(channel)

    def _held(self, channel: Channel) -> None:
        leg = channel.variables.get("OD_LEG", "")
        self._at(channel, 20, "BridgeWait", f"cu-{leg},{ON_HOLD}")
        self._x.enter(channel, self._x.new_bridge(f"cu-{leg}"))
        self._then(channel, ON_HOLD_S, self._hold_over)

    def _done(self, channel: Channel) -> None:
        self._at(channel, 16, "Hangup", "16")
        self._x.hang_up(channel, 16)

    # --- the agent's leg ----------------------------------------------------------------------

    def _idle(self, channel: Channel) -> None:
        leg = channel.variables.get("OD_LEG", "")
        channel.context, channel.exten = AGENT, "s"
        self._at(channel, 2, "BridgeWait", f"ag-{leg},participant,e(s)")
        self._x.enter(channel, self._x.new_bridge(f"ag-{leg}"))

    # --- sent on to a number outside ----------------------------------------------------------

    def _transfer(self, channel: Channel) -> None:
        self._x.end_recording(channel)
        self._at(channel, 2, "Dial", f"PJSIP/{channel.exten}@{channel.variables.get('OD_TRUNK')}")
        self._x.dial_for(channel, channel.app_data, TRANSFER_RING_S, self._returned)

    def _returned(self, channel: Channel) -> None:
        """Nobody answered there."""
        leg = channel.variables.get("OD_LEG", "")
        self._at(channel, 3, "BridgeWait", f"cu-{leg},participant,m(overdial)e(m)S(60)")
        self._x.enter(channel, self._x.new_bridge(f"cu-{leg}"))
        self._then(channel, RETURNED_HOLD_S, self._returned_over)

    def _returned_over(self, channel: Channel) -> None:
        channel.context, channel.exten = CUSTOMER, "s"
        self._hold_over(channel)

    # --- somebody outside, and the agent who joins him and the customer ------------------------

    def _outside(self, channel: Channel) -> None:
        leg = channel.variables.get("OD_LEG", "")
        self._at(channel, 1, "BridgeWait", f"ot-{leg},participant,m(overdial)e(m)S({ASKED_S:g})")
        self._x.enter(channel, self._x.new_bridge(f"ot-{leg}"))
        self._then(channel, ASKED_S, self._asked_for_long)

    def _asked_for_long(self, channel: Channel) -> None:
        self._x.unpark(channel)
        self._done(channel)

    def _join(self, channel: Channel) -> None:
        self._spied(channel, "barge", channel.exten, 1, "uqESB")

    def over(self, channel: Channel) -> None:
        """Whom this channel's ChanSpy hung on is gone."""
        channel.spied = ""
        if channel.context == JOIN:
            self._idle(channel)
        else:
            self._done(channel)

    # --- a supervisor's leg -------------------------------------------------------------------

    def _listen(self, channel: Channel) -> None:
        self._spy(channel, "listen", "OD_CUSTOMER", 1, "uqES")

    def _whisper(self, channel: Channel) -> None:
        self._spy(channel, "whisper", "OD_AGENT", 4, "uqESw")

    def _barge(self, channel: Channel) -> None:
        self._spy(channel, "barge", "OD_CUSTOMER", 7, "uqESB")

    def _spy(self, channel: Channel, mode: str, whom: str, priority: int, options: str) -> None:
        self._spied(channel, mode, channel.variables.get(whom, ""), priority, options)

    def _spied(self, channel: Channel, mode: str, spied: str, priority: int, options: str) -> None:
        """ChanSpy: over with the channel it is on (E), and at once when that is not there (S)."""
        leg = channel.variables.get("OD_LEG", "")
        self._at(channel, priority, "UserEvent", "OverdialMonitor")
        self._x.user_event(channel, "OverdialMonitor", f"Leg: {leg}\r\nMode: {mode}\r\n")
        self._at(channel, priority + 1, "ChanSpy", f"{spied},{options}")
        channel.spied = spied
        self._x.log.spied.setdefault(spied, []).append((leg, mode))
        if spied not in self._x.channels:
            self._then(channel, NOBODY_TO_SPY_S, self.over)

    # --- anything else ------------------------------------------------------------------------

    def _application(self, channel: Channel) -> None:
        """An Originate into an application: Wait and Echo stay, everything else ends at once."""
        dial = channel.dial_request
        if dial.application == DIALLED_FOR:
            self._x.join(dial.app_data, channel)
            return
        self._at(channel, 1, dial.application, dial.app_data)
        if dial.application.lower() == "wait":
            self._then(channel, float(dial.app_data or 0), self._done)
        elif dial.application.lower() != "echo":
            self._done(channel)
