"""Frequency caps: how many calls count, and when the next one may be made."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dialer.campaigns.compliance.facts import LeadFacts, PastCall, PhoneFacts
from dialer.campaigns.compliance.rules import Anchor, CapRule, Scope, Unit
from dialer.campaigns.window import zones_of
from dialer.core.outcomes import Outcome

OPEN_AGAIN = timedelta(minutes=5)  # an attempt is open: look again when it may have ended
CONSENT_DAYS = 7  # how long a callback asked for lifts a cap (12 CFR 1006.14(b)(3)(i))

# No call in any rule's sense: nothing left for the called number.
_NEVER = frozenset(
    {
        Outcome.CANCELLED.value,
        Outcome.FAILED_LOCAL.value,
        Outcome.TRUNK_CONFIG.value,
        Outcome.STIR.value,
        Outcome.RATE_LIMITED.value,
        Outcome.CONGESTION.value,
    }
)
_LIVE = frozenset(outcome.value for outcome in Outcome if outcome.live)
# Answered, and nobody saw how: counted as a contact, because it may have been one.
_CONTACT = _LIVE | {Outcome.LOST.value}


def breached(
    rule: CapRule, lead: LeadFacts, phone: PhoneFacts, guaranteed: bool, now: datetime
) -> tuple[int, datetime] | None:
    """How many calls count, and when one of them no longer does; None while one more may be."""
    if len(lead.history) < rule.limit:
        return None
    if guaranteed and "guaranteed_agent" in rule.unless:
        return None
    if "callback_asked_for" in rule.unless and _asked_for(lead, now):
        return None
    counted = [call for call in lead.history if _counts(rule, call, phone)]
    if len(counted) < rule.limit:
        return None
    worst: tuple[int, datetime] | None = None
    for zone in zones_of(lead.zones) if rule.anchor is not Anchor.ROLLING else (None,):
        ends = sorted(end for call in counted if (end := _counts_until(rule, call.at, zone)) > now)
        if len(ends) < rule.limit:
            continue
        free_at = ends[len(ends) - rule.limit]
        if worst is None or free_at > worst[1]:
            worst = (len(ends), free_at)
    if worst is None:
        return None
    ended = [call for call in counted if not call.is_open]
    if len(ended) < rule.limit:  # the open ones alone make it too many: they may come to nothing
        return worst[0], min(worst[1], now + OPEN_AGAIN)
    return worst


def _counts(rule: CapRule, call: PastCall, phone: PhoneFacts) -> bool:
    if rule.scope is Scope.NUMBER and call.number != phone.number:
        return False
    if rule.scope is Scope.DEBT and not call.about_debt:
        return False
    if call.is_open:
        return rule.unit not in (Unit.ABANDONED, Unit.MACHINE)
    if call.outcome in _NEVER or call.outcome in rule.excludes or not call.attempt:
        return False
    match rule.unit:
        case Unit.ATTEMPT:
            return True
        case Unit.CONTACT:
            return call.outcome in _CONTACT if call.contact is None else call.contact
        case Unit.CONVERSATION:
            return call.conversation
        case Unit.ABANDONED:
            return call.outcome == Outcome.ABANDONED.value
        case Unit.MACHINE:
            return call.outcome == Outcome.MACHINE.value


def _counts_until(rule: CapRule, at: datetime, zone: ZoneInfo | None) -> datetime:
    """The first moment at which a call made at `at` no longer counts."""
    if zone is None:
        return at + timedelta(seconds=rule.window)
    day = at.astimezone(zone).date()
    if rule.anchor is Anchor.CONSECUTIVE_DAYS:
        after = day + timedelta(days=int(rule.window // 86400))
    else:
        after = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return datetime.combine(after, time(), zone).astimezone(UTC)


def _asked_for(lead: LeadFacts, now: datetime) -> bool:
    """Whether the person's last word was a time to be called at, which has come."""
    last = _last(call for call in lead.history if call.conversation and call.about_debt)
    if last is None or last.callback_at is None:
        return False
    later = [c for c in lead.history if c.at > last.at and c.at >= last.callback_at]
    if any(call.is_open or call.outcome in _LIVE for call in later):
        return False
    return last.callback_at <= now <= last.at + timedelta(days=CONSENT_DAYS)


def _last(calls: Iterable[PastCall]) -> PastCall | None:
    return max(calls, key=lambda call: call.at, default=None)
