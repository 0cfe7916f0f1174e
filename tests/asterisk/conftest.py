"""Fixtures for tests against the real Asterisk; they are skipped, by name, where there is none.

`bench` takes settings by indirect parametrisation:
    @pytest.mark.parametrize("bench", [{"phones_wanted": 10}], indirect=True)
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.asterisk.floor import Floor
from tests.asterisk.harness import AsteriskBench, missing


def pytest_runtest_setup(item: pytest.Item) -> None:
    """One reason, one place: pytest then says it in one line for all of them."""
    if item.get_closest_marker("asterisk") is not None and (why := missing()):
        pytest.skip(why)


@pytest.fixture
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[AsteriskBench]:
    """An Asterisk of this test's own, with carrier and phones."""
    async with AsteriskBench(**getattr(request, "param", {})) as bench:
        yield bench


@pytest.fixture
async def floor(bench: AsteriskBench) -> AsyncIterator[Floor]:
    """Both links to `bench`. The test fails when it leaves a channel behind."""
    async with Floor(bench) as floor:
        yield floor
        if not floor.evt.closed:
            for channel in await floor.channels():
                if "-a" in channel["Uniqueid"]:  # agents' legs are up until they are logged out
                    await floor.hang_up(channel["Uniqueid"])
            await floor.empty()
