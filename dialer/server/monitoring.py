"""Supervisors who listen in, whisper and barge: who may, on which phone, and who is told.

A supervisor hears the conversations of the campaigns he may see, over a phone of his own. It is on
the audit log before the phone rings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from dialer.core import events as ev
from dialer.core.modes import MonitorMode
from dialer.core.monitor import Monitor
from dialer.core.states import AgentState, CallState, MonitorState
from dialer.server.engine import Engine
from dialer.server.face import BrowserPhone, MonitorNotice, Refused
from dialer.server.phonebook import PhoneBook
from dialer.server.supervision import Audit


@dataclass(frozen=True, slots=True)
class MonitorView:
    """What a supervisor is part of. `heard` is empty while the phone rings."""

    agent: str
    campaign: str
    attempt: str
    state: str  # MonitorState's value
    mode: str  # asked for: listen, whisper, barge
    heard: str


@dataclass(frozen=True, slots=True)
class MonitorDesk:
    """`phone` empty: there is none to listen with. `browser`: it is a page."""

    monitor: MonitorView | None
    phone: str
    browser: BrowserPhone | None


class Monitoring:
    """`phone_of(user)` is phone and PBX of a user; `tell_agents`: an agent's screen shows who
    listens in."""

    def __init__(
        self,
        engine: Engine,
        audit: Audit,
        phone_of: Callable[[str], tuple[str, str] | None],
        phones: PhoneBook,
        *,
        tell_agents: bool,
    ) -> None:
        self._engine = engine
        self._floor = engine.floor
        self._audit = audit
        self._phone_of = phone_of
        self._phones = phones
        self._tell_agents = tell_agents

    def desk(self, supervisor: str) -> MonitorDesk:
        one = self._floor.monitors.get(supervisor)
        phone, pbx = self._phone_of(supervisor) or ("", "")
        return MonitorDesk(_view(one), phone, self._phones.get(pbx, phone))

    async def begin(
        self, supervisor: str, agent: str, mode: MonitorMode, sees: Callable[[str], bool]
    ) -> MonitorDesk:
        """Be part of this agent's conversation, or go on in another mode."""
        present = self._floor.agents.get(agent)
        call = None if present is None else self._floor.calls.get(present.attempt)
        if present is None or not any(sees(name) for name in present.campaigns):
            raise Refused("This agent has no shift.", 404, "Look at the floor again.")
        if call is None or call.state is not CallState.TALKING or call.agent != agent:
            raise Refused("The agent is not talking to anybody.", 409, "Wait for the next call.")
        if not sees(call.campaign):
            raise Refused("This call is of a campaign you do not look after.", 403)
        phone, pbx = self._free_phone(supervisor)
        if pbx != call.pbx:
            raise Refused(f"Your phone is on PBX {pbx}, the call on {call.pbx}.", 409)
        known = self._floor.monitors.get(supervisor)
        if known is not None and (
            known.attempt != call.attempt or known.state is not MonitorState.ON
        ):
            raise Refused("You are with another call still.", 409, "Leave that one first.")
        await self._audit.audit(
            supervisor, f"call.{mode.value}", call.attempt, {"agent": agent, "phone": phone}
        )
        self._engine.post(ev.MonitorAsked(supervisor, agent, pbx, phone, mode))
        await self._engine.door.settled()
        return self.desk(supervisor)

    def _free_phone(self, supervisor: str) -> tuple[str, str]:
        found = self._phone_of(supervisor)
        if found is None:
            raise Refused(
                "You have no phone to listen with.", 409, "An administrator can set yours."
            )
        for agent in self._floor.agents.values():
            if (agent.phone, agent.pbx) == found and agent.state is not AgentState.PHONE_LOST:
                raise Refused("Your phone is in an agent's shift.", 409, "End that shift first.")
        return found

    async def leave(self, supervisor: str) -> None:
        one = self._floor.monitors.get(supervisor)
        if one is None:
            return
        self._engine.post(ev.MonitorLeft(supervisor))
        await self._audit.audit(supervisor, "call.unmonitored", one.attempt, {"agent": one.agent})

    def notices(self, agent: str) -> tuple[MonitorNotice, ...]:
        """What the agent's own screen says of it."""
        if not self._tell_agents:
            return ()
        return tuple(
            MonitorNotice(one.supervisor, one.heard.value)
            for one in self._floor.monitors.values()
            if one.agent == agent and one.heard is not None
        )


def _view(one: Monitor | None) -> MonitorView | None:
    if one is None:
        return None
    heard = "" if one.heard is None else one.heard.value
    return MonitorView(one.agent, one.campaign, one.attempt, one.state.value, one.mode.value, heard)
