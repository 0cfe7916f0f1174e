"""Where a lead may be: the set of all jurisdictions that number and address point to.

A place is a country (`US`, ISO 3166-1) or a part of one (`US-FL`, ISO 3166-2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

from dialer.campaigns.compliance.nanp import AREA_CODES, STATE_ZONES, TOLL_FREE, ZIPS

_BY_CODE: dict[str, tuple[str, ...]] = {}
for _place, _codes in AREA_CODES.items():
    for _code in _codes.split():
        _BY_CODE[_code] = (*_BY_CODE.get(_code, ()), _place)
_PARTS = set(AREA_CODES) | {f"US-{state}" for state in STATE_ZONES}
# National prefixes of free numbers, which ring nobody knows where; +1 has codes of its own.
_FREE = ("+44800", "+44808", "+49800", "+33800", "+33805", "+611800", "+911800")
# Headers of lists, without case and signs.
_STATE = frozenset(
    {"state", "province", "st", "statecode", "addressstate", "usstate", "bundesland"}
)
_ZIP = frozenset({"zip", "zipcode", "postcode", "postalcode", "zip5", "plz"})
_ZIP_SHAPE = re.compile(r"(\d{3})\d{2}(-?\d{4})?\Z")
_SIGNS = re.compile(r"[^a-z0-9]")


def toll_free(number: str) -> bool:
    """Whether it is a free number: nobody knows where it rings."""
    return (number.startswith("+1") and number[2:5] in TOLL_FREE) or number.startswith(_FREE)


@lru_cache(maxsize=4096)
def _of_prefix(prefix: str) -> frozenset[str]:
    if prefix.startswith("1"):
        parts = _BY_CODE.get(prefix[1:4])
        if parts is not None:
            return frozenset({*parts, *(part[:2] for part in parts)})
        # An area code of another country of the plan, or one too new for the table: the country
        # is then the strictest of those it may be.
        return frozenset({"US", "CA"})
    for digits in (1, 2, 3):
        regions = COUNTRY_CODE_TO_REGION_CODE.get(int(prefix[:digits] or 0))
        if regions:
            return frozenset({regions[0]})
    return frozenset()


class _Column(Enum):
    """What a column of a list says of an address."""

    STATE = "state"
    ZIP = "zip"


@lru_cache(maxsize=1024)
def _column(header: str) -> _Column | None:
    plain = _SIGNS.sub("", header.lower())
    if plain in _STATE:
        return _Column.STATE
    return _Column.ZIP if plain in _ZIP else None


class Whereabouts(NamedTuple):
    """Where somebody may be: of the number's country and area code, and of the list's own columns;
    and the time zones of the states which those columns name."""

    places: frozenset[str]
    zones: frozenset[str]


def whereabouts(number: str, fields: Mapping[str, str]) -> Whereabouts:
    """Of a number in E.164 and the lead's fields; no places when its country is not known."""
    if not fields:
        return _whereabouts(number[1:5], ())
    address = [
        (column, value.strip().upper())
        for header, value in fields.items()
        if (column := _column(header)) is not None
    ]
    return _whereabouts(number[1:5], tuple(address))


@lru_cache(maxsize=16384)
def _whereabouts(prefix: str, address: tuple[tuple[_Column, str], ...]) -> Whereabouts:
    of_number = _of_prefix(prefix)
    countries = [place for place in of_number if "-" not in place]
    parts: set[str] = set()
    for column, text in address:
        if column is _Column.STATE:
            named = (text if "-" in text else f"{country}-{text}" for country in countries)
            parts.update(part for part in named if part in _PARTS)
        elif "US" in countries and (zip_ := _ZIP_SHAPE.match(text)):
            three = int(zip_[1])
            parts.update(f"US-{state}" for first, last, state in ZIPS if first <= three <= last)
    zones = {zone for part in parts if part[:2] == "US" for zone in STATE_ZONES.get(part[3:], ())}
    nations = {part[:2] for part in parts}
    return Whereabouts(of_number | parts | nations, frozenset(zones))


@lru_cache(maxsize=4096)
def joined_zones(known: str, more: frozenset[str]) -> str:
    return " ".join(sorted({*known.split(), *more}))
