"""Whatever is wrong with a YAML file, it is told by its line, and at once."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from yamlmarks import FileError
from yamlmarks.readers import Text, read_file
from yamlmarks.tables import Problems, read_tables
from yamlmarks.values import YamlFile


def test_an_alias_bomb_is_refused_at_once(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    for n in range(1, 10):
        lines.append(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]")
    path = tmp_path / "bomb.yaml"
    path.write_text("\n".join(lines), encoding="utf-8")
    began = time.process_time()
    with pytest.raises(FileError, match=rf"{path}:\d+: .*parts once its aliases are written out"):
        YamlFile(path)
    assert time.process_time() - began < 5.0


def test_aliases_in_measure_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "fine.yaml"
    path.write_text("a: &a [1, 2]\nb: [*a, *a]\n", encoding="utf-8")
    assert YamlFile(path).value["b"] == [[1, 2], [1, 2]]


WAYS = {
    "values": lambda path: YamlFile(path),
    "tables": lambda path: read_tables(path.read_bytes(), Problems(str(path)), {}),
    "readers": lambda path: read_file(path, Text()),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a: 1\nb: \xe4\n", "2: is not YAML: holds what no text holds: save it as UTF-8"),
        ("a: 1\nä: ü\nb: \0\n".encode(), "3: is not YAML: holds what no text holds"),
        (b"a: 1\nb: [\n", "3: is not YAML: "),
        (b"a: 1\n\tb: 1\n", "2: is not YAML: "),
        (b"[" * 20_000, "1: is nested too deep"),
        (b"a: 1\n---\nb: 1\n", "2: is not YAML: "),
    ],
)
def test_whoever_reads_it_the_line_is_named(
    tmp_path: Path, way: str, content: bytes, told: str
) -> None:
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    with pytest.raises(FileError) as caught:
        WAYS[way](path)
    assert str(caught.value).startswith(f"{path}:{told}")
    path.write_bytes(b"#" * 6_000_000)
    with pytest.raises(FileError, match="is larger than"):
        WAYS[way](path)
