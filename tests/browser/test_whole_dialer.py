"""Every page of a whole dialer at work, as the demo plays it: supervisors, managers, engineers."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from playwright.async_api import Browser, expect

from tests.browser.tab import REPO, Tab, tab_of

START_LIMIT_S = 60.0
PLAY = ("--minutes", "6", "--speed", "60", "--agents", "6", "--port", "0", "--keep")
STRATEGY = ("--strategy", str(REPO / "examples" / "collections.yaml"))
PAGES = {
    "/wallboard": "List left",
    "/campaigns": "no answer",
    "/lists": "Brought in",
    "/strategies": "Versions",
    "/reports": "Formula",
    "/pacing": "Outcomes by trunk",
    "/deliveries": "crm",
    "/users": "agent001",
}


@asynccontextmanager
async def demo() -> AsyncIterator[str]:
    """The address that signs one in who may do all but take calls."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "dialer", "demo", *PLAY, *STRATEGY),
        cwd=REPO,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(START_LIMIT_S):
            while not (
                found := re.search(
                    r"everything.*(http://\S+#ticket=\S+)", (line := await _line(process))
                )
            ):
                assert line, "the demo ended"
        reading = asyncio.create_task(process.stdout.read())
        yield found[1]
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(reading, START_LIMIT_S)
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode()


async def test_every_page_of_a_dialer_at_work(browser: Browser) -> None:
    async with demo() as address:
        tab = await tab_of(browser)
        await tab.page.goto(address)
        await expect(tab.page.locator("nav a").first).to_be_visible()
        assert "ticket" not in tab.page.url
        for path, words in PAGES.items():
            await tab.page.click(f'nav a[href="{path}"]')
            await tab.sees("main", words)
            assert await tab.serious() == [], path
            await tab.keep(f"page{path.replace('/', '-')}")
            await tab.fits(390)
            await tab.keep(f"phone{path.replace('/', '-')}")
            await tab.page.set_viewport_size({"width": 1440, "height": 900})
        await _take_the_evidence(tab)
        await _edit_the_strategy(tab)
        await _forecast(tab)
        assert not tab.complaints


async def _take_the_evidence(tab: Tab) -> None:
    await tab.page.click('nav a[href="/reports"]')
    async with tab.page.expect_download() as taken:
        await tab.page.click("main >> text=Evidence")
    file = await (await taken.value).path()
    with zipfile.ZipFile(file) as archive:
        assert archive.testzip() is None
        assert "manifest.json" in archive.namelist()


async def _edit_the_strategy(tab: Tab) -> None:
    """A fault is named as one types; an edit says whom it moves, is saved, and moves them."""
    page = tab.page
    await page.click('nav a[href="/strategies"]')
    editor = page.locator("#editor")
    await expect(editor).to_have_value(re.compile("strategy: consumer-early"))
    text = await editor.input_value()

    async def typed(change: Callable[[str], str]) -> None:
        await editor.fill(change(text))

    await typed(lambda it: it.replace("f: product, eq: card", "f: produkt, eq: card"))
    await tab.sees("#faults", "segments[1].when")
    await tab.sees("#editor-state", "nothing is saved")
    await expect(page.locator("#save")).to_be_disabled()
    assert await tab.serious() == []
    await tab.keep("strategy-fault")
    await page.locator("#faults button").first.focus()
    await page.keyboard.press("Enter")
    await expect(editor).to_be_focused()
    chosen = await editor.evaluate("it => it.value.slice(it.selectionStart, it.selectionEnd)")
    assert "produkt" in chosen

    await typed(lambda it: it.replace("gte: 90}", "gte: 20}"))
    await tab.sees("#effect", "This edit moves")
    assert await tab.serious() == []
    await tab.keep("strategy-moves")
    await page.click("#save")
    await tab.sees(".toasts", "Saved")
    await page.click("#move")
    await tab.sees("#moved", "were moved")
    await tab.keep("strategy-moved")


async def _forecast(tab: Tab) -> None:
    """It begins, tells how far it is, and ends when it is told to; tests/server plays it out."""
    await tab.page.click('nav a[href="/pacing"]')
    await tab.page.click("#begin-forecast")
    await expect(tab.page.locator("#forecast progress")).to_be_visible()
    assert await tab.serious() == []
    await tab.keep("forecast")
    await tab.page.click("#forecast >> text=Cancel")
    await tab.sees("#forecast", "cancelled")
