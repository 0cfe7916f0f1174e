"""A database in which people were erased before their numbers were hashed is brought up to date."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command

from dialer.store.database import connect
from dialer.store.migrate import alembic_config, upgrade_database
from dialer.store.sitekey import erased_among

_OLD = "0010"
_ROWS = """
    INSERT INTO campaigns (id, name, definition, created_ms)
        VALUES (1, 'spring', '{"purpose": "sales", "caller_id": "+4930111"}', 1);
    INSERT INTO lead_stops (source, external_id, kind, reference, lifted, at_ms)
        VALUES ('crm', 'A1', 'cease', 'erasure', false, 777),
               ('crm', 'A2', 'cease', '', false, 888);
    INSERT INTO suppression (phone, source, campaign, added_ms)
        VALUES ('+4930001', 'crm', '', 777), ('+4930002', 'crm', '', 888),
               ('+4930003', 'customer', '', 777), ('+4930004', 'agent', 'spring', 5);
"""


async def test_their_numbers_are_hashed_and_no_longer_readable(bare_url: str) -> None:
    database = await connect(bare_url)

    def make(connection: sa.Connection) -> None:
        config = alembic_config()
        config.attributes["connection"] = connection
        command.upgrade(config, _OLD)
        for statement in _ROWS.split(";"):
            if statement.strip():
                connection.exec_driver_sql(statement)

    try:
        await database.write(make)
        await upgrade_database(database)
        left = await database.read(
            lambda c: c.scalars(sa.text("SELECT phone FROM suppression ORDER BY phone")).all()
        )
        assert left == ["+4930002", "+4930003", "+4930004"]
        numbers = [f"+493000{n}" for n in range(1, 5)]
        assert await database.read(lambda c: erased_among(c, numbers)) == {"+4930001"}
    finally:
        await database.close()
