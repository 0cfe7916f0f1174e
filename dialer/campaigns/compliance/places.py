"""Where a lead may be: the set of all jurisdictions that number and address point to.

A place is a country (`US`, ISO 3166-1) or a part of one (`US-FL`, ISO 3166-2).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

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


def places_of_number(number: str) -> frozenset[str]:
    """Of a number in E.164; empty when its country is not known."""
    return _of_prefix(number[1:5])


@lru_cache(maxsize=1024)
def _plain(header: str) -> str:
    return _SIGNS.sub("", header.lower())


def places_of_address(fields: Mapping[str, str], countries: frozenset[str]) -> frozenset[str]:
    """The states and provinces a list's own columns name, as parts of `countries`."""
    found: set[str] = set()
    for header, value in fields.items():
        name = _plain(header)
        text = value.strip().upper()
        if name in _STATE:
            code = text if "-" in text else ""
            for country in countries:
                part = code or f"{country}-{text}"
                if part in _PARTS:
                    found.update((part, part[:2]))
        elif name in _ZIP and "US" in countries and (zip_ := _ZIP_SHAPE.match(text)):
            three = int(zip_[1])
            found.update(f"US-{state}" for first, last, state in ZIPS if first <= three <= last)
    return frozenset(found)


def places_of(number: str, fields: Mapping[str, str]) -> frozenset[str]:
    """All of them: of the number's country and area code, and of the address."""
    of_number = places_of_number(number)
    if not fields:
        return of_number
    countries = frozenset(place for place in of_number if "-" not in place)
    return of_number | places_of_address(fields, countries)


def zones_of_address(number: str, fields: Mapping[str, str]) -> frozenset[str]:
    """Time zones of the address's state; empty where the list has none."""
    if not fields:
        return frozenset()
    countries = frozenset(p for p in places_of_number(number) if "-" not in p)
    found: set[str] = set()
    for place in places_of_address(fields, countries):
        if place.startswith("US-"):
            found.update(STATE_ZONES.get(place[3:], ()))
    return frozenset(found)


@lru_cache(maxsize=4096)
def joined_zones(known: str, more: frozenset[str]) -> str:
    return " ".join(sorted({*known.split(), *more}))
