"""Start and end: nothing lost, nothing left half-done, whatever stands in the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.server.watch import TraceFile
from dialer.store.database import StoreError
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

PEOPLE = [f"+4930{n:05d}200" for n in range(8)]


def talking(it: Stage) -> Callable[[], bool]:
    return lambda: any(c.state == "talking" for c in it.server.engine.floor.calls.values())


@virtual
async def test_an_end_with_calls_up_loses_nothing(tmp_path: Path) -> None:
    """What was written and not dialled is taken back, leads return, talks go on and are adopted."""
    async with stage(tmp_path, PEOPLE, agents=("anna",)) as it:
        await it.everybody_ready()
        await it.until("a talk", talking(it))
        it.server.engine.post(ev.LinesDecided("spring", _lines(2)))
        await it.server.engine.door.settled()
        undialled = {
            a for a, c in it.server.engine.floor.calls.items() if c.state in ("planned", "cleared")
        }
        assert undialled
        await it.server.close()
        rows = {row["id"]: row["outcome"] for row in it.rows("SELECT id, outcome FROM attempts")}
        assert all(rows.get(attempt) in (None, "cancelled") for attempt in undialled)
        assert {rows[a] for a in undialled & rows.keys()} <= {"cancelled"}
        assert set(rows) - undialled <= set(it.pbx.log.times_dialled)
        assert it.rows("SELECT 1 FROM leads WHERE state = 'claimed'") == []
        assert any(leg.rpartition("-")[2].startswith("c") for leg in it.pbx.exchange.channels)
        await it.start()
        await it.until("the talk again", talking(it))
        assert it.states()["anna"] == "talk"


@virtual
async def test_a_fact_just_told_is_on_record_after_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",)) as it:
        await it.everybody_ready()
        await it.until("a talk", talking(it))
        (attempt,) = it.server.engine.floor.calls
        it.server.engine.post(ev.LegHungUp(attempt, 16))  # waits in the door
        await it.server.close()
        assert it.outcomes() == ["connected"]


@virtual
async def test_a_second_signal_does_not_break_off_the_end(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1], agents=("anna",)) as it:
        await it.everybody_ready()
        await it.until("a talk", talking(it))
        (attempt,) = it.server.engine.floor.calls
        it.server.engine.post(ev.LegHungUp(attempt, 16))
        closing = asyncio.ensure_future(it.server.close())
        await asyncio.sleep(0)
        closing.cancel()
        await asyncio.wait((closing,))
        assert it.outcomes() == ["connected"]


@virtual
async def test_a_part_that_fails_to_close_keeps_no_other_from_it(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE[:1]) as it:
        pbx = it.server._pbxes["main"]

        async def broken() -> None:
            pbx._take_down()
            raise OSError("no")

        real, pbx.close = pbx.close, broken  # type: ignore[method-assign]
        with pytest.raises(OSError, match="no"):
            await it.server.close()
        with pytest.raises(RuntimeError):  # the database's threads are gone
            await it.server.store.database.read(lambda c: c.scalar(sa.select(1)))
        await real()
        del it.server  # it is closed as well as it can be


@virtual
async def test_a_database_that_hiccups_stops_nothing(tmp_path: Path) -> None:
    """A claim or a count that fails is tried again; the writer's own patience is tested with it."""
    async with stage(tmp_path, PEOPLE, start=False) as it:
        server = await it.start()
        store, failing = server.store, 3
        real = store.claim_leads

        async def claim(*args: Any) -> ev.LeadsOffered:
            nonlocal failing
            failing -= 1
            if failing >= 0:
                raise sa.exc.OperationalError("claim", {}, Exception("database is locked"))
            return await real(*args)

        async def count(*args: Any) -> None:
            raise sa.exc.OperationalError("count", {}, Exception("database is locked"))

        store.claim_leads = claim  # type: ignore[method-assign]
        store.list_counts = count  # type: ignore[method-assign,assignment]
        server.fetch(cmd.FetchLeads("spring", 5))
        await asyncio.sleep(60)
        assert server.engine.fault == ""
        assert failing < 0


async def test_a_trace_that_cannot_be_written_costs_the_trace_only(tmp_path: Path) -> None:
    (tmp_path / "full").write_text("a file where a directory should be")
    await TraceFile(tmp_path / "full" / "trace.jsonl", lambda: [{"lines": 1}]).write()


@virtual
async def test_only_what_is_left_is_shown_as_left(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE) as it:
        await asyncio.sleep(6)
        (view,) = it.server.reception.campaigns()
        assert "done" not in view.leads
        assert sum(view.leads.values()) == len(PEOPLE)


@virtual
async def test_a_second_dialer_of_this_node_leaves_nothing_behind(tmp_path: Path) -> None:
    async with stage(tmp_path, PEOPLE) as it:
        first = it.server
        try:
            with pytest.raises(StoreError):
                await it.start()
        finally:
            it.server = first
        await it.everybody_ready()
        await it.until("a talk", talking(it))


def _lines(n: int) -> Any:
    from dialer.snapshot import Decision

    return Decision(n)
