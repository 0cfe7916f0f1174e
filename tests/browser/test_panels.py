"""The phone inside a CRM, in a real browser: in a frame of another origin, under the page's own
policy, over a vendor's script that is `tests/panel/mocks.mjs` (what does not fit its documentation
throws, and the tab complains)."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from playwright.async_api import Browser, Frame, Route, expect
from playwright.async_api import Error as PlaywrightError

from dialer.core.states import AgentState
from dialer.web.settings import Panel, WebSettings
from tests.browser.tab import PASSWORD, Tab, tab_of
from tests.web.conftest import Desk
from tests.web.fake_face import ADA, FakeFace
from tests.web.fake_people import people

VENDOR = "https://vendor.example/sdk.js"  # nobody is asked: the browser's own requests are answered
MOCKS = (Path(__file__).parents[1] / "panel" / "mocks.mjs").read_text(encoding="utf-8")
ASSERT = """
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
const must = (yes, words) => { if (!yes) throw new Error(words ?? "not as documented"); };
const assert = {
  ok: must, equal: (a, b) => must(a === b, `${a} is not ${b}`),
  deepEqual: (a, b) => must(same(a, b)),
  match: (text, form) => must(form.test(text), `${text} does not match ${form}`),
};
"""
# How each vendor's script makes itself known to the page.
KNOWN = {
    "salesforce": "window.mock = new Salesforce(); window.sforce = mock.sforce;",
    "hubspot": "window.mock = new HubSpot(); window.CallingExtensions = mock.CallingExtensions;",
    # The library is ready before the page's own scripts are: they must not miss it.
    "dynamics": """
      window.mock = new Dynamics();
      mock.dispatchEvent = (event) => window.dispatchEvent(event);
      window.Microsoft = mock.Microsoft;
      mock.initialise();
    """,
}
RECORD = {"salesforce": "003xx000004TmiQAAS", "hubspot": "12345",
          "dynamics": "0a0b0c0d-0000-4000-8000-000000000001"}  # fmt: skip


def script(crm: str) -> str:
    body = re.sub(r"^import .*$", ASSERT, MOCKS, count=1, flags=re.MULTILINE)
    return f"(() => {{ {body.replace('export class', 'class')}\n{KNOWN[crm]} }})();"


@dataclass
class Inside:
    """The CRM's page in a tab, and our panel in its frame."""

    desk: Desk
    tab: Tab
    crm: str

    @property
    def frame(self) -> Frame:
        (found,) = (one for one in self.tab.page.frames if "/panel/" in one.url)
        return found

    async def asks(self) -> list[str]:
        found: list[str] = await self.frame.evaluate("mock.asked")
        return found

    async def until_asked(self, what: str) -> None:
        """Asked from outside again and again: the page's policy lets no text wait in it."""
        for _ in range(600):
            if what in await self.asks():
                return
            await asyncio.sleep(0.05)
        raise TimeoutError(f"the CRM was not asked for {what}")


@asynccontextmanager
async def inside(
    crm: str, browser: Browser, *, host: str = "localhost", allowed: bool = True
) -> AsyncIterator[Inside]:
    """`localhost` is another site than our 127.0.0.1: this browser denies its frames all storage,
    as people's do who block third-party cookies. A `host` of 127.0.0.1 is another origin only."""
    hosts = web.AppRunner(web.Application())
    page = f'<!doctype html><title>CRM</title><iframe id="cti" src="%s/panel/{crm}"></iframe>'
    where = ""

    async def show(request: web.Request) -> web.Response:
        return web.Response(text=page % where, content_type="text/html")

    hosts.app.router.add_get("/", show)
    await hosts.setup()
    await web.TCPSite(hosts, "127.0.0.1", 0).start()
    origin = f"http://{host}:{hosts.addresses[0][1]}"
    face = FakeFace()
    accounts, _ = await people(face.passwords)
    frames = (origin,) if allowed else ("https://another.example",)
    settings = WebSettings(port=0, panels={crm: Panel(VENDOR, log=True)}, frame_ancestors=frames)
    desk = Desk(face, settings, accounts)
    where = desk.url = await desk.server.start()
    tab = await tab_of(browser)

    async def vendor(route: Route) -> None:
        await route.fulfill(content_type="text/javascript", body=script(crm))

    await tab.page.route(VENDOR, vendor)
    try:
        await tab.page.goto(origin)
        yield Inside(desk, tab, crm)
    finally:
        await tab.page.context.close()
        await desk.server.close()
        await hosts.cleanup()
        assert not desk.failures


async def sign_in(it: Inside) -> None:
    await it.frame.fill("[name=agent]", "ada")
    await it.frame.fill("[name=password]", PASSWORD["ada"])
    await it.frame.click("#sign-in button")
    await it.frame.click("#ready")
    await expect(it.frame.locator("#state")).to_contain_text("ready")


@pytest.mark.parametrize(
    ("crm", "pop", "log"),
    [
        ("salesforce", "screenPop", "saveLog"),
        ("dynamics", "openForm", "createRecord"),
    ],
)
async def test_a_call_is_shown_and_written_down_once(
    crm: str, pop: str, log: str, browser: Browser
) -> None:
    async with inside(crm, browser, host="127.0.0.1") as it:
        await sign_in(it)
        lead = replace(ADA, external_id=RECORD[crm], name="Ada <b>Example</b>")
        attempt = it.desk.face.call_arrives("ada", lead)
        await expect(it.frame.locator("#who")).to_have_text("Ada <b>Example</b>")
        await it.until_asked(pop)

        await it.tab.page.reload()  # in the middle of the call: nothing is told a second time
        await expect(it.frame.locator("#who")).to_have_text("Ada <b>Example</b>")
        if crm == "dynamics":
            await it.until_asked("setClickToAct")
        assert pop not in await it.asks()

        it.desk.face.now += 31
        it.desk.face.customer_leaves("ada")
        await expect(it.frame.locator("#stage")).to_have_text("ended")
        await it.frame.click("#codes >> text=Refuses to pay")
        await expect(it.frame.locator("#call")).to_be_hidden()
        assert it.desk.face.heard[-1][:4] == ("dispose", "ada", attempt, "refused")
        await it.until_asked(log)
        kept: list[dict[str, Any]] = await it.frame.evaluate("mock.tasks ?? mock.records")
        assert len(kept) == 1
        assert "Refuses to pay" in kept[0].values()
        assert kept[0].get("CallDurationInSeconds", 31) == 31
        assert kept[0].get("actualdurationminutes", 1) == 1
        assert not it.tab.complaints


async def test_without_storage_it_works_as_long_as_the_page_lives(browser: Browser) -> None:
    async with inside("salesforce", browser) as it:
        with pytest.raises(PlaywrightError, match="denied"):
            await it.frame.evaluate("sessionStorage.length")
        await sign_in(it)
        it.desk.face.call_arrives("ada", replace(ADA, external_id=RECORD["salesforce"]))
        await it.until_asked("screenPop")
        it.desk.face.customer_leaves("ada")
        await it.frame.click("#codes >> text=Refuses to pay")
        await it.until_asked("refreshView")
        assert (await it.asks()).count("screenPop") == 1
        await it.tab.page.reload()
        await expect(it.frame.locator("#sign-in")).to_be_visible()
        assert not it.tab.complaints


async def test_hubspots_own_record_is_begun_and_completed(browser: Browser) -> None:
    async with inside("hubspot", browser) as it:
        await sign_in(it)
        it.desk.face.call_arrives("ada", replace(ADA, external_id="12345"))
        await it.until_asked("navigateToRecord")
        it.desk.face.now += 31
        it.desk.face.customer_leaves("ada")
        await it.frame.click("#codes >> text=Refuses to pay")
        await it.until_asked("completed")
        told = await it.frame.evaluate("[...mock.calls.values()].map((one) => one.properties)")
        assert [one["hs_call_body"] for one in told] == ["Refuses to pay"]
        assert [one["hs_call_duration"] for one in told] == ["31000"]
        assert [one["hs_call_status"] for one in told] == ["COMPLETED"]
        assert not it.tab.complaints


@pytest.mark.parametrize("crm", ["salesforce", "hubspot", "dynamics"])
async def test_a_number_clicked_in_the_crm_is_called(crm: str, browser: Browser) -> None:
    async with inside(crm, browser) as it:
        await sign_in(it)
        ready = {
            "salesforce": "enableClickToDial",
            "hubspot": "initialized",
            "dynamics": "addHandler",
        }
        await it.until_asked(ready[crm])
        await it.frame.evaluate("mock.click('+4930901821', '')")
        await expect(it.frame.locator("#state")).to_contain_text("dialling")
        assert it.desk.face.heard[-1][:4] == ("dial", "ada", "spring", "+4930901821")
        assert it.desk.face.views["ada"].state is AgentState.DIALLING
        assert not it.tab.complaints


async def test_who_was_not_named_may_not_frame_it(browser: Browser) -> None:
    async with inside("salesforce", browser, allowed=False) as it:
        await it.tab.page.wait_for_function("document.querySelector('#cti') !== null")
        assert not [one for one in it.tab.page.frames if one.url.startswith(it.desk.url)]
        assert any("frame-ancestors" in one or "frame" in one for one in it.tab.complaints)
