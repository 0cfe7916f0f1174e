"""What connectors remember: ids that a CRM gave to our calls, and creations whose end is unknown.

A row with a value is a captured id (or an empty text: done, and nothing to capture). A row whose
value is null is a request that was begun and whose answer nobody has seen: the record may be
there or not. `scope` says what the id is of: `call:<call_id>`, `lead:<id>` or `event:<id>`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge.tables import external_refs

VALUE_MAX = 255  # characters, as the column has them


@dataclass(frozen=True, slots=True)
class Ref:
    """`value` None: begun at `at`, and not known to have ended."""

    value: str | None
    at: float


def load(
    connection: Connection, endpoint: str, scopes: Collection[str]
) -> dict[tuple[str, str], Ref]:
    """By scope and name."""
    t = external_refs.c
    rows = connection.execute(
        sa.select(t.scope, t.name, t.value, t.at).where(t.endpoint == endpoint, t.scope.in_(scopes))
    )
    return {(row.scope, row.name): Ref(row.value, row.at) for row in rows}


def save(
    connection: Connection,
    endpoint: str,
    scope: str,
    values: Mapping[str, str | None],
    now: float,
) -> None:
    """Write down values, or beginnings (None), in place of what was there."""
    forget(connection, endpoint, scope, values)
    connection.execute(
        sa.insert(external_refs),
        [
            {"endpoint": endpoint, "scope": scope, "name": name, "value": value, "at": now}
            for name, value in values.items()
        ],
    )


def forget(connection: Connection, endpoint: str, scope: str, names: Collection[str]) -> None:
    t = external_refs.c
    connection.execute(
        sa.delete(external_refs).where(
            t.endpoint == endpoint, t.scope == scope, t.name.in_(list(names))
        )
    )


def prune(connection: Connection, before: float) -> int:
    """Forget what has not changed since that second; how many. Events of then are gone too."""
    result = connection.execute(sa.delete(external_refs).where(external_refs.c.at < before))
    return result.rowcount
