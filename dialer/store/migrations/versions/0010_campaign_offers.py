"""The offers a campaign was ever loaded with: what makes it one with others to the law."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_big = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
_json = sa.JSON().with_variant(postgresql.JSONB(), "postgresql")


def upgrade() -> None:
    table = op.create_table(
        "campaign_offers",
        sa.Column("campaign_id", _big, nullable=False),
        sa.Column("offer", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("campaign_id", "offer", name=op.f("pk_campaign_offers")),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.id"], name=op.f("fk_campaign_offers_campaign_id")
        ),
    )
    campaigns = sa.table("campaigns", sa.column("id", _big), sa.column("definition", _json))
    rows = []
    for row in op.get_bind().execute(sa.select(campaigns)):
        one = row.definition if isinstance(row.definition, dict) else {}
        if one.get("purpose") and one.get("caller_id"):
            offer = f"{one['purpose']} +{str(one['caller_id']).lstrip('+')}"
            rows.append({"campaign_id": row.id, "offer": offer})
    if rows:
        op.bulk_insert(table, rows)


def downgrade() -> None:
    op.drop_table("campaign_offers")
