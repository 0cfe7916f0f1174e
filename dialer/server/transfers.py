"""Customers handed on: to whom an agent may, and the wish itself, audited before it is sent.

Numbers outside are those of the campaign's file, by name: an agent never types one. What the law
says of calling them is asked as for every call.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dialer.campaigns.model import CampaignFile
from dialer.core import events as ev
from dialer.core.agent import Agent
from dialer.core.call import Call
from dialer.core.modes import Booking, Mode
from dialer.core.states import AgentState, CallState, ConsultState
from dialer.server.engine import Engine
from dialer.server.face import Refused
from dialer.server.people import Seat
from dialer.server.supervision import Audit


class To(StrEnum):
    AGENT = "agent"
    QUEUE = "queue"
    OUTSIDE = "outside"


@dataclass(frozen=True, slots=True)
class TransferTarget:
    """`free`: somebody could take the customer now."""

    to: To
    name: str
    title: str
    free: bool = True


class Transfers:
    """`denied(lead, booking)` says why the law forbids a call, empty when it does not."""

    def __init__(
        self,
        engine: Engine,
        audit: Audit,
        campaigns: Mapping[str, CampaignFile],
        seats: Mapping[str, Seat],
        denied: Callable[[ev.Lead, Booking], str],
    ) -> None:
        self._engine = engine
        self._floor = engine.floor
        self._audit = audit
        self._campaigns = campaigns
        self._seats = seats
        self._denied = denied

    def targets(self, agent: str) -> tuple[TransferTarget, ...]:
        """To whom this agent's customer could go; nobody without a call."""
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        if call is None:
            return ()
        file, floor = self._campaigns[call.campaign], self._floor.campaigns[call.campaign]
        others = [self._floor.agents[name] for name in sorted(floor.members) if name != agent]
        found = [
            TransferTarget(To.AGENT, one.name, self._title(one), _is_free(one)) for one in others
        ]
        for queue in file.queues:
            serving = [one for one in others if not one.queues or queue.name in one.queues]
            free = any(_is_free(one) for one in serving)
            found.append(TransferTarget(To.QUEUE, queue.name, queue.name, free))
        found += [TransferTarget(To.OUTSIDE, one.name, one.name) for one in file.transfers]
        return tuple(found)

    def _title(self, agent: Agent) -> str:
        seat = self._seats.get(agent.name)
        return seat.title if seat is not None and seat.title else agent.name

    async def hand_on(self, agent: str, to: To, name: str) -> None:
        """The agent is free of the customer at once, and writes the call up."""
        call = self._call_of(agent)
        target = next(
            (one for one in self.targets(agent) if (one.to, one.name) == (to, name)), None
        )
        if target is None:
            raise Refused("There is nobody of that name.", 404, "Choose one of those offered.")
        if not target.free:
            raise Refused(
                f"{target.title} is not free.", 409, "Choose another, or call back later."
            )
        wish = ev.TransferAsked(agent)
        if to is To.AGENT:
            wish = replace(wish, to_agent=name)
        elif to is To.QUEUE:
            wish = replace(wish, queue=name)
        else:
            wish = replace(wish, name=name, number=self._number(call, agent, name))
        await self._audit.audit(
            agent, "call.transfer", call.attempt, {"to": to.value, "name": name}
        )
        self._engine.post(wish)
        await self._engine.door.settled()
        present = self._floor.agents.get(agent)
        if present is not None and present.notice and call.state is CallState.TALKING:
            raise Refused(present.notice, 409, "Choose another.")

    async def ask(self, agent: str, colleague: str) -> None:
        """Speak to a colleague while the customer hears music."""
        call = self._call_of(agent)
        wanted = (To.AGENT, colleague)
        target = next((one for one in self.targets(agent) if (one.to, one.name) == wanted), None)
        if target is None:
            raise Refused("There is nobody of that name.", 404, "Choose one of those offered.")
        if not target.free:
            raise Refused(f"{target.title} is not free.", 409, "Choose another.")
        await self._audit.audit(agent, "call.consult", call.attempt, {"name": colleague})
        self._engine.post(ev.ConsultAsked(agent, colleague))
        await self._engine.door.settled()
        if call.consult is None:
            raise Refused("That is not possible just now.", 409, "Choose another.")

    async def end_asking(self, agent: str, *, complete: bool) -> None:
        """The customer goes to the colleague, or comes back."""
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        one = None if call is None else call.consult
        if call is None or one is None or one.by != agent:
            raise Refused("You are asking nobody.")
        if call.state is not CallState.HELD or (complete and one.state is not ConsultState.TALKING):
            raise Refused("You are being connected.", 409, "Wait a moment.")
        action = "call.transfer" if complete else "call.resume"
        await self._audit.audit(agent, action, call.attempt, {"name": one.other})
        self._engine.post(ev.ConsultEnded(agent, complete))

    def _number(self, call: Call, agent: str, name: str) -> str:
        file = self._campaigns[call.campaign]
        number = next(one.number for one in file.transfers if one.name == name)
        lead = replace(call.lead, phone=number)
        if why := self._denied(lead, Booking(agent, Mode.MANUAL)):
            raise Refused(f"{name} may not be called now: {why}.", 409, "Choose another.")
        return number

    def _call_of(self, agent: str) -> Call:
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        if (
            present is None
            or present.state is not AgentState.TALK
            or call is None
            or call.state is not CallState.TALKING
            or call.agent != agent
        ):
            raise Refused("You are not talking to anybody.")
        return call


def _is_free(agent: Agent) -> bool:
    return agent.state is AgentState.READY
