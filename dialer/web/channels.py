"""Streams of pictures: what a screen shows, numbered, encoded once for however many screens.

A channel keeps only its newest picture. A screen that reads slowly therefore costs nothing: when
it reads again it is sent the newest. Numbers grow for as long as the hub lives and are shared by
all channels, so that a channel that was dropped and made anew never reuses one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from dialer.server.face import AgentRow, AgentView, Face, WallboardView
from dialer.web.encode import encode
from dialer.web.models import AgentPicture, WallboardPicture


class Channel(Protocol):
    @property
    def seq(self) -> int: ...

    def message(self, sent: int) -> bytes:
        """What brings a screen that was last sent number `sent` (0: nothing) to `seq`."""
        ...


class AgentChannel:
    """One agent's picture, kept for as long as the agent's session lives."""

    def __init__(self, agent: str, face: Face, epoch: str, number: Callable[[], int]) -> None:
        self.agent = agent
        self._face = face
        self._epoch = epoch
        self._number = number
        self._view: AgentView | None = None
        self._encoded = b""
        self.seq = 0
        self.alive = self.refresh()

    def refresh(self) -> bool:
        """Read the agent's view anew. False when the agent has no session any more."""
        view = self._face.agent_view(self.agent)
        self.alive = view is not None
        if view is not None:
            self._view = view
            self.seq = self._number()
            self._encoded = b""
        return self.alive

    def message(self, sent: int) -> bytes:
        if not self._encoded and self._view is not None:
            now = self._face.clock().now
            self._encoded = encode(
                AgentPicture(epoch=self._epoch, seq=self.seq, now=now, agent=self._view)
            )
        return self._encoded


class Floor:
    """The whole floor, looked at once for all wallboards."""

    def __init__(self, face: Face) -> None:
        self._face = face
        self.view = face.wallboard()

    def look(self) -> None:
        self.view = self._face.wallboard()


def seen_by(view: WallboardView, campaigns: frozenset[str] | None) -> WallboardView:
    """The floor as somebody sees it who may see these campaigns (None: all)."""
    if campaigns is None:
        return view
    return replace(
        view,
        campaigns=tuple(one for one in view.campaigns if one.name in campaigns),
        agents=tuple(one for one in view.agents if not campaigns.isdisjoint(one.campaigns)),
        escalations=tuple(one for one in view.escalations if one.campaign in campaigns),
    )


class WallboardChannel:
    """The floor, as far as `campaigns` go. Agents' rows travel only when they changed; a screen
    that missed a step gets them all."""

    def __init__(
        self,
        floor: Floor,
        campaigns: frozenset[str] | None,
        epoch: str,
        number: Callable[[], int],
    ) -> None:
        self._floor = floor
        self._campaigns = campaigns
        self._epoch = epoch
        self._number = number
        self._view: WallboardView | None = None
        self._rows: dict[str, AgentRow] = {}
        self._before = 0
        self._step = b""
        self._snapshot = b""
        self.seq = 0

    def refresh(self) -> bool:
        """Take the floor as it was looked at last. False when nothing changed but the clock."""
        view = seen_by(self._floor.view, self._campaigns)
        old, self._view = self._view, view
        if old is not None and replace(old, clock=view.clock) == view:
            return False
        rows = {row.agent: row for row in view.agents}
        changed = tuple(row for name, row in rows.items() if self._rows.get(name) != row)
        gone = tuple(name for name in self._rows if name not in rows)
        self._rows = rows
        self._before, self.seq = self.seq, self._number()
        self._step = self._encode(view, changed, gone)
        self._snapshot = b""
        return True

    def message(self, sent: int) -> bytes:
        if sent and sent == self._before:
            return self._step
        if not self._snapshot and self._view is not None:
            self._snapshot = self._encode(self._view, self._view.agents, None)
        return self._snapshot

    def _encode(
        self, view: WallboardView, agents: tuple[AgentRow, ...], gone: tuple[str, ...] | None
    ) -> bytes:
        return encode(
            WallboardPicture(
                epoch=self._epoch,
                seq=self.seq,
                after=0 if gone is None else self._before,
                snapshot=gone is None,
                clock=view.clock,
                campaigns=view.campaigns,
                links=view.links,
                webhooks=view.webhooks,
                escalations=view.escalations,
                agents=agents,
                gone=gone or (),
            )
        )
