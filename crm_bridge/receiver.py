"""A receiver for demos, tests and `crm-bridge listen`: verifies, counts, and can misbehave.

It keeps what a CRM's integrator should keep: the ids it has seen, so that a repetition is
answered with 2xx and done only once. Bodies are remembered only on request (`keep`).
"""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from crm_bridge import signing
from crm_bridge.ports import Clock

BODY_BYTES_MAX = 1_048_576


@dataclass(frozen=True, slots=True)
class Received:
    """One genuine request."""

    id: str
    type: str
    seq: int | None
    key: str  # the lead's id where there is one, for looking at order
    again: bool  # the id was seen before
    body: Mapping[str, Any]


@dataclass(slots=True)
class Tally:
    """What arrived."""

    requests: int = 0
    genuine: int = 0
    distinct: int = 0
    repeated: int = 0
    refused: int = 0  # by `Receiver.refuse`
    forged: int = 0  # no valid signature, or too old
    by_type: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)  # misbehaviour acted out


Refuse = Callable[[Received], int | tuple[int, Mapping[str, str]] | None]

FAULTS = ("500", "429", "hang", "reset", "301", "garbage", "late")


class Receiver:
    """`app` is the aiohttp application; every path takes webhooks.

    `faults` gives each kind of misbehaviour its probability; `rng` decides. A fault "late" takes
    the event and breaks the connection instead of answering, as a receiver that dies at the wrong
    moment does. `on_event` is called for every genuine request that is taken.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        clock: Clock,
        *,
        faults: Mapping[str, float] | None = None,
        rng: random.Random | None = None,
        hang_s: float = 30.0,
        on_event: Callable[[Received], None] | None = None,
        keep: bool = False,
    ) -> None:
        unknown = set(faults or {}) - set(FAULTS)
        if unknown:
            raise ValueError(f"unknown misbehaviour: {', '.join(sorted(unknown))}")
        self.tally = Tally()
        self.received: list[Received] = []
        self.refuse: Refuse | None = None  # status (and headers) to refuse a genuine request with
        self.says = ""  # the words of a refusal
        self.app = web.Application(client_max_size=BODY_BYTES_MAX)
        self.app.router.add_route("*", "/{path:.*}", self._take)
        self._keys = tuple(keys)
        self._clock = clock
        self._faults = dict(faults or {})
        self._rng = rng or random.Random(0)
        self._hang_s = hang_s
        self.on_event = on_event
        self._keep = keep
        self._seen: set[str] = set()
        self._runner: web.AppRunner | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> str:
        """Listen; the URL."""
        self._runner = web.AppRunner(self.app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, host, port).start()
        where = self._runner.addresses[0]
        return f"http://{where[0]}:{where[1]}/"

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _take(self, request: web.Request) -> web.StreamResponse:
        self.tally.requests += 1
        fault = self._choose()
        if fault and fault != "late":
            self.tally.faults[fault] += 1
            return await self._misbehave(fault, request)
        if request.method != "POST":
            return web.Response(status=405)
        body = await request.read()
        try:
            id_ = signing.verify(self._keys, request.headers, body, self._clock.utc().timestamp())
            content = json.loads(body)
            received = self._understood(id_, content)
        except signing.VerificationError as error:
            self.tally.forged += 1
            return web.Response(status=401, text=f"{error}\n")
        except (ValueError, KeyError, AttributeError):
            self.tally.forged += 1
            return web.Response(status=400, text="the body is not an event\n")
        refusal = self.refuse(received) if self.refuse is not None else None
        if refusal is not None:
            self.tally.refused += 1
            status, headers = refusal if isinstance(refusal, tuple) else (refusal, {})
            return web.Response(status=status, headers=headers, text=self.says)
        self._count(received)
        if fault:
            self.tally.faults[fault] += 1
            return await self._misbehave("reset", request)
        return web.Response(status=204)

    def _understood(self, id_: str, content: dict[str, Any]) -> Received:
        data = content["data"]
        sequence = content.get("sequence")
        lead = data.get("lead") or {}
        return Received(
            id=id_,
            type=str(content["type"]),
            seq=None if sequence is None else int(sequence),
            key=str(content.get("partitionkey") or lead.get("id", "")),
            again=id_ in self._seen,
            body=content,
        )

    def _count(self, received: Received) -> None:
        self.tally.genuine += 1
        self.tally.by_type[received.type] += 1
        if received.again:
            self.tally.repeated += 1
        else:
            self.tally.distinct += 1
            self._seen.add(received.id)
        if self._keep:
            self.received.append(received)
        if self.on_event is not None:
            self.on_event(received)

    def _choose(self) -> str:
        if not self._faults:
            return ""
        chance = self._rng.random()
        for fault, share in self._faults.items():
            chance -= share
            if chance < 0:
                return fault
        return ""

    async def _misbehave(self, fault: str, request: web.Request) -> web.StreamResponse:
        if fault == "500":
            return web.Response(status=500, text="out of order\n")
        if fault == "429":
            return web.Response(status=429, headers={"Retry-After": "1"})
        if fault == "301":
            return web.Response(status=301, headers={"Location": str(request.url / "elsewhere")})
        if fault == "hang":
            await asyncio.sleep(self._hang_s)
        elif fault == "garbage" and request.transport is not None:
            request.transport.write(b"\x00\xffHTP/9 what?\r\n\r\n")
        if request.transport is not None:
            request.transport.abort()
        return web.Response(status=500)
