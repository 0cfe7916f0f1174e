"""When people answer: learnt by the hour of the day where they live, for each campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.campaigns.window import zones_of
from dialer.store.attempts import Told
from dialer.store.context import Context, KnownCampaign, from_ms, insert_for
from dialer.store.schema import answer_hours

_AS_IF = 50  # calls of the average that every hour is reckoned to have had


def hour_rates(hours: Mapping[int, tuple[int, int]]) -> dict[int, float]:
    """How much likelier than on average somebody answers in each hour of the day, from (calls,
    answered by a person) by hour: 1.0 is average. Shrunk towards it while little is known."""
    calls = sum(made for made, _ in hours.values())
    live = sum(answered for _, answered in hours.values())
    if not live:
        return {}
    mean = live / calls
    return {
        hour: (answered + _AS_IF * mean) / (made + _AS_IF) / mean
        for hour, (made, answered) in hours.items()
    }


def load_hours(connection: Connection, known: KnownCampaign) -> None:
    """Learn what was learnt before."""
    rows = connection.execute(
        sa.select(answer_hours.c.hour, answer_hours.c.calls, answer_hours.c.live).where(
            answer_hours.c.campaign_id == known.id
        )
    )
    known.hours = {hour: (calls, live) for hour, calls, live in rows}
    known.rates = hour_rates(known.hours)


@cache
def _add(dialect: str) -> Any:
    insert = insert_for(dialect)(answer_hours)
    return insert.on_conflict_do_update(
        index_elements=["campaign_id", "hour"],
        set_={
            "calls": answer_hours.c.calls + insert.excluded.calls,
            "live": answer_hours.c.live + insert.excluded.live,
        },
    )


def learn_hours(connection: Connection, context: Context, closing: Sequence[Told]) -> None:
    """Count these calls that tried to reach somebody. What memory holds is for the order of leads
    alone: a transaction that is undone leaves it a little off until the next start."""
    counts: Counter[tuple[str, int, bool]] = Counter()
    for one in closing:
        lead, outcome = one.command.lead, one.command.outcome
        zones = zones_of(lead.zones) if lead.zones else ()
        if outcome.counts_for_lead and one.command.timings.originated is not None and zones:
            hour = from_ms(one.at_ms).astimezone(zones[0]).hour
            counts[lead.campaign, hour, outcome.live] += 1
    rows: dict[tuple[str, int], list[int]] = {}
    for (campaign, hour, answered), count in counts.items():
        row = rows.setdefault((campaign, hour), [0, 0])
        row[0] += count
        row[1] += count if answered else 0
    if not rows:
        return
    connection.execute(
        _add(context.dialect),
        [
            {
                "campaign_id": context.campaigns[campaign].id,
                "hour": hour,
                "calls": calls,
                "live": live,
            }
            for (campaign, hour), (calls, live) in sorted(rows.items())
        ],
    )
    for (campaign, hour), (calls, live) in rows.items():
        known = context.campaigns[campaign]
        before = known.hours.get(hour, (0, 0))
        known.hours[hour] = (before[0] + calls, before[1] + live)
    for campaign in {name for name, _ in rows}:
        known = context.campaigns[campaign]
        known.rates = hour_rates(known.hours)
