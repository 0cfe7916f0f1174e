"""Evidence over HTTP: for whom it is meant, on record before anybody has a byte of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from dialer.evidence.archive import verify
from dialer.server.evidence import EvidenceDesk
from dialer.server.people import Kind
from dialer.server.reports import StoreReports
from dialer.tasks import Tasks
from dialer.web.app import build_app
from dialer.web.auth import COOKIE
from dialer.web.settings import WebSettings
from tests.evidence.test_evidence import called
from tests.store.world import World
from tests.web.conftest import SUPERVISOR
from tests.web.fake_face import FakeFace
from tests.web.fake_people import PASSWORD, people

ADDRESS = "/v1/campaigns/spring/evidence"


class Record:
    """An audit log."""

    def __init__(self) -> None:
        self.entries: list[tuple[str, str, str, Mapping[str, Any]]] = []

    async def audit(
        self, who: str, action: str, thing: str = "", detail: Mapping[str, Any] | None = None
    ) -> None:
        self.entries.append((who, action, thing, detail or {}))


def failed(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


async def test_a_manager_takes_the_evidence_and_it_is_on_record(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dialer.db'}"
    world = await World.open(url)
    world.start()
    await called(world)
    record, tasks = Record(), Tasks(failed)
    desk = EvidenceDesk(url, "UTC", frozenset({"spring"}), record)
    accounts, _ = await people({"ada": "pw"})
    app = build_app(
        FakeFace(),
        WebSettings("127.0.0.1", 0, supervisors={"sue": SUPERVISOR}),
        tasks,
        reports=StoreReports(world.store, desk),
        people=accounts,
    )
    client = TestClient(TestServer(app))
    await client.start_server()
    try:
        token = await accounts.sign_in("mia", PASSWORD, "", "", Kind.BROWSER)
        manager = {"Cookie": f"{COOKIE}={token}"}
        async with client.get(ADDRESS, headers={"Authorization": f"Bearer {SUPERVISOR}"}) as answer:
            assert answer.status == 403
        assert record.entries == []
        async with client.get(ADDRESS, headers=manager) as answer:
            assert answer.status == 200, await answer.text()
            assert answer.content_type == "application/zip"
            digest = answer.headers["Overdial-Manifest-SHA256"]
            (tmp_path / "e.zip").write_bytes(await answer.read())
        assert verify(tmp_path / "e.zip") == ([], digest)
        ((who, action, thing, detail),) = record.entries
        assert (who, action, thing) == ("mia", "evidence.exported", "spring")
        assert detail["manifest"] == digest
        async with client.get(ADDRESS.replace("spring", "winter"), headers=manager) as answer:
            assert answer.status == 404
        async with desk._one, client.get(ADDRESS, headers=manager) as answer:
            assert answer.status == 409
        async with client.get(ADDRESS, headers=manager, params={"since": "soon"}) as answer:
            assert answer.status == 400
        assert len(record.entries) == 1
    finally:
        await client.close()
        await tasks.close()
        await world.store.close()
