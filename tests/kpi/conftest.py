"""The store's world, for the figures."""

from tests.store.conftest import world

__all__ = ["world"]
