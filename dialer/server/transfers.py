"""Customers handed on, at once or with a question first, and conversations of three: to whom an
agent may, and the wish itself, audited before it is sent.

Numbers outside are those of the campaign's file, by name: an agent never types one. What the law
says of calling them is asked as for every call.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from dialer.campaigns.model import CampaignFile
from dialer.core import events as ev
from dialer.core.agent import Agent
from dialer.core.call import Call, Consult
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
        end_recording: Callable[[str, Call], Awaitable[None]],
    ) -> None:
        self._end_recording = end_recording
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

    async def ask(self, agent: str, name: str, to: To = To.AGENT) -> None:
        """Speak to a colleague, or to somebody outside, while the customer hears music. The same
        rules hold for a number outside as for a call by hand; on the audit log before it rings."""
        call = self._call_of(agent)
        wanted = (to, name)
        target = next((one for one in self.targets(agent) if (one.to, one.name) == wanted), None)
        if target is None:
            raise Refused("There is nobody of that name.", 404, "Choose one of those offered.")
        if not target.free or to is To.QUEUE:
            raise Refused(f"{target.title} is not free.", 409, "Choose another.")
        wish = ev.ConsultAsked(agent, name)
        if to is To.OUTSIDE:
            number = self._number(call, agent, name)
            wish = ev.ConsultAsked(agent, number=number, name=name)
        await self._audit.audit(agent, "call.consult", call.attempt, {"to": to.value, "name": name})
        self._engine.post(wish)
        await self._engine.door.settled()
        if call.consult is None:
            present = self._floor.agents.get(agent)
            why = present.notice if present is not None and present.notice else ""
            raise Refused(why or "That is not possible just now.", 409, "Choose another.")

    async def swap(self, agent: str) -> None:
        """Speak to the other one, customer or third party."""
        call, one = self._asking(agent)
        if one.state not in (ConsultState.TALKING, ConsultState.WITH_CUSTOMER):
            raise Refused("You are being connected.", 409, "Wait a moment.")
        await self._audit.audit(agent, "call.swap", call.attempt, {"name": _third(call)})
        self._engine.post(ev.SwapAsked(agent))

    async def join(self, agent: str) -> None:
        """All three together. A recording ends: the third party has not been told of it."""
        call, one = self._asking(agent)
        if one.state not in (ConsultState.TALKING, ConsultState.WITH_CUSTOMER):
            raise Refused("You are being connected.", 409, "Wait a moment.")
        await self._audit.audit(agent, "call.join", call.attempt, {"name": _third(call)})
        await self._end_recording(agent, call)
        self._engine.post(ev.JoinAsked(agent))

    def _asking(self, agent: str) -> tuple[Call, Consult]:
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        one = None if call is None else call.consult
        if call is None or one is None or one.by != agent or call.third is None:
            raise Refused("You are asking nobody outside.")
        return call, one

    async def end_asking(self, agent: str, *, complete: bool) -> None:
        """The customer goes to the colleague, or comes back."""
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        one = None if call is None else call.consult
        if call is None or one is None or one.by != agent:
            raise Refused("You are asking nobody.")
        ready = _SETTLED if call.third is not None else _TALKING
        up = (CallState.HELD, CallState.TALKING) if call.third is not None else (CallState.HELD,)
        if call.state not in up or (complete and one.state not in ready):
            raise Refused("You are being connected.", 409, "Wait a moment.")
        action = "call.transfer" if complete else "call.resume"
        await self._audit.audit(agent, action, call.attempt, {"name": one.other or _third(call)})
        if complete and call.third is not None:
            await self._end_recording(agent, call)
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


_TALKING = (ConsultState.TALKING,)
_SETTLED = (ConsultState.TALKING, ConsultState.WITH_CUSTOMER, ConsultState.JOINED)


def _third(call: Call) -> str:
    return "" if call.third is None else call.third.name


def _is_free(agent: Agent) -> bool:
    return agent.state is AgentState.READY
