"""The whole dialer in one loop and in virtual time: real Server, SQLite, simulated PBX, agents.

Agents sit at the server's own face, without the web: what is tried here is what lies behind it.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from dialer.core import events as ev
from dialer.core.states import AgentState
from dialer.server.app import Launch, Server
from dialer.server.credentials import hash_password
from dialer.server.face import CampaignAction
from dialer.server.load import load_site
from dialer.store import StagedLead, StagedPhone, Store
from simulator.pbx import AmiServer, contract_users
from simulator.pbx.party import CalledParty, Scripted

PASSWORD = "only for tests"
CAMPAIGN = "spring"
_HASH = hash_password(PASSWORD, cheap=True)
_AFTER = ("no_answer", "unreachable", "busy", "invalid", "rejected", "congestion", "failed_local")
_NEVER = dict.fromkeys((*_AFTER, "lost", "machine", "abandoned", "caller_left"), "never")


class Stage:
    """One site in `folder`. `pbx` is the witness: its log outlives the server."""

    def __init__(
        self,
        folder: Path,
        pbx: AmiServer,
        agents: Sequence[str],
        amd: bool,
        more: Mapping[str, Any] = MappingProxyType({}),
        fields: Mapping[str, str] = MappingProxyType({}),
        recordings: Path | None = None,
    ) -> None:
        self.recordings = recordings
        self.folder = folder
        self.pbx = pbx
        self.agents = tuple(agents)
        self.server: Server
        self.fields = fields
        self._write(amd, more)

    def _write(self, amd: bool, more: Mapping[str, Any]) -> None:
        campaign = {
            "name": CAMPAIGN,
            "purpose": "service",
            "trunk": "carrier",
            "caller_id": "+493023125999",
            "default_region": "DE",
            "pacer": "ratio",
            "pacer_options": {"ratio": 3.0},
            "abandon_limit": 0.99,  # the point is traffic, not pacing
            "amd": amd,
            "ring_limit_s": 15.0,
            "wrap_up_limit_s": 20.0,
            "attempts_max": 1,
            "retry": _NEVER,
            "calling_window": [{"days": "mon-sun", "from": "00:00", "to": "24:00"}],
            "compliance": {"override": {"by": "tests", "because": "nobody on the list exists"}},
            "dispositions": [
                {"code": "done", "label": "Done"},
                {"code": "stop", "label": "Do not call", "next": "do_not_call"},
            ],
            **more,
        }
        site = {
            "database": "sqlite:///overdial.db",
            "pbxes": [
                {
                    "name": "main",
                    "port": self.pbx.port,
                    "cmd_secret": "c",
                    "evt_secret": "e",
                    **({"recordings": str(self.recordings)} if self.recordings else {}),
                    "trunks": [{"name": "carrier", "channels_max": 50, "originates_per_s": 20.0}],
                }
            ],
            "campaigns": ["campaign.yaml"],
            "agents": [
                {
                    "name": name,
                    "phone": f"phone-{name}",
                    "password_hash": _HASH,
                    "campaigns": [CAMPAIGN],
                }
                for name in self.agents
            ],
        }
        (self.folder / "campaign.yaml").write_text(yaml.safe_dump(campaign))
        (self.folder / "dialer.yaml").write_text(yaml.safe_dump(site))

    async def load(self, numbers: Sequence[str]) -> None:
        site, campaigns, _ = load_site(self.folder / "dialer.yaml")
        store = await Store.open(site.database, durable=False)
        try:
            await store.add_campaign(campaigns[0])
            list_id = await store.begin_import(CAMPAIGN, "list", "list.csv")
            rows = [
                StagedLead(
                    line=n + 2,
                    phones=(StagedPhone(number, "phone"),),
                    name=f"Customer {n}",
                    external_id=f"A{n}",
                    zones="Europe/Berlin",
                    fields=dict(self.fields),
                )
                for n, number in enumerate(numbers)
            ]
            await store.stage(CAMPAIGN, list_id, rows)
            await store.finish_import(CAMPAIGN, list_id, 0)
        finally:
            await store.close()

    async def start(self) -> Server:
        site, campaigns, crm = load_site(self.folder / "dialer.yaml")
        self.server = Server(site, campaigns, crm, Launch(durable=False, bind_web=False))
        await self.server.start()
        return self.server

    async def everybody_ready(self) -> None:
        face = self.server.reception
        for name in self.agents:
            await face.sit_down(name)
            await face.choose_status(name, ev.Status.READY, "")

    async def act(self, action: CampaignAction) -> None:
        await self.server.reception.act_on_campaign(CAMPAIGN, action, "test")

    def states(self) -> dict[str, AgentState]:
        return {a.name: a.state for a in self.server.engine.floor.agents.values()}

    async def until(self, what: str, done: Callable[[], bool], limit_s: float = 120.0) -> None:
        until = self.server.clock.now() + limit_s
        while not done():
            assert self.server.clock.now() < until, f"never came: {what}; {self.states()}"
            await asyncio.sleep(0.1)  # of virtual time

    async def log_everybody_out(self) -> None:
        """The end of the shift. Whose phone was lost leaves as well."""
        for name in list(self.server.engine.floor.agents):
            self.server.engine.post(ev.StatusChosen(name, ev.Status.LOGGED_OUT))
        await self.until("everybody left", lambda: not self.server.engine.floor.agents, 300.0)

    # --- the database, read beside the server ---

    def rows(self, statement: str) -> list[dict[str, Any]]:
        base = sqlite3.connect(self.folder / "overdial.db", timeout=10)
        base.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in base.execute(statement)]
        finally:
            base.close()

    def outcomes(self) -> list[str]:
        return [row["outcome"] for row in self.rows("SELECT outcome FROM attempts ORDER BY id")]


@asynccontextmanager
async def stage(
    folder: Path,
    numbers: Sequence[str],
    *,
    agents: Sequence[str] = ("anna", "ben"),
    amd: bool = False,
    exact: Mapping[str, CalledParty] | None = None,
    start: bool = True,
    more: Mapping[str, Any] | None = None,
    fields: Mapping[str, str] | None = None,
    recordings: Path | None = None,
) -> AsyncIterator[Stage]:
    """A site with a list of `numbers` (what each does: `simulator.pbx.party.BEHAVIOURS`). `more`
    goes into the campaign's file, `fields` are those of every lead. `recordings`: where the
    PBX puts them, and the server looks for them."""
    users = contract_users("c", "e")
    pbx = AmiServer(Scripted(exact), users, harbour_s=3.0, recordings=recordings)
    await pbx.start()
    it = Stage(folder, pbx, agents, amd, more or {}, fields or {}, recordings)
    try:
        await it.load(numbers)
        if start:
            await it.start()
        yield it
    finally:
        if hasattr(it, "server"):
            await it.server.close()
        await pbx.stop()
