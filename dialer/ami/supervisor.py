"""One PBX as the server sees it: commands in, facts out, and the two links kept standing.

`cmd` carries commands and no events; `evt` carries events, and the listings of a resync, which
are thereby in one order with the events. When either link is lost both are taken down, `LinkLost`
is published at once, and both are built anew with growing pauses. Nothing is kept for later: what
is asked for while the links are down is refused at once.
"""

from __future__ import annotations

import asyncio
import logging
import random
import ssl
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial

from dialer.ami import actions
from dialer.ami.codec import Message, NotEncodable
from dialer.ami.link import Limits, Link, LoginRefused, Unreachable
from dialer.ami.results import NotSent, Refused, Result
from dialer.ami.resync import ask_channels, ask_start, ask_version, find_leg
from dialer.ami.session import Login
from dialer.ami.translate import Departed, Translator
from dialer.clock import Clock
from dialer.core.commands import (
    Bridge,
    ChangeMonitor,
    CheckLeg,
    EndRecording,
    HangUp,
    HoldCustomer,
    JoinTalk,
    MuteRecording,
    Originate,
    ParkAgent,
    PlayHarbour,
    RingAgent,
    RingOutside,
    RingSupervisor,
    SendDigits,
    SendOut,
)
from dialer.core.events import (
    BridgeFailed,
    Event,
    LegChecked,
    LinkLost,
    LinkResynced,
    OriginateFailed,
)
from dialer.tasks import Tasks

log = logging.getLogger(__name__)

PbxCommand = (
    Originate
    | RingAgent
    | RingSupervisor
    | RingOutside
    | JoinTalk
    | ChangeMonitor
    | Bridge
    | SendOut
    | HoldCustomer
    | ParkAgent
    | PlayHarbour
    | HangUp
    | CheckLeg
)

HELD_EVENTS_MAX = 100_000  # while channels are being listed: some seconds of a very busy PBX
CHECKS_MAX = 1_000  # CheckLeg under way


@dataclass(frozen=True, slots=True)
class PbxConfig:
    """How to reach one PBX. Both users need what `asterisk-config/conf/manager.conf` gives them."""

    host: str = "127.0.0.1"
    port: int = 5038
    cmd_user: str = "overdial-cmd"
    cmd_secret: str = field(default="", repr=False)
    evt_user: str = "overdial-evt"
    evt_secret: str = field(default="", repr=False)
    tls: ssl.SSLContext | None = None
    limits: Limits = field(default_factory=Limits)
    boot_s: float = 20.0  # Asterisk refuses calls until it is fully booted
    retry_first_s: float = 0.5
    retry_max_s: float = 15.0
    retry_refused_s: float = 5.0  # a wrong password does not right itself
    steady_s: float = 10.0  # links that stood so long start the pauses from the first again
    recheck_s: float = 0.3  # a leg not found is looked for twice: see `find_leg`
    parting_s: float = 2.0  # after Shutdown, for the last events


class PbxState(StrEnum):
    STOPPED = "stopped"
    CONNECTING = "connecting"
    RESYNCING = "resyncing"
    UP = "up"
    WAITING = "waiting to try again"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class PbxStatus:
    """For screens, the API and metrics. `why` says why not connected; empty when connected."""

    connected: bool
    why: str
    version: str  # Asterisk's, empty until it was asked
    counters: dict[str, float]
    state: PbxState
    warning: str = ""  # connected, but something wants mending


class Pbx:
    """`sink` gets every event, in order, never from inside `send`; it must not block or raise."""

    def __init__(
        self,
        name: str,
        config: PbxConfig,
        sink: Callable[[Event], None],
        clock: Clock,
        tasks: Tasks,
        rng: random.Random,
    ) -> None:
        self.name = name
        self._config = config
        self._sink = sink
        self._clock = clock
        self._tasks = tasks
        self._rng = rng
        self._state = PbxState.STOPPED
        self._why = "not started"
        self._told_why = ""  # what the core was last told
        self._version = ""
        self._warning = ""
        self._started_at = ""  # Asterisk's own start, as CoreStatus words it
        self._counters: Counter[str] = Counter()
        self._translator = Translator()
        self._departed = Departed()
        self._cmd: Link | None = None
        self._evt: Link | None = None
        self._held: list[Message] | None = None  # events that came during a listing
        self._booted = False
        self._turn = asyncio.Event()  # something happened that a connecting task waits for
        self._lost = asyncio.Event()
        self._parting = False  # Asterisk said that it shuts down
        self._checks = 0
        self._supervision: asyncio.Task[None] | None = None

    # --- the face -----------------------------------------------------------------------------

    async def start(self) -> None:
        """Begin to connect; returns at once. What comes of it is told to the sink."""
        self._state = PbxState.CONNECTING
        self._why = "connecting"
        self._supervision = self._tasks.start(f"pbx-{self.name}", self._supervise())

    async def close(self) -> None:
        """Final. Calls go on in Asterisk; no event follows."""
        self._state = PbxState.CLOSED
        self._why = "closed"
        self._take_down()
        if self._supervision is not None:
            self._supervision.cancel()
            await asyncio.wait((self._supervision,))

    def status(self) -> PbxStatus:
        counters: dict[str, float] = dict(self._counters + self._counted())
        counters["odd_events"] = self._translator.odd
        if self._cmd is not None:
            counters["ping_s"] = self._cmd.counters.ping_s
        up = self._state is PbxState.UP
        warning = self._warning
        if self._cmd is not None and self._cmd.refusing:
            warning = f"the PBX refuses everything: {self._cmd.refusing}"
        return PbxStatus(up, "" if up else self._why, self._version, counters, self._state, warning)

    def pause_events(self) -> None:
        """Back-pressure: leave events in the socket until `resume_events`."""
        if self._evt is not None:
            self._evt.pause_reading()

    def resume_events(self) -> None:
        if self._evt is not None:
            self._evt.resume_reading()

    def send(self, command: PbxCommand) -> None:
        """Carry the command out, once or not at all. Never blocks, and never raises.

        Refused or never sent: `OriginateFailed` or `BridgeFailed`. Sent and not answered: nothing,
        for it is UNKNOWN; a `CheckLeg` or the next resync tells.
        """
        match command:
            case Originate():
                self._originate(command.attempt, partial(actions.customer_call, command))
            case RingAgent():
                self._originate(command.leg, partial(actions.agent_call, command))
            case RingSupervisor():
                self._originate(command.leg, partial(actions.supervisor_call, command))
            case RingOutside():
                self._originate(command.leg, partial(actions.outside_call, command))
            case JoinTalk():
                self._quietly(partial(actions.join_talk, command))
            case ChangeMonitor():
                self._quietly(partial(actions.change_monitor, command))
            case Bridge():
                self._bridge(command)
            case HoldCustomer():
                self._quietly(
                    partial(actions.hold_customer, command.channel, record=command.record)
                )
            case ParkAgent():
                self._quietly(partial(actions.park_agent, command.leg))
            case SendOut():
                self._quietly(partial(actions.send_out, command))
            case PlayHarbour():
                self._quietly(partial(actions.play_harbour, command.channel))
            case HangUp():
                self._quietly(partial(actions.hang_up, command.leg))
            case CheckLeg():
                if self._checks < CHECKS_MAX:
                    self._checks += 1
                    self._tasks.start(f"check-leg-{command.leg}", self._check(command.leg))

    async def ask(self, command: SendDigits | MuteRecording | EndRecording) -> bool:
        """Carry out what no event tells of; whether the PBX said that it was done. Digits go one
        by one, and end with the first that does not."""
        match command:
            case SendDigits():
                for key in command.digits:
                    result = await self._act(partial(actions.digit, command.attempt, key))
                    if not result.success:
                        return False
                return True
            case MuteRecording():
                make = partial(actions.mute_recording, command.attempt, muted=command.muted)
                return (await self._act(make)).success
            case EndRecording():
                return (await self._act(partial(actions.end_recording, command.attempt))).success

    # --- commands -----------------------------------------------------------------------------

    def _act(self, make: Callable[[], actions.Action]) -> asyncio.Future[Result]:
        if self._cmd is not None and self._state is PbxState.UP:
            try:
                action = make()
            except NotEncodable as error:
                why = str(error)
            else:
                if not self._parting:
                    return self._cmd.send(action)
                why = "Asterisk is shutting down"
        else:
            why = f"no link to the PBX ({self._why})"
        self._counters["not_sent"] += 1
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        future.set_result(NotSent(why))
        return future

    def _originate(self, leg: str, make: Callable[[], actions.Action]) -> None:
        def answered(future: asyncio.Future[Result]) -> None:
            match future.result():
                case Refused(message):
                    self._tell(OriginateFailed(leg, refused=message or "refused, no reason given"))
                case NotSent(why):
                    self._tell(OriginateFailed(leg, refused=f"not sent: {why}"))

        self._act(make).add_done_callback(answered)

    def _bridge(self, command: Bridge) -> None:
        def answered(future: asyncio.Future[Result]) -> None:
            match future.result():
                case Refused(message):
                    why = message or "refused, no reason given"
                case NotSent(reason):
                    why = f"not sent: {reason}"
                case _:
                    return
            self._tell(BridgeFailed(command.agent_leg, command.customer_leg, why))

        make = partial(actions.bridge, command.agent_channel, command.customer_channel)
        self._act(make).add_done_callback(answered)

    def _quietly(self, make: Callable[[], actions.Action]) -> None:
        """Hangup and Redirect: the channel's own events tell what came of it; failures count."""

        def answered(future: asyncio.Future[Result]) -> None:
            if not future.result().success:
                self._counters["quiet_failures"] += 1

        self._act(make).add_done_callback(answered)

    async def _check(self, leg: str) -> None:
        try:
            if self._evt is not None and self._state is PbxState.UP:
                found = await find_leg(self._evt, leg, self._config.recheck_s)
                self._tell(LegChecked(self.name, leg, found))
        except (Unreachable, NotEncodable):
            pass  # UNKNOWN still; the next resync tells
        finally:
            self._checks -= 1

    # --- events -------------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if self._state is not PbxState.CLOSED:
            self._sink(event)

    def _on_event(self, message: Message) -> None:
        name = message["Event"]
        if name == "FullyBooted":
            self._booted = True
            self._turn.set()
        elif name == "Shutdown":
            self._shutting_down()
        elif self._held is None:
            self._translate(message)
        elif len(self._held) < HELD_EVENTS_MAX:
            self._held.append(message)
        else:
            self._link_lost("evt", "more events came during the resync than can be kept")

    def _shutting_down(self) -> None:
        """Asterisk goes, and hangs up every call first: those Hangups are still to be heard."""
        if self._state is PbxState.UP and not self._parting:
            self._parting = True
            asyncio.get_running_loop().call_later(
                self._config.parting_s, self._lost_at_last, self._evt
            )

    def _lost_at_last(self, evt: Link | None) -> None:
        if evt is not None and evt is self._evt:
            self._link_lost("evt", "Asterisk shut down")

    def _translate(self, message: Message) -> None:
        event = self._translator.translate(message, self._clock.now())
        if event is not None:
            self._tell(event)
        if leg := self._departed.revived(message):
            self._counters["revived"] += 1
            self._quietly(partial(actions.hang_up, leg))

    # --- the links ----------------------------------------------------------------------------

    async def _supervise(self) -> None:
        pause_s = self._config.retry_first_s
        while True:
            self._state = PbxState.CONNECTING
            least_s = 0.0
            try:
                await self._connect()
                stood_since = self._clock.now()
                await self._lost.wait()
                if self._clock.now() - stood_since >= self._config.steady_s:
                    pause_s = self._config.retry_first_s
            except LoginRefused as error:
                least_s = self._config.retry_refused_s
                self._down(str(error))
            except Unreachable as error:
                if not self._lost.is_set():  # else that has been told already
                    self._down(str(error))
            except Exception:
                self._down("a fault of the dialer's own; see its log")
                raise
            self._state = PbxState.WAITING
            self._counters["retries"] += 1
            # Jitter: many dialers that lost the same PBX must not all come back at one instant.
            await asyncio.sleep(max(pause_s, least_s) * self._rng.uniform(0.5, 1.0))
            pause_s = min(self._config.retry_max_s, pause_s * 2)

    async def _connect(self) -> None:
        """Both links, and a resync. `Unreachable` with the reason when it does not come to that."""
        config = self._config
        self._lost.clear()
        self._booted = False
        self._parting = False
        self._turn.clear()
        self._held = None
        self._translator = Translator()
        self._departed = Departed()
        evt_login = Login(
            config.host, config.port, config.evt_user, config.evt_secret, "on", config.tls
        )
        cmd_login = Login(
            config.host, config.port, config.cmd_user, config.cmd_secret, "off", config.tls
        )
        evt = Link(evt_login, self._on_event, partial(self._link_lost, "evt"), config.limits)
        cmd = Link(cmd_login, _nothing, partial(self._link_lost, "cmd"), config.limits)
        self._evt, self._cmd = evt, cmd
        await evt.open()
        await cmd.open()
        self._state = PbxState.RESYNCING
        await self._until_booted()
        self._version, self._warning = await ask_version(evt)
        if self._warning:
            log.warning("PBX %s: %s", self.name, self._warning)
        await self._resync(evt)

    async def _until_booted(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._config.boot_s):
                await self._turn.wait()
        self._refuse_if_lost()
        if not self._booted:
            raise Unreachable(
                f"Asterisk at {self._where} did not say in {self._config.boot_s:g} s that it is"
                f" fully booted: it is still starting, or {self._config.evt_user} lacks"
                " read=system"
            )

    async def _resync(self, evt: Link) -> None:
        started_at = await ask_start(evt)
        # From here on events are held: the listing is older than they are, and goes first.
        self._held = []
        found = await ask_channels(evt)
        self._refuse_if_lost()
        restarted = self._started_at not in ("", started_at)
        self._started_at = started_at
        self._state = PbxState.UP
        self._told_why = ""
        self._counters["resyncs"] += 1
        held, self._held = self._held, None
        self._tell(LinkResynced(self.name, found, restarted))
        for message in held:
            try:
                self._translate(message)
            except Exception:
                self._counters["faults"] += 1
                log.exception("the handler of an AMI event failed; the next event goes on")

    @property
    def _where(self) -> str:
        return f"{self._config.host}:{self._config.port}"

    def _refuse_if_lost(self) -> None:
        if self._lost.is_set():
            raise Unreachable(self._why)

    def _link_lost(self, which: str, why: str) -> None:
        """Called by a link, at once: nothing may be dialled from this instant."""
        if self._parting:
            if which == "cmd":
                return  # the event link still has something to say, and not for long
            why = "Asterisk shut down"
        self._down(f"link {which} to the PBX at {self._where} lost: {why}")

    def _down(self, why: str) -> None:
        if self._state is PbxState.CLOSED:
            return
        was_up = self._state is PbxState.UP
        self._state = PbxState.WAITING
        self._why = why
        self._take_down()
        self._lost.set()
        self._turn.set()
        if was_up or why != self._told_why:
            log.warning("PBX %s: %s", self.name, why)
            self._told_why = why
            self._tell(LinkLost(self.name, why))

    def _take_down(self) -> None:
        for link in (self._cmd, self._evt):
            if link is not None:
                link.close()
        self._counters += self._counted()
        self._cmd = self._evt = self._held = None

    def _counted(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for link in (self._cmd, self._evt):
            if link is not None:
                counted["sent"] += link.counters.sent
                counted["refused"] += link.counters.refused
                counted["lost"] += link.counters.lost
                counted["not_sent"] += link.counters.not_sent
                counted["events"] += link.events
                counted["malformed"] += link.malformed
                counted["orphans"] += link.orphans
                counted["faults"] += link.faults
        return counted


def _nothing(_: Message) -> None:
    """The command link has no events but its own FullyBooted."""
