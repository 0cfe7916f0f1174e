"""Everything of the demo on one event loop: PBX, people, CRM, dialer, agents; and its clock-work.

Only what a site has is used: settings in files, the list imported by the importer, agents at the
HTTP and WebSocket API, events taken by a receiver that checks every signature.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from crm_bridge import signing
from crm_bridge.receiver import Receiver
from dialer.ami.link import Limits
from dialer.campaigns.lists import import_list
from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock
from dialer.core.events import Status
from dialer.demo.report import GroupFigures, Report
from dialer.demo.screen import Picture, Screen
from dialer.demo.site import CAMPAIGN, GUEST, WEIGHTS, Secrets, write_site
from dialer.kpi.counts import Span
from dialer.kpi.formulas import GroupBy
from dialer.kpi.report import kpi_report
from dialer.server.app import Launch, Server
from dialer.server.face import CampaignAction, CampaignView
from dialer.server.load import load_site
from dialer.server.people import NewUser, Role
from dialer.store.store import Store
from simulator.agents import Account, Manners, SimulatedAgents
from simulator.pbx import AmiServer, contract_users
from simulator.pbx.people import WorldDirectory
from simulator.world import base_world

T = TypeVar("T")

VIRTUAL_PICTURE_S = 60.0  # simulated seconds between pictures in virtual time
LAST_LINES_S = 60.0  # simulated: longer than any line rings
LAST_CALLS_S = 400.0  # simulated: agents say goodbye, write up (limit 120 s) and leave
WEBHOOKS_S = 300.0  # simulated: and the last webhooks
SUPERVISOR = "demo"
STAFF = "demo"  # a user who may do all but take calls
STAFF_ROLES = (Role.SUPERVISOR, Role.MANAGER, Role.ENGINEER, Role.ADMINISTRATOR)
TICKET_S = 24 * 3600.0  # real seconds, or as long as the demo is up


@dataclass(frozen=True, slots=True)
class Play:
    """What is played. `speed` None: virtual time."""

    minutes: float
    speed: float | None
    agents: int
    seed: int
    web_port: int
    leads: int
    directory: Path
    keep: bool
    strategy: Path | None = None
    accounts: Path | None = None


class Stage:
    """Sets up, plays, winds up, takes down. `stop` (thread-safe on the loop) ends it early."""

    def __init__(self, play: Play, screen: Screen) -> None:
        self._play = play
        self._screen = screen
        self._stopped = asyncio.Event()
        self._clock = Clock()
        self._secrets = Secrets.made(play.agents)
        self._real0 = time.monotonic()
        self._t0 = 0.0
        self._imported = ""
        self._wound_up = False
        self._receiver: Receiver | None = None
        self._pbx: AmiServer | None = None
        self._server: Server | None = None
        self._agents: SimulatedAgents | None = None

    def stop(self) -> None:
        self._stopped.set()

    async def run(self) -> Report:
        """Play it all. Whatever happens, nothing is left running."""
        try:
            await self._set_up()
            await self._watch(self._play.minutes * 60.0)
            report = await self._finish()
            self._screen.closed(report)
            if self._play.keep and not self._stopped.is_set():
                self._screen.say("still up; end it with Ctrl-C")
                await self._stopped.wait()
            return report
        finally:
            await self._take_down()

    # --- setting up -----------------------------------------------------------------------------

    async def _set_up(self) -> None:
        play, secrets = self._play, self._secrets
        self._receiver = Receiver([signing.decode_secret(secrets.webhook)], self._clock)
        crm_url = await self._receiver.start()
        scenario = replace(base_world(play.agents), day_s=max(3600.0, play.minutes * 60.0))
        self._pbx = AmiServer(
            WorldDirectory(scenario, play.seed),
            contract_users(secrets.cmd, secrets.evt),
            seed=play.seed,
        )
        await self._pbx.start()
        settings = write_site(
            play.directory,
            secrets,
            agents=play.agents,
            leads=play.leads if play.accounts is None else 0,
            seed=play.seed,
            ami_port=self._pbx.port,
            web_port=play.web_port,
            crm_url=crm_url,
            today=self._clock.utc().date(),
            strategy=play.strategy,
        )
        site, campaigns, crm = load_site(settings)
        await self._import_list(site.database, campaigns[0])
        launch = Launch(ami_limits=_patient(play.speed), durable=False)
        server = Server(site, campaigns, crm, launch)
        await server.start()  # leaves nothing behind when it cannot
        self._server = server
        _, word = await server.accounts.add(NewUser(STAFF, STAFF_ROLES, "Demo"), "the demo")
        # Kept as it is: whoever comes by the link is not asked for a password of their own.
        await server.accounts.set_password(STAFF, word, "the demo", cheap=True)
        everything, desk = (
            f"{server.url}/#ticket={server.accounts.ticket(name, TICKET_S)}"
            for name in (STAFF, GUEST)
        )
        # Links that sign in by themselves: on loopback, and of a demo's made-up people alone.
        self._screen.opened(
            [
                ("wallboard", f"{server.url}/wallboard#token={secrets.viewer}"),
                ("everything (no log-in needed)", everything),
                ("an agent's desk (no log-in needed)", desk),
                (
                    "or as that agent",
                    f"{server.url}/agent (agent {GUEST}, password {secrets.guest})",
                ),
                ("AMI of the simulated PBX", f"127.0.0.1:{self._pbx.port}"),
            ]
        )
        self._screen.say(self._imported)
        log = self._pbx.log
        self._agents = SimulatedAgents(
            self._server.url,
            [Account(name, password) for name, password in secrets.passwords.items()],
            seed=play.seed,
            ears=log.party_of,
            manners=Manners(weights=WEIGHTS),
        )
        await self._agents.start()
        self._t0 = self._clock.now()
        self._real0 = time.monotonic()

    async def _import_list(self, database: str, campaign: CampaignFile) -> None:
        store = await Store.open(database, clock=self._clock, durable=False)
        try:
            report = await import_list(
                self._play.accounts or self._play.directory / "accounts.csv",
                campaign,
                store,
                rejects=self._play.directory / "accounts.rejects.csv",
            )
        finally:
            await store.close()
        self._imported = f"list: {report.accepted:,} accounts imported, {report.rejected} rejected"

    # --- playing --------------------------------------------------------------------------------

    async def _watch(self, length_s: float) -> None:
        """Draw pictures until `length_s` is played or somebody stops it."""
        speed = self._play.speed
        every_s = VIRTUAL_PICTURE_S if speed is None else self._screen.real_every_s * speed
        until = self._t0 + length_s
        while not self._stopped.is_set() and (left := until - self._clock.now()) > 0:
            self._draw(length_s)
            await self._pause(min(every_s, left))
        self._draw(length_s)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._stopped.wait()
        except TimeoutError:
            pass

    def _draw(self, length_s: float) -> None:
        server, receiver = _need(self._server), _need(self._receiver)
        problems = server.reception.health().problems
        self._screen.show(
            Picture(
                server.reception.wallboard(),
                self._clock.now() - self._t0,
                length_s,
                time.monotonic() - self._real0,
                receiver.tally.distinct,
                problems[0] if problems else "",
            )
        )

    # --- winding up -----------------------------------------------------------------------------

    async def _finish(self) -> Report:
        """Take the numbers of the play, let calls and webhooks end unless it goes on, and judge."""
        played_s, real_s = self._clock.now() - self._t0, time.monotonic() - self._real0
        played = self._campaign()
        if not self._play.keep and not self._stopped.is_set():
            await self._wind_up()
            self._wound_up = True
        figures = await self._figures()
        return self._report(played, played_s, real_s, figures)

    async def _figures(self) -> tuple[GroupFigures, ...]:
        """The campaign's key figures, and with a strategy those of each segment and arm."""
        store = _need(self._server).store
        kinds = [GroupBy.CAMPAIGN]
        if self._play.strategy is not None:
            kinds += [GroupBy.SEGMENT, GroupBy.ARM]
        found: list[GroupFigures] = []
        for by in kinds:
            work = partial(kpi_report, campaign=CAMPAIGN, by=by, span=Span(), now=self._clock.utc())
            report = await store.database.read(work)
            if report is not None:
                found += [GroupFigures(by.value, one.key, one.kpis) for one in report.groups]
        return tuple(found)

    async def _wind_up(self) -> None:
        server, agents = _need(self._server), _need(self._agents)
        self._screen.say("winding up: the calls under way are served to their end")
        await server.reception.act_on_campaign(CAMPAIGN, CampaignAction.STOP, SUPERVISOR)
        await self._until(self._all_lines_ended, LAST_LINES_S)
        await agents.log_out()
        if server.reception.agent_view(GUEST) is not None:
            await server.reception.choose_status(GUEST, Status.LOGGED_OUT, "")
        await self._until(lambda: not server.reception.wallboard().agents, LAST_CALLS_S)
        await self._until(lambda: not self._campaign().lines.talking, LAST_LINES_S)
        await server.store.flush()
        if server.bridge is not None:
            await server.bridge.drain(WEBHOOKS_S)

    async def _until(self, done: Callable[[], bool], limit_s: float) -> None:
        until = self._clock.now() + limit_s
        while not done() and self._clock.now() < until:  # noqa: ASYNC110 - a view is no event
            await asyncio.sleep(1.0)

    def _all_lines_ended(self) -> bool:
        lines = self._campaign().lines
        return not any(
            (lines.planned, lines.setting_up, lines.ringing, lines.answered, lines.waiting)
        )

    def _campaign(self) -> CampaignView:
        return _need(self._server).reception.campaigns()[0]

    def _report(
        self,
        played: CampaignView,
        played_s: float,
        real_s: float,
        figures: tuple[GroupFigures, ...],
    ) -> Report:
        server, receiver = _need(self._server), _need(self._receiver)
        pbx, agents = _need(self._pbx), _need(self._agents)
        delivered = 0
        if server.bridge is not None:
            stats = server.bridge.stats()
            delivered = stats.delivered + stats.pops_sent
        tally = receiver.tally
        problems = [] if self._wound_up else list(server.reception.health().problems)
        if not played.calls:
            problems.append("no call was dialled")
        if tally.forged:
            problems.append(f"{tally.forged} webhooks did not pass the receiver's check")
        if self._wound_up and tally.distinct != delivered:
            problems.append(
                f"{delivered} webhooks were delivered and the receiver knows of {tally.distinct}"
            )
        if twice := pbx.log.dialled_twice:
            problems.append(f"{len(twice)} attempts were dialled twice")
        if self._wound_up and pbx.exchange.channels:
            problems.append(f"{len(pbx.exchange.channels)} channels were left on the PBX")
        problems += [f"a simulated agent failed: {error!r}" for error in agents.failures[:3]]
        left = sum(n for verdict, n in played.leads.items() if verdict != "done")
        return Report(
            calls=played.calls,
            live_answers=played.live_answers,
            connects=played.connects,
            abandoned=played.abandoned,
            abandon_rate=played.abandon.rate,
            abandon_limit=played.abandon.limit,
            utilisation=played.utilisation or 0.0,
            agents=self._play.agents,
            leads_left=left,
            outcomes=dict(played.outcomes),
            dispositions=dict(agents.tally.dispositions),
            webhooks_delivered=delivered,
            webhooks_verified=tally.distinct,
            webhooks_forged=tally.forged,
            dialled_twice=len(twice),
            ami_events=sum(server.reception.metrics().ami_events.values()),
            duration_simulated_s=round(played_s, 3),
            duration_real_s=round(real_s, 3),
            seed=self._play.seed,
            problems=tuple(problems),
            figures=figures,
        )

    # --- taking down ----------------------------------------------------------------------------

    async def _take_down(self) -> None:
        for part in (self._agents, self._server, self._receiver):
            if part is not None:
                await part.close()
        if self._pbx is not None:
            await self._pbx.stop()


def _need(part: T | None) -> T:
    assert part is not None, "the stage is not set up"
    return part


def _patient(speed: float | None) -> Limits:
    """The AMI link's limits, stretched as the clock runs: the network stays in real seconds."""
    limits, factor = Limits(), max(1.0, speed or 1.0)
    return replace(
        limits,
        connect_s=limits.connect_s * factor,
        login_s=limits.login_s * factor,
        action_s=limits.action_s * factor,
        list_s=limits.list_s * factor,
        ping_every_s=limits.ping_every_s * factor,
        ping_s=limits.ping_s * factor,
    )
