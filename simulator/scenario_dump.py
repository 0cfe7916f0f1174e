"""A scenario as YAML text that `scenario_file` reads back to an equal one."""

from __future__ import annotations

from typing import Any

import yaml

from simulator import scenario as s
from simulator.distributions import (
    Constant,
    Distribution,
    Empirical,
    Exponential,
    Lognormal,
    Mixture,
    Shifted,
    Uniform,
)


def distribution_form(d: Distribution) -> Any:
    match d:
        case Constant(value_s=value):
            return value
        case Exponential(mean_s=mean):
            return {"exponential": {"mean_s": mean}}
        case Lognormal(mean_s=mean, cv=cv):
            return {"lognormal": {"mean_s": mean, "cv": cv}}
        case Uniform(low_s=low, high_s=high):
            return {"uniform": {"low_s": low, "high_s": high}}
        case Shifted(by_s=by, of=of):
            return {"shifted": {"by_s": by, "of": distribution_form(of)}}
        case Mixture(weights=weights, parts=parts):
            forms = [
                {"weight": w, "of": distribution_form(p)}
                for w, p in zip(weights, parts, strict=True)
            ]
            return {"mixture": {"parts": forms}}
        case Empirical(values_s=values):
            return {"empirical": {"values_s": list(values)}}


def _rates(rates: s.Rates) -> dict[str, float]:
    return dict(zip(s.RATE_NAMES, rates.as_tuple(), strict=True))


def _times(record: Any, *names: str) -> dict[str, Any]:
    return {name: distribution_form(getattr(record, name)) for name in names}


def _drift(drift: s.Drift) -> dict[str, Any]:
    if drift.regimes:
        return {
            "what": str(drift.what),
            "regimes": list(drift.regimes),
            "regime_mean_s": drift.regime_mean_s,
        }
    return {
        "what": str(drift.what),
        "points": [list(p) for p in drift.points],
        "shape": str(drift.shape),
    }


def scenario_text(scenario: s.Scenario) -> str:
    """YAML with every field written out; instants are seconds from the start of the day."""
    agents, amd, line, carrier = scenario.agents, scenario.amd, scenario.line, scenario.carrier
    spreads = {shift.login_spread_s for shift in agents.shifts}
    if len(spreads) > 1:
        raise ValueError("shifts with differing login_spread_s have no form in a file")
    form: dict[str, Any] = {"name": scenario.name}
    if scenario.note:
        form["note"] = scenario.note
    form |= {
        "day": {"start": 0, "hours": scenario.day_s / 3600.0},
        "agents": {
            "login_spread_s": spreads.pop(),
            "shifts": [
                {"count": shift.count, "from": shift.start_s, "until": shift.end_s}
                for shift in agents.shifts
            ],
            "breaks": [
                {"at": b.start_s, "length_s": b.length_s, "waves": b.waves, "share": b.share}
                for b in agents.breaks
            ],
            "speed_cv": agents.speed_cv,
            "break_share": agents.break_share,
            **_times(agents, "break_length"),
        },
        "list": {
            "leads": scenario.list.leads,
            "rates": _rates(scenario.list.rates),
            "by_hour": [{"from": t, "rates": _rates(r)} for t, r in scenario.list.by_hour],
            "by_attempt": list(scenario.list.by_attempt),
        },
        "line": {
            **_times(line, "setup", "ring_person", "ring_machine", "ring_out", "fail"),
            "ring_limit_s": line.ring_limit_s,
            "ring_least_s": line.ring_least_s,
        },
        "amd": {
            "enabled": amd.on,
            **_times(amd, "delay_person", "delay_machine"),
            "person_as_machine": amd.person_as_machine,
            "machine_as_person": amd.machine_as_person,
        },
        **_times(scenario, "patience"),
        "handling": _times(scenario.handling, "talk", "wrap_up", "machine_talk", "machine_wrap_up"),
        "carrier": {
            "trunks_per_agent": carrier.trunks_per_agent,
            "trunks_extra": carrier.trunks_extra,
            "congestion": carrier.congestion,
            "launches_per_s_max": carrier.launches_per_s_max,
        },
        "drift": [_drift(d) for d in scenario.drift],
        "faults": [
            {"kind": str(f.kind), "at": f.start_s, "length_s": f.length_s, "size": f.size}
            for f in scenario.faults
        ],
        "law": {
            "wait_limit_s": scenario.law.wait_limit_s,
            "abandon_rate_max": scenario.law.abandon_rate_max,
        },
    }
    return yaml.safe_dump(form, sort_keys=False, allow_unicode=True, width=96)
