"""The bridge's tables, in the dialer's database: events, deliveries, what connectors remember.

An event is a wide row that is written once and never again; whether anybody has dealt with it is
a number in a narrow table beside it. `crm_bridge.outbox` and `crm_bridge.fresh` say how they are
used. Times are UTC seconds since the epoch.
"""

from __future__ import annotations

import sqlalchemy as sa

PENDING = "pending"
DELIVERED = "delivered"
DEAD = "dead"  # the schedule is exhausted or the endpoint refused for good: a person must look

metadata = sa.MetaData()

# SQLite numbers rows by itself only in a column declared INTEGER.
_BigId = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

events = sa.Table(
    "crm_event",
    metadata,
    sa.Column("seq", _BigId, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(64), nullable=False, unique=True),  # webhook-id
    sa.Column("type", sa.String(64), nullable=False),
    sa.Column("at", sa.Float(53), nullable=False),  # when it happened
    sa.Column("key", sa.String(128), nullable=False),  # partition key: order is kept within it
    sa.Column("data", sa.Text, nullable=False),  # JSON object
    sqlite_autoincrement=True,  # a number is never given twice, also after pruning
)

# The events that nobody has dealt with: what their endpoints heard, or are to hear, stands nowhere
# else yet. A row goes in the transaction that writes the last of it down.
fresh = sa.Table(
    "crm_fresh",
    metadata,
    sa.Column("seq", _BigId, primary_key=True, autoincrement=False),
)

# One row: the process whose turn it is to take fresh events, and until when.
turn = sa.Table(
    "crm_turn",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("owner", sa.String(64), nullable=False),
    sa.Column("until", sa.Float(53), nullable=False),
)

_pending = sa.text(f"state = '{PENDING}'")
_dead = sa.text(f"state = '{DEAD}'")

deliveries = sa.Table(
    "crm_delivery",
    metadata,
    sa.Column("endpoint", sa.String(64), primary_key=True),
    sa.Column("seq", _BigId, primary_key=True, autoincrement=False),
    sa.Column("key", sa.String(128), nullable=False),
    sa.Column("state", sa.String(16), nullable=False, default=PENDING),
    sa.Column("attempts", sa.Integer, nullable=False, default=0),
    sa.Column("next_at", sa.Float(53), nullable=False),
    sa.Column("owner", sa.String(64)),  # set while leased
    sa.Column("last_status", sa.Integer),  # HTTP status; null when there was no answer
    sa.Column("last_error", sa.String(200)),  # our words, no personal data
    sa.Column("settled_at", sa.Float(53)),
    sa.Index(
        "crm_delivery_due",
        "endpoint",
        "next_at",
        "seq",
        sqlite_where=_pending,
        postgresql_where=_pending,
    ),
    sa.Index(
        "crm_delivery_key",
        "endpoint",
        "key",
        "seq",
        sqlite_where=_pending,
        postgresql_where=_pending,
    ),
    sa.Index("crm_delivery_dead", "endpoint", "seq", sqlite_where=_dead, postgresql_where=_dead),
    sqlite_with_rowid=False,  # one tree, in the order in which most of it is written
)

# The disabled ones only.
endpoints = sa.Table(
    "crm_endpoint",
    metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("disabled_at", sa.Float(53), nullable=False),
    sa.Column("disabled_why", sa.String(200), nullable=False),
)

# What connectors remember; `crm_bridge.mapping.refs` says what the rows mean.
external_refs = sa.Table(
    "external_refs",
    metadata,
    sa.Column("endpoint", sa.String(64), primary_key=True),
    sa.Column("scope", sa.String(128), primary_key=True),
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("value", sa.String(255)),  # null: begun, and not known to have ended
    sa.Column("at", sa.Float(53), nullable=False),  # UTC seconds of the last change
    sa.Index("external_refs_age", "at"),
)
