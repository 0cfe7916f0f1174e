"""Leads moved through their strategies, in the transaction of whatever moved them.

`dialer.campaigns.strategy.steps` decides; here its actions are carried out. What the CRM stopped no
step starts again, but for a payment's hold, which a strategy may end; a number on the do-not-call
list stays there; a lead that is on the line is left to its outcome.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import bindparam
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.lead import UNKNOWN_ZONE
from dialer.campaigns.strategy.place import Strategy
from dialer.campaigns.strategy.steps import (
    DO_NOT_CALL,
    Action,
    Changed,
    Close,
    CloseTask,
    Dial,
    Disposed,
    Due,
    Event,
    Happened,
    OpenTask,
    Placed,
    Position,
    Rest,
    SetPriority,
    TaskDone,
    Tell,
    Tried,
    advance,
    tactic_of,
)
from dialer.core.events import Lead
from dialer.store.attempts import Told
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.lanes import lane_id
from dialer.store.policy import NextStep
from dialer.store.schema import (
    RESTED,
    STOPPED,
    LeadState,
    Phase,
    StopKind,
    attempts,
    lead_refs,
    lead_step_log,
    lead_steps,
    lead_stops,
    leads,
    phones,
    strategy_tasks,
    zones,
)
from dialer.store.strategies import (
    NewLead,
    in_order,
    lane_for,
    opening,
    placing_of,
    plan_of,
    position_of,
    step_event,
    task_row,
)

TASKS_MAX = 500  # shown at once
STEPS_AT_ONCE = 50  # leads in one transaction: attempts wait for it
_BUSY = (LeadState.CLAIMED.value, LeadState.DIALLING.value)
_PAYMENT = f"{STOPPED}{StopKind.PAYMENT.value}"

_STANDING = (
    sa.select(
        lead_steps,
        lead_steps.c.why.label("step_why"),
        lead_steps.c.attempts.label("attempts_in_treatment"),
        leads.c.state,
        leads.c.why.label("lead_why"),
        leads.c.external_id,
        leads.c.name,
        leads.c.fields,
        leads.c.position,
        zones.c.names.label("zones"),
    )
    .join(leads, leads.c.id == lead_steps.c.lead_id)
    .join(zones, zones.c.id == leads.c.zone_id)
)
_STEPPED = (
    sa.update(lead_steps)
    .where(lead_steps.c.lead_id == bindparam("lead"))
    .values(
        {
            name: bindparam(f"v_{name}")
            for name in (
                *("strategy_id", "phase", "segment", "arm", "treatment", "step", "why"),
                *("begun_ms", "entered_ms", "due_ms", "attempts", "tries", "round", "boost"),
                "inputs",
            )
        }
    )
)


@dataclass(frozen=True, slots=True)
class Number:
    id: int
    phone: str
    position: int
    label: str
    bad: bool


@dataclass(slots=True)
class Standing:
    """A lead with its place in its strategy, as they are in the database."""

    lead_id: int
    campaign: str
    campaign_id: int
    strategy_id: int
    plan: Strategy
    position: Position
    state: str
    lead_why: str
    external_id: str
    name: str
    fields: Mapping[str, str]
    phone_position: int
    zones: str
    numbers: Sequence[Number]

    def ordered(self, position: Position) -> list[Number]:
        """Numbers that may be called, in the order of the position's tactic."""
        good = [one for one in self.numbers if not one.bad]
        return [good[n] for n in in_order(self.plan, position, [one.label for one in good])]

    @property
    def part(self) -> crm.LeadPart:
        at = self.phone_position
        phone = next((one.phone for one in self.numbers if one.position == at), "")
        phone = phone or (self.numbers[0].phone if self.numbers else "+000")
        return crm.LeadPart(self.lead_id, phone, self.external_id, self.name, self.fields)


def standings(
    connection: Connection, context: Context, lead_ids: Iterable[int]
) -> dict[int, Standing]:
    """Those of the leads that have a strategy, locked to the end of the transaction."""
    ids = list(lead_ids)
    if not ids or not uses_strategies(context):
        return {}
    if connection.dialect.name == "postgresql":  # the lead first, as all others lock them
        locking = sa.select(leads.c.id).where(leads.c.id.in_(ids)).order_by(leads.c.id)
        connection.execute(locking.with_for_update())
    rows = connection.execute(
        _STANDING.where(lead_steps.c.lead_id.in_(ids)).with_for_update(of=lead_steps)
    ).all()
    if not rows:
        return {}
    numbers: dict[int, list[Number]] = defaultdict(list)
    for row in connection.execute(
        sa.select(phones)
        .where(phones.c.lead_id.in_([row.lead_id for row in rows]))
        .order_by(phones.c.position)
    ):
        numbers[row.lead_id].append(Number(row.id, row.phone, row.position, row.label, row.bad))
    names = {known.id: name for name, known in context.campaigns.items()}
    found: dict[int, Standing] = {}
    for row in rows:
        if row.campaign_id not in names:
            continue  # another dialer's campaign, which this one does not know
        theirs = numbers[row.lead_id]
        account = row.external_id or (theirs[0].phone if theirs else "")
        found[row.lead_id] = Standing(
            row.lead_id,
            names[row.campaign_id],
            row.campaign_id,
            row.strategy_id,
            plan_of(connection, context, row.strategy_id),
            position_of(row, account),
            row.state,
            row.lead_why,
            row.external_id or "",
            row.name,
            row.fields,
            row.position,
            row.zones,
            theirs,
        )
    return found


def uses_strategies(context: Context) -> bool:
    return any(known.strategy_id is not None for known in context.campaigns.values())


# --- the claim ------------------------------------------------------------------------------------


def obeyed(
    connection: Connection, context: Context, found: Sequence[Lead], now: datetime
) -> list[Lead]:
    """Leads that were claimed, as their tactics want them called; one that is outside of its
    tactic's hours waits for them, one that its strategy does not call rests."""
    if not uses_strategies(context):
        return list(found)
    standing = standings(connection, context, [lead.lead_id for lead in found])
    kept: list[Lead] = []
    for lead in found:
        one = standing.get(lead.lead_id)
        if one is None:
            kept.append(lead)
            continue
        tactic = tactic_of(one.plan, one.position)
        if tactic is None or one.position.phase is not Phase.VOICE:
            why = f"{RESTED}{one.position.why or one.position.phase.value}"
            held = LeadState.HELD.value
            _set_lead(connection, lead.lead_id, state=held, why=why, claimed_by=None)
            continue
        due = opening(one.plan, one.position, lead.zones, to_ms(now))
        if due > to_ms(now):
            waiting = LeadState.WAITING.value
            _set_lead(connection, lead.lead_id, state=waiting, next_at_ms=due, claimed_by=None)
            continue
        kept.append(replace(lead, ring_limit_s=tactic.ring_s or 0.0))
    return kept


# --- calls ----------------------------------------------------------------------------------------

_ENDED_IN_STEP = (
    sa.select(attempts.c.lead_id, attempts.c.outcome, sa.func.count())
    .join(lead_steps, lead_steps.c.lead_id == attempts.c.lead_id)
    .where(
        attempts.c.lead_id.in_(bindparam("ids", expanding=True)),
        attempts.c.outcome.is_not(None),
        attempts.c.opened_ms >= lead_steps.c.entered_ms,
    )
    .group_by(attempts.c.lead_id, attempts.c.outcome)
)


def after_outcomes(
    connection: Connection, context: Context, closing: Sequence[Told]
) -> tuple[dict[int, NextStep], list[crm.Event]]:
    """What the strategies say after these attempts ended: by index, where a lead has one."""
    theirs = {
        known.id: name for name, known in context.campaigns.items() if known.strategy_id is not None
    }
    wanted = [one for one in closing if one.command.campaign in theirs.values()]
    found = standings(connection, context, [one.command.lead.lead_id for one in wanted])
    if not found:
        return {}, []
    ended: dict[int, dict[str, int]] = defaultdict(dict)
    for lead_id, outcome, count in connection.execute(_ENDED_IN_STEP, {"ids": list(found)}):
        ended[lead_id][outcome] = count
    steps: dict[int, NextStep] = {}
    happened: list[crm.Event] = []
    for i, one in enumerate(closing):
        standing = found.get(one.command.lead.lead_id)
        if standing is None:
            continue
        step, told = _after_outcome(connection, context, standing, one, ended[standing.lead_id])
        steps[i] = step
        happened += told
    return steps, happened


def _after_outcome(
    connection: Connection,
    context: Context,
    standing: Standing,
    one: Told,
    ended: Mapping[str, int],
) -> tuple[NextStep, list[crm.Event]]:
    command = one.command
    tactic = tactic_of(standing.plan, standing.position)
    bad = tactic is not None and tactic.rules[command.outcome].phone_bad
    called = command.lead.phone_id
    if bad:
        connection.execute(sa.update(phones).where(phones.c.id == called).values(bad=True))
        standing.numbers = [
            Number(n.id, n.phone, n.position, n.label, n.bad or n.id == called)
            for n in standing.numbers
        ]
    ordered = standing.ordered(standing.position)
    at = next((n for n, number in enumerate(ordered) if number.id == called), None)
    before = _order_with(standing, called)
    following = ordered[before] if before < len(ordered) else None
    tried = Tried(
        command.outcome,
        ended,
        last_phone=at == len(ordered) - 1 if at is not None else following is None,
        phone_left=bool(ordered),
    )
    position, actions = advance(standing.plan, standing.position, tried, one.at_ms)
    step = _as_left(position)
    for action in actions:
        match action:
            case Dial():
                due = opening(standing.plan, position, standing.zones, action.at_ms)
                step = NextStep(from_ms(due))
                turned = _turned(standing, position, action, called)
                if turned is not None:
                    _set_lead(connection, standing.lead_id, position=turned)
                if action.first_phone:
                    number = lane_id(connection, context, lane_for(standing.plan, position))
                    _set_lead(connection, standing.lead_id, lane_id=number)
            case Rest():
                step = NextStep(None, held=f"{RESTED}{action.why}")
            case Close():
                step = NextStep(None, _done_why(action.why), exhausted=action.exhausted)
    told = _keep(connection, standing, position, actions, f"call: {command.outcome}", one.at_ms)
    return step, told


def _order_with(standing: Standing, called: int) -> int:
    """How many good numbers stand before the one called, in the tactic's order: the next one's
    place when that is gone."""
    every = [Number(n.id, n.phone, n.position, n.label, False) for n in standing.numbers]
    order = [every[n] for n in in_order(standing.plan, standing.position, [n.label for n in every])]
    place = next((n for n, one in enumerate(order) if one.id == called), 0)
    good = {one.id for one in standing.ordered(standing.position)}
    return sum(one.id in good for one in order[:place])


def _turned(standing: Standing, position: Position, dial: Dial, called: int) -> int | None:
    """The number to call next, by its place in the lead; None: the one there is."""
    ordered = standing.ordered(position)
    if not ordered:
        return None
    if dial.first_phone:
        return ordered[0].position
    if not dial.next_phone:
        return None
    at = next((n for n, one in enumerate(ordered) if one.id == called), None)
    following = _order_with(standing, called) if at is None else at + 1
    return ordered[following % len(ordered)].position


def _as_left(position: Position) -> NextStep:
    """A lead whose strategy has nothing to say about a call stays where it was."""
    if position.phase is Phase.ENDED:
        return NextStep(None, _done_why(position.why))
    return NextStep(None, held=f"{RESTED}{position.why or position.phase.value}")


def _done_why(why: str) -> str:
    """As the store's other parts know it, where they ask."""
    return why if why == DO_NOT_CALL else f"{RESTED}{why}"


def after_words(
    connection: Connection,
    context: Context,
    said: Sequence[tuple[int, Disposed, int]],
) -> tuple[set[int], list[crm.Event]]:
    """Carry out agents' words (lead, word, moment); the leads that have a strategy."""
    found = standings(connection, context, {lead_id for lead_id, _, _ in said})
    happened: list[crm.Event] = []
    for lead_id, word, at_ms in said:
        standing = found.get(lead_id)
        if standing is not None:
            happened += _move(connection, context, standing, word, f"agent: {word.code}", at_ms)
    return set(found), happened


# --- what happens to accounts, and time -----------------------------------------------------------


def happened_to(
    connection: Connection,
    context: Context,
    lead_ids: Iterable[int],
    event: Happened,
    now: datetime,
) -> None:
    """Tell the strategies of some leads what happened; what the CRM must hear is put out."""
    for standing in standings(connection, context, lead_ids).values():
        told = _move(connection, context, standing, event, event.what.value, to_ms(now))
        context.tell_crm(connection, told)


def fields_changed(
    connection: Connection,
    context: Context,
    lead_id: int,
    fields: Mapping[str, str],
    now: datetime,
) -> None:
    """A lead's columns say something else now."""
    for standing in standings(connection, context, [lead_id]).values():
        event = Changed(standing.plan.values(fields))
        if dict(event.inputs) != dict(standing.position.inputs):
            standing.fields = fields
            told = _move(connection, context, standing, event, "fields", to_ms(now))
            context.tell_crm(connection, told)


def run_due(
    connection: Connection, context: Context, now: datetime, limit: int = STEPS_AT_ONCE
) -> int:
    """Move up to `limit` leads whose time has come, the longest due first; how many there were.

    Those on the line are left to their outcomes.
    """
    if not uses_strategies(context):
        return 0
    ours = [known.id for known in context.campaigns.values()]
    ids = connection.scalars(
        sa.select(lead_steps.c.lead_id)
        .join(leads, leads.c.id == lead_steps.c.lead_id)
        .where(
            lead_steps.c.due_ms <= to_ms(now),
            lead_steps.c.due_ms.is_not(None),  # as the partial index says it
            lead_steps.c.campaign_id.in_(ours),
            leads.c.state.not_in(_BUSY),
        )
        .order_by(lead_steps.c.due_ms)
        .limit(limit)
    ).all()
    for standing in standings(connection, context, ids).values():
        told = _move(connection, context, standing, Due(), "time", to_ms(now))
        context.tell_crm(connection, told)
    return len(ids)


def migrate(
    connection: Connection,
    context: Context,
    lead_ids: Sequence[int],
    strategy_id: int,
    now: datetime,
) -> int:
    """Place leads anew by another version; how many. Leads on the line are left out."""
    plan = plan_of(connection, context, strategy_id)
    moved = 0
    for standing in standings(connection, context, lead_ids).values():
        if standing.state in _BUSY:
            continue
        standing.plan, standing.strategy_id = plan, strategy_id
        position = standing.position
        values = plan.values(standing.fields)
        if position.phase is Phase.TASK:
            _close_task(connection, standing.lead_id, "another version of the strategy", now)
        standing.position = Position(Phase.EXCLUDED, position.account, values, boost=position.boost)
        told = _move(connection, context, standing, Placed(), "migrated", to_ms(now))
        context.tell_crm(connection, told)
        moved += 1
    return moved


def migrate_some(
    connection: Connection,
    context: Context,
    campaign: str,
    after: int,
    now: datetime,
    limit: int = STEPS_AT_ONCE,
) -> tuple[int, int]:
    """Move leads of older versions, and place those that have no strategy, beyond the lead `after`:
    how many, and the last one looked at; 0: there are no more."""
    known = context.campaigns[campaign]
    assert known.strategy_id is not None
    rows = connection.execute(
        sa.select(leads.c.id, lead_steps.c.strategy_id, lead_steps.c.phase)
        .join(lead_steps, lead_steps.c.lead_id == leads.c.id, isouter=True)
        .where(
            leads.c.campaign_id == known.id,
            leads.c.id > after,
            leads.c.state != LeadState.DONE.value,
        )
        .order_by(leads.c.id)
        .limit(limit)
    ).all()
    if not rows:
        return 0, 0
    older = [
        row.id
        for row in rows
        if row.strategy_id not in (None, known.strategy_id) and row.phase != Phase.ENDED.value
    ]
    moved = migrate(connection, context, older, known.strategy_id, now)
    moved += _place_late(
        connection, context, known.id, [row.id for row in rows if row.strategy_id is None], now
    )
    return moved, rows[-1].id


def _place_late(
    connection: Connection,
    context: Context,
    campaign_id: int,
    lead_ids: Sequence[int],
    now: datetime,
) -> int:
    """Begin the strategy of leads that came before their campaign had one."""
    placing = placing_of(context, campaign_id, now)
    if placing is None or not lead_ids:
        return 0
    numbers: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for row in connection.execute(
        sa.select(phones.c.lead_id, phones.c.phone, phones.c.label)
        .where(phones.c.lead_id.in_(lead_ids))
        .order_by(phones.c.position)
    ):
        numbers[row.lead_id].append((row.phone, row.label))
    placed = 0
    for row in connection.execute(
        sa.select(leads, zones.c.names.label("zones"))
        .join(zones, zones.c.id == leads.c.zone_id)
        .where(leads.c.id.in_(lead_ids), leads.c.state == LeadState.WAITING.value)
    ).all():
        if not numbers[row.id]:
            continue
        begins = placing.begin(
            NewLead(row.id, row.external_id or "", row.name, row.zones, row.fields, numbers[row.id])
        )
        values: dict[str, Any] = {
            "state": begins.state.value,
            "why": begins.why,
            "next_at_ms": max(row.next_at_ms, begins.next_at_ms),
            "position": begins.position,
            "lane_id": placing.lane_number(connection, context, begins.lane),
        }
        if begins.priority is not None:
            values["priority"] = begins.priority
        _set_lead(connection, row.id, **values)
        placed += 1
    placing.write(connection, context)
    return placed


def open_tasks(connection: Connection, context: Context, campaign: str) -> Sequence[Any]:
    """What there is to do, the most urgent first: id, account, queue, step, since, due."""
    return connection.execute(
        sa.select(
            strategy_tasks.c.id,
            leads.c.id.label("lead_id"),
            leads.c.external_id,
            strategy_tasks.c.queue,
            strategy_tasks.c.treatment,
            strategy_tasks.c.step,
            strategy_tasks.c.opened_ms,
            strategy_tasks.c.due_ms,
        )
        .join(leads, leads.c.id == strategy_tasks.c.lead_id)
        .where(
            strategy_tasks.c.campaign_id == context.campaigns[campaign].id,
            strategy_tasks.c.closed_ms.is_(None),
        )
        .order_by(strategy_tasks.c.due_ms)
        .limit(TASKS_MAX)
    ).all()


def finish_task(
    connection: Connection, context: Context, task_id: int, why: str, now: datetime
) -> bool:
    """Somebody did what there was to do: the lead goes on. False: no such task is open."""
    lead_id = connection.scalar(
        sa.select(strategy_tasks.c.lead_id).where(
            strategy_tasks.c.id == task_id, strategy_tasks.c.closed_ms.is_(None)
        )
    )
    if lead_id is None:
        return False
    for standing in standings(connection, context, [lead_id]).values():
        told = _move(connection, context, standing, TaskDone(why), "task", to_ms(now))
        context.tell_crm(connection, told)
    return True


# --- carrying out ---------------------------------------------------------------------------------


def _move(
    connection: Connection,
    context: Context,
    standing: Standing,
    event: Event,
    name: str,
    now_ms: int,
) -> list[crm.Event]:
    """Advance a lead that is not on the line, or is taken off it."""
    position, actions = advance(standing.plan, standing.position, event, now_ms)
    if position == standing.position and not actions:
        return []
    stopped = standing.lead_why.startswith(STOPPED) or standing.lead_why == DO_NOT_CALL
    for action in actions:
        match action:
            case Dial():
                paid = standing.lead_why == _PAYMENT and isinstance(event, Due)
                if paid:
                    _lift_payment(connection, standing)
                if (not stopped or paid) and standing.state not in _BUSY:
                    due = opening(standing.plan, position, standing.zones, action.at_ms)
                    values: dict[str, Any] = {
                        "state": LeadState.WAITING.value,
                        "why": "",
                        "next_at_ms": due,
                    }
                    turned = _turned(standing, position, action, -1)
                    if turned is not None:
                        values["position"] = turned
                    if action.first_phone:
                        lane = lane_for(standing.plan, position)
                        values["lane_id"] = lane_id(connection, context, lane)
                    if not standing.zones:  # not called by itself: people may decide on it
                        values |= {"state": LeadState.HELD.value, "why": UNKNOWN_ZONE}
                    _set_lead(connection, standing.lead_id, **values)
            case Rest() if not stopped:
                _set_lead(
                    connection,
                    standing.lead_id,
                    state=LeadState.HELD.value,
                    why=f"{RESTED}{action.why}",
                    claimed_by=None,
                )
            case Close() if not stopped:
                _set_lead(
                    connection,
                    standing.lead_id,
                    state=LeadState.DONE.value,
                    why=_done_why(action.why),
                    claimed_by=None,
                )
    return _keep(connection, standing, position, actions, name, now_ms)


def _keep(
    connection: Connection,
    standing: Standing,
    position: Position,
    actions: Sequence[Action],
    name: str,
    now_ms: int,
) -> list[crm.Event]:
    """Write the position, its log, tasks and priority down; what the CRM must hear."""
    connection.execute(
        _STEPPED,
        {
            "lead": standing.lead_id,
            "v_strategy_id": standing.strategy_id,
            "v_phase": position.phase.value,
            "v_segment": position.segment,
            "v_arm": position.arm,
            "v_treatment": position.treatment,
            "v_step": position.step,
            "v_why": position.why,
            "v_begun_ms": position.begun_ms,
            "v_entered_ms": position.entered_ms,
            "v_due_ms": position.due_ms,
            "v_attempts": position.attempts,
            "v_tries": position.tries,
            "v_round": position.round,
            "v_boost": position.boost,
            "v_inputs": dict(position.inputs),
        },
    )
    before = standing.position
    if (before.phase, before.treatment, before.step) != (
        position.phase,
        position.treatment,
        position.step,
    ):
        connection.execute(
            sa.insert(lead_step_log),
            {
                "lead_id": standing.lead_id,
                "at_ms": now_ms,
                "event": name,
                "phase": position.phase.value,
                "treatment": position.treatment,
                "step": position.step,
                "why": position.why,
            },
        )
    standing.position = position
    told: list[crm.Event] = []
    for action in actions:
        match action:
            case SetPriority():
                _set_lead(connection, standing.lead_id, priority=action.level)
            case CloseTask():
                _close_task(connection, standing.lead_id, action.why, from_ms(now_ms))
            case OpenTask():
                connection.execute(
                    sa.insert(strategy_tasks),
                    task_row(standing.lead_id, standing.campaign_id, position, action, now_ms),
                )
            case Tell():
                told.append(
                    step_event(
                        standing.campaign,
                        standing.part,
                        standing.plan,
                        position,
                        action,
                        from_ms(now_ms),
                    )
                )
    return told


def _set_lead(connection: Connection, lead_id: int, **values: Any) -> None:
    connection.execute(sa.update(leads).where(leads.c.id == lead_id).values(**values))


def _close_task(connection: Connection, lead_id: int, why: str, now: datetime) -> None:
    connection.execute(
        sa.update(strategy_tasks)
        .where(strategy_tasks.c.lead_id == lead_id, strategy_tasks.c.closed_ms.is_(None))
        .values(closed_ms=to_ms(now), why=why)
    )


def _lift_payment(connection: Connection, standing: Standing) -> None:
    """The strategy's hold after a payment is over: so is the CRM's."""
    sources = sa.select(lead_refs.c.source).where(
        lead_refs.c.campaign_id == standing.campaign_id,
        lead_refs.c.external_id == standing.external_id,
    )
    known = connection.scalars(sources).all()
    mine = [
        lead_stops.c.external_id == standing.external_id,
        lead_stops.c.kind == StopKind.PAYMENT.value,
    ]
    if known:
        mine.append(lead_stops.c.source.in_(known))
    connection.execute(sa.update(lead_stops).where(*mine).values(lifted=True))
