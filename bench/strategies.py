"""What a strategy costs: leads placed, predicates asked in Python and in SQL, leads moved by time,
key figures counted. `python -m bench.strategies [--leads 20000]`.

The ratios are of one run on one machine: the same list with and without a strategy.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bench.table import show
from dialer.campaigns.lead import StagedLead, StagedPhone
from dialer.campaigns.strategy.load import load_strategy
from dialer.campaigns.strategy.place import Strategy, place
from dialer.campaigns.strategy.sql import first_of
from dialer.campaigns.strategy.values import today_of
from dialer.kpi.counts import Span
from dialer.kpi.formulas import GroupBy
from dialer.kpi.report import kpi_report
from dialer.store.schema import lead_steps
from dialer.store.store import Store
from tests.store.world import Script

EXAMPLE = Path(__file__).parents[1] / "examples" / "collections.yaml"
PRODUCTS = ("card", "personal loan", "car loan", "phone contract", "energy")
PIECE = 1_000
_ATTEMPTS = """
INSERT INTO attempts (id, campaign_id, lead_id, phone_id, phone, attempt_no, pbx, boot, opened_ms,
  stage_ms, agent, outcome, closed_ms, unserved, amd, hung_up_by)
SELECT 'a' || leads.id, leads.campaign_id, leads.id, phones.id, phones.phone, 1, 'main', 'b',
  1760000000000 + leads.id * 1000, 0, '', CASE leads.id % 5 WHEN 0 THEN 'connected'
  WHEN 1 THEN 'machine' ELSE 'no answer' END, 1760000000000, false, '', ''
FROM leads JOIN phones ON phones.lead_id = leads.id
"""


@dataclass(slots=True)
class Took:
    """Seconds."""

    placed: float = 0.0
    moved: float = 0.0
    counted: float = 0.0
    figures: float = 0.0


def accounts(count: int) -> list[StagedLead]:
    today = date(2026, 11, 1)
    return [
        StagedLead(
            n,
            (StagedPhone(f"+1212{n:07d}", "phone", "phone"),),
            f"name {n}",
            f"ACC-{n}",
            "America/New_York",
            0,
            "",
            {
                "balance": f"{20 + n % 3_000}.50",
                "due_date": (today - timedelta(days=n % 200)).isoformat(),
                "product": PRODUCTS[n % len(PRODUCTS)],
            },
        )
        for n in range(1, count + 1)
    ]


async def load(directory: Path, plan: Strategy | None, rows: list[StagedLead]) -> Took:
    took = Took()
    name = "with" if plan is not None else "without"
    store = await Store.open(f"sqlite:///{directory / name}.db", boot="b", durable=False)
    try:
        await store.add_campaign(Script(plan=plan))
        list_id = await store.begin_import("spring", "a list", "a.csv")
        began = time.perf_counter()
        for at in range(0, len(rows), PIECE):
            await store.stage("spring", list_id, rows[at : at + PIECE])
        await store.finish_import("spring", list_id, 0)
        took.placed = time.perf_counter() - began
        if plan is not None:
            await _worked(store, plan, took)
    finally:
        await store.close()
    return took


async def _worked(store: Store, plan: Strategy, took: Took) -> None:
    now = store.clock.utc()

    def segments(connection: sa.Connection) -> Any:
        named = [(one.id, one.when) for one in plan.file.segments]
        today = today_of(now.date())
        found = first_of(named, plan.file.inputs, lead_steps.c.inputs, today)
        return connection.execute(
            sa.select(found, sa.func.count()).select_from(lead_steps).group_by(sa.text("1"))
        ).all()

    began = time.perf_counter()
    await store.database.read(segments)
    took.counted = time.perf_counter() - began
    began = time.perf_counter()
    await store.run_steps(now + timedelta(days=60))
    took.moved = time.perf_counter() - began
    await store.database.write(lambda c: c.execute(sa.text(_ATTEMPTS)))
    began = time.perf_counter()
    await store.database.read(lambda c: kpi_report(c, "spring", GroupBy.SEGMENT, Span(), now))
    took.figures = time.perf_counter() - began


def asked(plan: Strategy, rows: list[StagedLead], now: datetime) -> float:
    """Seconds to read the columns of all leads and find segment, arm and level."""
    today = today_of(now.date())
    began = time.perf_counter()
    for row in rows:
        place(plan, plan.values(row.fields), today, row.external_id)
    return time.perf_counter() - began


async def measure(count: int) -> None:
    plan, rows = load_strategy(EXAMPLE), accounts(count)
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        without = await load(directory, None, rows)
        took = await load(directory, plan, rows)
    pure = asked(plan, rows, datetime(2026, 11, 22))
    most = 10_000  # one look moves so many at most
    moved = min(count, most)
    show(
        f"Strategies, {count:,} leads, SQLite",
        [
            ("leads in, without a strategy", f"{count / without.placed:,.0f}/s", ""),
            ("leads in, with one", f"{count / took.placed:,.0f}/s", "read, placed, written down"),
            ("ratio", f"{took.placed / without.placed:.2f}", "time with a strategy / without"),
            ("placed, in Python alone", f"{1e6 * pure / count:.0f} us", "a lead"),
            ("counted by segment, in SQL", f"{1e6 * took.counted / count:.1f} us", "a lead"),
            ("moved by time", f"{1e6 * took.moved / moved:,.0f} us", "a lead that is due"),
            ("figures by segment", f"{1e3 * took.figures:.0f} ms", f"{count:,} attempts"),
        ],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, default=20_000)
    asyncio.run(measure(parser.parse_args().leads))


if __name__ == "__main__":
    main()
