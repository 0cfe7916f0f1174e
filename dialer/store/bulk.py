"""Many rows or many keys in one statement, in the way each database does it fastest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.engine import Connection


def insert_rows(
    connection: Connection,
    table: sa.Table,
    columns: tuple[str, ...],
    rows: Sequence[tuple[Any, ...]],
) -> None:
    """Insert tuples in the order of `columns`. A JSON column takes its text."""
    if not rows:
        return
    statement = _insert(connection.dialect.name, table, columns)
    if connection.dialect.name == "postgresql":
        arrays = tuple(list(column) for column in zip(*rows, strict=True))
        connection.exec_driver_sql(statement, arrays)
    else:
        connection.exec_driver_sql(statement, list(rows))


@cache
def _insert(dialect: str, table: sa.Table, columns: tuple[str, ...]) -> str:
    names = ", ".join(f'"{name}"' for name in columns)
    if dialect != "postgresql":
        marks = ", ".join("?" * len(columns))
        return f"INSERT INTO {table.name} ({names}) VALUES ({marks})"  # noqa: S608 - our own names
    arrays, picked = [], []
    for n, name in enumerate(columns, start=1):
        array, cast = _array_type(table.c[name].type)
        arrays.append(f"${n}::{array}[]")
        picked.append(f"u.c{n}{cast}")
    aliases = ", ".join(f"c{n}" for n in range(1, len(columns) + 1))
    return (
        f"INSERT INTO {table.name} ({names}) SELECT {', '.join(picked)} "  # noqa: S608 - our own
        f"FROM unnest({', '.join(arrays)}) AS u({aliases})"
    )


def _array_type(kind: sa.types.TypeEngine[Any]) -> tuple[str, str]:
    """The type of the array that brings a column, and the cast of its members."""
    if isinstance(kind, sa.JSON | JSONB):
        return "text", "::jsonb"
    for one, name in (
        (sa.Boolean, "boolean"),
        (sa.SmallInteger, "smallint"),
        (sa.BigInteger, "bigint"),
        (sa.Integer, "integer"),
        (sa.LargeBinary, "bytea"),
        (sa.Text, "text"),
    ):
        if isinstance(kind, one):
            return name, ""
    raise AssertionError("a column of this type is not filled in bulk")


def rows_among(
    connection: Connection, statement: str, keys: Iterable[str], *more: Any
) -> Sequence[Any]:
    """Rows of a statement whose `{keys}` stands for a set of texts: `... WHERE phone IN {keys}`.

    `more` are its further parameters, written `{0}`, `{1}` in the statement.
    """
    wanted = list(keys)
    if not wanted:
        return []
    if connection.dialect.name == "postgresql":
        marks = [f"${n}" for n in range(2, len(more) + 2)]
        text = statement.format(*marks, keys="(SELECT unnest($1::text[]))")
        return connection.exec_driver_sql(text, (wanted, *more)).all()
    marks = [f"?{n}" for n in range(2, len(more) + 2)]
    text = statement.format(*marks, keys="(SELECT value FROM json_each(?1))")
    return connection.exec_driver_sql(text, (json.dumps(wanted), *more)).all()


def rows_in(
    connection: Connection,
    statement: str,
    *more: Any,
    ids: Sequence[int],
    keys: Sequence[str] = (),
) -> Sequence[Any]:
    """Rows of a statement in which `{ids}` stands for a set of row numbers and `{keys}` for one of
    texts; `more` are its further parameters, written `{0}`, `{1}`."""
    if connection.dialect.name == "postgresql":
        marks = [f"${n}" for n in range(3 if keys else 2, len(more) + 3)]
        text = statement.format(
            *marks, ids="(SELECT unnest($1::bigint[]))", keys="(SELECT unnest($2::text[]))"
        )
        sets: tuple[Any, ...] = (list(ids), list(keys)) if keys else (list(ids),)
        return connection.exec_driver_sql(text, (*sets, *more)).all()
    # A list of numbers in the text itself: SQLite knows then how many there are.
    marks = [f"?{n}" for n in range(2, len(more) + 2)]
    inside = ",".join(map(str, ids))
    text = statement.format(*marks, ids=f"({inside})", keys="(SELECT value FROM json_each(?1))")
    first = json.dumps(list(keys)) if keys else None
    return connection.exec_driver_sql(text, (first, *more) if keys or more else ()).all()
