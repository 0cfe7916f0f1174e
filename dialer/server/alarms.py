"""The alarm that a campaign is where the law does not want it, for the CRM and whoever answers for
it: its abandon rate is over the limit of a window of the law, or a do-not-call list it needs is
missing or too old, so that it was paused.

Told once when it begins, and again when it begins anew; by an id of the day, so that a restart in
the middle of one tells nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from crm_bridge import events as crm
from dialer.clock import Clock
from dialer.pacing.windows import Standing

ALARMS_EVERY_S = 5.0


class Alarms:
    """`standings(campaign)`: of its windows now; `paused(campaign)`: why the law's lists keep it
    from dialling, empty when they do not."""

    def __init__(
        self,
        campaigns: Iterable[str],
        standings: Callable[[str], Iterable[Standing]],
        paused: Callable[[str], str],
        tell: Callable[[crm.Event], None],
        clock: Clock,
    ) -> None:
        self._campaigns = tuple(campaigns)
        self._standings = standings
        self._paused = paused
        self._tell = tell
        self._clock = clock
        self._on: set[tuple[str, str]] = set()

    async def look(self) -> None:
        for campaign in self._campaigns:
            for one in self._standings(campaign):
                if one.window.legal:
                    over = one.spent and one.rate > one.window.limit
                    self._turn(campaign, one.window.name, over, one, "")
            why = self._paused(campaign)
            self._turn(campaign, "do-not-call list", bool(why), None, why)

    def _turn(self, campaign: str, rule: str, on: bool, one: Standing | None, why: str) -> None:
        key = (campaign, rule)
        if not on:
            self._on.discard(key)
        elif key not in self._on:
            self._on.add(key)
            self._tell(
                crm.campaign_compliance_alarm(
                    campaign,
                    self._clock.utc(),
                    rule=rule,
                    why=why or "more live answers were abandoned than the limit allows",
                    limit=None if one is None else one.window.limit,
                    rate=None if one is None else one.rate,
                    live=None if one is None else one.live,
                    abandoned=None if one is None else one.abandoned,
                )
            )
