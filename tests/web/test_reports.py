"""Key figures over HTTP: who may ask, what is refused, and a file for spreadsheets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from dialer.kpi.formulas import BEST_TIMES, Counts, KpiGroup, kpis
from dialer.server.face import Refused
from dialer.server.reports import BestTimes, EvidenceFile, GroupBy, HeatCell, KpiReport
from dialer.tasks import Tasks
from dialer.web.app import build_app
from dialer.web.settings import WebSettings
from tests.web.conftest import SUPERVISOR, VIEWER
from tests.web.fake_face import FakeFace

KPIS = "/v1/campaigns/spring/kpis"


class Scripted:
    """Reports of one campaign; keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[GroupBy, datetime | None, datetime | None]] = []

    async def kpis(
        self, campaign: str, by: GroupBy, since: datetime | None, until: datetime | None
    ) -> KpiReport:
        if campaign != "spring":
            raise Refused("There is no such campaign.", 404)
        self.asked.append((by, since, until))
        counts = Counts(attempts=10, live=4, right_party=2)
        return KpiReport(campaign, by, since, until, (KpiGroup("early", kpis(counts)),))

    async def best_times(
        self, campaign: str, since: datetime | None, until: datetime | None
    ) -> BestTimes:
        return BestTimes(campaign, BEST_TIMES, (HeatCell(0, 9, 10, 4, 2, 0.4, 0.2),))

    @asynccontextmanager
    async def archive(
        self, campaign: str, since: datetime | None, until: datetime | None, who: str
    ) -> AsyncIterator[EvidenceFile]:
        raise Refused("Another archive is being written.", 409)
        yield


def failed(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


async def client_of(
    reports: Scripted | None,
) -> tuple[TestClient[web.Request, web.Application], Tasks]:
    settings = WebSettings(
        "127.0.0.1", 0, supervisors={"sue": SUPERVISOR}, viewers={"wall": VIEWER}
    )
    tasks = Tasks(failed)
    client = TestClient(TestServer(build_app(FakeFace(), settings, tasks, reports=reports)))
    await client.start_server()
    return client, tasks


async def test_the_figures_and_what_is_refused() -> None:
    scripted = Scripted()
    client, tasks = await client_of(scripted)
    who = {"Authorization": f"Bearer {VIEWER}"}
    try:
        async with client.get(KPIS) as answer:
            assert answer.status == 401
        since = "2026-11-20T00:00:00+00:00"
        asked = {"by": "segment", "since": since}
        async with client.get(KPIS, headers=who, params=asked) as answer:
            assert answer.status == 200
            body = await answer.json()
        assert body["by"] == "segment"
        (group,) = body["groups"]
        contact = next(one for one in group["kpis"] if one["id"] == "contact_rate")
        assert contact["value"] == 0.4
        assert "live answers / " in contact["formula"]
        assert scripted.asked == [(GroupBy.SEGMENT, datetime.fromisoformat(since), None)]
        for wrong in (
            {"by": "moon"},
            {"since": "yesterday"},
            {"since": "2026-11-20T00:00:00"},
            {"since": since, "until": since},
        ):
            async with client.get(KPIS, headers=who, params=wrong) as answer:
                assert answer.status == 400, wrong
                assert (await answer.json())["mend"]
        async with client.get("/v1/campaigns/winter/kpis", headers=who) as answer:
            assert answer.status == 404
        async with client.get("/v1/campaigns/spring/best-times", headers=who) as answer:
            assert (await answer.json())["cells"][0]["hour"] == 9
    finally:
        await client.close()
        await tasks.close()


async def test_as_a_file() -> None:
    client, tasks = await client_of(Scripted())
    try:
        async with client.get(
            f"{KPIS}.csv", headers={"Authorization": f"Bearer {VIEWER}"}, params={"by": "arm"}
        ) as answer:
            assert answer.status == 200
            assert answer.content_type == "text/csv"
            assert "spring-kpis-by-arm.csv" in answer.headers["Content-Disposition"]
            lines = (await answer.text()).splitlines()
        assert lines[0].startswith("campaign,by,group,kpi,")
        assert len(lines) == 1 + 8
    finally:
        await client.close()
        await tasks.close()


async def test_a_server_without_reports_says_so() -> None:
    client, tasks = await client_of(None)
    try:
        async with client.get(KPIS, headers={"Authorization": f"Bearer {VIEWER}"}) as answer:
            assert answer.status == 503
    finally:
        await client.close()
        await tasks.close()
