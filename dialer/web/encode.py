"""Views and messages to JSON bytes, once per message."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter


@cache
def adapter_of(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def encode(value: object, kind: type | None = None) -> bytes:
    """JSON of a view, a model or a list of them; `kind` where the type is not enough."""
    return adapter_of(kind or type(value)).dump_json(value, fallback=_plain, by_alias=True)


def _plain(value: object) -> object:
    if isinstance(value, Mapping):  # a read-only proxy of a mapping is a mapping as well
        return dict(value)
    raise TypeError(f"{type(value).__name__} cannot be sent to a screen")
