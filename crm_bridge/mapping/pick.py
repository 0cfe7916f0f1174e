"""JMESPath over what an event brings, with the fields it names checked beforehand."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
import jmespath.exceptions

from crm_bridge.mapping.template import Path

_SOURCE_MAX = 2_000
Shape = Mapping[str, Any]
"""What is known of a value, as a JSON Schema; an empty one says nothing."""


class PickError(ValueError):
    """An expression that is refused, or that fails. The text holds no data."""


class Pick:
    """One expression."""

    def __init__(self, source: str) -> None:
        if len(source) > _SOURCE_MAX:
            raise PickError(f"is longer than {_SOURCE_MAX} characters: shorten it")
        self.source = source
        try:
            self._compiled = jmespath.compile(source)
        except (jmespath.exceptions.JMESPathError, RecursionError, ValueError):
            raise PickError("is no JMESPath expression; see jmespath.org") from None

    def find(self, context: Any) -> Any:
        try:
            return self._compiled.search(context)
        except (jmespath.exceptions.JMESPathError, RecursionError, TypeError, ValueError) as error:
            raise PickError(f"fails on this event ({type(error).__name__})") from None

    def paths(self) -> list[Path]:
        """The fields it names from the top: plain chains only, inside of operators too."""
        return list(_chains(self._compiled.parsed))


def _chain(node: Mapping[str, Any]) -> Path | None:
    if node["type"] == "field":
        return (str(node["value"]),)
    if node["type"] == "subexpression":
        whole: Path = ()
        for child in node["children"]:
            part = _chain(child)
            if part is None:
                return None
            whole += part
        return whole
    return None


_NEW_SCOPE = {"projection", "value_projection", "filter_projection", "pipe", "flatten"}


def _chains(node: Mapping[str, Any]) -> Iterator[Path]:
    found = _chain(node)
    if found is not None:
        yield found
        return
    children = node.get("children", [])
    if node["type"] in _NEW_SCOPE or node["type"] in ("subexpression", "index_expression"):
        children = children[:1]  # what follows looks at a part that is not known here
    for child in children:
        if isinstance(child, Mapping):
            yield from _chains(child)


def missing(path: Path, shape: Shape) -> str:
    """Why there is no such field, with the mend; empty when there is, or nobody can tell."""
    here: Shape = shape
    for n, name in enumerate(path):
        known = here.get("properties")
        if known is None:
            return ""
        if name in known:
            here = known[name]
            continue
        if here.get("additionalProperties"):
            return ""
        whole = ".".join(path[: n + 1])
        near = difflib.get_close_matches(name, known, 1)
        mend = f"did you mean {near[0]}?" if near else f"known: {', '.join(sorted(known))}"
        return f"there is no field {whole}: {mend}"
    return ""
