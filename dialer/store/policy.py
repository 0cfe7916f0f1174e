"""What the store must be told of a campaign: where a lead goes after a call, and when it may ring.

`dialer.campaigns` answers; the store only carries it out, inside the transaction of the outcome.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol

from dialer.campaigns.compliance.facts import CampaignFacts
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome

if TYPE_CHECKING:  # strategies are made of retry rules, and those of what is below
    from dialer.campaigns.strategy.place import Strategy


@dataclass(frozen=True, slots=True)
class Lane:
    """How a lead goes. What is empty is as the queue or the campaign says.

    `mode`: no more automatic than this `Mode`. `agent`: for this one alone. `callback`: agreed on,
    before all others when it is due. `by_hand`: its phone may not be dialled automatically.
    """

    mode: str = ""
    queue: str = ""
    skills: tuple[str, ...] = ()
    agent: str = ""
    callback: bool = False
    by_hand: bool = False


@dataclass(frozen=True, slots=True)
class Queue:
    """What a queue asks of its leads and its agents. The higher its priority, the sooner."""

    name: str
    priority: int = 0
    mode: str = ""  # a Mode
    skills: tuple[str, ...] = ()


NO_QUEUE = Queue("")
ONE_FOR_ALL: Mapping[str, Queue] = {}


@dataclass(frozen=True, slots=True)
class AfterPreview:
    """What becomes of a lead that was skipped, or not looked at. `skips_max` skips on end send it
    to `escalate_to`, or without such a queue have it held for a person."""

    again_s: float = 900.0
    skips_max: int = 5
    escalate_to: str = ""


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


class Suppress(StrEnum):
    """Whom an agent's word stops."""

    NONE = ""
    NUMBER = "number"  # the number called, in every campaign
    ACCOUNT = "account"  # every number of the lead, in every campaign
    PERSON = "person"  # besides, all other leads of these numbers and of the account


class Emit(StrEnum):
    """What the CRM hears besides the disposition."""

    NONE = ""
    PROMISE = "promise"
    DISPUTE = "dispute"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a disposition means. `step` None: the outcome's own next step stands. `queue`: the lead
    goes there, as the word hands it over. `counts`: what the call is for the caps (of attempt,
    contact, conversation, joined by a space); None: as the outcome and the category say.
    """

    category: str
    step: NextStep | None = None
    suppress: Suppress = Suppress.NONE
    emit: Emit = Emit.NONE
    queue: str = ""
    counts: str | None = None
    callback: bool = False
    anyone_after_s: float | None = None  # an agent's own callback: anyone calls after so long
    grace_s: float = 0.0  # after a promise's day
    kept_pct: float = 95.0  # of a promise's amount: paid so much, it is kept


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

    @property
    def mode(self) -> Mode:
        """No lead is dialled more automatically than this."""
        ...

    @property
    def queue_rules(self) -> Mapping[str, Queue]: ...

    @property
    def after_preview(self) -> AfterPreview: ...

    @property
    def wide_zones(self) -> str:
        """Zones in all of which it must be time where a lead's own is not known and a person
        decides on the call; empty: such a lead is not called at all."""
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
