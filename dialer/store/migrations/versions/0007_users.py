"""Users, their sessions, the audit log, and what supervisors set on a campaign."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

_SQLITE = tuple(
    f"""
    CREATE TRIGGER audit_log_{what} BEFORE {what} ON audit_log
    BEGIN SELECT RAISE(ABORT, 'the audit log is not changed'); END
    """
    for what in ("UPDATE", "DELETE")
)
_POSTGRESQL = (
    """
    CREATE FUNCTION audit_log_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the audit log is not changed' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER audit_log_guard BEFORE UPDATE OR DELETE ON audit_log
    FOR EACH ROW EXECUTE FUNCTION audit_log_guard()
    """,
)


def upgrade() -> None:
    op.create_table(
        "users",
        sa.Column("id", _big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("roles", _json, nullable=False),
        sa.Column("campaigns", _json, nullable=True),
        sa.Column("password", sa.Text(), nullable=False),
        sa.Column("one_time", sa.Boolean(), nullable=False),
        sa.Column("totp", sa.Text(), nullable=False),
        sa.Column("totp_step", _big, nullable=False),
        sa.Column("subject", sa.Text(), nullable=True),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("pbx", sa.Text(), nullable=False),
        sa.Column("break_reasons", _json, nullable=False),
        sa.Column("from_file", sa.Boolean(), nullable=False),
        sa.Column("file_hash", sa.Text(), nullable=False),
        sa.Column("disabled", sa.Boolean(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("created_ms", _big, nullable=False),
        sa.Column("changed_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sa.UniqueConstraint("subject", name=op.f("uq_users_subject")),
    )
    op.create_table(
        "user_sessions",
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("user_id", _big, nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("opened_ms", _big, nullable=False),
        sa.Column("seen_ms", _big, nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_user_sessions_user_id")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_user_sessions")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", _big, nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("object", sa.Text(), nullable=False),
        sa.Column("detail", _json, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
    )
    op.create_index("ix_audit_log_who", "audit_log", ["who", "id"])
    op.create_index("ix_audit_log_action", "audit_log", ["action", "id"])
    op.create_table(
        "campaign_settings",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("mode", sa.Text(), nullable=True),
        sa.Column("abandon_limit", sa.Float(), nullable=True),
        sa.Column("lines_max", sa.Integer(), nullable=True),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.Column("changed_ms", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_settings_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("pk_campaign_settings")),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:
    for table in ("campaign_settings", "audit_log", "user_sessions", "users"):
        op.drop_table(table)
    if op.get_bind().dialect.name == "postgresql":
        op.execute("DROP FUNCTION audit_log_guard()")
