"""A row of a list that can be used, as it goes to the store. Knows nobody, so that a process that
only reads lists need not load the rest of the dialer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from dialer.campaigns.consent import Consent

PRIORITY_MAX = 9  # few levels, because the claim looks at each level apart
UNKNOWN_ZONE = "time zone not known"  # why a lead is held that came so


class StagedPhone(NamedTuple):
    phone: str  # E.164
    column: str  # where in the file it stood, for the report
    label: str = ""
    consent: Consent | None = None  # to automated calls; None: the list does not say


class StagedLead(NamedTuple):
    """A checked row of a list. `zones` as the policy reads it; with `held_why` it is not dialled
    by itself. `person`: whose debt it is, where the list says so."""

    line: int
    phones: tuple[StagedPhone, ...]
    name: str = ""
    external_id: str = ""
    zones: str = ""
    priority: int = 0
    held_why: str = ""
    fields: Mapping[str, str] = {}  # not changed by anybody
    person: str = ""
