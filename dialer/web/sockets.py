"""The conversation on a WebSocket: hello, then commands until one side has had enough."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import WSMsgType, web
from pydantic import TypeAdapter, ValidationError

from dialer.server.face import Refused
from dialer.web.agent_work import dial, dispose
from dialer.web.auth import Access, Caller, cookie, origin_is_ours
from dialer.web.encode import encode
from dialer.web.hub import FORBIDDEN, UNKNOWN_TOKEN, UNWELCOME
from dialer.web.models import (
    AGENT_MESSAGE,
    HELLO,
    VIEWER_MESSAGE,
    AcceptPreview,
    Ack,
    ChooseStatus,
    Dial,
    Dispose,
    Pong,
    PressHangUp,
    RefusedAnswer,
    Resync,
    SkipPreview,
)
from dialer.web.problems import ProblemError, invalid
from dialer.web.routes import Call, Site
from dialer.web.screen import Screen
from dialer.web.settings import BROKEN_MESSAGES_MAX, FRAME_MAX

_CLOSE_LIMIT_S = 5.0  # real seconds for the peer to say goodbye

Act = Callable[[Site, Screen, Caller, Any], Awaitable[None]]


async def agent_socket(site: Site, call: Call) -> web.WebSocketResponse:
    return await _serve(site, call.request, Access.AGENT, AGENT_MESSAGE, _act_for_agent)


async def wallboard_socket(site: Site, call: Call) -> web.WebSocketResponse:
    return await _serve(site, call.request, Access.VIEWER, VIEWER_MESSAGE, _act_for_viewer)


async def _act_for_agent(site: Site, screen: Screen, caller: Caller, message: Any) -> None:
    match message:
        case ChooseStatus():
            await site.face.choose_status(caller.name, message.status, message.reason)
        case PressHangUp():
            await site.face.hang_up(caller.name)
        case Dispose():
            await dispose(site, caller.name, message)
        case AcceptPreview():
            await site.face.accept(caller.name, message.lead_id)
        case SkipPreview():
            await site.face.skip(caller.name, message.lead_id, message.reason, message.escalate)
        case Dial():
            await dial(site, caller.name, message)
        case _:
            await _act_for_viewer(site, screen, caller, message)


async def _act_for_viewer(site: Site, screen: Screen, caller: Caller, message: Any) -> None:
    match message:
        case Resync():
            screen.show_again(site.hub.real_now())
        case _:
            raise AssertionError(f"no handler for {type(message).__name__}")


async def _serve(
    site: Site, request: web.Request, access: Access, messages: TypeAdapter[Any], act: Act
) -> web.WebSocketResponse:
    if not origin_is_ours(request, site.settings):
        raise ProblemError(
            403,
            "This page may not open a WebSocket here.",
            "Open the page from this server, or add its origin to web.origins.",
        )
    ws = web.WebSocketResponse(
        max_msg_size=FRAME_MAX,
        compress=False,
        timeout=_CLOSE_LIMIT_S * site.face.clock().speed,
    )
    if not ws.can_prepare(request):
        raise ProblemError(
            426, "This address speaks WebSocket only.", "Connect with a WebSocket client."
        )
    await ws.prepare(request)
    screen = site.hub.arrive(ws, request)
    writer = site.tasks.start("web: screen", screen.pay(site.hub.real_now))
    try:
        await _converse(site, request, ws, screen, access, messages, act)
    finally:
        try:
            if screen.closing:
                await asyncio.wait([writer])  # bounded: the sweep aborts who does not read
        finally:
            writer.cancel()
            site.hub.leave(screen)
    return ws


async def _converse(
    site: Site,
    request: web.Request,
    ws: web.WebSocketResponse,
    screen: Screen,
    access: Access,
    messages: TypeAdapter[Any],
    act: Act,
) -> None:
    broken = 0
    async for frame in ws:
        if screen.closing:
            return
        if frame.type is WSMsgType.BINARY:
            screen.end(1003, "text frames only")
            return
        if frame.type is not WSMsgType.TEXT:
            return
        site.hub.heard(screen)
        caller = screen.caller
        if caller is None:
            if not await _hello(site, request, screen, access, frame.data):
                return
            continue
        if site.door.caller(caller.token) != caller:
            screen.end(UNKNOWN_TOKEN, "the token is not valid any more")
            return
        try:
            message = messages.validate_json(frame.data)
        except ValidationError as error:
            broken += 1
            if broken >= BROKEN_MESSAGES_MAX:
                screen.end(UNWELCOME, "too many broken messages")
                return
            problem = invalid(error, skip=1).problem
            await _answer(site, screen, RefusedAnswer(id=_id_of(frame.data), **_words(problem)))
            continue
        if not isinstance(message, Pong):
            await _answer(site, screen, await _carry_out(site, screen, caller, message, act))


async def _hello(
    site: Site, request: web.Request, screen: Screen, access: Access, text: str
) -> bool:
    try:
        hello = HELLO.validate_json(text)
        caller = site.door.admit(hello.token or cookie(request), access)
    except ValidationError:
        screen.end(UNWELCOME, "no proper hello")
        return False
    except ProblemError as error:
        known = error.problem.status == 403
        screen.end(FORBIDDEN if known else UNKNOWN_TOKEN, error.problem.detail)
        return False
    return await site.hub.greet(screen, caller, access, hello)


async def _carry_out(
    site: Site, screen: Screen, caller: Caller, message: Any, act: Act
) -> Ack | RefusedAnswer:
    try:
        await act(site, screen, caller, message)
    except Refused as refused:
        return RefusedAnswer(
            id=message.id, status=refused.status, detail=refused.message, mend=refused.mend
        )
    return Ack(id=message.id)


async def _answer(site: Site, screen: Screen, message: Ack | RefusedAnswer) -> None:
    await screen.answer(encode(message), site.hub.real_now())


def _words(problem: Any) -> dict[str, Any]:
    return {
        "status": problem.status,
        "detail": problem.detail,
        "mend": problem.mend,
        "errors": problem.errors,
    }


def _id_of(text: str) -> str:
    """The id of a message that is broken elsewhere, if it has a usable one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    found = value.get("id") if isinstance(value, dict) else None
    return found if isinstance(found, str) and len(found) <= 40 else ""
