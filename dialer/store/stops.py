"""The CRM's word against calling, or for calling at a time, carried out on leads.

What is written here holds for attempts that are not recorded yet, because a lead that was taken out
of its claim is refused there. Attempts on record are the core's to take back: a function returns
whom it concerns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.strategy.model import Trigger
from dialer.campaigns.strategy.steps import Happened
from dialer.store.bulk import rows_among
from dialer.store.callbacks import Agreed, agree, forget
from dialer.store.context import Context, to_ms
from dialer.store.decisions import lock_keys
from dialer.store.promises import (
    Payment,
    keep_paid_promises,
    keep_promises,
    remember_payment,
)
from dialer.store.schema import (
    RESTED,
    STOPPED,
    LeadState,
    StopKind,
    campaigns,
    lead_refs,
    lead_stops,
    leads,
    phones,
    suppression,
)
from dialer.store.sitekey import erased_among
from dialer.store.stepping import happened_to, uses_strategies


@dataclass(frozen=True, slots=True)
class Stop:
    """One word of the CRM. `version` is the source's own count: an older word changes nothing.

    `lifted`: this stop holds no more. `resume_at`, for a lifted one: call no sooner.
    """

    kind: StopKind
    source: str
    external_id: str
    reference: str = ""
    version: int | None = None
    lifted: bool = False
    resume_at: datetime | None = None
    payment: Payment | None = None  # what was paid, where the CRM says it


@dataclass(frozen=True, slots=True)
class Concerned:
    """Whom a change concerns: what of them is in a hopper or not dialled yet must be taken back."""

    lead_ids: frozenset[int] = frozenset()
    phones: frozenset[str] = frozenset()
    stale: bool = False  # a newer word was known: nothing was changed


class NotNow(Exception):
    """The leads are there, and may not be called. The text is for people."""


def leads_of(
    connection: Connection, source: str, external_id: str, campaign: str = ""
) -> Sequence[Any]:
    """The leads an account has in the campaigns, of this source or of a list without one."""
    known = sa.select(campaigns.c.id)
    if campaign:
        known = known.where(campaigns.c.name == campaign)
    return connection.execute(
        sa.select(leads.c.id, leads.c.campaign_id, leads.c.state, leads.c.why)
        .join(
            lead_refs,
            (lead_refs.c.campaign_id == leads.c.campaign_id)
            & (lead_refs.c.external_id == leads.c.external_id),
            isouter=True,
        )
        .where(
            leads.c.campaign_id.in_(known),
            leads.c.external_id == external_id,
            sa.or_(lead_refs.c.source.is_(None), lead_refs.c.source == source),
        )
        .with_for_update(of=leads)
    ).all()


def standing(connection: Connection, source: str, external_id: str) -> StopKind | None:
    """The weightiest stop that holds for an account."""
    kinds = set(
        connection.scalars(
            sa.select(lead_stops.c.kind).where(
                lead_stops.c.source == source,
                lead_stops.c.external_id == external_id,
                lead_stops.c.lifted.is_(False),
            )
        )
    )
    return next((kind for kind in StopKind if kind.value in kinds), None)


def standing_of(connection: Connection, external_ids: Sequence[str]) -> dict[str, StopKind]:
    """The weightiest stop that holds for each account, whichever source said it: for accounts of
    lists, which name no source."""
    if not external_ids or connection.scalar(sa.select(lead_stops.c.kind).limit(1)) is None:
        return {}
    statement = (
        "SELECT external_id, kind FROM lead_stops WHERE external_id IN {keys} AND NOT lifted"
    )
    found: dict[str, set[str]] = {}
    for external_id, kind in rows_among(connection, statement, external_ids):
        found.setdefault(external_id, set()).add(kind)
    return {
        external_id: next(kind for kind in StopKind if kind.value in kinds)
        for external_id, kinds in found.items()
    }


def stopped_as(kind: StopKind) -> dict[str, Any]:
    """The columns of a lead that is stopped so."""
    final = kind in (StopKind.CEASE, StopKind.PAID)
    state = LeadState.DONE if final else LeadState.HELD
    return {"state": state.value, "why": f"{STOPPED}{kind.value}", "claimed_by": None}


def put_stop(
    connection: Connection,
    context: Context,
    stop: Stop,
    now: datetime,
    *,
    suppressing: bool = True,
) -> Concerned:
    """Write a stop down, or lift it, and carry out what then holds for the account's leads.

    `suppressing`: a cease puts the account's numbers on the do-not-call list.
    """
    if not _write(connection, context, stop, now):
        return Concerned(stale=True)
    holds = standing(connection, stop.source, stop.external_id)
    concerned: set[int] = set()
    names = {known.id: name for name, known in context.campaigns.items()}
    told: list[crm.Event] = []
    theirs = leads_of(connection, stop.source, stop.external_id)
    for lead in theirs:
        values = _moved(lead, holds, stop, now)
        if values is not None:
            connection.execute(sa.update(leads).where(leads.c.id == lead.id).values(**values))
            concerned.add(lead.id)
        if values is not None and holds is not None and lead.why != values["why"]:
            told.append(
                crm.lead_suppressed(
                    names.get(lead.campaign_id, ""), lead.id, stop.external_id, now, why=holds.value
                )
            )
    context.tell_crm(connection, told)
    if stop.payment is not None or (stop.kind in _PAYING and not stop.lifted):
        took_payment(connection, context, stop, [lead.id for lead in theirs], now)
    forget(connection, concerned, now)
    numbers: Sequence[str] = ()
    if suppressing and stop.kind is StopKind.CEASE and not stop.lifted and concerned:
        numbers = connection.scalars(
            sa.select(phones.c.phone).where(phones.c.lead_id.in_(concerned))
        ).all()
        suppress(connection, context, numbers, "crm", "", now)
    _tell_strategies(connection, context, stop, concerned, now)
    return Concerned(frozenset(concerned), frozenset(numbers))


_PAYING = (StopKind.PAYMENT, StopKind.PAID)


def took_payment(
    connection: Connection, context: Context, stop: Stop, lead_ids: Sequence[int], now: datetime
) -> None:
    """Compare a payment with the promises of these leads. Without an amount it is taken for what
    was promised: to press somebody who paid is worse than to wait for the CRM's next word."""
    if stop.payment is not None:
        remember_payment(
            connection, context, (stop.source, stop.external_id, stop.reference), stop.payment, now
        )
    if stop.payment is None or stop.kind is StopKind.PAID:
        keep_promises(connection, context, lead_ids, now)
    else:
        keep_paid_promises(connection, context, stop.source, stop.external_id, lead_ids, now)


_HAPPENED = {
    (StopKind.CEASE, False): Trigger.CEASE,
    (StopKind.PAID, False): Trigger.PAID,
    (StopKind.DISPUTE, False): Trigger.DISPUTE,
    (StopKind.DISPUTE, True): Trigger.DISPUTE_RESOLVED,
    (StopKind.PAYMENT, False): Trigger.PAYMENT,
    (StopKind.PAYMENT, True): Trigger.CALLBACK,
}


def _tell_strategies(
    connection: Connection, context: Context, stop: Stop, concerned: set[int], now: datetime
) -> None:
    if not uses_strategies(context):
        return
    what = _HAPPENED.get((stop.kind, stop.lifted))
    ids = concerned | {lead.id for lead in leads_of(connection, stop.source, stop.external_id)}
    if what is None:
        return
    call_at = to_ms(stop.resume_at or now) if what is Trigger.CALLBACK else None
    happened_to(connection, context, ids, Happened(what, call_at), now)


def _write(connection: Connection, context: Context, stop: Stop, now: datetime) -> bool:
    """False: a word as new as this one stands there already."""
    table = lead_stops
    here = (
        (table.c.source == stop.source)
        & (table.c.external_id == stop.external_id)
        & (table.c.kind == stop.kind.value)
        & (table.c.reference == stop.reference)
    )
    known = connection.execute(
        sa.select(table.c.version, table.c.lifted).where(here).with_for_update()
    ).first()
    if known is not None:
        numbered = known.version is not None and stop.version is not None
        if numbered and stop.version <= known.version:
            return False
        if not numbered and known.lifted == stop.lifted and stop.resume_at is None:
            return True  # said again: carried out again, which changes nothing
    fields = {
        "version": stop.version if known is None or stop.version is not None else known.version,
        "lifted": stop.lifted,
        "at_ms": to_ms(now),
    }
    if known is not None:
        connection.execute(sa.update(table).where(here).values(**fields))
    else:
        connection.execute(
            sa.insert(table).values(
                source=stop.source,
                external_id=stop.external_id,
                kind=stop.kind.value,
                reference=stop.reference,
                **fields,
            )
        )
    return True


def _moved(lead: Any, holds: StopKind | None, stop: Stop, now: datetime) -> dict[str, Any] | None:
    """The columns to change; None: the lead stays as it is."""
    ours = lead.why.startswith(STOPPED)
    if holds is not None:
        finished = lead.state == LeadState.DONE.value and not ours
        return None if finished else stopped_as(holds)
    waits = {"state": LeadState.WAITING.value, "why": "", "claimed_by": None}
    if ours and lead.state != LeadState.DONE.value:  # lifted; what is done stays done
        return waits | {"next_at_ms": to_ms(stop.resume_at or now)}
    queued = (LeadState.WAITING.value, LeadState.CLAIMED.value, LeadState.DIALLING.value)
    if stop.resume_at is not None and lead.state in queued:
        return waits | {"next_at_ms": to_ms(stop.resume_at)}
    return None


def call_back(
    connection: Connection,
    context: Context,
    source: str,
    external_id: str,
    campaign: str,
    at: datetime,
    now: datetime,
) -> Concerned:
    """Have an account called at a time, also one that was done. Raises `NotNow`.

    It lifts what a payment held; a stop by cease, paid or dispute it does not lift.
    """
    lead_stop = lead_stops.c
    connection.execute(
        sa.update(lead_stops)
        .where(
            lead_stop.source == source,
            lead_stop.external_id == external_id,
            lead_stop.kind == StopKind.PAYMENT.value,
        )
        .values(lifted=True)
    )
    holds = standing(connection, source, external_id)
    if holds is not None:
        raise NotNow(f"The account is stopped: {holds.value}.")
    concerned: set[int] = set()
    found = leads_of(connection, source, external_id, campaign)
    names = {known.id: name for name, known in context.campaigns.items()}
    for lead in found:
        held = lead.state == LeadState.HELD.value and not lead.why.startswith((STOPPED, RESTED))
        if held or lead.why == "do not call" or _suppressed(connection, lead.id):
            continue
        connection.execute(
            sa.update(leads)
            .where(leads.c.id == lead.id)
            .values(
                state=LeadState.WAITING.value,
                why="",
                claimed_by=None,
                next_at_ms=to_ms(at),
            )
        )
        concerned.add(lead.id)
        if name := names.get(lead.campaign_id):
            agree(connection, context, Agreed(lead.id, name, "", "", at, None, now))
    if uses_strategies(context):
        asked = Happened(Trigger.CALLBACK, to_ms(at))
        happened_to(connection, context, concerned, asked, now)
    if found and not concerned:
        raise NotNow("The account is held, or its number is on the do-not-call list.")
    return Concerned(frozenset(concerned))


def is_suppressed(connection: Connection, phone: str) -> bool:
    """Whether nobody may call this number: it is on the do-not-call list, or was erased."""
    found = connection.scalar(sa.select(suppression.c.phone).where(suppression.c.phone == phone))
    return found is not None or bool(erased_among(connection, [phone]))


def _suppressed(connection: Connection, lead_id: int) -> bool:
    number = connection.scalar(
        sa.select(phones.c.phone)
        .join(leads, (leads.c.id == phones.c.lead_id) & (leads.c.position == phones.c.position))
        .where(leads.c.id == lead_id)
    )
    return number is not None and is_suppressed(connection, number)


def suppress(
    connection: Connection,
    context: Context,
    numbers: Sequence[str],
    source: str,
    campaign: str,
    now: datetime,
) -> int:
    """Put numbers (E.164) on the do-not-call list and tell the CRM; how many were new there."""
    if not numbers:
        return 0
    lock_keys(connection, numbers)
    context.stop(numbers, to_ms(now))
    fresh = connection.scalars(
        context.insert(suppression).on_conflict_do_nothing().returning(suppression.c.phone),
        [
            {"phone": phone, "source": source, "campaign": campaign, "added_ms": to_ms(now)}
            for phone in dict.fromkeys(numbers)
        ],
    ).all()
    context.tell_crm(
        connection,
        [crm.dnc_added(phone, now, source=source, campaign=campaign) for phone in fresh],
    )
    return len(fresh)
