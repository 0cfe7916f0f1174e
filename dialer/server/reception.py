"""The server's public face: answers screens from the floor's own state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from importlib.metadata import version

from dialer.clock import Clock, ScaledLoop
from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.agent import Agent
from dialer.core.call import Call
from dialer.core.campaign import Campaign
from dialer.core.states import AgentState, CallState, CampaignState
from dialer.pacing.windows import Standing
from dialer.server.changes import Changes
from dialer.server.engine import Engine
from dialer.server.face import (
    AbandonView,
    AgentRow,
    AgentView,
    BrowserPhone,
    CallView,
    CampaignAction,
    CampaignView,
    ClockView,
    EndpointView,
    EscalationView,
    HealthView,
    HelpView,
    LinesView,
    LinkView,
    MessageView,
    MetricsView,
    MonitorNotice,
    OfferView,
    PacingView,
    Refused,
    SaidView,
    WallboardView,
    WebhooksView,
)
from dialer.server.hand import (
    HandCalls,
    Wanted,
    card,
    consult_of,
    has_part,
    is_on_hold,
    mode_of,
    offer_view,
    stage_of,
)
from dialer.server.histogram import HistogramView
from dialer.server.people import Seat
from dialer.server.phonebook import PhoneBook
from dialer.server.site import CampaignDesk
from dialer.server.words import CallbackHours, check_promise
from dialer.snapshot import Bound
from dialer.store.dispositions import parse_callback

_STAGES = {
    CallState.PLANNED: "planned",
    CallState.REVOKED: "planned",
    CallState.CLEARED: "planned",
    CallState.PLACING: "setting_up",
    CallState.RINGING: "ringing",
    CallState.GIVING_UP: "ringing",
    CallState.ANSWERED: "answered",
    CallState.WAITING: "waiting",
    CallState.CONNECTING: "waiting",
    CallState.TALKING: "talking",
    CallState.MOVING: "talking",
    CallState.HANDED_ON: "talking",
    CallState.HOLDING: "talking",
    CallState.HELD: "talking",
    CallState.RESUMING: "talking",
}
SPEED_SHOWN_MAX = 1_000.0  # virtual time has no speed; a screen needs a number
ARCHIVED = "archived"
_WRONG = "The agent name or the password is wrong."


class Watched:
    """What the composition root knows and screens want: filled in by it, read here."""

    def __init__(self) -> None:
        self.leads: dict[str, Mapping[str, int]] = {}  # campaign -> leads left by verdict
        self.links: Callable[[], tuple[LinkView, ...]] = tuple
        self.ami_events: Callable[[], Mapping[tuple[str, str], int]] = dict
        self.ami_actions: Callable[[], Mapping[tuple[str, str], int]] = dict
        self.webhooks: Callable[[], WebhooksView] = WebhooksView
        self.endpoints: Callable[[], Mapping[str, EndpointView]] = dict
        # Of an agent's screen: broadcasts, the call for help, and the call with its secrets kept.
        self.messages: Callable[[str], tuple[MessageView, ...]] = lambda agent: ()
        self.help: Callable[[str], HelpView | None] = lambda agent: None
        self.monitors: Callable[[str], tuple[MonitorNotice, ...]] = lambda agent: ()
        self.recording: Callable[[str, str], str] = lambda attempt, campaign: "off"
        self.kept: Callable[[str, CallView], CallView] = lambda agent, call: call
        self.escalations: Callable[[], tuple[EscalationView, ...]] = tuple
        self.archived: Callable[[str], bool] = lambda campaign: False
        self.mode: Callable[[str], str] = lambda campaign: ""  # a supervisor's choice
        self.loop_lag: Callable[[], HistogramView]
        self.store_commit: Callable[[], HistogramView]


class Reception:
    """Implements `dialer.server.face.Face`."""

    def __init__(
        self,
        engine: Engine,
        clock: Clock,
        agents: Mapping[str, Seat],
        desks: Mapping[str, CampaignDesk],
        watched: Watched,
        hand: HandCalls | None = None,
        callback_hours: CallbackHours = lambda campaign, lead, at: at,
        phones: PhoneBook | None = None,
    ) -> None:
        self._phones = phones
        self._hand = hand
        self._callback_hours = callback_hours
        self._engine = engine
        self._floor = engine.floor
        self._clock = clock
        self._agents = agents
        self._desks = desks
        self._watched = watched
        self._session_count = 0
        self._notices: dict[str, str] = {}
        self._chosen: dict[str, ev.DispositionChosen] = {}  # agent -> the last word

    def browser_phone(self, agent: str) -> BrowserPhone | None:
        seat = self._agents.get(agent)
        if seat is None or self._phones is None:
            return None
        return self._phones.get(seat.pbx, seat.phone)

    @property
    def changes(self) -> Changes:
        return self._engine.changes

    def clock(self) -> ClockView:
        loop = asyncio.get_running_loop()
        speed = min(loop.speed, SPEED_SHOWN_MAX) if isinstance(loop, ScaledLoop) else 1.0
        return ClockView(self._clock.now(), self._clock.utc().isoformat(), speed)

    # --- agents' screens ------------------------------------------------------------------------

    async def sit_down(self, agent: str) -> bool:
        seat = self._agents.get(agent)
        if seat is None or not seat.campaigns:
            raise Refused(
                "You are no agent here, or work for no campaign.", 403, "Ask an administrator."
            )
        known = self._floor.agents.get(agent)
        if known is not None and known.state is AgentState.LEAVING:
            raise Refused("The last shift is just ending.", 409, "Try again in a moment.")
        if known is not None:
            return False
        # Fixed width: Asterisk takes an id that begins another living one for a duplicate.
        self._session_count += 1
        leg = f"od-{self._floor.boot}-a{self._session_count:07d}"
        self._engine.post(
            ev.AgentLoggedIn(
                agent, leg, seat.pbx, seat.phone, seat.campaigns, seat.skills, seat.queues
            )
        )
        await self._engine.door.settled()
        if agent not in self._floor.agents:
            raise Refused("The shift could not begin.", 503, "Try again in a moment.")
        return True

    async def choose_status(self, agent: str, status: ev.Status, reason: str) -> None:
        self._present(agent)
        if status is ev.Status.BREAK and reason and reason not in self._break_reasons(agent):
            raise Refused("There is no such break.", 409, "Choose one of those offered.")
        self._engine.post(ev.StatusChosen(agent, status, reason))

    async def hang_up(self, agent: str) -> None:
        present = self._present(agent)
        if present.state is not AgentState.TALK:
            raise Refused("There is no call to hang up.")
        self._engine.post(ev.HangUpPressed(agent))

    async def more_time(self, agent: str) -> None:
        if self._present(agent).state is not AgentState.WRAP_UP:
            raise Refused("You are in no wrap-up.")
        self._engine.post(ev.MoreTimeAsked(agent))

    async def send_digits(self, agent: str, digits: str) -> None:
        call = self._talking(agent)
        pbx = self._engine.pbxes[call.pbx]
        if not await pbx.ask(cmd.SendDigits(call.pbx, call.attempt, digits)):
            raise Refused("The PBX did not send them.", 409, "Use the keys of your phone.")

    async def hold(self, agent: str, on: bool) -> None:
        call = self._talking(agent)
        if on is is_on_hold(call):
            return
        if on and (call.state is not CallState.TALKING or call.consult is not None):
            raise Refused("The customer is not with you this moment.", 409, "Wait a moment.")
        if not on and call.state is not CallState.HELD:
            raise Refused("The customer is on the way to the music.", 409, "Wait a moment.")
        self._engine.post(ev.HoldAsked(agent, on))
        await self._engine.door.settled()

    def _talking(self, agent: str) -> Call:
        present = self._present(agent)
        call = self._floor.calls.get(present.attempt)
        if (
            call is None
            or present.state is not AgentState.TALK
            or call.pbx not in (self._engine.pbxes)
        ):
            raise Refused("You are not talking to anybody.")
        return call

    async def dispose(
        self,
        agent: str,
        attempt: str,
        code: str,
        callback_at: str,
        note: str,
        *,
        amount: str = "",
        due_on: str = "",
        reason: str = "",
        mine: bool = False,
    ) -> None:
        present = self._present(agent)
        word = ev.DispositionChosen(
            agent, attempt, code, callback_at, note, amount, due_on, reason, mine
        )
        if self._chosen.get(agent) == word:
            return
        over = attempt not in self._floor.calls  # until then an agent may think better of it
        if present.attempt != attempt or not attempt or (present.disposed and over):
            raise Refused("This is not your call (any more).", 409, "Look at the screen again.")
        offer = {o.code: o for o in self._desks[present.campaign].dispositions}.get(code)
        if offer is None:
            raise Refused("There is no such disposition.", 409, "Choose one of those offered.")
        for name in offer.requires:
            if not getattr(word, name).strip():
                raise Refused(f"This disposition asks for {name}.", 409, f"Fill in {name}.")
        check_promise(word, self._clock.utc())
        if callback_at and present.lead is not None:
            self._check_callback(present.campaign, present.lead, callback_at)
        self._chosen[agent] = word
        self.changes.mark(agent)
        self._engine.post(word)

    def _check_callback(self, campaign: str, lead: ev.Lead, callback_at: str) -> None:
        asked = parse_callback(callback_at)
        if asked is None:
            return
        if asked <= self._clock.utc():
            raise Refused("The callback's time is over.", 409, "Choose a time to come.")
        legal = self._callback_hours(campaign, lead, asked)
        if legal == asked:
            return
        if legal is None:
            raise Refused("Nobody may call then.", 409, "Choose another time.")
        raise Refused(
            "The law lets nobody call the customer at that time.",
            409,
            f"The next time it does is {legal.isoformat()}.",
        )

    async def accept(self, agent: str, lead_id: int) -> None:
        self._offered(agent, lead_id)
        self._engine.post(ev.PreviewAccepted(agent, lead_id))

    async def skip(self, agent: str, lead_id: int, reason: str, escalate: bool = False) -> None:
        present = self._offered(agent, lead_id)
        desk = self._desks[present.campaign]
        if not reason.strip():
            raise Refused("Skipping asks for a reason.", 409, "Say why.")
        if desk.skip_reasons and reason not in desk.skip_reasons and not escalate:
            raise Refused("There is no such reason.", 409, "Choose one of those offered.")
        if escalate and not desk.may_escalate:
            raise Refused("The campaign has no queue for that.", 409, "Skip the lead instead.")
        self._engine.post(ev.PreviewSkipped(agent, lead_id, reason, escalate))

    def _offered(self, agent: str, lead_id: int) -> Agent:
        present = self._present(agent)
        lead = present.lead
        if present.state is not AgentState.PREVIEW or lead is None or lead.lead_id != lead_id:
            raise Refused("This lead is not on your screen (any more).", 409, "Look again.")
        return present

    async def dial(
        self,
        agent: str,
        campaign: str,
        *,
        phone: str = "",
        lead_id: int = 0,
        external_id: str = "",
        override: str = "",
    ) -> str:
        present = self._present(agent)
        if campaign not in present.campaigns or campaign not in self._desks:
            raise Refused("You do not work for this campaign.", 404, "Choose one of yours.")
        if present.state not in (AgentState.READY, AgentState.BREAK):
            raise Refused("You are not free for a call.", 409, "End what you are at first.")
        settings = self._agents.get(agent)
        if override and (settings is None or not settings.may_override):
            raise Refused("You may not set a rule aside.", 403, "Ask a supervisor.")
        running = self._floor.campaigns.get(campaign)
        why = "stopped" if running is None else self._floor.not_dialling(running)
        if running is None or running.state is not CampaignState.RUNNING:
            raise Refused(f"The campaign does not dial: {why}.", 409, "Ask a supervisor.")
        if self._hand is None:
            raise Refused("Calls by hand are not possible here.", 409)
        lead = await self._hand.lead_for(Wanted(campaign, phone, lead_id, external_id))
        by = agent if override else ""
        self._engine.post(ev.ManualCallAsked(agent, lead, by, override))
        await self._engine.door.settled()
        present = self._present(agent)
        if present.state is not AgentState.DIALLING or not present.attempt:
            raise Refused(present.notice or "The call was not made.", 409, "Try again.")
        return present.attempt

    def screen_connected(self, agent: str) -> None:
        self._engine.post(ev.ScreenBack(agent))

    def screen_lost(self, agent: str) -> None:
        self._engine.post(ev.ScreenLost(agent))

    def _present(self, name: str) -> Agent:
        agent = self._floor.agents.get(name)
        if agent is None:
            raise Refused("You are not logged in.", 409, "Log in again.")
        return agent

    def _break_reasons(self, agent: str) -> tuple[str, ...]:
        settings = self._agents.get(agent)
        return settings.break_reasons if settings is not None else ()

    def on_shift(self, agent: str) -> bool:
        return agent in self._floor.agents

    def agent_view(self, agent: str) -> AgentView | None:
        one = self._floor.agents.get(agent)
        if one is None:
            return None
        settings = self._agents.get(agent)
        word = self._chosen.get(agent)
        return AgentView(
            agent=agent,
            name=settings.title if settings is not None and settings.title else agent,
            status=one.status,
            state=one.state.value,
            since=one.since,
            reason=one.reason,
            phone=one.phone,
            campaigns=one.campaigns,
            break_reasons=self._break_reasons(agent),
            call=self._call_view(one),
            notice=_NOTICES.get(one.state, one.notice),
            offer=self._offer_view(one),
            skills=tuple(sorted(one.skills)),
            queues=one.queues,
            messages=self._watched.messages(agent),
            help=self._watched.help(agent),
            monitors=self._watched.monitors(agent),
            said=None if word is None else SaidView(word.attempt, word.code),
        )

    def _offer_view(self, agent: Agent) -> OfferView | None:
        desk, campaign = self._desks.get(agent.campaign), self._floor.campaigns.get(agent.campaign)
        if desk is None or campaign is None:
            return None
        return offer_view(agent, campaign.rules, desk.skip_reasons, desk.may_escalate)

    def _call_view(self, agent: Agent) -> CallView | None:
        lead, desk = agent.lead, self._desks.get(agent.campaign)
        if lead is None or desk is None or not agent.attempt:
            return None
        call = self._floor.calls.get(agent.attempt)
        popped = self._engine.popped.get(agent.name)
        began = popped is not None and popped.attempt == agent.attempt
        talking = has_part(call, agent)
        word = self._chosen.get(agent.name)
        chosen = word.code if word is not None and word.attempt == agent.attempt else ""
        dialling = agent.state is AgentState.DIALLING
        view = CallView(
            attempt=agent.attempt,
            campaign=agent.campaign,
            lead=card(lead),
            connected_at=agent.since if began and talking else None,
            ended_at=None if talking or dialling else (agent.wrap_began or agent.since),
            stage=stage_of(call if talking or dialling else None),
            mode=mode_of(call, desk.rules),
            queue=lead.queue,
            callback=lead.callback,
            disposition=chosen,
            dispositions=desk.dispositions,
            wrap_up_limit_s=_wrap_up_limit_s(agent, desk),
            recording=self._watched.recording(agent.attempt, agent.campaign),
            may_record=desk.record_by_agents,
            on_hold=call is not None and talking and is_on_hold(call),
            consult=consult_of(call, agent),
        )
        return self._watched.kept(agent.name, view)

    # --- supervisors ----------------------------------------------------------------------------

    def wallboard(self) -> WallboardView:
        return WallboardView(
            self.clock(),
            tuple(one for one in self.campaigns() if one.state != ARCHIVED),
            tuple(self._row(agent) for agent in self._floor.agents.values()),
            self._watched.links(),
            self._watched.webhooks(),
            self._watched.escalations(),
        )

    def _row(self, agent: Agent) -> AgentRow:
        settings = self._agents.get(agent.name)
        return AgentRow(
            agent.name,
            settings.title if settings is not None and settings.title else agent.name,
            agent.status,
            agent.state.value,
            agent.since,
            agent.reason,
            agent.campaign or (agent.campaigns[0] if agent.campaigns else ""),
            agent.screen,
            agent.campaigns,
        )

    def campaigns(self) -> tuple[CampaignView, ...]:
        return tuple(
            self._campaign_view(name, self._floor.campaigns.get(name)) for name in self._desks
        )

    def _campaign_view(self, name: str, campaign: Campaign | None) -> CampaignView:
        desk = self._desks[name]
        stats = self._engine.stats.campaign(name)
        stages: Counter[str] = Counter()
        states: Counter[str] = Counter()
        limit = 0
        if campaign is not None:
            for call in campaign.calls.values():
                stages[_STAGES.get(call.state, "other")] += 1
            states.update(self._floor.agents[m].state.value for m in campaign.members)
            limit = self._floor.trunk(campaign.rules.pbx, campaign.rules.trunk).channels_max
        stages.pop("other", None)
        return CampaignView(
            name=name,
            state=self._state(name, campaign),
            mode=self._watched.mode(name) or desk.mode,
            lines=LinesView(**stages, limit=limit),
            abandon=_abandon(self._engine.pacing.governor(name).account.binding()),
            why_not_dialling=self._floor.not_dialling(campaign) if campaign else "not started",
            title=desk.title,
            agents=states,
            calls=stats.calls,
            live_answers=stats.live,
            connects=stats.connects,
            abandoned=stats.abandoned,
            outcomes={outcome.value: n for outcome, n in stats.outcomes.items()},
            utilisation=self._engine.stats.utilisation(name, self._clock.now()),
            caller_wait_mean_s=stats.caller_wait.value,
            agent_wait_mean_s=stats.agent_wait.value,
            leads=self._watched.leads.get(name, {}),
            pacing=self._pacing(name),
        )

    def _state(self, name: str, campaign: Campaign | None) -> str:
        state = campaign.state if campaign is not None else CampaignState.STOPPED
        if state is CampaignState.STOPPED and self._watched.archived(name):
            return ARCHIVED
        return state.value

    def _pacing(self, name: str) -> PacingView | None:
        last = self._engine.pacing.last(name)
        if last is None:
            return None
        at, decision = last
        floats = {key: float(value) for key, value in decision.inputs.items()}
        bound = decision.bound
        reason = f"{decision.lines} more now"
        if bound is not Bound.POLICY:
            reason += f": {bound.value}"
        elif decision.give_up:
            reason = f"{decision.give_up} that rang for long given up: too few agents will be free"
        elif not decision.lines:
            reason = "enough lines are out"
        return PacingView(at, decision.lines, bound.value, reason, floats)

    async def act_on_campaign(self, campaign: str, action: CampaignAction, who: str) -> None:
        desk = self._desks.get(campaign)
        if desk is None:
            raise Refused("There is no such campaign.", 404, "See /v1/campaigns.")
        if self._engine.fault and action in (CampaignAction.START, CampaignAction.RESUME):
            raise Refused(
                f"Dialling was stopped: {self._engine.fault}.", 409, "Restart the dialer."
            )
        known = self._floor.campaigns.get(campaign)
        state = known.state if known is not None else CampaignState.STOPPED
        idle = (CampaignAction.START, CampaignAction.ARCHIVE)
        if action not in idle and state is CampaignState.STOPPED:
            raise Refused("The campaign is not running.", 409, "Start it first.")
        if action is CampaignAction.ARCHIVE and state is not CampaignState.STOPPED:
            raise Refused("The campaign is not stopped.", 409, "Stop it first.")
        if action is CampaignAction.RESUME and state is not CampaignState.PAUSED:
            raise Refused("The campaign is not paused.")
        match action:
            case CampaignAction.START:
                self._engine.post(ev.CampaignStarted(desk.rules))
            case CampaignAction.PAUSE:
                self._engine.post(ev.CampaignPaused(campaign, f"paused by {who}"))
            case CampaignAction.RESUME:
                self._engine.post(ev.CampaignResumed(campaign))
            case CampaignAction.STOP:
                self._engine.post(ev.CampaignStopped(campaign))

    # --- operations -----------------------------------------------------------------------------

    def health(self) -> HealthView:
        problems = [f"PBX {link.pbx}: {link.why}" for link in self._watched.links() if not link.up]
        for campaign in self._floor.campaigns.values():
            why = self._floor.not_dialling(campaign)
            if why:
                problems.append(f"campaign {campaign.rules.name}: not dialling: {why}")
        if self._engine.fault:
            problems.append(f"dialling stopped: {self._engine.fault}")
        return HealthView(
            ok=not problems,
            serving=True,
            problems=tuple(problems),
            version=version("overdial"),
            boot=self._floor.boot,
        )

    def metrics(self) -> MetricsView:
        stats, now = self._engine.stats, self._clock.now()
        views = self.campaigns()
        webhooks = self._watched.webhooks()
        return MetricsView(
            calls={
                (name, outcome.value): n
                for name, one in stats.campaigns.items()
                for outcome, n in one.outcomes.items()
            },
            lines_given_up={name: one.given_up for name, one in stats.campaigns.items()},
            lines={
                (view.name, stage): getattr(view.lines, stage)
                for view in views
                for stage in ("planned", "setting_up", "ringing", "answered", "waiting", "talking")
            },
            agents=Counter(a.state.value for a in self._floor.agents.values()),
            abandon_rate={view.name: view.abandon.rate for view in views},
            abandon_limit={view.name: view.abandon.limit for view in views},
            utilisation={view.name: stats.utilisation(view.name, now) or 0.0 for view in views},
            ami_events=self._watched.ami_events(),
            ami_actions=self._watched.ami_actions(),
            link_up={link.pbx: link.up for link in self._watched.links()},
            door_depth=self._engine.door.depth,
            door_depth_max=self._engine.door.depth_max,
            webhook_backlog=webhooks.backlog,
            webhook_oldest_s=webhooks.oldest_s,
            webhooks_delivered=webhooks.delivered,
            loop_lag=self._watched.loop_lag(),
            answer_to_bridge=self._engine.answer_to_bridge.view(),
            store_commit=self._watched.store_commit(),
            pacing_decision=self._engine.pacing.decide_s.view(),
            endpoints=self._watched.endpoints(),
        )


def _wrap_up_limit_s(agent: Agent, desk: CampaignDesk) -> float:
    """Of this wrap-up, with what the agent was given more."""
    if agent.state is AgentState.WRAP_UP and agent.deadline is not None:
        return max(desk.wrap_up_limit_s, agent.deadline - agent.wrap_began)
    return desk.wrap_up_limit_s


_NOTICES = {
    AgentState.SIGNING_ON: "Your phone is ringing: answer it and stay on the line.",
    AgentState.PHONE_LOST: "Your phone is not connected. Choose Ready to have it rung again.",
    AgentState.UNKNOWN: "The telephone system cannot be reached; your call, if any, goes on.",
}


def _abandon(standing: Standing) -> AbandonView:
    return AbandonView(
        standing.live,
        standing.abandoned,
        standing.rate,
        standing.window.limit,
        int(standing.left // 1),
        standing.window.name,
    )
