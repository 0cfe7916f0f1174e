"""Python and SQL say the same of every predicate and priority, on both databases: the property
that lets one definition serve the live dialer and the counts before it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

from dialer.campaigns.strategy.predicate import Facts, Predicate, holds, matches
from dialer.campaigns.strategy.score import Priority, level
from dialer.campaigns.strategy.sql import clause, first_of, level_of, matching
from dialer.campaigns.strategy.values import Value
from dialer.store.database import parse_url
from dialer.store.schema import Json
from tests.strategy.making import INPUTS, TODAY, leads, predicates, priorities

_meta = sa.MetaData()
_rows = sa.Table(
    "compared",
    _meta,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("inputs", Json, nullable=False),
    prefixes=["TEMPORARY"],
)
_FEW = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Databases:
    """A statement over some leads, asked of a SQLite and of a PostgreSQL."""

    def __init__(self, server: str) -> None:
        self._runner = asyncio.Runner()
        self._sqlite = sa.create_engine("sqlite://").connect()
        _meta.create_all(self._sqlite)
        self._engine = create_async_engine(parse_url(server))
        self._postgresql = self._engine.connect()
        self._runner.run(_started(self._postgresql))
        self._runner.run(self._postgresql.run_sync(_meta.create_all))

    def ask(
        self, those: list[dict[str, Value]], columns: list[sa.ColumnElement[Any]]
    ) -> list[list[tuple[Any, ...]]]:
        def work(connection: sa.Connection) -> list[tuple[Any, ...]]:
            connection.execute(sa.delete(_rows))
            connection.execute(
                sa.insert(_rows), [{"id": n, "inputs": one} for n, one in enumerate(those)]
            )
            return [
                tuple(row)
                for row in connection.execute(
                    sa.select(*columns).select_from(_rows).order_by(_rows.c.id)
                )
            ]

        return [work(self._sqlite), self._runner.run(self._postgresql.run_sync(work))]

    def close(self) -> None:
        self._sqlite.close()
        self._runner.run(self._postgresql.close())
        self._runner.run(self._engine.dispose())
        self._runner.close()


async def _started(connection: AsyncConnection) -> None:
    await connection.start()


@pytest.fixture(scope="module")
def databases(postgresql_server: str) -> Iterator[Databases]:
    made = Databases(postgresql_server)
    yield made
    made.close()


def facts(values: dict[str, Value]) -> Facts:
    return Facts(INPUTS, values, TODAY)


@_FEW
@given(st.lists(predicates(), min_size=1, max_size=6), st.lists(leads(), min_size=1, max_size=6))
@example([Predicate.model_validate({"not": {"f": "word", "eq": "card"}})], [{"word": None}])
@example(
    [Predicate.model_validate({"f": "word", "contains": "STRASSE"})], [{"word": "hauptstrasse"}]
)
@example([Predicate.model_validate({"f": "word", "starts": "_"})], [{"word": "x_"}])
def test_predicates(
    databases: Databases, tests: list[Predicate], those: list[dict[str, Value]]
) -> None:
    here = [
        tuple(holds(test, facts(one)) for test in tests)
        + tuple(matches(test, facts(one)) for test in tests)
        for one in those
    ]
    columns = [clause(test, INPUTS, _rows.c.inputs, TODAY) for test in tests]
    columns += [matching(test, INPUTS, _rows.c.inputs, TODAY) for test in tests]
    for there in databases.ask(those, columns):
        assert [tuple(None if one is None else bool(one) for one in row) for row in there] == here


@_FEW
@given(priorities(), st.lists(leads(), min_size=1, max_size=8))
def test_priorities(
    databases: Databases, priority: Priority, those: list[dict[str, Value]]
) -> None:
    here = [level(priority, facts(one)) for one in those]
    for there in databases.ask(those, [level_of(priority, INPUTS, _rows.c.inputs, TODAY)]):
        assert [row[0] for row in there] == here
    assert all(0 <= one <= 9 for one in here)


@_FEW
@given(st.lists(predicates(), max_size=4), st.lists(leads(), min_size=1, max_size=6))
def test_the_first_that_matches(
    databases: Databases, tests: list[Predicate], those: list[dict[str, Value]]
) -> None:
    named = [(f"s{n}", test) for n, test in enumerate(tests)]
    here = [next((name for name, test in named if matches(test, facts(one))), "") for one in those]
    for there in databases.ask(those, [first_of(named, INPUTS, _rows.c.inputs, TODAY)]):
        assert [row[0] for row in there] == here


@given(predicates(), leads())
def test_not_is_its_own_inverse_and_de_morgan_holds(
    test: Predicate, values: dict[str, Value]
) -> None:
    other = Predicate(f="consent", known=True)
    twice = Predicate(not_=Predicate(not_=test))
    assert holds(twice, facts(values)) == holds(test, facts(values))
    neither = Predicate(not_=Predicate(any_=(test, other)))
    both_not = Predicate(all_=(Predicate(not_=test), Predicate(not_=other)))
    assert holds(neither, facts(values)) == holds(both_not, facts(values))
