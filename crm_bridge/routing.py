"""The router: gives fresh events of the outbox to the lanes, as soon as it is woken.

What the lanes have no room for is left fresh as long as any of them is working off what it has:
an event that waits where it is costs nothing, a delivery that waits is written twice more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress

from sqlalchemy.exc import SQLAlchemyError

from crm_bridge import outbox
from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.delivery import HELD_MAX, LEASE_S, TROUBLE_S, Lane
from crm_bridge.events import Kind
from crm_bridge.ports import Clock, Warn

ROUTE_MAX = 1000  # events in one transaction
ROOM_MIN = HELD_MAX // 4  # below it we wait for more room: small transactions cost as much as big


class Router:
    """Looks for fresh events when woken, and every `poll_s` for those another process wrote."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        database: Database,
        clock: Clock,
        *,
        owner: str,
        poll_s: float,
        warn: Warn,
    ) -> None:
        self._owner = owner
        self._lanes = {lane.endpoint.name: lane for lane in lanes}
        self._endpoints: list[Endpoint] = [lane.endpoint for lane in lanes]
        self._database = database
        self._clock = clock
        self._poll_s = poll_s
        self._warn = warn
        self._news = asyncio.Event()
        self._known: dict[str, tuple[str, ...]] = {}
        self.routed = 0

    def wake(self) -> None:
        """A transaction that appended events was committed, or a lane has room again."""
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
            hands = {
                name: hand
                for name, lane in self._lanes.items()
                if (hand := lane.hand()) is not None
            }
            limit = min(ROUTE_MAX, max((hand.room for hand in hands.values()), default=ROUTE_MAX))
            count = limit
            if limit >= ROOM_MIN:
                try:
                    count = await self._route(hands, limit)
                except (SQLAlchemyError, OSError) as error:
                    self._warn(
                        "the CRM bridge cannot use its database", {"error": type(error).__name__}
                    )
                    await asyncio.sleep(TROUBLE_S)
                    continue
            if count < limit or limit < ROOM_MIN:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._poll_s):
                        await self._news.wait()

    async def _route(self, hands: Mapping[str, outbox.Hand], limit: int) -> int:
        async with self._database.transaction(forgivable=True) as connection:
            routed = await outbox.route(
                connection,
                self.subscribers,
                self._clock.utc().timestamp(),
                limit=limit,
                owner=self._owner,
                lease_s=LEASE_S,
                hands=hands,
            )
        # From the commit to here nobody waits, so no lane knows less than the database of its own.
        self.routed += routed.count
        for name, due in routed.given.items():
            self._lanes[name].take(due)
        for name in routed.left:
            self._lanes[name].wake()
        return routed.count
