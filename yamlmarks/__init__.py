"""YAML whose every part knows its line, so that a complaint can name file, line, field and mend.

One way in (`compose`), with a bound on everything a file may do, and three ways on from there:
`values` gives plain values beside their lines, `tables` fields asked for by name, `readers` checked
values that are described by a JSON Schema as well. Knows nobody else's code.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import yaml
from yaml.reader import ReaderError

BYTES_MAX = 1_000_000  # a settings file has a few hundred lines; more is a mistake


class FaultLine(str):
    """A fault as people read it, `file:line: field: mend`, with its parts for editors."""

    path: Path
    line: int
    field: str
    text: str

    def __new__(cls, path: Path | str, line: int, field: str, text: str) -> FaultLine:
        made = super().__new__(cls, f"{path}:{line}: {f'{field}: ' if field else ''}{text}")
        made.path, made.line, made.field, made.text = Path(path), line, field, text
        return made


class FileError(ValueError):
    """What is wrong with a file, one line of text for each fault: `file:line: field: mend`."""

    def __init__(self, faults: str | Sequence[str]) -> None:
        self.faults = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))


def read(path: Path) -> bytes:
    """Raises `FileError`."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise FileError([f"{path}: cannot be read: {error.strerror}"]) from None


def compose(data: bytes | str, name: Path | str, bytes_max: int = BYTES_MAX) -> yaml.Node | None:
    """The document's tree; None: it is empty. `name` is the file's in complaints, which repeat
    nothing of it but the parser's words. Raises `FileError`."""
    if len(data) > bytes_max:
        raise FileError([f"{name}: is larger than {bytes_max} bytes: is it the right file?"])
    try:
        node: yaml.Node | None = yaml.compose(data, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise FileError([FaultLine(name, line, "", f"is not YAML: {error.problem}")]) from None
    except ReaderError as error:
        told = "is not YAML: holds what no text holds: save it as UTF-8 text"
        raise FileError([FaultLine(name, _line_at(data, error), "", told)]) from None
    except (yaml.YAMLError, RecursionError) as error:
        told = "is nested too deep" if isinstance(error, RecursionError) else "is not YAML"
        raise FileError([FaultLine(name, 1, "", told)]) from None
    return node


def _line_at(data: bytes | str, error: ReaderError) -> int:
    """The line of a byte that is no character, or of a character that is none of a text's."""
    if isinstance(data, str) or error.encoding != "unicode":
        before = data[: error.position]
        return before.count("\n" if isinstance(before, str) else b"\n") + 1  # type: ignore[arg-type]
    return data.decode(errors="replace")[: error.position].count("\n") + 1
