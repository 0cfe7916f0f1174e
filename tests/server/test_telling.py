"""What the floor tells the CRM past its records: campaigns by the outbox, agents at once."""

from __future__ import annotations

import asyncio
import itertools
import json
from pathlib import Path

from crm_bridge.events import Event
from dialer.core import events as ev
from dialer.server.face import CampaignAction
from tests.ami.virtual import virtual
from tests.server.stage import stage

NUMBERS = [f"+4930{n:05d}486" for n in range(3)]


class Ear:
    """Stands where the bridge does."""

    def __init__(self) -> None:
        self.heard: list[Event] = []

    def pop(self, event: Event) -> None:
        self.heard.append(event)


@virtual
async def test_a_campaign_is_told_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        await asyncio.sleep(1)
        for action in (CampaignAction.PAUSE, CampaignAction.RESUME):
            await it.act(action)
            await it.server.engine.door.settled()
        await it.server.engine.door.settled()
        await it.server.store.flush()
        told = [
            (row["type"], json.loads(row["data"])["campaign"])
            for row in it.rows("SELECT * FROM crm_event WHERE type LIKE 'campaign%' ORDER BY seq")
        ]
    assert told == [
        ("campaign.started", "spring"),
        ("campaign.stopped", "spring"),
        ("campaign.started", "spring"),
    ]


@virtual
async def test_an_agents_state_is_told_when_it_changes_and_only_then(tmp_path: Path) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        ear = Ear()
        it.server._telling.bridge = ear  # type: ignore[assignment]
        await asyncio.sleep(1)
        await it.act(CampaignAction.PAUSE)
        await it.everybody_ready()
        await asyncio.sleep(5)
        await it.server.reception.choose_status("anna", ev.Status.BREAK, "")
        await it.server.engine.door.settled()
        mine = [one.data for one in ear.heard if one.data["agent"] == "anna"]
    assert [one["state"] for one in mine][-2:] == ["ready", "break"]
    pairs = [(one["state"], one["status"], one["reason"]) for one in mine]
    assert all(first != then for first, then in itertools.pairwise(pairs))
