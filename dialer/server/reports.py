"""Key figures as `dialer.web` sees them, and as the server takes them from its store."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from datetime import datetime
from functools import partial
from typing import Protocol, TypeVar

from dialer.kpi.counts import Span
from dialer.kpi.formulas import BestTimes, GroupBy, HeatCell, Kpi, KpiGroup, KpiReport
from dialer.kpi.report import as_csv, best_times, kpi_report
from dialer.server.evidence import EvidenceDesk, EvidenceFile
from dialer.server.face import Refused
from dialer.store.store import Store

T = TypeVar("T")


class Reports(Protocol):
    """All of these raise `Refused` with 404 for a campaign nobody knows. Moments are aware;
    None: without that end."""

    async def kpis(
        self, campaign: str, by: GroupBy, since: datetime | None, until: datetime | None
    ) -> KpiReport: ...

    async def best_times(
        self, campaign: str, since: datetime | None, until: datetime | None
    ) -> BestTimes: ...

    def archive(
        self, campaign: str, since: datetime | None, until: datetime | None, who: str
    ) -> AbstractAsyncContextManager[EvidenceFile]:
        """The campaign's evidence, there while the context lasts; audited. Refused with 409 while
        another one is written, 503 when it cannot be."""
        ...


class StoreReports:
    """Implements `Reports`."""

    def __init__(self, store: Store, evidence: EvidenceDesk) -> None:
        self._store = store
        self.archive = evidence.archive

    async def kpis(
        self, campaign: str, by: GroupBy, since: datetime | None, until: datetime | None
    ) -> KpiReport:
        found = await self._store.database.read(
            partial(
                kpi_report,
                campaign=campaign,
                by=by,
                span=Span(since, until),
                now=self._store.clock.utc(),
            )
        )
        return _known(found)

    async def best_times(
        self, campaign: str, since: datetime | None, until: datetime | None
    ) -> BestTimes:
        found = await self._store.database.read(
            partial(best_times, campaign=campaign, span=Span(since, until))
        )
        return _known(found)


def _known(found: T | None) -> T:
    if found is None:
        raise Refused("There is no such campaign.", 404, "See GET /v1/campaigns.")
    return found


__all__ = [
    "BestTimes",
    "EvidenceFile",
    "GroupBy",
    "HeatCell",
    "Kpi",
    "KpiGroup",
    "KpiReport",
    "Reports",
    "StoreReports",
    "as_csv",
]
