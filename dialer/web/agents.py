"""The agent's session over plain HTTP: the same commands as on the WebSocket."""

from __future__ import annotations

import asyncio

from dialer.server.face import AgentView
from dialer.server.people import Kind
from dialer.web.auth import address_of
from dialer.web.models import (
    AgentAnswer,
    DigitsRequest,
    HoldRequest,
    LoginAnswer,
    LoginRequest,
    PhoneAnswer,
    RecordingRequest,
    StatusRequest,
)
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Site
from dialer.web.session import people_of

_OPENING_LOOK_S = 0.005  # of the loop's clock
_OPENING_LOOKS_MAX = 400


async def log_in(site: Site, call: Call) -> LoginAnswer:
    """A program's way: sign in and begin the shift in one."""
    body: LoginRequest = call.body
    people = people_of(site)
    token = await people.sign_in(
        body.agent,
        body.password.get_secret_value(),
        body.code,
        address_of(call.request, site.settings),
        Kind.SHIFT,
    )
    try:
        began = await site.face.sit_down(body.agent)
        view = await _opened(site, body.agent)
    except BaseException:
        await people.sign_out(token)
        raise
    if began:  # tokens of the shift before
        await people.end_shift(body.agent, keep=token)
    site.hub.agent_heard(body.agent)
    return LoginAnswer(token=token, agent=view)


async def begin_shift(site: Site, call: Call) -> AgentAnswer:
    name = call.caller.name
    if await site.face.sit_down(name):
        await people_of(site).end_shift(name)
    view = await _opened(site, name)
    site.hub.agent_heard(name)
    return AgentAnswer(clock=site.face.clock(), agent=view)


async def show(site: Site, call: Call) -> AgentAnswer:
    return AgentAnswer(clock=site.face.clock(), agent=_view(site, call.caller.name))


async def phone(site: Site, call: Call) -> PhoneAnswer:
    return PhoneAnswer(browser=site.face.browser_phone(call.caller.name))


async def choose_status(site: Site, call: Call) -> None:
    body: StatusRequest = call.body
    await site.face.choose_status(call.caller.name, body.status, body.reason)


async def hang_up(site: Site, call: Call) -> None:
    await site.face.hang_up(call.caller.name)


async def more_time(site: Site, call: Call) -> None:
    await site.face.more_time(call.caller.name)


async def send_digits(site: Site, call: Call) -> None:
    body: DigitsRequest = call.body
    await site.face.send_digits(call.caller.name, body.digits)


async def record(site: Site, call: Call) -> None:
    body: RecordingRequest = call.body
    if site.house is None:
        raise ProblemError(503, "This server has no floor.", "Ask the dialer itself.")
    await site.house.recordings.turn(call.caller.name, body.to)


async def hold(site: Site, call: Call) -> None:
    body: HoldRequest = call.body
    await site.face.hold(call.caller.name, body.on)


async def _opened(site: Site, agent: str) -> AgentView:
    """The picture of a session that was just opened: the core may still have to take the event."""
    for _ in range(_OPENING_LOOKS_MAX):
        view = site.face.agent_view(agent)
        if view is not None:
            return view
        await asyncio.sleep(_OPENING_LOOK_S)
    raise ProblemError(503, "The server is too busy to open the session.", "Try again in a moment.")


def _view(site: Site, agent: str) -> AgentView:
    view = site.face.agent_view(agent)
    if view is None:
        raise ProblemError(409, "Your shift has not begun.", "POST /v1/agent/shift.")
    return view
