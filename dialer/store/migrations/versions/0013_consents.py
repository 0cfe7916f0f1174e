"""Consent to automated calls, for each number of a campaign."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_ENDS = sa.text("until_ms IS NOT NULL")


def upgrade() -> None:
    op.create_table(
        "consents",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("phone", sa.Text(), nullable=False),
        sa.Column("given", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("given_on", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("until_ms", _big, nullable=True),
        sa.Column("told_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "phone", name=op.f("pk_consents")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_consents_campaign_id")
        ),
    )
    op.create_index(
        "ix_consents_until",
        "consents",
        ["until_ms"],
        unique=False,
        sqlite_where=_ENDS,
        postgresql_where=_ENDS,
    )


def downgrade() -> None:
    op.drop_index("ix_consents_until", table_name="consents")
    op.drop_table("consents")
