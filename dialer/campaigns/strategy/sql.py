"""Predicates and priorities as SQL, for SQLite and PostgreSQL: the second compiler.

`column` is the JSON column of a lead's values (`lead_steps.inputs`), as `values_of` made them:
whole numbers and folded text, so nothing is parsed in the database and nothing can fail there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any

import sqlalchemy as sa

from dialer.campaigns.lead import PRIORITY_MAX
from dialer.campaigns.strategy.predicate import Predicate, operands
from dialer.campaigns.strategy.score import LEVELS, Priority, Term, factor, millionths
from dialer.campaigns.strategy.values import Input, Kind

Column = sa.ColumnElement[Any]
Condition = sa.ColumnElement[bool]


def value_of(column: Any, name: str, of: Input, today: int) -> Column:
    """An input's value as predicates see it; NULL: not known."""
    text: Column = column[name].as_string()
    if of.type.textual:
        return text
    number = sa.cast(text, sa.BigInteger)
    if of.type is Kind.DAYS_SINCE:
        return sa.literal(today, sa.BigInteger) - number
    return number


def clause(test: Predicate, inputs: Mapping[str, Input], column: Any, today: int) -> Condition:
    """The test in SQL's own three values: NULL is unknown."""
    if test.always is not None:
        return sa.literal(1) == sa.literal(1 if test.always else 0)
    if test.all_ is not None:
        return sa.and_(*(clause(one, inputs, column, today) for one in test.all_))
    if test.any_ is not None:
        return sa.or_(*(clause(one, inputs, column, today) for one in test.any_))
    if test.not_ is not None:
        return sa.not_(clause(test.not_, inputs, column, today).self_group())
    assert test.f is not None
    of = inputs[test.f]
    return _compared(test, of, value_of(column, test.f, of, today))


def _compared(test: Predicate, of: Input, value: Column) -> Condition:
    if test.known is not None:
        return value.is_not(None) if test.known else value.is_(None)
    kind: Any = sa.Text if of.type.textual else sa.BigInteger
    with_ = [sa.literal(one, kind) for one in operands(test, of)]
    match test.comparison:
        case "eq":
            return value == with_[0]
        case "ne":
            return value != with_[0]
        case "lt":
            return value < with_[0]
        case "lte":
            return value <= with_[0]
        case "gt":
            return value > with_[0]
        case "gte":
            return value >= with_[0]
        case "between":
            return sa.and_(value >= with_[0], value <= with_[1])
        case "in":
            return sa.or_(*(value == one for one in with_))
        case "starts":
            length = len(str(operands(test, of)[0]))
            return sa.func.substr(value, 1, sa.literal(length, sa.Integer)) == with_[0]
        case _:  # contains; LIKE would not heed case alike on the two
            return sa.func.replace(value, with_[0], sa.literal("", sa.Text)) != value


def matching(test: Predicate, inputs: Mapping[str, Input], column: Any, today: int) -> Condition:
    """Whether a lead is meant, never NULL: unknown is no."""
    found = clause(test, inputs, column, today)
    return sa.case((found, sa.literal(1)), else_=sa.literal(0)) == 1


def first_of(
    tests: Sequence[tuple[str, Predicate]], inputs: Mapping[str, Input], column: Any, today: int
) -> Column:
    """The name of the first test that matches, or ""."""
    if not tests:
        return sa.literal("", sa.Text)
    arms = [
        (clause(test, inputs, column, today), sa.literal(name, sa.Text)) for name, test in tests
    ]
    return sa.case(*arms, else_=sa.literal("", sa.Text))


def level_of(priority: Priority, inputs: Mapping[str, Input], column: Any, today: int) -> Column:
    """The level of priority, as `score.level` has it."""
    total = reduce(add, (_term(one, inputs, column, today) for one in priority.terms))
    low, high = millionths(priority.low), millionths(priority.high)
    return sa.case(
        (total <= _big(low), _big(0)),
        (total >= _big(high), _big(PRIORITY_MAX)),
        # The operator as it stands: SQLAlchemy makes division that keeps fractions of `/`. Both
        # databases cut towards zero, and here all is above it.
        else_=((total - _big(low)) * _big(LEVELS)).op("/", return_type=sa.BigInteger())(
            _big(high - low)
        ),
    )


def _term(term: Term, inputs: Mapping[str, Input], column: Any, today: int) -> Column:
    if term.when is not None:
        assert term.add is not None
        found = clause(term.when, inputs, column, today)
        return sa.case((found, _big(millionths(term.add))), else_=_big(0))
    assert term.f is not None
    of = inputs[term.f]
    value = value_of(column, term.f, of, today)
    clamp, times = factor(term, of)
    made = _between(value, -clamp, clamp) * _big(times)
    least = None if term.least is None else millionths(term.least)
    most = None if term.most is None else millionths(term.most)
    return sa.func.coalesce(_between(made, least, most), _big(0))


def _between(value: Column, least: int | None, most: int | None) -> Column:
    """NULL stays NULL."""
    arms = []
    if most is not None:
        arms.append((value > _big(most), _big(most)))
    if least is not None:
        arms.append((value < _big(least), _big(least)))
    return sa.case(*arms, else_=value) if arms else value


def _big(number: int) -> Column:
    return sa.literal(number, sa.BigInteger)
