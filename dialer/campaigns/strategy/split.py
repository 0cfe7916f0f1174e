"""Champion and challengers: who is in which arm of an experiment. Pure, and the same for ever.

The arm follows from the account's id and the experiment's name alone: BLAKE2b (RFC 7693) with a
digest of 8 bytes over the UTF-8 of `experiment NUL id`, read as a big-endian number h; the account
stands at h / 2^64 of the way from 0 to 1. Challengers own the first shares in the order of the
file, the champion the rest. So a restart, another machine or a new import moves nobody; a larger
share of the last challenger takes from the champion only; and another experiment's name shuffles
anew, independent of the former.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

MILLION = 1_000_000


def place_of(experiment: str, account: str) -> int:
    """Where an account stands, in millionths: 0 to 999,999."""
    text = f"{experiment}\0{account}".encode("utf-8", "surrogatepass")
    digest = hashlib.blake2b(text, digest_size=8).digest()
    return int.from_bytes(digest, "big") * MILLION >> 64


def arm_of(experiment: str, account: str, shares: Sequence[tuple[str, int]]) -> str:
    """The challenger an account belongs to, or "" for the champion. `shares`: name, millionths."""
    place, reached = place_of(experiment, account), 0
    for name, share in shares:
        reached += share
        if place < reached:
            return name
    return ""
