"""The wallboard's WebSocket: snapshot, steps, and a slow wall."""

from __future__ import annotations

from dataclasses import replace

from dialer.server.face import LinkView
from tests.web.conftest import SUPERVISOR, Desk


async def test_a_snapshot_first_then_only_what_changed(desk: Desk) -> None:
    await desk.log_in("ada")
    await desk.log_in("bob")
    wall = await desk.wallboard()
    first = await wall.hears("wallboard")
    assert first["snapshot"] is True
    assert {row["agent"] for row in first["agents"]} == {"ada", "bob"}
    assert first["campaigns"][0]["abandon"]["budget_left"] == 8

    desk.face.seat("bob", state="ready", since=120.0)
    desk.passes(1.0)
    step = await wall.hears("wallboard")
    assert step["snapshot"] is False
    assert step["after"] == first["seq"]
    assert [(row["agent"], row["state"]) for row in step["agents"]] == [("bob", "ready")]

    desk.face.session_ends("ada")
    desk.passes(1.0)
    step = await wall.hears("wallboard")
    assert (step["agents"], step["gone"]) == ([], ["ada"])


async def test_nothing_is_sent_while_only_the_clock_moves(desk: Desk) -> None:
    wall = await desk.wallboard()
    await wall.hears("wallboard")
    for _ in range(5):
        desk.face.now += 1
        desk.passes(1.0)
    ping = await wall.hears("ping")  # and no picture before it
    assert ping["now"] == desk.face.now
    desk.face.links = (LinkView("main", False, 130.0, "wrong password for manager user"),)
    desk.passes(1.0)
    message = await wall.hears("wallboard")
    assert message["links"][0]["why"].startswith("wrong password")


async def test_two_walls_at_different_steps_are_both_right(desk: Desk) -> None:
    await desk.log_in("ada")
    early = await desk.wallboard()
    await early.hears("wallboard")
    desk.face.seat("ada", state="ready")
    desk.passes(1.0)
    await early.hears("wallboard")
    late = await desk.wallboard(SUPERVISOR)
    snapshot = await late.hears("wallboard")
    assert snapshot["snapshot"] is True
    assert snapshot["agents"][0]["state"] == "ready"
    desk.face.seat("ada", state="talk")
    desk.passes(1.0)
    one, two = await early.hears("wallboard"), await late.hears("wallboard")
    assert one == two
    assert one["agents"][0]["state"] == "talk"


async def test_resume_and_resync(desk: Desk) -> None:
    wall = await desk.wallboard()
    await wall.hears("wallboard")
    await wall.says(type="resync", id="1")
    await wall.hears("ack")
    assert (await wall.hears("wallboard"))["snapshot"] is True
    epoch, seq = wall.epoch, wall.seq
    again = await desk.open("/v1/wallboard/ws")
    await again.says(type="hello", token=SUPERVISOR, epoch=epoch, seq=seq)
    assert (await again.hears("welcome"))["current"] is True
    desk.face.campaign = replace(desk.face.campaign, why_not_dialling="outside hours")
    desk.passes(1.0)
    step = await again.hears("wallboard")
    assert step["snapshot"] is False
    assert step["campaigns"][0]["why_not_dialling"] == "outside hours"


async def test_a_wall_gives_no_agent_commands_and_an_agent_sees_no_wall(desk: Desk) -> None:
    token = await desk.log_in()
    wall = await desk.open("/v1/wallboard/ws")
    await wall.says(type="hello", token=token)
    assert await wall.hears_close() == 4403
    wall = await desk.wallboard()
    await wall.hears("wallboard")
    await wall.says(type="hangup", id="1")
    assert (await wall.hears("refused"))["status"] == 400
