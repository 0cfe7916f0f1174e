"""AMI cut at every point of a call: whatever is cut, every promise holds at the end.

The whole dialer on SQLite against the simulated PBX, in virtual time. The PBX's own log is the
witness of what was dialled; the database is what the dialer says of it.
"""

from __future__ import annotations

from collections import Counter
from itertools import product
from pathlib import Path

import pytest

from dialer.core import events as ev
from dialer.server.face import CampaignAction
from simulator.pbx.faults import Point
from tests.ami.virtual import virtual
from tests.server.stage import Stage, stage

CMD, EVT = "overdial-cmd", "overdial-evt"
AROUND = (Point.BEFORE_ACTION, Point.BEFORE_RESPONSE, Point.AFTER_RESPONSE)
# Two who talk for a second, one who rings for ever, one busy, one who leaves, four more to talk.
KINDS = ("204", "204", "180", "486", "208", "204", "200", "201", "204")
NUMBERS = [f"+4930{n:05d}{kind}" for n, kind in enumerate(KINDS)]
COMMANDS = [(p, a, CMD) for p, a in product(AROUND, ("originate", "bridge", "hangup", "redirect"))]
QUESTIONS = [
    *((p, a, EVT) for p, a in product(AROUND, ("coreshowchannels", "bridgelist", "corestatus"))),
    *((Point.IN_LIST, a, EVT) for a in ("coreshowchannels", "bridgelist")),
]
RARE = {("redirect", 0), ("redirect", 3), ("hangup", 3), ("bridge", 3)}
EVENTS = (
    *("DialBegin", "DialState", "DialEnd", "Newstate", "OriginateResponse"),
    *("Hangup", "BridgeEnter", "BridgeLeave", "UserEvent"),
)


def is_customer(leg: str) -> bool:
    return leg.rpartition("-")[2].startswith("c")


async def play(it: Stage) -> None:
    """Call the list to its end, with agents who dispose of every call, and everybody goes home."""
    floor = it.server.engine.floor
    if not floor.agents:
        await it.everybody_ready()
    hung_up: set[str] = set()

    def over() -> bool:
        for agent in list(floor.agents.values()):
            if agent.state == "talk" and agent.attempt not in hung_up and len(hung_up) < 2:
                hung_up.add(agent.attempt)  # a Hangup of ours: the agent ends the call
                it.server.engine.post(ev.HangUpPressed(agent.name))
            if agent.state == "wrap-up":
                it.server.engine.post(ev.DispositionChosen(agent.name, agent.attempt, "done"))
            elif agent.state == "phone lost":
                it.server.engine.post(ev.StatusChosen(agent.name, ev.Status.READY))
        return not floor.calls and not it.rows(
            "SELECT 1 FROM leads WHERE state IN ('waiting', 'claimed', 'dialling')"
        )

    await it.until("the list is called", over, 400.0)
    await it.act(CampaignAction.STOP)
    await it.log_everybody_out()
    await it.server.store.flush()


def judge(it: Stage) -> None:
    """What must be true of any run."""
    # An agent's phone is rung again under the same id when Asterisk was restarted.
    assert [leg for leg in it.pbx.log.dialled_twice if is_customer(leg)] == []
    attempts = it.rows("SELECT id, lead_id, outcome FROM attempts")
    assert [row for row in attempts if row["outcome"] is None] == []
    dialled = {leg for leg in it.pbx.log.times_dialled if is_customer(leg)}
    assert dialled <= {row["id"] for row in attempts}
    ends = Counter(
        row["attempt_id"]
        for row in it.rows("SELECT attempt_id FROM attempt_history WHERE outcome IS NOT NULL")
    )
    assert ends == Counter(row["id"] for row in attempts), "each attempt ends exactly once"
    assert it.pbx.exchange.channels == {}
    assert it.rows("SELECT 1 FROM agent_sessions WHERE closed_ms IS NULL") == []
    assert it.server.engine.fault == ""
    floor = it.server.engine.floor
    assert [t.in_use for t in floor.trunks.values()] == [0]
    for customer, agents in it.pbx.log.conversations.items():
        if is_customer(customer):
            assert len(set(agents)) == 1, "one customer, one agent"
    stats = it.server.engine.stats.campaign("spring")
    (account,) = it.rows("SELECT sum(live) AS live, sum(abandoned) AS lost FROM abandon_account")
    for standing in it.server.engine.pacing.governor("spring").account.standings():
        assert (standing.live, standing.abandoned) == (stats.live, stats.abandoned)
        assert (standing.live, standing.abandoned) == (account["live"] or 0, account["lost"] or 0)


@virtual
async def test_a_list_without_a_cut(tmp_path: Path) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        await play(it)
        judge(it)
        assert Counter(it.outcomes())["connected"] >= 4
        assert len(it.outcomes()) == len(NUMBERS)


@virtual
@pytest.mark.parametrize("skip", [0, 3])
@pytest.mark.parametrize(("point", "action", "user"), COMMANDS)
async def test_cut_around_a_command(
    tmp_path: Path, point: Point, action: str, user: str, skip: int
) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        it.pbx.faults.cut(point, action=action, user=user, skip=skip)
        await play(it)
        judge(it)
        # Not every list has so many of these commands: a few points are never reached.
        assert it.pbx.faults.pending == 0 or (action, skip) in RARE


@virtual
@pytest.mark.parametrize("skip", [0, 4])
@pytest.mark.parametrize("event", EVENTS)
async def test_cut_before_an_event(tmp_path: Path, event: str, skip: int) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        it.pbx.faults.cut(Point.BEFORE_EVENT, event=event, user=EVT, skip=skip)
        await play(it)
        judge(it)
        assert it.pbx.faults.pending == 0


@virtual
@pytest.mark.parametrize(("point", "action", "user"), QUESTIONS)
async def test_cut_during_the_resync_after_a_cut(
    tmp_path: Path, point: Point, action: str, user: str
) -> None:
    """The link breaks while customers ring, wait and talk, and breaks again while we look."""
    async with stage(tmp_path, NUMBERS) as it:
        await it.everybody_ready()
        it.pbx.faults.cut(point, action=action, user=user)  # the start's own is over by then
        floor = it.server.engine.floor
        await it.until("a talk", lambda: any(c.state == "talking" for c in floor.calls.values()))
        it.pbx.cut_all(EVT)
        await play(it)
        judge(it)
        assert it.pbx.faults.pending == 0


@virtual
@pytest.mark.parametrize("user", [CMD, EVT])
async def test_a_link_that_flaps(tmp_path: Path, user: str) -> None:
    """Cut again and again, at whatever happens just then."""
    async with stage(tmp_path, NUMBERS) as it:
        for n in range(8):
            it.pbx.faults.cut(AROUND[n % 3], user=user, skip=4 + n)
        await play(it)
        judge(it)


@virtual
@pytest.mark.parametrize("gracefully", [True, False])
async def test_a_pbx_that_goes_and_comes_back(tmp_path: Path, gracefully: bool) -> None:
    async with stage(tmp_path, NUMBERS) as it:
        await it.everybody_ready()
        floor = it.server.engine.floor
        await it.until("a talk", lambda: any(c.state == "talking" for c in floor.calls.values()))
        if gracefully:
            await it.pbx.shut_down()
            await it.pbx.start_again()
        else:
            await it.pbx.restart(2.0)
        await play(it)
        judge(it)
