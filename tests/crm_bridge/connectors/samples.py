"""The life of calls as the dialer tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from crm_bridge.events import (
    CallPart,
    Event,
    LeadPart,
    call_answered,
    call_completed,
    call_connected,
    call_started,
    callback_scheduled,
    disposition_set,
    dnc_added,
    screen_pop,
)

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
# how each of a dozen calls ends; the connected ones get a disposition
OUTCOMES = (
    "connected", "busy", "connected", "no answer", "abandoned", "machine", "connected", "invalid",
    "rejected", "connected", "caller left", "congestion",
)  # fmt: skip


def call(n: int, *, external_id: str = "12345", agent: str = "") -> CallPart:
    lead = LeadPart(
        n, f"+120255501{n:02}", external_id, f"Ada Éx&ample {n}", {"city": "Bath & Wells"}
    )
    return CallPart(f"od-1-c{n}", "spring", lead, 1, agent)


def life(n: int, outcome: str, at: datetime, external_id: str = "12345") -> list[Event]:
    """Everything that is told of one call, in order."""
    dialled = call(n, external_id=external_id)
    happened = [call_started(dialled, at)]
    answered = outcome in ("connected", "abandoned", "machine", "caller left")
    if answered:
        happened.append(call_answered(dialled, at + timedelta(seconds=9)))
    if outcome == "connected":
        dialled = call(n, external_id=external_id, agent="anna")
        happened.append(call_connected(dialled, at + timedelta(seconds=10), waited_s=0.4))
    happened.append(
        call_completed(
            dialled,
            at + timedelta(seconds=95),
            outcome=outcome,
            answered=answered,
            live=answered and outcome != "machine",
            started_at=at,
            answered_at=at + timedelta(seconds=9) if answered else None,
            connected_at=at + timedelta(seconds=10) if outcome == "connected" else None,
            ring_s=7.5,
            talk_s=84.6 if outcome == "connected" else None,
        )
    )
    if outcome == "connected":
        happened.append(
            disposition_set(
                dialled, at + timedelta(seconds=120), code="SALE", note="Wants blue & grün"
            )
        )
    return happened


def each() -> dict[str, Event]:
    """One event of each kind a connector may take, by the name of its golden file."""
    talked = call(7, agent="anna")
    happened = {
        "call.started": life(7, "connected", AT)[0],
        "call.connected": life(7, "connected", AT)[2],
        "call.completed": life(7, "connected", AT)[3],
        "call.completed-busy": life(7, "busy", AT)[-1],
        "call.completed-abandoned": life(7, "abandoned", AT)[-1],
        "call.completed-foreign": life(7, "connected", AT, "ACC-00001")[3],  # no id of the CRM's
        "disposition.set": life(7, "connected", AT)[-1],
        "agent.screen_pop": screen_pop(talked, AT),
        "callback.scheduled": callback_scheduled(
            talked, AT, callback_at="2026-03-04T15:30:00+01:00", only_agent="anna"
        ),
        "dnc.added": dnc_added("+12025550107", AT, source="customer"),
    }
    return happened
