"""Consent to automated calls as a list brings it: what, when, from where, and until when. Pure.

A list says so in columns beside its numbers; each belongs to one number's column, or to all.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import NamedTuple

from dialer.campaigns.dates import day_of

# What a cell may say. A kind is kept as it is named here.
_GIVEN: Mapping[str, str] = {
    **dict.fromkeys(("yes", "y", "true", "1", "x", "ja", "oui", "si", "sí", "given"), "given"),
    **dict.fromkeys(("written", "pewc", "signed", "express written", "schriftlich"), "written"),
    **dict.fromkeys(("express", "pec", "oral", "verbal", "mündlich"), "express"),
}
_NOT: Mapping[str, str] = {
    **dict.fromkeys(("no", "n", "false", "0", "nein", "non", "none", "never"), "none"),
    **dict.fromkeys(("revoked", "withdrawn", "opted out", "opt-out", "widerrufen"), "revoked"),
}
SAYS = "yes, written, express, no or revoked"
SOURCE_MAX = 200
PARTS = ("consent", "consent_at", "consent_source", "consent_until")


class Consent(NamedTuple):
    """Whether a number may be dialled automatically, as somebody said. Days are ISO 8601, empty
    when nobody said. `until` is the last day on which it holds."""

    given: bool
    kind: str
    at: str = ""
    source: str = ""
    until: str = ""


class ConsentError(ValueError):
    """`part` is which of `PARTS` cannot be understood; the text says why, and how to mend it."""

    def __init__(self, part: str, why: str) -> None:
        super().__init__(why)
        self.part = part


def consent_of(cells: Mapping[str, str], today: date) -> Consent | None:
    """From the cells of one number, by part; None: the list does not say. Raises `ConsentError`."""
    word = " ".join(cells.get("consent", "").lower().split())
    at, until = _day(cells, "consent_at"), _day(cells, "consent_until")
    source = cells.get("consent_source", "").strip()
    if not word:
        if "consent" in cells and (at or until):  # a source may be a column for the whole row
            raise ConsentError("consent", f"is empty beside its day: write {SAYS}")
        return None
    kind = _GIVEN.get(word) or _NOT.get(word)
    if kind is None:
        raise ConsentError("consent", f"is not understood: write {SAYS}")
    if at is not None and at > today:
        raise ConsentError("consent_at", "is a day in the future")
    if at is not None and until is not None and until < at:
        raise ConsentError("consent_until", "is before the day the consent was given")
    if len(source) > SOURCE_MAX or not source.isprintable():
        raise ConsentError("consent_source", f"is a text of {SOURCE_MAX} printable signs at most")
    return Consent(
        word in _GIVEN,
        kind,
        at.isoformat() if at else "",
        source,
        until.isoformat() if until else "",
    )


def _day(cells: Mapping[str, str], part: str) -> date | None:
    text = cells.get(part, "").strip()
    if not text:
        return None
    day = day_of(text)
    if day is None:
        raise ConsentError(part, "is no day: write 2026-11-28")
    return day


def stricter(found: Iterable[Consent]) -> Consent | None:
    """Of what several cells say of one number: a no before a yes."""
    told = list(found)
    return next((one for one in told if not one.given), told[0] if told else None)
