"""What a CRM's programs send: leads, and words against or for calling. Tokens with scopes."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import BadHttpMessage
from pydantic import ValidationError
from pydantic_core import from_json

from dialer.server.intake import (
    Dialled,
    DialWords,
    DncAnswer,
    Erased,
    FeedAnswer,
    Given,
    Inbound,
    KeyUse,
    LeadsAnswer,
    LeadWords,
    MatchAnswer,
    Payment,
    PersonData,
    Result,
    RowAnswer,
    Scope,
    Stop,
    StopKind,
)
from dialer.web.auth import Access
from dialer.web.encode import adapter_of
from dialer.web.inbound_models import (
    EXTERNAL_ID,
    CallbackRequest,
    CeaseRequest,
    ClickRequest,
    DisputeRequest,
    DncRequest,
    ErasureRequest,
    LeadPatch,
    LeadRequest,
    LeadsBody,
    PaymentRequest,
)
from dialer.web.problems import ProblemError, invalid
from dialer.web.query import number_param, whole
from dialer.web.routes import Call, Route, Site

JSON_MAX = 1024 * 1024  # bytes of an array of leads
ROWS_MAX = 1_000  # of an array
ROWS_WITH_KEY_MAX = 100  # of an array with an Idempotency-Key: they are one transaction
STREAM_ROWS_MAX = 50_000  # of one NDJSON stream: the results wait in memory
STREAM_CHUNK = 200
LINE_MAX = 64 * 1024  # bytes of one line
FEED_MAX = 500  # events of one answer
NDJSON = "application/x-ndjson"
_SEQ_MAX = 2**63 - 1


async def leads(site: Site, call: Call) -> web.Response:
    inbound = _inbound(site)
    if call.request.content_type == NDJSON:
        if "Idempotency-Key" in call.request.headers:
            raise ProblemError(
                400,
                "A stream takes no Idempotency-Key.",
                "Give the rows a source_version: then a repeated stream changes nothing.",
            )
        return await _stream(inbound, call.request)
    if call.request.content_type != "application/json":
        raise ProblemError(
            415, "The body is neither JSON nor NDJSON.", f"Send application/json or {NDJSON}."
        )
    body = await _bounded(call.request)
    try:
        given = from_json(body)
    except ValueError:
        raise ProblemError(400, "This is not JSON.", "Send JSON in UTF-8.") from None
    use = _key(call, body)
    if not isinstance(given, list):
        return _answer(await inbound.leads([_lead(given)], use))
    most = ROWS_MAX if use is None else ROWS_WITH_KEY_MAX
    if not 1 <= len(given) <= most:
        raise ProblemError(400, f"An array holds 1 to {most} leads.", f"Send more as {NDJSON}.")
    if use is not None:
        return _answer(await inbound.leads([_lead(one, n) for n, one in enumerate(given)], use))
    return _json(await _rows(inbound, given))


async def _stream(inbound: Inbound, request: web.Request) -> web.Response:
    """Rows are carried out while they come; a row that is no lead is rejected by itself."""
    results: list[RowAnswer] = []
    chunk: list[Any] = []
    async for row in _lines(request):
        chunk.append(row)
        if len(chunk) == STREAM_CHUNK:
            results += (await _rows(inbound, chunk)).results
            chunk = []
        if len(results) + len(chunk) > STREAM_ROWS_MAX:
            raise ProblemError(
                413,
                f"A stream holds {STREAM_ROWS_MAX} leads at most; those before were taken.",
                "Send the rest as a further stream.",
            )
    if chunk:
        results += (await _rows(inbound, chunk)).results
    return _json(_counted(results))


@dataclass(frozen=True, slots=True)
class _Broken:
    """A line, counted from 1, that is not JSON."""

    line: int


async def _lines(request: web.Request) -> AsyncIterator[Any]:
    number = 0
    try:
        async for line in request.content:
            number += 1
            if len(line) > LINE_MAX:
                raise ValueError
            if line.strip():
                try:
                    yield from_json(line)
                except ValueError:
                    yield _Broken(number)
    except (ValueError, BadHttpMessage):  # from the reader as well, whose own bound is near
        raise ProblemError(
            413, f"A line is longer than {LINE_MAX} bytes.", "Send one lead a line."
        ) from None


async def _rows(inbound: Inbound, given: list[Any]) -> LeadsAnswer:
    """Each row by itself: what is no lead is rejected, the others are carried out, in order."""
    results: list[RowAnswer | None] = []
    words: list[LeadWords] = []
    for one in given:
        if isinstance(one, _Broken):
            reason = f"line {one.line} is not JSON"
            results.append(RowAnswer("", "", Result.REJECTED, reason))
            continue
        try:
            words.append(_lead(one))
            results.append(None)
        except ProblemError as error:
            first = error.problem.errors[0] if error.problem.errors else None
            reason = f"{first.field}: {first.message}" if first else "this is not JSON"
            results.append(RowAnswer(*_named(one), Result.REJECTED, reason))
    done: list[RowAnswer] = []
    if words:
        body = (await inbound.leads(words, None)).body
        done = adapter_of(LeadsAnswer).validate_json(body).results
    rest = iter(done)
    return _counted([next(rest) if one is None else one for one in results])


def _named(row: Any) -> tuple[str, str]:
    """What a broken row says it is, as far as it is fit to be said again."""
    if not isinstance(row, Mapping):
        return "", ""
    said = (row.get("external_id"), row.get("campaign"))
    first, second = (
        one if isinstance(one, str) and re.fullmatch(EXTERNAL_ID, one) else "" for one in said
    )
    return first, second


def _counted(results: list[RowAnswer]) -> LeadsAnswer:
    counts: dict[Result, int] = {}
    for one in results:
        counts[one.result] = counts.get(one.result, 0) + 1
    return LeadsAnswer(results, counts)


def _lead(given: Any, row: int | None = None) -> LeadWords:
    try:
        return LeadRequest.model_validate(given, strict=False).words()
    except ValidationError as error:
        problem = invalid(error)
        if row is not None:
            for one in problem.problem.errors:
                one.field = f"{row}.{one.field}"
        raise problem from None


async def patch(site: Site, call: Call) -> web.Response:
    body: LeadPatch = call.body
    words = body.words(_external_id(call))
    return _answer(await _inbound(site).patch(words, await _use(call)))


async def do_not_call(site: Site, call: Call) -> web.Response:
    body: DncRequest = call.body
    use = await _use(call)
    return _answer(await _inbound(site).do_not_call(body.phones, body.region, body.campaign, use))


async def payment(site: Site, call: Call) -> web.Response:
    body: PaymentRequest = call.body
    settled = body.balance_after is not None and body.balance_after <= 0
    stop = Stop(
        StopKind.PAID if settled else StopKind.PAYMENT,
        body.source,
        body.external_id,
        body.reference,
        body.source_version,
        lifted=not settled and body.resume_at is not None,
        resume_at=None if settled else body.resume_at,
        payment=None if body.amount is None else _paid(body.amount, body.paid_on),
    )
    return _answer(await _inbound(site).stop(stop, await _use(call)))


def _paid(amount: Decimal, day: date | None) -> Payment:
    """Raises ProblemError for a day that is yet to come, anywhere."""
    today = datetime.now(UTC).date()  # noqa: TID251 - the day of a request that names none
    if day is not None and day > today + timedelta(days=1):
        raise ProblemError(400, "paid_on is a day in the future.", "Send it when it was paid.")
    return Payment(amount, day or today)


async def dispute(site: Site, call: Call) -> web.Response:
    body: DisputeRequest = call.body
    stop = Stop(
        StopKind.DISPUTE,
        body.source,
        body.external_id,
        body.reference,
        body.source_version,
        lifted=body.state == "resolved",
    )
    return _answer(await _inbound(site).stop(stop, await _use(call)))


async def cease(site: Site, call: Call) -> web.Response:
    body: CeaseRequest = call.body
    stop = Stop(StopKind.CEASE, body.source, body.external_id, version=body.source_version)
    return _answer(await _inbound(site).stop(stop, await _use(call)))


async def call_back(site: Site, call: Call) -> web.Response:
    body: CallbackRequest = call.body
    use = await _use(call)
    return _answer(
        await _inbound(site).call_back(body.source, body.external_id, body.campaign, body.at, use)
    )


async def dial(site: Site, call: Call) -> web.Response:
    body: ClickRequest = call.body
    words = DialWords(body.agent, body.campaign, body.phone, body.lead_id, body.external_id)
    return _answer(await _inbound(site).dial(words, await _use(call)))


async def erase(site: Site, call: Call) -> web.Response:
    body: ErasureRequest = call.body
    use = await _use(call)
    return _answer(await _inbound(site).erase(body.source, body.external_id, use))


async def person(site: Site, call: Call) -> PersonData:
    body: ErasureRequest = call.body
    return await _inbound(site).person(body.source, body.external_id)


async def events(site: Site, call: Call) -> FeedAnswer:
    after = whole(call, "after", 0, 0, _SEQ_MAX)
    return await _inbound(site).feed(after, whole(call, "limit", 100, 1, FEED_MAX))


# --- reading --------------------------------------------------------------------------------------


def _inbound(site: Site) -> Inbound:
    if site.inbound is None:
        raise ProblemError(503, "This server takes no leads.", "Ask the dialer itself.")
    return site.inbound


def _external_id(call: Call) -> str:
    text = call.param("external_id")
    if not re.fullmatch(EXTERNAL_ID, text):
        raise ProblemError(400, "The external_id is too long or not printable.", "Correct it.")
    return text


async def _use(call: Call) -> KeyUse | None:
    return _key(call, await call.request.read())


def _key(call: Call, body: bytes) -> KeyUse | None:
    key = call.request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not re.fullmatch(r"[\x21-\x7e]{1,128}", key):
        raise ProblemError(
            400,
            "The Idempotency-Key is empty, too long or not printable.",
            "Send 1 to 128 ASCII characters without spaces; a UUID is usual.",
        )
    asked = f"{call.request.method}\0{call.request.path}\0".encode() + body
    return KeyUse(call.caller.name, key, hashlib.sha256(asked).hexdigest())


async def _bounded(request: web.Request) -> bytes:
    """The body of a request that may be larger than others."""
    too_large = ProblemError(
        413, f"The body is larger than {JSON_MAX} bytes.", f"Send it as {NDJSON}."
    )
    if (request.content_length or 0) > JSON_MAX:
        raise too_large
    parts: list[bytes] = []
    size = 0
    async for part in request.content.iter_any():
        size += len(part)
        if size > JSON_MAX:
            raise too_large
        parts.append(part)
    return b"".join(parts)


def _answer(given: Given) -> web.Response:
    headers = {"Idempotency-Replayed": "true"} if given.again else None
    return web.Response(body=given.body, content_type="application/json", headers=headers)


def _json(answer: LeadsAnswer) -> web.Response:
    body = adapter_of(LeadsAnswer).dump_json(answer)
    return web.Response(body=body, content_type="application/json")


# --- the routes -----------------------------------------------------------------------------------

_KEY: Mapping[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "The same key with the same request is answered as the first time; for a day.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 128, "pattern": "^[!-~]+$"},
}


def _taken(
    path: str, handler: Any, summary: str, scope: Scope, takes: Any, gives: type, **more: Any
) -> Route:
    return Route(
        more.pop("method", "POST"),
        path,
        handler,
        summary,
        Access.API,
        takes=takes,
        gives=gives,
        problems=(*more.pop("problems", ()), 409, 503),
        scope=scope,
        params=(_KEY,),
        **more,
    )


INBOUND: tuple[Route, ...] = (
    _taken(
        "/v1/leads",
        leads,
        "Make leads or bring them up to date: one, an array, or a stream of lines",
        Scope.LEADS,
        LeadsBody,
        LeadsAnswer,
        reads=False,
        also_takes=(NDJSON,),
    ),
    _taken(
        "/v1/leads/{external_id}",
        patch,
        "Change a lead; what is not named stays as it is",
        Scope.LEADS,
        LeadPatch,
        LeadsAnswer,
        method="PATCH",
        problems=(404,),
    ),
    _taken(
        "/v1/dnc",
        do_not_call,
        "These numbers are called no more, by no campaign",
        Scope.SUPPRESS,
        DncRequest,
        DncAnswer,
    ),
    _taken(
        "/v1/payments",
        payment,
        "A payment was received: calls that are queued are not made",
        Scope.SUPPRESS,
        PaymentRequest,
        MatchAnswer,
    ),
    _taken(
        "/v1/disputes",
        dispute,
        "The debt is disputed: no calls until it is resolved",
        Scope.SUPPRESS,
        DisputeRequest,
        MatchAnswer,
    ),
    _taken(
        "/v1/cease",
        cease,
        "The person wants no communication: no calls, and the numbers are suppressed",
        Scope.SUPPRESS,
        CeaseRequest,
        MatchAnswer,
    ),
    _taken(
        "/v1/callbacks",
        call_back,
        "Call this account at that time (within the calling window)",
        Scope.CALLBACKS,
        CallbackRequest,
        MatchAnswer,
        problems=(404,),
    ),
    _taken(
        "/v1/dial",
        dial,
        "Click-to-dial: call somebody for an agent who is free, by the same rules as every call",
        Scope.DIAL,
        ClickRequest,
        Dialled,
        problems=(404,),
    ),
    _taken(
        "/v1/privacy/erasure",
        erase,
        "Erase an account's data; its numbers are called no more, and kept as hashes",
        Scope.PRIVACY,
        ErasureRequest,
        Erased,
    ),
    Route(
        "POST",
        "/v1/privacy/export",
        person,
        "All that is known of an account, for the person it is about",
        Access.API,
        takes=ErasureRequest,
        gives=PersonData,
        problems=(404, 503),
        scope=Scope.PRIVACY,
    ),
    Route(
        "GET",
        "/v1/events",
        events,
        "What the webhooks tell, for a CRM that asks: in order, none left out",
        Access.API,
        gives=FeedAnswer,
        problems=(400, 503),
        scope=Scope.EVENTS,
        params=(
            number_param(
                "after", 0, 0, _SEQ_MAX, "The `next` of the last answer; 0: from the oldest."
            ),
            number_param("limit", 100, 1, FEED_MAX, "Events in one answer."),
        ),
    ),
)
