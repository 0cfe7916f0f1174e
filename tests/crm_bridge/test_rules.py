"""The pure rules: schedule, breaker and rendering."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm_bridge import render
from crm_bridge.breaker import Breaker, Circuit
from crm_bridge.render import Format
from crm_bridge.schedule import RETRY_AFTER_S, Answer, Verdict, judge, retry_after

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
chances = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.DELIVERED), (204, Verdict.DELIVERED), (299, Verdict.DELIVERED),
        (301, Verdict.RETRY), (304, Verdict.RETRY), (400, Verdict.RETRY), (401, Verdict.RETRY),
        (404, Verdict.RETRY), (410, Verdict.GONE), (429, Verdict.RETRY), (500, Verdict.RETRY),
        (100, Verdict.RETRY), (None, Verdict.RETRY),
    ],
)  # fmt: skip
def test_every_answer_has_its_verdict(status: int | None, verdict: Verdict) -> None:
    assert judge(Answer(status, "timeout"), 1, RETRY_AFTER_S, 0.5).verdict is verdict


@given(st.lists(chances, min_size=9, max_size=9))
def test_the_schedule_is_ten_attempts_over_at_least_three_days(luck: list[float]) -> None:
    waited, attempts = 0.0, 0
    while True:
        attempts += 1
        judgement = judge(Answer(500), attempts, RETRY_AFTER_S, luck[min(attempts, 9) - 1])
        if judgement.verdict is Verdict.EXHAUSTED:
            break
        waited += judgement.wait_s
    assert attempts == 10
    assert 3 * 86400 <= waited <= 4 * 86400


@given(st.integers(1, 9), chances, st.floats(0, 1e6))
def test_retry_after_never_shortens_the_wait(attempts: int, chance: float, asked: float) -> None:
    plain = judge(Answer(503), attempts, RETRY_AFTER_S, chance)
    judgement = judge(Answer(503, "", asked), attempts, RETRY_AFTER_S, chance)
    assert judgement.wait_s >= plain.wait_s
    assert judgement.pause_s == min(asked, 86400)


def test_only_throttling_answers_pause_the_endpoint() -> None:
    assert judge(Answer(500, "", 60), 1, RETRY_AFTER_S, 0).pause_s == 0
    assert judge(Answer(429, "", 60), 1, RETRY_AFTER_S, 0).pause_s == 60


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, None), ("120", 120), (" 5 ", 5), ("0", 0), ("-5", None), ("soon", None), ("", None),
        ("1.5", None), ("Mon, 02 Mar 2026 09:02:00 GMT", 120), ("Mon, 02 Mar 2026 08:00:00 GMT", 0),
        ("Mon, 02 Mar 2026 10:02:00 +0100", 120), ("9" * 400, 999_999_999), ("٣", None),
    ],
)  # fmt: skip
def test_retry_after_headers(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


@pytest.mark.parametrize(
    ("answer", "about_it"),
    [
        (Answer(422), True), (Answer(400, accepted=False), True), (Answer(404), False),
        (Answer(404, accepted=False), True), (Answer(200, "says no", accepted=False), True),
        (Answer(None, "a field is empty", unmade=True), True), (Answer(None, "timeout"), False),
        (Answer(401), False), (Answer(403), False), (Answer(429), False), (Answer(500), False),
        (Answer(301), False),
    ],
)  # fmt: skip
def test_a_refused_message_is_told_from_a_failing_endpoint(answer: Answer, about_it: bool) -> None:
    assert answer.about_it is about_it


def test_the_circuit_opens_tries_again_and_closes() -> None:
    breaker = Breaker(failures_max=3, cooldown_s=5)
    for _ in range(3):
        assert breaker.allowed(0, 8) == 8
        breaker.failed(0)
    assert breaker.state is Circuit.OPEN
    assert breaker.allowed(4.9, 8) == 0
    assert breaker.allowed(5, 8) == 1
    assert breaker.state is Circuit.HALF_OPEN
    breaker.failed(5)
    assert breaker.allowed(14.9, 8) == 0
    assert breaker.allowed(15, 8) == 1
    breaker.succeeded()
    assert breaker.allowed(15, 8) == 8


def test_a_success_now_and_then_keeps_the_circuit_closed() -> None:
    breaker = Breaker(failures_max=3)
    for _ in range(100):
        breaker.failed(0)
        breaker.failed(0)
        breaker.succeeded()
    assert breaker.state is Circuit.CLOSED


@given(st.lists(st.tuples(st.sampled_from(["ok", "fail", "ask", "pause"]), st.floats(0, 400))))
def test_a_circuit_never_stays_shut(story: list[tuple[str, float]]) -> None:
    breaker, now = Breaker(cooldown_max_s=300), 0.0
    for what, wait in story:
        now += wait
        match what:
            case "ok":
                breaker.succeeded()
            case "fail":
                breaker.failed(now)
            case "pause":
                breaker.pause(now + wait)
            case _:
                assert 0 <= breaker.allowed(now, 8) <= 8
    assert breaker.allowed(now + 401, 8) >= 1


@pytest.mark.parametrize("format_", Format)
def test_a_body_says_what_happened_when(format_: Format) -> None:
    body = render.body(
        format_, id_="m1", type_="call.completed", at=NOW.timestamp(), key="lead:7", seq=42,
        data='{"n":"é"}', source="/overdial/x",
    )  # fmt: skip
    found = json.loads(body)
    assert found["data"] == {"n": "é"}
    if format_ is Format.STANDARD:
        assert list(found) == ["type", "timestamp", "sequence", "data"]
        assert found["timestamp"] == "2026-03-02T09:00:00.000Z"
        assert found["sequence"] == 42
    else:
        assert found["specversion"] == "1.0"
        assert (found["id"], found["source"]) == ("m1", "/overdial/x")
        assert found["type"] == "io.overdial.call.completed"
        assert found["sequence"] == f"{42:020d}"
        assert found["partitionkey"] == found["subject"] == "lead:7"
        assert datetime.fromisoformat(found["time"]) - NOW == timedelta(0)


def test_a_real_time_body_has_no_number() -> None:
    body = render.body(
        Format.STANDARD, id_="m", type_="a.b", at=0.0, key="k", seq=None, data="{}", source=""
    )
    assert list(json.loads(body)) == ["type", "timestamp", "data"]
