"""The evidence of a campaign, written into an archive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Connection

from dialer.campaigns.compliance.abandoned import rate_with_error, upper_share
from dialer.evidence.archive import Archive, FileEntry
from dialer.evidence.rates import DEFINITIONS, rates
from dialer.store.evidence import Period, Subject, minutes, rules_of, subject, tables
from dialer.store.store import Store
from yamlmarks import FileError

FORMAT = 1
_README = """\
Evidence of an outbound campaign
================================

manifest.json         what this is, of which time, and the SHA-256 of every other file
campaign.json         the campaign's rules as they were loaded last
calls.csv             every attempt: number called, times (UTC), outcome, agent, disposition
decisions.csv         every no of the compliance gate, and every yes somebody's override made of one
decision_counts.csv   all verdicts, also each plain yes, counted by the hour
rates.csv             abandoned calls in every window a law may ask for (site's clock), of all
                      campaigns of the same offer together: manifest.json names them
outcomes.csv          ended attempts by outcome, since the campaign began
lists.csv             lists that came in, and what was done with them by whom
rules/<version>.json  the very rule packs that decisions name by their version
definitions.json      what the figures mean, with their formulas and sources

A plain yes has no row of its own in decisions.csv: the attempt in calls.csv is its record. It can
be derived again from the rules of its version and the attempts before it; decision_counts.csv says
how many there were.

dialer evidence verify FILE compares every file with the manifest. Keep the manifest's own hash,
which the export prints, where nobody who keeps the archive can change it.
"""


@dataclass(frozen=True, slots=True)
class Exported:
    """`manifest` is the SHA-256 of the manifest."""

    manifest: str
    files: tuple[FileEntry, ...]


async def export_evidence(
    store: Store,
    campaign: str,
    path: Path,
    *,
    period: Period,
    zone: ZoneInfo,
    who: str,
    progress: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write the archive, on one consistent picture of the database. Raises `FileError`."""
    work = partial(
        _write,
        campaign=campaign,
        path=path,
        period=period,
        zone=zone,
        who=who,
        now=store.clock.utc(),
        progress=progress,
    )
    return await store.database.read(work)


def _write(
    connection: Connection,
    campaign: str,
    path: Path,
    period: Period,
    zone: ZoneInfo,
    who: str,
    now: datetime,
    progress: Callable[[str], None],
) -> Exported:
    if connection.dialect.name == "postgresql":  # SQLite's readers see one picture anyway
        connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
    about = subject(connection, campaign)
    if about is None:
        raise FileError([f"there is no campaign {campaign}: see dialer campaigns list"])
    try:
        with Archive(path) as archive:
            archive.text("README.txt", _README.encode())
            archive.document("campaign.json", about.definition)
            archive.document("definitions.json", DEFINITIONS)
            for rules, since, body in rules_of(connection, about):
                archive.document(
                    f"rules/{rules}.json", {"version": rules, "since": since, "packs": body}
                )
            _rates(connection, about, zone, archive)
            for name, header, rows in tables(connection, about, period):
                progress(name)
                archive.table(f"{name}.csv", header, rows)
            digest = archive.manifest(_about(about, period, zone, who, now))
    except OSError as error:
        raise FileError([f"{path}: cannot be written: {error.strerror}"]) from None
    return Exported(digest, tuple(archive.entries))


def _rates(connection: Connection, about: Subject, zone: ZoneInfo, archive: Archive) -> None:
    found = rates(minutes(connection, about), about.started_at, zone)
    error = _detection_error(about.definition)
    archive.table(
        "rates.csv",
        ("window", "begin", "end", "live", "abandoned", "rate", "rate_with_amd_error"),
        (
            (
                *(one.window, one.begin.isoformat(), one.end.isoformat()),
                *(one.live, one.abandoned, f"{one.rate:.6f}"),
                "" if error is None else f"{rate_with_error(one.live, one.abandoned, error):.6f}",
            )
            for one in found
        ),
    )


def _detection_error(definition: dict[str, Any]) -> float | None:
    """The share of live calls that detection may hang up on; None: not audited, or not used."""
    audit = definition.get("amd_audit")
    if not definition.get("amd") or not isinstance(audit, dict):
        return None
    return upper_share(audit["wrong"], audit["calls"])


def _about(
    about: Subject, period: Period, zone: ZoneInfo, who: str, now: datetime
) -> dict[str, object]:
    try:
        program = version("overdial")
    except PackageNotFoundError:
        program = "unknown"
    return {
        "format": FORMAT,
        "program": f"overdial {program}",
        "campaign": about.name,
        "purpose": about.definition.get("purpose", ""),
        "campaign_made_at": about.created_at,
        "first_attempt_of_the_offer_at": about.started_at,
        "one_offer_with": about.kin,
        "since": period.since,
        "until": period.until,
        "zone": zone.key,
        "made_at": now,
        "made_by": who,
    }
