"""Canonical events: what the bridge tells the outside, whatever the CRM.

A type keeps its meaning for ever; one that must change gets a new name. Each type has a JSON
Schema of its `data` in `schemas/<type>.json`. The functions below make the parts that many types
share and the events themselves, so that a producer cannot misspell a field.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

Data = Mapping[str, Any]


class Kind(StrEnum):
    """How an event travels."""

    REALTIME = "realtime"  # worth nothing when late: sent at once or dropped and counted
    DURABLE = "durable"  # never lost: by the outbox, at least once


class Type(StrEnum):
    CALL_STARTED = "call.started"
    CALL_RINGING = "call.ringing"
    CALL_ANSWERED = "call.answered"
    CALL_CONNECTED = "call.connected"
    CALL_TRANSFERRED = "call.transferred"
    CALL_HELD = "call.held"
    CALL_UNHELD = "call.unheld"
    CALL_MONITORED = "call.monitored"
    CALL_ABANDONED = "call.abandoned"
    CALL_COMPLETED = "call.completed"
    RECORDING_READY = "recording.ready"
    SCREEN_POP = "agent.screen_pop"
    AGENT_STATE_CHANGED = "agent.state_changed"
    DISPOSITION_SET = "disposition.set"
    CALLBACK_SCHEDULED = "callback.scheduled"
    CALLBACK_DUE = "callback.due"
    CALLBACK_MISSED = "callback.missed"
    DNC_ADDED = "dnc.added"
    CAMPAIGN_STARTED = "campaign.started"
    CAMPAIGN_STOPPED = "campaign.stopped"
    CAMPAIGN_COMPLIANCE_ALARM = "campaign.compliance_alarm"
    LIST_IMPORT_FINISHED = "list.import_finished"
    LEAD_EXHAUSTED = "lead.exhausted"
    LEAD_SUPPRESSED = "lead.suppressed"
    STRATEGY_STEP = "strategy.step"
    PROMISE_CREATED = "promise.created"
    PROMISE_KEPT = "promise.kept"
    PROMISE_BROKEN = "promise.broken"
    DISPUTE_OPENED = "dispute.opened"
    BRIDGE_TEST = "bridge.test"

    @property
    def kind(self) -> Kind:
        return Kind.REALTIME if self in _REALTIME else Kind.DURABLE


_REALTIME = frozenset({Type.CALL_RINGING, Type.SCREEN_POP, Type.AGENT_STATE_CHANGED})


_TYPE = re.compile(r"[a-z][a-z0-9_]*(\.[a-z0-9_]+){1,7}")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened.

    `id` is the webhook-id: the same over all attempts, and free of dots, which separate the parts
    of the signed text. `time` is aware. Events of one `key` are delivered in order.
    """

    id: str
    type: str
    time: datetime
    key: str
    data: Data

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise ValueError("an event's time needs a time zone")
        if not self.id or not self.id.isascii() or "." in self.id or len(self.id) > 64:
            raise ValueError("an event's id is ASCII, without dots, of 1 to 64 characters")
        if not _TYPE.fullmatch(self.type):
            raise ValueError("an event's type is lower-case words joined by dots")
        if len(self.key) > 128:
            raise ValueError("a partition key has at most 128 characters")


def event_id(*parts: object) -> str:
    """An id that is the same whenever the same fact is told: a digest of what identifies it."""
    text = "\0".join(str(part) for part in parts)
    return "msg_" + hashlib.blake2b(text.encode(), digest_size=16).hexdigest()


# --- parts --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeadPart:
    """The account as the list brought it. `phone` is the number called, E.164."""

    id: int
    phone: str
    external_id: str = ""
    name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)

    def data(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "external_id": self.external_id,
            "name": self.name,
            "phone": self.phone,
            "fields": dict(self.fields),
        }


@dataclass(frozen=True, slots=True)
class CallPart:
    """What every call event says of the call. `call_id` is the attempt's id."""

    call_id: str
    campaign: str
    lead: LeadPart
    attempt_no: int = 1
    agent: str = ""

    def data(self) -> dict[str, Any]:
        return {
            "call_id": self.call_id,
            "campaign": self.campaign,
            "lead": self.lead.data(),
            "attempt_no": self.attempt_no,
            "agent": self.agent or None,
        }


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def utc_text(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds and Z."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")[:-6] + "Z"


# --- events -------------------------------------------------------------------------------------


def call_started(call: CallPart, at: datetime) -> Event:
    """The attempt was recorded and is being dialled."""
    return _call(Type.CALL_STARTED, call, at)


def call_ringing(call: CallPart, at: datetime) -> Event:
    """The far end rings; told of calls that are made for one agent, who waits for it."""
    return _call(Type.CALL_RINGING, call, at)


def call_answered(call: CallPart, at: datetime) -> Event:
    """Somebody or something answered."""
    return _call(Type.CALL_ANSWERED, call, at)


def call_connected(call: CallPart, at: datetime, *, waited_s: float | None = None) -> Event:
    """The customer and the agent hear each other."""
    return _call(Type.CALL_CONNECTED, call, at, waited_s=_seconds(waited_s))


def call_transferred(
    call: CallPart, at: datetime, *, to_agent: str = "", to_outside: str = ""
) -> Event:
    """The customer is with the next; `call.agent` is who handed him on."""
    return _call(
        Type.CALL_TRANSFERRED,
        call,
        at,
        to_agent=to_agent or None,
        to_outside=to_outside or None,
        about=(at.timestamp(), to_agent, to_outside),
    )


def call_held(call: CallPart, at: datetime, *, on: bool) -> Event:
    """The customer hears music (`on`), or is with an agent again."""
    type_ = Type.CALL_HELD if on else Type.CALL_UNHELD
    return _call(type_, call, at, about=(at.timestamp(),))


def recording_ready(
    call: CallPart,
    at: datetime,
    *,
    pbx: str,
    file: str,
    began_at: datetime,
    duration_s: float,
    paused: Sequence[tuple[float, float]] = (),
) -> Event:
    """`file` is there and closed; `paused`: from and to in seconds from its beginning."""
    spans = [{"from_s": _seconds(since), "to_s": _seconds(until)} for since, until in paused]
    return _call(
        Type.RECORDING_READY,
        call,
        at,
        pbx=pbx,
        file=file,
        began_at=utc_text(began_at),
        duration_s=_seconds(duration_s),
        paused=spans,
        about=(file,),
    )


def call_monitored(call: CallPart, at: datetime, *, supervisor: str, mode: str) -> Event:
    """`mode`: listen, whisper, barge; empty: not any more."""
    return _call(
        Type.CALL_MONITORED,
        call,
        at,
        supervisor=supervisor,
        mode=mode or None,
        about=(at.timestamp(), supervisor, mode),
    )


def call_abandoned(call: CallPart, at: datetime, *, waited_s: float | None = None) -> Event:
    """A live person was not given an agent in time and heard the message."""
    return _call(Type.CALL_ABANDONED, call, at, waited_s=_seconds(waited_s))


def call_completed(
    call: CallPart,
    at: datetime,
    *,
    outcome: str,
    answered: bool,
    live: bool,
    started_at: datetime | None = None,
    ringing_at: datetime | None = None,
    answered_at: datetime | None = None,
    connected_at: datetime | None = None,
    ring_s: float | None = None,
    wait_s: float | None = None,
    talk_s: float | None = None,
    hung_up_by: str = "",
    cause: int | None = None,
    sip_status: int | None = None,
    amd: str = "",
) -> Event:
    """The attempt is over; said exactly once for every attempt that was dialled."""
    return _call(
        Type.CALL_COMPLETED,
        call,
        at,
        outcome=outcome,
        answered=answered,
        live=live,
        timings={
            "started_at": _iso(started_at),
            "ringing_at": _iso(ringing_at),
            "answered_at": _iso(answered_at),
            "connected_at": _iso(connected_at),
            "ended_at": utc_text(at),
            "ring_s": _seconds(ring_s),
            "wait_s": _seconds(wait_s),
            "talk_s": _seconds(talk_s),
        },
        hung_up_by=hung_up_by or None,
        cause=cause,
        sip_status=sip_status,
        amd=amd or None,
    )


def screen_pop(call: CallPart, at: datetime) -> Event:
    """Show this lead to this agent now."""
    return _call(Type.SCREEN_POP, call, at)


def agent_state_changed(
    agent: str, at: datetime, *, state: str, status: str, reason: str = "", call_id: str = ""
) -> Event:
    return Event(
        event_id(Type.AGENT_STATE_CHANGED, agent, at.timestamp(), state, status),
        Type.AGENT_STATE_CHANGED,
        at,
        f"agent:{agent}",
        {
            "agent": agent,
            "state": state,
            "status": status,
            "reason": reason or None,
            "call_id": call_id or None,
        },
    )


def disposition_set(
    call: CallPart, at: datetime, *, code: str, note: str = "", callback_at: str = ""
) -> Event:
    """The agent's word on a call. Said again when the agent corrects it."""
    return _call(
        Type.DISPOSITION_SET,
        call,
        at,
        code=code,
        note=note or None,
        callback_at=callback_at or None,
        about=(at.timestamp(), code),
    )


def callback_scheduled(
    call: CallPart, at: datetime, *, callback_at: str, only_agent: str = ""
) -> Event:
    """`callback_at` is ISO 8601 with a zone; `only_agent` when nobody else may take it."""
    return _call(
        Type.CALLBACK_SCHEDULED,
        call,
        at,
        callback_at=callback_at,
        only_agent=only_agent or None,
        about=(at.timestamp(), callback_at),
    )


def callback_now(
    type_: Type,
    campaign: str,
    lead_id: int,
    external_id: str,
    at: datetime,
    *,
    call_id: str,
    callback_at: datetime,
    only_agent: str,
) -> Event:
    """`type_` is CALLBACK_DUE or CALLBACK_MISSED; `call_id` is the call in which it was agreed."""
    return Event(
        event_id(type_, call_id, callback_at.timestamp()),
        type_,
        at,
        f"lead:{lead_id}",
        {
            "campaign": campaign,
            "lead_id": lead_id,
            "external_id": external_id,
            "call_id": call_id,
            "callback_at": utc_text(callback_at),
            "only_agent": only_agent or None,
        },
    )


def promise_created(call: CallPart, at: datetime, *, amount: str, due_on: str) -> Event:
    """`amount` is a decimal in the account's currency, `due_on` an ISO 8601 day."""
    return _call(
        Type.PROMISE_CREATED,
        call,
        at,
        amount=amount,
        due_on=due_on,
        about=(at.timestamp(), amount, due_on),
    )


def promise_ended(
    type_: Type,
    campaign: str,
    lead_id: int,
    external_id: str,
    at: datetime,
    *,
    call_id: str,
    amount: str,
    due_on: str,
) -> Event:
    """`type_` is PROMISE_KEPT or PROMISE_BROKEN; `call_id` is the call in which it was given."""
    return Event(
        event_id(type_, call_id, at.timestamp()),
        type_,
        at,
        f"lead:{lead_id}",
        {
            "campaign": campaign,
            "lead_id": lead_id,
            "external_id": external_id,
            "call_id": call_id,
            "amount": amount,
            "due_on": due_on,
        },
    )


def dispute_opened(call: CallPart, at: datetime, *, reason: str, note: str = "") -> Event:
    return _call(
        Type.DISPUTE_OPENED,
        call,
        at,
        reason=reason,
        note=note or None,
        about=(at.timestamp(), reason),
    )


def dnc_added(phone: str, at: datetime, *, source: str, campaign: str = "") -> Event:
    """A number must not be called any more. `source`: who said so (agent, customer, crm, list)."""
    return Event(
        event_id(Type.DNC_ADDED, phone, at.timestamp()),
        Type.DNC_ADDED,
        at,
        f"phone:{event_id(phone)}",
        {"phone": phone, "source": source, "campaign": campaign or None},
    )


def campaign_started(campaign: str, at: datetime) -> Event:
    return _campaign(Type.CAMPAIGN_STARTED, campaign, at)


def campaign_stopped(campaign: str, at: datetime, *, why: str = "") -> Event:
    return _campaign(Type.CAMPAIGN_STOPPED, campaign, at, why=why or None)


def campaign_compliance_alarm(
    campaign: str,
    at: datetime,
    *,
    rule: str,
    why: str,
    limit: float | None = None,
    rate: float | None = None,
    live: int | None = None,
    abandoned: int | None = None,
) -> Event:
    """The campaign is where the law does not want it; `rule` is a window, or the list it lacks."""
    return Event(
        event_id(Type.CAMPAIGN_COMPLIANCE_ALARM, campaign, rule, at.astimezone(UTC).date()),
        Type.CAMPAIGN_COMPLIANCE_ALARM,
        at,
        f"campaign:{campaign}",
        {
            "campaign": campaign,
            "rule": rule,
            "why": why,
            "limit": limit,
            "rate": None if rate is None else round(rate, 5),
            "live": live,
            "abandoned": abandoned,
        },
    )


def list_import_finished(
    batch: str, at: datetime, *, campaign: str, accepted: int, rejected: int
) -> Event:
    return Event(
        event_id(Type.LIST_IMPORT_FINISHED, batch),
        Type.LIST_IMPORT_FINISHED,
        at,
        f"list:{batch}",
        {"batch": batch, "campaign": campaign, "accepted": accepted, "rejected": rejected},
    )


def lead_exhausted(campaign: str, lead: LeadPart, at: datetime, *, attempts: int) -> Event:
    """The strategy has no further attempt for this lead."""
    return Event(
        event_id(Type.LEAD_EXHAUSTED, campaign, lead.id, at.timestamp()),
        Type.LEAD_EXHAUSTED,
        at,
        f"lead:{lead.id}",
        {"campaign": campaign, "lead": lead.data(), "attempts": attempts},
    )


def lead_suppressed(
    campaign: str, lead_id: int, external_id: str, at: datetime, *, why: str
) -> Event:
    """`why`: cease, paid, dispute or payment."""
    return Event(
        event_id(Type.LEAD_SUPPRESSED, campaign, lead_id, at.timestamp(), why),
        Type.LEAD_SUPPRESSED,
        at,
        f"lead:{lead_id}",
        {"campaign": campaign, "lead_id": lead_id, "external_id": external_id, "why": why},
    )


def strategy_step(
    campaign: str,
    lead: LeadPart,
    at: datetime,
    *,
    strategy: str,
    segment: str,
    arm: str,
    treatment: str,
    step: str,
    action: str,
    template: str = "",
) -> Event:
    """The lead's strategy asks the CRM for something: a letter, a message, a case."""
    return Event(
        event_id(Type.STRATEGY_STEP, campaign, lead.id, at.timestamp(), treatment, step, action),
        Type.STRATEGY_STEP,
        at,
        f"lead:{lead.id}",
        {
            "campaign": campaign,
            "lead": lead.data(),
            "strategy": strategy,
            "segment": segment or None,
            "arm": arm or None,
            "treatment": treatment or None,
            "step": step or None,
            "action": action,
            "template": template or None,
        },
    )


def bridge_test(instance: str, at: datetime) -> Event:
    """A trial of an endpoint, sent by `crm-bridge endpoints test`; about nobody."""
    return Event(
        event_id(Type.BRIDGE_TEST, instance, at.timestamp()),
        Type.BRIDGE_TEST,
        at,
        f"bridge:{instance}",
        {"instance": instance},
    )


def _seconds(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _call(
    type_: Type, call: CallPart, at: datetime, *, about: tuple[object, ...] = (), **more: Any
) -> Event:
    return Event(
        event_id(type_, call.call_id, *about),
        type_,
        at,
        f"lead:{call.lead.id}",
        {**call.data(), **more},
    )


def _campaign(type_: Type, campaign: str, at: datetime, **more: Any) -> Event:
    return Event(
        event_id(type_, campaign, at.timestamp()),
        type_,
        at,
        f"campaign:{campaign}",
        {"campaign": campaign, **more},
    )
