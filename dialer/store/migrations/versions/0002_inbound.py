"""What the CRM tells the dialer: sources of leads, stops, answers to be given again."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "lead_refs",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("version", _big),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_lead_refs_campaign_id")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "external_id", name=op.f("pk_lead_refs")),
    )
    op.create_table(
        "lead_stops",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("version", _big),
        sa.Column("lifted", sa.Boolean(), nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.CheckConstraint(
            "kind IN ('cease', 'paid', 'dispute', 'payment')", name=op.f("ck_lead_stops_kind")
        ),
        sa.PrimaryKeyConstraint(
            "source", "external_id", "kind", "reference", name=op.f("pk_lead_stops")
        ),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("token", "key", name=op.f("pk_idempotency_keys")),
    )
    op.create_index("ix_idempotency_keys_at_ms", "idempotency_keys", ["at_ms"], unique=False)


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_table("lead_stops")
    op.drop_table("lead_refs")
