"""`dialer pacing explain` and `why`: why so many lines, and why this call was abandoned.

The running dialer writes each decision of a pacer as a JSON line (`trace` in the site's settings).
Times are the wall clock of the site's zone, as on the wallboard.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from dialer.pacing.trace import TraceRecord, why_abandoned, why_given_up
from dialer.server.pacing import civil_seconds
from dialer.store.inquire import CallOnRecord

_DAY_S = 86_400.0
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LINE_BYTES_MAX = 20_000


class TraceError(Exception):
    """A trace that cannot be read, or has nothing at that time. The text is for people."""


@dataclass(frozen=True, slots=True)
class Found:
    """The decision in force at a moment, and its neighbours, oldest first."""

    record: TraceRecord
    around: tuple[TraceRecord, ...]


def read_traces(path: Path) -> list[TraceRecord]:
    """The trace and, where there is one, the file kept of before it."""
    older = path.with_name(path.name + ".1")
    return [*(read_trace(older) if older.exists() else ()), *read_trace(path)]


def read_trace(path: Path) -> list[TraceRecord]:
    """All records, oldest first. Raises `TraceError` naming file and line."""
    records = []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                try:
                    records.append(TraceRecord.from_json(json.loads(line[:LINE_BYTES_MAX])))
                except (ValueError, TypeError):
                    raise TraceError(
                        f"{path}:{number}: is no record of a pacing decision; is this the file "
                        "that `trace` in dialer.yaml names?"
                    ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is not text"
        raise TraceError(f"{path}: cannot be read: {why}") from None
    if not records:
        raise TraceError(f"{path}: holds no decisions yet")
    return records


def civil_of(text: str, records: Sequence[TraceRecord]) -> float:
    """Civil seconds of `14:03:10` (the trace's last such moment) or `2026-11-21T14:03:10`."""
    try:
        if "T" in text or "-" in text:
            moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
            return (moment - _EPOCH).total_seconds()
        clock = datetime.strptime(text, "%H:%M:%S" if text.count(":") == 2 else "%H:%M")
    except ValueError:
        raise TraceError(
            "--at: write a time as 14:03, 14:03:10 or 2026-11-21T14:03:10, in the site's zone"
        ) from None
    seconds = clock.hour * 3600.0 + clock.minute * 60.0 + clock.second
    last = records[-1].civil_s
    at = last - last % _DAY_S + seconds
    return at if at <= last + 60.0 else at - _DAY_S


def find(
    records: Sequence[TraceRecord], civil_s: float, campaign: str = "", within_s: float = 10.0
) -> Found:
    """The last decision at or before the moment. Raises `TraceError` when there is none near."""
    ours = [r for r in records if not campaign or r.campaign == campaign]
    before = [r for r in ours if r.civil_s <= civil_s]
    if not before or civil_s - before[-1].civil_s > 60.0:
        raise TraceError(
            f"no decision was made near {clock_of(civil_s)}; the trace goes from "
            f"{clock_of(records[0].civil_s)} to {clock_of(records[-1].civil_s)}"
        )
    around = tuple(r for r in ours if abs(r.civil_s - civil_s) <= within_s)
    return Found(before[-1], around)


def clock_of(civil_s: float) -> str:
    return (_EPOCH + timedelta(seconds=civil_s)).strftime("%Y-%m-%d %H:%M:%S")


def in_words(record: TraceRecord) -> list[str]:
    """A few sentences: what was decided, what was seen, what was reckoned with."""
    rate = record.window_abandoned / record.window_live if record.window_live else 0.0
    plural = "" if record.lines == 1 else "s"
    lines = [
        f"{clock_of(record.civil_s)}, campaign {record.campaign}: {record.lines} line{plural} "
        f"launched; held by: {record.bound}.",
        f"Agents: {record.idle} ready, {record.talking} talking, {record.wrapping} in wrap-up.",
        f"Lines: {record.setting_up} in set-up, {record.ringing} ringing, {record.detecting} "
        f"answered and not yet known, {record.waiting} people waiting for an agent; "
        f"{record.lines_free} more could be carried, {record.leads_ready} leads were at hand.",
        f"Account ({record.window}): {record.window_abandoned} abandoned of {record.window_live} "
        f"live answers, {rate:.2%}.",
    ]
    if record.give_up:
        lines.append(why_given_up(record))
    if record.inputs:
        reckoned = ", ".join(f"{key} {value:g}" for key, value in record.inputs.items())
        lines.append(f"Reckoned with: {reckoned}.")
    return lines


def why_call(call: CallOnRecord, records: Sequence[TraceRecord], zone: ZoneInfo) -> list[str]:
    """Why nobody took this call, or what else became of it, in a few sentences."""
    lines = [f"Call {call.attempt}, campaign {call.campaign}: {call.outcome or 'still going on'}."]
    if call.live is None:
        return [*lines, "Nobody was announced to the floor: no agent was owed to this call."]
    live_s = civil_seconds(call.live, zone)
    if call.connected is not None:
        waited_s = (call.connected - call.live).total_seconds()
        late = f", later than the {call.patience_s:g} s of the law" if call.unserved else ""
        lines.append(
            f"The person was announced at {clock_of(live_s)} and spoke with an agent "
            f"{waited_s:.1f} s later{late}."
        )
        if not call.unserved:
            return lines
    elif not call.unserved:
        waited_s = 0.0 if call.ended is None else (call.ended - call.live).total_seconds()
        return [
            *lines,
            f"The person was announced at {clock_of(live_s)} and hung up {waited_s:.1f} s later, "
            "before the limit of the law: it does not count as abandoned.",
        ]
    else:
        lines.append(f"The person was announced at {clock_of(live_s)}.")
    ours = [record for record in records if record.campaign == call.campaign]
    lines.append(why_abandoned(ours, live_s, call.patience_s))
    return lines


def plot(records: Iterable[TraceRecord], title: str) -> str:
    """The minutes around a decision as one SVG picture: agents, lines on their way, launches."""
    from simulator.report.svg import Canvas, Scale, ticks

    shown = list(records)
    canvas = Canvas(760.0, 300.0, title)
    first, last = shown[0].civil_s, shown[-1].civil_s
    x = Scale(first, max(last, first + 1.0), 64.0, 560.0)
    most = max(1, *(max(_coming(r), r.idle, r.talking, r.lines, r.give_up) for r in shown))
    y = Scale(0.0, float(most), 240.0, 14.0)
    marks = [(first + n * (last - first) / 4, "") for n in range(5)]
    labelled = [(at, clock_of(at)[11:]) for at, _ in marks]
    canvas.x_axis(x, 240.0, labelled, "time", 14.0)
    canvas.y_axis(y, 64.0, [(v, f"{v:g}") for v in ticks(0.0, float(most), 5)], "count", 560.0)
    series: tuple[tuple[str, str, Callable[[TraceRecord], float]], ...] = (
        ("c0", "agents ready", lambda r: r.idle),
        ("c1", "agents talking", lambda r: r.talking),
        ("c2", "lines on their way", _coming),
    )
    for n, (kind, name, value) in enumerate(series):
        canvas.path([(x(r.civil_s), y(value(r))) for r in shown], f"{kind} line")
        canvas.text(570.0, 30.0 + 18.0 * n, name, f"{kind} name")
    for record in shown:
        if record.lines:
            canvas.dot(x(record.civil_s), y(record.lines), "c3", f"{record.lines} lines launched")
        if record.give_up:
            told = f"{record.give_up} lines given up"
            canvas.dot(x(record.civil_s), y(record.give_up), "c4", told)
    canvas.text(570.0, 84.0, "dots: lines launched", "c3 name")
    if any(record.give_up for record in shown):
        canvas.text(570.0, 102.0, "dots: lines given up", "c4 name")
    return canvas.svg(alone=True)


def _coming(record: TraceRecord) -> int:
    return record.setting_up + record.ringing + record.detecting
