"""After the answer no Originate leaves for whom the CRM stopped, wherever they were on their way.

The whole dialer on SQLite against the simulated PBX, in virtual time; a CRM that speaks at any
moment, several at once. Every Originate is looked at as it leaves the core, and again in the PBX's
own log.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.server.intake import Given, KeyUse, Stop, StopKind
from dialer.snapshot import Decision
from tests.ami.virtual import virtual
from tests.server.stage import CAMPAIGN, Stage, stage

KINDS = ("204", "486", "180", "204", "404")
NUMBERS = [f"+4930{n:05d}{KINDS[n % len(KINDS)]}" for n in range(90)]
STEPS = 30


class Witness:
    """Stands before the PBX: what leaves, and to whom it should not have."""

    def __init__(self, it: Stage) -> None:
        self.silenced: set[str] = set()
        self.broken: list[str] = []
        self.sent: Counter[str] = Counter()
        self._pbx = it.server.engine.pbxes["main"]
        it.server.engine.pbxes["main"] = self

    def send(self, command: Any) -> None:
        if isinstance(command, cmd.Originate):
            self.sent[command.phone] += 1
            if command.phone in self.silenced:
                self.broken.append(command.attempt)
        self._pbx.send(command)


async def say(it: Stage, how: str, n: int, key: bool) -> Given:
    """One word of the CRM about lead `n`."""
    intake = it.server.intake
    use = KeyUse("crm", f"{how}{n}", "same") if key else None
    account = f"A{n}"
    if how == "dnc":
        return await intake.do_not_call([NUMBERS[n]], "", "", use)
    if how == "callback":
        later = it.server.clock.utc() + timedelta(days=1)
        return await intake.call_back("crm", account, "", later, use)
    return await intake.stop(Stop(StopKind(how), "crm", account, "r"), use)


@virtual
@pytest.mark.parametrize("seed", range(4))
async def test_no_originate_leaves_after_the_answer(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    async with stage(tmp_path, NUMBERS) as it:
        witness = Witness(it)
        await it.everybody_ready()
        left = list(range(len(NUMBERS)))
        talking: list[asyncio.Task[None]] = []
        where: Counter[str] = Counter()

        async def silence(n: int, how: str) -> None:
            calls = it.server.engine.floor.calls.values()
            where[next((c.state for c in calls if c.lead.phone == NUMBERS[n]), "elsewhere")] += 1
            key = dice.random() < 0.5
            await say(it, how, n, key)
            witness.silenced.add(NUMBERS[n])  # from the very moment of the answer
            if key:
                again = await say(it, how, n, key)
                assert again.again

        for _ in range(STEPS):
            it.server.engine.post(ev.LinesDecided(CAMPAIGN, Decision(dice.randint(1, 4))))
            for _ in range(dice.choice((0, 1, 1, 3))):
                # Mostly those who are on their way this moment.
                near = [
                    n
                    for n in left
                    if any(
                        call.lead.phone == NUMBERS[n] and call.originated is None
                        for call in it.server.engine.floor.calls.values()
                    )
                ]
                if not left:
                    break
                n = dice.choice(near if near and dice.random() < 0.7 else left)
                left.remove(n)
                how = dice.choice(("dnc", "cease", "paid", "dispute", "callback"))
                talking.append(asyncio.create_task(silence(n, how)))
            for _ in range(dice.choice((0, 1, 2, 5))):
                await asyncio.sleep(0)
            await asyncio.sleep(dice.choice((0.0, 0.001, 0.05, 0.2)))
        await asyncio.gather(*talking)
        for _ in range(8):  # and long afterwards
            it.server.engine.post(ev.LinesDecided(CAMPAIGN, Decision(4)))
            await asyncio.sleep(1.0)
        assert witness.broken == []
        assert witness.silenced
        assert sum(witness.sent.values()) > 10, "somebody must have been dialled"
        assert where["planned"] + where["cleared"] > 0, "nobody was caught on the way"
        assert it.pbx.log.dialled_twice == []
        assert it.server.engine.fault == ""


@virtual
async def test_the_witness_sees_what_a_silent_core_would_do(tmp_path: Path) -> None:
    """The same without telling the core: else the test above could not fail."""
    async with stage(tmp_path, NUMBERS) as it:
        witness = Witness(it)
        await it.everybody_ready()
        post = it.server.engine.post
        it.server.engine.post = (  # type: ignore[method-assign]
            lambda event: None if isinstance(event, ev.LeadSuppressed) else post(event)
        )
        for n in range(0, 40, 4):
            post(ev.LinesDecided(CAMPAIGN, Decision(20)))
            await it.server.store.flush()
            cleared = [c for c in it.server.engine.floor.calls.values() if c.state == "cleared"]
            for call in cleared[-3:]:
                lead = NUMBERS.index(call.lead.phone)
                if NUMBERS[lead] not in witness.silenced:
                    await say(it, "paid", lead, False)
                    witness.silenced.add(NUMBERS[lead])
            await asyncio.sleep(0.5 + n / 100)
        assert witness.broken
