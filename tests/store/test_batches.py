"""Many commands of one kind in one commit: what holds for one must hold for a batch."""

from __future__ import annotations

from dialer.core.outcomes import Outcome
from tests.store.world import World, attempt, disposition, outcome, staged


async def test_dispositions_of_several_leads_in_one_commit(world: World) -> None:
    await world.load(staged(2), staged(3), staged(4))
    opened = [attempt(world, lead) for lead in await world.claim()]
    await world.give(*opened)
    await world.give(*(outcome(one, Outcome.CONNECTED, agent="anna") for one in opened))
    assert await world.give(*(disposition(one, "sold") for one in opened)) == ["", "", ""]
    assert await world.value("SELECT count(*) FROM leads WHERE state = 'done'") == 3
