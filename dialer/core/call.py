"""One attempt to reach one lead: what is known of it, and what its end means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dialer.core.commands import RecordOutcome, Timings
from dialer.core.events import DispositionChosen, Lead
from dialer.core.modes import Booking
from dialer.core.outcomes import Outcome, unanswered_outcome
from dialer.core.states import CallState, ConsultState
from dialer.snapshot import LineEnd, MachineServed

# After our own ring limit the PBX is given so long to say how the call ended before we ask.
ORIGINATE_GRACE_S = 5.0
# Longest stay in a state before the PBX is asked where the leg is. None needs it in ordinary life:
# each covers an event that was lost.
CHECK_AFTER_S = {
    CallState.GIVING_UP: 2.0,
    CallState.ANSWERED: 10.0,  # AMD's total_analysis_time is 5 s at most
    CallState.CONNECTING: 1.0,
    CallState.TALKING: 600.0,
    CallState.MOVING: 1.0,
    CallState.HANDED_ON: 2.0,
    CallState.HOLDING: 2.0,
    CallState.HELD: 60.0,
    CallState.RESUMING: 1.0,
    CallState.PARTING: 2.0,
    CallState.RELEASED: 2.0,
    CallState.TURNING_AWAY: 1.0,
    CallState.HARBOUR: 60.0,
    CallState.MACHINE: 60.0,
    CallState.UNKNOWN: 1.0,
}
HELD_MAX_S = 270.0  # then he comes back to his agent: the dialplan's own limit is 300 s
LINGER_S = 2.0  # how long a failed Originate waits for the Hangup that carries the cause
RETURNED_WAIT_S = 60.0  # who comes back from outside waits so long for an agent, with music
# An answer about one leg may be so much older than it looks: several actions make it.
OLD_ANSWER_S = 5.0
# A leg that a listing does not show may still be on its way into the PBX for this long.
UNSEEN_GRACE_S = 5.0


class Purpose(StrEnum):
    """Why a customer hears music."""

    ASK = "ask"  # a colleague is asked
    OUTSIDE = "outside"  # somebody outside is
    HOLD = "hold"  # the agent wants him to wait
    RECORD = "record"  # for a moment, while a recording begins


@dataclass(slots=True)
class Consult:
    """`by` asks `other`, or nobody, while the customer hears music."""

    by: str
    other: str = ""
    purpose: Purpose = Purpose.ASK
    state: ConsultState = ConsultState.HOLDING
    parked: bool = False  # `by`'s leg, after the customer left it


@dataclass(slots=True)
class Third:
    """Somebody outside, on a line of his own; `channel` is empty until he has answered."""

    leg: str
    number: str
    name: str
    channel: str = ""


class Counted(StrEnum):
    """What the pacer's account of abandons was told of a call: once, and never taken back."""

    NOT_YET = "not yet"
    SERVED = "served"
    SERVED_LATE = "served late"  # counts as abandoned
    ABANDONED = "abandoned"
    LEFT = "left"


@dataclass(slots=True)
class Call:
    """A customer's leg. Times are seconds on the core's clock, None where it never came so far."""

    attempt: str
    campaign: str
    pbx: str
    trunk: str
    lead: Lead
    planned: float
    state: CallState = CallState.PLANNED
    since: float = 0.0
    deadline: float | None = None
    channel: str = ""
    agent: str = ""  # the agent reserved for, or talking to, this customer
    passed_by: str = ""  # the agent who hands him on, until he is with the next
    handed_to: str = ""  # the name of the number outside he was sent to
    outside_answered: bool = False
    lines: int = 1  # of the trunk
    consult: Consult | None = None
    third: Third | None = None
    ring_at: float | None = None  # he is dialled then: the trunk's slot
    on_hold: bool = False  # the CRM was told that he hears music
    booking: Booking | None = None  # made for one agent, and answered by nobody else
    originated: float | None = None
    rang: float | None = None
    ring_told: float | None = None  # by the PBX; a listing does not tell since when it rings
    given_up: float | None = None  # hung up by us then, as it rang
    answered: float | None = None
    answer_told: float | None = None  # by the PBX; a listing does not tell since when he is there
    live: float | None = None
    connected: float | None = None
    talk_began: float | None = None  # with the agent he is with
    parted: float | None = None
    harbour: float | None = None
    amd: str = ""
    machine: bool = False
    hung_up_by: str = ""
    refused: bool = False  # the PBX would not even try
    taken_back: bool = False  # we never dialled it
    line_over: bool = False  # the pacer was told how the line ended
    counted: Counted = Counted.NOT_YET
    word: DispositionChosen | None = None  # the agent's, as it stands; written when the call ends

    @property
    def in_flight(self) -> bool:
        """Whether the attempt may hold a channel of the trunk."""
        return self.state not in (
            CallState.PLANNED,
            CallState.REVOKED,
            CallState.CLEARED,
            CallState.ENDED,
        )

    @property
    def rang_s(self) -> float | None:
        """s it rang before it was answered; None where the PBX did not tell of both."""
        if self.ring_told is None or self.answer_told is None:
            return None
        return max(0.0, self.answer_told - self.ring_told)

    @property
    def told_rang_s(self) -> float | None:
        """The same for the pacer, which judges by it whether a machine answered. Nobody listens
        for one on a call made for an agent: how long that rang tells nothing of the others."""
        return None if self.booking is not None else self.rang_s

    @property
    def as_machine(self) -> MachineServed | None:
        """What the pacer is told when the agent finds a machine; None: it knows of no such call."""
        served = self.counted in (Counted.SERVED, Counted.SERVED_LATE)
        return MachineServed(self.told_rang_s) if served else None

    def timings(self, ended: float) -> Timings:
        return Timings(
            originated=self.originated,
            ringing=self.rang,
            answered=self.answered,
            live=self.live,
            connected=self.connected,
            harbour=self.harbour,
            ended=ended,
        )


def outcome_of(
    call: Call,
    ended: float,
    patience_s: float,
    cause: int | None,
    tech_cause: int | None,
    seen: bool,
) -> Outcome:
    """The one outcome of a call that has ended.

    Whom our own hangup met in the moment of his answer is abandoned, unless it was a machine.
    `seen`: the PBX told us of the end. Without it (the link was away) what we last knew decides,
    and what nobody can know is `LOST`; a person who had been announced and was not bridged counts
    as abandoned, the reading that is harder on us. So does one who left after the limit.
    """
    if call.taken_back:
        return Outcome.CANCELLED
    if call.connected is not None:
        return Outcome.CONNECTED
    if call.machine:
        return Outcome.MACHINE
    met = call.given_up is not None and call.answered is not None
    if call.harbour is not None or met:
        return Outcome.ABANDONED
    if call.live is not None:
        in_time = seen and ended - call.live <= patience_s
        return Outcome.CALLER_LEFT if in_time else Outcome.ABANDONED
    if not seen:
        return Outcome.LOST
    if call.answered is not None:
        return Outcome.CALLER_LEFT
    if call.refused:
        return Outcome.FAILED_LOCAL
    if call.given_up is not None and cause is None and tech_cause is None:
        return Outcome.NO_ANSWER  # gone, as we wanted it: the Hangup that says so was not heard
    return unanswered_outcome(cause, tech_cause, rang=call.rang is not None)


def line_end_of(call: Call, outcome: Outcome) -> LineEnd | None:
    """What the pacer learns of a line that never became live; None: nothing about the list."""
    if outcome is Outcome.MACHINE:
        return LineEnd.MACHINE
    if outcome is Outcome.NO_ANSWER:
        return LineEnd.NO_ANSWER if call.given_up is None else LineEnd.GIVEN_UP
    if outcome in (Outcome.CANCELLED, Outcome.LOST):
        return None
    return LineEnd.FAILED


def closing(
    call: Call, ended: float, outcome: Outcome, cause: int | None, tech_cause: int | None
) -> RecordOutcome:
    """The record that closes the attempt, once the account was told of it."""
    return RecordOutcome(
        attempt=call.attempt,
        campaign=call.campaign,
        lead=call.lead,
        outcome=outcome,
        timings=call.timings(ended),
        agent=call.agent if call.connected is not None else "",
        cause=cause,
        tech_cause=tech_cause,
        amd=call.amd,
        hung_up_by=call.hung_up_by,
        unserved=call.counted in (Counted.ABANDONED, Counted.SERVED_LATE),
    )
