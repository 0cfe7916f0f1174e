"""Looking after deliveries: what a page of operations shows, and what it may do.

Nothing here shows personal data or a secret; `crm_bridge.masking` says how.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import sqlalchemy as sa

from crm_bridge import deadletters, events, render, upkeep
from crm_bridge.bridge import Bridge
from crm_bridge.config import Config, Endpoint
from crm_bridge.database import Database
from crm_bridge.journal import Attempt
from crm_bridge.mapping import refs
from crm_bridge.mapping.context import MASK, Told
from crm_bridge.mapping.prepare import MappingError
from crm_bridge.mapping.preview import preview
from crm_bridge.mapping.runner import open_sender, scopes_of
from crm_bridge.masking import mask_text, masked
from crm_bridge.outbox import encode
from crm_bridge.ports import Clock
from crm_bridge.tables import deliveries
from crm_bridge.tables import events as stored


@dataclass(frozen=True, slots=True)
class EndpointView:
    """`circuit`: closed, open, half open or disabled; `why` says why it is off."""

    name: str
    url: str
    connector: str  # empty: a plain webhook
    kinds: list[str]
    types: list[str]
    circuit: str
    why: str
    waiting: int
    oldest_s: float
    dead: int
    delivered: int
    failed_attempts: int
    latency_s: float
    pops_sent: int
    pops_dropped: int


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """Times are ISO 8601 in UTC; `state` is pending, delivered or dead."""

    endpoint: str
    seq: int
    id: str
    type: str
    happened_at: str
    state: str
    attempts: int
    next_at: str | None
    settled_at: str | None
    status: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class RequestView:
    """One request as it would be sent now."""

    step: str
    method: str
    url: str
    headers: dict[str, str]
    body: str


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One attempt of this process; `answer` is there for those that failed."""

    at: str
    took_s: float
    status: int | None
    error: str
    answer: str


@dataclass(frozen=True, slots=True)
class Detail:
    delivery: DeliveryView
    requests: list[RequestView] = field(default_factory=list)
    attempts: list[AttemptView] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of `bridge.test`."""

    ok: bool
    answer: str  # HTTP 204, or why there was none
    took_s: float


class Desk:
    """Over one bridge and its database."""

    def __init__(self, bridge: Bridge, config: Config, database: Database, clock: Clock) -> None:
        self._bridge = bridge
        self._config = config
        self._database = database
        self._clock = clock

    def endpoint(self, name: str) -> Endpoint | None:
        return next((one for one in self._config.endpoints if one.name == name), None)

    async def endpoints(self) -> list[EndpointView]:
        off = await self._database.read(upkeep.disabled)
        waiting = await self._database.read(upkeep.backlog)
        stats = {one.name: one for one in self._bridge.stats().endpoints}
        now = self._clock.utc().timestamp()
        found = []
        for one in self._config.endpoints:
            counts, backlog = stats[one.name], waiting.get(one.name, upkeep.Backlog())
            oldest = 0.0 if backlog.oldest_at is None else max(0.0, now - backlog.oldest_at)
            found.append(
                EndpointView(
                    name=one.name,
                    url=_url(one),
                    connector="" if one.connector is None else one.connector.connector.name,
                    kinds=sorted(one.kinds),
                    types=list(one.types),
                    circuit="disabled" if one.name in off else counts.circuit,
                    why=off.get(one.name, ""),
                    waiting=backlog.count,
                    oldest_s=round(oldest, 1),
                    dead=backlog.dead,
                    delivered=counts.delivered,
                    failed_attempts=counts.failed_attempts,
                    latency_s=round(counts.latency_s, 4),
                    pops_sent=counts.pops_sent,
                    pops_dropped=counts.pops_dropped,
                )
            )
        return found

    async def deliveries(
        self, *, endpoint: str = "", state: str = "", type_: str = "", before: int = 0, limit: int
    ) -> list[DeliveryView]:
        """Up to `limit`, the newest first; `before` is the `seq` where the last look ended."""
        terms = deadletters.narrowed(endpoint=endpoint, type_=type_)
        if state:
            terms.append(deliveries.c.state == state)
        if before:
            terms.append(deliveries.c.seq < before)
        shown = _SHOWN.where(*terms).order_by(deliveries.c.seq.desc()).limit(limit)
        return [_view(row) for row in await self._database.read(lambda c: c.execute(shown).all())]

    async def detail(self, endpoint: str, seq: int) -> Detail | None:
        """One delivery with the requests it makes; None when there is no such delivery."""
        one = (
            _SHOWN.add_columns(stored.c.key, stored.c.data, stored.c.at.label("moment"))
            .where(deliveries.c.endpoint == endpoint, deliveries.c.seq == seq)
            .limit(1)
        )
        row = await self._database.read(lambda c: c.execute(one).first())
        if row is None:
            return None
        told = Told(row.id, row.type, row.moment, row.key, seq, json.loads(row.data))
        known = await self._database.read(lambda c: refs.load(c, endpoint, scopes_of(told)))
        chosen = self.endpoint(endpoint)
        requests = [] if chosen is None else self._requests(chosen, told, known)
        attempts = [_attempt(one, told.data) for one in self._bridge.attempts(endpoint, seq)]
        return Detail(_view(row), requests, attempts)

    async def replay(self, chosen: deadletters.Selection) -> int:
        """Put dead letters back into delivery; how many."""
        now = self._clock.utc().timestamp()
        count = await self._database.write(lambda c: deadletters.replay(c, chosen, now))
        self._bridge.retry_now()
        return count

    async def enable(self, endpoint: str) -> bool:
        """Whether it had been disabled."""
        done = await self._database.write(lambda c: upkeep.enable(c, endpoint))
        self._bridge.retry_now()
        return done

    async def test(self, endpoint: Endpoint) -> Tried:
        """Send `bridge.test` now."""
        return await try_endpoint(endpoint, self._config.instance, self._clock)

    def _requests(
        self, endpoint: Endpoint, told: Told, known: dict[tuple[str, str], refs.Ref]
    ) -> list[RequestView]:
        hidden = Told(told.id, told.type, told.at, told.key, told.seq, masked(told.data))
        if endpoint.connector is None:
            return [_plain(endpoint, hidden, f"/overdial/{self._config.instance}")]
        ids = {name: ref.value for (_, name), ref in known.items() if ref.value}
        try:
            shown = list(preview(endpoint.connector, hidden, ids, self._clock))
        except MappingError as error:
            return [RequestView("", "", "", {}, str(error))]
        return [
            RequestView(
                one.step,
                one.request.method if one.request else "",
                one.request.url if one.request else "",
                dict(one.request.headers) if one.request else {"note": one.note},
                (one.request.body or b"").decode() if one.request else "",
            )
            for one in shown
        ]


async def try_endpoint(endpoint: Endpoint, instance: str, clock: Clock) -> Tried:
    """Send one signed `bridge.test` event, past the outbox."""
    connector = endpoint.connector
    if connector is not None and events.Type.BRIDGE_TEST not in connector.connector.events:
        return Tried(True, "not tried: its connector has nothing harmless to ask", 0.0)
    event = events.bridge_test(instance, clock.utc())
    sender = open_sender(
        endpoint,
        clock,
        f"/overdial/{instance}",
        connections_max=1,
        timeout=aiohttp.ClientTimeout(total=endpoint.timeout_s),
    )
    began = clock.now()
    try:
        answer = await sender.send(
            id_=event.id,
            type_=event.type,
            at=event.time.timestamp(),
            key=event.key,
            seq=None,
            data=encode(event.data),
        )
    finally:
        await sender.close()
    return Tried(answer.ok, answer.why, round(clock.now() - began, 4))


_SHOWN = sa.select(
    deliveries.c.endpoint, deliveries.c.seq, stored.c.id, stored.c.type, stored.c.at,
    deliveries.c.state, deliveries.c.attempts, deliveries.c.next_at, deliveries.c.settled_at,
    deliveries.c.last_status, deliveries.c.last_error,
).join(stored, stored.c.seq == deliveries.c.seq)  # fmt: skip


def _view(row: Any) -> DeliveryView:
    return DeliveryView(
        endpoint=row.endpoint,
        seq=row.seq,
        id=row.id,
        type=row.type,
        happened_at=_moment(row.at) or "",
        state=row.state,
        attempts=row.attempts,
        next_at=_moment(row.next_at) if row.state == "pending" else None,
        settled_at=_moment(row.settled_at),
        status=row.last_status,
        error=row.last_error,
    )


def _attempt(one: Attempt, data: Any) -> AttemptView:
    answer = mask_text(one.answer.decode("utf-8", "replace"), data)
    return AttemptView(_moment(one.at) or "", round(one.took_s, 4), one.status, one.error, answer)


def _moment(at: float | None) -> str | None:
    return None if at is None else events.utc_text(datetime.fromtimestamp(at, UTC))


def _url(endpoint: Endpoint) -> str:
    """Where a plain webhook goes; a connector's requests each have their own."""
    return endpoint.url.partition("?")[0]


def _plain(endpoint: Endpoint, told: Told, source: str) -> RequestView:
    body = render.body(
        endpoint.format,
        id_=told.id,
        type_=told.type,
        at=told.at,
        key=told.key,
        seq=told.seq,
        data=encode(told.data),
        source=source,
    )
    headers = {
        "webhook-id": told.id,
        "webhook-timestamp": "<seconds>",
        "webhook-signature": " ".join([f"v1,{MASK}"] * len(endpoint.keys)),
        "Content-Type": endpoint.format.content_type,
        **dict.fromkeys(endpoint.headers, MASK),
    }
    return RequestView("", "POST", _url(endpoint), headers, body.decode())
