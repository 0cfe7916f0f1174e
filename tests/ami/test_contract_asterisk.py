"""The AMI contract against a real Asterisk 22, with SIPp behind it. Real time."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.ami.contract import SCENES, TREACHERY, Scene
from tests.asterisk.harness import AsteriskBench, missing

pytestmark = [
    pytest.mark.asterisk,
    pytest.mark.skipif(bool(missing()), reason=missing() or "Asterisk is here"),
    pytest.mark.asyncio(loop_scope="module"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def bench() -> AsyncIterator[AsteriskBench]:
    """One Asterisk for all scenes; each leaves it as it found it."""
    async with AsteriskBench(phones_wanted=2) as bench:
        yield bench


@pytest.mark.parametrize("scene", [*SCENES, *TREACHERY], ids=lambda scene: scene.__name__)
async def test_contract(scene: Scene, bench: AsteriskBench) -> None:
    await scene(bench)
