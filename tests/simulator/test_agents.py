"""Simulated agents against the real web side, with a scripted server behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from simulator.agents import Account, Manners, SimulatedAgents
from simulator.pbx import CalledParty
from tests.ami.virtual import virtual
from tests.web.fake_face import OFFERS, FakeFace
from tests.web.fake_people import people

ADA, BOB = Account("ada", "correct horse"), Account("bob", "battery staple")
PROMPT = Manners(login_spread_s=0.0, hangs_up_share=0.0, disposes_early_share=0.0)


@asynccontextmanager
async def shift(
    heard: CalledParty | None,
    manners: Manners = PROMPT,
    accounts: tuple[Account, ...] = (ADA,),
) -> AsyncIterator[tuple[FakeFace, SimulatedAgents]]:
    failures: list[BaseException] = []
    face = FakeFace()
    staff, _ = await people(face.passwords)
    web = WebServer(
        face, WebSettings(port=0), lambda _, error: failures.append(error), people=staff
    )
    url = await web.start()
    agents = SimulatedAgents(url, accounts, ears=lambda attempt: heard, manners=manners)
    await agents.start()
    try:
        yield face, agents
    finally:
        await agents.close()
        await web.close()
    assert not failures
    assert not agents.failures


def said(face: FakeFace, *what: str) -> int:
    """How often the server was told this."""
    return sum(heard[: len(what)] == what for heard in face.heard)


async def becomes(face: FakeFace, agent: str, state: str) -> None:
    async with asyncio.timeout(60):
        while agent not in face.views or face.views[agent].state != state:  # noqa: ASYNC110 - virtual
            await asyncio.sleep(0.05)


@virtual
async def test_logs_in_and_goes_ready() -> None:
    async with shift(None, accounts=(ADA, BOB)) as (face, agents):
        await becomes(face, "ada", "ready")
        await becomes(face, "bob", "ready")
        assert agents.tally.log_ins == 2


@virtual
async def test_writes_up_as_long_as_the_call_takes_and_disposes_once() -> None:
    async with shift(CalledParty(wrap_up_s=30.0)) as (face, agents):
        await becomes(face, "ada", "ready")
        attempt = face.call_arrives("ada")
        await asyncio.sleep(10)
        face.customer_leaves("ada")
        await asyncio.sleep(29)
        assert said(face, "dispose") == 0
        await asyncio.sleep(2)
        assert said(face, "dispose", "ada", attempt) == 1
        assert face.views["ada"].state == "ready"
        assert sum(agents.tally.dispositions.values()) == 1
        assert not agents.tally.refused


@virtual
async def test_hangs_up_on_a_machine_and_gives_a_machines_code() -> None:
    manners = Manners(login_spread_s=0.0, machine_codes=("wrong",))
    heard = CalledParty(machine=True, talk_s=10.0, wrap_up_s=5.0)
    async with shift(heard, manners) as (face, agents):
        await becomes(face, "ada", "ready")
        face.call_arrives("ada")
        await asyncio.sleep(16)
        assert said(face, "hang up", "ada") == 1
        assert agents.tally.dispositions == {"wrong": 1}


@virtual
async def test_takes_a_break_after_the_call_and_comes_back() -> None:
    async with shift(CalledParty(wrap_up_s=5.0, break_s=300.0)) as (face, agents):
        await becomes(face, "ada", "ready")
        face.call_arrives("ada")
        await asyncio.sleep(1)
        face.customer_leaves("ada")
        await asyncio.sleep(6)
        assert face.views["ada"].state == "break"
        assert face.views["ada"].reason in face.views["ada"].break_reasons
        await asyncio.sleep(290)
        assert face.views["ada"].state == "break"
        await asyncio.sleep(15)
        assert face.views["ada"].state == "ready"
        assert agents.tally.breaks == 1


@virtual
async def test_gives_what_a_code_requires() -> None:
    weights = {offer.code: float(offer.code in ("callback", "promise")) for offer in OFFERS}
    manners = Manners(login_spread_s=0.0, hangs_up_share=0.0, weights=weights)
    async with shift(CalledParty(wrap_up_s=1.0), manners) as (face, agents):
        await becomes(face, "ada", "ready")
        for _ in range(12):
            face.call_arrives("ada")
            await asyncio.sleep(1)
            face.customer_leaves("ada")
            await asyncio.sleep(3)
        assert set(agents.tally.dispositions) == {"callback", "promise"}
        assert not agents.tally.refused
        for heard in face.heard:
            if heard[0] == "dispose":
                callback, note = heard[4], heard[5]
                assert bool(callback) is (heard[3] == "callback")
                assert bool(note) is (heard[3] == "promise")


@virtual
async def test_disposes_early_sometimes_and_then_has_no_wrap_up() -> None:
    manners = Manners(login_spread_s=0.0, hangs_up_share=0.0, disposes_early_share=1.0)
    async with shift(CalledParty(talk_s=20.0, wrap_up_s=30.0), manners) as (face, agents):
        await becomes(face, "ada", "ready")
        attempt = face.call_arrives("ada")
        await asyncio.sleep(11)
        assert said(face, "dispose", "ada", attempt) == 1
        assert sum(agents.tally.dispositions.values()) == 1


@virtual
async def test_connects_again_when_the_connection_is_lost() -> None:
    async with shift(None) as (face, agents):
        await becomes(face, "ada", "ready")
        person = agents._people[0]
        assert person._ws is not None
        await person._ws.close(code=1001)
        await asyncio.sleep(30)
        assert agents.tally.reconnects == 1
        assert agents.tally.log_ins == 1  # with the same token
        face.call_arrives("ada")
        await asyncio.sleep(1)
        assert agents.tally.calls == 1


@virtual
async def test_logs_out_after_the_call() -> None:
    async with shift(CalledParty(wrap_up_s=5.0, break_s=50.0)) as (face, agents):
        await becomes(face, "ada", "ready")
        await agents.log_out()
        await asyncio.sleep(1)
        assert "ada" not in face.views
