"""Every time zone a number may be in. Where that is not certain, all of them count."""

from __future__ import annotations

from datetime import datetime
from functools import lru_cache
from importlib.resources import files
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from phonenumbers import timezone

_UNKNOWN = "Etc/Unknown"
_ALIKE_IN = 2026  # the year in which zones are compared
_EASTERN, _CENTRAL = "America/New_York", "America/Chicago"
_MOUNTAIN, _PACIFIC = "America/Denver", "America/Los_Angeles"

# North American area codes whose area lies in two zones, for which the number data names only one
# (phonenumbers 9.0.43: 850 is New York alone, and half of it keeps Chicago's time).
# From the codes' published areas; to be reviewed with each release of the data.
_SPLIT: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("208", "986", "541", "458"), (_MOUNTAIN, _PACIFIC)),
    **dict.fromkeys(("775",), (_PACIFIC, _MOUNTAIN)),
    **dict.fromkeys(("928",), ("America/Phoenix", _MOUNTAIN)),
    **dict.fromkeys(("308", "605", "620", "701", "785", "432", "915"), (_CENTRAL, _MOUNTAIN)),
    **dict.fromkeys(("850", "448", "931", "423", "270", "364", "606"), (_CENTRAL, _EASTERN)),
    **dict.fromkeys(("219", "574", "812", "930"), (_CENTRAL, _EASTERN)),
    **dict.fromkeys(("906",), (_EASTERN, _CENTRAL)),
    **dict.fromkeys(("807",), ("America/Toronto", "America/Winnipeg")),
    **dict.fromkeys(("250", "236", "672", "778"), ("America/Vancouver", "America/Edmonton")),
    **dict.fromkeys(("418", "581", "367"), ("America/Toronto", "America/Halifax")),
    **dict.fromkeys(("867",), ("America/Whitehorse", "America/Edmonton", "America/Iqaluit")),
}


def zones_of_number(number: phonenumbers.PhoneNumber) -> frozenset[str]:
    """Zone names; empty when not known."""
    found = {zone for zone in timezone.time_zones_for_number(number) if zone != _UNKNOWN}
    if number.country_code == 1:
        found.update(_SPLIT.get(str(number.national_number)[:3], ()))
    return frozenset(zone for zone in found if is_zone(zone))


@lru_cache(maxsize=4096)
def is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


@lru_cache(maxsize=256)
def zones_of_country(region: str) -> str:
    """Zones of a whole country (two letters) as the zone data has them, one of each that keep the
    same time now; joined by spaces, empty for a country it does not know."""
    table = files("tzdata.zoneinfo").joinpath("zone.tab").read_text(encoding="utf-8")
    rows = (line.split("\t") for line in table.splitlines() if not line.startswith("#"))
    names = sorted(row[2] for row in rows if row[0] == region and is_zone(row[2]))
    alike: dict[tuple[object, ...], str] = {}
    for name in names:
        zone = ZoneInfo(name)
        offsets = tuple(
            datetime(_ALIKE_IN, month, 15, tzinfo=zone).utcoffset() for month in range(1, 13)
        )
        alike.setdefault(offsets, name)
    return " ".join(sorted(alike.values()))
