"""Lists on their way in: sorted out against what is there, and put aside in pieces.

Until the file has been read to its end nothing of it is a lead: `dialer.store.settling` does that.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.bulk import rows_among
from dialer.store.context import Context, to_ms
from dialer.store.schema import ListState, ListStep, import_chunks, list_history, lists
from dialer.store.scratch import Scratch
from dialer.store.sitekey import erased_among
from dialer.store.staged import Across, Again, Duplicate, StagedLead, StagedPhone, Where

STALE_S = 24 * 3600.0  # an import that has not ended by then never will

# A packed row: line, id, name, zones, fields as JSON, priority, held, person, [number, label]...,
# updates, consents by number
Packed = list[Any]


def begin_import(
    connection: Connection, context: Context, campaign: str, name: str, source: str, now: datetime
) -> int:
    """Open an import; its id. Drops what dead imports have left behind."""
    stale = sa.select(lists.c.id).where(
        lists.c.state == ListState.IMPORTING.value,
        lists.c.imported_ms < to_ms(now) - int(STALE_S * 1000),
        lists.c.id.not_in(COMMITTED),
    )
    for dead in connection.scalars(stale).all():
        drop_import(connection, dead)
    list_id: int = connection.execute(
        sa.insert(lists)
        .values(
            campaign_id=context.campaigns[campaign].id,
            name=name,
            source=source,
            state=ListState.IMPORTING.value,
            imported_ms=to_ms(now),
        )
        .returning(lists.c.id)
    ).scalar_one()
    return list_id


COMMITTED = sa.select(list_history.c.list_id).where(list_history.c.step == ListStep.COMMITTED.value)


# --- what is there already ------------------------------------------------------------------------


def sort_out(
    connection: Connection,
    context: Context,
    campaign: str,
    staged: Sequence[StagedLead],
    scratch: Scratch,
    again: Again,
) -> tuple[list[tuple[StagedLead, bool]], list[Duplicate]]:
    """Rows that can come in (with the numbers they may have; True: as an update), and the rest."""
    known = _Known(connection, context.campaigns[campaign].id, staged, scratch, again)
    fresh: list[tuple[StagedLead, bool]] = []
    told: list[Duplicate] = []
    for lead in staged:
        fault = known.of_lead(lead)
        if fault is not None and not fault.updates:
            told.append(fault)
            continue
        good, bad = known.numbers_of(lead, update=fault is not None)
        if not good:
            told.append(_whole(bad[-1]))
            continue
        if fault is None and again.update and not lead.external_id and bad:
            fault = next((one for one in bad if one.where is not Where.STOPPED), None)
            fault = fault and _updating(fault)
        told.extend(one for one in bad if fault is None)
        if fault is not None:
            told.append(fault)
        known.remember(lead, good)
        kept = lead if len(good) == len(lead.phones) else lead._replace(phones=tuple(good))
        fresh.append((kept, fault is not None))
    known.write_down()
    return fresh, told


def _whole(one: Duplicate) -> Duplicate:
    return Duplicate(one.line, one.column, one.reason, True, one.where)


def _updating(one: Duplicate) -> Duplicate:
    return Duplicate(one.line, one.column, one.reason, False, one.where, updates=True)


PHONES = "SELECT phone FROM phones WHERE campaign_id = {0} AND phone IN {keys}"
IDS = "SELECT external_id FROM leads WHERE campaign_id = {0} AND external_id IN {keys}"
_PERSONS = "SELECT person FROM lead_persons WHERE campaign_id = {0} AND person IN {keys}"
STOPPED = "SELECT phone FROM suppression WHERE phone IN {keys}"
_ERASED = (
    "SELECT external_id FROM lead_stops WHERE kind = 'cease' AND reference = 'erasure' "
    "AND external_id IN {keys}"
)
_PHONES_ELSEWHERE = (
    "SELECT phones.phone FROM campaigns JOIN phones ON phones.campaign_id = campaigns.id "
    "JOIN leads ON leads.id = phones.lead_id "
    "WHERE campaigns.id <> {0} AND phones.phone IN {keys} AND leads.state <> 'done'"
)
_IDS_ELSEWHERE = (
    "SELECT external_id FROM leads WHERE external_id IS NOT NULL AND external_id IN {keys} "
    "AND campaign_id <> {0} AND state <> 'done'"
)
_PERSONS_ELSEWHERE = (
    "SELECT person FROM lead_persons JOIN leads ON leads.id = lead_id "
    "WHERE person IN {keys} AND lead_persons.campaign_id <> {0} AND leads.state <> 'done'"
)
_HERE = {
    Where.FILE: "in line {} of this file already",
    Where.CAMPAIGN: "in the campaign already",
    Where.ELSEWHERE: "in another campaign already",
    Where.STOPPED: "on the do-not-call list",
}
_Seen = tuple[Where, int]  # the line, where it is the file


class _Known:
    """What of some rows is there already, asked for all of them at once."""

    def __init__(
        self,
        connection: Connection,
        campaign_id: int,
        staged: Sequence[StagedLead],
        scratch: Scratch,
        again: Again,
    ) -> None:
        self._scratch, self._again = scratch, again
        numbers = {phone.phone for lead in staged for phone in lead.phones}
        ids = {lead.external_id for lead in staged if lead.external_id}
        persons = {lead.person for lead in staged if lead.person}
        self._persons: dict[str, _Seen] = {}
        across = again.across is Across.SKIP

        def found(statement: str, keys: Iterable[str], *more: Any) -> list[str]:
            return [row[0] for row in rows_among(connection, statement, keys, *more)]

        self._stopped = set(found(STOPPED, numbers)) | erased_among(connection, numbers)
        self._numbers = self._taken(
            "number",
            numbers,
            found(PHONES, numbers, campaign_id),
            found(_PHONES_ELSEWHERE, numbers, campaign_id) if across else [],
        )
        self._ids = self._taken(
            "external_id",
            ids,
            found(IDS, ids, campaign_id),
            found(_IDS_ELSEWHERE, ids, campaign_id) if across else [],
        )
        self._erased = set(found(_ERASED, ids))
        if again.one_per_person or across:
            self._persons = self._taken(
                "person",
                persons,
                found(_PERSONS, persons, campaign_id) if again.one_per_person else [],
                found(_PERSONS_ELSEWHERE, persons, campaign_id) if across else [],
            )
        self._new: dict[str, dict[str, int]] = {"number": {}, "external_id": {}, "person": {}}

    def _taken(
        self, kind: str, keys: set[str], here: list[str], elsewhere: list[str]
    ) -> dict[str, _Seen]:
        """The nearest place of each, in the order campaign, file, elsewhere."""
        taken: dict[str, _Seen] = dict.fromkeys(elsewhere, (Where.ELSEWHERE, 0))
        if keys and (kind != "person" or self._again.one_per_person):
            for key, line in self._scratch.seen(kind, keys).items():
                taken[key] = (Where.FILE, line)
        taken.update((key, (Where.CAMPAIGN, 0)) for key in here)
        return taken

    def of_lead(self, lead: StagedLead) -> Duplicate | None:
        """Whether the account or the person is there."""
        if lead.external_id in self._erased:
            reason = "the account was erased: it is called no more"
            return Duplicate(lead.line, "external_id", reason, True, Where.STOPPED)
        if lead.external_id and (seen := self._ids.get(lead.external_id)):
            updates = self._again.update and seen[0] is not Where.ELSEWHERE
            return self._fault(lead, "external_id", "the id is", seen, updates)
        if lead.person and (seen := self._persons.get(lead.person)):
            return self._fault(lead, "person", "the person is", seen, False)
        return None

    def _fault(
        self, lead: StagedLead, column: str, what: str, seen: _Seen, updates: bool
    ) -> Duplicate:
        reason = f"{what} {_HERE[seen[0]].format(seen[1])}"
        return Duplicate(lead.line, column, reason, not updates, seen[0], updates)

    def numbers_of(
        self, lead: StagedLead, *, update: bool
    ) -> tuple[list[StagedPhone], list[Duplicate]]:
        """The numbers the lead may have, and why not the others."""
        good: list[StagedPhone] = []
        bad: list[Duplicate] = []
        by_number = self._again.update and not lead.external_id
        for phone in lead.phones:
            if phone.phone in self._stopped:
                reason = f"the number is {_HERE[Where.STOPPED]}"
                bad.append(Duplicate(lead.line, phone.column, reason, False, Where.STOPPED))
                continue
            seen = self._numbers.get(phone.phone)
            if seen is None or update:  # an update's numbers are looked at when it is carried out
                good.append(phone)
                continue
            reason = f"the number is {_HERE[seen[0]].format(seen[1])}"
            bad.append(Duplicate(lead.line, phone.column, reason, False, seen[0]))
            if by_number and seen[0] is not Where.ELSEWHERE:
                good.append(phone)
        return good, bad

    def remember(self, lead: StagedLead, good: Sequence[StagedPhone]) -> None:
        for phone in good:
            self._numbers.setdefault(phone.phone, (Where.FILE, lead.line))
            self._new["number"].setdefault(phone.phone, lead.line)
        if lead.external_id:
            self._ids.setdefault(lead.external_id, (Where.FILE, lead.line))
            self._new["external_id"].setdefault(lead.external_id, lead.line)
        if lead.person and self._again.one_per_person:
            self._persons.setdefault(lead.person, (Where.FILE, lead.line))
            self._new["person"].setdefault(lead.person, lead.line)

    def write_down(self) -> None:
        for kind, keys in self._new.items():
            if keys:
                self._scratch.add(kind, keys.items())


# --- putting aside --------------------------------------------------------------------------------


def pack(fresh: Sequence[tuple[StagedLead, bool]]) -> bytes:
    """Rows as a piece of the list."""
    rows: list[Packed] = [
        [
            lead.line,
            lead.external_id,
            lead.name,
            lead.zones,
            as_json(lead.fields),
            lead.priority,
            lead.held_why,
            lead.person,
            [(phone.phone, phone.label) for phone in lead.phones],
            update,
            {phone.phone: phone.consent for phone in lead.phones if phone.consent is not None},
        ]
        for lead, update in fresh
    ]
    return zlib.compress(json.dumps(rows, ensure_ascii=False).encode(), 1)


_quoted = json.encoder.encode_basestring_ascii
_keys: dict[str, str] = {}  # headers, of which a list has few, as JSON writes them
_KEYS_MAX = 10_000


def as_json(fields: Mapping[str, str]) -> str:
    """`json.dumps(fields)`, of texts only: made once here, for a million rows, and not again."""
    parts = []
    for key, value in fields.items():
        written = _keys.get(key)
        if written is None:
            if len(_keys) >= _KEYS_MAX:
                _keys.clear()
            written = _keys[key] = _quoted(key) + ": "
        parts.append(written + _quoted(value))
    return "{" + ", ".join(parts) + "}"


def put_aside(connection: Connection, list_id: int, seq: int, body: bytes) -> None:
    connection.execute(sa.insert(import_chunks), {"list_id": list_id, "seq": seq, "body": body})


def drop_import(connection: Connection, list_id: int) -> None:
    """Forget an import that did not come to its end; one that is committed stays."""
    if connection.scalar(COMMITTED.where(list_history.c.list_id == list_id)) is not None:
        return
    connection.execute(sa.delete(import_chunks).where(import_chunks.c.list_id == list_id))
    connection.execute(
        sa.delete(lists).where(lists.c.id == list_id, lists.c.state == ListState.IMPORTING.value)
    )


def unpack(body: bytes) -> list[Packed]:
    rows: list[Packed] = json.loads(zlib.decompress(body))
    if rows and isinstance(rows[0][4], dict):  # put aside by the version before
        for row in rows:
            row[4] = as_json(row[4])
            row.extend([{}] * (11 - len(row)))
    return rows
