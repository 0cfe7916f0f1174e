"""Reads YAML into checked values, naming file, line, field and mend for whatever is wrong.

A `Reader` both reads a YAML node and describes it as JSON Schema, so the two cannot disagree.
Nodes (not plain values) are read because only they know their line.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from yamlmarks import FaultLine, FileError, compose, read

_FILE_BYTES_MAX = 5_000_000  # an empirical distribution of 10^5 values fits; a mistake does not


@dataclass(frozen=True)
class Place:
    """Where a node stands: for errors."""

    file: str
    path: str = ""
    line: int = 1

    def at(self, node: yaml.Node, name: str) -> Place:
        joined = f"{self.path}.{name}" if self.path and not name.startswith("[") else name
        if name.startswith("["):
            joined = self.path + name
        return Place(self.file, joined, node.start_mark.line + 1)

    def error(self, text: str) -> FileError:
        return FileError([FaultLine(self.file, self.line, self.path, text)])


class Reader(Protocol):
    def read(self, node: yaml.Node, place: Place) -> Any: ...

    def schema(self) -> dict[str, Any]: ...


def _plain(node: yaml.Node, place: Place, wanted: str) -> str:
    if not isinstance(node, yaml.ScalarNode):
        raise place.error(f"must be {wanted}, not a {_form(node)}")
    return str(node.value)


def _form(node: yaml.Node) -> str:
    return "list" if isinstance(node, yaml.SequenceNode) else "mapping"


@dataclass(frozen=True)
class Number:
    """A number from `low` to `high`; infinity (`.inf`) only where allowed."""

    low: float = 0.0
    high: float = math.inf
    infinite: bool = False
    about: str = ""

    def read(self, node: yaml.Node, place: Place) -> float:
        text = _plain(node, place, "a number")
        try:
            value = math.inf if text.lower() in (".inf", "+.inf") else float(text)
        except ValueError:
            raise place.error(f"must be a number, not {text!r}") from None
        if math.isnan(value) or (math.isinf(value) and not self.infinite):
            raise place.error("must be a finite number")
        if not self.low <= value <= self.high:
            upper = "" if math.isinf(self.high) else f" and at most {self.high:g}"
            raise place.error(f"is {value:g}; must be at least {self.low:g}{upper}")
        return value

    def schema(self) -> dict[str, Any]:
        out: dict[str, Any] = {"type": "number", "minimum": self.low}
        if not math.isinf(self.high):
            out["maximum"] = self.high
        if self.about:
            out["description"] = self.about
        return out


@dataclass(frozen=True)
class Whole:
    """A whole number from `low` to `high`."""

    low: int = 0
    high: int = 10_000_000
    about: str = ""

    def read(self, node: yaml.Node, place: Place) -> int:
        text = _plain(node, place, "a whole number")
        try:
            value = int(text)
        except ValueError:
            raise place.error(f"must be a whole number, not {text!r}") from None
        if not self.low <= value <= self.high:
            raise place.error(f"is {value}; must be from {self.low} to {self.high}")
        return value

    def schema(self) -> dict[str, Any]:
        out: dict[str, Any] = {"type": "integer", "minimum": self.low, "maximum": self.high}
        if self.about:
            out["description"] = self.about
        return out


@dataclass(frozen=True)
class Text:
    length_max: int = 400

    def read(self, node: yaml.Node, place: Place) -> str:
        text = _plain(node, place, "text").strip()
        if not 1 <= len(text) <= self.length_max:
            raise place.error(f"must have 1 to {self.length_max} characters")
        return text

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1, "maxLength": self.length_max}


@dataclass(frozen=True)
class Flag:
    def read(self, node: yaml.Node, place: Place) -> bool:
        text = _plain(node, place, "true or false").lower()
        if text not in ("true", "false", "yes", "no", "on", "off"):
            raise place.error(f"must be true or false, not {text!r}")
        return text in ("true", "yes", "on")

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True)
class Choice:
    """One word of a few."""

    words: tuple[str, ...]
    make: Callable[[str], Any] = str

    def read(self, node: yaml.Node, place: Place) -> Any:
        text = _plain(node, place, "a word")
        if text not in self.words:
            raise place.error(f"is {text!r}; choose one of: {', '.join(self.words)}")
        return self.make(text)

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True)
class Many:
    """A list of things."""

    of: Reader
    least: int = 0
    most: int = 200_000

    def read(self, node: yaml.Node, place: Place) -> tuple[Any, ...]:
        if not isinstance(node, yaml.SequenceNode):
            raise place.error("must be a list ([...])")
        if not self.least <= len(node.value) <= self.most:
            raise place.error(f"must have {self.least} to {self.most} entries")
        return tuple(
            self.of.read(child, place.at(child, f"[{i}]")) for i, child in enumerate(node.value)
        )

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.schema(), "minItems": self.least}


@dataclass(frozen=True)
class Pair:
    """A list of exactly two things."""

    first: Reader
    second: Reader

    def read(self, node: yaml.Node, place: Place) -> tuple[Any, Any]:
        if not isinstance(node, yaml.SequenceNode) or len(node.value) != 2:
            raise place.error("must be a list of two: [when, value]")
        one, two = node.value
        return (
            self.first.read(one, place.at(one, "[0]")),
            self.second.read(two, place.at(two, "[1]")),
        )

    def schema(self) -> dict[str, Any]:
        return {
            "type": "array",
            "prefixItems": [self.first.schema(), self.second.schema()],
            "minItems": 2,
            "maxItems": 2,
        }


@dataclass(frozen=True)
class Record:
    """A mapping with known keys, handed to `make` as keyword arguments.

    `make` may raise ValueError (a rule over several fields); it becomes an error at this place.
    """

    fields: Mapping[str, Reader]
    make: Callable[..., Any]
    needed: Sequence[str] = ()

    def read(self, node: yaml.Node, place: Place) -> Any:
        if not isinstance(node, yaml.MappingNode):
            raise place.error(f"must be a mapping with keys of: {', '.join(self.fields)}")
        values: dict[str, Any] = {}
        for key_node, child in node.value:
            key = _plain(key_node, place, "a key")
            here = place.at(key_node, key)
            if key not in self.fields:
                near = difflib.get_close_matches(key, self.fields, n=1)
                hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(self.fields)}"
                raise here.error(f"there is no such key; {hint}")
            if key in values:
                raise here.error("is given twice; keep one")
            values[key] = self.fields[key].read(child, place.at(child, key))
        for key in self.needed:
            if key not in values:
                raise place.error(f"{key} is missing; add it")
        try:
            return self.make(**values)
        except FileError:
            raise
        except ValueError as error:
            raise place.error(getattr(error, "text", str(error))) from None

    def schema(self) -> dict[str, Any]:
        out: dict[str, Any] = {
            "type": "object",
            "additionalProperties": False,
            "properties": {key: reader.schema() for key, reader in self.fields.items()},
        }
        if self.needed:
            out["required"] = list(self.needed)
        return out


def read_file(path: Path, reader: Reader) -> Any:
    """The file's content through `reader`. Raises FileError for anything wrong with it."""
    return read_text(read(path), str(path), reader)


def read_text(data: bytes | str, file: str, reader: Reader) -> Any:
    """As `read_file`, for text already at hand; `file` is its name in errors."""
    node = compose(data, file, _FILE_BYTES_MAX)
    if node is None:
        raise FileError([FaultLine(file, 1, "", "the file is empty")])
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):  # they can nest without end
            line = event.start_mark.line + 1 if event.start_mark else 1
            told = f"aliases (*{event.anchor}) are not read here"
            raise FileError([FaultLine(file, line, "", told)])
    return reader.read(node, Place(file, "", node.start_mark.line + 1))
