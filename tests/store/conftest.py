"""A store with a scripted campaign, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.store.world import World


@pytest.fixture
async def world(url: str) -> AsyncIterator[World]:
    world = await World.open(url)
    world.start()
    yield world
    await world.store.close()
    assert not world.failures
