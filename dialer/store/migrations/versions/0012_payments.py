"""Payments with their amounts, and how much of a promise keeps it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "payments",
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("external_id", sa.Text(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("amount", sa.Text(), nullable=False),
        sa.Column("paid_on", sa.Text(), nullable=False),
        sa.Column("told_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("source", "external_id", "reference", name=op.f("pk_payments")),
    )
    op.add_column(
        "promises", sa.Column("kept_pct", sa.Float(), server_default="95", nullable=False)
    )


def downgrade() -> None:
    op.drop_column("promises", "kept_pct")
    op.drop_table("payments")
