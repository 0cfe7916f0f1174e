"""Numbers erased before they were hashed: off the readable list, into the one with the site's key.

Erasing an account used to put its numbers on the do-not-call list in the same moment as the stop
that says so, as the CRM's; that moment tells them. So do the calls of leads that were erased. A
number of somebody else stopped in the very same millisecond is hashed along: it stays uncalled.
"""

from collections.abc import Iterator
from datetime import UTC, datetime

import sqlalchemy as sa
from alembic import op

from dialer.store.sitekey import remember_erased

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_AT_ONCE = 500
_READABLE = """
    SELECT phone FROM suppression WHERE phone IN (
        SELECT s.phone FROM suppression AS s JOIN lead_stops AS t ON t.at_ms = s.added_ms
        WHERE t.kind = 'cease' AND t.reference = 'erasure' AND s.source = 'crm'
        UNION
        SELECT a.phone FROM attempts AS a JOIN phones AS p ON p.id = a.phone_id
        WHERE p.phone LIKE '+erased.%'
    )
"""


def upgrade() -> None:
    connection = op.get_bind()
    numbers = list(connection.scalars(sa.text(_READABLE)))
    for some in _pieces(numbers):
        remember_erased(connection, some, datetime.now(UTC))  # noqa: TID251 - no clock here
        connection.execute(
            sa.text("DELETE FROM suppression WHERE phone IN :some").bindparams(
                sa.bindparam("some", some, expanding=True)
            )
        )


def _pieces(numbers: list[str]) -> Iterator[list[str]]:
    for n in range(0, len(numbers), _AT_ONCE):
        yield numbers[n : n + _AT_ONCE]


def downgrade() -> None:
    """A hash cannot be read again: the numbers stay uncalled."""
