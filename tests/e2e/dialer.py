"""A real `dialer serve` in a process of its own, with a site on disk, as a site runs it."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from crm_bridge import signing
from dialer.clock import Clock
from dialer.server.credentials import hash_password
from dialer.server.load import load_site
from dialer.store import StagedLead, StagedPhone, Store
from simulator.agents import Account, Manners, SimulatedAgents

PASSWORD = "only for tests"
SUPERVISOR = "supervisor-token-of-the-tests"
START_LIMIT_S = 30.0
NEVER = dict.fromkeys(
    (
        *("no_answer", "unreachable", "busy", "invalid", "rejected", "blocked_by_user"),
        *("blocked_analytics", "redirected", "congestion", "rate_limited", "trunk_config", "stir"),
        *("failed_local", "lost", "machine", "abandoned", "caller_left"),
    ),
    "never",
)


def is_customer(leg: str) -> bool:
    """Whether a leg's id is a customer's: od-<boot>-c<n>."""
    return leg.rpartition("-")[2].startswith("c")


@dataclass
class Site:
    """What differs from one test to the next. `phones` are the agents' endpoints."""

    folder: Path
    ami_port: int
    cmd_secret: str
    evt_secret: str
    phones: Sequence[str]
    trunk: str = "carrier"
    originates_per_s: float = 20.0
    channels_max: int = 400
    ring_limit_s: float = 15.0
    lines_per_agent: float = 20.0
    crm_url: str = ""
    crm_secret: str = field(default_factory=signing.new_secret)
    wrap_up_limit_s: float = 30.0
    phone_socket: str = ""  # phones in browsers: the PBX's WebSocket, ...
    phone_passwords: dict[str, str] = field(default_factory=dict)  # ... and what they register with

    def write(self, web_port: int) -> Path:
        self._yaml(
            "campaign.yaml",
            {
                "name": "e2e",
                "purpose": "service",
                "trunk": self.trunk,
                "caller_id": "+493023125999",
                "default_region": "DE",
                "pacer": "ratio",
                "pacer_options": {"ratio": self.lines_per_agent},
                "abandon_limit": 0.99,  # the point here is traffic, not pacing
                "ring_limit_s": self.ring_limit_s,
                "wrap_up_limit_s": self.wrap_up_limit_s,
                "attempts_max": 1,
                "retry": NEVER,
                "calling_window": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}],
                "compliance": {"override": {"by": "tests", "because": "nobody on the list exists"}},
            },
        )
        site: dict[str, Any] = {
            "database": "sqlite:///overdial.db",
            "web": {"port": web_port, "supervisors": {"test": SUPERVISOR}},
            "pbxes": [
                {
                    "name": "main",
                    "port": self.ami_port,
                    "cmd_secret": self.cmd_secret,
                    "evt_secret": self.evt_secret,
                    "trunks": [
                        {
                            "name": self.trunk,
                            "channels_max": self.channels_max,
                            "originates_per_s": self.originates_per_s,
                        }
                    ],
                }
            ],
            "campaigns": ["campaign.yaml"],
            "agents": [
                {
                    "name": phone,
                    "phone": phone,
                    "password_hash": hash_password(PASSWORD, cheap=True),
                    "campaigns": ["e2e"],
                }
                for phone in self.phones
            ],
        }
        if self.phone_socket:
            site["pbxes"][0]["browser"] = {
                "url": self.phone_socket,
                "passwords": self.phone_passwords,
            }
        if self.crm_url:
            endpoint = {
                "name": "crm",
                "url": self.crm_url,
                "secrets": [self.crm_secret],
                "allow_networks": ["127.0.0.0/8"],
            }
            self._yaml("crm.yaml", {"endpoints": [endpoint]})
            site["crm"] = "crm.yaml"
        return self._yaml("dialer.yaml", site)

    def _yaml(self, name: str, content: dict[str, Any]) -> Path:
        path = self.folder / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return path


class Dialer:
    """The process, its screens and its database. `numbers` are dialled in this order."""

    def __init__(self, site: Site, web_port: int) -> None:
        self.site = site
        self.url = f"http://127.0.0.1:{web_port}"
        self.config = site.write(web_port)
        self.process: asyncio.subprocess.Process | None = None
        self._log = site.folder / "dialer.log"

    async def load(self, numbers: Sequence[str]) -> None:
        """Put a list into the database before the dialer runs."""
        site, campaigns, _ = load_site(self.config)
        store = await Store.open(site.database, clock=Clock(), durable=False)
        await store.add_campaign(campaigns[0])
        list_id = await store.begin_import("e2e", "list", "list.csv")
        rows = [
            StagedLead(
                line=n + 2,
                phones=(StagedPhone(number, "phone"),),
                name=f"Customer {n}",
                external_id=f"A{n}",
                zones="Europe/Berlin",
            )
            for n, number in enumerate(numbers)
        ]
        assert not await store.stage("e2e", list_id, rows)
        await store.finish_import("e2e", list_id, 0)
        await store.close()

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dialer", "serve", str(self.config)),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
            )
        async with asyncio.timeout(START_LIMIT_S):
            while not await self._serves():
                assert self.process.returncode is None, self.log()
                await asyncio.sleep(0.05)

    async def _serves(self) -> bool:
        try:
            await self.get("/healthz")
        except aiohttp.ClientError:
            return False
        return True

    async def kill(self) -> None:
        """kill -9."""
        await self.end(signal.SIGKILL)

    async def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        process, self.process = self.process, None
        if process is None:
            return 0
        process.send_signal(how)
        try:
            return await asyncio.wait_for(process.wait(), 15.0)
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"the dialer did not end:\n{self.log()}") from None

    def log(self) -> str:
        return self._log.read_text(errors="replace")[-6000:]

    # --- screens ----------------------------------------------------------------------------

    async def get(self, path: str) -> Any:
        headers = {"Authorization": f"Bearer {SUPERVISOR}"}
        async with aiohttp.ClientSession() as http, http.get(self.url + path, headers=headers) as r:
            return await r.json()

    async def act(self, action: str) -> None:
        headers = {"Authorization": f"Bearer {SUPERVISOR}"}
        url = f"{self.url}/v1/campaigns/e2e/{action}"
        async with aiohttp.ClientSession() as http, http.post(url, headers=headers) as answer:
            assert answer.status == 204, await answer.text()

    async def start_with_all_agents(self, agents: SimulatedAgents) -> None:
        """Begin to dial when every agent is ready, so that nobody is dialled for too few."""
        await self.start()
        await self.act("pause")
        await agents.start()

        async def ready() -> bool:
            return (await self.campaign())["agents"].get("ready", 0) == len(self.site.phones)

        await self.until("all agents ready", ready, 20.0)
        await self.act("resume")

    async def campaign(self) -> dict[str, Any]:
        return (await self.get("/v1/campaigns"))["campaigns"][0]  # type: ignore[no-any-return]

    async def health(self) -> dict[str, Any]:
        return await self.get("/healthz")  # type: ignore[no-any-return]

    def agents(self, wrap_up_s: float = 0.3, **more: Any) -> SimulatedAgents:
        """People at all phones' screens; they log in at once and never take a break."""
        manners = Manners(
            wrap_up_mean_s=wrap_up_s,
            break_share=0.0,
            hangs_up_share=0.0,
            disposes_early_share=0.0,
            login_spread_s=0.2,
        )
        accounts = [Account(phone, PASSWORD) for phone in self.site.phones]
        return SimulatedAgents(self.url, accounts, manners=manners, **more)

    async def until(self, what: str, done: Any, limit_s: float) -> None:
        """Wait until `await done()` is true. Fails with the dialer's log otherwise."""
        try:
            async with asyncio.timeout(limit_s):
                while not await done():  # noqa: ASYNC110 (another process is awaited)
                    await asyncio.sleep(0.1)
        except TimeoutError:
            state = await self.campaign() if self.process is not None else None
            raise AssertionError(f"never came: {what}\n{state}\n{self.log()}") from None

    # --- the database -----------------------------------------------------------------------

    def rows(self, statement: str) -> list[sqlite3.Row]:
        """What the database holds, read beside the running dialer."""
        base = sqlite3.connect(self.site.folder / "overdial.db", timeout=10)
        base.row_factory = sqlite3.Row
        try:
            return base.execute(statement).fetchall()
        finally:
            base.close()

    def attempts(self) -> list[sqlite3.Row]:
        return self.rows("SELECT * FROM attempts ORDER BY opened_ms, id")

    def open_attempts(self) -> int:
        return int(self.rows("SELECT count(*) FROM attempts WHERE outcome IS NULL")[0][0])
