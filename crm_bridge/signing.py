"""Standard Webhooks 1.0.0: headers and symmetric (`v1`) signatures.

The signed text is `<webhook-id>.<webhook-timestamp>.<raw body>`, the timestamp that of the
attempt in UTC seconds. During a rotation there are two secrets and two signatures, so that a
receiver that knows either of them is content.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets as _random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hashlib import _Hash

PREFIX = "whsec_"
TOLERANCE_S = 300.0  # the standard's own; bounds the time in which a captured request can be played
SECRET_BYTES_MIN, SECRET_BYTES_MAX = 24, 64
_BLOCK = hashlib.sha256().block_size
_SIGNATURES_MAX = 16  # in one header; more is not a rotation but somebody trying


class SecretError(ValueError):
    """A secret that is none. The text does not repeat it."""


class VerificationError(Exception):
    """A request that is not ours, is too old, or was changed on its way."""


def new_secret() -> str:
    return PREFIX + base64.b64encode(_random.token_bytes(32)).decode()


def decode_secret(text: str) -> bytes:
    """The key of a `whsec_...` secret; `SecretError` says how to mend it."""
    if not text.startswith(PREFIX):
        raise SecretError(f"a secret starts with {PREFIX!r}; make one with: crm-bridge secret")
    try:
        key = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError) as error:
        raise SecretError(
            f"what follows {PREFIX!r} must be base64; make a secret with: crm-bridge secret"
        ) from error
    if not SECRET_BYTES_MIN <= len(key) <= SECRET_BYTES_MAX:
        raise SecretError(
            f"a secret has {SECRET_BYTES_MIN} to {SECRET_BYTES_MAX} bytes and this has {len(key)};"
            " make one with: crm-bridge secret"
        )
    return key


class Signer:
    """Signs with every key given (the newest first); keys as `decode_secret` returns them."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        if not keys:
            raise ValueError("nothing leaves unsigned: give at least one key")
        self._prepared = [_prepared(key) for key in keys]

    def headers(self, message_id: str, timestamp: int, body: bytes) -> dict[str, str]:
        message = f"{message_id}.{timestamp}.".encode() + body
        signatures = []
        for first, last in self._prepared:
            inner, outer = first.copy(), last.copy()
            inner.update(message)
            outer.update(inner.digest())
            signatures.append(f"v1,{binascii.b2a_base64(outer.digest(), newline=False).decode()}")
        return {
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp),
            "webhook-signature": " ".join(signatures),
        }


def _prepared(key: bytes) -> tuple[_Hash, _Hash]:
    """The two hashes of HMAC (RFC 2104) with the key in them, to be copied for each message: half
    the time of `hmac`, which wraps each of these steps."""
    if len(key) > _BLOCK:
        key = hashlib.sha256(key).digest()
    key = key.ljust(_BLOCK, b"\0")
    return (
        hashlib.sha256(bytes(byte ^ 0x36 for byte in key)),
        hashlib.sha256(bytes(byte ^ 0x5C for byte in key)),
    )


def verify(
    keys: Sequence[bytes],
    headers: Mapping[str, str],
    body: bytes,
    now: float,
    *,
    tolerance_s: float = TOLERANCE_S,
) -> str:
    """The id of a genuine request; `VerificationError` otherwise.

    `headers` looks up without regard to case or has lower-case names; `now` is UTC seconds.
    """
    try:
        message_id = headers["webhook-id"]
        stamp = headers["webhook-timestamp"]
        offered = headers["webhook-signature"].split(" ")
    except KeyError as error:
        raise VerificationError(f"the header {error.args[0]} is missing") from None
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12):
        raise VerificationError("webhook-timestamp is not a number of seconds")
    if abs(now - int(stamp)) > tolerance_s:
        raise VerificationError("webhook-timestamp is too far from now")
    if len(offered) > _SIGNATURES_MAX:
        raise VerificationError("webhook-signature has too many signatures")
    expected = [
        Signer([key]).headers(message_id, int(stamp), body)["webhook-signature"].encode()
        for key in keys
    ]
    for signature in offered:
        given = signature.encode()
        if any([hmac.compare_digest(given, ours) for ours in expected]):  # noqa: C419 - all, always
            return message_id
    raise VerificationError("no signature matches")
