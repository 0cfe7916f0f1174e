"""A YAML file read so that every complaint can name its line.

Plain scalars are read by the few rules people expect: `true`/`false`, `null`, whole and decimal
numbers, everything else is text. So `10:00` stays a time of day (YAML 1.1 makes it 600) and `no`
a word.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from yamlmarks import FaultLine, FileError, compose, read

_DEPTH_MAX = 20
_PARTS_MAX = 100_000  # with aliases written out: a few lines of them may mean millions of parts
_INT = re.compile(r"-?(0|[1-9]\d*)\Z")
_FLOAT = re.compile(r"-?\d+\.\d+\Z")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "~": None, "": None}

Path_ = tuple[str | int, ...]


class YamlFile:
    """The file's `value`, and the line each part of it stands on. With `data` it is read as if the
    file said that."""

    def __init__(self, path: Path, data: bytes | None = None) -> None:
        self.path = path
        self._data = data
        self._lines: dict[Path_, int] = {(): 1}
        self._faults: list[str] = []
        self._parts = 0
        node = self._compose()
        self.value: Any = None if node is None else self._read(node, ())
        if self._faults:
            raise FileError(self._faults)

    def line(self, where: Path_) -> int:
        """The line of a part, or of the nearest part around it."""
        while where not in self._lines:
            where = where[:-1]
        return self._lines[where]

    def fault(self, where: Path_, text: str) -> str:
        name = "".join(
            f"[{part}]" if isinstance(part, int) else f".{part}" for part in where
        ).lstrip(".")
        return FaultLine(self.path, self.line(where), name, text)

    def _compose(self) -> yaml.Node | None:
        return compose(read(self.path) if self._data is None else self._data, self.path)

    def _read(self, node: yaml.Node, where: Path_) -> Any:
        self._lines.setdefault(where, node.start_mark.line + 1)
        self._parts += 1
        if self._parts > _PARTS_MAX:
            text = f"holds more than {_PARTS_MAX} parts once its aliases are written out"
            raise FileError([self.fault(where[:4], text)])
        if len(where) > _DEPTH_MAX:
            raise FileError([self.fault(where[:4], "is nested too deep (an alias to itself?)")])
        if isinstance(node, yaml.ScalarNode):
            return _scalar(node)
        if isinstance(node, yaml.SequenceNode):
            return [self._read(part, (*where, i)) for i, part in enumerate(node.value)]
        read: dict[str, Any] = {}
        for key, part in node.value:
            name = str(key.value)
            inner = (*where, name)
            if name in read:
                self._lines[inner] = key.start_mark.line + 1
                self._faults.append(self.fault(inner, "is given twice: remove one"))
                continue
            self._lines[inner] = key.start_mark.line + 1
            read[name] = self._read(part, inner)
        return read


def _scalar(node: yaml.ScalarNode) -> Any:
    text = str(node.value)
    if node.style is not None:  # quoted or a block: text as it stands
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text):
        return float(text)
    return text
