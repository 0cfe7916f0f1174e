"""Passwords, one-time codes, tokens, and how often a wrong one may be tried.

Passwords are kept as Argon2id hashes (RFC 9106), tokens as SHA-256 digests, so that neither the
database nor a memory dump gives one away, and a look-up tells nothing by its time. scrypt hashes
of former versions are understood.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import struct
from urllib.parse import quote

import argon2
from argon2.exceptions import InvalidHashError, VerificationError

PASSWORD_LEAST = 10  # signs, for a password a person chooses (NIST SP 800-63B wants 8)
TOTP_STEP_S = 30
TOTP_DIGITS = 6
TOTP_SLACK = 1  # steps to either side: clocks of telephones are off
FAILURES_WITHIN_S = 300.0
FAILURES_ACCOUNT_MAX = 10  # wrong passwords for one name in this time, then wait
FAILURES_ADDRESS_MAX = 100  # and from one address: a whole office may sit behind one
KEYS_MAX = 10_000  # names and addresses remembered

_HASHER = argon2.PasswordHasher()  # RFC 9106's second choice: 64 MiB, 3 passes, 4 lanes
_CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)


def hash_password(password: str, *, cheap: bool = False) -> str:
    """An Argon2id hash in its usual text form. `cheap` is for passwords that live as long as a
    demo or a test. Takes some 50 ms; run it in a thread."""
    return (_CHEAP if cheap else _HASHER).hash(password)


def check_hash(encoded: str) -> None:
    """Raises ValueError unless `encoded` is a password's hash."""
    try:
        if encoded.startswith("scrypt$"):
            _, n, r, p, salt, digest = encoded.split("$")
            int(n), int(r), int(p)
            base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
        else:
            argon2.extract_parameters(encoded)
    except (ValueError, InvalidHashError):
        raise ValueError(
            "is not a password hash; make one with: dialer agents hash-password"
        ) from None


def password_matches(password: str, encoded: str) -> bool:
    """Whether this is the password. Takes as long as the hash says; run it in a thread."""
    if encoded.startswith("scrypt$"):
        _, n, r, p, salt, digest = encoded.split("$")
        made = hashlib.scrypt(
            password.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p)
        )
        return hmac.compare_digest(made, base64.b64decode(digest))
    try:
        return _HASHER.verify(encoded, password)
    except (VerificationError, InvalidHashError):
        return False


def is_dated(encoded: str) -> bool:
    """Whether the hash is of a kind that is not made any more."""
    return not encoded.startswith("$argon2id$")


def _nobodys_hash() -> str:
    """A hash of the usual cost that no password has: its digest was drawn, not reckoned."""
    salt, digest = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_HASHER.salt_len, _HASHER.hash_len)
    )
    cost = f"m={_HASHER.memory_cost},t={_HASHER.time_cost},p={_HASHER.parallelism}"
    return f"$argon2id$v=19${cost}${salt}${digest}"


# Checked for an unknown name, so that the answer takes as long as for a known one.
NOBODYS_HASH = _nobodys_hash()


# --- tokens and one-time codes ----------------------------------------------------------------


def new_token() -> str:
    """256 bits for a cookie, a bearer token or a ticket."""
    return secrets.token_urlsafe(32)


def digest_of(token: str) -> str:
    """What is kept of a token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def first_password() -> str:
    """A password for somebody's first sign-in; 80 bits, easy to read aloud."""
    text = base64.b32encode(secrets.token_bytes(10)).decode().lower()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def new_totp_secret() -> str:
    """160 bits, base32 (RFC 4226 section 4)."""
    return base64.b32encode(secrets.token_bytes(20)).decode()


def totp_uri(secret: str, name: str) -> str:
    """What an authenticator reads from a QR code."""
    return f"otpauth://totp/Overdial:{quote(name)}?secret={secret}&issuer=Overdial"


def totp_code(secret: str, step: int) -> str:
    """RFC 6238 with HMAC-SHA-1 and six digits, for a step since the epoch."""
    digest = hmac.new(base64.b32decode(secret), struct.pack(">Q", step), hashlib.sha1).digest()
    at = digest[-1] & 0x0F
    number = struct.unpack(">I", digest[at : at + 4])[0] & 0x7FFF_FFFF
    return str(number % 10**TOTP_DIGITS).zfill(TOTP_DIGITS)


def totp_step(secret: str, code: str, unix_s: float, after: int) -> int | None:
    """The step whose code this is, near `unix_s` and later than step `after` (each code counts
    once); None: none."""
    now = int(unix_s // TOTP_STEP_S)
    for step in range(max(after + 1, now - TOTP_SLACK), now + TOTP_SLACK + 1):
        if hmac.compare_digest(totp_code(secret, step).encode(), code.encode("utf-8", "replace")):
            return step
    return None


class Failures:
    """How often a key (a name, an address) failed of late. Times are real seconds."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._failed: dict[str, list[float]] = {}

    def may_try(self, key: str, now: float) -> bool:
        recent = [at for at in self._failed.get(key, []) if now - at < FAILURES_WITHIN_S]
        if recent:
            self._failed[key] = recent
        else:
            self._failed.pop(key, None)
        return len(recent) < self._most

    def failed(self, key: str, now: float) -> None:
        if key not in self._failed and len(self._failed) >= KEYS_MAX:
            self._failed.pop(next(iter(self._failed)))  # the one that began first
        self._failed.setdefault(key, []).append(now)

    def forget(self, key: str) -> None:
        self._failed.pop(key, None)
