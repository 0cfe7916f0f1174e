"""What an agent does with leads and calls, over HTTP and on the WebSocket alike."""

from __future__ import annotations

from dialer.web.models import (
    AcceptRequest,
    DialAnswer,
    DialFields,
    DispositionFields,
    SkipRequest,
)
from dialer.web.routes import Call, Site


async def dispose(site: Site, agent: str, word: DispositionFields) -> None:
    await site.face.dispose(
        agent,
        word.attempt,
        word.code,
        word.callback_at,
        word.note,
        amount=word.amount,
        due_on=word.due_on,
        reason=word.reason,
        mine=word.mine,
    )


async def dial(site: Site, agent: str, whom: DialFields) -> str:
    return await site.face.dial(
        agent,
        whom.campaign,
        phone=whom.phone,
        lead_id=whom.lead_id,
        external_id=whom.external_id,
        override=whom.override,
    )


async def post_disposition(site: Site, call: Call) -> None:
    await dispose(site, call.caller.name, call.body)


async def post_accept(site: Site, call: Call) -> None:
    body: AcceptRequest = call.body
    await site.face.accept(call.caller.name, body.lead_id)


async def post_skip(site: Site, call: Call) -> None:
    body: SkipRequest = call.body
    await site.face.skip(call.caller.name, body.lead_id, body.reason, body.escalate)


async def post_dial(site: Site, call: Call) -> DialAnswer:
    return DialAnswer(attempt=await dial(site, call.caller.name, call.body))
