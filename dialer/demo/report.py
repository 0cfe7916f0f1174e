"""What the demo tells at its end: the same numbers for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from dialer.kpi.formulas import Kpi


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """Key figures of a part of the campaign. `by` is campaign, segment or arm; `key` names it."""

    by: str
    key: str
    kpis: tuple[Kpi, ...]

    @property
    def in_words(self) -> str:
        """In a line, what was counted beside each figure."""
        return ", ".join(
            f"{one.name.lower()} {_shown(one)}" for one in self.kpis if one.id in _IN_WORDS
        )


# Of a segment, in the order people ask; the others are in the JSON, the API and `dialer kpi`.
_IN_WORDS = ("penetration", "intensity", "contact_rate", "right_party_rate", "promise_rate")


def _shown(one: Kpi) -> str:
    if one.value is None:
        return "-"
    value = f"{one.value:.1%}" if one.unit == "share" else f"{one.value:.2f}"
    return f"{value} ({one.numerator:.0f}/{one.denominator:.0f})"


@dataclass(frozen=True, slots=True)
class Report:
    """One played demo. Rates are fractions; durations seconds."""

    calls: int  # attempts dialled
    live_answers: int
    connects: int
    abandoned: int
    abandon_rate: float
    abandon_limit: float
    utilisation: float
    agents: int
    leads_left: int
    outcomes: Mapping[str, int]
    dispositions: Mapping[str, int]
    webhooks_delivered: int
    webhooks_verified: int  # by the receiver: signature right, content an event
    webhooks_forged: int
    dialled_twice: int
    ami_events: int
    duration_simulated_s: float
    duration_real_s: float
    seed: int
    problems: tuple[str, ...] = field(default=())  # empty: all is well
    figures: tuple[GroupFigures, ...] = ()

    @property
    def exit_code(self) -> int:
        return 1 if self.problems else 0

    def as_json(self) -> str:
        return json.dumps({"ok": not self.problems, **asdict(self)}, indent=2)

    def as_lines(self) -> list[tuple[str, str]]:
        """Label and value, in the order in which people ask."""
        hours = self.duration_simulated_s / 3600
        per_hour = self.connects / hours / self.agents if hours and self.agents else 0.0
        outcomes = ", ".join(f"{k} {v}" for k, v in sorted(self.outcomes.items(), key=_largest))
        codes = ", ".join(f"{k} {v}" for k, v in sorted(self.dispositions.items(), key=_largest))
        parts = [
            (f"{one.by} {one.key}", one.in_words)
            for one in self.figures
            if (one.by == "segment" and one.key) or (one.by == "arm" and "/" in one.key)
        ]
        return [
            ("calls dialled", f"{self.calls:,}"),
            ("live answers", f"{self.live_answers:,}"),
            ("connected to an agent", f"{self.connects:,} ({per_hour:.1f} an agent-hour)"),
            (
                "abandoned",
                f"{self.abandoned:,}, {self.abandon_rate:.2%} of a limit of"
                f" {self.abandon_limit:.0%}",
            ),
            ("agents' utilisation", f"{self.utilisation:.1%} of {self.agents} agents"),
            ("list left", f"{self.leads_left:,}"),
            ("outcomes", outcomes or "none"),
            ("dispositions", codes or "none"),
            (
                "webhooks",
                f"{self.webhooks_delivered:,} delivered, {self.webhooks_verified:,} signatures"
                f" verified, {self.webhooks_forged:,} refused",
            ),
            ("AMI events", f"{self.ami_events:,}"),
            (
                "time",
                f"{self.duration_simulated_s / 60:.0f} simulated minutes in"
                f" {self.duration_real_s:.0f} s, seed {self.seed}",
            ),
            *parts,
        ]


def _largest(item: tuple[str, int]) -> tuple[int, str]:
    return (-item[1], item[0])
