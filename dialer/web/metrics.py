"""/metrics: the server's counts and the web's own, in Prometheus text.

Everything is read at the scrape from one snapshot; nothing is kept twice.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from dialer.server.face import EndpointView, Face
from dialer.server.histogram import HistogramView

MEDIA = "text/plain; version=0.0.4; charset=utf-8"


class FaceCollector(Collector):
    def __init__(self, face: Face, screens: Callable[[], Mapping[str, int]]) -> None:
        self._face = face
        self._screens = screens

    def describe(self) -> Iterable[Metric]:
        return ()  # asking would cost a snapshot; the names are below and in docs/api.md

    def collect(self) -> Iterable[Metric]:
        m = self._face.metrics()
        yield _counter("calls", "Ended attempts.", ("campaign", "outcome"), m.calls)
        yield _counter(
            "lines_given_up",
            "Lines hung up by the dialer as they rang, unanswered.",
            ("campaign",),
            m.lines_given_up,
        )
        yield _gauge("lines", "Lines under way.", ("campaign", "stage"), m.lines)
        yield _gauge("agents", "Agents with a session.", ("state",), m.agents)
        yield _gauge(
            "abandon_rate",
            "Abandoned / answered by a person, over the limit's window.",
            ("campaign",),
            m.abandon_rate,
        )
        yield _gauge("abandon_limit", "The rate's limit.", ("campaign",), m.abandon_limit)
        yield _gauge(
            "utilisation",
            "(Talk + wrap-up) / time staffed and not on a break.",
            ("campaign",),
            m.utilisation,
        )
        yield _counter("ami_events", "AMI events received.", ("pbx", "event"), m.ami_events)
        yield _counter("ami_actions", "AMI actions sent.", ("pbx", "action"), m.ami_actions)
        yield _gauge("link_up", "1 while both links to the PBX stand.", ("pbx",), m.link_up)
        yield _one("door_depth", "Events waiting for the core.", m.door_depth)
        yield _one("door_depth_max", "The most that may wait.", m.door_depth_max)
        yield _one("webhook_backlog", "Events not yet delivered to the CRM.", m.webhook_backlog)
        yield _one(
            "webhook_oldest_seconds", "Age of the oldest undelivered event.", m.webhook_oldest_s
        )
        yield _counter(
            "webhooks_delivered", "Events delivered to the CRM.", (), {(): m.webhooks_delivered}
        )
        yield from _endpoints(m.endpoints)
        yield _gauge("screens", "Open WebSockets.", ("kind",), self._screens())
        yield _histogram(
            "event_loop_lag_seconds", "How late the event loop runs what is due.", m.loop_lag
        )
        yield _histogram(
            "answer_to_bridge_seconds",
            "From a live person announced until in the bridge with an agent.",
            m.answer_to_bridge,
        )
        yield _histogram("store_commit_seconds", "Length of one commit.", m.store_commit)
        yield _histogram(
            "pacing_decision_seconds",
            "Length of one decision on lines, the picture of the floor included.",
            m.pacing_decision,
        )


_PER_ENDPOINT = (
    ("failed", "Attempts to deliver that failed.", CounterMetricFamily),
    ("pops_sent", "Screen pops sent.", CounterMetricFamily),
    ("pops_dropped", "Screen pops dropped: late, crowded out or refused.", CounterMetricFamily),
    ("dead", "Events given up, waiting for a person.", GaugeMetricFamily),
    ("backlog", "Events not yet delivered.", GaugeMetricFamily),
    ("oldest_s", "Age of the oldest undelivered event.", GaugeMetricFamily),
    ("pop_delay_s", "Of the last screen pop, until its request began.", GaugeMetricFamily),
    ("taking", "1 unless disabled or shut off after failures.", GaugeMetricFamily),
)


def _endpoints(endpoints: Mapping[str, EndpointView]) -> Iterable[Metric]:
    """The CRM bridge by endpoint; how many were delivered is the count of the summary."""
    took = SummaryMetricFamily(
        "overdial_endpoint_delivery_seconds",
        "From the happening to the CRM's answer.",
        labels=("endpoint",),
    )
    for name, one in endpoints.items():
        took.add_metric((name,), one.delivered, one.latency_sum_s)
    yield took
    for field, text, family in _PER_ENDPOINT:
        named = "overdial_endpoint_" + re.sub(r"_s$", "_seconds", field)
        metric = family(named, text, labels=("endpoint",))
        yield _fill(metric, {name: getattr(one, field) for name, one in endpoints.items()})


def exposition(face: Face, screens: Callable[[], Mapping[str, int]]) -> Callable[[], bytes]:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(FaceCollector(face, screens))
    return lambda: generate_latest(registry)


def _fill(metric: Any, values: Mapping[Any, float]) -> Metric:
    for key, value in values.items():
        metric.add_metric((key,) if isinstance(key, str) else key, float(value))
    filled: Metric = metric
    return filled


def _counter(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    return _fill(CounterMetricFamily(f"overdial_{name}", text, labels=labels), values)


def _gauge(name: str, text: str, labels: tuple[str, ...], values: Mapping[Any, float]) -> Metric:
    return _fill(GaugeMetricFamily(f"overdial_{name}", text, labels=labels), values)


def _one(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"overdial_{name}", text, value=value)


def _histogram(name: str, text: str, view: HistogramView) -> Metric:
    buckets: list[tuple[str, float]] = []
    seen = 0
    for bound, count in zip((*view.bounds, float("inf")), view.counts, strict=True):
        seen += count
        buckets.append(("+Inf" if bound == float("inf") else repr(float(bound)), seen))
    return HistogramMetricFamily(f"overdial_{name}", text, buckets=buckets, sum_value=view.total)
