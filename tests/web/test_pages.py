"""The pages in a real browser. OVERDIAL_SCREENSHOTS names a directory for screenshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, async_playwright, expect

from dialer.server.face import LinkView
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.web.conftest import SUPERVISOR, VIEWER, Desk
from tests.web.fake_face import ADA, campaign_view

CHROMIUM = (
    shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=15_000)  # a busy machine; nothing waits so long when all is well

pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no Chromium here: apt-get install chromium enables the page tests"
)


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


class Tab:
    """A page and everything it complained about."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("console", lambda m: m.type == "error" and self.complaints.append(m.text))

    async def sees(self, selector: str, words: str) -> None:
        await expect(self.page.locator(selector)).to_contain_text(words)

    async def keep(self, name: str) -> None:
        if where := os.environ.get("OVERDIAL_SCREENSHOTS"):
            await self.page.screenshot(path=Path(where) / f"{name}.png", full_page=True)

    async def fits(self, width: int, height: int = 844) -> None:
        await self.page.set_viewport_size({"width": width, "height": height})
        assert await self.page.evaluate("document.documentElement.scrollWidth") <= width


async def _tab(browser: Browser) -> Tab:
    context = await browser.new_context(
        viewport={"width": 1280, "height": 800}, timezone_id="Europe/Berlin"
    )
    context.set_default_timeout(15_000)
    return Tab(await context.new_page())


async def _log_in(desk: Desk, tab: Tab) -> None:
    await tab.page.goto(desk.url + "/agent")
    await tab.page.fill("#login-agent", "ada")
    await tab.page.fill("#login-password", "correct horse")
    await tab.page.keyboard.press("Enter")
    await tab.sees("#idle-title", "On a break")


async def test_an_agent_takes_a_call_by_keyboard_alone(desk: Desk, browser: Browser) -> None:
    tab = await _tab(browser)
    page = tab.page
    await page.goto(desk.url + "/agent")
    await page.keyboard.type("ada")  # the first field has the focus
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong")
    await page.keyboard.press("Enter")
    await tab.sees("#login-error", "Agent or password is wrong. Check both")
    tab.complaints.clear()  # Chromium itself reports the 401
    await page.fill("#login-password", "correct horse")
    await page.keyboard.press("Enter")
    await tab.sees("#idle-title", "On a break")
    await tab.keep("agent-idle")

    await page.keyboard.press("r")
    await tab.sees("#state-text", "Ready")
    attempt = desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika Mustermann")
    await tab.sees("#announce", "Call from Erika Mustermann")
    await tab.sees("#lead-phone", "+4930901820")
    await tab.sees("#lead-fields", "482.10")
    await tab.sees("#lead-attempt", "2")
    await tab.keep("agent-call")

    await page.keyboard.press("b")  # a break, queued behind the call
    await page.keyboard.press("Enter")
    await tab.sees("#state-text", "break (lunch) after this call")
    await page.keyboard.press("h")
    await tab.sees("#call-label", "Wrap-up ends in")
    await expect(page.locator("#hangup")).to_be_disabled()

    await page.keyboard.press("1")  # a promise wants a note: the note has the focus
    await expect(page.locator("#note")).to_be_focused()
    await page.keyboard.type("pays 3 on Friday")  # digits while typing are no hot keys
    await tab.keep("agent-wrap-up")
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await tab.sees("#idle-title", "On a break: lunch")
    assert desk.face.heard[-1] == ("dispose", "ada", attempt, "promise", "", "pays 3 on Friday")

    await page.click("#choose-out")
    await expect(page.locator("#login")).to_be_visible()
    assert await page.evaluate("sessionStorage.length") == 0
    assert not tab.complaints


async def test_a_callback_carries_the_zone_and_do_not_call_asks_again(
    desk: Desk, browser: Browser
) -> None:
    tab = await _tab(browser)
    page = tab.page
    await _log_in(desk, tab)
    first = desk.face.call_arrives("ada")
    desk.face.customer_leaves("ada")
    await page.click("#offers button[data-code=callback]")
    await expect(page.locator("#callback")).to_be_focused()
    await page.click("#save")
    await tab.sees("#dispose-error", "Choose when to call back.")
    await page.fill("#callback", "2026-07-01T09:30")
    await page.click("#save")
    await expect(page.locator("#call")).to_be_hidden()
    said = ("dispose", "ada", first, "callback", "2026-07-01T09:30:00+02:00", "")
    assert desk.face.heard[-1] == said

    second = desk.face.call_arrives("ada")
    desk.face.customer_leaves("ada")
    await tab.sees("#call-label", "Wrap-up")
    assert await page.input_value("#callback") == "", "nothing is left of the call before"
    await page.keyboard.press("5")
    await tab.sees("#save", "Yes, do not call")
    assert desk.face.heard[-1] == said
    await page.keyboard.press("5")
    await expect(page.locator("#call")).to_be_hidden()
    assert desk.face.heard[-1] == ("dispose", "ada", second, "dnc", "", "")
    assert not tab.complaints


async def test_markup_in_a_lead_is_shown_as_text(desk: Desk, browser: Browser) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    tab = await _tab(browser)
    await _log_in(desk, tab)
    desk.face.call_arrives("ada", replace(ADA, name=evil, external_id=evil, fields={evil: evil}))
    await tab.sees("#lead-name", evil)
    await tab.sees("#lead-fields", evil)
    assert await tab.page.locator("#call img, #call script").count() == 0
    assert not tab.complaints


async def test_reload_restart_and_two_tabs_during_a_call(desk: Desk, browser: Browser) -> None:
    tab = await _tab(browser)
    page = tab.page
    await _log_in(desk, tab)
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    await page.reload()
    await tab.sees("#lead-name", "Erika")

    other = await _tab(browser)
    await other.page.goto(desk.url + "/agent")
    await other.page.fill("#login-agent", "ada")
    await other.page.fill("#login-password", "correct horse")
    await other.page.click("#login-button")
    await other.sees("#lead-name", "Erika")
    await other.page.keyboard.press("3")
    await expect(page.locator("#offers button[data-code=refused]")).to_have_attribute(
        "aria-pressed", "true"
    )

    await page.fill("#note", "half a sentence")
    port = int(desk.url.rpartition(":")[2])
    await desk.server.close()
    await expect(page.locator("#lost")).to_be_visible()
    await tab.sees("#lost", "Your call goes on")
    desk.face.boot = "another life"
    desk.server = WebServer(desk.face, WebSettings(port=port), desk.server._tasks._on_failure)
    await desk.server.start()
    desk.face.customer_leaves("ada")
    await tab.sees("#call-label", "Wrap-up")
    await expect(page.locator("#lost")).to_be_hidden()
    assert await page.input_value("#note") == "half a sentence", "what was typed is still there"
    await other.sees("#call-label", "Wrap-up")


async def test_the_wallboard_tells_what_matters(desk: Desk, browser: Browser) -> None:
    for agent in ("ada", "bob"):
        await desk.log_in(agent)
    desk.face.seat("bob", state="talk")
    tab = await _tab(browser)
    page = tab.page
    await page.set_viewport_size({"width": 1920, "height": 1080})
    await page.goto(f"{desk.url}/wallboard#token={VIEWER}")
    await tab.sees(".campaign", "2.07 %")
    assert page.url == desk.url + "/wallboard", "the token has left the address bar"
    for words in ("limit 3 %", "8 more allowed", "17 of 820 live", "86 %", "1\u202f599"):
        await tab.sees(".campaign", words)
    await tab.sees("#agents", "Bob Hay")
    await tab.sees("#links", "PBX main · 14/60 lines")
    await tab.keep("wallboard")

    desk.face.campaign = campaign_view(
        state="paused",
        why_not_dialling="outside calling hours until 09:00",
        abandon=replace(desk.face.campaign.abandon, rate=0.041, budget_left=-3),
    )
    desk.face.links = (LinkView("main", False, 1.0, "the PBX refuses the password of overdial"),)
    desk.face.webhooks = replace(desk.face.webhooks, backlog=412, failing="the CRM answers 503")
    desk.face.seat("ada", state="ready")
    desk.passes(1.0)
    await tab.sees("#alerts", "not dialling: outside calling hours until 09:00")
    await tab.sees("#alerts", "refuses the password")
    await tab.sees("#alerts", "the CRM answers 503")
    await tab.sees(".tile[data-tone=bad]", "3 over the limit")
    await tab.sees("#states", "1 ready")
    await tab.keep("wallboard-alerts")
    await tab.fits(390)
    await tab.keep("wallboard-phone")
    assert not tab.complaints


async def test_a_wallboard_without_a_token_asks_for_one(desk: Desk, browser: Browser) -> None:
    tab = await _tab(browser)
    await tab.page.goto(desk.url + "/wallboard#token=not-the-right-one-at-all")
    await tab.sees("#ask-error", "not valid")
    await tab.page.fill("#ask-token", SUPERVISOR)
    await tab.page.keyboard.press("Enter")
    await tab.sees(".campaign", "Spring collections")
    await expect(tab.page.locator("#ask")).to_be_hidden()


async def test_pages_fit_a_phone_and_a_zoom_of_two(desk: Desk, browser: Browser) -> None:
    tab = await _tab(browser)
    await tab.page.goto(desk.url)
    await tab.fits(390)
    await tab.page.goto(desk.url + "/agent")
    await tab.fits(390)
    await tab.page.set_viewport_size({"width": 1280, "height": 800})
    await _log_in(desk, tab)
    await tab.fits(390)
    long = replace(ADA, name="Wolfeschlegelsteinhausenbergerdorff" * 2, fields={"k" * 60: "v" * 90})
    desk.face.call_arrives("ada", long)
    await tab.sees("#lead-name", "Wolfe")
    await tab.fits(390)
    await tab.keep("agent-phone")
    await tab.fits(640, 400)  # 1280 x 800 at 200 %
    small = await tab.page.evaluate(
        """() => [...document.querySelectorAll("button, input, summary")]
            .filter((node) => node.checkVisibility())
            .filter((node) => Math.min(node.offsetWidth, node.offsetHeight) < 20)
            .map((node) => node.id || node.textContent)"""
    )
    assert small == [], "targets are large enough to hit"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_every_text_has_contrast(desk: Desk, browser: Browser, scheme: str) -> None:
    """WCAG 2.2 AA, 1.4.3: 4.5 to 1, and 3 to 1 for large text."""
    tab = await _tab(browser)
    await tab.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")  # type: ignore[arg-type]
    await _log_in(desk, tab)
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    assert await tab.page.evaluate(_LOW_CONTRAST) == []
    desk.face.customer_leaves("ada")
    await tab.sees("#call-label", "Wrap-up")
    await tab.page.keyboard.press("5")
    await tab.sees("#save", "Yes")
    assert await tab.page.evaluate(_LOW_CONTRAST) == []
    desk.face.campaign = campaign_view(why_not_dialling="no agents")
    await tab.page.goto(f"{desk.url}/wallboard#token={VIEWER}")
    await tab.sees(".campaign", "Spring")
    assert await tab.page.evaluate(_LOW_CONTRAST) == []


_LOW_CONTRAST = """() => {
  const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
  const parse = (text) => {
    const srgb = /^color\\(srgb ([\\d.]+) ([\\d.]+) ([\\d.]+)(?: \\/ ([\\d.]+))?/.exec(text);
    if (srgb) return [srgb[1] * 255, srgb[2] * 255, srgb[3] * 255, Number(srgb[4] ?? 1)];
    const [r, g, b, a = 1] = text.match(/[\\d.]+/g).map(Number);
    return [r, g, b, a];
  };
  const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
  const ground = (node) => {
    for (; node; node = node.parentElement) {
      const colour = parse(getComputedStyle(node).backgroundColor);
      if (colour[3] > 0.99) return colour;
    }
    return [255, 255, 255, 1];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode.parentElement;
    const words = walker.currentNode.textContent.trim();
    if (!words || !node.checkVisibility() || node.closest(":disabled, .unseen, noscript")) continue;
    const style = getComputedStyle(node);
    const both = [luminance(parse(style.color)), luminance(ground(node))];
    const [one, two] = both.sort((x, y) => y - x);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    const ratio = (one + 0.05) / (two + 0.05);
    if (ratio < (large ? 3 : 4.5)) found.push(`${words.slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return found;
}"""
