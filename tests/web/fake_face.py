"""A scripted server behind the face: a small floor whose events the test calls out by name.

It keeps the face's promises (refusals, one call per agent, tokens that end with the session), so
that a test of the web is a conversation and not a list of return values.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from dialer.core.events import Status
from dialer.core.states import AgentState, CampaignState
from dialer.server.changes import Changes
from dialer.server.face import (
    AbandonView,
    AgentRow,
    AgentView,
    BrowserPhone,
    CallView,
    CampaignAction,
    CampaignView,
    ClockView,
    DispositionOffer,
    EndpointView,
    HealthView,
    LeadCard,
    LinesView,
    LinkView,
    MetricsView,
    PacingView,
    Refused,
    SaidView,
    WallboardView,
    WebhooksView,
)
from dialer.server.histogram import Histogram

OFFERS = (
    DispositionOffer("promise", "Promise to pay", "1", ("note",)),
    DispositionOffer("callback", "Call back", "2", ("callback_at",)),
    DispositionOffer("refused", "Refuses to pay", "3"),
    DispositionOffer("wrong", "Wrong number", "4"),
    DispositionOffer("dnc", "Do not call", "5", confirm=True),
)

ADA = LeadCard(
    lead_id=41,
    phone="+4930901820",
    attempt_no=2,
    external_id="ACC-0041",
    name="Erika Mustermann",
    fields={"balance": "482.10", "due": "2026-10-14", "product": "card"},
)


@dataclass
class FakeFace:
    passwords: dict[str, str] = field(
        default_factory=lambda: {"ada": "correct horse", "bob": "battery staple"}
    )
    names: dict[str, str] = field(default_factory=lambda: {"ada": "Ada Byron", "bob": "Bob Hay"})
    now: float = 100.0
    speed: float = 1.0
    boot: str = "b3f1c2"
    opens_late: bool = False

    def __post_init__(self) -> None:
        self.changes = Changes()
        self.phones: dict[str, BrowserPhone] = {}
        self.heard: list[tuple[str, ...]] = []  # what the web told the server, in order
        self.views: dict[str, AgentView] = {}
        self.screens: dict[str, bool] = {}
        self.campaign = campaign_view()
        self.links: tuple[LinkView, ...] = (LinkView("main", True, 10.0, "", 14, 60),)
        self.webhooks = WebhooksView(delivered=310)
        self.problems: tuple[str, ...] = ()
        self.serving = True
        self.loop_lag = Histogram()
        self._calls = itertools.count(17)

    # --- the script ---------------------------------------------------------------------------

    def seat(self, agent: str, **changes: object) -> AgentView:
        """Change an agent's picture and say so."""
        view = replace(self.views[agent], **changes)  # type: ignore[arg-type]
        self.views[agent] = view
        self.changes.mark(agent)
        return view

    def call_arrives(self, agent: str, lead: LeadCard = ADA) -> str:
        attempt = f"od-{self.boot}-c{next(self._calls)}"
        call = CallView(
            attempt,
            "spring",
            lead,
            connected_at=self.now,
            dispositions=OFFERS,
            wrap_up_limit_s=60.0,
        )
        self.seat(agent, state=AgentState.TALK, since=self.now, call=call)
        return attempt

    def customer_leaves(self, agent: str) -> None:
        call = self.views[agent].call
        assert call is not None
        done = replace(call, connected_at=None, ended_at=self.now)
        self.seat(agent, state=AgentState.WRAP_UP, since=self.now, call=done)

    def session_ends(self, agent: str) -> None:
        self.views.pop(agent)
        self.changes.mark(agent)

    # --- the face -----------------------------------------------------------------------------

    def clock(self) -> ClockView:
        return ClockView(self.now, "2026-11-21T10:00:00+00:00", self.speed)

    async def sit_down(self, agent: str) -> bool:
        self.heard.append(("sat down", agent))
        if agent in self.views:
            return False
        if self.opens_late:  # as the real server: the core takes the event a little later
            asyncio.get_running_loop().call_later(0.02, self._open, agent)
        else:
            self._open(agent)
        return True

    def _open(self, agent: str) -> None:
        self.views[agent] = AgentView(
            agent,
            self.names.get(agent, agent),
            Status.BREAK,
            AgentState.BREAK,
            self.now,
            phone="101",
            campaigns=("spring",),
            break_reasons=("lunch", "training", "coaching"),
        )
        self.changes.mark(agent)

    async def choose_status(self, agent: str, status: Status, reason: str) -> None:
        self.heard.append(("status", agent, status.value, reason))
        view = self.views[agent]
        if status is Status.BREAK and reason not in (*view.break_reasons, ""):
            raise Refused("This break code is not known.", 409, "Choose one of the list.")
        if status is Status.LOGGED_OUT and view.call is None:
            self.session_ends(agent)
        elif view.call is not None:
            self.seat(agent, status=status, reason=reason)
        else:
            state = AgentState.READY if status is Status.READY else AgentState.BREAK
            self.seat(agent, status=status, reason=reason, state=state, since=self.now)

    async def more_time(self, agent: str) -> None:
        view = self.views[agent]
        if view.call is None or view.call.ended_at is None:
            raise Refused("You are in no wrap-up.")
        more = replace(view.call, wrap_up_limit_s=view.call.wrap_up_limit_s + 60.0)
        self.heard.append(("more time", agent))
        self.seat(agent, call=more)

    async def send_digits(self, agent: str, digits: str) -> None:
        self.heard.append(("digits", agent, digits))

    async def hold(self, agent: str, on: bool) -> None:
        self.heard.append(("hold", agent, str(on)))
        call = self.views[agent].call
        if call is None:
            raise Refused("You are not talking to anybody.")
        self.seat(agent, call=replace(call, on_hold=on))

    async def hang_up(self, agent: str) -> None:
        self.heard.append(("hang up", agent))
        call = self.views[agent].call
        if call is None or call.ended_at is not None:
            raise Refused("There is no call to hang up.")
        self.customer_leaves(agent)

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
        more = tuple(one for one in (amount, due_on, reason, "mine" if mine else "") if one)
        self.heard.append(("dispose", agent, attempt, code, callback_at, note, *more))
        call = self.views[agent].call
        if call is None or call.attempt != attempt:
            raise Refused("This is not your call.", 409, "Look at the screen again.")
        offer = next((offer for offer in call.dispositions if offer.code == code), None)
        if offer is None:
            raise Refused("This disposition is not offered.")
        if "callback_at" in offer.requires and not callback_at:
            raise Refused("This call asks for a callback time.", 409, "Choose a time.")
        if call.ended_at is None:
            self.seat(agent, call=replace(call, disposition=code))
        else:
            status = self.views[agent].status
            state = AgentState.READY if status is Status.READY else AgentState.BREAK
            self.seat(agent, call=None, state=state, since=self.now, said=SaidView(attempt, code))

    async def accept(self, agent: str, lead_id: int) -> None:
        self._offered(agent, lead_id)
        self.heard.append(("accept", agent, str(lead_id)))
        self.seat(agent, state=AgentState.DIALLING, offer=None)

    async def skip(self, agent: str, lead_id: int, reason: str, escalate: bool = False) -> None:
        self._offered(agent, lead_id)
        self.heard.append(("skip", agent, str(lead_id), reason, "escalate" if escalate else ""))
        self.seat(agent, state=AgentState.READY, offer=None)

    def _offered(self, agent: str, lead_id: int) -> None:
        offer = self.views[agent].offer
        if offer is None or offer.lead.lead_id != lead_id:
            raise Refused("This lead is not on your screen (any more).", 409, "Look again.")

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
        if campaign not in self.views[agent].campaigns:
            raise Refused("You do not work for this campaign.", 404, "Choose one of yours.")
        self.heard.append(("dial", agent, campaign, phone or external_id or str(lead_id), override))
        self.seat(agent, state=AgentState.DIALLING)
        return f"od-{self.boot}-c{next(self._calls)}"

    def screen_connected(self, agent: str) -> None:
        self.heard.append(("screen connected", agent))
        self.screens[agent] = True

    def screen_lost(self, agent: str) -> None:
        self.heard.append(("screen lost", agent))
        self.screens[agent] = False

    def browser_phone(self, agent: str) -> BrowserPhone | None:
        return self.phones.get(agent)

    def on_shift(self, agent: str) -> bool:
        return agent in self.views

    def agent_view(self, agent: str) -> AgentView | None:
        return self.views.get(agent)

    def wallboard(self) -> WallboardView:
        rows = tuple(
            AgentRow(
                v.agent,
                v.name,
                v.status,
                v.state,
                v.since,
                v.reason,
                "spring",
                self.screens.get(v.agent, False),
                v.campaigns,
            )
            for v in self.views.values()
        )
        return WallboardView(self.clock(), (self.campaign,), rows, self.links, self.webhooks)

    def campaigns(self) -> tuple[CampaignView, ...]:
        return (self.campaign,)

    async def act_on_campaign(self, campaign: str, action: CampaignAction, who: str) -> None:
        if campaign != self.campaign.name:
            raise Refused("There is no such campaign.", 404, "GET /v1/campaigns lists them.")
        self.heard.append(("campaign", campaign, action.value, who))
        state = {
            CampaignAction.PAUSE: CampaignState.PAUSED,
            CampaignAction.STOP: CampaignState.STOPPING,
        }.get(action, CampaignState.RUNNING)
        self.campaign = replace(self.campaign, state=state)

    def health(self) -> HealthView:
        return HealthView(not self.problems, self.serving, self.problems, "0.1.0", self.boot)

    def metrics(self) -> MetricsView:
        states: dict[str, int] = {}
        for view in self.views.values():
            states[view.state] = states.get(view.state, 0) + 1
        return MetricsView(
            calls={("spring", "connected"): 37, ("spring", "no answer"): 120},
            lines_given_up={"spring": 4},
            lines={("spring", "ringing"): 9},
            agents=states,
            abandon_rate={"spring": 0.021},
            abandon_limit={"spring": 0.03},
            utilisation={"spring": 0.83},
            ami_events={("main", "Newstate"): 900},
            ami_actions={("main", "Originate"): 160},
            link_up={link.pbx: link.up for link in self.links},
            door_depth=3,
            door_depth_max=10_000,
            webhook_backlog=self.webhooks.backlog,
            webhook_oldest_s=self.webhooks.oldest_s,
            webhooks_delivered=self.webhooks.delivered,
            loop_lag=self.loop_lag.view(),
            answer_to_bridge=Histogram().view(),
            store_commit=Histogram().view(),
            pacing_decision=Histogram().view(),
            endpoints={
                "sales": EndpointView(120, 3, 1, 7, 12.5, 24.0, True, 40, 2, 0.004),
                "old": EndpointView(taking=False),
            },
        )


def campaign_view(**changes: object) -> CampaignView:
    leads: Mapping[str, int] = {"dialable now": 1204, "later today": 310, "outside hours": 85}
    view = CampaignView(
        name="spring",
        title="Spring collections",
        state=CampaignState.RUNNING,
        mode="predictive",
        lines=LinesView(2, 3, 9, 1, 0, 14, 60),
        abandon=AbandonView(820, 17, 0.0207, 0.03, 8, "block of 30 days since 2026-11-01"),
        agents={"talk": 14, "ready": 2, "wrap-up": 3, "break": 1},
        calls=2210,
        live_answers=820,
        connects=803,
        abandoned=17,
        outcomes={"connected": 803, "abandoned": 17, "no answer": 1100, "busy": 290},
        utilisation=0.86,
        caller_wait_mean_s=0.21,
        agent_wait_mean_s=7.4,
        leads=leads,
        pacing=PacingView(99.0, 3, "policy", "3 lines: 2 agents free soon, 9 ringing at 21 %."),
    )
    return replace(view, **changes)  # type: ignore[arg-type]
