"""Call history out of the dialer's own database (SQLite), read only, nobody's number touched.

What the tables do not say is left empty: a call of a machine that reached an agent is known by the
agent's disposition (one whose campaign says `machine: true`, or `MACHINE_CODES`), wrap-up by the
agents' session history where it has it, else by when the agent first disposed of the call.
"""

from __future__ import annotations

import json
import sqlite3
from bisect import bisect_left
from collections import defaultdict
from contextlib import closing
from pathlib import Path

from simulator.history import DAY_S, CallRecord, Fate
from simulator.world import Amd, Kind
from yamlmarks import FileError

MACHINE_CODES = ("machine", "answering_machine", "am", "voicemail")
WRAP_AFTER_S = 3.0  # a wrap-up begins so soon after its call
_MAGIC = b"SQLite format 3\x00"

_ATTEMPTS = """
SELECT a.outcome, a.attempt_no, a.agent, a.amd, a.unserved, a.stage_ms, a.opened_ms,
       a.originated_ms, a.ringing_ms, a.answered_ms, a.live_ms, a.connected_ms, a.harbour_ms,
       a.ended_ms, a.campaign_id,
       (SELECT d.code FROM dispositions d WHERE d.attempt_id = a.id ORDER BY d.id DESC LIMIT 1)
           AS disposition,
       (SELECT min(d.set_ms) FROM dispositions d WHERE d.attempt_id = a.id) AS disposed_ms
FROM attempts a JOIN campaigns c ON c.id = a.campaign_id
WHERE :campaign = '' OR c.name = :campaign
ORDER BY a.opened_ms
"""
_WRAPS = """
SELECT s.agent, h.at_ms, h.state FROM session_history h JOIN agent_sessions s ON s.leg = h.leg
ORDER BY s.agent, h.id
"""

_AT_ONCE = {"busy": Kind.BUSY, "invalid": Kind.INVALID}
_REFUSED = {"rejected", "blocked by user", "blocked by analytics", "redirected"}
_NETWORK = {"congestion", "rate limited", "trunk configuration", "caller id not attested"}
_PEOPLE = {"connected", "abandoned", "caller left"}


def is_database(path: Path) -> bool:
    """Whether the file is an SQLite database (by its first bytes)."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) == _MAGIC
    except OSError:
        return False


def read_database(path: Path, campaign: str = "") -> list[CallRecord]:
    """The attempts of one campaign, or of all. Raises FileError."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            db.row_factory = sqlite3.Row
            rows = db.execute(_ATTEMPTS, {"campaign": campaign}).fetchall()
            wraps = _wrap_ups(db.execute(_WRAPS).fetchall())
            campaigns = db.execute("SELECT id, name, definition FROM campaigns ORDER BY id")
            known = {
                row["id"]: (row["name"], _machine_codes(row["definition"])) for row in campaigns
            }
    except sqlite3.Error as error:
        raise FileError(f"{path}: not a database of this dialer ({error})") from None
    names = [name for name, _ in known.values()]
    if campaign and campaign not in names:
        raise FileError(
            f"{path}: no campaign {campaign!r}; there are: {', '.join(names) or 'none'}"
        )
    if not rows:
        raise FileError(f"{path}: the history is empty; dial first, or name another campaign")
    taken_ms = max(row["ended_ms"] or row["stage_ms"] for row in rows)
    midnight_ms = int(rows[0]["opened_ms"] / 1_000 // DAY_S) * int(DAY_S) * 1_000
    records = (
        _record(row, midnight_ms, taken_ms, wraps, known[row["campaign_id"]][1]) for row in rows
    )
    return [record for record in records if record is not None]


def _machine_codes(definition: str) -> frozenset[str]:
    """Codes, in small letters, by which this campaign's agents say that it was a machine."""
    offers = json.loads(definition).get("dispositions") or ()
    own = {offer["code"].lower() for offer in offers if offer.get("machine")}
    return frozenset({*MACHINE_CODES, *own})


def _wrap_ups(rows: list[sqlite3.Row]) -> dict[str, list[tuple[int, float]]]:
    """Each agent's wrap-ups as (began ms, seconds), in order."""
    out: dict[str, list[tuple[int, float]]] = defaultdict(list)
    agent, began = "", None
    for row in rows:
        if row["agent"] != agent:
            agent, began = row["agent"], None
        if began is not None and row["state"] != "wrap-up":
            out[agent].append((began, (row["at_ms"] - began) / 1_000))
            began = None
        elif began is None and row["state"] == "wrap-up":
            began = row["at_ms"]
    return out


def _seconds(later: int | None, earlier: int | None) -> float | None:
    return None if later is None or earlier is None else max(0.0, (later - earlier) / 1_000)


def _record(
    row: sqlite3.Row,
    midnight_ms: int,
    taken_ms: int,
    wraps: dict[str, list[tuple[int, float]]],
    machine_codes: frozenset[str],
) -> CallRecord | None:
    """One attempt as a line of history; None where it says nothing about the world."""
    kind = _kind(row, machine_codes)
    launched = row["originated_ms"]
    if kind is None or launched is None:
        return None
    opened = row["outcome"] is None
    end = row["ended_ms"] or (taken_ms if opened else None)
    ringing, answered, live = row["ringing_ms"], row["answered_ms"], row["live_ms"]
    rang_to = answered or end
    record = CallRecord(
        launched_s=(launched - midnight_ms) / 1_000,
        outcome=kind,
        setup_s=_seconds(ringing or rang_to, launched),
        agent=row["agent"],
        attempt=max(1, row["attempt_no"]),
    )
    if kind not in (Kind.BUSY, Kind.INVALID, Kind.CONGESTION):
        record.ring_s = _seconds(rang_to, ringing) if ringing else (0.0 if answered else None)
    if row["amd"]:
        machine = row["outcome"] == "machine"
        record.amd = Amd.MACHINE if machine else Amd.PERSON
        record.detect_s = _seconds(live or end, answered)
        if machine:
            record.fate = Fate.REJECTED
    if live is not None:
        _floor(record, row, live, end, wraps)
    if opened:
        record.open = _open_stage(row)
    return record


def _floor(
    record: CallRecord,
    row: sqlite3.Row,
    live: int,
    end: int | None,
    wraps: dict[str, list[tuple[int, float]]],
) -> None:
    """What happened between becoming live and the agent's ready."""
    connected = row["connected_ms"]
    record.waited_s = _seconds(connected or row["harbour_ms"] or end, live)
    if connected is not None:
        record.fate = Fate.SERVED
        record.talk_s = _seconds(end, connected)
        record.wrap_s = _wrap_after(wraps.get(row["agent"], []), row["ended_ms"])
        if record.wrap_s is None and row["ended_ms"] is not None:
            record.wrap_s = _seconds(row["disposed_ms"], row["ended_ms"])
    elif row["unserved"]:
        record.fate = Fate.ABANDONED
    elif row["outcome"] == "caller left":
        record.fate = Fate.LEFT


def _wrap_after(wraps: list[tuple[int, float]], ended_ms: int | None) -> float | None:
    if ended_ms is None:
        return None
    place = bisect_left(wraps, (ended_ms - 500, 0.0))
    if place < len(wraps) and wraps[place][0] - ended_ms <= WRAP_AFTER_S * 1_000:
        return wraps[place][1]
    return None


def _kind(row: sqlite3.Row, machine_codes: frozenset[str]) -> Kind | None:
    outcome, rang = row["outcome"], row["ringing_ms"] is not None
    if outcome is None:
        if row["live_ms"] is not None:
            return Kind.PERSON
        return Kind.NO_ANSWER if row["answered_ms"] is None else None
    if outcome in _PEOPLE:
        code = (row["disposition"] or "").lower()
        return Kind.MACHINE if code in machine_codes else Kind.PERSON
    if outcome == "machine":
        return Kind.MACHINE
    if outcome == "no answer":
        return Kind.NO_ANSWER if rang else Kind.INVALID
    if outcome in _AT_ONCE:
        return _AT_ONCE[outcome]
    if outcome in _REFUSED:
        return Kind.DECLINED if rang else Kind.INVALID
    if outcome == "unreachable":
        return Kind.UNAVAILABLE if rang else Kind.INVALID
    return Kind.CONGESTION if outcome in _NETWORK else None


def _open_stage(row: sqlite3.Row) -> str:
    if row["connected_ms"] is not None:
        return "talk"
    if row["live_ms"] is not None:
        return "wait"
    return "ring" if row["ringing_ms"] is not None else "setup"
