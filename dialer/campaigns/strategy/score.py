"""The priority of a lead: a sum of terms, and the store's level it means. Pure.

Whole numbers throughout, so that Python and SQL agree to the last digit: a term is reckoned in
millionths of a point. An input whose value is not known adds nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated

from pydantic import Field, model_validator

from dialer.campaigns.lead import PRIORITY_MAX
from dialer.campaigns.strategy.predicate import Facts, When, compiled, faults
from dialer.campaigns.strategy.values import Input, Kind, Values, seen
from dialer.campaigns.units import Part

LEVELS = PRIORITY_MAX + 1
_POINT = 10**6  # millionths
# Beyond these a value counts as this much: products stay within 64 bits.
MONEY_CLAMP = 10**9  # cents
NUMBER_CLAMP = 10**7

Points = Annotated[float, Field(ge=-1_000_000, le=1_000_000)]


class Term(Part):
    """`times` an input (money in whole units), between `least` and `most` points; or `add` points
    `when` a test holds."""

    f: str | None = None
    times: Annotated[float, Field(ge=-1000, le=1000)] | None = None
    least: Points | None = None
    most: Points | None = None
    when: When | None = None
    add: Points | None = None

    @model_validator(mode="after")
    def _one_shape(self) -> Term:
        if (self.f is None) != (self.times is None) or (self.when is None) != (self.add is None):
            raise ValueError("is {f, times} or {when, add}")
        if (self.f is None) == (self.when is None):
            raise ValueError("is {f, times} or {when, add}, one of them")
        if self.f is None and (self.least is not None or self.most is not None):
            raise ValueError("least and most bound {f, times}")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError("least is not above most")
        for name in ("times",):
            if (given := getattr(self, name)) is not None and _scaled(given, 4) is None:
                raise ValueError(f"{name} has four decimals at most")
        for name in ("least", "most", "add"):
            if (given := getattr(self, name)) is not None and _scaled(given, 6) is None:
                raise ValueError(f"{name} has six decimals at most")
        return self


class Priority(Part):
    """The sum of `terms` on the levels 0 to 9: `low` and less is 0, `high` and more is 9."""

    terms: tuple[Term, ...] = Field(min_length=1, max_length=20)
    low: Points = 0.0
    high: Points = 100.0

    @model_validator(mode="after")
    def _wide(self) -> Priority:
        if self.low >= self.high:
            raise ValueError("low is below high")
        if _scaled(self.low, 6) is None or _scaled(self.high, 6) is None:
            raise ValueError("low and high have six decimals at most")
        return self


def _scaled(given: float, decimals: int) -> int | None:
    exact = Decimal(str(given)) * 10**decimals
    return int(exact) if exact == exact.to_integral_value() else None


def millionths(points: float) -> int:
    found = _scaled(points, 6)
    assert found is not None, "checked when the strategy was read"
    return found


def factor(term: Term, of: Input) -> tuple[int, int]:
    """What a term's value is clamped to, and times what it is millionths of a point."""
    assert term.times is not None
    scaled = _scaled(term.times, 4)
    assert scaled is not None, "checked when the strategy was read"
    if of.type is Kind.MONEY:
        return MONEY_CLAMP, scaled  # cents x ten-thousandths = millionths of a unit
    return NUMBER_CLAMP, scaled * 100


def priority_faults(
    priority: Priority, inputs: Mapping[str, Input]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    for n, term in enumerate(priority.terms):
        if term.when is not None:
            for where, text in faults(term.when, inputs):
                yield ("terms", n, "when", *where), text
        elif term.f is None or term.f not in inputs:
            known = ", ".join(sorted(inputs)) or "none yet"
            yield ("terms", n, "f"), f"there is no input {term.f}; inputs has: {known}"
        elif inputs[term.f].type not in (Kind.MONEY, Kind.INTEGER, Kind.DAYS_SINCE, Kind.BOOLEAN):
            kind = inputs[term.f].type.value
            yield ("terms", n, "f"), f"{term.f} is {kind}, which cannot be multiplied"


def points(priority: Priority, facts: Facts) -> list[int]:
    """Each term's millionths of a point."""
    return [_term(one, facts.inputs)(facts.values, facts.today) for one in priority.terms]


def _term(term: Term, inputs: Mapping[str, Input]) -> Callable[[Values, int], int]:
    if term.when is not None:
        assert term.add is not None
        asked, add = compiled(term.when, inputs), millionths(term.add)
        return lambda values, today: add if asked(values, today) is True else 0
    name = term.f
    assert name is not None
    of = inputs[name]
    clamp, times = factor(term, of)
    least = None if term.least is None else millionths(term.least)
    most = None if term.most is None else millionths(term.most)

    def reckon(values: Values, today: int) -> int:
        value = seen(of, values.get(name), today)
        if value is None:
            return 0
        made = max(-clamp, min(clamp, int(value))) * times
        if least is not None and made < least:
            made = least
        if most is not None and made > most:
            made = most
        return made

    return reckon


def level_by(priority: Priority, inputs: Mapping[str, Input]) -> Callable[[Values, int], int]:
    """The store's level of priority, 0 to 9, as a function of a lead's values and the day."""
    terms = [_term(one, inputs) for one in priority.terms]
    low, high = millionths(priority.low), millionths(priority.high)

    def reckon(values: Values, today: int) -> int:
        total = sum(term(values, today) for term in terms)
        if total <= low:
            return 0
        if total >= high:
            return PRIORITY_MAX
        return (total - low) * LEVELS // (high - low)

    return reckon


def level(priority: Priority, facts: Facts) -> int:
    """The level of one lead."""
    return level_by(priority, facts.inputs)(facts.values, facts.today)
