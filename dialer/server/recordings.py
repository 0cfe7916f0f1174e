"""Recordings: begun, silenced, gone on with and ended by agents; and told to the CRM once their
file is there and closed.

The PBX alone writes them, into files named after the attempt. Where its folder is seen from here
(`pbxes: recordings`) each file is told of as `recording.ready`, by an id of its own: a look more
than one, after a restart for instance, tells nothing twice.
"""

from __future__ import annotations

import asyncio
import wave
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

import structlog

from crm_bridge import events as crm
from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock, outside_work
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.call import Call, Purpose
from dialer.core.states import AgentState, CallState
from dialer.server.engine import Engine
from dialer.server.face import Refused
from dialer.server.supervision import Audit
from dialer.store.attempts import call_part
from dialer.store.batch import TellCrm
from dialer.store.context import from_ms
from dialer.store.recovery import ClosedCall
from dialer.store.users import AuditRow
from dialer.store.writer import StoreFull
from dialer.tasks import Tasks

LOOKS = 60  # for a file to be closed; MixMonitor needs milliseconds
LOOK_EVERY_S = 1.0
LOOKING_MAX = 2_000  # calls whose files are looked for at a time
AGAIN = timedelta(minutes=15)  # calls that ended so long before a restart are looked at again
STATES = {"recording.started": "on", "recording.resumed": "on", "recording.paused": "paused"}
ACTIONS = (*STATES, "recording.stopped")
_HEADER_BYTES = 44  # of a WAV file as Asterisk writes it

log = structlog.get_logger()


class Tell(Protocol):
    def submit(self, command: TellCrm) -> None: ...


@dataclass(slots=True)
class Kept:
    """Of one call. `state`: on, paused, off; `pauses`: (from, to), to None while it lasts; `ends`:
    when each of its recordings ended, in order."""

    state: str
    pauses: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    ends: list[datetime] = field(default_factory=list)

    def turn(self, state: str, at: datetime) -> None:
        if self.pauses and self.pauses[-1][1] is None:
            self.pauses[-1] = (self.pauses[-1][0], at)
        if state == "paused":
            self.pauses.append((at, None))
        if state == "off" and self.state != "off":
            self.ends.append(at)
        self.state = state


@dataclass(frozen=True, slots=True)
class Recording:
    """A closed file. `ended` is the file's own time, by another clock perhaps."""

    name: str
    ended: datetime
    duration_s: float


class Recordings:
    """`folders`: of each PBX whose recordings are seen from here."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        audit: Audit,
        campaigns: Mapping[str, CampaignFile],
        folders: Mapping[str, Path],
        store: Tell,
        tasks: Tasks,
    ) -> None:
        self._engine = engine
        self._floor = engine.floor
        self._clock = clock
        self._audit = audit
        self._campaigns = campaigns
        self._folders = folders
        self._store = store
        self._tasks = tasks
        self._kept: dict[str, Kept] = {}
        self._looking: set[str] = set()
        engine.recordings = self

    def restore(self, acts: Iterable[AuditRow], ended: Iterable[ClosedCall]) -> None:
        """What agents did in calls that are still up, and calls whose files may be untold."""
        for act in acts:
            known = self._kept.setdefault(act.object, Kept("on"))
            known.turn(STATES.get(act.action, "off"), from_ms(act.at_ms))
        for call in ended:
            part = call_part(call.attempt, call.campaign, call.lead, call.agent)
            self._look(part, call.pbx, wanted=False, last=True)

    # --- what agents see and do -----------------------------------------------------------------

    def state_of(self, attempt: str, campaign: str) -> str:
        kept = self._kept.get(attempt)
        return kept.state if kept is not None else self._at_first(campaign)

    def _at_first(self, campaign: str) -> str:
        return "on" if self._campaigns[campaign].record else "off"

    def may_begin(self, campaign: str) -> bool:
        return self._campaigns[campaign].record_by_agents

    async def turn(self, agent: str, to: str) -> None:
        """`to`: on, paused or off. Audited."""
        call = self._call_of(agent)
        now = self.state_of(call.attempt, call.campaign)
        if now == to:
            return
        if to == "paused" and now == "off":
            raise Refused("This call is not recorded.")
        if "off" in (now, to) and not self.may_begin(call.campaign):
            what = "begin" if now == "off" else "end"
            raise Refused(f"Agents do not {what} recordings in this campaign.", 409)
        if now == "off":
            await self._begin(agent, call)
        else:
            await self._turn(agent, call, to)

    async def _turn(self, agent: str, call: Call, to: str) -> None:
        pbx = self._engine.pbxes[call.pbx]
        wish: cmd.EndRecording | cmd.MuteRecording = (
            cmd.EndRecording(call.pbx, call.attempt)
            if to == "off"
            else cmd.MuteRecording(call.pbx, call.attempt, to == "paused")
        )
        if not await pbx.ask(wish):
            raise Refused("The PBX did not do it.", 409, "Go on without; tell a supervisor.")
        self._turned(call, to)
        action = {"off": "stopped", "paused": "paused", "on": "resumed"}[to]
        await self._audit.audit(agent, f"recording.{action}", call.attempt)
        if to == "off":
            part = call_part(call.attempt, call.campaign, call.lead, call.agent)
            self._look(part, call.pbx, wanted=True)

    async def end(self, agent: str, call: Call) -> None:
        """Somebody joins who has not been told of it."""
        if self.state_of(call.attempt, call.campaign) != "off":
            await self._turn(agent, call, "off")

    async def _begin(self, agent: str, call: Call) -> None:
        if call.state is not CallState.TALKING or call.consult is not None:
            raise Refused("The customer is not with you this moment.", 409, "Then begin it.")
        await self._audit.audit(agent, "recording.started", call.attempt)
        self._engine.post(ev.RecordingAsked(agent))
        await self._engine.door.settled()
        if call.consult is None or call.consult.purpose is not Purpose.RECORD:
            raise Refused("That is not possible just now.", 409, "Try again.")

    def began(self, command: cmd.ShowRecording) -> None:
        """The PBX has begun one."""
        if (call := self._floor.calls.get(command.attempt)) is not None:
            self._turned(call, "on")

    def _turned(self, call: Call, to: str) -> None:
        known = self._kept.get(call.attempt)
        if known is None:
            known = self._kept[call.attempt] = Kept(self._at_first(call.campaign))
        known.turn(to, self._clock.utc())
        self._engine.changes.mark(call.agent)

    def _call_of(self, agent: str) -> Call:
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        if (
            present is None
            or call is None
            or present.state is not AgentState.TALK
            or call.agent != agent
            or call.pbx not in self._engine.pbxes
        ):
            raise Refused("You are not talking to anybody.")
        return call

    # --- when they are there --------------------------------------------------------------------

    def ended(self, command: cmd.RecordOutcome) -> None:
        """The call is over, and with it its recording, if there was one."""
        recorded = self._campaigns[command.campaign].record and command.timings.live is not None
        if recorded or command.attempt in self._kept:
            known = self._kept.setdefault(command.attempt, Kept(self._at_first(command.campaign)))
            ended = command.timings.ended
            known.turn("off", self._clock.utc() if ended is None else self._clock.utc_at(ended))
            part = call_part(command.attempt, command.campaign, command.lead, command.agent)
            self._look(part, self._campaigns[command.campaign].pbx, wanted=True, last=True)

    def _look(self, part: crm.CallPart, pbx: str, *, wanted: bool, last: bool = False) -> None:
        folder = self._folders.get(pbx)
        if folder is None:
            if last:
                self._kept.pop(part.call_id, None)
            return
        if part.call_id in self._looking and not last:
            return  # that look finds it
        if len(self._looking) >= LOOKING_MAX:
            log.warning("recordings are not told: too many are waited for", leg=part.call_id)
            return
        self._looking.add(part.call_id)
        work = self._tell_all(part, pbx, folder, wanted=wanted, last=last)
        self._tasks.start(f"recording-{part.call_id}", work)

    async def _tell_all(
        self, part: crm.CallPart, pbx: str, folder: Path, *, wanted: bool, last: bool
    ) -> None:
        told: set[str] = set()
        try:
            for look in range(LOOKS):
                if look:
                    await asyncio.sleep(LOOK_EVERY_S)
                with outside_work():
                    closed, open_ = await asyncio.to_thread(found, folder, part.call_id)
                for n, one in enumerate(closed):
                    if one.name not in told and self._tell(part, pbx, one, n):
                        told.add(one.name)
                done = bool(told) if wanted else True
                if done and len(told) == len(closed) and not open_:
                    return
            log.warning("a recording was not found closed on the disk", leg=part.call_id, pbx=pbx)
        finally:
            self._looking.discard(part.call_id)
            if last:
                self._kept.pop(part.call_id, None)

    def _tell(self, part: crm.CallPart, pbx: str, one: Recording, n: int) -> bool:
        kept = self._kept.get(part.call_id, Kept("off"))
        ended = kept.ends[n] if n < len(kept.ends) else one.ended
        began = ended - timedelta(seconds=one.duration_s)
        event = crm.recording_ready(
            part,
            self._clock.utc(),
            pbx=pbx,
            file=one.name,
            began_at=began,
            duration_s=one.duration_s,
            paused=within(kept.pauses, began, one.duration_s),
        )
        try:
            self._store.submit(TellCrm(event))
        except StoreFull:
            return False  # with the next look
        return True


def within(
    pauses: Iterable[tuple[datetime, datetime | None]], began: datetime, duration_s: float
) -> list[tuple[float, float]]:
    """The pauses as seconds from the file's beginning."""
    spans = []
    for since, until in pauses:
        begin = max(0.0, (since - began).total_seconds())
        end = duration_s if until is None else (until - began).total_seconds()
        if begin < (end := min(end, duration_s)):
            spans.append((begin, end))
    return spans


def found(folder: Path, attempt: str) -> tuple[list[Recording], int]:
    """The attempt's closed files, and how many are still written."""
    closed, open_ = [], 0
    for path in (*folder.glob(f"{attempt}.wav"), *sorted(folder.glob(f"{attempt}-*.wav"))):
        one = _closed(path)
        if one is None:
            open_ += 1
        else:
            closed.append(one)
    return closed, open_


def _closed(path: Path) -> Recording | None:
    """Asterisk writes how long a WAV file is into its header when it closes it."""
    try:
        status = path.stat()
        with wave.open(str(path), "rb") as file:
            frames, rate = file.getnframes(), file.getframerate()
            size = frames * file.getnchannels() * file.getsampwidth()
    except (OSError, EOFError, wave.Error):
        return None
    if size == 0 or rate == 0 or size != status.st_size - _HEADER_BYTES:
        return None
    return Recording(path.name, from_ms(round(status.st_mtime * 1000)), frames / rate)
