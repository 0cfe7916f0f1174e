"""A file that would become a million parts is refused before it does."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from dialer.campaigns.yamlfile import FileError, YamlFile


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
