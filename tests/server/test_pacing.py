"""What the pacing loop tells the account of abandons."""

from __future__ import annotations

import asyncio
import sys
import threading
from io import StringIO
from zoneinfo import ZoneInfo

import pytest

from dialer.campaigns.window import CallingWindow, Hours
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.pacing.governor import Governor
from dialer.pacing.windows import Account, us_windows
from dialer.server import pacing
from dialer.server.pacing import Pacing, civil_seconds, make_ready
from dialer.snapshot import Decision, FloorSnapshot, Observation
from tests.ami.virtual import virtual


class GivesUp:
    """A pacer that wants what the test says."""

    def __init__(self, *wishes: int) -> None:
        self.wishes = list(wishes)

    def observe(self, fact: Observation) -> None:
        pass

    def decide(self, snapshot: FloorSnapshot) -> Decision:
        return Decision(0, give_up=self.wishes.pop(0))


class Heard(StringIO):
    """A stream of which one can wait for the first word."""

    def __init__(self) -> None:
        super().__init__()
        self.spoken = threading.Event()

    def flush(self) -> None:
        self.spoken.set()


@pytest.mark.parametrize(("patient_s", "told"), [(0.0, True), (60.0, False)])
def test_who_waits_for_compiling_is_told(
    monkeypatch: pytest.MonkeyPatch, patient_s: float, told: bool
) -> None:
    stream = Heard()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(pacing, "_PATIENT_S", patient_s)
    monkeypatch.setattr(
        "dialer.pacing.forward.warm_up", lambda: stream.spoken.wait(10.0) if told else None
    )
    make_ready()
    assert ("compiling" in stream.getvalue()) is told


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


@virtual
async def test_lines_to_be_given_up_are_posted_though_none_is_launched() -> None:
    from dialer.clock import Clock

    clock, posted = Clock(), list[ev.LinesDecided]()
    floor = Floor("t")
    floor.handle(ev.CampaignStarted(ev.CampaignRules("c", "main", "trunk", "")), clock.now())
    floor.handle(ev.LinkResynced("main", ()), clock.now())
    floor.handle(ev.AgentLoggedIn("anna", "od-t-a1", "main", "anna", ("c",)), clock.now())
    floor.handle(ev.LegParked("od-t-a1", "PJSIP/anna"), clock.now())
    floor.handle(ev.StatusChosen("anna", ev.Status.READY), clock.now())
    pacing = Pacing(floor, clock, posted.append)
    pacing.add("c", Governor(GivesUp(0, 3), Account(us_windows(0.0))), ZoneInfo("UTC"))
    pacing.tick(busy=False)
    assert not posted
    await asyncio.sleep(1.0)
    pacing.tick(busy=False)
    assert [(one.decision.lines, one.decision.give_up) for one in posted] == [(0, 3)]
    assert pacing.governor("c").trace.near(civil_seconds(clock.utc(), ZoneInfo("UTC")))
