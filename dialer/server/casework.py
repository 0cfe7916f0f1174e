"""Customers as people may see them: details, history, verification, script and pages.

What a campaign masks has no value here until the right party is verified in the call there is;
what identifies a person is never shown. Every look at a customer is audited by the lead's number,
which is no personal data.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from dialer.campaigns.model import CampaignFile
from dialer.campaigns.screen import ScreenPart
from dialer.clock import Clock
from dialer.core.agent import Agent
from dialer.core.events import Lead
from dialer.server.engine import Engine
from dialer.server.face import CallView, Refused
from dialer.server.pages import Page, Step, knowledge, page, script
from dialer.server.supervision import Audit
from dialer.store.casebook import Casebook, CustomerRow

TRIES_MAX = 3  # of verification in one call
AHEAD = timedelta(days=14)  # of callback hours
STEP = timedelta(minutes=15)
WINDOWS_MAX = 200
SEEN_MAX = 10_000  # calls whose verification is remembered
LEAST = 3  # signs to search for
_NOTHING = ScreenPart()


@dataclass(frozen=True, slots=True)
class PhonePart:
    phone: str
    label: str
    bad: bool


@dataclass(frozen=True, slots=True)
class PastPart:
    attempt: str
    at: str
    phone: str
    outcome: str
    agent: str
    talk_s: float
    code: str
    note: str


@dataclass(frozen=True, slots=True)
class IdentifierPart:
    field: str
    label: str


@dataclass(frozen=True, slots=True)
class VerifyView:
    identifiers: tuple[IdentifierPart, ...]
    need: int


@dataclass(frozen=True, slots=True)
class CustomerView:
    """Personal data: for who works with this customer."""

    lead_id: int
    campaign: str
    external_id: str
    name: str
    zones: tuple[str, ...]
    state: str
    why: str
    next_at: str
    phones: tuple[PhonePart, ...]
    fields: Mapping[str, str]
    masked: tuple[str, ...]
    verified: bool
    verify: VerifyView
    history: tuple[PastPart, ...]


@dataclass(frozen=True, slots=True)
class FoundView:
    lead_id: int
    campaign: str
    name: str
    phone: str
    external_id: str
    state: str
    attempts: int


@dataclass(frozen=True, slots=True)
class Verified:
    verified: bool
    matched: int
    need: int


@dataclass(frozen=True, slots=True)
class HoursPart:
    """`from` and `to` of a window, ISO 8601, UTC; `to` is the first moment that is outside."""

    begin: str
    end: str


@dataclass(slots=True)
class _Check:
    tries: int = 0
    passed: bool = False


LATER = "(after verification)"  # in a script, in place of what is masked


class Casework:
    """`legal_from(campaign, lead, moment)` is the first moment from then on at which somebody may
    be called."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        campaigns: Mapping[str, CampaignFile],
        casebook: Casebook,
        audit: Audit,
        legal_from: Callable[[str, Lead, datetime], datetime | None],
        title_of: Callable[[str], str],
    ) -> None:
        self._title_of = title_of
        self._engine = engine
        self._clock = clock
        self._campaigns = campaigns
        self._casebook = casebook
        self._audit = audit
        self._legal_from = legal_from
        self._checks: dict[str, _Check] = {}  # by attempt

    # --- the call's secrets -----------------------------------------------------------------------

    def kept(self, agent: str, call: CallView) -> CallView:
        """The call as its agent's screen may show it."""
        hidden, passed = self._hidden(call.campaign, call.attempt)
        shown = {k: "" if k in hidden else v for k, v in call.lead.fields.items()}
        return replace(
            call,
            lead=replace(call.lead, fields=shown),
            masked=tuple(k for k in call.lead.fields if k in hidden),
            verified=passed,
        )

    def _hidden(self, campaign: str, attempt: str) -> tuple[frozenset[str], bool]:
        screen = self._screen(campaign)
        check = self._checks.get(attempt)
        passed = check is not None and check.passed
        identifiers = frozenset(one.field for one in screen.verify.identifiers)
        return identifiers | (frozenset() if passed else frozenset(screen.masked)), passed

    def _screen(self, campaign: str) -> ScreenPart:
        file = self._campaigns.get(campaign)
        return _NOTHING if file is None else file.screen

    async def verify(self, agent: str, answers: Mapping[str, str]) -> Verified:
        """Compare what the person on the line says with what is on record."""
        present, lead = self._call(agent)
        screen = self._screen(present.campaign)
        if not screen.verify.identifiers:
            raise Refused("This campaign verifies nobody.", 409)
        if len(self._checks) >= SEEN_MAX:
            self._checks.pop(next(iter(self._checks)))
        check = self._checks.setdefault(present.attempt, _Check())
        if not check.passed:
            if check.tries >= TRIES_MAX:
                raise Refused("Too many wrong answers in this call.", 409, "End the call.")
            check.tries += 1
        matched = sum(
            _same(answers.get(one.field, ""), lead.fields.get(one.field, ""))
            for one in screen.verify.identifiers
        )
        check.passed = check.passed or matched >= screen.verify.need
        self._engine.changes.mark(agent)
        await self._audit.audit(
            agent,
            "customer.verified" if check.passed else "customer.not_verified",
            f"lead {lead.lead_id}",
            {"attempt": present.attempt, "matched": matched, "need": screen.verify.need},
        )
        return Verified(check.passed, matched, screen.verify.need)

    # --- customers --------------------------------------------------------------------------------

    async def current(self, agent: str) -> CustomerView:
        """The customer of the agent's call."""
        present, lead = self._call(agent)
        row = await self._casebook.customer(lead.lead_id)
        if row is None:
            raise Refused("The customer is not on record (any more).", 404)
        return self._view(row, present.attempt)

    async def customer(
        self, lead_id: int, who: str, campaigns: frozenset[str] | None, *, masked: bool
    ) -> CustomerView:
        """A customer of these campaigns, looked up. `masked`: as for an agent."""
        row = await self._casebook.customer(lead_id)
        if row is None or (campaigns is not None and row.campaign not in campaigns):
            raise Refused("There is no such customer.", 404, "Search again.")
        await self._audit.audit(who, "customer.looked_at", f"lead {lead_id}")
        return self._view(row, "", masked=masked)

    async def search(
        self, text: str, campaigns: tuple[str, ...], limit: int, who: str
    ) -> tuple[list[FoundView], bool]:
        if len(text) < LEAST:
            raise Refused(f"Type {LEAST} signs or more.", 400)
        rows = await self._casebook.search(text, campaigns, limit + 1)
        await self._audit.audit(who, "customer.searched", "", {"found": len(rows[:limit])})
        found = [
            FoundView(r.lead_id, r.campaign, r.name, r.phone, r.external_id, r.state, r.attempts)
            for r in rows[:limit]
        ]
        return found, len(rows) > limit

    def _view(self, row: CustomerRow, attempt: str, *, masked: bool = True) -> CustomerView:
        hidden, passed = self._hidden(row.campaign, attempt)
        if not masked:
            hidden = frozenset()
        verify = self._screen(row.campaign).verify
        return CustomerView(
            row.lead_id,
            row.campaign,
            row.external_id,
            row.name,
            tuple(row.zones.split()),
            row.state,
            row.why,
            _utc(row.next_at_ms),
            tuple(PhonePart(p.phone, p.label, p.bad) for p in row.phones),
            {k: "" if k in hidden else str(v) for k, v in row.fields.items()},
            tuple(k for k in row.fields if k in hidden),
            passed,
            VerifyView(
                tuple(IdentifierPart(i.field, i.label or i.field) for i in verify.identifiers),
                verify.need,
            ),
            tuple(
                PastPart(
                    h.attempt, _utc(h.at_ms), h.phone, h.outcome, h.agent, h.talk_s, h.code, h.note
                )
                for h in row.history
            ),
        )

    # --- script, pages, hours ---------------------------------------------------------------------

    def script(self, agent: str) -> tuple[Step, ...]:
        """The script of the agent's call, with the customer's values; empty without a call."""
        present = self._engine.floor.agents.get(agent)
        if present is None or present.lead is None:
            return ()
        path = self._screen(present.campaign).script
        if path is None:
            return ()
        hidden, _ = self._hidden(present.campaign, present.attempt)
        lead = present.lead
        values = {
            **{k: LATER if k in hidden else v for k, v in lead.fields.items()},
            "name": lead.name,
            "external_id": lead.external_id,
            "agent": self._title_of(agent),
        }
        try:
            return script(path, values)
        except OSError:
            raise Refused("The script cannot be read.", 503, "Look at its file.") from None

    def pages(self, campaigns: tuple[str, ...]) -> list[tuple[Page, tuple[str, ...]]]:
        """The knowledge pages of these campaigns, each with those that have it."""
        found: dict[str, tuple[Page, list[str]]] = {}
        for name in campaigns:
            folder = self._screen(name).knowledge
            if folder is None:
                continue
            try:
                for one in knowledge(folder):
                    found.setdefault(one.page, (one, []))[1].append(name)
            except OSError:
                raise Refused("The pages cannot be read.", 503, "Look at their folder.") from None
        return [(one, tuple(names)) for one, names in found.values()]

    def page(self, name: str, campaigns: tuple[str, ...]) -> Page:
        for campaign in campaigns:
            folder = self._screen(campaign).knowledge
            if folder is not None and (found := page(folder, name)) is not None:
                return found
        raise Refused("There is no such page.", 404, "See /v1/knowledge.")

    def callback_hours(self, agent: str) -> tuple[tuple[str, ...], list[HoursPart]]:
        """(the customer's zones, when the customer may be called in the next 14 days)."""
        present, lead = self._call(agent)
        now = self._clock.utc().replace(second=0, microsecond=0)
        at = now + (STEP - timedelta(minutes=now.minute % 15))
        limit, windows = at + AHEAD, list[HoursPart]()
        while at < limit and len(windows) < WINDOWS_MAX:
            opens = self._legal_from(present.campaign, lead, at)
            if opens is None or opens >= limit:
                break
            at = opens
            while at < limit and self._legal_from(present.campaign, lead, at) == at:
                at += STEP
            windows.append(HoursPart(opens.isoformat(), min(at, limit).isoformat()))
        return tuple(lead.zones.split()), windows

    def _call(self, agent: str) -> tuple[Agent, Lead]:
        present = self._engine.floor.agents.get(agent)
        if present is None or present.lead is None:
            raise Refused("You have no call.", 409, "Wait for one.")
        return present, present.lead


def _same(said: str, known: str) -> bool:
    """Letters and digits alone count, so that 10115 Berlin is 10115-berlin."""
    plain = ["".join(sign for sign in text.casefold() if sign.isalnum()) for text in (said, known)]
    return bool(plain[1]) and hmac.compare_digest(plain[0].encode(), plain[1].encode())


def _utc(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat(timespec="seconds")
