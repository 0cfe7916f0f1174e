"""Attempts opened and followed: the write-ahead, and how far each came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.core.commands import Progress, RecordAttempt, RecordProgress
from dialer.core.events import Lead
from dialer.store.context import Context, from_ms
from dialer.store.schema import LeadState, attempts, campaigns, leads, phones, suppression

NUMBER_BUSY_S = 300.0  # another campaign is calling the number this moment: look again then

SUPPRESSED = "the number is on the do-not-call list"
NOT_CLAIMED = "the lead is not claimed by this dialer"
NUMBER_OPEN = "the number is being called by another attempt"
ID_USED = "this attempt is recorded already"


@dataclass(frozen=True, slots=True)
class Told:
    """A command with the moment it was given, UTC ms."""

    command: Any
    at_ms: int


Refusals = dict[int, str]  # index in the sequence handed over -> why


def lead_part(lead: Lead) -> crm.LeadPart:
    return crm.LeadPart(lead.lead_id, lead.phone, lead.external_id, lead.name, lead.fields)


def call_part(attempt: str, campaign: str, lead: Lead, agent: str = "") -> crm.CallPart:
    return crm.CallPart(attempt, campaign, lead_part(lead), lead.attempt_no, agent)


_CLAIMED_TO_DIALLING = (
    sa.update(leads)
    .where(
        leads.c.id.in_(bindparam("ids", expanding=True)),
        leads.c.state == LeadState.CLAIMED.value,
        leads.c.claimed_by == bindparam("boot"),
    )
    .values(state=LeadState.DIALLING.value, claimed_by=None, attempts=leads.c.attempts + 1)
    .returning(leads.c.id)
)
_SUPPRESSED = sa.select(suppression.c.phone).where(
    suppression.c.phone.in_(bindparam("phones", expanding=True))
)


def open_attempts(
    connection: Connection, context: Context, told: Sequence[Told], *, again: bool
) -> Refusals:
    """Write attempts ahead of their calls.

    Refused are, each by itself: a suppressed number, a lead that is not in our claim, a number or
    a lead with an open attempt. `again`: the answer of a commit of these was lost, so an attempt
    that stands there already is this very one.
    """
    refused: Refusals = {}
    commands: list[RecordAttempt] = [one.command for one in told]
    if again:
        known = set(
            connection.scalars(
                sa.select(attempts.c.id).where(attempts.c.id.in_([c.attempt for c in commands]))
            )
        )
        told = [one for one in told if one.command.attempt not in known]
        if not told:
            return refused
        index = [i for i, c in enumerate(commands) if c.attempt not in known]
    else:
        index = list(range(len(commands)))
    commands = [one.command for one in told]

    stopped = set(
        connection.scalars(_SUPPRESSED, {"phones": [c.lead.phone for c in commands]}).all()
    )
    taken = set(
        connection.scalars(
            _CLAIMED_TO_DIALLING,
            {
                "ids": [c.lead.lead_id for c in commands if c.lead.phone not in stopped],
                "boot": context.boot,
            },
        ).all()
    )
    rows: list[dict[str, Any]] = []
    for i, (one, command) in enumerate(zip(told, commands, strict=True)):
        if command.lead.phone in stopped:
            refused[index[i]] = SUPPRESSED
            _finish_suppressed(connection, context, command.lead)
        elif command.lead.lead_id not in taken:
            refused[index[i]] = NOT_CLAIMED
        else:
            taken.discard(command.lead.lead_id)  # the second attempt for it in here is refused
            rows.append(
                {
                    "id": command.attempt,
                    "campaign_id": context.campaigns[command.lead.campaign].id,
                    "lead_id": command.lead.lead_id,
                    "phone_id": command.lead.phone_id,
                    "phone": command.lead.phone,
                    "attempt_no": command.lead.attempt_no,
                    "pbx": command.pbx,
                    "boot": context.boot,
                    "opened_ms": one.at_ms,
                    "stage_ms": one.at_ms,
                }
            )
    if rows:
        written = set(
            connection.scalars(
                context.insert(attempts).on_conflict_do_nothing().returning(attempts.c.id), rows
            ).all()
        )
        if len(written) < len(rows):
            for i, command in enumerate(commands):
                if index[i] not in refused and command.attempt not in written:
                    refused[index[i]] = _give_back(connection, command, told[i].at_ms)
        _mark_started(connection, context, rows)
    if crm.Type.CALL_STARTED in context.crm_types:
        context.tell_crm(
            connection,
            [
                crm.call_started(
                    call_part(c.attempt, c.lead.campaign, c.lead), from_ms(told[i].at_ms)
                )
                for i, c in enumerate(commands)
                if index[i] not in refused
            ],
        )
    return refused


def _finish_suppressed(connection: Connection, context: Context, lead: Lead) -> None:
    connection.execute(
        sa.update(leads)
        .where(
            leads.c.id == lead.lead_id,
            leads.c.state == LeadState.CLAIMED.value,
            leads.c.claimed_by == context.boot,
        )
        .values(state=LeadState.DONE.value, why="do not call", claimed_by=None)
    )


def _give_back(connection: Connection, command: RecordAttempt, now_ms: int) -> str:
    """The unique indexes would not have it: the lead waits as if nothing had been tried."""
    used = connection.scalar(sa.select(attempts.c.id).where(attempts.c.id == command.attempt))
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == command.lead.lead_id, leads.c.state == LeadState.DIALLING.value)
        .values(
            state=LeadState.WAITING.value,
            attempts=leads.c.attempts - 1,
            next_at_ms=now_ms + int(NUMBER_BUSY_S * 1000),
        )
    )
    return NUMBER_OPEN if used is None else ID_USED


def _mark_started(connection: Connection, context: Context, rows: list[dict[str, Any]]) -> None:
    """The campaign's first attempt begins the law's first block of days."""
    for known in context.campaigns.values():
        if known.started:
            continue
        first = min((r["opened_ms"] for r in rows if r["campaign_id"] == known.id), default=None)
        if first is not None:
            result = connection.execute(
                sa.update(campaigns)
                .where(campaigns.c.id == known.id, campaigns.c.started_ms.is_(None))
                .values(started_ms=first)
            )
            known.started = result.rowcount == 0  # it was there, so it is committed


_FOLLOW = (
    sa.update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.outcome.is_(None))
    .values(
        stage=bindparam("step"),
        stage_ms=bindparam("at_ms"),
        agent=sa.case((bindparam("who") == "", attempts.c.agent), else_=bindparam("who")),
    )
)


def follow_attempts(connection: Connection, context: Context, told: Sequence[Told]) -> None:
    """Write how far attempts came. What comes after the end of an attempt changes nothing."""
    connection.execute(
        _FOLLOW,
        [
            {
                "attempt": one.command.attempt,
                "step": one.command.progress.value,
                "at_ms": one.at_ms,
                "who": one.command.agent,
            }
            for one in told
        ],
    )
    happened = []
    for one in told:
        command: RecordProgress = one.command
        make = _TOLD.get(command.progress)
        if make is not None:
            part = call_part(command.attempt, command.campaign, command.lead, command.agent)
            happened.append(make(part, from_ms(one.at_ms)))
    if happened:
        context.tell_crm(connection, happened)


_TOLD = {Progress.ANSWERED: crm.call_answered, Progress.CONNECTED: crm.call_connected}

lead_columns = (
    leads.c.id,
    leads.c.external_id,
    leads.c.name,
    leads.c.fields,
    leads.c.attempts,
    leads.c.campaign_id,
    phones.c.id.label("phone_id"),
    phones.c.phone,
)


def lead_of(row: Any, campaign: str, attempt_no: int) -> Lead:
    """The core's Lead from a row of `lead_columns`."""
    return Lead(
        lead_id=row.id,
        campaign=campaign,
        phone=row.phone,
        phone_id=row.phone_id,
        attempt_no=attempt_no,
        external_id=row.external_id or "",
        name=row.name,
        fields=row.fields,
    )
