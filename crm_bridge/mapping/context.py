"""What templates and picks can name, and the same as a shape to check them against."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from crm_bridge.catalogue import schema
from crm_bridge.events import utc_text
from crm_bridge.mapping.model import Setting, SettingValue
from crm_bridge.mapping.pick import Shape
from crm_bridge.mapping.template import Trusted

MASK = "***"


@dataclass(frozen=True, slots=True)
class Told:
    """An event on its way to a CRM; `data` is its parsed JSON, `at` UTC seconds."""

    id: str
    type: str
    at: float
    key: str
    seq: int | None
    data: Mapping[str, Any]


def settings_context(
    settings: Mapping[str, Setting], values: Mapping[str, SettingValue], *, masked: bool = False
) -> dict[str, Any]:
    """Settings as templates see them; secrets as `MASK` when `masked`."""
    found: dict[str, Any] = {}
    for name, setting in settings.items():
        value = values.get(name, setting.default or "")
        if setting.secret and masked:
            value = MASK
        found[name] = Trusted(value) if isinstance(value, str) else dict(value)
    return found


def event_context(
    told: Told, settings: Mapping[str, Any], refs: Mapping[str, str], new: Mapping[str, bool]
) -> dict[str, Any]:
    """`refs` are captured ids by name; `new` has those captured for this very event."""
    lead = told.data.get("lead") or {}
    return {
        "event": {
            "id": told.id,
            "type": told.type,
            "time": utc_text(datetime.fromtimestamp(told.at, UTC)),
            "sequence": told.seq,
            "key": told.key,
        },
        "data": told.data,
        "lead": lead,
        "fields": lead.get("fields") or {},
        "settings": settings,
        "refs": refs,
        "new": new,
    }


_TEXT: Shape = {"type": "string"}
_EVENT: Shape = {
    "properties": dict.fromkeys(("id", "type", "time", "sequence", "key"), _TEXT),
}


def settings_shape(settings: Mapping[str, Setting]) -> Shape:
    return {
        "properties": {
            name: {"additionalProperties": True, "properties": {}} if one.kind == "map" else _TEXT
            for name, one in settings.items()
        }
    }


def event_shape(type_: str, settings: Mapping[str, Setting], refs: Iterable[str]) -> Shape:
    """The shape of `event_context` for a type of event."""
    data = schema(type_)
    lead = data["properties"].get("lead", {"properties": {}})
    known = {"properties": dict.fromkeys(refs, _TEXT)}
    return {
        "properties": {
            "event": _EVENT,
            "data": data,
            "lead": lead,
            "fields": lead["properties"].get("fields", {"properties": {}}),
            "settings": settings_shape(settings),
            "refs": known,
            "new": known,
        }
    }
