"""Other dialers' pacers, written from their published behaviour, to be measured against.

Each module says which product and version it follows and what it simplifies. None of their code
is in here. They see the same snapshots and observations as our own pacers, keep their own clocks,
and are held by nothing but the trunks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from dialer.pacing.pacer import PacerError, known_options
from simulator.peers.common import PeerPacer
from simulator.peers.impact import Impact
from simulator.peers.issabel import Issabel
from simulator.peers.omnidialer import OmniDialer
from simulator.peers.plain import FixedRatio, WombatDialer
from simulator.peers.unicom import Unicom
from simulator.peers.vicidial import Method, Vicidial
from simulator.peers.webitel import Webitel

PEERS: dict[str, Callable[..., PeerPacer]] = {
    "vicidial_ratio": partial(Vicidial, Method.RATIO, level=2.0),
    "vicidial_hard": partial(Vicidial, Method.HARD_LIMIT),
    "vicidial_average": partial(Vicidial, Method.AVERAGE),
    "vicidial_tapered": partial(Vicidial, Method.TAPERED),
    "vicidial_average_available": partial(
        Vicidial, Method.AVERAGE, available_only=True, maximum=6.0
    ),
    "vicidial_tapered_available": partial(
        Vicidial, Method.TAPERED, available_only=True, maximum=6.0
    ),
    "issabel": Issabel,
    "issabel_overcommit": partial(Issabel, overcommit=True),
    "omnidialer": OmniDialer,
    "wombat": WombatDialer,
    "impact": Impact,
    "webitel": Webitel,
    "unicom": Unicom,
    "fixed_ratio": FixedRatio,
}

NUMBER_MAX = 1_000_000
_BELOW_NOUGHT = {"intensity", "difference_target", "abandon_adjustment"}  # options that may be


def make_peer(name: str, options: Mapping[str, Any]) -> PeerPacer:
    """The peer of that name. Raises PacerError for an option it does not have, or a value that the
    option cannot have: that of its default's kind, numbers from 0 on."""
    maker = PEERS[name]
    known = known_options(name, maker, options)
    for key, value in options.items():
        if (wanted := _not_as(known[key], value, key in _BELOW_NOUGHT)) is not None:
            raise PacerError(f"pacer {name}: {key} is {value!r}; must be {wanted}")
    try:
        return maker(**options)
    except ValueError as error:
        raise PacerError(f"pacer {name}: {error}") from None


def _not_as(default: object, value: object, below_nought: bool) -> str | None:
    """What an option with this default must be, where `value` is not that."""
    if isinstance(default, bool):
        return None if isinstance(value, bool) else "true or false"
    whole = isinstance(default, int)
    least = -NUMBER_MAX if below_nought else 0
    numeric = not isinstance(value, bool) and isinstance(value, int if whole else int | float)
    if numeric and least <= value <= NUMBER_MAX:  # type: ignore[operator]  # a number by now
        return None
    return f"a {'whole ' if whole else ''}number from {least:,} to {NUMBER_MAX:,}"


__all__ = ["PEERS", "PeerPacer", "make_peer"]
