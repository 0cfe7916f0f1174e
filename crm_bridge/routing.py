"""The router: turns fresh events of the outbox into deliveries, as soon as it is woken."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from crm_bridge import outbox
from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.delivery import TROUBLE_S, Lane
from crm_bridge.events import Kind
from crm_bridge.ports import Clock, Warn

ROUTE_MAX = 1000  # events in one transaction


class Router:
    """Looks for fresh events when woken, and every `poll_s` for those another process wrote."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        database: Database,
        clock: Clock,
        *,
        poll_s: float,
        warn: Warn,
    ) -> None:
        self._lanes = lanes
        self._endpoints: list[Endpoint] = [lane.endpoint for lane in lanes]
        self._database = database
        self._clock = clock
        self._poll_s = poll_s
        self._warn = warn
        self._news = asyncio.Event()
        self._known: dict[str, tuple[str, ...]] = {}
        self.routed = 0

    def wake(self) -> None:
        """A transaction that appended events was committed."""
        self._news.set()

    def subscribers(self, type_: str) -> Iterable[str]:
        """The endpoints that want durable events of a type."""
        known = self._known.get(type_)
        if known is None:
            known = self._known[type_] = tuple(
                one.name for one in self._endpoints if one.wants(type_, Kind.DURABLE)
            )
        return known

    async def run(self) -> None:
        """The router's life; ends by being cancelled."""
        while True:
            self._news.clear()
            try:
                async with self._database.transaction() as connection:
                    count = await outbox.route(
                        connection,
                        self.subscribers,
                        self._clock.utc().timestamp(),
                        limit=ROUTE_MAX,
                    )
            except (SQLAlchemyError, OSError) as error:
                self._warn(
                    "the CRM bridge cannot use its database", {"error": type(error).__name__}
                )
                await asyncio.sleep(TROUBLE_S)
                continue
            self.routed += count
            if count:
                for lane in self._lanes:
                    lane.wake()
            if count < ROUTE_MAX:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._news.wait()
