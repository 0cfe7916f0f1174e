"""Strategies as the store keeps them: versions, where leads begin, and moves between versions.

A lead keeps the version it was placed by. A campaign whose file has changed places new leads by the
new version; those that are under way stay, until somebody says otherwise (`migrate`).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.strategy.model import Channel
from dialer.campaigns.strategy.place import Strategy, from_body
from dialer.campaigns.strategy.sql import first_of
from dialer.campaigns.strategy.steps import (
    Action,
    Close,
    Dial,
    OpenTask,
    Placed,
    Position,
    Rest,
    SetPriority,
    Tell,
    advance,
    tactic_of,
)
from dialer.campaigns.strategy.values import Values, today_of
from dialer.store.bulk import insert_rows
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.lanes import lane_id
from dialer.store.policy import Lane
from dialer.store.schema import (
    RESTED,
    LeadState,
    Phase,
    lead_steps,
    leads,
    strategies,
    strategy_tasks,
)

STEP_COLUMNS = (
    *("lead_id", "campaign_id", "strategy_id", "phase", "segment", "arm", "treatment", "step"),
    *("why", "begun_ms", "entered_ms", "due_ms", "attempts", "tries", "round", "boost", "inputs"),
)


# --- versions -------------------------------------------------------------------------------------


def register(
    connection: Connection,
    context: Context,
    campaign_id: int,
    strategy: Strategy | None,
    now: datetime,
) -> int | None:
    """Keep this version; its id, by which new leads of the campaign are placed."""
    if strategy is None:
        return None
    here = (strategies.c.campaign_id == campaign_id) & (strategies.c.version == strategy.version)
    connection.execute(
        context.insert(strategies).on_conflict_do_nothing(),
        {
            "campaign_id": campaign_id,
            "name": strategy.name,
            "version": strategy.version,
            "body": dict(strategy.body),
            "since_ms": to_ms(now),
        },
    )
    found: int = connection.execute(sa.select(strategies.c.id).where(here)).scalar_one()
    context.plans[found] = strategy
    return found


def plan_of(connection: Connection, context: Context, strategy_id: int) -> Strategy:
    """The very version a lead is in, whoever placed it."""
    known = context.plans.get(strategy_id)
    if known is None:
        body = connection.execute(
            sa.select(strategies.c.body).where(strategies.c.id == strategy_id)
        ).scalar_one()
        known = context.plans[strategy_id] = from_body(body)
    return known


# --- where leads begin ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class NewLead:
    """A lead that is being made. `numbers` as (E.164, label), in the list's order."""

    lead_id: int
    external_id: str
    name: str
    zones: str
    fields: Mapping[str, str]
    numbers: Sequence[tuple[str, str]]

    @property
    def account(self) -> str:
        """What the split hashes: the CRM's id, else the first number, which a new import brings
        again."""
        return self.external_id or self.numbers[0][0]


@dataclass(frozen=True, slots=True)
class Beginning:
    """How a new lead is written down. `priority` None: as the list says."""

    state: LeadState
    why: str
    priority: int | None
    next_at_ms: int
    position: int
    lane: Lane


@dataclass(slots=True)
class Placing:
    """Places new leads of one campaign; `write` keeps what it placed, after the leads are there."""

    campaign: str
    campaign_id: int
    strategy_id: int
    plan: Strategy
    now: datetime
    _lanes: dict[Lane, int] = field(default_factory=dict)
    _steps: list[tuple[Any, ...]] = field(default_factory=list)
    _tasks: list[dict[str, Any]] = field(default_factory=list)
    _events: list[crm.Event] = field(default_factory=list)

    def begin(self, lead: NewLead) -> Beginning:
        now_ms = to_ms(self.now)
        fresh = Position(Phase.EXCLUDED, lead.account, self.plan.values(lead.fields))
        position, actions = advance(self.plan, fresh, Placed(), now_ms)
        self._steps.append(
            step_row(lead.lead_id, self.campaign_id, self.strategy_id, position, json.dumps)
        )
        state, why, priority, next_at_ms, first = LeadState.HELD, "", None, now_ms, 0
        for one in actions:
            match one:
                case Dial():
                    state, why = LeadState.WAITING, ""
                    next_at_ms = opening(self.plan, position, lead.zones, one.at_ms)
                    labels = [label for _, label in lead.numbers]
                    first = next(iter(in_order(self.plan, position, labels)), 0)
                case Rest():
                    state, why = LeadState.HELD, f"{RESTED}{one.why}"
                case Close():
                    state, why = LeadState.DONE, f"{RESTED}{one.why}"
                case SetPriority():
                    priority = one.level
                case OpenTask():
                    self._tasks.append(
                        task_row(lead.lead_id, self.campaign_id, position, one, now_ms)
                    )
                case Tell():
                    part = crm.LeadPart(
                        lead.lead_id,
                        lead.numbers[0][0],
                        lead.external_id,
                        lead.name,
                        lead.fields,
                    )
                    self._events.append(
                        step_event(self.campaign, part, self.plan, position, one, self.now)
                    )
        lane = lane_for(self.plan, position)
        return Beginning(state, why, priority, next_at_ms, first, lane)

    def lane_number(self, connection: Connection, context: Context, lane: Lane) -> int:
        """The lane's number in this transaction, in which it may have been made."""
        if lane not in self._lanes:
            self._lanes[lane] = lane_id(connection, context, lane)
        return self._lanes[lane]

    def write(self, connection: Connection, context: Context) -> None:
        insert_rows(connection, lead_steps, STEP_COLUMNS, self._steps)
        if self._tasks:
            connection.execute(sa.insert(strategy_tasks), self._tasks)
        context.tell_crm(connection, self._events)
        self._steps, self._tasks, self._events = [], [], []


def placing_of(context: Context, campaign_id: int, now: datetime) -> Placing | None:
    """None: the campaign has no strategy, and its leads begin as the list says."""
    for name, known in context.campaigns.items():
        if known.id == campaign_id and known.strategy_id is not None:
            plan = context.plans[known.strategy_id]
            return Placing(name, campaign_id, known.strategy_id, plan, now)
    return None


def step_row(
    lead_id: int, campaign_id: int, strategy_id: int, position: Position, as_json: Any
) -> tuple[Any, ...]:
    """In the order of `STEP_COLUMNS`."""
    return (
        lead_id,
        campaign_id,
        strategy_id,
        position.phase.value,
        position.segment,
        position.arm,
        position.treatment,
        position.step,
        position.why,
        position.begun_ms,
        position.entered_ms,
        position.due_ms,
        position.attempts,
        position.tries,
        position.round,
        position.boost,
        as_json(dict(position.inputs)),
    )


def position_of(row: Any, account: str) -> Position:
    inputs: Values = row.inputs
    return Position(
        Phase(row.phase),
        account,
        inputs,
        row.segment,
        row.arm,
        row.treatment,
        row.step,
        row.step_why,
        row.begun_ms,
        row.entered_ms,
        row.due_ms,
        row.attempts_in_treatment,
        row.tries,
        row.round,
        row.boost,
    )


def task_row(
    lead_id: int, campaign_id: int, position: Position, task: OpenTask, now_ms: int
) -> dict[str, Any]:
    return {
        "campaign_id": campaign_id,
        "lead_id": lead_id,
        "treatment": position.treatment,
        "step": task.step,
        "queue": task.queue,
        "opened_ms": now_ms,
        "due_ms": task.due_ms,
        "why": "",
    }


def step_event(
    campaign: str,
    lead: crm.LeadPart,
    plan: Strategy,
    position: Position,
    tell: Tell,
    at: datetime,
) -> crm.Event:
    return crm.strategy_step(
        campaign,
        lead,
        at,
        strategy=plan.name,
        segment=position.segment,
        arm=position.arm,
        treatment=position.treatment,
        step=tell.step,
        action=tell.action,
        template=tell.template,
    )


def lane_for(plan: Strategy, position: Position) -> Lane:
    """How the position's step wants its leads to go."""
    treatment = plan.file.treatments.get(position.treatment)
    if treatment is None or position.step not in treatment.by_id:
        return Lane()
    step = treatment.steps[treatment.by_id[position.step]]
    if step.channel is not Channel.VOICE:
        return Lane()
    return Lane("" if step.mode is None else step.mode.value, step.queue or "", step.skills)


def in_order(plan: Strategy, position: Position, labels: Sequence[str]) -> list[int]:
    """Places of the numbers of these labels in the order of the position's tactic; numbers it does
    not call are left out."""
    tactic = tactic_of(plan, position)
    if tactic is None:
        return list(range(len(labels)))
    ranked = [(tactic.rank(label), n) for n, label in enumerate(labels)]
    return [n for _, n in sorted((rank, n) for rank, n in ranked if rank is not None)]


def opening(plan: Strategy, position: Position, zones: str, at_ms: int) -> int:
    """The first moment from then on within the tactic's own hours; without hours, then."""
    tactic = tactic_of(plan, position)
    window = None if tactic is None else tactic.window
    if window is None or not zones:
        return at_ms
    opens = window.next_open(zones, from_ms(at_ms))
    return at_ms if opens is None else to_ms(opens)


# --- moves between versions -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Change:
    """What a new version would move: leads of older versions by segment, old and new."""

    leads: int
    unplaced: int  # leads that came before the campaign had a strategy
    moved: Mapping[tuple[str, str], int]  # (segment, segment of the new version) -> leads

    @property
    def changing(self) -> int:
        return sum(count for (old, new), count in self.moved.items() if old != new)


def older(campaign_id: int, strategy_id: int) -> tuple[sa.ColumnElement[bool], ...]:
    """Leads under way in another version."""
    return (
        lead_steps.c.campaign_id == campaign_id,
        lead_steps.c.strategy_id != strategy_id,
        lead_steps.c.phase != Phase.ENDED.value,
    )


def preview(
    connection: Connection, plan: Strategy, campaign_id: int, strategy_id: int, now: datetime
) -> Change:
    """Counted in the database, by the values that were read at the placing: exclusions count as the
    segment "". An input the older version did not have is not known there."""
    today = today_of(now.date())
    file = plan.file
    named = [("", one.when) for one in file.exclude] + [(one.id, one.when) for one in file.segments]
    new = first_of(named, file.inputs, lead_steps.c.inputs, today).label("new")
    moved: Counter[tuple[str, str]] = Counter()
    for old, to, count in connection.execute(
        sa.select(lead_steps.c.segment, new, sa.func.count())
        .where(*older(campaign_id, strategy_id))
        .group_by(sa.text("1, 2"))
    ):
        moved[old, to] += count
    unplaced = connection.scalar(
        sa.select(sa.func.count())
        .select_from(leads.join(lead_steps, lead_steps.c.lead_id == leads.c.id, isouter=True))
        .where(
            leads.c.campaign_id == campaign_id,
            leads.c.state == LeadState.WAITING.value,
            lead_steps.c.lead_id.is_(None),
        )
    )
    return Change(sum(moved.values()), int(unplaced or 0), moved)


__all__ = [
    "Action",
    "Beginning",
    "Change",
    "NewLead",
    "Placing",
    "in_order",
    "opening",
    "placing_of",
    "plan_of",
    "position_of",
    "preview",
    "register",
    "step_event",
    "step_row",
    "task_row",
]
