"""Lists in batches that can be undone, and erased numbers as keyed hashes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")
_STEPS = ("committed", "settled", "undone", "undone_partly")

_SQLITE = tuple(
    f"""
    CREATE TRIGGER list_history_{what} BEFORE {what} ON list_history
    BEGIN SELECT RAISE(ABORT, 'what became of a list is not changed'); END
    """
    for what in ("UPDATE", "DELETE")
)
_POSTGRESQL = (
    """
    CREATE FUNCTION list_history_guard() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'what became of a list is not changed' USING ERRCODE = 'check_violation';
    END $$
    """,
    """
    CREATE TRIGGER list_history_guard BEFORE UPDATE OR DELETE ON list_history
    FOR EACH ROW EXECUTE FUNCTION list_history_guard()
    """,
)


def upgrade() -> None:
    # An import that was under way is forgotten, as one that never ended is.
    op.drop_index("ix_import_phones_line", table_name="import_phones")
    op.drop_table("import_phones")
    op.drop_table("import_rows")
    op.execute("DELETE FROM lists WHERE state = 'importing'")
    op.create_table(
        "import_chunks",
        sa.Column("list_id", _big, autoincrement=False, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["list_id"], ["lists.id"], name=op.f("fk_import_chunks_list_id")),
        sa.PrimaryKeyConstraint("list_id", "seq", name=op.f("pk_import_chunks")),
    )
    op.create_table(
        "list_history",
        sa.Column("id", _big, nullable=False),
        sa.Column("list_id", _big, nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("detail", _json, nullable=False),
        sa.CheckConstraint(
            f"step IN ({', '.join(repr(one) for one in _STEPS)})",
            name=op.f("ck_list_history_step"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_list_history")),
    )
    op.create_index("ix_list_history_list_id", "list_history", ["list_id", "id"])
    op.create_table(
        "list_mappings",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("mapping", _json, nullable=False),
        sa.Column("saved_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("source", name=op.f("pk_list_mappings")),
    )
    op.create_table(
        "lead_persons",
        sa.Column("lead_id", _big, autoincrement=False, nullable=False),
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_lead_persons_campaign_id")
        ),
        sa.ForeignKeyConstraint(
            ["lead_id"], ["leads.id"], name=op.f("fk_lead_persons_lead_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("lead_id", name=op.f("pk_lead_persons")),
    )
    op.create_index("ix_lead_persons_person", "lead_persons", ["person", "campaign_id"])
    op.create_table(
        "erased_numbers",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("added_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_erased_numbers")),
    )
    op.create_table(
        "site_keys",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("secret", sa.Text()),
        sa.Column("made_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_site_keys")),
    )
    sqlite = op.get_bind().dialect.name == "sqlite"
    for statement in _SQLITE if sqlite else _POSTGRESQL:
        op.execute(sa.text(statement))


def downgrade() -> None:
    raise NotImplementedError("restore the backup: the hashes of erased numbers are not to be lost")
