"""Secrets of one-time codes are encrypted, under a key that lies outside of the database."""

import sqlalchemy as sa
from alembic import op

from dialer.store.sealing import sealed, unsealed

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

_users = sa.table("users", sa.column("id", sa.Integer), sa.column("totp", sa.Text))


def upgrade() -> None:
    """Needs the key where somebody has one-time codes; where nobody has, it needs nothing."""
    for number, secret in _secrets():
        _keep(number, sealed(secret))


def downgrade() -> None:
    for number, kept in _secrets():
        _keep(number, unsealed(kept))


def _secrets() -> list[tuple[int, str]]:
    query = sa.select(_users.c.id, _users.c.totp).where(_users.c.totp != "")
    return [(row.id, row.totp) for row in op.get_bind().execute(query)]


def _keep(number: int, text: str) -> None:
    op.get_bind().execute(sa.update(_users).where(_users.c.id == number).values(totp=text))
