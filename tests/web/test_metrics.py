"""/metrics is Prometheus text that a Prometheus would read."""

from __future__ import annotations

import re
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from dialer.server.histogram import Histogram
from tests.web.conftest import Desk

API_DOC = (Path(__file__).parents[2] / "docs/api.md").read_text(encoding="utf-8")


async def _scrape(desk: Desk) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    async with desk.http.get("/metrics") as answer:
        assert answer.content_type == "text/plain"
        text = await answer.text()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_what_the_server_counts_is_there(desk: Desk) -> None:
    open_now = [await desk.agent_screen(await desk.log_in()), await desk.wallboard()]
    for lag in (0.0004, 0.004, 0.004, 0.3, 9.0):
        desk.face.loop_lag.observe(lag)
    found = await _scrape(desk)
    calls = (("campaign", "spring"), ("outcome", "connected"))
    assert found["overdial_calls_total", calls] == 37
    assert found["overdial_lines", (("campaign", "spring"), ("stage", "ringing"))] == 9
    assert found["overdial_lines_given_up_total", (("campaign", "spring"),)] == 4
    assert found["overdial_agents", (("state", "break"),)] == 1
    assert found["overdial_abandon_rate", (("campaign", "spring"),)] == 0.021
    assert found["overdial_ami_events_total", (("event", "Newstate"), ("pbx", "main"))] == 900
    assert found["overdial_link_up", (("pbx", "main"),)] == 1
    assert found["overdial_door_depth", ()] == 3
    assert found["overdial_webhooks_delivered_total", ()] == 310
    assert found["overdial_screens", (("kind", "agent"),)] == 1
    assert found["overdial_screens", (("kind", "wallboard"),)] == 1
    assert not any(screen.ws.closed for screen in open_now)
    name = "overdial_event_loop_lag_seconds"
    assert found[f"{name}_count", ()] == 5
    assert found[f"{name}_bucket", (("le", "0.005"),)] == 3
    assert found[f"{name}_bucket", (("le", "+Inf"),)] == 5
    assert abs(found[f"{name}_sum", ()] - 9.3084) < 1e-9


async def test_each_endpoint_of_the_crm_is_there(desk: Desk) -> None:
    found = await _scrape(desk)
    said = {
        name.removeprefix("overdial_endpoint_"): value
        for (name, labels), value in found.items()
        if name.startswith("overdial_endpoint_") and dict(labels)["endpoint"] == "sales"
    }
    assert said == {
        "delivery_seconds_count": 120,
        "delivery_seconds_sum": 24.0,
        "failed_total": 3,
        "dead": 1,
        "backlog": 7,
        "oldest_seconds": 12.5,
        "pops_sent_total": 40,
        "pops_dropped_total": 2,
        "pop_delay_seconds": 0.004,
        "taking": 1,
    }
    assert found["overdial_endpoint_taking", (("endpoint", "old"),)] == 0


async def test_every_metric_that_the_docs_promise_is_there(desk: Desk) -> None:
    promised = re.findall(r"`(overdial_[a-z_]+)", API_DOC)
    async with desk.http.get("/metrics") as answer:
        text = await answer.text()
    assert len(promised) > 15
    for name in promised:
        assert f"# TYPE {name} " in text or f"# TYPE {name.removesuffix('_total')}_total " in text


def test_a_histogram_counts_each_observation_once() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 3.0):
        histogram.observe(value)
    view = histogram.view()
    assert view.counts == (2, 2, 1)
    assert view.total == 8.0
    assert view.quantile_bound(0.4) == 1.0
    assert view.quantile_bound(0.8) == 2.0
    assert view.quantile_bound(0.99) == float("inf")
    assert Histogram().view().quantile_bound(0.99) == 0.0
