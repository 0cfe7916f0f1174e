"""What the gate must know: the calls on an account, a number, a lead; the lists a number is on.

A handful of statements, however many leads are asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy.engine import Connection

from dialer.campaigns.compliance.facts import CampaignFacts, PastCall, PhoneFacts
from dialer.core.events import Lead
from dialer.core.outcomes import Outcome
from dialer.store.bulk import rows_among, rows_in
from dialer.store.context import from_ms, to_ms
from dialer.store.sitekey import erased_among

_SLACK = timedelta(days=2)  # a civil day begins and ends up to 26 hours apart around the world
_NO_TALK = frozenset({"no_contact", "wrong_party", "system"})  # categories of dispositions


@dataclass(slots=True)
class _Kin:
    """What makes a past call count for a lead."""

    external_id: str
    numbers: frozenset[str]


@dataclass(slots=True)
class Histories:
    """Past calls of some leads: of the same account, to the same numbers, of the lead itself."""

    kin: dict[int, _Kin] = field(default_factory=dict)
    _calls: list[tuple[PastCall, str, int]] = field(default_factory=list)  # call, account, lead
    _by: dict[str | int, list[int]] = field(default_factory=dict)  # account, number, lead -> calls

    def add(self, call: PastCall, external_id: str, lead_id: int) -> None:
        at = len(self._calls)
        self._calls.append((call, external_id, lead_id))
        keys: set[str | int] = {lead_id, call.number}
        if external_id:
            keys.add(f"id:{external_id}")
        for key in keys:
            self._by.setdefault(key, []).append(at)

    def reserve(self, lead_id: int, number: str, at: datetime) -> None:
        """An attempt that is being written: those after it in the batch count it."""
        self.add(PastCall(at, number), self.kin[lead_id].external_id, lead_id)

    def of(self, lead_id: int) -> tuple[PastCall, ...]:
        kin = self.kin.get(lead_id)
        if kin is None or not self._calls:
            return ()
        keys: list[str | int] = [lead_id, *kin.numbers]
        if kin.external_id:
            keys.append(f"id:{kin.external_id}")
        found = {at for key in keys for at in self._by.get(key, ())}
        calls = []
        for at in sorted(found):
            call, external_id, other = self._calls[at]
            # A call on an account of no name to the same number may have been about this one.
            same = other == lead_id or not external_id or external_id == kin.external_id
            same = same or not kin.external_id
            calls.append(call if same else replace(call, about_debt=False))
        return tuple(calls)


def span_of(facts: CampaignFacts) -> timedelta | None:
    """How far back the campaign's caps look; None: it has none."""
    spans = [
        31 * 86400.0 if cap.anchor.value == "calendar_month" else cap.window
        for pack in facts.packs
        for cap in pack.caps
        if facts.purpose in (cap.purposes or pack.purposes)
    ]
    return timedelta(seconds=max(spans)) + _SLACK if spans else None


NUMBERS = "SELECT lead_id, phone FROM phones WHERE lead_id IN {ids}"
_SAME_ACCOUNT = (
    "SELECT id, external_id FROM leads WHERE external_id IN {keys} AND external_id IS NOT NULL"
)
_CALL = (
    "SELECT a.id, a.lead_id, a.phone, a.opened_ms, a.outcome,"
    " (SELECT l.external_id FROM leads l WHERE l.id = a.lead_id)"
    " FROM attempts a"
)
_PAST = (
    f"{_CALL} WHERE a.lead_id IN {{ids}} AND a.opened_ms >= {{0}} UNION ALL "
    f"{_CALL} WHERE a.phone IN {{keys}} AND a.lead_id NOT IN {{ids}} AND a.opened_ms >= {{0}}"
)
_SAID = (
    "SELECT attempt_id, category, callback_ms, counts FROM dispositions"
    " WHERE attempt_id IN {keys} ORDER BY id"
)
_LISTED = (
    "SELECT phone, '' FROM suppression WHERE phone IN {keys} UNION ALL"
    " SELECT phone, list FROM dnc_numbers WHERE phone IN {keys}"
)


def histories(connection: Connection, those: Sequence[Lead], since: datetime | None) -> Histories:
    """What was tried with these leads since then; without `since`, only who they are."""
    found = Histories()
    numbers: dict[int, set[str]] = {lead.lead_id: {lead.phone} for lead in those}
    if since is not None:
        for lead_id, phone in rows_in(connection, NUMBERS, ids=list(numbers)):
            numbers[lead_id].add(phone)
    for lead in those:
        found.kin[lead.lead_id] = _Kin(lead.external_id, frozenset(numbers[lead.lead_id]))
    if since is None:
        return found
    kin = dict.fromkeys(numbers)
    accounts = sorted({lead.external_id for lead in those if lead.external_id})
    if accounts:
        kin.update(dict.fromkeys(row[0] for row in rows_among(connection, _SAME_ACCOUNT, accounts)))
    wanted = sorted({one for some in numbers.values() for one in some})
    rows = rows_in(connection, _PAST, to_ms(since), ids=list(kin), keys=wanted)
    connected = Outcome.CONNECTED.value
    talked = [row[0] for row in rows if row[4] == connected]
    said: dict[str, Any] = {row[0]: row for row in rows_among(connection, _SAID, talked)}
    for attempt, lead_id, phone, opened_ms, outcome, external_id in rows:
        word = said.get(attempt)
        call = PastCall(from_ms(opened_ms), phone, outcome=outcome or "")
        if outcome == connected:
            call = _with_word(call, word)
        found.add(call, external_id or "", lead_id)
    return found


def _with_word(call: PastCall, word: Any) -> PastCall:
    """A bridged call with what the agent said of it; without a word it was a conversation."""
    if word is None:
        return replace(call, conversation=True)
    _, category, callback_ms, counts = word
    callback = None if callback_ms is None else from_ms(callback_ms)
    if counts is None:
        return replace(call, conversation=category not in _NO_TALK, callback_at=callback)
    counted = counts.split()
    return replace(
        call,
        conversation="conversation" in counted,
        attempt="attempt" in counted,
        contact="contact" in counted,
        callback_at=callback,
    )


def phone_facts(connection: Connection, those: Iterable[Lead]) -> dict[str, PhoneFacts]:
    """What lists say of the numbers of these leads."""
    numbers = {lead.phone for lead in those}
    facts = {number: PhoneFacts(number) for number in numbers}
    listed: dict[str, set[str]] = {}
    for phone, name in rows_among(connection, _LISTED, sorted(numbers)):
        listed.setdefault(phone, set()).add(name)
    for phone in erased_among(connection, numbers):
        listed.setdefault(phone, set()).add("")
    for phone, names in listed.items():
        facts[phone] = PhoneFacts(phone, "" in names, frozenset(names - {""}))
    return facts
