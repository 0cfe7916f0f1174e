"""Python's garbage collector and its threads, told what kind of program this is."""

from __future__ import annotations

import gc
import sys

# New objects before the youngest are looked at: 1 ms of work. With 10,000 it was 10 to 17 ms at a
# time; with 700, the default, the older generations come up too often.
_YOUNG = 2_000
_MIDDLE, _OLD = 20, 50  # collections of one generation before the next older one
# How long one thread may hold the interpreter while another wants it. The event loop gives it up
# with every send, and with 5 ms, the default, three database threads keep it out for 15 ms.
_TURN_S = 0.001


def spare_the_collector() -> None:
    """Call once, when everything is loaded and before there is traffic.

    A full collection walks every object there is, and some 300,000 belong to modules that stay
    for ever: 100 to 200 ms in which the event loop stands still. Frozen, they are walked no more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)


def let_the_loop_in() -> None:
    """Call once: the event loop gets its turn soon after it asks."""
    sys.setswitchinterval(_TURN_S)
