"""Simulated agents: people at screens, over the dialer's public HTTP and WebSocket API alone.

Each logs in, goes ready, talks, writes the call up for as long as that call takes, says how it
went, and now and then takes a break. One task an agent, one aiohttp session for all of them. What
an agent *hears* (a person, a machine, for how long) is not in the API; `Ears` tells it, as the
simulated PBX knows whom it connected.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol

import aiohttp

from dialer.tasks import Tasks

RETRY_FIRST_S = 0.5
RETRY_MAX_S = 10.0
LOGIN_TRIES_MAX = 20
_FRAME_BYTES_MAX = 1 << 20
_ON_ITS_WAY = ("dialling", "ringing", "answered", "connecting")  # stages of a call before the talk
_REPLY_LIMIT_S = 600.0  # simulated; at speed 30 that is 20 s of the real network


class Heard(Protocol):
    """The called party as the agent's ear has it."""

    @property
    def machine(self) -> bool: ...

    @property
    def talk_s(self) -> float: ...

    @property
    def wrap_up_s(self) -> float | None: ...

    @property
    def break_s(self) -> float: ...


Ears = Callable[[str], Heard | None]
"""Who is on the line of an attempt; None when nobody can tell."""


@dataclass(frozen=True, slots=True)
class Account:
    agent: str
    password: str


@dataclass(frozen=True, slots=True)
class Manners:
    """How an agent behaves where the call itself says nothing. Shares of calls, seconds."""

    wrap_up_mean_s: float = 20.0
    wrap_up_machine_s: float = 5.0
    break_share: float = 0.01
    break_mean_s: float = 300.0
    hangs_up_share: float = 0.4  # of conversations that the agent is the one to end
    disposes_early_share: float = 0.15  # chooses the code while still talking
    login_spread_s: float = 20.0
    preview_mean_s: float = 12.0  # looking at a lead before it is called
    skips_share: float = 0.1  # of the leads looked at
    goodbye_s: float = 30.0  # at the end of the shift, to end a conversation
    machine_codes: tuple[str, ...] = ("answering_machine", "machine", "voicemail", "am")
    weights: dict[str, float] = field(default_factory=dict)  # by code; others weigh 1


@dataclass(slots=True)
class Tally:
    """What the agents did, all together."""

    log_ins: int = 0
    calls: int = 0
    hang_ups: int = 0
    breaks: int = 0
    accepts: int = 0  # of leads in preview
    skips: int = 0
    reconnects: int = 0
    dispositions: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # by what the server said


def _no_ears(attempt: str) -> Heard | None:
    return None


class SimulatedAgents:
    """`await start()`, later `await log_out()`, and `await close()`.

    `seed` decides all chance. `failures` holds what broke an agent's task: empty, or a defect.
    """

    def __init__(
        self,
        url: str,
        accounts: Sequence[Account],
        *,
        seed: int = 1,
        ears: Ears = _no_ears,
        manners: Manners | None = None,
    ) -> None:
        self.tally = Tally()
        self.failures: list[BaseException] = []
        self._url = url.rstrip("/")
        self._accounts = tuple(accounts)
        self._seed = seed
        self._ears = ears
        self._manners = manners or Manners()
        self._tasks = Tasks(self._failed)
        self._session: aiohttp.ClientSession | None = None
        self._people: list[_Person] = []

    def _failed(self, name: str, error: BaseException) -> None:
        self.failures.append(error)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(
            timeout=aiohttp.ClientTimeout(total=_REPLY_LIMIT_S),
            connector=aiohttp.TCPConnector(limit=0),
        )
        for account in self._accounts:
            rng = random.Random(f"{self._seed}/{account.agent}")
            person = _Person(
                self._url, account, self._session, rng, self._ears, self._manners, self.tally
            )
            self._people.append(person)
            self._tasks.start(f"agent {account.agent}", person.work())

    async def log_out(self) -> None:
        """Every agent ends the shift: at once when free, else the call is brought to its end
        within `Manners.goodbye_s`, written up, and then."""
        await asyncio.gather(*(person.leave() for person in self._people))

    async def close(self) -> None:
        await self._tasks.close()
        if self._session is not None:
            await self._session.close()


class _Person:
    """One agent at one screen."""

    def __init__(
        self,
        url: str,
        account: Account,
        session: aiohttp.ClientSession,
        rng: random.Random,
        ears: Ears,
        manners: Manners,
        tally: Tally,
    ) -> None:
        self._url = url
        self._account = account
        self._session = session
        self._rng = rng
        self._ears = ears
        self._manners = manners
        self._tally = tally
        self._token = ""
        self._ws: aiohttp.ClientWebSocketResponse | None = None
        self._ids = 0
        self._attempt = ""  # the call this agent knows of
        self._disposed = ""  # the last attempt a code was sent for
        self._hears: Heard | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._utc = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
        self._leaving = False
        self._due: asyncio.Queue[dict[str, Any]] = asyncio.Queue(maxsize=100)
        self._break_due_s = 0.0
        self._talking = False
        self._said: dict[str, Any] = {}  # the disposition sent last
        self._considers = 0  # the lead in preview; 0: none
        self._reasons: list[str] = []  # break codes to choose from

    async def work(self) -> None:
        await asyncio.sleep(self._rng.uniform(0.0, self._manners.login_spread_s))
        pause_s = RETRY_FIRST_S
        for _ in range(LOGIN_TRIES_MAX):
            if self._leaving:
                return
            try:
                if not self._token:
                    await self._log_in()
                await self._sit()
                return
            except (aiohttp.ClientError, OSError, TimeoutError):
                self._tally.reconnects += 1
                await asyncio.sleep(self._rng.uniform(pause_s / 2, pause_s))
                pause_s = min(2 * pause_s, RETRY_MAX_S)

    async def _log_in(self) -> None:
        body = {"agent": self._account.agent, "password": self._account.password}
        async with self._session.post(f"{self._url}/v1/agents/login", json=body) as answer:
            answer.raise_for_status()
            self._token = (await answer.json())["token"]
        self._tally.log_ins += 1

    async def leave(self) -> None:
        """Choose to log out; the screen closes when the server says that the session ended."""
        self._leaving = True
        if self._talking:
            self._stop_timer()
            self._after(self._rng.uniform(0.2, 1.0) * self._manners.goodbye_s, self._hang_up)
        self._say({"type": "status", "status": "logged out"})

    # --- the screen -----------------------------------------------------------------------------

    async def _sit(self) -> None:
        address = f"{self._url}/v1/agent/ws"
        async with self._session.ws_connect(address, max_msg_size=_FRAME_BYTES_MAX) as ws:
            self._ws = ws
            await ws.send_json({"type": "hello", "token": self._token, "epoch": "", "seq": 0})
            speaking = Tasks(lambda name, error: None)
            speaking.start("speak", self._speak(ws))
            try:
                async for frame in ws:
                    if frame.type is not aiohttp.WSMsgType.TEXT:
                        break
                    if await self._hear(ws, json.loads(frame.data)):
                        return
                if ws.close_code == 4401:
                    self._token = ""
                if ws.close_code != 1000:
                    raise ConnectionResetError("the screen's connection was lost")
            finally:
                self._ws = None
                await speaking.close()

    async def _speak(self, ws: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            command = await self._due.get()
            self._ids += 1
            await ws.send_json({**command, "id": str(self._ids)})

    def _say(self, command: dict[str, Any]) -> None:
        if not self._due.full():
            self._due.put_nowait(command)

    async def _hear(self, ws: aiohttp.ClientWebSocketResponse, message: dict[str, Any]) -> bool:
        """Take a message; True at the end of the session."""
        match message["type"]:
            case "ping":
                await ws.send_json({"type": "pong"})
            case "welcome":
                self._utc = datetime.fromisoformat(message["clock"]["utc"])
            case "agent":
                self._look(message["agent"])
            case "refused":
                self._tally.refused[message["detail"]] += 1
                self._mend(message.get("mend", ""))
            case "ended":
                return True
        return False

    # --- what a person makes of the picture -------------------------------------------------------

    def _look(self, picture: dict[str, Any]) -> None:
        call = picture["call"]
        self._consider(picture.get("offer"))
        self._reasons = picture["break_reasons"]
        self._talking = call is not None and call["ended_at"] is None
        if call is not None and call.get("stage") in _ON_ITS_WAY:
            call = None  # it rings, for this agent: nothing to be done
            self._talking = False
        if call is None:
            self._attempt = ""
            if picture["state"] == "break" and self._timer is None and not self._leaving:
                self._after(max(1.0, self._break_due_s), self._go_ready)
        elif call["attempt"] != self._attempt:
            self._answer(call)
        elif call["ended_at"] is not None and self._disposed != self._attempt:
            self._write_up(call)
        if not self._leaving and self._break_due_s == 0.0 and self._may_go_ready(picture):
            self._say({"type": "status", "status": "ready"})

    def _may_go_ready(self, picture: dict[str, Any]) -> bool:
        """At the start of the shift, and after the server took the agent off."""
        return (
            picture["status"] != "ready"
            and picture["state"] in ("break", "signing on", "phone lost")
            and self._timer is None
        )

    def _consider(self, offer: dict[str, Any] | None) -> None:
        """Look at a lead for a while, then have it called or leave it."""
        number = 0 if offer is None else offer["lead"]["lead_id"]
        if number == self._considers:
            return
        self._considers = number
        if offer is None:
            return
        self._stop_timer()
        looks_s = self._rng.uniform(0.3, 1.7) * self._manners.preview_mean_s
        self._after(looks_s, self._decide, number, offer["skip_reasons"])

    def _decide(self, number: int, reasons: list[str]) -> None:
        if self._considers != number:
            return
        if self._leaving or self._rng.random() < self._manners.skips_share:
            self._tally.skips += 1
            reason = self._rng.choice(reasons) if reasons else "not now"
            self._say({"type": "skip", "lead_id": number, "reason": reason})
        else:
            self._tally.accepts += 1
            self._say({"type": "accept", "lead_id": number})

    def _answer(self, call: dict[str, Any]) -> None:
        self._stop_timer()
        self._attempt = call["attempt"]
        self._tally.calls += 1
        self._hears = self._ears(self._attempt)
        if self._hears is None or self._hears.talk_s == float("inf"):
            return
        if self._hears.machine or self._rng.random() < self._manners.hangs_up_share:
            self._after(self._hears.talk_s * 0.95, self._hang_up)
        elif self._rng.random() < self._manners.disposes_early_share:
            self._after(self._hears.talk_s * 0.5, self._dispose, call)

    def _hang_up(self) -> None:
        self._tally.hang_ups += 1
        self._say({"type": "hangup"})

    def _write_up(self, call: dict[str, Any]) -> None:
        self._disposed = self._attempt  # planned: one wrap-up a call
        self._stop_timer()
        self._after(self._wrap_up_s(), self._dispose, call)

    def _wrap_up_s(self) -> float:
        heard, manners = self._hears, self._manners
        if heard is not None and heard.wrap_up_s is not None:
            return heard.wrap_up_s
        if heard is not None and heard.machine:
            return self._rng.expovariate(1.0 / manners.wrap_up_machine_s)
        return self._rng.expovariate(1.0 / manners.wrap_up_mean_s)

    def _dispose(self, call: dict[str, Any]) -> None:
        self._disposed = call["attempt"]
        if not self._leaving and (pause_s := self._break_s()) > 0:
            self._break_due_s = pause_s
            self._tally.breaks += 1
            reason = self._rng.choice(self._reasons) if self._reasons else ""
            self._say({"type": "status", "status": "break", "reason": reason})
        offer = self._choose(call["dispositions"])
        if offer is None:
            return
        self._tally.dispositions[offer["code"]] += 1
        command = {"type": "dispose", "attempt": call["attempt"], "code": offer["code"]}
        if "callback_at" in offer["requires"]:
            hours = self._rng.randrange(20, 60)
            command["callback_at"] = (self._utc + timedelta(hours=hours)).isoformat()
        if "amount" in offer["requires"]:
            command["amount"] = f"{self._rng.randrange(20, 300)}.00"
        if "due_on" in offer["requires"]:
            day = self._utc.date() + timedelta(days=self._rng.randrange(1, 10))
            command["due_on"] = day.isoformat()
        if "reason" in offer["requires"]:
            command["reason"] = "as the customer said"
        if "note" in offer["requires"]:
            command["note"] = "as discussed"
        self._said = command
        self._say(command)

    def _mend(self, advice: str) -> None:
        """A callback at an hour the law forbids is refused: take the time that is named instead."""
        said, self._said = self._said, {}
        if "callback_at" in said and (
            named := re.search(r"\d{4}-\d\d-\d\dT[\d:.+Z-]*[\dZ]", advice)
        ):
            self._say({**said, "callback_at": named[0]})

    def _break_s(self) -> float:
        if self._hears is not None:
            return self._hears.break_s
        if self._rng.random() < self._manners.break_share:
            return self._rng.expovariate(1.0 / self._manners.break_mean_s)
        return 0.0

    def _choose(self, offers: list[dict[str, Any]]) -> dict[str, Any] | None:
        """A plausible code: a machine's for a machine, a person's for a person."""
        if not offers:
            return None
        machine = self._hears is not None and self._hears.machine
        codes = self._manners.machine_codes
        fitting = [o for o in offers if (o["code"] in codes) is machine] or offers
        weights = [self._manners.weights.get(o["code"], 1.0) for o in fitting]
        return self._rng.choices(fitting, weights)[0]

    def _go_ready(self) -> None:
        self._break_due_s = 0.0
        if self._leaving:
            return
        self._say({"type": "status", "status": "ready"})

    def _after(self, delay_s: float, act: Callable[..., None], *details: Any) -> None:
        def run() -> None:
            self._timer = None
            act(*details)

        self._timer = asyncio.get_running_loop().call_later(delay_s, run)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
