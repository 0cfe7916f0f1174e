"""Days as lists write them."""

from __future__ import annotations

from datetime import date, datetime

_FORMS = ("%Y-%m-%d", "%d.%m.%Y", "%m/%d/%Y", "%d/%m/%Y", "%Y/%m/%d", "%Y%m%d")


def day_of(text: str) -> date | None:
    """The day a cell names; None for what is no date."""
    text = text.split(" ", 1)[0].split("T", 1)[0]
    for form in _FORMS:
        try:
            return datetime.strptime(text, form).date()
        except ValueError:
            continue
    return None
