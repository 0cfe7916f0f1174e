"""Call history as CSV: one line per dialled call, as a dialer or a simulated day writes it.

Columns (times in seconds; empty: did not happen or not known):

| launched_at | ISO time or seconds; needed |
| outcome | person, machine, busy, invalid, declined, unavailable, no_answer, congestion; needed |
| setup_s, ring_s, detect_s | stages before an agent is asked for |
| amd | the detector's verdict, person or machine |
| fate | of a call let through: served, abandoned, left; or rejected by AMD |
| waited_s, talk_s, wrap_s | with an agent; `waited_s` also of those who got none |
| agent | any name; makes the number of agents and their hours |
| attempt | 1, 2, ... |
| open | setup, ring, detect, wait, talk or wrap: the stage under way when the extract was taken;
         its time is then how long it had lasted so far |

Numbers and names of people do not belong here and are not read.
"""

from __future__ import annotations

import csv
import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from simulator.world import Amd, Kind
from yamlmarks import FileError

ROWS_MAX = 20_000_000
DAY_S = 86_400.0
OPEN_STAGES = ("", "setup", "ring", "detect", "wait", "talk", "wrap")


class Fate(StrEnum):
    SERVED = "served"
    ABANDONED = "abandoned"
    LEFT = "left"
    REJECTED = "rejected"


@dataclass(slots=True)
class CallRecord:
    """One line of history. `launched_s` counts from midnight of the first day (or from nought)."""

    launched_s: float
    outcome: Kind
    setup_s: float | None = None
    ring_s: float | None = None
    detect_s: float | None = None
    amd: Amd | None = None
    fate: Fate | None = None
    waited_s: float | None = None
    talk_s: float | None = None
    wrap_s: float | None = None
    agent: str = ""
    attempt: int = 1
    open: str = ""


_COLUMNS = ("launched_at", *(f.name for f in fields(CallRecord) if f.name != "launched_s"))
_TIMES = ("setup_s", "ring_s", "detect_s", "waited_s", "talk_s", "wrap_s")
_OUTCOMES = {kind.name.lower(): kind for kind in Kind}


def in_days(records: Sequence[CallRecord]) -> list[CallRecord]:
    """The records with their days beginning in the middle of the longest time of day without a
    launch: a floor that calls over midnight (of UTC, say) has one day and not two halves."""
    times = sorted({r.launched_s % DAY_S for r in records})
    if not times:
        return []
    gaps = [(later - at, at) for at, later in itertools.pairwise([*times, times[0] + DAY_S])]
    length, begins = max(gaps)
    night = (begins + 0.5 * length) % DAY_S
    return [replace(r, launched_s=r.launched_s - night) for r in records]


def write_calls(path: Path, records: Iterable[CallRecord]) -> int:
    """The records as CSV; how many there were."""
    count = 0
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_COLUMNS)
        for r in records:
            times = {name: _text(getattr(r, name)) for name in _TIMES}
            row: dict[str, Any] = {
                **times,
                "launched_at": f"{r.launched_s:.3f}",
                "outcome": r.outcome.name.lower(),
                "amd": r.amd or "",
                "fate": r.fate or "",
                "agent": r.agent,
                "attempt": r.attempt,
                "open": r.open,
            }
            writer.writerow([row[name] for name in _COLUMNS])
            count += 1
    return count


def _text(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def read_calls(path: Path) -> list[CallRecord]:
    """The history in order of launch. Raises FileError with line, column and mend."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            records = _read(csv.DictReader(file), str(path))
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise FileError(f"{path}: is not UTF-8 text") from None
    except csv.Error as error:
        raise FileError(f"{path}: not CSV: {error}") from None
    if not records:
        raise FileError(f"{path}: the history is empty; export at least one day of calls")
    records.sort(key=lambda r: r.launched_s)
    return records


def _read(reader: csv.DictReader[str], file: str) -> list[CallRecord]:
    columns = reader.fieldnames or []
    for needed in ("launched_at", "outcome"):
        if needed not in columns:
            raise FileError(
                f"{file}, line 1: column {needed} is missing; known columns: {', '.join(_COLUMNS)}"
            )
    records: list[CallRecord] = []
    first: datetime | None = None
    for row in reader:
        line = reader.line_num
        if len(records) >= ROWS_MAX:
            raise FileError(f"{file}, line {line}: more than {ROWS_MAX} calls; split the file")
        if None in row:
            raise FileError(f"{file}, line {line}: more values than columns")
        at, first = _instant(row["launched_at"] or "", first, f"{file}, line {line}")
        records.append(_record(row, at, f"{file}, line {line}"))
    return records


def _instant(text: str, first: datetime | None, where: str) -> tuple[float, datetime | None]:
    """Seconds since midnight of the first day, by ISO time or plain number."""
    try:
        seconds = float(text)
    except ValueError:
        pass
    else:
        if not 0 <= seconds < math.inf:
            raise FileError(f"{where}: launched_at is {text}; must be 0 or more")
        return seconds, first
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise FileError(
            f"{where}: launched_at is {text!r}; write 2026-03-02T09:15:00 or seconds"
        ) from None
    moment = moment.replace(tzinfo=None)
    first = first or moment
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    return (moment - midnight).total_seconds(), first


def _record(row: dict[str, Any], at: float, where: str) -> CallRecord:
    outcome = _OUTCOMES.get((row["outcome"] or "").strip().lower())
    if outcome is None:
        raise FileError(
            f"{where}: outcome is {row['outcome']!r}; choose one of: {', '.join(_OUTCOMES)}"
        )
    times: dict[str, float | None] = {}
    for name in _TIMES:
        text = (row.get(name) or "").strip()
        if not text:
            times[name] = None
            continue
        try:
            value = float(text)
        except ValueError:
            raise FileError(f"{where}: {name} is {text!r}; must be seconds or empty") from None
        if not 0 <= value < math.inf:
            raise FileError(f"{where}: {name} is {text}; must be 0 or more")
        times[name] = value
    amd, fate = _word(row, "amd", tuple(Amd), where), _word(row, "fate", tuple(Fate), where)
    attempt = (row.get("attempt") or "1").strip()
    if not attempt.isdigit() or int(attempt) < 1:
        raise FileError(f"{where}: attempt is {attempt!r}; must be 1, 2, ...")
    return CallRecord(
        launched_s=at,
        outcome=outcome,
        amd=Amd(amd) if amd else None,
        fate=Fate(fate) if fate else None,
        agent=(row.get("agent") or "").strip(),
        attempt=int(attempt),
        open=_word(row, "open", OPEN_STAGES, where),
        **times,
    )


def _word(row: dict[str, Any], name: str, words: Sequence[str], where: str) -> str:
    text = (row.get(name) or "").strip().lower()
    if text and text not in words:
        raise FileError(
            f"{where}: {name} is {text!r}; choose one of: {', '.join(filter(None, words))}"
        )
    return text
