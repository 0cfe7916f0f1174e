"""What the database keeps and must not be able to read: the secrets of one-time codes.

A copy of the database, or of its backup, would otherwise be enough to make everybody's codes. They
are encrypted (Fernet: AES-CBC with an HMAC) under a key derived from the site's key, and that must
lie outside: in the file that OVERDIAL_SITE_KEY_FILE names. Without the file nobody can begin with
one-time codes; without the right one, nobody who has them can sign in, and the dialer says so when
it starts.
"""

from __future__ import annotations

import base64
import hmac

from cryptography.fernet import Fernet, InvalidToken

from dialer.store.database import StoreError
from dialer.store.sitekey import KEY_FILE, key_from_file


def sealed(secret: str) -> str:
    """Raises `StoreError` when there is no key."""
    return _cipher().encrypt(secret.encode()).decode()


def unsealed(kept: str) -> str:
    """Raises `StoreError` when the key is missing, or another than it was sealed with."""
    try:
        return _cipher().decrypt(kept).decode()
    except InvalidToken:
        raise StoreError(
            f"the key in {KEY_FILE} is not the one this site's one-time codes were encrypted with: "
            "bring back the right one, or have their owners enrol again (dialer users forget-codes)"
        ) from None


def _cipher() -> Fernet:
    key = key_from_file()
    if not key:
        raise StoreError(
            "one-time codes need a key outside of the database: make a file "
            f"(openssl rand -hex 32 > site.key; chmod 600 site.key) and name it in {KEY_FILE}"
        )
    derived = hmac.digest(key.encode(), b"overdial one-time codes", "sha256")
    return Fernet(base64.urlsafe_b64encode(derived))
