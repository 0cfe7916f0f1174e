"""Whether agents' screens are there: heard of within the limit, by whatever way.

Pure bookkeeping in real seconds; the hub asks `sweep` once in a while and tells the server.
"""

from __future__ import annotations

from collections.abc import Iterable

from dialer.web.settings import LOST_AFTER_S


class Presence:
    def __init__(self) -> None:
        self._heard: dict[str, float] = {}  # present agents -> when last heard of
        self._lost: set[str] = set()

    def expect(self, agents: Iterable[str], now: float) -> None:
        """At start: whoever has a session has one limit's time to show up."""
        for agent in agents:
            self._heard.setdefault(agent, now)

    def heard(self, agent: str, now: float) -> bool:
        """The agent's screen gave a sign of life. True when it was not known to be there."""
        new = agent not in self._heard
        self._lost.discard(agent)
        self._heard[agent] = now
        return new

    def forget(self, agent: str) -> None:
        """The session ended: nobody waits for this screen."""
        self._heard.pop(agent, None)
        self._lost.discard(agent)

    def sweep(self, now: float) -> list[str]:
        """Agents whose screen has become lost since the last sweep."""
        lost = [agent for agent, at in self._heard.items() if now - at > LOST_AFTER_S]
        for agent in lost:
            del self._heard[agent]
            self._lost.add(agent)
        return lost

    def is_lost(self, agent: str) -> bool:
        return agent in self._lost
