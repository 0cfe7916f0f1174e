"""An agent's word on a call, and what it means for the lead and the number."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.strategy.steps import Disposed
from dialer.core.commands import RecordDisposition
from dialer.store.attempts import Refusals, Told, call_part
from dialer.store.callbacks import Agreed, agree, forget, open_among
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.lanes import hand_over
from dialer.store.outcomes import UNKNOWN, move
from dialer.store.policy import Emit, Suppress, Verdict
from dialer.store.promises import promise
from dialer.store.schema import LeadState, attempts, dispositions, leads, phones, suppression
from dialer.store.stepping import after_words

# A lead in the hopper or on the line meanwhile stays there; its own outcome decides then.
# (Spelt out below: IN with a list cannot be executed for many rows at once.)
_STAYS = (LeadState.CLAIMED.value, LeadState.DIALLING.value)
_MOVE = (
    sa.update(leads)
    .where(
        leads.c.id == bindparam("lead"),
        *(leads.c.state != state for state in _STAYS),
        leads.c.why.not_like("crm: %"),  # what the CRM stopped, no button starts again
    )
    .values(
        state=bindparam("to"),
        why=bindparam("because"),
        next_at_ms=sa.func.coalesce(bindparam("due_ms", type_=sa.BigInteger), leads.c.next_at_ms),
    )
)


def record_dispositions(
    connection: Connection, context: Context, told: Sequence[Told], *, again: bool
) -> tuple[Refusals, list[crm.Event]]:
    """Write dispositions and carry out what each means; an unknown attempt or code is refused.

    `again`: the answer of a commit of these was lost; what stands there is not written twice.
    """
    refused: Refusals = {}
    ids = [one.command.attempt for one in told]
    known = set(connection.scalars(sa.select(attempts.c.id).where(attempts.c.id.in_(ids))))
    written: set[tuple[str, str, int]] = set()
    if again:
        written = {
            (row.attempt_id, row.code, row.set_ms)
            for row in connection.execute(
                sa.select(
                    dispositions.c.attempt_id, dispositions.c.code, dispositions.c.set_ms
                ).where(dispositions.c.attempt_id.in_(ids))
            )
        }
    rows: list[dict[str, Any]] = []
    moves: list[dict[str, Any]] = []
    happened: list[crm.Event] = []
    words: list[tuple[int, Disposed, int]] = []
    awaited = open_among(connection, [one.command.lead.lead_id for one in told])
    for i, one in enumerate(told):
        command: RecordDisposition = one.command
        if command.attempt not in known:
            refused[i] = UNKNOWN
            continue
        if (command.attempt, command.code, one.at_ms) in written:
            continue
        now = from_ms(one.at_ms)
        try:
            callback = parse_callback(command.callback_at)
            verdict = context.campaigns[command.campaign].policy.after_disposition(
                command.code, callback, now
            )
        except ValueError as error:
            refused[i] = str(error)
            continue
        rows.append(
            {
                "attempt_id": command.attempt,
                "agent": command.agent,
                "code": command.code,
                "category": verdict.category,
                "callback_ms": None if callback is None else to_ms(callback),
                "note": command.note,
                "amount": command.amount,
                "due_on": command.due_on,
                "reason": command.reason,
                "counts": verdict.counts,
                "set_ms": one.at_ms,
            }
        )
        if verdict.step is not None:
            moves.append(move(command.lead.lead_id, verdict.step))
        words.append((command.lead.lead_id, _word(command, verdict), one.at_ms))
        happened += _carry_out(connection, context, command, verdict, callback, now, awaited)
    if rows:
        connection.execute(sa.insert(dispositions), rows)
    planned, told_by_plans = after_words(connection, context, words)
    happened += told_by_plans
    moves = [one for one in moves if one["lead"] not in planned]
    if moves:
        connection.execute(_MOVE, moves)
    return refused, happened


def _word(command: RecordDisposition, verdict: Verdict) -> Disposed:
    """As a strategy hears it."""
    step = verdict.step
    call_at = None if step is None or step.at is None else to_ms(step.at)
    hold = step is not None and bool(step.held)
    done = step is not None and step.at is None and not hold
    promised = None
    if command.due_on:
        day = date.fromisoformat(command.due_on)
        promised = to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))
    stop = verdict.suppress is not Suppress.NONE
    return Disposed(command.code, verdict.category, call_at, done, stop, hold, promised)


def _carry_out(
    connection: Connection,
    context: Context,
    command: RecordDisposition,
    verdict: Verdict,
    callback: datetime | None,
    now: datetime,
    awaited: set[int],
) -> list[crm.Event]:
    """Everything a word means besides the lead's next step; what the CRM must hear of it.

    `awaited` are the leads of this batch with an open callback, kept true to what is done."""
    lead = command.lead
    part = call_part(command.attempt, command.campaign, lead, command.agent)
    happened = [
        crm.disposition_set(
            part, now, code=command.code, note=command.note, callback_at=command.callback_at
        )
    ]
    if verdict.callback and callback is not None:
        agree(
            connection,
            context,
            Agreed(
                lead.lead_id,
                command.campaign,
                command.attempt,
                command.agent if command.mine else "",
                max(now, callback),
                verdict.anyone_after_s,
                now,
            ),
        )
        awaited.add(lead.lead_id)
    elif verdict.step is not None and lead.lead_id in awaited:
        forget(connection, [lead.lead_id], now)
    if callback is not None:
        only = command.agent if command.mine else ""
        happened.append(
            crm.callback_scheduled(part, now, callback_at=command.callback_at, only_agent=only)
        )
    if verdict.queue:
        hand_over(connection, context, lead.lead_id, verdict.queue)
    if verdict.emit is Emit.PROMISE:
        promise(connection, context, command, verdict, now)
        happened.append(
            crm.promise_created(part, now, amount=command.amount, due_on=command.due_on)
        )
    elif verdict.emit is Emit.DISPUTE:
        reason = command.reason or command.code
        happened.append(crm.dispute_opened(part, now, reason=reason, note=command.note))
    if verdict.suppress is not Suppress.NONE:
        happened += _suppress(connection, context, command, verdict.suppress, now)
    return happened


def _suppress(
    connection: Connection,
    context: Context,
    command: RecordDisposition,
    whom: Suppress,
    now: datetime,
) -> list[crm.Event]:
    """Stop the number, or all numbers of the lead, or besides all leads that share one of them."""
    numbers = {command.lead.phone}
    if whom is not Suppress.NUMBER:
        of_lead = sa.select(phones.c.phone).where(phones.c.lead_id == command.lead.lead_id)
        numbers.update(connection.scalars(of_lead))
    if whom is Suppress.PERSON:
        sharing = sa.select(phones.c.lead_id).where(phones.c.phone.in_(sorted(numbers)))
        kin = set(connection.scalars(sharing))
        if command.lead.external_id:
            kin.update(
                connection.scalars(
                    sa.select(leads.c.id).where(leads.c.external_id == command.lead.external_id)
                )
            )
        numbers.update(
            connection.scalars(sa.select(phones.c.phone).where(phones.c.lead_id.in_(sorted(kin))))
        )
        connection.execute(
            sa.update(leads)
            .where(
                leads.c.id.in_(sorted(kin)), leads.c.state.not_in([*_STAYS, LeadState.DONE.value])
            )
            .values(state=LeadState.DONE.value, why="do not call", claimed_by=None)
        )
    at_ms = to_ms(now)
    context.stop(sorted(numbers), at_ms)
    connection.execute(
        context.insert(suppression).on_conflict_do_nothing(),
        [
            {
                "phone": phone,
                "source": "agent",
                "campaign": command.campaign,
                "added_ms": at_ms,
            }
            for phone in sorted(numbers)
        ],
    )
    return [
        crm.dnc_added(phone, now, source="agent", campaign=command.campaign)
        for phone in sorted(numbers)
    ]


def parse_callback(text: str) -> datetime | None:
    """The moment of an ISO 8601 text with a zone; None for an empty one.

    Raises `ValueError` with words for people; the text itself is not in it.
    """
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("the callback's time is not ISO 8601: 2026-11-30T14:00:00+01:00") from None
    if moment.tzinfo is None:
        raise ValueError("the callback's time needs a time zone: 2026-11-30T14:00:00+01:00")
    return moment
