"""What each campaign's pacer learned, so that a restart does not begin at nothing."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    op.create_table(
        "pacer_states",
        sa.Column("campaign_id", _big, autoincrement=False, nullable=False),
        sa.Column("pacer", sa.Text(), nullable=False),
        sa.Column("state", _json, nullable=False),
        sa.Column("saved_ms", _big, nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", name="pk_pacer_states"),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name="fk_pacer_states_campaign_id"
        ),
    )


def downgrade() -> None:
    op.drop_table("pacer_states")
