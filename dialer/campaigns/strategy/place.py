"""Where a lead begins: excluded, or in a segment, an arm and a treatment, at a level. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dialer.campaigns.strategy.model import CHAMPION, Segment, StrategyFile
from dialer.campaigns.strategy.predicate import Facts, matches
from dialer.campaigns.strategy.score import level
from dialer.campaigns.strategy.split import arm_of
from dialer.campaigns.strategy.values import Value, Values, values_of

NO_SEGMENT = "no segment of the strategy matches"


@dataclass(frozen=True)
class Strategy:
    """A strategy as read. `body` is what the file says, comments apart; `version` its digest."""

    file: StrategyFile
    body: Mapping[str, Any]

    @cached_property
    def version(self) -> str:
        text = json.dumps(self.body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    @property
    def name(self) -> str:
        return self.file.strategy

    def values(self, fields: Mapping[str, str]) -> dict[str, Value]:
        return values_of(self.file.inputs, fields)

    def facts(self, values: Values, today: int) -> Facts:
        return Facts(self.file.inputs, values, today)


def from_body(body: Mapping[str, Any]) -> Strategy:
    """A strategy as the store kept it; it was checked when it was read."""
    return Strategy(StrategyFile.model_validate(body), body)


@dataclass(frozen=True, slots=True)
class Placement:
    """`excluded` says why a lead is in no segment. `level`: None leaves the list's priority."""

    segment: str = ""
    arm: str = ""
    treatment: str = ""
    excluded: str = ""
    level: int | None = None


def place(strategy: Strategy, values: Values, today: int, account: str) -> Placement:
    """`account` is what the split hashes: the external id, or what else stays the same."""
    facts = strategy.facts(values, today)
    reason = exclusion(strategy, facts)
    if reason:
        return Placement(excluded=reason)
    segment = segment_of(strategy, facts)
    if segment is None:
        return Placement(excluded=NO_SEGMENT)
    arm, treatment = treatment_of(segment, account)
    return Placement(segment.id, arm, treatment, level=level_of(strategy, facts))


def exclusion(strategy: Strategy, facts: Facts) -> str:
    """Why a lead is excluded, or ""."""
    for name, of in strategy.file.inputs.items():
        if of.required and facts.values.get(name) is None:
            return f"{of.column or name} is missing or is no {of.type.value}"
    for one in strategy.file.exclude:
        if matches(one.when, facts):
            return one.reason
    return ""


def segment_of(strategy: Strategy, facts: Facts) -> Segment | None:
    """The first that matches."""
    return next((one for one in strategy.file.segments if matches(one.when, facts)), None)


def treatment_of(segment: Segment, account: str) -> tuple[str, str]:
    """Arm and treatment; the arm is empty where there is no experiment."""
    split = segment.treatment
    if not split.challengers:
        return "", split.champion
    arm = arm_of(split.experiment, account, split.millionths)
    return arm or CHAMPION, arm or split.champion


def level_of(strategy: Strategy, facts: Facts) -> int | None:
    priority = strategy.file.priority
    return None if priority is None else level(priority, facts)
