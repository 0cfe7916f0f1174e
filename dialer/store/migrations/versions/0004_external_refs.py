"""What CRM connectors remember: ids that CRMs gave to our calls."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "external_refs",
        sa.Column("endpoint", sa.String(64), primary_key=True),
        sa.Column("scope", sa.String(128), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.String(255)),
        sa.Column("at", sa.Float(53), nullable=False),
    )
    op.create_index("external_refs_age", "external_refs", ["at"])


def downgrade() -> None:
    op.drop_index("external_refs_age", "external_refs")
    op.drop_table("external_refs")
