"""What the pacing loop tells the account of abandons."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from dialer.campaigns.window import CallingWindow, Hours
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.pacing.governor import Governor
from dialer.pacing.windows import Account, us_windows
from dialer.server.pacing import Pacing, civil_seconds
from tests.ami.virtual import virtual


def test_a_day_ends_with_its_last_window() -> None:
    hours = (Hours(frozenset({0, 1}), 480, 1200), Hours(frozenset({1}), 1230, 1260))
    window = CallingWindow(hours)
    assert [window.last_end(day) for day in (0, 1, 2)] == [1200, 1260, None]


@virtual
async def test_the_account_knows_when_calling_ends() -> None:
    from dialer.clock import Clock

    clock, zone = Clock(), ZoneInfo("UTC")
    floor = Floor("t")
    floor.handle(ev.TrunkConfigured("main", "trunk"), clock.now())
    floor.handle(ev.CampaignStarted(ev.CampaignRules("c", "main", "trunk", "")), clock.now())
    floor.handle(ev.LinkResynced("main", ()), clock.now())
    civil_s = civil_seconds(clock.utc(), zone)
    accounts = [Account(us_windows(civil_s), civil_s) for _ in range(2)]
    for account, last_end in zip(accounts, (lambda _: 1441, lambda _: None), strict=True):
        pacing = Pacing(floor, clock, lambda decision: None)
        pacing.add("c", Governor("progressive", account), zone, last_end)
        account.add(civil_s, 50)
        pacing.tick(busy=False)
    assert accounts[0].answers_ahead() > 0 or civil_s % 86_400 > 86_000
    assert accounts[1].answers_ahead() == 0
