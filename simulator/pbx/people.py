"""Called parties out of a simulated world: the traffic model of a scenario behind the PBX.

The n-th line dialled meets the n-th call of the world, so a seed gives the same people in the same
order to whatever dialer is connected.
"""

from __future__ import annotations

import asyncio

from simulator.pbx.party import AGENT_PHONE, Answer, CalledParty, Verdict
from simulator.world import Amd, CallPlan, Kind, Scenario, World

_UNJUDGED_S = 1.2  # what AMD takes in a scenario that says nothing of it, when a campaign wants it


class WorldDirectory:
    """Customers of (scenario, seed); every agent's phone answers. Day time 0 is now."""

    def __init__(
        self, scenario: Scenario, seed: int, *, loop: asyncio.AbstractEventLoop | None = None
    ) -> None:
        self._world = World(scenario, seed)
        self._loop = loop or asyncio.get_running_loop()
        self._t0 = self._loop.time()
        self._calls = 0

    def customer(self, number: str, trunk: str) -> CalledParty | None:
        plan = self._world.plan_call(self._calls, self._loop.time() - self._t0)
        self._calls += 1
        return party_of(plan)

    def agent(self, phone: str) -> CalledParty | None:
        return AGENT_PHONE


def party_of(plan: CallPlan) -> CalledParty:
    """A called party that behaves as the plan says."""
    tag = plan.kind.name.lower()
    if not plan.answered:
        if plan.kind is Kind.NO_ANSWER:
            return CalledParty(Answer.NOTHING, setup_s=plan.setup_s, ring_s=0.0, tag=tag)
        return CalledParty(
            Answer.REFUSED,
            setup_s=plan.setup_s + (plan.fail_s if plan.ring_s is None else 0.0),
            ring_s=plan.ring_s,
            sip_status=plan.sip_status,
            tag=tag,
        )
    taken_for_machine = plan.amd is Amd.MACHINE
    return CalledParty(
        setup_s=plan.setup_s,
        ring_s=plan.ring_s,
        verdict=Verdict.MACHINE if taken_for_machine else Verdict.HUMAN,
        verdict_cause="LONGGREETING-1500-1500" if taken_for_machine else "HUMAN-500-500",
        detect_s=_UNJUDGED_S if plan.amd is None else plan.detect_s,
        talk_s=plan.talk_s,
        patience_s=plan.patience_s,
        machine=plan.kind is Kind.MACHINE,
        wrap_up_s=plan.wrap_s,
        break_s=plan.break_s,
        tag=tag,
    )
