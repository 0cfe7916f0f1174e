"""The migrations make what the code believes in, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from dialer.store import StoreError
from dialer.store.database import Database, connect
from dialer.store.migrate import upgrade_connection, upgrade_database
from dialer.store.schema import all_metadata
from tests.store.world import World


def picture(connection: sa.Connection) -> dict[str, Any]:
    """Everything the database enforces, as it would say it itself."""
    if connection.dialect.name == "sqlite":
        rows = connection.execute(
            sa.text(
                "SELECT type, name, sql FROM sqlite_master WHERE type IN ('table', 'index')"
                " AND name NOT LIKE 'sqlite%' AND name <> 'alembic_version'"
            )
        )
        return {f"{kind} {name}": words(sql) for kind, name, sql in rows}
    found: dict[str, Any] = {}
    for table, name, text in connection.execute(
        sa.text(
            "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)"
            " FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'"
        )
    ):
        found[f"constraint {table} {name}"] = text
    for name, text in connection.execute(
        sa.text("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'")
    ):
        found[f"index {name}"] = text
    for table, column, *rest in connection.execute(
        sa.text(
            "SELECT table_name, column_name, data_type, is_nullable, column_default"
            " FROM information_schema.columns WHERE table_schema = 'public'"
        )
    ):
        found[f"column {table}.{column}"] = rest
    return {k: v for k, v in found.items() if "alembic_version" not in k}


def words(sql: str) -> list[str]:
    """A statement's parts, one for each column and constraint; their order does not count. (A
    column added later stands behind the constraints.)"""
    text = " ".join(sql.replace('"', "").split())
    body, closed, suffix = text.rpartition(")")
    if not closed:
        return [text]
    parts, depth = [""], 0
    for sign in body + closed:
        depth += (sign == "(") - (sign == ")")
        if sign == "," and depth == 1:
            parts.append("")
        else:
            parts[-1] += sign
    head, opened, first = parts[0].partition("(")
    last = parts[-1].rstrip()
    if opened and last.endswith(")"):
        rest = [first, *parts[1:-1], last[:-1]] if len(parts) > 1 else [first[:-1]]
        return [head.strip() + suffix, *sorted(" ".join(part.split()) for part in rest)]
    return [text]


async def clear(database: Database) -> None:
    def work(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.text("DROP SCHEMA public CASCADE"))
            connection.execute(sa.text("CREATE SCHEMA public"))
        else:
            for name in connection.scalars(
                sa.text(
                    "SELECT name FROM sqlite_master WHERE type = 'table'"
                    " AND name NOT LIKE 'sqlite%' ORDER BY rowid DESC"  # referring ones first
                )
            ).all():
                connection.exec_driver_sql("PRAGMA defer_foreign_keys=ON")
                connection.exec_driver_sql(f"DROP TABLE {name}")

    await database.write(work)


async def test_the_migrations_make_the_tables_of_the_code(bare_url: str) -> None:
    database = await connect(bare_url)
    try:
        await upgrade_database(database)
        await upgrade_database(database)  # does nothing
        migrated = await database.read(picture)
        differences = await database.read(
            lambda c: compare_metadata(
                MigrationContext.configure(c),
                all_metadata,  # type: ignore[arg-type]  # alembic takes a list
            )
        )
        assert differences == []
        await clear(database)

        def create(connection: sa.Connection) -> None:
            for metadata in all_metadata:
                metadata.create_all(connection)

        await database.write(create)
        assert migrated == await database.read(picture)
    finally:
        await database.close()


async def test_a_database_of_a_newer_version_is_left_alone(url: str) -> None:
    world = await World.open(url)
    await world.store.database.write(
        lambda c: c.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    )
    await world.store.close()
    with pytest.raises(StoreError, match="another version of this program"):
        await World.open(url)


async def test_an_upgrade_that_fails_leaves_nothing(bare_url: str) -> None:
    database = await connect(bare_url)

    def half(connection: sa.Connection) -> None:
        upgrade_connection(connection)
        raise KeyboardInterrupt

    try:
        with pytest.raises(KeyboardInterrupt):
            await database.write(half)
        assert await database.read(lambda c: sa.inspect(c).get_table_names()) == []
    finally:
        await database.close()


@pytest.mark.parametrize(
    "url_", ["mysql://x", "sqlite://", "sqlite:///:memory:", "://", "no/dir/x.db"]
)
async def test_a_database_that_cannot_be(url_: str) -> None:
    with pytest.raises(StoreError):
        await connect(url_)


async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    with pytest.raises(StoreError) as caught:
        await connect("postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)
