"""Calling windows of rules: all of them, by the clock of every zone the lead may be in."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, time, timedelta

from dialer.campaigns.compliance.rules import WindowRule
from dialer.campaigns.window import zones_of

_ROUNDS = 60  # a step a day at least, for as many days; no window is further away


def open_at(rule: WindowRule, zones: str, moment: datetime) -> bool:
    """Whether `moment` is within the rule's hours, and no holiday, in all of `zones`."""
    clock = rule.zone or zones
    if not rule.window.open_at(clock, moment):
        return False
    return not any(rule.holiday(moment.astimezone(zone).date()) for zone in zones_of(clock))


def next_open(rules: Sequence[WindowRule], zones: str, moment: datetime) -> datetime | None:
    """The first moment from `moment` on at which all of `rules` are open; None: there is none."""
    at = moment.astimezone(UTC)
    for _ in range(_ROUNDS):
        latest = at
        for rule in rules:
            opens = rule.window.next_open(rule.zone or zones, at)
            if opens is None:
                return None
            latest = max(latest, opens)
            for zone in zones_of(rule.zone or zones):
                local = opens.astimezone(zone)
                if rule.holiday(local.date()):
                    midnight = datetime.combine(local.date() + timedelta(days=1), time(), zone)
                    latest = max(latest, midnight.astimezone(UTC))
        if latest == at:
            return at
        at = latest
    return None
