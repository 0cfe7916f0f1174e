"""A connector at work: an event's steps, one request after the other, to exactly one record.

What has been captured is written down before the next step, so that after a crash the finished
steps are not repeated. Before a creation that must not be repeated, its beginning is written down;
when its answer is lost, the beginning tells the next attempt to look first (or to leave it).
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import aiohttp
from yarl import URL

from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.mapping import refs as store
from crm_bridge.mapping.auth import AuthError, Credentials, Reply
from crm_bridge.mapping.context import Told, event_context, settings_context
from crm_bridge.mapping.model import Bound, Keep, Once, Rate, Request, Step
from crm_bridge.mapping.pick import Pick, PickError
from crm_bridge.mapping.prepare import MappingError, Prepared, prepare
from crm_bridge.mapping.transforms import TransformError, as_text
from crm_bridge.net import ForbiddenAddress, check_url, open_connector, open_session
from crm_bridge.ports import Clock, Outside
from crm_bridge.schedule import Answer, retry_after
from crm_bridge.sender import EXCERPT_BYTES, Sender, describe

ANSWER_BYTES_MAX = 1_000_000  # a search's answer may be long; what is longer counts as none
_LOST = " lost"  # in place of an id: a person knows of it, and whoever sends it again means it
NOTHING_TO_DO = Answer(None, "nothing to send", accepted=True)


class Sending(Protocol):
    """What a lane needs: `Sender` for webhooks and `ConnectorSender` for connectors."""

    async def send(
        self, *, id_: str, type_: str, at: float, key: str, seq: int | None, data: str
    ) -> Answer: ...

    async def close(self) -> None: ...


def open_sender(
    endpoint: Endpoint,
    clock: Clock,
    source: str,
    *,
    connections_max: int,
    timeout: aiohttp.ClientTimeout,
    outside: Outside = nullcontext,
    database: Database | None = None,
) -> Sending:
    """The sender of an endpoint. Without a database nothing is remembered: for screen pops."""
    if endpoint.connector is None:
        return Sender(
            endpoint,
            clock,
            source,
            connections_max=connections_max,
            timeout=timeout,
            outside=outside,
        )
    return ConnectorSender(
        endpoint,
        endpoint.connector,
        clock,
        connections_max=connections_max,
        timeout=timeout,
        outside=outside,
        database=database,
    )


class Pace:
    """Keeps to a rate: never more than `requests` begun within any `per_s`.

    A little is added to the window, because the CRM counts arrivals and not beginnings.
    """

    def __init__(self, rate: Rate) -> None:
        self._window_s = rate.per_s * 1.05
        self._begun: deque[float] = deque(maxlen=rate.requests)

    def take(self, now: float) -> float:
        """Seconds to wait before a request that is wanted now; its place is taken."""
        at = now
        if self._begun:
            at = max(at, self._begun[-1])
        if len(self._begun) == self._begun.maxlen:
            at = max(at, self._begun[0] + self._window_s)
        self._begun.append(at)
        return at - now


def _scope(told: Told, keep: Keep) -> str:
    lead = told.data.get("lead") or {}
    call_id = told.data.get("call_id")
    if keep is Keep.LEAD and lead.get("id") is not None:
        return f"lead:{lead['id']}"
    if keep is not Keep.EVENT and call_id:
        return f"call:{call_id}"
    return f"event:{told.id}"


def scopes_of(told: Told) -> list[str]:
    """Where what was captured for an event may be kept."""
    return list({_scope(told, keep) for keep in Keep})


@dataclass(slots=True)
class _Run:
    """One attempt at one event."""

    told: Told
    known: dict[tuple[str, str], store.Ref]  # as in the database
    refs: dict[str, str] = field(default_factory=dict)
    new: dict[str, bool] = field(default_factory=dict)

    def scope(self, keep: Keep) -> str:
        return _scope(self.told, keep)


@dataclass(frozen=True, slots=True)
class _Result:
    answer: Answer
    body: Any = None
    undone: bool = False  # it is certain that the CRM did nothing


class ConnectorSender:
    """Renders and sends an event's steps. Never raises for what a CRM or the network does."""

    def __init__(
        self,
        endpoint: Endpoint,
        bound: Bound,
        clock: Clock,
        *,
        connections_max: int,
        timeout: aiohttp.ClientTimeout,
        outside: Outside = nullcontext,
        database: Database | None = None,
    ) -> None:
        self._endpoint = endpoint
        self._connector = bound.connector
        self._settings = settings_context(bound.connector.settings, bound.settings)
        self._clock = clock
        self._connections_max = connections_max
        self._timeout = timeout
        self._outside = outside
        self._database = database if bound.connector.captures else None
        self._pace = None if bound.connector.rate is None else Pace(bound.connector.rate)
        self._paces = {name: Pace(rate) for name, rate in bound.connector.paces.items()}
        self._credentials: Credentials | None = None
        self._sessions: dict[str, aiohttp.ClientSession] = {}

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def send(
        self, *, id_: str, type_: str, at: float, key: str, seq: int | None, data: str
    ) -> Answer:
        """All steps of an event; the first that fails ends the attempt."""
        steps = self._connector.events.get(type_, ())
        if not steps:
            return NOTHING_TO_DO
        try:
            told = Told(id_, type_, at, key, seq, json.loads(data))
            if self._credentials is None:
                self._credentials = Credentials(self._connector.auth, self._settings, self._clock)
            run = await self._begin(told)
            answer = NOTHING_TO_DO
            for step in steps:
                answer = await self._step(step, run) or answer
                if not answer.ok:
                    return answer
            return answer
        except AuthError as error:
            return Answer(None, str(error), error.wait_s)
        except MappingError as error:
            return Answer(None, str(error), unmade=True)

    async def _begin(self, told: Told) -> _Run:
        run = _Run(told, {})
        if self._database is not None:
            name, scopes = self._endpoint.name, scopes_of(told)
            run.known = await self._database.read(lambda c: store.load(c, name, scopes))
        known = ((name, ref.value) for (_, name), ref in run.known.items())
        run.refs = {name: value for name, value in known if value and value != _LOST}
        return run

    async def _step(self, step: Step, run: _Run) -> Answer | None:
        """The answer, or None when there was nothing to do."""
        context = event_context(run.told, self._settings, run.refs, run.new)
        if step.when is not None and not self._look(step, "when", step.when, context):
            return None
        names = list(step.request.capture)
        if names and all(name in run.refs for name in names):
            return None
        scope = run.scope(step.keep if names else Keep.EVENT)
        mark = names[0] if names else f"step:{step.name}"
        begun = run.known.get((scope, mark))
        if step.guarded and begun is not None and begun.value != _LOST:
            if begun.value is not None:
                return None
            if step.once is Once.ONCE:
                return await self._given_up(step, scope, mark)
            found = await self._find(step, run, scope, begun, context)
            if found is not None:
                return found if not found.ok else None
        if step.guarded:
            await self._note(scope, {mark: None}, run)
        result = await self._exchange(step, step.request, context)
        if not result.answer.ok:
            if step.guarded and result.undone:
                await self._forget(scope, [mark])
            if result.answer.status == 404 and not step.optional:
                await self._doubt_lead(run)
            return result.answer
        captured = self._captured(step, step.request, result)
        if captured is None and not step.optional:
            return Answer(
                result.answer.status,
                f"step {step.name}: the answer has not what capture: looks for",
                accepted=False,
            )
        if captured:
            run.new.update(dict.fromkeys(captured, not step.optional))
            await self._note(scope, captured, run)
        elif step.guarded:
            await self._note(scope, {mark: ""}, run)
        return result.answer

    async def _given_up(self, step: Step, scope: str, mark: str) -> Answer:
        """Whether the CRM has it nobody knows, and it cannot be looked for: a dead letter, for a
        person to judge; a replay sends it."""
        await self._write(scope, {mark: _LOST})
        why = f"step {step.name}: its answer was lost; replay it if the CRM has it not"
        return Answer(None, why, unmade=True, final=True)

    async def _find(
        self, step: Step, run: _Run, scope: str, begun: store.Ref, context: Mapping[str, Any]
    ) -> Answer | None:
        """Look for a record whose creation got no answer; None: it is not there."""
        if step.find is None:
            return None
        wait_s = begun.at + step.find_after_s - self._utc()
        if wait_s > 0:
            return Answer(
                None, f"step {step.name}: waits until a lost creation can be found", wait_s
            )
        result = await self._exchange(step, step.find, context)
        if not result.answer.ok:
            return result.answer
        captured = self._captured(step, step.find, result)
        if not captured:
            return None
        await self._note(scope, captured, run)
        return result.answer

    # --- memory ---------------------------------------------------------------------------------

    async def _note(self, scope: str, values: Mapping[str, str | None], run: _Run) -> None:
        run.refs.update({name: value for name, value in values.items() if value})
        await self._write(scope, values)

    async def _write(self, scope: str, values: Mapping[str, str | None]) -> None:
        if self._database is not None:
            name, now = self._endpoint.name, self._utc()
            await self._database.write(lambda c: store.save(c, name, scope, values, now))

    async def _doubt_lead(self, run: _Run) -> None:
        """A record is gone from the CRM: what was looked up for the lead is looked up again."""
        scope = run.scope(Keep.LEAD)
        names = [name for at, name in run.known if at == scope and scope != run.scope(Keep.CALL)]
        if names:
            await self._forget(scope, names)

    async def _forget(self, scope: str, names: list[str]) -> None:
        if self._database is not None:
            name = self._endpoint.name
            await self._database.write(lambda c: store.forget(c, name, scope, names))

    # --- requests -------------------------------------------------------------------------------

    async def _exchange(self, step: Step, request: Request, context: Mapping[str, Any]) -> _Result:
        """One request, and once more when its token was refused."""
        assert self._credentials is not None
        bare = prepare(self._connector, step, request, context)
        reply = Reply(None)
        for again in (False, True):
            prepared = await self._credentials.apply(bare, self._request)
            reply = await self._request(prepared, request.pace)
            if reply.status != 401 or again or not self._credentials.renewable:
                break
            self._credentials.drop(prepared)
        return self._judged(step, request, reply)

    def _judged(self, step: Step, request: Request, reply: Reply) -> _Result:
        if reply.status is None:
            why = f"step {step.name}: {reply.why}"
            return _Result(Answer(None, why, reply.retry_after_s), undone=reply.unsent)
        body = _parsed(reply.body)
        seen = {"status": reply.status, "body": body}
        throttled = self._connector.throttled
        if throttled is not None and self._look(step, "throttled", throttled, seen):
            wait_s = max(reply.retry_after_s or 0.0, self._connector.throttle_s)
            return _Result(Answer(429, "", wait_s, accepted=False), undone=True)
        well = 200 <= reply.status < 300
        if request.ok is not None:
            well = bool(self._look(step, "ok", request.ok, seen))
        why = "" if well else f"step {step.name}: HTTP {reply.status}"
        if not well and 200 <= reply.status < 300:
            why = f"step {step.name}: the CRM answered that it failed"
        return _Result(
            Answer(
                reply.status,
                why,
                reply.retry_after_s,
                accepted=well,
                excerpt=b"" if well else reply.body[:EXCERPT_BYTES],
            ),
            body,
            undone=reply.status == 503 or (400 <= reply.status < 500 and reply.status != 408),
        )

    def _captured(
        self, step: Step, request: Request, result: _Result
    ) -> dict[str, str | None] | None:
        """What the answer brings; None when a part of it is missing."""
        found: dict[str, str | None] = {}
        seen = {"status": result.answer.status, "body": result.body}
        for name, where in request.capture.items():
            value = self._look(step, "capture", where, seen)
            try:
                text = "" if isinstance(value, dict | list) else as_text(value)
            except TransformError:
                text = ""
            if not text or len(text) > store.VALUE_MAX:
                return None
            found[name] = text
        return found

    def _look(self, step: Step, what: str, where: Pick, context: Mapping[str, Any]) -> Any:
        try:
            return where.find(context)
        except PickError as error:
            raise MappingError(
                f"{self._connector.source}: step {step.name}: {what} {error}"
            ) from None

    async def _request(self, request: Prepared, pace: str = "") -> Reply:
        for one in (self._paces.get(pace), self._pace):
            wait_s = 0.0 if one is None else one.take(self._clock.now())
            if wait_s > 0:
                await asyncio.sleep(wait_s)
        url = URL(request.url, encoded=True)
        try:
            check_url(url, self._endpoint.allow_networks)
            async with self._session(url).request(
                request.method,
                url,
                data=request.body,
                headers={**self._endpoint.headers, "User-Agent": "overdial", **request.headers},
                allow_redirects=False,
                timeout=self._timeout,
            ) as response:
                asked = response.headers.get("Retry-After")
                return Reply(
                    response.status,
                    body=await _read(response),
                    retry_after_s=None if asked is None else retry_after(asked, self._clock.utc()),
                )
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            unsent = isinstance(
                error, aiohttp.ClientConnectorError | aiohttp.InvalidURL | ForbiddenAddress
            )
            return Reply(None, describe(error), unsent=unsent)

    def _session(self, url: URL) -> aiohttp.ClientSession:
        """A pool for each scheme: what http:// may reach is decided by the pool."""
        session = self._sessions.get(url.scheme)
        if session is None:
            connector = open_connector(
                url,
                self._endpoint.allow_networks,
                connections_max=self._connections_max,
                ca_file=self._endpoint.ca_file,
                outside=self._outside,
            )
            session = self._sessions[url.scheme] = open_session(connector)
            # aiohttp would by itself send a GET or PUT again whose connection broke. Whether
            # anything is sent twice is for the step to say; there is no public switch.
            session._retry_connection = False
        return session

    def _utc(self) -> float:
        return self._clock.utc().timestamp()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The answer's body, or nothing when it is longer than anybody should answer."""
    parts: list[bytes] = []
    left = ANSWER_BYTES_MAX
    while left > 0 and not response.content.at_eof():
        part = await response.content.read(left)
        left -= len(part)
        parts.append(part)
    if left <= 0:
        response.close()
        return b""
    return b"".join(parts)


def _parsed(body: bytes) -> Any:
    """JSON, or the text of an answer that is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return body[:4000].decode("utf-8", "replace")
