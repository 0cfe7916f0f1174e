"""Facts that enter the core. Past tense; none is a wish.

They come from four doors: the PBX (translated from AMI), agents' and supervisors' screens, the
store, and the pacer. `leg` is our own id of a channel: the attempt id of a customer's leg, or the
session id of an agent's leg. It is the AMI ChannelId and ActionID as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.core.modes import Mode, MonitorMode
from dialer.snapshot import Decision

# The laws' least ring before a call may be cut: 16 CFR 310.4(b)(4)(ii), 47 CFR 64.1200(a)(6),
# Ofcom.
RING_MIN_S = 15.0


@dataclass(frozen=True, slots=True)
class Lead:
    """One account and the phone to call it on, as the hopper hands it over.

    `phone` is E.164. `fields` is what the list brought along, for the agent's screen and the CRM.
    `mode` is how it may be dialled: no more automatically than campaign, queue, lead and phone
    allow; None: as the campaign. `agent`: for this agent alone.
    """

    lead_id: int
    campaign: str
    phone: str
    phone_id: int
    attempt_no: int  # 1 for the lead's first attempt
    external_id: str = ""
    name: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    zones: str = ""  # every time zone the lead may be in, joined by spaces; empty: not known
    mode: Mode | None = None
    queue: str = ""
    skills: tuple[str, ...] = ()  # an agent must have all of them
    agent: str = ""
    callback: bool = False  # the time to call was agreed
    automatic: bool = True  # this phone may be dialled without a person deciding on it
    ring_limit_s: float = 0.0  # never under RING_MIN_S; 0: the campaign's


# --- the PBX: links ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinkLost:
    """Nothing this PBX does can be seen any more. `why` is shown to people."""

    pbx: str
    why: str


class ChannelPlace(StrEnum):
    """Where a channel was found standing."""

    RINGING = "ringing"  # not answered yet
    DIALPLAN = "dialplan"  # answered and executing (AMD, announcement about to start, ...)
    PARKED = "parked"  # alone in its own holding bridge
    TALKING = "talking"  # in a two-party bridge
    HARBOUR = "harbour"  # hearing the safe-harbour message


@dataclass(frozen=True, slots=True)
class ChannelFound:
    """A channel of ours, as a listing of the PBX shows it. `peer` is the other leg of a bridge."""

    leg: str
    channel: str  # Asterisk's full channel name
    place: ChannelPlace
    peer: str = ""


@dataclass(frozen=True, slots=True)
class LinkResynced:
    """Both links to the PBX stand again, and `channels` is every channel of ours that lives there.

    `restarted` says that Asterisk itself was started anew: nothing from before exists any more.
    """

    pbx: str
    channels: tuple[ChannelFound, ...]
    restarted: bool = False


@dataclass(frozen=True, slots=True)
class LegChecked:
    """Answer to `CheckLeg`: where the leg stands, None when there is no such channel."""

    pbx: str
    leg: str
    found: ChannelFound | None


# --- the PBX: legs ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LegRinging:
    """The far end rings (DialState RINGING or PROGRESS)."""

    leg: str


@dataclass(frozen=True, slots=True)
class LegAnswered:
    """The far end answered (Newstate Up, or OriginateResponse Success: whichever comes first)."""

    leg: str
    channel: str
    at: float | None = None  # PBX's own clock mapped to ours; None: when it was handled


@dataclass(frozen=True, slots=True)
class LegParked:
    """The leg stands alone in its own holding bridge and can be bridged."""

    leg: str
    channel: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class LegBridged:
    """The leg entered a two-party bridge."""

    leg: str
    bridge: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class LegUnbridged:
    """The leg left a two-party bridge."""

    leg: str
    bridge: str
    at: float | None = None


@dataclass(frozen=True, slots=True)
class PersonDetected:
    """The customer leg's dialplan announced a live call (after AMD, when that is on)."""

    leg: str
    amd: str = ""  # AMDSTATUS/AMDCAUSE; empty when AMD is off


@dataclass(frozen=True, slots=True)
class MachineDetected:
    """AMD took the answer for a machine."""

    leg: str
    cause: str = ""


@dataclass(frozen=True, slots=True)
class HarbourStarted:
    """The safe-harbour message starts for a customer nobody took in time."""

    leg: str


@dataclass(frozen=True, slots=True)
class LegHungUp:
    """The channel is gone. `cause` is Q.850; `tech_cause` the SIP status, None when not given."""

    leg: str
    cause: int
    tech_cause: int | None = None
    at: float | None = None


@dataclass(frozen=True, slots=True)
class OriginateFailed:
    """OriginateResponse Failure, or the action itself was refused (`refused`)."""

    leg: str
    reason: int = 0
    refused: str = ""  # the PBX's message when it would not even try


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """The PBX answered a Bridge with an error: nothing was bridged."""

    agent_leg: str
    customer_leg: str
    message: str


@dataclass(frozen=True, slots=True)
class MonitorBegan:
    """The supervisor on this leg hears (whispers, barges) from now on."""

    leg: str
    mode: MonitorMode


# --- agents -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class AgentLoggedIn:
    """An agent's screen opened a session. `leg` is the session id, `phone` the endpoint to ring."""

    agent: str
    leg: str
    pbx: str
    phone: str
    campaigns: tuple[str, ...]  # in order of the agent's priority
    skills: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()  # in order of the agent's priority; none: all


class Status(StrEnum):
    """What an agent chose. What is happening is the agent's *state*."""

    READY = "ready"
    BREAK = "break"
    LOGGED_OUT = "logged out"


@dataclass(frozen=True, slots=True)
class StatusChosen:
    """The agent chose a status; taken at once when free, after the call otherwise."""

    agent: str
    status: Status
    reason: str = ""  # break code


@dataclass(frozen=True, slots=True)
class HangUpPressed:
    """The agent hangs up the customer (and stays for wrap-up)."""

    agent: str


@dataclass(frozen=True, slots=True)
class MoreTimeAsked:
    """The agent needs longer for the wrap-up."""

    agent: str


@dataclass(frozen=True, slots=True)
class TransferAsked:
    """The agent hands the customer on and is free of him at once: to the agent `to_agent`, to a
    free one of `queue`, or to `number` outside, which the campaign has on its list as `name`."""

    agent: str
    to_agent: str = ""
    queue: str = ""
    number: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class ConsultAsked:
    """The agent wants to speak to `other` first, or to `number` outside, which the campaign has on
    its list as `name`; the customer hears music meanwhile."""

    agent: str
    other: str = ""
    number: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class SwapAsked:
    """The agent wants to speak to the other one of customer and third party."""

    agent: str


@dataclass(frozen=True, slots=True)
class JoinAsked:
    """Agent, customer and third party shall hear each other."""

    agent: str


@dataclass(frozen=True, slots=True)
class ConsultEnded:
    """The customer goes to whom was asked (`complete`), or comes back to the agent who asked."""

    agent: str
    complete: bool


@dataclass(frozen=True, slots=True)
class HoldAsked:
    """The customer shall hear music, or be back from it."""

    agent: str
    on: bool


@dataclass(frozen=True, slots=True)
class RecordingAsked:
    """The conversation shall be recorded from now on."""

    agent: str


@dataclass(frozen=True, slots=True)
class DispositionChosen:
    """The agent says how the call went. During the call it is kept until the call's end."""

    agent: str
    attempt: str
    code: str
    callback_at: str = ""  # ISO 8601 with zone, for codes that ask for one
    note: str = ""
    amount: str = ""  # a promise's, in the account's currency: 120.50
    due_on: str = ""  # a promise's day, ISO 8601
    reason: str = ""
    mine: bool = False  # the callback is for this agent


@dataclass(frozen=True, slots=True)
class PreviewAccepted:
    """The agent wants the lead on the screen called."""

    agent: str
    lead_id: int


@dataclass(frozen=True, slots=True)
class PreviewSkipped:
    """The agent does not want the lead on the screen called now. `escalate`: a supervisor shall
    look at it."""

    agent: str
    lead_id: int
    reason: str
    escalate: bool = False


@dataclass(frozen=True, slots=True)
class ManualCallAsked:
    """An agent, or the CRM for an agent, asks for this very call. The lead is in no claim: the
    attempt's own transaction takes it, or refuses."""

    agent: str
    lead: Lead
    override_by: str = ""
    override_because: str = ""


@dataclass(frozen=True, slots=True)
class ScreenLost:
    """The agent's screen has been silent for longer than the limit: offer no new calls."""

    agent: str


@dataclass(frozen=True, slots=True)
class ScreenBack:
    """The agent's screen is connected again."""

    agent: str


# --- campaigns and supervisors ----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MonitorAsked:
    """A supervisor wants to be part of the conversation this agent has, on the phone `phone`; or,
    being part of it already, to be so in another mode."""

    supervisor: str
    agent: str
    pbx: str
    phone: str
    mode: MonitorMode


@dataclass(frozen=True, slots=True)
class MonitorLeft:
    """The supervisor wants to hear no more."""

    supervisor: str


@dataclass(frozen=True, slots=True)
class CampaignRules:
    """What the core must know of a campaign. Limits in seconds."""

    name: str
    pbx: str
    trunk: str  # endpoint name of the trunk; the dial string is made by the shell
    caller_id: str
    ring_limit_s: float = 25.0  # never under RING_MIN_S
    # A line may be given up when it has rung so long; never under RING_MIN_S. As long as the ring
    # limit, or longer: none may.
    ring_least_s: float = RING_MIN_S
    patience_s: float = 2.0  # a live person waits at most so long
    wrap_up_limit_s: float = 120.0
    amd: bool = False
    record: bool = False
    mode: Mode = Mode.PREDICTIVE  # no lead of it is dialled more automatically
    # Leads that are not the pacer's are looked for when an agent has been free for so long.
    # None: such leads are never looked for.
    offer_after_s: float | None = None
    preview_limit_s: float = 60.0  # an agent may look at a lead for so long ...
    preview_dials: bool = False  # ... then it is dialled; otherwise the lead goes back
    machine_words: frozenset[str] = frozenset()  # dispositions that say it was a machine


@dataclass(frozen=True, slots=True)
class TrunkConfigured:
    """What a trunk can carry: channels at once, and new calls a second (no bursts)."""

    pbx: str
    trunk: str
    channels_max: int = 100
    originates_per_s: float = 10.0


@dataclass(frozen=True, slots=True)
class CampaignStarted:
    rules: CampaignRules


@dataclass(frozen=True, slots=True)
class CampaignPaused:
    campaign: str
    why: str = "paused by a supervisor"


@dataclass(frozen=True, slots=True)
class CampaignResumed:
    campaign: str


@dataclass(frozen=True, slots=True)
class CampaignStopped:
    """Dial no more; calls under way are served to their end."""

    campaign: str


# --- the store --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LeadsOffered:
    """The store claimed these leads for us. Fewer than asked: there are no more for now.

    `next_ready_s` is when the next lead becomes due (seconds from now), None when never.
    """

    campaign: str
    leads: tuple[Lead, ...]
    exhausted: bool = False
    next_ready_s: float | None = None


@dataclass(frozen=True, slots=True)
class LeadForAgent:
    """Answer to `FetchLeadFor`: a lead claimed for this agent, or None and when to ask again."""

    agent: str
    lead: Lead | None
    next_ready_s: float | None = None


@dataclass(frozen=True, slots=True)
class AttemptRecorded:
    """The attempt is committed: its Originate may leave."""

    attempt: str


@dataclass(frozen=True, slots=True)
class AttemptRefused:
    """The database (or the compliance gate) would not have this attempt. It was not dialled."""

    attempt: str
    why: str


@dataclass(frozen=True, slots=True)
class AttemptRecovered:
    """An attempt that a former life of this process left open; a resync tells what became of it."""

    attempt: str
    pbx: str
    lead: Lead
    agent: str = ""  # who talked, when it had come to that
    answered: bool = False
    live: bool = False  # a person was announced (waiting, or in the message)
    connected: bool = False
    age_s: float = 0.0  # since the attempt was recorded
    booked_for: str = ""  # the agent it was made for


@dataclass(frozen=True, slots=True)
class AgentRecovered:
    """An agent session that a former life of this process left open."""

    agent: str
    leg: str
    pbx: str
    phone: str
    campaigns: tuple[str, ...]
    status: Status
    reason: str = ""
    skills: tuple[str, ...] = ()
    queues: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class LeadSuppressed:
    """These leads, and whoever has one of these numbers (E.164), may not be called just now: the
    store has it committed. They leave every hopper for the store, which knows what becomes of them,
    and attempts not dialled yet are taken back; what rings or talks goes on."""

    lead_ids: frozenset[int] = frozenset()
    phones: frozenset[str] = frozenset()


# --- the pacer --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class LinesDecided:
    """The pacer's decision for a campaign, already lowered by the gate."""

    campaign: str
    decision: Decision


Event = (
    LinkLost
    | LinkResynced
    | LegChecked
    | LegRinging
    | LegAnswered
    | LegParked
    | LegBridged
    | LegUnbridged
    | PersonDetected
    | MachineDetected
    | HarbourStarted
    | LegHungUp
    | OriginateFailed
    | BridgeFailed
    | MonitorBegan
    | AgentLoggedIn
    | StatusChosen
    | HangUpPressed
    | MoreTimeAsked
    | TransferAsked
    | ConsultAsked
    | ConsultEnded
    | SwapAsked
    | JoinAsked
    | HoldAsked
    | RecordingAsked
    | DispositionChosen
    | PreviewAccepted
    | PreviewSkipped
    | ManualCallAsked
    | ScreenLost
    | ScreenBack
    | MonitorAsked
    | MonitorLeft
    | TrunkConfigured
    | CampaignStarted
    | CampaignPaused
    | CampaignResumed
    | CampaignStopped
    | LeadsOffered
    | LeadForAgent
    | LeadSuppressed
    | AttemptRecorded
    | AttemptRefused
    | AttemptRecovered
    | AgentRecovered
    | LinesDecided
)
