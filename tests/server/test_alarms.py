"""The law's alarm: told when it begins, once, and when it begins anew."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crm_bridge import events as crm
from dialer.clock import Clock
from dialer.pacing.windows import Account, Span, Window
from dialer.server.alarms import Alarms
from tests.ami.virtual import virtual
from tests.server.stage import CAMPAIGN, stage

LEGAL = Window("30-day block", 0.03, Span.BLOCK, 30)
OURS = Window("day", 0.03, Span.DAY, legal=False)


@virtual
async def test_over_the_limit_is_told_once_and_again_when_it_is_anew() -> None:
    account, told, why = Account((LEGAL, OURS)), [], [""]
    alarms = Alarms(
        ["spring"], lambda _: account.standings(), lambda _: why[0], told.append, Clock()
    )
    account.add(10.0, live=100, abandoned=3)
    await alarms.look()
    assert told == []
    account.add(20.0, live=20, abandoned=17)
    for _ in range(2):
        await alarms.look()
    (one,) = told
    assert one.data["rule"] == "30-day block"
    assert (one.data["live"], one.data["abandoned"]) == (120, 20)
    account.add(30.0, live=2000)
    await alarms.look()
    account.add(40.0, live=200, abandoned=200)
    await alarms.look()
    assert [event.type for event in told] == [crm.Type.CAMPAIGN_COMPLIANCE_ALARM] * 2
    assert told[0].id == told[1].id, "the same day: the CRM hears of it once"
    why[0] = "the national list is 40 days old"
    await alarms.look()
    assert told[2].data["why"] == why[0]
    assert told[2].data["limit"] is None


@virtual
async def test_it_reaches_the_outbox(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with stage(tmp_path, ["+4930000000200"]) as it:
        old = "the national list is 40 days old"
        monkeypatch.setattr(it.server.store, "not_dialling", lambda *_: old)

        def told() -> list[str]:
            rows = it.rows("SELECT data FROM crm_event WHERE type = 'campaign.compliance_alarm'")
            return [row["data"] for row in rows]

        await it.until("the CRM is told", lambda: bool(told()))
        (one,) = told()
        assert (json.loads(one)["campaign"], json.loads(one)["why"]) == (CAMPAIGN, old)
