"""A supervisor's part in agents' calls: listen in, whisper, barge, leave."""

from __future__ import annotations

from dialer.core.modes import MonitorMode
from dialer.server.monitoring import MonitorDesk, Monitoring
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site


class MonitorRequest(Sent):
    """Listen: heard by nobody; whisper: by the agent; barge: by both."""

    mode: MonitorMode


async def show(site: Site, call: Call) -> MonitorDesk:
    return _monitoring(site).desk(call.caller.name)


async def begin(site: Site, call: Call) -> MonitorDesk:
    body: MonitorRequest = call.body
    return await _monitoring(site).begin(
        call.caller.name, call.param("agent"), body.mode, call.caller.sees
    )


async def leave(site: Site, call: Call) -> None:
    await _monitoring(site).leave(call.caller.name)


def _monitoring(site: Site) -> Monitoring:
    if site.house is None:
        raise ProblemError(503, "This server has no floor.", "Ask the dialer itself.")
    return site.house.monitoring


MONITORS: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/monitor",
        show,
        "The call one is part of, and the phone for it",
        Access.SUPERVISOR,
        gives=MonitorDesk,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/agents/{agent}/monitor",
        begin,
        "Listen in on the agent's call, whisper or barge: one's own phone rings; audited",
        Access.SUPERVISOR,
        takes=MonitorRequest,
        gives=MonitorDesk,
        problems=(404, 409, 503),
    ),
    Route(
        "DELETE",
        "/v1/monitor",
        leave,
        "Be part of the call no more",
        Access.SUPERVISOR,
        problems=(503,),
    ),
)
