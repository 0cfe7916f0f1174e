"""Strategies, and where each lead is in its own."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_DUE = sa.text("due_ms IS NOT NULL")
_OPEN = sa.text("closed_ms IS NULL")
_PHASES = ("excluded", "waiting", "voice", "talked", "task", "held", "ended")


def upgrade() -> None:
    op.create_table(
        "strategies",
        sa.Column("id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("body", _json, nullable=False),
        sa.Column("since_ms", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_strategies_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategies")),
        sa.UniqueConstraint(
            "campaign_id", "version", name=op.f("uq_strategies_campaign_id_version")
        ),
    )
    op.create_table(
        "lead_steps",
        sa.Column("lead_id", _big, autoincrement=False, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("strategy_id", _big, nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("segment", sa.Text(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("begun_ms", _big, nullable=False),
        sa.Column("entered_ms", _big, nullable=False),
        sa.Column("due_ms", _big),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("round", sa.Integer(), nullable=False),
        sa.Column("boost", sa.SmallInteger(), nullable=False),
        sa.Column("inputs", _json, nullable=False),
        sa.CheckConstraint(
            f"phase IN ({', '.join(repr(one) for one in _PHASES)})",
            name=op.f("ck_lead_steps_phase"),
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_lead_steps_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_lead_steps_lead_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"], ["strategies.id"], name=op.f("fk_lead_steps_strategy_id")
        ),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_lead_steps")),
    )
    op.create_index(
        "ix_lead_steps_due", "lead_steps", ["due_ms"], sqlite_where=_DUE, postgresql_where=_DUE
    )
    op.create_index(
        "ix_lead_steps_campaign_id",
        "lead_steps",
        ["campaign_id", "strategy_id", "segment", "arm"],
    )
    op.create_table(
        "lead_step_log",
        sa.Column("id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("phase", sa.Text(), nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lead_step_log")),
    )
    op.create_index("ix_lead_step_log_lead_id", "lead_step_log", ["lead_id", "id"])
    op.create_table(
        "strategy_tasks",
        sa.Column("id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        sa.Column("treatment", sa.Text(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("opened_ms", _big, nullable=False),
        sa.Column("due_ms", _big, nullable=False),
        sa.Column("closed_ms", _big),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_strategy_tasks_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_strategy_tasks_lead_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_tasks")),
    )
    op.create_index(
        "ux_strategy_tasks_open",
        "strategy_tasks",
        ["lead_id"],
        unique=True,
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )
    op.create_index(
        "ix_strategy_tasks_queue",
        "strategy_tasks",
        ["campaign_id", "queue", "due_ms"],
        sqlite_where=_OPEN,
        postgresql_where=_OPEN,
    )


def downgrade() -> None:
    for table in ("strategy_tasks", "lead_step_log", "lead_steps", "strategies"):
        op.drop_table(table)
