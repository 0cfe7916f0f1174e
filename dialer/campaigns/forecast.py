"""What a strategy would make of a list: segments, arms, priorities, and the calls of the days to
come. Every lead is played through the very steps, windows and law that would bind it; only how a
call ends is drawn by lot, from its account and number alone, so that the same list gives the same
picture."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

from dialer.campaigns.compliance.decide import decide
from dialer.campaigns.compliance.facts import Deny, LeadFacts, PastCall, PhoneFacts
from dialer.campaigns.lead import StagedLead
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.reading import Piece, Request, read_list
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.steps import (
    Action,
    Close,
    Dial,
    Disposed,
    Due,
    OpenTask,
    Placed,
    Position,
    Rest,
    SetPriority,
    Tell,
    Tried,
    advance,
    tactic_of,
)
from dialer.campaigns.window import zones_of
from dialer.core.outcomes import Outcome
from dialer.store.schema import Phase

PLAYED_MAX = 3_000  # leads played through their days; a longer list is counted in proportion
_EVENTS_MAX = 500  # of one lead; a strategy that wants more of them in some days is mistaken
_MACHINE, _BUSY = 0.15, 0.05  # of calls
_REFUSED = Disposed("refused", "right_party")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Day:
    date: date
    calls: int = 0
    tells: int = 0
    tasks: int = 0


@dataclass(slots=True)
class Forecast:
    """`reasons` why leads are excluded; `segments` by (segment, arm); `levels` of priority.
    `played`: how many leads the days were reckoned from."""

    assumption: str
    leads: int = 0
    excluded: int = 0
    played: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    segments: Counter[tuple[str, str]] = field(default_factory=Counter)
    levels: Counter[int] = field(default_factory=Counter)
    days: list[Day] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return {
            "assumption": self.assumption,
            "leads": self.leads,
            "excluded": self.excluded,
            "reasons": dict(self.reasons),
            "segments": [
                {"segment": segment, "arm": arm, "leads": count}
                for (segment, arm), count in sorted(self.segments.items())
            ],
            "priority": [self.levels[one] for one in range(10)],
            "played": self.played,
            "days": [
                {
                    "date": one.date.isoformat(),
                    "calls": one.calls,
                    "tells": one.tells,
                    "tasks": one.tasks,
                }
                for one in self.days
            ],
        }


def leads_of(path: Path, campaign: CampaignFile, today: date) -> Iterator[StagedLead]:
    """The rows of a list's file that can be used. Raises `FileError`."""
    for piece in read_list(Request(path, campaign.default_region, today)):
        if isinstance(piece, Piece):
            yield from piece.leads


def forecast(
    plan: Strategy,
    campaign: CampaignFile,
    leads: Iterable[StagedLead],
    now: datetime,
    days: int,
    answer_rate: float,
) -> Forecast:
    """`now` is aware; a day is the called party's own, the first that of the first lead."""
    found = Forecast(
        f"if {answer_rate:.0%} of calls reach somebody, who refuses; {_MACHINE:.0%} machines"
    )
    by_day: dict[date, Day] = {}
    for lead in leads:
        if not by_day:
            today = now.astimezone(_clock(lead)).date()
            by_day.update((d, Day(d)) for n in range(days) for d in [today + timedelta(days=n)])
        position, actions, levels = _begun(plan, lead, now)
        found.leads += 1
        found.levels[levels if levels is not None else lead.priority] += 1
        if position.phase is Phase.EXCLUDED:
            found.excluded += 1
            found.reasons[position.why] += 1
            continue
        found.segments[position.segment, position.arm] += 1
        if found.played < PLAYED_MAX and not lead.held_why:
            found.played += 1
            _Played(plan, campaign, lead, position, answer_rate).through(actions, now, by_day)
    placed = found.leads - found.excluded
    scale = placed / found.played if found.played else 0.0
    for one in by_day.values():
        one.calls, one.tells, one.tasks = (
            round(count * scale) for count in (one.calls, one.tells, one.tasks)
        )
    if scale > 1:
        found.assumption += f"; from {found.played:,} of {placed:,} leads"
    found.days = list(by_day.values())
    return found


def _begun(
    plan: Strategy, lead: StagedLead, now: datetime
) -> tuple[Position, tuple[Action, ...], int | None]:
    account = lead.external_id or lead.phones[0].phone
    fresh = Position(Phase.EXCLUDED, account, plan.values(lead.fields))
    position, actions = advance(plan, fresh, Placed(), _ms(now))
    level = next((one.level for one in actions if isinstance(one, SetPriority)), None)
    return position, actions, level


class _Played:
    """One lead on its way through the days."""

    def __init__(
        self,
        plan: Strategy,
        campaign: CampaignFile,
        lead: StagedLead,
        position: Position,
        answer_rate: float,
    ) -> None:
        self._plan, self._campaign, self._lead = plan, campaign, lead
        self._at = position
        self._answers = answer_rate
        self._clock = _clock(lead)
        self._chance = random.Random(f"{position.account}/{lead.phones[0].phone}")
        self._history: list[PastCall] = []
        self._ended: Counter[str] = Counter()  # in the step
        self._step = position.step
        self._phone = 0
        self._call_at: int | None = None

    def through(self, actions: tuple[Action, ...], now: datetime, days: dict[date, Day]) -> None:
        now_ms = _ms(now)
        for _ in range(_EVENTS_MAX):
            self._note(actions, now_ms, days)
            when = self._next()
            if when is None:
                return
            now_ms = max(now_ms, when)
            if self._day(now_ms, days) is None:
                return
            due = self._at.due_ms
            if self._call_at is None or (due is not None and due <= self._call_at):
                self._at, actions = advance(self._plan, self._at, Due(), now_ms)
                continue
            actions = self._called(now_ms, days)

    def _day(self, now_ms: int, days: dict[date, Day]) -> Day | None:
        """By the lead's clock, which may show yesterday still where the first lead's does not."""
        return days.get(max(_moment(now_ms).astimezone(self._clock).date(), next(iter(days))))

    def _next(self) -> int | None:
        known = [one for one in (self._call_at, self._at.due_ms) if one is not None]
        return min(known, default=None)

    def _note(self, actions: tuple[Action, ...], now_ms: int, days: dict[date, Day]) -> None:
        if self._at.step != self._step:
            self._step, self._ended = self._at.step, Counter()
        for one in actions:
            day = self._day(now_ms, days)
            match one:
                case Dial():
                    self._call_at = max(now_ms, one.at_ms)
                    if one.first_phone:
                        self._phone = 0
                    elif one.next_phone:
                        self._phone = (self._phone + 1) % len(self._lead.phones)
                case Rest() | Close():
                    self._call_at = None
                case Tell() if day is not None:
                    day.tells += 1
                case OpenTask() if day is not None:
                    day.tasks += 1

    def _called(self, now_ms: int, days: dict[date, Day]) -> tuple[Action, ...]:
        """Call as soon as hours and law let it; later than now: come back then."""
        assert self._call_at is not None
        opens = self._opens(_moment(now_ms))
        if opens is None:
            self._call_at = None
            return ()
        if _ms(opens) > now_ms:
            self._call_at = _ms(opens)
            return ()
        if (day := self._day(now_ms, days)) is not None:
            day.calls += 1
        outcome = self._drawn()
        number = self._lead.phones[self._phone].phone
        reached = outcome is Outcome.CONNECTED
        self._history.append(PastCall(opens, number, outcome=outcome.value, conversation=reached))
        self._ended[outcome.value] += 1
        last = self._phone == len(self._lead.phones) - 1
        self._call_at = None
        self._at, actions = advance(
            self._plan, self._at, Tried(outcome, dict(self._ended), last_phone=last), now_ms
        )
        if reached:
            self._note(actions, now_ms, days)
            self._at, actions = advance(self._plan, self._at, _REFUSED, now_ms)
        return actions

    def _opens(self, at: datetime) -> datetime | None:
        """The first moment from `at` on at which campaign, tactic and law let the lead be called;
        None: never by itself, or not soon."""
        zones, phone = self._lead.zones, self._lead.phones[self._phone].phone
        tactic = tactic_of(self._plan, self._at)
        for _ in range(10):
            opens = self._campaign.next_open(zones, at)
            if opens is not None and tactic is not None and tactic.window is not None:
                opens = tactic.window.next_open(zones, opens)
            if opens is None:
                return None
            if opens > at:
                at = opens
                continue
            facts = LeadFacts(0, zones, self._lead.fields, tuple(self._history))
            verdict = decide(facts, PhoneFacts(phone), self._campaign.gate, at)
            if not isinstance(verdict, Deny):
                return at
            if verdict.retry_at is None or verdict.retry_at <= at:
                return None
            at = verdict.retry_at
        return at

    def _drawn(self) -> Outcome:
        lot = self._chance.random()
        for share, outcome in (
            (self._answers, Outcome.CONNECTED),
            (_MACHINE, Outcome.MACHINE),
            (_BUSY, Outcome.BUSY),
        ):
            if lot < share:
                return outcome
            lot -= share
        return Outcome.NO_ANSWER


def _clock(lead: StagedLead) -> tzinfo:
    """Of the first zone the lead may be in, as in the heat map."""
    known = zones_of(lead.zones)
    return known[0] if known else UTC


def _ms(moment: datetime) -> int:
    return (moment - _EPOCH) // timedelta(milliseconds=1)


def _moment(ms: int) -> datetime:
    return _EPOCH + timedelta(milliseconds=ms)
