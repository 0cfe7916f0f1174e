"""Every command of the README, tried as a new user would, in the README's order.

The commands keep their default ports, so they run in a network of their own where that can be had,
and on this machine's loopback otherwise. `make` has its own tests: CI runs it.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
STAYS = ("simulator pbx", "dialer serve", "crm-bridge listen")  # run until they are ended
READY = {
    "simulator pbx": "5038",
    "dialer serve": "8080",
    "crm-bridge listen": "9100",
}
LIMIT_S = 900.0  # a standstill; they take 40 s, and many times that on a busy machine
ALONE = ("unshare", "--map-root-user", "--net")  # a network of its own, as root or as anybody
LO_UP = (
    "import fcntl, socket, struct; s = socket.socket();"
    "fcntl.ioctl(s, 0x8914, struct.pack('16sh14x', b'lo', 0x49))"  # SIOCSIFFLAGS: up, running
)


def commands() -> list[str]:
    """The indented lines of the README, continued lines joined, comments off, without make."""
    text = (REPO / "README.md").read_text()
    joined = re.sub(r"\\\n\s+", "", text)
    lines = [m[1] for m in re.finditer(r"^ {4,}(\S.*)$", joined, re.MULTILINE)]
    lines = [re.split(r"\s{2,}#", line)[0].strip() for line in lines]
    return [line for line in lines if not line.startswith(("make", "#"))]


def script() -> str:
    """All commands in order. What stays is started in the background and waited for; an earlier
    one of its kind is ended first, as a user would who needs the port again."""
    out = ["set -eu", 'pids=""', 'trap "kill \\$pids 2>/dev/null || true" EXIT']
    wait = (
        "python - <<'EOF2'\nimport socket, time\nfor _ in range(3000):\n    try:\n"
        "        socket.create_connection(('127.0.0.1', {port}), 1).close(); break\n"
        "    except OSError:\n        time.sleep(0.1)\nelse:\n"
        "    raise SystemExit('no port {port}')\n"
        "EOF2"
    )
    running: set[str] = set()
    for command in commands():
        out.append(f"echo '== {command.replace(chr(39), '')}'")
        kind = next((one for one in STAYS if command.startswith(one)), "")
        if not kind:
            out.append(command)
            continue
        if kind in running:
            name = kind.replace(" ", "_").replace("-", "_")
            out.append(f"kill ${name}; wait ${name} || true")
        running.add(kind)
        name = kind.replace(" ", "_").replace("-", "_")
        out += [f"{command} &", f'{name}=$!; pids="$pids $!"', wait.format(port=READY[kind])]
    out.append("echo ALL DONE")
    return "\n".join(out)


def test_the_readme_has_commands_for_every_job() -> None:
    text = "\n".join(commands())
    for command in ("dialer check", "dialer serve", "lists import", "campaigns check"):
        assert command in text
    assert len(commands()) >= 15


@pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("openssl") is None,
    reason="the README's commands need curl and openssl: apt-get install curl openssl",
)
def test_every_command_works(tmp_path: Path) -> None:
    shutil.copytree(REPO / "examples", tmp_path / "examples")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    inside = f'{sys.executable} -c "{LO_UP}"; exec sh "$0"'
    (tmp_path / "readme.sh").write_text(script())
    command = ["sh", str(tmp_path / "readme.sh")]
    if shutil.which("unshare") and subprocess.run([*ALONE, "true"], check=False).returncode == 0:
        command = [*ALONE, "sh", "-c", inside, str(tmp_path / "readme.sh")]
    with (tmp_path / "out.txt").open("w") as out:
        process = subprocess.Popen(
            command,
            cwd=tmp_path,
            env={**os.environ, "PATH": path, "COLUMNS": "120"},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            code = process.wait(LIMIT_S)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
    said = (tmp_path / "out.txt").read_text(errors="replace")
    assert code == 0, said[-4000:]
    assert "ALL DONE" in said
    assert "Traceback" not in said
