"""From canonical values to what a CRM wants: numbers, times, durations, phone numbers.

Canonical are: phone numbers in E.164, times as RFC 3339 text (or UTC seconds), durations in
seconds. Every function raises `TransformError` with a text that does not repeat the value: values
are personal data.
"""

from __future__ import annotations

import json
import math
import re
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

import phonenumbers

_NAMESPACE = uuid.UUID("3c5f0f3e-6f0a-5d1c-9a57-0d1a1e7b5c11")  # of ids we make for CRMs


class TransformError(ValueError):
    """A value that does not fit. The text names what was expected, never the value."""


class Placeholder(str):
    """Stands for an id that is not known yet, where a request is only shown: fits everywhere."""

    __slots__ = ()


def as_text(value: object) -> str:
    """Text as a CRM would write it: truth as true/false, whole numbers without a point."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and not math.isfinite(value):
        raise TransformError("is a number without end, or none")
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    if isinstance(value, int | float):
        return str(value)
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    raise TransformError("is not a value that can be written")


def number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TransformError("is not a number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise TransformError("is not a number") from None
    if not math.isfinite(found):
        raise TransformError("is not a finite number")
    return found


def integer(value: object) -> int:
    """A whole number; ids longer than a float can tell apart are kept exactly."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?[0-9]{1,30}\s*", value):
        return int(value)
    return math.floor(number(value) + 0.5)


def boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    text = as_text(value).strip().lower()
    if text in ("true", "yes", "1", "on"):
        return True
    if text in ("false", "no", "0", "off", ""):
        return False
    raise TransformError("is neither true nor false")


def moment(value: object) -> datetime:
    """An aware time from RFC 3339 text or UTC seconds."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return datetime.fromtimestamp(value, UTC)
        except (OverflowError, OSError, ValueError):
            raise TransformError("is not a time") from None
    try:
        found = datetime.fromisoformat(as_text(value))
    except ValueError:
        raise TransformError("is not a time such as 2026-03-02T09:00:00Z") from None
    if found.tzinfo is None:
        raise TransformError("is a time without a zone")
    return found


@cache
def zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo("UTC" if name in ("GMT", "Z") else name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, below
        raise TransformError("names no time zone: write it as Europe/Berlin") from None
    except KeyError:
        raise TransformError("names no time zone: write it as Europe/Berlin") from None


def strftime(value: object, form: str, zone_name: str = "UTC") -> str:
    return moment(value).astimezone(zone(zone_name)).strftime(form)


def time(value: object, form: str, zone_name: str) -> object:
    """`form` is iso, epoch_s, epoch_ms or a strftime format."""
    at = moment(value)
    if form == "epoch_s":
        return int(at.timestamp())
    if form == "epoch_ms":
        return round(at.timestamp() * 1000)
    if form == "iso":
        text = at.astimezone(zone(zone_name)).isoformat(timespec="seconds")
        return text.replace("+00:00", "Z")
    return strftime(value, form, zone_name)


def clock_text(value: object) -> str:
    """Seconds as m:ss, or h:mm:ss."""
    seconds = max(0, integer(value))
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"


def _iso_duration(value: float) -> str:
    minutes, seconds = divmod(math.floor(value + 0.5), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "H"), (minutes, "M"), (seconds, "S")]
    return "PT" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0S")


DURATIONS: Mapping[str, Callable[[float], object]] = {
    "s": lambda value: math.floor(value + 0.5),
    "ms": lambda value: math.floor(value * 1000 + 0.5),
    "min": lambda value: math.ceil(value / 60),  # begun minutes, as activities are kept in CRMs
    "iso": _iso_duration,
    "clock": clock_text,
}


def duration(value: object, unit: str) -> object:
    seconds = number(value)
    if seconds < 0:
        raise TransformError("is a duration below zero")
    return DURATIONS[unit](seconds)


def digits(text: str) -> str:
    return re.sub(r"[^0-9]", "", text)


def _parsed(text: str, region: str) -> phonenumbers.PhoneNumber:
    try:
        return phonenumbers.parse(text, region or None)
    except phonenumbers.NumberParseException:
        raise TransformError("is no phone number: give E.164, or a region to read it in") from None


def national(text: str, region: str = "") -> str:
    return phonenumbers.format_number(
        _parsed(text, region), phonenumbers.PhoneNumberFormat.NATIONAL
    )


def _formatted(form: int) -> Callable[[str, str], str]:
    return lambda text, region: phonenumbers.format_number(_parsed(text, region), form)


PHONES: Mapping[str, Callable[[str, str], str]] = {
    "e164": _formatted(phonenumbers.PhoneNumberFormat.E164),
    "national": national,
    "international": _formatted(phonenumbers.PhoneNumberFormat.INTERNATIONAL),
    "digits": lambda text, region: digits(
        _formatted(phonenumbers.PhoneNumberFormat.E164)(text, region)
    ),
    "local": lambda text, region: phonenumbers.national_significant_number(_parsed(text, region)),
}


def stable_uuid(value: object) -> str:
    """The same UUID for the same text, for CRMs that let the caller choose a record's id."""
    return str(uuid.uuid5(_NAMESPACE, as_text(value)))


def convert(value: object, kind: str, options: Mapping[str, str]) -> Any:
    """`value` (not None) as a field of `kind`; `options` as `KINDS` lists them."""
    if kind == "text" or isinstance(value, Placeholder):
        return as_text(value)
    if kind == "integer":
        return integer(value)
    if kind == "number":
        found = number(value)
        return int(found) if found.is_integer() else found
    if kind == "boolean":
        return boolean(value)
    if kind == "time":
        return time(value, options.get("format", "iso"), options.get("zone", "UTC"))
    if kind == "duration":
        return duration(value, options.get("unit", "s"))
    if kind == "phone":
        return PHONES[options.get("format", "e164")](as_text(value), options.get("region", ""))
    if kind == "uuid":
        return stable_uuid(value)
    return value  # json: as it is


KINDS: Mapping[str, tuple[str, ...]] = {
    "text": (),
    "integer": (),
    "number": (),
    "boolean": (),
    "time": ("format", "zone"),
    "duration": ("unit",),
    "phone": ("format", "region"),
    "uuid": (),
    "json": (),
}
"""The kinds of field, each with its options."""
