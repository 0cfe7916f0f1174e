"""The panel in a CRM's frame: its page as served, and its scripts under node and in Chromium."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pydantic import ValidationError

import dialer.web
from dialer.server.site import PanelSettings
from dialer.web.app import WebServer
from dialer.web.settings import Panel, WebSettings
from tests.web.fake_face import FakeFace

HERE = Path(__file__).parent
SCRIPT = "https://acme.my.salesforce.com/support/api/62.0/lightning/opencti_min.js"
FRAME = "https://acme.lightning.force.com"


def test_the_adapters_speak_as_the_vendors_document() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed")
    done = subprocess.run(
        [node, "--test", str(HERE / "panel.test.mjs")], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stdout


async def served(panels: dict[str, Panel], frames: tuple[str, ...], path: str) -> tuple[int, Any]:
    """(status, (headers, text)) of a page of a server with these settings."""
    failed: list[tuple[str, BaseException]] = []
    settings = WebSettings(port=0, panels=panels, frame_ancestors=frames)
    server = WebServer(FakeFace(), settings, lambda name, error: failed.append((name, error)))
    url = await server.start()
    try:
        async with aiohttp.ClientSession() as http, http.get(url + path) as answer:
            return answer.status, (answer.headers, await answer.text())
    finally:
        await server.close()
        assert not failed


async def test_the_page_loads_the_vendors_script_and_nobody_elses() -> None:
    status, (headers, text) = await served(
        {"salesforce": Panel(SCRIPT, log=True)}, (FRAME,), "/panel/salesforce"
    )
    assert status == 200
    assert f'<script src="{SCRIPT}"></script>' in text
    assert 'data-crm="salesforce" data-log="yes"' in text
    policy = headers["Content-Security-Policy"]
    assert "script-src 'self' https://acme.my.salesforce.com;" in policy
    assert policy.endswith(f"frame-ancestors {FRAME}")
    assert "X-Frame-Options" not in headers


async def test_dynamics_is_told_its_organisation() -> None:
    script = "https://acme.crm.dynamics.com/webresources/Widget/msdyn_ciLibrary.js"
    _, (_, text) = await served({"dynamics": Panel(script)}, (FRAME,), "/panel/dynamics")
    assert 'data-crmurl="https://acme.crm.dynamics.com" data-cifid="CIFMainLibrary"' in text


async def test_without_frames_named_nobody_frames_it() -> None:
    _, (headers, _) = await served({"hubspot": Panel(SCRIPT)}, (), "/panel/hubspot")
    assert headers["Content-Security-Policy"].endswith("frame-ancestors 'none'")
    assert headers["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", ["/panel/salesforce", "/panel/files/panel.html", "/panel/files/x"])
async def test_what_is_not_set_up_or_no_file_is_not_there(path: str) -> None:
    status, _ = await served({"hubspot": Panel(SCRIPT)}, (), path)
    assert status == 404


async def test_every_script_of_the_page_is_served() -> None:
    folder = Path(dialer.web.__file__).parent / "panel"
    for entry in sorted(folder.glob("*.js")):
        status, (headers, text) = await served({}, (), f"/panel/files/{entry.name}")
        assert (status, headers["Content-Type"]) == (200, "text/javascript; charset=utf-8")
        assert text == entry.read_text()


@pytest.mark.parametrize(
    "script", ["javascript:alert(1)", "https://x/'><script>", "https://x y/z", "//x/y.js"]
)
def test_an_address_that_is_none_is_refused(script: str) -> None:
    with pytest.raises(ValidationError, match="script"):
        PanelSettings(script=script)
