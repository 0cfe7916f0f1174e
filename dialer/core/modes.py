"""Dial modes: how much of a call a person decides, and the agent an attempt is made for; and the
ways a supervisor may be part of a conversation."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mode(StrEnum):
    """From the least automatic to the most."""

    MANUAL = "manual"  # an agent, or the CRM for an agent, asks for this very call
    PREVIEW = "preview"  # an agent sees the lead first, and accepts or skips it
    PROGRESSIVE = "progressive"  # one line for each free agent
    PREDICTIVE = "predictive"  # more, within the limit on abandoned calls

    @property
    def automatic(self) -> bool:
        """Whether the number is dialled without a person having decided on this call."""
        return self in (Mode.PROGRESSIVE, Mode.PREDICTIVE)


def least(*modes: Mode) -> Mode:
    """The least automatic of these: what campaign, queue, lead and phone all allow."""
    order = list(Mode)
    return min(modes, key=order.index)


@dataclass(frozen=True, slots=True)
class Booking:
    """An attempt made for one agent, who is kept free for it from the first ring on.

    `override_by`, `override_because`: this person takes it upon himself to call although a rule of
    the law's packs says no. Both or neither; every such attempt is audited.
    """

    agent: str
    mode: Mode
    override_by: str = ""
    override_because: str = ""


class MonitorMode(StrEnum):
    """How a supervisor is part of a conversation."""

    LISTEN = "listen"  # hears both, is heard by nobody
    WHISPER = "whisper"  # is heard by the agent
    BARGE = "barge"  # is heard by both


class PreviewEnd(StrEnum):
    """What became of a lead that was shown to an agent."""

    ACCEPTED = "accepted"
    SKIPPED = "skipped"
    TIMED_OUT = "timed out"
    WITHDRAWN = "withdrawn"  # by us: the lead was stopped, the campaign paused, the agent went
