"""Attempts closed, and what follows from it: next step, account of abandons, counts, the CRM.

All of it happens in the transaction that closes the attempt, or none of it does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.core.commands import RecordOutcome
from dialer.core.outcomes import Outcome
from dialer.store.attempts import Refusals, Told, call_part, lead_part
from dialer.store.callbacks import called_back
from dialer.store.context import Context, from_ms, insert_for, to_ms
from dialer.store.hours import learn_hours
from dialer.store.policy import NextStep
from dialer.store.schema import (
    LeadState,
    abandon_account,
    attempts,
    leads,
    outcome_counts,
    phones,
)
from dialer.store.stepping import after_outcomes

UNKNOWN = "this attempt was never recorded"
CLOSED = "this attempt has its outcome already"

_STANDING = (
    sa.select(attempts.c.id, attempts.c.outcome, attempts.c.lead_was)
    .where(attempts.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update()  # nobody else closes one of them meanwhile; SQLite has one writer anyway
)
_ENDED = (
    sa.select(attempts.c.lead_id, attempts.c.outcome, sa.func.count())
    .where(
        attempts.c.lead_id.in_(bindparam("ids", expanding=True)), attempts.c.outcome.is_not(None)
    )
    .group_by(attempts.c.lead_id, attempts.c.outcome)
)
_CLOSE = (
    sa.update(attempts)
    .where(attempts.c.id == bindparam("attempt"), attempts.c.outcome.is_(None))
    .values(
        {
            name: bindparam(f"v_{name}")
            for name in (
                "outcome",
                "closed_ms",
                "agent",
                "unserved",
                "cause",
                "tech_cause",
                "amd",
                "hung_up_by",
                "originated_ms",
                "ringing_ms",
                "answered_ms",
                "live_ms",
                "connected_ms",
                "harbour_ms",
                "ended_ms",
            )
        }
    )
)
_MOVE = (
    sa.update(leads)
    .where(leads.c.id == bindparam("lead"), leads.c.state == LeadState.DIALLING.value)
    .values(
        state=bindparam("to"),
        why=sa.func.coalesce(bindparam("because", type_=sa.Text), leads.c.why),
        next_at_ms=sa.func.coalesce(bindparam("due_ms", type_=sa.BigInteger), leads.c.next_at_ms),
    )
)


def close_attempts(
    connection: Connection, context: Context, told: Sequence[Told], *, again: bool
) -> tuple[Refusals, list[crm.Event]]:
    """Close attempts, each exactly once; one that is closed or unknown is refused.

    `again`: the answer of a commit of these was lost; one that is closed was closed by it.
    """
    refused: Refusals = {}
    rows = connection.execute(_STANDING, {"ids": [one.command.attempt for one in told]}).all()
    standing: dict[str, str | None] = {row.id: row.outcome for row in rows}
    lead_was = {row.id: row.lead_was for row in rows if row.lead_was is not None}
    closing: list[Told] = []
    for i, one in enumerate(told):
        attempt, outcome = one.command.attempt, one.command.outcome.value
        if attempt not in standing:
            refused[i] = UNKNOWN
        elif standing[attempt] is None:
            standing[attempt] = outcome  # a second one in here is refused
            closing.append(one)
        elif not (again and standing[attempt] == outcome):
            refused[i] = CLOSED
    if not closing:
        return refused, []

    result = connection.execute(_CLOSE, [_closing_row(context, one) for one in closing])
    if result.rowcount not in (-1, len(closing)):  # -1: the driver does not count
        raise AssertionError("an attempt was closed by somebody else inside our transaction")

    ended = _tally(connection, closing)
    planned, told_by_plans = after_outcomes(connection, context, closing)
    steps = [planned.get(i) or _next_step(context, one, ended) for i, one in enumerate(closing)]
    _turn_phones(connection, closing, steps)
    connection.execute(
        _MOVE,
        [
            _as_it_was(one, lead_was[one.command.attempt])
            if one.command.attempt in lead_was
            else move(one.command.lead.lead_id, step)
            for one, step in zip(closing, steps, strict=True)
        ],
    )
    called_back(connection, closing)
    learn_hours(connection, context, closing)
    _count(connection, context, closing)
    return refused, [*_events(context, closing, steps, ended), *told_by_plans]


def _tally(connection: Connection, closing: Sequence[Told]) -> dict[int, dict[str, int]]:
    """Each lead's ended attempts by outcome, those just closed included."""
    ended: dict[int, dict[str, int]] = {}
    again: list[int] = []
    for one in closing:
        lead = one.command.lead
        if lead.attempt_no == 1:
            ended[lead.lead_id] = {one.command.outcome.value: 1}
        else:
            again.append(lead.lead_id)
    if again:
        for lead_id, outcome, count in connection.execute(_ENDED, {"ids": again}):
            ended.setdefault(lead_id, {})[outcome] = count
    return ended


def move(lead_id: int, step: NextStep) -> dict[str, Any]:
    """The parameters that carry out a step on a lead."""
    if step.at is None and step.held:
        held = LeadState.HELD.value
        return {"lead": lead_id, "to": held, "because": step.held, "due_ms": None}
    if step.at is None:
        return {"lead": lead_id, "to": LeadState.DONE.value, "because": step.why, "due_ms": None}
    return {
        "lead": lead_id,
        "to": LeadState.WAITING.value,
        "because": "",
        "due_ms": to_ms(step.at),
    }


def _as_it_was(one: Told, state: str) -> dict[str, Any]:
    """A call by hand to a lead that nothing calls by itself leaves it so."""
    return {"lead": one.command.lead.lead_id, "to": state, "because": None, "due_ms": None}


def _closing_row(context: Context, one: Told) -> dict[str, Any]:
    command: RecordOutcome = one.command
    timings = command.timings
    return {
        "attempt": command.attempt,
        "v_outcome": command.outcome.value,
        "v_closed_ms": one.at_ms,
        "v_agent": command.agent,
        "v_unserved": command.unserved,
        "v_cause": command.cause,
        "v_tech_cause": command.tech_cause,
        "v_amd": command.amd,
        "v_hung_up_by": command.hung_up_by,
        "v_originated_ms": context.moment_ms(timings.originated),
        "v_ringing_ms": context.moment_ms(timings.ringing),
        "v_answered_ms": context.moment_ms(timings.answered),
        "v_live_ms": context.moment_ms(timings.live),
        "v_connected_ms": context.moment_ms(timings.connected),
        "v_harbour_ms": context.moment_ms(timings.harbour),
        "v_ended_ms": context.moment_ms(timings.ended),
    }


def _next_step(context: Context, one: Told, ended: dict[int, dict[str, int]]) -> NextStep:
    command: RecordOutcome = one.command
    policy = context.campaigns[command.campaign].policy
    return policy.after_outcome(command.outcome, ended[command.lead.lead_id], from_ms(one.at_ms))


def _turn_phones(connection: Connection, closing: Sequence[Told], steps: list[NextStep]) -> None:
    """Mark numbers that do not exist, turn to the next good number, end leads without one.

    Changes `steps` where the numbers decide.
    """
    turning = {
        one.command.lead.lead_id: i
        for i, (one, step) in enumerate(zip(closing, steps, strict=True))
        if step.phone_bad or (step.next_phone and step.at is not None)
    }
    if not turning:
        return
    bad = [closing[i].command.lead.phone_id for i in turning.values() if steps[i].phone_bad]
    if bad:
        connection.execute(sa.update(phones).where(phones.c.id.in_(bad)).values(bad=True))
    good: dict[int, list[tuple[int, int]]] = {lead_id: [] for lead_id in turning}
    current: dict[int, int] = {}
    for row in connection.execute(
        sa.select(phones.c.lead_id, phones.c.id, phones.c.position, phones.c.bad)
        .where(phones.c.lead_id.in_(list(turning)))
        .order_by(phones.c.position)
    ):
        if row.id == closing[turning[row.lead_id]].command.lead.phone_id:
            current[row.lead_id] = row.position
        if not row.bad:
            good[row.lead_id].append((row.position, row.id))
    for lead_id, i in turning.items():
        positions = [position for position, _ in good[lead_id]]
        if not positions:
            steps[i] = NextStep(None, why="no good number left", exhausted=True)
            continue
        at = current.get(lead_id, -1)
        following = next((p for p in positions if p > at), positions[0])
        connection.execute(sa.update(leads).where(leads.c.id == lead_id).values(position=following))


@cache
def _add_to_account(dialect: str) -> Any:
    insert = insert_for(dialect)(abandon_account)
    return insert.on_conflict_do_update(
        index_elements=["campaign_id", "minute"],
        set_={
            "live": abandon_account.c.live + insert.excluded.live,
            "abandoned": abandon_account.c.abandoned + insert.excluded.abandoned,
        },
    )


@cache
def _add_to_counts(dialect: str) -> Any:
    insert = insert_for(dialect)(outcome_counts)
    return insert.on_conflict_do_update(
        index_elements=["campaign_id", "outcome"],
        set_={"count": outcome_counts.c["count"] + insert.excluded["count"]},
    )


def _count(connection: Connection, context: Context, closing: Sequence[Told]) -> None:
    """Keep the account of abandons and the counts of outcomes."""
    account: dict[tuple[int, int], list[int]] = {}
    outcomes: Counter[tuple[int, str]] = Counter()
    for one in closing:
        command: RecordOutcome = one.command
        campaign = context.campaigns[command.campaign].id
        outcomes[campaign, command.outcome.value] += 1
        if command.outcome.live:
            live_ms = context.moment_ms(command.timings.live) or one.at_ms
            share = account.setdefault((campaign, live_ms // 60_000), [0, 0])
            share[0] += 1
            share[1] += command.unserved or command.outcome is Outcome.ABANDONED
    if account:
        connection.execute(
            _add_to_account(context.dialect),
            [
                {"campaign_id": c, "minute": minute, "live": live, "abandoned": abandoned}
                for (c, minute), (live, abandoned) in sorted(account.items())
            ],
        )
    connection.execute(
        _add_to_counts(context.dialect),
        [
            {"campaign_id": c, "outcome": outcome, "count": count}
            for (c, outcome), count in sorted(outcomes.items())
        ],
    )


def _events(
    context: Context,
    closing: Sequence[Told],
    steps: Sequence[NextStep],
    ended: dict[int, dict[str, int]],
) -> Iterable[crm.Event]:
    def at(moment: float | None) -> Any:
        return None if moment is None else context.utc_at(moment)

    def between(start: float | None, end: float | None) -> float | None:
        return None if start is None or end is None else max(0.0, end - start)

    for one, step in zip(closing, steps, strict=True):
        command: RecordOutcome = one.command
        t = command.timings
        now = at(t.ended) or from_ms(one.at_ms)
        part = call_part(command.attempt, command.campaign, command.lead, command.agent)
        if command.outcome is Outcome.ABANDONED:
            yield crm.call_abandoned(
                part, at(t.harbour) or now, waited_s=between(t.live, t.harbour or t.ended)
            )
        yield crm.call_completed(
            part,
            now,
            outcome=command.outcome.value,
            answered=command.outcome.answered,
            live=command.outcome.live,
            started_at=at(t.originated),
            ringing_at=at(t.ringing),
            answered_at=at(t.answered),
            connected_at=at(t.connected),
            ring_s=between(t.ringing, t.answered or t.ended),
            wait_s=between(t.live, t.connected or t.harbour or t.ended),
            talk_s=between(t.connected, t.ended),
            hung_up_by=command.hung_up_by,
            cause=command.cause,
            sip_status=command.tech_cause,
            amd=command.amd,
        )
        if step.exhausted:
            yield crm.lead_exhausted(
                command.campaign,
                lead_part(command.lead),
                now,
                attempts=sum(ended[command.lead.lead_id].values()),
            )
