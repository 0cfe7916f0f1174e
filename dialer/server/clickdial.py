"""Click-to-dial: a program asks for a call, and is told what came of it before anything rings.

It goes the very way of a call that the agent asks for, through the same gate; no program may set a
rule aside. With an Idempotency-Key the beginning is on record before anything is done, so that
nobody's telephone rings twice for one click, whatever breaks in between.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

import sqlalchemy as sa
from pydantic import TypeAdapter

from dialer.core.states import AgentState
from dialer.server.engine import Engine
from dialer.server.face import Refused
from dialer.server.intake import Dialled, DialWords, Given, KeyUse
from dialer.store.feed import begin_answer, denial_of, finish_answer, known_answer
from dialer.store.store import Store

_SETTLE_LIMIT_S = 5.0  # for the attempt to be on record, or refused; ordinarily milliseconds
_SETTLED = TypeAdapter(Dialled)


class Dials(Protocol):
    """The part of `dialer.server.face.Face` that calls."""

    async def dial(
        self,
        agent: str,
        campaign: str,
        *,
        phone: str = "",
        lead_id: int = 0,
        external_id: str = "",
        override: str = "",
    ) -> str: ...


@dataclass(frozen=True, slots=True)
class ClickToDial:
    store: Store
    engine: Engine
    face: Dials

    async def dial(self, words: DialWords, use: KeyUse | None) -> Given:
        """Raises `Refused`: what `Face.dial` refuses, and 409 with rule and time for a no of the
        gate or when the same key was begun and its end is not known."""
        try:
            if use is None:
                return Given(await self._dial(words))
            given = await self._begin(use)
            if given is not None:
                return given
            try:
                body = await self._dial(words)
            except Refused:
                await self.store.database.write(lambda c: finish_answer(c, use, None))
                raise
            await self.store.database.write(lambda c: finish_answer(c, use, body.decode()))
            return Given(body)
        except (sa.exc.DBAPIError, OSError):
            raise Refused(
                "The database does not answer.", 503, "See the agent's state before another try."
            ) from None

    async def _begin(self, use: KeyUse) -> Given | None:
        """The answer that was given before, or None with the key noted as begun."""
        now = self.store.clock.utc()

        def look(connection: sa.Connection) -> tuple[str, str] | None:
            known = known_answer(connection, use)
            if known is None:
                begin_answer(connection, use, now)
            return known

        known = await self.store.database.write(look)
        if known is None:
            return None
        if known[0] != use.digest:
            raise Refused(
                "This Idempotency-Key came with another request.", 409, "Use a fresh key."
            )
        if not known[1]:
            raise Refused(
                "This call was begun and what came of it is not known.",
                409,
                "See the agent's state; use a fresh key for another call.",
            )
        return Given(known[1].encode(), again=True)

    async def _dial(self, words: DialWords) -> bytes:
        attempt = await self.face.dial(
            words.agent,
            words.campaign,
            phone=words.phone,
            lead_id=words.lead_id,
            external_id=words.external_id,
        )
        await self._allowed(words.agent, attempt)
        return _SETTLED.dump_json(Dialled(attempt))

    async def _allowed(self, agent: str, attempt: str) -> None:
        """Return when the attempt is on record, which the gate has allowed then. `Refused`
        otherwise, with what the gate said."""
        call = self.engine.floor.calls.get(attempt)
        lead_id = 0 if call is None else call.lead.lead_id
        try:
            async with asyncio.timeout(_SETTLE_LIMIT_S):
                await self.store.flush()
                await self.engine.door.settled()
        except TimeoutError:
            raise Refused(
                "The dialer is too busy to be sure of it.", 503, "See the agent's state."
            ) from None
        now = self.engine.floor.agents.get(agent)
        idle = (AgentState.READY, AgentState.BREAK)
        if now is not None and now.attempt == attempt and now.state not in idle:
            return
        denied = await self.store.database.read(lambda c: denial_of(c, lead_id, attempt))
        if denied is None:
            why = now.notice if now is not None and now.notice else "The call was not made."
            raise Refused(why, 409, "Try again.")
        when = "Not by itself." if denied.retry_at is None else denied.retry_at.isoformat()
        raise Refused(
            f"The rule {denied.rule} forbids this call: {denied.reason}.",
            409,
            when if denied.retry_at is None else f"It may be called from {when}.",
        )
