"""Python's garbage collector, told what kind of program this is."""

from __future__ import annotations

import gc

# New objects before the youngest are looked at. Nearly all of ours die by their reference count;
# 700, the default, is for scripts.
_YOUNG = 10_000
_MIDDLE, _OLD = 20, 20  # collections of one generation before the next older one


def spare_the_collector() -> None:
    """Call once, when everything is loaded and before there is traffic.

    A full collection walks every object there is, and some 300,000 belong to modules that stay
    for ever: 100 to 200 ms in which the event loop stands still. Frozen, they are walked no more.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, _MIDDLE, _OLD)
