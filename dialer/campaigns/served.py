"""A campaign as a strategy sees it, with the agents who work for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from dialer.campaigns.model import CampaignFile
from dialer.core.modes import Mode


@dataclass(frozen=True, slots=True)
class Served:
    """`queues` by agent: which each of them takes (none: all); None: nobody knows the agents."""

    campaign: CampaignFile
    queues: Sequence[tuple[str, ...]] | None

    @property
    def name(self) -> str:
        return self.campaign.name

    @property
    def mode(self) -> Mode:
        return self.campaign.mode

    def serves(self, queue: str) -> bool:
        taken = self.queues is None or any(not one or queue in one for one in self.queues)
        return taken and self.campaign.serves(queue)

    def has_disposition(self, code: str) -> bool:
        return self.campaign.has_disposition(code)
