"""No interleaving of stops, claims, records and slots lets an Originate leave after a no.

The core's own floor and the real store; the PBX is a list of what would have been dialled.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.modes import Mode
from dialer.core.outcomes import Outcome
from dialer.core.states import AgentState
from dialer.server.gate import Gate
from dialer.snapshot import Decision
from dialer.store.byhand import find
from dialer.store.lanes import put_in_lane
from dialer.store.policy import Lane
from tests.compliance.people import campaign
from tests.compliance.test_store import facts, person
from tests.store.world import World, disposition, empty_sqlite

LEADS = 6
SLOW = 0.5  # Originates a second: attempts on record wait for their slot


class Play:
    """Floor and store with nothing between them but this. `dialled`: what reached the PBX."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.now = 0.0
        self.begun = world.store.clock.utc()
        self.stopped: set[str] = set()  # the stop is committed: we were told so
        self.dialled: list[str] = []
        self.wrong: list[str] = []
        self.late: set[str] = set()  # attempts asked for after their number's stop was committed
        self.fetching: list[cmd.FetchLeads | cmd.FetchLeadFor] = []
        clock: Any = self
        self.gate = Gate(world.store, clock)
        self.floor = Floor("b1", self.gate.denied)

    def utc_at(self, now: float) -> Any:
        return self.begun + timedelta(seconds=now)

    def post(self, event: ev.Event) -> None:
        self.carry_out(self.floor.handle(event, self.now))

    def carry_out(self, commands: list[cmd.Command]) -> None:
        for command in commands:
            match command:
                case cmd.Originate():
                    self.dialled.append(command.phone)
                    if command.phone in self.stopped:
                        self.wrong.append(command.attempt)
                case cmd.FetchLeads() | cmd.FetchLeadFor():
                    self.fetching.append(command)
                case (
                    cmd.RecordAttempt()
                    | cmd.RecordOutcome()
                    | cmd.RecordProgress()
                    | cmd.ReturnLeads()
                    | cmd.RecordPreview()
                ):
                    if isinstance(command, cmd.RecordAttempt) and self._is_stopped(command):
                        self.late.add(command.attempt)
                    self.world.store.submit(command)
                    self.gate.submitted(command)

    def _is_stopped(self, command: cmd.RecordAttempt) -> bool:
        return command.lead.phone in self.stopped

    def told(self, command: Any, refused: str) -> None:
        if isinstance(command, cmd.RecordAttempt):
            if command.attempt in self.late and not refused:
                self.wrong.append(command.attempt)  # nor is it put on record
            event = ev.AttemptRefused if refused else ev.AttemptRecorded
            self.post(
                event(command.attempt, refused) if refused else event(command.attempt)  # type: ignore[call-arg]
            )

    async def begin(self) -> None:
        self.world.start()
        writer: Any = self.world.store._writer
        writer._on_committed = self.told
        self.post(ev.TrunkConfigured("main", "t", 50, SLOW))
        self.post(ev.LinkResynced("main", ()))
        rules = ev.CampaignRules("spring", "main", "t", "+12125550199", offer_after_s=0.0)
        self.post(ev.CampaignStarted(rules))
        for name in ("anna", "ben"):
            self.post(ev.AgentLoggedIn(name, f"a-{name}", "main", name, ("spring",)))
            self.post(ev.LegParked(f"a-{name}", f"PJSIP/{name}"))
            self.post(ev.StatusChosen(name, ev.Status.READY))
        await self.fetch()

    async def fetch(self) -> None:
        while self.fetching:
            command = self.fetching.pop()
            store, now = self.world.store, self.world.store.clock.utc()
            if isinstance(command, cmd.FetchLeadFor):
                self.post((await store.claim_leads_for([command], now))[0])
            else:
                self.post(await store.claim_leads(command.campaign, command.count, now))

    async def by_hand(self, phone: str) -> None:
        """An agent asks for this very number: looked up now, called when it comes to it."""
        store = self.world.store
        lead = await store.database.read(lambda c: find(c, store.context, "spring", phone=phone))
        if lead is not None:
            self.post(ev.ManualCallAsked("ben", replace(lead, mode=Mode.MANUAL)))

    def look(self, accept: bool) -> None:
        for agent in self.floor.agents.values():
            if agent.state is AgentState.PREVIEW and agent.lead is not None:
                number = agent.lead.lead_id
                if accept:
                    self.post(ev.PreviewAccepted(agent.name, number))
                else:
                    self.post(ev.PreviewSkipped(agent.name, number, "no"))

    def somebody(self, n: int) -> str:
        """A number to stop: of an attempt that has not left if there is one, else any."""
        waiting = [call.lead.phone for call in self.floor.calls.values() if not call.originated]
        return waiting[n % len(waiting)] if waiting else f"+1212555010{n % LEADS}"

    async def step(self, what: str, n: int) -> None:
        store = self.world.store
        phone = self.somebody(n)
        match what:
            case "lines":
                self.post(ev.LinesDecided("spring", Decision(1 + n % 3)))
            case "flush":
                await store.flush()
            case "time":
                self.now += n
                self.carry_out(self.floor.tick(self.now))
            case "stop":
                await store.suppress([phone], "customer")
                self.stopped.add(phone)
            case "race":  # the stop and the next step run into each other
                stop = asyncio.get_running_loop().create_task(store.suppress([phone], "crm"))
                await asyncio.sleep(0)
                self.now += n / 2
                self.carry_out(self.floor.tick(self.now))
                await stop
                self.stopped.add(phone)
            case "word":  # an agent's disposition on an earlier call to the number
                rows = await self.world.rows("SELECT id, lead_id, phone FROM attempts")
                for attempt, lead_id, number in rows:
                    if number == phone:
                        lead = ev.Lead(lead_id, "spring", number, 0, 1)
                        said = disposition(cmd.RecordAttempt(attempt, "main", lead), "never")
                        store.submit(said)
                        await store.flush()
                        self.stopped.add(phone)
                        break
            case "end":
                for attempt in list(self.floor.calls):
                    self.post(ev.LegHungUp(attempt, 16))
                    break
            case "fetch":
                await self.fetch()
            case "again":  # everybody may be called once more
                await store.flush()
                await store.database.write(
                    lambda c: c.exec_driver_sql(
                        "UPDATE leads SET next_at_ms = 0 WHERE state = 'waiting'"
                    )
                )
                self.fetching.append(cmd.FetchLeads("spring", LEADS))
                await self.fetch()
            case "hand":
                await self.by_hand(f"+1212555010{n % LEADS}")
            case "look":
                self.look(n % 3 > 0)
            case "webhook":  # committed, and told to the core as the server does
                await store.suppress([phone], "crm")
                self.stopped.add(phone)
                self.post(ev.LeadSuppressed(phones=frozenset({phone})))


steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["lines", "lines", "flush", "flush", "time", "time", "stop", "race", "word", "fetch",
             "again", "hand", "hand", "look", "look", "webhook", "end"]
        ),
        st.integers(0, 7),
    ),
    min_size=4,
    max_size=40,
)  # fmt: skip

# On record, and waiting for its slot when the stop comes: by the store, by an agent's word on an
# earlier call to the number, over the API, by hand, and in a preview.
WAITS = [("lines", 2), ("flush", 0)]
LATER = [("time", 7), ("time", 7)]
TALKED = [("lines", 0), ("flush", 0), ("time", 1), ("end", 0), ("again", 0)]


@settings(max_examples=int(os.environ.get("OVERDIAL_EXAMPLES", "30")), deadline=None)
@given(steps)
@example([*WAITS, ("stop", 0), *LATER])
@example([*WAITS, ("webhook", 0), *LATER])
@example([*WAITS, ("race", 1), *LATER])
@example([*TALKED, *WAITS, ("word", 0), ("word", 1), *LATER])
@example([("lines", 2), ("stop", 0), ("stop", 1), ("flush", 0), *LATER])
@example([*[("stop", n) for n in range(LEADS)], *WAITS, ("hand", 0), ("hand", 1), *LATER])
@example([*WAITS, ("hand", 2), ("flush", 0), ("stop", 0), ("stop", 1), *LATER])
@example([*WAITS, ("look", 1), ("flush", 0), ("stop", 1), ("stop", 2), *LATER])
def test_nobody_is_called_after_the_stop_is_committed(told: list[tuple[str, int]]) -> None:
    async def run(url: str) -> Play:
        world = await World.open(url)
        world.script.gate = facts()  # type: ignore[assignment]
        await world.store.add_campaign(world.script)
        play = Play(world)
        try:
            await world.load(*(person(n + 2, f"+1212555010{n}") for n in range(LEADS)))
            context = world.store.context
            await world.store.database.write(  # some are an agent's to decide on
                lambda c: put_in_lane(c, context, [1, 2], Lane(mode="preview"))
            )
            await play.begin()
            for what, n in told:
                await play.step(what, n)
            for _ in range(3):
                await world.store.flush()
                play.now += 60.0
                play.carry_out(play.floor.tick(play.now))
            await world.store.flush()
            assert play.wrong == []
            made = await world.value("SELECT count(*) FROM attempts WHERE outcome <> 'cancelled'")
            assert len(play.dialled) <= made + await world.value(
                "SELECT count(*) FROM attempts WHERE outcome IS NULL"
            )
            open_ones = await world.rows("SELECT phone FROM attempts WHERE outcome IS NULL")
            assert {row.phone for row in open_ones} <= set(play.dialled)
            return play
        finally:
            await world.store.close()
            assert not world.failures

    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(run(empty_sqlite(Path(directory))))


async def test_an_attempt_that_waits_for_its_slot_past_the_hours_is_taken_back(url: str) -> None:
    world = await World.open(url)
    world.script.gate = facts()  # type: ignore[assignment]
    await world.store.add_campaign(world.script)
    play = Play(world)
    try:
        await world.load(*(person(n + 2, f"+1212555010{n}") for n in range(2)))
        await play.begin()
        await play.step("lines", 1)  # two lines; the second waits two seconds for its slot
        await world.store.flush()
        assert len(play.dialled) == 1
        world.script.gate = replace(campaign(), name="spring")  # with its hours now
        await world.store.add_campaign(world.script)
        play.begun = world.store.clock.utc().replace(hour=2, minute=30) + timedelta(days=1)
        play.now += 3.0
        play.carry_out(play.floor.tick(play.now))
        await world.store.flush()
        assert len(play.dialled) == 1
        (row,) = await world.rows("SELECT id, outcome FROM attempts WHERE outcome IS NOT NULL")
        assert row.outcome == Outcome.CANCELLED.value
        (said,) = await world.rows("SELECT stage, rule, attempt, retry_ms FROM decision_log")
        assert tuple(said[:3]) == ("originate", "us-reg-f/hours", row.id)
        (lead,) = await world.rows("SELECT state, next_at_ms FROM leads WHERE state = 'waiting'")
        assert lead.next_at_ms == said.retry_ms
        assert row.id not in play.floor.calls
    finally:
        await world.store.close()
        assert not world.failures
