"""What an agent says of a call, checked before the core hears it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal, InvalidOperation

from dialer.core.events import DispositionChosen, Lead
from dialer.server.face import Refused

PROMISE_AHEAD_MAX = timedelta(days=366)  # a later day is a slip of the finger

CallbackHours = Callable[[str, Lead, datetime], datetime | None]
"""(campaign, lead, wished moment) -> the first moment from it on at which the law and the campaign
let somebody call the lead; None when there is none soon."""


def check_promise(word: DispositionChosen, now: datetime) -> None:
    """Raises `Refused` for an amount or a day that cannot be meant."""
    if word.amount:
        try:
            amount = Decimal(word.amount)
        except InvalidOperation:
            raise Refused("The amount is no number.", 409, "Write it as 120.50.") from None
        if not amount.is_finite() or amount <= 0:
            raise Refused("The amount is not more than nothing.", 409, "Write it as 120.50.")
    if word.due_on:
        try:
            day = date.fromisoformat(word.due_on)
        except ValueError:
            raise Refused("The day does not exist.", 409, "Write it as 2026-12-01.") from None
        # The customer's day may be one behind ours.
        if not now.date() - timedelta(days=1) <= day <= now.date() + PROMISE_AHEAD_MAX:
            raise Refused(
                "The promise's day is over or too far off.", 409, "Choose a day within a year."
            )
