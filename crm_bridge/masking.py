"""Personal data taken out of what people look at when they look after deliveries.

An event is masked before it is rendered, so that no transform of a mapping can bring a number back
to the light; what a receiver answered is free text and is searched for everything personal that
the event holds, and for whatever looks like a number or a mail address.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from crm_bridge.mapping.context import MASK
from crm_bridge.mapping.transforms import Placeholder

ANSWER_MAX = 2000  # characters of an answer that are shown
_PERSONAL = frozenset({"name", "phone", "note", "fields"})  # by their names, wherever they are
_NUMBER = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){5,}")
_MAIL = re.compile(r"[\w.+-]+@[\w.-]+")
_SHORTEST = 3  # characters of a value that is looked for; shorter ones are everywhere


def masked(data: Any, personal: bool = False) -> Any:
    """The data of an event with every personal text as `MASK`; ids, codes and times stay."""
    if isinstance(data, Mapping):
        return {name: masked(value, personal or name in _PERSONAL) for name, value in data.items()}
    if isinstance(data, list):
        return [masked(value, personal) for value in data]
    return Placeholder(MASK) if personal and data not in (None, "") else data


def mask_text(text: str, data: Any) -> str:
    """A receiver's words about an event, without what is personal in them."""
    for value in sorted(set(_values(data, False)), key=len, reverse=True):
        text = re.sub(re.escape(value), MASK, text, flags=re.IGNORECASE)
    return _NUMBER.sub(MASK, _MAIL.sub(MASK, text))[:ANSWER_MAX]


def _values(data: Any, personal: bool) -> Iterator[str]:
    if isinstance(data, Mapping):
        for name, value in data.items():
            yield from _values(value, personal or name in _PERSONAL)
    elif isinstance(data, list):
        for value in data:
            yield from _values(value, personal)
    elif personal and data is not None and len(str(data)) >= _SHORTEST:
        yield str(data)
