"""Databases whose tables are there already: to make them anew takes most of a short test's time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from dialer.store import store
from dialer.store.database import Database, connect, parse_url
from dialer.store.migrate import upgrade


@cache
def sqlite_file() -> bytes:
    """A SQLite database as a start makes it. Not to be called first in a running loop."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "empty.db"
        upgrade(f"sqlite:///{path}")
        return path.read_bytes()


@contextmanager
def stores_open_faster() -> Iterator[None]:
    """A store finds its tables made where there was no database. What the upgrade does is tried
    by the tests that open a database by itself (`dialer.store.database.connect`)."""
    made = sqlite_file()

    async def connect_to_tables(url: str, *, durable: bool = True) -> Database:
        parsed = parse_url(url)
        if parsed.get_backend_name() == "sqlite":
            _write_unless_there(Path(str(parsed.database)), made)
        return await connect(url, durable=durable)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "connect", connect_to_tables)
        yield


def _write_unless_there(path: Path, content: bytes) -> None:
    if path.parent.is_dir() and not path.exists():
        path.write_bytes(content)
