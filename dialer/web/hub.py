"""The one place that knows every open screen: who is shown what, who is still there.

One task takes the server's marks of change, one sweeps: heartbeats, lost screens, sockets that
do not read or say nothing, the wallboard's picture. There is no timer per screen. The sweep's
limits are real seconds (`real_now`), because screens live in real time even where the loop's
clock runs faster.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterable

from aiohttp import web

from dialer.server.face import Face
from dialer.tasks import Tasks
from dialer.web.auth import Access, Caller, Door
from dialer.web.channels import AgentChannel, Channel, Floor, WallboardChannel
from dialer.web.encode import encode
from dialer.web.models import Ended, Hello, Ping, Welcome
from dialer.web.presence import Presence
from dialer.web.screen import GOING, Screen
from dialer.web.settings import (
    HEARTBEAT_S,
    HELLO_LIMIT_S,
    LOST_AFTER_S,
    STRANGERS_MAX,
    STUCK_LIMIT_S,
    WALLBOARDS_MAX,
    WebSettings,
)

UNWELCOME = 4400
UNKNOWN_TOKEN = 4401
FORBIDDEN = 4403
NO_SHIFT = 4404
SILENT = 4408
TAKEN_OVER = 4409
TOO_MANY = 4429

_SWEEP_EVERY_S = 0.25  # of the loop's clock, which may be a fast one:
_SWEEP_AGAIN_S = 0.2  # real seconds; more often than this nothing can have become due


class Hub:
    def __init__(
        self,
        face: Face,
        door: Door,
        settings: WebSettings,
        epoch: str,
        real_now: Callable[[], float] = time.monotonic,
        shift_over: Callable[[str], None] = lambda agent: None,
    ) -> None:
        """`shift_over(agent)` is called when an agent has logged out."""
        self._face = face
        self._door = door
        self._shift_over = shift_over
        self._epoch = epoch
        self._real_now = real_now
        self._picture_every_s = settings.picture_every_s
        numbers = itertools.count(1)
        self._number = lambda: next(numbers)
        self._open: set[Screen] = set()  # every one, from arrival to leave
        self._strangers: set[Screen] = set()  # have not said hello
        self._agents: dict[str, tuple[AgentChannel, set[Screen]]] = {}
        self._floor = Floor(face)
        # By the campaigns that may be seen: one channel for all who may see the same.
        self._boards: dict[frozenset[str] | None, tuple[WallboardChannel, set[Screen]]] = {}
        self.presence = Presence()
        self._pinged_at = self._pictured_at = self._swept_at = real_now()

    # --- life ---------------------------------------------------------------------------------

    def start(self, tasks: Tasks) -> None:
        self.presence.expect((row.agent for row in self._face.wallboard().agents), self._real_now())
        tasks.start("web: changes", self._follow_changes())
        tasks.start("web: sweep", self._keep_sweeping())

    def close_all(self) -> None:
        for screen in self._open:
            screen.end(GOING, "the server stops")

    def count(self) -> dict[str, int]:
        """Open screens, by kind."""
        return {
            "agent": sum(len(screens) for _, screens in self._agents.values()),
            "wallboard": self._watching(),
            "stranger": len(self._strangers),
        }

    # --- screens come and go ------------------------------------------------------------------

    def arrive(self, ws: web.WebSocketResponse, request: web.Request) -> Screen:
        screen = Screen(ws, request, self._real_now())
        if len(self._strangers) >= STRANGERS_MAX:
            screen.end(TOO_MANY, "too many sockets without hello")
        self._open.add(screen)
        self._strangers.add(screen)
        return screen

    async def greet(self, screen: Screen, caller: Caller, access: Access, hello: Hello) -> bool:
        """Attach the screen to its channel. False when it is refused; it is then closing."""
        if screen.closing:
            return False
        now = self._real_now()
        if access is Access.AGENT:
            channel: Channel | None = self._seat(screen, caller.name)
        else:
            channel = self._watch(screen, caller.campaigns, now)
        if channel is None:
            return False
        self._strangers.discard(screen)
        screen.caller = caller
        screen.agent = caller.name if access is Access.AGENT else ""
        current = hello.epoch == self._epoch and hello.seq == channel.seq
        screen.sent = channel.seq if current else 0
        screen.channel = channel
        welcome = Welcome(
            epoch=self._epoch,
            seq=channel.seq,
            current=current,
            heartbeat_s=HEARTBEAT_S,
            lost_after_s=LOST_AFTER_S,
            clock=self._face.clock(),
        )
        await screen.answer(encode(welcome), now)
        self.heard(screen)
        return True

    def _seat(self, screen: Screen, agent: str) -> Channel | None:
        channel, screens = self._agents.get(agent) or (
            AgentChannel(agent, self._face, self._epoch, self._number),
            set[Screen](),
        )
        if not channel.alive:
            screen.end(NO_SHIFT, "the shift has not begun")
            return None
        for older in screens:
            older.end(TAKEN_OVER, "another screen took over", encode(Ended(reason="taken over")))
        screens.clear()
        screens.add(screen)
        self._agents[agent] = (channel, screens)
        return channel

    def _watch(
        self, screen: Screen, campaigns: frozenset[str] | None, now: float
    ) -> Channel | None:
        if self._watching() >= WALLBOARDS_MAX:
            screen.end(TOO_MANY, "too many wallboards")
            return None
        board = self._boards.get(campaigns)
        if board is None:
            board = WallboardChannel(self._floor, campaigns, self._epoch, self._number), set()
            self._boards[campaigns] = board
        channel, watchers = board
        watchers.add(screen)
        self._picture(now)
        return channel

    def _watching(self) -> int:
        return sum(len(watchers) for _, watchers in self._boards.values())

    def leave(self, screen: Screen) -> None:
        self._open.discard(screen)
        self._strangers.discard(screen)
        if screen.agent in self._agents:
            self._agents[screen.agent][1].discard(screen)
        for campaigns, (_, watchers) in list(self._boards.items()):
            watchers.discard(screen)
            if not watchers:
                del self._boards[campaigns]

    def heard(self, screen: Screen) -> None:
        """A frame came from this screen."""
        screen.heard_at = self._real_now()
        if screen.agent:
            self.agent_heard(screen.agent)

    def agent_heard(self, agent: str) -> None:
        """The agent's screen gave a sign of life, by socket or by request."""
        if self.presence.heard(agent, self._real_now()):
            self._face.screen_connected(agent)

    def real_now(self) -> float:
        return self._real_now()

    # --- changes ------------------------------------------------------------------------------

    async def _follow_changes(self) -> None:
        while True:
            self.refresh(await self._face.changes.take())

    def refresh(self, agents: Iterable[str]) -> None:
        """These agents' views changed: show them."""
        now = self._real_now()
        for agent in agents:
            channel, screens = self._agents.get(agent, (None, ()))
            alive = channel.refresh() if channel is not None else self._face.on_shift(agent)
            for screen in screens:
                token = screen.caller.token if screen.caller else ""
                if not alive:
                    screen.end(1000, "logged out", encode(Ended(reason="logged out")))
                elif self._door.caller(token) is None:
                    screen.end(UNKNOWN_TOKEN, "the token is not valid any more")
                else:
                    screen.show(now)
            if not alive:
                self.presence.forget(agent)
                self._agents.pop(agent, None)
                self._shift_over(agent)

    # --- the sweep ----------------------------------------------------------------------------

    async def _keep_sweeping(self) -> None:
        while True:
            await asyncio.sleep(_SWEEP_EVERY_S)
            self.sweep()

    def sweep(self) -> None:
        """Everything that is due by now."""
        now = self._real_now()
        if now - self._swept_at < _SWEEP_AGAIN_S:
            return
        self._swept_at = now
        for agent in self.presence.sweep(now):
            self._face.screen_lost(agent)
        if now - self._pictured_at >= self._picture_every_s:
            self._picture(now)
        if now - self._pinged_at >= HEARTBEAT_S:
            self._pinged_at = now
            ping = encode(Ping(now=self._face.clock().now))
            for screen in self._open:
                if screen.caller is not None:
                    screen.ping(ping, now)
        for screen in self._open:
            self._check(screen, now)

    def _check(self, screen: Screen, now: float) -> None:
        if screen.owed_since is not None and now - screen.owed_since > STUCK_LIMIT_S:
            screen.abort()
        elif screen.caller is None and now - screen.opened_at > HELLO_LIMIT_S:
            screen.end(UNWELCOME, "no hello")
        elif now - screen.heard_at > LOST_AFTER_S:
            screen.end(SILENT, "silent")

    def _picture(self, now: float) -> None:
        self._pictured_at = now
        if not self._boards:
            return
        self._floor.look()
        for channel, watchers in self._boards.values():
            if channel.refresh():
                for screen in watchers:
                    screen.show(now)
