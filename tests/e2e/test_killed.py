"""kill -9 of the dialer, and of the PBX, in the middle of calling; on both PBXes.

What the witness hears on the PBX's own event stream decides, not what the dialer believes.
"""

from __future__ import annotations

import asyncio
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.asterisk.harness import AsteriskBench, free_port, missing
from tests.asterisk.rawami import Message, RawAmi
from tests.asterisk.sipp import number_for
from tests.e2e.dialer import Dialer, Site, is_customer
from tests.simulator.bench import SimulatedBench

Bench = AsteriskBench | SimulatedBench
TALKING, RINGING, ANSWERING_LATER = 20, 50, 10
TALK_S = 20.0


@pytest.fixture(params=["simulated", pytest.param("asterisk", marks=pytest.mark.asterisk)])
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    if request.param == "asterisk" and (why := missing()):
        pytest.skip(why)
    make: Callable[..., Any] = SimulatedBench if request.param == "simulated" else AsteriskBench
    async with make(phones_wanted=TALKING) as bench:
        yield bench


class Witness:
    """An event link of its own; survives the PBX's death by listening anew."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._stack = AsyncExitStack()
        self._links: list[RawAmi] = []

    async def listen(self) -> None:
        link = RawAmi(self._bench.ami_port, self._bench.evt_user, self._bench.evt_secret)
        self._links.append(await self._stack.enter_async_context(link))

    async def close(self) -> None:
        await self._stack.aclose()

    def events(self, name: str) -> list[Message]:
        return [m for link in self._links for m in link.messages if m.get("Event") == name]

    def legs(self, name: str, **headers: str) -> Counter[str]:
        """How often each customer's leg had such an event."""
        key = "DestUniqueid" if name.startswith("Dial") else "Uniqueid"
        return Counter(
            e[key]
            for e in self.events(name)
            if is_customer(e.get(key, "")) and all(e.get(k) == v for k, v in headers.items())
        )

    def at(self, name: str, **headers: str) -> dict[str, float]:
        """When each customer's leg first had such an event, by the PBX's clock."""
        out: dict[str, float] = {}
        for e in self.events(name):
            if all(e.get(k) == v for k, v in headers.items()):
                out.setdefault(e["Uniqueid"], float(e["Timestamp"]))
        return out

    async def channels(self) -> list[Message]:
        listed = await self._links[-1].action("CoreShowChannels")
        return [m for m in listed if m.get("Event") == "CoreShowChannel"]


@pytest.fixture
async def witness(bench: Bench) -> AsyncIterator[Witness]:
    witness = Witness(bench)
    await witness.listen()
    yield witness
    await witness.close()


@pytest.fixture
async def dialer(bench: Bench, tmp_path: Path) -> AsyncIterator[Dialer]:
    site = Site(
        tmp_path,
        bench.ami_port,
        bench.cmd_secret,
        bench.evt_secret,
        bench.phones,
        originates_per_s=40.0,
    )
    dialer = Dialer(site, free_port(socket.SOCK_STREAM))
    yield dialer
    if dialer.process is not None:
        await dialer.kill()


def numbers(behaviour: str, count: int, first: int = 0) -> list[str]:
    return [number_for(behaviour, n) for n in range(first, first + count)]


async def closed(dialer: Dialer, attempts: int) -> bool:
    rows = dialer.rows("SELECT count(*) FROM attempts WHERE outcome IS NOT NULL")
    return int(rows[0][0]) >= attempts and dialer.open_attempts() == 0


def each_once(dialer: Dialer, witness: Witness) -> dict[str, list[str]]:
    """No attempt was dialled twice and each has one outcome; the outcomes by number."""
    dialled = witness.legs("DialBegin")
    assert dialled
    assert max(dialled.values()) == 1
    attempts = dialer.attempts()
    assert all(row["outcome"] for row in attempts)
    endings = dialer.rows(
        "SELECT count(*) FROM attempt_history WHERE step = 'closed' GROUP BY attempt_id"
    )
    assert [row[0] for row in endings] == [1] * len(attempts)
    unknown = set(dialled) - {row["id"] for row in attempts}
    assert not unknown, "a customer was dialled who is not on record"
    outcomes: dict[str, list[str]] = {}
    for row in attempts:
        outcomes.setdefault(row["phone"], []).append(row["outcome"])
    return outcomes


async def nothing_left(dialer: Dialer, witness: Witness) -> None:
    async def empty() -> bool:
        return not await witness.channels() and not (await dialer.get("/v1/wallboard"))["agents"]

    await dialer.until("no channel and no agent left", empty, 20.0)
    assert dialer.open_attempts() == 0


async def test_the_dialer_is_killed(bench: Bench, witness: Witness, dialer: Dialer) -> None:
    talkers = numbers("talk-20s", TALKING)
    ringers = numbers("ring-forever", RINGING)
    waiters = numbers("slow-answer", ANSWERING_LATER)
    # In this order: once the agents talk, nothing more is dialled.
    await dialer.load([*ringers, *waiters, *talkers])
    agents = dialer.agents()
    await dialer.start_with_all_agents(agents)

    async def in_the_middle() -> bool:
        lines = (await dialer.campaign())["lines"]
        ringing = lines["ringing"] + lines["setting_up"]
        return lines["talking"] == TALKING and ringing >= RINGING + ANSWERING_LATER

    try:
        await dialer.until("20 talking, 60 ringing", in_the_middle, 15.0)
        await dialer.kill()
        bridged = witness.at("BridgeEnter", BridgeType="basic")

        async def harboured() -> bool:
            heard = witness.legs("UserEvent", UserEvent="OverdialHarbour")
            return len(heard) == ANSWERING_LATER

        await dialer.until("those who answered hear the message", harboured, 15.0)
        await dialer.start()
        total = TALKING + RINGING + ANSWERING_LATER
        await dialer.until("all attempts closed", lambda: closed(dialer, total), 60.0)

        async def written_up() -> bool:
            said = dialer.rows("SELECT count(DISTINCT attempt_id) FROM dispositions")
            return int(said[0][0]) == TALKING  # the agents write up what they talked about

        await dialer.until("every conversation written up", written_up, 28.0)
        await agents.log_out()
        await nothing_left(dialer, witness)
    finally:
        await agents.close()

    outcomes = each_once(dialer, witness)
    assert {n: outcomes[n] for n in talkers} == {n: ["connected"] for n in talkers}
    assert {n: outcomes[n] for n in ringers} == {n: ["no answer"] for n in ringers}
    for number in waiters:  # nobody was there to see what the message did to them
        assert outcomes[number] in (["abandoned"], ["lost"])
    ended = witness.at("Hangup")
    customers = [leg for leg in bridged if is_customer(leg)]
    assert len(customers) == TALKING
    for leg in customers:
        assert ended[leg] - bridged[leg] >= TALK_S - 1.0, "a talking call was cut"


async def test_the_pbx_is_killed_and_started_again(
    bench: Bench, witness: Witness, dialer: Dialer
) -> None:
    before = [*numbers("ring-forever", RINGING), *numbers("talk-20s", TALKING)]
    after = numbers("talk-1s", 80)
    await dialer.load([*before, *after])
    agents = dialer.agents()
    await dialer.start_with_all_agents(agents)

    async def in_the_middle() -> bool:
        lines = (await dialer.campaign())["lines"]
        return lines["talking"] == TALKING and lines["ringing"] >= 20

    async def not_dialling() -> bool:
        health = await dialer.health()
        return any("not dialling" in problem for problem in health["problems"])

    try:
        await dialer.until("20 talking and some ringing", in_the_middle, 15.0)
        await bench.kill()
        await dialer.until("the dialer says that it does not dial", not_dialling, 10.0)
        await asyncio.sleep(1.0)
        await bench.start_asterisk()
        await witness.listen()
        total = len(before) + len(after)
        await dialer.until("all attempts closed", lambda: closed(dialer, total), 60.0)
        await agents.log_out()
        await nothing_left(dialer, witness)
    finally:
        await agents.close()

    outcomes = each_once(dialer, witness)
    for number in numbers("talk-20s", TALKING):
        assert outcomes[number] == ["connected"]
    late = [outcomes[number] for number in after]
    assert all(len(one) == 1 for one in late)
    assert ["connected"] in late, "dialling did not go on after the restart"
