"""YAML read with line numbers: tables of known fields whose misuse is complained of by line.

Values are taken as text the way they are written (so `15` and `"15"` are the same, and nothing is
turned into a date or a truth value behind the writer's back). `${NAME}` is replaced by the
environment's value. A value is never repeated in a complaint: it may be a secret.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from yamlmarks import compose

_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def duration_s(text: str) -> float | None:
    """Seconds of `250ms`, `15s`, `5m`, `2h`, `3d`; None when it is none of these."""
    found = _DURATION.fullmatch(text.strip())
    return None if found is None else float(found[1]) * _UNIT_S[found[2]]


@dataclass(frozen=True, slots=True)
class Mark:
    line: int  # from 1


class Problems:
    """Complaints about one file, in the order found."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: list[str] = []

    def add(self, node: yaml.Node, where: str, text: str) -> None:
        self.lines.append(f"{self.source}:{node.start_mark.line + 1}: {where}: {text}")


class Table:
    """A mapping whose fields are asked for by name; `finish` complains of what nobody asked for."""

    def __init__(
        self, node: yaml.MappingNode, where: str, problems: Problems, environ: Mapping[str, str]
    ) -> None:
        self.node = node
        self.mark = Mark(node.start_mark.line + 1)
        self.problems = problems
        self._where = where
        self._environ = environ
        self._fields: dict[str, tuple[yaml.Node, yaml.Node]] = {}
        self._asked: list[str] = []
        for key, value in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else ""
            if name in self._fields:
                problems.add(key, self._path(name), "is given twice: remove one")
            self._fields[name] = (key, value)

    def _path(self, name: str) -> str:
        return f"{self._where}.{name}" if self._where else name

    def complain(self, name: str, text: str) -> None:
        plain = name.partition("[")[0]
        node = self._fields[plain][1] if plain in self._fields else self.node
        number = name.partition("[")[2].rstrip("]")
        if number and isinstance(node, yaml.SequenceNode) and int(number) < len(node.value):
            node = node.value[int(number)]
        self.problems.add(node, self._path(name), text)

    def has(self, name: str) -> bool:
        return name in self._fields

    def is_table(self, name: str) -> bool:
        return name in self._fields and isinstance(self._fields[name][1], yaml.MappingNode)

    def names(self) -> list[str]:
        """The names that are given, where any may be."""
        return list(self._fields)

    def _value(self, name: str) -> yaml.Node | None:
        self._asked.append(name)
        found = self._fields.get(name)
        return None if found is None else found[1]

    def _scalar(self, name: str, node: yaml.Node) -> str | None:
        if not isinstance(node, yaml.ScalarNode) or node.tag == "tag:yaml.org,2002:null":
            self.complain(name, "needs a single value")
            return None
        text = str(node.value)
        for variable in _VARIABLE.findall(text):
            if variable not in self._environ:
                self.complain(name, f"the environment has no {variable}: set it")
                return None
        return _VARIABLE.sub(lambda found: self._environ[found[1]], text)

    def text(self, name: str, default: str | None = None) -> str | None:
        """A single value; without a default it must be there."""
        node = self._value(name)
        if node is None:
            if default is None:
                self.complain(name, "is missing: add it")
            return default
        return self._scalar(name, node)

    def texts(self, name: str) -> list[str]:
        """A list of single values; one value alone is a list of one."""
        node = self._value(name)
        if node is None:
            return []
        items = node.value if isinstance(node, yaml.SequenceNode) else [node]
        found = [
            self._scalar(f"{name}[{n}]" if len(items) > 1 else name, item)
            for n, item in enumerate(items)
        ]
        return [one for one in found if one is not None]

    def mapping(self, name: str) -> dict[str, str]:
        """Names with single values."""
        node = self._value(name)
        if node is None:
            return {}
        if not isinstance(node, yaml.MappingNode):
            self.complain(name, "needs name: value pairs")
            return {}
        found = {str(key.value): self._scalar(name, value) for key, value in node.value}
        return {key: value for key, value in found.items() if value is not None}

    def table(self, name: str) -> Table | None:
        """A table within this one; None when it is not there."""
        node = self._value(name)
        if node is None:
            return None
        if not isinstance(node, yaml.MappingNode):
            self.complain(name, "needs fields, as name: value")
            return None
        return Table(node, self._path(name), self.problems, self._environ)

    def tables(self, name: str) -> list[Table]:
        """A list of tables."""
        node = self._value(name)
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            self.complain(name, "needs a list: start each entry with a dash")
            return []
        found = []
        for n, item in enumerate(node.value):
            where = f"{self._path(name)}[{n}]"
            if isinstance(item, yaml.MappingNode):
                found.append(Table(item, where, self.problems, self._environ))
            else:
                self.problems.add(item, where, "needs fields, such as name: and url:")
        return found

    def ask(self, name: str) -> None:
        """The field is known, whether it is there or not."""
        self._asked.append(name)

    def finish(self) -> None:
        """Complain of every field that was not asked for."""
        for name, (key, _) in self._fields.items():
            if name not in self._asked:
                near = difflib.get_close_matches(name, self._asked, 1)
                mend = f"did you mean {near[0]}?" if near else f"known: {', '.join(self._asked)}"
                self.problems.add(key, self._path(name), f"is not known: {mend}")


def read_tables(data: bytes | str, problems: Problems, environ: Mapping[str, str]) -> Table | None:
    """The top table of a document; None when the file is empty. Raises `FileError`."""
    node = compose(data, problems.source)
    if node is None:
        return None
    if not isinstance(node, yaml.MappingNode):
        problems.add(node, "file", "needs fields at the top, such as endpoints:")
        return None
    return Table(node, "", problems, environ)
