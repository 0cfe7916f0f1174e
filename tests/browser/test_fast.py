"""How soon a page is usable: from the start of the navigation until it answered a person's input.

The best of a few is what the page costs; the others are what the machine did meanwhile. So on a
busy machine it is tried again.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from playwright.async_api import Browser, expect

from dialer.core.events import Status
from dialer.core.states import AgentState
from tests.browser.tab import PASSWORD, Tab, tab_of
from tests.web.conftest import Desk

INTERACTIVE_MS = 1000.0
TRIES = 15  # at most
# When what is waited for was there, by the page's own clock, which begins with the navigation.
WATCH = """
window.seen = new Promise((done) => {
  const look = () => document.querySelector(%r) && done(performance.now());
  const all = {subtree: true, childList: true, attributes: true};
  addEventListener("DOMContentLoaded", () => new MutationObserver(look).observe(document, all));
});
"""


Act = Callable[[Tab], Awaitable[None]]


async def _in_time(browser: Browser, url: str, act: Act, wanted: str, before: Act) -> None:
    """`act` begins as soon as the page lets it, `wanted` is what comes of it. Each time in a
    browser that kept nothing of the time before but what `before` did."""
    found: list[float] = []
    while len(found) < TRIES and min(found, default=INTERACTIVE_MS) >= INTERACTIVE_MS:
        tab = await tab_of(browser)
        await before(tab)
        await tab.page.add_init_script(WATCH % wanted)
        await tab.page.goto(url, wait_until="commit")
        await act(tab)
        found.append(float(await tab.page.evaluate("window.seen")))
        assert not tab.complaints
        await tab.page.context.close()
    print(f"\n{wanted} after {', '.join(f'{one:.0f}' for one in found)} ms")
    assert min(found) < INTERACTIVE_MS


async def test_within_a_second_one_has_signed_in_at_the_first_page(
    desk: Desk, browser: Browser
) -> None:
    async def nothing(tab: Tab) -> None:
        pass

    async def sign_in(tab: Tab) -> None:
        await tab.page.fill("#login-name", "ada")
        await tab.page.fill("#login-password", PASSWORD["ada"])
        await tab.page.keyboard.press("Enter")

    await _in_time(browser, desk.url, sign_in, "#begin-shift", nothing)


async def test_within_a_second_an_agents_page_does_what_was_pressed(
    desk: Desk, browser: Browser
) -> None:
    async def on_shift(tab: Tab) -> None:
        await tab.sign_in(desk.url + "/agent", "ada", PASSWORD["ada"])
        await tab.page.click("#begin-shift, #choose-ready")
        await expect(tab.page.locator("#choose-ready")).to_be_visible()
        desk.face.seat("ada", status=Status.BREAK, state=AgentState.BREAK)

    async def ready(tab: Tab) -> None:
        await tab.page.click("#choose-ready[aria-pressed=false]")

    shown = "#choose-ready[aria-pressed=true]"
    await _in_time(browser, desk.url + "/agent", ready, shown, on_shift)
