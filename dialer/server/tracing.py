"""What telephony engineers look at: why the pacer dialled as it did, and what became of calls."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from dialer.clock import Clock
from dialer.pacing.governor import Governor
from dialer.pacing.trace import TraceRecord, why_abandoned, why_lines
from dialer.server.face import Refused
from dialer.store.casebook import Casebook

RECORDS_MAX = 2_000  # in one answer
ABANDONED_MAX = 50  # shown; who wants more knows their ids
AROUND_S = 45.0  # of a call's decisions, before it became live


@dataclass(frozen=True, slots=True)
class Decided:
    """One decision of a pacer. `after` is its place; `at` seconds of the server's clock."""

    at: float
    civil_s: float
    idle: int
    talking: int
    wrapping: int
    coming: int  # set up, ringing, under detection
    ringing: int
    waiting: int
    lines_free: int
    leads_ready: int
    lines: int
    give_up: int  # lines that rang, hung up
    bound: str
    window: str
    live: int
    abandoned: int
    inputs: Mapping[str, float]
    why: str


@dataclass(frozen=True, slots=True)
class Trace:
    """Ask again with `after` = `next`."""

    records: list[Decided]
    next: float


@dataclass(frozen=True, slots=True)
class OutcomePart:
    pbx: str
    trunk: str
    campaign: str
    outcome: str
    calls: int
    sip: int | None
    cause: int | None  # Q.850


@dataclass(frozen=True, slots=True)
class AbandonedPart:
    """`after_s`: from the person's answer to the end; None: not known yet."""

    attempt: str
    campaign: str
    at: str
    after_s: float | None


@dataclass(frozen=True, slots=True)
class StepPart:
    at: str
    step: str
    agent: str


@dataclass(frozen=True, slots=True)
class Timeline:
    attempt: str
    campaign: str
    outcome: str
    unserved: bool
    steps: list[StepPart]
    why: str  # it was abandoned; empty: it was not
    decisions: list[Decided]


class Tracing:
    """`civil` turns a moment into the wall clock of the site's zone, as in the trace."""

    def __init__(
        self,
        governor: Callable[[str], Governor],
        casebook: Casebook,
        clock: Clock,
        civil: Callable[[datetime], float],
        patience_s: Mapping[str, float],
    ) -> None:
        self._governor = governor
        self._casebook = casebook
        self._clock = clock
        self._civil = civil
        self._patience_s = patience_s

    def trace(self, campaign: str, after: float, limit: int) -> Trace:
        """Decisions later than `after` (seconds of the server's clock), oldest first; those of the
        last minute when it is 0."""
        if campaign not in self._patience_s:
            raise Refused("There is no such campaign.", 404, "See /v1/campaigns.")
        since = after or self._clock.now() - 60.0
        found = [r for r in self._governor(campaign).trace if r.at > since][:limit]
        return Trace([_decided(r) for r in found], found[-1].at if found else since)

    async def outcomes(self, campaigns: Sequence[str], hours: int) -> list[OutcomePart]:
        since = self._clock.utc() - timedelta(hours=hours)
        return [
            OutcomePart(r.pbx, r.trunk, r.campaign, r.outcome, r.calls, r.sip, r.cause)
            for r in await self._casebook.outcomes(campaigns, since)
        ]

    async def abandoned(self, campaigns: Sequence[str], hours: int) -> list[AbandonedPart]:
        since = self._clock.utc() - timedelta(hours=hours)
        return [
            AbandonedPart(
                r.attempt,
                r.campaign,
                _utc(r.live_ms),
                None if r.ended_ms is None else (r.ended_ms - r.live_ms) / 1000,
            )
            for r in await self._casebook.unserved(campaigns, since, ABANDONED_MAX)
        ]

    async def timeline(self, attempt: str, campaigns: frozenset[str] | None) -> Timeline:
        """What happened to one attempt, and for one that was abandoned why nobody was free."""
        row = await self._casebook.attempt(attempt)
        if row is None or (campaigns is not None and row.campaign not in campaigns):
            raise Refused("There is no such attempt.", 404, "Look at its id again.")
        steps = [StepPart(_utc(s.at_ms), s.step, s.agent) for s in row.steps]
        why, near = "", list[TraceRecord]()
        if row.live_ms is not None and row.campaign in self._patience_s:
            civil_s = self._civil(datetime.fromtimestamp(row.live_ms / 1000, UTC))
            patience = self._patience_s[row.campaign]
            trace = self._governor(row.campaign).trace
            near = [r for r in trace if -AROUND_S <= r.civil_s - civil_s <= patience + 1.0]
            if row.unserved:
                why = why_abandoned(near, civil_s, patience, AROUND_S)
        return Timeline(
            row.attempt,
            row.campaign,
            row.outcome,
            row.unserved,
            steps,
            why,
            [_decided(r) for r in near[-RECORDS_MAX:]],
        )


def _decided(r: TraceRecord) -> Decided:
    return Decided(
        r.at,
        r.civil_s,
        r.idle,
        r.talking,
        r.wrapping,
        r.setting_up + r.ringing + r.detecting,
        r.ringing,
        r.waiting,
        r.lines_free,
        r.leads_ready,
        r.lines,
        r.give_up,
        r.bound,
        r.window,
        r.window_live,
        r.window_abandoned,
        {name: round(float(value), 6) for name, value in r.inputs.items()},
        why_lines(r),
    )


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="milliseconds")
