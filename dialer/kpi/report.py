"""A campaign's key figures, asked of its database, and written down for people and spreadsheets."""

from __future__ import annotations

import csv
import io
from datetime import datetime

from sqlalchemy.engine import Connection

from dialer.campaigns.rejects import harmless
from dialer.kpi.counts import Span, campaign_id_of, count, heat
from dialer.kpi.formulas import BEST_TIMES, BestTimes, GroupBy, KpiGroup, KpiReport, kpis

CSV_COLUMNS = (
    "campaign",
    "by",
    "group",
    "kpi",
    "name",
    "value",
    "low",
    "high",
    "unit",
    "numerator",
    "denominator",
    "formula",
)


def kpi_report(
    connection: Connection, campaign: str, by: GroupBy, span: Span, now: datetime
) -> KpiReport | None:
    """None: there is no such campaign."""
    campaign_id = campaign_id_of(connection, campaign)
    if campaign_id is None:
        return None
    counted = count(connection, campaign_id, by, span, now)
    groups = tuple(KpiGroup(key, kpis(one)) for key, one in counted.items())
    return KpiReport(campaign, by, span.since, span.until, groups)


def best_times(connection: Connection, campaign: str, span: Span) -> BestTimes | None:
    """None: there is no such campaign."""
    campaign_id = campaign_id_of(connection, campaign)
    if campaign_id is None:
        return None
    return BestTimes(campaign, BEST_TIMES, heat(connection, campaign_id, span))


def as_csv(report: KpiReport) -> str:
    """One line a figure. No cell is one that a spreadsheet takes for a formula."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")  # RFC 4180
    writer.writerow(CSV_COLUMNS)
    for group in report.groups:
        for one in group.kpis:
            row = (
                report.campaign,
                report.by.value,
                group.key,
                one.id,
                one.name,
                _number(one.value),
                _number(one.low),
                _number(one.high),
                one.unit,
                _number(one.numerator),
                _number(one.denominator),
                one.formula,
            )
            writer.writerow([harmless(cell) for cell in row])
    return out.getvalue()


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}".rstrip("0").rstrip(".")
