"""The compliance gate as the store asks it: facts gathered, verdicts kept, leads put back.

Asked at the claim, and again when an attempt is written ahead, in that very transaction: the
attempts on record then, open ones included, are what the caps count, so an attempt reserves its own
place. Numbers and accounts are locked meanwhile on PostgreSQL, where another process may write;
SQLite has one writer.

Every no is a row of `decision_log`, and so is every yes made by an override. A plain yes is counted
by the hour in `decision_counts`, and at the attempt it is the row of `attempts` itself: it can be
derived again from the rules kept in `rule_sets` and the attempts before it, which sampling could
not promise and a row each would cost as much as the attempts themselves.
"""

from __future__ import annotations

import hashlib
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.compliance.decide import check, decide
from dialer.campaigns.compliance.facts import (
    Allow,
    CampaignFacts,
    Deny,
    LeadFacts,
    Override,
    PastCall,
    PhoneFacts,
    Verdict,
)
from dialer.core.commands import RecordAttempt, RecordDisposition
from dialer.core.events import Lead
from dialer.core.modes import Booking
from dialer.store.bulk import rows_in
from dialer.store.context import Context, from_ms, insert_for, to_ms
from dialer.store.history import NUMBERS, histories, phone_facts, span_of
from dialer.store.schema import (
    LeadState,
    decision_counts,
    decision_log,
    dnc_lists,
    dnc_numbers,
    leads,
    phones,
    rule_sets,
)

CLAIM, ATTEMPT, ORIGINATE = "claim", "attempt", "originate"
_LOCKS = 0x0D1A2  # any number of ours: the space of the locks on numbers and accounts
_BUCKETS = 512  # so many locks at most, however many numbers a transaction touches


@dataclass(frozen=True, slots=True)
class RecordDecision:
    """The gate's no in the step in which the Originate would have left: the attempt was taken back,
    and the lead waits until the rule lets it be called."""

    attempt: str
    lead: Lead
    deny: Deny


def load_list_ages(connection: Connection, context: Context) -> None:
    """Learn how old each do-not-call list is."""
    context.lists_fetched = {
        name: from_ms(ms)
        for name, ms in connection.execute(sa.select(dnc_lists.c.name, dnc_lists.c.fetched_ms))
    }


def facts_of(context: Context, campaign: str) -> CampaignFacts | None:
    """The campaign's rules, with the ages of the lists as they were learnt last."""
    facts = context.campaigns[campaign].policy.gate
    return None if facts is None else replace(facts, lists_fetched=context.lists_fetched)


def booked(facts: CampaignFacts, booking: Booking | None) -> CampaignFacts:
    """The rules for an attempt: one for an agent who is kept free for it may be a call that a
    person decided on, and a rule may be set aside by somebody who may."""
    if booking is None:
        return facts
    override = facts.override
    if booking.override_by:
        override = Override(booking.override_by, booking.override_because)
    by_hand = not booking.mode.automatic
    return replace(facts, guaranteed_agent=True, by_hand=by_hand, override=override)


def lead_facts(lead: Lead, history: tuple[PastCall, ...] = ()) -> LeadFacts:
    return LeadFacts(lead.lead_id, lead.zones, lead.fields, history)


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict with what it was made of."""

    lead: Lead
    at: datetime
    verdict: Verdict
    facts: CampaignFacts
    inputs: str
    attempt: str = ""

    @property
    def deny(self) -> Deny | None:
        return self.verdict if isinstance(self.verdict, Deny) else None


def judge(
    connection: Connection,
    context: Context,
    those: Sequence[tuple[Lead, datetime, str]],
    bookings: Sequence[Booking | None] = (),
    *,
    reserve: bool = False,
) -> list[Judged | None]:
    """The gate's verdict on each (lead, moment, attempt), in order; None: a campaign without law.

    `bookings`, one for each if any: the agents they are for. `reserve`: each that is allowed counts
    for those after it.
    """
    gates = {name: facts_of(context, name) for name in {lead.campaign for lead, _, _ in those}}
    bound = [(lead, at) for lead, at, _ in those if gates[lead.campaign] is not None]
    if not bound:
        return [None] * len(those)
    load_list_ages(connection, context)
    gates = {name: facts_of(context, name) for name in gates}
    spans = [span for facts in gates.values() if facts and (span := span_of(facts))]
    since = min(at for _, at in bound) - max(spans) if spans else None
    some = [lead for lead, _ in bound]
    past = histories(connection, some, since)
    numbers = phone_facts(connection, some)
    judged: list[Judged | None] = []
    for n, (lead, at, attempt) in enumerate(those):
        law = gates[lead.campaign]
        if law is None:
            judged.append(None)
            continue
        facts = booked(law, bookings[n] if bookings else None)
        one = lead_facts(lead, past.of(lead.lead_id))
        number = numbers[lead.phone]
        if not lead.automatic:
            number = replace(number, automatic=False)
        verdict = decide(one, number, facts, at)
        if reserve and isinstance(verdict, Allow):
            past.reserve(lead.lead_id, lead.phone, at)
        inputs = ""
        if verdict != Allow():  # a plain yes is counted, and has no row to stand in
            inputs = _hash(one, number, facts, lead.phone_id, at)
        judged.append(Judged(lead, at, verdict, facts, inputs, attempt))
    return judged


def _hash(
    lead: LeadFacts, phone: PhoneFacts, facts: CampaignFacts, phone_id: int, at: datetime
) -> str:
    """Of all the gate was asked with, the number by its id."""
    history = [
        (to_ms(call.at), call.outcome, call.conversation, call.about_debt) for call in lead.history
    ]
    text = repr(
        (
            lead.lead_id,
            phone_id,
            lead.zones,
            history,
            phone.suppressed,
            sorted(phone.lists),
            phone.automatic,
            facts.by_hand,
            facts.version,
            facts.purpose,
            facts.ring_limit_s,
            to_ms(at),
        )
    )
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@cache
def _add_to_counts(dialect: str) -> Any:
    insert = insert_for(dialect)(decision_counts)
    return insert.on_conflict_do_update(
        index_elements=["campaign_id", "hour", "stage", "verdict", "version"],
        set_={"count": decision_counts.c["count"] + insert.excluded["count"]},
    )


def keep(connection: Connection, context: Context, stage: str, judged: Iterable[Judged]) -> None:
    """Write verdicts down: each no and each override by itself, all of them counted."""
    rows: list[dict[str, Any]] = []
    counts: Counter[tuple[int, int, str, str, str]] = Counter()
    for one in judged:
        campaign_id = context.campaigns[one.lead.campaign].id
        verdict = one.verdict
        if isinstance(verdict, Deny):
            told, kind = [verdict], "deny"
            name = verdict.rule
        else:
            told, kind = list(verdict.overridden), "override"
            name = "override" if told else "allow"
        counts[campaign_id, to_ms(one.at) // 3_600_000, stage, name, one.facts.version] += 1
        if kind == "override" and stage == CLAIM:
            continue  # it is told at the attempt, if it comes to one
        because = one.facts.override
        for deny in told:
            reason = deny.reason
            if kind == "override" and because is not None:
                reason = f"{reason} [set aside by {because.by}: {because.because}]"
            rows.append(
                {
                    "at_ms": to_ms(one.at),
                    "campaign_id": campaign_id,
                    "lead_id": one.lead.lead_id,
                    "phone_id": one.lead.phone_id,
                    "attempt": one.attempt,
                    "stage": stage,
                    "verdict": kind,
                    "rule": deny.rule,
                    "reason": reason,
                    "retry_ms": None if deny.retry_at is None else to_ms(deny.retry_at),
                    "version": one.facts.version,
                    "inputs": one.inputs,
                }
            )
    if rows:
        connection.execute(sa.insert(decision_log), rows)
    if counts:
        connection.execute(
            _add_to_counts(context.dialect),
            [
                {
                    "campaign_id": c,
                    "hour": hour,
                    "stage": stage_,
                    "verdict": verdict_,
                    "version": version,
                    "count": count,
                }
                for (c, hour, stage_, verdict_, version), count in sorted(counts.items())
            ],
        )


def put_back(connection: Connection, context: Context, lead_id: int, deny: Deny) -> bool:
    """Take a lead of our claim out of it, until the rule lets it be called. False: not ours."""
    result = connection.execute(
        sa.update(leads)
        .where(
            leads.c.id == lead_id,
            leads.c.state == LeadState.CLAIMED.value,
            leads.c.claimed_by == context.boot,
        )
        .values(claimed_by=None, **_where_to(deny))
    )
    return result.rowcount > 0


def _where_to(deny: Deny) -> dict[str, Any]:
    if deny.final:
        return {"state": LeadState.DONE.value, "why": "do not call"}
    if deny.retry_at is None:
        return {"state": LeadState.HELD.value, "why": f"{deny.rule}: {deny.reason}"}
    return {"state": LeadState.WAITING.value, "next_at_ms": to_ms(deny.retry_at)}


def record_decisions(connection: Connection, context: Context, told: Sequence[Any]) -> None:
    """Write down what was denied in the last step, and put the leads off accordingly."""
    judged = []
    for one in told:
        command: RecordDecision = one.command
        facts = facts_of(context, command.lead.campaign)
        if facts is None:
            continue
        at = from_ms(one.at_ms)
        phone = PhoneFacts(command.lead.phone, suppressed=command.deny.final)
        inputs = _hash(lead_facts(command.lead), phone, facts, command.lead.phone_id, at)
        judged.append(Judged(command.lead, at, command.deny, facts, inputs, command.attempt))
        # The attempt has been closed as taken back, in this batch or one before: the lead waits.
        connection.execute(
            sa.update(leads)
            .where(leads.c.id == command.lead.lead_id, leads.c.state == LeadState.WAITING.value)
            .values(**_where_to(command.deny))
        )
    keep(connection, context, ORIGINATE, judged)


def keep_rules(
    connection: Connection, context: Context, facts: CampaignFacts, now: datetime
) -> None:
    """Keep the very rules beside the decisions that will name them."""
    connection.execute(
        context.insert(rule_sets).on_conflict_do_nothing(),
        {
            "version": facts.version,
            "body": [pack.model_dump(mode="json") for pack in facts.packs],
            "since_ms": to_ms(now),
        },
    )


def lock(connection: Connection, commands: Iterable[Any]) -> None:
    """Keep other processes off the numbers and accounts of these, to the transaction's end.

    Taken once, first and in order, so that two processes never wait for each other.
    """
    if connection.dialect.name != "postgresql":
        return
    keys: set[str] = set()
    ids: set[int] = set()
    for command in commands:
        if isinstance(command, RecordAttempt | RecordDisposition):
            keys.add(command.lead.phone)
            if command.lead.external_id:
                keys.add(f"id:{command.lead.external_id}")
            ids.add(command.lead.lead_id)
    if ids:
        keys.update(row[1] for row in rows_in(connection, NUMBERS, ids=list(ids)))
    lock_keys(connection, keys)


def lock_keys(connection: Connection, keys: Iterable[str]) -> None:
    if connection.dialect.name != "postgresql":
        return
    buckets = sorted({zlib.crc32(key.encode()) % _BUCKETS for key in keys})
    for bucket in buckets:
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCKS, bucket)))


_AT_ONCE = 5_000  # numbers in one statement


def load_dnc(
    connection: Connection, name: str, numbers: Iterable[str], fetched: datetime, source: str
) -> int:
    """Make these numbers the list `name`, in one transaction; how many they are."""
    insert = insert_for(connection.dialect.name)
    connection.execute(sa.delete(dnc_numbers).where(dnc_numbers.c.list == name))
    row = {"name": name, "fetched_ms": to_ms(fetched), "numbers": 0, "source": source}
    made = insert(dnc_lists)
    connection.execute(
        made.on_conflict_do_update(
            index_elements=["name"],
            set_={"fetched_ms": made.excluded.fetched_ms, "source": made.excluded.source},
        ),
        row,
    )
    some: list[dict[str, str]] = []

    def put() -> None:
        if some:
            connection.execute(insert(dnc_numbers).on_conflict_do_nothing(), some)
            some.clear()

    for number in numbers:
        some.append({"phone": number, "list": name})
        if len(some) >= _AT_ONCE:
            put()
    put()
    counted = connection.scalar(
        sa.select(sa.func.count()).select_from(dnc_numbers).where(dnc_numbers.c.list == name)
    )
    connection.execute(sa.update(dnc_lists).where(dnc_lists.c.name == name).values(numbers=counted))
    return int(counted or 0)


@dataclass(frozen=True, slots=True)
class WhyNot:
    """A lead, and everything that speaks against calling it, on each of its numbers."""

    lead_id: int
    state: str
    why: str
    next_at: datetime
    zones: str
    denials: tuple[tuple[int, tuple[Deny, ...]], ...]  # position of the phone -> denials
    log: tuple[tuple[datetime, str, str, str], ...]  # moment, stage, rule, reason; latest first


def why_not(
    connection: Connection, context: Context, campaign: str, lead: str, now: datetime
) -> WhyNot | None:
    """Look a lead up by its external id or its number of row; None: there is no such lead."""
    known = context.campaigns[campaign]
    row = connection.execute(
        sa.select(leads).where(leads.c.campaign_id == known.id, leads.c.external_id == lead)
    ).first()
    if row is None and lead.isdecimal() and len(lead) < 18:
        row = connection.execute(
            sa.select(leads).where(leads.c.campaign_id == known.id, leads.c.id == int(lead))
        ).first()
    if row is None:
        return None
    context.load_zones(connection)
    load_list_ages(connection, context)
    facts = facts_of(context, campaign)
    zones = context.zone_names[row.zone_id]
    those = [
        Lead(
            row.id,
            campaign,
            phone.phone,
            phone.id,
            row.attempts + 1,
            row.external_id or "",
            "",
            row.fields,
            zones,
        )
        for phone in connection.execute(
            sa.select(phones).where(phones.c.lead_id == row.id).order_by(phones.c.position)
        )
    ]
    denials: list[tuple[int, tuple[Deny, ...]]] = []
    if facts is not None and those:
        span = span_of(facts)
        past = histories(connection, those, None if span is None else now - span)
        numbers = phone_facts(connection, those)
        for position, one in enumerate(those):
            asked = lead_facts(one, past.of(one.lead_id))
            denials.append((position, tuple(check(asked, numbers[one.phone], facts, now))))
    log = tuple(
        (from_ms(said.at_ms), said.stage, said.rule, said.reason)
        for said in connection.execute(
            sa.select(decision_log)
            .where(decision_log.c.lead_id == row.id)
            .order_by(decision_log.c.id.desc())
            .limit(10)
        )
    )
    return WhyNot(row.id, row.state, row.why, from_ms(row.next_at_ms), zones, tuple(denials), log)
