"""What a CRM says, carried out: in the store first, then on the live floor, then the answer."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any

import phonenumbers
import sqlalchemy as sa
from phonenumbers import PhoneNumberFormat
from pydantic import TypeAdapter
from sqlalchemy.engine import Connection

from dialer.campaigns.consent import Consent, ConsentError, consent_of
from dialer.campaigns.lead import UNKNOWN_ZONE
from dialer.campaigns.model import CampaignFile
from dialer.campaigns.numbers import NumberError, normalise
from dialer.campaigns.zones import is_zone, zones_of_number
from dialer.clock import outside_work
from dialer.core.events import LeadSuppressed
from dialer.server.clickdial import ClickToDial
from dialer.server.engine import Engine
from dialer.server.face import Refused
from dialer.server.intake import (
    DialWords,
    DncAnswer,
    FeedAnswer,
    Given,
    KeyUse,
    LeadsAnswer,
    LeadWords,
    MatchAnswer,
    Result,
    RowAnswer,
    Stop,
)
from dialer.store.erasure import erase
from dialer.store.feed import keep_answer, known_answer, read_feed
from dialer.store.person import PersonData, person_data
from dialer.store.staged import StagedPhone
from dialer.store.stops import Concerned, NotNow, call_back, leads_of, put_stop, suppress
from dialer.store.store import Store
from dialer.store.upserts import LeadChange, RowOutcome, upsert

CHUNK = 50  # rows in one transaction: attempts wait for it
SETTLE_LIMIT_S = 5.0  # for the core to take a fact; ordinarily a millisecond
CALL_WITHIN = timedelta(days=366)  # of a callback, or the end of a rest

_E164 = re.compile(r"\+[1-9][0-9]{5,14}")

Work = Callable[[Connection, datetime], tuple[object, Concerned]]


class Intake:
    """Implements `dialer.server.intake.Inbound`.

    `order` is held by whoever claims leads for the hopper until he has posted them. Held here from
    the commit to the posting of what it means, it sees to it that no claim from before the commit
    reaches the core after the news.
    """

    def __init__(
        self,
        store: Store,
        engine: Engine,
        campaigns: Mapping[str, CampaignFile],
        order: asyncio.Lock,
        hand: ClickToDial,
    ) -> None:
        self._hand = hand
        self._store = store
        self._engine = engine
        self._campaigns = campaigns
        self._order = order

    # --- leads ----------------------------------------------------------------------------------

    async def leads(self, rows: Sequence[LeadWords], use: KeyUse | None) -> Given:
        checked = await self._checked([(row, self._campaigns.get(row.campaign)) for row in rows])
        if use is not None:
            return await self._change(use, lambda c, now: self._upsert(c, now, rows, checked))
        answers: list[RowAnswer] = []
        for at in range(0, len(rows), CHUNK):
            part, some = rows[at : at + CHUNK], checked[at : at + CHUNK]
            found: list[LeadsAnswer] = []

            def work(
                connection: Connection,
                now: datetime,
                part: Sequence[LeadWords] = part,
                some: Sequence[LeadChange | str] = some,
                found: list[LeadsAnswer] = found,
            ) -> tuple[object, Concerned]:
                answer, concerned = self._upsert(connection, now, part, some)
                found[:] = [answer]
                return answer, concerned

            await self._change(None, work)
            answers += found[0].results
        return Given(_encode(_counted(answers)))

    async def patch(self, row: LeadWords, use: KeyUse | None) -> Given:
        wanted = [row.campaign] if row.campaign else list(self._campaigns)
        checked = await self._checked([(row, self._campaigns.get(name)) for name in wanted])

        def work(connection: Connection, now: datetime) -> tuple[object, Concerned]:
            changes = [one for one in checked if isinstance(one, LeadChange)]
            outcomes, concerned = upsert(
                connection, self._store.context, changes, now, create=False
            )
            results = [
                RowAnswer(one.external_id, one.campaign, outcome.result, outcome.reason)
                for one, outcome in zip(changes, outcomes, strict=True)
                if outcome.result is not Result.MISSING
            ]
            if not results:
                raise _Unknown
            return _counted(results), concerned

        faults = [one for one in checked if isinstance(one, str)]
        if len(faults) == len(checked):
            raise Refused(f"The lead cannot be changed so: {faults[0]}.", 400, "Correct it.")
        return await self._change(use, work)

    async def _checked(
        self, rows: Sequence[tuple[LeadWords, CampaignFile | None]]
    ) -> list[LeadChange | str]:
        """Reading numbers is real work: it is done beside the loop."""
        with outside_work():
            today = self._store.clock.utc().date()
            return await asyncio.to_thread(lambda: [check(*one, today) for one in rows])

    def _upsert(
        self,
        connection: Connection,
        now: datetime,
        rows: Sequence[LeadWords],
        checked: Sequence[LeadChange | str],
    ) -> tuple[LeadsAnswer, Concerned]:
        changes = [one for one in checked if isinstance(one, LeadChange)]
        outcomes, concerned = upsert(connection, self._store.context, changes, now)
        done = iter(outcomes)
        answers = []
        for row, one in zip(rows, checked, strict=True):
            outcome = RowOutcome(Result.REJECTED, one) if isinstance(one, str) else next(done)
            answers.append(RowAnswer(row.external_id, row.campaign, outcome.result, outcome.reason))
        return _counted(answers), concerned

    # --- against calling, and for calling at a time -----------------------------------------------

    async def stop(self, stop: Stop, use: KeyUse | None) -> Given:
        self._soon("resume_at", stop.resume_at)

        def work(connection: Connection, now: datetime) -> tuple[object, Concerned]:
            concerned = put_stop(connection, self._store.context, stop, now)
            return MatchAnswer(len(concerned.lead_ids), concerned.stale), concerned

        return await self._change(use, work)

    async def do_not_call(
        self, numbers: Sequence[str], region: str, campaign: str, use: KeyUse | None
    ) -> Given:
        wanted: list[str] = []
        rejected: list[int] = []
        for place, text in enumerate(numbers):
            try:
                wanted.append(_number(text, region))
            except Refused:
                if len(rejected) == len(numbers) - 1:
                    raise
                rejected.append(place)

        def work(connection: Connection, now: datetime) -> tuple[object, Concerned]:
            context = self._store.context
            added = suppress(connection, context, wanted, "crm", campaign, now)
            return DncAnswer(added, rejected), Concerned(phones=frozenset(wanted))

        return await self._change(use, work)

    async def call_back(
        self, source: str, external_id: str, campaign: str, at: datetime, use: KeyUse | None
    ) -> Given:
        self._soon("at", at)

        def work(connection: Connection, now: datetime) -> tuple[object, Concerned]:
            if not leads_of(connection, source, external_id, campaign):
                raise _Unknown
            context = self._store.context
            concerned = call_back(
                connection, context, source, external_id, campaign, max(at, now), now
            )
            return MatchAnswer(len(concerned.lead_ids)), concerned

        return await self._change(use, work)

    def _soon(self, field: str, at: datetime | None) -> None:
        """A date so far away is a slip of the hand, and the lead would be lost until then."""
        if at is not None and at > self._store.clock.utc() + CALL_WITHIN:
            days = CALL_WITHIN.days
            raise Refused(f"{field} is more than {days} days away.", 400, "See the year.")

    async def erase(self, source: str, external_id: str, use: KeyUse | None) -> Given:
        context = self._store.context
        return await self._change(use, lambda c, now: erase(c, context, source, external_id, now))

    async def dial(self, words: DialWords, use: KeyUse | None) -> Given:
        return await self._hand.dial(words, use)

    async def person(self, source: str, external_id: str) -> PersonData:
        context, now = self._store.context, self._store.clock.utc()
        found = await self._store.database.read(
            lambda c: person_data(c, context, source, external_id, now)
        )
        if found is None:
            raise Refused("Nothing is known of this account.", 404, "See its source and id.")
        return found

    # --- for CRMs that ask ------------------------------------------------------------------------

    async def feed(self, after: int, limit: int) -> FeedAnswer:
        now = self._store.clock.utc()
        events, more = await self._store.database.read(lambda c: read_feed(c, after, limit, now))
        return FeedAnswer(events, events[-1].seq if events else after, more)

    # --- all of them ------------------------------------------------------------------------------

    async def _change(self, use: KeyUse | None, work: Work) -> Given:
        """Commit `work`, tell the core whom it concerns, and answer when the core has taken it."""
        now = self._store.clock.utc()

        def write(connection: Connection) -> tuple[bytes, Concerned]:
            answer, concerned = work(connection, now)
            body = _encode(answer)
            if use is not None:
                keep_answer(connection, use, body.decode(), now)
            return body, concerned

        try:
            async with self._order:
                given = await self._given_before(use)
                if given is None:
                    body, concerned = await self._store.database.write(write)
                    given = Given(body)
                    if concerned.lead_ids or concerned.phones:
                        self._engine.post(LeadSuppressed(concerned.lead_ids, concerned.phones))
        except _Unknown:
            raise Refused("There is no such lead.", 404, "Send it by POST /v1/leads.") from None
        except NotNow as refused:
            raise Refused(str(refused), 409, "See what stopped it.") from None
        except (sa.exc.DBAPIError, OSError):
            raise Refused("The database does not answer.", 503, "Send it again later.") from None
        try:
            async with asyncio.timeout(SETTLE_LIMIT_S):
                await self._engine.door.settled()
        except TimeoutError:
            raise Refused(
                "The dialer is too busy to be sure of it.", 503, "Send it again."
            ) from None
        return given

    async def _given_before(self, use: KeyUse | None) -> Given | None:
        if use is None:
            return None
        known = await self._store.database.read(lambda c: known_answer(c, use))
        if known is None:
            return None
        if known[0] != use.digest:
            raise Refused(
                "This Idempotency-Key came with another request.", 409, "Use a fresh key."
            )
        return Given(known[1].encode(), again=True)


class _Unknown(Exception):
    """No lead of this account."""


def check(row: LeadWords, campaign: CampaignFile | None, today: date) -> LeadChange | str:
    """A row in the dialer's own terms, or why it cannot be used, without personal data."""
    if campaign is None:
        return "there is no such campaign"
    region = row.region.upper() or campaign.default_region
    if region not in phonenumbers.SUPPORTED_REGIONS:
        return "region is no region of the telephone world: US, GB, DE, ..."
    if row.zone is not None and row.zone and not is_zone(row.zone):
        return "zone is no time zone: write one such as America/New_York"
    numbers: list[tuple[phonenumbers.PhoneNumber, str, Consent | None]] = []
    fault = ""
    for n, (text, label, said) in enumerate(row.phones or ()):
        try:
            consent = consent_of(said, today)
            numbers.append((normalise(text.strip(), region), label, consent))
        except NumberError as error:
            fault = fault or f"phones.{n} {error}"
        except ConsentError as error:  # not understood is not a yes: the row is sent again
            return f"phones.{n}.{error.part} {error}"
    if row.phones is not None and not numbers:
        return fault or "there is no number"
    zones = row.zone or None
    if zones is None and row.phones is not None:
        found = [zones_of_number(number) for number, _, _ in numbers]
        zones = " ".join(sorted(frozenset().union(*found))) if all(found) else ""
    return LeadChange(
        campaign=campaign.name,
        source=row.source,
        external_id=row.external_id,
        phones=None
        if row.phones is None
        else tuple(
            StagedPhone(_e164(number), "phones", label, consent)
            for number, label, consent in numbers
        ),
        zones=zones,
        held_why=UNKNOWN_ZONE if zones == "" else "",
        name=row.name,
        fields=row.fields,
        merge=row.merge,
        priority=row.priority,
        version=row.version,
    )


def _number(text: str, region: str) -> str:
    """E.164. What is written so already is taken as it is: a list of who must not be called may
    hold numbers that nobody could call."""
    plain = re.sub(r"[\s()./-]", "", text)
    if _E164.fullmatch(plain):
        return plain
    try:
        return _e164(normalise(text.strip(), region.upper()))
    except NumberError as error:
        mend = "Write it with its country, +12125550100, or name the region."
        raise Refused(f"A number {error}.", 400, mend) from None


def _e164(number: phonenumbers.PhoneNumber) -> str:
    return str(phonenumbers.format_number(number, PhoneNumberFormat.E164))


def _counted(results: list[RowAnswer]) -> LeadsAnswer:
    return LeadsAnswer(results, dict(Counter(one.result for one in results)))


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _encode(answer: object) -> bytes:
    kind: Any = type(answer)
    return _adapter(kind).dump_json(answer)
