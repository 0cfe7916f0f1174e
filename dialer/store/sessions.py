"""Agents' sessions, as PBX and agent confirmed them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy.engine import Connection

from dialer.core.commands import RecordSession
from dialer.store.attempts import Told
from dialer.store.context import Context, insert_for
from dialer.store.schema import agent_sessions

LOGGED_OUT = "logged out"


def record_sessions(connection: Connection, context: Context, told: Sequence[Told]) -> None:
    """Open, change or close sessions. A closed one stays closed.

    A second open session of one agent is refused by the unique index (IntegrityError).
    """
    connection.execute(_upsert(context.dialect), [_row(context, one) for one in told])


@cache
def _upsert(dialect: str) -> Any:
    insert = insert_for(dialect)(agent_sessions)
    changed = ("phone", "campaigns", "status", "reason", "state", "changed_ms", "closed_ms")
    return insert.on_conflict_do_update(
        index_elements=["leg"],
        set_={name: insert.excluded[name] for name in changed},
        where=agent_sessions.c.closed_ms.is_(None),
    )


def _row(context: Context, one: Told) -> dict[str, Any]:
    command: RecordSession = one.command
    return {
        "leg": command.leg,
        "agent": command.agent,
        "pbx": command.pbx,
        "phone": command.phone,
        "campaigns": list(command.campaigns),
        "status": command.status.value,
        "reason": command.reason,
        "state": command.state,
        "boot": context.boot,
        "opened_ms": one.at_ms,
        "changed_ms": one.at_ms,
        "closed_ms": one.at_ms if command.state == LOGGED_OUT else None,
    }
