"""The day's curves: what the floor looked like every ten seconds, and what the store counts.

The last eight hours are in memory, by campaign; a restart begins them anew. A day by quarters of an
hour comes from the attempts on record.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from dialer.server.face import CampaignView
from dialer.server.forecast import Curve, curve_of
from dialer.store.casebook import Casebook

EVERY_S = 10.0
KEPT_S = 8 * 3600.0
SAMPLES_MAX = int(KEPT_S / EVERY_S)
QUARTER_S = 900.0
COUNTED = (
    "ready",
    "talk",
    "wrap_up",
    "break",
    "ringing",
    "waiting",
    "talking",
    "calls",
    "connects",
    "abandoned",
)
RATES = ("abandon_rate", "abandon_limit", "utilisation")
_STATES = {"ready": "ready", "talk": "talk", "wrap_up": "wrap-up", "break": "break"}


@dataclass(frozen=True, slots=True)
class Chart:
    """Curves over the same moments. `at` are Unix seconds; a value that is not known is null."""

    every_s: float
    series: dict[str, list[float | None]]


class Charts:
    def __init__(self, casebook: Casebook, zone: ZoneInfo) -> None:
        self._casebook = casebook
        self._zone = zone
        self._samples: dict[str, deque[tuple[float, ...]]] = {}

    def sample(self, campaigns: Iterable[CampaignView], unix_s: float) -> None:
        """What the campaigns look like at this moment."""
        for view in campaigns:
            kept = self._samples.setdefault(view.name, deque(maxlen=SAMPLES_MAX))
            lines = view.lines
            kept.append(
                (
                    unix_s,
                    *(float(view.agents.get(state, 0)) for state in _STATES.values()),
                    float(lines.ringing),
                    float(lines.waiting),
                    float(lines.talking),
                    float(view.calls),
                    float(view.connects),
                    float(view.abandoned),
                    view.abandon.rate,
                    view.abandon.limit,
                    -1.0 if view.utilisation is None else view.utilisation,
                )
            )

    def recent(self, campaigns: Sequence[str], since_s: float) -> Chart:
        """After `since_s`; counts of several campaigns are added up, rates are of one alone."""
        rows: dict[float, list[float]] = {}
        for name in campaigns:
            for row in self._samples.get(name, ()):
                if row[0] <= since_s:
                    continue
                known = rows.setdefault(row[0], [0.0] * (len(row) - 1))
                for n, value in enumerate(row[1:]):
                    known[n] += value
        names = COUNTED + RATES if len(campaigns) == 1 else COUNTED
        at = sorted(rows)
        series: dict[str, list[float | None]] = {"at": list(at)}
        for n, name in enumerate(names):
            values: list[float | None] = [round(rows[moment][n], 5) for moment in at]
            series[name] = [None if v is not None and v < 0 else v for v in values]
        return Chart(EVERY_S, series)

    def utilisations(self, campaign: str, begins: Sequence[float]) -> list[float | None]:
        """(talk + wrap-up) / (those and ready) in the quarters that begin then; None: nobody was
        there, or it is not in memory."""
        busy, staffed = dict.fromkeys(begins, 0.0), dict.fromkeys(begins, 0.0)
        for at, ready, talk, wrap_up, *_ in self._samples.get(campaign, ()):
            begin = at - at % QUARTER_S
            if begin in staffed:
                busy[begin] += talk + wrap_up
                staffed[begin] += ready + talk + wrap_up
        return [busy[one] / staffed[one] if staffed[one] else None for one in begins]

    async def live_day(self, campaign: str, now: datetime) -> Curve:
        """Today so far, as a forecast's days are reckoned; the quarter that runs is left out."""
        series = (await self.day((campaign,), self.today(now))).series
        at = [float(one or 0.0) for one in series["at"]]
        running = now.timestamp() - now.timestamp() % QUARTER_S
        known = [n for n, one in enumerate(at) if one < running]
        used = self.utilisations(campaign, [at[n] for n in known])
        return curve_of(
            (at[n], float(series["live"][n] or 0), float(series["abandoned"][n] or 0), used[i])
            for i, n in enumerate(known)
        )

    def today(self, now: datetime) -> date:
        return now.astimezone(self._zone).date()

    async def day(self, campaigns: Sequence[str], day: date) -> Chart:
        """One day of the site's zone, by quarters of an hour."""
        begin = datetime.combine(day, time(), self._zone)
        end = datetime.combine(day + timedelta(days=1), time(), self._zone)
        rows = await self._casebook.quarters(campaigns, begin, end, QUARTER_S)
        series: dict[str, list[float | None]] = {
            name: [] for name in ("at", "calls", "live", "connects", "abandoned", "talk_s")
        }
        for row in rows:
            for name, values in series.items():
                values.append(float(getattr(row, name)))
        return Chart(QUARTER_S, series)
