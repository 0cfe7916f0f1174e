"""What can be made to go wrong between the PBX and a client, for tests and drills.

Each `Cut` fires once, at its point, and is then spent.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Point(StrEnum):
    """Where a connection is cut."""

    BEFORE_ACTION = "before action"  # the action arrived and was not carried out
    BEFORE_RESPONSE = "before response"  # it was carried out; the response never leaves
    AFTER_RESPONSE = "after response"  # the response is the last that is sent
    IN_LIST = "in list"  # after `after_items` items of a listing
    BEFORE_EVENT = "before event"  # the event named in `event` is not sent any more


@dataclass(slots=True)
class Cut:
    """Cut the connection of `user` (empty: whoever it hits) at a point.

    `action` (lower case) for the points of an action, `event` for BEFORE_EVENT; `skip` of them
    pass first.
    """

    point: Point
    action: str = ""
    event: str = ""
    user: str = ""
    skip: int = 0
    after_items: int = 0


class Faults:
    """The faults that wait to happen, and the delay put before every response."""

    def __init__(self) -> None:
        self._cuts: list[Cut] = []
        self.delay_s = 0.0  # every response is late by this much
        self.shutting_down = False  # a graceful shutdown hangs: every action is refused

    def cut(
        self,
        point: Point,
        *,
        action: str = "",
        event: str = "",
        user: str = "",
        skip: int = 0,
        after_items: int = 0,
    ) -> None:
        self._cuts.append(Cut(point, action.lower(), event, user, skip, after_items))

    @property
    def pending(self) -> int:
        return len(self._cuts)

    def clear(self) -> None:
        self._cuts.clear()
        self.delay_s = 0.0
        self.shutting_down = False

    def due(self, point: Point, user: str, *, action: str = "", event: str = "") -> Cut | None:
        """The cut that is due here, taken out of those that wait; None when there is none."""
        for cut in self._cuts:
            if (
                cut.point is point
                and cut.user in ("", user)
                and cut.action in ("", action)
                and cut.event in ("", event)
            ):
                if cut.skip > 0:
                    cut.skip -= 1
                    continue
                self._cuts.remove(cut)
                return cut
        return None
