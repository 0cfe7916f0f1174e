"""The gate's tests with a database run on SQLite and on PostgreSQL, as the store's own do."""

from tests.store.conftest import postgresql_server, url

__all__ = ["postgresql_server", "url"]
