"""Alembic's entry: migrations run on the connection we are handed, in its transaction."""

from alembic import context

from dialer.store.schema import all_metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=all_metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
