"""One agent's session: the leg nailed up, the status chosen, the state that is happening."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from dialer.core.events import Lead, Status
from dialer.core.states import AgentState
from dialer.snapshot import MachineServed

AGENT_RING_LIMIT_S = 30.0  # the agent's own phone may ring so long
# Longest stay before the PBX is asked where the leg is; each covers an event that was lost.
CHECK_AGENT_AFTER_S = {
    AgentState.SIGNING_ON: AGENT_RING_LIMIT_S + 5.0,
    AgentState.RESERVED: 1.0,
    AgentState.LEAVING: 5.0,
    AgentState.UNKNOWN: 1.0,
}
WRAP_UP_MORE_S = 60.0  # each time the agent asks for more
WRAP_UP_MAX_S = 1800.0  # of one wrap-up, however often
CALL_OVER_CHECK_S = 2.0  # the customer is gone: the leg should be parked again at once
# A free agent for whom there was no lead is looked after again no sooner and no later than this.
SEEK_MIN_S = 2.0
SEEK_MAX_S = 60.0


class Seeking(StrEnum):
    """Whether a lead for this very agent was asked of the store."""

    IDLE = "idle"
    ASKED = "asked"


@dataclass(slots=True)
class Agent:
    """A logged-in agent. The core alone owns `state`; nobody else may assume one."""

    name: str
    leg: str
    pbx: str
    phone: str
    campaigns: tuple[str, ...]
    skills: frozenset[str] = frozenset()
    queues: tuple[str, ...] = ()  # in order of priority; none: all
    state: AgentState = AgentState.SIGNING_ON
    since: float = 0.0
    status: Status = Status.BREAK
    reason: str = ""
    screen: bool = True  # the agent's screen is connected: calls may be offered
    channel: str = ""
    attempt: str = ""  # the call dialled for, reserved, talking, or being wrapped up
    campaign: str = ""  # of that call, or of the lead in preview
    lead: Lead | None = None  # of that call, or in preview
    machine: MachineServed | None = None  # told if the agent finds one in a call that is over
    seeking: Seeking = Seeking.IDLE
    notice: str = ""  # why the call asked for was not made
    disposed: bool = False  # the agent already said how that call went
    wrap_began: float = 0.0
    deadline: float | None = None

    def takes(self, lead: Lead) -> bool:
        """Whether this lead may be given to this agent."""
        return (
            lead.agent in ("", self.name)
            and (not lead.queue or not self.queues or lead.queue in self.queues)
            and self.skills.issuperset(lead.skills)
        )
