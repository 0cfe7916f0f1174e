"""Lists, attempts and outcomes of a simulated day in plain dictionaries: what the store does, done
at once and forgotten at the day's end.

The rules are the dialer's own: the campaign's retry rules and dispositions, the compliance gate at
the claim, at the attempt and at the Originate. `lists.SqlLists` is its judge: the same day, call
for call, on the dialer's tables (a test). It is here because writing rows costs more than all else
that a simulated call costs.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from dialer.campaigns.compliance.decide import decide
from dialer.campaigns.compliance.facts import Deny, LeadFacts, PastCall, PhoneFacts
from dialer.campaigns.model import CampaignFile
from dialer.core import commands as cmd
from dialer.core.events import Lead, LeadsOffered
from dialer.core.modes import Booking
from dialer.core.outcomes import Outcome
from dialer.store.attempts import NOT_CLAIMED
from dialer.store.context import from_ms, to_ms
from dialer.store.dispositions import parse_callback
from dialer.store.outcomes import CLOSED, UNKNOWN
from dialer.store.policy import NextStep
from dialer.store.schema import LeadState
from simulator.full.agenda import DayClock
from simulator.full.campaign import NUMBERS, ZONE


@dataclass(slots=True)
class _Lead:
    lead_id: int
    campaign: str
    phone: str
    next_at_ms: int
    state: LeadState = LeadState.WAITING
    attempts: int = 0
    ended: dict[str, int] = field(default_factory=dict)
    history: list[PastCall] = field(default_factory=list)

    def facts(self) -> LeadFacts:
        return LeadFacts(self.lead_id, ZONE, {}, tuple(self.history))


class Tables:
    """Campaigns, their lists (each `leads` long) and their attempts."""

    def __init__(
        self, clock: DayClock, campaigns: Sequence[CampaignFile], leads: Sequence[int]
    ) -> None:
        self._clock = clock
        self._policies = {one.name: one for one in campaigns}
        self._fresh = {one.name: count for one, count in zip(campaigns, leads, strict=True)}
        self._opened_ms = to_ms(clock.utc())
        self._leads: dict[int, _Lead] = {}
        self._waiting: dict[str, list[tuple[int, int]]] = {one.name: [] for one in campaigns}
        self._open: dict[str, _Lead | None] = {}  # by attempt; None when it is closed
        self._queue: list[tuple[Any, int]] = []

    # --- leads --------------------------------------------------------------------------------

    def claim(self, command: cmd.FetchLeads) -> LeadsOffered:
        """Claim leads that are due and that the gate lets pass: untried ones first."""
        name = command.campaign
        now = self._clock.utc()
        now_ms = to_ms(now)
        waiting = self._waiting[name]
        offered: list[Lead] = []
        while len(offered) < command.count:
            lead = self._next(name, now_ms)
            if lead is None:
                break
            deny = self._denial(lead, now)
            if deny is None:
                lead.state = LeadState.CLAIMED
                phone_id, number = lead.lead_id, lead.attempts + 1
                offered.append(Lead(lead.lead_id, name, lead.phone, phone_id, number, zones=ZONE))
            else:
                self._put_off(lead, deny)
        if len(offered) == command.count:
            return LeadsOffered(name, tuple(offered))
        ready = (waiting[0][0] - now_ms) / 1000 if waiting else None
        return LeadsOffered(
            name,
            tuple(offered),
            exhausted=True,
            next_ready_s=None if ready is None else max(0.0, ready),
        )

    def _next(self, name: str, now_ms: int) -> _Lead | None:
        """The next lead that is due; untried ones have been so since the day began."""
        waiting = self._waiting[name]
        if waiting and waiting[0][0] <= self._opened_ms:
            return self._leads[heapq.heappop(waiting)[1]]  # given back untried
        if self._fresh[name] > 0:
            self._fresh[name] -= 1
            number = len(self._leads) + 1
            lead = _Lead(number, name, f"{NUMBERS}{number:07d}", self._opened_ms)
            self._leads[number] = lead
            return lead
        if waiting and waiting[0][0] <= now_ms:
            return self._leads[heapq.heappop(waiting)[1]]
        return None

    def _wait(self, lead: _Lead, at_ms: int) -> None:
        lead.state, lead.next_at_ms = LeadState.WAITING, at_ms
        heapq.heappush(self._waiting[lead.campaign], (at_ms, lead.lead_id))

    # --- the gate -----------------------------------------------------------------------------

    def _denial(self, lead: _Lead, now: datetime) -> Deny | None:
        facts = self._policies[lead.campaign].gate
        verdict = decide(lead.facts(), PhoneFacts(lead.phone), facts, now)
        return verdict if isinstance(verdict, Deny) else None

    def _put_off(self, lead: _Lead, deny: Deny) -> None:
        if deny.retry_at is None:
            lead.state = LeadState.DONE if deny.final else LeadState.HELD
        else:
            self._wait(lead, to_ms(deny.retry_at))

    def denied(self, attempt: str, lead: Lead, now: float, booking: Booking | None) -> bool:
        """The gate's last word, in the step of the Originate: asked without the history, which
        the attempt's own record was asked with."""
        facts = LeadFacts(lead.lead_id, lead.zones)
        gate = self._policies[lead.campaign].gate
        verdict = decide(facts, PhoneFacts(lead.phone), gate, self._clock.utc_at(now))
        return isinstance(verdict, Deny)

    # --- what is recorded ---------------------------------------------------------------------

    def submit(self, command: Any) -> None:
        self._queue.append((command, to_ms(self._clock.utc())))

    @property
    def depth(self) -> int:
        return len(self._queue)

    def commit(self) -> list[tuple[Any, str]]:
        """Take all that was submitted: each command, and why it was refused."""
        batch, self._queue = self._queue, []
        return [(command, self._take(command, at_ms)) for command, at_ms in batch]

    def _take(self, command: Any, at_ms: int) -> str:
        match command:
            case cmd.RecordAttempt():
                return self._attempt(command, at_ms)
            case cmd.RecordOutcome():
                return self._outcome(command, at_ms)
            case cmd.RecordDisposition():
                return self._disposition(command, at_ms)
            case cmd.ReturnLeads():
                for lead_id in command.lead_ids:
                    lead = self._leads[lead_id]
                    if lead.state is LeadState.CLAIMED:
                        self._wait(lead, lead.next_at_ms)
        return ""

    def _attempt(self, command: cmd.RecordAttempt, at_ms: int) -> str:
        lead = self._leads[command.lead.lead_id]
        if lead.state is not LeadState.CLAIMED or command.attempt in self._open:
            return NOT_CLAIMED
        now = from_ms(at_ms)
        if (deny := self._denial(lead, now)) is not None:
            self._put_off(lead, deny)
            return deny.reason
        lead.state = LeadState.DIALLING
        lead.attempts += 1
        lead.history.append(PastCall(now, lead.phone))
        self._open[command.attempt] = lead
        return ""

    def _outcome(self, command: cmd.RecordOutcome, at_ms: int) -> str:
        lead = self._open.get(command.attempt)
        if lead is None:
            return CLOSED if command.attempt in self._open else UNKNOWN
        self._open[command.attempt] = None
        outcome = command.outcome.value
        lead.ended[outcome] = lead.ended.get(outcome, 0) + 1
        talked = command.outcome is Outcome.CONNECTED
        began = lead.history[-1]
        lead.history[-1] = PastCall(began.at, began.number, outcome=outcome, conversation=talked)
        policy = self._policies[lead.campaign]
        step = policy.after_outcome(command.outcome, lead.ended, from_ms(at_ms))
        self._go(lead, NextStep(None, "no good number left") if step.phone_bad else step)
        return ""

    def _disposition(self, command: cmd.RecordDisposition, at_ms: int) -> str:
        if command.attempt not in self._open:
            return UNKNOWN
        callback = parse_callback(command.callback_at)
        policy = self._policies[command.campaign]
        verdict = policy.after_disposition(command.code, callback, from_ms(at_ms))
        lead = self._leads[command.lead.lead_id]
        if verdict.step is not None and lead.state in (LeadState.WAITING, LeadState.DONE):
            self._go(lead, verdict.step)
        return ""

    def _go(self, lead: _Lead, step: NextStep) -> None:
        if step.at is None:
            lead.state = LeadState.DONE
        else:
            self._wait(lead, to_ms(step.at))

    def close(self) -> None:
        """Nothing to let go of."""
