"""An agent hands the customer on: to whom that is possible, and the wish."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from dialer.server.transfers import To, Transfers, TransferTarget
from dialer.web.auth import Access
from dialer.web.models import Sent
from dialer.web.problems import ProblemError
from dialer.web.routes import Call, Route, Site


class TransferRequest(Sent):
    """One of those that are offered."""

    to: To
    name: Annotated[str, Field(min_length=1, max_length=80)]


class ConsultRequest(Sent):
    """Whom to ask: a colleague, or somebody outside."""

    to: To = To.AGENT
    name: Annotated[str, Field(min_length=1, max_length=80)]


class TransfersAnswer(BaseModel):
    targets: list[TransferTarget]


async def show(site: Site, call: Call) -> TransfersAnswer:
    return TransfersAnswer(targets=list(_transfers(site).targets(call.caller.name)))


async def hand_on(site: Site, call: Call) -> None:
    body: TransferRequest = call.body
    await _transfers(site).hand_on(call.caller.name, body.to, body.name)


async def ask(site: Site, call: Call) -> None:
    body: ConsultRequest = call.body
    await _transfers(site).ask(call.caller.name, body.name, body.to)


async def swap(site: Site, call: Call) -> None:
    await _transfers(site).swap(call.caller.name)


async def join(site: Site, call: Call) -> None:
    await _transfers(site).join(call.caller.name)


async def complete(site: Site, call: Call) -> None:
    await _transfers(site).end_asking(call.caller.name, complete=True)


async def take_back(site: Site, call: Call) -> None:
    await _transfers(site).end_asking(call.caller.name, complete=False)


def _transfers(site: Site) -> Transfers:
    if site.house is None:
        raise ProblemError(503, "This server has no floor.", "Ask the dialer itself.")
    return site.house.transfers


TRANSFERS: tuple[Route, ...] = (
    Route(
        "GET",
        "/v1/agent/transfers",
        show,
        "To whom the customer can be handed on",
        Access.AGENT,
        gives=TransfersAnswer,
        problems=(503,),
    ),
    Route(
        "POST",
        "/v1/agent/transfers",
        hand_on,
        "Hand the customer on, and be free of him at once; audited",
        Access.AGENT,
        takes=TransferRequest,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/consult",
        ask,
        "Ask a colleague, or somebody outside, while the customer hears music; audited",
        Access.AGENT,
        takes=ConsultRequest,
        problems=(404, 409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/consult/swap",
        swap,
        "Speak to the other one: the customer, or whom was asked outside; audited",
        Access.AGENT,
        problems=(409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/consult/join",
        join,
        "Customer, agent and whom was asked outside together; audited",
        Access.AGENT,
        problems=(409, 503),
    ),
    Route(
        "POST",
        "/v1/agent/consult/complete",
        complete,
        "Hand the customer over to whom was asked; audited",
        Access.AGENT,
        problems=(409, 503),
    ),
    Route(
        "DELETE",
        "/v1/agent/consult",
        take_back,
        "Take the customer back from the music",
        Access.AGENT,
        problems=(409, 503),
    ),
)
