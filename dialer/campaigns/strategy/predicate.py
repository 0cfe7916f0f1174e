"""Predicates as data, and what they say of a lead. Pure.

Three values: true, false, and unknown (None). A comparison with a value that is not known is
unknown; `all`, `any` and `not` follow Kleene, as SQL does: false wins in `all`, true wins in
`any`, `not` of unknown is unknown. At the end, unknown counts as *not matching*: a lead of unknown
age is in no segment of the old. `known` asks for it and is never unknown.

`dialer.campaigns.strategy.sql` compiles the same predicates to SQL; property tests hold the two
equal.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from dialer.campaigns.strategy.values import Input, Kind, LiteralError, Value, Values, literal
from dialer.campaigns.units import Part

Scalar = bool | int | float | str
COMPARISONS = ("eq", "ne", "lt", "lte", "gt", "gte", "between", "in", "known", "starts", "contains")
_ORDERING = frozenset({"lt", "lte", "gt", "gte", "between"})


class Predicate(Part):
    """One comparison of an input (`f`), or several tests joined. `true` matches everybody."""

    model_config = ConfigDict(populate_by_name=True, json_schema_extra={"minProperties": 1})

    always: bool | None = Field(default=None, description="true: everybody; false: nobody.")
    all_: tuple[When, ...] | None = Field(default=None, alias="all", min_length=1)
    any_: tuple[When, ...] | None = Field(default=None, alias="any", min_length=1)
    not_: When | None = Field(default=None, alias="not")
    f: str | None = Field(default=None, description="The name of an input.")
    eq: Scalar | None = None
    ne: Scalar | None = None
    lt: Scalar | None = None
    lte: Scalar | None = None
    gt: Scalar | None = None
    gte: Scalar | None = None
    between: tuple[Scalar, Scalar] | None = Field(default=None, description="Both ends included.")
    in_: tuple[Scalar, ...] | None = Field(default=None, alias="in", min_length=1, max_length=500)
    known: bool | None = None
    starts: str | None = Field(default=None, description="Text begins so; case does not count.")
    contains: str | None = Field(default=None, description="Text has this in it.")

    @model_validator(mode="after")
    def _one_shape(self) -> Predicate:
        shapes = [self.always, self.all_, self.any_, self.not_, self.f]
        if sum(one is not None for one in shapes) != 1:
            raise ValueError("is `true`, or has one of: f with a comparison, all, any, not")
        asked = [name for name in COMPARISONS if self.operand(name) is not None]
        if (self.f is None) != (not asked):
            raise ValueError(f"f and a comparison go together; there are: {', '.join(COMPARISONS)}")
        if len(asked) > 1:
            raise ValueError(f"one comparison each: join {' and '.join(asked)} by all: [...]")
        return self

    def operand(self, name: str) -> Any:
        return self.in_ if name == "in" else getattr(self, name)

    @property
    def comparison(self) -> str:
        return next(name for name in COMPARISONS if self.operand(name) is not None)


def _plain(value: object) -> object:
    return {"always": value} if isinstance(value, bool) else value


When = Annotated[Predicate, BeforeValidator(_plain, json_schema_input_type=Predicate | bool)]
Predicate.model_rebuild()


@dataclass(frozen=True, slots=True)
class Facts:
    """What predicates are asked of: a lead's values, and the day."""

    inputs: Mapping[str, Input]
    values: Values
    today: int


def faults(
    test: Predicate, inputs: Mapping[str, Input]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """What is wrong with a test: where in it, and the mend. Nothing else may be evaluated."""
    for name, parts in (("all", test.all_), ("any", test.any_)):
        for n, part in enumerate(parts or ()):
            for where, text in faults(part, inputs):
                yield (name, n, *where), text
    if test.not_ is not None:
        for where, text in faults(test.not_, inputs):
            yield ("not", *where), text
    if test.f is None:
        return
    of = inputs.get(test.f)
    if of is None:
        known = ", ".join(sorted(inputs)) or "none yet"
        yield ("f",), f"there is no input {test.f}; inputs has: {known}"
        return
    name = test.comparison
    if name in _ORDERING and not of.type.ordered:
        yield (name,), f"{test.f} is {of.type.value}, which has no order: use eq, ne or in"
        return
    if name in ("starts", "contains") and of.type is not Kind.TEXT:
        yield (name,), f"{test.f} is {of.type.value}, not text: use another comparison"
        return
    try:
        low_high = operands(test, of)
    except LiteralError as error:
        yield (name,), f"{test.f} is {of.type.value} and {error}"
        return
    if name == "between" and low_high[0] > low_high[1]:  # type: ignore[operator]  # both whole
        yield (name,), "the first number is the smaller one"


def operands(test: Predicate, of: Input) -> Sequence[Value]:
    """The constants of a comparison as values. Raises `LiteralError`."""
    name = test.comparison
    given = test.operand(name)
    if name == "known":
        return ()
    if name in ("in", "between"):
        return [literal(of, one) for one in given]
    return [literal(of, given)]


Asked = Callable[[Values, int], bool | None]  # of a lead's values and the day; None: unknown


def compiled(test: Predicate, inputs: Mapping[str, Input]) -> Asked:
    """A test as a function, its constants read once: the first compiler."""
    if (always := test.always) is not None:
        return lambda _values, _today: always
    if test.all_ is not None:
        return _all([compiled(one, inputs) for one in test.all_])
    if test.any_ is not None:
        return _any([compiled(one, inputs) for one in test.any_])
    if test.not_ is not None:
        return _not(compiled(test.not_, inputs))
    assert test.f is not None
    return _compared(test, test.f, inputs[test.f])


def _all(parts: Sequence[Asked]) -> Asked:
    def ask(values: Values, today: int) -> bool | None:
        found: bool | None = True
        for part in parts:
            one = part(values, today)
            if one is False:
                return False
            if one is None:
                found = None
        return found

    return ask


def _any(parts: Sequence[Asked]) -> Asked:
    def ask(values: Values, today: int) -> bool | None:
        found: bool | None = False
        for part in parts:
            one = part(values, today)
            if one is True:
                return True
            if one is None:
                found = None
        return found

    return ask


def _not(part: Asked) -> Asked:
    def ask(values: Values, today: int) -> bool | None:
        one = part(values, today)
        return None if one is None else not one

    return ask


_BY: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, given: bool(value == given[0]),
    "ne": lambda value, given: bool(value != given[0]),
    "lt": lambda value, given: bool(value < given[0]),
    "lte": lambda value, given: bool(value <= given[0]),
    "gt": lambda value, given: bool(value > given[0]),
    "gte": lambda value, given: bool(value >= given[0]),
    "between": lambda value, given: bool(given[0] <= value <= given[1]),
    "in": lambda value, given: value in given,
    "starts": lambda value, given: bool(value.startswith(given[0])),
    "contains": lambda value, given: given[0] in value,
}


def _compared(test: Predicate, name: str, of: Input) -> Asked:
    if (wanted := test.known) is not None:
        return lambda values, _today: (values.get(name) is not None) is wanted
    by, given, since = _BY[test.comparison], operands(test, of), of.type is Kind.DAYS_SINCE

    def ask(values: Values, today: int) -> bool | None:
        value: Any = values.get(name)
        if value is None:
            return None
        return by(today - value if since else value, given)

    return ask


def holds(test: Predicate, facts: Facts) -> bool | None:
    """Whether a test holds; None: unknown."""
    return compiled(test, facts.inputs)(facts.values, facts.today)


def matches(test: Predicate, facts: Facts) -> bool:
    """Whether a lead is meant: unknown is no."""
    return holds(test, facts) is True


def leaves(test: Predicate) -> Iterator[Predicate]:
    """The comparisons in a test."""
    for part in (*(test.all_ or ()), *(test.any_ or ()), *((test.not_,) if test.not_ else ())):
        yield from leaves(part)
    if test.f is not None:
        yield test


def in_words(test: Predicate) -> str:
    """A test for people, as the file says it."""
    if test.always is not None:
        return "true" if test.always else "false"
    if test.all_ is not None:
        return "(" + " and ".join(in_words(one) for one in test.all_) + ")"
    if test.any_ is not None:
        return "(" + " or ".join(in_words(one) for one in test.any_) + ")"
    if test.not_ is not None:
        return f"not {in_words(test.not_)}"
    name = test.comparison
    given = test.operand(name)
    shown = ", ".join(str(one) for one in given) if isinstance(given, tuple) else str(given)
    return f"{test.f} {name} {shown.lower() if isinstance(given, bool) else shown}"
