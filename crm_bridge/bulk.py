"""Many rows and many numbers in one statement, the way each database likes it best.

SQLAlchemy's own `executemany` and `IN` with a thousand parameters cost more than the database's
work. PostgreSQL gets arrays, so that any number of rows is one statement with a plan that is kept;
SQLite gets plain tuples, and lists of numbers as JSON.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

_POSTGRESQL: sa.Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


@cache  # making the expression costs more than the database's work; statements may share it
def among(dialect: str, column: sa.ColumnElement[Any], name: str) -> sa.ColumnElement[bool]:
    """`column` is one of the values bound to `name` by `bound`."""
    if dialect == "postgresql":
        return column == sa.any_(sa.bindparam(name, type_=postgresql.ARRAY(column.type)))
    values = sa.func.json_each(sa.bindparam(name, type_=sa.Text())).table_valued("value")
    return column.in_(sa.select(values.c.value))


def bound(dialect: str, values: Sequence[int] | Sequence[str]) -> object:
    """The parameter for `among`."""
    return values if dialect == "postgresql" else json.dumps(values)


NOTHING = "DO NOTHING"


def insert_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[object, ...]],
    *,
    conflict: str = NOTHING,
    begin: str = "",
) -> None:
    """Insert in the order of `rows`; `conflict` says what becomes of a row that is there already
    (and what else the statement does, and `begin` how it begins)."""
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        arrays = {f"p{n}": list(column) for n, column in enumerate(zip(*rows, strict=True))}
        connection.execute(sa.text(begin + _from_arrays(table, columns) + conflict), arrays)
    else:
        connection.exec_driver_sql(_from_tuples(table, columns) + conflict, list(rows))


@cache
def _from_arrays(table: sa.Table, columns: tuple[str, ...]) -> str:
    """Numbers are given in the order of the arrays, because ORDER BY comes before defaults."""
    names = ", ".join(f'"{name}"' for name in columns)
    types = [table.c[name].type.compile(dialect=_POSTGRESQL) for name in columns]
    arrays = ", ".join(f"CAST(:p{n} AS {type_}[])" for n, type_ in enumerate(types))
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {names} FROM unnest({arrays})"  # noqa: S608
        f" WITH ORDINALITY AS given({names}, place) ORDER BY place ON CONFLICT "
    )


@cache
def _from_tuples(table: sa.Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    return (
        f"INSERT INTO {table.name} ({names})"  # noqa: S608 - names of our own tables
        f" VALUES ({', '.join('?' * len(columns))}) ON CONFLICT "
    )
