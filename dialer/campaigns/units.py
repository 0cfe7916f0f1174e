"""How people write durations, times and days in our YAML files, and the models made of them."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dialer.campaigns.window import DAYS, Hours

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*([smhd])\Z")
_CLOCK = re.compile(r"([01]?\d|2[0-4]):([0-5]\d)\Z")


def _duration(value: object) -> object:
    """Seconds of `15m`, `4h`, `1.5d`, `90s`."""
    match = _DURATION.match(value.strip()) if isinstance(value, str) else None
    if match is None:
        raise ValueError("write a number and its unit: 90s, 15m, 4h or 3d")
    return float(match[1]) * _UNITS[match[2]]


def _minutes(value: object) -> object:
    """Minutes of the day of `08:00`."""
    match = _CLOCK.match(value) if isinstance(value, str) else None
    if match is None or int(match[1]) * 60 + int(match[2]) > 1440:
        raise ValueError("write a time of day, 00:00 to 24:00")
    return int(match[1]) * 60 + int(match[2])


def _days(value: object) -> object:
    """Weekdays of `mon-fri`, `sat`, or a list of such."""
    parts = value if isinstance(value, list) else str(value).split(",")
    found: set[int] = set()
    for part in parts:
        first, _, last = str(part).strip().lower().partition("-")
        if first not in DAYS or (last and last not in DAYS):
            raise ValueError("write days as mon-fri, sat, or a list of mon tue wed thu fri sat sun")
        start, end = DAYS.index(first), DAYS.index(last or first)
        if end < start:
            raise ValueError("a range of days goes forward through the week: mon-sat")
        found.update(range(start, end + 1))
    if not found:
        raise ValueError("name at least one day")
    return frozenset(found)


Duration = Annotated[
    float,
    BeforeValidator(_duration, json_schema_input_type=str),
    Field(ge=0, le=366 * 86400, description="A number and its unit: 90s, 15m, 4h, 3d."),
]
DayTime = Annotated[int, BeforeValidator(_minutes, json_schema_input_type=str)]
Weekdays = Annotated[frozenset[int], BeforeValidator(_days, json_schema_input_type=str | list[str])]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")]


class Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, coerce_numbers_to_str=True, hide_input_in_errors=True
    )


class WindowPart(Part):
    """Wall time at the called party."""

    days: Weekdays
    start: DayTime = Field(validation_alias=AliasChoices("from", "start"))
    end: DayTime = Field(validation_alias=AliasChoices("to", "end"))

    @model_validator(mode="after")
    def _forward(self) -> WindowPart:
        if self.start >= self.end:
            raise ValueError("from must be before to, within one day")
        return self

    def hours(self) -> Hours:
        return Hours(self.days, self.start, self.end)
