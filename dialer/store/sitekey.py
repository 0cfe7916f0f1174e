"""The site's own key, and numbers that can be recognised and not read.

A phone number has ten digits: a plain hash of one is undone by trying them all. An HMAC cannot be
undone without the key, so the key may be kept apart: a file named by OVERDIAL_SITE_KEY_FILE. Then
the database holds its fingerprint only, and without the right file nothing is done that would need
it. Otherwise the key is made at first use and stands in the database, and its backups; a file that
is named later leaves it at that, and is used for what is new.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from dialer.store.bulk import rows_among
from dialer.store.context import insert_for, to_ms
from dialer.store.database import StoreError
from dialer.store.schema import erased_numbers, site_keys

KEY_FILE = "OVERDIAL_SITE_KEY_FILE"
KEY_LEAST = 32  # signs of a key in a file
_NAME = "erased numbers"
_ANY = sa.select(erased_numbers.c.hash).limit(1)


def site_key(connection: Connection, now: datetime | None = None) -> bytes:
    """The key; with `now` it is made if there is none. Raises `StoreError` when it is missing or
    another than the one the hashes were made with."""
    outside = key_from_file()
    known = connection.execute(sa.select(site_keys).where(site_keys.c.name == _NAME)).first()
    if known is None:
        if now is None:
            raise StoreError("the site has no key yet: it is made when somebody is erased first")
        key = outside or secrets.token_hex(32)
        row = {
            "name": _NAME,
            "fingerprint": _fingerprint(key),
            "secret": None if outside else key,
            "made_ms": to_ms(now),
        }
        insert = insert_for(connection.dialect.name)(site_keys).on_conflict_do_nothing()
        connection.execute(insert, row)
        return site_key(connection)
    key = known.secret or outside  # what was hashed cannot be hashed anew with a later key
    if not key:
        raise StoreError(f"the site's key is kept outside of the database: name it in {KEY_FILE}")
    if not hmac.compare_digest(_fingerprint(key), known.fingerprint):
        raise StoreError(
            f"the key in {KEY_FILE} is not the one this site's erased numbers were hashed with: "
            "bring back the right one, or they would be called again"
        )
    return key.encode()


def key_from_file() -> str:
    """The key kept outside of the database; empty when no file is named."""
    path = os.environ.get(KEY_FILE, "")
    if not path:
        return ""
    try:
        key = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        raise StoreError(f"{KEY_FILE}: the file cannot be read: {path}") from None
    if len(key) < KEY_LEAST:
        raise StoreError(f"{KEY_FILE}: the key is shorter than {KEY_LEAST} signs")
    return key


def _fingerprint(key: str) -> str:
    return hashlib.sha256(b"overdial site key\0" + key.encode()).hexdigest()[:32]


def hashed(key: bytes, number: str) -> str:
    """Of a number in E.164."""
    return hmac.digest(key, number.encode(), "sha256").hex()


def remember_erased(connection: Connection, numbers: Iterable[str], now: datetime) -> None:
    """From now on nobody calls these, and nobody can read here which they are."""
    wanted = list(numbers)
    if not wanted:
        return
    key = site_key(connection, now)
    connection.execute(
        insert_for(connection.dialect.name)(erased_numbers).on_conflict_do_nothing(),
        [{"hash": hashed(key, number), "added_ms": to_ms(now)} for number in wanted],
    )


def erased_among(connection: Connection, numbers: Iterable[str]) -> set[str]:
    """Those of the numbers that belonged to somebody who was erased."""
    if connection.scalar(_ANY) is None:
        return set()
    key = site_key(connection)
    by_hash = {hashed(key, number): number for number in numbers}
    found = rows_among(connection, "SELECT hash FROM erased_numbers WHERE hash IN {keys}", by_hash)
    return {by_hash[row[0]] for row in found}
