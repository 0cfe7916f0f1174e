"""What the gate is asked with, and what it answers. No I/O, no clock: the caller brings both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dialer.campaigns.compliance.rules import Pack


@dataclass(frozen=True, slots=True)
class PastCall:
    """An attempt on record that may count against a cap.

    `outcome` is an `Outcome`'s value, empty while the attempt is open: an open attempt counts as
    whatever it may still become. `conversation`: talked with the person, as far as anybody knows.
    `callback_at`: the person asked in it to be called at that time. `attempt` False: the agent's
    word was that it came to nothing, for a fault of ours. `contact` None: as the outcome says.
    """

    at: datetime
    number: str
    about_debt: bool = True  # about the very account; else another one of the same person
    outcome: str = ""
    conversation: bool = False
    callback_at: datetime | None = None
    attempt: bool = True
    contact: bool | None = None

    @property
    def is_open(self) -> bool:
        return not self.outcome


@dataclass(frozen=True, slots=True)
class LeadFacts:
    """`zones`: every zone the lead may be in, joined by spaces, empty when not known. `fields`: the
    list's own columns; a state or postcode among them makes its law apply."""

    lead_id: int
    zones: str
    fields: Mapping[str, str] = field(default_factory=dict)
    history: tuple[PastCall, ...] = ()


@dataclass(frozen=True, slots=True)
class PhoneFacts:
    """`lists` are the do-not-call lists of regulators that hold the number. `automatic`: it may be
    dialled without a person deciding on this very call."""

    number: str  # E.164
    suppressed: bool = False  # on our own list: final, nothing overrides it
    lists: frozenset[str] = frozenset()
    automatic: bool = True


@dataclass(frozen=True, slots=True)
class Override:
    """A person took it upon himself to dial although a rule says no. Audited at every attempt."""

    by: str
    because: str


@dataclass(frozen=True, slots=True)
class CampaignFacts:
    """`lists_fetched`: when each do-not-call list was loaded last. `guaranteed_agent`: the attempt
    is made for an agent who is kept free for it. `by_hand`: a person decided on this very call.
    `wide_zones`: where the zone is not known and a person decides, it must be time in all of these.
    """

    name: str
    purpose: str
    packs: tuple[Pack, ...]
    version: str  # of the packs, as `decision_log` names it
    ring_limit_s: float = 25.0
    default_region: str = ""
    guaranteed_agent: bool = False
    by_hand: bool = False
    wide_zones: str = ""
    override: Override | None = None
    consent_required: bool = False  # a number nobody said anything of is not dialled by itself
    unaudited: bool = False  # machines are detected, and nobody knows how often people are taken so
    lists_fetched: Mapping[str, datetime] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deny:
    """`rule` is `<pack>/<rule>`. `retry_at` None: not by itself. `reason` is for people and holds
    no personal data. `final`: never again by any campaign."""

    rule: str
    reason: str
    retry_at: datetime | None = None
    final: bool = False


@dataclass(frozen=True, slots=True)
class Allow:
    """`overridden` are the rules a permitted override set aside."""

    overridden: tuple[Deny, ...] = ()


Verdict = Allow | Deny
