"""A test of the core reads as a conversation: facts go in, the commands that follow are compared.

floor = Scene()
floor.agent("anna")
call = floor.dial()
floor.tell(LegAnswered(call, "PJSIP/t-1")).expect(RecordProgress)
"""

from __future__ import annotations

from typing import Any

from dialer.core import commands as cmd
from dialer.core import events as ev
from dialer.core.floor import Floor
from dialer.core.states import AgentState
from dialer.snapshot import Decision

RULES = ev.CampaignRules("spring", "main", "trunk", "+493012345")
QUIET = (
    cmd.ShowCampaign,
    cmd.Observe,
    cmd.RecordProgress,
    cmd.ShowAgent,
    cmd.ShowHold,
    cmd.ShowMonitor,
    cmd.FetchLeads,
    cmd.FetchLeadFor,
)


def lead(n: int, campaign: str = "spring") -> ev.Lead:
    return ev.Lead(n, campaign, f"+4930000{n:05d}", n, 1, f"A{n}", "Someone")


class Scene:
    """A floor with one PBX connected, one campaign running, and a clock moved by hand."""

    def __init__(self, leads: int = 20, rules: ev.CampaignRules = RULES, cps: float = 1000) -> None:
        self.floor = Floor("t")
        self.now = 100.0
        self.said: list[cmd.Command] = []
        self.all: list[cmd.Command] = []
        self.tell(ev.TrunkConfigured("main", "trunk", 500, cps))
        self.tell(ev.CampaignStarted(rules))
        self.tell(ev.LinkResynced("main", ()))
        self.tell(ev.LeadsOffered(rules.name, tuple(lead(n, rules.name) for n in range(leads))))
        self.campaign = self.floor.campaigns[rules.name]
        self.name = rules.name

    def tell(self, *events: ev.Event) -> Scene:
        self.said = []
        for event in events:
            self.said += self.floor.handle(event, self.now)
        self.all += self.said
        return self

    def wait(self, seconds: float) -> Scene:
        """Let time pass; every deadline on the way is applied at its own time."""
        end = self.now + seconds
        self.said = []
        while (due := self.floor.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.said += self.floor.tick(self.now)
        self.now = end
        self.all += self.said
        return self

    def get(self, kind: type) -> Any:
        """The one command of this kind just said."""
        found = [c for c in self.said if isinstance(c, kind)]
        assert len(found) == 1, f"wanted one {kind.__name__}, heard {self.said}"
        return found[0]

    def expect(self, *kinds: type) -> Scene:
        """Exactly these kinds of commands, in order, besides telling and recording progress."""
        loud = [type(c) for c in self.said if not isinstance(c, QUIET)]
        assert loud == list(kinds), f"wanted {kinds}, heard {self.said}"
        return self

    # --- shorthands ---

    def agent(self, name: str = "anna", ready: bool = True) -> str:
        leg = f"od-t-a{len(self.floor.agents) + 1}"
        self.tell(ev.AgentLoggedIn(name, leg, "main", f"phone-{name}", (self.name,)))
        self.tell(ev.LegParked(leg, f"PJSIP/{name}-1"))
        if ready:
            self.tell(ev.StatusChosen(name, ev.Status.READY))
            assert self.state(name) is AgentState.READY
        return leg

    def state(self, name: str = "anna") -> AgentState:
        return self.floor.agents[name].state

    def plan(self, lines: int = 1) -> list[str]:
        self.tell(ev.LinesDecided(self.name, Decision(lines)))
        return [c.attempt for c in self.said if isinstance(c, cmd.RecordAttempt)]

    def dial(self) -> str:
        (attempt,) = self.plan()
        self.tell(ev.AttemptRecorded(attempt)).wait(0.01)  # the trunk's slot
        assert [c for c in self.all if isinstance(c, cmd.Originate) and c.attempt == attempt]
        return attempt

    def live(self, attempt: str) -> Scene:
        """Answered, announced, parked."""
        channel = f"PJSIP/trunk-{attempt}"
        return self.tell(
            ev.LegAnswered(attempt, channel),
            ev.PersonDetected(attempt),
            ev.LegParked(attempt, channel),
        )

    def talk(self, attempt: str, leg: str) -> Scene:
        self.live(attempt)
        return self.tell(ev.LegBridged(leg, "b1"), ev.LegBridged(attempt, "b1"))

    def handed_on(self, attempt: str, giver: str, taker: str) -> Scene:
        """The Bridge that takes the customer over to another agent's leg; the giver's is anna's."""
        return self.tell(
            ev.LegBridged(taker, "b2"),
            ev.LegUnbridged(attempt, "b1"),
            ev.LegBridged(attempt, "b2"),
            ev.LegUnbridged(giver, "b1"),
            ev.LegParked(giver, "PJSIP/anna-1"),
        )
