"""A database with events in all states comes up from the version before: nothing is told twice for
the upgrade's sake, nothing is lost, and no number is given a second time."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.script import ScriptDirectory

from crm_bridge import outbox
from crm_bridge.events import campaign_started
from dialer.store.context import from_ms
from dialer.store.database import connect
from dialer.store.migrate import alembic_config, upgrade_database

REVISION = "0014"
EVENTS = (  # seq, routed; the last three numbers were given and their events pruned away
    (1, True), (2, True), (3, True), (4, False), (5, False), (6, True), (7, True), (8, True),
)  # fmt: skip
DELIVERIES = ((1, "delivered", None), (2, "dead", None), (3, "pending", "node-1"))


def former(connection: sa.Connection) -> None:
    config = alembic_config()
    config.attributes["connection"] = connection
    script = ScriptDirectory.from_config(config)
    before = script.get_revision(REVISION).down_revision
    assert isinstance(before, str)
    command.upgrade(config, before)
    for seq, routed in EVENTS:
        connection.execute(
            sa.text(
                "INSERT INTO crm_event (id, type, at, key, data, routed)"
                " VALUES (:id, 'lead.exhausted', :at, 'lead:7', '{}', :routed)"
            ),
            {"id": f"msg_{seq}", "at": 1000.0 + seq, "routed": routed},
        )
    connection.execute(sa.text("DELETE FROM crm_event WHERE seq > 5"))
    for seq, state, owner in DELIVERIES:
        connection.execute(
            sa.text(
                "INSERT INTO crm_delivery (endpoint, seq, key, state, attempts, next_at, owner)"
                " VALUES ('crm', :seq, 'lead:7', :state, 2, 1500.5, :owner)"
            ),
            {"seq": seq, "state": state, "owner": owner},
        )


def rows(connection: sa.Connection, text: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in connection.execute(sa.text(text))]


async def test_events_of_the_version_before_come_along(bare_url: str) -> None:
    database = await connect(bare_url)
    try:
        await database.write(former)
        await upgrade_database(database)
        assert await database.read(
            lambda c: rows(c, "SELECT seq, id, at FROM crm_event ORDER BY seq")
        ) == [(seq, f"msg_{seq}", 1000.0 + seq) for seq in range(1, 6)]
        assert await database.read(
            lambda c: rows(
                c,
                "SELECT seq, state, owner, attempts, next_at FROM crm_delivery ORDER BY seq",
            )
        ) == [(seq, state, owner, 2, 1500.5) for seq, state, owner in DELIVERIES]
        await database.write(
            lambda c: outbox.append_sync(c, [campaign_started("spring", from_ms(2_000_000))])
        )
        fresh = "SELECT seq FROM crm_fresh ORDER BY seq"
        assert await database.read(lambda c: rows(c, fresh)) == [(4,), (5,), (9,)]
    finally:
        await database.close()
