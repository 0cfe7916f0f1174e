"""The compliance gate: its decisions, the rules they were made by, do-not-call lists."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_HAS_ID = sa.text("external_id IS NOT NULL")

_SQLITE = tuple(
    f"""
    CREATE TRIGGER decision_log_{what} BEFORE {what} ON decision_log
    BEGIN SELECT RAISE(ABORT, 'a decision is not changed'); END
    """
    for what in ("UPDATE", "DELETE")
)
_POSTGRESQL = (
    """
    CREATE FUNCTION decision_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'a decision is not changed' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER decision_log_guard BEFORE UPDATE OR DELETE ON decision_log
    FOR EACH ROW EXECUTE FUNCTION decision_log_guard()
    """,
)


def upgrade() -> None:
    op.create_index(
        "ix_leads_external_id",
        "leads",
        ["external_id"],
        unique=False,
        sqlite_where=_HAS_ID,
        postgresql_where=_HAS_ID,
    )
    op.create_index("ix_attempts_phone_opened_ms", "attempts", ["phone", "opened_ms"])
    op.create_table(
        "rule_sets",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("body", _json, nullable=False),
        sa.Column("since_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_rule_sets")),
    )
    op.create_table(
        "decision_log",
        sa.Column("id", _big, nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        sa.Column("phone_id", _big, nullable=False),
        sa.Column("attempt", sa.Text(), nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("retry_ms", _big, nullable=True),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.CheckConstraint("verdict IN ('deny', 'override')", name=op.f("ck_decision_log_verdict")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_decision_log_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["rule_sets.version"], name=op.f("fk_decision_log_version")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decision_log")),
    )
    op.create_index("ix_decision_log_lead_id", "decision_log", ["lead_id", "id"])
    op.create_index("ix_decision_log_campaign_id_at_ms", "decision_log", ["campaign_id", "at_ms"])
    op.create_table(
        "decision_counts",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("hour", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("stage", sa.Text(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("count", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_decision_counts_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["version"], ["rule_sets.version"], name=op.f("fk_decision_counts_version")
        ),
        sa.PrimaryKeyConstraint(
            "campaign_id", "hour", "stage", "verdict", "version", name=op.f("pk_decision_counts")
        ),
    )
    op.create_table(
        "dnc_lists",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fetched_ms", _big, nullable=False),
        sa.Column("numbers", _big, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_dnc_lists")),
    )
    op.create_table(
        "dnc_numbers",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("list", sa.Text(), nullable=False),
        sa.CheckConstraint("phone LIKE '+%'", name=op.f("ck_dnc_numbers_e164")),
        sa.ForeignKeyConstraint(["list"], ["dnc_lists.name"], name=op.f("fk_dnc_numbers_list")),
        sa.PrimaryKeyConstraint("phone", "list", name=op.f("pk_dnc_numbers")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    op.drop_table("dnc_numbers")
    op.drop_table("dnc_lists")
    op.drop_table("decision_counts")
    op.drop_table("decision_log")
    op.drop_table("rule_sets")
    op.drop_index("ix_attempts_phone_opened_ms", table_name="attempts")
    op.drop_index(
        "ix_leads_external_id",
        table_name="leads",
        sqlite_where=_HAS_ID,
        postgresql_where=_HAS_ID,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION decision_log_guard()")
