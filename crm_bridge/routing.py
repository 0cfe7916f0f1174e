"""The router: gives fresh events to the lanes, as soon as it is woken.

What the lanes have no room for is left fresh as long as any of them is working off what it has:
an event that waits where it is costs nothing, a delivery that waits in the queue is written three
times. `crm_bridge.fresh` says why taking goes by turns.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

from sqlalchemy.engine import Connection
from sqlalchemy.exc import SQLAlchemyError

from crm_bridge import fresh
from crm_bridge.config import Endpoint
from crm_bridge.database import Database
from crm_bridge.delivery import HELD_MAX, LEASE_S, TROUBLE_S, Lane
from crm_bridge.events import Kind
from crm_bridge.outbox import Due
from crm_bridge.ports import Clock, Warn

ROUTE_MAX = 1000  # events at a time
ROOM_MIN = HELD_MAX // 4  # below it we wait for more room: small batches cost as much as big ones
TURN_S = 15.0  # how long others wait for a process that died with another name
LOOK_S = 0.25  # between looks: for a turn to end, and for others' events while it is ours
GATHER_S = 0.05  # between batches while the lanes have something to do: many small ones cost more
LINGER_S = 1.0  # a turn is kept that long with nothing in hand; what comes meanwhile is quick


@dataclass(slots=True)
class _Share:
    """What one lane gets of a batch."""

    lane: Lane
    given: list[Due] = field(default_factory=list)
    left: list[Due] = field(default_factory=list)  # for the queue
    queued: list[Due] = field(default_factory=list)  # in hand, and to stand in the queue as well


class Router:
    """Looks for fresh events when woken, and every `poll_s` for those another process wrote."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        ledger: fresh.Ledger,
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
        self._ledger = ledger
        self._database = database
        self._clock = clock
        self._poll_s = poll_s
        self._warn = warn
        self._news = asyncio.Event()
        self._known: dict[str, tuple[str, ...]] = {}
        self._ours = False  # whose turn it is, as far as we know
        self._renew_at = 0.0
        self._idle_since: float | None = None
        self._cursor = 0  # fresh events up to here were looked at
        self._caught_up = False  # from then on none can be left over from a former turn
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
            try:
                pause_s = await self._pass()
            except (SQLAlchemyError, OSError) as error:
                self._warn(
                    "the CRM bridge cannot use its database", {"error": type(error).__name__}
                )
                await asyncio.sleep(TROUBLE_S)
                continue
            if pause_s > 0:
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause_s):
                        await self._news.wait()

    async def close(self) -> None:
        """After the end of `run` and of the lanes: somebody else may take what is fresh."""
        over = set(self._ledger.over)

        def end(connection: Connection) -> None:
            fresh.strike_off(connection, over)
            fresh.end_turn(connection, self._owner)

        await self._database.write(end, forgivable=True)

    # --- turns ----------------------------------------------------------------------------------

    async def _pass(self) -> float:
        """Take what there is room for; how long to wait for news before the next time."""
        if not self._ours and not await self._database.read(fresh.any_fresh):
            return self._poll_s
        current = self._ours and self._clock.now() < self._renew_at
        if not current and not await self._take_turn():
            return LOOK_S
        rooms = [room for lane in self._lanes.values() if (room := lane.room()) is not None]
        limit = min(ROUTE_MAX, max(rooms, default=ROUTE_MAX))
        if limit < ROOM_MIN:
            return LOOK_S
        seen = await self._route(limit)
        if seen:
            self._idle_since = None
            if seen == limit:
                return 0.0
            await asyncio.sleep(GATHER_S)
            return LOOK_S
        if self._ledger.over:
            over = set(self._ledger.over)
            await self._database.write(lambda c: fresh.strike_off(c, over), forgivable=True)
            self._ledger.over -= over
        return await self._perhaps_end()

    async def _take_turn(self) -> bool:
        """Begin our turn or renew it; False when it is somebody else's."""
        began, ours = self._clock.now(), self._ours
        now = self._utc()
        self._ours = await self._database.write(
            lambda c: fresh.take_turn(c, self._owner, now, TURN_S), forgivable=True
        )
        self._renew_at = began + TURN_S / 3
        if not ours or not self._ours:
            self._caught_up, self._idle_since = False, None
        return self._ours

    async def _perhaps_end(self) -> float:
        """Nothing is fresh but what we have in hand: end the turn when there is nothing either."""
        now = self._clock.now()
        if self._ledger.hands:
            self._idle_since = None
            return LOOK_S
        if self._idle_since is None:
            self._idle_since = now
        if now - self._idle_since < LINGER_S:
            return LOOK_S
        await self._database.write(lambda c: fresh.end_turn(c, self._owner), forgivable=True)
        self._ours = False
        return self._poll_s

    # --- taking ---------------------------------------------------------------------------------

    async def _route(self, limit: int) -> int:
        """Give up to `limit` fresh events to the lanes; how many the database showed."""
        hands = [lane.hand for lane in self._lanes.values()]
        for hand in hands:
            hand.begin_routing()
        try:
            found, batch, shares = await self._look(limit)
            if batch:
                await self._give(batch, shares)
        finally:
            for hand in hands:
                hand.end_routing()
        self._cursor = max([self._cursor, *(one.seq for one in found[-1:])])
        self._caught_up = self._caught_up or len(found) < limit
        self.routed += len(batch)
        return len(found)

    async def _look(self, limit: int) -> tuple[list[Due], list[Due], list[_Share]]:
        """What is fresh behind the cursor, those that nobody has in hand, and who gets which."""
        known = {*self._ledger.hands, *self._ledger.over}  # as of before the look
        look = partial(self._read, after=self._cursor, known=known, limit=limit)
        found, batch, wanted, pending = await self._database.read(look)
        # From here to the shares nobody waits, and no chain was forgotten since `pending` was read.
        shares = [
            _shared(self._lanes[name], those, {k: v for (n, k), v in pending.items() if n == name})
            for name, those in wanted.items()
        ]
        return found, batch, shares

    def _read(
        self, connection: Connection, *, after: int, known: Collection[int], limit: int
    ) -> tuple[list[Due], list[Due], dict[str, list[Due]], dict[tuple[str, str], int]]:
        """What the database says: what it shows, what of it is new, who wants it, and the last
        that is pending of each key. It may run in a thread and changes nothing here."""
        done: Collection[tuple[str, int]] = ()
        found = fresh.read(connection, after, limit)
        # Read after those and put before them: what came late is older than any of its key.
        found = [*fresh.overlooked(connection, after, known, limit), *found][:limit]
        batch = [one for one in found if one.seq not in known]
        if batch and not self._caught_up:
            done = fresh.dealt_with(connection, tuple(self._lanes), [one.seq for one in batch])
        wanted: dict[str, list[Due]] = {}
        for one in batch:
            for name in self.subscribers(one.type):
                if (name, one.seq) not in done:
                    wanted.setdefault(name, []).append(one)
        pending = fresh.last_pending(connection, wanted, {one.key for one in batch})
        return found, batch, wanted, pending

    async def _give(self, batch: Sequence[Due], shares: Sequence[_Share]) -> None:
        """Put into the queue what has to stand there, and the rest into the lanes' hands."""
        hands = dict.fromkeys((one.seq for one in batch), 0)
        for share in shares:
            queued = {one.seq for one in share.queued}
            for one in share.given:
                hands[one.seq] += one.seq not in queued
        over = [seq for seq, count in hands.items() if not count]
        queueing = [share for share in shares if share.left or share.queued]
        if queueing:
            formerly = {
                share.lane: [one.seq for one in share.queued if one.seq not in hands]
                for share in queueing
            }
            struck = over + [seq for seqs in formerly.values() for seq in self._ledger.ending(seqs)]
            queue = partial(self._queue, shares=queueing, struck=struck, now=self._utc())
            await self._database.write(queue, forgivable=True)
            for lane, seqs in formerly.items():
                self._ledger.written(lane.hand.queued(seqs), struck)
            over = []
        self._ledger.over.update(over)
        self._ledger.hands.update({seq: count for seq, count in hands.items() if count})
        for share in shares:
            share.lane.take(share.given, {one.seq for one in share.queued})
            if share.left:
                share.lane.wake()

    def _queue(
        self,
        connection: Connection,
        *,
        shares: Sequence[_Share],
        struck: Collection[int],
        now: float,
    ) -> None:
        for share in shares:
            name = share.lane.endpoint.name
            fresh.put_down(connection, name, share.left, now)
            fresh.put_down(connection, name, share.queued, now + LEASE_S, self._owner)
        fresh.strike_off(connection, struck)

    def _utc(self) -> float:
        return self._clock.utc().timestamp()


def _shared(lane: Lane, messages: Sequence[Due], pending: dict[str, int]) -> _Share:
    """A lane takes what fits and what it has room for, key by key: what comes after one that is
    left is left too, and what is in front of it has to stand in the queue as well."""
    share = _Share(lane)
    room = lane.room() or 0
    for one in messages:
        ok = len(share.given) < room and lane.hand.fits(one.key, pending.get(one.key))
        (share.given if ok else share.left).append(one)
    keys = {one.key for one in share.left}
    if keys:
        share.queued = [one for one in share.given if one.key in keys]
        share.queued += lane.hand.unwritten_of(keys)
    return share
