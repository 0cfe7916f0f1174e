"""Lanes of leads (mode, queue, skills, agent), callbacks, promises, previews, answers by hour."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_WAITING = sa.text("state = 'waiting'")
_OPEN = sa.text("state = 'open'")
_ANYONE = sa.text("state = 'open' AND anyone_ms IS NOT NULL")
_ACTIVE = sa.text("state = 'active'")


def _partial(name: str, table: str, columns: list[str], where: sa.TextClause, unique: bool) -> None:
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _of_lead(table: str, *columns: sa.Column[object], states: str, column: str = "state") -> None:
    """A table of things that belong to a lead and go with it."""
    op.create_table(
        table,
        sa.Column("id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        *columns,
        sa.CheckConstraint(f"{column} IN ({states})", name=op.f(f"ck_{table}_{column}")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f(f"fk_{table}_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f(f"fk_{table}_lead_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
    )


def upgrade() -> None:
    op.create_table(
        "lanes",
        sa.Column("id", _big, nullable=False),
        sa.Column("mode", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("skills", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("callback", sa.Boolean(), nullable=False),
        sa.Column("by_hand", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lanes")),
        sa.UniqueConstraint(
            "mode",
            "queue",
            "skills",
            "agent",
            "callback",
            "by_hand",
            name=op.f("uq_lanes_mode_queue_skills_agent_callback_by_hand"),
        ),
    )
    op.execute(
        "INSERT INTO lanes (mode, queue, skills, agent, callback, by_hand)"
        " VALUES ('', '', '', '', false, false)"
    )
    op.add_column("leads", sa.Column("lane_id", _big, server_default="1", nullable=False))
    op.drop_index("ix_leads_waiting", table_name="leads")
    waiting = ["campaign_id", "lane_id", "zone_id", "priority", "next_at_ms"]
    _partial("ix_leads_waiting", "leads", waiting, _WAITING, False)
    op.add_column(
        "phones", sa.Column("automatic", sa.Boolean(), server_default=sa.true(), nullable=False)
    )
    op.add_column("attempts", sa.Column("mode", sa.Text(), server_default="", nullable=False))
    op.add_column("attempts", sa.Column("booked_for", sa.Text(), server_default="", nullable=False))
    op.add_column("attempts", sa.Column("lead_was", sa.Text(), nullable=True))
    for name in ("amount", "due_on", "reason"):
        op.add_column("dispositions", sa.Column(name, sa.Text(), server_default="", nullable=False))
    op.add_column("dispositions", sa.Column("counts", sa.Text(), nullable=True))
    _of_lead(
        "callbacks",
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("due_ms", _big, nullable=False),
        sa.Column("anyone_ms", _big),
        sa.Column("lane_id", _big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_ms", _big, nullable=False),
        sa.Column("closed_ms", _big),
        states="'open', 'kept', 'tried', 'dropped'",
    )
    _partial("ux_callbacks_open", "callbacks", ["lead_id"], _OPEN, True)
    _partial("ix_callbacks_due", "callbacks", ["campaign_id", "due_ms"], _OPEN, False)
    _partial("ix_callbacks_anyone", "callbacks", ["anyone_ms"], _ANYONE, False)
    _of_lead(
        "promises",
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("due_on", sa.Text(), nullable=False),
        sa.Column("due_ms", _big, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("made_ms", _big, nullable=False),
        sa.Column("closed_ms", _big),
        states="'active', 'kept', 'broken', 'replaced'",
    )
    _partial("ux_promises_active", "promises", ["lead_id"], _ACTIVE, True)
    _partial("ix_promises_due", "promises", ["due_ms"], _ACTIVE, False)
    op.create_index("ix_promises_campaign_id_made_ms", "promises", ["campaign_id", "made_ms"])
    _of_lead(
        "previews",
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("ended", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        states="'accepted', 'skipped', 'timed out', 'withdrawn'",
        column="ended",
    )
    op.create_index("ix_previews_lead_id", "previews", ["lead_id"])
    op.create_table(
        "answer_hours",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("hour", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("calls", _big, nullable=False),
        sa.Column("live", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_answer_hours_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "hour", name=op.f("pk_answer_hours")),
    )


def downgrade() -> None:
    raise NotImplementedError("restore the backup: promises are not to be lost")
