"""A tab of a real Chromium, and everything it complained about.

Screenshots are kept in the directory that OVERDIAL_SCREENSHOTS names (default
var/screenshots, which git ignores).
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, BrowserContext, Page, Playwright, expect

REPO = Path(__file__).parents[2]
CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
NO_CHROMIUM = "no Chromium here: apt-get install chromium enables the browser tests"
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]
NO_AXE = "no axe-core here: install Node 20.19 or newer, then `make web` enables these checks"
PATIENCE_MS = 15_000  # a busy machine; nothing waits so long when all is well
PASSWORD = {"ada": "correct horse", "bob": "battery staple"}
# axe-core's own file, where `npm install` put it; without Node there is none.
AXE = REPO / "web" / "node_modules" / "axe-core" / "axe.min.js"

expect.set_options(timeout=PATIENCE_MS)


async def launch(playwright: Playwright) -> Browser:
    return await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)


class Tab:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("console", lambda m: m.type == "error" and self._error(m.text))

    def _error(self, text: str) -> None:
        # Chromium itself reports every answer of 4xx and 5xx and every socket that is cut; what
        # the page makes of them is what the tests look at.
        if "Failed to load resource" not in text and "WebSocket connection" not in text:
            self.complaints.append(text)

    async def sees(self, selector: str, words: str) -> None:
        await expect(self.page.locator(selector)).to_contain_text(words)

    async def keep(self, name: str) -> None:
        """A screenshot of the whole page; directories are made by Playwright."""
        where = Path(os.environ.get("OVERDIAL_SCREENSHOTS") or REPO / "var" / "screenshots")
        await self.page.screenshot(path=where / f"{name}.png", full_page=True)

    async def fits(self, width: int, height: int = 844) -> None:
        await self.page.set_viewport_size({"width": width, "height": height})
        wide = await self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, f"{wide} px of content at {width} px"

    async def sign_in(self, url: str, name: str, password: str) -> None:
        await self.page.goto(url)
        await self.page.fill("#login-name", name)
        await self.page.fill("#login-password", password)
        await self.page.keyboard.press("Enter")

    async def serious(self) -> list[str]:
        """What axe-core finds serious or critical on the page as it is."""
        if not AXE.exists():
            pytest.skip(NO_AXE)
        if await self.page.evaluate("typeof axe === 'undefined'"):
            # Through the debugger, as a page's own script would be refused (and rightly).
            await self.page.evaluate(AXE.read_text())
        found: list[dict[str, Any]] = await self.page.evaluate(
            """async () => (await axe.run(document, {
                 runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"],
               })).violations"""
        )
        return [
            f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:160]}"
            for one in found
            if one["impact"] in ("serious", "critical")
        ]


async def tab_of(browser: Browser, **more: Any) -> Tab:
    context: BrowserContext = await browser.new_context(
        **{"viewport": {"width": 1440, "height": 900}, "timezone_id": "Europe/Berlin", **more}
    )
    context.set_default_timeout(PATIENCE_MS)
    return Tab(await context.new_page())
