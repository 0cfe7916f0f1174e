"""What every write needs to know: whose writes these are, which campaigns there are, what time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection

from crm_bridge import outbox
from crm_bridge.events import Event, Type
from dialer.campaigns.strategy.place import Strategy
from dialer.store import schema
from dialer.store.policy import Lane, Policy

# What the CRM hears unless told otherwise. Not by default: call.started and call.answered, two
# rows for every attempt that few CRMs want; the completed call has both moments in it.
CRM_TYPES: frozenset[str] = frozenset(
    {
        Type.CALL_CONNECTED,
        Type.CALL_TRANSFERRED,
        Type.CALL_HELD,
        Type.CALL_UNHELD,
        Type.CALL_MONITORED,
        Type.CALL_ABANDONED,
        Type.CALL_COMPLETED,
        Type.RECORDING_READY,
        Type.DISPOSITION_SET,
        Type.CALLBACK_SCHEDULED,
        Type.CALLBACK_DUE,
        Type.CALLBACK_MISSED,
        Type.DNC_ADDED,
        Type.LIST_IMPORT_FINISHED,
        Type.LEAD_EXHAUSTED,
        Type.LEAD_SUPPRESSED,
        Type.STRATEGY_STEP,
        Type.PROMISE_CREATED,
        Type.PROMISE_KEPT,
        Type.PROMISE_BROKEN,
        Type.DISPUTE_OPENED,
        Type.CAMPAIGN_STARTED,
        Type.CAMPAIGN_STOPPED,
        Type.CAMPAIGN_COMPLIANCE_ALARM,
    }
)

_ON_THE_WAY = {Type.CALL_STARTED, Type.CALL_ANSWERED, Type.CALL_CONNECTED}

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


def to_ms(moment: datetime) -> int:
    """UTC milliseconds since the epoch of an aware moment."""
    return (moment - _EPOCH) // _MS


def from_ms(ms: int) -> datetime:
    return _EPOCH + ms * _MS


def insert_for(dialect: str) -> Callable[[sa.Table], Any]:
    """The dialect's own INSERT, which knows ON CONFLICT."""
    return postgresql.insert if dialect == "postgresql" else sqlite.insert


@dataclass(slots=True)
class KnownCampaign:
    id: int
    policy: Policy
    started: bool  # `started_ms` is set
    strategy_id: int | None = None  # the version by which new leads are placed
    # Hour of the day where the lead lives -> calls, answered by a person.
    hours: dict[int, tuple[int, int]] = field(default_factory=dict)
    rates: dict[int, float] = field(default_factory=dict)  # from `hours`: 1.0 is average


STOPPED_KEPT_S = 3600.0  # longer than any attempt waits for its slot on the trunk


@dataclass(slots=True)
class Context:
    """Shared by the store's functions. Changed only by the event loop's thread, or by the writer.

    `utc_at` turns a moment of the core's clock into UTC.
    """

    boot: str
    dialect: str
    utc_at: Callable[[float], datetime]
    crm_types: frozenset[str] = CRM_TYPES
    campaigns: dict[str, KnownCampaign] = field(default_factory=dict)
    zone_ids: dict[str, int] = field(default_factory=dict)  # names -> id
    zone_names: dict[int, str] = field(default_factory=dict)
    plans: dict[int, Strategy] = field(default_factory=dict)  # versions of strategies -> by id
    lanes: dict[int, Lane] = field(default_factory=dict)
    lane_ids: dict[Lane, int] = field(default_factory=dict)
    lists_fetched: Mapping[str, datetime] = field(default_factory=dict)  # do-not-call lists
    # Numbers stopped of late, known *before* the commit that stops them: the gate looks here in
    # the step in which an Originate leaves. Number -> when, UTC ms.
    stopped: dict[str, int] = field(default_factory=dict)

    def insert(self, table: sa.Table) -> Any:
        """The dialect's own INSERT, which knows ON CONFLICT."""
        return insert_for(self.dialect)(table)

    def stop(self, phones: Iterable[str], at_ms: int) -> None:
        """No Originate leaves for these any more, whatever was recorded before.

        Called inside the transaction that stops them, so that none leaves after its commit. One
        that is rolled back leaves a number stopped for a while, which harms nobody.
        """
        oldest = at_ms - int(STOPPED_KEPT_S * 1000)
        for phone, since in list(self.stopped.items()):
            if since >= oldest:
                break  # kept in order of time
            self.stopped.pop(phone, None)
        for phone in phones:
            self.stopped.pop(phone, None)
            self.stopped[phone] = at_ms

    def moment_ms(self, at: float | None) -> int | None:
        return None if at is None else to_ms(self.utc_at(at))

    def tell_crm(self, connection: Connection, happened: Iterable[Event]) -> None:
        """Put events into the outbox, in the transaction of what they tell."""
        outbox.append_sync(connection, [e for e in happened if e.type in self.crm_types])

    @property
    def follows_calls(self) -> bool:
        """Whether the CRM hears how far a call came, before its end."""
        return not self.crm_types.isdisjoint(_ON_THE_WAY)

    def learn_zones(self, connection: Connection, names: Sequence[str]) -> None:
        """See to it that all of `names` have an id."""
        missing = sorted(set(names) - self.zone_ids.keys())
        if missing:
            connection.execute(
                self.insert(schema.zones).on_conflict_do_nothing(),
                [{"names": name} for name in missing],
            )
            self.load_zones(connection)

    def load_zones(self, connection: Connection) -> None:
        for zone_id, names in connection.execute(
            sa.select(schema.zones.c.id, schema.zones.c.names)
        ):
            self.zone_ids[names] = zone_id
            self.zone_names[zone_id] = names
