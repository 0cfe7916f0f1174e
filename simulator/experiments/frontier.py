"""What each pacer can trade: utilisation against abandons over the one setting that governs it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from simulator.results import PacerSpec
from simulator.scenario import Scenario

_SHARES = (0.005, 0.01, 0.02, 0.03, 0.05, 0.1)
_PERCENTS = tuple(100 * share for share in _SHARES)
_RATIOS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0)

# The option a site would turn, and where to. Our own pacers take the law's limit.
_TURNED: dict[str, tuple[str, tuple[float, ...]]] = {
    "fixed_ratio": ("ratio", _RATIOS),
    "wombat": ("boost", _RATIOS),
    "webitel": ("max_percent", _PERCENTS),
    "impact": ("acceptable", _SHARES),
    "omnidialer": ("drop_limit", _SHARES),
    "vicidial_hard": ("limit_percent", _PERCENTS),
    "vicidial_average": ("limit_percent", _PERCENTS),
    "vicidial_average_available": ("limit_percent", _PERCENTS),
    "vicidial_tapered": ("limit_percent", _PERCENTS),
    "vicidial_tapered_available": ("limit_percent", _PERCENTS),
    "vicidial_ratio": ("level", (1.0, 1.05, 1.1, 1.2, 1.5, 2.0)),
    "issabel": ("qos", (0.97, 0.9, 0.8, 0.6, 0.4)),
    "issabel_overcommit": ("qos", (0.97, 0.9, 0.8, 0.6, 0.4)),
    "unicom": ("target_percent", _PERCENTS),
}
_BY_LAW = ("forward", "erlang_c")
DEFAULT = ("forward", "fixed_ratio", "webitel", "impact", "unicom", "vicidial_average_available")
PACERS = (*_BY_LAW, *_TURNED)


@dataclass(frozen=True)
class Point:
    """One setting of one pacer: its world (the law's limit may be the setting) and its spec."""

    pacer: str
    setting: str
    scenario: Scenario
    spec: PacerSpec


def points(scenario: Scenario, pacer: str) -> list[Point]:
    """The settings of `pacer`, gentlest first; it must be one of `PACERS`."""
    if pacer in _BY_LAW:
        out = []
        for share in _SHARES:
            law = replace(scenario.law, abandon_rate_max=share)
            name = f"{scenario.name}, limit {100 * share:g} %"
            world = replace(scenario, law=law, name=name)
            out.append(Point(pacer, f"limit {100 * share:g} %", world, PacerSpec(pacer)))
        return out
    option, values = _TURNED[pacer]
    found = []
    for value in values:
        options = {option: value}
        if pacer == "unicom":
            options["day_max_percent"] = 1.2 * value  # its own 3 % to 2.5 %
        setting = f"{option} {value:g}"
        found.append(Point(pacer, setting, scenario, PacerSpec.of(pacer, options)))
    return found
