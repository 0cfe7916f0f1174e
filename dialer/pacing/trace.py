"""Why it dialled as it did: a ring of records, one per decision, and how to read them.

Pure data: the shell writes the records as JSON lines; `dialer pacing explain` reads them back. A
record holds counts and forecasts, no numbers or names of people.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from dialer.pacing.windows import Standing
from dialer.snapshot import Decision, FloorSnapshot

RECORDS_MAX = 20_000  # two to three hours of decisions at two a second
CROSSING_S = 1.0  # a hangup and an answer no further apart may have met


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
    give_up: int = 0  # lines that rang, to be hung up

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
            give_up=decision.give_up,
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


def why_lines(record: TraceRecord) -> str:
    """Why a decision launched as many lines as it did, for people, without personal data."""
    coming = record.setting_up + record.ringing + record.detecting
    parts = [
        f"{record.lines} lines: {record.idle} agents free, {record.talking} talking, "
        f"{record.wrapping} in wrap-up; {coming} lines on their way, {record.waiting} callers "
        f"waiting."
    ]
    if record.give_up:
        parts.append(why_given_up(record))
    inputs = record.inputs
    if "agents_free_ahead" in inputs:
        parts.append(
            f"In {inputs['ahead_s']:.0f} s it expected {inputs['callers_ahead']:.1f} callers and "
            f"{inputs['agents_free_ahead']:.1f} free agents; a new line reaches a person in "
            f"{100 * inputs['answer_rate']:.0f} % of cases."
        )
        parts.append(
            f"The next line's caller would do harm with {100 * inputs['risk']:.1f} %; the price "
            f"allows {100 * inputs['allowed']:.1f} %."
        )
    if "wished" in inputs:
        parts.append(f"The pacer wished for {inputs['wished']:.0f}.")
    parts.append(f"Held by: {record.bound}.")
    rate = record.window_abandoned / record.window_live if record.window_live else 0.0
    parts.append(
        f"Account ({record.window}): {record.window_abandoned} of {record.window_live} live calls "
        f"abandoned, {100 * rate:.2f} %."
    )
    return " ".join(parts)


def why_given_up(record: TraceRecord) -> str:
    """How many lines a decision hung up as they rang, and why, for people."""
    lines = "1 line was" if record.give_up == 1 else f"{record.give_up} lines were"
    return (
        f"{lines} given up, of those that had rung longest: whoever answered there would too "
        "likely have found nobody free."
    )


def why_abandoned(
    records: Iterable[TraceRecord], live_civil_s: float, patience_s: float, reach_s: float = 45.0
) -> str:
    """Why a call that became live at `live_civil_s` found nobody, from the decisions around it."""
    near = [r for r in records if -reach_s <= r.civil_s - live_civil_s <= patience_s + 1.0]
    if not near:
        return "No decisions are recorded around that time."
    before = [r for r in near if r.civil_s <= live_civil_s] or near[:1]
    launched = [r for r in before if r.lines > 0]
    last = before[-1]
    given_up = sum(r.give_up for r in near if abs(r.civil_s - live_civil_s) <= CROSSING_S)
    text = (
        f"When it became live, {last.idle} agents were free, {last.talking} talking, "
        f"{last.wrapping} in wrap-up and {last.waiting} callers were waiting already; nobody came "
        f"free within {patience_s:g} s."
    )
    if given_up:
        text += (
            f" {given_up} lines that rang were given up in that very moment; where the hangup met "
            "an answer, the call counts as abandoned."
        )
    if not launched:
        return text + f" No line was launched in the {reach_s:.0f} s before."
    risky = max(launched, key=lambda r: r.inputs.get("risk", 0.0))
    lines = sum(r.lines for r in launched)
    text += f" {lines} lines were launched in the {reach_s:.0f} s before."
    if "agents_free_ahead" in risky.inputs:
        text += (
            f" The boldest of these decisions expected {risky.inputs['callers_ahead']:.1f} callers "
            f"for {risky.inputs['agents_free_ahead']:.1f} free agents and took a risk of up to "
            f"{100 * risky.inputs['allowed']:.1f} % per answered call, which the account allowed."
        )
    return text
