"""A browser agent with a microphone takes calls of SIPp customers through a real Asterisk."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from crm_bridge import signing
from crm_bridge.receiver import Receiver
from dialer.clock import Clock
from dialer.server.accounts import Accounts
from dialer.server.people import NewUser, Role
from dialer.store.store import Store
from tests.asterisk.harness import AsteriskBench, free_port, missing
from tests.asterisk.rawami import RawAmi
from tests.asterisk.sipp import number_for
from tests.browser.tab import Tab, tab_of
from tests.e2e.dialer import PASSWORD, Dialer, Site, is_customer

pytestmark = pytest.mark.asterisk

PHONE = "web1"
PHONE_PASSWORD = "a secret of the phone in the page"
SUPERVISORS_PHONE = "web2"
CALLS = 10
POP_P95_MS = 250.0

# What a page does is told from outside it: its connections, and when a name came onto the screen.
WATCH = """
window.connections = [];
window.RTCPeerConnection = class extends window.RTCPeerConnection {
  constructor(...given) { super(...given); window.connections.push(this); }
};
window.pops = [];
let shown = "";
new MutationObserver(() => {
  const name = document.querySelector("#lead-name")?.textContent ?? "";
  if (name !== shown && name) window.pops.push([name, performance.timeOrigin + performance.now()]);
  shown = name;
}).observe(document, {subtree: true, childList: true, characterData: true});
"""
HEARS = """async () => {
  const live = window.connections.filter((one) => one.connectionState === "connected").at(-1);
  for (const each of live ? (await live.getStats()).values() : [])
    if (each.type === "inbound-rtp") return each.totalAudioEnergy ?? 0;
  return 0;
}"""


@dataclass
class Stage:
    """Asterisk, the dialer, a CRM, and one agent's browser."""

    bench: AsteriskBench
    dialer: Dialer
    crm: Receiver
    listener: RawAmi
    tab: Tab
    numbers: list[str]

    def sound_to_customer(self, number: str) -> int:
        """Frames with sound (the microphone's beeps) that this customer has heard."""
        return sum(one.leg.sound.frames for one in self.bench.heard() if one.number == number)

    async def hears(self) -> float:
        return float(await self.tab.page.evaluate(HEARS))

    async def until(self, what: str, done: Callable[[], Awaitable[bool]], limit_s: float) -> None:
        await self.dialer.until(what, done, limit_s)

    async def both_ways(self, number: str) -> None:
        """The customer's voice reaches the page, and the page's microphone the customer."""
        before, sound = await self.hears(), self.sound_to_customer(number)

        async def both() -> bool:
            return await self.hears() > before and self.sound_to_customer(number) > sound

        await self.until("audio both ways", both, 15.0)


@asynccontextmanager
async def stage(
    browser: Browser, folder: Path, leads: int, more_agents: tuple[str, ...] = ()
) -> AsyncIterator[Stage]:
    socket_port = free_port(socket.SOCK_STREAM)
    settings = f'[browser]\nbind = "127.0.0.1"\nport = {socket_port}\n' + "".join(
        f'[[phones]]\nname = "{name}"\npassword = "{PHONE_PASSWORD}"\nbrowser = true\n'
        for name in (PHONE, SUPERVISORS_PHONE, *more_agents)
    )
    async with AsyncExitStack() as stack:
        bench = await stack.enter_async_context(
            AsteriskBench(phones_wanted=0, more_settings=settings)
        )
        secret = signing.new_secret()
        crm = Receiver([signing.decode_secret(secret)], Clock(), keep=True)
        crm_url = await crm.start()
        stack.push_async_callback(crm.close)
        site = Site(
            folder,
            bench.ami_port,
            bench.cmd_secret,
            bench.evt_secret,
            [PHONE, *more_agents],
            lines_per_agent=1.0,
            crm_url=crm_url,
            crm_secret=secret,
            wrap_up_limit_s=120.0,
            phone_socket=f"ws://127.0.0.1:{socket_port}/ws",
            phone_passwords=dict.fromkeys((PHONE, SUPERVISORS_PHONE, *more_agents), PHONE_PASSWORD),
        )
        dialer = Dialer(site, free_port(socket.SOCK_STREAM))
        numbers = [number_for("talk", n) for n in range(leads)]
        await dialer.load(numbers)
        await add_supervisor(dialer)
        stack.push_async_callback(dialer.end)  # also of one that started too slowly for us
        await dialer.start()
        await dialer.act("pause")
        listener = await stack.enter_async_context(
            RawAmi(bench.ami_port, bench.evt_user, bench.evt_secret)
        )
        tab = await tab_of(browser)
        stack.push_async_callback(tab.page.context.close)
        await tab.page.add_init_script(WATCH)
        await tab.sign_in(dialer.url + "/agent", PHONE, PASSWORD)
        await tab.sees("#phone-state", "ready to be rung")
        await tab.page.click("#begin-shift")
        await expect(tab.page.locator("#phone-state")).to_have_attribute("data-phone", "up")
        await tab.page.keyboard.press("r")
        await tab.sees("#state-text", "Ready")
        await dialer.act("resume")
        yield Stage(bench, dialer, crm, listener, tab, numbers)


async def add_supervisor(dialer: Dialer) -> None:
    """sue, whose phone is a page."""
    store = await Store.open(f"sqlite:///{dialer.site.folder / 'overdial.db'}")
    accounts = Accounts(store.users)
    await accounts.start()
    await accounts.add(NewUser("sue", (Role.SUPERVISOR,), phone=SUPERVISORS_PHONE), "tests")
    await accounts.set_password("sue", PASSWORD, "tests")
    await store.close()


def bridged_at(events: list[dict[str, str]]) -> list[float]:
    """When each customer was bridged with the agent, by Asterisk's clock (ms since 1970)."""
    return [
        1000 * float(event["Timestamp"])
        for event in events
        if event.get("Event") == "BridgeEnter"
        and event.get("BridgeCreator") != "BridgeWait"
        and is_customer(event.get("Uniqueid", ""))
    ]


async def test_ten_calls_in_a_row(browser: Browser, tmp_path: Path) -> None:
    if why := missing():
        pytest.skip(why)
    async with stage(browser, tmp_path, CALLS) as now, looking(browser) as looks:
        page = now.tab.page
        for n, number in enumerate(now.numbers):
            await now.tab.sees("#lead-name", f"Customer {n}")
            await now.tab.sees("#lead-phone", number)
            await now.both_ways(number)
            if n == 0:
                await now.tab.keep("agent-real-call")
                assert await now.tab.serious() == []
            await page.keyboard.press("h")
            await now.tab.sees("#call-label", "Wrap-up")
            await page.keyboard.press("1")  # "Done", which requires nothing
            await expect(page.locator("#call")).to_be_hidden()
        pops: list[tuple[str, float]] = await page.evaluate("window.pops")
        bridges = bridged_at(list(now.listener.messages))
        assert [name for name, _ in pops] == [f"Customer {n}" for n in range(CALLS)]
        assert len(bridges) == CALLS
        late = sorted(shown - at for (_, shown), at in zip(pops, bridges, strict=True))
        p95 = late[max(0, round(0.95 * CALLS) - 1)]

        async def stored() -> bool:
            rows = now.dialer.rows("SELECT code FROM dispositions")
            return [row[0] for row in rows] == ["done"] * CALLS

        await now.until("every disposition stored", stored, 10.0)

        async def told() -> bool:
            return now.crm.tally.by_type["disposition.set"] == CALLS

        await now.until("every disposition told to the CRM", told, 20.0)
        assert now.crm.tally.by_type["call.completed"] == CALLS
        assert not now.tab.complaints
        print(
            f"\nbridge to name on the screen, {CALLS} calls: p50 {late[CALLS // 2]:.0f} ms, "
            f"p95 {p95:.0f} ms, worst {late[-1]:.0f} ms; worst bare look into an empty page "
            f"{max(looks):.0f} ms"
        )
        # A machine that keeps a look into an empty page waiting keeps everybody waiting.
        assert p95 <= max(POP_P95_MS, 3 * max(looks))


@asynccontextmanager
async def looking(browser: Browser) -> AsyncIterator[list[float]]:
    """Milliseconds of bare looks into an empty page, ten a second meanwhile."""
    page = await browser.new_page()
    loop = asyncio.get_running_loop()
    took: list[float] = []

    async def look() -> None:
        while True:
            began = loop.time()
            await page.evaluate("0")
            took.append((loop.time() - began) * 1000)
            await asyncio.sleep(0.1)

    task = asyncio.create_task(look(), name="looks")
    try:
        yield took
    finally:
        task.cancel()
        await asyncio.wait((task,))
        await page.close()


async def test_a_supervisor_listens_and_whispers_from_the_floor(
    browser: Browser, tmp_path: Path
) -> None:
    """Both pages on real Asterisk: she hears the call, is heard by the agent alone, and goes."""
    if why := missing():
        pytest.skip(why)
    async with stage(browser, tmp_path, 1) as now:
        number = now.numbers[0]
        await now.tab.sees("#lead-name", "Customer 0")
        await now.both_ways(number)
        sue = await tab_of(browser)
        await sue.page.add_init_script(WATCH)
        await sue.sign_in(now.dialer.url + "/wallboard", "sue", PASSWORD)
        await sue.page.click("#agents button")
        assert await sue.serious() == []
        await sue.page.click("#monitor-listen")
        await sue.sees("#monitor", "nobody hears you")
        await now.tab.sees(".monitored", "sue listens")
        began = float(await sue.page.evaluate(HEARS))

        async def hears_more() -> bool:
            return float(await sue.page.evaluate(HEARS)) > began

        await now.until("the supervisor hears the call", hears_more, 15.0)
        await sue.page.keyboard.press("w")
        await sue.sees("#monitor", "the agent hears you")
        await now.tab.sees(".monitored", "whispers")
        assert await sue.serious() == []
        await sue.keep("supervisor-listens")
        await now.tab.keep("agent-is-listened-to")
        await now.both_ways(number)  # and the call is as it was
        await sue.page.keyboard.press("e")
        await expect(sue.page.locator("#monitor")).to_be_hidden()
        await expect(now.tab.page.locator(".monitored")).to_be_hidden()
        await now.both_ways(number)
        assert not sue.complaints
        await sue.page.context.close()
        await now.tab.page.keyboard.press("h")
        await now.tab.sees("#call-label", "Wrap-up")
        audited = now.dialer.rows("SELECT action FROM audit_log WHERE who = 'sue' ORDER BY id")
        assert [row["action"] for row in audited if row["action"].startswith("call.")] == [
            "call.listen",
            "call.whisper",
            "call.unmonitored",
        ]


async def test_a_customer_is_handed_on_to_another_agents_page(
    browser: Browser, tmp_path: Path
) -> None:
    """By keyboard: his screen pops there, audio goes both ways there, and the first writes up."""
    if why := missing():
        pytest.skip(why)
    async with stage(browser, tmp_path, 1, ("web3",)) as now:
        number = now.numbers[0]
        await now.tab.sees("#lead-name", "Customer 0")
        await now.both_ways(number)
        second = await tab_of(browser)
        await second.page.add_init_script(WATCH)
        await second.sign_in(now.dialer.url + "/agent", "web3", PASSWORD)
        await second.sees("#phone-state", "ready to be rung")
        await second.page.click("#begin-shift")
        await expect(second.page.locator("#phone-state")).to_have_attribute("data-phone", "up")
        first = now.tab.page
        await first.keyboard.press("t")
        await now.tab.sees("#transfers", "not free")
        await second.page.keyboard.press("r")
        await second.sees("#state-text", "Ready")
        await expect(first.locator("[data-to='agent:web3']")).to_be_enabled()
        assert await now.tab.serious() == []
        await now.tab.keep("agent-hands-on")

        await first.click("[data-ask=web3]")  # first she is asked, and he taken back
        await second.sees("#asking", "asks about this customer")
        await second.sees("#lead-name", "Customer 0")
        await expect(first.locator("#consult-back")).to_be_enabled()
        assert await now.tab.serious() == []
        await now.tab.keep("agent-asks")
        await first.keyboard.press("o")
        await expect(first.locator("#asking")).to_be_hidden()
        await second.sees("#state-text", "Ready")
        await now.both_ways(number)

        await first.keyboard.press("t")
        await expect(first.locator("[data-to='agent:web3']")).to_be_enabled()
        await first.focus("[data-to='agent:web3']")
        await first.keyboard.press("1")
        await second.sees("#lead-name", "Customer 0")
        await second.sees("#call-label", "Talking")
        await now.tab.sees("#call-label", "Wrap-up")
        before = now.tab
        now.tab = second
        await now.both_ways(number)
        now.tab = before
        await first.keyboard.press("1")  # "Done"
        await expect(first.locator("#call")).to_be_hidden()
        await second.page.keyboard.press("h")
        await second.sees("#call-label", "Wrap-up")
        assert not now.tab.complaints
        assert not second.complaints
        await second.page.context.close()


async def test_the_call_outlives_reload_network_server_and_a_second_tab(
    browser: Browser, tmp_path: Path
) -> None:
    if why := missing():
        pytest.skip(why)
    async with stage(browser, tmp_path, 1) as now:
        page, number = now.tab.page, now.numbers[0]
        await now.tab.sees("#lead-name", "Customer 0")
        await now.both_ways(number)

        await page.reload()
        await now.tab.sees("#lead-name", "Customer 0")
        await now.both_ways(number)

        await page.reload()  # once more: the leg is as good as new
        await now.tab.sees("#lead-name", "Customer 0")
        await now.both_ways(number)

        await page.context.set_offline(True)
        await now.tab.sees("#lost", "Your call goes on")
        await page.context.set_offline(False)
        await expect(page.locator("#lost")).to_be_hidden()
        await now.both_ways(number)

        await now.dialer.end(signal.SIGKILL)
        await now.tab.sees("#lost", "Your call goes on")
        await now.dialer.start()
        await expect(page.locator("#lost")).to_be_hidden()
        await now.tab.sees("#call-label", "Talking")
        await now.both_ways(number)

        other = Tab(await page.context.new_page())
        await other.page.add_init_script(WATCH)
        await other.page.goto(now.dialer.url + "/agent")
        await other.sees("#lead-name", "Customer 0")
        await now.tab.sees("#taken", "another tab")
        now.tab = other
        await expect(other.page.locator("#phone-state")).to_have_attribute("data-phone", "up")
        await now.both_ways(number)

        await other.page.keyboard.press("m")
        await asyncio.sleep(0.3)  # what is under way still arrives
        sound = now.sound_to_customer(number)
        await asyncio.sleep(2.2)  # the fake microphone beeps every second
        assert now.sound_to_customer(number) == sound, "a muted agent is not heard"
        await other.page.keyboard.press("m")
        await now.both_ways(number)
        await other.page.keyboard.press("h")
        await other.sees("#call-label", "Wrap-up")

        async def one_call() -> bool:
            return [row["outcome"] for row in now.dialer.attempts()] == ["connected"]

        await now.until("the one attempt is on record as connected", one_call, 10.0)
