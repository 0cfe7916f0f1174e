"""The queues of a campaign's file, and what is done with a lead that an agent looks at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field

from dialer.campaigns.units import Duration, Name, Part
from dialer.core.modes import Mode
from dialer.store.policy import Queue

SKILL = Name


class QueuePart(Part):
    """A queue: which agents take its leads, how soon, and how they are dialled."""

    name: Name
    priority: Annotated[int, Field(ge=0, le=99)] = 0  # the higher, the sooner
    mode: Mode | None = None  # no more automatic than this
    skills: tuple[SKILL, ...] = ()  # an agent must have all of them

    def queue(self) -> Queue:
        return Queue(self.name, self.priority, self.mode.value if self.mode else "", self.skills)


class PreviewPart(Part):
    """A lead that is shown to an agent first."""

    limit: Duration = 60.0  # to look at it
    on_timeout: Literal["back", "dial"] = "back"
    again: Duration = 900.0  # after it was skipped or not looked at
    skips_max: Annotated[int, Field(ge=1, le=100)] = 5  # then to a supervisor, or held
    skip_reasons: tuple[Annotated[str, Field(min_length=1, max_length=40)], ...] = ()
    # In a campaign that dials automatically, an agent is shown a lead when free for so long.
    after_idle: Duration = 10.0


def named(queues: Sequence[QueuePart], name: str) -> bool:
    return any(queue.name == name for queue in queues)
