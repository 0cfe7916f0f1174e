"""What a rule pack may hold. A pack is data: dated, with its source, to be edited and end-dated.

Every rule has the same first fields: where it came from, when somebody last looked, and whether it
still wants a review. A rule without `places` or `purposes` has those of its pack.
"""

from __future__ import annotations

import re
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from dialer.campaigns.units import Duration, Name, Part, WindowPart
from dialer.campaigns.window import CallingWindow
from dialer.campaigns.zones import is_zone
from dialer.core.outcomes import Outcome

Place = Annotated[str, Field(pattern=r"^[A-Z]{2}(-[A-Z0-9]{1,3})?$")]
PurposeName = Literal["sales", "collections", "service", "survey", "charity", "political"]
_HOLIDAY = re.compile(r"(\d\d)-(\d\d)\Z|easter([+-]\d{1,2})?\Z|\d{4}-\d\d-\d\d\Z")
OUTCOMES = frozenset(outcome.value for outcome in Outcome)


def _date(value: object) -> object:
    return date.fromisoformat(value) if isinstance(value, str) else value


Day = Annotated[date, BeforeValidator(_date, json_schema_input_type=str)]


class _Rule(Part):
    id: Name
    source: str = Field(min_length=3, max_length=400)
    reviewed: Day | None = None  # None: the pack's
    review: Literal["done", "wanted"] = "done"
    places: tuple[Place, ...] = ()
    purposes: tuple[PurposeName, ...] = ()
    note: str = Field(default="", max_length=600)


class WindowRule(_Rule):
    """Wall time within which a person may be called. No `hours` on a day: not on that day.

    `holidays`: `MM-DD`, `easter`, `easter+1`, or `YYYY-MM-DD`; nobody is called on them.
    `zone`: the rule names this zone's clock and not the person's.
    """

    hours: tuple[WindowPart, ...] = Field(min_length=1)
    holidays: tuple[str, ...] = ()
    zone: str = ""

    @field_validator("holidays")
    @classmethod
    def _known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for day in value:
            if not _HOLIDAY.match(day):
                raise ValueError("write a holiday as 12-25, easter+1 or 2026-11-26")
            if day[:1].isdigit():
                date.fromisoformat(day if len(day) == 10 else f"2024-{day}")
        return value

    @field_validator("zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        if value and not is_zone(value):
            raise ValueError("is no time zone: write one such as America/Chicago")
        return value

    @cached_property
    def window(self) -> CallingWindow:
        return CallingWindow(tuple(part.hours() for part in self.hours))

    def holiday(self, day: date) -> bool:
        return bool(self.holidays) and day in _holidays_of(self.holidays, day.year)


class Scope(StrEnum):
    PERSON = "person"  # across accounts and numbers
    DEBT = "debt"  # one account, across the person's numbers
    NUMBER = "number"


class Unit(StrEnum):
    """What is counted."""

    ATTEMPT = "attempt"
    CONTACT = "contact"  # a person answered
    CONVERSATION = "conversation"  # talked with the person
    ABANDONED = "abandoned"
    MACHINE = "machine"  # taken for one by detection


class Anchor(StrEnum):
    """How a window lies in time. Days and months are the called party's own."""

    ROLLING = "rolling"  # the last so many hours, to the second
    CONSECUTIVE_DAYS = "consecutive_days"  # today and the days before it; today is one of them
    CALENDAR_MONTH = "calendar_month"


class CapRule(_Rule):
    """At most `limit` of a unit within a window: a call that would be one more is denied.

    `excludes` names outcomes that are no call in the rule's sense. `unless`: what lifts the rule.
    """

    scope: Scope
    unit: Unit = Unit.ATTEMPT
    limit: int = Field(ge=1, le=1000)
    window: Duration = 86400.0
    anchor: Anchor = Anchor.ROLLING
    excludes: tuple[str, ...] = ()
    unless: tuple[Literal["guaranteed_agent", "callback_asked_for"], ...] = ()

    @field_validator("excludes")
    @classmethod
    def _outcomes(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if one not in OUTCOMES:
                raise ValueError(f"there is no outcome {one[:40]!r}: {', '.join(sorted(OUTCOMES))}")
        return value

    @model_validator(mode="after")
    def _whole_days(self) -> CapRule:
        if self.anchor is Anchor.CONSECUTIVE_DAYS and (self.window % 86400 or not self.window):
            raise ValueError("a window of consecutive_days is whole days: 7d")
        if self.window > 62 * 86400:
            raise ValueError("window: 62d at most")
        return self


class ListRule(_Rule):
    """A do-not-call list that must be asked, and may be no older than `max_age`."""

    list: Name
    max_age: Duration
    must: bool = True  # False: asked when it is loaded


class Span(StrEnum):
    """How the time lies over which abandoned calls are counted."""

    BLOCK = "block"  # successive blocks of `window`, from the offer's first call on
    CALENDAR_MONTH = "calendar_month"
    ROLLING = "rolling"  # any `window`, at every moment


class AbandonRule(_Rule):
    """The share of calls answered by people that may be left without an agent, and over which time.

    Of all campaigns of one offer together. `limit` 0.03 is 3 %.
    """

    limit: float = Field(ge=0, lt=1)
    span: Span
    window: Duration = 30 * 86400.0

    @model_validator(mode="after")
    def _whole_days(self) -> AbandonRule:
        if self.window % 86400 or not 0 < self.window <= 366 * 86400:
            raise ValueError("window: whole days, 366d at most")
        return self


class Pack(Part):
    """A rule pack as its YAML file says it."""

    pack: Name
    title: str = Field(min_length=3, max_length=120)
    version: Day  # when its text was last changed
    reviewed: Day
    source: str = Field(min_length=3, max_length=600)
    review: Literal["done", "wanted"] = "done"
    note: str = Field(default="", max_length=1200)
    valid_from: Day | None = None
    valid_to: Day | None = None  # its last day
    places: tuple[Place, ...] = Field(min_length=1)
    purposes: tuple[PurposeName, ...] = Field(min_length=1)
    ring_min: Duration = 0.0
    amd: Literal["", "audited"] = ""  # detection of machines wants a known rate of error
    abandoned: tuple[AbandonRule, ...] = ()
    windows: tuple[WindowRule, ...] = ()
    caps: tuple[CapRule, ...] = ()
    lists: tuple[ListRule, ...] = ()

    @model_validator(mode="after")
    def _distinct(self) -> Pack:
        names = [rule.id for rule in self.rules]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"rule {', '.join(twice)} is given twice; keep one")
        return self

    @property
    def rules(self) -> tuple[WindowRule | CapRule | ListRule | AbandonRule, ...]:
        return (*self.windows, *self.caps, *self.lists, *self.abandoned)

    def in_force(self, day: date) -> bool:
        return (self.valid_from is None or self.valid_from <= day) and (
            self.valid_to is None or day <= self.valid_to
        )

    def applies(self, rule: _Rule, purpose: str, places: frozenset[str]) -> bool:
        """Whether `rule` binds a call of that purpose to somebody who may be in `places`."""
        return purpose in (rule.purposes or self.purposes) and not places.isdisjoint(
            rule.places or self.places
        )

    def binds(self, purpose: str, places: frozenset[str]) -> bool:
        return purpose in self.purposes and not places.isdisjoint(self.places)


_EASTER_CACHE: dict[tuple[tuple[str, ...], int], frozenset[date]] = {}


def _holidays_of(names: tuple[str, ...], year: int) -> frozenset[date]:
    key = (names, year)
    if key not in _EASTER_CACHE:
        if len(_EASTER_CACHE) > 1000:
            _EASTER_CACHE.clear()
        _EASTER_CACHE[key] = frozenset(
            day for name in names if (day := _holiday(name, year)) is not None
        )
    return _EASTER_CACHE[key]


def _holiday(name: str, year: int) -> date | None:
    if name.startswith("easter"):
        return easter(year) + timedelta(days=int(name[6:] or 0))
    if len(name) == 10:
        return date.fromisoformat(name)
    month, day = name.split("-")
    try:
        return date(year, int(month), int(day))
    except ValueError:  # 29 February
        return None


def easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous algorithm, Nature 1876)."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    n = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * n) // 451
    month, day = divmod(h + n - 7 * m + 114, 31)
    return date(year, month, day + 1)
