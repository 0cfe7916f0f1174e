"""Other dialers' pacers, written from their published behaviour, to be measured against.

Each module says which product and version it follows and what it simplifies. None of their code
is in here. They see the same snapshots and observations as our own pacers, keep their own clocks,
and are held by nothing but the trunks.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

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

__all__ = ["PEERS", "PeerPacer"]
