"""Dead letters, and sending again: what a person does about deliveries that ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.tables import DEAD, DELIVERED, PENDING, deliveries, events


@dataclass(frozen=True, slots=True)
class Selection:
    """Which deliveries. Every field that is set narrows the choice; times are those of events."""

    endpoint: str = ""
    ids: tuple[str, ...] = ()
    first_seq: int | None = None
    last_seq: int | None = None
    type: str = ""  # a name, or the beginning of names with a star: call.*
    since: datetime | None = None
    until: datetime | None = None
    delivered: bool = False  # what was delivered as well, not dead letters only

    def where(self) -> sa.ColumnElement[bool]:
        d, e = deliveries.c, events.c
        states = [DEAD, DELIVERED] if self.delivered else [DEAD]
        terms = [d.state.in_(states), *narrowed(endpoint=self.endpoint, type_=self.type)]
        if self.ids:
            terms.append(e.id.in_(self.ids))
        if self.first_seq is not None:
            terms.append(d.seq >= self.first_seq)
        if self.last_seq is not None:
            terms.append(d.seq <= self.last_seq)
        if self.since is not None:
            terms.append(e.at >= self.since.timestamp())
        if self.until is not None:
            terms.append(e.at < self.until.timestamp())
        return sa.and_(*terms)


def narrowed(*, endpoint: str, type_: str) -> list[sa.ColumnElement[bool]]:
    """Conditions for what is not empty; a type may be the beginning of names with a star."""
    terms: list[sa.ColumnElement[bool]] = []
    if endpoint:
        terms.append(deliveries.c.endpoint == endpoint)
    if type_.endswith("*"):
        terms.append(events.c.type.startswith(type_[:-1], autoescape=True))
    elif type_:
        terms.append(events.c.type == type_)
    return terms


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that ended, without what it said."""

    seq: int
    id: str
    type: str
    endpoint: str
    at: float
    attempts: int
    last_status: int | None
    last_error: str | None
    settled_at: float | None


def letters(connection: Connection, selection: Selection, *, limit: int = 100) -> list[Letter]:
    """The newest first."""
    d, e = deliveries.c, events.c
    rows = connection.execute(
        sa.select(
            d.seq, e.id, e.type, d.endpoint, e.at, d.attempts, d.last_status, d.last_error,
            d.settled_at,
        )
        .join(events, e.seq == d.seq)
        .where(selection.where())
        .order_by(d.seq.desc())
        .limit(limit)
    )  # fmt: skip
    return [Letter(*row) for row in rows]


def replay(connection: Connection, selection: Selection, now: float) -> int:
    """Put the chosen deliveries back at the start of their schedule; how many."""
    chosen: Sequence[int] = (
        (
            connection.execute(
                sa.select(deliveries.c.seq)
                .join(events, events.c.seq == deliveries.c.seq)
                .where(selection.where())
                .distinct()
            )
        )
        .scalars()
        .all()
    )
    count = 0
    states = [DEAD, DELIVERED] if selection.delivered else [DEAD]
    for first in range(0, len(chosen), _AT_ONCE):
        condition: sa.ColumnElement[bool] = deliveries.c.seq.in_(chosen[first : first + _AT_ONCE])
        if selection.endpoint:
            condition &= deliveries.c.endpoint == selection.endpoint
        result = connection.execute(
            sa.update(deliveries)
            .where(condition, deliveries.c.state.in_(states))
            .values(state=PENDING, attempts=0, owner=None, next_at=now)
        )
        count += result.rowcount
    return count


_AT_ONCE = 5000  # numbers in one statement; SQLite and PostgreSQL allow some 32,000
