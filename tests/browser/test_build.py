"""The built application: what is committed is what its sources give, and it is small."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.browser.tab import REPO

WEB = REPO / "web"
STATIC = REPO / "dialer" / "web" / "static"
FIRST_PAGE_MAX = 150_000  # bytes of compressed script
NO_NODE = "no Node 20.19 or newer with web/node_modules here: install Node, then `make web`"


@pytest.fixture
def node() -> Path:
    tool = WEB / "node_modules" / ".bin"
    if shutil.which("node") is None or not (tool / "vite").exists():
        pytest.skip(NO_NODE)
    return tool


def _run(*command: object) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=WEB, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


def _files(folder: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}


def test_what_is_committed_is_what_the_sources_give(node: Path, tmp_path: Path) -> None:
    _run(node / "vite", "build", "--outDir", tmp_path, "--logLevel", "warn")
    built, committed = _files(tmp_path), _files(STATIC)
    assert sorted(built) == sorted(committed), "run: make web"
    assert [name for name in built if built[name] != committed[name]] == [], "run: make web"


def test_the_sources_are_typed_and_their_logic_holds(node: Path) -> None:
    _run(node / "tsc", "--noEmit")
    assert "passed" in _run(node / "vitest", "run", "--reporter", "dot")


def test_the_types_are_those_of_what_the_server_sends() -> None:
    done = subprocess.run(
        [sys.executable, WEB / "make_types.py", "--check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _scripts_of(name: str, found: set[str]) -> None:
    """A built file and everything that it imports at once (not what it fetches when needed)."""
    if name in found:
        return
    found.add(name)
    text = (STATIC / name).read_text(encoding="utf-8")
    for other in re.findall(r"""(?:import|from)\s*["'`]\./([^"'`]+\.js)["'`]""", text):
        _scripts_of(other, found)


def test_a_first_page_is_small() -> None:
    html = (STATIC / "index.html").read_text(encoding="utf-8")
    (entry,) = re.findall(r'src="/static/(index-[^"]+\.js)"', html)
    agent = next(one.name for one in STATIC.glob("Agent-*.js"))
    found: set[str] = set()
    _scripts_of(entry, found)
    _scripts_of(agent, found)  # an agent's first page, with the phone: the largest
    size = sum(len(gzip.compress((STATIC / one).read_bytes(), 9)) for one in found)
    assert 10_000 < size <= FIRST_PAGE_MAX


def test_the_lock_names_no_address() -> None:
    text = (WEB / "package-lock.json").read_text(encoding="utf-8")
    assert '"resolved"' not in text
    assert '"integrity"' in text


def test_the_wheel_has_every_built_file() -> None:
    """Patterns of package-data, applied as setuptools does: by name within each folder."""
    patterns = re.search(r'^"\*" = \[(.+)\]$', (REPO / "pyproject.toml").read_text(), re.M)
    assert patterns is not None
    endings = re.findall(r'"\*(\.\w+)"', patterns[1])
    assert [one.name for one in STATIC.iterdir() if one.suffix not in endings] == []
