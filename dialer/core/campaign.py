"""A running campaign inside the core: its rules, its hopper and its queues."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from dialer.core.call import Call
from dialer.core.events import CampaignRules, Lead
from dialer.core.states import CampaignState
from dialer.snapshot import Bound

HOPPER_LOW = 50  # fetch more leads below this ...
HOPPER_FILL = 200  # ... up to this many
REFETCH_MIN_S = 2.0  # an exhausted list is asked again no sooner than this ...
REFETCH_MAX_S = 60.0  # ... and no later


class Fetching(StrEnum):
    """Where the hopper stands with the store."""

    IDLE = "idle"
    ASKED = "asked"
    EXHAUSTED = "exhausted"  # no lead is due; `refetch_at` says when to look again


@dataclass(slots=True)
class Campaign:
    rules: CampaignRules
    state: CampaignState = CampaignState.RUNNING
    why_paused: str = ""
    hopper: deque[Lead] = field(default_factory=deque)
    fetching: Fetching = Fetching.IDLE
    refetch_at: float = 0.0
    calls: dict[str, Call] = field(default_factory=dict)
    # Insertion order is the order of service: longest idle, longest waiting first.
    idle: dict[str, None] = field(default_factory=dict)
    waiting: dict[str, None] = field(default_factory=dict)
    members: set[str] = field(default_factory=set)  # agents logged in for this campaign
    last_bound: Bound | None = None  # why the pacer's last decision was no larger
    shown: str = ""  # the last ShowCampaign, so that only changes are told

    @property
    def ring_least_s(self) -> float:
        """Lines that have rung so long may be given up; inf: none may."""
        least_s = self.rules.ring_least_s
        return least_s if least_s < self.rules.ring_limit_s else math.inf
