"""Attempts opened and followed: the write-ahead, and how far each came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.compliance.decide import SUPPRESSED
from dialer.core.commands import Progress, RecordAttempt, RecordProgress
from dialer.core.events import Lead
from dialer.core.modes import Mode
from dialer.store.context import Context, from_ms, insert_for
from dialer.store.decisions import ATTEMPT, Judged, judge, keep, put_back
from dialer.store.schema import LeadState, attempts, campaigns, leads, phones, suppression

NUMBER_BUSY_S = 300.0  # another campaign is calling the number this moment: look again then

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
        ~sa.exists()
        .where(phones.c.lead_id == leads.c.id, phones.c.position == leads.c.position)
        .where(suppression.c.phone == phones.c.phone),
    )
    .values(state=LeadState.DIALLING.value, claimed_by=None, attempts=leads.c.attempts + 1)
    .returning(leads.c.id)
)


@cache
def _insert(dialect: str) -> Any:
    return insert_for(dialect)(attempts).on_conflict_do_nothing().returning(attempts.c.id)


def open_attempts(
    connection: Connection, context: Context, told: Sequence[Told], *, again: bool
) -> tuple[Refusals, list[crm.Event]]:
    """Write attempts ahead of their calls.

    Refused are, each by itself: what the compliance gate denies, a suppressed number, a lead that
    is not in our claim, a number or a lead with an open attempt. `again`: the answer of a commit of
    these was lost, so an attempt that stands there already is this very one.
    """
    refused: Refusals = {}
    fresh = dict(enumerate(told))
    if again and told:
        ids = [one.command.attempt for one in told]
        known = set(connection.scalars(sa.select(attempts.c.id).where(attempts.c.id.in_(ids))))
        fresh = {i: one for i, one in fresh.items() if one.command.attempt not in known}
    allowed = _ask_the_gate(connection, context, fresh, refused)
    fresh = {i: one for i, one in fresh.items() if i not in refused}
    if not fresh:
        return refused, []
    claimed = [one.command.lead.lead_id for one in fresh.values() if not _manual(one.command)]
    taken: set[int] = set()
    if claimed:
        taken.update(
            connection.scalars(_CLAIMED_TO_DIALLING, {"ids": claimed, "boot": context.boot})
        )
    rows: dict[int, dict[str, Any]] = {}
    for i, one in fresh.items():
        lead: Lead = one.command.lead
        if _manual(one.command):
            was, why = _take_by_hand(connection, lead)
            if why:
                refused[i] = why
            else:
                rows[i] = _row(context, one) | {"lead_was": was}
        elif lead.lead_id in taken:
            taken.discard(lead.lead_id)  # the second attempt for it in here is refused
            rows[i] = _row(context, one)
        else:
            refused[i] = _why_not(connection, context, lead)
    if rows:
        written = set(connection.scalars(_insert(context.dialect), list(rows.values())))
        if len(written) < len(rows):
            for i, row in list(rows.items()):
                if row["id"] in written:
                    written.remove(row["id"])  # a second one of this id was not written
                else:
                    refused[i] = _give_back(connection, fresh[i], row["lead_was"])
                    del rows[i]
        _mark_started(connection, context, list(rows.values()))
    keep(connection, context, ATTEMPT, [allowed[i] for i in rows if i in allowed])
    if crm.Type.CALL_STARTED not in context.crm_types:
        return refused, []
    return refused, [
        crm.call_started(
            call_part(row["id"], fresh[i].command.lead.campaign, fresh[i].command.lead),
            from_ms(row["opened_ms"]),
        )
        for i, row in rows.items()
    ]


def _ask_the_gate(
    connection: Connection, context: Context, fresh: dict[int, Told], refused: Refusals
) -> dict[int, Judged]:
    """The gate's verdict on each; a denied one is refused and its lead put back until it may be
    called. What is allowed is returned, to be written down if the attempt is."""
    those = [(one.command.lead, from_ms(one.at_ms), one.command.attempt) for one in fresh.values()]
    bookings = [one.command.booking for one in fresh.values()]
    allowed: dict[int, Judged] = {}
    denied: list[Judged] = []
    for i, one in zip(
        fresh, judge(connection, context, those, bookings, reserve=True), strict=True
    ):
        if one is None:
            continue
        if (deny := one.deny) is None:
            allowed[i] = one
        elif _manual(fresh[i].command) or put_back(connection, context, one.lead.lead_id, deny):
            denied.append(one)
            refused[i] = deny.reason
        else:
            refused[i] = NOT_CLAIMED
    keep(connection, context, ATTEMPT, denied)
    return allowed


def _row(context: Context, one: Told) -> dict[str, Any]:
    command: RecordAttempt = one.command
    booking, policy = command.booking, context.campaigns[command.lead.campaign].policy
    return {
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
        "mode": (booking.mode if booking is not None else policy.mode).value,
        "booked_for": "" if booking is None else booking.agent,
        "lead_was": None,
    }


def _manual(command: RecordAttempt) -> bool:
    return command.booking is not None and command.booking.mode is Mode.MANUAL


_STANDS = sa.select(leads.c.state, leads.c.why).where(leads.c.id == bindparam("lead"))
_BY_HAND = (
    sa.update(leads)
    .where(leads.c.id == bindparam("lead"), leads.c.state != LeadState.DIALLING.value)
    .values(state=LeadState.DIALLING.value, claimed_by=None, attempts=leads.c.attempts + 1)
)


def _take_by_hand(connection: Connection, lead: Lead) -> tuple[str | None, str]:
    """Take a lead wherever it is, for a call somebody asked for: the state it shall go back to
    (None: as after any call), and why it cannot be called, if so."""
    row = connection.execute(_STANDS.with_for_update(), {"lead": lead.lead_id}).first()
    if row is None:
        return None, "the lead is not there any more"
    if row.state == LeadState.DIALLING.value:
        return None, NUMBER_OPEN
    if row.why.startswith("crm: "):
        return None, f"the CRM stopped the account: {row.why[5:]}"
    stopped = connection.scalar(
        sa.select(suppression.c.phone).where(suppression.c.phone == lead.phone)
    )
    if stopped is not None:
        return None, SUPPRESSED
    connection.execute(_BY_HAND, {"lead": lead.lead_id})
    stays = (LeadState.HELD.value, LeadState.DONE.value)
    return (row.state if row.state in stays else None), ""


def _why_not(connection: Connection, context: Context, lead: Lead) -> str:
    """Why a lead could not be taken; one whose number is suppressed is done."""
    ours = (
        leads.c.id == lead.lead_id,
        leads.c.state == LeadState.CLAIMED.value,
        leads.c.claimed_by == context.boot,
    )
    if connection.scalar(sa.select(leads.c.id).where(*ours)) is None:
        return NOT_CLAIMED
    connection.execute(
        sa.update(leads)
        .where(*ours)
        .values(state=LeadState.DONE.value, why="do not call", claimed_by=None)
    )
    return SUPPRESSED


def _give_back(connection: Connection, one: Told, was: str | None) -> str:
    """The unique indexes would not have it: the lead waits as if nothing had been tried."""
    command: RecordAttempt = one.command
    used = connection.scalar(sa.select(attempts.c.id).where(attempts.c.id == command.attempt))
    connection.execute(
        sa.update(leads)
        .where(leads.c.id == command.lead.lead_id, leads.c.state == LeadState.DIALLING.value)
        .values(
            state=was or LeadState.WAITING.value,
            attempts=leads.c.attempts - 1,
            next_at_ms=leads.c.next_at_ms if was else one.at_ms + int(NUMBER_BUSY_S * 1000),
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


def follow_attempts(
    connection: Connection, context: Context, told: Sequence[Told]
) -> list[crm.Event]:
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
    happened: list[crm.Event] = []
    if context.follows_calls:
        for one in told:
            command: RecordProgress = one.command
            make = _TOLD.get(command.progress)
            if make is not None:
                part = call_part(command.attempt, command.campaign, command.lead, command.agent)
                happened.append(make(part, from_ms(one.at_ms)))
    return happened


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


def lead_of(row: Any, campaign: str, attempt_no: int, zones: str = "") -> Lead:
    """The core's Lead from a row of `lead_columns`. `zones` only for one that will be called."""
    return Lead(
        lead_id=row.id,
        campaign=campaign,
        phone=row.phone,
        phone_id=row.phone_id,
        attempt_no=attempt_no,
        external_id=row.external_id or "",
        name=row.name,
        fields=row.fields,
        zones=zones,
    )
