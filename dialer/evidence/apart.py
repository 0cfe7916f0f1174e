"""An archive written in a process of its own: packing a campaign's calls would hold up the dialer.

The other process gets what is asked as JSON on its standard input (the database's address may hold
a password, so it is no argument) and answers with one line of JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dialer.clock import outside_work
from dialer.evidence.export import export_evidence
from dialer.store.database import StoreError
from dialer.store.evidence import Period
from dialer.store.store import Store
from yamlmarks import FileError

_NICE = 5  # whoever talks to people goes first
_LIMIT_S = 1800.0
_BROKEN = "the archive could not be written: see the log of the dialer"


@dataclass(frozen=True, slots=True)
class Order:
    database: str
    campaign: str
    path: Path
    period: Period
    zone: str
    who: str


async def export_apart(order: Order) -> str:
    """Write the archive; the SHA-256 of its manifest. Raises `FileError`. The process ends with
    whoever waits for it."""
    with outside_work():
        worker = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "dialer.evidence.apart"),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
    asked = {
        "database": order.database,
        "campaign": order.campaign,
        "path": str(order.path),
        "since": _text(order.period.since),
        "until": _text(order.period.until),
        "zone": order.zone,
        "who": order.who,
    }
    try:
        with outside_work():
            async with asyncio.timeout(_LIMIT_S):
                told, _ = await worker.communicate(json.dumps(asked).encode())
    except TimeoutError:
        raise FileError([f"the archive took longer than {_LIMIT_S / 60:g} minutes"]) from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            worker.kill()
        with outside_work():
            await asyncio.shield(worker.wait())
    try:
        answer = json.loads(told)
    except ValueError:
        raise FileError([_BROKEN]) from None
    if faults := answer.get("faults"):
        raise FileError(faults)
    return str(answer["manifest"])


def _text(moment: datetime | None) -> str:
    return "" if moment is None else moment.isoformat()


def _moment(text: str) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


async def _export(asked: dict[str, Any]) -> dict[str, Any]:
    try:
        store = await Store.open(asked["database"])
        try:
            done = await export_evidence(
                store,
                asked["campaign"],
                Path(asked["path"]),
                period=Period(_moment(asked["since"]), _moment(asked["until"])),
                zone=ZoneInfo(asked["zone"]),
                who=asked["who"],
            )
        finally:
            await store.close()
    except FileError as error:
        return {"faults": list(error.faults)}
    except StoreError as error:
        return {"faults": [str(error)]}
    return {"manifest": done.manifest}


def main() -> None:
    """The other process."""
    os.nice(_NICE)
    print(json.dumps(asyncio.run(_export(json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
