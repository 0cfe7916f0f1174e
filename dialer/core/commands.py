"""What the core wants done. Imperative; the shell carries each out exactly once, or reports that
it could not. No command is ever repeated by the shell.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dialer.core.events import Lead, Status
from dialer.core.modes import Booking, MonitorMode, PreviewEnd
from dialer.core.outcomes import Outcome
from dialer.snapshot import Observation

# --- to the PBX -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Originate:
    """Dial a customer. Sent only after `AttemptRecorded`; never twice for one attempt."""

    pbx: str
    attempt: str
    trunk: str
    phone: str
    caller_id: str
    ring_limit_s: float
    amd: bool = False
    record: bool = False


@dataclass(frozen=True, slots=True)
class RingAgent:
    """Ring the agent's phone; answered, the leg is nailed up in its own holding bridge."""

    pbx: str
    leg: str
    phone: str
    ring_limit_s: float


@dataclass(frozen=True, slots=True)
class RingSupervisor:
    """Ring a supervisor's phone; answered, the leg is part of the conversation of these two legs in
    this mode, for as long as the customer is there."""

    pbx: str
    leg: str
    phone: str
    agent_leg: str
    customer_leg: str
    mode: MonitorMode
    ring_limit_s: float


@dataclass(frozen=True, slots=True)
class ChangeMonitor:
    """Be part of the same conversation in another mode."""

    pbx: str
    leg: str
    mode: MonitorMode


@dataclass(frozen=True, slots=True)
class Bridge:
    """Put a waiting customer on an idle agent's leg. Full channel names."""

    pbx: str
    agent_leg: str
    agent_channel: str
    customer_leg: str
    customer_channel: str


@dataclass(frozen=True, slots=True)
class SendOut:
    """Send a customer on to a number outside, over the trunk he was called on: it is rung, he hears
    it ring, and where nobody answers he waits again, with music."""

    pbx: str
    attempt: str
    channel: str
    number: str


@dataclass(frozen=True, slots=True)
class RingOutside:
    """Ring a number outside for an agent; answered, the leg hears music until it is bridged, and
    again whenever the other end of its conversation leaves it."""

    pbx: str
    leg: str
    trunk: str
    number: str
    caller_id: str
    ring_limit_s: float


@dataclass(frozen=True, slots=True)
class JoinTalk:
    """Make an agent, whose leg is parked, the third in the conversation of this customer's leg."""

    pbx: str
    leg: str
    customer_leg: str


@dataclass(frozen=True, slots=True)
class HoldCustomer:
    """Send a customer from his conversation to the music; his agent's leg parks by itself. On the
    way a recording is begun, if that is why (`record`)."""

    pbx: str
    attempt: str
    channel: str
    record: bool = False


@dataclass(frozen=True, slots=True)
class ParkAgent:
    """Take an agent's leg out of a conversation with another agent: both park."""

    pbx: str
    leg: str


@dataclass(frozen=True, slots=True)
class PlayHarbour:
    """Send a customer whom nobody can take to the safe-harbour message."""

    pbx: str
    attempt: str
    channel: str


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a leg's channel. Sent for a customer's leg that rings only when it has rung for as long
    as the law wants."""

    pbx: str
    leg: str


@dataclass(frozen=True, slots=True)
class CheckLeg:
    """Ask the PBX where a leg stands; answered by `LegChecked`."""

    pbx: str
    leg: str


# --- to the PBX, of an agent's own wish: no state of the core hangs on them, so they go from the
# screens' side to the PBX and are answered there (`dialer.server.reception`)


@dataclass(frozen=True, slots=True)
class SendDigits:
    """Key presses to the customer: 0-9, *, #, A-D."""

    pbx: str
    attempt: str
    digits: str


@dataclass(frozen=True, slots=True)
class EndRecording:
    """Close the file of this call's recording."""

    pbx: str
    attempt: str


@dataclass(frozen=True, slots=True)
class MuteRecording:
    """The recording of this call is silent from now on, or is not any more."""

    pbx: str
    attempt: str
    muted: bool


# --- to the store -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class FetchLeads:
    """Claim up to `count` leads of the campaign that are dialled automatically and that every agent
    logged in may take: of these `queues` (None: of all) with no more than these `skills` wanted.
    Answered by `LeadsOffered`."""

    campaign: str
    count: int
    queues: frozenset[str] | None = None
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FetchLeadFor:
    """Claim the best lead that only a certain agent can be given: to be looked at first, or wanted
    by few. `campaigns` and `queues` (none: all) in order of the agent's priority; `shared` is, for
    each campaign, what the pacer dials (queues and skills, as in `FetchLeads`) and is left to it.
    `own`: only what is meant for this agent by name. Answered by `LeadForAgent`."""

    agent: str
    campaigns: tuple[str, ...]
    queues: tuple[str, ...]
    skills: frozenset[str]
    shared: tuple[tuple[frozenset[str] | None, frozenset[str]], ...]
    own: bool = False


@dataclass(frozen=True, slots=True)
class ReturnLeads:
    """Give claimed leads back unused."""

    campaign: str
    lead_ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RecordAttempt:
    """Write the attempt ahead; answered by `AttemptRecorded` or `AttemptRefused`."""

    attempt: str
    pbx: str
    lead: Lead
    booking: Booking | None = None


@dataclass(frozen=True, slots=True)
class RecordPreview:
    """A lead was shown to an agent. Unless accepted, it goes back to the list by the campaign's
    rule; one that was withdrawn goes back as it was."""

    campaign: str
    lead: Lead
    agent: str
    end: PreviewEnd
    reason: str = ""
    escalate: bool = False


class Progress(StrEnum):
    ORIGINATED = "originated"
    RINGING = "ringing"
    ANSWERED = "answered"
    LIVE = "live"
    CONNECTED = "connected"
    HARBOUR = "harbour"


@dataclass(frozen=True, slots=True)
class RecordProgress:
    """How far an attempt came, so that a new life of this process knows. Not waited for."""

    attempt: str
    campaign: str
    lead: Lead
    progress: Progress
    agent: str = ""


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds on the core's clock; None where the call never got there."""

    originated: float | None = None
    ringing: float | None = None
    answered: float | None = None
    live: float | None = None
    connected: float | None = None
    harbour: float | None = None
    ended: float | None = None


@dataclass(frozen=True, slots=True)
class RecordOutcome:
    """Close the attempt: outcome, history and outbox rows in one transaction."""

    attempt: str
    campaign: str
    lead: Lead
    outcome: Outcome
    timings: Timings
    agent: str = ""
    cause: int | None = None
    tech_cause: int | None = None
    amd: str = ""
    hung_up_by: str = ""  # "agent", "customer" or ""
    unserved: bool = False  # counts as abandoned by law: no agent within the limit, or too late


@dataclass(frozen=True, slots=True)
class RecordDisposition:
    """The agent's word on a call."""

    attempt: str
    campaign: str
    lead: Lead
    agent: str
    code: str
    callback_at: str = ""
    note: str = ""
    amount: str = ""
    due_on: str = ""
    reason: str = ""
    mine: bool = False


@dataclass(frozen=True, slots=True)
class RecordSession:
    """An agent session opened, changed or ended, as PBX and agent confirmed it."""

    agent: str
    leg: str
    pbx: str
    phone: str
    campaigns: tuple[str, ...]
    status: Status
    reason: str
    state: str  # AgentState's value; "logged out" closes the session


# --- to screens, the CRM and the pacer ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PopScreen:
    """Show this lead to this agent now, on the agent's screen and in the CRM."""

    agent: str
    attempt: str
    campaign: str
    lead: Lead


@dataclass(frozen=True, slots=True)
class ShowAgent:
    """An agent's state changed; tell the screens."""

    agent: str
    state: str
    since: float
    status: Status
    reason: str = ""
    attempt: str = ""


@dataclass(frozen=True, slots=True)
class ShowTransfer:
    """A customer is with the next: an agent, or somebody outside."""

    by: str
    attempt: str
    campaign: str
    lead: Lead
    to_agent: str = ""
    to_outside: str = ""


@dataclass(frozen=True, slots=True)
class ShowHold:
    """The customer hears music (`on`), or is with an agent again."""

    agent: str
    attempt: str
    campaign: str
    lead: Lead
    on: bool


@dataclass(frozen=True, slots=True)
class ShowRecording:
    """The PBX has begun the recording that an agent asked for."""

    attempt: str


@dataclass(frozen=True, slots=True)
class ShowMonitor:
    """A supervisor began or ended to be part of an agent's conversation, or is so in another mode;
    `mode` None: not (any more)."""

    supervisor: str
    agent: str
    attempt: str
    campaign: str
    lead: Lead
    mode: MonitorMode | None


@dataclass(frozen=True, slots=True)
class ShowCampaign:
    """A campaign's state changed. `why` says why it is not dialling, empty when it is."""

    campaign: str
    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Observe:
    """Tell the campaign's pacer what happened."""

    campaign: str
    fact: Observation


@dataclass(frozen=True, slots=True)
class Warn:
    """Something a person should know of. `text` holds no personal data."""

    text: str
    leg: str = ""


Command = (
    Originate
    | RingAgent
    | RingSupervisor
    | ChangeMonitor
    | Bridge
    | SendOut
    | RingOutside
    | JoinTalk
    | HoldCustomer
    | ParkAgent
    | PlayHarbour
    | HangUp
    | CheckLeg
    | FetchLeads
    | FetchLeadFor
    | ReturnLeads
    | RecordAttempt
    | RecordPreview
    | RecordProgress
    | RecordOutcome
    | RecordDisposition
    | RecordSession
    | PopScreen
    | ShowAgent
    | ShowCampaign
    | ShowHold
    | ShowRecording
    | ShowMonitor
    | ShowTransfer
    | Observe
    | Warn
)
