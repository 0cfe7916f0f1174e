"""What the store must be told of a campaign: where a lead goes after a call, and when it may ring.

`dialer.campaigns` answers; the store only carries it out, inside the transaction of the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from dialer.campaigns.compliance.facts import CampaignFacts
from dialer.core.outcomes import Outcome

if TYPE_CHECKING:  # strategies are made of retry rules, and those of what is below
    from dialer.campaigns.strategy.place import Strategy


@dataclass(frozen=True, slots=True)
class NextStep:
    """Where a lead goes. `at` is when it may be called again, None: never by itself.

    `why` says why it is done. `next_phone`: on the lead's next number, if there is a good one.
    `phone_bad`: the number called does not exist; a lead with no good number left is done.
    `exhausted`: done because the strategy has no further attempt, not because it was reached.
    `held`: not done and not called, and why.
    """

    at: datetime | None
    why: str = ""
    next_phone: bool = False
    phone_bad: bool = False
    exhausted: bool = False
    held: str = ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a disposition means. `step` None: the outcome's own next step stands.

    `suppress`: the number goes on the list of numbers nobody may call.
    """

    category: str
    step: NextStep | None = None
    suppress: bool = False


class Policy(Protocol):
    """A campaign's rules about leads. Pure: the time is an argument, aware, in UTC.

    `zones` names every time zone the lead may be in, joined by spaces; all of their windows must
    be open at once. Empty: the zone is not known, and no window is ever open.
    """

    @property
    def name(self) -> str: ...

    @property
    def gate(self) -> CampaignFacts | None:
        """The law's rules, as the compliance gate reads them; None where there is no law (tests of
        the store)."""
        ...

    @property
    def plan(self) -> Strategy | None:
        """The campaign's strategy; None: every lead is called as the retry rules say."""
        ...

    def definition(self) -> dict[str, Any]:
        """The campaign as it was loaded, fit for JSON."""
        ...

    def after_outcome(self, outcome: Outcome, ended: Mapping[str, int], now: datetime) -> NextStep:
        """`ended` counts the lead's ended attempts by outcome, this one included."""
        ...

    def after_disposition(self, code: str, callback_at: datetime | None, now: datetime) -> Verdict:
        """Raises `ValueError` for a code the campaign does not know."""
        ...

    def open_at(self, zones: str, moment: datetime) -> bool:
        """Whether somebody in `zones` may be called at `moment`."""
        ...

    def next_open(self, zones: str, moment: datetime) -> datetime | None:
        """The first moment from `moment` on at which `open_at`; None when there is none soon."""
        ...
