"""JMESPath over what an event brings, with the fields it names checked beforehand.

A short expression can make a long answer: `[@,@]|[@,@]|...` doubles it with every bar. What an
expression makes is at most so many times as long as what it looks at (`_growth`), or it is refused
when the mapping is read; and so its time is bounded too.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterator, Mapping
from typing import Any

import jmespath
import jmespath.exceptions

from crm_bridge.mapping.template import Path

_SOURCE_MAX = 2_000
_GROWTH_MAX = 100  # a table of a hundred fields made anew, or a text quoted six times
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
        if _growth(self._compiled.parsed) > _GROWTH_MAX:
            raise PickError(
                f"can make more than {_GROWTH_MAX} times of what it looks at: "
                "name the fields it needs"
            )

    def find(self, context: Any) -> Any:
        try:
            return self._compiled.search(context)
        except (jmespath.exceptions.JMESPathError, RecursionError, TypeError, ValueError) as error:
            raise PickError(f"fails on this event ({type(error).__name__})") from None

    def paths(self) -> list[Path]:
        """The fields it names from the top: plain chains only, inside of operators too."""
        return list(_chains(self._compiled.parsed))


_SUMS = {"multi_select_list", "multi_select_dict", "or_expression", "and_expression", "comparator"}
_FIRST = {"subexpression", "pipe", "projection", "value_projection", "filter_projection"}


def _growth(node: Mapping[str, Any]) -> float:
    """How many times longer than what it looks at the answer can be, at most.

    Parts that stand side by side add up; one that looks at the other's answer multiplies. Raises
    `PickError` for what has no such bound, and for what is surely not meant.
    """
    kind, children = node["type"], [one for one in node["children"] if isinstance(one, Mapping)]
    if kind in _FIRST and children[0]["type"] == "not_expression":
        raise PickError("negates the first name only: write !(a.b) for !a.b")
    grown = [_growth(one) for one in children]
    if kind in _SUMS:
        return sum(grown)
    if kind == "function_expression":
        if node["value"] == "join" and children and children[0]["type"] != "literal":
            raise PickError(
                "joins by a text that is not its own: write it out, as in join(', ', a)"
            )
        # map, sort_by and so on: an expression over each of a list
        within = [
            size for one, size in zip(children, grown, strict=True) if one["type"] == "expref"
        ]
        beside = [
            size for one, size in zip(children, grown, strict=True) if one["type"] != "expref"
        ]
        size = sum(beside) * math.prod(within)
        return 2 * size if node["value"] == "to_string" else size  # quotes become two signs
    return math.prod(max(1.0, size) for size in grown)


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
