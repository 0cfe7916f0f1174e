"""The agent's session over plain HTTP: the same commands as on the WebSocket."""

from __future__ import annotations

import asyncio

from dialer.server.face import AgentView
from dialer.web.models import (
    AgentAnswer,
    LoginAnswer,
    LoginRequest,
    StatusRequest,
)
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Site

_OPENING_LOOK_S = 0.005  # of the loop's clock
_OPENING_LOOKS_MAX = 400


async def log_in(site: Site, call: Call) -> LoginAnswer:
    body: LoginRequest = call.body
    token = await site.face.log_in(body.agent, body.password.get_secret_value())
    site.hub.agent_heard(body.agent)
    return LoginAnswer(token=token, agent=await _opened(site, body.agent))


async def show(site: Site, call: Call) -> AgentAnswer:
    return AgentAnswer(clock=site.face.clock(), agent=_view(site, call.caller.name))


async def choose_status(site: Site, call: Call) -> None:
    body: StatusRequest = call.body
    await site.face.choose_status(call.caller.name, body.status, body.reason)


async def hang_up(site: Site, call: Call) -> None:
    await site.face.hang_up(call.caller.name)


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
        raise ProblemError(401, "The session has ended.", "Log in again.")
    return view
