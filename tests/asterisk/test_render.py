"""asterisk-config/render: a site's settings to a whole configuration, or a clear refusal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RENDER = Path(__file__).resolve().parents[2] / "asterisk-config" / "render"
GOOD = """
[ami]
cmd_secret = "one"
evt_secret = "two"
[[trunks]]
name = "carrier"
host = "192.0.2.1"
[[phones]]
name = "agent1"
password = "three"
"""


def render(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, RENDER, *map(str, arguments)], capture_output=True, text=True, check=False
    )


def test_a_new_site_has_secrets_of_its_own_that_only_its_owner_reads(tmp_path: Path) -> None:
    sites = [tmp_path / "one.toml", tmp_path / "two.toml"]
    for site in sites:
        assert render("init", site).returncode == 0
        assert site.stat().st_mode & 0o777 == 0o600
    one, two = (site.read_text() for site in sites)
    secrets = [line for line in one.splitlines() if "secret =" in line or "password = " in line]
    assert len(secrets) >= 3
    assert "@SECRET@" not in one
    assert one != two
    again = render("init", sites[0])
    assert again.returncode == 2
    assert "exists already" in again.stderr
    assert sites[0].read_text() == one


def test_the_configuration_is_whole_and_its_secrets_are_not_for_everybody(tmp_path: Path) -> None:
    (tmp_path / "site.toml").write_text(GOOD)
    done = render("write", tmp_path / "site.toml", tmp_path / "etc")
    assert done.returncode == 0, done.stderr
    etc = tmp_path / "etc"
    for conf in etc.glob("*.conf"):
        for line in conf.read_text().splitlines():
            if line.startswith("#include"):
                assert (etc / line.split()[1]).is_file(), f"{conf.name}: {line}"
    for conf in (etc / "local").iterdir():
        assert conf.stat().st_mode & 0o007 == 0
    assert "secret = one" in (etc / "local" / "manager.conf").read_text()
    assert "bindaddr = 127.0.0.1" in (etc / "local" / "manager.conf").read_text()
    assert "message.harbour" in done.stderr  # still the default: says so


def test_a_phone_in_the_browser_has_a_web_socket_and_nothing_else_has(tmp_path: Path) -> None:
    for name, more, enabled in (
        ("without", "", "enabled = no"),
        ("with", "browser = true\n[browser]\nport = 8123\n", "bindport = 8123"),
    ):
        (tmp_path / "site.toml").write_text(GOOD + more)
        done = render("write", tmp_path / "site.toml", tmp_path / name)
        assert done.returncode == 0, done.stderr
        local = tmp_path / name / "local"
        assert enabled in (local / "http.conf").read_text()
        phones = (local / "pjsip.conf").read_text()
        assert ("[agent1](overdial-browser)" in phones) is bool(more)
        assert ("protocol = ws" in phones) is bool(more)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (GOOD.replace('cmd_secret = "one"', ""), "ami.cmd_secret: is missing"),
        (GOOD.replace('"one"', '"one\\nwrite = all"'), "ami.cmd_secret"),
        (GOOD.replace('"one"', '"one;two"'), "ami.cmd_secret"),
        (GOOD.replace('"192.0.2.1"', '"192.0.2.1"\nport = 70000'), "trunks[1].port"),
        (GOOD.replace('"192.0.2.1"', '"192.0.2.1"\nporr = 70'), "trunks[1].porr"),
        (GOOD.replace('"agent1"', '"agent 1"'), "phones[1].name"),
        (GOOD.replace('"agent1"', '"carrier"'), "'carrier' is given to two"),
        (GOOD.replace('password = "three"', ""), "phones[1].password: is missing"),
        (GOOD + "browser = true\n", "phones[1].browser: needs Asterisk's web server"),
        (GOOD + "browser = 1\n", "phones[1].browser: must be true or false"),
        (GOOD + '[browser]\ntls_key = "/k"\n', "browser.tls_key: goes with tls_certificate"),
        (GOOD + "[rtp]\nstart = 2000\nend = 2001\n", "rtp.end"),
        (GOOD + "[rtpp]\nstart = 2000\n", "rtpp"),
        (GOOD + "[[broken\n", "line"),
    ],
)
def test_wrong_settings_name_file_and_field_and_write_nothing(
    tmp_path: Path, wrong: str, says: str
) -> None:
    (tmp_path / "site.toml").write_text(wrong)
    done = render("write", tmp_path / "site.toml", tmp_path / "etc")
    assert done.returncode == 2
    assert "site.toml: " in done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "etc").exists()


def test_a_missing_settings_file_is_named(tmp_path: Path) -> None:
    done = render("write", tmp_path / "none.toml", tmp_path / "etc")
    assert done.returncode == 2
    assert "none.toml" in done.stderr


def test_asterisk_itself_limits_no_calls() -> None:
    """Its limits are asked when the dialplan starts: he who answered would be hung up on."""
    for conf in (RENDER.parent / "conf").glob("*.conf"):
        for line in conf.read_text().splitlines():
            assert not line.startswith(("maxcalls", "maxload", "minmemfree")), conf.name
