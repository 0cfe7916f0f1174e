"""Where a lead begins: excluded, or in a segment, an arm and a treatment, at a level. Pure."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from dialer.campaigns.strategy.model import CHAMPION, Segment, StrategyFile
from dialer.campaigns.strategy.predicate import Asked, Facts, compiled
from dialer.campaigns.strategy.score import level_by
from dialer.campaigns.strategy.split import arm_of
from dialer.campaigns.strategy.values import Columns, Value, Values, columns_of, values_of

_COLUMNS_MAX = 200  # kinds of lists kept in mind
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
        """A lead's inputs. The rows of a list have the same columns, found once."""
        there = tuple(fields)
        columns = self._columns.get(there)
        if columns is None:
            if len(self._columns) >= _COLUMNS_MAX:
                self._columns.clear()
            columns = self._columns[there] = columns_of(self.file.inputs, there)
        return values_of(columns, fields)

    @cached_property
    def _columns(self) -> dict[tuple[str, ...], Columns]:
        return {}

    @cached_property
    def excluding(self) -> Sequence[tuple[Asked, str]]:
        """Each exclusion, compiled, and its reason."""
        return [(compiled(one.when, self.file.inputs), one.reason) for one in self.file.exclude]

    @cached_property
    def segmenting(self) -> Sequence[tuple[Asked, Segment]]:
        return [(compiled(one.when, self.file.inputs), one) for one in self.file.segments]

    @cached_property
    def scoring(self) -> Callable[[Values, int], int] | None:
        """The level of priority; None: as the list says."""
        priority = self.file.priority
        return None if priority is None else level_by(priority, self.file.inputs)

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
    for asked, reason in strategy.excluding:
        if asked(facts.values, facts.today) is True:
            return reason
    return ""


def segment_of(strategy: Strategy, facts: Facts) -> Segment | None:
    """The first that matches."""
    for asked, segment in strategy.segmenting:
        if asked(facts.values, facts.today) is True:
            return segment
    return None


def treatment_of(segment: Segment, account: str) -> tuple[str, str]:
    """Arm and treatment; the arm is empty where there is no experiment."""
    split = segment.treatment
    if not split.challengers:
        return "", split.champion
    arm = arm_of(split.experiment, account, split.millionths)
    return arm or CHAMPION, arm or split.champion


def level_of(strategy: Strategy, facts: Facts) -> int | None:
    scoring = strategy.scoring
    return None if scoring is None else scoring(facts.values, facts.today)
