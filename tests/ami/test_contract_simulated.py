"""The AMI contract against the simulated PBX, on virtual time."""

from __future__ import annotations

import pytest

from tests.ami.contract import SCENES, Scene
from tests.ami.virtual import virtual
from tests.simulator.bench import SimulatedBench


@virtual
@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
async def test_contract(scene: Scene, seed: int) -> None:
    async with SimulatedBench(phones_wanted=2, seed=seed) as bench:
        await scene(bench)
