"""What a CRM may ask of the server, as `dialer.web` sees it: words in, JSON bytes out.

A method that changes something returns when the change is committed and the live hopper keeps to
it: no Originate to whom it stops leaves afterwards. It raises `dialer.server.face.Refused` with
409 for what does not fit and with 503 when it cannot be sure; then the request may be repeated.
With a `KeyUse` a repeated request is answered as the first time and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from dialer.store.erasure import Erased
from dialer.store.feed import FedEvent, KeyUse
from dialer.store.person import PersonData
from dialer.store.promises import Payment
from dialer.store.schema import StopKind
from dialer.store.stops import Stop
from dialer.store.upserts import Result


class Scope(StrEnum):
    """What a token of the API may do."""

    LEADS = "leads"
    SUPPRESS = "suppress"  # do not call, payments, disputes, cease
    CALLBACKS = "callbacks"
    CAMPAIGNS = "campaigns"
    LISTS = "lists"
    PRIVACY = "privacy"
    EVENTS = "events"
    DIAL = "dial"  # click-to-dial


@dataclass(frozen=True, slots=True)
class LeadWords:
    """A lead as a CRM words it. None leaves what is there; `merge` keeps other fields."""

    campaign: str
    source: str
    external_id: str
    phones: tuple[tuple[str, str, Mapping[str, str]], ...] | None = None  # number, label, consent
    region: str = ""
    zone: str | None = None
    name: str | None = None
    fields: Mapping[str, str] | None = None
    merge: bool = False
    priority: int | None = None
    version: int | None = None


@dataclass(frozen=True, slots=True)
class RowAnswer:
    """What became of one row. A `reason` with another result than rejected is a remark."""

    external_id: str
    campaign: str
    result: Result
    reason: str = ""


@dataclass(frozen=True, slots=True)
class LeadsAnswer:
    results: list[RowAnswer]
    counts: dict[Result, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MatchAnswer:
    """`leads`: how many it was carried out on now; a stop holds for later ones too. `stale`: a
    newer word was known, nothing was changed."""

    leads: int
    stale: bool = False


@dataclass(frozen=True, slots=True)
class DncAnswer:
    """`added`: numbers that were not on the list yet. `rejected`: places in `phones`, from 0 on,
    of what is no phone number; the others are on the list."""

    added: int
    rejected: list[int] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DialWords:
    """Whom to call for which agent: one of the three, or a lead with one of its numbers."""

    agent: str
    campaign: str
    phone: str = ""
    lead_id: int = 0
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Dialled:
    """The call is on record and being placed; `attempt` is its id in every event."""

    attempt: str


@dataclass(frozen=True, slots=True)
class FeedAnswer:
    """Ask again with `after` = `next`; at once when there are `more`."""

    events: list[FedEvent]
    next: int
    more: bool


@dataclass(frozen=True, slots=True)
class Given:
    """An answer as JSON. `again`: it was given before, to this very request."""

    body: bytes
    again: bool = False


class Inbound(Protocol):
    async def leads(self, rows: Sequence[LeadWords], use: KeyUse | None) -> Given:
        """Make or update; a `LeadsAnswer` with one result a row, in order."""
        ...

    async def patch(self, row: LeadWords, use: KeyUse | None) -> Given:
        """Update in one campaign, or with none named in all. Refused with 404 when unknown."""
        ...

    async def stop(self, stop: Stop, use: KeyUse | None) -> Given:
        """A `MatchAnswer`."""
        ...

    async def do_not_call(
        self, numbers: Sequence[str], region: str, campaign: str, use: KeyUse | None
    ) -> Given:
        """A `DncAnswer`. Refused with 400 when there is no number among them."""
        ...

    async def call_back(
        self, source: str, external_id: str, campaign: str, at: datetime, use: KeyUse | None
    ) -> Given:
        """A `MatchAnswer`. Refused with 404 when there is no such lead, 409 when it is stopped."""
        ...

    async def erase(self, source: str, external_id: str, use: KeyUse | None) -> Given:
        """An `Erased`. Refused with 409 while the account is being called."""
        ...

    async def dial(self, words: DialWords, use: KeyUse | None) -> Given:
        """A `Dialled`. Refused with 404 when there is no such lead or the campaign is not the
        agent's, 409 when the agent is not free or a rule forbids the call."""
        ...

    async def person(self, source: str, external_id: str) -> PersonData:
        """All that is known of an account. Refused with 404 when nothing is."""
        ...

    async def feed(self, after: int, limit: int) -> FeedAnswer:
        """What the CRM should hear, for one that asks."""
        ...


__all__ = [
    "DialWords",
    "Dialled",
    "DncAnswer",
    "Erased",
    "FedEvent",
    "FeedAnswer",
    "Given",
    "Inbound",
    "KeyUse",
    "LeadWords",
    "LeadsAnswer",
    "MatchAnswer",
    "Payment",
    "PersonData",
    "Result",
    "RowAnswer",
    "Scope",
    "Stop",
    "StopKind",
]
