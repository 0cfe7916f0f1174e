"""The agent's WebSocket, as conversations."""

from __future__ import annotations

import contextlib

from dialer.server.people import Kind
from dialer.web.auth import COOKIE
from tests.web.conftest import VIEWER, Desk


async def test_a_day_in_one_conversation(desk: Desk) -> None:
    screen = await desk.open()
    await screen.says(type="hello", token=await desk.log_in())
    welcome = await screen.hears("welcome")
    assert welcome["heartbeat_s"] == 5
    assert welcome["current"] is False
    first = await screen.hears("agent")
    assert first["agent"]["state"] == "break"

    await screen.says(type="status", id="1", status="ready")
    assert (await screen.hears("ack"))["id"] == "1"
    await screen.hears_until("agent", state="ready", status="ready")

    attempt = desk.face.call_arrives("ada")
    popped = await screen.hears("agent")
    assert popped["agent"]["state"] == "talk"
    assert popped["agent"]["call"]["lead"]["name"] == "Erika Mustermann"
    assert popped["agent"]["call"]["lead"]["fields"]["balance"] == "482.10"
    assert popped["seq"] > first["seq"]

    await screen.says(type="hangup", id="2")
    assert (await screen.hears("ack"))["id"] == "2"
    await screen.hears_until("agent", state="wrap-up")

    await screen.says(type="dispose", id="3", attempt=attempt, code="promise", note="on Friday")
    assert (await screen.hears("ack"))["id"] == "3"
    done = await screen.hears_until("agent", state="ready")
    assert done["agent"]["call"] is None

    await screen.says(type="status", id="4", status="logged out")
    assert (await screen.hears("ack"))["id"] == "4"
    assert (await screen.hears("ended"))["reason"] == "logged out"
    assert await screen.hears_close() == 1000
    assert ("dispose", "ada", attempt, "promise", "", "on Friday") in desk.face.heard


async def test_a_refusal_names_the_mend_and_changes_nothing(desk: Desk) -> None:
    screen = await desk.agent_screen(await desk.log_in())
    attempt = desk.face.call_arrives("ada")
    await screen.hears("agent")
    await screen.says(type="dispose", id="7", attempt=attempt, code="callback")
    refused = await screen.hears("refused")
    assert refused["id"] == "7"
    assert refused["status"] == 409
    assert refused["mend"] == "Choose a time."
    await screen.says(type="hangup", id="8")
    assert (await screen.hears("ack"))["id"] == "8"


async def test_a_callback_without_zone_is_refused_by_field(desk: Desk) -> None:
    screen = await desk.agent_screen(await desk.log_in())
    attempt = desk.face.call_arrives("ada")
    await screen.hears("agent")
    await screen.says(
        type="dispose", id="1", attempt=attempt, code="callback", callback_at="2026-11-23T09:30"
    )
    refused = await screen.hears("refused")
    assert refused["status"] == 400
    assert refused["errors"][0]["field"] == "callback_at"
    assert "time zone" in refused["errors"][0]["message"]
    assert not any(told[0] == "dispose" for told in desk.face.heard)


async def test_commands_in_one_breath_are_answered_in_order(desk: Desk) -> None:
    screen = await desk.agent_screen(await desk.log_in())
    wanted = [str(number) for number in range(60)]
    for number in wanted:
        await screen.says(type="status", id=number, status="ready" if int(number) % 2 else "break")
    answers = []
    while len(answers) < len(wanted):
        frame = (await screen.ws.receive(timeout=5)).json()
        if frame["type"] == "ack":
            answers.append(frame["id"])
    assert answers == wanted


# --- resume ---------------------------------------------------------------------------------------


async def test_resume_sends_nothing_when_nothing_was_missed(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    await screen.ws.close()
    again = await desk.open()
    await again.says(type="hello", token=token, epoch=screen.epoch, seq=screen.seq)
    assert (await again.hears("welcome"))["current"] is True
    await again.says(type="resync", id="r")  # had a picture been sent, it would come first
    await again.hears("ack")


async def test_resume_after_a_gap_sends_the_newest_picture(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    await screen.ws.close()
    desk.face.call_arrives("ada")
    desk.face.customer_leaves("ada")
    again = await desk.open()
    await again.says(type="hello", token=token, epoch=screen.epoch, seq=screen.seq)
    assert (await again.hears("welcome"))["current"] is False
    picture = await again.hears("agent")
    assert picture["agent"]["state"] == "wrap-up"
    assert picture["seq"] > screen.seq


async def test_resume_into_another_life_of_the_server_sends_the_picture(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    again = await desk.open()
    await again.says(type="hello", token=token, epoch="an older life", seq=screen.seq)
    assert (await again.hears("welcome"))["current"] is False
    assert (await again.hears("agent"))["agent"]["agent"] == "ada"


async def test_numbers_never_start_again_after_the_last_screen_left(desk: Desk) -> None:
    token = await desk.log_in()
    seen = []
    for _ in range(3):
        screen = await desk.agent_screen(token)
        seen.append(screen.seq)
        await screen.ws.close()
        desk.face.seat("ada", notice=f"{len(seen)}")
    assert seen == sorted(set(seen))


# --- who may talk ---------------------------------------------------------------------------------


async def test_hello_with_a_wrong_token_is_closed(desk: Desk) -> None:
    token = await desk.log_in()
    for wrong, code in ((token[:-1], 4401), ("x", 4401), ("", 4401), (VIEWER, 4403)):
        screen = await desk.open()
        await screen.says(type="hello", token=wrong)
        assert await screen.hears_close() == code


async def test_an_agent_whose_shift_has_not_begun_is_told_so(desk: Desk) -> None:
    token = await desk.people.sign_in("ada", "correct horse", "", "", Kind.BROWSER)
    screen = await desk.open(headers={"Cookie": f"{COOKIE}={token}"})
    await screen.says(type="hello")
    assert await screen.hears_close() == 4404


async def test_a_command_before_hello_is_closed(desk: Desk) -> None:
    await desk.log_in()
    screen = await desk.open()
    await screen.says(type="hangup", id="1")
    assert await screen.hears_close() == 4400
    assert ("hang up", "ada") not in desk.face.heard


async def test_a_socket_without_hello_is_closed_after_five_seconds(desk: Desk) -> None:
    screen = await desk.open()
    while desk.hub.count()["stranger"] == 0:
        await screen.ws.ping()
    desk.passes(4.9)
    assert not screen.ws.closed
    desk.passes(0.3)
    assert await screen.hears_close() == 4400


async def test_a_page_from_elsewhere_may_not_open_a_socket(desk: Desk) -> None:
    for origin in ("https://evil.example", "null", desk.url + ".evil.example"):
        async with desk.http.get("/v1/agent/ws", headers={"Origin": origin}) as answer:
            assert answer.status == 403
            assert (await answer.json())["mend"]
    screen = await desk.open(headers={"Origin": desk.url})
    await screen.says(type="hello", token=await desk.log_in())
    await screen.hears("welcome")


async def test_a_session_that_ended_takes_no_more_commands(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    await desk.people.end_sessions("ada", "root")  # revoked, without a mark
    await screen.says(type="status", id="1", status="ready")
    assert await screen.hears_close() == 4401
    assert not any(told[0] == "status" for told in desk.face.heard)


async def test_a_stale_tab_does_not_see_the_next_session(desk: Desk) -> None:
    old = await desk.agent_screen(await desk.log_in())
    desk.face.session_ends("ada")
    new_token = await desk.log_in()  # before the hub has looked
    await old.hears("ended")
    assert await old.hears_close() == 1000
    await desk.agent_screen(new_token)


# --- two tabs -------------------------------------------------------------------------------------


async def test_the_newer_of_two_tabs_takes_over_and_the_older_is_told(desk: Desk) -> None:
    left = await desk.agent_screen(await desk.log_in())
    attempt = desk.face.call_arrives("ada")
    await left.hears_until("agent", state="talk")
    right = await desk.agent_screen(await desk.log_in())
    assert (await left.hears("ended"))["reason"] == "taken over"
    with contextlib.suppress(ConnectionError):
        await left.says(type="hangup", id="1")
    assert await left.hears_close() == 4409
    await right.says(type="dispose", id="9", attempt=attempt, code="refused")
    await right.hears("ack")
    assert (await right.hears("agent"))["agent"]["call"]["disposition"] == "refused"
    assert not any(told[0] == "hang up" for told in desk.face.heard)
    assert desk.hub.count()["agent"] == 1


async def test_being_taken_over_loses_no_screen(desk: Desk) -> None:
    left = await desk.agent_screen(await desk.log_in())
    right = await desk.agent_screen(await desk.log_in())
    assert await left.hears_close() == 4409
    for _ in range(4):
        desk.passes(5.1)
        await right.hears("ping")
        await right.says(type="pong")
        await right.says(type="resync", id="here")
        await right.hears("ack")
        await right.hears("agent")
    assert ("screen lost", "ada") not in desk.face.heard


async def test_a_tab_may_take_the_desk_back(desk: Desk) -> None:
    token = await desk.log_in()
    first = await desk.agent_screen(token)
    second = await desk.agent_screen(token)
    assert await first.hears_close() == 4409
    third = await desk.agent_screen(token, epoch=second.epoch, seq=0)
    assert await second.hears_close() == 4409
    desk.face.call_arrives("ada")
    assert (await third.hears("agent"))["agent"]["state"] == "talk"


# --- presence -------------------------------------------------------------------------------------


async def test_a_closed_tab_is_lost_after_ten_seconds_and_comes_back(desk: Desk) -> None:
    token = await desk.log_in()
    screen = await desk.agent_screen(token)
    desk.face.call_arrives("ada")
    await screen.ws.close()
    desk.passes(9.9)
    assert ("screen lost", "ada") not in desk.face.heard
    desk.passes(0.3)
    assert desk.face.heard[-1] == ("screen lost", "ada")
    desk.passes(60)
    assert desk.face.heard.count(("screen lost", "ada")) == 1, "said once"
    back = await desk.agent_screen(token, epoch=screen.epoch, seq=screen.seq)
    assert desk.face.heard[-1] == ("screen connected", "ada")
    assert back.seq > 0
    assert desk.face.views["ada"].call is not None, "the call lived on"


async def test_a_socket_that_falls_silent_is_closed_and_its_screen_lost(desk: Desk) -> None:
    screen = await desk.agent_screen(await desk.log_in())
    desk.passes(5.1)
    await screen.hears("ping")  # and does not answer
    desk.passes(5.1)
    assert await screen.hears_close() == 4408
    assert desk.face.heard[-1] == ("screen lost", "ada")


async def test_an_agent_who_only_polls_is_present(desk: Desk) -> None:
    token = await desk.log_in()
    for _ in range(5):
        desk.passes(6)
        async with desk.http.get("/v1/agent", headers=_bearer(token)) as answer:
            assert answer.status == 200
    assert ("screen lost", "ada") not in desk.face.heard
    desk.passes(10.5)
    assert ("screen lost", "ada") in desk.face.heard


async def test_nobody_waits_for_the_screen_of_an_ended_session(desk: Desk) -> None:
    token = await desk.log_in()
    async with desk.http.post(
        "/v1/agent/status", json={"status": "logged out"}, headers=_bearer(token)
    ) as answer:
        assert answer.status == 204
    desk.hub.refresh(["ada"])
    desk.passes(30)
    assert ("screen lost", "ada") not in desk.face.heard


async def test_agents_from_a_former_life_have_one_limit_to_show_up(desk: Desk) -> None:
    await desk.face.sit_down("bob")
    desk.hub.presence.expect(["bob"], desk.clock())
    desk.passes(10.5)
    assert ("screen lost", "bob") in desk.face.heard


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
