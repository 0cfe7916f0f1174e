"""Figures counted in both databases from calls that were made."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from dialer.core.commands import RecordDisposition, Timings
from dialer.core.outcomes import Outcome
from dialer.kpi.counts import Span
from dialer.kpi.formulas import GroupBy, Kpi, KpiReport
from dialer.kpi.report import CSV_COLUMNS, as_csv, best_times, kpi_report
from dialer.store import Verdict
from dialer.store.promises import keep_promises, promise
from tests.store.world import World, attempt, disposition, outcome, session, staged


async def report(world: World, by: GroupBy = GroupBy.CAMPAIGN, **span: Any) -> KpiReport:
    now = world.store.clock.utc() + timedelta(hours=1)
    found = await world.store.database.read(
        lambda c: kpi_report(c, "spring", by, Span(**span), now)
    )
    assert found is not None
    return found


def figure(found: KpiReport, name: str, key: str = "") -> Kpi:
    group = next(one for one in found.groups if one.key == key)
    return next(one for one in group.kpis if one.id == name)


async def played(world: World) -> None:
    """Five accounts: two conversations (one corrected to the wrong party), one machine, one fault
    of the network, one not called."""
    await world.load(*(staged(line) for line in range(1, 6)))
    leads = await world.claim(4)
    opened = [attempt(world, lead) for lead in leads]
    await world.give(*opened)
    talk = Timings(originated=1.0, ringing=2.0, answered=5.0, live=5.0, connected=6.0, ended=66.0)
    await world.give(
        outcome(opened[0], Outcome.CONNECTED, timings=talk),
        outcome(opened[1], Outcome.CONNECTED, timings=talk),
        outcome(opened[2], Outcome.MACHINE),
        outcome(opened[3], Outcome.CONGESTION),
    )
    await world.give(disposition(opened[0], "sold"), disposition(opened[1], "sold"))
    await world.give(disposition(opened[1], "later"))  # corrected: no contact


async def test_a_campaigns_figures(world: World) -> None:
    await played(world)
    found = await report(world)
    assert [one.key for one in found.groups] == [""]
    tried = figure(found, "intensity")
    assert (tried.numerator, tried.denominator) == (3, 3)  # the fault does not count
    live = figure(found, "contact_rate")
    assert (live.numerator, live.denominator) == (2, 3)
    assert live.low is not None
    assert figure(found, "right_party_rate").value == 1 / 3  # the last word holds
    reach = figure(found, "penetration")
    assert (reach.numerator, reach.denominator) == (3, 5)
    assert figure(found, "exhaustion").value == 1 / 5  # sold; the corrected one is called again


async def test_a_span_leaves_out_what_is_not_in_it(world: World) -> None:
    await played(world)
    now = world.store.clock.utc()
    later = await report(world, since=now + timedelta(hours=1))
    assert figure(later, "contact_rate").value is None
    all_of_it = await report(world, since=now - timedelta(hours=1), until=now + timedelta(hours=1))
    assert figure(all_of_it, "contact_rate").denominator == 3


async def test_agents_hours(world: World) -> None:
    await played(world)
    await world.give(session("leg-1"))
    found = figure(await report(world), "right_party_per_agent_hour")
    assert 0.99 < found.denominator < 1.01  # asked an hour later
    assert found.value is not None


async def test_promises(world: World) -> None:
    await played(world)
    now = world.store.clock.utc()
    (lead,) = await world.claim(1)
    for n, day in enumerate(("2026-01-05", "2030-01-05")):
        said = RecordDisposition(f"a{n}", "spring", lead, "anna", "ptp", amount="5", due_on=day)
        await world.store.database.write(
            lambda c, said=said: promise(c, world.store.context, said, Verdict("right_party"), now)
        )
    found = await report(world)
    given = figure(found, "promise_rate")
    assert (given.numerator, given.denominator) == (1, 1)  # the first was replaced
    kept = figure(found, "kept_rate")
    assert kept.value is None  # its day is yet to come
    context = world.store.context
    await world.store.database.write(lambda c: keep_promises(c, context, [lead.lead_id], now))
    kept = figure(await report(world), "kept_rate")
    assert (kept.numerator, kept.denominator) == (1, 1)


async def test_by_list_and_of_no_such_campaign(world: World) -> None:
    await played(world)
    found = await report(world, GroupBy.LIST)
    assert figure(found, "contact_rate", "a list").denominator == 3
    none = await world.store.database.read(
        lambda c: kpi_report(c, "nobody's", GroupBy.LIST, Span(), world.store.clock.utc())
    )
    assert none is None


async def test_best_times_count_every_attempt_that_tried(world: World) -> None:
    await played(world)
    found = await world.store.database.read(lambda c: best_times(c, "spring", Span()))
    assert found is not None
    assert sum(one.attempts for one in found.cells) == 3
    assert sum(one.right_party for one in found.cells) == 1
    assert await world.store.database.read(lambda c: best_times(c, "none", Span())) is None


async def test_no_cell_of_the_csv_is_a_formula(world: World) -> None:
    await played(world)
    name = '=HYPERLINK("http://x")'
    await world.store.database.write(
        lambda c: c.execute(sa.text("UPDATE lists SET name = :name"), {"name": name})
    )
    found = await report(world, GroupBy.LIST)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert list(rows[0]) == list(CSV_COLUMNS)
    assert {row["group"] for row in rows} == {"'" + name}
    contact = next(row for row in rows if row["kpi"] == "contact_rate")
    assert float(contact["value"]) == round(2 / 3, 6)
    assert all(not cell.startswith(("=", "+", "-", "@")) for row in rows for cell in row.values())
