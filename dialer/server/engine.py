"""Carries out what the core wants: the one place where a command meets the world.

A command goes to exactly one of the PBX, the store, the pacer, the screens or the CRM bridge.
What they answer comes back through the door as a fact.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import structlog

from dialer.clock import Clock
from dialer.core import commands as cmd
from dialer.core.events import AttemptRecorded, AttemptRefused, CampaignPaused, Event
from dialer.core.floor import Floor
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome
from dialer.core.states import CampaignState
from dialer.server.changes import Changes
from dialer.server.door import Door, DoorOverrun
from dialer.server.histogram import Histogram
from dialer.server.pacing import Pacing
from dialer.server.stats import Stats
from dialer.store.writer import StoreFull

WRITES_BUSY = 2_000  # commands waiting for the database; some seconds behind
OVERDUE_MAX = 20_000  # ends of calls and agents' doings while nothing is dialled: hours of them

log = structlog.get_logger()

PbxCommand = (
    cmd.Originate
    | cmd.RingAgent
    | cmd.RingSupervisor
    | cmd.RingOutside
    | cmd.JoinTalk
    | cmd.ChangeMonitor
    | cmd.Bridge
    | cmd.SendOut
    | cmd.HoldCustomer
    | cmd.ParkAgent
    | cmd.PlayHarbour
    | cmd.HangUp
    | cmd.CheckLeg
)


class PbxPort(Protocol):
    """A PBX as the engine sees it. Results come back as events; nothing is ever sent again."""

    def send(self, command: PbxCommand) -> None: ...

    async def ask(self, command: cmd.SendDigits | cmd.MuteRecording | cmd.EndRecording) -> bool:
        """Whether the PBX said that it was done."""
        ...


class StorePort(Protocol):
    """The store's batching writer. `fetch` answers with `LeadsOffered` through the door."""

    def submit(self, command: Any) -> None: ...

    @property
    def writer_depth(self) -> int: ...

    def fetch(self, command: cmd.FetchLeads) -> None: ...

    def fetch_for(self, command: cmd.FetchLeadFor) -> None: ...


class PopPort(Protocol):
    """The CRM's ear for what happens on the floor: never waits."""

    def pop(self, command: cmd.PopScreen) -> None: ...

    def rang(self, command: cmd.RecordProgress, agent: str) -> None: ...

    def agent_shown(self, command: cmd.ShowAgent) -> None: ...

    def campaign_shown(self, command: cmd.ShowCampaign) -> None: ...

    def hold_shown(self, command: cmd.ShowHold) -> None: ...

    def monitor_shown(self, command: cmd.ShowMonitor) -> None: ...

    def transfer_shown(self, command: cmd.ShowTransfer) -> None: ...


class RecordingPort(Protocol):
    """Who looks after recordings: never waits."""

    def began(self, command: cmd.ShowRecording) -> None: ...

    def ended(self, command: cmd.RecordOutcome) -> None: ...


class Engine:
    """Floor, door and executors of one node."""

    def __init__(
        self,
        floor: Floor,
        clock: Clock,
        store: StorePort,
        changes: Changes,
        pop: PopPort | None = None,
    ) -> None:
        self.floor = floor
        self.stats = Stats()
        self.changes = changes
        self.pbxes: dict[str, PbxPort] = {}
        self.answer_to_bridge = Histogram()
        self.recordings: RecordingPort | None = None
        self.fault = ""  # why dialling was stopped for good, when it was
        self.popped: dict[str, cmd.PopScreen] = {}  # agent -> the call on the agent's screen
        self._overdue: deque[Any] = deque(maxlen=OVERDUE_MAX)  # records the store had no room for
        self._clock = clock
        self._store = store
        self._pop = pop
        self.door = Door(
            floor, clock, self._execute, self._after, self._core_failed, time.perf_counter
        )
        self.pacing = Pacing(floor, clock, self.post)
        self._executors: Mapping[type, Callable[[Any], None]] = {
            **dict.fromkeys(PbxCommand.__args__, self._to_pbx),
            cmd.FetchLeads: store.fetch,
            cmd.FetchLeadFor: store.fetch_for,
            cmd.RecordPreview: self._record,
            cmd.ReturnLeads: self._record,
            cmd.RecordAttempt: self._record,
            cmd.RecordProgress: self._progress,
            cmd.RecordOutcome: self._outcome,
            cmd.RecordDisposition: self._record,
            cmd.RecordSession: self._record,
            cmd.PopScreen: self._pop_screen,
            cmd.ShowAgent: self._show_agent,
            cmd.ShowCampaign: self._show_campaign,
            cmd.ShowHold: self._show_hold,
            cmd.ShowMonitor: self._show_monitor,
            cmd.ShowRecording: self._show_recording,
            cmd.ShowTransfer: self._show_transfer,
            cmd.Observe: self._observe,
            cmd.Warn: lambda c: log.warning("the core warns", text=c.text, leg=c.leg),
        }

    def post(self, event: Event) -> None:
        """A fact for the core. When it cannot keep up, dialling stops."""
        try:
            self.door.post(event)
        except DoorOverrun as error:
            self.stop_dialling(str(error))

    def committed(self, command: Any) -> None:
        """The store committed `command`: an attempt on record may be dialled."""
        if isinstance(command, cmd.RecordAttempt):
            self.post(AttemptRecorded(command.attempt))

    def refused(self, command: Any, why: str) -> None:
        """The database would not have `command`."""
        if isinstance(command, cmd.RecordAttempt):
            self.post(AttemptRefused(command.attempt, why))
            # Whatever refused it may have left the lead in our claim; one that is not stays put. A
            # call by hand has no claim: the lead may be in the hopper, which keeps it.
            if command.booking is None or command.booking.mode is not Mode.MANUAL:
                self._record(cmd.ReturnLeads(command.lead.campaign, (command.lead.lead_id,)))
        else:
            log.warning("the store refused a record", kind=type(command).__name__, why=why)

    def stop_dialling(self, why: str) -> None:
        """Fail towards silence: no new lines anywhere, live calls are served on."""
        if not self.fault:
            self.fault = why
            log.error("dialling stopped", why=why)
        self._pause_all(self.fault)

    def _pause_all(self, why: str) -> None:
        """Must not raise: it is what is left to do when something has failed."""
        for name, campaign in self.floor.campaigns.items():
            if campaign.state is not CampaignState.RUNNING:
                continue
            for command in self.floor.handle(CampaignPaused(name, why), self._clock.now()):
                try:
                    self._execute(command)
                except Exception as error:
                    log.error("a command failed", kind=type(command).__name__, error=repr(error))

    def _execute(self, command: cmd.Command) -> None:
        self._executors[type(command)](command)

    @property
    def busy(self) -> bool:
        """Facts or writes pile up, or something failed: no new lines."""
        return (
            bool(self.fault)
            or bool(self._overdue)
            or self.door.busy
            or self._store.writer_depth > WRITES_BUSY
        )

    def _after(self) -> None:
        while self._overdue and self._submitted(self._overdue[0]):
            self._overdue.popleft()
        if self.fault:
            self._pause_all(self.fault)  # also what was started since
        self.pacing.after_step(self.busy)

    def _core_failed(self, error: Exception) -> None:
        # The first with all there is; those that follow from it would only bury it.
        log.error(
            "a step failed", error=type(error).__name__, exc_info=None if self.fault else error
        )
        self.stop_dialling("an internal fault; see the log")

    def _to_pbx(self, command: PbxCommand) -> None:
        self.pbxes[command.pbx].send(command)

    def _observe(self, command: cmd.Observe) -> None:
        self.stats.observed(command.campaign, command.fact)
        self.pacing.observe(command.campaign, command.fact)

    def _outcome(self, command: cmd.RecordOutcome) -> None:
        self.stats.outcome(command)
        times = command.timings
        if command.outcome is Outcome.CONNECTED and times.connected is not None:
            since = times.live if times.live is not None else times.answered
            if since is not None:
                self.answer_to_bridge.observe(max(0.0, times.connected - since))
        if command.agent:
            self.changes.mark(command.agent)
        self.pacing.touch((command.campaign,))
        self._record(command)
        if self.recordings is not None:
            self.recordings.ended(command)

    def _record(self, command: Any) -> None:
        """To the store, in order. When its queue is full, what must be on record waits here: a new
        attempt is refused, and how far one came is not told."""
        if not self._overdue and self._submitted(command):
            return
        match command:
            case cmd.RecordAttempt():
                self.post(AttemptRefused(command.attempt, "the database cannot keep up"))
                self._overdue.append(
                    cmd.ReturnLeads(command.lead.campaign, (command.lead.lead_id,))
                )
            case cmd.RecordProgress():
                pass
            case _:
                self._overdue.append(command)

    def _submitted(self, command: Any) -> bool:
        try:
            self._store.submit(command)
        except StoreFull:
            return False
        return True

    def _progress(self, command: cmd.RecordProgress) -> None:
        self._record(command)
        call = self.floor.calls.get(command.attempt)
        if (
            self._pop is not None
            and command.progress is cmd.Progress.RINGING
            and call is not None
            and call.booking is not None
        ):
            self._pop.rang(command, call.booking.agent)

    def _pop_screen(self, command: cmd.PopScreen) -> None:
        self.popped[command.agent] = command
        self.changes.mark(command.agent)
        if self._pop is not None:
            self._pop.pop(command)

    def _show_agent(self, command: cmd.ShowAgent) -> None:
        agent = self.floor.agents.get(command.agent)
        self.stats.agent_shown(command, agent, self._clock.now())
        self.changes.mark(command.agent)
        if self._pop is not None:
            self._pop.agent_shown(command)
        if agent is not None:
            self.pacing.touch(agent.campaigns)

    def _show_hold(self, command: cmd.ShowHold) -> None:
        self.changes.mark(command.agent)
        if self._pop is not None:
            self._pop.hold_shown(command)

    def _show_recording(self, command: cmd.ShowRecording) -> None:
        if self.recordings is not None:
            self.recordings.began(command)

    def _show_monitor(self, command: cmd.ShowMonitor) -> None:
        self.changes.mark(command.agent)
        if self._pop is not None:
            self._pop.monitor_shown(command)

    def _show_transfer(self, command: cmd.ShowTransfer) -> None:
        self.changes.mark(command.by)
        if self._pop is not None:
            self._pop.transfer_shown(command)

    def _show_campaign(self, command: cmd.ShowCampaign) -> None:
        log.info(
            "campaign", campaign=command.campaign, state=command.state, not_dialling=command.why
        )
        if self._pop is not None:
            self._pop.campaign_shown(command)
        self.pacing.touch((command.campaign,))
