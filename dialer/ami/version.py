"""Which Asterisk may be dialled with."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether an Asterisk may be used. `why` is for people; empty when all is well."""

    usable: bool
    why: str = ""


_VERSION = re.compile(r"(?:^|[^0-9.])(\d+)\.(\d+)\.(\d+)")
_DEADLOCKS = {(20, 19, 0), (22, 9, 0), (23, 3, 0)}  # asterisk issues 1907, 1928, 1962
_MINIMUM = {20: (20, 20, 1), 21: (22, 10, 1), 22: (22, 10, 1), 23: (23, 4, 1)}
_ADVICE = "use 22.10.1 or newer"


def judge_version(version: str) -> Verdict:
    """`version` as CoreSettings' AsteriskVersion has it, with whatever a packager appended."""
    match = _VERSION.search(version)
    if match is None:
        return Verdict(True, f"Asterisk's version {version[:40]!r} cannot be read; {_ADVICE}")
    number = (int(match[1]), int(match[2]), int(match[3]))
    shown = ".".join(map(str, number))
    if number in _DEADLOCKS:
        return Verdict(False, f"Asterisk {shown} deadlocks under load; {_ADVICE}")
    minimum = _MINIMUM.get(number[0], (22, 10, 1))
    if number < minimum:
        return Verdict(True, f"Asterisk {shown} lacks fixes that dialling needs; {_ADVICE}")
    return Verdict(True)
