"""Agents' passwords and session tokens.

Passwords are kept as scrypt hashes (RFC 7914), tokens as SHA-256 digests, so that neither the
configuration nor a memory dump gives one away, and a look-up tells nothing by its time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from dataclasses import dataclass

SCRYPT_N, SCRYPT_R, SCRYPT_P = 2**14, 8, 1  # 16 MB and some 50 ms a guess
TOKENS_MAX = 10_000
TOKEN_LIFE_S = 16 * 3600.0  # a long shift
FAILURES_MAX = 10  # wrong passwords for one agent ...
FAILURES_WITHIN_S = 300.0  # ... in this time, then wait


def hash_password(password: str, cost: int = SCRYPT_N) -> str:
    """`scrypt$n$r$p$salt$hash`, base64. `cost` is scrypt's N, a power of two."""
    salt = secrets.token_bytes(16)
    digest = hashlib.scrypt(password.encode(), salt=salt, n=cost, r=SCRYPT_R, p=SCRYPT_P)
    parts = (base64.b64encode(part).decode() for part in (salt, digest))
    return "$".join(("scrypt", str(cost), str(SCRYPT_R), str(SCRYPT_P), *parts))


def check_hash(encoded: str) -> None:
    """Raises ValueError unless `encoded` is such a hash."""
    try:
        kind, n, r, p, salt, digest = encoded.split("$")
        int(n), int(r), int(p)
        base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
    except ValueError:
        kind = ""
    if kind != "scrypt":
        raise ValueError("is not a password hash; make one with: dialer agents hash-password")


def password_matches(password: str, encoded: str) -> bool:
    """Whether this is the password. Takes as long as the hash says; run it in a thread."""
    _, n, r, p, salt, digest = encoded.split("$")
    made = hashlib.scrypt(
        password.encode(), salt=base64.b64decode(salt), n=int(n), r=int(r), p=int(p)
    )
    return hmac.compare_digest(made, base64.b64decode(digest))


# Checked for an unknown agent, so that the answer takes as long as for a known one.
NOBODYS_HASH = hash_password(secrets.token_urlsafe(8))


@dataclass(slots=True)
class _Session:
    agent: str
    until: float


class Sessions:
    """Which token is whose. Times are seconds on the shell's clock."""

    def __init__(self) -> None:
        self._tokens: OrderedDict[bytes, _Session] = OrderedDict()
        self._failures: dict[str, list[float]] = {}

    def open(self, agent: str, now: float) -> str:
        token = secrets.token_urlsafe(32)
        self._tokens[_digest(token)] = _Session(agent, now + TOKEN_LIFE_S)
        while len(self._tokens) > TOKENS_MAX:
            self._tokens.popitem(last=False)
        self._failures.pop(agent, None)
        return token

    def agent_of(self, token: str, now: float) -> str | None:
        session = self._tokens.get(_digest(token))
        return session.agent if session is not None and session.until > now else None

    def end(self, agent: str) -> None:
        """No token of this agent is valid any more."""
        for digest in [d for d, s in self._tokens.items() if s.agent == agent]:
            del self._tokens[digest]

    def may_try(self, agent: str, now: float) -> bool:
        """Whether another password may be tried for this name."""
        recent = [at for at in self._failures.get(agent, []) if now - at < FAILURES_WITHIN_S]
        if recent:
            self._failures[agent] = recent
        else:
            self._failures.pop(agent, None)
        return len(recent) < FAILURES_MAX

    def failed(self, agent: str, now: float) -> None:
        if len(self._failures) < TOKENS_MAX:
            self._failures.setdefault(agent, []).append(now)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
