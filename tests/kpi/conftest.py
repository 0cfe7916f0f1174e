"""The store's databases, for the figures."""

from tests.store.conftest import postgresql_server, url, world

__all__ = ["postgresql_server", "url", "world"]
