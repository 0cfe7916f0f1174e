"""Why it dialled as it did: a ring of records, one per decision, and how to read them.

Pure data: the shell writes the records as JSON lines; `dialer pacing explain` reads them back. A
record holds counts and forecasts, no numbers or names of people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dialer.pacing.windows import Standing
from dialer.snapshot import Decision, FloorSnapshot

RECORDS_MAX = 20_000  # two to three hours of decisions at two a second


@dataclass(frozen=True, slots=True)
class TraceRecord:
    """One decision. `lines` after the gate; `inputs` as the pacer gave them."""

    at: float  # s on the core's clock
    civil_s: float  # s on the campaign's wall clock since 1970
    campaign: str
    idle: int
    talking: int
    wrapping: int
    setting_up: int
    ringing: int
    detecting: int
    waiting: int
    lines_free: int
    leads_ready: int
    lines: int
    bound: str
    window: str
    window_live: int
    window_abandoned: int
    inputs: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The JSONL shape: field names as they stand, numbers rounded to six digits."""
        record = asdict(self)
        record["inputs"] = {k: round(float(v), 6) for k, v in self.inputs.items()}
        return record

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> TraceRecord:
        """Read a line back. Raises ValueError when it is no such record."""
        try:
            return cls(**record)
        except TypeError as error:
            raise ValueError(f"not a record of a pacing decision: {error}") from None


class DecisionTrace:
    """The latest decisions, and those not yet written away."""

    def __init__(self, records_max: int = RECORDS_MAX) -> None:
        self._records: deque[TraceRecord] = deque(maxlen=records_max)
        self._unread: deque[TraceRecord] = deque(maxlen=records_max)

    def __len__(self) -> int:
        return len(self._records)

    def __iter__(self) -> Iterator[TraceRecord]:
        return iter(self._records)

    def record(
        self, snapshot: FloorSnapshot, decision: Decision, standing: Standing, civil_s: float
    ) -> None:
        made = TraceRecord(
            at=snapshot.now,
            civil_s=civil_s,
            campaign=snapshot.campaign,
            idle=snapshot.idle,
            talking=len(snapshot.talking),
            wrapping=len(snapshot.wrapping),
            setting_up=len(snapshot.setting_up),
            ringing=len(snapshot.ringing),
            detecting=len(snapshot.detecting),
            waiting=len(snapshot.waiting),
            lines_free=snapshot.lines_free,
            leads_ready=snapshot.leads_ready,
            lines=decision.lines,
            bound=decision.bound.value,
            window=standing.window.name,
            window_live=standing.live,
            window_abandoned=standing.abandoned,
            inputs=decision.inputs,
        )
        self._records.append(made)
        self._unread.append(made)

    def drain(self) -> list[TraceRecord]:
        """Records not taken yet, for the writer of the JSONL file."""
        taken = list(self._unread)
        self._unread.clear()
        return taken

    def near(self, civil_s: float, within_s: float = 30.0) -> list[TraceRecord]:
        """Records within `within_s` of a moment."""
        return [r for r in self._records if abs(r.civil_s - civil_s) <= within_s]
