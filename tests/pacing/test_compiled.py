"""Machine code on disk is found again by every command, and never outlives what it was made of."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

DOOR = "from dialer.pacing.compiled import compiled\n"
LOW = DOOR + "STEP = {step}\n@compiled\ndef low(x):\n    return x + STEP\n"
HIGH = DOOR + "from low_part import low\n@compiled\ndef high(x):\n    return low(x)\n"
ASIDE = DOOR + "@compiled\ndef aside(x):\n    return x\n"
PARTS = ("low_part", "high_part", "aside_part")


@pytest.fixture
def stamps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Imports the parts anew in the order given; tells the stamp of each part's function."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(step: str) -> None:
        texts = (LOW.format(step=step), HIGH, ASIDE)
        for name, text in zip(PARTS, texts, strict=True):
            (tmp_path / f"{name}.py").write_text(text)
            os.utime(tmp_path / f"{name}.py", (1, 1))  # the stamp must not hang on the time alone

    def stamps_of(*order: str, step: str = "1") -> dict[str, str]:
        write(step)
        for name in PARTS:
            sys.modules.pop(name, None)
        for name in order:
            __import__(name)
        found = {}
        for name in order:
            function = getattr(sys.modules.pop(name), name.removesuffix("_part"))
            found[name] = function._cache._cache_file._source_stamp
        return found

    yield stamps_of
    for name in PARTS:
        sys.modules.pop(name, None)


def test_machine_code_is_found_whatever_was_imported_before(stamps) -> None:
    assert stamps("low_part", "high_part") == stamps("high_part", "low_part")
    beside = stamps("aside_part", "high_part", "low_part")
    del beside["aside_part"]
    assert beside == stamps("low_part", "high_part")


def test_a_changed_number_gives_new_machine_code_to_its_function_and_to_its_callers(stamps) -> None:
    one, two = stamps(*PARTS, step="1"), stamps(*PARTS, step="2")
    changed = {name for name in PARTS if one[name] != two[name]}
    assert changed == {"low_part", "high_part"}
