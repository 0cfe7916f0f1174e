"""The composition root: one dialer from its settings, started and ended in order."""

from __future__ import annotations

import asyncio
import random
import secrets
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

import structlog

import crm_bridge.config
from crm_bridge.bridge import Bridge
from crm_bridge.database import open_engine
from crm_bridge.desk import Desk
from dialer.ami.link import Limits
from dialer.ami.supervisor import Pbx, PbxConfig
from dialer.campaigns.model import CampaignFile
from dialer.clock import Clock, outside_work, wall_s
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.modes import Booking
from dialer.pacing.governor import Governor
from dialer.server.accounts import Accounts
from dialer.server.alarms import ALARMS_EVERY_S, Alarms
from dialer.server.casework import Casework
from dialer.server.changes import Changes
from dialer.server.charts import EVERY_S as CHARTS_EVERY_S
from dialer.server.charts import Charts
from dialer.server.clickdial import ClickToDial
from dialer.server.drafting import Drafting
from dialer.server.engine import Engine
from dialer.server.evidence import EvidenceDesk
from dialer.server.experiments import Experiments
from dialer.server.face import CampaignAction, EndpointView, LinkView, TrunkView, WebhooksView
from dialer.server.gate import LISTS_EVERY_S, Gate
from dialer.server.handcalls import StoreHandCalls
from dialer.server.histogram import Histogram
from dialer.server.hopper import NO_DATABASE, SWEEP_EVERY_S, Hopper
from dialer.server.house import House
from dialer.server.inbound import Intake
from dialer.server.interpreter import let_the_loop_in, spare_the_collector
from dialer.server.learned import LEARNED_EVERY_S, Learned
from dialer.server.listing import Listing
from dialer.server.load import desk_of
from dialer.server.monitoring import Monitoring
from dialer.server.offers import KIN_EVERY_S, Offers
from dialer.server.pacing import TICK_S, civil_seconds, make_ready
from dialer.server.phonebook import PhoneBook
from dialer.server.reception import Reception, Watched
from dialer.server.recordings import ACTIONS, AGAIN, Recordings
from dialer.server.reports import StoreReports
from dialer.server.site import (
    CampaignDesk,
    PbxSettings,
    SiteSettings,
    phone_origins,
)
from dialer.server.supervision import Supervision
from dialer.server.telling import Telling
from dialer.server.tracing import Tracing
from dialer.server.transfers import Transfers
from dialer.server.watch import TRACE_EVERY_S, TraceFile, every, watch_lag
from dialer.store.casebook import Casebook
from dialer.store.recovery import closed_since
from dialer.store.store import Store
from dialer.store.writer import Commit, StoreClosed
from dialer.tasks import Tasks
from dialer.web.app import WebServer
from dialer.web.settings import ApiToken, Panel, Provider, WebSettings

log = structlog.get_logger()

STEPS_EVERY_S = 5.0  # between looks for leads whose strategy's time has come
LEADS_EVERY_S = 5.0  # between counts of the leads left
USERS_EVERY_S = 10.0  # between looks whether users were changed elsewhere
END_LIMIT_S = 15.0  # for the last records, at the end


@dataclass(frozen=True, slots=True)
class Launch:
    """What a start may set beyond the site's own settings (tests, demo)."""

    ami_limits: Limits = field(default_factory=Limits)
    durable: bool = True  # False: a power cut may cost the last moments; for the demo only
    bind_web: bool = True


class Server:
    """One dialer. `start` returns when it serves; whether it dials, its health says."""

    def __init__(
        self,
        site: SiteSettings,
        campaigns: Sequence[CampaignFile],
        crm: crm_bridge.config.Config | None = None,
        launch: Launch | None = None,
    ) -> None:
        self.site = site
        self.clock = Clock()
        self.url = ""
        self._campaigns = {campaign.name: campaign for campaign in campaigns}
        self._desks = {name: desk_of(campaign) for name, campaign in self._campaigns.items()}
        self._crm = crm
        self._launch = launch or Launch()
        self._tasks = Tasks(self._task_failed)
        self._watched = Watched()
        self._lag, self._commits = Histogram(), Histogram()
        self._zone = ZoneInfo(site.zone)
        self._pbxes: dict[str, Pbx] = {}
        self._links_since: dict[str, tuple[bool, float]] = {}
        self._claims = asyncio.Lock()  # from a claim's commit until its leads are posted
        self._last_tasks = Tasks(_told_by_close)
        self._end: asyncio.Task[None] | None = None
        self._web: WebServer | None = None
        self._desk: Desk | None = None
        self._listing: Listing | None = None
        self.bridge: Bridge | None = None
        self.store: Store
        self.gate: Gate
        self.engine: Engine
        self.learned: Learned
        self.offers: Offers
        self.accounts: Accounts
        self.reception: Reception
        self._house: House
        self.intake: Intake

    # --- life -------------------------------------------------------------------------------

    async def start(self) -> None:
        """Take over what a former life left, connect, serve. Raises with a text for people
        (StoreError, WebStartError) and leaves nothing half-started."""
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        boot = secrets.token_hex(3)
        self.store = await Store.open(
            self.site.database, boot=boot, clock=self.clock, durable=self._launch.durable
        )
        for campaign in self._campaigns.values():
            await self.store.add_campaign(campaign)
        attempts, agents = await self.store.recover()
        self.gate = Gate(self.store, self.clock)
        self._telling = Telling(self.store, self.clock)
        self.engine = Engine(
            Floor(boot, self.gate.denied), self.clock, self, Changes(), self._telling
        )
        self.learned = Learned(self.store, self.engine.pacing)
        self._hopper = Hopper(self.store, self.engine, self.clock, self._tasks, self._claims)
        self.store.start_writer(
            self._committed,
            on_failure=self._task_failed,
            on_commit=self._commit,
            on_trouble=self._store_trouble,
        )
        self.offers = Offers(self.store, self.engine.pacing, self.clock, self._zone)
        for campaign in self._campaigns.values():
            await self._add_pacing(campaign)
        self._phones = PhoneBook(self.site.pbxes, wall_s)
        self.accounts = Accounts(self.store.users, tuple(self._campaigns))
        await self.accounts.start()
        self.accounts.check_codes()
        await self.accounts.take_agents(self.site.agents)
        self.reception = Reception(
            self.engine,
            self.clock,
            self.accounts.seats,
            self._desks,
            self._watched,
            StoreHandCalls(self.store, self._campaigns, self._claims),
            self.store.callable_at,
            phones=self._phones,
        )
        self.intake = Intake(
            self.store,
            self.engine,
            self._campaigns,
            self._claims,
            ClickToDial(self.store, self.engine, self.reception),
        )
        self._listing = Listing(self.store, self.engine, self._campaigns, self._claims, self._tasks)
        self._listing.start()
        await self._furnish(attempts)
        self._watch()
        if any(campaign.pacer == "forward" for campaign in self._campaigns.values()):
            with outside_work():  # before anybody is on the line: compiling takes a while, once
                await asyncio.to_thread(make_ready)
        await self._start_bridge()
        self._set_the_floor(attempts, agents)  # before any screen can open a session
        await self._start_web()
        for settings in self.site.pbxes:
            pbx = Pbx(
                settings.name,
                _pbx_config(settings, self._launch.ami_limits),
                self.engine.post,
                self.clock,
                self._tasks,
                random.Random(boot),
            )
            self._pbxes[settings.name] = self.engine.pbxes[settings.name] = pbx
            await pbx.start()
        self._tasks.start("pacing tick", every(TICK_S, self._tick))

    async def _furnish(self, attempts: Sequence[ev.AttemptRecovered]) -> None:
        """What people may ask and do beyond the floor itself."""
        casebook = Casebook(self.store.database)
        supervision = Supervision(
            self.engine, self.clock, self._campaigns, self.accounts, self.store.users
        )
        await supervision.start()
        casework = Casework(
            self.engine,
            self.clock,
            self._campaigns,
            casebook,
            self.accounts,
            self.store.callable_at,
            self.accounts.title_of,
        )
        charts = Charts(casebook, self._zone)
        tracing = Tracing(
            self.engine.pacing.governor,
            casebook,
            self.clock,
            lambda moment: civil_seconds(moment, self._zone),
            {name: campaign.patience_s for name, campaign in self._campaigns.items()},
        )
        scheme, _, rest = self.site.database.partition(":///")
        history = Path(rest) if scheme == "sqlite" else None
        experiments = Experiments(self._tasks, history=history)
        monitoring = Monitoring(
            self.engine,
            self.accounts,
            self.accounts.phone_of,
            self._phones,
            tell_agents=self.site.monitoring.tell_agents,
        )
        drafting = Drafting(
            self.store,
            self._campaigns,
            self._desks,
            dict(zip(self._campaigns, self.site.campaigns, strict=False)),
            self.accounts.seats,
            self.accounts,
            self._tasks,
        )
        recordings = Recordings(
            self.engine,
            self.clock,
            self.accounts,
            self._campaigns,
            {pbx.name: pbx.recordings for pbx in self.site.pbxes if pbx.recordings is not None},
            self.store,
            self._tasks,
        )
        await self._restore(recordings, attempts)
        transfers = Transfers(
            self.engine,
            self.accounts,
            self._campaigns,
            self.accounts.seats,
            self._denied_outside,
            recordings.end,
        )
        self._house = House(
            supervision,
            casework,
            charts,
            tracing,
            experiments,
            monitoring,
            drafting,
            transfers,
            recordings,
        )
        watched = self._watched
        watched.messages = supervision.messages_of
        watched.help = supervision.help_of
        watched.monitors = monitoring.notices
        watched.escalations = supervision.escalations
        watched.kept = casework.kept
        watched.recording = recordings.state_of
        watched.archived = supervision.archived
        watched.mode = lambda campaign: supervision.settings(campaign).mode
        self._tasks.start("charts", every(CHARTS_EVERY_S, self._sample_charts))

    async def _restore(
        self, recordings: Recordings, attempts: Sequence[ev.AttemptRecovered]
    ) -> None:
        since = self.clock.utc() - AGAIN
        ended = await self.store.database.read(lambda c: closed_since(c, since))
        calls = [*(one.attempt for one in attempts), *(one.attempt for one in ended)]
        recordings.restore(await self.store.users.acts_on(calls, ACTIONS), ended)

    def _denied_outside(self, lead: ev.Lead, booking: Booking) -> str:
        deny = self.store.denied_now(lead, self.clock.utc(), booking)
        return "" if deny is None else deny.rule

    async def _sample_charts(self) -> None:
        self._house.charts.sample(self.reception.campaigns(), self.clock.utc().timestamp())

    def _set_the_floor(
        self, attempts: list[ev.AttemptRecovered], agents: list[ev.AgentRecovered]
    ) -> None:
        for pbx in self.site.pbxes:
            for trunk in pbx.trunks:
                self.engine.post(
                    ev.TrunkConfigured(
                        pbx.name, trunk.name, trunk.channels_max, trunk.originates_per_s
                    )
                )
        for campaign in self._campaigns.values():
            self._begin(campaign, any(one.lead.campaign == campaign.name for one in attempts))
            if why := self.store.not_dialling(campaign.name, self.clock.utc()):
                self.engine.post(self.gate.hold(campaign.name, why))
        for agent in agents:
            seat = self.accounts.seats.get(agent.agent)
            if seat is not None:
                agent = replace(agent, skills=seat.skills, queues=seat.queues)
            self.engine.post(agent)
        for attempt in attempts:
            self.engine.post(attempt)

    def _begin(self, campaign: CampaignFile, under_way: bool) -> None:
        """As people left it: what was paused or stopped does not dial because of a restart."""
        action, who = self._house.supervision.standing(campaign.name)
        stopped = action in (CampaignAction.STOP, CampaignAction.ARCHIVE)
        if not stopped or under_way:
            self.engine.post(ev.CampaignStarted(campaign.rules()))
        if stopped and under_way:
            self.engine.post(ev.CampaignStopped(campaign.name))
        if action is CampaignAction.PAUSE:
            self.engine.post(ev.CampaignPaused(campaign.name, f"paused by {who}"))

    async def close(self) -> None:
        """End in order: screens, what is not dialled yet, links, then the last writes. Calls go on
        in Asterisk. Whoever is cancelled while waiting for it, waits all the same: each part has
        its limit. Raises what a part raised, after all have ended.
        """
        if self._end is None:
            self._end = self._last_tasks.start("end", self._close())
        cancelled: asyncio.CancelledError | None = None
        while not self._end.done():
            try:
                await asyncio.wait((self._end,))
            except asyncio.CancelledError as error:
                cancelled = error
        self._end.result()
        if cancelled is not None:
            raise cancelled

    async def _close(self) -> None:
        async with AsyncExitStack() as parts:  # closes from the last to the first, whatever fails
            if hasattr(self, "store"):
                parts.push_async_callback(self._close_store)
            if self._listing is not None:
                parts.push_async_callback(self._listing.close)
            parts.push_async_callback(self._tasks.close)
            if self.bridge is not None:
                parts.push_async_callback(self._bridge_engine.dispose)
                parts.push_async_callback(self.bridge.close)
            if hasattr(self, "engine"):
                parts.callback(self.engine.door.close)
                for pbx in self._pbxes.values():
                    parts.push_async_callback(pbx.close)
                parts.push_async_callback(self._wind_up)
            if self._web is not None:
                parts.push_async_callback(self._web.close)

    async def _wind_up(self) -> None:
        """Take back what was written and not dialled, give back leads, hear the last facts."""
        for name in self._campaigns:
            self.engine.post(ev.CampaignPaused(name, "the dialer is ending"))
        await self.engine.door.settled()
        try:
            async with asyncio.timeout(END_LIMIT_S):
                await self.store.flush()  # what was being written is on record, and refused now
                await self.learned.keep()
        except (TimeoutError, StoreClosed) as error:
            log.error("the database does not answer at the end", error=type(error).__name__)
        await self.engine.door.settled()

    async def _close_store(self) -> None:
        try:
            async with asyncio.timeout(END_LIMIT_S):
                if hasattr(self, "accounts"):
                    await self.accounts.close()
                await self.store.close()
        except TimeoutError:
            log.error("the database did not take the last records: what is open will be recovered")

    # --- parts ------------------------------------------------------------------------------

    async def _add_pacing(self, campaign: CampaignFile) -> None:
        account = await self.offers.open(campaign)
        rules = campaign.rules()
        governor = Governor(
            campaign.pacer, account, campaign.pacer_options, patience_s=rules.patience_s
        )
        await self.learned.restore(campaign.name, governor)
        self.engine.pacing.add(campaign.name, governor, self._zone, campaign.window.last_end)

    async def _start_bridge(self) -> None:
        config = self._crm or crm_bridge.config.Config()
        self._bridge_engine = open_engine(self.site.database)
        self.bridge = Bridge(
            self._bridge_engine,
            config,
            self.clock,
            self._tasks,
            outside=outside_work,
            warn=lambda text, fields: log.warning("CRM bridge", text=text, **fields),
        )
        await self.bridge.start()
        self._telling.bridge = self.bridge
        self._desk = Desk(self.bridge, config, self.bridge.database, self.clock)

    async def _start_web(self) -> None:
        if not self._launch.bind_web:
            return
        section = self.site.web
        settings = WebSettings(
            section.host,
            section.port,
            section.supervisors,
            section.viewers,
            section.hosts,
            section.origins,
            tokens={
                name: ApiToken(one.token, frozenset(one.scopes))
                for name, one in section.tokens.items()
            },
            public_url=section.public_url,
            proxies=section.proxies,
            frame_ancestors=section.frame_ancestors,
            phone_sockets=section.phone_sockets + phone_origins(self.site),
            oidc=None if section.oidc is None else Provider(**section.oidc.model_dump()),
            panels={name: Panel(one.script, one.log) for name, one in section.panels.items()},
        )
        self._web = WebServer(
            self.reception,
            settings,
            self._task_failed,
            inbound=self.intake,
            reports=StoreReports(
                self.store,
                EvidenceDesk(
                    self.site.database, self.site.zone, frozenset(self._campaigns), self.accounts
                ),
            ),
            people=self.accounts,
            lists=self._listing,
            bridge=self._desk,
            house=self._house,
        )
        self.url = await self._web.start()

    def _watch(self) -> None:
        watched = self._watched
        watched.links = self._links
        watched.webhooks = self._webhooks
        watched.endpoints = self._endpoints
        watched.loop_lag = self._lag.view
        watched.store_commit = self._commits.view
        watched.ami_events = lambda: {
            (name, "all"): int(pbx.status().counters.get("events", 0))
            for name, pbx in self._pbxes.items()
        }
        watched.ami_actions = lambda: {
            (name, "all"): int(pbx.status().counters.get("sent", 0))
            for name, pbx in self._pbxes.items()
        }
        self._tasks.start("loop lag", watch_lag(self._lag))
        self._tasks.start("what pacers learned", every(LEARNED_EVERY_S, self.learned.keep))
        self._tasks.start("users", every(USERS_EVERY_S, self._learn_users))
        if any(campaign.plan is not None for campaign in self._campaigns.values()):
            self._tasks.start("strategies", every(STEPS_EVERY_S, self._run_steps))
        self._tasks.start("accounts of kin", every(KIN_EVERY_S, self.offers.follow))
        self._tasks.start("leads left", every(LEADS_EVERY_S, self._count_if_possible))
        self._tasks.start(
            "do-not-call lists", every(LISTS_EVERY_S, partial(self.gate.watch, self.engine))
        )
        alarms = Alarms(
            self._campaigns,
            lambda name: self.engine.pacing.governor(name).account.standings(),
            self.gate.holds,
            self._telling.tell,
            self.clock,
        )
        self._tasks.start("alarms", every(ALARMS_EVERY_S, alarms.look))
        self._tasks.start("claims and promises", every(SWEEP_EVERY_S, self._hopper.sweep))
        if self.site.trace is not None:
            trace = TraceFile(self.site.trace, self._drain_traces)
            self._tasks.start("pacing trace", every(TRACE_EVERY_S, trace.write))

    def _drain_traces(self) -> list[dict[str, object]]:
        governors = (self.engine.pacing.governor(name) for name in self._campaigns)
        return [record.as_json() for one in governors for record in one.trace.drain()]

    def _tick(self) -> None:
        self.engine.pacing.tick(self.engine.busy)

    async def _learn_users(self) -> None:
        with suppress(*NO_DATABASE):
            await self.accounts.refresh()

    async def _run_steps(self) -> None:
        with suppress(*NO_DATABASE):  # they are due still when it is back
            await self.store.run_steps(self.clock.utc())

    async def _count_if_possible(self) -> None:
        with suppress(*NO_DATABASE):  # the writer says so, and goes on trying
            await self._count_leads()

    async def _count_leads(self) -> None:
        for name in self._campaigns:
            counts = await self.store.list_counts(name, self.clock.utc())
            self._watched.leads[name] = {
                "dialable now": counts.due,
                "later": counts.later,
                "in the hopper": counts.claimed,
                "on the line": counts.dialling,
                "held for a person": counts.held,
            }

    def _links(self) -> tuple[LinkView, ...]:
        views = []
        for name, pbx in self._pbxes.items():
            status = pbx.status()
            up, since = self._links_since.get(name, (not status.connected, 0.0))
            if up is not status.connected:
                up, since = status.connected, self.clock.now()
                self._links_since[name] = (up, since)
            trunks = [t for (on, _), t in self.engine.floor.trunks.items() if on == name]
            views.append(
                LinkView(
                    name,
                    up,
                    since,
                    status.why or status.warning,
                    sum(t.in_use for t in trunks),
                    sum(t.channels_max for t in trunks),
                    tuple(TrunkView(t.name, t.in_use, t.channels_max) for t in trunks),
                )
            )
        return tuple(views)

    def _webhooks(self) -> WebhooksView:
        if self.bridge is None:
            return WebhooksView()
        stats = self.bridge.stats()
        failing = [one.name for one in stats.endpoints if one.circuit != "closed"]
        return WebhooksView(
            stats.backlog, stats.oldest_age_s, stats.delivered, ", ".join(failing), stats.dead
        )

    def _endpoints(self) -> dict[str, EndpointView]:
        if self.bridge is None:
            return {}
        return {
            one.name: EndpointView(
                delivered=one.delivered,
                failed=one.failed_attempts,
                dead=one.dead,
                backlog=one.backlog,
                oldest_s=one.oldest_age_s,
                latency_sum_s=one.latency_sum_s,
                taking=one.circuit == "closed",
                pops_sent=one.pops_sent,
                pops_dropped=one.pops_dropped,
                pop_delay_s=one.pop_delay_s,
            )
            for one in self.bridge.stats().endpoints
        }

    # --- what the engine needs of us (StorePort, PopPort) -----------------------------------

    def submit(self, command: object) -> None:
        self.store.submit(command)  # type: ignore[arg-type]  # the engine sends its kinds only
        self.gate.submitted(command)

    @property
    def writer_depth(self) -> int:
        return self.store.writer_depth

    def fetch(self, command: cmd.FetchLeads) -> None:
        self._hopper.fetch(command)

    def fetch_for(self, command: cmd.FetchLeadFor) -> None:
        self._hopper.fetch_for(command)

    def _committed(self, command: object, refused: str) -> None:
        if refused:
            self.engine.refused(command, refused)
        else:
            self.engine.committed(command)

    def _commit(self, commit: Commit) -> None:
        self._commits.observe(commit.seconds)
        if self.bridge is not None:
            self.bridge.wake()

    def _store_trouble(self, why: str) -> None:
        if why:
            log.error("the database does not answer", why=why)

    def _task_failed(self, name: str, error: BaseException) -> None:
        log.error("a task of the server failed", task=name, exc_info=error)
        if hasattr(self, "engine"):
            self.engine.stop_dialling(f"the task {name!r} failed; see the log")


def _told_by_close(name: str, error: BaseException) -> None:
    """Whoever closes the server is told by `close` itself."""


def _pbx_config(settings: PbxSettings, limits: Limits) -> PbxConfig:
    return PbxConfig(
        host=settings.host,
        port=settings.port,
        cmd_user=settings.cmd_user,
        cmd_secret=settings.cmd_secret,
        evt_user=settings.evt_user,
        evt_secret=settings.evt_secret,
        tls=ssl.create_default_context() if settings.tls else None,
        limits=limits,
    )


async def serve_for_ever(server: Server, path: Path) -> None:
    """Start and run until cancelled."""
    await server.start()
    spare_the_collector()
    let_the_loop_in()
    if (first := await server.accounts.first_administrator()) is not None:
        name, password = first  # not into the log: it may be kept for long
        print(
            f"First administrator: sign in as {name} with {password} (shown this once, to be "
            f"changed then) at {server.url}",
            flush=True,
        )
    log.info("the dialer serves", url=server.url, config=str(path))
    try:
        await asyncio.Event().wait()
    finally:
        await server.close()


__all__ = ["CampaignDesk", "Launch", "Server", "serve_for_ever"]
