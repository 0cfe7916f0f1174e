"""Consent to automated calls, kept for each number of a campaign; it ends when its day is over."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, time, timedelta, timezone

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.consent import Consent
from dialer.store.bulk import rows_among
from dialer.store.context import Context, to_ms
from dialer.store.schema import consents, phones

_FIRST = timezone(timedelta(hours=14))  # where a day ends before it does anywhere else
_SWEEP_MAX = 5_000  # numbers in one look


def until_ms(consent: Consent) -> int | None:
    """The first moment at which it holds no more, wherever the number rings."""
    if not consent.until:
        return None
    after = date.fromisoformat(consent.until) + timedelta(days=1)
    return to_ms(datetime.combine(after, time(), _FIRST))


def automatic(consent: Consent | None, now: datetime, *, required: bool) -> bool:
    """Whether a number may be dialled without a person deciding on the very call."""
    if consent is None:
        return not required
    ends = until_ms(consent)
    return consent.given and (ends is None or ends > to_ms(now))


def is_required(context: Context, campaign_id: int) -> bool:
    """Whether the campaign dials by itself only those who agreed."""
    known = next(one for one in context.campaigns.values() if one.id == campaign_id)
    return known.policy.gate is not None and known.policy.gate.consent_required


_KNOWN = "SELECT phone, given, until_ms FROM consents WHERE phone IN {keys} AND campaign_id = {0}"


def remembered(
    connection: Connection, campaign_id: int, numbers: Iterable[str], now: datetime
) -> dict[str, bool]:
    """As `automatic`, of numbers that were told of before: what was said stands, also for a number
    that was taken out and is brought again by somebody who says nothing of it."""
    told = sa.select(consents.c.phone).where(consents.c.campaign_id == campaign_id).limit(1)
    if connection.scalar(told) is None:
        return {}
    return {
        phone: bool(given) and (ends is None or ends > to_ms(now))
        for phone, given, ends in rows_among(connection, _KNOWN, numbers, campaign_id)
    }


def keep_consents(
    connection: Connection,
    context: Context,
    campaign_id: int,
    told: Mapping[str, Consent],
    now: datetime,
) -> None:
    """Write down what was told of these numbers; the last word stands."""
    if not told:
        return
    insert = context.insert(consents)
    told_columns = ("given", "kind", "given_on", "source", "until_ms", "told_ms")
    connection.execute(
        insert.on_conflict_do_update(
            index_elements=["campaign_id", "phone"],
            set_={name: insert.excluded[name] for name in told_columns},
        ),
        [
            {
                "campaign_id": campaign_id,
                "phone": phone,
                "given": one.given,
                "kind": one.kind,
                "given_on": one.at,
                "source": one.source,
                "until_ms": until_ms(one),
                "told_ms": to_ms(now),
            }
            for phone, one in told.items()
        ],
    )


def renew(
    connection: Connection,
    context: Context,
    campaign_id: int,
    told: Mapping[str, Consent],
    now: datetime,
) -> bool:
    """As `keep_consents`, for numbers that are there already; whether it changes for any of them
    how it may be dialled."""
    keep_consents(connection, context, campaign_id, told, now)
    changed = 0
    for phone, one in told.items():
        may = automatic(one, now, required=False)
        changed += connection.execute(
            sa.update(phones)
            .where(
                phones.c.campaign_id == campaign_id,
                phones.c.phone == phone,
                phones.c.automatic.is_not(may),
            )
            .values(automatic=may)
        ).rowcount
    return changed > 0


def end_consents(connection: Connection, now: datetime) -> int:
    """Numbers whose consent is over are a person's to decide on; how many there were."""
    over = (
        sa.select(phones.c.id)
        .join(
            consents,
            (consents.c.campaign_id == phones.c.campaign_id) & (consents.c.phone == phones.c.phone),
        )
        .where(
            consents.c.until_ms.is_not(None),
            consents.c.until_ms <= to_ms(now),
            phones.c.automatic.is_(True),
        )
        .limit(_SWEEP_MAX)
    )
    ids: Sequence[int] = connection.scalars(over).all()
    if ids:
        connection.execute(sa.update(phones).where(phones.c.id.in_(ids)).values(automatic=False))
    return len(ids)
