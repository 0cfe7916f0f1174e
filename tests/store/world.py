"""A store with a scripted campaign: what the store's tests are played on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from dialer.campaigns.compliance.facts import CampaignFacts
from dialer.campaigns.strategy.place import Strategy
from dialer.clock import Clock
from dialer.core.commands import (
    Progress,
    RecordAttempt,
    RecordDisposition,
    RecordOutcome,
    RecordProgress,
    RecordSession,
    Timings,
)
from dialer.core.events import Lead, Status
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome
from dialer.store import NextStep, StagedLead, StagedPhone, Store, Verdict
from dialer.store.policy import AfterPreview, Emit, Queue, Suppress
from tests.migrated import sqlite_file

NOON = datetime(2026, 11, 16, 12, tzinfo=UTC)


@dataclass
class Script:
    """A policy whose answers a test sets. By default a lead is tried again after an hour, three
    times, and every zone but "shut" is open."""

    name: str = "spring"
    steps: dict[Outcome, NextStep] = field(default_factory=dict)
    closed: set[str] = field(default_factory=lambda: {"shut"})
    opens: datetime | None = None
    attempts_max: int = 3
    gate: CampaignFacts | None = None
    plan: Strategy | None = None
    mode: Mode = Mode.PREDICTIVE
    queue_rules: dict[str, Queue] = field(default_factory=dict)
    after_preview: AfterPreview = field(default_factory=AfterPreview)
    wide_zones: str = ""

    def definition(self) -> dict[str, Any]:
        return {"name": self.name}

    def after_outcome(self, outcome: Outcome, ended: Mapping[str, int], now: datetime) -> NextStep:
        if outcome in self.steps:
            return self.steps[outcome]
        if outcome is Outcome.CONNECTED:
            return NextStep(None, "reached")
        if sum(ended.values()) >= self.attempts_max:
            return NextStep(None, "tried often enough", exhausted=True)
        return NextStep(now + timedelta(hours=1))

    def after_disposition(self, code: str, callback_at: datetime | None, now: datetime) -> Verdict:
        match code:
            case "sold":
                return Verdict("right_party", NextStep(None, "sold"))
            case "never":
                return Verdict("refused", NextStep(None, "do not call"), suppress=Suppress.NUMBER)
            case "callback":
                return Verdict(
                    "right_party", NextStep(callback_at), callback=True, anyone_after_s=3600.0
                )
            case "promise":
                return Verdict("right_party", NextStep(None, "promise"), emit=Emit.PROMISE)
            case "later":
                return Verdict("no_contact", NextStep(now + timedelta(hours=2)))
        raise ValueError(f"the campaign has no disposition {code!r}")

    def open_at(self, zones: str, moment: datetime) -> bool:
        return zones not in self.closed

    def next_open(self, zones: str, moment: datetime) -> datetime | None:
        return self.opens if zones in self.closed else moment


def empty_sqlite(directory: Path) -> str:
    """The URL of an empty database there, its tables made. Not to be called in a running loop."""
    (directory / "dialer.db").write_bytes(sqlite_file())
    return f"sqlite:///{directory / 'dialer.db'}"


@dataclass
class World:
    """A store and what came back from it."""

    store: Store
    script: Script = field(default_factory=Script)
    told: list[tuple[Any, str]] = field(default_factory=list)
    failures: list[BaseException] = field(default_factory=list)
    attempts_made: int = 0

    @classmethod
    async def open(cls, url: str, boot: str = "b1", **more: Any) -> World:
        store = await Store.open(url, boot=boot, clock=Clock(), durable=False, **more)
        world = cls(store)
        await store.add_campaign(world.script)
        return world

    def start(self, **more: Any) -> None:
        self.store.start_writer(
            lambda command, refused: self.told.append((command, refused)),
            on_failure=lambda _name, error: self.failures.append(error),
            **more,
        )

    async def load(self, *leads: StagedLead, campaign: str = "spring") -> int:
        list_id = await self.store.begin_import(campaign, "a list", "a.csv")
        duplicates = await self.store.stage(campaign, list_id, leads)
        assert not duplicates
        return await self.store.finish_import(campaign, list_id, 0)

    async def claim(self, count: int = 10, campaign: str = "spring") -> tuple[Lead, ...]:
        offered = await self.store.claim_leads(campaign, count, self.store.clock.utc())
        return offered.leads

    def attempt_id(self) -> str:
        self.attempts_made += 1
        return f"od-{self.store.boot}-c{self.attempts_made}"

    async def give(self, *commands: Any) -> list[str]:
        """Submit, wait for the commit, return the refusals."""
        before = len(self.told)
        for command in commands:
            self.store.submit(command)
        await self.store.flush()
        assert not self.failures
        told = self.told[before:]
        assert [c for c, _ in told] == list(commands)
        return [refused for _, refused in told]

    async def rows(self, statement: str, **params: Any) -> Sequence[Any]:
        return await self.store.database.read(lambda c: c.execute(sa.text(statement), params).all())

    async def value(self, statement: str, **params: Any) -> Any:
        return (await self.rows(statement, **params))[0][0]


def staged(line: int, phone: str = "", zones: str = "Europe/Berlin", **more: Any) -> StagedLead:
    numbers = (phone or f"+4930{line:07d}",)
    return StagedLead(
        line=line,
        phones=tuple(StagedPhone(n, "phone") for n in numbers),
        name=f"name {line}",
        zones=zones,
        fields={"balance": "12.50"},
        **more,
    )


def attempt(world: World, lead: Lead) -> RecordAttempt:
    return RecordAttempt(world.attempt_id(), "main", lead)


def progress(opened: RecordAttempt, stage: Progress, agent: str = "") -> RecordProgress:
    return RecordProgress(opened.attempt, opened.lead.campaign, opened.lead, stage, agent)


def outcome(opened: RecordAttempt, how: Outcome = Outcome.NO_ANSWER, **more: Any) -> RecordOutcome:
    timings = more.pop("timings", Timings(originated=1.0, ringing=2.0, ended=9.0))
    return RecordOutcome(opened.attempt, opened.lead.campaign, opened.lead, how, timings, **more)


def disposition(opened: RecordAttempt, code: str, **more: Any) -> RecordDisposition:
    return RecordDisposition(
        opened.attempt, opened.lead.campaign, opened.lead, "anna", code, **more
    )


def session(leg: str, agent: str = "anna", state: str = "ready") -> RecordSession:
    return RecordSession(agent, leg, "main", "sip-anna", ("spring",), Status.READY, "", state)
