"""Erlang's formulas and their inverses, stable from one to 100,000 servers.

`servers` is the number of agents or lines, `load` the offered load in erlangs (arrivals per second
times mean holding seconds). Sources: A. K. Erlang (1917) for B and C; Palm (1957) in the form of
Garnett, Mandelbaum and Reiman (2002) for A, callers of exponential patience; Zeltyn and
Mandelbaum, "Call centers with impatient customers" (2005) for callers who all give up after the
same time, which is the dialer's own case. A wrong argument raises ValueError.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from scipy import special

SERVERS_MAX = 10_000_000  # where searches for a number of servers give up


def _check(servers: float, load: float) -> None:
    if not (math.isfinite(servers) and servers >= 0):
        raise ValueError(f"servers must be a number of 0 or more, not {servers}")
    if not (math.isfinite(load) and load >= 0):
        raise ValueError(f"load must be 0 erlang or more, not {load}")


def erlang_b(servers: float, load: float) -> float:
    """Probability that a call finds all `servers` busy and is lost (M/G/n/n).

    `servers` may be fractional (the usual continuation by the incomplete gamma function).
    """
    _check(servers, load)
    if load == 0:
        return 1.0 if servers == 0 else 0.0
    below = float(special.gammaincc(servers + 1, load))  # P(Poisson(load) <= servers)
    if below > 1e-250:
        log_pmf = servers * math.log(load) - load - float(special.gammaln(servers + 1))
        return min(1.0, math.exp(log_pmf - math.log(below)))
    # Far above the servers: 1/B = 1 + n/a + n(n-1)/a^2 + ..., all terms positive and falling.
    terms = (servers - np.arange(math.ceil(servers))) / load
    return 1.0 / (1.0 + float(np.cumprod(terms).sum()))


def erlang_c(servers: float, load: float) -> float:
    """Probability that a patient caller waits (M/M/n); 1.0 when the load cannot be carried."""
    _check(servers, load)
    if load >= servers:
        return 1.0
    blocked = erlang_b(servers, load)
    return blocked / (1.0 - load / servers * (1.0 - blocked))


def service_level(servers: float, load: float, handle_s: float, within_s: float) -> float:
    """Share of patient callers (M/M/n) answered within `within_s` seconds."""
    if handle_s <= 0 or within_s < 0:
        raise ValueError("handle_s must be above 0 and within_s not below 0")
    if load >= servers:
        return 0.0
    return 1.0 - erlang_c(servers, load) * math.exp(-(servers - load) * within_s / handle_s)


def mean_wait(servers: float, load: float, handle_s: float) -> float:
    """Mean seconds a patient caller waits (M/M/n), those who do not wait included."""
    if load >= servers:
        return math.inf
    return erlang_c(servers, load) * handle_s / (servers - load)


def _log_palm(x: float, y: float) -> float:
    """log of A(x, y) = sum over j of y^j / ((x+1)...(x+j)) = x e^y y^-x gamma(x, y)."""
    low = float(special.gammainc(x, y))
    if low > 1e-250:
        gamma = float(special.gammaln(x))
        return math.log(x) + y - x * math.log(y) + gamma + math.log(low)
    total, term, j = 1.0, 1.0, 0
    while term > 1e-17 * total and j < 10_000:  # y << x here: the ratio is far below one
        j += 1
        term *= y / (x + j)
        total += term
    return math.log(total)


def erlang_a(servers: float, load: float, patience: float) -> tuple[float, float]:
    """(probability of waiting, probability of giving up) with exponential patience (M/M/n+M).

    `patience` is the callers' mean patience in units of the mean holding time.
    """
    _check(servers, load)
    if not patience > 0:
        raise ValueError(f"patience must be above 0, not {patience}")
    if load == 0:
        return (1.0 if servers == 0 else 0.0), 0.0
    if servers == 0:
        return 1.0, 1.0
    blocked = erlang_b(servers, load)
    inverse = math.exp(-_log_palm(servers * patience, load * patience))
    waits = blocked / ((1.0 - blocked) * inverse + blocked)
    rho = load / servers
    leaves = waits * (inverse / rho + 1.0 - 1.0 / rho)
    return waits, min(1.0, max(0.0, leaves))


def loss_at_patience(servers: int, load: float, patience: float) -> tuple[float, float]:
    """(probability of waiting, of abandon) when every caller gives up after `patience` (M/M/n+D).

    `patience` in units of the mean holding time; 0 gives Erlang B.
    """
    _check(servers, load)
    if patience < 0:
        raise ValueError(f"patience must not be below 0, not {patience}")
    if load == 0:
        return (1.0 if servers == 0 else 0.0), 0.0
    if servers == 0:
        return 1.0, 1.0
    excess = load - servers
    grown = math.exp(min(700.0, excess * patience))
    queue = patience if excess == 0 else (grown - 1.0) / excess
    queue += grown / servers
    base = 1.0 / max(erlang_b(servers - 1, load), 1e-300)
    waits = load * queue / (base + load * queue)
    lost = (1.0 + excess * queue) / (base + load * queue)
    return waits, min(1.0, max(0.0, lost))


def _fewest(fits: Callable[[int], bool], start: int) -> int:
    """The smallest number of servers from `start` on that fits; `fits` is monotone."""
    low, high = start - 1, max(1, start)
    while not fits(high):
        low, high = high, high * 2
        if high > SERVERS_MAX:
            raise ValueError(f"no number of servers up to {SERVERS_MAX} is enough")
    while high - low > 1:
        middle = (low + high) // 2
        if fits(middle):
            high = middle
        else:
            low = middle
    return high


def lines_for_blocking(load: float, blocking: float) -> int:
    """Fewest lines so that at most `blocking` of calls find all busy (inverse of Erlang B)."""
    if not 0 < blocking < 1:
        raise ValueError(f"blocking must lie between 0 and 1, not {blocking}")
    _check(0, load)
    if load == 0:
        return 0
    return _fewest(lambda n: erlang_b(n, load) <= blocking, 1)


def agents_for_service_level(load: float, handle_s: float, within_s: float, level: float) -> int:
    """Fewest agents so that `level` of patient callers are answered within `within_s` seconds."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    _check(0, load)
    if load == 0:
        return 0
    return _fewest(
        lambda n: service_level(n, load, handle_s, within_s) >= level, math.floor(load) + 1
    )


def agents_for_loss(load: float, patience: float, loss: float) -> int:
    """Fewest agents so that at most `loss` of callers give up at `patience` (M/M/n+D)."""
    if not 0 < loss < 1:
        raise ValueError(f"loss must lie between 0 and 1, not {loss}")
    _check(0, load)
    if load == 0:
        return 0
    return _fewest(lambda n: loss_at_patience(n, load, patience)[1] <= loss, 1)


def _most_load(held: Callable[[float], bool], servers: float) -> float:
    """The largest load for which `held` (monotone), to a relative error of 1e-9."""
    low, high = 0.0, max(1.0, servers)
    for _ in range(200):
        if not held(high):
            break
        low, high = high, high * 2
    else:
        return math.inf
    for _ in range(200):
        middle = (low + high) / 2
        if held(middle):
            low = middle
        else:
            high = middle
        if high - low <= 1e-9 * high:
            break
    return low


def load_for_blocking(lines: int, blocking: float) -> float:
    """Most erlangs that `lines` carry with at most `blocking` lost."""
    if not 0 < blocking < 1:
        raise ValueError(f"blocking must lie between 0 and 1, not {blocking}")
    if lines == 0:
        return 0.0
    return _most_load(lambda a: erlang_b(lines, a) <= blocking, lines)


def load_for_service_level(agents: int, handle_s: float, within_s: float, level: float) -> float:
    """Most erlangs for which `level` of patient callers are answered within `within_s`."""
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not {level}")
    if agents == 0:
        return 0.0
    return _most_load(lambda a: service_level(agents, a, handle_s, within_s) >= level, agents)


def load_for_loss(agents: int, patience: float, loss: float) -> float:
    """Most erlangs for which at most `loss` of callers give up at `patience` (M/M/n+D)."""
    if not 0 < loss < 1:
        raise ValueError(f"loss must lie between 0 and 1, not {loss}")
    if agents == 0:
        return 0.0
    return _most_load(lambda a: loss_at_patience(agents, a, patience)[1] <= loss, agents)
