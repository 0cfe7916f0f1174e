"""The application over a scripted server: what people see and press."""

from __future__ import annotations

from dataclasses import replace

import pytest
from playwright.async_api import Browser, expect

from dialer.server.credentials import totp_code
from dialer.server.face import ConsultView, LinkView, OfferView
from dialer.web.app import WebServer
from dialer.web.settings import WebSettings
from tests.browser.tab import PASSWORD, Tab, tab_of
from tests.web.conftest import SUPERVISOR, VIEWER, Desk
from tests.web.fake_face import ADA, campaign_view
from tests.web.fake_people import PASSWORD as STAFF_PASSWORD


async def _agent(desk: Desk, browser: Browser) -> Tab:
    tab = await tab_of(browser)
    await tab.sign_in(desk.url + "/agent", "ada", PASSWORD["ada"])
    await tab.page.click("#begin-shift")
    await tab.sees("#idle-title", "On a break")
    return tab


async def test_an_agent_takes_a_call_by_keyboard_alone(desk: Desk, browser: Browser) -> None:
    tab = await tab_of(browser)
    page = tab.page
    await page.goto(desk.url + "/agent")
    await expect(page.locator("#login-name")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.type("ada")
    await page.keyboard.press("Tab")
    await page.keyboard.type("wrong")
    await page.keyboard.press("Enter")
    await tab.sees("#login-error", "wrong")
    await page.fill("#login-password", PASSWORD["ada"])
    await page.keyboard.press("Enter")
    await expect(page.locator("#begin-shift")).to_be_visible()
    await page.focus("#begin-shift")
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
    await expect(page.locator("#break-list button").first).to_be_focused()
    await page.keyboard.press("Enter")
    await tab.sees("#state-text", "break (lunch) after this call")
    await page.keyboard.press("h")
    await tab.sees("#call-label", "Wrap-up ends in")
    await expect(page.locator("#hangup")).to_be_disabled()
    await page.keyboard.press("e")  # a minute more
    await expect(page.locator("progress")).to_have_attribute("max", "120")

    await page.keyboard.press("1")  # a promise wants a note: the note has the focus
    await expect(page.locator("#note")).to_be_focused()
    await page.keyboard.type("pays 3 on Friday")  # digits while typing are no hot keys
    await page.keyboard.press("Control+Enter")
    await tab.sees("#idle-title", "On a break: lunch")
    assert desk.face.heard[-1] == ("dispose", "ada", attempt, "promise", "", "pays 3 on Friday")

    await page.click("#choose-out")
    await expect(page.locator("#begin-shift, #login-form")).to_be_visible()
    assert not tab.complaints


async def test_callbacks_carry_a_zone_and_do_not_call_asks_again(
    desk: Desk, browser: Browser
) -> None:
    tab = await _agent(desk, browser)
    page = tab.page
    first = desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    await page.keyboard.press("2")
    await expect(page.locator("#callback")).to_be_focused()
    await page.click("#save")
    await tab.sees("#dispose-error", "Choose when to call back")
    await page.fill("#callback", "2027-03-28T09:30")
    await tab.keep("agent-callback")
    await page.click("#save")
    await expect(page.locator("#offers button[data-code=callback]")).to_have_attribute(
        "aria-pressed", "true"
    )
    assert ("dispose", "ada", first, "callback", "2027-03-28T09:30:00+02:00", "") in desk.face.heard

    await page.keyboard.press("h")
    desk.face.seat("ada", call=None)
    await tab.sees("#idle", "")
    second = desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    await page.keyboard.press("5")
    await tab.sees("#extra", "Press again to confirm")
    assert not any(word[0] == "dispose" and word[2] == second for word in desk.face.heard)
    await page.keyboard.press("5")
    await expect(page.locator("#save")).to_be_hidden()
    assert desk.face.heard[-1] == ("dispose", "ada", second, "dnc", "", "")
    assert not tab.complaints


async def test_previews_and_calls_by_hand_by_keyboard(desk: Desk, browser: Browser) -> None:
    tab = await _agent(desk, browser)
    page = tab.page
    offer = OfferView("spring", ADA, desk.face.now + 40.0, "back", skip_reasons=("no time",))
    desk.face.seat("ada", state="preview", offer=offer)
    await tab.sees("#offer-name", "Erika Mustermann")
    assert await tab.serious() == []
    await page.keyboard.press("x")
    await expect(page.locator("#skip-reason")).to_be_focused()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#offer-name")).to_be_hidden()
    assert ("skip", "ada", "41", "no time", "") in desk.face.heard
    desk.face.seat("ada", state="preview", offer=offer)
    await tab.sees("#offer-name", "Erika")
    await page.keyboard.press("a")
    await expect(page.locator("#offer-name")).to_be_hidden()
    assert ("accept", "ada", "41") in desk.face.heard

    desk.face.seat("ada", state="ready")
    await tab.sees("#state-text", "Ready")
    await page.keyboard.press("d")
    await expect(page.locator("#dial-number")).to_be_focused()
    await page.keyboard.type("+4930901820")
    await page.keyboard.press("Enter")
    await expect(page.locator("dialog")).to_be_hidden()
    assert ("dial", "ada", "spring", "+4930901820", "") in desk.face.heard
    assert not tab.complaints


async def test_hot_keys_can_be_switched_off(desk: Desk, browser: Browser) -> None:
    tab = await _agent(desk, browser)
    page = tab.page
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    await page.uncheck("#hotkeys")
    await page.keyboard.press("3")
    await page.keyboard.press("h")
    await page.check("#hotkeys")
    await page.focus("#note")
    await page.keyboard.press("Alt+3")  # with Alt they work while one types
    await expect(page.locator("#offers button[data-code=refused]")).to_have_attribute(
        "aria-pressed", "true"
    )
    said = [word[0] for word in desk.face.heard]
    assert "hang up" not in said
    assert said.count("dispose") == 1


async def test_markup_in_a_lead_is_shown_as_text(desk: Desk, browser: Browser) -> None:
    evil = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    tab = await _agent(desk, browser)
    desk.face.call_arrives("ada", replace(ADA, name=evil, external_id=evil, fields={evil: evil}))
    await tab.sees("#lead-name", evil)
    await tab.sees("#lead-fields", evil)
    assert await tab.page.locator("#call img, #call script").count() == 0
    assert not tab.complaints


async def test_reload_restart_and_two_tabs_during_a_call(desk: Desk, browser: Browser) -> None:
    tab = await _agent(desk, browser)
    page = tab.page
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    await page.fill("#note", "half a sentence")
    await page.reload()
    await tab.sees("#lead-name", "Erika")
    assert await page.input_value("#note") == "half a sentence", "what was typed is still there"

    other = Tab(await page.context.new_page())  # a second tab of the same browser
    await other.page.goto(desk.url + "/agent")
    await other.sees("#lead-name", "Erika")
    await tab.sees("#taken", "another tab")
    await page.click("#taken button")
    await tab.sees("#lead-name", "Erika")
    await other.sees("#taken", "another tab")

    port = int(desk.url.rpartition(":")[2])
    await desk.server.close()
    await tab.sees("#lost", "Your call goes on")
    desk.face.boot = "another life"
    desk.server = WebServer(
        desk.face,
        WebSettings(port=port),
        desk.server._tasks._on_failure,
        people=desk.server._people,
    )
    await desk.server.start()
    desk.face.customer_leaves("ada")
    await tab.sees("#call-label", "Wrap-up")
    await expect(page.locator("#lost")).to_be_hidden()
    assert await page.input_value("#note") == "half a sentence"
    assert not tab.complaints


async def test_the_wallboard_tells_what_matters(desk: Desk, browser: Browser) -> None:
    for agent in ("ada", "bob"):
        await desk.log_in(agent)
    desk.face.seat("bob", state="talk")
    tab = await tab_of(browser, viewport={"width": 1920, "height": 1080})
    page = tab.page
    await page.goto(f"{desk.url}/wallboard#token={VIEWER}")
    await tab.sees(".campaign", "2.07")
    assert page.url == desk.url + "/wallboard", "the token has left the address bar"
    for words in ("limit 3", "8 more allowed", "17 of 820 live", "86", "1\u202f599"):
        await tab.sees(".campaign", words)
    await tab.sees("#agents", "Bob Hay")
    await tab.sees("#links", "PBX main · 14/60 lines")
    assert await page.locator(".campaign button, #broadcast").count() == 0, "a viewer only looks"
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
    assert await tab.serious() == []
    await tab.fits(390)
    await tab.keep("wallboard-phone")
    assert not tab.complaints


async def test_a_supervisor_acts_from_the_floor(desk: Desk, browser: Browser) -> None:
    await desk.log_in("ada")
    tab = await tab_of(browser)
    await tab.sign_in(desk.url, "sam", STAFF_PASSWORD)
    await tab.sees(".campaign", "Spring collections")
    await tab.page.click(".campaign >> text=Pause")
    await tab.sees(".toasts", "Paused")
    assert any(word[:1] == ("campaign",) or "pause" in word for word in desk.face.heard)
    await tab.page.click("#agents button")
    await tab.sees("dialog", "Ada")
    await tab.keep("supervisor")
    assert await tab.serious() == []
    await tab.page.keyboard.press("Escape")
    await expect(tab.page.locator("dialog")).to_be_hidden()


@pytest.mark.usefixtures("site_key")
async def test_one_switches_ones_own_codes_on_in_the_middle_of_a_shift(
    desk: Desk, browser: Browser
) -> None:
    """Everybody's account is behind the name; what changes there goes on in a new session."""
    tab = await _agent(desk, browser)
    page = tab.page
    await page.click("#who-name")
    await tab.sees("dialog", "One-time codes are off")
    assert await tab.serious() == []
    await tab.fits(390)
    await page.fill("#codes-begin [name=password]", PASSWORD["ada"])
    await page.keyboard.press("Enter")
    secret = (await page.locator("#codes-secret").inner_text()).replace(" ", "")
    await tab.keep("account")
    step = int(desk.people._now_s() // 30)
    wrong = next(f"{n:06d}" for n in range(9) if f"{n:06d}" not in _codes(secret, step))
    await page.fill("#codes-confirm [name=code]", wrong)
    await page.keyboard.press("Enter")
    await tab.sees("dialog .error", "not the code")
    await page.fill("#codes-confirm [name=code]", totp_code(secret, step))
    await page.keyboard.press("Enter")
    await tab.sees("dialog", "One-time codes are on")
    assert await tab.serious() == []
    await page.keyboard.press("Escape")
    await expect(page.locator("dialog")).to_be_hidden()
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika Mustermann")
    assert not tab.complaints


def _codes(secret: str, step: int) -> set[str]:
    return {totp_code(secret, step + n) for n in range(-2, 3)}


async def test_a_wall_display_without_a_good_token_asks_for_one(
    desk: Desk, browser: Browser
) -> None:
    tab = await tab_of(browser)
    await tab.page.goto(desk.url + "/wallboard#token=not-the-right-one-at-all")
    await tab.sees("#ask-error", "not valid")
    await tab.page.fill("#ask-token", SUPERVISOR)
    await tab.page.keyboard.press("Enter")
    await tab.sees(".campaign", "Spring collections")


async def test_pages_fit_a_phone_and_a_zoom_of_two(desk: Desk, browser: Browser) -> None:
    tab = await tab_of(browser)
    await tab.page.goto(desk.url)
    await expect(tab.page.locator("#login-form")).to_be_visible()
    assert await tab.serious() == []
    await tab.fits(390)
    tab = await _agent(desk, browser)
    await tab.fits(390)
    long = replace(ADA, name="Wolfeschlegelsteinhausenbergerdorff" * 2, fields={"k" * 60: "v" * 90})
    desk.face.call_arrives("ada", long)
    await tab.sees("#lead-name", "Wolfe")
    await tab.fits(390)
    await tab.keep("agent-phone")
    await tab.fits(720, 450)  # 1440 x 900 at 200 %
    small = await tab.page.evaluate(
        """() => [...document.querySelectorAll("button, input, summary, select, a")]
            .filter((node) => node.checkVisibility() && !node.classList.contains("skip"))
            .filter((node) => Math.min(node.offsetWidth, node.offsetHeight) < 20)
            .map((node) => node.id || node.textContent)"""
    )
    assert small == [], "targets are large enough to hit"


async def test_axe_finds_nothing_serious_in_either_scheme(desk: Desk, browser: Browser) -> None:
    for scheme in ("light", "dark"):
        tab = await tab_of(browser, color_scheme=scheme, reduced_motion="reduce")
        await tab.sign_in(desk.url + "/agent", "ada", PASSWORD["ada"])
        await expect(tab.page.locator("#begin-shift, #idle-title")).to_be_visible()
        if await tab.page.locator("#begin-shift").count():
            assert await tab.serious() == []
            await tab.page.click("#begin-shift")
        await tab.sees("#idle-title", "")
        desk.face.call_arrives("ada")
        await tab.sees("#lead-name", "Erika")
        assert await tab.serious() == []
        desk.face.customer_leaves("ada")
        await tab.page.keyboard.press("5")
        await tab.sees("#save", "Yes")
        assert await tab.serious() == []
        desk.face.seat("ada", call=None)
        await tab.sees("#idle-title", "")
        await tab.page.keyboard.press("/")
        await tab.sees("dialog", "Find a customer")
        assert await tab.serious() == []
        await tab.page.context.close()


async def test_somebody_outside_is_asked_by_keyboard(desk: Desk, browser: Browser) -> None:
    tab = await _agent(desk, browser)
    desk.face.call_arrives("ada")
    await tab.sees("#lead-name", "Erika")
    for state, keys in (
        ("dialling", {"o": "consult"}),
        ("talking", {"s": "swap", "j": "join", "t": "complete", "o": "consult"}),
        ("with the customer", {"s": "swap", "j": "join", "t": "complete", "o": "consult"}),
        ("joined", {"t": "complete", "o": "consult"}),
    ):
        call = desk.face.views["ada"].call
        assert call is not None
        lawyer = ConsultView("Lawyer", True, state, outside=True)
        desk.face.seat("ada", call=replace(call, consult=lawyer))
        await expect(tab.page.locator("#asking")).to_have_attribute("data-state", state)
        assert await tab.serious() == []
        for key, asked in keys.items():
            async with tab.page.expect_request(lambda sent, end=asked: sent.url.endswith(end)):
                await tab.page.keyboard.press(key)
        await tab.fits(390)
        await tab.page.set_viewport_size({"width": 1440, "height": 900})


async def test_pages_of_the_others_are_usable_and_fit(desk: Desk, browser: Browser) -> None:
    """Managers', engineers' and administrators' pages; this server has no lists and no bridge, and
    they say so instead of staying blank."""
    tab = await tab_of(browser)
    await tab.sign_in(desk.url, "root", STAFF_PASSWORD)
    await expect(tab.page.locator("nav a").first).to_be_visible()
    seen = []
    for path in await tab.page.eval_on_selector_all("nav a", "all => all.map((a) => a.pathname)"):
        await tab.page.click(f'nav a[href="{path}"]')
        await expect(tab.page.locator("main h1")).to_be_visible()
        await expect(tab.page.locator(f'nav a[href="{path}"]')).to_have_attribute(
            "aria-current", "page"
        )
        assert await tab.serious() == [], path
        await tab.fits(390)
        await tab.page.set_viewport_size({"width": 1440, "height": 900})
        seen.append(path)
    assert {"/wallboard", "/lists", "/reports", "/pacing", "/deliveries", "/users"} <= set(seen)
    assert not tab.complaints
