"""What became of an action. One of four, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass

from dialer.ami.codec import Message


@dataclass(frozen=True, slots=True)
class Done:
    """The PBX did it. `items` is the list that followed, for actions that ask for one."""

    response: Message
    items: tuple[Message, ...] = ()
    last: Message | None = None  # the event that closed the list; it may carry more than the count

    @property
    def success(self) -> bool:
        return True


@dataclass(frozen=True, slots=True)
class Refused:
    """The PBX answered with an error: it did nothing."""

    message: str

    @property
    def success(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class Lost:
    """Sent, and never answered: whether it was done is UNKNOWN. It is not sent again."""

    why: str

    @property
    def success(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class NotSent:
    """It never left this process: the link is down or clogged, or the action is not encodable."""

    why: str

    @property
    def success(self) -> bool:
        return False


Result = Done | Refused | Lost | NotSent
