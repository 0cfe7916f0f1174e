"""One field of a request: where its value comes from and what becomes of it on the way.

In YAML a field is a template, or a table:

    Subject: "Call with {{ lead.name }}"
    CallDurationInSeconds: {pick: data.timings.talk_s, as: duration, unit: s}
    Status: {pick: data.outcome, map: {connected: Completed}, else: Deferred}
    OwnerId: {pick: data.agent, look_up: agents, if_null: omit}

The way is: source, map or look-up, default, kind (`as`), length (`max`). A value that is null is
left out unless `if_null` says `null` or `refuse`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from crm_bridge.mapping.pick import Pick, PickError
from crm_bridge.mapping.template import Template, TemplateError
from crm_bridge.mapping.transforms import TransformError, as_text, convert

_PLACES_MAX = 100  # entries of a list that is made place by place


class FieldError(ValueError):
    """A field that cannot be filled. Names the field; never the value."""


class IfNull(StrEnum):
    OMIT = "omit"
    NULL = "null"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Field:
    """`path` is the place in the body: names, and numbers for places in a list."""

    name: str
    path: tuple[str, ...]
    source: Template | Pick
    mapped: Mapping[str, str] | None = None
    look_up: str = ""  # the setting that holds the map
    otherwise: str | None = None  # for what the map does not have; None: refused
    default: str | None = None
    kind: str = "text"
    options: Mapping[str, str] = field(default_factory=dict)
    length_max: int | None = None
    if_null: IfNull = IfNull.OMIT

    def value(self, context: Mapping[str, Any]) -> Any:
        """What to send, None for null. Raises `FieldError`."""
        try:
            found = (
                self.source.render(context)
                if isinstance(self.source, Template)
                else self.source.find(context)
            )
            if found is not None and found != "":
                found = self._through_map(found, context)
            if found is None or found == "":
                found = self.default
            if found is None:
                if self.if_null is IfNull.REFUSE:
                    raise TransformError("is empty, and the CRM demands it")
                return None
            made = convert(found, self.kind, self.options)
        except (TemplateError, PickError, TransformError) as error:
            raise FieldError(f"{self.name} {error}") from None
        return made[: self.length_max] if isinstance(made, str) else made

    def _through_map(self, found: Any, context: Mapping[str, Any]) -> Any:
        table = self.mapped
        if self.look_up:
            table = context["settings"].get(self.look_up) or {}
        if table is None:
            return found
        value = table.get(as_text(found), self.otherwise)
        if value is None and not self.look_up:
            raise TransformError("has a value that map: does not list: add it, or add else:")
        return value


def values(fields: Sequence[Field], context: Mapping[str, Any]) -> list[tuple[Field, Any]]:
    """Every field that is not left out, with its value."""
    found = ((one, one.value(context)) for one in fields)
    return [(one, value) for one, value in found if value is not None or one.if_null is IfNull.NULL]


def flat(fields: Sequence[Field], context: Mapping[str, Any]) -> list[tuple[str, str]]:
    """For forms and queries: names as they are written, values as text."""
    return [(one.name, as_text(value)) for one, value in values(fields, context)]


def nested(fields: Sequence[Field], context: Mapping[str, Any]) -> Any:
    """For JSON: `ticket.comment.body` becomes tables in tables, `tags.0` a place in a list."""
    root: dict[str, Any] = {}
    for one, value in values(fields, context):
        here = root
        for name in one.path[:-1]:
            here = here.setdefault(name, {})
        here[one.path[-1]] = value
    return _lists(root)


def _lists(node: Any) -> Any:
    if not isinstance(node, dict):
        return node
    made = {name: _lists(value) for name, value in node.items()}
    if made and all(name.isdigit() and int(name) < _PLACES_MAX for name in made):
        return [made[name] for name in sorted(made, key=int)]
    return made


def split_name(name: str) -> tuple[str, ...]:
    r"""The places of a dotted name; `\.` is a dot that belongs to a name."""
    return tuple(part.replace("\0", ".") for part in name.replace("\\.", "\0").split("."))
