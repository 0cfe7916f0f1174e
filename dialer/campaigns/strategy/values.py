"""What a list's columns say, read once into values that Python and SQL compare alike. Pure.

A value is a whole number, a text, or None. Money is a whole number of cents, a day is its number
since 1970-01-01, yes and no are 1 and 0; text is folded (NFKC, no case, no space around it), so
that `Card` in a list equals `card` in a strategy. What does not read as its type is None, as is
what is not there: a strategy says by `required` or `known` what becomes of such leads.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field, model_validator

from dialer.campaigns.units import Part

Value = int | str | None
Values = Mapping[str, Value]

WHOLE_MAX = 10**15  # beyond it a number is a mistake, and sums would leave 64 bits
TEXT_MAX = 400  # characters; a longer text is no attribute of an account
_EPOCH = date(1970, 1, 1)
_WHOLE = re.compile(r"[+-]?\d{1,16}\Z", re.ASCII)
_DECIMAL = re.compile(r"[+-]?\d{1,14}(\.\d{1,6})?\Z", re.ASCII)
_DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})(?:[T ].*)?\Z", re.ASCII)
_DMY = re.compile(r"(\d{1,2})[./-](\d{1,2})[./-](\d{4})\Z", re.ASCII)
_YES = frozenset({"1", "true", "yes", "y", "t", "ja", "oui", "si", "sí"})
_NO = frozenset({"0", "false", "no", "n", "f", "nein", "non"})


class Kind(StrEnum):
    """The types an input may have."""

    MONEY = "money"
    INTEGER = "integer"
    DATE = "date"
    DAYS_SINCE = "days_since"  # a date, seen as whole days from it until today (UTC)
    TEXT = "text"
    ENUM = "enum"
    BOOLEAN = "boolean"

    @property
    def textual(self) -> bool:
        return self in (Kind.TEXT, Kind.ENUM)

    @property
    def ordered(self) -> bool:
        """Whether one value of it is less than another."""
        return self in (Kind.MONEY, Kind.INTEGER, Kind.DATE, Kind.DAYS_SINCE)


InputName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class Input(Part):
    """A typed field, and the column of the list it comes from (case does not count)."""

    type: Kind
    column: str = Field(default="", max_length=200, description="Its own name, when left out.")
    values: tuple[str, ...] = Field(default=(), description="Of an enum: all there are.")
    default: str | int | float | bool | None = Field(
        default=None, description="Taken when the column is empty or does not read as the type."
    )
    required: bool = Field(default=False, description="A lead without it is excluded.")
    decimal: Literal[".", ","] = Field(default=".", description="Of money: what parts the cents.")
    order: Literal["ymd", "dmy", "mdy"] = Field(default="ymd", description="Of dates.")

    @model_validator(mode="after")
    def _fits(self) -> Input:
        if (self.type is Kind.ENUM) != bool(self.values):
            raise ValueError("values: an enum has values, and nothing else has")
        if self.default is not None:
            if self.required:
                raise ValueError("default: an input with a default is never missing: drop required")
            if self.type is Kind.DAYS_SINCE:
                raise ValueError("default: days go on counting: ask `known: false` instead")
            literal(self, self.default)
        return self

    @cached_property
    def folded(self) -> frozenset[str | None]:
        """Of an enum: its values as they are compared."""
        return frozenset(fold(one) for one in self.values)

    @cached_property
    def otherwise(self) -> Value:
        """The default as a value."""
        return None if self.default is None else literal(self, self.default)


class LiteralError(ValueError):
    """A constant does not fit the type it is compared with."""


def fold(text: str) -> str | None:
    """Text as it is compared; None for none, for what is too long, and for what no database keeps
    (NUL, lone surrogates)."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    folded = unicodedata.normalize("NFKC", folded).strip()
    if not folded or len(folded) > TEXT_MAX or "\0" in folded:
        return None
    if any("\ud800" <= sign <= "\udfff" for sign in folded):
        return None
    return folded


def read(of: Input, text: str) -> Value:
    """The value of a cell, the default aside."""
    plain = text.strip()
    match of.type:
        case Kind.TEXT:
            return fold(plain)
        case Kind.ENUM:
            folded = fold(plain)
            return folded if folded in of.folded else None
        case Kind.INTEGER:
            return _whole(plain)
        case Kind.MONEY:
            return _cents(plain, of.decimal)
        case Kind.DATE | Kind.DAYS_SINCE:
            return _day(plain, of.order)
        case Kind.BOOLEAN:
            word = plain.casefold()
            return 1 if word in _YES else 0 if word in _NO else None


def literal(of: Input, given: object) -> Value:
    """A constant of the strategy's file as a value of this input. Raises `LiteralError`.

    `days_since` is compared with numbers of days.
    """
    match of.type:
        case Kind.BOOLEAN:
            if isinstance(given, bool):
                return int(given)
            raise LiteralError("is compared with true or false")
        case Kind.TEXT | Kind.ENUM:
            found = fold(given) if isinstance(given, str) else None
            if found is None:
                raise LiteralError('is compared with text: put it in quotes, "..."')
            if of.type is Kind.ENUM and found not in of.folded:
                raise LiteralError(f"is one of {', '.join(of.values)}")
            return found
        case Kind.DATE:
            day = _day(given, "ymd") if isinstance(given, str) else None
            if day is None:
                raise LiteralError("is compared with a day: 2026-11-30")
            return day
        case Kind.INTEGER | Kind.DAYS_SINCE:
            if isinstance(given, bool) or not isinstance(given, int) or abs(given) > WHOLE_MAX:
                raise LiteralError("is compared with whole numbers")
            return given
        case Kind.MONEY:
            if isinstance(given, bool) or not isinstance(given, int | float):
                raise LiteralError("is compared with amounts: 25 or 25.50")
            exact = Decimal(str(given)) * 100
            if exact != exact.to_integral_value() or abs(exact) > WHOLE_MAX:
                raise LiteralError("is an amount with two decimals at most")
            return int(exact)


Columns = Sequence[tuple[str, Input, str]]  # input, how it is read, its column


def columns_of(inputs: Mapping[str, Input], there: Iterable[str]) -> Columns:
    """Which column of a list each input is read from: its very name, else without case; one that
    is not there is looked for by its name and not found."""
    exact = set(there)
    folded = {one.strip().casefold(): one for one in exact}
    found = []
    for name, of in inputs.items():
        wanted = of.column or name
        column = wanted if wanted in exact else folded.get(wanted.strip().casefold(), wanted)
        found.append((name, of, column))
    return found


def values_of(columns: Columns, fields: Mapping[str, str]) -> dict[str, Value]:
    """All inputs of a lead, from the columns its list brought."""
    found: dict[str, Value] = {}
    for name, of, column in columns:
        cell = fields.get(column)
        value = read(of, cell) if cell else None
        found[name] = of.otherwise if value is None else value
    return found


def today_of(day: date) -> int:
    """The number of a day, as `days_since` is reckoned with."""
    return (day - _EPOCH).days


def _whole(text: str) -> int | None:
    plain = _ungrouped(text, ",")
    if not _WHOLE.match(plain):
        return None
    number = int(plain)
    return number if abs(number) <= WHOLE_MAX else None


def _cents(text: str, decimal: str) -> int | None:
    """Half a cent is rounded away from zero, as tills do."""
    plain = re.sub(r"^[^\d+\-.,]{0,4}\s*|\s*[^\d.,]{0,4}$", "", text)  # a currency before or after
    plain = _ungrouped(plain, "," if decimal == "." else ".")
    if decimal == ",":
        plain = plain.replace(",", ".")
    if not _DECIMAL.match(plain):
        return None
    try:
        cents = (Decimal(plain) * 100).quantize(Decimal(1), ROUND_HALF_UP)
    except InvalidOperation:
        return None
    return int(cents) if abs(cents) <= WHOLE_MAX else None


def _ungrouped(text: str, group: str) -> str:
    """Without the signs that part thousands, where they do part thousands."""
    for sign in (group, "'", "\u2019", " ", "\u00a0", "\u202f"):
        if sign in text and re.match(rf"[+-]?\d{{1,3}}({re.escape(sign)}\d{{3}})+(\D|$)", text):
            return text.replace(sign, "")
    return text


def _day(text: str, order: str) -> int | None:
    if match := _DAY.match(text):
        year, month, day = (int(one) for one in match.groups())
    elif order != "ymd" and (match := _DMY.match(text)):
        first, second, year = (int(one) for one in match.groups())
        day, month = (first, second) if order == "dmy" else (second, first)
    else:
        return None
    try:
        return today_of(date(year, month, day))
    except ValueError:
        return None


def shown(of: Input, value: Value, today: int) -> str:
    """A value for people."""
    if value is None:
        return "not known"
    match of.type:
        case Kind.MONEY:
            return f"{Decimal(int(value)) / 100:.2f}"
        case Kind.BOOLEAN:
            return "true" if value else "false"
        case Kind.DATE:
            return (_EPOCH + timedelta(days=int(value))).isoformat()
        case Kind.DAYS_SINCE:
            return str(today - int(value))
        case _:
            return str(value)


def seen(of: Input, value: Value, today: int) -> Value:
    """The value as predicates see it."""
    if of.type is Kind.DAYS_SINCE and value is not None:
        return today - int(value)
    return value
