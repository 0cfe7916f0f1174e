"""A trunk: so many channels at once, and launches at an even pace."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Trunk:
    """Carrier limits as enforced here, since a carrier shuts down a trunk that exceeds them."""

    pbx: str
    name: str
    channels_max: int = 100
    originates_per_s: float = 10.0
    in_use: int = 0  # attempts decided and not yet ended
    next_launch: float = 0.0

    @property
    def free(self) -> int:
        return max(0, self.channels_max - self.in_use)

    def room(self, now: float) -> int:
        """Lines that may be decided now: no more than one second's launches may queue up."""
        queued = max(0.0, self.next_launch - now) * self.originates_per_s
        return max(0, min(self.free, int(max(1.0, self.originates_per_s) - queued)))

    def launch_slot(self, now: float) -> float:
        """The next moment at which a call may leave; each call takes one slot."""
        slot = max(now, self.next_launch)
        self.next_launch = slot + 1.0 / self.originates_per_s
        return slot
