"""The store's databases, for strategies."""

from tests.store.conftest import postgresql_server, url

__all__ = ["postgresql_server", "url"]
