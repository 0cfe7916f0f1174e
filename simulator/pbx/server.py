"""The simulated PBX as a server: an AMI port in front of an exchange.

Clients log in as one of `users`; events go to those who may and want to see them, formatted once
and only when somebody does. All times are the running loop's, so the whole PBX runs faster than
the clock on a scaled loop.
"""

from __future__ import annotations

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

from dialer.ami.codec import Message
from dialer.clock import Clock
from simulator.pbx.actions import ACTIONS, AMI_VERSION
from simulator.pbx.exchange import NORMAL_CLEARING, CallLog, Exchange
from simulator.pbx.faults import Faults, Point
from simulator.pbx.party import Directory
from simulator.pbx.recordings import Recordings
from simulator.pbx.session import Session, Stage
from simulator.pbx.users import DISABLED, User

_LOGIN_FAILED_S = 1.0  # a wrong secret costs the client so long
_CLASSES = frozenset(
    {"system", "call", "log", "verbose", "command", "agent", "user", "config", "dtmf"}
    | {"reporting", "cdr", "dialplan", "originate", "agi", "cc", "aoc", "test", "security"}
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class AmiServer:
    """One simulated PBX. `seed` decides all chance but the called parties' (their directory's)."""

    def __init__(
        self,
        directory: Directory,
        users: tuple[User, ...],
        *,
        seed: int = 1,
        host: str = "127.0.0.1",
        port: int = 0,
        harbour_s: float = 6.0,
        hold_s: float = 2.0,
        recordings: Path | None = None,
    ) -> None:
        self._recordings = Recordings(recordings)
        self.faults = Faults()
        self.log = CallLog()
        self._directory = directory
        self._users = {user.name: user for user in users}
        self._seed = seed
        self._host = host
        self._port = port
        self._harbour_s = harbour_s
        self._hold_s = hold_s
        self._sessions: dict[Session, None] = {}
        self._listeners: dict[str, tuple[Session, ...]] = {}
        self._server: asyncio.Server | None = None
        self._life = 0

    # --- life ---------------------------------------------------------------------------------

    async def start(self) -> None:
        """Boot and listen; `port` is then known. OSError when the port is taken."""
        self.loop = asyncio.get_running_loop()
        self._clock = Clock(self.loop)
        self._epoch0 = (self._clock.utc() - _EPOCH).total_seconds() - self.loop.time()
        self.started = self._clock.utc()
        self.boot()
        await self._listen()

    def boot(self) -> None:
        rng = random.Random(f"{self._seed}/{self._life}")
        self.exchange: Exchange = Exchange(
            self._directory,
            self,
            rng=rng,
            loop=self.loop,
            log=self.log,
            harbour_s=self._harbour_s,
            hold_s=self._hold_s,
            recordings=self._recordings,
            epoch=self.epoch,
        )
        self._life += 1

    async def _listen(self) -> None:
        self._server = await self.loop.create_server(
            lambda: Session(self), self._host, self._port, reuse_address=True
        )
        self._port = self._server.sockets[0].getsockname()[1]

    @property
    def port(self) -> int:
        return self._port

    @property
    def sessions(self) -> tuple[Session, ...]:
        return tuple(self._sessions)

    async def stop(self) -> None:
        """End: channels, connections and the port are gone."""
        await self._down()

    async def restart(self, down_s: float = 1.0) -> None:
        """Killed and started again: every channel and connection is gone, without a word."""
        await self._down()
        await asyncio.sleep(down_s)
        await self.start_again()

    async def kill(self) -> None:
        """kill -9: the port is closed until `start_again`."""
        await self._down()

    async def start_again(self) -> None:
        """A new life on the same port, with nothing of the last one."""
        # Startup is told in whole seconds; two lives must never show the same.
        second = timedelta(seconds=1)
        self.started = max(self._clock.utc(), self.started + second)
        self.boot()
        await self._listen()

    async def _down(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for session in list(self._sessions):
            session.cut()
        self.exchange.vanish()
        await asyncio.sleep(0)

    def cut_all(self, user: str = "") -> None:
        """Cut the connections of a user (empty: all of them)."""
        for session in list(self._sessions):
            if user in ("", session.name):
                session.cut()

    def freeze_all(self, user: str = "") -> None:
        """Leave the connections standing and deaf (half-open)."""
        for session in list(self._sessions):
            if user in ("", session.name):
                session.freeze()

    def epoch(self) -> float:
        """Seconds since 1970, as the PBX's clock shows them."""
        return self._epoch0 + self.loop.time()

    def exists(self, context: str, exten: str, priority: str) -> bool:
        return self.exchange.dialplan.exists(context, exten, priority)

    # --- sessions -----------------------------------------------------------------------------

    def joined(self, session: Session) -> None:
        self._sessions[session] = None
        session.greet(AMI_VERSION)

    def left(self, session: Session) -> None:
        self._sessions.pop(session, None)
        self.listeners_changed()

    def perform(self, session: Session, message: Message) -> bool:
        """Do an action. False: it is not answered yet and the session waits."""
        name = message.header("Action")
        if not name:
            session.respond(message, "Error", "Missing action in request")
            return True
        if self.faults.shutting_down:
            session.respond(message, "Error", "Asterisk is shutting down")
            return True
        key = name.lower()
        if key == "login":
            return self._login(session, message)
        if session.user is None and key != "logoff":
            session.respond(message, "Error", "Permission denied")
            return True
        found = ACTIONS.get(key)
        if found is None:
            session.respond(
                message,
                "Error",
                f"Invalid/unknown command: {name}."
                " Use Action: ListCommands to show available commands.",
            )
            return True
        classes, action = found
        if classes and session.user is not None and not classes & session.user.write:
            session.respond(message, "Error", "Permission denied")
            return True
        return action(self, session, message)

    def _login(self, session: Session, message: Message) -> bool:
        if session.user is not None:
            session.respond(message, "Success", "Already authenticated")
            return True
        user = self._users.get(message.header("Username"))
        if user is None or message.header("Secret") != user.secret:
            self.loop.call_later(_LOGIN_FAILED_S, self._turn_away, session, message)
            return False
        session.logged_in(user)
        self.set_mask(session, message.header("Events"))
        session.respond(message, "Success", "Authentication accepted")
        if "system" in user.read and session.events_on and self._may_see(session, "FullyBooted"):
            age = int((self._clock.utc() - self.started).total_seconds())
            session.send(
                f"Event: FullyBooted\r\nPrivilege: system,all\r\nUptime: {age}\r\n"
                f"LastReload: {age}\r\nStatus: Fully Booted\r\n\r\n".encode()
            )
        return True

    def _turn_away(self, session: Session, message: Message) -> None:
        session.respond(message, "Error", "Authentication failed")
        session.close()

    def set_mask(self, session: Session, text: str) -> bool | None:
        """Set which classes of events a session wants. Whether any; None for a bad mask."""
        words = {word.strip().lower() for word in text.split(",") if word.strip()}
        if not words or words & {"on", "all", "yes", "true", "1"}:
            session.events_on, session.mask = True, None
        elif words & {"off", "none", "no", "false", "0"}:
            session.events_on, session.mask = False, frozenset()
        elif words <= _CLASSES:
            session.events_on, session.mask = True, frozenset(words)
        else:
            return None
        self.listeners_changed()
        return session.events_on

    # --- events -------------------------------------------------------------------------------

    def listeners_changed(self) -> None:
        self._listeners.clear()

    def _may_see(self, session: Session, name: str) -> bool:
        user = session.user
        return user is not None and (user.events is None or name in user.events)

    def _listening(self, name: str) -> tuple[Session, ...]:
        found = self._listeners.get(name)
        if found is None:
            found = tuple(
                session
                for session in self._sessions
                if session.stage is Stage.OPEN
                and session.events_on
                and name not in DISABLED
                and self._may_see(session, name)
            )
            self._listeners[name] = found
        return found

    def wanted(self, name: str) -> bool:
        return bool(self._listening(name))

    def publish(self, name: str, category: str, body: str) -> None:
        """Send an event to every session that may and wants to see it."""
        text = (
            f"Event: {name}\r\nPrivilege: {category},all\r\n"
            f"Timestamp: {self.epoch():.6f}\r\n{body}\r\n"
        )
        data = text.encode()
        for session in self._listening(name):
            user = session.user
            if user is None or category not in user.read:
                continue
            if session.mask is not None and category not in session.mask:
                continue
            if session.include and not any(p.search(text) for p in session.include):
                continue
            if session.exclude and any(p.search(text) for p in session.exclude):
                continue
            if self.faults.pending and self.faults.due(
                Point.BEFORE_EVENT, session.name, event=name
            ):
                session.cut()
                continue
            session.send_event(data)

    def _tell_shutdown(self, how: str) -> None:
        self.publish("Shutdown", "system", f"Shutdown: {how}\r\nRestart: False\r\n")

    async def shut_down(self) -> None:
        """An orderly stop (SIGTERM): every call hung up, everybody told, then gone.

        Which comes first, and whether it is called clean, differs from stop to stop (recorded).
        """
        cleanly = self.exchange.rng.random() < 0.5
        if not cleanly:
            self._tell_shutdown("Uncleanly")
        for channel in list(self.exchange.channels.values()):
            self.exchange.hang_up(channel, NORMAL_CLEARING)
        if cleanly:
            self._tell_shutdown("Cleanly")
        for session in list(self._sessions):
            session.close()
        await self._down()
