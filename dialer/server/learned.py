"""What pacers learned, kept in the store: a restart goes on where the last life was.

The account of abandons is none of this: it is the law's, and counted from the attempts themselves.
What the pacer knows of machines among its calls is: the attempts do not tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
import structlog

from dialer.pacing.governor import Governor
from dialer.pacing.pacer import Pacer
from dialer.server.pacing import Pacing
from dialer.store.store import Store

LEARNED_EVERY_S = 60.0  # a crash costs at most so much of what was learned

log = structlog.get_logger()


class Learned:
    """Between the pacers of one server and its store."""

    def __init__(self, store: Store, pacing: Pacing) -> None:
        self._store = store
        self._pacing = pacing
        self._kept: dict[str, Mapping[str, Any]] = {}  # as it stands in the store

    async def restore(self, campaign: str, governor: Governor) -> None:
        """Give the pacer back what it learned. What does not fit is left, and told in a line."""
        try:
            found = await self._store.learned(campaign)
        except (ValueError, TypeError) as error:  # the row is no JSON any more
            _ignored(campaign, f"cannot be read: {type(error).__name__}")
            return
        if found is None:
            return
        name = governor.pacer.name
        if found.pacer != name:
            _ignored(campaign, f"is of pacer {found.pacer}, and {name} dials now")
        elif not taken_back(governor.pacer, found.state):
            _ignored(campaign, "does not fit this version of the pacer, or is damaged")
        else:
            self._kept[campaign] = governor.pacer.state()
            log.info("the pacer goes on with what it learned", campaign=campaign, since=found.saved)

    async def keep(self) -> None:
        """Keep what changed since the last time."""
        changed = {}
        for campaign in self._pacing.campaigns():
            pacer = self._pacing.governor(campaign).pacer
            state = pacer.state()
            if state and state != self._kept.get(campaign):
                changed[campaign] = (pacer.name, state)
        if not changed:
            return
        try:
            await self._store.keep_learned(changed)
        except (sa.exc.DBAPIError, OSError) as error:  # it costs a cold start, and no call
            log.warning("what pacers learned is not kept", error=type(error).__name__)
            return
        self._kept.update({campaign: state for campaign, (_, state) in changed.items()})


def taken_back(pacer: Pacer, state: Any) -> bool:
    """Whether the pacer took this state as its own. One that it does not know changes nothing."""
    if not isinstance(state, Mapping):
        return False
    before = pacer.state()
    try:
        pacer.restore(state)
    except (ValueError, TypeError, KeyError):
        pacer.restore(before)
        return False
    return pacer.state() != before or state == before


def _ignored(campaign: str, why: str) -> None:
    log.warning("what the pacer had learned is not used", campaign=campaign, why=why)
