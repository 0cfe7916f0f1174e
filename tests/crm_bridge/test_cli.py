"""The command line as a person uses it: what it says, and its exit code."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crm_bridge import fresh, outbox, tables
from crm_bridge.database import open_engine
from crm_bridge.events import LeadPart, lead_exhausted
from crm_bridge.ports import LoopClock
from crm_bridge.receiver import Receiver
from crm_bridge.signing import decode_secret, new_secret

AT = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "crm_bridge.cli", *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        env={"COLUMNS": "200", "PATH": "", "NO_COLOR": "1"},
    )


def test_a_secret_it_makes_is_one_it_takes() -> None:
    done = run("secret")
    assert done.returncode == 0
    assert len(decode_secret(done.stdout.strip())) == 32


def test_a_wrong_configuration_is_complained_of_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "crm.yaml"
    path.write_text(
        "endpoints:\n  - name: crm\n    url: http://crm.example.com\n", encoding="utf-8"
    )
    done = run("check", "-c", str(path))
    assert done.returncode == 1
    assert f"{path}:3: endpoints[0].url: is not encrypted" in done.stderr
    assert f"{path}:2: endpoints[0].secrets: is missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("url", "mend"),
    [
        ("sqlite:///{}/none.db", "there is no database"),
        ("sqlite:///{}/empty.db", "start the dialer on it once"),
        ("mysql://host/db", "use sqlite:/// or postgresql://"),
        ("://", "is not understood"),
        ("postgresql://u:pw@h:port/x", "is not understood"),
    ],
)
def test_a_database_it_cannot_use_is_told_with_the_mend(
    tmp_path: Path, url: str, mend: str
) -> None:
    (tmp_path / "empty.db").touch()
    done = run("dead-letters", "list", "-d", url.format(tmp_path))
    assert done.returncode == 1
    assert mend in done.stderr
    assert "Traceback" not in done.stderr


async def test_an_endpoint_is_tried_and_the_answer_told(tmp_path: Path) -> None:
    secret = new_secret()
    receiver = Receiver([decode_secret(secret)], LoopClock())
    url = await receiver.start()
    path = tmp_path / "crm.yaml"
    text = (
        f"endpoints:\n  - name: crm\n    url: {url}\n    secrets: [{{}}]\n"
        "    allow_networks: [127.0.0.0/8]\n"
    )
    path.write_text(text.format(secret), encoding="utf-8")
    done = await asyncio.to_thread(run, "endpoints", "test", "-c", str(path))
    assert (done.returncode, done.stdout.startswith("crm: right, HTTP 204")) == (0, True)
    path.write_text(text.format(new_secret()), encoding="utf-8")
    done = await asyncio.to_thread(run, "endpoints", "test", "-c", str(path))
    assert (done.returncode, done.stdout.startswith("crm: WRONG, HTTP 401")) == (1, True)
    await receiver.close()
    assert receiver.tally.by_type == {"bridge.test": 1}


async def test_dead_letters_are_listed_without_what_they_say_and_put_back(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'dialer.db'}"
    engine = open_engine(url)
    event = lead_exhausted("spring", LeadPart(7, "+12025550177", name="Example"), AT, attempts=6)
    async with engine.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
        await outbox.append(connection, [event])
        (due,) = await connection.run_sync(fresh.read, 0, 9)
        await connection.run_sync(fresh.strike_off, [due.seq])
        await connection.run_sync(
            outbox.settle, "crm", 0.0, failed=[outbox.Failed(due, "HTTP 400", 400, None)]
        )
    await engine.dispose()
    listed = await asyncio.to_thread(run, "dead-letters", "list", "-d", url)
    assert listed.returncode == 0
    assert event.id in listed.stdout
    assert "HTTP 400" in listed.stdout
    assert "Example" not in listed.stdout
    assert "2025550177" not in listed.stdout
    careless = await asyncio.to_thread(run, "dead-letters", "replay", "-d", url)
    assert careless.returncode == 2
    done = await asyncio.to_thread(run, "dead-letters", "replay", "-d", url, "--id", event.id)
    assert (done.returncode, done.stdout.startswith("1 put back")) == (0, True)
    again = await asyncio.to_thread(run, "dead-letters", "replay", "-d", url, "--all")
    assert again.stdout.startswith("0 put back")
