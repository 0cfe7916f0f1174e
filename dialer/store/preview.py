"""What would become of a list if it came in now: the gate's verdicts, counted. Writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from dialer.core.events import Lead
from dialer.store.context import Context
from dialer.store.decisions import judge
from dialer.store.staged import StagedLead


class When(StrEnum):
    """When a row could be called, by law and by the campaign's window."""

    NOW = "dialable now"
    TODAY = "later today"  # in the lead's own day
    LATER = "another day"
    BLOCKED = "blocked"  # no waiting lifts that


WINDOW = "calling_window"  # the campaign's own hours, named like a rule
Verdict = tuple[When, str, str]  # when, the rule that says so (empty for now), the lead's zones


def preview(
    connection: Connection,
    context: Context,
    campaign: str,
    staged: Sequence[StagedLead],
    now: datetime,
) -> Counter[Verdict]:
    """The verdicts on the first number of each row."""
    policy = context.campaigns[campaign].policy
    those = [
        Lead(
            -1 - n, campaign, row.phones[0].phone, 0, 1, row.external_id, "", row.fields, row.zones
        )
        for n, row in enumerate(staged)
    ]
    counts: Counter[Verdict] = Counter()
    judged = judge(connection, context, [(lead, now, "") for lead in those])
    for row, lead, one in zip(staged, those, judged, strict=True):
        deny = None if one is None else one.deny
        rule, until = ("", None) if deny is None else (deny.rule, deny.retry_at)
        blocked = deny is not None and until is None
        if row.held_why:
            rule, blocked = rule or "unknown_zone", True
        elif not blocked and not policy.open_at(lead.zones, now):
            opens = policy.next_open(lead.zones, now)
            rule = rule or WINDOW
            blocked = opens is None
            until = opens if until is None or (opens is not None and opens > until) else until
        if blocked:
            when = When.BLOCKED
        elif until is None:
            when = When.NOW
        else:
            when = When.TODAY if _same_day(lead.zones, now, until) else When.LATER
        counts[when, rule, lead.zones] += 1
    return counts


def _same_day(zones: str, now: datetime, until: datetime) -> bool:
    first = zones.split(" ", 1)[0]
    here = ZoneInfo(first) if first else now.tzinfo
    return now.astimezone(here).date() == until.astimezone(here).date()
