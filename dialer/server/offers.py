"""The account of abandons of each campaign's whole offer, kept true while others add to it.

A copy of a campaign, on this node or another, paused or gone meanwhile, is the same campaign to the
law. A campaign's account therefore begins with what the store has of all of them, and goes on with
its own calls as they happen (the governor) and with the others' as they are committed (here).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import sqlalchemy as sa
import structlog

from dialer.campaigns.compliance.abandoned import limit_left
from dialer.campaigns.compliance.decide import abandon_rules
from dialer.campaigns.compliance.rules import Span as RuleSpan
from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock
from dialer.pacing.windows import DAY_S, Account, Span, Window
from dialer.server.pacing import Pacing, civil_seconds
from dialer.store.context import from_ms
from dialer.store.kinship import Share, minutes
from dialer.store.store import Store

KIN_EVERY_S = 1.0  # between looks at what the others added
HISTORY = timedelta(days=62)  # read at the start: a calendar month, or two blocks of 30 days
LATE = timedelta(hours=26)  # a call's minute is committed when the call ends: no call is longer

_SPANS = {
    RuleSpan.BLOCK: Span.BLOCK,
    RuleSpan.CALENDAR_MONTH: Span.MONTH,
    RuleSpan.ROLLING: Span.ROLLING,
}

log = structlog.get_logger()


def windows_for(campaign: CampaignFile, anchor: float, now: datetime) -> tuple[Window, ...]:
    """The law's windows, each with its limit or the campaign's own where that is lower, less what
    detection's error takes of it; and no day of ours over it. `anchor`: when the offer began, in
    civil seconds."""
    error = campaign.amd_audit.error if campaign.amd and campaign.amd_audit else 0.0
    own = limit_left(campaign.abandon_limit, error)
    found = [
        Window(
            _name(rule.span, rule.window),
            limit_left(min(rule.limit, campaign.abandon_limit), error),
            _SPANS[rule.span],
            max(1, int(rule.window // DAY_S)),
            anchor,
        )
        for _, rule in abandon_rules(campaign.gate, now)
    ]
    if not found:  # no law of ours names a share: the usual block, as the campaign's own limit
        found.append(Window("30-day block", own, Span.BLOCK, 30, anchor, legal=False))
    return (*found, Window("day", own, Span.DAY, legal=False))


def _name(span: RuleSpan, seconds: float) -> str:
    days = int(seconds // DAY_S)
    match span:
        case RuleSpan.BLOCK:
            return f"{days}-day block"
        case RuleSpan.CALENDAR_MONTH:
            return "calendar month"
        case RuleSpan.ROLLING:
            return "any 24 hours" if days == 1 else f"any {days} days"


class Offers:
    """The accounts of this node's campaigns."""

    def __init__(self, store: Store, pacing: Pacing, clock: Clock, zone: ZoneInfo) -> None:
        self._store, self._pacing, self._clock, self._zone = store, pacing, clock, zone
        self._seen: dict[str, dict[tuple[int, int], tuple[int, int]]] = {}

    async def open(self, campaign: CampaignFile) -> Account:
        """The account as the store has it, of the whole offer, since its present window began."""
        now = self._clock.utc()
        began = await self._store.started_at(campaign.name) or now
        since = max(began, now - HISTORY)
        _, found = await self._store.offer_shares(campaign.name, since)
        # An account never goes back in time: it begins where its history does.
        account = Account(windows_for(campaign, self._civil(began), now), self._civil(since))
        account.restore((self._civil(minute), live, lost) for minute, live, lost in minutes(found))
        account.advance(self._civil(now))
        self._seen[campaign.name] = _counts(found)
        return account

    def forget(self, campaign: str) -> None:
        """It is taken out here; what it added stays its offer's."""
        self._seen.pop(campaign, None)

    def _civil(self, moment: datetime) -> float:
        return civil_seconds(moment, self._zone)

    async def follow(self) -> None:
        """Add what the others of each offer have committed since the last look."""
        since = self._clock.utc() - LATE
        for name in list(self._seen):
            try:
                mine, found = await self._store.offer_shares(name, since)
            except (sa.exc.DBAPIError, OSError) as error:  # the next look finds it
                log.warning("the account of kin is not known", error=type(error).__name__)
                return
            account = self._pacing.governor(name).account
            seen = self._seen[name]
            for share in found:
                key = (share.campaign_id, share.minute)
                before = seen.get(key, (0, 0))
                seen[key] = (share.live, share.abandoned)
                if share.campaign_id != mine and seen[key] != before:
                    account.late(
                        self._civil(from_ms(share.minute * 60_000)),
                        max(0, share.live - before[0]),
                        max(0, share.abandoned - before[1]),
                    )
            self._seen[name] = _counts(found)


def _counts(found: Iterable[Share]) -> dict[tuple[int, int], tuple[int, int]]:
    return {(one.campaign_id, one.minute): (one.live, one.abandoned) for one in found}
