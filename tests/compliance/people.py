"""Leads, phones and campaigns for the gate's tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from dialer.campaigns.compliance import CampaignFacts, Deny, LeadFacts, PastCall, PhoneFacts, decide
from dialer.campaigns.packs import load_packs, version_of

EASTERN = "America/New_York"
NEW_YORKER = "+12125550100"
PENSACOLA = "+18505550100"
BERLINER = "+493012345678"
LONDONER = "+442079460000"
PARISIAN = "+33112345678"


def campaign(purpose: str = "collections", **more: Any) -> CampaignFacts:
    packs = more.pop("packs", load_packs())
    return CampaignFacts("spring", purpose, packs, version_of(packs), **more)


def lead(
    zones: str = EASTERN, *history: PastCall, fields: dict[str, str] | None = None
) -> LeadFacts:
    return LeadFacts(1, zones, fields or {}, history)


def at(text: str) -> datetime:
    """`2026-11-23 15:00`, UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def denied(
    who: LeadFacts, number: str, facts: CampaignFacts, now: datetime, **phone: Any
) -> Deny | None:
    verdict = decide(who, PhoneFacts(number, **phone), facts, now)
    return verdict if isinstance(verdict, Deny) else None


def calls(
    count: int, last: datetime, apart: timedelta = timedelta(days=1), **more: Any
) -> tuple[PastCall, ...]:
    outcome = more.pop("outcome", "no answer")
    number = more.pop("number", NEW_YORKER)
    return tuple(PastCall(last - n * apart, number, outcome=outcome, **more) for n in range(count))
