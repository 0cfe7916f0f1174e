"""A dialer with its API on a loopback port, over the simulated PBX, and a CRM that talks to it."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

from dialer.server.app import Launch, Server
from dialer.server.intake import Scope
from dialer.server.load import load_site
from simulator.pbx import AmiServer, contract_users
from simulator.pbx.party import Scripted
from tests.server.stage import Stage

TOKEN = "the-crm-token-000001"
READER = "the-reader-token-0001"


class Crm:
    """A CRM's program. Answers are (status, body)."""

    def __init__(self, http: aiohttp.ClientSession, stage: Stage) -> None:
        self.http = http
        self.stage = stage

    @property
    def server(self) -> Server:
        return self.stage.server

    async def send(
        self, method: str, path: str, body: Any = None, token: str = TOKEN, **headers: str
    ) -> tuple[int, Any]:
        sent = {"Authorization": f"Bearer {token}"} | {
            name.replace("_", "-"): value for name, value in headers.items()
        }
        data = None
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(method, path, data=data, headers=sent) as answer:
            return answer.status, await answer.json(content_type=None)

    async def post(self, path: str, body: Any, **headers: str) -> tuple[int, Any]:
        return await self.send("POST", path, body, **headers)

    def lead(self, external_id: str) -> dict[str, Any]:
        (row,) = self.stage.rows(f"SELECT * FROM leads WHERE external_id = '{external_id}'")
        return row

    def numbers(self, external_id: str) -> list[str]:
        rows = self.stage.rows(
            "SELECT phone FROM phones JOIN leads ON leads.id = lead_id"
            f" WHERE external_id = '{external_id}' AND NOT bad ORDER BY phones.position"
        )
        return [row["phone"] for row in rows]


def row(external_id: str, **more: Any) -> dict[str, Any]:
    phone = "+493020" + format(abs(hash(external_id)) % 100_000, "05d")
    return {"campaign": "spring", "external_id": external_id, "phones": [phone]} | more


@pytest.fixture
async def crm(tmp_path: Path) -> AsyncIterator[Crm]:
    """Four leads A0 to A3 stand in the list; nobody is logged in, so nothing is dialled."""
    pbx = AmiServer(Scripted(None), contract_users("c", "e"), harbour_s=3.0)
    await pbx.start()
    it = Stage(tmp_path, pbx, ("anna", "ben"), amd=False)
    settings = yaml.safe_load((tmp_path / "dialer.yaml").read_text())
    settings["web"] = {
        "port": 0,
        "tokens": {
            "crm": {"token": TOKEN, "scopes": [one.value for one in Scope]},
            "reader": {"token": READER, "scopes": ["events"]},
        },
    }
    (tmp_path / "dialer.yaml").write_text(yaml.safe_dump(settings))
    try:
        await it.load([f"+4930{n:05d}204" for n in range(4)])
        site, campaigns, crm = load_site(tmp_path / "dialer.yaml")
        it.server = Server(site, campaigns, crm, Launch(durable=False))
        await it.server.start()
        async with aiohttp.ClientSession(it.server.url) as http:
            yield Crm(http, it)
    finally:
        if hasattr(it, "server"):
            await it.server.close()
        await pbx.stop()
