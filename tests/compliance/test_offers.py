"""The windows of abandoned calls are an offer's: no clone, deletion, restart or other node begins
one anew or counts apart from the others."""

from __future__ import annotations

import asyncio
import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dialer.campaigns.compliance.abandoned import limit_left, rate_with_error, upper_share
from dialer.campaigns.compliance.decide import not_dialling
from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock
from dialer.pacing.windows import Account, Span
from dialer.server.offers import Offers, windows_for
from dialer.server.pacing import civil_seconds
from dialer.store import Store
from tests.compliance.people import at, campaign
from tests.store.world import empty_sqlite

ZONE = ZoneInfo("America/New_York")
BEGAN = datetime(2026, 3, 1, 15, tzinfo=UTC)


class SetClock(Clock):
    moment = BEGAN

    def utc(self) -> datetime:
        return self.moment


def file(name: str, **more: Any) -> CampaignFile:
    given = {
        "name": name,
        "purpose": "sales",
        "trunk": "t",
        "caller_id": "+12125550199",
        "default_region": "US",
        **more,
    }
    return CampaignFile.model_validate(given)


@dataclass
class Node:
    """A process with some of the campaigns; what it knows of their accounts is in memory only."""

    store: Store
    offers: Offers
    accounts: dict[str, Account] = field(default_factory=dict)

    @classmethod
    async def open(cls, url: str, boot: str, clock: SetClock) -> Node:
        store = await Store.open(url, boot=boot, clock=clock, durable=False)
        accounts: dict[str, Account] = {}
        pacing = SimpleNamespace(governor=lambda name: SimpleNamespace(account=accounts[name]))
        return cls(store, Offers(store, cast("Any", pacing), clock, ZONE), accounts)

    async def load(self, one: CampaignFile) -> None:
        await self.store.add_campaign(one)
        self.accounts[one.name] = await self.offers.open(one)

    async def call(self, name: str, at: datetime, abandoned: int) -> None:
        """A live call: as the governor counts it, and as the attempt's end commits it."""
        account = self.accounts[name]
        account.add(civil_seconds(at, ZONE), 1, abandoned)
        minute = int(at.timestamp()) // 60
        mine = self.store.context.campaigns[name].id

        def commit(connection: Any) -> None:
            connection.exec_driver_sql(
                "UPDATE campaigns SET started_ms = coalesce(started_ms, ?) WHERE id = ?",
                (int(at.timestamp() * 1000), mine),
            )
            connection.exec_driver_sql(
                "INSERT INTO abandon_account (campaign_id, minute, live, abandoned)"
                " VALUES (?, ?, 1, ?) ON CONFLICT (campaign_id, minute) DO UPDATE SET"
                " live = live + 1, abandoned = abandoned + excluded.abandoned",
                (mine, minute, abandoned),
            )

        await self.store.database.write(commit)


# What may happen: a call (abandoned or not), a copy under a new name, a campaign taken out, a
# restart of a node, the number shown changed, time passing.
steps = st.lists(
    st.one_of(
        st.tuples(st.just("call"), st.integers(0, 9), st.integers(0, 1)),
        st.tuples(st.just("clone"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("delete"), st.integers(0, 9), st.just(0)),
        st.tuples(st.just("restart"), st.integers(0, 1), st.just(0)),
        st.tuples(st.just("renumber"), st.integers(0, 9), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([1, 50, 1500, 20_000]), st.just(0)),
    ),
    min_size=5,
    max_size=25,
)


@settings(max_examples=15, deadline=None)
@given(steps)
@example([("clone", 1, 0), ("renumber", 0, 1), ("call", 0, 1), ("call", 1, 0)])
@example([("call", 0, 1), ("clone", 1, 0), ("delete", 0, 0), ("restart", 1, 0), ("call", 0, 0)])
@example([("call", 0, 1), ("pass", 20_000, 0), ("call", 0, 1), ("pass", 20_000, 0)] * 3)
def test_no_order_of_copies_deletions_and_restarts_resets_or_splits_a_window(
    told: list[tuple[str, int, int]],
) -> None:
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(_play(empty_sqlite(Path(directory)), told))


async def _play(url: str, told: list[tuple[str, int, int]]) -> None:
    clock = SetClock()
    clock.moment = BEGAN
    nodes = [await Node.open(url, f"n{n}", clock) for n in range(2)]
    where: list[tuple[str, int]] = []  # campaign, node
    files: dict[str, CampaignFile] = {}
    calls: list[tuple[datetime, int]] = []
    made = 0

    async def clone(node: int) -> None:
        nonlocal made
        made += 1
        name = f"c{made}"
        # A copy of the last there is, with whatever number it shows by now.
        number = files[where[-1][0]].caller_id if where else "+12125550199"
        files[name] = file(name, caller_id=number)
        await nodes[node].load(files[name])
        where.append((name, node))

    try:
        await clone(0)
        await nodes[0].call("c1", clock.moment, 0)
        calls.append((clock.moment, 0))
        called = {"c1"}
        for what, n, more in told:
            match what:
                case "call":
                    name, node = where[n % len(where)]
                    await nodes[node].call(name, clock.moment, more)
                    called.add(name)
                    calls.append((clock.moment, more))
                case "clone":
                    await clone(n)
                case "delete" if len(where) > 1:
                    name, node = where.pop(n % len(where))
                    del nodes[node].accounts[name]
                    nodes[node].offers.forget(name)
                case "restart":
                    await nodes[n].store.close()
                    nodes[n] = await Node.open(url, f"r{made}", clock)
                    for name, node in where:
                        if node == n:
                            await nodes[n].load(files[name])
                case "renumber":  # of one that has called: it takes its account along
                    name, node = where[n % len(where)]
                    if name in called:
                        files[name] = file(name, caller_id=f"+1212555010{more}")
                        await nodes[node].load(files[name])
                case "pass":
                    clock.moment += timedelta(minutes=n)
            await _same_account(nodes, where, clock, calls)
    finally:
        for one in nodes:
            await one.store.close()


async def _same_account(
    nodes: list[Node],
    where: list[tuple[str, int]],
    clock: SetClock,
    calls: list[tuple[datetime, int]],
) -> None:
    civil = civil_seconds(clock.moment, ZONE)
    for node in nodes:
        await node.offers.follow()
    for name, n in where:
        account = nodes[n].accounts[name]
        if not await _is_of_the_offer(nodes[n], name):
            continue
        account.advance(civil)
        for standing in account.standings():
            window = standing.window
            assert window.anchor in (0.0, civil_seconds(BEGAN, ZONE)), name
            here = [
                lost
                for moment, lost in calls
                if window.period(civil_seconds(moment, ZONE)) == window.period(civil)
            ]
            assert (standing.live, standing.abandoned) == (len(here), sum(here)), (name, window)


async def _is_of_the_offer(node: Node, name: str) -> bool:
    """Before its first call a campaign may still become another offer's."""
    return await node.store.started_at(name) is not None


async def test_a_sibling_on_another_node_counts_while_both_run(url: str) -> None:
    clock = SetClock()
    one, two = await Node.open(url, "n1", clock), await Node.open(url, "n2", clock)
    try:
        await one.load(file("first"))
        await two.load(file("second"))
        apart = file("apart", compliance={"campaign": "another-seller"})
        await two.load(apart)
        sql = "INSERT INTO abandon_account (campaign_id, minute, live, abandoned) VALUES (%s)"
        values = f"{one.store.context.campaigns['first'].id}, {int(BEGAN.timestamp()) // 60}, 9, 2"
        await one.store.database.write(lambda c: c.exec_driver_sql(sql % values))
        await two.offers.follow()
        await two.offers.follow()  # and each call once
        assert {(s.live, s.abandoned) for s in two.accounts["second"].standings()} == {(9, 2)}
        assert {s.live for s in two.accounts["apart"].standings()} == {0}
    finally:
        await one.store.close()
        await two.store.close()


@pytest.mark.parametrize(
    ("purpose", "region", "names"),
    [
        ("sales", "US", [("30-day block", 0.03, True)]),
        ("charity", "US", [("30-day block", 0.03, True)]),
        ("collections", "US", [("30-day block", 0.03, False)]),  # the rule is telemarketing's
        ("sales", "GB", [("any 24 hours", 0.03, True)]),
        ("collections", "GB", [("any 24 hours", 0.03, True)]),
        ("sales", "CA", [("calendar month", 0.04, True)]),
        ("collections", "CA", [("30-day block", 0.04, False)]),
    ],
)
def test_the_windows_are_those_of_purpose_and_country(
    purpose: str, region: str, names: list[tuple[str, float, bool]]
) -> None:
    own = 0.04 if region == "CA" else 0.03
    one = file("c", purpose=purpose, default_region=region, abandon_limit=own)
    windows = windows_for(one, 0.0, at("2026-11-28 15:00"))
    assert [(w.name, w.limit, w.legal) for w in windows[:-1]] == names
    assert windows[-1].span is Span.DAY
    assert not windows[-1].legal


def test_the_law_s_limit_stands_where_the_campaign_s_is_higher() -> None:
    windows = windows_for(file("c", abandon_limit=0.2), 0.0, at("2026-11-28 15:00"))
    assert windows[0].limit == 0.03
    account = Account(windows)
    account.relimit(0.01)
    assert {s.window.limit for s in account.standings()} == {0.01}
    account.relimit(0.2)
    assert account.standings()[0].window.limit == 0.03


@pytest.mark.parametrize(("error", "left"), [(0.005, 0.0251), (0.01, 0.0202), (0.02, 0.0102)])
def test_what_detection_s_error_leaves_of_three_per_cent(error: float, left: float) -> None:
    """The published arithmetic: 2.51, 2.02, 1.02 % at 0.5, 1, 2 % of error, and nothing at 3 %."""
    assert limit_left(0.03, error) == pytest.approx(left, abs=5e-5)
    assert limit_left(0.03, 0.03) == limit_left(0.03, 0.2) == limit_left(0.03, 1.0) == 0.0
    # 10,000 live calls of which detection cut `error`, and the budget used up: three per cent.
    through = 10_000 * (1 - error)
    assert rate_with_error(10_000, 0, error) == error
    assert (10_000 * error + left * through) / 10_000 == pytest.approx(0.03, abs=1e-4)


def test_an_audit_that_found_nothing_proves_less_than_one_per_cent() -> None:
    assert upper_share(0, 300) == pytest.approx(0.009, abs=2e-4)
    assert upper_share(3, 300) == pytest.approx(0.025, abs=3e-4)
    assert upper_share(0, 0) == 1.0


def test_a_british_campaign_detects_machines_only_with_an_audit() -> None:
    now = at("2026-11-28 15:00")
    bare = file("c", default_region="GB", purpose="collections", amd=True)
    assert "say amd_audit" in not_dialling(bare.gate, now)
    audited = file(
        "c",
        default_region="GB",
        purpose="collections",
        amd=True,
        amd_audit={"calls": 400, "wrong": 2},
    )
    assert not_dialling(audited.gate, now) == ""
    assert windows_for(audited, 0.0, now)[0].limit == pytest.approx(
        limit_left(0.03, upper_share(2, 400))
    )
    assert not_dialling(campaign("collections", default_region="US", unaudited=True), now) == ""
