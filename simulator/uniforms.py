"""Uniform random numbers that are a function of their place: (seed, stream, index).

splitmix64's finaliser applied twice over a Weyl sequence (Steele, Lea and Flood 2014). Nothing is
kept between draws, so any call of any stream can be had in any order, in blocks or alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WEYL = np.uint64(0x9E3779B97F4A7C15)
_STREAM = np.uint64(0xD1342543DE82EF95)
_M1 = np.uint64(0xBF58476D1CE4E5B9)
_M2 = np.uint64(0x94D049BB133111EB)
_TO_UNIT = 2.0**-53


def _mix(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    z = (z ^ (z >> np.uint64(30))) * _M1
    z = (z ^ (z >> np.uint64(27))) * _M2
    return z ^ (z >> np.uint64(31))


def uniforms(seed: int, stream: int, index: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1), one for each index (uint64 array)."""
    with np.errstate(over="ignore"):
        start = np.array([seed % 2**64], dtype=np.uint64) * _WEYL + np.uint64(stream) * _STREAM
        z = _mix(_mix(start) + index * _WEYL)
        return np.asarray((_mix(z + _STREAM) >> np.uint64(11)).astype(np.float64) * _TO_UNIT)
