"""What an import has seen of its file: numbers, ids and persons, each with its line.

On disk, in a file of its own that is gone with the process: the memory of an import does not grow
with its list, and the dialer's database is not written to for what may be thrown away.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

KINDS = ("number", "external_id", "person")
_CACHE_KB = 32 * 1024


class Scratch:
    """Made when an import begins; `close` takes the file away."""

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="overdial-import-")
        self._db = sqlite3.connect(
            Path(self._folder.name) / "seen.db", isolation_level=None, check_same_thread=False
        )
        for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{_CACHE_KB}"):
            self._db.execute(f"PRAGMA {pragma}")
        self._db.execute("CREATE TABLE number (key INTEGER PRIMARY KEY, line INTEGER NOT NULL)")
        for kind in KINDS[1:]:
            self._db.execute(
                f"CREATE TABLE {kind} (key TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID"
            )
        self._db.execute("BEGIN")

    def close(self) -> None:
        self._db.close()
        self._folder.cleanup()

    def seen(self, kind: str, keys: Iterable[str]) -> dict[str, int]:
        """The keys that came before -> their line."""
        if kind != "number":
            text = json.dumps(list(keys))
            found = self._db.execute(
                f"SELECT key, line FROM {kind} WHERE key IN (SELECT value FROM json_each(?))",  # noqa: S608
                (text,),
            )
            return dict(found.fetchall())
        text = json.dumps([int(key[1:]) for key in keys])  # E.164 without its plus
        found = self._db.execute(
            "SELECT key, line FROM number WHERE key IN (SELECT value FROM json_each(?))", (text,)
        )
        return {f"+{key}": line for key, line in found.fetchall()}

    def add(self, kind: str, keys: Iterable[tuple[str, int]]) -> None:
        """Remember (key, line); what is known stays at its first line."""
        rows = sorted(
            (int(key[1:]), line) if kind == "number" else (key, line) for key, line in keys
        )
        self._db.executemany(f"INSERT OR IGNORE INTO {kind} VALUES (?, ?)", rows)  # noqa: S608
