"""Events are written once: what nobody has dealt with is a number in a table beside them.

`crm_event.routed` goes, `crm_fresh` and `crm_turn` come, and on SQLite `crm_delivery` becomes one
tree. Events, deliveries and the numbers given so far stay as they are.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_PENDING = sa.text("state = 'pending'")
_DEAD = sa.text("state = 'dead'")


def upgrade() -> None:
    op.create_table(
        "crm_fresh",
        sa.Column("seq", _big, autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("seq"),
    )
    op.create_table(
        "crm_turn",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=False),
        sa.Column("until", sa.Float(precision=53), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.execute("INSERT INTO crm_fresh (seq) SELECT seq FROM crm_event WHERE NOT routed")
    op.drop_index("crm_event_fresh", table_name="crm_event")
    if op.get_bind().dialect.name == "sqlite":
        _events_anew()
        _deliveries_anew()
    else:
        op.drop_column("crm_event", "routed")


def _events_anew() -> None:
    """Old SQLite drops no column. The highest number given is to be remembered."""
    op.create_table(
        "crm_event_new",
        sa.Column("seq", _big, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.execute(
        "INSERT INTO crm_event_new (seq, id, type, at, key, data)"
        " SELECT seq, id, type, at, key, data FROM crm_event"
    )
    op.execute("DELETE FROM sqlite_sequence WHERE name = 'crm_event_new'")
    op.execute(
        "INSERT INTO sqlite_sequence (name, seq)"
        " SELECT 'crm_event_new', seq FROM sqlite_sequence WHERE name = 'crm_event'"
    )
    op.drop_table("crm_event")
    op.rename_table("crm_event_new", "crm_event")


def _deliveries_anew() -> None:
    op.create_table(
        "crm_delivery_new",
        sa.Column("endpoint", sa.String(length=64), nullable=False),
        sa.Column("seq", _big, autoincrement=False, nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.Float(precision=53), nullable=False),
        sa.Column("owner", sa.String(length=64), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("settled_at", sa.Float(precision=53), nullable=True),
        sa.PrimaryKeyConstraint("endpoint", "seq"),
        sqlite_with_rowid=False,
    )
    op.execute(
        "INSERT INTO crm_delivery_new (endpoint, seq, key, state, attempts, next_at, owner,"
        " last_status, last_error, settled_at) SELECT endpoint, seq, key, state, attempts,"
        " next_at, owner, last_status, last_error, settled_at FROM crm_delivery"
    )
    op.drop_table("crm_delivery")
    op.rename_table("crm_delivery_new", "crm_delivery")
    for name, columns, where in (
        ("crm_delivery_dead", ["endpoint", "seq"], _DEAD),
        ("crm_delivery_due", ["endpoint", "next_at", "seq"], _PENDING),
        ("crm_delivery_key", ["endpoint", "key", "seq"], _PENDING),
    ):
        op.create_index(name, "crm_delivery", columns, sqlite_where=where)


def downgrade() -> None:
    raise NotImplementedError("restore the backup: deliveries are not to be lost")
