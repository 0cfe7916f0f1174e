"""Rows of a list on their way in, and what counts as the same row."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


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
class StagedPhone:
    phone: str  # E.164
    column: str  # where in the file it stood, for the report
    label: str = ""


@dataclass(frozen=True, slots=True)
class StagedLead:
    """A checked row of a list. `zones` as the policy reads it; with `held_why` it is not dialled
    by itself. `person`: whose debt it is, where the list says so."""

    line: int
    phones: tuple[StagedPhone, ...]
    name: str = ""
    external_id: str = ""
    zones: str = ""
    priority: int = 0
    held_why: str = ""
    fields: dict[str, str] = field(default_factory=dict)
    person: str = ""


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
