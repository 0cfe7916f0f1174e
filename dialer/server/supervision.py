"""What supervisors do to the floor, and what passes between them and agents' screens.

Every action is on the audit log when its method returns. Broadcasts and calls for help live in
memory: they are about this hour.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock
from dialer.core import events as ev
from dialer.server.engine import Engine
from dialer.server.face import CampaignAction, EscalationView, HelpView, MessageView, Refused
from dialer.store.users import AuditRow, CampaignSettingsRow

MESSAGE_S = 1800.0  # how long a broadcast stays on screens
MESSAGES_MAX = 100
HELP_MAX = 1_000
SWITCHABLE = ("progressive", "predictive")  # the others are another way of working


class Audit(Protocol):
    async def audit(
        self, who: str, action: str, thing: str = "", detail: Mapping[str, Any] | None = None
    ) -> None: ...


class SettingsKeeper(Protocol):
    async def campaign_settings(self) -> dict[str, CampaignSettingsRow]: ...
    async def keep_campaign_settings(self, campaign: str, row: CampaignSettingsRow) -> None: ...
    async def last_acts(self, actions: Sequence[str]) -> Mapping[str, AuditRow]: ...


@dataclass(frozen=True, slots=True)
class FilePart:
    mode: str
    abandon_limit: float


@dataclass(frozen=True, slots=True)
class CampaignSettings:
    """How a campaign dials, and what its file says. `lines_max` 0: what the trunk carries."""

    mode: str
    abandon_limit: float
    abandon_limit_most: float
    lines_max: int
    file: FilePart
    changed_by: str = ""
    changed_at: str = ""  # ISO 8601, UTC


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """The fields in `given` are changed; None: back to the file's."""

    given: frozenset[str]
    mode: str | None = None
    abandon_limit: float | None = None
    lines_max: int | None = None


class Supervision:
    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        campaigns: Mapping[str, CampaignFile],
        audit: Audit,
        keeper: SettingsKeeper,
    ) -> None:
        self._engine = engine
        self._floor = engine.floor
        self._clock = clock
        self._campaigns = campaigns
        self._audit = audit
        self._keeper = keeper
        self._rows: dict[str, CampaignSettingsRow] = {}
        # What people last did with each campaign, and who: it stands over a restart.
        self._standing: dict[str, tuple[CampaignAction, str]] = {}
        self._numbers = itertools.count(1)
        self._messages: deque[tuple[MessageView, frozenset[str]]] = deque(maxlen=MESSAGES_MAX)
        self._help: dict[str, EscalationView] = {}  # by agent

    async def start(self) -> None:
        """Take up what people had set and done."""
        acts = await self._keeper.last_acts([f"campaign.{one.value}" for one in CampaignAction])
        for name, act in acts.items():
            action = CampaignAction(act.action.removeprefix("campaign."))
            self._standing[name] = action, act.who
        kept = await self._keeper.campaign_settings()
        for name, row in kept.items():
            if name in self._campaigns:
                self._rows[name] = row
                self._apply(name)

    # --- campaigns ------------------------------------------------------------------------------

    def settings(self, campaign: str) -> CampaignSettings:
        file = self._file(campaign)
        row = self._rows.get(campaign, CampaignSettingsRow())
        return CampaignSettings(
            row.mode or file.mode.value,
            file.abandon_limit if row.abandon_limit is None else row.abandon_limit,
            file.abandon_limit,
            row.lines_max or 0,
            FilePart(file.mode.value, file.abandon_limit),
            row.changed_by,
            "" if not row.changed_ms else _utc(row.changed_ms),
        )

    async def change_settings(
        self, campaign: str, change: SettingsChange, who: str
    ) -> CampaignSettings:
        file = self._file(campaign)
        if change.mode is not None and file.mode.value not in SWITCHABLE:
            raise Refused(
                f"This campaign is worked in mode {file.mode.value}.", 409, "Change its file."
            )
        if change.mode is not None and change.mode not in SWITCHABLE:
            raise Refused("There is no such mode.", 409, f"Use one of {', '.join(SWITCHABLE)}.")
        if change.mode == "predictive" and file.mode.value == "progressive":
            raise Refused(
                "The campaign's file says progressive.", 409, "Only less than its file can be set."
            )
        if change.abandon_limit is not None and change.abandon_limit > file.abandon_limit:
            raise Refused(
                f"The limit can only be lowered; the file says {file.abandon_limit:.2%}.",
                409,
                "Choose a lower one.",
            )
        row = self._rows.get(campaign, CampaignSettingsRow())
        values = {name: getattr(change, name) for name in change.given}
        row = replace(
            row, **values, changed_by=who, changed_ms=int(self._clock.utc().timestamp() * 1000)
        )
        await self._keeper.keep_campaign_settings(campaign, row)
        self._rows[campaign] = row
        self._apply(campaign)
        await self._audit.audit(who, "campaign.settings", campaign, values)
        return self.settings(campaign)

    async def acted(self, campaign: str, action: CampaignAction, who: str) -> None:
        """Somebody started, paused, resumed, stopped or archived it: that stands until the next."""
        await self._audit.audit(who, f"campaign.{action.value}", campaign)
        self._standing[campaign] = action, who

    def standing(self, campaign: str) -> tuple[CampaignAction, str]:
        """The last that was done with it, and by whom; a campaign nobody touched is started."""
        return self._standing.get(campaign, (CampaignAction.START, ""))

    def archived(self, campaign: str) -> bool:
        return self.standing(campaign)[0] is CampaignAction.ARCHIVE

    def _apply(self, campaign: str) -> None:
        file, now = self._campaigns[campaign], self.settings(campaign)
        governor = self._engine.pacing.governor(campaign)
        governor.lines_max = now.lines_max
        governor.account.relimit(now.abandon_limit)
        pacer = "progressive" if now.mode == "progressive" else file.pacer
        governor.use_pacer(pacer, {} if pacer != file.pacer else file.pacer_options)

    def _file(self, campaign: str) -> CampaignFile:
        file = self._campaigns.get(campaign)
        if file is None:
            raise Refused("There is no such campaign.", 404, "See /v1/campaigns.")
        return file

    # --- agents ---------------------------------------------------------------------------------

    async def force_status(self, agent: str, status: ev.Status, reason: str, who: str) -> None:
        """Chosen for the agent, who is told so; behind a call if there is one."""
        present = self._floor.agents.get(agent)
        if present is None:
            raise Refused("This agent has no shift.", 404, "Look at the floor again.")
        self._engine.post(ev.StatusChosen(agent, status, reason))
        words = f"{status.value}{f' ({reason})' if reason else ''}"
        self._tell(f"{who} set your status: {words}.", who, frozenset(), agent)
        await self._audit.audit(
            who, "agent.status", agent, {"status": status.value, "reason": reason}
        )

    async def broadcast(self, text: str, campaigns: Iterable[str], who: str) -> int:
        """Onto the screens of the agents of these campaigns; how many they are."""
        scope = frozenset(campaigns)
        reached = [a.name for a in self._floor.agents.values() if scope.intersection(a.campaigns)]
        self._tell(text, who, scope)
        for name in reached:
            self._engine.changes.mark(name)
        await self._audit.audit(
            who, "broadcast", "", {"campaigns": sorted(scope), "reached": len(reached)}
        )
        return len(reached)

    def _tell(self, text: str, who: str, campaigns: frozenset[str], agent: str = "") -> None:
        message = MessageView(next(self._numbers), self._clock.now(), who, text)
        self._messages.append((message, frozenset({f"@{agent}"}) if agent else campaigns))
        if agent:
            self._engine.changes.mark(agent)

    def messages_of(self, agent: str) -> tuple[MessageView, ...]:
        """What this agent's screen shows of the last half hour."""
        present = self._floor.agents.get(agent)
        if present is None:
            return ()
        mine = {f"@{agent}", *present.campaigns}
        since = self._clock.now() - MESSAGE_S
        return tuple(
            message
            for message, scope in self._messages
            if message.at > since and not mine.isdisjoint(scope)
        )

    # --- calls for help ---------------------------------------------------------------------------

    async def ask_help(self, agent: str, text: str) -> None:
        present = self._floor.agents.get(agent)
        if present is None:
            raise Refused("Your shift has not begun.", 409, "Begin it first.")
        known = self._help.get(agent)
        if known is None and len(self._help) >= HELP_MAX:
            raise Refused("Too many ask for help.", 429, "Call out.")
        campaign = present.campaign or (present.campaigns[0] if present.campaigns else "")
        self._help[agent] = EscalationView(
            known.id if known is not None else next(self._numbers),
            agent,
            campaign,
            present.attempt,
            self._clock.now(),
            text,
            known.taken_by if known is not None else "",
        )
        self._engine.changes.mark(agent)
        await self._audit.audit(agent, "help.asked", present.attempt)

    async def end_help(self, agent: str) -> None:
        if self._help.pop(agent, None) is not None:
            self._engine.changes.mark(agent)
            await self._audit.audit(agent, "help.ended")

    def help_of(self, agent: str) -> HelpView | None:
        one = self._help.get(agent)
        return None if one is None else HelpView(one.at, one.text, one.taken_by)

    def escalations(self) -> tuple[EscalationView, ...]:
        """The longest waiting first. Who has left asks no more."""
        for agent in [name for name in self._help if name not in self._floor.agents]:
            del self._help[agent]
        return tuple(sorted(self._help.values(), key=lambda one: one.at))

    async def act_on_escalation(
        self, number: int, action: str, who: str, campaigns: frozenset[str] | None
    ) -> None:
        """`take` or `close` one of these campaigns."""
        found = next((one for one in self.escalations() if one.id == number), None)
        if found is None or (campaigns is not None and found.campaign not in campaigns):
            raise Refused("Nobody asks for help by that number.", 404, "Look again.")
        if action == "take":
            if found.taken_by and found.taken_by != who:
                raise Refused(f"{found.taken_by} has taken it.", 409, "Take another.")
            self._help[found.agent] = replace(found, taken_by=who)
        else:
            del self._help[found.agent]
        self._engine.changes.mark(found.agent)
        await self._audit.audit(who, f"help.{action}", found.agent, {"attempt": found.attempt})


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
