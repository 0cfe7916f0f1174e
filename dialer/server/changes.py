"""Which views changed, from the server to the web's hub: bounded, because it is a set.

The server marks; the one consumer takes what is marked and reads those views anew. However slow
the consumer is, nothing piles up and nothing is lost: it sees the newest state of everything.
"""

from __future__ import annotations

import asyncio


class Changes:
    """Marks of agents whose view changed. `mark` never waits and may be called in a step."""

    def __init__(self) -> None:
        self._agents: dict[str, None] = {}  # in order of the marking
        self._marked = asyncio.Event()

    def mark(self, agent: str) -> None:
        """This agent's view changed: state, status, call, notice, or the session ended."""
        self._agents[agent] = None
        self._marked.set()

    async def take(self) -> tuple[str, ...]:
        """Wait until something is marked; return the marked agents and forget the marks."""
        await self._marked.wait()
        self._marked.clear()
        taken = tuple(self._agents)
        self._agents.clear()
        return taken
