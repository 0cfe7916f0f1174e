"""The command starts at once: what a command does not need is not imported for it."""

from __future__ import annotations

import subprocess
import sys

from typer.testing import CliRunner

from dialer.cli import LATE, app

HEAVY = ("aiohttp", "alembic", "numba", "numpy", "openpyxl", "pydantic", "scipy", "sqlalchemy")


def test_the_command_itself_imports_nothing_heavy() -> None:
    code = "import sys; from dialer.cli import main; print(*sys.modules)"
    said = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout
    assert not set(HEAVY) & set(said.split())


def test_every_late_command_is_listed_and_helps() -> None:
    listed = CliRunner().invoke(app, ["--help"]).output
    for name in LATE:
        assert name in listed
        helped = CliRunner().invoke(app, [name, "--help"])
        assert helped.exit_code == 0, helped.output
        assert f"Usage: dialer {name}" in helped.output
