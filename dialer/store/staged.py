"""Rows of a list on their way in, and what counts as the same row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dialer.campaigns.lead import StagedLead, StagedPhone


class Across(StrEnum):
    """What is done with people whom another campaign calls already."""

    ALLOW = "allow"
    SKIP = "skip"


class Where(StrEnum):
    """Where something stood before that came again."""

    FILE = "file"
    CAMPAIGN = "campaign"
    ELSEWHERE = "another campaign"
    STOPPED = "do-not-call"  # no duplicate: nobody may call there


@dataclass(frozen=True, slots=True)
class Again:
    """What counts as the same, and what then. The number and the id always do."""

    update: bool = False  # what is there is brought up to date
    across: Across = Across.ALLOW
    one_per_person: bool = False


@dataclass(frozen=True, slots=True)
class Duplicate:
    """A staged number, id or person that is there already. `whole`: the lead itself was left out;
    `updates`: it will bring the one that is there up to date."""

    line: int
    column: str
    reason: str
    whole: bool
    where: Where = Where.FILE
    updates: bool = False


__all__ = ["Across", "Again", "Duplicate", "StagedLead", "StagedPhone", "Where"]
