"""Other dialers' pacers, written from their published behaviour, to be measured against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

PEERS: dict[str, Callable[..., Any]] = {}
