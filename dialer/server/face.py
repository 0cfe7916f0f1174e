"""The server's public face: all that `dialer.web` may ask of it, and the pictures it hands out.

Views are frozen and complete: a screen draws itself from one view and needs no history. Times
(`since`, `at`, `now`) are seconds of the core's clock; `ClockView` says how to read them. A view
may hold personal data only inside `LeadCard`.

A method that changes something returns when the core has taken the event, and raises `Refused`
when it would not; what became of it is then seen in the views. Nothing here blocks: the only
methods that may take longer than a step are `async`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from dialer.core.events import Status
from dialer.server.changes import Changes
from dialer.server.histogram import HistogramView


class Refused(Exception):
    """A request the server does not carry out. `message` (what) and `mend` (what to do about it)
    are shown to people and hold no personal data. `status` is the HTTP status that says the same
    to a program."""

    def __init__(self, message: str, status: int = 409, mend: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.mend = mend


class CodeWanted(Refused):
    """The password is right; a one-time code is wanted, or the one that came is wrong."""

    def __init__(self, wrong: bool) -> None:
        super().__init__(
            "The one-time code is wrong." if wrong else "A one-time code is wanted.",
            401,
            "Type the code your authenticator shows now.",
        )


@dataclass(frozen=True, slots=True)
class ClockView:
    """`now` on the core's clock is the instant `utc` (ISO 8601); the core's clock passes `speed`
    seconds in each real one (1.0 in production, more in the demo)."""

    now: float
    utc: str
    speed: float = 1.0


# --- agents -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class DispositionOffer:
    """One button under a call. `requires` names fields that must be filled in."""

    code: str
    label: str
    hot_key: str = ""  # "1".."9"; empty: none
    requires: tuple[str, ...] = ()  # of "callback_at", "note", "amount", "due_on", "reason"
    confirm: bool = False  # ask once more: it cannot be taken back (do-not-call and the like)
    category: str = "right_party"  # system, no_contact, wrong_party, right_party
    next: str = "done"  # what becomes of the lead: done, retry, callback, escalate, ...


@dataclass(frozen=True, slots=True)
class LeadCard:
    """Who is on the line. Personal data: for this agent's screen only."""

    lead_id: int
    phone: str  # E.164
    attempt_no: int
    external_id: str = ""
    name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ConsultView:
    """A colleague is asked about the customer, who hears music. `mine`: this agent asks, and
    decides; otherwise is asked. `state`: holding, calling, talking, returning, completing. Where
    somebody `outside` is asked: dialling, swapping, with the customer, joining, joined, unjoining.
    """

    colleague: str
    mine: bool
    state: str
    outside: bool = False


@dataclass(frozen=True, slots=True)
class CallView:
    """The call an agent has, or is writing up."""

    attempt: str
    campaign: str
    lead: LeadCard
    connected_at: float | None = None  # None: being bridged this moment
    ended_at: float | None = None  # None: the customer is still there
    stage: str = ""  # dialling, ringing, answered, connecting, talking, on hold, ended
    mode: str = ""  # predictive, progressive, preview, manual
    queue: str = ""
    callback: bool = False  # the time to call was agreed
    disposition: str = ""  # chosen already, kept until the call's end
    dispositions: tuple[DispositionOffer, ...] = ()
    wrap_up_limit_s: float = 0.0  # after `ended_at` the call closes by itself; 0: never
    masked: tuple[str, ...] = ()  # fields without a value until the right party is verified
    verified: bool = False
    recording: str = "off"  # off, on, paused
    may_record: bool = False  # the agent may begin and end a recording
    on_hold: bool = False  # the customer hears music, and nobody is asked
    consult: ConsultView | None = None


@dataclass(frozen=True, slots=True)
class OfferView:
    """A lead an agent looks at, in state "preview": to be accepted or skipped by `until`."""

    campaign: str
    lead: LeadCard
    until: float
    on_timeout: str  # "dial": it is called; "back": it goes back, and the agent on a break
    queue: str = ""
    callback: bool = False
    skip_reasons: tuple[str, ...] = ()  # to choose from; empty: in words
    may_escalate: bool = False  # the campaign has a queue for what is handed over


@dataclass(frozen=True, slots=True)
class MessageView:
    """A supervisor's word to agents."""

    id: int
    at: float
    by: str
    text: str


@dataclass(frozen=True, slots=True)
class HelpView:
    """The agent has asked for a supervisor."""

    at: float
    text: str
    taken_by: str = ""


@dataclass(frozen=True, slots=True)
class MonitorNotice:
    """A supervisor is part of the agent's call: listen, whisper or barge."""

    by: str
    mode: str


@dataclass(frozen=True, slots=True)
class SaidView:
    """The agent's last word on a call, which is over by now or not."""

    attempt: str
    code: str


@dataclass(frozen=True, slots=True)
class AgentView:
    """One agent's screen."""

    agent: str
    name: str
    status: Status  # what the agent chose last, queued behind the call if there is one
    state: str  # AgentState's value: what is happening
    since: float  # when `state` began
    reason: str = ""  # break code
    phone: str = ""  # the agent's own endpoint
    campaigns: tuple[str, ...] = ()
    break_reasons: tuple[str, ...] = ()  # codes to choose from
    call: CallView | None = None
    notice: str = ""  # something the agent must know ("your phone did not answer: ...")
    offer: OfferView | None = None
    skills: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()  # in order of priority; none: all
    messages: tuple[MessageView, ...] = ()  # of the last half hour
    help: HelpView | None = None
    monitors: tuple[MonitorNotice, ...] = ()  # where the site lets agents know
    said: SaidView | None = None


@dataclass(frozen=True, slots=True)
class IceServer:
    """A STUN or TURN server for the phone in the browser, as RTCPeerConnection takes it."""

    urls: tuple[str, ...]
    username: str = ""
    credential: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class BrowserPhone:
    """What the phone in an agent's browser registers with. `url` is that of the PBX's WebSocket,
    or a path at our own address where a proxy leads to it."""

    url: str
    user: str
    password: str = field(repr=False)
    ice: tuple[IceServer, ...] = ()


@dataclass(frozen=True, slots=True)
class AgentRow:
    """One agent on the wallboard."""

    agent: str
    name: str
    status: Status
    state: str
    since: float
    reason: str = ""
    campaign: str = ""  # of the call, else the agent's first
    screen: bool = False  # a screen is connected
    campaigns: tuple[str, ...] = ()  # all of the agent's


# --- campaigns --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinesView:
    """Lines under way, by stage."""

    planned: int = 0  # decided; the attempt is being recorded
    setting_up: int = 0  # originated, not ringing yet
    ringing: int = 0
    answered: int = 0  # under answering-machine detection or on the way to park
    waiting: int = 0  # a live person without an agent
    talking: int = 0
    limit: int = 0  # lines the trunks may carry; 0: not limited


@dataclass(frozen=True, slots=True)
class AbandonView:
    """The abandon rate against its limit, over the window the limit is stated for."""

    live: int  # calls answered by a person: the denominator
    abandoned: int
    rate: float  # abandoned / live, 0.0 while live == 0; a fraction, not per cent
    limit: float  # a fraction
    budget_left: int  # calls that may still be abandoned before the limit; negative: over it
    window: str = ""  # for people: "campaign block of 30 days, since 2026-11-01"


@dataclass(frozen=True, slots=True)
class PacingView:
    """The pacer's last decision."""

    at: float
    lines: int
    bound: str  # Bound's value
    reason: str  # one sentence for people
    inputs: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CampaignView:
    """One campaign now, and since it was started."""

    name: str
    state: str  # CampaignState's value, or "archived"
    mode: str  # "progressive", "predictive"
    lines: LinesView
    abandon: AbandonView
    why_not_dialling: str = ""  # empty while it dials
    title: str = ""
    agents: Mapping[str, int] = field(default_factory=dict)  # by state
    calls: int = 0  # attempts dialled
    live_answers: int = 0
    connects: int = 0
    abandoned: int = 0
    outcomes: Mapping[str, int] = field(default_factory=dict)  # ended attempts, by Outcome
    utilisation: float | None = None  # (talk + wrap-up) / staffed time; None: nobody staffed yet
    caller_wait_mean_s: float | None = None  # live person until bridged
    agent_wait_mean_s: float | None = None  # agent ready until the next call
    leads: Mapping[str, int] = field(default_factory=dict)  # left, by verdict ("dialable now")
    pacing: PacingView | None = None


class CampaignAction(StrEnum):
    START = "start"
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    ARCHIVE = "archive"  # a stopped one, out of sight; starting it brings it back


# --- the whole --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TrunkView:
    """A trunk of a PBX."""

    name: str
    lines_in_use: int
    lines_limit: int


@dataclass(frozen=True, slots=True)
class LinkView:
    """The links to one PBX."""

    pbx: str
    up: bool
    since: float
    why: str = ""  # why it is not up: the state, the cause and the mend
    lines_in_use: int = 0
    lines_limit: int = 0  # 0: not limited
    trunks: tuple[TrunkView, ...] = ()


@dataclass(frozen=True, slots=True)
class WebhooksView:
    """Delivery of events to the CRM."""

    backlog: int = 0
    oldest_s: float = 0.0  # age of the oldest undelivered event
    delivered: int = 0
    failing: str = ""  # why nothing gets through at the moment; empty: it does
    dead: int = 0  # given up after all retries: wants a person


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint of the CRM bridge, for /metrics. Counts since this start of the server."""

    delivered: int = 0
    failed: int = 0  # attempts
    dead: int = 0  # dead letters there are
    backlog: int = 0
    oldest_s: float = 0.0
    latency_sum_s: float = 0.0  # from the happening to the CRM's answer, over all delivered
    taking: bool = True  # neither disabled nor shut off by its circuit breaker
    pops_sent: int = 0
    pops_dropped: int = 0
    pop_delay_s: float = 0.0  # of the last pop: until its request began


@dataclass(frozen=True, slots=True)
class EscalationView:
    """An agent asks for a supervisor."""

    id: int
    agent: str
    campaign: str
    attempt: str  # of the call it is about; empty: none
    at: float
    text: str = ""
    taken_by: str = ""


@dataclass(frozen=True, slots=True)
class WallboardView:
    clock: ClockView
    campaigns: tuple[CampaignView, ...]
    agents: tuple[AgentRow, ...]
    links: tuple[LinkView, ...]
    webhooks: WebhooksView
    escalations: tuple[EscalationView, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthView:
    """`ok`: everything that should dial can dial. `serving`: live calls are being served."""

    ok: bool
    serving: bool
    problems: tuple[str, ...]  # "campaign spring: not dialling: <why>", "PBX main: <why>"
    version: str
    boot: str  # changes with every start of the server


@dataclass(frozen=True, slots=True)
class MetricsView:
    """Everything counted since this start of the server, for /metrics."""

    calls: Mapping[tuple[str, str], int]  # (campaign, outcome) -> ended attempts
    lines_given_up: Mapping[str, int]  # campaign -> lines hung up as they rang, unanswered
    lines: Mapping[tuple[str, str], int]  # (campaign, stage) -> lines now
    agents: Mapping[str, int]  # state -> agents now
    abandon_rate: Mapping[str, float]  # campaign -> fraction
    abandon_limit: Mapping[str, float]
    utilisation: Mapping[str, float]
    ami_events: Mapping[tuple[str, str], int]  # (pbx, event name) -> received
    ami_actions: Mapping[tuple[str, str], int]  # (pbx, action name) -> sent
    link_up: Mapping[str, bool]  # pbx -> up
    door_depth: int  # events waiting for the core
    door_depth_max: int  # the bound
    webhook_backlog: int
    webhook_oldest_s: float
    webhooks_delivered: int
    loop_lag: HistogramView  # s; how late the event loop runs what is due
    answer_to_bridge: HistogramView  # s; PersonDetected until both legs are in the bridge
    store_commit: HistogramView  # s; length of one commit
    pacing_decision: HistogramView  # s; of one decision, the picture of the floor included
    endpoints: Mapping[str, EndpointView] = field(default_factory=dict)  # of the CRM bridge


class Face(Protocol):
    """What the web needs of the server."""

    @property
    def changes(self) -> Changes:
        """Marked by the server whenever a view changed; taken by the one hub of the web."""
        ...

    def clock(self) -> ClockView: ...

    # agents' screens
    async def sit_down(self, agent: str) -> bool:
        """Begin the agent's shift, or join the one that is under way (a second tab, a reload). The
        phone rings; that shows in the view. True when it was begun. Refused with 403 for who is no
        agent with a phone."""
        ...

    async def choose_status(self, agent: str, status: Status, reason: str) -> None:
        """Taken at once when free, after the call otherwise. LOGGED_OUT ends the shift once the
        agent has no call."""
        ...

    async def hang_up(self, agent: str) -> None: ...

    async def more_time(self, agent: str) -> None:
        """A minute more for the wrap-up. Refused when there is none."""
        ...

    async def send_digits(self, agent: str, digits: str) -> None:
        """Key presses to the customer. Refused when nobody is talking, or by the PBX."""
        ...

    async def hold(self, agent: str, on: bool) -> None:
        """The customer hears music, or is back from it. Refused when that cannot be."""
        ...

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
        """`callback_at` is ISO 8601 with a zone, or empty; `mine`: the callback is for this agent.
        `amount` and `due_on` (ISO 8601) are a promise's. Refused when `attempt` is not the agent's
        call, `code` is not offered, a required field is missing, or a callback is asked for at a
        time at which the law lets nobody call: the next one that it allows is named. The same
        disposition sent twice for one attempt is no error and is recorded once."""
        ...

    async def accept(self, agent: str, lead_id: int) -> None:
        """Have the lead in preview called. Refused when it is not on the agent's screen."""
        ...

    async def skip(self, agent: str, lead_id: int, reason: str, escalate: bool = False) -> None:
        """Put the lead in preview back, or hand it over to a supervisor. Refused when it is not on
        the agent's screen, without a reason, or with one that is not offered."""
        ...

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
        """Call a number or a lead for this agent, who is kept free for it: the agent's own wish, or
        a click in the CRM. One of `phone`, `lead_id`, `external_id` names it; a lead may be called
        on another of its numbers with `phone` besides. `override`: why a rule of the law's packs
        is to be set aside; refused with 403 unless the agent may, and audited. Returns the attempt;
        what becomes of it, also a no of the gate, shows in the agent's view."""
        ...

    def screen_connected(self, agent: str) -> None: ...

    def screen_lost(self, agent: str) -> None:
        """No screen of this agent has been heard of for longer than the limit."""
        ...

    def on_shift(self, agent: str) -> bool:
        """Whether there is a view of this agent."""
        ...

    def agent_view(self, agent: str) -> AgentView | None:
        """None when the agent has no shift."""
        ...

    def browser_phone(self, agent: str) -> BrowserPhone | None:
        """None for an agent with an ordinary phone."""
        ...

    # supervisors and the wallboard
    def wallboard(self) -> WallboardView: ...

    def campaigns(self) -> tuple[CampaignView, ...]: ...

    async def act_on_campaign(self, campaign: str, action: CampaignAction, who: str) -> None:
        """`who` goes into the audit. Refused with 404 for an unknown campaign, 409 when the
        action does not fit the campaign's state."""
        ...

    # operations
    def health(self) -> HealthView: ...

    def metrics(self) -> MetricsView: ...
