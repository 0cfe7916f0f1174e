"""Committed lists become leads, piece by piece.

A list is *committed* once it was read to its end: one row of `list_history` says so, and from there
on every piece becomes leads in a short transaction of its own, so that a dialer at work waits for
milliseconds and not for a million rows. Whatever breaks in between, a later start goes on where it
ended (`pending`), so a list is in whole or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from crm_bridge import events as crm
from dialer.campaigns.consent import Consent
from dialer.store.bulk import insert_rows, rows_among
from dialer.store.consents import automatic, is_required, keep_consents, remembered
from dialer.store.context import Context, from_ms, to_ms
from dialer.store.imports import IDS, PHONES, STOPPED, Packed, unpack
from dialer.store.schema import (
    LeadState,
    ListState,
    ListStep,
    import_chunks,
    lead_persons,
    leads,
    list_history,
    lists,
    phones,
)
from dialer.store.sitekey import erased_among
from dialer.store.staged import StagedPhone
from dialer.store.stops import standing_of, stopped_as
from dialer.store.strategies import NewLead, placing_of
from dialer.store.upserts import LeadChange, Result, update_lead

PLAIN_LANE = 1  # of leads nobody wants to go otherwise: the first migration with lanes made it


@dataclass(slots=True)
class Settled:
    """What became of pieces of a list."""

    made: int = 0
    updated: int = 0
    late: int = 0  # came in another way meanwhile
    concerned: set[int] = field(default_factory=set)  # leads in a hopper that were changed

    def add(self, other: Settled) -> None:
        self.made += other.made
        self.updated += other.updated
        self.late += other.late
        self.concerned |= other.concerned


def tell_history(
    connection: Connection,
    list_id: int,
    step: ListStep,
    who: str,
    now: datetime,
    detail: Mapping[str, Any],
) -> None:
    connection.execute(
        sa.insert(list_history),
        {
            "list_id": list_id,
            "at_ms": to_ms(now),
            "step": step.value,
            "who": who,
            "detail": dict(detail),
        },
    )


def commit_import(
    connection: Connection,
    list_id: int,
    rejected: int,
    who: str,
    detail: Mapping[str, Any],
    now: datetime,
) -> None:
    """From here on the list becomes leads, whatever breaks."""
    done = connection.execute(
        sa.update(lists)
        .where(lists.c.id == list_id, lists.c.state == ListState.IMPORTING.value)
        .values(rejected=rejected)
    )
    if done.rowcount != 1:
        raise AssertionError("an import is finished once")
    tell_history(connection, list_id, ListStep.COMMITTED, who, now, detail)


def pending(connection: Connection) -> list[tuple[int, str]]:
    """Committed lists that are not all leads yet: (id, campaign)."""
    found = connection.execute(
        sa.text(
            "SELECT lists.id, campaigns.name FROM lists "
            "JOIN campaigns ON campaigns.id = lists.campaign_id WHERE lists.state = 'importing' "
            "AND lists.id IN (SELECT list_id FROM list_history WHERE step = 'committed') "
            "ORDER BY lists.id"
        )
    )
    return [(row[0], row[1]) for row in found]


def settle_next(
    connection: Connection, context: Context, list_id: int, now: datetime
) -> Settled | None:
    """Make the next piece of a committed list leads; None: there is no further one.

    Two processes may work on one list (who finds it broken off cannot know that it is not): the
    list's row is locked, so each piece is made leads once.
    """
    campaign_id = _locked(connection, list_id)
    first = (
        sa.select(import_chunks.c.seq, import_chunks.c.body)
        .where(import_chunks.c.list_id == list_id)
        .order_by(import_chunks.c.seq)
        .limit(1)
    )
    chunk = connection.execute(first).first()
    if chunk is None:
        return None
    rows = unpack(chunk.body)
    done = _settle(connection, context, campaign_id, list_id, rows, now)
    connection.execute(
        sa.delete(import_chunks).where(
            import_chunks.c.list_id == list_id, import_chunks.c.seq == chunk.seq
        )
    )
    connection.execute(
        sa.update(lists).where(lists.c.id == list_id).values(accepted=lists.c.accepted + done.made)
    )
    return done


def _locked(connection: Connection, list_id: int) -> int:
    """The list's campaign; nobody else works on the list until the transaction ends."""
    row = sa.select(lists.c.campaign_id).where(lists.c.id == list_id).with_for_update()
    campaign_id: int = connection.execute(row).scalar_one()
    return campaign_id


_LEAD_COLUMNS = (
    *("id", "campaign_id", "list_id", "line", "external_id", "name", "zone_id", "fields"),
    *("state", "why", "priority", "next_at_ms", "position", "attempts", "lane_id"),
)
_PHONE_COLUMNS = ("lead_id", "campaign_id", "phone", "position", "label", "bad", "automatic")


def _settle(
    connection: Connection,
    context: Context,
    campaign_id: int,
    list_id: int,
    rows: Sequence[Packed],
    now: datetime,
) -> Settled:
    done = Settled()
    now_ms = to_ms(now)
    context.learn_zones(connection, [row[3] for row in rows])
    made = [row for row in rows if not row[9]]
    numbers = [number for row in made for number, _ in row[8]]
    ids = [row[1] for row in made if row[1]]
    taken = {row[0] for row in rows_among(connection, PHONES, numbers, campaign_id)}
    taken |= {row[0] for row in rows_among(connection, STOPPED, numbers)}
    taken |= erased_among(connection, numbers)
    taken_ids = {row[0] for row in rows_among(connection, IDS, ids, campaign_id)}
    stopped = standing_of(connection, ids)
    lead_rows: list[tuple[Any, ...]] = []
    phone_rows: list[tuple[Any, ...]] = []
    person_rows: list[tuple[Any, ...]] = []
    next_id = _lead_ids(connection, len(made))
    placing = placing_of(context, campaign_id, now)
    required = is_required(context, campaign_id)
    known = remembered(connection, campaign_id, numbers, now)
    agreed: dict[str, Consent] = {}
    for line, external_id, name, zones, fields, priority, held, person, given, _, told in made:
        free = [pair for pair in given if pair[0] not in taken] if taken else given
        if not free or external_id in taken_ids:
            done.late += 1
            continue
        lead_id = next(next_id)
        state = LeadState.HELD.value if held else LeadState.WAITING.value
        next_ms, position, lane = now_ms, 0, PLAIN_LANE
        if placing is not None:
            begins = placing.begin(
                NewLead(lead_id, external_id, name, zones, json.loads(fields), free)
            )
            next_ms, position = begins.next_at_ms, begins.position
            lane = placing.lane_number(connection, context, begins.lane)
            priority = priority if begins.priority is None else begins.priority
            if not held:
                state, held = begins.state.value, begins.why
        if stopped and external_id in stopped:
            as_said = stopped_as(stopped[external_id])
            state, held = as_said["state"], as_said["why"]
        lead_rows.append(
            (
                *(lead_id, campaign_id, list_id, line, external_id or None, name),
                *(context.zone_ids[zones], fields, state, held),
                *(priority, next_ms, position, 0, lane),
            )
        )
        said = {number: Consent(*told[number]) for number, _ in free if number in told}
        agreed |= said
        phone_rows.extend(
            (
                *(lead_id, campaign_id, number, position, label, False),
                automatic(said[number], now, required=required)
                if number in said
                else known.get(number, not required),
            )
            for position, (number, label) in enumerate(free)
        )
        if person:
            person_rows.append((lead_id, campaign_id, person))
    insert_rows(connection, leads, _LEAD_COLUMNS, lead_rows)
    insert_rows(connection, phones, _PHONE_COLUMNS, phone_rows)
    insert_rows(connection, lead_persons, ("lead_id", "campaign_id", "person"), person_rows)
    keep_consents(connection, context, campaign_id, agreed, now)
    if placing is not None:
        placing.write(connection, context)
    done.made = len(lead_rows)
    for row in rows:
        if row[9]:
            _bring_up_to_date(connection, context, campaign_id, row, done, now)
    return done


def _lead_ids(connection: Connection, count: int) -> Iterator[int]:
    if connection.dialect.name == "postgresql":
        taken = sa.text(
            "SELECT nextval(pg_get_serial_sequence('leads', 'id')) FROM generate_series(1, :count)"
        )
        return iter(connection.scalars(taken, {"count": count}).all())
    last = connection.scalar(sa.select(sa.func.max(leads.c.id))) or 0  # SQLite has one writer
    return iter(range(last + 1, last + 1 + count))


def _bring_up_to_date(
    connection: Connection,
    context: Context,
    campaign_id: int,
    row: Packed,
    done: Settled,
    now: datetime,
) -> None:
    """Carry out a row that came for a lead that is there."""
    _, external_id, name, zones, fields, priority, held, _, given, _, told = row
    wanted = sa.select(leads).where(leads.c.campaign_id == campaign_id)
    if external_id:
        wanted = wanted.where(leads.c.external_id == external_id)
    else:
        numbers = [number for number, _ in given]
        theirs = sa.select(phones.c.lead_id).where(
            phones.c.campaign_id == campaign_id, phones.c.phone.in_(numbers)
        )
        wanted = wanted.where(leads.c.id.in_(theirs)).order_by(leads.c.id)
    lead = connection.execute(wanted.limit(1).with_for_update()).first()
    if lead is None:
        done.late += 1
        return
    change = LeadChange(
        campaign="",
        source="",
        external_id=external_id,
        phones=tuple(
            StagedPhone(number, "", label, Consent(*told[number]) if number in told else None)
            for number, label in given
        ),
        zones=zones,
        held_why=held,
        name=name or None,
        fields=json.loads(fields),
        merge=True,
        priority=priority or None,
    )
    outcome = update_lead(connection, context, lead, change, now, done.concerned)
    if outcome.result is Result.REJECTED:
        done.late += 1
    else:
        done.updated += 1


def close_import(
    connection: Connection,
    context: Context,
    campaign: str,
    list_id: int,
    who: str,
    done: Settled,
    now: datetime,
) -> int:
    """Say that all of a list are leads; how many they are, whoever made them so."""
    _locked(connection, list_id)
    row = connection.execute(
        sa.update(lists)
        .where(lists.c.id == list_id, lists.c.state == ListState.IMPORTING.value)
        .values(state=ListState.READY.value)
        .returning(lists.c.imported_ms, lists.c.accepted, lists.c.rejected)
    ).first()
    if row is None:  # said already by another process that found the list broken off
        accepted = sa.select(lists.c.accepted).where(lists.c.id == list_id)
        return int(connection.execute(accepted).scalar_one())
    detail = {"leads": row.accepted, "updated": done.updated, "came_meanwhile": done.late}
    tell_history(connection, list_id, ListStep.SETTLED, who, now, detail)
    context.tell_crm(
        connection,
        [
            crm.list_import_finished(
                str(list_id),
                from_ms(row.imported_ms),
                campaign=campaign,
                accepted=row.accepted,
                rejected=row.rejected,
            )
        ],
    )
    return int(row.accepted)
