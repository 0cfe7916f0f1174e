"""What passes between the floor and a pacer: a frozen picture in, a number of lines out.

The core draws a `FloorSnapshot`, a pacer answers with a `Decision`, and what happened since is
told to the pacer as `Observation`s. Neither side knows the other; both know this module, and this
module knows nobody. All times are seconds; an *age* is how long a thing has been in its stage.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum


@dataclass(frozen=True, slots=True)
class FloorSnapshot:
    """One campaign's floor at one instant, as a pacer may see it.

    `idle`, `talking` and `wrapping` count agents who would take this campaign's calls;
    `share` is the part of them this campaign may reckon with (1.0 when it shares with nobody).
    An agent whose bridge is just being made counts as talking, aged 0.
    """

    now: float  # s on the core's clock
    campaign: str
    idle: int  # agents ready and free this instant
    talking: tuple[float, ...] = ()  # ages of conversations
    wrapping: tuple[float, ...] = ()  # ages of wrap-ups
    setting_up: tuple[float, ...] = ()  # ages of lines launched and not yet ringing
    ringing: tuple[float, ...] = ()  # ages of ringing lines, since ringing began
    detecting: tuple[float, ...] = ()  # ages of answered lines under answering-machine detection
    detecting_rang: tuple[float, ...] = ()  # s that each of them had rung; negative: not known
    waiting: tuple[float, ...] = ()  # ages of live people waiting for an agent
    lines_free: int = 0  # lines the trunks can carry beyond those in use
    leads_ready: int = 0  # leads that could be dialled now
    share: float = 1.0
    ring_least_s: float = math.inf  # lines that ring so long may be given up; inf: none may


class Bound(StrEnum):
    """What a decision's number of lines was finally held by."""

    POLICY = "policy"  # the pacer's own choice
    NO_AGENTS = "no agents"
    NO_LEADS = "no leads"
    TRUNK = "trunk capacity"
    PROGRESSIVE = "account of abandons spent: one line per free agent"
    CAUTION = "too little is known yet"
    OUTAGE = "nothing gets through: one line per free agent"


@dataclass(frozen=True, slots=True)
class Decision:
    """How many lines to launch now, or how many that ring to give up, and why.

    Given up are those that have rung longest, none below the snapshot's `ring_least_s`. `inputs`
    are the numbers the pacer reckoned with (plain floats, for trace and plot).
    """

    lines: int
    bound: Bound = Bound.POLICY
    inputs: dict[str, float] = field(default_factory=dict)
    give_up: int = 0


class LineEnd(StrEnum):
    """How a launched line ended its way to an agent."""

    LIVE = "live"  # a person answered (or AMD let the call through)
    MACHINE = "machine"  # AMD took it for a machine
    NO_ANSWER = "no answer"  # rang out
    GIVEN_UP = "given up"  # hung up by us as it rang: who would have answered is not known
    FAILED = "failed"  # busy, invalid, rejected, congestion: ended by the network


@dataclass(frozen=True, slots=True)
class LineRang:
    """A launched line began to ring `setup_s` after its launch."""

    setup_s: float


@dataclass(frozen=True, slots=True)
class LineEnded:
    """A line left the way to an agent; each stage's length, None where it never got there."""

    end: LineEnd
    setup_s: float
    ring_s: float | None = None
    detect_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallServed:
    """A live person was bridged `waited_s` after becoming live; `rang_s` (None: not known) is how
    long the telephone had rung."""

    waited_s: float
    rang_s: float | None = None


@dataclass(frozen=True, slots=True)
class CallAbandoned:
    """A live person was not bridged within the limit of the law."""

    rang_s: float | None = None  # how long the telephone had rung; None: not known


@dataclass(frozen=True, slots=True)
class CallerLeft:
    """A live person hung up `waited_s` after becoming live, before the limit and an agent."""

    waited_s: float


@dataclass(frozen=True, slots=True)
class TalkEnded:
    """A conversation ended after `talk_s`."""

    talk_s: float


@dataclass(frozen=True, slots=True)
class WrapUpEnded:
    """A wrap-up ended after `wrap_s`; the agent went ready, or on a break if `to_break`."""

    wrap_s: float
    to_break: bool = False


@dataclass(frozen=True, slots=True)
class MachineServed:
    """An agent found a machine where a person was taken to be; told once per such call."""

    rang_s: float | None = None  # as it was told when the call was served


Observation = (
    LineRang
    | LineEnded
    | CallServed
    | CallAbandoned
    | CallerLeft
    | TalkEnded
    | WrapUpEnded
    | MachineServed
)
