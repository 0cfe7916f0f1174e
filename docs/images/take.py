"""The pictures of the README, taken anew from a demo with a real Chromium.

python docs/images/take.py [FOLDER]      # this one, when none is named
"""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, async_playwright

REPO = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPO))

from tests.browser.tab import Tab, launch, tab_of  # noqa: E402 - from the checkout

PLAY = ("--minutes", "600", "--speed", "20", "--agents", "20", "--port", "0", "--seed", "7")
STRATEGY = ("--strategy", str(REPO / "examples" / "collections.yaml"))
LINK = r"(everything|desk).*(http://\S+#ticket=\S+)"
START_LIMIT_S = 60.0
DAY_S = 60.0  # of play before the pictures: twenty minutes of the demo's day
VIEW = {"width": 1440, "height": 900}
PAGES = {  # with what is to be there first
    "wallboard": "#agents button",
    "reports": "main table.heat",
    "pacing": "main .chart canvas",
}


async def main(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as home:
        said = Path(home) / "said"
        with said.open("w") as out:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "dialer", "demo", *PLAY, *STRATEGY),
                cwd=REPO,
                stdout=out,
                stderr=asyncio.subprocess.STDOUT,
            )
        try:
            links: dict[str, str] = {}
            async with asyncio.timeout(START_LIMIT_S):
                while len(links) < 2:
                    await asyncio.sleep(0.2)
                    assert process.returncode is None, said.read_text()
                    found = re.findall(
                        r"(everything|desk).*(http://\S+#ticket=\S+)", said.read_text()
                    )
                    links = dict(found)
            async with async_playwright() as playwright:
                browser = await launch(playwright)
                await agent(browser, links["desk"], folder)
                await others(browser, links["everything"], folder)
                await browser.close()
        finally:
            process.send_signal(signal.SIGINT)
            await process.wait()


async def _keep(tab: Tab, path: Path) -> None:
    await tab.page.evaluate("document.activeElement?.blur()")
    await tab.page.screenshot(path=path)
    print(path)


async def agent(browser: Browser, url: str, folder: Path) -> None:
    """A customer on the line, right party verified or not: as it comes."""
    tab = await tab_of(browser, viewport=VIEW, device_scale_factor=1)
    await tab.page.goto(url)
    await tab.page.click("#begin-shift")
    await tab.page.click("#choose-ready")
    await tab.page.locator("#lead-name").wait_for(timeout=300_000)
    await tab.page.wait_for_timeout(1_500)
    await tab.page.locator("input[type=checkbox]").first.check()
    await _keep(tab, folder / "agent.png")
    await tab.page.context.close()


async def others(browser: Browser, url: str, folder: Path) -> None:
    tab = await tab_of(browser, viewport=VIEW)
    await tab.page.goto(url)
    await tab.page.locator("nav a").first.wait_for()
    await tab.page.wait_for_timeout(1000 * DAY_S)
    for name, wanted in PAGES.items():
        await tab.page.click(f'nav a[href="/{name}"]')
        await tab.page.locator(wanted).first.wait_for()
        await tab.page.wait_for_timeout(2_500)
        await _keep(tab, folder / f"{name}.png")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent))
