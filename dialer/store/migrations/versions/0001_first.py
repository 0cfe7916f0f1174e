"""The first tables, and the triggers that keep history and refuse a second ending."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")

_OUTCOMES = (
    "'connected', "
    "'abandoned', "
    "'caller left', "
    "'machine', "
    "'no answer', "
    "'unreachable', "
    "'busy', "
    "'invalid', "
    "'rejected', "
    "'blocked by user', "
    "'blocked by analytics', "
    "'redirected', "
    "'congestion', "
    "'rate limited', "
    "'trunk configuration', "
    "'caller id not attested', "
    "'cancelled', "
    "'failed on our PBX', "
    "'lost'"
)

_SQLITE = (
    """
    CREATE TRIGGER attempts_guard BEFORE UPDATE ON attempts
    WHEN OLD.outcome IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a closed attempt is not changed'); END
    """,
    """
    CREATE TRIGGER attempts_recorded AFTER INSERT ON attempts
    BEGIN
      INSERT INTO attempt_history (attempt_id, at_ms, step, agent, outcome)
      VALUES (NEW.id, NEW.opened_ms, 'recorded', NEW.agent, NULL);
    END
    """,
    """
    CREATE TRIGGER attempts_stage AFTER UPDATE OF stage ON attempts
    WHEN NEW.stage IS NOT NULL AND NEW.stage IS NOT OLD.stage
    BEGIN
      INSERT INTO attempt_history (attempt_id, at_ms, step, agent, outcome)
      VALUES (NEW.id, NEW.stage_ms, NEW.stage, NEW.agent, NULL);
    END
    """,
    """
    CREATE TRIGGER attempts_closed AFTER UPDATE OF outcome ON attempts
    WHEN NEW.outcome IS NOT NULL
    BEGIN
      INSERT INTO attempt_history (attempt_id, at_ms, step, agent, outcome)
      VALUES (NEW.id, NEW.closed_ms, 'closed', NEW.agent, NEW.outcome);
    END
    """,
    """
    CREATE TRIGGER agent_sessions_opened AFTER INSERT ON agent_sessions
    BEGIN
      INSERT INTO session_history (leg, at_ms, status, reason, state)
      VALUES (NEW.leg, NEW.changed_ms, NEW.status, NEW.reason, NEW.state);
    END
    """,
    """
    CREATE TRIGGER agent_sessions_changed AFTER UPDATE OF status, reason, state ON agent_sessions
    BEGIN
      INSERT INTO session_history (leg, at_ms, status, reason, state)
      VALUES (NEW.leg, NEW.changed_ms, NEW.status, NEW.reason, NEW.state);
    END
    """,
)

_POSTGRESQL = (
    """
    CREATE FUNCTION attempts_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'a closed attempt is not changed' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER attempts_guard BEFORE UPDATE ON attempts
    FOR EACH ROW WHEN (OLD.outcome IS NOT NULL) EXECUTE FUNCTION attempts_guard()
    """,
    """
    CREATE FUNCTION attempts_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      IF TG_OP = 'INSERT' THEN
        INSERT INTO attempt_history (attempt_id, at_ms, step, agent)
        VALUES (NEW.id, NEW.opened_ms, 'recorded', NEW.agent);
        RETURN NULL;
      END IF;
      IF NEW.stage IS NOT NULL AND NEW.stage IS DISTINCT FROM OLD.stage THEN
        INSERT INTO attempt_history (attempt_id, at_ms, step, agent)
        VALUES (NEW.id, NEW.stage_ms, NEW.stage, NEW.agent);
      END IF;
      IF NEW.outcome IS NOT NULL THEN
        INSERT INTO attempt_history (attempt_id, at_ms, step, agent, outcome)
        VALUES (NEW.id, NEW.closed_ms, 'closed', NEW.agent, NEW.outcome);
      END IF;
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER attempts_log AFTER INSERT OR UPDATE ON attempts
    FOR EACH ROW EXECUTE FUNCTION attempts_log()
    """,
    """
    CREATE FUNCTION agent_sessions_log() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      INSERT INTO session_history (leg, at_ms, status, reason, state)
      VALUES (NEW.leg, NEW.changed_ms, NEW.status, NEW.reason, NEW.state);
      RETURN NULL;
    END $$
    """,
    """
    CREATE TRIGGER agent_sessions_log AFTER INSERT OR UPDATE ON agent_sessions
    FOR EACH ROW EXECUTE FUNCTION agent_sessions_log()
    """,
)


def upgrade() -> None:
    op.create_table(
        "agent_sessions",
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("pbx", sa.Text(), nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("campaigns", _json, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("opened_ms", _big, nullable=False),
        sa.Column("changed_ms", _big, nullable=False),
        sa.Column("closed_ms", _big, nullable=True),
        sa.PrimaryKeyConstraint("leg", name=op.f("pk_agent_sessions")),
    )
    op.create_index(
        "ux_agent_sessions_open",
        "agent_sessions",
        ["agent"],
        unique=True,
        sqlite_where=sa.text("closed_ms IS NULL"),
        postgresql_where=sa.text("closed_ms IS NULL"),
    )
    op.create_table(
        "campaigns",
        sa.Column("id", _big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("definition", _json, nullable=False),
        sa.Column("created_ms", _big, nullable=False),
        sa.Column("started_ms", _big, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_campaigns")),
        sa.UniqueConstraint("name", name=op.f("uq_campaigns_name")),
    )
    op.create_table(
        "owners",
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("started_ms", _big, nullable=False),
        sa.Column("ended_ms", _big, nullable=True),
        sa.PrimaryKeyConstraint("boot", name=op.f("pk_owners")),
    )
    op.create_index("ix_owners_node", "owners", ["node"], unique=False)
    op.create_table(
        "suppression",
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("campaign", sa.Text(), nullable=False),
        sa.Column("added_ms", _big, nullable=False),
        sa.CheckConstraint("phone LIKE '+%'", name=op.f("ck_suppression_e164")),
        sa.PrimaryKeyConstraint("phone", name=op.f("pk_suppression")),
    )
    op.create_table(
        "zones",
        sa.Column("id", _big, nullable=False),
        sa.Column("names", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_zones")),
        sa.UniqueConstraint("names", name=op.f("uq_zones_names")),
    )
    op.create_table(
        "abandon_account",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("minute", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("live", sa.Integer(), nullable=False),
        sa.Column("abandoned", sa.Integer(), nullable=False),
        sa.CheckConstraint(
            "0 <= abandoned AND abandoned <= live", name=op.f("ck_abandon_account_share")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_abandon_account_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "minute", name=op.f("pk_abandon_account")),
    )
    op.create_table(
        "lists",
        sa.Column("id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("imported_ms", _big, nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.CheckConstraint("state IN ('importing', 'ready')", name=op.f("ck_lists_state")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_lists_campaign_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lists")),
    )
    op.create_index("ix_lists_campaign_id", "lists", ["campaign_id"], unique=False)
    op.create_table(
        "outcome_counts",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("count", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_outcome_counts_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "outcome", name=op.f("pk_outcome_counts")),
    )
    op.create_table(
        "session_history",
        sa.Column("id", _big, nullable=False),
        sa.Column("leg", sa.Text(), nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["leg"], ["agent_sessions.leg"], name=op.f("fk_session_history_leg")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_session_history")),
    )
    op.create_index("ix_session_history_leg", "session_history", ["leg"], unique=False)
    op.create_table(
        "import_rows",
        sa.Column("list_id", _big, nullable=False),
        sa.Column("line", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone_id", _big, nullable=False),
        sa.Column("fields", _json, nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("next_at_ms", _big, nullable=False),
        sa.Column("held_why", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_import_rows_list_id")),
        sa.ForeignKeyConstraint(["zone_id"], ["zones.id"], name=op.f("fk_import_rows_zone_id")),
        sa.PrimaryKeyConstraint("list_id", "line", name=op.f("pk_import_rows")),
        sa.UniqueConstraint(
            "list_id", "external_id", name=op.f("uq_import_rows_list_id_external_id")
        ),
    )
    op.create_table(
        "leads",
        sa.Column("id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("list_id", _big, nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("zone_id", _big, nullable=False),
        sa.Column("fields", _json, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.Column("priority", sa.SmallInteger(), nullable=False),
        sa.Column("next_at_ms", _big, nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("claimed_by", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(claimed_by IS NOT NULL) = (state = 'claimed')", name=op.f("ck_leads_claim")
        ),
        sa.CheckConstraint(
            "state IN ('waiting', 'claimed', 'dialling', 'held', 'done')",
            name=op.f("ck_leads_state"),
        ),
        sa.CheckConstraint("priority BETWEEN 0 AND 9", name=op.f("ck_leads_priority")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_leads_campaign_id")
        ),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_leads_list_id")),
        sa.ForeignKeyConstraint(["zone_id"], ["zones.id"], name=op.f("fk_leads_zone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leads")),
        sa.UniqueConstraint(
            "campaign_id", "external_id", name=op.f("uq_leads_campaign_id_external_id")
        ),
        sa.UniqueConstraint("list_id", "line", name=op.f("uq_leads_list_id_line")),
    )
    op.create_index(
        "ix_leads_apart",
        "leads",
        ["campaign_id", "state"],
        unique=False,
        sqlite_where=sa.text("state IN ('claimed', 'dialling', 'held')"),
        postgresql_where=sa.text("state IN ('claimed', 'dialling', 'held')"),
    )
    op.create_index(
        "ix_leads_waiting",
        "leads",
        ["campaign_id", "zone_id", "priority", "next_at_ms"],
        unique=False,
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "import_phones",
        sa.Column("list_id", _big, nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("line", sa.Integer(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["list_id", "line"],
            ["import_rows.list_id", "import_rows.line"],
            name="fk_import_phones_row",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("list_id", "phone", name=op.f("pk_import_phones")),
    )
    op.create_index("ix_import_phones_line", "import_phones", ["list_id", "line"], unique=False)
    op.create_table(
        "phones",
        sa.Column("id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("position", sa.SmallInteger(), nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("bad", sa.Boolean(), nullable=False),
        sa.CheckConstraint("phone LIKE '+%'", name=op.f("ck_phones_e164")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_phones_campaign_id")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_phones_lead_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_phones")),
        sa.UniqueConstraint("campaign_id", "phone", name=op.f("uq_phones_campaign_id_phone")),
        sa.UniqueConstraint("lead_id", "position", name=op.f("uq_phones_lead_id_position")),
    )
    op.create_table(
        "attempts",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("lead_id", _big, nullable=False),
        sa.Column("phone_id", _big, nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("attempt_no", sa.Integer(), nullable=False),
        sa.Column("pbx", sa.Text(), nullable=False),
        sa.Column("boot", sa.Text(), nullable=False),
        sa.Column("opened_ms", _big, nullable=False),
        sa.Column("stage", sa.Text(), nullable=True),
        sa.Column("stage_ms", _big, nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.Column("closed_ms", _big, nullable=True),
        sa.Column("unserved", sa.Boolean(), nullable=False),
        sa.Column("cause", sa.Integer(), nullable=True),
        sa.Column("tech_cause", sa.Integer(), nullable=True),
        sa.Column("amd", sa.Text(), nullable=False),
        sa.Column("hung_up_by", sa.Text(), nullable=False),
        sa.Column("originated_ms", _big, nullable=True),
        sa.Column("ringing_ms", _big, nullable=True),
        sa.Column("answered_ms", _big, nullable=True),
        sa.Column("live_ms", _big, nullable=True),
        sa.Column("connected_ms", _big, nullable=True),
        sa.Column("harbour_ms", _big, nullable=True),
        sa.Column("ended_ms", _big, nullable=True),
        sa.CheckConstraint(f"outcome IN ({_OUTCOMES})", name=op.f("ck_attempts_outcome")),
        sa.CheckConstraint(
            "stage IN ('originated', 'ringing', 'answered', 'live', 'connected', 'harbour')",
            name=op.f("ck_attempts_stage"),
        ),
        sa.CheckConstraint(
            "(outcome IS NULL) = (closed_ms IS NULL)", name=op.f("ck_attempts_closed")
        ),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_attempts_campaign_id")
        ),
        sa.ForeignKeyConstraint(["lead_id"], ["leads.id"], name=op.f("fk_attempts_lead_id")),
        sa.ForeignKeyConstraint(["phone_id"], ["phones.id"], name=op.f("fk_attempts_phone_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempts")),
    )
    op.create_index(
        "ix_attempts_campaign_id_opened_ms", "attempts", ["campaign_id", "opened_ms"], unique=False
    )
    op.create_index("ix_attempts_lead_id", "attempts", ["lead_id", "outcome"], unique=False)
    op.create_index(
        "ux_attempts_open_lead",
        "attempts",
        ["lead_id"],
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_index(
        "ux_attempts_open_phone",
        "attempts",
        ["phone"],
        unique=True,
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.create_table(
        "attempt_history",
        sa.Column("id", _big, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_attempt_history_attempt_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_attempt_history")),
    )
    op.create_index(
        "ix_attempt_history_attempt_id", "attempt_history", ["attempt_id"], unique=False
    )
    op.create_table(
        "dispositions",
        sa.Column("id", _big, nullable=False),
        sa.Column("attempt_id", sa.Text(), nullable=False),
        sa.Column("agent", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("category", sa.Text(), nullable=False),
        sa.Column("callback_ms", _big, nullable=True),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("set_ms", _big, nullable=False),
        sa.ForeignKeyConstraint(
            ["attempt_id"], ["attempts.id"], name=op.f("fk_dispositions_attempt_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dispositions")),
    )
    op.create_index("ix_dispositions_attempt_id", "dispositions", ["attempt_id"], unique=False)
    op.create_table(
        "crm_delivery",
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
    )
    op.create_index(
        "crm_delivery_dead",
        "crm_delivery",
        ["endpoint", "seq"],
        unique=False,
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "crm_delivery_due",
        "crm_delivery",
        ["endpoint", "next_at", "seq"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "crm_delivery_key",
        "crm_delivery",
        ["endpoint", "key", "seq"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "crm_endpoint",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("disabled_at", sa.Float(precision=53), nullable=False),
        sa.Column("disabled_why", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "crm_event",
        sa.Column("seq", _big, autoincrement=True, nullable=False),
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=64), nullable=False),
        sa.Column("at", sa.Float(precision=53), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("data", sa.Text(), nullable=False),
        sa.Column("routed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("seq"),
        sa.UniqueConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "crm_event_fresh",
        "crm_event",
        ["seq"],
        unique=False,
        sqlite_where=sa.text("routed = 0"),
        postgresql_where=sa.text("routed = false"),
    )
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRESQL:
        op.execute(statement)


def downgrade() -> None:

    op.drop_index(
        "crm_event_fresh",
        table_name="crm_event",
        sqlite_where=sa.text("routed = 0"),
        postgresql_where=sa.text("routed = false"),
    )
    op.drop_table("crm_event")
    op.drop_table("crm_endpoint")
    op.drop_index(
        "crm_delivery_key",
        table_name="crm_delivery",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index(
        "crm_delivery_due",
        table_name="crm_delivery",
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.drop_index(
        "crm_delivery_dead",
        table_name="crm_delivery",
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.drop_table("crm_delivery")
    op.drop_index("ix_dispositions_attempt_id", table_name="dispositions")
    op.drop_table("dispositions")
    op.drop_index("ix_attempt_history_attempt_id", table_name="attempt_history")
    op.drop_table("attempt_history")
    op.drop_index(
        "ux_attempts_open_phone",
        table_name="attempts",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.drop_index(
        "ux_attempts_open_lead",
        table_name="attempts",
        sqlite_where=sa.text("outcome IS NULL"),
        postgresql_where=sa.text("outcome IS NULL"),
    )
    op.drop_index("ix_attempts_lead_id", table_name="attempts")
    op.drop_index("ix_attempts_campaign_id_opened_ms", table_name="attempts")
    op.drop_table("attempts")
    op.drop_table("phones")
    op.drop_index("ix_import_phones_line", table_name="import_phones")
    op.drop_table("import_phones")
    op.drop_index(
        "ix_leads_waiting",
        table_name="leads",
        sqlite_where=sa.text("state = 'waiting'"),
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.drop_index(
        "ix_leads_apart",
        table_name="leads",
        sqlite_where=sa.text("state IN ('claimed', 'dialling', 'held')"),
        postgresql_where=sa.text("state IN ('claimed', 'dialling', 'held')"),
    )
    op.drop_table("leads")
    op.drop_table("import_rows")
    op.drop_index("ix_session_history_leg", table_name="session_history")
    op.drop_table("session_history")
    op.drop_table("outcome_counts")
    op.drop_index("ix_lists_campaign_id", table_name="lists")
    op.drop_table("lists")
    op.drop_table("abandon_account")
    op.drop_table("zones")
    op.drop_table("suppression")
    op.drop_index("ix_owners_node", table_name="owners")
    op.drop_table("owners")
    op.drop_table("campaigns")
    op.drop_index(
        "ux_agent_sessions_open",
        table_name="agent_sessions",
        sqlite_where=sa.text("closed_ms IS NULL"),
        postgresql_where=sa.text("closed_ms IS NULL"),
    )
    op.drop_table("agent_sessions")
    if op.get_bind().dialect.name == "postgresql":
        for function in ("attempts_guard", "attempts_log", "agent_sessions_log"):
            op.execute(f"DROP FUNCTION {function}()")
