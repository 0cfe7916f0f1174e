"""What people taken for machines cost of a limit on abandoned calls. Pure.

With f the share of live calls that detection hangs up on, D_L calls dropped for want of an agent
and L live calls, the rate a regulator reckons is `f + (1 - f) * D_L / (L (1 - f))`: Ofcom's
statement of 2016, Annex 3; by its letter the US rule as well. Drops of those calls that came
through may then be `(limit - f) / (1 - f)` at most.
"""

from __future__ import annotations

import math

Z = 1.6449  # one-sided 95 %


def upper_share(found: int, of: int) -> float:
    """How high a share may be of which a sample found so many (Wilson's score interval)."""
    if not of:
        return 1.0
    share, z2 = found / of, Z * Z
    middle = share + z2 / (2 * of)
    spread = Z * math.sqrt(share * (1 - share) / of + z2 / (4 * of * of))
    return min(1.0, (middle + spread) / (1 + z2 / of))


def limit_left(limit: float, error: float) -> float:
    """The share of calls that came through which may be dropped, when `error` of all live calls
    never come through; 0 when detection alone is over the limit."""
    if error >= 1:
        return 0.0
    return max(0.0, (limit - error) / (1 - error))


def rate_with_error(live: int, abandoned: int, error: float) -> float:
    """The regulator's rate: `live` and `abandoned` are those of calls that came through."""
    if not live:
        return 0.0
    return error + (1 - error) * abandoned / live
