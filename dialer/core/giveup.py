"""Lines given up as they ring: the last means against somebody who would answer and find nobody.

A line that has rung for as long as the law wants may be hung up. From then on it is no line the
pacer reckons with, and stays a line of the trunk until the PBX says that it is gone. Unanswered, it
ends as one that rang out. Somebody may answer in the very moment: the HangUp that is under way cuts
him off, so he has no agent and counts as abandoned, whatever else is heard of him meanwhile.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING

from dialer.core import callflow
from dialer.core.campaign import Campaign
from dialer.core.commands import HangUp
from dialer.core.states import CallSignal, CallState

if TYPE_CHECKING:
    from dialer.core.floor import Floor


def give_up(floor: Floor, campaign: Campaign, lines: int, now: float) -> None:
    """Hang up the `lines` that have rung longest, as far as they may be. A call that is made for
    one agent, who waits for it, is never given up."""
    if lines <= 0:
        return
    may_be = [
        (call.ring_told, n, call)
        for n, call in enumerate(campaign.calls.values())
        if call.state is CallState.RINGING
        and call.booking is None
        and call.answered is None
        and call.ring_told is not None
        and now - call.ring_told >= campaign.ring_least_s
    ]
    for _, _, call in heapq.nsmallest(lines, may_be):
        callflow.signal(floor, call, CallSignal.GIVEN_UP, now)
        call.given_up = now
        floor.emit(HangUp(call.pbx, call.attempt))
